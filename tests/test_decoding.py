"""One decoder for all uses: training, evaluation and the page read the same pixels from a file."""

from __future__ import annotations

import base64
import io
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from mixviz.cam.inference import LoadedModel
from mixviz.cli import cam
from mixviz.data import batch_loading, dataset, decoding, pictures, sources
from mixviz.data.decoding import PictureError, decode
from mixviz.data.files.gathering import gather
from mixviz.evaluation import runner
from mixviz.evaluation.folder_eval import FolderEvaluation
from mixviz.networks.model_card import DataSpec, ModelCard, NetworkSpec
from mixviz.selection import scores
from mixviz.training import loader

SIZE = (180, 140)
ORANGE, WHITE = (200, 100, 50), (255, 255, 255)


def flat(mode: str = "RGB", colour=ORANGE) -> Image.Image:
    return Image.new("RGB", SIZE, colour).convert(mode)


def png(depth: int, kind: int, row: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """Encode a PNG of equal rows in a format that Pillow cannot write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, depth, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress((b"\0" + row) * SIZE[1]))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*one) for one in more) + body + chunk(b"IEND", b"")


def profile() -> bytes:
    """Make a colour profile with red and green swapped."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_profile() -> bytes:
    """Make a grey profile with a gamma of 1: the value 128 is half the light, 188 in sRGB."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061), b"kTRC": b"curv" + bytes(8)}
    tags |= {b"desc": b"desc" + struct.pack(">II", 0, 2) + b"a\0" + bytes(78), b"cprt": b"text\0\0\0\0a\0\0\0"}
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0\0\0\0", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H4s4s", 2020, 1, 1, 0, 0, 0, b"acsp", b"\0\0\0\0").ljust(44, b"\0")
    head += struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> bytes:
    """Encode a rotated picture with its orientation; upright, its left half is orange."""
    image = Image.new("RGB", SIZE[::-1], WHITE)
    image.paste(ORANGE, (0, SIZE[0] // 2, SIZE[1], SIZE[0]))
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image, "JPEG", exif=exif, quality=95, subsampling=0)


def see_through(alpha: int, mode: str = "RGBA") -> Image.Image:
    image = flat("LA" if mode == "LA" else "RGBA")
    image.putalpha(alpha)
    return image


def with_hole() -> bytes:
    """Encode a palette picture whose only colour is transparent."""
    return saved(flat("P"), transparency=flat("P").getpixel((0, 0)))


def values(number: float, kind: type) -> Image.Image:
    image = np.full(SIZE[::-1], number, kind)
    image[0, 0] = 1 if kind is np.float32 else 0
    return Image.fromarray(image)


# File -> its bytes and its middle colour as in a photo viewer. Every value is computed by hand.
ODD = {
    "transparent.png": (saved(see_through(0)), WHITE),
    "half.png": (saved(see_through(128)), (227, 177, 152)),  # 255 + (c - 255) · 128 / 255
    "grey-half.png": (saved(see_through(128, "LA")), (189, 189, 189)),  # of 124
    "palette.png": (saved(flat("P", (255, 0, 0))), (255, 0, 0)),
    "hole.png": (with_hole(), WHITE),
    "hole.gif": (saved(flat("P"), "GIF", transparency=flat("P").getpixel((0, 0))), WHITE),
    "bits.png": (saved(flat("1", (255, 255, 255))), WHITE),
    "16-bit.png": (saved(values(30_000, np.uint16)), (116, 116, 116)),  # 30000 / 257
    "16-bit-hole.png": (png(16, 0, struct.pack(">180H", *[30_000] * 180), (b"tRNS", struct.pack(">H", 30_000))), WHITE),
    "16-bit-colour.png": (png(16, 2, struct.pack(">HHH", 51_400, 25_700, 12_850) * 180), ORANGE),
    "16-bit.tif": (saved(values(30_000, np.uint16), "TIFF"), (116, 116, 116)),
    "16-bit.pgm": (b"P5 180 140 65535 " + struct.pack(">H", 200) * 180 * 140, (1, 1, 1)),
    "32-bit.tif": (saved(values(200, np.int32), "TIFF"), (200, 200, 200)),
    "float.tif": (saved(values(0.5, np.float32), "TIFF"), (128, 128, 128)),
    "not-a-number.tif": (saved(values(np.nan, np.float32), "TIFF"), (0, 0, 0)),
    "cmyk.jpg": (saved(flat("CMYK"), "JPEG", quality=95), ORANGE),
    "lab.tif": (saved(Image.new("LAB", SIZE, (255, 128, 128)), "TIFF"), WHITE),
    "turned.jpg": (turned(), None),
    "profile.png": (saved(flat(), icc_profile=profile()), (100, 200, 50)),
    "profile.jpg": (saved(flat(), "JPEG", icc_profile=profile(), quality=95), (100, 200, 50)),
    "profile-palette.png": (saved(flat("P", (255, 0, 0)), icc_profile=profile()), (0, 255, 0)),
    "profile-alpha.png": (saved(see_through(128), icc_profile=profile()), (177, 227, 152)),
    "profile-grey.png": (saved(flat("L", (128, 128, 128)), icc_profile=grey_profile()), (188, 188, 188)),
    "profile-of-another.png": (saved(flat("L", (128, 128, 128)), icc_profile=profile()), (128, 128, 128)),
    "profile-damaged.png": (saved(flat(), icc_profile=profile()[:200]), ORANGE),
    "profile-usual.png": (saved(flat(), icc_profile=srgb()), ORANGE),
    "exif-damaged.jpg": (saved(flat(), "JPEG", exif=b"Exif\0\0nonsense", quality=95), ORANGE),
    "photo.jp2": (saved(flat(), "JPEG2000"), ORANGE),
    "photo.ppm": (saved(flat(), "PPM"), ORANGE),
    "photo.psd": (
        struct.pack(">4sH6xHIIHH14x", b"8BPS", 1, 3, *SIZE[::-1], 8, 3)
        + bytes(np.repeat(ORANGE, SIZE[0] * SIZE[1]).astype(np.uint8)),
        ORANGE,
    ),
    "photo.tga": (saved(flat(), "TGA"), ORANGE),
    "photo.avif": (saved(flat(), "AVIF", quality=95), ORANGE),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Make a validation set of odd files, and return it with its only class."""
    root = tmp_path_factory.mktemp("odd")
    for part in ("train", "val"):
        (root / part / "odd").mkdir(parents=True)
    for name, (content, _) in ODD.items():
        (root / "val" / "odd" / name).write_bytes(content)
    return root


@pytest.mark.parametrize("name", ODD)
def test_a_file_is_shown_as_a_photo_viewer_shows_it(odd, name):
    image = decode(odd / "val" / "odd" / name)
    assert (image.mode, image.size) == ("RGB", SIZE)
    pixels, expected = np.asarray(image).astype(int), ODD[name][1]
    if expected is None:
        assert np.abs(pixels[:, :80] - ORANGE).max() < 8
        assert np.abs(pixels[:, 100:] - WHITE).max() < 8
    else:
        tolerance = 8 if name.endswith((".jpg", ".avif", ".jp2")) else 2
        assert np.abs(pixels[70, 90] - expected).max() <= tolerance, pixels[70, 90]


class Looked:
    """A network that is never run: only its input counts."""

    def __init__(self, side: int) -> None:
        spec = NetworkSpec("none", "standard", 1, side, (0.0,) * 3, (1.0,) * 3)
        self.known = LoadedModel("n", ModelCard("", spec, DataSpec(("odd",))), "", torch.nn.Identity())


@pytest.mark.parametrize("side", [48, 112])
def test_every_road_shows_a_network_the_same_pixels(odd, side, monkeypatch):
    """Above 96 px training, `evaluate` and heat maps all crop the middle 7/8."""
    monkeypatch.setattr("mixviz.evaluation.folder_eval.looks", lambda one, views, *_, **__: views)
    monkeypatch.setattr(FolderEvaluation, "_rows", lambda *_: [])
    monkeypatch.setattr("mixviz.cam.inference.look", lambda one, view, *_, **__: view)
    known = Looked(side).known
    folder = sources.load("folder", odd, "val")
    names = [path.name for path in folder.pictures]
    assert names == sorted(ODD)
    cpu = torch.device("cpu")
    resident = loader.feed(folder, side, "none", cpu)
    streamed = loader.Feed(folder, side, "none", cpu, None)
    roads = {
        "trained": next(resident.training(len(names), 0, 0)),
        "streamed": next(streamed.validation(len(names))),
        "evaluated": (runner._images(runner._seen(folder, known.card, cpu)), None),
    }
    order = np.random.default_rng([0, 0, loader.ORDER]).permutation(len(names))
    trained = torch.empty_like(roads["trained"][0])
    trained[torch.from_numpy(order)] = roads["trained"][0]
    roads = {"trained": trained, **{road: images for road, (images, _) in roads.items() if road != "trained"}}
    with gather(odd / "val") as gathered:
        surveyed = [seen.looks[0] for seen in FolderEvaluation([known]).results(gathered)]
    for road, images in roads.items():
        for name, image, view in zip(names, images, surveyed, strict=True):
            assert np.array_equal(image.permute(1, 2, 0).numpy(), view), (road, name)
    for path, view in zip(folder.pictures, surveyed, strict=True):
        (shown,) = cam._looks(path, [known], (), "grad_cam", None, 0)
        assert np.array_equal(shown, view), path.name
        assert np.array_equal(pictures.view(str(path), side), view), path.name  # the page and its endpoints


def test_what_is_mixed_and_shown_is_the_same_picture(odd, tmp_path):
    """At the page's sizes the filter differs, but not the content."""
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for path in sorted((odd / "val" / "odd").iterdir()):
            archive.write(path, f"odd/{path.name}")
    batch = batch_loading.load(tmp_path / "odd.zip", side=64)
    assert len(batch.names) == len(ODD)
    for name, image in zip(sorted(ODD), batch.images, strict=True):
        view = pictures.load_view(odd / "val" / "odd" / name, 64)
        mixed = image.permute(1, 2, 0).numpy()
        assert np.array_equal(mixed, pictures.load_image(odd / "val" / "odd" / name, 64))
        assert np.abs(mixed.mean((0, 1)) - view.mean((0, 1))).max() < 2, name


def test_the_part_that_a_network_sees_by_hand():
    assert [pictures.stored_side(side) for side in (64, 96, 112, 224)] == [64, 96, 128, 256]
    assert pictures.view_square((300, 400), 64) == (0, 50, 300, 350)
    assert pictures.view_square((300, 400), 112) == (18.75, 68.75, 281.25, 331.25)  # 8 of 128 pixels on each side
    box = pictures.whole_box((0, 0, 112, 56), 112, (300, 400), pictures.view_square((300, 400), 112))
    assert box == (19, 69, 281, 200)


def test_a_map_lies_on_the_page_where_the_network_saw_it():
    pytest.importorskip("gradio")
    from mixviz.ui.views import localize

    assert localize._in_square(torch.ones(64, 64), pictures.View(64)).shape == (64, 64)
    framed = localize._in_square(torch.ones(112, 112), pictures.View(112))
    assert framed.shape == (128, 128)
    assert framed[8:120, 8:120].min() == 1
    assert framed.sum() == 112 * 112


# Endings


def test_every_format_that_pillow_decodes_is_in_the_list_with_all_its_endings():
    """Except formats that Pillow passes to other programs or cannot decode."""
    Image.init()
    others = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC", "PALM", "PDF"}
    for ending, name in Image.registered_extensions().items():
        if name not in others:
            assert ending in decoding.ENDINGS, (ending, name)
    assert set(decoding.FORMATS) - {"HEIF"} <= set(Image.OPEN)
    assert not others & set(decoding.FORMATS)


def test_every_format_that_pillow_writes_is_read_back(tmp_path):
    Image.init()
    written = [name for name in decoding.FORMATS if name in Image.SAVE and name != "HEIF"]
    assert len(written) > 15
    for name in written:
        mode = {"BLP": "P", "MSP": "1", "XBM": "1"}.get(name, "RGB")
        path = tmp_path / f"white{decoding.FORMATS[name][0]}"
        Image.new("RGB", (64, 64), "white").convert(mode).save(path, name)
        image = decode(path)
        assert image.mode == "RGB"
        assert np.asarray(image).min() > 250, name


def test_every_road_takes_the_same_endings(tmp_path, capsys):
    """All uses accept the same files as pictures, and report the number of other files."""
    for part in ("train", "val"):
        (tmp_path / part / "a" / ".ipynb_checkpoints").mkdir(parents=True)
        (tmp_path / part / ".cache").mkdir()
        for index, ending in enumerate((*decoding.ENDINGS, ".txt", ".xml")):
            (tmp_path / part / "a" / f"{index:03d}{ending.upper()}").write_bytes(saved(flat()))
        for name in (".DS_Store", "._000.jpg", "Thumbs.db", ".ipynb_checkpoints/b.jpg"):
            (tmp_path / part / "a" / name).write_bytes(b"")
    count = len(decoding.ENDINGS)
    full = sources.load("folder", tmp_path, "train")
    assert len(full) == count
    assert full.classes == ("a",)
    assert "Left out, no pictures by their names' endings: 2 (" in capsys.readouterr().out
    with gather(tmp_path / "train") as gathered:
        assert (len(gathered.pictures), len(gathered.others)) == (count, 2)
    assert len(scores.in_folder(tmp_path / "train" / "a")) == count
    assert "endings: 2 (" in capsys.readouterr().out
    foreign = sum(ending in (".dng", ".cr2") for ending in decoding.ENDINGS)
    assert foreign == 2
    with pytest.warns(UserWarning, match=r"Left out, no pictures by their names' endings: 2 "):
        assert len(batch_loading.load(tmp_path / "train", 16, most=count)[0]) == count  # all contain PNG data


def test_the_page_takes_the_same_endings():
    gradio = pytest.importorskip("gradio")
    from mixviz.ui import app
    from mixviz.ui.services import folder_panel

    assert app.own_texts()["endings"].split(",") == list(decoding.ENDINGS)
    assert set(folder_panel.TAKEN) == {*decoding.ENDINGS, ".zip", ".csv"}
    with gradio.Blocks() as blocks:
        folder_panel.panel("en")
    (files,) = [one for one in blocks.blocks.values() if isinstance(one, gradio.File) and one.file_types]
    assert files.file_types == list(folder_panel.TAKEN)


# Sizes and messages


def claims(width: int, height: int, progressive: bool = False) -> bytes:
    """Make a JPEG whose header claims a size."""
    content = saved(flat(), "JPEG", progressive=progressive)
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(8064, 6048), (9504, 6336), (16320, 12240)])
def test_a_phones_large_jpeg_is_decoded_small_on_every_road(tmp_path, size):
    """JPEGs of 48, 60 and 200 megapixels; at full size only those within the limit are decoded."""
    path = tmp_path / "large.jpg"
    Image.new("L", size, 90).save(path, quality=50)
    assert np.abs(pictures.load_image(path, 224).astype(int) - 90).max() <= 2
    assert np.abs(pictures.load_view(path, 64).astype(int) - 90).max() <= 2
    assert dataset.read(path, 64).size == (size[0] // 8, size[1] // 8)  # the smallest scale of a JPEG
    assert pictures.upright_size(path) == size[::-1]
    complete = decode(path)
    assert complete.size == (size if size[0] < 10_000 else (8160, 6120))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "one.jpg")
        archive.write(path, "two.jpg")
    assert batch_loading.load(tmp_path / "a.zip", 64).images.shape == (2, 3, 64, 64)


@pytest.mark.parametrize("least", [17, 30, 70, 140])
def test_a_jpeg_is_decoded_no_larger_than_necessary(tmp_path, least):
    path = tmp_path / "x.jpg"
    flat().save(path)
    scale = {17: 8, 30: 4, 70: 2, 140: 1}[least]
    assert decode(path, least).size == (-(-SIZE[0] // scale), -(-SIZE[1] // scale))
    assert decode(path).size == SIZE


REFUSED = {
    "bomb.png": (b"", r"bomb\.png \(PNG\) has 1e\+04|bomb\.png \(PNG\) has 10000\.0 megapixels.* at most 70 .*smaller"),
    "large.png": (b"", r"large\.png \(PNG\) has 100\.0 megapixels, and at most 70 are decoded: make it smaller"),
    "huge.jpg": (claims(20_000, 15_000), r"huge\.jpg \(JPEG\) has 300\.0 megapixels.*may have up to 250"),
    "progressive.jpg": (claims(10_000, 8_000, True), r"progressive\.jpg \(JPEG\) has 80\.0 megapixels"),
    "cut.png": (saved(Image.effect_noise((90, 90), 90))[:900], r"cut\.png .*this PNG file is damaged.*save it as JPEG"),
    "cut.jpg": (saved(Image.effect_noise((90, 90), 90), "JPEG")[:900], r"cut\.jpg .*this JPEG file is damaged"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", r"drawing\.svg .*it is SVG\. JPEG, PNG.*save it as"),
    "photo.jxl": (b"\xff\x0a\0", r"photo\.jxl .*it is JPEG XL\. JPEG, PNG"),
    "raw.dng": (saved(flat(), "TIFF"), r"raw\.dng .*it is camera raw\. JPEG, PNG"),
    "letter.png": (b"This is a letter.", r"letter\.png .*no picture format that is known here\. JPEG, PNG"),
    "empty.jpg": (b"", r"empty\.jpg .*no picture format"),
    "photo.heic": (b"\0\0\0\x18ftypheic", r"photo\.heic .*(mixviz\[heic\]|HEIC file is damaged)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_file_its_format_and_what_to_do_on_every_road(tmp_path, name):
    folder = tmp_path / "a"
    folder.mkdir()
    path, (content, says) = folder / name, REFUSED[name]
    if name in ("bomb.png", "large.png"):
        size = {"bomb.png": (100_000, 100_000), "large.png": (10_000, 10_000)}[name]
        content = png(8, 0, b"").replace(struct.pack(">II", *SIZE), struct.pack(">II", *size), 1)
        at = content.index(b"IHDR")
        content = content[: at + 17] + struct.pack(">I", zlib.crc32(content[at : at + 17])) + content[at + 21 :]
    path.write_bytes(content)
    for load in (pictures.load_image, pictures.load_view, pictures.load_once):
        with pytest.raises(PictureError, match=says) as caught:
            load(path, 32)
        assert str(tmp_path) not in str(caught.value)  # do not show a visitor the folder
        assert name in caught.value.told("ko")
        assert caught.value.told("ko") != str(caught.value)
    with pytest.raises(ValueError, match=says) as caught:
        dataset.read(path)
    assert str(path) in str(caught.value)  # who trains wants to find it
    assert "--corrupt skip" in str(caught.value)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, f"sub/{name}")
    for where in (folder, tmp_path / "a.zip", [path]):
        with batch_loading.found_in(where) as result:
            ((_, tile, reason),) = batch_loading.read(result, 32)
            assert tile is None
            assert name in reason
        with gather(where) as gathered:
            (seen,) = FolderEvaluation([Looked(32).known]).results(gathered)
            assert name in seen.rows[0]["note"]


def test_what_cannot_be_opened_says_so(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureError, match=r"folder\.png could not be opened \(Is a directory\)"):
        decode(tmp_path / "folder.png")


def test_heic_needs_its_plug_in(tmp_path, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(flat()).save(tmp_path / "photo.heic", quality=95)
    decoding._formats.cache_clear()
    assert np.abs(np.asarray(decode(tmp_path / "photo.heic")).astype(int) - ORANGE).max() < 8
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decoding._formats.cache_clear()
    with pytest.raises(PictureError, match=r"photo\.heic .*pip install 'mixviz\[heic\]'"):
        decode(tmp_path / "photo.heic")
    decoding._formats.cache_clear()


def test_the_page_previews_what_browsers_cannot_show(tmp_path, monkeypatch):
    pytest.importorskip("gradio")
    from mixviz.ui import handlers

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for name in ("16-bit.tif", "photo.jp2", "transparent.png", "profile.jpg"):
        (tmp_path / name).write_bytes(ODD[name][0])
        shown = handlers.preview({"path": str(tmp_path / name)})["picture"]
        image = Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2])))
        assert (image.format, image.size) == ("JPEG", SIZE)
        assert np.abs(np.asarray(image.convert("RGB"))[70, 90].astype(int) - ODD[name][1]).max() < 10
    Image.new("RGB", (3000, 1500)).save(tmp_path / "wide.tif")
    shown = handlers.preview({"path": str(tmp_path / "wide.tif")})["picture"]
    assert Image.open(io.BytesIO(base64.b64decode(shown.partition(",")[2]))).size == (600, 300)
    assert "no longer here" in handlers.preview({"path": "/etc/passwd"})["message"]
    assert "message" in handlers.preview(None)

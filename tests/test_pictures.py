"""The picture loader: every odd file gives a correct picture or a clear message."""

from __future__ import annotations

import struct
import tomllib
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from mixviz.data import batch_loading, pictures
from mixviz.resources import assets
from mixviz.selection import scores
from mixviz.ui.services import detector_options

RAMP = np.linspace(0, 255, 40 * 60).reshape(40, 60)


def save(image: Image.Image, path, **options):
    image.save(path, **options)
    return path


def colour(mode: str) -> Image.Image:
    return Image.new("RGB", (60, 40), (200, 100, 50)).convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "png"), ("CMYK", "jpg"), ("P", "gif"), ("RGB", "webp"), ("RGB", "bmp")]
)
def test_colours_arrive(tmp_path, mode, kind):
    picture = pictures.load_image(save(colour(mode), tmp_path / f"x.{kind}"))
    assert picture.shape == (40, 60, 3)
    assert np.abs(picture.reshape(-1, 3).mean(0) - (200, 100, 50)).max() < 12


def test_grey_and_16_bit_keep_their_ramp(tmp_path):
    grey = pictures.load_image(save(Image.fromarray(RAMP.astype(np.uint8)), tmp_path / "g.png"))
    deep = pictures.load_image(save(Image.fromarray((RAMP * 257).astype(np.uint16)), tmp_path / "d.png"))
    assert np.abs(grey.astype(int) - deep).max() <= 1
    assert deep.min() == 0
    assert deep.max() == 255


def test_a_dark_16_bit_picture_stays_dark(tmp_path):
    dark = np.full((40, 60), 128, np.uint16)
    assert pictures.load_image(save(Image.fromarray(dark), tmp_path / "dark.png")).max() <= 1


def test_transparent_is_over_white(tmp_path):
    image = Image.new("RGBA", (60, 40), (255, 0, 0, 0))
    assert (pictures.load_image(save(image, tmp_path / "t.png")) == 255).all()


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (60, 40), c) for c in ("red", "blue")]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pictures.load_image(path)[..., 0] > 240).all()


def test_png_named_gif(tmp_path):
    image = colour("RGB")
    image.save(tmp_path / "x.gif", format="PNG")
    assert pictures.load_image(tmp_path / "x.gif").shape == (40, 60, 3)


def test_exif_rotation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(colour("RGB"), tmp_path / "r.jpg", exif=exif)
    assert pictures.load_image(path).shape == (60, 40, 3)
    assert pictures.load_image(path, 32).shape == (32, 32, 3)


@pytest.mark.parametrize("size", [(1, 1), (5000, 1), (15, 400)])
def test_too_small_says_so(tmp_path, size):
    with pytest.raises(pictures.PictureError, match="at least 16"):
        pictures.load_image(save(Image.new("RGB", size), tmp_path / "s.png"))


def bomb(path, width: int, height: int):
    """Make a few hundred bytes that claim to hold width x height grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("size", [(13_000, 13_000), (20_000, 5_000), (100_000, 100_000)])
def test_a_bomb_is_refused_by_its_header(tmp_path, size):
    with pytest.raises(pictures.PictureError, match="megapixels"):
        pictures.load_image(bomb(tmp_path / "b.png", *size))


def test_damaged_and_foreign_files_say_so(tmp_path):
    path = save(Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)), tmp_path / "x.png")
    path.write_bytes(path.read_bytes()[:2000])
    text = tmp_path / "x.svg"
    text.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    for bad in (path, text):
        with pytest.raises(pictures.PictureError, match="could not be read"):
            pictures.load_image(bad)
    with pytest.raises(pictures.PictureError, match="There is no file"):
        pictures.load_image(tmp_path / "none.png")


def test_every_photograph_has_credits_a_free_licence_and_a_box_inside_it():
    assert len(pictures.photographs()) >= 12
    for name, entry in pictures.photographs().items():
        with Image.open(pictures.photograph_path(name)) as image:
            assert [image.height, image.width] == entry["size"], name
        top, left, bottom, right = entry["box"]
        assert 0 <= top < bottom <= entry["size"][0], name
        assert 0 <= left < right <= entry["size"][1], name
        assert entry["licence"].startswith(("Public domain", "CC0", "CC BY ", "MIT")), name
        assert "SA" not in entry["licence"], name
        assert entry["author"], name
        credits = (assets() / "CREDITS.md").read_text(encoding="utf-8")
        assert name in credits
        assert entry["author"] in credits, name


@pytest.mark.parametrize("name", pictures.photographs())
def test_every_photograph_has_a_mask_that_fits_its_box(name):
    cv2, entry = pytest.importorskip("cv2"), pictures.photographs()[name]
    objects = pictures.photograph_objects(name)
    assert objects.size == tuple(entry["size"])
    assert objects.boxes.tolist() == [entry["box"]]
    assert objects.extras == {"name": [entry["label"]]}
    with Image.open(pictures.mask_path(name)) as image:
        assert image.mode == "L"
        ids = np.array(image)
    assert np.unique(ids).tolist() == [0, *range(1, len(objects) + 1)]
    for mask, box in zip(objects.masks.numpy(), objects.boxes.tolist(), strict=True):
        rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
        top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
        overlap = (min(bottom, box[2]) - max(top, box[0])) * (min(right, box[3]) - max(left, box[1]))
        both = (bottom - top) * (right - left) + (box[2] - box[0]) * (box[3] - box[1]) - overlap
        assert overlap / both >= 0.75
        parts = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
        assert parts.max() >= 0.98 * mask.sum()
        assert 0.15 < mask.sum() / ((bottom - top) * (right - left)) < 0.95


@pytest.mark.parametrize("side", [64, 192])
def test_mask_follows_the_square_crop(side):
    """The mask of the square lies where a square picture of the mask is white, and inside the known box."""
    for name, entry in pictures.photographs().items():
        mask, whole = pictures.square_mask(entry, side), pictures.photograph_objects(name).masks[0].numpy()
        white = ImageOps.fit(Image.fromarray(whole.astype(np.uint8) * 255), (side, side), Image.Resampling.LANCZOS)
        assert (mask.shape, mask.dtype, set(mask.unique().tolist())) == ((side, side), torch.float32, {0, 1})
        assert np.abs(mask.numpy() - (np.asarray(white) > 127)).mean() < 0.005, name
        top, left, bottom, right = pictures.square_box(entry, side)
        assert mask[top:bottom, left:right].sum() > 0.95 * mask.sum(), name


def test_the_truth_of_labels_is_measured_on_masks():
    a, b = (pictures.photograph_path(name) for name in ("cat_egyptian_mau.jpg", "scissors.jpg"))
    masks = torch.stack([pictures.square_mask(pictures.photograph_of(path), 64) for path in (a, b)])
    assert detector_options.objects(a, b, 64).equal(masks)
    assert scores.gather((a, b)).reference_masks.equal(masks)
    assert batch_loading.bundled(2, 64).objects[0].equal(masks[0])


def test_masks_are_of_photographs_small_and_in_the_package():
    files = sorted((assets() / "masks").iterdir())
    assert [file.stem for file in files] == sorted(name.rsplit(".", 1)[0] for name in pictures.photographs())
    assert sum(file.stat().st_size for file in files) < 150_000
    project = tomllib.loads((assets().parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert "masks/*" in project["tool"]["setuptools"]["package-data"]["mixviz.assets"]


def test_objects_of_a_photograph_that_is_not_there(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"no bundled photograph 'tiger\.jpg'; there are cat_egyptian_mau\.jpg"):
        pictures.photograph_objects("tiger.jpg")
    pictures.photograph_objects.cache_clear()
    monkeypatch.setattr(pictures, "mask_path", lambda name: str(tmp_path / name))
    with pytest.raises(ValueError, match=r"lion\.jpg has no mask"):
        pictures.photograph_objects("lion.jpg")


def test_pairs_are_made_of_photographs():
    used = {name for pair in pictures.pairs() for name in (pair["a"], pair["b"])}
    assert used <= set(pictures.photographs())


def test_box_follows_the_square_crop(tmp_path):
    """A white object on black: after scaling and cropping, its box still holds exactly the white pixels."""
    picture = np.zeros((300, 500, 3), np.uint8)
    picture[90:210, 120:330] = 255
    path = save(Image.fromarray(picture), tmp_path / "box.png")
    top, left, bottom, right = pictures.square_box({"size": [300, 500], "box": [90, 120, 210, 330]}, 192)
    white = pictures.load_image(path, 192)[..., 0] > 127
    expected = np.zeros_like(white)
    expected[top:bottom, left:right] = True
    assert (white != expected).sum() <= 2 * (bottom - top + right - left)


@pytest.mark.parametrize("side", [64, 192])
def test_box_follows_the_view_of_a_network(tmp_path, side):
    picture = np.zeros((300, 500, 3), np.uint8)
    picture[90:210, 120:330] = 255
    path = save(Image.fromarray(picture), tmp_path / "box.png")
    top, left, bottom, right = pictures.view_box((90, 120, 210, 330), (300, 500), side)
    white = pictures.load_view(path, side)[..., 0] > 127
    expected = np.zeros_like(white)
    expected[top:bottom, left:right] = True
    assert (white != expected).sum() <= 2 * (bottom - top + right - left)
    assert pictures.view_box((0, 0, 64, 64), (64, 64), 64) == (0, 0, 64, 64)
    top, left, bottom, right = pictures.view_box((0, 0, 300, 20), (300, 500), side)  # left of the middle square
    assert left == right


def test_a_pair_as_methods_take_it(two_files):
    pair = pictures.load_pair(*two_files, 40)
    assert pair.shape == (2, 3, 40, 40)
    assert pair.dtype == torch.uint8
    assert pair.is_contiguous()
    for image, path in zip(pair, two_files, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), pictures.load_image(path, 40))
    assert pictures.load_pair(*two_files).shape == (2, 3, 224, 224)


def test_a_photograph_goes_by_its_name_unless_a_file_here_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = pictures.load_image(pictures.photograph_path("lion.jpg"), 32)
    assert np.array_equal(pictures.load_pair("lion.jpg", "bee.jpg", 32)[0].permute(1, 2, 0).numpy(), ours)
    save(colour("RGB"), tmp_path / "lion.jpg")
    assert pictures.load_pair("lion.jpg", "bee.jpg", 32)[0].float().std((1, 2)).max() < 1  # all of one colour
    with pytest.raises(pictures.PictureError, match=r"There is no file tiger\.jpg"):
        pictures.load_pair("tiger.jpg", "bee.jpg", 32)


def test_a_kept_tile_is_the_loaders_and_cannot_be_spoilt(two_files):
    tile = pictures.tile(str(two_files[0]), 48)
    assert np.array_equal(tile, pictures.load_image(two_files[0], 48))
    assert pictures.tile(str(two_files[0]), 48) is tile
    with pytest.raises(ValueError, match="read-only"):
        tile[0] = 0

"""Downloads equal the page: exact pictures, figures that any reader opens, the same bytes every time."""

from __future__ import annotations

import functools
import io
import re
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import mixviz
from mixviz import i18n
from mixviz.explain.example import MixedExample, corner_fractions, make_example, percent, steps
from mixviz.render import export, figure, fonts
from mixviz.render.gif import LARGEST, LAST, STEP, WIDTH

SIDE = 64
NAMES = ("Egyptian cat", "Ente")
NASTY = ("고양이 <b>&amp;</b> \"quoted\" 'it' $x_1$", "]]> {detector} \\alpha ^ _ % # 𐘀 🐱 " + "e\u0301")
UNSEEN = "\U00010600"  # a sign of Linear A: assigned, and in none of the export's fonts
kinds = pytest.mark.parametrize("kind", ["svg", "pdf"])
some = pytest.mark.parametrize("name", ["baseline", "saliencymix", "mosaic"])  # one, two and four sources
catalogue = pytest.mark.parametrize("name", mixviz.METHODS)


@functools.cache
def story(
    name: str, names: tuple[str, str] = NAMES, lam: float | None = None, shape: tuple[int, int] = (SIDE, SIDE), seed=3
) -> MixedExample:
    """Augment a ramp with a bright disc by a dark ground with a bright square."""
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    a = np.repeat((rows * 200 // height)[..., None], 3, 2).astype(np.uint8)
    a[(rows - 20) ** 2 + (columns - 24) ** 2 < 150] = (250, 60, 20)
    b = np.full((height, width, 3), 30, np.uint8)
    b[height // 2 : -6, width // 3 : -8] = (60, 200, 240)
    images = torch.from_numpy(np.stack([a, b])).permute(0, 3, 1, 2).contiguous()
    cls = mixviz.METHODS[name]
    asks = {"detector": "fine_grained"} if "detector" in cls.parameters() else {}
    return make_example(images, cls(**asks), seed, lam, maps=mixviz.saliency(images), names=names)


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def pictures(svg: bytes) -> list:
    return list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}image"))


def joined(svg: bytes) -> str:
    """Return all text without spaces, because captions break between words."""
    return "".join("".join(texts(svg)).split())


@catalogue
def test_png_is_the_mixture(name):
    told = story(name)
    image = Image.open(io.BytesIO(export.png(told)))
    assert (image.format, image.mode) == ("PNG", "RGB")
    np.testing.assert_array_equal(np.asarray(image), told.mixed.permute(1, 2, 0).numpy())
    assert export.png(told) == export.png(told)


@catalogue
def test_zip_holds_every_tile(name):
    told = story(name)
    data = export.pictures_zip(told)
    assert data == export.pictures_zip(told)
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    assert archive.namelist() == [f"{tile}.png" for tile in export.tiles(told)]
    for tile, picture in export.tiles(told).items():
        np.testing.assert_array_equal(np.asarray(Image.open(archive.open(f"{tile}.png"))), picture)


@catalogue
def test_white_of_the_mask_is_the_area_that_is_told(name):
    told = story(name)
    assert export.tiles(told)["mask"].mean() / 255 == pytest.approx(told.area[0], abs=0.003)


@catalogue
def test_svg_tells_the_mixture(name):
    told = story(name)
    data = export.figure(told, "svg")
    panels = figure.panels(told)
    assert len(pictures(data)) == len(panels)
    shown = joined(data)
    pair = told.recipe.paired
    for label, share in list(zip(told.names, told.share, strict=True))[: 1 + pair]:
        assert "".join(f"{label}{percent(share)}".split()) in shown
    assert type(told.method).card.title in texts(data)
    assert f"{told.share[0]:.3f}" in texts(data)
    assert data.count(b"stroke-dasharray") == sum(len(panel.boxes) for panel in panels if panel.dashed)
    assert b"<dc:date>" not in data


@catalogue
def test_panels_are_what_the_recipe_looked_at(name):
    told = story(name)
    recipe, pair = told.recipe, told.recipe.paired
    tiles = [panel.tile for panel in figure.panels(told)]
    assert tiles[0] == "a"
    assert tiles[-1] == "mixed"
    assert ("b" in tiles) == pair
    assert any(tile.startswith("heat") for tile in tiles) == (recipe.saliency is not None)
    assert ("mask" in tiles) == (not recipe.layer)
    patch = corner_fractions(recipe.target_box, recipe.size) is not None and not recipe.layer
    assert len(tiles) == len(set(tiles)) + patch  # the patch repeats A or B


@some
def test_pdf_is_one(name):
    data = export.figure(story(name), "pdf")
    assert data.startswith(b"%PDF")
    assert data == export.figure(story(name), "pdf")
    assert b"/CreationDate" not in data
    assert b"/FontFile2" in data  # embedded TrueType
    assert data.count(b"/Subtype /Image") == len({(p.tile, p.boxes) for p in figure.panels(story(name))})


@some
def test_svg_and_gif_are_the_same_every_time(name):
    for make in (functools.partial(export.figure, kind="svg"), export.gif):
        assert make(story(name)) == make(story.__wrapped__(name))


@catalogue
def test_gif_has_a_frame_for_each_step(name):
    told = story(name)
    data = export.gif(told, detector="a detector")
    image = Image.open(io.BytesIO(data))
    assert image.info["loop"] == 0  # endlessly
    assert image.width == WIDTH
    frames = [(frame.info["duration"], frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    assert [duration for duration, _ in frames] == [STEP] * (len(steps(told)) - 1) + [LAST]
    left = (WIDTH - LARGEST) // 2
    for (_, frame), step in zip(frames, steps(told), strict=True):
        assert frame.getpixel((2, 2)) == (255, 255, 255)
        if step.pictures == ("mixed",) and step.box is None:
            shown = frame.crop((left, 40, left + LARGEST, 40 + LARGEST)).resize((SIDE, SIDE), Image.Resampling.BOX)
            off = np.abs(np.asarray(shown, int) - export.tiles(told)["mixed"])
            assert off.mean() < 6  # 256 colours


@kinds
def test_names_are_drawn_literally(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        data = export.figure(story("cutmix", NASTY), kind)
        export.gif(story("cutmix", NASTY))
    if kind == "svg":
        for name in NASTY:
            assert "".join(name.split()) in joined(data)


@pytest.mark.parametrize("bad", ["\x00\x07\x1b[31m\ud800\ufffe", "a\nb\u2028c", " ", UNSEEN, "ab " * 4000])
def test_no_name_breaks_a_file(bad):
    told = story("saliencymix", (bad, "x" * 5000))
    ElementTree.fromstring(export.figure(told, "svg"))
    assert export.figure(told, "pdf").startswith(b"%PDF")
    assert Image.open(io.BytesIO(export.gif(told))).n_frames == len(steps(told))


@pytest.mark.parametrize("lam", [0.0, 0.02, 0.98, 1.0])
def test_narrow_parts_keep_their_per_cent(lam):
    told = story("mixup", ("a name that is much longer than its part of the label " * 4, "another " * 40), lam)
    shown = [text for text in texts(export.figure(told, "svg")) if "%" in text]
    assert len(shown) == 2
    for text, share in zip(shown, told.share, strict=True):
        assert "…" in text
        assert text.endswith(percent(share))


def test_threads_draw_as_one_after_another_does():
    tasks = [(export.figure, "cutmix", "svg"), (export.figure, "saliencymix", "pdf"), (export.gif, "mixup", "en")] * 2
    tasks = [(make, story(name), how) for make, name, how in tasks]
    alone = [make(told, how) for make, told, how in tasks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda task: task[0](*task[1:]), tasks))
    assert together == alone


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    export.figure(story("cutmix"), "svg")
    assert dict(matplotlib.rcParams) == before


def test_language_that_no_font_has(monkeypatch):
    """An SVG relies on the reader's fonts; formats with embedded fonts are in English."""
    english = export.figure(story("mixup"), "pdf"), export.gif(story("mixup"))
    monkeypatch.setitem(i18n.texts(), "xx", {"mixture": UNSEEN * 3, "step.pictures": UNSEEN})
    assert fonts.file_for(UNSEEN) is None
    assert UNSEEN * 3 in texts(export.figure(story("mixup"), "svg", "xx"))
    assert (export.figure(story("mixup"), "pdf", "xx"), export.gif(story("mixup"), "xx")) == english


@kinds
@pytest.mark.parametrize("shape", [(48, 96), (90, 40)])
def test_other_shapes_keep_their_shape(kind, shape):
    told = story("cutmix", shape=shape)
    data = export.figure(told, kind)
    if kind == "svg":
        matrix = re.search(r"matrix\(([-\d. ]+)\)", pictures(data)[0].get("transform"))
        a, _, _, d, *_ = map(float, matrix[1].split())
        assert abs(d) == pytest.approx(abs(a), rel=0.01)  # pixels are square
    frame = Image.open(io.BytesIO(export.gif(told)))
    assert frame.width == WIDTH


def test_changed_by_hand():
    made = story("cutmix")
    mask = torch.ones(SIDE, SIDE)
    mask[10:20, 30:50] = 0
    for told in (made.moved((3, 4, 5, 5)), made.painted(mask)):
        assert len(pictures(export.figure(told, "svg"))) == len(figure.panels(told))
        assert Image.open(io.BytesIO(export.gif(told))).n_frames == len(steps(told))


def test_other_kinds_are_refused():
    with pytest.raises(ValueError, match=r"svg.*pdf.*'png'"):
        export.figure(story("cutmix"), "png")


def test_lines_fit_their_room():
    text = "one two three fourteen-hundred-and-ninety-two"
    assert fonts.wrap(text, 7, len) == ["one two", "three", "fourte…"]
    assert fonts.wrap(text, 8, len, most=2) == ["one two", "three f…"]
    assert fonts.shorten("short", 5, len) == "short"
    assert fonts.shorten("longer", 0, len) == "…"
    assert fonts.clean("a\x00b\n c\ud800") == "a b c"

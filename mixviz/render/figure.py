"""Figure of a mixture for a paper or slide: pictures at their own resolution with vector text and boxes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mixviz.core.parts import Patches, Style
from mixviz.explain.example import MixedExample, corner_fractions, percent
from mixviz.i18n import say
from mixviz.render import fonts
from mixviz.render.canvas import MARGIN, SIDE, Sheet, drawing, width_of
from mixviz.render.panels import tiles

# Inches. Six panels span the text width of a page, three span one of two columns.
GAP, TITLE, BAR, LINE, KEY = 0.09, 0.29, 0.2, 0.125, 0.12
LARGE = 9.0  # points of the title
COLOURS = ("#1d4ed8", "#b45309")  # A, B: both carry white text at WCAG AA
GREY = "#4b5563"
WHOLE = (0.0, 0.0, 1.0, 1.0)
DIM = 0.45  # brightness factor outside the cut boxes


@dataclass(frozen=True)
class Panel:
    """One picture of a figure: a key of :func:`mixviz.render.export.tiles`, a caption, and boxes as shares of its
    sides."""

    tile: str
    caption: str
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    dashed: bool = False


class _Part(NamedTuple):
    """A class's segment of the label bar: its text, its share, and whether the text is too wide for the segment."""

    text: str
    share: float
    outside: bool


def panels(example: MixedExample, language: str = "en") -> list[Panel]:
    """Panels that explain a mixture, from left to right, without those that do not apply to its method."""
    recipe, pair = example.recipe, example.recipe.paired
    text = functools.partial(say, language=language)
    result = [Panel("a", f"A · {fonts.clean(example.names[0])}")]
    if pair:
        result.append(Panel("b", f"B · {fonts.clean(example.names[1])}"))
    other = "b" if pair else "a"
    if recipe.saliency is not None:
        result.append(Panel(f"heat_{other}", text("saliency_of", letter=other.upper())))
    if recipe.layer:
        return [*result, Panel("mixed", text("unmixed_layer", layer=recipe.layer))]
    cut, targets = _boxes(example)
    if cut:
        key = "hole_in" if not pair else "all_of" if cut == (WHOLE,) else "patch_of"
        result.append(Panel(other, text(key), cut))
    if isinstance(recipe.mixing, Style):
        result += [Panel(tile, text(f"tile.{tile}")) for tile in ("a_styled", "b_styled")]
    result.append(Panel("mask", text("tile.mask")))
    return [*result, Panel("mixed", text("mixture"), targets, dashed=True)]


def figure(example: MixedExample, kind: str, language: str = "en") -> bytes:
    """Draw a mixture as a figure: pictures with captions, the label as a bar, and the numbers below.

    Text and boxes are vectors; pictures keep their own resolution. The same example gives the same bytes.

    Args:
        kind: ``"svg"`` or ``"pdf"``.
        language: language of the captions; a PDF falls back to English if no installed font has the letters.

    Raises:
        ValueError: another kind.
    """
    if kind not in ("svg", "pdf"):
        raise ValueError(f'A figure is "svg" or "pdf"; got {kind!r}. For pixels take mixviz.render.export.png.')
    if kind == "pdf" and not _has_letters(panels(example, language), language):
        language = "en"
    with drawing():
        return _draw(example, language).save(kind, type(example.method).card.title)


def _has_letters(shown: list[Panel], language: str) -> bool:
    texts = [panel.caption for panel in shown if panel.tile not in "ab"] + [say("labels", language)]
    return all(fonts.drawable(text) == text for text in texts)


def _boxes(example: MixedExample) -> tuple[tuple, tuple]:
    """Source boxes of patches cut from B (without a partner: of holes in A), and target boxes of all patches."""
    recipe = example.recipe
    if not isinstance(recipe.mixing, Patches):
        return (), ()
    targets = [corner_fractions(boxes, recipe.size) for boxes in recipe.mixing.target_boxes]
    cut = targets
    if recipe.mixing.source_boxes is not None:
        cut = [corner_fractions(boxes, recipe.size) for boxes in recipe.mixing.source_boxes]
    if len(recipe.partner) > 1:
        cut = [box for box, source in zip(cut, recipe.partner[1:, 0].tolist(), strict=True) if source == 1]
    return tuple(filter(None, cut)), tuple(filter(None, targets))


def _draw(example: MixedExample, language: str) -> Sheet:
    shown, pictures = panels(example, language), tiles(example)
    captions = [fonts.wrap(panel.caption, SIDE, width_of, most=3) for panel in shown]
    width = len(shown) * (SIDE + GAP) - GAP
    tall = SIDE * example.recipe.size[0] / example.recipe.size[1]
    bar = TITLE + tall + 0.05 + max(map(len, captions)) * LINE + 0.08
    parts = _parts(example, width)
    numbers = bar + BAR + (0.17 if any(part.outside for part in parts) else 0) + 0.08
    sheet = Sheet(width + 2 * MARGIN, numbers + LINE + MARGIN, tall)
    title = fonts.clean(type(example.method).card.title)
    sheet.write(0, TITLE - 0.1, title, size=LARGE, weight="bold", room=width)
    for i, (panel, lines) in enumerate(zip(shown, captions, strict=True)):
        left = i * (SIDE + GAP)
        sheet.picture(left, TITLE, _dimmed(pictures[panel.tile], panel))
        for box in panel.boxes:
            sheet.outline(left, TITLE, box, panel.dashed)
        for k, line in enumerate(lines):
            sheet.write(left + SIDE / 2, TITLE + tall + 0.04 + (k + 1) * LINE, line, colour=GREY, align="center")
    _label(sheet, parts, bar, width)
    at = 0.0
    for name, value in _numbers(example, language):
        sheet.write(at, numbers + LINE, name, colour=GREY)
        at += width_of(name) + 0.04
        sheet.write(at, numbers + LINE, value)
        at += width_of(value) + 0.16
    return sheet


def _dimmed(picture: np.ndarray, panel: Panel) -> np.ndarray:
    """Dim pixels outside the cut boxes."""
    if panel.dashed or not panel.boxes:
        return picture
    height, width = picture.shape[:2]
    dim = np.rint(picture * DIM).astype(np.uint8)
    for box in panel.boxes:
        top, left, bottom, right = (round(at * side) for at, side in zip(box, (height, width) * 2, strict=True))
        dim[top:bottom, left:right] = picture[top:bottom, left:right]
    return dim


def _parts(example: MixedExample, width: float) -> list[_Part]:
    """Segments of the label bar. Names are shortened if necessary, percentages never."""
    count = 2 if example.recipe.paired else 1
    named = [
        (fonts.clean(name), f" {percent(share)}", share)
        for name, share in zip(example.names, example.share, strict=True)
    ]
    bold = functools.partial(width_of, weight="bold")
    outside = [bold(name + value) > share * width - 0.1 for name, value, share in named[:count]]
    parts = []
    for (name, value, share), out in zip(named, outside, strict=False):
        if out:
            name = fonts.shorten(name, width / sum(outside) - KEY - 0.05 - bold(value), bold)
        parts.append(_Part(f"{name}{value}".strip(), share, out))
    return parts


def _label(sheet: Sheet, parts: list[_Part], top: float, width: float) -> None:
    """Draw the label as a bar; text that does not fit its segment stands below the bar, with a key of its colour."""
    start, side = 0.0, 0.08
    for part, colour, align in zip(parts, COLOURS, ("left", "right"), strict=False):
        sheet.fill(start, top, part.share * width, BAR, colour)
        middle, start = start + part.share * width / 2, start + part.share * width
        if not part.outside:
            sheet.write(middle, top + 0.135, part.text, weight="bold", colour="white", align="center")
            continue
        sheet.fill(0 if align == "left" else width - side, top + BAR + 0.055, side, side, colour)
        at = KEY if align == "left" else width - KEY
        sheet.write(at, top + BAR + 0.13, part.text, weight="bold", align=align)


def _numbers(example: MixedExample, language: str) -> list[tuple[str, str]]:
    recipe, numbers = example.recipe, []
    if recipe.lam is not None:
        key = "lam_held" if example.lam is not None else "lam_drawn"
        numbers.append((say(key, language), f"{recipe.lam[0]:.3f}"))
    if not recipe.layer:
        numbers.append((say("areas", language), f"{example.area[0]:.3f}"))
    numbers.append((say("labels", language), f"{example.share[0]:.3f}"))
    if not recipe.layer and recipe.paired:  # a hole has no partner to share the label
        numbers.append((say("fair_label", language), f"{example.fair[0]:.3f}"))
    return numbers

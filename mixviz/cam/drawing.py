"""Drawings of CAM results: each map over the network's input picture, and a sheet of all maps."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mixviz.cam import shading
from mixviz.cam.inference import CAMResult
from mixviz.cam.methods import KINDS
from mixviz.cam.scales import SCALES, Scaled, scaled
from mixviz.render import fonts

SIDE, PAD, LINE, TEXT = 256, 14, 19, 14  # pixels: side of a picture, margin around it, line height, font size
INK, GREY = "#111827", "#4b5563"
OWN_CONFIDENCE = "* Trained with binary cross-entropy: not to be compared with other networks' percentages."

Box = tuple[int, int, int, int]


def on_one_scale(results: Sequence[CAMResult], scale: str) -> Scaled:
    """Scale the maps of all results together: (M, K, SIDE, SIDE)."""
    return scaled([result.maps for result in results], (SIDE, SIDE), scale)


def overlay(result: CAMResult, shades: np.ndarray, box: Box | None, strength: float, colours: str) -> np.ndarray:
    """Draw a map (SIDE, SIDE) over the network's input picture, with a box in pixels of that picture."""
    picture = shading.overlay(_large(result.view), shades, strength, colours)
    if box is None:
        return picture
    factor = SIDE / len(result.view)
    top, left, bottom, right = (round(edge * factor) for edge in box)
    bottom, right = max(bottom, top + 4), max(right, left + 4)  # room for both lines
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)  # black inside white is visible on every colour
    draw.rectangle((left, top, right - 1, bottom - 1), outline="white", width=3)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline="black", width=1)
    return np.asarray(image)


def overlays(
    results: Sequence[CAMResult], scales: Scaled, threshold: float, strength: float, colours: str
) -> list[list[np.ndarray]]:
    """Draw the :func:`overlay` of each result and class, with the box at a threshold; ``scales`` from
    :func:`on_one_scale`."""
    return [
        [overlay(result, *pair, strength, colours) for pair in zip(shades, result.boxes(threshold), strict=True)]
        for result, shades in zip(results, scales.shades.numpy(), strict=True)
    ]


def figure(
    results: Sequence[CAMResult], *, kind: str, scale: str = "image", threshold: float = 0.2, strength: float = 0.6,
    colours: str = "inferno",
) -> np.ndarray:  # fmt: skip
    """Draw all maps over their pictures, with boxes and a legend: :func:`sheet` of :func:`overlays`.

    Raises:
        ValueError: unknown scale or colours, or a threshold or strength outside [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"τ should be 0 to 1; got {threshold}.")
    scales = on_one_scale(results, scale)
    rows = overlays(results, scales, threshold, strength, colours)
    return sheet(results, rows, scales, kind=kind, scale=scale, threshold=threshold, colours=colours)


def sheet(
    results: Sequence[CAMResult], overlays: Sequence[Sequence[np.ndarray]], scales: Scaled, *, kind: str, scale: str,
    threshold: float, colours: str,
) -> np.ndarray:  # fmt: skip
    """Draw all results in one picture: a row per network, with its input first, then a column per class.

    Args:
        overlays: one per result and class, from :func:`overlays`.
        scales: from :func:`on_one_scale`, with ``kind``, ``scale``, ``threshold`` and ``colours`` for the legend.
    """
    tall, width = SIDE + 2 * LINE + PAD, PAD + (len(overlays[0]) + 1) * (SIDE + PAD)
    lines = fonts.wrap(_legend(results, scales, kind, scale, threshold), width - 2 * PAD, _font(TEXT).getlength)
    page = Image.new("RGB", (width, PAD + tall * len(results) + LINE * (len(lines) + 1) + PAD), "white")
    draw = ImageDraw.Draw(page)
    for row, result in enumerate(results):
        top = PAD + row * tall
        page.paste(Image.fromarray(_large(result.view)), (PAD, top))
        prediction = f"says {_class_chance(result, int(result.probability.argmax()))}"
        _caption(draw, PAD, top, result.known.title, prediction)
        for column, picture in enumerate(overlays[row]):
            left = PAD + (column + 1) * (SIDE + PAD)
            page.paste(Image.fromarray(picture), (left, top))
            flat = scales.low[row, column].isnan()
            note = "points nowhere" if flat else f"highest value {result.maps[column].amax().item():.3g}"
            _caption(draw, left, top, _class_chance(result, result.classes[column]), note)
    bottom = PAD + tall * len(results)
    page.paste(Image.fromarray(shading.ramp(LINE - 6, SIDE, colours)), (PAD, bottom))
    for index, line in enumerate(lines, 2):
        draw.text((PAD, bottom + index * LINE - 3), line, fill=GREY, font=_font(TEXT), anchor="ls")
    return np.asarray(page)


def _legend(results: Sequence[CAMResult], scales: Scaled, kind: str, scale: str, threshold: float) -> str:
    layers = ", ".join(dict.fromkeys(result.layer for result in results))
    text = (
        f"{KINDS[kind].title} at {layers}. Box: the largest part above {threshold:g} on the map's own scale of 0 to 1."
    )
    text += f" Colours: {SCALES[scale]}"
    useful = ~scales.low.isnan()
    if scale != "image" and useful.any():
        text += f" ({scales.low[useful][0].item():.3g} to {scales.high[useful][0].item():.3g})"
    own = any(result.known.has_own_confidence for result in results)
    return f"{text}.{f' {OWN_CONFIDENCE}' if own else ''}"


def _class_chance(result: CAMResult, index: int) -> str:
    mark = "*" if result.known.has_own_confidence else ""
    return f"{result.known.classes[index]}, {100 * result.probability[index].item():.1f} %{mark}"


def _caption(draw: ImageDraw.ImageDraw, left: int, top: int, first: str, second: str) -> None:
    """Write two lines below a picture, each cut off at the picture's width."""
    for line, (text, colour) in enumerate(((first, INK), (second, GREY)), 1):
        text = fonts.clean(text)
        font = _font(TEXT, text)
        line_text = fonts.drawable(fonts.shorten(text, SIDE, font.getlength))
        draw.text((left, top + SIDE + line * LINE - 3), line_text, fill=colour, font=font, anchor="ls")


def _large(view: np.ndarray) -> np.ndarray:
    """Resize the network's input to SIDE; enlarge small pictures so that single pixels stay visible."""
    resampling = Image.Resampling.NEAREST if len(view) < SIDE else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(view).resize((SIDE, SIDE), resampling))


def _font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """Open a font that has the text's characters."""
    return _opened(str(fonts.file_for(fonts.drawable(text)) or fonts.files()[-1]), size)


@functools.cache
def _opened(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)

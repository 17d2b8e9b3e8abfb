"""Looks as pictures: each map over what the network saw, and a sheet of all of them."""

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

SIDE, PAD, LINE, TEXT = 256, 14, 19, 14  # pixels: a picture's side, the white around it, a line, its letters
INK, GREY = "#111827", "#4b5563"

Box = tuple[int, int, int, int]


def on_one_scale(looks: Sequence[CAMResult], scale: str) -> Scaled:
    """The maps of all looks (M, K, SIDE, SIDE), scaled."""
    return scaled([one.maps for one in looks], (SIDE, SIDE), scale)


def overlay(one: CAMResult, shades: np.ndarray, box: Box | None, strength: float, colours: str) -> np.ndarray:
    """A map (SIDE, SIDE) over what the network saw, with the box, which is in pixels of that view."""
    picture = shading.overlay(_large(one.view), shades, strength, colours)
    if box is None:
        return picture
    grow = SIDE / len(one.view)
    top, left, bottom, right = (round(edge * grow) for edge in box)
    bottom, right = max(bottom, top + 4), max(right, left + 4)  # both lines have room
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)  # black in white shows on every colour
    draw.rectangle((left, top, right - 1, bottom - 1), outline="white", width=3)
    draw.rectangle((left + 1, top + 1, right - 2, bottom - 2), outline="black", width=1)
    return np.asarray(image)


def overlays(
    looks: Sequence[CAMResult], scales: Scaled, threshold: float, strength: float, colours: str
) -> list[list[np.ndarray]]:
    """Per look and class the :func:`overlay`, with the box at a threshold; ``scales``: of :func:`on_one_scale`."""
    return [
        [overlay(one, *pair, strength, colours) for pair in zip(shades, one.boxes(threshold), strict=True)]
        for one, shades in zip(looks, scales.shades.numpy(), strict=True)
    ]


def figure(
    looks: Sequence[CAMResult], *, kind: str, scale: str = "image", threshold: float = 0.2, strength: float = 0.6,
    colours: str = "inferno",
) -> np.ndarray:  # fmt: skip
    """All looks over their pictures, with boxes and a legend: :func:`sheet` of :func:`overlay`.

    Raises:
        ValueError: no such scale or colours, or a threshold or strength that is not from 0 to 1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"τ should be 0 to 1; got {threshold}.")
    scales = on_one_scale(looks, scale)
    rows = overlays(looks, scales, threshold, strength, colours)
    return sheet(looks, rows, scales, kind=kind, scale=scale, threshold=threshold, colours=colours)


def sheet(
    looks: Sequence[CAMResult], overlays: Sequence[Sequence[np.ndarray]], scales: Scaled, *, kind: str, scale: str,
    threshold: float, colours: str,
) -> np.ndarray:  # fmt: skip
    """All looks in one picture: a row per network, first what it saw, then a column per class.

    Args:
        overlays: per look and class, of :func:`overlay`.
        scales: of :func:`on_one_scale`, with ``kind``, ``scale``, ``threshold`` and ``colours`` for the legend.
    """
    tall, width = SIDE + 2 * LINE + PAD, PAD + (len(overlays[0]) + 1) * (SIDE + PAD)
    lines = fonts.wrap(_legend(looks, scales, kind, scale, threshold), width - 2 * PAD, _font(TEXT).getlength)
    page = Image.new("RGB", (width, PAD + tall * len(looks) + LINE * (len(lines) + 1) + PAD), "white")
    draw = ImageDraw.Draw(page)
    for row, one in enumerate(looks):
        top = PAD + row * tall
        page.paste(Image.fromarray(_large(one.view)), (PAD, top))
        said = f"says {_chance(one, int(one.probability.argmax()))}"
        _caption(draw, PAD, top, one.known.title, said)
        for column, picture in enumerate(overlays[row]):
            left = PAD + (column + 1) * (SIDE + PAD)
            page.paste(Image.fromarray(picture), (left, top))
            highest = f"highest value {one.maps[column].amax().item():.3g}"
            somewhere = not scales.low[row, column].isnan()
            _caption(draw, left, top, _chance(one, one.classes[column]), highest if somewhere else "points nowhere")
    bottom = PAD + tall * len(looks)
    page.paste(Image.fromarray(shading.ramp(LINE - 6, SIDE, colours)), (PAD, bottom))
    for index, line in enumerate(lines, 2):
        draw.text((PAD, bottom + index * LINE - 3), line, fill=GREY, font=_font(TEXT), anchor="ls")
    return np.asarray(page)


def _legend(looks: Sequence[CAMResult], scales: Scaled, kind: str, scale: str, threshold: float) -> str:
    layers = ", ".join(dict.fromkeys(one.layer for one in looks))
    text = (
        f"{KINDS[kind].title} at {layers}. Box: the largest part above {threshold:g} on the map's own scale of 0 to 1."
    )
    text += f" Colours: {SCALES[scale]}"
    useful = ~scales.low.isnan()
    if scale == "image" or not useful.any():
        return f"{text}."
    return f"{text} ({scales.low[useful][0].item():.3g} to {scales.high[useful][0].item():.3g})."


def _chance(one: CAMResult, index: int) -> str:
    return f"{one.known.classes[index]}, {100 * one.probability[index].item():.1f} %"


def _caption(draw: ImageDraw.ImageDraw, left: int, top: int, first: str, second: str) -> None:
    """Two lines below a picture, cut off where they are longer than it is wide."""
    for line, (text, colour) in enumerate(((first, INK), (second, GREY)), 1):
        text = fonts.clean(text)
        font = _font(TEXT, text)
        shown = fonts.drawable(fonts.shorten(text, SIDE, font.getlength))
        draw.text((left, top + SIDE + line * LINE - 3), shown, fill=colour, font=font, anchor="ls")


def _large(view: np.ndarray) -> np.ndarray:
    """The picture as the network saw it; small ones enlarged so that single pixels stay visible."""
    kind = Image.Resampling.NEAREST if len(view) < SIDE else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(view).resize((SIDE, SIDE), kind))


def _font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """A font that has the text's characters."""
    return _opened(str(fonts.file_for(fonts.drawable(text)) or fonts.files()[-1]), size)


@functools.cache
def _opened(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)

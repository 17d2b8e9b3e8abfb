"""Animated GIF of the steps of a mixture, for slides and web pages."""

from __future__ import annotations

import dataclasses
import functools
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mixviz.explain.example import MixedExample, Step, steps
from mixviz.i18n import say
from mixviz.render import fonts
from mixviz.render.panels import tiles

# Pixels. Two pictures of 224 fit side by side unscaled; a single one is scaled to LARGEST.
WIDTH, PAD, GAP, LARGEST = 480, 12, 8, 288
LINE, NAMES, SWATCH = 21, 150, 12
SIZES = {"title": 17, "number": 26, "text": 15, "caption": 13}
INK, GREY, PALE, BLUE, RED, WHITE = "#111827", "#4b5563", "#e5e7eb", "#1d4ed8", "#ef4444", "white"
STEP, LAST = 2500, 4000  # milliseconds: time to read two lines, and a pause before the animation repeats


def gif(example: MixedExample, language: str = "en", detector: str = "") -> bytes:
    """Render an endlessly looping GIF with one frame for each of :func:`mixviz.explain.example.steps`.

    Args:
        language: language of the texts; falls back to English if no installed font has the letters.
        detector: title of the saliency detector, for the step that shows its maps.
    """
    names = tuple(fonts.shorten(fonts.clean(name), NAMES, _width) for name in example.names)
    frame_steps, pictures = steps(dataclasses.replace(example, names=names), language), tiles(example)
    if any(fonts.file_for(text) is None for step in frame_steps for text in _texts(step, language, detector)):
        language = "en"
    texts = [_texts(step, language, detector) for step in frame_steps]
    lines = [fonts.wrap(text, WIDTH - 2 * PAD, _width) for text, *_ in texts]
    shown = [[_fitted(pictures[name], len(step.pictures)) for name in step.pictures] for step in frame_steps]
    tallest = max(picture.height for row in shown for picture in row)
    height = 40 + tallest + 24 + 46 + max(map(len, lines)) * LINE + 28
    frames = []
    for i, step in enumerate(frame_steps):
        frame = Image.new("RGB", (WIDTH, height), WHITE)
        draw = ImageDraw.Draw(frame)
        _write(draw, PAD, 26, fonts.clean(type(example.method).card.title), "title", "bold")
        _write(draw, WIDTH - PAD, 26, f"{i + 1} / {len(frame_steps)}", "caption", colour=GREY, anchor="rs")
        _pictures(frame, step, shown[i], texts[i][1:], tallest)
        number = fonts.shorten(fonts.clean(step.number), WIDTH - 2 * PAD, functools.partial(_width, kind="caption"))
        _write(draw, PAD, 40 + tallest + 24 + 30, number, "number", "bold")
        for k, line in enumerate(lines[i]):
            _write(draw, PAD, 40 + tallest + 24 + 40 + (k + 1) * LINE, line, "text", colour=GREY)
        _progress(draw, i, len(frame_steps), height)
        frames.append(_reduced(frame))
    buffer = io.BytesIO()
    times = [STEP] * (len(frames) - 1) + [LAST]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
    return buffer.getvalue()


def _texts(step: Step, language: str, detector: str) -> list[str]:
    """The sentence of a step, and the captions of its pictures."""
    return [
        say(f"step.{step.key}", language, detector=detector),
        *(say(f"tile.{name}", language) for name in step.pictures),
    ]


def _fitted(tile: np.ndarray, count: int) -> Image.Image:
    """Scale a picture so that ``count`` of them fit side by side; low-resolution ones keep sharp pixels."""
    image = Image.fromarray(tile)
    room = LARGEST if count == 1 else (WIDTH - 2 * PAD - (count - 1) * GAP) // count
    scale = room / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    size = width, height
    return image.resize(size, Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS)


def _pictures(frame: Image.Image, step: Step, row: list[Image.Image], captions: list[str], tallest: int) -> None:
    """Draw a step's pictures side by side, centred, with its box and peak marked on them."""
    draw = ImageDraw.Draw(frame)
    left = (WIDTH - sum(picture.width for picture in row) - (len(row) - 1) * GAP) // 2
    for picture, caption in zip(row, captions, strict=True):
        top = 40 + (tallest - picture.height) // 2
        right, bottom = left + picture.width, top + picture.height
        draw.rectangle((left - 1, top - 1, right, bottom), outline=PALE)  # a white mask needs an edge
        frame.paste(picture, (left, top))
        if step.box is not None:
            _outline(draw, [o + at * side for o, at, side in zip((top, left) * 2, step.box, picture.size[::-1] * 2,
                                                                 strict=True)])  # fmt: skip
        if step.peak is not None:
            _ring(frame, top + step.peak[0] * picture.height, left + step.peak[1] * picture.width)
        _write(draw, (left + right) / 2, bottom + 17, caption, "caption", colour=GREY, anchor="ms")
        left = right + GAP


def _outline(draw: ImageDraw.ImageDraw, box: list[float]) -> None:
    """Outline a box (top, left, bottom, right) in red between white lines, which is visible on every picture."""
    top, left, bottom, right = map(round, box)
    for grow, width, colour in ((1, 1, WHITE), (0, 2, RED), (-2, 1, WHITE)):
        edges = left - grow, top - grow, right - 1 + grow, bottom - 1 + grow
        if edges[2] >= edges[0] and edges[3] >= edges[1]:  # a one-pixel box has no interior
            draw.rectangle(edges, outline=colour, width=width)


def _ring(frame: Image.Image, row: float, column: float) -> None:
    """Draw a red ring with a white border around a point, supersampled so that it looks round."""
    radius, fine = 10, 4
    side = 2 * (radius + 3)
    for outer, width, colour in ((radius + 2, 6, WHITE), (radius, 2, RED)):
        mask = Image.new("L", (side * fine, side * fine))
        middle = side * fine / 2
        edges = (middle - outer * fine, middle - outer * fine, middle + outer * fine, middle + outer * fine)
        ImageDraw.Draw(mask).ellipse(edges, outline=255, width=width * fine)
        mask = mask.resize((side, side), Image.Resampling.LANCZOS)
        frame.paste(colour, (round(column) - side // 2, round(row) - side // 2), mask)


def _progress(draw: ImageDraw.ImageDraw, step: int, count: int, height: int) -> None:
    """Draw a progress bar with a segment per step, filled up to this one."""
    piece = (WIDTH - 2 * PAD + 4) / count
    for i in range(count):
        left = PAD + i * piece
        draw.rectangle((left, height - 14, left + piece - 5, height - 11), fill=BLUE if i <= step else PALE)


def _reduced(frame: Image.Image) -> Image.Image:
    """Quantize the frame to its own 256 colours, always including those of lines and text despite their few pixels."""
    width, height = frame.size
    padded = Image.new("RGB", (width, height + SWATCH * 4), WHITE)
    padded.paste(frame)
    for i, colour in enumerate((INK, PALE, BLUE, RED)):
        padded.paste(colour, (0, height + i * SWATCH, width, height + (i + 1) * SWATCH))
    return padded.quantize(256).crop((0, 0, width, height))


def _write(
    draw: ImageDraw.ImageDraw, x: float, y: float, text: str, kind: str, weight: str = "normal",
    colour: str = INK, anchor: str = "ls",
) -> None:  # fmt: skip
    """Write a line of text on its baseline, in a smaller size if it does not fit."""
    size, font = SIZES[kind], _font(text, SIZES[kind], weight)
    while size > SIZES["caption"] and font.getlength(fonts.drawable(text, weight)) > WIDTH - 2 * PAD:
        size -= 1
        font = _font(text, size, weight)
    draw.text((x, y), fonts.drawable(text, weight), fill=colour, font=font, anchor=anchor)


def _font(text: str, size: int, weight: str = "normal") -> ImageFont.FreeTypeFont:
    """Open a font that has the text's characters; Pillow's default font lacks λ, × and ↔."""
    file = fonts.file_for(fonts.drawable(text, weight), weight) or fonts.files(weight)[-1]
    return _opened(str(file), size)


@functools.cache
def _opened(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def _width(text: str, kind: str = "text") -> float:
    return _font(text, SIZES[kind]).getlength(fonts.drawable(text))

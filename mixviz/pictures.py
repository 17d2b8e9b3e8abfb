"""One loader in front of every picture that a person hands in, and the photographs that come with the project."""

from __future__ import annotations

import functools
import json
import math
import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps

from mixviz.words import Mistake, in_language, texts

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")
MAX_PIXELS = 25_000_000
MIN_SIDE = 16

# Gradio opens an upload too, before this loader does; with this limit it refuses a bomb as well.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class PictureError(Mistake):
    """A picture that cannot be used; the text says why and what to do."""


def assets() -> Path:
    """The folder of bundled photographs and page files, in a checkout or an installed package."""
    package = Path(__file__).parent
    return package / "assets" if (package / "assets").is_dir() else package.parent / "assets"


@functools.cache
def photographs() -> dict[str, dict]:
    """File name -> label, credits, size and object box of every bundled photograph."""
    entries = json.loads((assets() / "photos.json").read_text(encoding="utf-8"))
    return {entry["file"]: entry for entry in entries}


@functools.cache
def pairs() -> list[dict[str, str]]:
    """The bundled pairs: {a, b}, the best first."""
    return json.loads((assets() / "pairs.json").read_text(encoding="utf-8"))


def label_in(language: str, name: str) -> str:
    """The name of what a bundled photograph shows, from whichever language it comes in; any other name as it is."""
    for label in {entry["label"] for entry in photographs().values()}:
        if name in {in_language(f"object.{label}", code, label) for code in texts()}:
            return in_language(f"object.{label}", language, label)
    return name


def photograph_path(name: str) -> str:
    """Where a bundled photograph lies."""
    return str(assets() / "photos" / name)


def photograph_of(path: str) -> dict | None:
    """The entry of a bundled photograph by its path, or None."""
    entry = photographs().get(os.path.basename(path))
    return entry if entry and os.path.samefile(path, photograph_path(entry["file"])) else None


def load_image(path: str | os.PathLike | BinaryIO, side: int | None = None) -> np.ndarray:
    """A picture as uint8 (H, W, 3) RGB: upright, over white where transparent, its first frame.

    Args:
        path: of a file, or an open one.
        side: scale the shorter side to this and crop the middle square, as a training pipeline does.

    Raises:
        PictureError: not a picture, damaged, too large, or too small; says what to do.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return _decode(image, side)
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureError("error.too_large", limit=MAX_PIXELS // 10**6) from None
    except FileNotFoundError:
        raise PictureError("error.no_file", name=os.path.basename(path)) from None
    except Exception:  # decoders raise nearly anything on damaged files
        raise PictureError("error.unreadable") from None


def upright_size(path: str | os.PathLike | BinaryIO) -> tuple[int, int]:
    """(height, width) of what :func:`load_image` gives without a side, read from the picture's head alone.

    Raises:
        PictureError: not a picture, or one whose head is damaged.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            # The size of a TIFF is already that of the upright picture.
            turned = image.format != "TIFF" and image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # as above
        raise PictureError("error.unreadable") from None
    return (width, height) if turned else (height, width)


def _decode(image: Image.Image, side: int | None) -> np.ndarray:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PictureError("error.too_large", limit=MAX_PIXELS // 10**6)
    if min(width, height) < MIN_SIDE:
        raise PictureError("error.too_small", width=width, height=height, least=MIN_SIDE)
    if side is not None:
        image.draft("RGB", (side, side))  # a JPEG is decoded at the smallest scale that is large enough
    image.seek(0)
    image = _to_rgb(ImageOps.exif_transpose(image))
    if side is not None:
        image = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    return np.array(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float32)
        scale = 255 if values.max() <= 1 else 1 if values.max() <= 255 else 255 / 65535
        return Image.fromarray(np.clip(values * scale, 0, 255).round().astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


_decoding = threading.BoundedSemaphore(2)  # a large picture takes memory while it is decoded


@functools.lru_cache(maxsize=128)
def tile(path: str, side: int) -> np.ndarray:
    """:func:`load_image` for a page that shows the same file again and again: kept, and not to be written to."""
    picture = load_once(path, side)
    picture.flags.writeable = False
    return picture


def load_once(path: str, side: int) -> np.ndarray:
    """:func:`load_image` on a server: few pictures are decoded at a time, and nothing is kept."""
    with _decoding:
        return load_image(path, side)


def load_pair(a: str | os.PathLike, b: str | os.PathLike, side: int = 224) -> torch.Tensor:
    """Two pictures (2, 3, side, side) uint8, as methods take them.

    Args:
        a, b: files, or names of bundled photographs such as ``"lion.jpg"``.
        side: both become squares of this side.

    Raises:
        PictureError: a file that cannot be used; says what to do.
    """
    paths = (photograph_path(str(p)) if str(p) in photographs() and not os.path.exists(p) else p for p in (a, b))
    return torch.from_numpy(np.stack([load_image(path, side) for path in paths])).permute(0, 3, 1, 2).contiguous()


def square_box(entry: dict, side: int) -> tuple[int, int, int, int]:
    """A photograph's object box after :func:`load_image` has scaled and cropped it to a square."""
    height, width = entry["size"]
    scale = side / min(height, width)
    top, left = (height * scale - side) / 2, (width * scale - side) / 2
    edges = (np.array(entry["box"]) * scale - (top, left, top, left)).round().clip(0, side)
    return tuple(int(edge) for edge in edges)


def middle_square(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The square (top, left, bottom, right) of a picture (height, width) that :func:`load_image` crops; its edges lie
    between two pixels where the longer side is by an odd number longer."""
    height, width = size
    least = min(size)
    top, left = (height - least) / 2, (width - least) / 2
    return top, left, top + least, left + least


def whole_box(box: Sequence[int], side: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The inverse of :func:`square_box`: a box in the square of ``side``, in pixels of the upright picture.

    $$y = t + y' \\, s \\qquad s = \\min(H, W) / \\text{side} \\qquad t = (H - \\min(H, W)) / 2$$

    and likewise for x. Edges are rounded to whole pixels; a pixel of a small square is several of the picture, so that
    the box is no finer than that. Where it is the other way round, all pixels that the box touches are in.

    Args:
        box: (top, left, bottom, right), half-open, in the square.
        side: of the square.
        size: (height, width) of the upright picture, see :func:`upright_size`.
    """
    top, left, *_ = middle_square(size)
    scale = min(size) / side
    edges = [edge * scale + offset for edge, offset in zip(box, (top, left, top, left), strict=True)]
    if scale < 1:
        edges = [math.floor(edge) for edge in edges[:2]] + [math.ceil(edge) for edge in edges[2:]]
    else:  # halves go up at every edge, so that a box does not vanish
        edges = [math.floor(edge + 0.5) for edge in edges]
    return tuple(min(max(edge, 0), limit) for edge, limit in zip(edges, (*size, *size), strict=True))

"""Load pictures at the sizes that pages and networks need, and the bundled photographs."""

from __future__ import annotations

import functools
import json
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import torch
from PIL import Image, ImageOps

from mixviz.core.objects import Objects
from mixviz.data.decoding import File, decode
from mixviz.data.decoding import PictureError as PictureError  # re-exported for callers of this module
from mixviz.data.decoding import upright_size as upright_size
from mixviz.i18n import in_language, texts
from mixviz.resources import assets

MIN_SIDE = 16  # shorter side, in pixels, of a picture to show and mix
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
GAP = 2  # decode a JPEG for a network at no less than this many times the side: the reduced decoding is then invisible


Photograph = TypedDict(
    "Photograph",
    {
        "file": str, "label": str, "class": NotRequired[str], "title": str, "author": str, "licence": str,
        "licence_url": str, "source": str, "changes": str, "size": list[int], "box": list[int],
    },
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """How a network wants its picture: the shorter side resized to ``stored`` pixels, then the central square cropped.

    Args:
        side: of the square, in pixels.
        crop: the square's share of the shorter side, above 0 and at most 1; None: 7/8 above 96 px, as is customary,
            else 1.
        interpolation: a name of :data:`RESAMPLING`.
    """

    side: int
    crop: float | None = None
    interpolation: str = "bicubic"

    @property
    def stored(self) -> int:
        """The shorter side before the crop, in pixels; with a ``crop`` rounded down, as timm does."""
        return stored_side(self.side) if self.crop is None else math.floor(self.side / self.crop + 1e-9)

    @property
    def margin(self) -> int:
        """Pixels that are cropped at the top and at the left."""
        return (self.stored - self.side) // 2


@functools.cache
def photographs() -> dict[str, Photograph]:
    """File name -> label, credits, size and object box of every bundled photograph."""
    entries = json.loads((assets() / "photos.json").read_text(encoding="utf-8"))
    return {entry["file"]: entry for entry in entries}


@functools.cache
def pairs() -> list[dict[str, str]]:
    """Bundled pairs {a, b}, best first."""
    return json.loads((assets() / "pairs.json").read_text(encoding="utf-8"))


def label_in(language: str, name: str) -> str:
    """Translate the label of a bundled photograph from any language into this one; keep any other name."""
    for label in {entry["label"] for entry in photographs().values()}:
        if name in {in_language(f"object.{label}", code, label) for code in texts()}:
            return in_language(f"object.{label}", language, label)
    return name


def photograph_path(name: str) -> str:
    """Path of a bundled photograph."""
    return str(assets() / "photos" / name)


@functools.cache
def photograph_objects(name: str) -> Objects:
    """Box, instance mask and name of every object in a bundled photograph.

    The masks come from GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004), started from the boxes and corrected with
    outlines and strokes. The boxes are those of :func:`photographs` and may differ from the masks' own by some pixels.
    The result is cached and shared: copy its tensors before changing them.

    Args:
        name: of a file, such as ``"lion.jpg"``.

    Returns:
        The objects of one image of the photograph's full size, with the label of each, such as ``"lion"``, as the
        column ``"name"`` of the extras.

    Raises:
        ValueError: no bundled photograph has this name, or it has no mask.
    """
    if name not in photographs():
        raise ValueError(f"There is no bundled photograph {name!r}; there are {', '.join(photographs())}.")
    entry, path = photographs()[name], mask_path(name)
    if not os.path.exists(path):
        raise ValueError(f"The photograph {name} has no mask: {path} is missing. photographs() has its box.")
    with Image.open(path) as image:
        ids = torch.from_numpy(np.array(image))
    boxes, labels = [entry["box"]], [entry["label"]]
    return Objects(
        size=(ids.shape[0], ids.shape[1]),
        count=1,
        image=torch.zeros(len(boxes), dtype=torch.int64),
        boxes=torch.tensor(boxes, dtype=torch.float32),
        masks=ids == torch.arange(1, len(boxes) + 1)[:, None, None],
        extras={"name": labels},
    )


def mask_path(name: str) -> str:
    """Path of the mask of a bundled photograph: 8-bit ids, 0 for the background and 1 up for its objects in order."""
    return str(assets() / "masks" / f"{os.path.splitext(name)[0]}.png")


def photograph_of(path: str) -> Photograph | None:
    """Entry of the bundled photograph at this path, or None."""
    entry = photographs().get(os.path.basename(path))
    return entry if entry and os.path.samefile(path, photograph_path(entry["file"])) else None


def load_image(path: File, side: int | None = None, name: str | None = None) -> np.ndarray:
    """Load a picture to show and mix, uint8 (H, W, 3) RGB; see :func:`mixviz.data.decoding.decode`.

    Args:
        path: path of a file, or an open file.
        side: scale the shorter side to this and crop the central square; None: full size.
        name: the picture's name in messages; None: the file's name.

    Raises:
        PictureError: not a picture, damaged, too large, or too small; says what to do.
    """
    image = decode(path, side, smallest=MIN_SIDE, name=name)
    return np.array(image if side is None else ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS))


def load_view(path: File, wanted: View | int, name: str | None = None) -> np.ndarray:
    """Load a picture as a network sees it in evaluation, uint8 (side, side, 3) RGB.

    Args:
        path: path of a file, or an open file.
        wanted: the network's view, or the side in pixels of the customary one.
        name: the picture's name in messages; None: the file's name.

    Raises:
        PictureError: not a picture, damaged, or too large; says what to do.
    """
    return view_of(decode(path, GAP * _view(wanted).stored, name=name), wanted)


def _view(wanted: View | int) -> View:
    return wanted if isinstance(wanted, View) else View(wanted)


def stored_side(side: int) -> int:
    """The shorter side before the central crop to ``side``: 8/7 of it above 96 px, as is customary, else the same."""
    return side if side <= 96 else round(side * 8 / 7)


def view_of(image: Image.Image, wanted: View | int) -> np.ndarray:
    """The view (side, side, 3) uint8 of an RGB image, as by :func:`load_view`."""
    view = _view(wanted)
    inner = slice(view.margin, view.margin + view.side)
    return square(image, view.stored, view.interpolation)[inner, inner].copy()


def square(image: Image.Image, side: int, interpolation: str = "bicubic") -> np.ndarray:
    """Resize the shorter side to ``side`` and crop the central square: (side, side, 3) uint8."""
    if image.size == (side, side):
        return np.asarray(image)
    return np.asarray(ImageOps.fit(image, (side, side), RESAMPLING[interpolation]))


_decoding = threading.BoundedSemaphore(2)  # decoding a large picture takes much memory


@functools.lru_cache(maxsize=128)
def tile(path: str, side: int) -> np.ndarray:
    """Cached, read-only :func:`load_image`, for a page that shows the same file repeatedly."""
    return _fixed(load_once(path, side))


@functools.lru_cache(maxsize=128)
def view(path: str, wanted: View | int) -> np.ndarray:
    """Cached, read-only :func:`load_view`."""
    with _decoding:
        return _fixed(load_view(path, wanted))


def _fixed(picture: np.ndarray) -> np.ndarray:
    picture.flags.writeable = False
    return picture


def load_once(path: File, side: int, name: str | None = None) -> np.ndarray:
    """Uncached :func:`load_image` for a server: at most two pictures are decoded at a time."""
    with _decoding:
        return load_image(path, side, name)


def preview(path: str, side: int) -> np.ndarray:
    """The whole picture as uint8 (H, W, 3) RGB, at most ``side`` pixels high and wide."""
    with _decoding:
        image = decode(path, side, smallest=MIN_SIDE)
        image.thumbnail((side, side), Image.Resampling.BICUBIC)
        return np.asarray(image)


def load_pair(a: str | os.PathLike[str], b: str | os.PathLike[str], side: int = 224) -> torch.Tensor:
    """Load two pictures as the input of methods, (2, 3, side, side) uint8.

    Args:
        a, b: files, or names of bundled photographs such as ``"lion.jpg"``.
        side: both become squares of this side.

    Raises:
        PictureError: a file that cannot be used; says what to do.
    """
    paths = (photograph_path(str(p)) if str(p) in photographs() and not os.path.exists(p) else p for p in (a, b))
    return torch.from_numpy(np.stack([load_image(path, side) for path in paths])).permute(0, 3, 1, 2).contiguous()


def load_objects(a: str, b: str, side: int = 224) -> Objects:
    """Load the objects of two bundled photographs, in the squares that :func:`load_pair` makes of them.

    Raises:
        ValueError: no bundled photograph of this name.
    """
    masks = torch.stack([square_mask(photographs()[name], side) for name in (a, b)])
    return Objects(size=(side, side), count=2, image=torch.arange(2), masks=masks > 0.5)


def square_box(entry: Photograph, side: int) -> tuple[int, int, int, int]:
    """A photograph's object box after :func:`load_image` has scaled and cropped it to a square."""
    height, width = entry["size"]
    scale = side / min(height, width)
    top, left = (height * scale - side) / 2, (width * scale - side) / 2
    box = (np.array(entry["box"]) * scale - (top, left, top, left)).round().clip(0, side)
    return int(box[0]), int(box[1]), int(box[2]), int(box[3])


def square_mask(entry: Photograph, side: int) -> torch.Tensor:
    """A photograph's object after :func:`load_image` has scaled and cropped it: (side, side) float32, 0 or 1.

    Pixels that the instance masks cover by at least half are 1.
    """
    masks = photograph_objects(entry["file"]).masks
    assert masks is not None  # a photograph without masks has raised
    image = Image.fromarray(masks.any(0).numpy().astype(np.float32))
    return torch.from_numpy(np.array(ImageOps.fit(image, (side, side), Image.Resampling.BOX)) >= 0.5).float()


def middle_square(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The square (top, left, bottom, right) that :func:`load_image` crops from a picture (height, width).

    Edges are half-integers if the sides differ by an odd number.
    """
    height, width = size
    shorter = min(size)
    top, left = (height - shorter) / 2, (width - shorter) / 2
    return top, left, top + shorter, left + shorter


def view_square(size: tuple[int, int], wanted: View | int) -> tuple[float, float, float, float]:
    """The part (top, left, bottom, right) of the :func:`middle_square` that :func:`load_view` cuts."""
    view, (top, left, bottom, _) = _view(wanted), middle_square(size)
    scale = (bottom - top) / view.stored
    top, left = top + view.margin * scale, left + view.margin * scale
    return top, left, top + view.side * scale, left + view.side * scale


def view_box(box: Sequence[float], size: tuple[int, int], wanted: View | int) -> tuple[int, int, int, int]:
    """Convert a box in an upright picture (height, width) to the part of it in the view of :func:`load_view`.

    Args:
        box: half-open (top, left, bottom, right) in pixels of the picture.
        size: (height, width) of the picture.
        wanted: the view, or its side.

    Returns:
        Half-open, in pixels of the view, rounded. Of no area if the view shows nothing of the box.
    """
    side = wanted.side if isinstance(wanted, View) else wanted
    top, left, bottom, _ = view_square(size, wanted)
    edges = (np.array(box) - (top, left, top, left)) * (side / (bottom - top))
    first, second, third, fourth = edges.round().clip(0, side).astype(int).tolist()
    return first, second, third, fourth


def whole_box(
    box: Sequence[int], side: int, size: tuple[int, int], square: tuple[float, float, float, float] | None = None
) -> tuple[int, int, int, int]:
    """Convert a box in the square of ``side`` to pixels of the upright picture; the inverse of :func:`square_box`.

    $$y = t + y' \\, s \\qquad s = h / \\text{side}$$

    for a square at t with sides of h, and likewise for x. Edges are rounded to whole pixels. If the picture is larger
    than the square, one pixel of the square covers several of the picture, which limits the box's precision. If the
    picture is smaller, the box grows to include every pixel that it touches.

    Args:
        box: (top, left, bottom, right), half-open, in the square.
        side: of the square.
        size: (height, width) of the upright picture, see :func:`mixviz.data.decoding.upright_size`.
        square: (top, left, bottom, right) of the square in the picture; None: the :func:`middle_square`.
    """
    top, left, bottom, _ = square or middle_square(size)
    scale = (bottom - top) / side

    def edge(index: int, offset: float, limit: int) -> int:
        value = box[index] * scale + offset
        if scale >= 1:  # round halves up at every edge, so that a box does not vanish
            return min(max(math.floor(value + 0.5), 0), limit)
        return min(max(math.floor(value) if index < 2 else math.ceil(value), 0), limit)

    height, width = size
    return edge(0, top, height), edge(1, left, width), edge(2, top, height), edge(3, left, width)

"""Scenes: photographs made small within a larger picture, so that their objects take a chosen share of it.

A photographer puts the object in the middle and fills the picture with it, and a map that always points to the middle
then looks good. In a scene, the object may lie anywhere and be small.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from mixviz.data import pictures
from mixviz.data.dataset import Box

BLURS = (1 / 64, 1 / 16)  # standard deviations, as shares of the side: the farther from the photograph, the stronger
EDGE = 0.7  # pixels over which a cut-out's edge is softened


def surrounded(
    picture: np.ndarray, box: Box, share: float, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, Box]:
    """Make a photograph small and continue it to all sides, mirrored and more and more out of focus.

    The photograph and its surroundings meet without an edge.

    Args:
        picture: (H, W, 3) uint8.
        box: the object's, half-open (top, left, bottom, right).
        share: of the scene's area that the box takes, from 0 to 1; an object too long for that takes less.
        side: of the scene, in pixels.
        rng: draws the place: all where the whole box is in the scene are equally probable.

    Returns:
        The scene (side, side, 3) uint8, and the object's box in it.

    Raises:
        ValueError: a share outside (0, 1], or a box without area or outside the picture.
    """
    small, scaled = _scaled(picture, box, share, side)
    top, left = _offset(scaled, side, rng)
    (height, width), rows, columns = small.shape[:2], np.arange(side) - top, np.arange(side) - left
    scene = small[_mirrored(rows, height)][:, _mirrored(columns, width)]
    outside = np.hypot(*np.meshgrid(_beyond(rows, height), _beyond(columns, width), indexing="ij")) / side
    image, result = Image.fromarray(scene), scene.astype(np.float64)
    for blur in BLURS:
        blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(blur * side)), np.float64)
        result += (outside / blur).clip(0, 1)[:, :, None] * (blurred - result)
    return result.round().astype(np.uint8), _moved(scaled, top, left)


def pasted(
    picture: np.ndarray, mask: np.ndarray, background: np.ndarray, share: float, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, Box]:
    """Cut an object out of a photograph and paste it into another one.

    Args:
        picture: (H, W, 3) uint8.
        mask: (H, W), not 0 for the object.
        background: (h, w, 3) uint8, of which the middle square is taken.
        share: of the scene's area that the box around the object takes, see :func:`surrounded`.
        side: of the scene, in pixels.
        rng: draws the place.

    Returns:
        The scene (side, side, 3) uint8, and the box around the object's pixels in it.

    Raises:
        ValueError: a share outside (0, 1], a mask of another size than the picture, or one without an object.
    """
    if mask.shape != picture.shape[:2] or not mask.any():
        raise ValueError(
            f"The mask should mark the object in a picture of {picture.shape[:2]} pixels; it has {mask.shape}"
            f"{'' if mask.any() else ', and marks nothing'}."
        )
    small, scaled = _scaled(picture, _around(mask != 0), share, side)
    top, left = _offset(scaled, side, rng)
    size = small.shape[1], small.shape[0]
    cut = Image.fromarray((mask != 0).astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    opacity, layer = np.zeros((side, side), np.uint8), np.zeros((side, side, 3), np.uint8)
    there, here = zip(*(_overlap(at, length, side) for at, length in zip((top, left), small.shape, strict=False)),
                      strict=True)  # fmt: skip
    opacity[there], layer[there] = np.asarray(cut)[here], small[here]
    soft = np.asarray(Image.fromarray(opacity).filter(ImageFilter.GaussianBlur(EDGE)), np.float64)[:, :, None] / 255
    behind = pictures.square(Image.fromarray(background), side)
    return (behind + soft * (layer - behind.astype(np.float64))).round().astype(np.uint8), _around(opacity > 127)


def _scaled(picture: np.ndarray, box: Box, share: float, side: int) -> tuple[np.ndarray, Box]:
    """The photograph at the scale at which its box takes the share of the scene, and the box at that scale."""
    top, left, bottom, right = box
    height, width = picture.shape[:2]
    if not 0 < share <= 1:
        raise ValueError(f"share should be above 0 and at most 1, of the scene's area; got {share}.")
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(f"box should be (top, left, bottom, right) in a picture of {height} x {width}; got {box}.")
    scale = side * min((share / ((bottom - top) * (right - left))) ** 0.5, 1 / (bottom - top), 1 / (right - left))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.LANCZOS))
    edges = np.array(box) * np.array([size[0] / height, size[1] / width] * 2)
    first, second, third, fourth = edges.round().astype(int).tolist()
    return small, (first, second, min(max(third, first + 1), first + side), min(max(fourth, second + 1), second + side))


def _offset(box: Box, side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Draw where the photograph's corner (row, column) lies in the scene, for which the whole box is in it."""
    top, left, bottom, right = box
    row, column = (int(rng.integers(0, side - length + 1)) for length in (bottom - top, right - left))
    return row - top, column - left


def _moved(box: Box, top: int, left: int) -> Box:
    return box[0] + top, box[1] + left, box[2] + top, box[3] + left


def _mirrored(index: np.ndarray, length: int) -> np.ndarray:
    """Indices of any size as indices into ``length`` values that are followed by their mirror image, and so on."""
    return np.minimum(index % (2 * length), 2 * length - 1 - index % (2 * length))


def _beyond(index: np.ndarray, length: int) -> np.ndarray:
    """How far each index lies outside 0 to ``length``."""
    return np.maximum(0, np.maximum(-index, index - length + 1))


def _overlap(start: int, length: int, side: int) -> tuple[slice, slice]:
    """The part of the scene that ``length`` pixels from ``start`` cover, and which of the pixels those are."""
    first, last = max(0, start), min(side, start + length)
    return slice(first, last), slice(first - start, last - start)


def _around(mask: np.ndarray) -> Box:
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

"""Run-length encodings and polygons of masks, as in COCO files; pixels are counted column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixviz.core import polygons
from mixviz.core.polygons import Rings, problem, pycocotools_mask
from mixviz.data.annotations.reading import Fault, brief, numbers
from mixviz.data.annotations.records import Size

Encoded = np.ndarray | dict[str, Any]  # lengths of runs, the first of pixels outside; or pycocotools' own form


def parsed(segmentation: Any, size: Size) -> tuple[Encoded | None, Rings | None]:
    """Check the ``segmentation`` of a COCO annotation; return it in a compact form, or None if there is none, and its
    polygons if it is of polygons.

    Args:
        segmentation: polygons ``[[x, y, x, y, …], …]``, or run-lengths ``{"size": [H, W], "counts": …}`` as a list or
            as a compressed string.
        size: (H, W) of the picture.

    Raises:
        Fault: something else, a mask of another size, or one that marks no pixel.
        ImportError: polygons without pycocotools.
    """
    if segmentation is None or segmentation == []:
        return None, None
    if isinstance(segmentation, list):
        rings = rings_of(segmentation, size)
        return polygons.encoded(rings, size), rings
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= set(segmentation):
        raise Fault(f'its segmentation should be polygons or {{"size", "counts"}}; got {brief(segmentation)}.')
    given = numbers(segmentation["size"], "segmentation's size", "[height, width]", 2)
    if given != list(size):
        raise Fault(
            f"its mask has {given[0]:g}x{given[1]:g} pixels (height x width), its picture {size[0]}x{size[1]}: resize "
            "the mask by nearest neighbour, or correct the picture's size."
        )
    counts = segmentation["counts"]
    lengths = _lengths(counts) if isinstance(counts, str | bytes) else counts
    values = np.array(numbers(lengths, "counts", "a list of whole numbers, or a string"))
    if not np.isfinite(values).all() or (values < 0).any() or (values % 1).any() or values.sum() != size[0] * size[1]:
        raise Fault(
            f"its run-lengths are damaged: they should be whole, not negative, and sum up to the picture's "
            f"{size[0] * size[1]} pixels; they sum up to {values.sum():g}. Export the mask anew."
        )
    if not values[1::2].any():
        raise Fault("its mask marks no pixel: leave the object out.")
    return values.astype(np.uint32), None


def rings_of(several: Sequence[Any], size: Size) -> Rings:
    """Check polygons ``[x, y, x, y, …]`` in pixels; return their points (P, 2) (row, column), exactly as given.

    Raises:
        Fault: fewer than three points, an odd number of coordinates, or a point outside the picture.
    """
    rings: list[np.ndarray] = []
    for polygon in several:
        flat = np.array(numbers(polygon, "polygon", "a list of numbers [x, y, x, y, …]"))
        if len(flat) < 6 or len(flat) % 2:
            raise Fault(f"its polygon should have x and y of three points or more; got {len(flat)} numbers.")
        ring = flat.reshape(-1, 2)[:, ::-1]
        if wrong := problem(ring, size):
            raise Fault(f"{wrong}.")
        rings.append(ring)
    return tuple(rings)


def around(encoded: Encoded, size: Size) -> list[float]:
    """Return the box (top, left, bottom, right) around the pixels of a mask."""
    rows, columns = (np.flatnonzero(decoded(encoded, size).any(axis)) for axis in (1, 0))
    return [float(rows[0]), float(columns[0]), float(rows[-1] + 1), float(columns[-1] + 1)] if len(rows) else [0.0] * 4


def decoded(encoded: Encoded, size: Size) -> np.ndarray:
    """Return the pixels (H, W) bool of a mask."""
    if isinstance(encoded, dict):
        return pycocotools_mask().decode(encoded).astype(bool)
    inside = np.arange(len(encoded)) % 2 == 1
    return np.repeat(inside, encoded).reshape(size[::-1]).T


def lengths_of(mask: np.ndarray) -> list[int]:
    """Return the run-lengths of a mask (H, W) bool, the first of pixels outside."""
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], ends, [mask.size]])).tolist()


def compressed(mask: np.ndarray) -> str:
    """Return the run-lengths of a mask (H, W) bool as COCO's string.

    Raises:
        ImportError: pycocotools is not installed.
    """
    return pycocotools_mask().encode(np.asfortranarray(mask, np.uint8))["counts"].decode("ascii")


def _lengths(text: str | bytes) -> list[int]:
    """Return the run-lengths of COCO's compressed string.

    Five bits a character, low ones first; from the fourth length on, the difference from the one before the last.
    pycocotools reads a string of too few pixels without an error, which is why it does not decode strings here.

    Raises:
        Fault: not such a string.
    """
    codes = text.encode("utf-8") if isinstance(text, str) else text
    lengths: list[int] = []
    value = shift = 0
    for code in codes:
        bits = code - 48
        if not 0 <= bits < 64 or shift > 60:
            raise Fault(f"its run-lengths are damaged: {brief(text)}. Export the mask anew.")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise Fault(f"its run-lengths end too early: {brief(text)}. Export the mask anew.")
    return lengths

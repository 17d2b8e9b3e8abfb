"""Polygons of objects: an object is the union of its polygons, whose points are kept as exactly as they were given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core.tensors import on_device

Ring = np.ndarray[Any, Any]  # (P, 2) float64, (row, column) of each point in pixels
Rings = tuple[Ring, ...]
Polygons = Sequence[Rings | None]  # of each object; None: it has none

HOW = 'pip install "pycocotools>=2.0.8"'


def pycocotools_mask() -> Any:
    """Return the module ``pycocotools.mask``.

    Raises:
        ImportError: it is not installed; says what to install.
    """
    try:
        import_module("pycocotools")
        return import_module("pycocotools.mask")
    except ImportError:
        raise ImportError(f"Polygons and compressed run-lengths (RLE) need pycocotools: {HOW}.") from None


def as_rings(polygons: Any, index: int) -> Rings | None:
    """Return the polygons of an object as arrays.

    Args:
        polygons: a sequence of points (P, 2) each, as arrays, tensors or lists; None or empty: none.
        index: of the object, for messages.

    Raises:
        ValueError: points that are not (P, 2).
    """
    if polygons is None or not len(polygons):
        return None
    rings: list[Ring] = []
    for number, points in enumerate(polygons):
        ring = np.array(points, np.float64)
        if ring.ndim != 2 or ring.shape[1] != 2:
            odd = ring.ndim == 1 and len(ring) % 2
            remedy = "a coordinate is missing" if odd else "COCO's [x, y, …]: reshape(-1, 2) and exchange the columns"
            raise ValueError(
                f"Object {index}: polygon {number} should be points (P, 2), (row, column) in pixels; got "
                f"{'an odd number of coordinates, ' if odd else ''}{tuple(ring.shape)}: {remedy}."
            )
        rings.append(ring)
    return tuple(rings)


def problem(ring: Ring, size: tuple[int, int]) -> str | None:
    """Return what is wrong with a polygon in a picture of (H, W), with the remedy; None if nothing is."""
    height, width = size
    slack = 1e-3 * max(size)
    if len(ring) < 3:
        return f"its polygon should have three points or more; got {len(ring)}: leave the object out, or give a box"
    wrong = ~np.isfinite(ring).all(1)
    if wrong.any():
        return f"point {int(wrong.argmax())} of its polygon is not a finite number: correct it"
    if ring.max() <= 1 and min(size) > 2:
        return "its polygon is less than a pixel large: multiply shares of the sides by width and height"
    outside = ((ring < -slack) | (ring > np.array([height, width]) + slack)).any(1)
    if outside.any():
        point = int(outside.argmax())
        return (
            f"point {point} of its polygon, ({ring[point, 1]:g}, {ring[point, 0]:g}), leaves the picture of "
            f"{height}x{width} pixels (height x width): clip it, or give the size of the picture that it was drawn on"
        )
    return None


def around(rings: Rings) -> list[float]:
    """Return the box (top, left, bottom, right) around the points of polygons."""
    points = np.concatenate(rings)
    return [*points.min(0).tolist(), *points.max(0).tolist()]


def encoded(rings: Rings, size: tuple[int, int]) -> Any:
    """Return the pixels inside any of some polygons, in pycocotools' run-lengths.

    Raises:
        ImportError: pycocotools is not installed.
    """
    flat = [ring.clip(0, size)[:, ::-1].ravel().tolist() for ring in rings]
    module = pycocotools_mask()
    return module.merge(module.frPyObjects(flat, *size))


def fill(polygons: Polygons, masks: Tensor) -> Tensor:
    """Replace masks (M, H, W) bool of objects with polygons by the pixels inside; those between all pixels stay."""
    size = masks.shape[1], masks.shape[2]
    for mask, rings in zip(masks, polygons, strict=True):
        if rings is None:
            continue
        pixels = pycocotools_mask().decode(encoded(rings, size)).astype(bool)
        if pixels.any():
            mask.copy_(on_device(pixels, torch.device("cpu")))
    return masks


def mapped(polygons: Polygons | None, move: Callable[[Ring], Ring]) -> Polygons | None:
    """Return polygons whose points are moved."""
    if polygons is None:
        return None
    return tuple(None if rings is None else tuple(map(move, rings)) for rings in polygons)

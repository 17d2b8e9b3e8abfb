"""Resizing of maps and pictures, and sheets of tiles."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mixviz.data import pictures
from mixviz.render import overlays

THUMBNAIL = 64  # pixels
COLUMNS = 20  # thumbnails side by side in a sheet


def shrunk(maps: Tensor, side: int) -> Tensor:
    """Average maps (N, H, W) down to (N, side, side)."""
    return torch.nn.functional.interpolate(maps[:, None], (side, side), mode="area")[:, 0]


def with_peaks(maps: Tensor, side: int, tie: str) -> Tensor:
    """Average maps (N, H, W) down to (N, side, side), but keep the maximum in the cells of the brightest pixels.

    A method that searches for the peak then finds it in the same place. Several cells may hold a brightest pixel, and
    the first pixel need not lie in the first of them: with ``tie`` "first", only the first pixel's cells count.
    """
    maximum = maps.amax((1, 2), keepdim=True)
    brightest = maps == maximum
    if tie == "first":
        brightest &= brightest.flatten(1).cumsum(1).view_as(maps) == 1
    is_peak = torch.nn.functional.adaptive_max_pool2d(brightest.float()[:, None], side)[:, 0] > 0
    below = torch.nextafter(maximum, torch.zeros_like(maximum))
    return torch.where(is_peak, maximum, shrunk(maps, side).minimum(below))


def smaller(image: Tensor, side: int) -> Tensor:
    """Average a picture (3, H, W) uint8 down to (3, side, side)."""
    return shrunk(image.float(), side).round().to(torch.uint8)


def sheet(tiles: list[Tensor], columns: int) -> np.ndarray:
    """Arrange tiles (3, S, S) in rows: a single picture to encode, send and decode."""
    import cv2

    side, rows = tiles[0].shape[-1], math.ceil(len(tiles) / columns)
    planes = np.zeros((3, rows * side, columns * side), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = side * (i // columns), side * (i % columns)
        planes[:, top : top + side, left : left + side] = tile.numpy()
    return cv2.merge(list(planes))  # numpy takes twenty times as long to interleave three planes


def picture(path: str, side: int) -> Tensor:
    """Load a picture (3, side, side) uint8 for display."""
    return torch.from_numpy(pictures.load_once(path, side)).permute(2, 0, 1)


def thumbnails(tiles: list[Tensor]) -> str:
    """Arrange thumbnails in rows of :data:`COLUMNS`, as a data URI."""
    return overlays.data_uri(sheet(tiles, COLUMNS))

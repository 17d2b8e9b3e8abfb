"""From a map to boxes: what is hotter than a threshold, and how well the boxes around it fit the true ones.

Boxes are half-open, (top, left, bottom, right) in whole pixels: the last row and column are those *before* bottom and
right. Choe et al. write the last pixel itself and count it with ``x1 - x0 + 1``; half-open, that 1 is already in the
edge, and the same pixels are counted (:func:`from_inclusive` turns one into the other).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mixviz.core import checks

STEPS = 1000  # τ = 0, 0.001, …, 0.999
HEAT = "localization.heat(maps, size) brings any maps there."
THRESHOLDS = torch.arange(STEPS, dtype=torch.float64) / STEPS


def from_inclusive(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) given as first and last pixel (x0, y0, x1, y1), in this project's (top, left, bottom, right).

    Raises:
        TypeError, ValueError: no boxes, or corners in another order.
    """
    checks.boxes("boxes", boxes, (..., 4))
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([y0, x0, y1 + 1, x1 + 1], -1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (M, K) of boxes (M, 4) with boxes (K, 4), float64; 0 with an empty box.

    Raises:
        TypeError, ValueError: no boxes, or corners in another order.
    """
    checks.boxes("boxes", boxes)
    checks.boxes("others", others)
    return _iou(boxes, others)


def _iou(boxes: Tensor, others: Tensor) -> Tensor:
    a, b = boxes[:, None].double(), others[None].double()
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_(min=0)
    shared = sides.prod(-1)
    both = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return torch.where(shared > 0, shared / both, 0)


def boxes_at(heat: Tensor, threshold: float, *, every: bool = False, released: bool = False) -> Tensor:
    """The boxes around what is hotter than a threshold.

    The map is brought to integers 0..255 (rounded down); pixels above int(τ · max) are kept; contours are taken,
    those around holes too.

    Args:
        heat: (H, W) in [0, 1].
        threshold: τ, 0 to 1.
        every: one box per contour (V2) instead of that of the largest contour alone. Largest is by the area of the
            polygon through the pixels' centres, in which a thin line has none; the first of equals counts.
        released: the box as the authors' code has it. It takes OpenCV's ``x + width``, which is already one past the
            last pixel, as the last pixel: boxes are a row and a column too large, except at the border.

    Returns:
        (M, 4) int64 half-open boxes; a single empty box (0, 0, 0, 0) where nothing is kept. (In the released code
        this is the pixel in the corner.)

    Raises:
        TypeError, ValueError: heat or a threshold outside [0, 1].
    """
    checks.tensor("heat", heat, "float", ("H", "W"), values=False)
    checks.number("threshold", threshold, 0, 1)
    pixels = integers(heat[None])[0]
    found, largest = _contours(pixels, int(threshold * pixels.max()), released)
    return torch.tensor(found if every else [found[largest]])


def integers(heat: Tensor) -> np.ndarray:
    """(N, H, W) bytes 0..255 of maps in [0, 1]."""
    checks.tensor("heat", heat, "float", ("N", "H", "W"), 0, 1, hint=HEAT)
    return (heat.detach().cpu() * 255).to(torch.uint8).numpy()


def _contours(pixels: np.ndarray, level: int, released: bool) -> tuple[list[tuple[int, int, int, int]], int]:
    """The box of every contour around the pixels above ``level``, and which contour is the largest."""
    import cv2

    _, kept = cv2.threshold(pixels, level, 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(kept, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return [(0, 0, 0, 0)], 0
    more, (rows, columns) = int(released), pixels.shape
    boxes = []
    for left, top, width, height in map(cv2.boundingRect, contours):
        boxes.append((top, left, min(top + height + more, rows), min(left + width + more, columns)))
    if len(contours) == 1:
        return boxes, 0
    areas = [cv2.contourArea(contour) for contour in contours]
    return boxes, areas.index(max(areas))


class ThresholdBoxes:
    """All boxes of one map (H, W) of bytes, over all of its thresholds.

    A map has at most 256 different integers, and between two that occur nothing changes, so that 1,000 thresholds need
    at most 255 searches for contours. The result is exactly that of :func:`boxes_at` at every threshold.
    """

    def __init__(self, pixels: np.ndarray, released: bool = False) -> None:
        levels = np.arange(STEPS) * int(pixels.max()) // STEPS  # int(τ · max), in exact arithmetic
        hidden = np.unique(pixels).searchsorted(levels, "right")  # how many of the map's values are not above it
        _, index, self.step = np.unique(hidden, return_index=True, return_inverse=True)
        boxes, self.first, self.largest = [], [], []
        for level in levels[index].tolist():
            found, largest = _contours(pixels, level, released)
            self.first.append(len(boxes))
            self.largest.append(len(boxes) + largest)
            boxes += found
        self.boxes = torch.tensor(boxes)

    def ious(self, true: Tensor) -> np.ndarray:
        """(2, 1000): at every threshold the best IoU of the largest contour's box, and of any contour's, with the
        true boxes (M, 4)."""
        best = _iou(self.boxes, true).amax(1).numpy()
        return np.stack([best[self.largest], np.maximum.reduceat(best, self.first)])[:, self.step]

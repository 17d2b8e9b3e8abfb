"""Boxes around the pixels of a map above a threshold, and their overlap with the true boxes.

Boxes are half-open, (top, left, bottom, right) in whole pixels: the last row and column are those *before* bottom and
right. Choe et al. give the last pixel itself and compute a width as ``x1 - x0 + 1``. Both forms count the same pixels;
:func:`from_inclusive` converts theirs to ours.
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
    """Convert boxes (..., 4) from first and last pixel (x0, y0, x1, y1) to half-open (top, left, bottom, right).

    Raises:
        TypeError, ValueError: not boxes, or corners in another order.
    """
    checks.boxes("boxes", boxes, (..., 4))
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([y0, x0, y1 + 1, x1 + 1], -1)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union (M, K) of boxes (M, 4) with boxes (K, 4), float64; 0 with an empty box.

    Raises:
        TypeError, ValueError: not boxes, or corners in another order.
    """
    checks.boxes("boxes", boxes)
    checks.boxes("others", others)
    return _iou(boxes, others)


def _iou(boxes: Tensor, others: Tensor) -> Tensor:
    a, b = boxes[:, None].double(), others[None].double()
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp_(min=0)
    intersection = sides.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - intersection
    return torch.where(intersection > 0, intersection / union, 0)


def boxes_at(heat: Tensor, threshold: float, *, every: bool = False, released: bool = False) -> Tensor:
    """Boxes around the regions of a map above a threshold.

    The map is converted to integers 0..255 (rounded down); pixels above int(τ · max) are kept; their contours are
    found, including those of holes.

    Args:
        heat: (H, W) in [0, 1].
        threshold: τ, 0 to 1.
        every: return one box per contour (V2), not only the box of the largest contour. The largest has the largest
            polygon through the pixels' centres, where a thin line has area 0; on ties, the first is taken.
        released: the box of the authors' code. It takes OpenCV's ``x + width``, which is already one past the last
            pixel, as the last pixel: boxes are a row and a column too large, except at the border.

    Returns:
        (M, 4) int64 half-open boxes; a single empty box (0, 0, 0, 0) where no pixel is kept. (In the released code
        this is the pixel in the corner.)

    Raises:
        TypeError, ValueError: heat or threshold outside [0, 1].
    """
    checks.tensor("heat", heat, "float", ("H", "W"), values=False)
    checks.number("threshold", threshold, 0, 1)
    pixels = integers(heat[None])[0]
    boxes, largest = _contour_boxes(pixels, int(threshold * pixels.max()), released)
    return torch.tensor(boxes if every else [boxes[largest]])


def integers(heat: Tensor) -> np.ndarray:
    """Convert maps in [0, 1] to bytes 0..255 (N, H, W)."""
    checks.tensor("heat", heat, "float", ("N", "H", "W"), 0, 1, hint=HEAT)
    return (heat.detach().cpu() * 255).to(torch.uint8).numpy()


def _contour_boxes(pixels: np.ndarray, level: int, released: bool) -> tuple[list[tuple[int, int, int, int]], int]:
    """Bounding box of every contour around the pixels above ``level``, and the index of the largest contour."""
    import cv2

    _, binary = cv2.threshold(pixels, level, 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not contours:
        return [(0, 0, 0, 0)], 0
    extra, (rows, columns) = int(released), pixels.shape
    boxes = []
    for left, top, width, height in map(cv2.boundingRect, contours):
        boxes.append((top, left, min(top + height + extra, rows), min(left + width + extra, columns)))
    if len(contours) == 1:
        return boxes, 0
    areas = [cv2.contourArea(contour) for contour in contours]
    return boxes, areas.index(max(areas))


class ThresholdBoxes:
    """Boxes of one map (H, W) of bytes at all of its thresholds.

    A map holds at most 256 different integers, and its boxes change only at these, so that 1,000 thresholds need at
    most 255 contour searches. The result is exactly that of :func:`boxes_at` at every threshold.
    """

    def __init__(self, pixels: np.ndarray, released: bool = False) -> None:
        levels = np.arange(STEPS) * int(pixels.max()) // STEPS  # int(τ · max), in exact arithmetic
        below = np.unique(pixels).searchsorted(levels, "right")  # how many of the map's values are not above the level
        _, index, self.step = np.unique(below, return_index=True, return_inverse=True)
        boxes, self.first, self.largest = [], [], []
        for level in levels[index].tolist():
            level_boxes, largest = _contour_boxes(pixels, level, released)
            self.first.append(len(boxes))
            self.largest.append(len(boxes) + largest)
            boxes += level_boxes
        self.boxes = torch.tensor(boxes)

    def ious(self, true: Tensor) -> np.ndarray:
        """Best IoU with the true boxes (M, 4) at every threshold (2, 1000): of the largest contour's box, and of any
        contour's box."""
        best = _iou(self.boxes, true).amax(1).numpy()
        return np.stack([best[self.largest], np.maximum.reduceat(best, self.first)])[:, self.step]

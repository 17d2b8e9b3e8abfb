"""Localisation metrics: MaxBoxAcc, MaxBoxAccV2 and PxAP, with the centre as the baseline.

Choe, Oh, Lee, Chun, Akata, Shim, "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020,
arXiv:2001.07437. The map is always the one of the true class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mixviz.cam.boxes import HEAT, STEPS, THRESHOLDS, ThresholdBoxes, boxes_at, from_inclusive, integers, iou
from mixviz.core import checks

__all__ = [
    "DELTAS", "IGNORE", "THRESHOLDS", "BoxScores", "Hits", "PixelScores", "box_scores", "boxes_at", "centre_heat",
    "from_inclusive", "heat", "iou", "mask_boxes", "pixel_scores", "trimap",
]  # fmt: skip

DELTAS = (0.3, 0.5, 0.7)  # lowest IoU of a hit; MaxBoxAcc takes the middle one
IGNORE = 255  # in a mask: neither object nor background
PIECE = 64  # images whose pixels are binned at a time


def heat(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps to the image's size and scale them to [0, 1].

    $$h = \\frac{m - \\min m}{\\max m - \\min m} \\qquad m = \\mathrm{bicubic}(M)$$

    Args:
        maps: (N, h, w) of any float values, e.g. of :func:`mixviz.cam.grad_cam.grad_cam`.
        size: (H, W).

    Returns:
        (N, H, W) float32. A map that is constant, or has a NaN or an infinity, becomes 0 everywhere.

    Raises:
        TypeError, ValueError: not maps, or not a size.
    """
    checks.tensor("maps", maps, "real", ("N", "h", "w"), values=False)
    checks.size("size", size)
    maps = maps.detach().float()
    flat = maps.flatten(1)
    # Checked before resizing, whose rounding would turn a constant map into a faint pattern.
    useful = flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1))
    large = functional.interpolate(maps[:, None], tuple(size), mode="bicubic", align_corners=False)[:, 0]
    large = large - large.amin((1, 2), keepdim=True)
    large = large / large.amax((1, 2), keepdim=True)
    return torch.where(useful[:, None, None] & large.isfinite().all(2).all(1)[:, None, None], large, 0)


def centre_heat(size: tuple[int, int]) -> Tensor:
    """Baseline map (1, H, W) that does not depend on the picture: a Gaussian in the middle, scaled to [0, 1].

    Photographers centre their subject: on the birds of CUB it reaches 59.7 MaxBoxAccV2, plain CAM 61.1.
    """
    from mixviz.core.batch import Batch
    from mixviz.detectors.centre import Centre

    checks.size("size", size)
    return heat(Centre()(Batch(torch.empty(1, 3, *size))), size)


class Hits(NamedTuple):
    """Highest ``accuracy`` (share of images, 0 to 1) of a whole split, and its ``threshold`` τ."""

    accuracy: float
    threshold: float


@dataclass(frozen=True, eq=False)
class BoxScores:
    """Best IoU of every image at every τ, from which all box metrics are computed.

    Attributes:
        largest: (N, 1000) float64, IoU of the largest contour's box with the best-fitting true box, at each τ of
            :data:`THRESHOLDS`.
        every: (N, 1000), the same for the contour whose box fits best.
    """

    largest: Tensor
    every: Tensor

    def accuracy(self, delta: float = 0.5, *, every: bool = False) -> Tensor:
        """BoxAcc(τ, δ): the share of images whose IoU is at least δ, at every τ (1000,)."""
        checks.number("delta", delta, 0, 1)
        return ((self.every if every else self.largest) >= delta).double().mean(0)

    @cached_property
    def max_box_acc(self) -> Hits:
        """MaxBoxAcc: max over τ of BoxAcc(τ, 0.5) with the largest contour. One τ for the whole split: choosing one per
        image would use the true boxes. Also called GT-known localisation."""
        return _best(self.accuracy(0.5))

    @cached_property
    def max_box_acc_v2(self) -> float:
        """MaxBoxAccV2: mean over δ in {0.3, 0.5, 0.7} of max over τ of BoxAcc(τ, δ), with one box per contour."""
        return sum(_best(self.accuracy(delta, every=True)).accuracy for delta in DELTAS) / len(DELTAS)

    def top1(self, correct: Tensor, threshold: float | None = None) -> float:
        """Top-1 localisation: the share of images with IoU ≥ 0.5 *and* the right class.

        Args:
            correct: (N,) bool, the prediction is the true class.
            threshold: τ; None: the one of :attr:`max_box_acc`.

        Raises:
            TypeError, ValueError: ``correct`` for another number of images, or a τ outside [0, 1].
        """
        checks.tensor("correct", correct, "bool", (len(self.largest),))
        tau = self.max_box_acc.threshold if threshold is None else threshold
        checks.number("threshold", tau, 0, 1)
        hit = self.largest[:, min(round(tau * STEPS), STEPS - 1)] >= 0.5
        return (hit & correct.cpu()).double().mean().item()


def _best(curve: Tensor) -> Hits:
    index = int(curve.argmax())
    return Hits(curve[index].item(), THRESHOLDS[index].item())


def box_scores(heat: Tensor, boxes: Sequence[Tensor], *, released: bool = False) -> BoxScores:
    """Compare maps with true boxes at every threshold τ = 0, 0.001, …, 0.999.

    The boxes are those of :func:`boxes_at` at every τ; this takes a few milliseconds per image.

    Args:
        heat: (N, H, W) in [0, 1], from :func:`heat`; or (1, H, W), one map for all images.
        boxes: per image (M, 4) true boxes, half-open (top, left, bottom, right), M ≥ 1.
        released: see :func:`boxes_at`.

    Raises:
        TypeError, ValueError: heat outside [0, 1], another number of maps than of images, an image without a box, or
            corners in another order.
    """
    pixels = integers(heat)
    if len(pixels) not in (1, len(boxes)) or not len(boxes):
        raise ValueError(f"{len(pixels)} maps for {len(boxes)} images: give one map per image, or one for all.")
    shared = ThresholdBoxes(pixels[0], released) if len(pixels) == 1 else None
    ious = np.empty((2, len(boxes), STEPS))
    for i, true in enumerate(boxes):
        checks.boxes(f"boxes[{i}]", true)
    for i, true in enumerate(boxes):
        ious[:, i] = (shared or ThresholdBoxes(pixels[i], released)).ious(true.cpu())
    return BoxScores(*torch.from_numpy(ious))


@dataclass(frozen=True, eq=False)
class PixelScores:
    """Precision and recall at every τ, pooled over the pixels of a whole split.

    Attributes:
        precision: (1001,) float64 at τ of 0, 0.001, …, 0.999 and 1; NaN where no pixel is kept.
        recall: (1001,) float64.
    """

    precision: Tensor
    recall: Tensor

    @cached_property
    def px_ap(self) -> float:
        """PxAP: the area under the precision-recall curve; each step has the precision of its lower threshold.

        $$\\mathrm{PxAP} = \\sum_l p(\\tau_l) \\, \\big(r(\\tau_l) - r(\\tau_{l+1})\\big)$$
        """
        gained = self.recall - torch.cat([self.recall[1:], self.recall.new_zeros(1)])
        return (self.precision.nan_to_num(0) * gained).sum().item()


def pixel_scores(heat: Tensor, masks: Tensor) -> PixelScores:
    """Compare maps with object masks; a pixel is kept at τ if its heat is at least τ.

    Args:
        heat: (N, H, W) in [0, 1], from :func:`heat`; or (1, H, W), one map for all images.
        masks: (N, H, W), 1 or True for the object, 0 for the background, 255 for unlabelled pixels, which are left
            out. :func:`trimap` converts the pets' annotation.

    Raises:
        TypeError, ValueError: shapes that do not fit, heat outside [0, 1], other values in a mask, or no object pixel
            in any mask.
    """
    checks.tensor("heat", heat, "float", ("N", "H", "W"), 0, 1, hint=HEAT)
    checks.tensor("masks", masks, "real", ("N", "H", "W"), values=False)
    if heat.shape[1:] != masks.shape[1:] or len(heat) not in (1, len(masks)):
        raise ValueError(f"{tuple(heat.shape)} maps do not fit {tuple(masks.shape)} masks: both should be (N, H, W).")
    edges = torch.cat([THRESHOLDS, torch.ones(1, dtype=torch.float64)]).to(heat.device)
    counts = heat.new_zeros((2, len(edges)), dtype=torch.int64)
    for i in range(0, len(masks), PIECE):  # in pieces, because the bins take eight bytes per pixel
        mask = masks[i : i + PIECE].to(heat.device)
        if not ((mask == 0) | (mask == 1) | (mask == IGNORE)).all():
            raise ValueError(
                "masks should be 1 (object), 0 (background) or 255 (left out) at every pixel; there are other values."
            )
        piece = (heat if len(heat) == 1 else heat[i : i + PIECE]).expand(mask.shape).double()
        bins = torch.bucketize(piece, edges, right=True) - 1
        for count, value in zip(counts, (0, 1), strict=True):
            count += bins[mask == value].bincount(minlength=len(edges))
    background, foreground = counts.cpu().double().flip(1).cumsum(1).flip(1)
    if foreground[0] == 0:
        raise ValueError("No mask has a pixel of an object, so that nothing can be found.")
    return PixelScores(foreground / (foreground + background), foreground / foreground[0])


def mask_boxes(masks: Tensor) -> list[Tensor]:
    """Return the box around the object of each mask, with its border.

    Args:
        masks: (N, H, W), 1 for the object, 0 for the background, 255 for the border, e.g. from :func:`trimap`. Ears and
            tails are often all border, and belong to the box.

    Returns:
        N times (1, 4), half-open (top, left, bottom, right); of no area where a mask is all background.
    """
    checks.tensor("masks", masks, "real", ("N", "H", "W"), values=False)
    boxes = []
    for mask in masks != 0:
        rows, columns = (mask.any(axis).nonzero().flatten().tolist() or [0, -1] for axis in (1, 0))
        boxes.append(torch.tensor([[rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]]))
    return boxes


def trimap(annotation: Tensor) -> Tensor:
    """Convert Oxford-IIIT Pet's trimaps (1 pet, 2 background, 3 border, which is left out) to masks, uint8.

    Raises:
        TypeError, ValueError: other values than 1 to 3.
    """
    checks.tensor("annotation", annotation, "integer", (...,), 1, 3)
    return torch.tensor([IGNORE, 1, 0, IGNORE], dtype=torch.uint8, device=annotation.device)[annotation.long()]

"""Does a network know how sure it may be? Expected calibration error and the bars of a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against accuracy.

    Attributes:
        ece: expected calibration error, 0 to 1.
        count: (bins,) int64, images whose confidence lies in each bin; bin i is (i / bins, (i + 1) / bins].
        confidence, accuracy: (bins,) float64, the means of each bin; NaN where it is empty.
    """

    ece: float
    count: Tensor
    confidence: Tensor
    accuracy: Tensor


def calibration(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> Calibration:
    """How far confidence is from accuracy, in bins of confidence.

    $$\\mathrm{ECE} = \\sum_b \\frac{n_b}{N} \\, \\big| \\mathrm{acc}_b - \\mathrm{conf}_b \\big|$$

    Confidence is the probability of the predicted class. The error itself is torchmetrics'.

    Args:
        probabilities: (N, C), after softmax.
        labels: (N,) class indices.
        bins: how many, of equal width.

    Raises:
        ValueError: logits instead of probabilities.

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    if probabilities.ndim != 2 or not (probabilities.amin() >= 0 and probabilities.amax() <= 1 + 1e-4):
        raise ValueError(
            f"probabilities should be (N, C) in [0, 1]; got {tuple(probabilities.shape)} from "
            f"{probabilities.min().item():.4g} to {probabilities.max().item():.4g}. Take logits.softmax(1)."
        )
    error = multiclass_calibration_error(probabilities, labels, probabilities.shape[1], n_bins=bins)
    confidence, predicted = probabilities.double().max(1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=confidence.device)
    index = torch.bucketize(confidence, edges[1:-1])
    count, sums, hits = (
        torch.bincount(index, values, bins) for values in (None, confidence, (predicted == labels).double())
    )
    return Calibration(error.item(), count.cpu(), (sums / count).cpu(), (hits / count).cpu())

"""Calibration: expected calibration error and the bars of a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mixviz.core import checks

BINS = 15
ROUNDING = 1e-2  # tolerance of a row's sum: the precision of bfloat16


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against accuracy.

    Attributes:
        ece: expected calibration error, 0 to 1, computed from the bars.
        count: (bins,) int64, images whose confidence lies in each bin; bin i is (i / bins, (i + 1) / bins].
        confidence, accuracy: (bins,) float64, the means of each bin; NaN where it is empty.
    """

    ece: float
    count: Tensor
    confidence: Tensor
    accuracy: Tensor


def calibration(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> Calibration:
    """Gap between confidence and accuracy, in bins of confidence.

    $$\\mathrm{ECE} = \\sum_b \\frac{n_b}{N} \\, \\big| \\mathrm{acc}_b - \\mathrm{conf}_b \\big|$$

    Confidence is the probability of the predicted class; on ties the first class is predicted. Each edge belongs
    to the bin below it, as in the paper and in scikit-learn's ``calibration_curve``: a confidence of 1 lies in the last
    bin. (torchmetrics 1.9 gives an edge to the bin above it, and 1 a bin of its own.)

    Args:
        probabilities: (N, C), after softmax.
        labels: (N,) class indices.
        bins: how many, of equal width.

    Raises:
        TypeError, ValueError: logits instead of probabilities, or labels that are none of the classes.

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, arXiv:1706.04599.
    """
    checks.tensor("probabilities", probabilities, "float", ("N", "C"), 0, 1 + 1e-4, hint="Take logits.softmax(1).")
    checks.labels("labels", labels, *probabilities.shape)
    checks.number("bins", bins, 1, whole=True)
    off = (probabilities.sum(1, dtype=torch.float64) - 1).abs().amax().item()
    if off > ROUNDING:
        raise ValueError(f"Each row of probabilities should sum to 1; one is {off:.4g} off. Take logits.softmax(1).")
    confidence, predicted = probabilities.max(1)
    # In the confidence's own precision, in which 0.8 is not above 12/15.
    edges = (torch.arange(1, bins, dtype=torch.float64, device=confidence.device) / bins).to(confidence.dtype)
    index, hit = torch.bucketize(confidence, edges), predicted == labels.to(predicted.device)
    count, sums, hits = (
        torch.bincount(index, values, bins).cpu() for values in (None, confidence.double(), hit.double())
    )
    return Calibration((sums - hits).abs().sum().item() / len(labels), count, sums / count, hits / count)

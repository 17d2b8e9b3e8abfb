"""Quantised AP: average precision of a histogram of similarities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.objective import Objective, Pairs, cosine
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class QuantizedAP(Objective):
    """One minus an average precision that is computed from a histogram of the similarities.

    $$1 - \\sum_m \\hat{P}_m \\, \\Delta \\hat{r}_m, \\qquad
      \\hat{P}_m = \\frac{\\sum_{m' \\le m} \\delta_{m'}^\\top y}{\\sum_{m' \\le m} \\delta_{m'}^\\top 1},
      \\qquad \\Delta \\hat{r}_m = \\frac{\\delta_m^\\top y}{\\sum_j y_j}$$

    The M bins are evenly spread from similarity 1 down to −1; δ_m, the share of each candidate in bin m, falls linearly
    to 0 at the neighbouring bins. Mixtures count with their graded relations as y. The paper makes the batch as large
    as the data set, for high resolution, in three passes; here it is an ordinary batch.

    Source: Revaud, Almazán, Rezende, de Souza, "Learning with Average Precision: Training Image Retrieval with a
    Listwise Loss", ICCV 2019, arXiv:1906.07589; He, Lu, Sclaroff, "Local Descriptors Optimized for Average Precision",
    CVPR 2018, arXiv:1804.05312.
    """

    card: ClassVar[Card] = Card(
        "quantized_ap", "Quantised AP",
        paper="Learning with Average Precision: Training Image Retrieval with a Listwise Loss",
        authors="Revaud, Almazán, Rezende, de Souza", venue="ICCV", year=2019, arxiv="1906.07589",
    )  # fmt: skip
    mixes: ClassVar[bool] = True

    bins: int = parameter(20, "M, number of bins", low=2, high=1000)

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        similarity = cosine(anchors, candidates)
        positive = pairs.positive.to(similarity)
        counted = positive + pairs.negative.to(similarity)
        centres = torch.linspace(1, -1, self.bins).to(similarity)
        width = 2 / (self.bins - 1)
        share = (1 - (similarity[:, :, None] - centres).abs() / width).clamp(min=0)  # (N, M, bins)
        hits, all_ = (torch.einsum("nmb,nm->nb", share, weight) for weight in (positive, counted))
        precision = hits.cumsum(1) / all_.cumsum(1).clamp(min=1e-6)
        weight = positive.sum(1)
        average = (precision * hits).sum(1) / weight.clamp(min=1e-6)
        return 1 - average[weight > 0].mean() if (weight > 0).any() else similarity.sum() * 0

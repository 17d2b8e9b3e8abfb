"""Contrastive loss: positives together, negatives apart up to a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mixviz.core.objective import Objective, Pairs, cosine
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class Contrastive(Objective):
    """Positives are drawn together, negatives are pushed apart while they are more similar than a margin.

    $$\\frac{\\sum_{ij} p_{ij} \\, (1 - s_{ij})}{\\sum_{ij} p_{ij}} +
      \\frac{\\sum_{ij} n_{ij} \\, [s_{ij} - m]_+}{\\sum_{ij} n_{ij} \\, [s_{ij} > m]}$$

    s are cosine similarities, p and n the relations: 0 or 1, or of mixtures the share of the anchor's class and of the
    others. Each term is a mean over the pairs that matter for it. The paper takes Euclidean distances.

    Source: Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006; for
    mixtures Venkataramanan et al., "It Takes Two to Tango: Mixup for Deep Metric Learning", ICLR 2022,
    arXiv:2106.04990.
    """

    card: ClassVar[Card] = Card(
        "contrastive", "Contrastive loss", paper="Dimensionality Reduction by Learning an Invariant Mapping",
        authors="Hadsell, Chopra, LeCun", venue="CVPR", year=2006,
    )  # fmt: skip
    mixes: ClassVar[bool] = True

    margin: float = parameter(0.5, "m, similarity up to which negatives may come", low=-1, high=1)

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        similarity = cosine(anchors, candidates)
        positive, negative = pairs.positive.to(similarity), pairs.negative.to(similarity)
        pull = (positive * (1 - similarity)).sum() / positive.sum().clamp(min=1e-6)
        active = negative * (similarity > self.margin)
        push = (active * (similarity - self.margin)).sum() / active.sum().clamp(min=1e-6)
        return pull + push

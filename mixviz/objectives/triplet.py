"""Triplet loss, with mining of hard or semi-hard negatives in the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.objective import Objective, Pairs, cosine
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class Triplet(Objective):
    """The positive should be nearer than the negative by a margin, for triplets of the batch that are mined.

    $$\\frac{1}{|T|} \\sum_{(a, p, n)} [\\, d_{ap} - d_{an} + m \\,]_+$$

    d are Euclidean distances of the normalised vectors, T the mined triplets whose term is not 0. ``semihard``: all
    triplets whose negative is farther than the positive, by less than the margin. ``hard``: of each anchor the
    farthest positive and the nearest negative. ``all``: all triplets. Where nothing is semi-hard, the loss is 0.

    Source: Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR
    2015, arXiv:1503.03832, which takes squared distances; hard: Hermans, Beyer, Leibe, "In Defense of the Triplet Loss
    for Person Re-Identification", 2017, arXiv:1703.07737.
    """

    card: ClassVar[Card] = Card(
        "triplet", "Triplet loss", paper="FaceNet: A Unified Embedding for Face Recognition and Clustering",
        authors="Schroff, Kalenichenko, Philbin", venue="CVPR", year=2015, arxiv="1503.03832",
    )  # fmt: skip

    margin: float = parameter(0.2, "m, by which negatives should be farther", low=0, high=2)
    mining: str = parameter("semihard", "which triplets of a batch count", choices=("semihard", "hard", "all"))

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        # The square root has no gradient at 0, where a picture comes twice.
        distance = (2 - 2 * cosine(anchors, candidates)).clamp(min=1e-12).sqrt()
        positive, negative = pairs.positive > 0, pairs.negative > 0
        if self.mining == "hard":
            farthest = distance.masked_fill(~positive, -torch.inf).amax(1)
            nearest = distance.masked_fill(~negative, torch.inf).amin(1)
            violation = farthest - nearest + self.margin  # −∞ without a positive or without a negative
        else:
            anchor, candidate = positive.nonzero(as_tuple=True)
            violation = distance[anchor, candidate, None] - distance[anchor] + self.margin  # (positive pairs, M)
            counts = negative[anchor] & (violation < self.margin) if self.mining == "semihard" else negative[anchor]
            violation = violation[counts]
        violation = violation[violation > 0]
        return violation.mean() if len(violation) else distance.sum() * 0

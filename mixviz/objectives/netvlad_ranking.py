"""The weakly supervised ranking loss of NetVLAD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.objective import Objective, Pairs, cosine
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class NetVLADRanking(Objective):
    """The nearest of an anchor's positives should be nearer than each of its hardest negatives, by a margin.

    $$\\sum_j \\big[ \\min_i d^2(q, p_i) + m - d^2(q, n_j) \\big]_+$$

    d² are squared distances of the normalised vectors. The sum runs over the nearest negatives n_j; the loss is its
    mean over the anchors that have both. The best positive is chosen in each step, so that positives which do not show
    the same thing, such as another side of the same place, do no harm. The authors mine the negatives in the whole data
    set; here they are those of the batch.

    Source: Arandjelović, Gronat, Torii, Pajdla, Sivic, "NetVLAD: CNN Architecture for Weakly Supervised Place
    Recognition", CVPR 2016, arXiv:1511.07247.
    """

    card: ClassVar[Card] = Card(
        "netvlad_ranking", "Weakly supervised ranking",
        paper="NetVLAD: CNN Architecture for Weakly Supervised Place Recognition",
        authors="Arandjelović, Gronat, Torii, Pajdla, Sivic", venue="CVPR", year=2016, arxiv="1511.07247",
    )  # fmt: skip

    margin: float = parameter(0.1, "m, by which squared distances should differ", low=0, high=4)
    negatives: int = parameter(10, "number of the nearest negatives", low=1, high=65_536)

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        squared = 2 - 2 * cosine(anchors, candidates)
        positive, negative = pairs.positive > 0, pairs.negative > 0
        best = squared.masked_fill(~positive, torch.inf).amin(1, keepdim=True)
        hardest = squared.masked_fill(~negative, torch.inf).topk(min(self.negatives, squared.shape[1]), largest=False)
        both = positive.any(1) & negative.any(1)
        if not both.any():
            return squared.sum() * 0
        return (best[both] + self.margin - hardest.values[both]).clamp(min=0).sum(1).mean()

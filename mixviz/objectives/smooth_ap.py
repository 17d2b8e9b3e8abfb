"""SmoothAP: average precision with sigmoids in place of steps."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.core.objective import Objective, Pairs
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class SmoothAP(Objective):
    """One minus a smoothed average precision, over all anchors with a positive.

    $$1 - \\frac{1}{|P|} \\sum_{i \\in P} \\frac{1 + \\sum_{j \\in P} \\sigma((s_j - s_i) / \\tau)}
      {1 + \\sum_{j \\in P \\cup N} \\sigma((s_j - s_i) / \\tau)}, \\quad j \\ne i$$

    s are cosine similarities to the anchor. As τ → 0 it becomes 1 − AP. Each anchor counts its own positives, so
    classes may differ in size. Mixtures count with their graded relations.

    Source: Brown, Xie, Kalogeiton, Zisserman, "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval", ECCV
    2020, arXiv:2007.12163.
    """

    card: ClassVar[Card] = Card(
        "smooth_ap", "SmoothAP", paper="Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval",
        authors="Brown, Xie, Kalogeiton, Zisserman", venue="ECCV", year=2020, arxiv="2007.12163",
    )  # fmt: skip
    mixes: ClassVar[bool] = True

    temperature: float = parameter(0.01, "τ of the sigmoid: the smaller, the closer to steps", low=1e-4, high=1)

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        similarity = functional.normalize(anchors, dim=1) @ functional.normalize(candidates, dim=1).T
        counted = pairs.positive + pairs.negative
        precisions = []
        for scores, positive, weight in zip(similarity, pairs.positive, counted, strict=True):
            of = torch.nonzero(positive > 0).flatten()
            if not len(of):
                continue
            above = torch.sigmoid((scores[None] - scores[of, None]) / self.temperature)  # (P, M)
            others = torch.ones_like(above).scatter_(1, of[:, None], 0)
            own = positive[of]
            hits = own + (above * others * positive).sum(1)
            rank = weight[of] + (above * others * weight).sum(1)
            precisions.append((own * hits / rank).sum() / own.sum())
        return 1 - torch.stack(precisions).mean() if precisions else similarity.sum() * 0

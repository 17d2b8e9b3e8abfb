"""SmoothAP: average precision with sigmoids in place of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.objective import Objective, Pairs, cosine
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class SmoothAP(Objective):
    """One minus a smoothed average precision, over all anchors with a positive.

    $$1 - \\frac{1}{|P|} \\sum_{i \\in P} \\frac{1 + \\sum_{j \\in P} \\sigma((s_j - s_i) / \\tau)}
      {1 + \\sum_{j \\in P \\cup N} \\sigma((s_j - s_i) / \\tau)}, \\quad j \\ne i$$

    s are cosine similarities to the anchor. As τ → 0 it becomes 1 − AP. Each anchor counts its own positives, so
    classes may differ in size. Mixtures count with their graded relations. Memory grows with anchors times the most
    positives of an anchor times candidates.

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
        similarity = cosine(anchors, candidates)
        positive = pairs.positive.to(similarity)
        counted = positive + pairs.negative.to(similarity)
        most = int((positive > 0).sum(1).amax())
        if not most:
            return similarity.sum() * 0
        own, of = positive.topk(most)  # (N, P); anchors with fewer positives are filled up with candidates that weigh 0
        above = torch.sigmoid((similarity[:, None] - similarity.gather(1, of)[:, :, None]) / self.temperature)
        hits, rank = (above @ torch.stack([positive, counted], 2)).unbind(2)
        # The sums count each positive as half above itself; it is there wholly.
        hits, rank = hits + own / 2, rank + counted.gather(1, of) / 2
        weight = own.sum(1)
        precision = (own * hits / rank.clamp(min=1e-6)).sum(1) / weight.clamp(min=1e-6)
        return 1 - precision[weight > 0].mean()

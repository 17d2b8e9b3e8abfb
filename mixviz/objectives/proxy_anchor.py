"""Proxy-Anchor: a learned vector of each class as the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.core.objective import Objective, Pairs, cosine
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class ProxyAnchor(Objective):
    """Each class has a learned vector, its proxy, which draws its images and pushes the others, the harder the more.

    $$\\frac{1}{|P^+|} \\sum_{p \\in P^+} \\ln \\Big( 1 + \\sum_{x \\in X_p^+} e^{-\\alpha (s(x, p) - \\delta)} \\Big) +
      \\frac{1}{|P|} \\sum_{p \\in P} \\ln \\Big( 1 + \\sum_{x \\in X_p^-} e^{\\alpha (s(x, p) + \\delta)} \\Big)$$

    s are cosine similarities, P all proxies, P⁺ those with images in the batch. The proxies are the weights of the
    network's last layer.

    Source: Kim, Kim, Cho, Kwak, "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020, arXiv:2003.13911.
    """

    card: ClassVar[Card] = Card(
        "proxy_anchor", "Proxy-Anchor", paper="Proxy Anchor Loss for Deep Metric Learning",
        authors="Kim, Kim, Cho, Kwak", venue="CVPR", year=2020, arxiv="2003.13911",
    )  # fmt: skip
    proxies: ClassVar[bool] = True

    alpha: float = parameter(32.0, "α, how much harder images weigh more", low=0.01, high=1000)
    margin: float = parameter(0.1, "δ, similarity by which the classes should stand apart", low=0, high=1)
    rate: float = parameter(
        100.0, "learning rate of the proxies, as a multiple of the network's; 100 in the authors' code for AdamW",
        low=0, high=10_000,
    )  # fmt: skip

    @property
    def proxy_rate(self) -> float:
        return self.rate

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        if proxies is None:
            raise ValueError("Proxy-Anchor compares images with proxies, a vector of each class: give proxies (C, D).")
        similarity = cosine(anchors, proxies)
        own = functional.one_hot(pairs.labels, len(proxies)).bool()
        other = ~own if pairs.close is None else ~own & ~pairs.close[pairs.labels]
        pull = _log_one_plus_sum(-self.alpha * (similarity - self.margin), own)
        push = _log_one_plus_sum(self.alpha * (similarity + self.margin), other)
        return pull.sum() / own.any(0).sum() + push.mean()


def _log_one_plus_sum(exponents: Tensor, counts: Tensor) -> Tensor:
    """ln(1 + Σ e^x) over the rows that count, without overflow."""
    one = exponents.new_zeros(1, exponents.shape[1])
    return torch.cat([one, exponents.masked_fill(~counts, -torch.inf)]).logsumexp(0)

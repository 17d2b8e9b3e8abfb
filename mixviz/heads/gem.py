"""GeM: a generalised mean whose exponent is learned."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mixviz.core.head import Head, Pooling
from mixviz.core.parameters import Card, parameter

FLOOR = 1e-6  # below it a power has no useful gradient


@dataclass(frozen=True)
class GeM(Head):
    """Generalised mean of each feature map over its places, with one learned exponent.

    $$f_c = \\Big( \\frac{1}{HW} \\sum_{i,j} \\max(x_{cij}, 10^{-6})^p \\Big)^{1/p}$$

    p = 1 is the average of what is positive; p → ∞ is the maximum.

    Source: Radenović, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2018,
    arXiv:1711.02512.
    """

    card: ClassVar[Card] = Card(
        "gem", "GeM", paper="Fine-tuning CNN Image Retrieval with No Human Annotation",
        authors="Radenović, Tolias, Chum", venue="TPAMI", year=2018, arxiv="1711.02512",
    )  # fmt: skip
    of_training: ClassVar[bool] = True

    p: float = parameter(
        3.0, "exponent at the start: 1 is the average, large ones approach the maximum", low=1, high=1e4
    )

    def build(self, channels: int) -> Pooling:
        return _GeM(channels, self.p)


class _GeM(Pooling):
    def __init__(self, channels: int, p: float) -> None:
        super().__init__()
        self.dimensions, self.p = channels, nn.Parameter(torch.tensor([p]))

    def forward(self, maps: Tensor) -> Tensor:
        maps = maps.float().clamp(min=FLOOR)
        largest = maps.amax((2, 3), keepdim=True)  # taken out of the power, which would overflow for large p
        means = (maps / largest).pow(self.p).mean((2, 3)).pow(1 / self.p)
        return (largest.flatten(1) * means).to(self.p.dtype)

"""Attention: the mean of the local features, weighted by a learned score of each place."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.head import Head, Pooling
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class Attention(Head):
    """Mean of the local features, weighted by a score of each place that two 1x1 convolutions give.

    $$f = \\frac{1}{HW} \\sum_{i,j} \\alpha(x_{ij}) \\, x_{ij}, \\qquad
      \\alpha(x) = \\ln(1 + e^{w^\\top \\max(Ux + u, 0) + b})$$

    The paper trains it by cross-entropy on the features of a network that is trained already: ``--objective
    cross_entropy --head attention --pretrained FILE --freeze 4`` for a ResNet, which has four stages. It sums; the mean
    does not depend on the size of the maps. The score of each place, by which local features are chosen, is
    ``attention(maps)`` of the module.

    Source: Noh, Araujo, Sim, Weyand, Han, "Large-Scale Image Retrieval with Attentive Deep Local Features", ICCV 2017,
    arXiv:1612.06321.
    """

    card: ClassVar[Card] = Card(
        "attention", "Attention", paper="Large-Scale Image Retrieval with Attentive Deep Local Features",
        authors="Noh, Araujo, Sim, Weyand, Han", venue="ICCV", year=2017, arxiv="1612.06321", aliases=("DELF",),
    )  # fmt: skip
    of_training: ClassVar[bool] = True

    hidden: int = parameter(512, "channels between the two convolutions", low=1, high=65_536)

    def build(self, channels: int) -> Pooling:
        return AttentionPooling(channels, self.hidden)


class AttentionPooling(Pooling):
    """See :class:`Attention`."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.dimensions = channels
        self.score = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, 1, 1))

    def attention(self, maps: Tensor) -> Tensor:
        """Score each place of feature maps (N, C, H, W): (N, H, W), 0 or more."""
        return functional.softplus(self.score(maps).squeeze(1))

    def forward(self, maps: Tensor) -> Tensor:
        return (maps * self.attention(maps)[:, None]).mean((2, 3))

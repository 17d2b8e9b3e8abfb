"""Average: the mean of every feature map."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mixviz.core.head import Head, Pooling
from mixviz.core.parameters import Card


@dataclass(frozen=True)
class Average(Head):
    """Mean of each feature map over its places.

    $$f_c = \\frac{1}{HW} \\sum_{i,j} x_{cij}$$

    Source: Lin, Chen, Yan, "Network In Network", ICLR 2014, arXiv:1312.4400.
    """

    card: ClassVar[Card] = Card(
        "average", "Average", paper="Network In Network", authors="Lin, Chen, Yan", venue="ICLR", year=2014,
        arxiv="1312.4400",
    )  # fmt: skip

    def build(self, channels: int) -> Pooling:
        return _Average(channels)


class _Average(Pooling):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dimensions = channels

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))

"""R-MAC: maxima of regions on several scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.core.head import Head, Pooling
from mixviz.core.parameters import Card, parameter

OVERLAP = 0.4  # of neighbouring regions on the coarsest scale, as a share of one


@dataclass(frozen=True)
class RMAC(Head):
    """Maximum of each feature map in square regions; the regions' vectors are normalised and summed.

    $$f = \\sum_R \\frac{m_R}{\\lVert m_R \\rVert}, \\qquad m_{R,c} = \\max_{(i,j) \\in R} x_{cij}$$

    On scale l = 1 … L the regions' side is 2·min(H, W) / (l + 1), rounded down. There are l of them along the shorter
    side, and along the longer one as many more as make the overlap on scale 1 closest to 40 %. They are spread evenly.
    The paper also whitens the vector of each region; here ``--whiten`` whitens the sum.

    Source: Tolias, Sicre, Jégou, "Particular Object Retrieval with Integral Max-Pooling of CNN Activations", ICLR 2016,
    arXiv:1511.05879.
    """

    card: ClassVar[Card] = Card(
        "rmac", "R-MAC",
        paper="Particular Object Retrieval with Integral Max-Pooling of CNN Activations",
        authors="Tolias, Sicre, Jégou", venue="ICLR", year=2016, arxiv="1511.05879",
    )  # fmt: skip

    levels: int = parameter(3, "L, number of scales", low=1, high=8)

    def build(self, channels: int) -> Pooling:
        return _RMAC(channels, self.levels)


class _RMAC(Pooling):
    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.dimensions, self.levels = channels, levels

    def forward(self, maps: Tensor) -> Tensor:
        maxima = [
            maps[:, :, top : top + side, left : left + side].amax((2, 3))
            for top, left, side in regions(maps.shape[2], maps.shape[3], self.levels)
        ]
        return functional.normalize(torch.stack(maxima, 1), dim=2).sum(1)


def regions(height: int, width: int, levels: int) -> list[tuple[int, int, int]]:
    """Return (top, left, side) of the regions of maps (height, width) on so many scales, the coarsest first."""
    short, long = sorted((height, width))

    def overlap(more: int) -> float:
        """Share of a region that its neighbour covers, with so many more than one along the longer side."""
        return 1 - (long - short) / more / short

    extra = 0 if long == short else min(range(1, 7), key=lambda more: abs(overlap(more) - OVERLAP))
    found = []
    for level in range(1, levels + 1):
        side = max(1, 2 * short // (level + 1))
        tops, lefts = (_spread(length - side, level + (extra if length > short else 0)) for length in (height, width))
        found += [(top, left, side) for top in tops for left in lefts]
    return found


def _spread(room: int, count: int) -> list[int]:
    """Positions from 0 to ``room``, evenly spread."""
    return [room * index // max(1, count - 1) for index in range(count)]

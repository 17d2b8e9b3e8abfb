"""The centre detector: the middle of the picture, independent of its content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.parameters import Card, parameter
from mixviz.core.saliency import Saliency


@dataclass(frozen=True)
class Centre(Saliency):
    """A Gaussian in the middle of the picture, the same for every picture.

    $$s(y, x) \\propto \\exp\\left(-\\frac{(y - \\bar y)^2}{2 (\\sigma_y H)^2} -
      \\frac{(x - \\bar x)^2}{2 (\\sigma_x W)^2}\\right) \\qquad \\max s = 1$$

    Photographers put their subject in the middle and people look there first (Tatler), so a detector has to beat this
    null hypothesis: on the birds of CUB it localises nearly as well as class activation maps (59.7 against 61.1
    MaxBoxAccV2; Choe et al., CVPR 2020).
    """

    spread_y: float = parameter(
        0.25, "standard deviation from top to bottom, as a share of the height", low=0.01, high=2
    )
    spread_x: float = parameter(
        0.25, "standard deviation from left to right, as a share of the width", low=0.01, high=2
    )

    card: ClassVar[Card] = Card(
        "centre", "Centre",
        "The central fixation bias in scene viewing: Selecting an optimal viewing position independently of motor "
        "biases and image feature distributions",
        "Tatler", "Journal of Vision", 2007,
    )  # fmt: skip

    def maps(self, batch: Batch) -> Tensor:
        height, width = batch.size
        rows, columns = _gaussian(height, self.spread_y, batch.device), _gaussian(width, self.spread_x, batch.device)
        return (rows[:, None] * columns).expand(len(batch), height, width).contiguous()


def _gaussian(side: int, spread: float, device: torch.device) -> Tensor:
    """A Gaussian over ``side`` pixels, 1 at the one or two middle pixels."""
    distance = (torch.arange(side, dtype=torch.float32, device=device) - (side - 1) / 2).abs()
    # The centre of an even side lies between two pixels; without this constant the maximum would be below 1.
    return torch.exp(((side - 1) % 2 / 4 - distance**2) / (2 * (spread * side) ** 2))

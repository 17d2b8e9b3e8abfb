from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import hide
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class GridMask(Method):
    """A regular grid of squares is erased from the picture; the label stays.

    $$\\tilde x = M \\odot x_A + (1-M)\\, c \\qquad \\tilde y = y_A \\qquad \\bar M \\approx 1 - (1-r)^2$$

    The grid's unit d is drawn as a share of the shorter side, and so are where it begins and how it is turned; along
    each side the share r of a unit is kept, and the remaining square is hidden. Compare with Cutout and Hide-and-Seek:
    their holes may all miss the object, or all hit it. A grid always hides a part of the object and never all of it,
    unless the object is smaller than a hole. The defaults are those of the authors' ImageNet run (d of 96 to 224 of 224
    pixels, r 0.6, any angle), in which the share of masked pictures grew from 0 to 0.8 over the first 240 of 300
    epochs; here it is fixed. The paper deletes after normalisation, to 0, which is the mean here. ImageNet accuracy of
    ResNet-50: 77.9 % against 76.5 % (GridMask README; the defaults here, but for the growing share).
    """

    probability: float = parameter(0.8, "probability that a picture is masked", low=0, high=1)
    low: float = parameter(0.43, "smallest unit of the grid, as a share of the shorter side", low=0.05, high=1)
    high: float = parameter(1.0, "largest unit of the grid, as a share of the shorter side", low=0.05, high=1)
    ratio: float = parameter(0.6, "r: share of a unit's side that is kept", low=0, high=1)
    degrees: float = parameter(360.0, "the grid is turned by an angle up to this", low=0, high=360)
    fill: str = parameter("mean", "colour of the holes", choices=("mean", "black", "white"))

    card: ClassVar[Card] = Card(
        "gridmask", "GridMask", "GridMask Data Augmentation", "Chen, Liu, Zhao, Jia", "arXiv", 2020, "2001.04086",
        "erase", "1",
        after=("cutout", "hide_and_seek"), aliases=("grid erasing", "그리드마스크"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, (height, width) = len(batch), batch.size
        masked = draw.rng.random(n) < self.probability
        low, high = sorted((self.low, self.high))
        unit = draw.rng.uniform(low, high, n) * min(batch.size)
        begin, angle = draw.rng.random((2, n)) * unit, np.radians(draw.rng.uniform(0, self.degrees, n))
        numbers = [unit, *begin, np.cos(angle), np.sin(angle), masked]
        unit, down, across, cos, sin, masked = batch.tensor(np.array(numbers, np.float32))[:, :, None, None]
        y = torch.arange(height, device=batch.device)[:, None] + 0.5 - height / 2
        x = torch.arange(width, device=batch.device) + 0.5 - width / 2
        along, beside = (cos * y + sin * x + down) / unit, (cos * x - sin * y + across) / unit
        hidden = (along.remainder(1) >= self.ratio) & (beside.remainder(1) >= self.ratio) & (masked > 0)
        return hide(batch, draw, self.fill, (~hidden).float())

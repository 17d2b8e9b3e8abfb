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
class Contrast(Method):
    """Light and dark move apart or together, around the picture's mean grey; the label stays.

    $$\\tilde x = f\\, x_A + (1-f)\\, \\bar g(x_A) \\qquad \\tilde y = y_A \\qquad f \\sim U(1-s, 1+s)$$

    s is the strength; values are clipped to the range of pixels. g is the grey picture, and the bar its mean. The
    operation is torchvision's `adjust_contrast`, a step from its own mean grey towards the picture or past it, with a
    factor for every image. Look at shadows and lights: with f < 1 both move towards grey, as in fog, and with f > 1
    both lose their details. It helps against haze and cheap cameras: the accuracy of a network trained without it falls
    from 62.4 % to 42.0 % at s = 1 (this zoo's baseline, 64 px; the default is 0.4). It hurts where faint structure
    defines the class, as in X-ray pictures.
    """

    strength: float = parameter(0.4, "s: the factor is drawn between 1 - s and 1 + s", low=0, high=1)

    card: ClassVar[Card] = Card(
        "contrast", "Contrast", "Some Improvements on Deep Convolutional Neural Network Based Image Classification",
        "Howard", "arXiv", 2013, "1312.5402", "colour", "1",
        aliases=("대비", "콘트라스트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        factor = draw.rng.uniform(1 - self.strength, 1 + self.strength, len(batch))
        return apply_op(batch, draw, "contrast", factor)

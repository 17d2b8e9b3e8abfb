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
class GaussianBlur(Method):
    """The blur of a picture out of focus: every pixel becomes a weighted mean of its surroundings; the label stays.

    $$\\tilde x = x_A * G_\\sigma \\qquad G_\\sigma(d) \\propto \\exp\\!\\left(-\\frac{d^2}{2\\sigma^2}\\right) \\qquad
    \\tilde y = y_A$$

    d is the distance in pixels, and σ is drawn uniformly from a range. Look at texture: fur, grass and print disappear
    first, while outlines stay, so that the network has to use shape. It helps where pictures may be out of focus or
    enlarged: the accuracy of a network trained without it falls from 62.4 % to 22.3 % at σ = 2 (this zoo's baseline, 64
    px, where that is a lot; it is the largest σ that the default draws). It hurts where classes differ in details.
    SimCLR draws σ from 0.1 to 2.0, as does the default: learning without labels gains from it (64.5 against 63.2 % of
    ImageNet), learning with labels does not (75.4 against 75.7 %; SimCLR, table 1; there half of the pictures are
    blurred, by default here all). The result is that of torchvision's `gaussian_blur`, with a σ for every image.
    """

    low: float = parameter(0.1, "smallest σ in pixels", low=0.05, high=10)
    high: float = parameter(2.0, "largest σ in pixels", low=0.05, high=10)

    card: ClassVar[Card] = Card(
        "gaussian_blur", "Gaussian blur", "A Simple Framework for Contrastive Learning of Visual Representations",
        "Chen, Kornblith, Norouzi, Hinton", "ICML", 2020, "2002.05709", "colour", "1",
        aliases=("out of focus", "가우시안 블러"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        low, high = sorted((self.low, self.high))
        spread = draw.rng.uniform(low, high, len(batch))
        return apply_op(batch, draw, "gaussian_blur", spread)

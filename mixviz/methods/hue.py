from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.batch import Batch
from mixviz.method import Card, Draw, Method, parameter
from mixviz.planning import each
from mixviz.recipe import Recipe


@dataclass(frozen=True)
class Hue(Method):
    """All colours moved around the colour circle, by the same angle; the label stays.

    $$\\tilde H = (H_A + h) \\bmod 1 \\qquad \\tilde y = y_A \\qquad h \\sim U(-s, s)$$

    H is the hue of a pixel as a share of the circle from red over yellow, green, cyan, blue and magenta back to red;
    how strong and how bright the colour is stays, and so does grey. Look at skin, leaves and sky: with h near ±0.5
    every colour has become its opposite. A little of it helps against the tint of lamps and cameras; much of it teaches
    the network that bananas are blue. The result is that of torchvision's `adjust_hue`, worked out for all images at
    once.
    """

    strength: float = parameter(0.1, "s: farthest turn, as a share of the colour circle", low=0, high=0.5)

    card: ClassVar[Card] = Card(
        "hue", "Hue", "A Simple Framework for Contrastive Learning of Visual Representations",
        "Chen, Kornblith, Norouzi, Hinton", "ICML", 2020, "2002.05709", "colour", "1",
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return each(batch, draw, "hue", draw.rng.uniform(-self.strength, self.strength, len(batch)))

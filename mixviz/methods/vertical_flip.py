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
class VerticalFlip(Method):
    """Some of the pictures are turned upside down; the label stays.

    $$\\tilde x(u, v) = x_A(H - 1 - u, v) \\qquad \\tilde y = y_A$$

    u counts rows and v columns. Nothing is lost: every pixel is still there. Look at what holds things down: shadows,
    legs, the horizon. From above (satellites, microscopes, tables) no direction is special and the flip is a good
    picture. In photographs of the world it hardly ever occurs, and costs the network room. One that has never met it
    knows 62.4 % of its pictures as they are and 40.9 % upside down (this zoo's baseline, 64 px; all of them flipped, by
    default half are): direction is something that it has learned. It is torchvision's `vertical_flip`.
    """

    probability: float = parameter(0.5, "how likely a picture is flipped", low=0, high=1)

    card: ClassVar[Card] = Card(
        "vertical_flip", "Vertical flip", "", "torchvision", family="geometry", label="1",
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return sometimes(batch, draw, "vertical_flip", self.probability)

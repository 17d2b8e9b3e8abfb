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
class Rotation(Method):
    """The picture is rotated around its middle; the label stays.

    $$\\tilde x(p) = x_A(R_{-\\theta}\\, p) \\qquad \\tilde y = y_A \\qquad
    \\theta \\sim U(-\\theta_{max}, \\theta_{max})$$

    Look at the corners: the rotation leaves them empty, so they are filled, and a network can read the angle off the
    filling. It helps where cameras are tilted or, as in views from above, no direction is special: the accuracy of a
    network trained without it falls from 62.4 % to 52.3 % at angles up to 30°, the default, and to 35.5 % at any angle
    (this zoo's baseline, 64 px). It hurts where the direction defines the class, as with 6 and 9. The result is that of
    torchvision's `rotate` (bilinear), with an angle for every image.
    """

    degrees: float = parameter(30.0, "largest angle, to either side", low=0, high=180)
    fill: str = parameter("mean", "fill of the area outside the picture", choices=("mean", "black", "white"))

    card: ClassVar[Card] = Card(
        "rotation", "Rotation", "", "torchvision", family="geometry", label="1",
        aliases=("turn", "회전"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        angle = draw.rng.uniform(-self.degrees, self.degrees, len(batch))
        return apply_op(batch, draw, "rotate", angle, fill=self.fill)

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

    Look at the corners: those of the picture have left it, and what stands there instead comes from nowhere and has to
    be filled; a network can read the angle off it. It helps where cameras are held askew or, as from above, no
    direction is special: a network that has never met it knows 62.4 % of its pictures as they are, 52.3 % turned by up
    to 30°, the default, and 35.5 % by any angle (this zoo's baseline, 64 px). It hurts where the direction is the
    class, as with 6 and 9. The result is that of torchvision's `rotate` (bilinear), with an angle for every image.
    """

    degrees: float = parameter(30.0, "largest angle, to either side", low=0, high=180)
    fill: str = parameter("mean", "what shows where the picture ends", choices=("mean", "black", "white"))

    card: ClassVar[Card] = Card(
        "rotation", "Rotation", "", "torchvision", family="geometry", label="1",
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        angle = draw.rng.uniform(-self.degrees, self.degrees, len(batch))
        return apply_op(batch, draw, "rotate", angle, fill=self.fill)

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
class Affine(Method):
    """The picture is rotated, shifted, scaled and sheared at once: straight lines stay straight, parallels stay
    parallel.

    $$\\tilde x(p) = x_A(A^{-1}(p - t)) \\qquad
    A = s \\begin{pmatrix} \\cos\\theta & -\\sin\\theta \\\\ \\sin\\theta & \\cos\\theta
    \\end{pmatrix} \\begin{pmatrix} 1 & -\\tan\\varphi \\\\ 0 & 1 \\end{pmatrix} \\qquad \\tilde y = y_A$$

    p is counted from the middle. Angle θ, shift t and slant φ are drawn uniformly, scale s uniformly on a log scale.
    Look at pictures with several strong changes: each alone is harmless, but together they may push the object out of
    the picture. It helps where position and orientation of the object vary, as in handwriting: on MNIST it reduced the
    error of a network of two layers from 1.6 to 1.1 % (Simard et al., in LeCun's table; the table does not give the
    strength, so the result of the default here is unknown). It hurts where position or orientation defines the class.
    The result is that of torchvision's `affine` (bilinear), with numbers for every image.
    """

    degrees: float = parameter(15.0, "largest angle, to either side", low=0, high=180)
    shift: float = parameter(0.1, "largest shift, as a share of the sides", low=0, high=1)
    zoom: float = parameter(1.2, "largest scale; the smallest is 1 / zoom", low=1, high=4)
    shear: float = parameter(10.0, "largest slant in degrees, to either side", low=0, high=60)
    fill: str = parameter("mean", "fill of the area outside the picture", choices=("mean", "black", "white"))

    card: ClassVar[Card] = Card(
        "affine", "Affine", "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
        "Simard, Steinkraus, Platt", "ICDAR", 2003, "", "geometry", "1",
        aliases=("shear", "translate", "아핀", "어파인"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, (height, width) = len(batch), batch.size
        angle, across, down, zoom, shear = draw.rng.uniform(-1, 1, (5, n))
        return apply_op(
            batch, draw, "affine", angle * self.degrees, across * self.shift * width, down * self.shift * height,
            self.zoom**zoom, shear * self.shear, fill=self.fill,
        )  # fmt: skip

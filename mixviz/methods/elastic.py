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
class Elastic(Method):
    """The picture is distorted like a print on rubber: neighbouring pixels move by nearly the same shift; the label
    stays.

    $$\\tilde x(p) = x_A(p + u(p)) \\qquad u = a\\, \\frac{G_\\sigma * \\eta}{\\mathrm{std}(G_\\sigma * \\eta)} \\qquad
    \\eta \\sim U(-1, 1)^2 \\qquad \\tilde y = y_A$$

    η is random for every pixel, and the Gaussian G of width σ makes it smooth; a is how far a pixel typically moves.
    Look at straight lines: with a large σ they bend, with a small one they become so ragged that nothing can be
    recognised. The method was made for handwriting, where the hand distorts letters in this way: on MNIST it reduced
    the error of a network of two layers from 1.6 to 0.7 %, where affine changes reached 1.1 % (Simard et al., in
    LeCun's table; on pictures of 28 pixels, with a field of their own, not the default here). It hurts where
    straightness or exact shape defines the class. The result is that of torchvision's `elastic` with this field.
    """

    shift: float = parameter(0.02, "a: typical shift, as a share of the longer side", low=0, high=0.1)
    smoothness: float = parameter(0.05, "σ: width of the smoothing, as a share of the longer side", low=0.01, high=0.2)
    fill: str = parameter("mean", "fill of the area outside the picture", choices=("mean", "black", "white"))

    card: ClassVar[Card] = Card(
        "elastic", "Elastic", "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
        "Simard, Steinkraus, Platt", "ICDAR", 2003, "", "geometry", "1",
        aliases=("elastic deformation", "warp", "탄성 변형", "일래스틱"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, side = len(batch), max(batch.size)
        return apply_op(
            batch, draw, "elastic", np.full(n, self.shift * side), np.full(n, self.smoothness * side), fill=self.fill
        )

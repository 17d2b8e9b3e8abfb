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
class PatchShuffle(Method):
    """In some of the pictures the pixels are shuffled within small squares; the label stays.

    $$\\tilde x = (1-r)\\, x_A + r\\, T(x_A) \\qquad r \\sim \\mathrm{Bernoulli}(\\epsilon) \\qquad \\tilde y = y_A$$

    T cuts the picture into squares of ``window`` × ``window`` pixels and permutes the pixels of each at random; the
    three colours of a pixel stay together. Look from a distance: outlines and colours stay in place, and the texture is
    gone. Compare with a blur, which averages neighbouring pixels; PatchShuffle only changes their order. The authors
    shuffle 5 % of the pictures in squares of 2 × 2, and also feature maps, which is left out here; they found the gain
    largest for small data sets. It hurts where texture defines the class, and where the squares are larger than the
    details that matter: the accuracy of a network trained without it falls from 62.4 % to 56.8 % in squares of 2 × 2
    and to 39.4 % in squares of 4 × 4, the default (this zoo's baseline, 64 px). The default shuffles all pictures, so
    that the effect is visible.
    """

    probability: float = parameter(1.0, "ε: probability that a picture is shuffled; 0.05 in the paper", low=0, high=1)
    window: int = parameter(4, "side of the squares in pixels; 2 in the paper", low=1, high=64)

    card: ClassVar[Card] = Card(
        "patchshuffle", "PatchShuffle", "PatchShuffle Regularization", "Kang, Dong, Zheng, Yang", "arXiv", 2017,
        "1707.07103", "geometry", "1",
        aliases=("pixel shuffling", "패치셔플"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return sometimes(batch, draw, "shuffle", self.probability, self.window)

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

    T cuts the picture into squares of ``window`` × ``window`` pixels and permutes the pixels of each by chance; colours
    stay together. Look from far: outlines and colours are where they were, and the texture is gone. Compare with a
    blur, which makes pixels alike, where this one only takes their order. The authors shuffle 5 % of the pictures in
    squares of 2 × 2, and feature maps too, which is not done here; they found the gain largest where data are scarce.
    It hurts where texture is the class, and as soon as the squares are larger than what has to be seen: a network that
    has never met it knows 62.4 % of its pictures as they are, 56.8 % shuffled in squares of 2 × 2 and 39.4 % in squares
    of 4 × 4, the default (this zoo's baseline, 64 px). The default shuffles all pictures, so that there is something to
    see.
    """

    probability: float = parameter(1.0, "ε: how likely a picture is shuffled; 0.05 in the paper", low=0, high=1)
    window: int = parameter(4, "side of the squares in pixels; 2 in the paper", low=1, high=64)

    card: ClassVar[Card] = Card(
        "patchshuffle", "PatchShuffle", "PatchShuffle Regularization", "Kang, Dong, Zheng, Yang", "arXiv", 2017,
        "1707.07103", "geometry", "1",
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return sometimes(batch, draw, "shuffle", self.probability, self.window)

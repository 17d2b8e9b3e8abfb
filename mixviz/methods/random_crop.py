from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import apply_op
from mixviz.core.geometry import uniform_corner
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe

TRIES = 10  # as in torchvision


@dataclass(frozen=True)
class RandomCrop(Method):
    """A random part of the picture is enlarged to its full size; the label stays.

    $$\\tilde x = \\mathrm{resize}(x_A[\\text{box}]) \\qquad \\tilde y = y_A \\qquad
    \\frac{|\\text{box}|}{HW} \\sim U(\\text{low}, 1)$$

    The share of the area is drawn, then the box's aspect ratio, uniformly on a log scale, then its place; if none of
    ten ratios fits, the whole picture stays. This crop comes from the Inception networks and is part of nearly every
    training on ImageNet since: objects appear in all sizes and places. Look at small boxes: the object may be gone
    while the label still names it, and with a lower bound of 8 % this happens often: the accuracy of a network trained
    with small shifts only falls from 62.4 % on whole pictures to 39.9 % on these crops (this zoo's baseline, 64 px, the
    defaults). It helps a network that has to find objects at any size, but shows them larger than the test will:
    training on crops of 176 pixels and testing at 224 gains 0.16 points (torchvision's blog). It hurts where the object
    is small, or where its size defines the class: choose a larger low there. The result is that of torchvision's
    `resized_crop`.
    """

    low: float = parameter(0.08, "smallest share of the picture's area", low=0.01, high=1)
    aspect: float = parameter(0.75, "flattest box's height to width; the tallest is 1 / aspect", low=0.1, high=1)

    card: ClassVar[Card] = Card(
        "random_crop", "Random crop", "Going Deeper with Convolutions",
        "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich", "CVPR", 2015,
        "1409.4842", "geometry", "1",
        aliases=("RandomResizedCrop", "zoom", "랜덤 크롭", "무작위 자르기"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, (rows, columns) = len(batch), batch.size
        pixels = draw.rng.uniform(self.low, 1, n) * rows * columns
        aspect = self.aspect ** draw.rng.uniform(-1, 1, (TRIES, n))
        height, width = (np.rint(np.sqrt(a)).clip(1).astype(np.int64) for a in (pixels * aspect, pixels / aspect))
        fits = (height <= rows) & (width <= columns)
        first = fits.argmax(0), np.arange(n)
        use = fits.any(0)
        height, width = np.where(use, height[first], rows), np.where(use, width[first], columns)
        top, left = uniform_corner(draw.rng, height, width, batch.size)
        return apply_op(batch, draw, "crop", top, left, height, width)

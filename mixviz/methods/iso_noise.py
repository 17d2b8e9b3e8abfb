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
class ISONoise(Method):
    """The noise of a camera in low light: it grows with the brightness of a pixel; the label stays.

    $$\\tilde x_c = x_c + s\\sqrt{x_c}\\,\\left(\\sqrt{1-\\kappa}\\,\\varepsilon_0 +
    \\sqrt{\\kappa}\\,\\varepsilon_c\\right) \\qquad
    \\varepsilon_0, \\varepsilon_c \\sim \\mathcal N(0, 1) \\qquad \\tilde y = y_A$$

    Light comes in photons, and where λ of them are expected their number varies by the root of λ. A camera set to a
    high ISO amplifies few photons, and their noise with them. ε₀ is common to the three colours c of a pixel (grain),
    the others are each colour's own (specks); κ is their share of the variance, and s is drawn uniformly up to the
    strength. Look at dark places: their noise is weak, but their light is weaker still. It helps against low light and
    other corruptions: Gaussian noise in training raised the accuracy of ResNet-50 from 39.2 to 49.4 % on ImageNet-C's
    corrupted pictures, at 75.9 instead of 76.1 % on the clean ones (Game of Noise README: noise of the same strength in
    light and dark, so no setting of this method, nor its default). It hurts where a fine texture defines the class,
    because it looks like noise. The name is that of a transform in Albumentations, which adds its noise to hue and
    lightness instead.
    """

    strength: float = parameter(0.15, "largest s: the noise's standard deviation in full light", low=0, high=0.5)
    colour: float = parameter(0.5, "κ: share of the variance that each colour has of its own", low=0, high=1)

    card: ClassVar[Card] = Card(
        "iso_noise", "ISO noise", "Albumentations: Fast and Flexible Image Augmentations",
        "Buslaev, Iglovikov, Khvedchenya, Parinov, Druzhinin, Kalinin", "Information", 2020,
        "1809.06839", "colour", "1",
        aliases=("camera noise", "grain", "ISO 노이즈", "잡음"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n = len(batch)
        return apply_op(batch, draw, "iso_noise", draw.rng.uniform(0, self.strength, n), np.full(n, self.colour))

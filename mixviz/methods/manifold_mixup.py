from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import blend
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class ManifoldMixup(Method):
    """Mixup of the feature maps of two pictures instead of the pictures themselves.

    $$\\tilde h_\\ell = \\lambda\\, h_\\ell(x_A) + (1-\\lambda)\\, h_\\ell(x_B) \\qquad
    \\tilde y = \\lambda y_A + (1-\\lambda) y_B$$

    The layer ℓ is drawn once per batch from 0 (the pictures themselves: plain Mixup) to ``stages``. With ℓ > 0 the
    pictures enter the network unchanged and :func:`mixviz.mix_inside` blends the output of stage ℓ. Change the seed and
    look: with ℓ = 0 the pictures are blended as in Mixup; otherwise they are unchanged and only the label is mixed.

    ImageNet error of ResNet-50: 22.50 % against 23.68 % plain (CutMix README; α = 1 where the default here is 2). It
    helps where classes differ in details that a blend of pixels would blur: the accuracy on birds (CUB) is 79.76 %,
    with Mixup 78.39 % and plain 77.68 % (OpenMixup, ResNet-18, fine-tuned; α = 0.5, Mixup's 0.2). A network that is
    small for its task gains nothing: the ImageNet accuracy of ResNet-18 is 69.98 %, plain 70.04 % (OpenMixup, 100
    epochs; α = 0.2).
    """

    alpha: float = beta_alpha(2.0)
    stages: int = parameter(2, "deepest stage after which features may be mixed; 0 is plain Mixup", low=0, high=8)

    card: ClassVar[Card] = Card(
        "manifold_mixup", "Manifold Mixup", "Manifold Mixup: Better Representations by Interpolating Hidden States",
        "Verma, Lamb, Beckham, Najafi, Mitliagkas, Lopez-Paz, Bengio", "ICML", 2019, "1806.05236", "feature-level", "λ",
        after=("mixup",), aliases=("hidden-layer Mixup", "매니폴드 믹스업"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return blend(batch, draw, draw.lam, layer=int(draw.rng.integers(self.stages + 1)))

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import alone, fill_colour, lam_tensor
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.parts import LabelRule, Operations, Trace, Weights
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import ENHANCE, IN_WHOLE_STEPS, Chance, space
from mixviz.ops.operations import OpSequence, check_torchvision

# The reference implementation's ranges at level 10 (augmentations.py).
RANGES = space(0.3, 1 / 3, 30, (0.1, 1.9), (4, 0), (256, 0)) | IN_WHOLE_STEPS
DEEPEST = 3


@dataclass(frozen=True)
class AugMix(Method):
    """Several augmented versions of a picture are blended with each other and with the original; the label stays.

    $$\\tilde x = \\lambda\\, x_A + (1-\\lambda) \\sum_{i=1}^{k} w_i\\, c_i(x_A) \\qquad
    w \\sim \\mathrm{Dirichlet}(\\alpha)
    \\qquad \\lambda \\sim \\mathrm{Beta}(\\alpha, \\alpha) \\qquad \\tilde y = y_A$$

    Each of the k chains c is one to three operations in a row, drawn uniformly, at strengths drawn up to the severity.
    A single chain may change a picture too much; a mixture of several stays close to it and is still varied. Look for
    edges that appear two or three times, faintly. Brightness, contrast, saturation and sharpness are left out by
    default, because the paper tests on ImageNet-C, which consists of such changes. The paper also trains with a
    consistency loss: a picture and two of its mixtures should get the same prediction. That loss is not part of the
    mixture. ResNet-50 with both: 77.53 % of ImageNet, and 65.3 mean corruption error (AugMix README; severity 1 and
    black corners, where 3 and the mean are the defaults here); plain, 76.1 % and 76.7 (Game of Noise README). It helps
    against blur, noise and weather that are absent from training; it hurts where an operation of a chain changes the
    class.

    Paper and code differ from torchvision, whose AugMix draws strengths from ten fixed steps; here they are drawn as in
    the authors' reference code, evenly between 0.1 and the severity. Severity 3 is that code's for CIFAR. It fills the
    area outside the picture with black (``fill="black"``); the mean of the data makes a weaker edge.
    """

    severity: float = parameter(3.0, "largest strength of an operation, of 10", low=0.1, high=10)
    branches: int = parameter(3, "k: how many chains", low=1, high=6)
    depth: int = parameter(0, "operations in a chain; 0 draws one to three", low=0, high=6)
    alpha: float = parameter(1.0, "α of both distributions: below 1 mostly one version", low=0.05, high=8)
    operations: str = parameter("paper", "without or with brightness, contrast, saturation and sharpness", choices=(
        "paper", "all"))  # fmt: skip
    fill: str = parameter("mean", "fill of the area outside the picture; black in the authors' code", choices=(
        "mean", "black"))  # fmt: skip

    card: ClassVar[Card] = Card(
        "augmix", "AugMix", "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
        "Hendrycks, Mu, Cubuk, Zoph, Gilmer, Lakshminarayanan", "ICLR", 2020, "1912.02781", "learned policy", "1",
        after=("autoaugment", "mixup"), aliases=("augment and mix", "어그믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        check_torchvision()
        n, k = len(batch), self.branches
        shares = draw.rng.dirichlet(np.full(k, self.alpha), n)
        weight = np.concatenate([draw.lam[:, None], (1 - draw.lam[:, None]) * shares], 1).T.astype(np.float32)
        sequences = [self._sequences(batch, draw.rng) for _ in range(k)]
        own = np.zeros((k + 1, n), np.float32)
        own[0] = 1
        fill = fill_colour(batch, draw.rng, self.fill)
        base = Weights(batch.tensor(weight)[:, :, None, None, None], fill)
        return Recipe(
            size=batch.size,
            partner=alone(batch).expand(k + 1, n),
            share=batch.tensor(own),
            mixing=Operations((((),) * n, *sequences), fill, base),
            label=LabelRule.OWN,
            trace=Trace(lam_tensor(batch, draw)),
        )

    def _sequences(self, batch: Batch, rng: np.random.Generator) -> tuple[OpSequence, ...]:
        """Draw a sequence for every image."""
        names = [name for name in RANGES if self.operations == "all" or name not in ENHANCE]
        n, longest = len(batch), self.depth or DEEPEST
        depth = rng.integers(1, DEEPEST + 1, n) if not self.depth else np.full(n, self.depth)
        chosen = rng.integers(len(names), size=(n, longest)).tolist()
        chance = Chance.draw(rng, n, longest, batch.size)
        level = (0.1 + (self.severity - 0.1) * chance.level) / 10
        return tuple(
            tuple(chance.op(RANGES, names[chosen[i][j]], level[i, j], (i, j), batch.size) for j in range(depth[i]))
            for i in range(n)
        )

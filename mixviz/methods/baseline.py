from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import alone
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card
from mixviz.core.parts import LabelRule
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class Baseline(Method):
    """No mixing: every image and its label stay as they are.

    $$\\tilde x = x_A \\qquad \\tilde y = y_A$$

    Every other method is measured against it. Look at the label: one class gets all of it. A network trained like this
    is overconfident and relies on the single most telling part. In this zoo its confidence is 10.6 points too high or
    too low on average, CutMix's 3.0, and with a hole over half of the picture its accuracy is 21.4 %, that of Cutout's
    network 32.7 % (64 px, one seed; both methods with their defaults, on half of the batches). It is the right choice
    for short training or a small network: ResNet-18 has 70.04 % of ImageNet, with CutMix 68.95 % (OpenMixup, 100
    epochs; α = 1, CutMix's default here).
    """

    card: ClassVar[Card] = Card(
        "baseline", "Baseline", family="none", label="1",
        aliases=("no augmentation", "베이스라인", "증강 없음"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        share = torch.ones(1, len(batch), device=batch.device)
        return Recipe(size=batch.size, partner=alone(batch), share=share, label=LabelRule.OWN)

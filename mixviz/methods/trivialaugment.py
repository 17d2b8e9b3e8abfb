from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import USUAL, WIDE, Chance, policy

LEVELS = 30


@dataclass(frozen=True)
class TrivialAugment(Method):
    """One operation, drawn uniformly, at a uniformly drawn strength; the label stays.

    $$\\tilde x = o_m(x_A) \\qquad o \\sim U(\\text{14 operations}) \\qquad m \\sim U\\{0, \\dots, 30\\} \\qquad
    \\tilde y = y_A$$

    It needs no tuning and no search, and the authors found it as good as searched policies. One of the 14 operations
    does nothing. With the wide ranges (the default, turns of up to 135°) some pictures are ruined and most are hardly
    touched; look through a few seeds. This variety is intended: RandAugment changes all of its pictures about equally
    strongly. Operations, ranges and rounding are torchvision's, but sampling is bilinear and corners get the mean
    (there, the nearest pixel and black). It helps if training is long enough: in torchvision's recipe it raised the
    ImageNet accuracy of ResNet-50 from 76.49 to 76.81 %, and training for 600 epochs raised it to 78.61 %
    (torchvision's blog, in that form, with the wide ranges). It hurts where an operation of the fourteen changes the
    class.
    """

    ranges: str = parameter("wide", "as wide as the authors advise, or RandAugment's", choices=("wide", "usual"))

    card: ClassVar[Card] = Card(
        "trivialaugment", "TrivialAugment", "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
        "Müller, Hutter", "ICCV", 2021, "2103.10158", "learned policy", "1",
        after=("randaugment",), aliases=("TrivialAugment Wide", "트리비얼어그먼트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        space = WIDE if self.ranges == "wide" else USUAL
        names = [*space, ""]  # the last is the identity
        chosen, level = draw.rng.integers(len(names), size=len(batch)), draw.rng.integers(LEVELS + 1, size=len(batch))
        chance = Chance.draw(draw.rng, len(batch), 1, batch.size)
        return policy(batch, draw, [
            (chance.op(space, names[index], level[i] / LEVELS, (i, 0), batch.size),) if names[index] else ()
            for i, index in enumerate(chosen.tolist())
        ])  # fmt: skip

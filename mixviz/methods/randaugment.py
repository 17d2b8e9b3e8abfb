from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import USUAL, Chance, policy

LEVELS = 30


@dataclass(frozen=True)
class RandAugment(Method):
    """A few operations in a row, drawn uniformly, all at one strength; the label stays.

    $$\\tilde x = o_N(\\dots o_1(x_A)) \\qquad o_i \\sim U(\\text{14 operations}) \\qquad \\tilde y = y_A$$

    Two numbers replace AutoAugment's search: the number of operations N, and their strength M on a scale of 30. They
    can be tuned like any other setting. One of the 14 operations does nothing. Change M and look when you no longer
    recognise the object: the label stays the same. Larger networks and more data allow a larger M; small networks and
    small data sets need a smaller one. ImageNet accuracy of ResNet-50: 77.6 % (pytorch-randaugment README) against 76.3
    % plain (Fast AutoAugment README). That code has 16 operations, among them inverted colours and a hole, and no
    identity: no N and M here, including the defaults, reproduce its setting.

    Operations, ranges and rounding are torchvision's, which takes the nearest pixel and leaves corners black; here
    sampling is bilinear and corners get the mean. M is on torchvision's scale of 30, where the default of 9 turns a
    picture by 9°; on the scale of 10 of AutoAugment's code, M = 9 turns it by 27°, which is 27 here.
    """

    operations: int = parameter(2, "N: how many in a row", low=0, high=6)
    magnitude: int = parameter(9, "M: how strong", low=0, high=LEVELS)

    card: ClassVar[Card] = Card(
        "randaugment", "RandAugment", "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
        "Cubuk, Zoph, Shlens, Le", "NeurIPS", 2020, "1909.13719", "learned policy", "1",
        after=("autoaugment",), aliases=("RandAug", "랜드어그먼트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        names = [*USUAL, ""]  # the last is the identity
        chosen = draw.rng.integers(len(names), size=(len(batch), self.operations))
        chance = Chance.draw(draw.rng, len(batch), self.operations, batch.size)
        return policy(batch, draw, [
            tuple(
                chance.op(USUAL, names[index], self.magnitude / LEVELS, (i, j), batch.size)
                for j, index in enumerate(row)
                if names[index]
            )
            for i, row in enumerate(chosen.tolist())
        ])  # fmt: skip

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import END_TO_END, Chance, cutout_form, policy


@dataclass(frozen=True)
class UniformAugment(Method):
    """Two operations in a row; operation, strength and probability are drawn uniformly, and the label stays.

    $$\\tilde x = o_2(o_1(x_A)) \\qquad o_i \\sim U(\\text{15 operations}) \\qquad p_i, m_i \\sim U(0, 1) \\qquad
    \\tilde y = y_A$$

    Operation i is applied with its probability. That is a half on average, so one picture in four stays as it is, and
    half of them undergo one operation. The authors argue: if the operations never change the class, no draw can be bad,
    and no search is needed. Look for draws that do change the class: there it hurts. ImageNet accuracy of ResNet-50:
    77.63 % in the paper, 77.80 % when done again (README of a PyTorch reimplementation; two operations, the default),
    against 76.3 % plain (Fast AutoAugment README). Among the operations are inverted colours and a hole, which
    RandAugment leaves out.

    The ranges are Fast AutoAugment's. The reimplementation took them over with the rest of that code: the nearest
    pixel, black corners and holes a pixel larger (``cutout="released"``). Here sampling is bilinear, and corners and
    holes get the mean of the data; that is not what the second number was measured with.
    """

    operations: int = parameter(2, "how many in a row", low=0, high=6)
    cutout: str = cutout_form()

    card: ClassVar[Card] = Card(
        "uniformaugment", "UniformAugment", "UniformAugment: A Search-free Probabilistic Data Augmentation Approach",
        "LingChen, Khonsari, Lashkari, Nazari, Sambee, Nascimento", "arXiv", 2020, "2003.14348", "learned policy", "1",
        after=("autoaugment", "randaugment"), aliases=("UniformAug", "유니폼어그먼트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        ranges = END_TO_END[self.cutout]
        names, shape = list(ranges), (len(batch), self.operations)
        chosen, probability = draw.rng.integers(len(names), size=shape), draw.rng.random(shape)
        chance = Chance.draw(draw.rng, *shape, batch.size)
        return policy(batch, draw, [
            tuple(
                chance.op(ranges, names[index], chance.level[i, j], (i, j), batch.size)
                for j, index in enumerate(row)
                if chance.coin[i, j] < probability[i, j]
            )
            for i, row in enumerate(chosen.tolist())
        ])  # fmt: skip

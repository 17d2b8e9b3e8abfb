from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import PUBLISHED, USUAL, Chance, policy
from mixviz.ops.operations import check_torchvision

BINS = 9  # levels are 0 to 9


@dataclass(frozen=True)
class AutoAugment(Method):
    """Two operations in a row, drawn from a list of pairs that a search found; the label stays.

    $$\\tilde x = o_2(o_1(x_A)) \\qquad (o_1, o_2) \\sim U(\\text{25 pairs}) \\qquad \\tilde y = y_A$$

    Each of the two has a probability and a strength on a scale of ten; its direction is drawn at random. Reinforcement
    learning found the pairs, on one data set each: this took 15,000 GPU hours for ImageNet. Change the seed and look at
    what the policy has learned about its data: mostly colour changes for CIFAR-10 and ImageNet, shears and inverted
    colours for house numbers (SVHN), where these keep the digit. ImageNet error of ResNet-50: 22.4 % against 23.7 %
    plain (Fast AutoAugment README; the authors' number, with the list for ImageNet, the default here, in their own
    code). It hurts where an operation changes the class, which depends on the data. The three lists are torchvision's;
    its ranges and rounding too, but it takes the nearest pixel and leaves corners black, where here sampling is
    bilinear and corners get the mean, as in the authors' code for CIFAR-10.
    """

    policy: str = parameter("imagenet", "the data set that the pairs were found on", choices=(
        "imagenet", "cifar10", "svhn"))  # fmt: skip

    card: ClassVar[Card] = Card(
        "autoaugment", "AutoAugment", "AutoAugment: Learning Augmentation Strategies from Data",
        "Cubuk, Zoph, Mane, Vasudevan, Le", "CVPR", 2019, "1805.09501", "learned policy", "1",
        aliases=("searched policy", "오토어그먼트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        pairs = published(self.policy)
        chosen = draw.rng.integers(len(pairs), size=len(batch))
        chance = Chance.draw(draw.rng, len(batch), 2, batch.size)
        ranges = {**USUAL, "invert": None}
        return policy(batch, draw, [
            tuple(
                chance.op(ranges, PUBLISHED[name], (level or 0) / BINS, (i, j), batch.size)
                for j, (name, probability, level) in enumerate(pairs[index])
                if chance.coin[i, j] <= probability
            )
            for i, index in enumerate(chosen.tolist())
        ])  # fmt: skip


@cache
def published(name: str) -> tuple[tuple[tuple[str, float, int | None], ...], ...]:
    """Return the 25 pairs of a policy from torchvision: (operation, probability, level 0 to 9 or None)."""
    check_torchvision()
    from torchvision.transforms import v2

    return tuple(v2.AutoAugment(v2.AutoAugmentPolicy[name.upper()])._get_policies(v2.AutoAugmentPolicy[name.upper()]))

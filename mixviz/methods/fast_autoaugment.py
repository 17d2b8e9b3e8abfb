from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import END_TO_END, PUBLISHED, Chance, cutout_form, data, policy


@dataclass(frozen=True)
class FastAutoAugment(Method):
    """Two operations in a row, drawn from about 500 pairs that a much cheaper search found; the label stays.

    $$\\tilde x = o_2(o_1(x_A)) \\qquad (o_1, o_2) \\sim U(\\text{pairs}) \\qquad \\tilde y = y_A$$

    AutoAugment trains a network for every policy that it tries. Fast AutoAugment trains a network once, on plain
    pictures. A policy is good if this network still recognises other pictures after the policy has changed them: then
    augmented pictures match the distribution of their class. That costs 450 GPU hours for ImageNet instead of 15,000.
    Compare the pairs with those of AutoAugment: this criterion rejects strong changes (the accuracy of a network
    trained without either is 58.2 % on these pictures and 41.7 % on AutoAugment's; this zoo's baseline, 64 px, both
    with their defaults), and the policies are about equally good. The three lists are those of the authors' repository,
    taken whole (498, 493 and 497 pairs for ImageNet, CIFAR-10 and SVHN), to four digits; probabilities and strengths
    are numbers between 0 and 1. ImageNet error of ResNet-50: 22.4 % against 23.7 % plain (Fast AutoAugment README, with
    the list for ImageNet, the default here, in the released form). It hurts where an operation of the list changes the
    class.

    The released code takes the nearest pixel, leaves corners black and fills holes with CIFAR-10's mean; here sampling
    is bilinear and both get the mean of the data. Its holes are a pixel larger, and whole at the top and left edge:
    4.5 % of a picture of 32 pixels at full strength, where a hole around a pixel hides 3.2 % (``cutout="released"``
    draws them so, the default does not).
    """

    policy: str = parameter("imagenet", "the data set that the pairs were found on", choices=(
        "imagenet", "cifar10", "svhn"))  # fmt: skip
    cutout: str = cutout_form()

    card: ClassVar[Card] = Card(
        "fast_autoaugment", "Fast AutoAugment", "Fast AutoAugment", "Lim, Kim, Kim, Kim, Kim", "NeurIPS", 2019,
        "1905.00397", "learned policy", "1",
        after=("autoaugment",), aliases=("FAA", "패스트 오토어그먼트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        pairs, ranges = data("fast_autoaugment")[self.policy], END_TO_END[self.cutout]
        chosen = draw.rng.integers(len(pairs), size=len(batch))
        chance = Chance.draw(draw.rng, len(batch), 2, batch.size)
        return policy(batch, draw, [
            tuple(
                chance.op(ranges, PUBLISHED[name], level, (i, j), batch.size)
                for j, (name, probability, level) in enumerate(pairs[index])
                if chance.coin[i, j] <= probability
            )
            for i, index in enumerate(chosen.tolist())
        ])  # fmt: skip

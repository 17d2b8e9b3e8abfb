from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.methods._policies import IN_WHOLE_STEPS, PUBLISHED, Chance, Range, data, policy, space

# The authors' ranges (augmentation_transforms.py, for pictures of 32 pixels): shifts of up to 10, holes of up to 20.
MORE = {"invert": None, "cutout": Range(0, 20 / 32, side=1, whole="cut")}
RANGES = space(0.3, 10 / 32, 30, (0.1, 1.9), (4, 0), (256, 0), more=MORE) | IN_WHOLE_STEPS
COUNTS = (0.2, 0.3, 0.5)  # probabilities of no, one and two operations


@dataclass(frozen=True)
class PBA(Method):
    """A policy that changes during training: weak at first, strong towards the end; the label stays.

    $$\\tilde x = o_k(\\dots o_1(x_A)) \\qquad k \\sim (0.2, 0.3, 0.5)\\ \\text{on}\\ \\{0, 1, 2\\} \\qquad
    \\tilde y = y_A$$

    Several networks were trained side by side. Every few epochs the worst of them copied the weights and the policy of
    the best and changed the policy a little. The schedule is the sequence of policies of the winner, from its first
    epoch to its last. At each epoch it lists 15 operations, each twice, with a probability and a strength on scales of
    ten; they are tried in random order until k of them have been applied. Change ``progress`` and look: at 0 no
    operation is applied, because the network still has to learn the classes. The two schedules are from the authors'
    repository, for 200 and 160 epochs. A method of this catalogue does not know the epoch, so it stays at one point of
    the schedule. Corners and holes get the mean, as there; sampling is bilinear, there the nearest pixel. CIFAR-10
    error of Wide-ResNet-28-10: 2.58 % (PBA README; the whole schedule for CIFAR-10 and a Cutout of 16 pixels after it,
    not the default here, which stays at its end) against 3.9 % plain (Fast AutoAugment README). It hurts where an
    operation changes the class, and early in training: the accuracy of a network trained without it is 44.0 % on
    pictures from the end of the schedule (this zoo's baseline, 64 px; the defaults).
    """

    policy: str = parameter("cifar10", "the data set that the schedule was found on", choices=("cifar10", "svhn"))
    progress: float = parameter(1.0, "share of the training that is done", low=0, high=1)

    card: ClassVar[Card] = Card(
        "pba", "PBA", "Population Based Augmentation: Efficient Learning of Augmentation Policy Schedules",
        "Ho, Liang, Stoica, Abbeel, Chen", "ICML", 2019, "1905.05393", "learned policy", "1",
        after=("autoaugment",), aliases=("population based augmentation", "집단 기반 증강"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        operations = self.moment()
        n, depth = len(batch), len(operations)
        counts, order = draw.rng.choice(3, n, p=COUNTS), draw.rng.random((n, depth)).argsort(1)
        chance, sequences = Chance.draw(draw.rng, n, depth, batch.size), []
        for i, count in enumerate(counts.tolist()):
            applied = [j for j in order[i].tolist() if chance.coin[i, j] < operations[j][1] / 10][:count]
            drawn = ((PUBLISHED[operations[j][0]], operations[j][2] / 10, (i, j)) for j in applied)
            sequences.append(tuple(chance.op(RANGES, name, level, index, batch.size) for name, level, index in drawn))
        return policy(batch, draw, sequences)

    def moment(self) -> list[tuple[str, int, int]]:
        """The schedule at this point of a training: (operation, probability, strength), both of ten."""
        published = data("pba")
        schedule = published[self.policy]
        epoch = min(int(self.progress * schedule["epochs"]), schedule["epochs"] - 1)
        numbers = next(values for until, values in schedule["policies"] if epoch < until)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return [(name, *pair) for name, pair in zip(published["operations"] * 2, pairs, strict=True)]

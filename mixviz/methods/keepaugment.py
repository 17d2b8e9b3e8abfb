from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import erase
from mixviz.core.geometry import integral, stack_box
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, detector, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class KeepAugment(Method):
    """Cutout guided by saliency: only places of low saliency may be erased.

    $$B \\sim U\\Big\\{ B : \\sum_B S_A \\le Q_\\tau \\Big\\} \\qquad \\tilde x = M \\odot x_A + (1-M)\\, c \\qquad
    \\tilde y = y_A$$

    $Q_\\tau$ is the τ-quantile of the saliency inside all boxes B of the hole's size: the hole may lie at the share τ
    of the places with the least saliency. At τ = 1 every place is allowed. Compare with Cutout, which may erase the
    object while the label still names it. Only what the detector finds is protected, so a hole can still erase the
    object where saliency is wrong. The network also learns less to recognise an object without its most salient part.

    This is the paper's selective cut; its other half, which pastes the salient box back after any augmentation, is left
    out. There S is the gradient of the true class's logit, the largest of the channels; here it is any detector's, by
    default one that needs no network. Unlike Cutout's, the hole is never clipped at the border. CIFAR-10 accuracy of
    ResNet-18: 96.2 % against 95.6 % for Cutout (an unofficial implementation's README, which takes the latter from the
    paper; its saliency is the gradient, not the default here).
    """

    size: float = parameter(0.5, "side of the hole as a share of the image's sides", low=0, high=1)
    quantile: float = parameter(0.6, "τ: the share of places that may be cut, the least salient ones", low=0, high=1)
    fill: str = parameter("mean", "colour of the hole; the data set's mean is 0 after normalisation", choices=(
        "mean", "black", "white"))  # fmt: skip
    detector: str = detector("fine_grained")

    card: ClassVar[Card] = Card(
        "keepaugment", "KeepAugment", "KeepAugment: A Simple Information-Preserving Data Augmentation Approach",
        "Gong, Wang, Li, Chandra, Liu", "CVPR", 2021, "2011.11778", "erase", "1",
        after=("cutout",), aliases=("saliency-guided Cutout", "킵어그먼트"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        maps, (height, width) = batch.saliency(self.detector), (round(side * self.size) for side in batch.size)
        rows, columns = batch.size[0] - height + 1, batch.size[1] - width + 1
        summed = integral(maps)
        strip = summed[:, height:] - summed[:, :rows]
        inside = (strip[:, :, width:] - strip[:, :, :columns]).flatten(1)
        limit = inside.sort(1).values[:, max(1, round(self.quantile * rows * columns)) - 1, None]
        allowed = (inside <= limit + 1e-9).cumsum(1)  # equal sums may differ in their last digit
        u = batch.tensor(draw.rng.random((len(batch), 1)))
        place = torch.searchsorted(allowed, (u * allowed[:, -1:]).long() + 1).squeeze(1)
        top, left = place // columns, place % columns
        hole = stack_box(top, left, top + height, left + width)
        return erase(batch, draw, self.fill, hole, saliency=maps)

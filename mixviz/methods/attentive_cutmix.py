from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import masked
from mixviz.core.geometry import cell_means, spread_cells
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, detector, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class AttentiveCutMix(Method):
    """The most salient cells of a grid over image B are pasted onto image A, each in its own place.

    $$C = \\text{the } k \\text{ cells of } B \\text{ with the largest mean of } S_B \\qquad
    \\tilde x = (1-C) \\odot x_A + C \\odot x_B \\qquad \\tilde y = (1-\\bar C)\\, y_A + \\bar C\\, y_B$$

    SaliencyMix centres one box on one pixel; Attentive CutMix takes whole cells, which need not touch. Look whether
    they show the object or only bright spots. Only the partner is random: the same two pictures always give the same
    mixture, so that it has less variety than CutMix. Holding λ asks for the number of cells that leaves A this share.

    In the paper S comes from the last feature maps (7×7) of a pretrained ResNet-50. Here S is the map of a detector.
    The default detector needs no network; ``detector="gradient"`` uses the network in training. CIFAR-100 accuracy of
    ResNet-18: 79.62 % against 79.45 % for CutMix and 76.42 % plain (OpenMixup, 200 epochs). It hurts a network that is
    small for its task: on ImageNet ResNet-18 has 68.57 % against 70.04 % plain (OpenMixup, 100 epochs). Both are of
    OpenMixup's variant, not of the default here: its maps come from a pretrained network, and λ, drawn from Beta(2, 8),
    says how many cells are pasted; its CutMix has α = 0.2 on CIFAR-100.
    """

    count: int = parameter(6, "cells of B that are pasted", low=0, high=1024)
    cells: int = parameter(7, "cells along each side of the grid", low=1, high=32)
    detector: str = detector("fine_grained")

    card: ClassVar[Card] = Card(
        "attentive_cutmix", "Attentive CutMix",
        "Attentive CutMix: An Enhanced Data Augmentation Approach for Deep Learning Based Image Classification",
        "Walawalkar, Shen, Liu, Savvides", "ICASSP", 2020, "2003.13048", "saliency-guided", "1 - area",
        after=("cutmix",), aliases=("attentive patches", "어텐티브 컷믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        maps, n, grid = batch.saliency(self.detector), len(batch), (self.cells, self.cells)
        count = np.full(n, min(self.count, self.cells**2))
        if draw.held is not None:
            count = np.rint((1 - draw.held) * self.cells**2)
        # Break ties at random, by less than any visible difference.
        tie_break = batch.tensor(draw.rng.random((n, self.cells**2)) * 1e-9)
        weight = (cell_means(maps, grid).flatten(1) + tie_break)[batch.tensor(draw.partner)]
        ordered = torch.nn.functional.pad(weight.sort(1, descending=True).values, (0, 1), value=-torch.inf)
        own = (weight <= ordered.gather(1, batch.tensor(count.astype(np.int64))[:, None])).float()
        own = spread_cells(own.view(n, 1, *grid), batch.size)
        return masked(batch, draw._replace(lam=draw.held), own, saliency=maps)

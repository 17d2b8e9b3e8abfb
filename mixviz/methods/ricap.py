from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import four_tiles
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class RICAP(Method):
    """Four pictures, each cropped at random to a tile, are laid side by side; each gets its tile's share of the label.

    $$(w, h) = \\mathrm{round}(u W, v H) \\qquad u, v \\sim \\mathrm{Beta}(\\beta, \\beta) \\qquad
    \\tilde y = \\sum_{k=0}^{3} \\bar M_k\\, y_k$$

    The four meet at the point (w, h). Clockwise from the top left they are the image, its partner, the partner's
    partner, and that one's partner. Of two pictures each therefore has two tiles. With β = 0.3, the authors' choice,
    the point mostly lies near a corner or an edge, so that one picture, or two, fill nearly all; with a large β it lies
    in the middle. Compare with Mosaic, which came later: here every tile, the image's own too, shows a random place of
    its picture as large as the tile, so that a network sees parts at unusual places and cannot rely on the whole. A
    small tile may show only background; its label still follows the area.

    CIFAR-10 error of WideResNet-28-10: 2.85 % against 3.89 %. ImageNet error of WideResNet-50-2: 21.08 % against 21.90
    % after 100 epochs, and 20.33 % against 21.84 % after 200 (the authors' README; β = 0.3, the default). The gain
    grows with the length of training. Their code draws point and crops once per batch and each tile's picture anew;
    here every image has a point and crops of its own.
    """

    beta: float = parameter(
        0.3, "Beta(β, β) of the point: below 1 near the borders, above 1 in the middle", low=0.05, high=8
    )

    card: ClassVar[Card] = Card(
        "ricap", "RICAP", "Data Augmentation using Random Image Cropping and Patching for Deep CNNs",
        "Takahashi, Matsubara, Uehara", "ACML", 2018, "1811.09030", "multi-image", "4 areas",
        after=("mixup", "cutout"), aliases=("random image cropping and patching", "리캡"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return four_tiles(batch, draw, draw.rng.beta(self.beta, self.beta, (2, len(batch))), crop="all")

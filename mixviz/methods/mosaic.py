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
class Mosaic(Method):
    """Four pictures meet at a random point; each gets its tile's share of the label.

    $$\\tilde x = \\sum_{k=0}^{3} M_k \\odot x_k \\qquad \\tilde y = \\sum_{k=0}^{3} \\bar M_k\\, y_k$$

    Clockwise from the top left: the image, its partner, the partner's partner, and that one's partner. Of two pictures
    each therefore has two tiles. A tile shows the same place of its picture, or (``crop="random"``) a random part of
    it. Look at the seams: the label follows the tile's area even where a seam cuts an object. Mosaic was made for
    detection, where it shows objects at unusual places and four contexts at once: 39.1 AP against 38.0 without, and as
    a classifier's augmentation 78.1 % of ImageNet against 77.9 % plain and 78.0 % for CutMix (YOLOv4, tables 4 and 2).
    Its tiles meet at least a fifth of the side from the border, as by default here; its pictures are cropped at random
    before. It hurts where one object fills the picture, because a tile shows only a piece of it.
    """

    margin: float = parameter(
        0.2, "least distance of the meeting point from the border, as a share of the sides", low=0, high=0.5
    )
    crop: str = parameter("same", "each tile from the same place, or from a random place", choices=("same", "random"))

    card: ClassVar[Card] = Card(
        "mosaic", "Mosaic", "YOLOv4: Optimal Speed and Accuracy of Object Detection", "Bochkovskiy, Wang, Liao",
        "arXiv", 2020, "2004.10934", "multi-image", "4 areas",
        after=("cutmix",), aliases=("YOLO mosaic", "모자이크"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        point = draw.rng.uniform(self.margin, 1 - self.margin, (2, len(batch)))
        return four_tiles(batch, draw, point, crop="others" if self.crop == "random" else "none")

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.batch import Batch
from mixviz.geometry import box_area, stack_box, uniform_corner
from mixviz.method import Card, Draw, Method, parameter
from mixviz.planning import alone
from mixviz.recipe import Recipe


@dataclass(frozen=True)
class Mosaic(Method):
    """Four pictures meet at a random point; each gets its tile's share of the label.

    $$\\tilde x = \\sum_{k=0}^{3} M_k \\odot x_k \\qquad \\tilde y = \\sum_{k=0}^{3} \\bar M_k\\, y_k$$

    Clockwise from the top left: the image, its partner, the partner's partner, and that one's. Of two pictures each
    therefore has two tiles. A tile shows what stands at its place in its picture, or (``crop="random"``) a random part
    of it. Look at the seams: what they cut through is paid by its tile's area all the same. Made for detection, where
    it shows objects at unusual places and four contexts at once: 39.1 AP against 38.0 without, and as a classifier's
    augmentation 78.1 % of ImageNet against 77.9 % plain and 78.0 % for CutMix (YOLOv4, tables 4 and 2). It hurts where
    one object fills the picture, of which a tile shows a scrap.
    """

    margin: float = parameter(0.2, "how near to the border the four may meet, as a share of the sides", low=0, high=0.5)
    crop: str = parameter("same", "each tile from the same place, or from a random place", choices=("same", "random"))

    card: ClassVar[Card] = Card(
        "mosaic", "Mosaic", "YOLOv4: Optimal Speed and Accuracy of Object Detection", "Bochkovskiy, Wang, Liao",
        "arXiv", 2020, "2004.10934", "multi-image", "4 areas",
        after=("cutmix",),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, (height, width) = len(batch), batch.size
        u = draw.rng.uniform(self.margin, 1 - self.margin, (2, n))
        row, column = (np.rint(at * side).astype(np.int64) for at, side in zip(u, batch.size, strict=True))
        zero, bottom, right = np.zeros_like(row), np.full(n, height), np.full(n, width)
        targets = (
            stack_box(zero, column, row, right),
            stack_box(row, column, bottom, right),
            stack_box(row, zero, bottom, column),
        )
        partner = [draw.partner, draw.partner[draw.partner], draw.partner[draw.partner][draw.partner]]
        areas = np.stack([row * column / (height * width), *(box_area(t, batch.size) for t in targets)])
        return Recipe(
            size=batch.size,
            partner=torch.cat([alone(batch), batch.tensor(np.stack(partner))]),
            share=batch.tensor(areas.astype(np.float32)),
            target_boxes=batch.tensor(np.stack(targets)),
            source_boxes=batch.tensor(np.stack([_elsewhere(draw, t, batch.size) for t in targets]))
            if self.crop == "random"
            else None,
        )


def _elsewhere(draw: Draw, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A box of the same sides at a random place."""
    height, width = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    top, left = uniform_corner(draw.rng, height, width, size)
    return stack_box(top, left, top + height, left + width)

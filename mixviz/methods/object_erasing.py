from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import FILLS, alone, fill_colour, in_ranks
from mixviz.core.geometry import stack_box
from mixviz.core.method import Draw, Method
from mixviz.core.objects import boxes_of
from mixviz.core.parameters import Card, detector, parameter
from mixviz.core.parts import LabelRule, Patches
from mixviz.core.recipe import Recipe

TRIES = 10  # shapes to draw for a hole until one fits; after this many, its box stays whole


@dataclass(frozen=True)
class ObjectErasing(Method):
    """Random Erasing for detection (I+ORE): a rectangle in the image, and one in the box of each object.

    $$\\tilde x = M \\odot x_A + (1-M) \\odot c \\qquad \\tilde y = y_A$$

    Random Erasing may miss every small object. Here each object's box has a hole of its own, with an area that is drawn
    as a share of the box, so that small objects are covered as much as large ones. Choose ``where`` and compare the
    paper's three ways: in the image (IRE), in the objects (ORE), in both (I+ORE). Image and objects are erased or not
    independently of each other, each with the same probability. On PASCAL VOC 2007 Fast R-CNN reaches 76.2 % mAP
    against 74.8 % plain (abstract of the paper's first version, which names no parameters; the defaults here may be
    others).

    Give the objects (``objects=``); ``recipe.follow`` then says how much of each is left. Without objects the box of
    the salient region is the only one.
    """

    where: str = parameter("both", "where to erase: in the image, in its objects, or in both", choices=(
        "both", "image", "objects"))  # fmt: skip
    probability: float = parameter(0.5, "probability that the image, or an object, is erased", low=0, high=1)
    low: float = parameter(0.02, "smallest area as a share of the image or of the box", low=0, high=1)
    high: float = parameter(0.2, "largest area as a share of the image or of the box", low=0, high=1)
    aspect: float = parameter(0.3, "flattest hole; the tallest is 1 / aspect", low=0.05, high=1)
    fill: str = parameter("random", "what the holes are filled with", choices=FILLS)
    detector: str = detector("fine_grained")

    looks_at_objects: ClassVar[bool] = True

    card: ClassVar[Card] = Card(
        "object_erasing", "I+ORE", "Random Erasing Data Augmentation", "Zhong, Zheng, Kang, Li, Yang",
        "AAAI", 2020, "1708.04896", "erase", "1", after=("random_erasing",),
        aliases=("image and object-aware random erasing", "object-aware random erasing", "객체 인식 랜덤 이레이징"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n, holes = len(batch), list[Tensor]()
        if self.where != "objects":
            whole = batch.tensor(np.tile(np.array([0, 0, *batch.size]), (n, 1)))
            holes.append(self._hole(batch, draw.rng, whole, np.ones(n, bool)))
        if self.where != "image":
            masks, image = batch.objects_or_salient(self.detector)
            boxes = boxes_of(masks).long() if len(masks) else torch.zeros(1, 4, dtype=torch.int64, device=batch.device)
            for rank, there in zip(*in_ranks(image, np.arange(n)), strict=True):
                holes.append(self._hole(batch, draw.rng, boxes[batch.tensor(rank)], there))
        return Recipe(
            size=batch.size,
            partner=alone(batch),
            share=torch.ones(1, n, device=batch.device),
            mixing=Patches(torch.stack(holes), fill=fill_colour(batch, draw.rng, self.fill)),
            label=LabelRule.OWN,
        )

    def _hole(self, batch: Batch, rng: np.random.Generator, box: Tensor, there: np.ndarray) -> Tensor:
        """Draw a hole (N, 4) inside each box (N, 4); an empty one where ``there`` (N,) is False, or none fits."""
        n, (low, high) = len(batch), sorted((self.low, self.high))
        erased = there & (rng.random(n) < self.probability)
        area = batch.tensor(rng.uniform(low, high, n)) * (box[:, 2:] - box[:, :2]).prod(1)
        aspect = batch.tensor(self.aspect ** rng.uniform(-1, 1, (TRIES, n)))
        u = batch.tensor(rng.random((2, n)))
        sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], 2).round().long()  # (TRIES, N, 2)
        fits = (sides <= box[:, 2:] - box[:, :2]).all(2)
        first = fits.to(torch.uint8).argmax(0)
        height, width = sides[first, torch.arange(n, device=batch.device)].unbind(1)
        use = batch.tensor(erased) & fits.any(0)
        height, width = torch.where(use, height, 0), torch.where(use, width, 0)
        top = box[:, 0] + (u[0] * (box[:, 2] - box[:, 0] - height + 1)).long()
        left = box[:, 1] + (u[1] * (box[:, 3] - box[:, 1] - width + 1)).long()
        return stack_box(top, left, top + height, left + width)

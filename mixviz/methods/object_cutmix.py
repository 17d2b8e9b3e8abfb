from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import in_ranks, masked, paste
from mixviz.core.method import Draw, Method
from mixviz.core.objects import boxes_of, united
from mixviz.core.parameters import Card, detector, parameter
from mixviz.core.parts import LabelRule
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class ObjectCutMix(Method):
    """CutMix whose patch is one of image B's objects: its box, or its mask.

    $$\\tilde x = (1-M) \\odot x_A + M \\odot x_B \\qquad \\tilde y = a\\, y_A + (1-a)\\, y_B$$

    M is the box or the mask of an object that is drawn from B's, at its own place. CutMix's patch may hold background
    alone while the label says half B: it shows at least half of B's object in 28 % of the mixtures, and this one shows
    all of it in every one (boxes of the bundled photographs, 400 seeds, the defaults of both). What it hides of A's
    object is not asked for. The label by ``object`` weighs both, a / (a + b) of the shares of A's and B's objects that
    can be seen, like SaliencyMix+ with true masks in place of saliency. Compare the two labels where B's object is
    small: by area it counts for little, though it is there as a whole.

    Give the objects (``objects=``); without them the salient region of B is its object. An image whose partner has no
    object stays as it is. To let any other method follow true objects, give their masks as its saliency:
    ``saliency=objects.union()``.
    """

    shape: str = parameter("box", "what is pasted: the object's box, or its mask", choices=("box", "mask"))
    label: str = parameter(
        "area", "label by the pasted area, or by the visible shares of both objects", choices=("area", "object")
    )
    detector: str = detector("fine_grained")

    looks_at_objects: ClassVar[bool] = True

    card: ClassVar[Card] = Card(
        "object_cutmix", "Object CutMix", family="cut", label="1 - area, or a / (a + b)", after=("cutmix",),
        aliases=("CutMix by object box", "object-aware CutMix", "객체 컷믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        masks, image = batch.objects_or_salient(self.detector)
        index, there = in_ranks(image, draw.partner)
        rank = (draw.rng.random(len(batch)) * there.sum(0)).astype(np.int64)
        chosen = batch.tensor(index[rank, np.arange(len(batch))])
        some = batch.tensor(there[0])[:, None]
        none = torch.zeros(1, *batch.size, dtype=torch.bool, device=batch.device)
        pasted = (masks if len(masks) else none)[chosen] & some[:, :, None]
        if self.shape == "box":
            recipe = paste(batch, draw, boxes_of(pasted).long())
        else:
            recipe = masked(batch, draw, 1 - pasted[:, None].float())
        if self.label == "area":
            return recipe
        maps = united(masks, batch.tensor(image.astype(np.int64)), len(batch))
        return dataclasses.replace(recipe, share=recipe.truth(maps).fair, label=LabelRule.PLANNED)

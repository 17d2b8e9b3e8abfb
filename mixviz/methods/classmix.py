from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import in_ranks, masked
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, detector
from mixviz.core.recipe import Recipe

BACKGROUND = -1  # of the classes in a picture


@dataclass(frozen=True)
class ClassMix(Method):
    """Half of the classes in image B, the background among them, are pasted over image A, pixel by pixel.

    $$\\tilde x = M \\odot x_B + (1-M) \\odot x_A \\qquad M = 1 \\text{ where B's class is drawn} \\qquad
    \\tilde y = \\bar M\\, y_B + (1-\\bar M)\\, y_A$$

    Borders of the mask are borders of objects, so that a network for segmentation never sees a cut through one. With a
    single object in B, either the object or all around it is pasted: look at both by changing the seed. B's object is
    whole in 50 % of the mixtures, against 2 % with CutMix (boxes of the bundled photographs, the defaults of both).
    Take the dense target of the mixture from ``recipe.follow_map``.

    The paper uses it where most pictures have no labels: M comes from the classes that the network predicts for B, by
    the largest probability of each pixel, and the predictions are mixed like the pictures. Here it comes from the
    objects (``objects=``), and of overlapping ones the later lies on top. Half of an odd number is rounded down, to at
    least one. Without objects the salient region of B is its only object.
    """

    detector: str = detector("fine_grained")

    looks_at_objects: ClassVar[bool] = True

    card: ClassVar[Card] = Card(
        "classmix", "ClassMix", "ClassMix: Segmentation-Based Data Augmentation for Semi-Supervised Learning",
        "Olsson, Tranheden, Pinto, Svensson", "WACV", 2021, "2007.07936", "cut", "1 - area",
        after=("cutmix",), aliases=("class-wise pasting", "클래스믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        masks, image = batch.objects_or_salient(self.detector)
        given = None if batch.objects is None else batch.objects.classes
        classes = np.arange(len(image)) if given is None else given.cpu().numpy()
        index, there = in_ranks(image, draw.partner)
        present = np.where(there, classes[index], BACKGROUND) if len(image) else np.full(index.shape, BACKGROUND)
        drawn = np.zeros((len(present) + 1, len(batch)), bool)  # the background, then each object
        for i, of in enumerate(present.T):
            known = np.unique(np.append(of, BACKGROUND))
            chosen = draw.rng.choice(known, max(1, len(known) // 2), replace=False)
            drawn[:, i] = np.isin(np.append(BACKGROUND, of), chosen)
        pasted = batch.tensor(drawn[0])[:, None, None].expand(-1, *batch.size)
        for rank, of, use in zip(index, there, drawn[1:], strict=True):
            if len(masks):
                shown = masks[batch.tensor(rank)] & batch.tensor(of)[:, None, None]
                pasted = torch.where(shown, batch.tensor(use)[:, None, None], pasted)
        return masked(batch, draw, 1 - pasted[:, None].float())

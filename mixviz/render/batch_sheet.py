"""A batch as the training loop sees it: every image with its partner from the same batch, mixed and labelled at once.

Nothing here knows a method by name: all of it is read off the recipe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mixviz.core.method import Method
from mixviz.core.recipe import Recipe
from mixviz.core.transforms import MixTransform, saliency
from mixviz.data.batch_loading import Pictures, bundled, load
from mixviz.explain import serialize

__all__ = ["MixedBatch", "bundled", "load", "mix_batch"]
OFF = 0.15  # label mass on the wrong classes from which on a label is called off


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedBatch:
    """The first batch of a training with this seed.

    Attributes:
        judge: (N, S, S) what should be visible of each picture: its object, or its saliency.
        lam: λ where it was held, else None.
    """

    pictures: Pictures
    method: Method
    recipe: Recipe
    judge: Tensor
    seed: int = 0
    lam: float | None = None

    def __len__(self) -> int:
        return len(self.recipe)

    @cached_property
    def mixed(self) -> Tensor:
        """(N, 3, S, S) uint8, what the network is trained on."""
        return self.recipe.apply(self.pictures.images)

    @cached_property
    def targets(self) -> Tensor:
        """(N, C) soft labels."""
        return self.recipe.targets(self.pictures.labels, len(self.pictures.classes))

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Every image's part of the recipe as plain numbers, see :func:`mixviz.explain.serialize.recipe_json`."""
        return [self._row(n) for n in range(len(self))]

    def _row(self, n: int) -> dict[str, Any]:
        # By itself, with its sources alone: the whole batch's weights at once would take a gigabyte at 512 px.
        row = self.recipe.row(n)
        who = row.partner[:, 0]
        trace = dataclasses.replace(row.trace, saliency=None)
        alone = dataclasses.replace(row, partner=torch.arange(len(who))[:, None], trace=trace)
        return serialize.recipe_json(alone, alone.truth(self.judge[who])) | {"partner": who.tolist()}

    @property
    def inside(self) -> bool:
        """It mixes inside the network, and the images enter as they are."""
        return self.recipe.layer > 0

    @property
    def paired(self) -> bool:
        """There are partners at all."""
        return len(self.recipe.partner) > 1

    def partners(self, n: int) -> list[int]:
        """The other images that are in image n, each once; none where it met itself, or nobody."""
        return [who for who in dict.fromkeys(self.recipe.partner[:, n].tolist()) if who != n]

    @property
    def fixed(self) -> list[int]:
        """Images that were to be mixed with themselves."""
        return [n for n in range(len(self)) if self.paired and not self.partners(n)]

    def own(self, n: int, what: str) -> float:
        """Image n's own part of its ``area`` or ``share``."""
        row = self.rows[n]
        return sum(value for who, value in zip(row["partner"], row[what], strict=True) if who == n)

    def parts(self, n: int, what: str = "share") -> dict[int, float]:
        """Class -> part of the label (or of ``fair``, what the visible parts would earn), the image's own first."""
        row, found = self.rows[n], {}
        for who, value in zip(row["partner"], row[what], strict=True):
            label = int(self.pictures.labels[who])
            found[label] = found.get(label, 0.0) + value
        return found

    def gap(self, n: int) -> float:
        """Label mass on the wrong classes, 0 to 1."""
        fair = self.parts(n, "fair")
        return sum(abs(share - fair[label]) for label, share in self.parts(n).items()) / 2

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Means over the batch, and how many labels are off; None for what this method has not."""
        drawn, count = self.recipe.lam, range(len(self))
        return {
            "drawn": None if drawn is None else drawn.mean().item(),
            "area": None if self.inside else sum(self.own(n, "area") for n in count) / len(self),
            "share": sum(self.own(n, "share") for n in count) / len(self),
            "off": None if self.inside else sum(self.gap(n) > OFF for n in count),
            "fixed": len(self.fixed) if self.paired else None,
        }


def mix_batch(
    pictures: Pictures, method: Method, seed: int = 0, lam: float | None = None, *, maps: Tensor | None = None,
    network: Callable[[Tensor], Tensor] | None = None,
) -> MixedBatch:  # fmt: skip
    """Mix a batch as ``MixTransform(method, classes, seed=seed)`` mixes its first, every image of it.

    Args:
        lam: hold λ for all images.
        maps: (N, S, S) saliency to use instead of the method's own detector's.
        network: what network-guided detectors ask.

    Raises:
        ValueError: the method misses something that it needs.
    """
    given = {} if maps is None else {"saliency": maps}
    transform = MixTransform(method, len(pictures.classes), seed=seed, network=network)
    recipe = transform.plan(pictures.images, pictures.labels, lam=lam, **given)
    judge = maps if pictures.objects is None else pictures.objects
    if judge is None:
        judge = saliency(pictures.images) if recipe.saliency is None else recipe.saliency
    return MixedBatch(pictures=pictures, method=method, recipe=recipe, judge=judge, seed=seed, lam=lam)

"""A batch as the training loop sees it: every image is mixed and labelled with a partner from the same batch.

No method is known by name here: everything is read from the recipe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mixviz.core.follow import MovedObjects
from mixviz.core.method import Method
from mixviz.core.objects import Objects
from mixviz.core.recipe import Recipe
from mixviz.core.transforms import MixTransform, saliency
from mixviz.data.batch_loading import Pictures, bundled, load
from mixviz.explain import serialize

__all__ = ["MixedBatch", "bundled", "load", "mix_batch"]
OFF = 0.15  # a label counts as off above this label mass on the wrong classes


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedBatch:
    """The first batch of a training with this seed.

    Attributes:
        reference_masks: (N, S, S) importance of each pixel for the label: the object mask, or saliency.
        lam: λ if it was fixed, else None.
    """

    pictures: Pictures
    method: Method
    recipe: Recipe
    reference_masks: Tensor
    seed: int = 0
    lam: float | None = None

    def __len__(self) -> int:
        return len(self.recipe)

    @cached_property
    def mixed(self) -> Tensor:
        """(N, 3, S, S) uint8 mixtures, the network's training input."""
        return self.recipe.apply(self.pictures.images)

    @cached_property
    def targets(self) -> Tensor:
        """(N, C) soft labels."""
        return self.recipe.targets(self.pictures.labels, len(self.pictures.classes))

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The recipe of each image as plain numbers, see :func:`mixviz.explain.serialize.recipe_json`."""
        return [self._row(n) for n in range(len(self))]

    def _row(self, n: int) -> dict[str, Any]:
        # One image with only its sources: weights over the whole batch would take a gigabyte at 512 px.
        row = self.recipe.row(n)
        sources = row.partner[:, 0]
        trace = dataclasses.replace(row.trace, saliency=None)
        alone = dataclasses.replace(row, partner=torch.arange(len(sources))[:, None], trace=trace)
        return serialize.recipe_json(alone, alone.truth(self.reference_masks[sources])) | {"partner": sources.tolist()}

    def followed(self, min_visible: float = 0.0) -> MovedObjects | None:
        """The objects that can be seen in the mixtures, see :meth:`mixviz.Recipe.follow`; None: they are unknown."""
        objects = objects_of(self.pictures)
        return None if objects is None else self.recipe.follow(objects, min_visible)

    @property
    def inside(self) -> bool:
        """Whether features are mixed inside the network and the images enter unmixed."""
        return self.recipe.layer > 0

    @property
    def paired(self) -> bool:
        """Whether the method mixes with partners."""
        return len(self.recipe.partner) > 1

    def partners(self, n: int) -> list[int]:
        """Indices of the other images mixed into image n, each once; empty if its only partner is itself or none."""
        return [partner for partner in dict.fromkeys(self.recipe.partner[:, n].tolist()) if partner != n]

    @property
    def fixed(self) -> list[int]:
        """Indices of images whose only partner is themselves."""
        return [n for n in range(len(self)) if self.paired and not self.partners(n)]

    def own(self, n: int, quantity: str) -> float:
        """Image n's own part of its mixture's ``area`` or label ``share``."""
        row = self.rows[n]
        return sum(value for partner, value in zip(row["partner"], row[quantity], strict=True) if partner == n)

    def parts(self, n: int, quantity: str = "share") -> dict[int, float]:
        """Class -> share of the label (``share``) or of the label by visible content (``fair``), own class first."""
        row, shares = self.rows[n], {}
        for partner, value in zip(row["partner"], row[quantity], strict=True):
            label = int(self.pictures.labels[partner])
            shares[label] = shares.get(label, 0.0) + value
        return shares

    def gap(self, n: int) -> float:
        """Label mass on the wrong classes, 0 to 1."""
        fair = self.parts(n, "fair")
        return sum(abs(share - fair[label]) for label, share in self.parts(n).items()) / 2

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Means over the batch and the number of labels that are off; None where a value does not apply."""
        lam, indices = self.recipe.lam, range(len(self))
        return {
            "drawn": None if lam is None else lam.mean().item(),
            "area": None if self.inside else sum(self.own(n, "area") for n in indices) / len(self),
            "share": sum(self.own(n, "share") for n in indices) / len(self),
            "off": None if self.inside else sum(self.gap(n) > OFF for n in indices),
            "fixed": len(self.fixed) if self.paired else None,
        }


def objects_of(pictures: Pictures) -> Objects | None:
    """Return the objects of a batch's pictures: the annotated ones, else one for each picture; None: unknown."""
    if pictures.annotated is not None or pictures.objects is None:
        return pictures.annotated
    masks, count = pictures.objects > 0.5, len(pictures.objects)
    size = int(masks.shape[1]), int(masks.shape[2])
    return Objects(size=size, count=count, image=torch.arange(count), masks=masks, classes=pictures.labels)


def mix_batch(
    pictures: Pictures, method: Method, seed: int = 0, lam: float | None = None, *, maps: Tensor | None = None,
    network: Callable[[Tensor], Tensor] | None = None,
) -> MixedBatch:  # fmt: skip
    """Mix a batch as ``MixTransform(method, classes, seed=seed)`` mixes its first batch.

    Args:
        lam: fixed λ for all images; None: drawn by the method.
        maps: (N, S, S) saliency to use instead of the method's detector.
        network: network for network-guided detectors.

    Raises:
        ValueError: a requirement of the method is missing.
    """
    options: dict[str, Any] = {} if maps is None else {"saliency": maps}
    if method.looks_at_objects and (objects := objects_of(pictures)) is not None:
        options["objects"] = objects
    transform = MixTransform(method, len(pictures.classes), seed=seed, network=network)
    recipe = transform.plan(pictures.images, pictures.labels, lam=lam, **options)
    masks = maps if pictures.objects is None else pictures.objects
    if masks is None:
        masks = saliency(pictures.images) if recipe.saliency is None else recipe.saliency
    return MixedBatch(pictures=pictures, method=method, recipe=recipe, reference_masks=masks, seed=seed, lam=lam)

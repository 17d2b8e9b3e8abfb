"""The network and the pictures that an evaluation measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mixviz import embeddings
from mixviz.core import checks
from mixviz.core.inference import NormalizedModel


@dataclass(frozen=True)
class EvaluationSet:
    """A network with the pictures to measure it on; see :func:`mixviz.evaluation.evaluate.evaluate`."""

    network: NormalizedModel
    images: Tensor
    labels: Tensor
    layer: str | None
    boxes: Sequence[Tensor] | None
    masks: Tensor | None
    others: Tensor | None
    seed: int
    batch_size: int

    def rng(self, *what: int) -> np.random.Generator:
        """A generator of its own for every measurement, so that leaving one out changes no other."""
        return np.random.default_rng((self.seed, *what))

    def slices(self, n: int | None = None) -> Iterator[slice]:
        n = len(self.images) if n is None else n
        return (slice(i, min(i + self.batch_size, n)) for i in range(0, n, self.batch_size))

    def logits(self, change: Callable[[Tensor, slice], Tensor] | None = None, images: Tensor | None = None) -> Tensor:
        """Return the network's class scores (N, C), each batch changed first."""
        images = self.images if images is None else images
        with torch.inference_mode():
            change = change or (lambda batch, _: batch)
            found = torch.cat([self.network(change(images[part], part)) for part in self.slices(len(images))])
        finite = -checks.FINITE, checks.FINITE
        checks.tensor("The network's scores", found, "float", ("N", "C"), *finite, hint="Has its training diverged?")
        return found

    def embedding(self, images: Tensor | None = None) -> Tensor:
        """Return the input of the network's head (N, D), on the CPU."""
        images = self.images if images is None else images
        found = [
            embeddings.embed(self.network.network, self.network.normalised(images[part])).cpu()
            for part in self.slices(len(images))
        ]
        return torch.cat(found)

    @cached_property
    def clean(self) -> Tensor:
        """The logits (N, C) of the images as they are, asked for once."""
        return self.logits()

    def accuracy(self, change: Callable[[Tensor, slice], Tensor]) -> float:
        """Percent of the changed images that are classified right."""
        return percent(self.logits(change).argmax(1) == self.labels)


def percent(hits: Tensor) -> float:
    """The share of hits (N,) bool, in %."""
    checks.tensor("hits", hits, "bool", ("N",))
    return round(100 * hits.double().mean().item(), 4)

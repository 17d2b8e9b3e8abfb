"""The network and the pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mixviz import embeddings
from mixviz.core import checks
from mixviz.core.inference import NormalizedModel, check_logits
from mixviz.evaluation.sharing import SharedFeatures
from mixviz.networks.trunk import Split


@dataclass(frozen=True)
class EvaluationSet:
    """A network with the pictures to measure it on; see :func:`mixviz.evaluation.evaluate.evaluate`.

    With ``divided``, the network in two parts, networks of equal first parts share what is in ``shared``.
    """

    network: NormalizedModel
    images: Tensor
    labels: Tensor
    layer: str | None
    boxes: Sequence[Tensor] | None
    masks: Tensor | None
    others: Tensor | None
    seed: int
    batch_size: int
    dilate: int = 0
    brief: bool = False
    close: Tensor | None = None
    positions: Tensor | None = None
    has_scores: bool = True
    divided: Split | None = None
    shared: SharedFeatures | None = None

    def rng(self, *key: int) -> np.random.Generator:
        """Return a separate generator per measurement, so that leaving one out does not change another."""
        return np.random.default_rng((self.seed, *key))

    def slices(self, n: int | None = None) -> Iterator[slice]:
        n = len(self.images) if n is None else n
        return (slice(i, min(i + self.batch_size, n)) for i in range(0, n, self.batch_size))

    def logits(
        self,
        change: Callable[[Tensor, slice], Tensor] | None = None,
        images: Tensor | None = None,
        *,
        own: bool = False,
    ) -> Tensor:
        """Return the network's class scores (N, C) of changed images; ``own``: the change depends on the network."""
        images = self.images if images is None else images
        change = change or (lambda batch, _: batch)
        return self.logits_of((change(images[part], part) for part in self.slices(len(images))), own=own)

    def logits_of(self, batches: Iterable[Tensor], *, own: bool = False) -> Tensor:
        """Return the network's class scores (N, C) of batches of images.

        Unless they are the network's ``own``, networks that are measured together share the features of its first
        stages, and the batches are made once for all.
        """
        with torch.inference_mode():
            if own or self.divided is None or self.shared is None:
                logits = torch.cat([self.network(batch) for batch in batches])
            else:
                features = self.shared.of(self.divided, self.network.normalised, batches)
                parts = [check_logits(self.divided.tail(one), len(one)).float() for one in features]
                logits = torch.cat(parts)
        finite = -checks.FINITE, checks.FINITE
        checks.tensor("The network's scores", logits, "float", ("N", "C"), *finite, hint="Has its training diverged?")
        return logits

    def embedding(self, images: Tensor | None = None) -> Tensor:
        """Return the input of the network's head (N, D), on the CPU."""
        images = self.images if images is None else images
        vectors = [
            embeddings.embed(self.network.network, self.network.normalised(images[part])).cpu()
            for part in self.slices(len(images))
        ]
        return torch.cat(vectors)

    @cached_property
    def clean(self) -> Tensor:
        """Logits (N, C) of the unchanged images, computed once."""
        return self.logits()

    def accuracy(self, change: Callable[[Tensor, slice], Tensor], *, own: bool = False) -> float:
        """Accuracy on changed images, in percent; ``own``: see :meth:`logits`."""
        return percent(self.logits(change, own=own).argmax(1) == self.labels)


def percent(hits: Tensor) -> float:
    """The share of hits (N,) bool, in %."""
    checks.tensor("hits", hits, "bool", ("N",))
    return round(100 * hits.double().mean().item(), 4)

"""Objective: the abstract base class of the losses that are trained for."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.parameters import Parametric
from mixviz.core.recipe import Recipe

LAYERS = "objective_layers"  # name in the network of the layers that are dropped in the end


@dataclass(frozen=True)
class Pairs:
    """Relations of N anchors to M candidates.

    Attributes:
        positive: (N, M) float in [0, 1]: how far the candidate is of the anchor's class. 0 or 1 without mixing.
        negative: (N, M) float in [0, 1]: how far it is of other classes. Both are 0 for pairs that do not count: an
            image and itself, or places that are neither near nor far.
        labels: (N,) int64 classes of the anchors.
        close: (C, C) bool: pairs of classes that do not count; None: all count.
    """

    positive: Tensor
    negative: Tensor
    labels: Tensor
    close: Tensor | None = None

    @classmethod
    def of(cls, labels: Tensor, close: Tensor | None = None) -> Pairs:
        """Relate the images of a batch to each other.

        Args:
            labels: (N,) int64.
            close: (C, C) bool: pairs of classes that are neither positives nor negatives of each other.
        """
        same = labels[:, None] == labels
        apart = ~same if close is None else ~same & ~close[labels[:, None], labels]
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        return cls((same & ~itself).float(), apart.float(), labels, close)

    @classmethod
    def of_mixtures(cls, labels: Tensor, recipe: Recipe, close: Tensor | None = None) -> Pairs:
        """Relate the unmixed images of a batch to its mixtures: each source counts with its share.

        A mixture that holds the anchor itself does not count for it.

        Args:
            labels: (N,) int64.
            recipe: of N mixtures.
            close: see :meth:`of`; such a source counts neither as a positive nor as a negative.

        Source: Venkataramanan, Psomas, Kijak, Amsaleg, Karantzalos, Avrithis, "It Takes Two to Tango: Mixup for Deep
        Metric Learning", ICLR 2022, arXiv:2106.04990.
        """
        share, partner = recipe.share.float(), recipe.partner
        anchor, source = labels[:, None, None], labels[partner]
        same = anchor == source  # (anchors, sources, mixtures)
        apart = ~same if close is None else ~same & ~close[anchor, source]
        positive, negative = ((which * share).sum(1) for which in (same, apart))
        holds = ((partner == torch.arange(len(labels), device=labels.device)[:, None, None]) & (share > 0)).any(1)
        counts = (~holds).float()
        return cls(positive * counts, negative * counts, labels, close)


def cosine(anchors: Tensor, candidates: Tensor) -> Tensor:
    """Cosine similarity (N, M) of vectors (N, D) and (M, D)."""
    return functional.normalize(anchors, dim=1) @ functional.normalize(candidates, dim=1).T


class Objective(Parametric):
    """A loss to train for.

    ``embeds``: it is a loss of embeddings, by :meth:`loss`; cross-entropy is one of class scores, and is trained with
    directly. ``labels``: it needs the classes of the images. ``proxies``: it also learns a vector of each class.
    ``mixes``: it takes the graded relations of mixtures, so that methods which mix labels make sense.
    """

    embeds: ClassVar[bool] = True
    labels: ClassVar[bool] = True
    proxies: ClassVar[bool] = False
    mixes: ClassVar[bool] = False

    @property
    def proxy_rate(self) -> float:
        """Learning rate of the proxies, as a multiple of the network's."""
        return 1.0

    @abstractmethod
    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        """Loss, a scalar.

        Args:
            anchors: (N, D) float embeddings of the images; they need no normalisation.
            candidates: (M, D) embeddings that the anchors are compared with: the same ones, or those of mixtures.
            pairs: their relations.
            proxies: (C, D), a vector per class, where the objective has them.
        """


class SelfTaught(Objective):
    """A loss of embeddings without labels: the network's moving average, its teacher, relates the images to each other.

    Each picture is in a batch in ``views`` crops. The student has two embeddings: the network's own, which stays, and a
    wide one, made by :meth:`layers` of the pooled vector, which is the teacher's and is dropped in the end.
    """

    labels: ClassVar[bool] = False
    views: ClassVar[int] = 2

    @abstractmethod
    def layers(self, pooled: int) -> nn.Module:
        """Build the layers from pooled vectors (N, ``pooled``) to wide embeddings, from torch's random state."""

    @abstractmethod
    def relations(self, taught: Tensor, pictures: Tensor) -> Pairs:
        """Relate the images of a batch by the teacher's wide embeddings.

        Args:
            taught: (N, D) float, without gradient.
            pictures: (N,) int64: which picture each is a view of.
        """

    @abstractmethod
    def taught_loss(self, embeddings: Tensor, wide: Tensor, pairs: Pairs) -> Tensor:
        """Loss, a scalar, of the student's embeddings (N, D) and wide ones (N, D'), given the teacher's relations."""

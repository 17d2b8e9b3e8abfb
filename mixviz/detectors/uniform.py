"""The uniform detector: no saliency at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.parameters import Card
from mixviz.core.saliency import Saliency


@dataclass(frozen=True)
class Uniform(Saliency):
    """A constant map: every pixel is equally salient, $s = 1$.

    It turns a saliency method into its random form: a flat map has no peak, so the place is drawn uniformly, and the
    saliency in a box is its area. The gain of a method over this map is the gain from saliency.
    """

    card: ClassVar[Card] = Card("uniform", "Uniform (no saliency)")

    def maps(self, batch: Batch) -> Tensor:
        return torch.ones((len(batch), *batch.size), dtype=torch.float32, device=batch.device)

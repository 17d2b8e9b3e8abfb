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
    """Every pixel matters as much as any other: $s = 1$.

    Turns a saliency method into its random form: a flat map has no peak, so that its place is drawn uniformly, and the
    saliency in a box is its area. What a method gains over this, it gains by saliency.
    """

    card: ClassVar[Card] = Card("uniform", "Uniform (no saliency)")

    def maps(self, batch: Batch) -> Tensor:
        return torch.ones((len(batch), *batch.size), dtype=torch.float32, device=batch.device)

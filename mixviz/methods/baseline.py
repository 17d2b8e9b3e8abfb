from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.batch import Batch
from mixviz.method import Card, Draw, Method
from mixviz.planning import alone
from mixviz.recipe import Recipe


@dataclass(frozen=True)
class Baseline(Method):
    """No mixing: every image and its label stay as they are.

    $$\\tilde x = x_A \\qquad \\tilde y = y_A$$

    What every other method is measured against.
    """

    card: ClassVar[Card] = Card(
        "baseline", "Baseline", family="none", label="1"
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        share = torch.ones(1, len(batch), device=batch.device)
        return Recipe(size=batch.size, partner=alone(batch), share=share, label_by="own")

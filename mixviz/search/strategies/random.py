from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optuna.samplers import BaseSampler

from mixviz.core.parameters import Card
from mixviz.search.strategies._samplers import ByNumber
from mixviz.search.strategy import Strategy


@dataclass(frozen=True)
class Random(Strategy):
    """Draw every policy independently and train each to its end.

    Whatever claims to search has to beat it at equal cost.
    """

    card: ClassVar[Card] = Card(
        "random", "Random search", paper="Random Search for Hyper-Parameter Optimization",
        authors="J. Bergstra, Y. Bengio", venue="JMLR", year=2012,
    )  # fmt: skip

    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return a sampler that draws by the trial's number."""
        return ByNumber(seed)

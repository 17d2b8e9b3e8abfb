from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler

from mixviz.core.parameters import Card, parameter
from mixviz.search.strategies._samplers import ByNumber
from mixviz.search.strategy import Strategy


@dataclass(frozen=True)
class Halving(Strategy):
    """Draw every policy independently, and go on with the best share of them at epochs 1, 3, 9, …

    The trials run one after another, so that each is compared with those before it (asynchronous successive halving).
    """

    factor: int = parameter(3, "one of so many trials goes on at each of the epochs", low=2, high=10)

    card: ClassVar[Card] = Card(
        "halving", "Successive halving",
        paper="A System for Massively Parallel Hyperparameter Tuning",
        authors="L. Li, K. Jamieson, A. Rostamizadeh, et al.", venue="MLSys", year=2020, arxiv="1810.05934",
    )  # fmt: skip

    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return a sampler that draws by the trial's number."""
        return ByNumber(seed)

    def pruner(self, epochs: int) -> BasePruner:
        """Return a pruner that keeps the best share."""
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=self.factor)

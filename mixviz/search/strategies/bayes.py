from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optuna.pruners import BasePruner, HyperbandPruner
from optuna.samplers import BaseSampler, TPESampler

from mixviz.core.parameters import Card, parameter
from mixviz.search.strategies._samplers import ByNumber
from mixviz.search.strategy import Strategy, generator


@dataclass(frozen=True)
class Bayes(Strategy):
    """Draw policies where good ones are denser than bad ones (tree-structured Parzen estimators), and end trainings
    that fall behind early (Hyperband).

    The sampler is made anew for each trial, from its number and the trials before it, so that nothing is lost with a
    process.
    """

    startup: int = parameter(10, "trials that are drawn at random first", low=1, high=1000)
    factor: int = parameter(3, "Hyperband: one of so many trials goes on", low=2, high=10)
    least: int = parameter(1, "Hyperband: epochs that every trial gets; all: none ends early", low=1, high=1000)

    card: ClassVar[Card] = Card(
        "bayes", "TPE with Hyperband", paper="BOHB: Robust and Efficient Hyperparameter Optimization at Scale",
        authors="S. Falkner, A. Klein, F. Hutter", venue="ICML", year=2018, arxiv="1807.01774",
    )  # fmt: skip

    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return the estimator, seeded by the trial's number."""
        return parzen(seed, number, self.startup)

    def pruner(self, epochs: int) -> BasePruner:
        """Return Hyperband over the epochs of a trial."""
        return HyperbandPruner(min_resource=min(self.least, epochs), max_resource=epochs, reduction_factor=self.factor)


def parzen(seed: int, number: int, startup: int) -> BaseSampler:
    """Return a tree-structured Parzen estimator of values that are drawn together; the first trials are independent.

    Trials that other processes are running count as bad ones, so that two processes do not draw the same.
    """
    if number < startup:
        return ByNumber(seed)
    own = int(generator(seed, number).integers(2**31))
    return TPESampler(seed=own, n_startup_trials=0, multivariate=True, group=True, constant_liar=True)

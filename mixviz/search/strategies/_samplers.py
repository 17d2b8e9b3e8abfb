"""Samplers whose values depend on the trial's number and the value's name, and on nothing in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mixviz.search.ranges import Drawn
from mixviz.search.strategy import generator


class ByNumber(BaseSampler):
    """Draw each value independently."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Draw nothing together."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw nothing together."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw a value by the trial's number and the value's name."""
        return draw(generator(self.seed, trial.number, param_name), param_name, param_distribution)


def draw(rng: np.random.Generator, name: str, of: BaseDistribution) -> Any:
    """Draw a value of a distribution."""
    drawn = Drawn(rng)
    if isinstance(of, FloatDistribution):
        return drawn.suggest_float(name, of.low, of.high, log=of.log)
    if isinstance(of, IntDistribution):
        return drawn.suggest_int(name, of.low, of.high, log=of.log)
    assert isinstance(of, CategoricalDistribution)
    return drawn.suggest_categorical(name, of.choices)

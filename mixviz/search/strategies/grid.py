from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from mixviz.core import policy as policies
from mixviz.core.parameters import Card, parameter
from mixviz.core.policy import NONE, Policy, Stage, Step
from mixviz.core.registry import with_parameters
from mixviz.methods import METHODS
from mixviz.search.ranges import Numbers
from mixviz.search.space import full
from mixviz.search.strategies._samplers import ByNumber
from mixviz.search.strategy import Strategy

if TYPE_CHECKING:
    from mixviz.search.strategy import Task

AXES = 2  # parameters of a method that are varied together
OPERATIONS = 3  # of RandAugment, at most, unless the space says so


@dataclass(frozen=True)
class Grid(Strategy):
    """Try a grid of the first two numbers of a method, by default RandAugment's: how many operations, how strong.

    A number from 0 starts at its first level above 0, for no policy at all is tried anyway. RandAugment has one to
    three operations, unless the space narrows them itself.
    """

    method: str = parameter(
        "randaugment", "the method, or all: each method of the space by itself", example="rotation",
        check=lambda name: name == "all" or METHODS[name],
    )  # fmt: skip
    levels: int = parameter(4, "values of each number", low=2, high=30)

    card: ClassVar[Card] = Card(
        "grid", "Grid",
        paper="RandAugment: Practical Automated Data Augmentation with a Reduced Search Space",
        authors="E. D. Cubuk, B. Zoph, J. Shlens, Q. V. Le", venue="NeurIPS", year=2020, arxiv="1909.13719",
    )  # fmt: skip

    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return a sampler that takes the points in their order."""
        return _InOrder(seed)

    def check(self, task: Task) -> None:
        """Raise if the method is not in the space."""
        if self.method != "all" and self.method not in task.space.methods:
            raise ValueError(
                f"The grid is over the numbers of {self.method}, which is not in the space. Name another: --strategy "
                "grid:method=NAME, or grid:method=all for each method of the space by itself."
            )

    def most(self, task: Task) -> int:
        """Return the number of points, with that of no policy at all."""
        return len(self.points(task))

    def propose(self, trial: Trial, task: Task) -> Policy:
        """Return the policy of the trial's point."""
        points = self.points(task)
        return points[trial.suggest_int("point", 0, len(points) - 1)]

    def points(self, task: Task) -> list[Policy]:
        """Return the policies of the grid, from weak to strong; the first is none."""
        names = tuple(task.space.methods) if self.method == "all" else (self.method,)
        return [NONE, *(one for name in names for one in self._of(name, task))]

    def _of(self, name: str, task: Task) -> list[Policy]:
        ranges = dict(task.space.methods[name])
        if name == "randaugment" and ranges == full(name):
            ranges["operations"] = Numbers(1, OPERATIONS, whole=True)
        axes = {field: one for field, one in ranges.items() if isinstance(one, Numbers)}
        axes = {field: axes[field] for field in list(axes)[:AXES]}
        values = [levels(one, self.levels) for one in axes.values()]
        return [_alone(name, dict(zip(axes, point, strict=True))) for point in itertools.product(*values)]


def levels(one: Numbers, count: int) -> list[float]:
    """Return values of a range, evenly or evenly by their logarithm, without 0."""
    spaced = np.geomspace if one.log else np.linspace
    values = spaced(one.low, one.high, count + (one.low == 0))[int(one.low == 0) :].tolist()
    if one.whole:
        return sorted({max(round(value), 1) for value in values})
    return sorted({float(f"{value:.4g}") for value in values})


def _alone(name: str, options: dict[str, float]) -> Policy:
    step = Step(with_parameters(METHODS[name], options), 1.0)
    return Policy((Stage((policies.Sequence((step,)),)),), {})


class _InOrder(ByNumber):
    """Take the value of the trial's number."""

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the trial's number."""
        return trial.number

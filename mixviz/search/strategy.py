"""Strategy: the base of every search strategy, and the task that it works on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

import numpy as np

from mixviz.core.parameters import Parametric
from mixviz.core.policy import NONE, Policy
from mixviz.data.dataset import Dataset
from mixviz.networks.run import Run
from mixviz.search import trials
from mixviz.search.budget import FEWEST, Budget
from mixviz.search.space import Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial


@dataclass(frozen=True)
class Task:
    """What is searched, with what.

    Attributes:
        run: the training of a trial, whose method the trial sets; its seed is the search's, too.
        train, val: pictures that trials train with and are validated on.
        out: the search's folder.
        tell: gets every message.
        kept: what a strategy keeps in memory between its trials.
    """

    run: Run
    space: Space
    train: Dataset
    val: Dataset
    out: Path
    budget: Budget
    tell: Callable[[str], None] = print
    kept: dict[str, Any] = field(default_factory=dict[str, Any])

    def folder(self, number: int) -> Path:
        """Return the folder of a trial, whose name counts from 1."""
        return self.out / "trials" / f"{number + 1:04d}"

    def policy(self, number: int) -> Policy:
        """Read the policy of a trial."""
        return Policy.read(self.folder(number) / trials.POLICY)


class Strategy(Parametric):
    """A way to choose the policies of the trials, and to score them.

    All that is drawn for a trial depends on the seed, the trial's number and the trials before it, and on nothing in
    memory, so that a search that was killed goes on as if it had not been.

    Attributes:
        score: what a trial's value is.
        unit: behind the value.
        minimize: whether lower values are better.
        at_once: whether a time budget is checked before the search alone, because half of it would be no search.
    """

    score: ClassVar[str] = "validation accuracy after the last epoch"
    unit: ClassVar[str] = " %"
    minimize: ClassVar[bool] = False
    at_once: ClassVar[bool] = False

    @abstractmethod
    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return the sampler of a trial."""

    def pruner(self, epochs: int) -> BasePruner:
        """Return what ends trials early; by default nothing does."""
        from optuna.pruners import NopPruner

        return NopPruner()

    def check(self, task: Task) -> None:
        """Raise a ValueError for a task that cannot be done, before time is spent."""

    def most(self, task: Task) -> int | None:
        """Return the number of trials after which the strategy is at its end; None: it has none."""
        return None

    def fewest(self) -> int:
        """Return how many trainings a search has at least."""
        return FEWEST

    def prepare(self, task: Task, spent: Callable[[float], None]) -> None:
        """Do what comes before the first trial.

        Args:
            spent: gets seconds, as they are spent.
        """

    def ready(self, known: Sequence[FrozenTrial]) -> bool:
        """Whether the next trial can start, or has to wait for others."""
        return True

    def propose(self, trial: Trial, task: Task) -> Policy:
        """Draw the policy of a trial; the first has none."""
        return task.space.sample(trial) if trial.number else NONE

    def evaluate(self, trial: Trial, folder: Path, task: Task) -> float:
        """Return the value of the policy in a folder.

        Raises:
            optuna.TrialPruned: the trial was ended early.
            ValueError: it has no value, e.g. because the loss was not finite.
        """
        value = trials.train(trial, folder, task.run, [task.train, task.val], self._affordable(trial, task))
        trials.clean(folder)
        return value

    def best(self, known: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best trial so far; of equal ones the first."""
        return better(known, self.minimize)

    def nothing(self, known: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the trial of no policy at all, if it is finished."""
        return next((trial for trial in known if trial.number == 0 and trial.value is not None), None)

    def result(self, known: Sequence[FrozenTrial], task: Task) -> Policy:
        """Return the policy that was found."""
        best = self.best(known)
        assert best is not None
        return task.policy(best.number)

    def _affordable(self, trial: Trial, task: Task) -> Callable[[float], None]:
        """Check the time that the first trial will take."""

        def measured(seconds: float) -> None:
            if trial.number == 0:
                task.budget.check(seconds, fewest=self.fewest())

        return measured


def better(known: Sequence[FrozenTrial], minimize: bool) -> FrozenTrial | None:
    """Return the best of the trials that have a value; of equal ones the first."""
    valued = [trial for trial in known if trial.state.name == "COMPLETE"]
    sign = 1 if minimize else -1
    return min(valued, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)


def generator(seed: int, number: int, name: str = "") -> np.random.Generator:
    """Return the generator of a trial, or of one value of it."""
    return np.random.default_rng([seed, number, crc32(name.encode())])

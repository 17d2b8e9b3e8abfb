from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mixviz.core.parameters import Card, parameter
from mixviz.core.policy import NONE, Policy, Stage
from mixviz.networks import files
from mixviz.search import trials
from mixviz.search.strategies._samplers import ByNumber, draw
from mixviz.search.strategy import Strategy, Task, better, generator

if TYPE_CHECKING:
    from optuna.trial import Trial

WORST = 4  # one of so many members is replaced after each generation, by one of as many of the best
RESAMPLE, REACH = 0.2, 0.2  # explore: the chance of a fresh value, and the change of a number as a share of its range
PARENT = "parent"  # the attribute of a trial: the trial whose weights it goes on with


@dataclass(frozen=True)
class Population(Strategy):
    """Train a population side by side: after some epochs the worst quarter go on from the best, with changed policies.

    A trial is a generation of a member. Members of the worst quarter copy the weights and the policy of one of the best
    quarter (exploit), and change its values: each is drawn anew with a chance of 20 %, or moved by up to 20 % of its
    range (explore). All others go on as they were. The first member has no policy throughout, as a yardstick. The
    result is the schedule of the member that is best in the end: the policies of all that it descends from, generation
    by generation.
    """

    size: int = parameter(8, "members, of which the first has no policy", low=4, high=1000)
    interval: int = parameter(3, "epochs of a generation", low=1, high=10_000)

    score: ClassVar[str] = "validation accuracy at the end of the generation"
    at_once: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        "population", "Population-based augmentation",
        paper="Population Based Augmentation: Efficient Learning of Augmentation Policy Schedules",
        authors="D. Ho, E. Liang, I. Stoica, P. Abbeel, X. Chen", venue="ICML", year=2019, arxiv="1905.05393",
    )  # fmt: skip

    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return a sampler that goes on from the parent's values."""
        return _Explore(seed, self.size)

    def check(self, task: Task) -> None:
        """Raise if the budget does not reach for the population."""
        trainings = task.budget.trials
        if trainings is not None and trainings < self.size:
            raise ValueError(
                f"--budget {trainings} trials: a population of {self.size} is as many trainings. Give a larger budget, "
                f"or --strategy population:size={max(trainings, 4)}."
            )

    def generations(self, epochs: int) -> int:
        """Return how many generations a training has."""
        return -(-epochs // self.interval)

    def most(self, task: Task) -> int:
        """Return the trials of all generations."""
        return self.size * self.generations(task.run.epochs)

    def fewest(self) -> int:
        """Return the members: each is a training."""
        return self.size

    def ready(self, known: Sequence[FrozenTrial]) -> bool:
        """Whether the generation before has ended."""
        ended = len(known) // self.size * self.size
        return all(trial.state.is_finished() for trial in known[:ended])

    def propose(self, trial: Trial, task: Task) -> Policy:
        """Draw a policy from that of the parent, and note the parent."""
        known = trial.study.get_trials(deepcopy=False)
        found, _ = parent(known, trial.number, self.size, task.run.seed)
        trial.set_user_attr(PARENT, None if found is None else found.number)
        return task.space.sample(trial) if trial.number % self.size else NONE

    def evaluate(self, trial: Trial, folder: Path, task: Task) -> float:
        """Train a generation, from the parent's weights."""
        generation, source = trial.number // self.size, trial.user_attrs[PARENT]
        if source is not None and not (folder / trials.CHECKPOINT).exists():
            adopt(task.folder(source), folder, task)
        for number in range(max(0, generation - 1) * self.size):  # nobody goes on from these any more
            if (task.folder(number) / trials.CHECKPOINT).exists():
                trials.clean(task.folder(number))
        until = min((generation + 1) * self.interval, task.run.epochs)
        return trials.train(trial, folder, task.run, [task.train, task.val], self._affordable(trial, task), until=until)

    def best(self, known: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the best member of the last generation that has values."""
        return better(self._last(known), self.minimize)

    def nothing(self, known: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """Return the member without a policy in that generation."""
        return next((trial for trial in self._last(known) if trial.number % self.size == 0), None)

    def _last(self, known: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        valued = [trial for trial in known if trial.value is not None]
        last = max((trial.number // self.size for trial in valued), default=0)
        return [trial for trial in valued if trial.number // self.size == last]

    def result(self, known: Sequence[FrozenTrial], task: Task) -> Policy:
        """Return the schedule of the best member, from the policies of all that it descends from."""
        at, line = self.best(known), list[FrozenTrial]()
        while at is not None:
            line.append(at)
            source = at.user_attrs[PARENT]
            at = None if source is None else known[source]
        stages: list[Stage] = []
        for trial in reversed(line):
            until = min((trial.number // self.size + 1) * self.interval / task.run.epochs, 1.0)
            sequences = task.policy(trial.number).stages[0].sequences
            if stages and stages[-1].sequences == sequences:
                stages.pop()
            stages.append(Stage(sequences, until))
        stages[-1] = replace(stages[-1], until=1.0)
        return Policy(tuple(stages), {})


def parent(known: Sequence[FrozenTrial], number: int, size: int, seed: int) -> tuple[FrozenTrial | None, bool]:
    """Return the trial that a trial goes on from, and whether its policy changes.

    The first generation has none. The first member always goes on as it was.
    """
    generation, member = divmod(number, size)
    if generation == 0:
        return None, True
    before = list(known[(generation - 1) * size : generation * size])
    ranked = sorted(before, key=lambda trial: (-(trial.value if trial.value is not None else -1.0), trial.number))
    quarter = max(1, size // WORST)
    own = before[member]
    if member == 0 or (own not in ranked[-quarter:] and own.value is not None):
        return own, False
    return ranked[int(generator(seed, number).integers(quarter))], True


def adopt(source: Path, folder: Path, task: Task) -> None:
    """Copy a checkpoint, as if it had been made with the policy in another folder."""
    tensors, values = files.load_tensors(source / trials.CHECKPOINT)
    run = trials.run_of(task.run, folder)
    values["run"]["options"] = {**run.options, **run.augmentation().contents()}  # as the trainer compares them
    files.save_tensors(folder / trials.CHECKPOINT, tensors, values)


class _Explore(ByNumber):
    """Take the parent's values, changed if it is not the member's own past."""

    def __init__(self, seed: int, size: int) -> None:
        super().__init__(seed)
        self.size = size

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value by the trial's number, its parent and the value's name."""
        source, changes = parent(study.get_trials(deepcopy=False), trial.number, self.size, self.seed)
        rng = generator(self.seed, trial.number, param_name)
        value = None if source is None else source.params.get(param_name)
        if value is None or (changes and rng.random() < RESAMPLE):
            return draw(rng, param_name, param_distribution)
        return explore(value, param_distribution, rng) if changes else value


def explore(value: Any, of: BaseDistribution, rng: np.random.Generator) -> Any:
    """Move a number by up to a share of its range, by its logarithm where it is drawn so; others stay."""
    if not isinstance(of, FloatDistribution | IntDistribution):
        return value
    low, high, at = (np.log([of.low, of.high, value]) if of.log else np.array([of.low, of.high, value])).tolist()
    moved = float(np.clip(at + rng.uniform(-REACH, REACH) * (high - low), low, high))
    moved = float(np.clip(np.exp(moved) if of.log else moved, of.low, of.high))
    return round(moved) if isinstance(of, IntDistribution) else moved

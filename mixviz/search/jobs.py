"""A search or a judge in several processes: all make the same call on one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixviz.networks.run import Run
from mixviz.search import data, results, study
from mixviz.search import judge as judging
from mixviz.search.contestants import Contestant
from mixviz.search.engine import Engine, Tell
from mixviz.search.outcome import Splits
from mixviz.search.strategy import Strategy, Task
from mixviz.search.verdict import Verdict


@dataclass(frozen=True)
class SearchJob:
    """A share in a search whose settings are in its folder already."""

    task: Task
    strategy: Strategy

    @property
    def out(self) -> Path:
        """The search's folder."""
        return self.task.out

    def files(self) -> list[Path]:
        """Return pictures that are read from files."""
        return _files((self.task.train, self.task.val))

    def __call__(self, tell: Tell) -> None:
        """Run trials until the budget is spent and all are finished."""
        study.search(replace(self.task, tell=tell), self.strategy, resume=True)


@dataclass(frozen=True)
class JudgeJob:
    """A share in a judge."""

    contestants: Sequence[Contestant]
    run: Run
    seeds: int
    out: Path
    splits: Splits
    workers: int

    def files(self) -> list[Path]:
        """Return pictures that are read from files."""
        return _files(self.splits)

    def __call__(self, tell: Tell) -> None:
        """Train until all trainings are finished."""
        judging.judge(
            self.contestants, self.run, self.seeds, self.out, splits=self.splits, tell=tell, workers=self.workers
        )


def search(task: Task, strategy: Strategy, resume: bool, engine: Engine, processes: int) -> results.Found:
    """Search as :func:`mixviz.search.study.search` does, in several processes.

    The arguments are sent to other processes. A script that calls this needs ``if __name__ == "__main__":``, as with
    all of Python's multiprocessing.

    Raises:
        ValueError: the search is not possible, see :func:`mixviz.search.study.search`.
        RuntimeError: see :meth:`mixviz.search.engine.Engine.run`.
    """
    if engine.alone and processes == 1:
        return study.search(task, strategy, resume)
    study.Search(task, strategy, resume)  # writes the settings, or says what is wrong with them
    silent = replace(task, tell=_silent)
    engine.run(SearchJob(silent, strategy), processes, task.tell)
    return study.search(silent, strategy, resume=True)  # nothing is left but to read what they found


def judge(
    contestants: Sequence[Contestant], run: Run, seeds: int, out: str | Path, engine: Engine, processes: int, *,
    splits: Splits | None = None, tell: Tell = print, bar: bool = False, workers: int = 0,
) -> Verdict:  # fmt: skip
    """Judge as :func:`mixviz.search.judge.judge` does, in several processes; a bar is shown for one alone.

    Raises:
        ValueError: the judge is not possible, see :func:`mixviz.search.judge.judge`.
        RuntimeError: see :meth:`mixviz.search.engine.Engine.run`.
    """
    if engine.alone and processes == 1:
        return judging.judge(contestants, run, seeds, out, splits=splits, tell=tell, bar=bar, workers=workers)
    splits = splits or data.of_judge(run, tell)
    Path(out).mkdir(parents=True, exist_ok=True)
    engine.run(JudgeJob(contestants, run, seeds, Path(out), splits, workers), processes, tell)
    return judging.judge(contestants, run, seeds, out, splits=splits, tell=_silent)


def _files(splits: Splits) -> list[Path]:
    """The first picture of each part, where these do not fit into memory."""
    return [split.pictures[0] for split in splits if isinstance(split.pictures[0], Path)]


def _silent(line: str) -> None:
    pass

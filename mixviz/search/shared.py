"""The trainings of a judge, which any number of processes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock

from mixviz.search import locks
from mixviz.search.outcome import Outcome, Trial

WAITING = "The last trainings are with other processes: waiting for them."


class Shared:
    """Trainings of which each process takes one that nobody has; a lock for each ends with its process.

    Attributes:
        found: folder -> outcome of the finished trainings that are known.
        others: trainings that others were seen to have.
    """

    def __init__(self, trials: Sequence[Trial], folder: Path) -> None:
        self.trials, self.found, self.others, self._folder = trials, dict[Path, Outcome](), 0, folder
        self.refresh()

    def refresh(self) -> None:
        """Read what has been finished meanwhile.

        Raises:
            ValueError: a folder holds another training.
        """
        for trial in self.waiting():
            if (outcome := trial.finished()) is not None:
                self.found[trial.folder] = outcome

    def waiting(self) -> list[Trial]:
        """Return the trainings that are not finished, as far as known."""
        return [trial for trial in self.trials if trial.folder not in self.found]

    def next(self, tell: Callable[[str], None]) -> AbstractContextManager[Trial] | None:
        """Take the next training, one that its process has left included; None when all are finished.

        It waits while others have those that are left.

        Returns:
            A context that holds the training's lock.
        """
        told = False
        while waiting := self.waiting():
            self.others = 0
            for trial in waiting:
                if (lock := self._take(trial)) is None:
                    self.others += 1
                elif (outcome := trial.finished()) is None:
                    return locks.held(lock, trial)
                else:  # just now
                    lock.release()
                    self.found[trial.folder] = outcome
            if self.others:
                if not told:
                    tell(WAITING)
                told = True
                time.sleep(locks.WAIT)
                self.refresh()
        return None

    def one_of_each(self) -> Iterator[Trial]:
        """Take a waiting training of each contestant in turn; none where others have all of it."""
        names: set[str] = set()
        for trial in self.waiting():
            if trial.contestant.name not in names and (lock := self._take(trial)) is not None:
                with locks.held(lock, trial):
                    if trial.finished() is None:  # by another process, while those before were looked at
                        names.add(trial.contestant.name)
                        yield trial

    def _take(self, trial: Trial) -> FileLock | None:
        return locks.take(self._folder / f"{trial.folder.parent.name}-{trial.folder.name}")

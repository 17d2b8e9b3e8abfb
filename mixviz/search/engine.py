"""Engine: the base of every way to run a search or a judge in several processes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

from mixviz.core.parameters import Parametric

Tell = Callable[[str], None]
MISTAKES: tuple[type[Exception], ...] = ValueError, TypeError, ImportError, OSError


class Job(Protocol):
    """What all processes do, in one folder: the same call, which shares the work and ends when all of it is done.

    It can be sent to another process.
    """

    @property
    def out(self) -> Path:
        """The folder."""
        ...

    def files(self) -> list[Path]:
        """Return some of the files that every process reads."""
        ...

    def __call__(self, tell: Tell) -> None:
        """Share the work; ``tell`` gets every message."""
        ...


class Engine(Parametric):
    """A place for the processes of a search or a judge.

    What they share is in the folder: the study or the trainings, and a lock for each trial, which ends with its
    process. So an engine only starts processes, passes on what they tell, and ends them.

    Attributes:
        alone: whether one process is the command's own, and needs no engine.
    """

    alone: ClassVar[bool] = False

    def check(self) -> None:
        """Raise an ImportError, before time is spent, if the engine cannot run here; most can."""

    @abstractmethod
    def run(self, job: Job, processes: int, tell: Tell) -> None:
        """Run a job in so many processes, and return when all have ended.

        Messages that several processes have in common are told once. Whatever ends this call ends all processes.

        Raises:
            ValueError, TypeError, ImportError, OSError: the first that a process raises; all others are ended.
            RuntimeError: another error of a process, or all were killed.
        """


def mistake(error: BaseException) -> type[Exception] | None:
    """Return the kind of an error that is a user's mistake, and is told in one line; None for a defect."""
    return next((kind for kind in MISTAKES if isinstance(error, kind)), None)


class Once:
    """Tell each message once, whichever process it comes from."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._told = tell, set[str]()

    def __call__(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._tell(line)

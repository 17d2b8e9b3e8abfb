"""The file of a study, which several processes write and any of them may be killed."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

NAME = "search"


class _Lock(JournalFileOpenLock):
    """A lock that ends with its process; whoever has it cuts off what a killed process left of a line.

    Optuna's own locks are files, which a killed process leaves behind for half a minute.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._lock = path, FileLock(f"{path}.lock")

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        if self._path.exists():
            mend(self._path)
        return True

    def release(self) -> None:
        """Let others have it."""
        self._lock.release()


def mend(path: Path) -> None:
    """Cut off an unfinished last line."""
    with open(path, "rb+") as file:
        end = at = file.seek(0, os.SEEK_END)
        while at:
            file.seek(at - 1)
            if file.read(1) == b"\n":
                break
            at -= 1
        if at < end:
            file.truncate(at)


def study(path: Path, minimize: bool) -> optuna.Study:
    """Open the study in a file, or create it."""
    optuna.logging.set_verbosity(logging.ERROR)  # the search tells of its trials itself
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_Lock(path)))
    return optuna.create_study(
        storage=storage, study_name=NAME, load_if_exists=True, direction="minimize" if minimize else "maximize"
    )

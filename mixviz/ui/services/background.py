"""Long work in the background, one piece at a time, with progress: visitors ask for it again until it is done."""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cachetools import LRUCache

from mixviz.ui.errors import log

GONE = 60  # seconds without a question after which work is given up, unless the server itself wants it
KEPT = 64  # results in memory
LAST = 10  # seconds that the end of the server waits for the step that runs: a thread cut off in torch aborts

Tell = Callable[[int, int], None]  # what is done, and all


class Progress(NamedTuple):
    """What is done of a piece of work, and all; ``waits``: another piece comes first."""

    done: int
    total: int
    waits: bool


@dataclass(eq=False)
class _Job:
    work: Callable[[Tell], Any]
    asked: float
    done: int = 0
    total: int = 0
    runs: bool = False


class _GivenUp(Exception):
    """Nobody asks for it any more."""


_jobs: dict[Hashable, _Job] = {}  # in the order in which they were asked for
_results: LRUCache[Hashable, Any] = LRUCache(KEPT)
_errors: dict[Hashable, Exception] = {}
_lock = threading.Lock()
_worker: threading.Thread | None = None  # works on the jobs


def result(key: Hashable, work: Callable[[Tell], Any], wanted: bool = False) -> Any | Progress:
    """Return the result of some work, or how far it is; it begins when it is first asked for.

    Args:
        key: of the result, under which it is kept.
        work: called with a function that it should call at every step with what is done, and all.
        wanted: the work goes on though nobody asks again.

    Raises:
        Exception: what the work has raised, once; asked again, it begins anew.
    """
    global _worker
    with _lock:
        if key in _results:
            return _results[key]
        if key in _errors:
            raise _errors.pop(key)
        job = _jobs.setdefault(key, _Job(work, 0.0))
        job.asked = max(job.asked, math.inf if wanted else time.monotonic())
        if _worker is None:
            _worker = threading.Thread(target=_run_all, daemon=True, name="background")
            _worker.start()
        return Progress(job.done, job.total, not job.runs)


def _run_all() -> None:
    while (first := _first()) is not None:
        key, job = first
        outcome = _run(job)
        with _lock:
            if not isinstance(outcome, _GivenUp):
                (_errors if isinstance(outcome, Exception) else _results)[key] = outcome
            del _jobs[key]


def _first() -> tuple[Hashable, _Job] | None:
    """Return the next job; without one, the thread that asks ends."""
    global _worker
    with _lock:
        if not _jobs:
            _worker = None
        for key, job in _jobs.items():
            job.runs = True
            return key, job
    return None


def _run(job: _Job) -> Any:
    """Return the work's result, or the exception that it raised."""

    def tell(done: int, total: int) -> None:
        job.done, job.total = done, total
        if time.monotonic() - job.asked > GONE or _ends():
            raise _GivenUp

    try:
        tell(0, 0)
        return job.work(tell)
    except Exception as error:
        if not isinstance(error, (_GivenUp, ValueError)) and not _ends():
            log.exception("Work in the background failed")
        return error


def _ends() -> bool:
    return not threading.main_thread().is_alive()


@atexit.register
def _wait() -> None:
    if (worker := _worker) is not None:
        worker.join(LAST)

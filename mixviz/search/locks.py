"""Locks by which several processes share the trainings of one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

Value = TypeVar("Value")

WAIT = 0.5  # seconds between two looks at what other processes do


def take(path: Path) -> FileLock | None:
    """Take a lock, which ends with its process at the latest; None if a process has it, this one included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, is_singleton=True)
    if lock.is_locked:
        return None
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


@contextmanager
def held(lock: FileLock, value: Value) -> Iterator[Value]:
    """Hold a lock that is taken, and release it at the end."""
    try:
        yield value
    finally:
        lock.release()

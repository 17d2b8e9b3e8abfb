"""Divide the CPUs and GPUs of several machines among processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST = 1024  # CPUs of a process


def shares(machines: Sequence[tuple[float, float]], processes: int) -> tuple[float, float]:
    """Divide the CPUs and GPUs of machines among processes.

    Args:
        machines: CPUs and GPUs of each.

    Returns:
        CPUs and GPUs of each process: as many CPUs and at most one GPU for which all processes find a place. Parts of
        one where there are fewer than processes; no GPU if no machine has one.
    """
    gpus = _share([gpus for _, gpus in machines], [math.inf] * len(machines), processes, most=1)
    places = [gpus_here / gpus if gpus else math.inf for _, gpus_here in machines]
    return _share([cpus for cpus, _ in machines], places, processes, most=MOST), gpus


def _share(have: Sequence[float], places: Sequence[float], processes: int, most: int) -> float:
    """Largest share for which machines with so much, and so many places, hold all processes."""
    for part in range(most, 0, -1):
        if sum(min(int(one / part), place) for one, place in zip(have, places, strict=True)) >= processes:
            return part
    whole = sum(int(one) for one, place in zip(have, places, strict=True) if place)
    return math.floor(1e4 / math.ceil(processes / whole)) / 1e4 if whole else 0  # Ray counts in ten-thousandths

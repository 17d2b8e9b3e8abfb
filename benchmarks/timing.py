"""Fair timing on a shared machine: the candidates take turns, and the best turn of each counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def best_times(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int = 9,
    slice_s: float = 0.04,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Measure the seconds per call of each candidate: the minimum over interleaved rounds of about ``slice_s``.

    ``clock=time.process_time`` counts the processor's time alone, which other processes disturb less.
    """
    repeats = {}
    for name, call in candidates.items():
        call()  # the first call may compile or allocate
        start = clock()
        call()
        repeats[name] = max(1, int(slice_s / (clock() - start)))
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(rounds):
        for name, call in candidates.items():
            start = clock()
            for _ in range(repeats[name]):
                call()
            best[name] = min(best[name], (clock() - start) / repeats[name])
    return best


def rate(value: float) -> str:
    """Format images per second to three digits: 1.23M, 45.6k, 789."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def table(title: str, header: list[str], rows: list[list[str]]) -> str:
    """Format a Markdown table with a heading."""
    lines = [f"### {title}", "", "| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def pivot(title: str, corner: str, results: list[dict], cell: Callable[[dict, str], str]) -> str:
    """Format a Markdown table with a row per candidate and a column per size and number of threads."""
    names = list(dict.fromkeys(name for entry in results for name in entry["rate"]))
    header = [corner, *(f"{e['size']} px, {e['threads']} thread{'s' * (e['threads'] > 1)}" for e in results)]
    return table(title, header, [[name, *(cell(entry, name) for entry in results)] for name in names])

"""Markdown table of networks: a row per strategy, seeds as mean and spread."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping

from mixviz.evaluation.metrics import METRICS, Metric, at, number_at


def table(entries: Iterable[tuple[str, Mapping]], metrics: Collection[Metric] = tuple(METRICS.values())) -> str:
    """Return a Markdown table, all numbers in percent.

    Args:
        entries: (strategy, what :func:`mixviz.evaluation.evaluate.evaluate` returned for one network). Entries of the
            same strategy are its seeds.
        metrics: the columns to show.

    Returns:
        A row per strategy, in the order of their first entry, with the number of seeds and mean ± standard deviation
        (of a sample, dividing by n - 1; one seed has none). Columns without a number are left out. The last row is the
        centre baseline of localisation, which does not depend on the pictures.

    Raises:
        ValueError: there are no entries.
    """
    groups: dict[str, list[Mapping]] = {}
    for strategy, measured in entries:
        groups.setdefault(strategy, []).append(measured)
    if not groups:
        raise ValueError("A table needs at least one entry (strategy, metrics).")
    everyone = [measured for group in groups.values() for measured in group]
    columns = [metric for metric in metrics if any(metric.of(one) is not None for one in everyone)]
    rows = [
        [name, str(len(group)), *(_cell([metric.of(one) for one in group]) for metric in columns)]
        for name, group in groups.items()
    ]
    if any(at(one, ("localisation", "centre")) for one in everyone):
        rows.append(["*centre, without a network*", "", *(_centre_cell(everyone, metric) for metric in columns)])
    lines = [
        ["strategy", "seeds", *(metric.heading for metric in columns)],
        ["---", *["---:"] * (len(columns) + 1)],
        *rows,
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = f"{statistics.fmean(known):.2f}"
    spread = f" ± {statistics.stdev(known):.2f}" if len(known) > 1 else ""
    return mean + spread + (f" ({len(known)} of {len(values)})" if len(known) < len(values) else "")


def _centre_cell(everyone: list[Mapping], metric: Metric) -> str:
    """The centre baseline's number, where it has one."""
    if metric.centre_path is None:
        return ""
    values = {value for one in everyone if (value := number_at(one, metric.centre_path)) is not None}
    return " / ".join(f"{value:.2f}" for value in sorted(values))

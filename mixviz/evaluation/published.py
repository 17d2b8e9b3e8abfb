"""Published numbers to compare with: their data sets, networks, sources, and how the epoch was chosen."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable
from typing import TypedDict

from mixviz.methods import METHODS
from mixviz.networks import zoo


def rows() -> list[dict[str, str]]:
    """Read all published numbers: dataset, network, epochs, method, metric, value, selection (of the epoch), source."""
    with open(zoo.folder() / "published.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class PublishedError(TypedDict):
    """A method's top-1 error in %, its change from the baseline's in points, and where it was published. ``same``: in
    the table of the baseline."""

    method: str
    error: float
    change: float
    source: str
    selection: str
    same: bool


class Setting(TypedDict):
    """Data set, network and epochs of published numbers, with the error of their baseline."""

    dataset: str
    network: str
    epochs: int
    baseline: float
    source: str
    selection: str
    methods: list[PublishedError]


def changes() -> list[Setting]:
    """Compute published changes of the top-1 error from the same setting's baseline, in points: below 0 is better.

    Returns:
        Per setting with a baseline ``dataset``, ``network``, ``epochs``, the ``baseline``'s error in %, ``source`` and
        ``selection`` of the baseline, and ``methods``: each other number's ``method``, ``error``, ``change``,
        ``source``, ``selection`` and whether it is of the ``same`` table as the baseline.
    """
    by_setting: dict[tuple[str, str, str], list[tuple[dict[str, str], float]]] = {}
    for row in rows():
        if row["metric"] in ("top1_error", "top1_accuracy"):
            number = float(row["value"])
            error = number if row["metric"] == "top1_error" else round(100 - number, 6)
            by_setting.setdefault((row["dataset"], row["network"], row["epochs"]), []).append((row, error))
    settings: list[Setting] = []
    for (dataset, network, epochs), numbers in by_setting.items():
        base, least = next(((row, error) for row, error in numbers if row["method"] == "baseline"), (None, 0.0))
        if base is None:
            continue
        settings.append({
            "dataset": dataset, "network": network, "epochs": int(epochs), "baseline": least,
            "source": base["source"], "selection": base["selection"],
            "methods": [
                {"method": row["method"], "source": row["source"], "selection": row["selection"], "error": error,
                 "change": round(error - least, 6), "same": row["source"] == base["source"]}
                for row, error in numbers if row is not base
            ],
        })  # fmt: skip
    return settings


def errors(methods: Iterable[str]) -> str:
    """Return a Markdown table of published top-1 errors in %: a row per method of the zoo, a column per setting.

    Accuracies are turned into errors. Each column names its source and how the epoch was chosen; a number of another
    source or choice names its own.
    """
    by_setting: dict[str, dict[str, tuple[float, str]]] = {}
    for row in rows():
        if row["metric"] not in ("top1_error", "top1_accuracy"):
            continue
        value = float(row["value"])
        error = value if row["metric"] == "top1_error" else 100 - value
        setting = f"{row['dataset']}, {row['network']}, {row['epochs']} epochs"
        by_setting.setdefault(setting, {})[row["method"]] = error, f"{row['source']}; {row['selection']}"
    usual = [statistics.mode(how for _, how in of.values()) for of in by_setting.values()]
    heads = [f"{setting} ({how})" for setting, how in zip(by_setting, usual, strict=True)]
    lines = [["method", *heads], ["---", *["---:"] * len(heads)]]
    for method in dict.fromkeys(methods):
        cells = [_cell(of.get(method), how) for of, how in zip(by_setting.values(), usual, strict=True)]
        if any(cells):
            lines.append([METHODS[method].card.title, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(reported: tuple[float, str] | None, usual: str) -> str:
    if reported is None:
        return ""
    error, how = reported
    return f"{error:.2f}" if how == usual else f"{error:.2f} ({how})"

"""Published numbers to compare with: their data sets, networks, sources, and how the epoch was chosen."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable
from typing import Any

from mixviz.methods import METHODS
from mixviz.networks import zoo


def rows() -> list[dict[str, str]]:
    """Read all published numbers: dataset, network, epochs, method, metric, value, selection (of the epoch), source."""
    with open(zoo.folder() / "published.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def changes() -> list[dict[str, Any]]:
    """Compute published changes of the top-1 error from the same setting's baseline, in points: below 0 is better.

    Returns:
        Per setting with a baseline ``dataset``, ``network``, ``epochs``, the ``baseline``'s error in %, ``source`` and
        ``selection`` of the baseline, and ``methods``: each other number's ``method``, ``error``, ``change``,
        ``source``, ``selection`` and whether it is of the ``same`` table as the baseline.
    """
    by_setting: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows():
        if row["metric"] in ("top1_error", "top1_accuracy"):
            number = float(row["value"])
            error = number if row["metric"] == "top1_error" else round(100 - number, 6)
            origin = {key: row[key] for key in ("method", "source", "selection")}
            by_setting.setdefault((row["dataset"], row["network"], row["epochs"]), []).append(origin | {"error": error})
    settings = []
    for (dataset, network, epochs), numbers in by_setting.items():
        base = next((one for one in numbers if one["method"] == "baseline"), None)
        if base is None:
            continue
        settings.append({
            "dataset": dataset, "network": network, "epochs": int(epochs), "baseline": base["error"],
            "source": base["source"], "selection": base["selection"],
            "methods": [
                {**one, "change": round(one["error"] - base["error"], 6), "same": one["source"] == base["source"]}
                for one in numbers if one is not base
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

"""Published numbers, to hold measured ones against: who reported what, on which data, chosen how."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable
from typing import Any

from mixviz.methods import METHODS
from mixviz.networks import zoo


def rows() -> list[dict[str, str]]:
    """Every published number: dataset, network, epochs, method, metric, value, selection (of the epoch), source."""
    with open(zoo.folder() / "published.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def changes() -> list[dict[str, Any]]:
    """Published changes of the top-1 error against the same setting's baseline, in points: below 0 is better.

    Returns:
        Per setting with a baseline ``dataset``, ``network``, ``epochs``, the ``baseline``'s error in %, ``source`` and
        ``selection`` of the baseline, and ``methods``: each other number's ``method``, ``error``, ``change``,
        ``source``, ``selection`` and whether it is of the ``same`` table as the baseline.
    """
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows():
        if row["metric"] in ("top1_error", "top1_accuracy"):
            number = float(row["value"])
            error = number if row["metric"] == "top1_error" else round(100 - number, 6)
            told = {key: row[key] for key in ("method", "source", "selection")}
            found.setdefault((row["dataset"], row["network"], row["epochs"]), []).append(told | {"error": error})
    settings = []
    for (dataset, network, epochs), numbers in found.items():
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
    """A Markdown table of published top-1 errors in %, a row per method that the zoo has too, a column per setting.

    Accuracies are turned into errors; every column says whose numbers they are and how the epoch was chosen, and
    a number from elsewhere, or chosen in another way, says that itself.
    """
    found: dict[str, dict[str, tuple[float, str]]] = {}
    for row in rows():
        if row["metric"] not in ("top1_error", "top1_accuracy"):
            continue
        value = float(row["value"])
        error = value if row["metric"] == "top1_error" else 100 - value
        setting = f"{row['dataset']}, {row['network']}, {row['epochs']} epochs"
        found.setdefault(setting, {})[row["method"]] = error, f"{row['source']}; {row['selection']}"
    usual = [statistics.mode(how for _, how in of.values()) for of in found.values()]
    heads = [f"{setting} ({how})" for setting, how in zip(found, usual, strict=True)]
    lines = [["method", *heads], ["---", *["---:"] * len(heads)]]
    for method in dict.fromkeys(methods):
        cells = [_cell(of.get(method), how) for of, how in zip(found.values(), usual, strict=True)]
        if any(cells):
            lines.append([METHODS[method].card.title, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(reported: tuple[float, str] | None, usual: str) -> str:
    if reported is None:
        return ""
    error, how = reported
    return f"{error:.2f}" if how == usual else f"{error:.2f} ({how})"

"""Published numbers, to hold measured ones against: who reported what, on which data, chosen how."""

from __future__ import annotations

import csv
from collections.abc import Iterable

import mixviz
from mixviz import zoo


def rows() -> list[dict[str, str]]:
    """Every published number: dataset, network, epochs, method, metric, value, selection (of the epoch), source."""
    with open(zoo.folder() / "published.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def errors(methods: Iterable[str]) -> str:
    """A Markdown table of published top-1 errors in %, a row per method that the zoo has too, a column per setting.

    Accuracies are turned into errors; every column says how its epoch was chosen.
    """
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows():
        if row["metric"] not in ("top1_error", "top1_accuracy"):
            continue
        value = float(row["value"])
        error = value if row["metric"] == "top1_error" else 100 - value
        setting = row["dataset"], row["network"], row["epochs"], row["source"]
        found.setdefault(setting, {})[row["method"]] = error
    chosen = {setting: of for setting, of in found.items() if "SaliencyMix abstract" not in setting}
    heads = [f"{data}, {network}, {epochs} epochs ({source})" for data, network, epochs, source in chosen]
    lines = [["method", *heads], ["---", *["---:"] * len(heads)]]
    for method in dict.fromkeys(methods):
        cells = [f"{of[method]:.2f}" if method in of else "" for of in chosen.values()]
        if any(cells):
            lines.append([mixviz.METHODS[method].card.title, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

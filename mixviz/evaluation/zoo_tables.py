"""Tables of the zoo for the project's texts."""

from __future__ import annotations

from pathlib import Path

from mixviz.evaluation import published, tables
from mixviz.evaluation.metrics import METRICS
from mixviz.networks import model_card, zoo


def table(where: str | Path | None = None, *, short: bool = False) -> str:
    """Return the measured metrics of every network as Markdown; ``short``: the most telling columns."""
    about = [zoo.card(name, where) for name in zoo.names(where)]
    wanted = [metric for metric in METRICS.values() if metric.short or not short]
    return tables.table(model_card.measured_rows([one for one in about if one.metrics]), wanted)


def all_tables() -> dict[str, str]:
    """Return the text between ``<!-- name -->`` and ``<!-- /name -->`` in the project's documents, by name."""
    others = published.errors([method for method, _ in zoo.STRATEGIES.values()])
    return {"zoo": table(), "zoo in short": table(short=True), "published": others}

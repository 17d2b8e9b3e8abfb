"""The page's view of all networks side by side: rows, curves, published numbers and cards, as plain data."""

from __future__ import annotations

import functools
from typing import Any

from mixviz.evaluation import published, results
from mixviz.evaluation.tables import COLUMNS, SHORT
from mixviz.methods import METHODS
from mixviz.networks import model_card, zoo
from mixviz.networks.model_card import clock
from mixviz.ui.boundary import checked_path
from mixviz.ui.registry import View
from mixviz.ui.services import transition
from mixviz.ui.state import Request, of_state

RUN = ("epochs", "batch_size", "optimizer", "lr", "weight_decay", "schedule", "warmup", "mix_prob", "precision", "seed")
TOLD = ("top-1 error ↓", "ECE ↓", "MaxBoxAccV2", "hole 50 %")  # what the view begins with


def compare(request: Request) -> dict[str, Any]:
    """What the cards say, whatever the pictures are: worked out once, and sent once."""
    return _results() if request.still else {}


@functools.cache
def _results() -> dict[str, Any]:
    about = {name: card for name in zoo.names() if model_card.is_whole(card := zoo.card(name)) and card["metrics"]}
    rows = results.rows(about, {name: zoo.history(name) for name in about})
    measured = [title for title in COLUMNS if any(title in row["values"] for row in rows)]
    middle = results.centre(about.values())
    return {
        "columns": [
            {"title": title, "lower": results.lower_is_better(title), "short": title in SHORT} for title in measured
        ],
        "rows": [{**row, "name": _strategy(row["title"])} for row in rows],
        "centre": middle,
        "centre_curve": _centre_curve(about),
        "findings": [_finding(title, rows, middle) for title in TOLD if title in measured],
        "published": published.changes(),
        "titles": {name: cls.card.title for name, cls in METHODS.items()},
        "cards": {name: _card(card) for name, card in about.items()},
        "pictures": sorted({card["metrics"]["images"] for card in about.values()}),
    }


def _strategy(title: str) -> str:
    """The zoo's name for how networks were trained; empty where it has none, or something else tells them apart."""
    return next((name for name, known in zoo.strategies().items() if known == title), "")


def _centre_curve(about: dict[str, dict[str, Any]]) -> dict[str, list] | None:
    curves = [card["metrics"].get("localisation", {}).get("centre", {}).get("curves") for card in about.values()]
    if not curves or not curves[0] or any(curve != curves[0] for curve in curves):
        return None
    return {"x": curves[0]["threshold"], "y": curves[0]["box_acc_percent"]}


def _finding(title: str, rows: list[dict[str, Any]], middle: dict[str, float]) -> dict[str, Any]:
    """A column in short: its ends, the baseline, the centre, and whether the networks differ by more than chance."""
    told = {row["title"]: row["values"][title] for row in rows if title in row["values"]}
    means = {name: value["mean"] for name, value in told.items()}
    base = next((row["title"] for row in rows if row["method"] == "baseline" and row["title"] in means), None)
    others = [mean for name, mean in means.items() if name != base]
    return {
        "title": title,
        "low": min(means, key=lambda name: means[name]),
        "high": max(means, key=lambda name: means[name]),
        "means": means,
        "error": max((value["error"] or 0 for value in told.values()), default=0),
        "kind": next(iter(told.values()))["kind"],
        "beyond": results.beyond_chance(list(told.values())),
        "base": base and means[base],
        "others": [min(others), max(others)] if others else None,
        "centre": middle.get(title),
        "above": sum(mean > middle[title] for mean in means.values()) if title in middle else None,
    }


def _card(card: dict[str, Any]) -> dict[str, Any]:
    """What the panel of one network says of it."""
    data, network, made = card["data"], card["network"], card["made"]
    return {
        "title": model_card.strategy(card),
        "citation": card["citation"],
        "url": METHODS[card["method"]].card.url,
        "data": {"name": data["name"], "terms": data["terms"], **data["pictures"], "classes": data["classes"]},
        "network": {key: network[key] for key in ("name", "stem", "width", "image_size", "layer", "parameters")},
        "run": {key: card["run"][key] for key in RUN},
        "made": {**made, "time": clock(made["seconds"])},
        "last": (card["result"] or {}).get("last"),
        "best": (card["result"] or {}).get("best"),
        "sha256": (card.get("weights") or {}).get("sha256", ""),
        "command": model_card.command(card),
    }


def between(state: Any) -> dict[str, Any]:
    """What every network makes of the steps from the state's one picture to the other."""
    return transition.transition(of_state(state, checked_path))


VIEW = View("compare", 70, compare, functions=(between,))

"""View of all networks side by side: rows, curves, published numbers and cards, as plain data."""

from __future__ import annotations

import functools
from typing import Any

from mixviz.evaluation import published, results
from mixviz.evaluation.metrics import METRICS, Metric, at
from mixviz.evaluation.paired import Difference, any_differ, over_seeds
from mixviz.methods import METHODS
from mixviz.networks import card_text, families, model_card, zoo
from mixviz.networks.card_text import clock
from mixviz.networks.model_card import ModelCard
from mixviz.networks.run import Run
from mixviz.ui.boundary import checked_path
from mixviz.ui.registry import View
from mixviz.ui.services import networks, transition
from mixviz.ui.state import Request, of_state

RUN = ("epochs", "batch_size", "optimizer", "lr", "weight_decay", "schedule", "warmup", "mix_prob", "precision", "seed")
NETWORK = ("name", "stem", "width", "image_size", "layer")
TOLD = ("top1_error", "ece", "max_box_acc_v2", "hole_50", "retrieval_map")  # the columns shown first


def compare(request: Request) -> dict[str, Any]:
    """Return the contents of all cards, which do not depend on the pictures; computed once and sent once."""
    return _results() if request.still else {}


@functools.cache
def _results() -> dict[str, Any]:
    """Return the first family's results, and those of the ``others``: they saw other pictures, and do not compare."""
    about = {name: card for name in zoo.names() if (card := zoo.card(name)).is_whole and card.metrics}
    groups = [{name: about[name] for name in family.names} for family in families.families(about)]
    first, *others = [_of_family(group) for group in groups or [{}]]
    return {**first, "others": others}


def _of_family(about: dict[str, ModelCard]) -> dict[str, Any]:
    rows = results.rows(about, {name: zoo.history(name) for name in about})
    measured = [key for key in METRICS if any(key in row["values"] for row in rows)]
    middle = results.centre(about.values())
    return {
        "columns": [
            {"key": key, "title": (one := METRICS[key]).heading, "lower": one.better == "lower", "short": one.short}
            for key in measured
        ],
        "rows": [{**row, "name": _strategy(row["title"])} for row in rows],
        "centre": middle,
        "centre_curve": _centre_curve(about),
        "bands": _bands(about),
        "findings": [_finding(key, rows, middle, about) for key in TOLD if key in measured],
        "published": published.changes(),
        "titles": {name: cls.card.title for name, cls in METHODS.items()},
        "classes": networks.classes(),
        "cards": {name: _card(card) for name, card in about.items()},
        "data": next(iter(about.values())).data.name if about else "",
        "pictures": sorted({card.metrics["images"] for card in about.values() if card.metrics}),
    }


def _strategy(title: str) -> str:
    """Return the zoo's name of a strategy title; "" if the zoo has no strategy of this title."""
    return next((name for name, known in zoo.strategies().items() if known == title), "")


def _centre_curve(about: dict[str, ModelCard]) -> dict[str, list] | None:
    curves = [at(card.metrics or {}, ("localisation", "centre", "curves")) for card in about.values()]
    if not curves or not curves[0] or any(curve != curves[0] for curve in curves):
        return None
    return {"x": curves[0]["threshold"], "y": curves[0]["box_acc_percent"]}


def _bands(about: dict[str, ModelCard]) -> dict[str, list[float]]:
    """Return the standard errors along the baseline's curves of accuracy, where it has one seed."""
    base = [card for card in about.values() if card.method == "baseline"]
    (row,) = results.rows({"": base[0]}, {}) if len(base) == 1 else (None,)
    if row is None:
        return {}
    count = (base[0].metrics or {})["images"]
    return {
        name: [results.standard_error(percent, count) for percent in curve["y"] or ()]
        for name, curve in row["curves"].items()
    }


def _finding(
    key: str, rows: list[results.ResultRow], middle: dict[str, float], about: dict[str, ModelCard]
) -> dict[str, Any]:
    """Summarize a column: its range, the centre, and what differs beyond chance: any of all, and each from baseline.

    Compared are strategies that were trained like the baseline. With two seeds or more, they are paired seed by seed.
    """
    first = next((row for row in rows if row["method"] == "baseline" and key in row["values"]), None)
    told, numbers = {}, {}
    for row in rows:
        cards = [about[name] for name in row["networks"]]
        if key in row["values"] and (first is None or model_card.same_training(about[first["networks"][0]], cards[0])):
            told[row["title"]] = row["values"][key]
            numbers[row["title"]] = results.by_seed(METRICS[key], cards)
    base = first and first["title"]
    pairs = {} if base is None else _paired(numbers, base)
    means = [value["mean"] for value in told.values()]
    shared = [seed for seed in next(iter(numbers.values())) if all(seed in each for each in numbers.values())]
    return {
        "key": key,
        "low": min(means),
        "high": max(means),
        "beyond": any_differ([[each[seed] for seed in shared] for each in numbers.values()])
        if len(shared) > 1
        else results.beyond_chance(list(told.values())),
        "base": base,
        "differs": {
            title: pairs[title].told_apart if title in pairs else results.differs(value, told[base], len(told) - 1)
            for title, value in told.items()
            if base is not None and title != base
        },
        "paired": {title: _told(pair, METRICS[key]) for title, pair in pairs.items()},
        "centre": middle.get(key),
        "above": sum(mean > middle[key] for mean in means) if key in middle else None,
    }


def _paired(numbers: dict[str, dict[tuple, float]], base: str) -> dict[str, Difference]:
    """Return the difference from the baseline of each strategy that has two seeds or more in common with it."""
    common = {title: [seed for seed in each if seed in numbers[base]] for title, each in numbers.items()}
    compared = {title: seeds for title, seeds in common.items() if title != base and len(seeds) > 1}
    return {
        title: over_seeds(
            [numbers[title][seed] for seed in seeds], [numbers[base][seed] for seed in seeds], len(compared)
        )
        for title, seeds in compared.items()
    }


def _told(pair: Difference, metric: Metric) -> dict[str, Any]:
    better = (pair.mean < 0) == (metric.better == "lower")
    verdict = ("better" if better else "worse") if pair.told_apart else "same"
    return {
        "difference": pair.mean, "low": pair.low, "high": pair.high, "visible": pair.visible, "seeds": pair.count,
        "verdict": verdict,
    }  # fmt: skip


def _card(card: ModelCard) -> dict[str, Any]:
    """Describe one network for its panel."""
    data, network, made = card.data, card.network, card.made
    return {
        "title": card.strategy,
        "citation": card.citation,
        "url": METHODS[card.method].card.url,
        "data": {"name": data.name, "terms": data.terms, **data.pictures, "classes": data.classes},
        "network": {key: getattr(network, key) for key in NETWORK} | {"parameters": card.parameter_count},
        "run": {key: value for key, value in Run.completed(card.run or {}).items() if key in RUN},
        "made": made and {**made, "time": clock(made["seconds"])},
        "last": card.result and card.result["last"],
        "best": card.result and card.result["best"],
        "sha256": card.weights.sha256,
        "command": card_text.command(card),
    }


def between(state: Any) -> dict[str, Any]:
    """Return the steps from one picture to the other, and the networks that know both classes."""
    return transition.transition(of_state(state, checked_path))


def curve(state: Any) -> dict[str, Any]:
    """Return one network's predictions along the steps."""
    return transition.curve(of_state(state, checked_path))


VIEW = View(
    "compare", 20, compare, "choose", controls=(), functions=(between, curve), example="part=table,plots,between"
)

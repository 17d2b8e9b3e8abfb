"""Rows for choosing a method: its scores, its published and measured accuracy, and the code that uses it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

from mixviz.core.method import Method
from mixviz.evaluation import published, results
from mixviz.explain import serialize
from mixviz.methods import METHODS
from mixviz.networks import families, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.selection import scores, throughput

ERROR = "top1_error"


def candidate(method: Method, chosen: scores.Pictures) -> dict[str, Any]:
    """Make a method's row.

    It holds ``name``, ``title``, ``family``, ``needs``, the figures of :class:`mixviz.selection.scores.Measured`,
    ``pace``, ``published`` changes of the error by setting, ``zoo`` (the change in the zoo, or None), and the ``lines``
    to copy.

    A method that cannot be measured here has the reason as its ``error``, and no figures. Figures are {mean, error}.
    """
    card, figures, needs = type(method).card, {}, serialize.needs_of(type(method))
    try:
        measured, speed, error = scores.measure(method, chosen), throughput.measure_throughput(method, chosen), ""
        figures = {name: _plain(value) for name, value in measured.__dict__.items()} | {"pace": speed._asdict()}
        needs = "" if needs == "saliency" and speed.looking is None else needs  # it has a detector and does not use it
    except (ValueError, ImportError) as reason:
        error = str(reason)
    return {
        "name": card.name,
        "title": card.title,
        "family": card.family,
        "needs": needs,
        "inside": not error and figures["gap"] is None,
        "error": error,
        **figures,
        "published": _published().get(card.name, {}),
        "zoo": _trained().get(card.name) if method == type(method)() else None,
        "lines": lines(method),
    }


def _plain(value: Any) -> Any:
    return value._asdict() if isinstance(value, scores.Figure) else value


def setting_of(setting: Mapping[str, Any]) -> str:
    """Name of a published setting, the same in every language."""
    return f"{setting['dataset']} {setting['network']} {setting['epochs']}"


@functools.cache
def settings() -> list[dict[str, Any]]:
    """List the published settings: ``key``, ``dataset``, ``network``, ``epochs``, ``baseline`` and ``source``. The one
    with most methods of the catalogue comes first."""
    ordered = sorted(published.changes(), key=lambda setting: -sum(m["method"] in METHODS for m in setting["methods"]))
    keys = ("dataset", "network", "epochs", "baseline", "source")
    return [{"key": setting_of(setting)} | {key: setting[key] for key in keys} for setting in ordered]


@functools.cache
def _published() -> dict[str, dict[str, Any]]:
    by_method: dict[str, dict[str, Any]] = {}
    for setting in published.changes():
        for number in setting["methods"]:
            change = {key: number[key] for key in ("change", "source", "selection", "same")}
            by_method.setdefault(number["method"], {})[setting_of(setting)] = change
    return by_method


@functools.cache
def _trained() -> dict[str, dict[str, Any]]:
    """Per method with its default parameters: the error of the zoo's network minus the baseline's, in points.

    Of the zoo's first family, since others saw other pictures. The standard error is that of two independent samples.
    It is rather too large, since both use the same pictures.
    """
    measured = {name: card for name in zoo.names() if (card := zoo.card(name)).is_whole and card.metrics}
    first = next(iter(families.families(measured)), None)
    cards = {name: measured[name] for name in first.names} if first else {}
    rows = [
        row for row in results.rows(cards, {}) if ERROR in row["values"] and _has_defaults(cards[row["networks"][0]])
    ]
    base = next((row["values"][ERROR] for row in rows if row["method"] == "baseline"), None)
    if base is None:
        return {}
    return {row["method"]: _change(row, base) for row in rows if row["method"] != "baseline"}


def _has_defaults(card: ModelCard) -> bool:
    known = METHODS[card.method].parameters()
    return all(value == known[name]["default"] for name, value in card.parameters.items())


def _change(row: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    value = row["values"][ERROR]
    error = math.hypot(value["error"], base["error"]) if value["error"] and base["error"] else None
    return {"mean": value["mean"] - base["mean"], "error": error, "seeds": len(row["seeds"])}


def lines(method: Method) -> str:
    """Return the shortest Python code that uses the method in a training, for images before normalisation."""
    return next(iter(snippets(method).values()))


def snippets(method: Method) -> dict[str, str]:
    """Return the ways to use the method in a training as Python code, the shortest first.

    ``collate`` for a DataLoader, ``transform`` for a batch as in torchvision, ``loop`` for a loop of one's own. What
    asks the network in training cannot be a collate function, and what mixes inside it needs a loop.
    """
    cls = type(method)
    known = cls.parameters()
    changed = {
        name: value for name, value in serialize.parameters_of(method).items() if value != known[name]["default"]
    }
    arguments = "".join(f", {name}={value!r}" for name, value in changed.items()).replace("'", '"')
    asked = ", network=network" if scores.asks(method) else ""
    transform = f'transform = mixviz.MixTransform("{cls.card.name}", num_classes=100{asked}{arguments})'
    if cls.card.family == "feature-level":
        return {"loop": "\n".join([
            "import mixviz, torch",
            transform,
            "for images, labels in loader:",
            "    recipe = transform.plan(images, labels)",
            "    with mixviz.mix_inside(network, recipe):",
            "        logits = network(recipe.apply(images))",
            "    loss = torch.nn.functional.cross_entropy(logits, recipe.targets(labels, 100))",
        ])}  # fmt: skip
    collate = [
        "import mixviz, torch",
        f'collate = mixviz.MixCollate("{cls.card.name}", num_classes=100{arguments})',
        "loader = torch.utils.data.DataLoader(dataset, batch_size=64, collate_fn=collate)",
    ]
    loop = [
        "import mixviz, numpy, torch",
        "rng = numpy.random.default_rng(0)  # once, before the loop",
        "for images, labels in loader:",
        f'    mixed, recipe = mixviz.mix(images, labels, "{cls.card.name}", seed=rng{asked}{arguments})',
        "    loss = torch.nn.functional.cross_entropy(network(mixed), recipe.targets(labels, 100))",
    ]
    ways = {
        "collate": [] if asked else collate,
        "transform": ["import mixviz", transform, "mixed, targets = transform(images, labels)"],
        "loop": loop,
    }
    return {name: "\n".join(way) for name, way in ways.items() if way}


def by_columns(row: Mapping[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """Return a row's numbers and their errors by column of a table; published changes are those of the first
    setting."""
    setting, speed = settings()[0]["key"] if settings() else "", row.get("pace") or {}
    figures = {name: row.get(name) for name in ("gap", "off", "gone", "hidden")}
    columns = {name: (value["mean"], value["error"]) if value else (None, None) for name, value in figures.items()}
    diversity, change, zoo_change = row.get("diversity"), row["published"].get(setting), row["zoo"]
    return columns | {
        "worst": (row.get("worst"), None),
        "diversity": (diversity["mean"], diversity["error"]) if diversity else (None, None),
        "rate": (speed.get("rate"), None),
        "published": (change["change"] if change else None, None),
        "zoo": (zoo_change["mean"], zoo_change["error"]) if zoo_change else (None, None),
    }


def as_json(rows: list[dict[str, Any]], chosen: scores.Pictures) -> dict[str, Any]:
    """Return the rows and the settings of their measurement as JSON."""
    return {
        "pictures": len(chosen), "masked": chosen.masked, "side": scores.SIDE, "batch": scores.BATCH,
        "draws": scores.DRAWS, "settings": settings(), "methods": rows,
    }  # fmt: skip

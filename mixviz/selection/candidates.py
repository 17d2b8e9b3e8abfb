"""A method as something to choose: its numbers, what is known of its accuracy, and the lines that use it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

from mixviz.core.method import Method
from mixviz.evaluation import published, results
from mixviz.explain import serialize
from mixviz.methods import METHODS
from mixviz.networks import zoo
from mixviz.networks.model_card import ModelCard
from mixviz.selection import scores, throughput

ERROR = "top1_error"


def candidate(method: Method, chosen: scores.Pictures) -> dict[str, Any]:
    """One row: ``name``, ``title``, ``family``, ``needs``, the figures of :class:`mixviz.selection.scores.Measured`,
    ``pace``, ``published`` changes of the error by setting, ``zoo`` (the measured one, or None), and the ``lines`` to
    copy.

    A method that cannot be measured here has the reason as its ``error``, and no figures. Figures are {mean, error}.
    """
    card, figures, needs = type(method).card, {}, serialize.needs_of(type(method))
    try:
        measured, speed, error = scores.measure(method, chosen), throughput.measure_throughput(method, chosen), ""
        figures = {name: _plain(value) for name, value in measured.__dict__.items()} | {"pace": speed._asdict()}
        needs = "" if needs == "saliency" and speed.looking is None else needs  # it could look, and does not
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
    """A name for a published setting, the same in every language."""
    return f"{setting['dataset']} {setting['network']} {setting['epochs']}"


@functools.cache
def settings() -> list[dict[str, Any]]:
    """The published settings, the one that tells of most methods of the catalogue first: ``key``, ``dataset``,
    ``network``, ``epochs``, ``baseline`` and ``source``."""
    known = sorted(published.changes(), key=lambda one: -sum(m["method"] in METHODS for m in one["methods"]))
    told = ("dataset", "network", "epochs", "baseline", "source")
    return [{"key": setting_of(one)} | {name: one[name] for name in told} for one in known]


@functools.cache
def _published() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for setting in published.changes():
        for one in setting["methods"]:
            told = {name: one[name] for name in ("change", "source", "selection", "same")}
            found.setdefault(one["method"], {})[setting_of(setting)] = told
    return found


@functools.cache
def _trained() -> dict[str, dict[str, Any]]:
    """By method, as it comes: the error of the zoo's network against the baseline's, in points.

    Its standard error is that of two independent samples; both saw the same pictures, so it is rather too large.
    """
    about = {name: card for name in zoo.names() if (card := zoo.card(name)).is_whole and card.metrics}
    rows = [row for row in results.rows(about, {}) if ERROR in row["values"] and _plainly(about[row["networks"][0]])]
    base = next((row["values"][ERROR] for row in rows if row["method"] == "baseline"), None)
    if base is None:
        return {}
    return {row["method"]: _change(row, base) for row in rows if row["method"] != "baseline"}


def _plainly(card: ModelCard) -> bool:
    known = METHODS[card.method].parameters()
    return all(value == known[name]["default"] for name, value in card.parameters.items())


def _change(row: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    value = row["values"][ERROR]
    error = math.hypot(value["error"], base["error"]) if value["error"] and base["error"] else None
    return {"mean": value["mean"] - base["mean"], "error": error, "seeds": len(row["seeds"])}


def lines(method: Method) -> str:
    """Return the lines of Python that put the method into a training, for images before normalisation."""
    cls = type(method)
    known = cls.parameters()
    own = {name: value for name, value in serialize.parameters_of(method).items() if value != known[name]["default"]}
    given = "".join(f", {name}={value!r}" for name, value in own.items()).replace("'", '"')
    if cls.card.family == "feature-level":
        return "\n".join([
            "import mixviz",
            f'transform = mixviz.MixTransform("{cls.card.name}", num_classes=100{given})',
            "recipe = transform.plan(images, labels)",
            "with mixviz.mix_inside(network, recipe):",
            "    logits = network(recipe.apply(images))",
            "loss = torch.nn.functional.cross_entropy(logits, recipe.targets(labels, 100))",
        ])  # fmt: skip
    if scores.asks(method):
        call = f'mixviz.MixTransform("{cls.card.name}", num_classes=100, network=network{given})'
        return f"import mixviz\ntransform = {call}\nmixed, targets = transform(images, labels)"
    call = f'mixviz.MixCollate("{cls.card.name}", num_classes=100{given})'
    loader = "torch.utils.data.DataLoader(dataset, batch_size=64, collate_fn=collate)"
    return f"import mixviz\ncollate = {call}\nloader = {loader}"


def by_columns(row: Mapping[str, Any]) -> dict[str, tuple[float | None, float | None]]:
    """A row as numbers with their errors, by the columns of a table; published changes are those of the first
    setting."""
    setting, speed = settings()[0]["key"] if settings() else "", row.get("pace") or {}
    figures = {name: row.get(name) for name in ("gap", "off", "gone", "hidden")}
    found = {name: (value["mean"], value["error"]) if value else (None, None) for name, value in figures.items()}
    vary, told, ours = row.get("diversity"), row["published"].get(setting), row["zoo"]
    return found | {
        "worst": (row.get("worst"), None),
        "diversity": (vary["mean"], vary["error"]) if vary else (None, None),
        "rate": (speed.get("rate"), None),
        "published": (told["change"] if told else None, None),
        "zoo": (ours["mean"], ours["error"]) if ours else (None, None),
    }


def as_json(rows: list[dict[str, Any]], chosen: scores.Pictures) -> dict[str, Any]:
    """Rows with what they were measured on, for programs."""
    return {
        "pictures": len(chosen), "boxed": chosen.boxed, "side": scores.SIDE, "batch": scores.BATCH,
        "draws": scores.DRAWS, "settings": settings(), "methods": rows,
    }  # fmt: skip

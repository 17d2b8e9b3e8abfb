"""A recipe in words and numbers: what a JSON file, a table or an answer of the page's API holds."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.core.recipe import Recipe, Truth
from mixviz.core.saliency import Saliency
from mixviz.detectors import SALIENCY
from mixviz.methods import METHODS
from mixviz.ops import operations
from mixviz.ops.operations import OpSequence
from mixviz.resources import PACKAGE
from mixviz.version import __version__


def parameters_of(method: Method) -> dict[str, Any]:
    """The method's parameters as plain values; a detector as its name."""
    values = {name: getattr(method, name) for name in type(method).parameters()}
    return {name: value.card.name if isinstance(value, Saliency) else value for name, value in values.items()}


def recipe_json(recipe: Recipe, truth: Truth, row: int = 0) -> dict[str, Any]:
    """Serialize one image's recipe, and its label against what is visible: plain numbers, boxes as [top, left, bottom,
    right].

    The keys are those of files up to version 0.1, so that whoever reads files reads all of them.
    """

    def box(boxes: torch.Tensor | None) -> list[int] | None:
        return None if boxes is None else boxes[row].tolist()

    def of_each(values: torch.Tensor | None) -> list | None:
        """Describe every source or patch."""
        return None if values is None else values[:, row].tolist()

    return {
        "size": list(recipe.size),
        "partner": recipe.partner[:, row].tolist(),
        "drawn": None if recipe.lam is None else recipe.lam[row].item(),
        "area": recipe.area[:, row].tolist(),
        "share": recipe.share[:, row].tolist(),
        "source_box": box(recipe.source_box),
        "target_box": box(recipe.target_box),
        "source_boxes": of_each(recipe.source_boxes),
        "target_boxes": of_each(recipe.target_boxes),
        "inside": of_each(recipe.patch_alpha),
        "label_by": recipe.label_by,
        "layer": recipe.layer,
        "moves": of_each(recipe.cell_permutation),
        "chains": None if recipe.sequences is None else [_sequence(source[row]) for source in recipe.sequences],
        "style": of_each(recipe.style),
        "by_style": recipe.by_style,
        "visible": truth.visible[:, row].tolist(),
        "fair": truth.fair[:, row].tolist(),
        "gap": truth.gap[row].item(),
    }


def _sequence(sequence: OpSequence) -> list[dict[str, Any]]:
    """The operations that were applied to one source, one by one."""
    return [{**op._asdict(), "values": list(op.values), "words": operations.in_words((op,))} for op in sequence]


def replay(name: str, method: Method, seed: int, lam: float | None, side: int) -> dict[str, Any]:
    """Return the head of a recipe file: all that repeats a mixture."""
    return {
        "mixviz": __version__,
        "method": name,
        "parameters": parameters_of(method),
        "seed": int(seed),
        "lam": lam,
        "side": side,
    }


def mix_two(
    a: np.ndarray, b: np.ndarray, method: Method, seed: int, lam: float | None, device: str = "cpu", network: Any = None
) -> tuple:
    """Mix two pictures (H, W, 3) uint8 of one size: (mixture of A (H, W, 3), recipe, batch).

    Raises:
        ValueError: the pictures differ in size, or the method asks a network.
    """
    if a.shape != b.shape:
        raise ValueError(f"Two pictures of one size are needed; got {a.shape[:2]} and {b.shape[:2]} (height, width).")
    images = torch.from_numpy(np.stack([a, b])).permute(0, 3, 1, 2).contiguous().to(device)
    batch = Batch(images, None, network)
    recipe = method.plan(batch, np.random.default_rng(seed), lam=lam, partner=np.array([1, 0]))
    mixed = recipe.apply(images)[0].permute(1, 2, 0).cpu().numpy()
    return mixed, recipe, batch


def catalogue_json() -> list[dict[str, Any]]:
    """Every method: its card, parameters with their ranges, and teaching text."""
    return [
        {
            **dataclasses.asdict(cls.card),
            "citation": cls.card.citation,
            "parameters": cls.parameters(),
            "text": inspect.cleandoc(cls.__doc__ or ""),
        }
        for cls in METHODS.values()
    ]


def speeds() -> dict[str, float]:
    """Images per second of every method as the checkout's benchmark measured them; empty in an installed package."""
    file = PACKAGE.parent / "benchmarks" / "catalogue.json"
    if not file.is_file():
        return {}
    return {name: one["rate"] for name, one in json.loads(file.read_text(encoding="utf-8"))["methods"].items()}


def catalogue_markdown() -> str:
    """Table of the catalogue: method, paper, family, label rule, what it needs, and how fast it is."""
    measured = speeds()
    lines = [
        "| method | name | family | label of A | needs | images/s | source |",
        "| --- | --- | --- | --- | --- | ---: | --- |",
    ]
    for name, cls in METHODS.items():
        card, needs = cls.card, {"network": "a network"}.get(needed := needs_of(cls), needed)
        paper = f"[{card.citation}]({card.url})" if card.url else card.citation
        fast = f"{float(f'{measured[name]:.2g}'):,.0f}" if name in measured else ""
        lines.append(f"| {card.title} | `{name}` | {card.family} | {card.label} | {needs} | {fast} | {paper} |")
    return "\n".join(lines) + "\n"


def needs_of(cls: type[Method]) -> str:
    """Return the requirements of a method with default parameters: ``network`` (asked, or mixed inside), ``saliency``,
    or nothing."""
    about = cls.parameters().get("detector")
    asks = about and SALIENCY[about["default"]].needs_network
    return "network" if asks or cls.card.family == "feature-level" else "saliency" if about else ""


def between(text: str, name: str, content: str) -> str:
    """A Markdown text with what stands between ``<!-- name -->`` and ``<!-- /name -->`` replaced.

    Raises:
        ValueError: the text has no such place.
    """
    head, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"<!-- /{name} -->")
    if not start or not end:
        raise ValueError(f"There is no place for the table: <!-- {name} --> and <!-- /{name} --> are missing.")
    return head + start + content + end + tail

"""Serialize recipes and the catalogue for JSON files, tables and the page's API."""

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
    """The method's parameters as plain values; a detector by name."""
    values = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
    return {name: value.card.name if isinstance(value, Saliency) else value for name, value in values.items()}


def recipe_json(recipe: Recipe, truth: Truth, row: int = 0) -> dict[str, Any]:
    """Serialize one image's recipe and the comparison of its label with the visible objects: plain numbers, boxes as
    [top, left, bottom, right].

    The keys are those of version 0.1, so that one reader understands files of all versions.
    """

    def box(boxes: torch.Tensor | None) -> list[int] | None:
        return None if boxes is None else boxes[row].tolist()

    def column(values: torch.Tensor | None) -> list[Any] | None:
        """Values of every source or patch."""
        return None if values is None else values[:, row].tolist()

    before, sources = recipe.before and recipe.before.sequences[0], recipe.partner[:, row].tolist()
    return {
        "size": list(recipe.size),
        "partner": recipe.partner[:, row].tolist(),
        "drawn": None if recipe.lam is None else recipe.lam[row].item(),
        "area": recipe.area[:, row].tolist(),
        "share": recipe.share[:, row].tolist(),
        "source_box": box(recipe.source_box),
        "target_box": box(recipe.target_box),
        "source_boxes": column(recipe.source_boxes),
        "target_boxes": column(recipe.target_boxes),
        "inside": column(recipe.patch_alpha),
        "label_by": recipe.label_by,
        "layer": recipe.layer,
        "moves": column(recipe.cell_permutation),
        "chains": None if recipe.sequences is None else [_sequence(source[row]) for source in recipe.sequences],
        "style": column(recipe.style),
        "by_style": recipe.by_style,
        "visible": truth.visible[:, row].tolist(),
        "fair": truth.fair[:, row].tolist(),
        "gap": truth.gap[row].item(),
        **({} if before is None else {"before": [_sequence(before[image]) for image in sources]}),
    }


def _sequence(sequence: OpSequence) -> list[dict[str, Any]]:
    """Serialize the operations on one source."""
    return [{**op._asdict(), "values": list(op.values), "words": operations.in_words((op,))} for op in sequence]


def replay(name: str, method: Method, seed: int, lam: float | None, side: int) -> dict[str, Any]:
    """Return the head of a recipe file, which is enough to repeat a mixture."""
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
) -> tuple[np.ndarray, Recipe, Batch]:
    """Mix two images (H, W, 3) uint8 of the same size: (mixture of A (H, W, 3), recipe, batch).

    Raises:
        ValueError: the images differ in size, or the method needs a network and ``network`` is None.
    """
    if a.shape != b.shape:
        raise ValueError(f"Two pictures of one size are needed; got {a.shape[:2]} and {b.shape[:2]} (height, width).")
    images = torch.from_numpy(np.stack([a, b])).permute(0, 3, 1, 2).contiguous().to(device)
    batch = Batch(images, None, network)
    recipe = method.plan(batch, np.random.default_rng(seed), lam=lam, partner=np.array([1, 0]))
    mixed = recipe.apply(images)[0].permute(1, 2, 0).cpu().numpy()
    return mixed, recipe, batch


def catalogue_json() -> list[dict[str, Any]]:
    """Describe every method: its card, parameters with their ranges, and docstring."""
    return [
        {
            **dataclasses.asdict(cls.card),
            "citation": cls.card.citation,
            "parameters": cls.parameters(),
            "text": inspect.cleandoc(cls.__doc__ or ""),
        }
        for cls in METHODS.values()
    ]


def speeds() -> dict[str, dict[str, Any]]:
    """Measurements of every method by the checkout's benchmark: ``rate`` (images per second), ``times_cutmix`` (time as
    a multiple of CutMix's in the same run), and ``estimated`` if the rate follows from it; empty in an installed
    package."""
    file = PACKAGE.parent / "benchmarks" / "catalogue.json"
    if not file.is_file():
        return {}
    return json.loads(file.read_text(encoding="utf-8"))["methods"]


def catalogue_markdown() -> str:
    """Table of the catalogue: method, paper, family, label rule, requirements and speed."""
    measured = speeds()
    lines = [
        "| method | name | family | label of A | needs | images/s | ÷ CutMix | source |",
        "| --- | --- | --- | --- | --- | ---: | ---: | --- |",
    ]
    for name, cls in METHODS.items():
        card, needs = cls.card, needs_of(cls)
        needs = "a network" if needs == "network" else needs
        paper = f"[{card.citation}]({card.url})" if card.url else card.citation
        speed = " | "
        if name in measured:
            rate, multiple = measured[name]["rate"], measured[name]["times_cutmix"]
            sign = "≈ " if "estimated" in measured[name] else ""
            speed = f"{sign}{float(f'{rate:.2g}'):,.0f} | {multiple:.2g}"
        lines.append(f"| {card.title} | `{name}` | {card.family} | {card.label} | {needs} | {speed} | {paper} |")
    return "\n".join(lines) + "\n"


def needs_of(cls: type[Method]) -> str:
    """Return the requirements of a method with default parameters: ``network`` (run by the detector, or mixed
    inside), ``objects`` (or saliency in their place), ``saliency``, or nothing."""
    if cls.looks_at_objects:
        return "objects"
    detector = cls.parameters().get("detector")
    runs_network = detector and SALIENCY[detector["default"]].needs_network
    return "network" if runs_network or cls.card.family == "feature-level" else "saliency" if detector else ""


def replace_section(text: str, name: str, content: str) -> str:
    """Replace the part of a Markdown text between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        ValueError: the text lacks these marks.
    """
    head, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"<!-- /{name} -->")
    if not start or not end:
        raise ValueError(f"There is no place for the table: <!-- {name} --> and <!-- /{name} --> are missing.")
    return head + start + content + end + tail

"""A state of the page as a mixed example: its card, its parameters, and the Python that reproduces it."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from mixviz import i18n
from mixviz.core.method import Method
from mixviz.core.parameters import ParameterInfo
from mixviz.data import pictures
from mixviz.detectors import SALIENCY
from mixviz.explain import edits, serialize
from mixviz.explain.example import MixedExample, corner_fractions, make_example
from mixviz.i18n import in_language
from mixviz.methods import METHODS
from mixviz.render import overlays
from mixviz.ui.fields import written
from mixviz.ui.services import detector_options
from mixviz.ui.state import NOT_ON_THE_PAGE, Request

SIDE = 224  # pixels of a picture: ImageNet's usual size; all methods still mix and encode within 35 ms
# What a newcomer should see first.
ESSENTIALS = ("mixup", "cutout", "cutmix", "saliencymix", "saliencymix_plus", "randsaliencymix", "cutmix_mixup")
SMALL = SIDE // 2  # pixels of a tile in a strip: several dozen are sent at once


def in_order() -> list[str]:
    """Return the names of all methods, the essential ones first."""
    essential = [name for name in ESSENTIALS if name in METHODS]
    return [*essential, *(name for name in METHODS if name not in essential)]


def story(request: Request, name: str, *, by_hand: bool = False, **changed: Any) -> MixedExample:
    """Make the mixed example of one method for the page's state; ``by_hand`` applies the visitor's box or mask.

    The state's parameters apply only to its own method. A box or mask that does not fit the recipe is ignored.
    """
    request = replace(request, **changed) if changed else request
    a, b = request.a, request.b
    example = make_example(
        detector_options.pair(a, b, SIDE),
        request.chosen(name, request.parameters if name == request.method else None),
        int(request.seed),
        request.lam,
        maps=detector_options.maps(a, b, SIDE, request.detector),
        names=(request.name_a, request.name_b),
        objects=detector_options.objects(a, b, SIDE, request.marked),
        network=detector_options.network(request.detector),
    )
    change = changed_by(request, example) if by_hand else ""
    if change == "mask" and (mask := request.weights(SIDE)) is not None:
        return example.painted(mask)
    if change == "box" and (box := request.pixels(SIDE)) is not None:
        return example.moved(box)
    return example


def changed_by(request: Request, example: MixedExample | None = None) -> str:
    """Return the visitor's change that the recipe allows: ``mask``, ``box``, or "" for neither."""
    if request.mask is None and request.box is None:
        return ""
    recipe = (example or story(request, request.method)).recipe
    if request.mask is not None and edits.can_paint(recipe):
        return "mask"
    return "box" if request.box is not None and edits.can_move(recipe) else ""


def title(name: str, language: str) -> str:
    """Return a method's title: those that are plain words, such as Rotation, are translated."""
    return in_language(f"title.{name}", language, METHODS[name].card.title)


def card(example: MixedExample, request: Request) -> dict[str, Any]:
    """Describe image A's mixture for a card; pairs of numbers belong to A and B."""
    about, recipe = type(example.method).card, example.recipe
    own = type(example.method).parameters().get("detector")
    return {
        "title": title(about.name, request.language),
        "family": about.family,
        "citation": about.citation,
        "url": about.url,
        "pair": recipe.paired,
        "looks": recipe.saliency is not None,
        "own": about.name == request.method and bool(request.parameters),
        "asks": bool(own and SALIENCY[own["default"]].needs_network),
        "drawn": None if recipe.lam is None else recipe.lam[0].item(),
        "area": example.area,
        "share": example.share,
        "visible": example.visible,
        "fair": example.fair,
        "gap": example.gap,
        "sentence": example.sentence_in(request.language),
        "source": corner_fractions(recipe.source_box, recipe.size),
        "target": corner_fractions(recipe.target_box, recipe.size),
        "layer": recipe.layer,
    }


def outlines(example: MixedExample) -> list[dict[str, Any]]:
    """Describe the objects that can be seen in image A's mixture: whose, which share of it, how strongly, and where.

    Empty if the object of A or B is unknown.
    """
    moved = example.followed
    if moved is None or moved.objects.masks is None:
        return []
    columns = moved.source.tolist(), moved.visible.tolist(), moved.weight.tolist(), moved.objects.masks.numpy()
    return [
        {"of": source, "visible": visible, "weight": weight, "path": overlays.contours(mask)}
        for source, visible, weight, mask in zip(*columns, strict=True)
    ]


def code(request: Request, example: MixedExample) -> str:
    """Return the Python code that reproduces exactly this picture, including the visitor's box or mask."""
    change = changed_by(request)
    options, network = written_options(request, example.method)
    names = picture_names(request)
    lam = "" if request.lam is None else f"lam={written(request.lam)}, "
    lines = ["import mixviz", "import numpy as np", "from mixviz.data import pictures"]
    lines += ["from mixviz.explain import edits"] if change else []
    lines, argument = lines + network, ", network=network" if network else ""
    if example.method.looks_at_objects and request.marked != (None, None):
        lines.append("# Give the objects that you marked too: mixviz.Batch(..., objects=mixviz.Objects(...))")
    elif example.method.looks_at_objects and example.objects is not None:
        argument += f', objects=pictures.load_objects("{names[0]}", "{names[1]}", {SIDE})'
    draw = f"np.random.default_rng({int(request.seed)}), {lam}partner=[1, 0]"
    lines += [
        "",
        f'batch = mixviz.Batch(pictures.load_pair("{names[0]}", "{names[1]}", {SIDE}){argument})',
        f'recipe = mixviz.METHODS["{request.method}"]({", ".join(options)}).plan(batch, {draw})',
    ]
    if change == "mask":
        lines += ["import json", 'cells = json.load(open("recipe.json"))["mask"]  # the recipe from this page']
        lines.append(f"recipe = edits.paint_mask(recipe, edits.mask_from_cells(cells, {SIDE}))")
    elif change == "box":
        lines.append(f"recipe = edits.move_patch(recipe, {request.pixels(SIDE)})")
    return "\n".join([*lines, "mixed = recipe.apply(batch.images)[0]  # (3, H, W) uint8"])


def written_options(request: Request, method: Method) -> tuple[list[str], list[str]]:
    """Return a method's parameters as Python: its options, and the lines that make a network if it needs one."""
    detector, fields = detector_options.option(request.detector), type(method).parameters()
    options = {
        name: repr(value).replace("'", '"')
        for name, value in serialize.parameters_of(method).items()
        if name != "detector" and value != fields[name]["default"]
    }
    if "detector" in fields and detector.code != repr(fields["detector"]["default"]).replace("'", '"'):
        options["detector"] = detector.code
    needs_network = "detector" in fields and detector.saliency.needs_network
    network = ["from mixviz.networks import zoo", "network = zoo.reference()"]
    return [f"{name}={value}" for name, value in options.items()], network if needs_network else []


def parameters(method: Method, language: str) -> list[dict[str, Any]]:
    """Describe the method's parameters for the page's controls: all but :data:`NOT_ON_THE_PAGE`."""
    values = serialize.parameters_of(method)
    return [
        {"name": name, "value": values[name], "kind": type(about["default"]).__name__, **about}
        | told_in(f"{method.card.name}.{name}", about, language)
        for name, about in type(method).parameters().items()
        if name not in NOT_ON_THE_PAGE
    ]


def told_in(key: str, about: ParameterInfo, language: str) -> dict[str, Any]:
    """Return a parameter's description and the labels of its choices in a language."""
    choices = [in_language(f"{key}.{choice}", language, choice) for choice in about["choices"]]
    return {"text": in_language(key, language, about["text"]), "labels": choices}


def picture_names(request: Request) -> list[str]:
    """Return the file names of the bundled photographs, or placeholders for the visitor's own."""
    known = {letter: pictures.photograph_of(path) for letter, path in (("a", request.a), ("b", request.b))}
    return [entry["file"] if entry else f"your_picture_{letter}.jpg" for letter, entry in known.items()]


def summary(name: str, language: str = "en") -> str:
    """Return a method's summary: the first paragraph of its docstring, or its translation."""
    return in_language(f"summary.{name}", language, _docstring(name).partition("\n\n")[0])


def explanation(name: str, language: str = "en") -> str:
    """Return a method's explanation, from its docstring, as Markdown with formulas."""
    further = i18n.catalogue().get(language, {}).get(name)
    return f"{summary(name, language)}\n\n{further}" if further else _docstring(name)


def _docstring(name: str) -> str:
    text = inspect.cleandoc(METHODS[name].__doc__ or "").replace("``", "`")
    return text.replace(":func:`mixviz.", "`mixviz.")

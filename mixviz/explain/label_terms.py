"""Derive every number of a label by a calculation that a reader can check with a pocket calculator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mixviz.core.parts import Patches, Style
from mixviz.explain.example import MixedExample, percent

WHOLE = 0.005  # of the picture: less is rounding to whole pixels


@dataclass(frozen=True)
class Line:
    """A number: the key of the text that names it, the calculation in digits, and the resulting value.

    The calculation is written with + − × ÷ and brackets; it is empty for drawn or held values.
    """

    key: str
    sum: str
    value: float


def lines(example: MixedExample) -> list[Line]:
    """All numbers in the order in which they are calculated."""
    recipe = example.recipe
    result: list[Line] = []
    if recipe.lam is not None:
        key = "lam_held" if example.lam is not None else "lam_drawn"
        result.append(Line(key, "", recipe.lam[0].item()))
    if not recipe.layer:
        result += _patches(example)
        result.append(Line("area_a", *_area(example, 0)))
        if recipe.paired:
            result.append(Line("area_b", *_area(example, 1)))
        if isinstance(recipe.mixing, Style):
            result.append(Line("style_a", *_weight_of(example, recipe.mixing.style, 0)))
    result += _label(example)
    if not recipe.layer:
        result += _truth(example)
    return result


def _patches(example: MixedExample) -> list[Line]:
    recipe, patches = example.recipe, example.recipe.mixing
    if not isinstance(patches, Patches):
        return []
    height, width = recipe.size
    lines = []
    for p, boxes in enumerate(patches.target_boxes):
        top, left, bottom, right = boxes[0].tolist()
        text = f"({bottom} − {top}) × ({right} − {left}) ÷ ({height} × {width})"
        value = (bottom - top) * (right - left) / (height * width)
        if patches.patch_alpha is not None:
            alpha = patches.patch_alpha[p, 0].item()
            text, value = f"{alpha:.4f} × {text}", alpha * value
        lines.append(Line("patch" if patches.patch_alpha is None else "patch_blended", text, value))
    return lines


def _area(example: MixedExample, picture: int) -> tuple[str, float]:
    """Total weight of an image's sources over all pixels, divided by the number of pixels."""
    return _weight_of(example, example.recipe.partner, picture)


def _weight_of(example: MixedExample, index: Tensor, picture: int) -> tuple[str, float]:
    """The same for all sources whose ``index`` (K, N) is the image."""
    height, width = example.recipe.size
    sources = (k for k, source in enumerate(index[:, 0].tolist()) if source == picture)
    weights = [example.row.weights()[k, 0].double().sum().item() for k in sources]
    return f"{_added(weights)} ÷ ({height} × {width})", sum(weights) / (height * width)


def _label(example: MixedExample) -> list[Line]:
    recipe, (own, other) = example.recipe, example.share
    lines: list[Line] = []
    rest = f"1 − {own:.4f}"
    if recipe.label_by in ("saliency", "visible"):
        parts = [_visible(example, recipe.label_saliency, i) for i in (0, 1)]
        lines = [Line(key, *part) for key, part in zip(("a", "b"), parts, strict=True)]
        made = _of_both(parts[0][1], parts[1][1])
        if recipe.label_by == "visible":
            made, rest = parts[0][0], parts[1][0]
    elif recipe.label_by == "attention":
        made = _attended(example)
    elif recipe.label_by == "attention_area":
        made = f"({_attended(example)} + {_area(example, 0)[0]}) ÷ 2"
    elif recipe.label_by == "style":
        made = f"{1 - recipe.by_style:g} × {example.area[0]:.4f} + {recipe.by_style:g} × {example.style[0]:.4f}"
    elif recipe.label_by == "planned":
        made = f"{own:.4f}"
    elif recipe.label_by == "area":
        made = _area(example, 0)[0]
    elif recipe.label_by == "lam":
        made = f"{own if recipe.lam is None else recipe.lam[0].item():.4f}"
    else:
        made = "1"
    lines.append(Line(f"label_{recipe.label_by}", made, own))
    if recipe.paired:
        lines.append(Line("label_b", rest, other))
    return lines


def _attended(example: MixedExample) -> str:
    """Attention on A's pixels, divided by all attention."""
    total = example.row.label_attention.double().sum().item()
    if total == 0:
        return _area(example, 0)[0]
    parts = [example.row.attended()[k, 0].item() * total for k in _sources(example, 0)]
    return f"{_added(parts)} ÷ {_number(total)}"


def _truth(example: MixedExample) -> list[Line]:
    reference = example.maps if example.objects is None else example.objects
    parts = [_visible(example, reference, i) for i in (0, 1)]
    lines = [Line(f"visible_a_{example.reference}", *parts[0])]
    if example.recipe.paired:
        lines.append(Line(f"visible_b_{example.reference}", *parts[1]))
        fair = _of_both(parts[0][1], parts[1][1])
        if not example.recipe.whole:
            fair = f"{sum(example.share):.4f} × ({fair})"
        lines.append(Line("fair", fair, example.fair[0]))
        low, high = sorted((example.share[0], example.fair[0]))
        lines.append(Line("gap", f"{high:.6f} − {low:.6f}", example.gap))
    return lines


def _visible(example: MixedExample, maps: Tensor, picture: int) -> tuple[str, float]:
    """Visible share of an image's map."""
    total = maps[picture].double().sum().item()
    visible = example.row.truth(maps).visible[:, 0]
    parts = [visible[k].item() * total for k in _sources(example, picture)]
    if total == 0 or not parts:
        return "0", 0.0
    return f"{_added(parts)} ÷ {_number(total)}", sum(parts) / total


def _of_both(a: float, b: float) -> str:
    """A's part of a + b, half if both are 0; small numbers get more decimals, to keep the significant digits."""
    if a + b == 0:
        return "1 ÷ 2"
    digits = 4 + max(0, -math.floor(math.log10(a + b)))
    return f"{a:.{digits}f} ÷ ({a:.{digits}f} + {b:.{digits}f})"


def _sources(example: MixedExample, picture: int) -> list[int]:
    return [k for k, source in enumerate(example.recipe.partner[:, 0].tolist()) if source == picture]


def _added(parts: list[float]) -> str:
    if not parts:
        return "0"
    text = " + ".join(map(_number, parts))
    return f"({text})" if len(parts) > 1 else text


def _number(x: float) -> str:
    return str(round(x)) if abs(x - round(x)) < 5e-4 else f"{x:.3f}"


def reason(story: MixedExample) -> dict[str, Any]:
    """Say why the label is what it is: a text's ``key`` and ``values``, B's ``asked`` share and its share now.

    The asked share is 1 - λ. A patch that reaches beyond the border is clipped, and a label that counts pixels follows
    what is left of it.
    """
    recipe, share = story.recipe, story.share[1]
    asked = None if recipe.lam is None else 1 - recipe.lam[0].item()
    values = {"got": percent(share), "asked": "" if asked is None else percent(asked), "layer": str(recipe.layer)}
    if recipe.layer:
        key = "layer"
    elif not recipe.paired:
        key = "alone"
    elif recipe.label_by == "lam":
        key = "lam"
    elif recipe.label_by != "area":
        key = f"by_{recipe.label_by}"
    elif asked is None or abs(asked - story.area[1]) < WHOLE:
        key = "area"
    else:
        key = "clipped" if _touches_the_border(story) else "other_area"
    return {"key": f"reason.{key}", "values": values, "asked": asked, "share": share}


def _touches_the_border(story: MixedExample) -> bool:
    boxes, (height, width) = story.recipe.target_box, story.recipe.size
    if boxes is None:
        return False
    top, left, bottom, right = boxes[0].tolist()
    return top == 0 or left == 0 or bottom == height or right == width

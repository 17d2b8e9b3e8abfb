"""Every number of a label, with the sum that makes it: what a reader can check with a pocket calculator."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from mixviz.core.parts import Patches, Style
from mixviz.explain.example import MixedExample


@dataclass(frozen=True)
class Line:
    """A number: what it is (a text's key), the sum in digits, and the value to which the sum comes.

    The sum is written with + − × ÷ and brackets; it is empty for what is drawn or held.
    """

    key: str
    sum: str
    value: float


def lines(story: MixedExample) -> list[Line]:
    """All numbers in the order in which they are made."""
    recipe = story.recipe
    found = []
    if recipe.lam is not None:
        key = "lam_held" if story.lam is not None else "lam_drawn"
        found.append(Line(key, "", recipe.lam[0].item()))
    if not recipe.layer:
        found += _patches(story)
        found.append(Line("area_a", *_area(story, 0)))
        if recipe.paired:
            found.append(Line("area_b", *_area(story, 1)))
        if isinstance(recipe.mixing, Style):
            found.append(Line("style_a", *_weight_of(story, recipe.mixing.style, 0)))
    found += _label(story)
    if not recipe.layer:
        found += _truth(story)
    return found


def _patches(story: MixedExample) -> list[Line]:
    recipe, patches = story.recipe, story.recipe.mixing
    if not isinstance(patches, Patches):
        return []
    height, width = recipe.size
    found = []
    for p, boxes in enumerate(patches.target_boxes):
        top, left, bottom, right = boxes[0].tolist()
        text = f"({bottom} − {top}) × ({right} − {left}) ÷ ({height} × {width})"
        value = (bottom - top) * (right - left) / (height * width)
        if patches.patch_alpha is not None:
            alpha = patches.patch_alpha[p, 0].item()
            text, value = f"{alpha:.4f} × {text}", alpha * value
        found.append(Line("patch" if patches.patch_alpha is None else "patch_blended", text, value))
    return found


def _area(story: MixedExample, picture: int) -> tuple[str, float]:
    """Weights of a picture's sources added over all pixels, over the number of pixels."""
    return _weight_of(story, story.recipe.partner, picture)


def _weight_of(story: MixedExample, whose: Tensor, picture: int) -> tuple[str, float]:
    """The same of all sources that are ``whose`` (K, N)."""
    height, width = story.recipe.size
    sources = (k for k, who in enumerate(whose[:, 0].tolist()) if who == picture)
    held = [story.row.weights()[k, 0].double().sum().item() for k in sources]
    return f"{_added(held)} ÷ ({height} × {width})", sum(held) / (height * width)


def _label(story: MixedExample) -> list[Line]:
    recipe, (own, other) = story.recipe, story.share
    found, rest = [], f"1 − {own:.4f}"
    if recipe.label_by in ("saliency", "visible") and recipe.saliency is not None:
        parts = [_seen(story, recipe.saliency, i) for i in (0, 1)]
        found = [Line(key, *part) for key, part in zip(("a", "b"), parts, strict=True)]
        made = _of_both(parts[0][1], parts[1][1])
        if recipe.label_by == "visible":
            made, rest = parts[0][0], parts[1][0]
    elif recipe.label_by == "attention":
        made = _attended(story)
    elif recipe.label_by == "attention_area":
        made = f"({_attended(story)} + {_area(story, 0)[0]}) ÷ 2"
    elif recipe.label_by == "style":
        made = f"{1 - recipe.by_style:g} × {story.area[0]:.4f} + {recipe.by_style:g} × {story.style[0]:.4f}"
    elif recipe.label_by == "planned":
        made = f"{own:.4f}"
    elif recipe.label_by == "area":
        made = _area(story, 0)[0]
    elif recipe.label_by == "lam":
        made = "" if recipe.lam is None else f"{recipe.lam[0]:.4f}"
    else:
        made = "1"
    found.append(Line(f"label_{recipe.label_by}", made, own))
    if recipe.paired:
        found.append(Line("label_b", rest, other))
    return found


def _attended(story: MixedExample) -> str:
    """The attention that lies on A's pixels, over all of it."""
    attention = story.row.trace.attention
    total = 0.0 if attention is None else attention.double().sum().item()
    if total == 0:
        return _area(story, 0)[0]
    parts = [story.row.attended()[k, 0].item() * total for k in _sources(story, 0)]
    return f"{_added(parts)} ÷ {_number(total)}"


def _truth(story: MixedExample) -> list[Line]:
    judge = story.maps if story.objects is None else story.objects
    parts = [_seen(story, judge, i) for i in (0, 1)]
    found = [Line(f"visible_a_{story.judge}", *parts[0])]
    if story.recipe.paired:
        found.append(Line(f"visible_b_{story.judge}", *parts[1]))
        fair = _of_both(parts[0][1], parts[1][1])
        if not story.recipe.whole:
            fair = f"{sum(story.share):.4f} × ({fair})"
        found.append(Line("fair", fair, story.fair[0]))
        low, high = sorted((story.share[0], story.fair[0]))
        found.append(Line("gap", f"{high:.6f} − {low:.6f}", story.gap))
    return found


def _seen(story: MixedExample, maps: Tensor, picture: int) -> tuple[str, float]:
    """The visible share of a picture's map."""
    total = maps[picture].double().sum().item()
    visible = story.row.truth(maps).visible[:, 0]
    parts = [visible[k].item() * total for k in _sources(story, picture)]
    if total == 0 or not parts:
        return "0", 0.0
    return f"{_added(parts)} ÷ {_number(total)}", sum(parts) / total


def _of_both(a: float, b: float) -> str:
    """A's part of a + b, half where both are 0; small numbers have more digits, so that as many of them count."""
    if a + b == 0:
        return "1 ÷ 2"
    digits = 4 + max(0, -math.floor(math.log10(a + b)))
    return f"{a:.{digits}f} ÷ ({a:.{digits}f} + {b:.{digits}f})"


def _sources(story: MixedExample, picture: int) -> list[int]:
    return [k for k, who in enumerate(story.recipe.partner[:, 0].tolist()) if who == picture]


def _added(parts: list[float]) -> str:
    if not parts:
        return "0"
    text = " + ".join(map(_number, parts))
    return f"({text})" if len(parts) > 1 else text


def _number(x: float) -> str:
    return str(round(x)) if abs(x - round(x)) < 5e-4 else f"{x:.3f}"

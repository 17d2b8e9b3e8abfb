"""Names of recipes up to version 0.1; they work with a DeprecationWarning, and are gone after 0.2."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from mixviz.core.parts import (
    Aligned,
    ByStyle,
    Label,
    LabelRule,
    Mixing,
    Operations,
    Patches,
    Style,
    Trace,
    Unmixed,
    Weights,
)

# An old keyword of the constructor, and how a recipe is asked for it.
RENAMED: dict[str, Callable[[Any], Any]] = {
    "inside": lambda recipe: recipe.patch_alpha,
    "moves": lambda recipe: recipe.cell_permutation,
    "drawn": lambda recipe: recipe.trace.lam,
    "attention": lambda recipe: recipe.trace.attention,
    "chains": lambda recipe: recipe.sequences,
    "align": lambda recipe: recipe.mixing.epsilon if isinstance(recipe.mixing, Aligned) else 0.0,
}
MIXING = {
    "weight", "moves", "align", "style", "chains", "fill",
    "target_boxes", "source_boxes", "inside", "noise", "resample",
}  # fmt: skip
TRACE = {"drawn": "lam", "saliency": "saliency", "attention": "attention"}
LABEL = {"label_by", "by_style"}
KEYWORDS = frozenset(MIXING | TRACE.keys() | LABEL)
Class = TypeVar("Class", bound=type)


def accepts_old_names(cls: Class) -> Class:
    """Let a recipe's class take and answer to its old names.

    In ``dataclasses.replace(recipe, fill=...)`` an old keyword replaces the part that it has become.
    """
    current: Callable[..., None] = cls.__init__

    @functools.wraps(current)
    def __init__(self: Any, **given: Any) -> None:
        if given.keys() & KEYWORDS:
            old = {name: given.pop(name) for name in sorted(given.keys() & KEYWORDS)}
            text = f"Recipe({', '.join(old)}) is now Recipe(mixing=..., label=..., trace=...), see mixviz.core.parts."
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            given |= _as_parts(given, old)
        current(self, **given)

    def __getattr__(self: Any, name: str) -> Any:
        if name not in RENAMED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        text = f"Recipe.{name} is now one of its parts, see mixviz.core.parts."
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return RENAMED[name](self)

    changed: Any = cls
    changed.__init__, changed.__getattr__ = __init__, __getattr__
    return cls


def _as_parts(given: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Translate old keywords into parts, on top of the given ones."""
    found: dict[str, Any] = {}
    if MIXING & old.keys():
        found["mixing"] = _mixing(_flat(given.get("mixing", Unmixed())) | {n: old[n] for n in MIXING if n in old})
    if TRACE.keys() & old.keys():
        kept = given.get("trace", Trace())
        found["trace"] = Trace(**{new: old.get(name, getattr(kept, new)) for name, new in TRACE.items()})
    if LABEL & old.keys():
        kept = given.get("label", LabelRule.AREA)
        part = old.get("by_style", kept.part if isinstance(kept, ByStyle) else 0.0)
        found["label"] = label_rule(old.get("label_by", kept.value), part)
    return found


def label_rule(name: str, by_style: float = 0.0) -> Label:
    """The rule that goes by this name."""
    return ByStyle(by_style) if name == "style" else LabelRule(name)


def _flat(mixing: Mixing) -> dict[str, Any]:
    """A kind as the twelve fields of old."""
    base = mixing.base
    flat: dict[str, Any] = dict(vars(base))
    flat["moves"] = flat.pop("cell_permutation", None)
    match mixing:
        case Aligned():
            flat["align"] = mixing.epsilon
        case Operations():
            flat["chains"] = mixing.sequences
            flat["fill"] = flat.get("fill") if mixing.fill is None else mixing.fill
        case Style():
            flat["style"] = mixing.style
        case Patches():
            own = {name: value for name, value in vars(mixing).items() if name not in ("base", "patch_alpha")}
            flat |= own | {"inside": mixing.patch_alpha}
            flat["fill"] = getattr(base, "fill", None) if mixing.fill is None else mixing.fill
    return flat


def _mixing(flat: dict[str, Any]) -> Mixing:
    """The kind that the fields of old describe."""
    weight, fill = flat.get("weight"), flat.get("fill")
    boxes, chains, style, align = (flat.get(name) for name in ("target_boxes", "chains", "style", "align"))
    alone = {"patches": boxes, "chains": chains, "styles": style}
    parts = [name for name, value in alone.items() if value is not None]
    if len(parts) > 1:
        raise ValueError(f"A recipe has {' or '.join(parts)}, not both: plan one after the other, and apply them so.")
    base = Unmixed() if weight is None else Weights(weight, fill, flat.get("moves"))
    if style is not None:
        if align or isinstance(base, Unmixed):
            raise ValueError("Styles are for weighted sources that are not aligned: give weights, and align=0.")
        return Style(style, base)
    if boxes is not None:
        source, alpha, noise = (flat.get(name) for name in ("source_boxes", "inside", "noise"))
        return Patches(boxes, source, alpha, fill, noise, bool(flat.get("resample")), base)
    if chains is not None:
        return Operations(chains, fill, base)
    return Aligned(base, align) if align and isinstance(base, Weights) else base

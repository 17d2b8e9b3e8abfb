"""Old names of recipe fields, up to version 0.1: they still work with a DeprecationWarning, and go after 0.2."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from torch import Tensor

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
from mixviz.ops.operations import OpSequence


class Parts(TypedDict, total=False):
    """Arguments that replace old keywords of a recipe."""

    mixing: Mixing
    trace: Trace
    label: Label


@dataclass(frozen=True)
class OldMixing:
    """The mixing fields of version 0.1."""

    weight: Tensor | None = None
    moves: Tensor | None = None
    align: float = 0.0
    style: Tensor | None = None
    chains: tuple[tuple[OpSequence, ...], ...] | None = None
    fill: Tensor | None = None
    target_boxes: Tensor | None = None
    source_boxes: Tensor | None = None
    inside: Tensor | None = None
    noise: Tensor | None = None
    resample: bool = False

    @classmethod
    def of(cls, mixing: Mixing) -> OldMixing:
        """Describe a kind of mixing by the old fields."""
        base = mixing.base
        old = cls(base.weight, base.cell_permutation, fill=base.fill) if isinstance(base, Weights) else cls()
        match mixing:
            case Aligned():
                return dataclasses.replace(old, align=mixing.epsilon)
            case Operations():
                fill = old.fill if mixing.fill is None else mixing.fill
                return dataclasses.replace(old, chains=mixing.sequences, fill=fill)
            case Style():
                return dataclasses.replace(old, style=mixing.style)
            case Patches():
                return dataclasses.replace(
                    old,
                    fill=old.fill if mixing.fill is None else mixing.fill,
                    target_boxes=mixing.target_boxes,
                    source_boxes=mixing.source_boxes,
                    inside=mixing.patch_alpha,
                    noise=mixing.noise,
                    resample=mixing.resample,
                )
            case Unmixed() | Weights():
                return old

    def mixing(self) -> Mixing:
        """Return the kind of mixing that the old fields describe."""
        exclusive = {"patches": self.target_boxes, "chains": self.chains, "styles": self.style}
        names = [name for name, value in exclusive.items() if value is not None]
        if len(names) > 1:
            raise ValueError(
                f"A recipe has {' or '.join(names)}, not both: plan one after the other, and apply them so."
            )
        base = Unmixed() if self.weight is None else Weights(self.weight, self.fill, self.moves)
        if self.style is not None:
            if self.align or isinstance(base, Unmixed):
                raise ValueError("Styles are for weighted sources that are not aligned: give weights, and align=0.")
            return Style(self.style, base)
        if self.target_boxes is not None:
            return Patches(
                self.target_boxes, self.source_boxes, self.inside, self.fill, self.noise, bool(self.resample), base
            )
        if self.chains is not None:
            return Operations(self.chains, self.fill, base)
        return Aligned(base, self.align) if self.align and isinstance(base, Weights) else base


# Old keywords of the constructor, and how to read each from a recipe.
RENAMED: dict[str, Callable[[Any], object]] = {
    "inside": lambda recipe: recipe.patch_alpha,
    "moves": lambda recipe: recipe.cell_permutation,
    "drawn": lambda recipe: recipe.trace.lam,
    "attention": lambda recipe: recipe.trace.attention,
    "chains": lambda recipe: recipe.sequences,
    "align": lambda recipe: recipe.mixing.epsilon if isinstance(recipe.mixing, Aligned) else 0.0,
}
MIXING = {field.name for field in dataclasses.fields(OldMixing)}
TRACE = {"drawn": "lam", "saliency": "saliency", "attention": "attention"}
LABEL = {"label_by", "by_style"}
KEYWORDS = frozenset(MIXING | TRACE.keys() | LABEL)
Class = TypeVar("Class", bound=type)


def accepts_old_names(cls: Class) -> Class:
    """Let a recipe class accept its old keywords and attributes.

    In ``dataclasses.replace(recipe, fill=...)`` an old keyword replaces the part that it belongs to now.
    """
    current: Callable[..., None] = cls.__init__

    @functools.wraps(current)
    def __init__(self: object, **given: Any) -> None:
        if given.keys() & KEYWORDS:
            old = {name: given.pop(name) for name in sorted(given.keys() & KEYWORDS)}
            text = f"Recipe({', '.join(old)}) is now Recipe(mixing=..., label=..., trace=...), see mixviz.core.parts."
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            given |= _as_parts(given, old)
        current(self, **given)

    def __getattr__(self: object, name: str) -> object:
        if name not in RENAMED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        text = f"Recipe.{name} is now one of its parts, see mixviz.core.parts."
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return RENAMED[name](self)

    changed: Any = cls
    changed.__init__, changed.__getattr__ = __init__, __getattr__
    return cls


def _as_parts(given: Mapping[str, Any], old: Mapping[str, Any]) -> Parts:
    """Translate old keywords into parts, based on the given parts."""
    parts = Parts()
    if MIXING & old.keys():
        fields = OldMixing.of(given.get("mixing", Unmixed()))
        parts["mixing"] = dataclasses.replace(fields, **{name: old[name] for name in MIXING & old.keys()}).mixing()
    if TRACE.keys() & old.keys():
        trace = given.get("trace", Trace())
        parts["trace"] = Trace(**{new: old.get(name, getattr(trace, new)) for name, new in TRACE.items()})
    if LABEL & old.keys():
        label: Label = given.get("label", LabelRule.AREA)
        part = old.get("by_style", label.part if isinstance(label, ByStyle) else 0.0)
        parts["label"] = label_rule(old.get("label_by", label.value), part)
    return parts


def label_rule(name: str, by_style: float = 0.0) -> Label:
    """Return the label rule by its name in files."""
    return ByStyle(by_style) if name == "style" else LabelRule(name)

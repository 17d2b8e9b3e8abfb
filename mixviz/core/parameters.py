"""Describe methods and detectors: their cards, and parameters with a range, choices and a sentence."""

from __future__ import annotations

import dataclasses
from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

import numpy as np

FAMILIES = (
    "none", "blend", "cut", "saliency-guided", "feature-level", "multi-image", "erase", "colour", "geometry",
    "learned policy",
)  # fmt: skip


class ParameterInfo(TypedDict):
    """Description of one parameter, see :func:`parameter`."""

    default: Any  # bool, int, float or str: the type of the field
    text: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    example: str


@dataclass(frozen=True)
class Card:
    """Identity of a method or detector, for tables, titles and citations.

    ``label`` says in a few words what the label of image A becomes. Fields that a paper lacks, or that are uncertain,
    are empty (``year`` 0). ``after`` names the methods whose idea it builds on, where its paper or its definition says
    so; a name may be missing from this catalogue (:mod:`mixviz.selection.lineage`). ``aliases`` are further names,
    English and Korean, by which people look for it.
    """

    name: str
    title: str
    paper: str = ""
    authors: str = ""
    venue: str = ""
    year: int = 0
    arxiv: str = ""
    family: str = ""
    label: str = ""
    after: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Address of the paper, or an empty string."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""

    @property
    def citation(self) -> str:
        """One line: authors, title, venue and year, arXiv number."""
        where = f"{self.venue} {self.year or ''}".strip()
        parts = (self.authors, f"“{self.paper}”" if self.paper else "", where, self.arxiv and f"arXiv:{self.arxiv}")
        return ", ".join(part for part in parts if part)


def parameter(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    example: str = "",
    check: Callable[[Any], object] | None = None,
) -> Any:
    """Return a dataclass field with all that a slider, a command-line flag, a table and a range test need.

    A string parameter without ``choices`` has an ``example`` other than its default, and a ``check`` that raises a
    ValueError for invalid values.
    """
    metadata = {"text": text, "low": low, "high": high, "choices": choices, "example": example, "check": check}
    return dataclasses.field(default=default, metadata=metadata)


def beta_alpha(default: float) -> Any:
    """Parameter: the α of λ ~ Beta(α, α)."""
    text = "Beta(α, α): below 1 mostly one image, above 1 mostly half and half"
    return parameter(default, text, low=0.05, high=8)


def tie_break() -> Any:
    """Parameter: which of several equal peaks :func:`mixviz.core.geometry.peak` selects."""
    return parameter("first", "which of several equal peaks to take", choices=("first", "last", "random"))


def box_rounding() -> Any:
    """Parameter: how :func:`mixviz.core.geometry.patch_sides` rounds a box's sides to whole pixels."""
    text = "sides of the box: to the nearest pixel, or down to an even number as in released code"
    return parameter("nearest", text, choices=("nearest", "even"))


def detector(default: str) -> Any:
    """Parameter: source of a method's saliency, a name of ``mixviz.SALIENCY`` or a :class:`mixviz.Saliency`."""
    return parameter(default, "detector that computes the saliency map")


class Parametric(ABC):
    """A frozen dataclass whose fields come from :func:`parameter` and are checked on construction."""

    card: ClassVar[Card]
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # of the subclasses, which are dataclasses

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_field(self.card.name, field, getattr(self, field.name))

    @classmethod
    def parameters(cls) -> dict[str, ParameterInfo]:
        """Name -> {default, text, low, high, choices, example} of every parameter."""
        return {
            field.name: ParameterInfo(
                default=field.default,
                text=field.metadata["text"],
                low=field.metadata["low"],
                high=field.metadata["high"],
                choices=field.metadata["choices"],
                example=field.metadata["example"],
            )
            for field in dataclasses.fields(cls)
        }

    @classmethod
    def parse(cls, name: str, text: str) -> bool | int | float | str:
        """Convert text to the type of a parameter; its range is checked on construction.

        Raises:
            ValueError: no such parameter, or no number where one is needed.
        """
        known = cls.parameters()
        if name not in known:
            raise ValueError(f"{cls.card.title} has no parameter {name}. It has: {', '.join(known) or 'none'}.")
        default = known[name]["default"]
        if isinstance(default, bool):
            return text.lower() in ("1", "true", "yes")
        try:
            return type(default)(text)
        except ValueError:
            whole = "whole " if isinstance(default, int) else ""
            raise ValueError(f"{name} should be a {whole}number; got {text!r}.") from None


def check_field(owner: str, field: dataclasses.Field[Any], value: Any) -> None:
    """Raise for a value of the wrong type, outside the field's range or not among its choices."""
    low, high, choices = (field.metadata[key] for key in ("low", "high", "choices"))
    given = f"{owner}: {field.name}={value!r}"
    if field.name == "detector" and (isinstance(value, str) or (isinstance(value, Parametric) and callable(value))):
        return  # looked up when used, because detectors may be added
    if isinstance(field.default, str):
        if choices and value not in choices:
            raise ValueError(f"{given} is not one of {', '.join(choices)}.")
        if not isinstance(value, str):
            raise TypeError(f"{given} should be a text.")
        if check := field.metadata.get("check"):
            try:
                check(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{given} cannot be used: {error}") from None
        return
    if isinstance(field.default, bool):
        if not isinstance(value, bool):
            raise TypeError(f"{given} should be True or False.")
        return
    whole = isinstance(field.default, int)
    if isinstance(value, bool) or not isinstance(value, int | np.integer if whole else int | float | np.number):
        raise TypeError(f"{given} should be {'a whole' if whole else 'a'} number.")
    if not low <= value <= high:  # also true for NaN
        raise ValueError(f"{given} is outside its range: {low} to {high} ({field.metadata['text']})")

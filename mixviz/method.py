"""The abstract bases of the two catalogues, and their described parameters.

Adding a file to ``mixviz/methods`` or ``mixviz/detectors`` adds an entry to ``mixviz.METHODS`` or
``mixviz.SALIENCY``; the page, the command line, the benchmark, the README's table and the catalogue-wide
tests find it there.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from mixviz.batch import Batch
    from mixviz.recipe import Recipe

FAMILIES = (
    "none", "blend", "cut", "saliency-guided", "feature-level", "multi-image", "erase", "colour", "geometry",
    "learned policy",
)  # fmt: skip


@dataclass(frozen=True)
class Card:
    """Who a method or detector is: what a table, a title or a citation needs.

    ``label`` says in a few words what the label of image A becomes. What a paper lacks, or nobody knows for sure, is
    empty (``year`` 0). ``after`` names the methods whose idea it builds on, where its paper or its definition says so;
    a name may be one that this catalogue does not have (:mod:`mixviz.compare.descent`).
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
    """A dataclass field that carries what a slider, a command-line flag, a table and a range test need.

    A text without ``choices`` has an ``example`` other than its default, and a ``check`` that raises a ValueError for
    what cannot be used.
    """
    about = {"text": text, "low": low, "high": high, "choices": choices, "example": example, "check": check}
    return dataclasses.field(default=default, metadata=about)


def beta_alpha(default: float) -> Any:
    """The α of λ ~ Beta(α, α)."""
    text = "Beta(α, α): below 1 mostly one image, above 1 mostly half and half"
    return parameter(default, text, low=0.05, high=8)


def tie_break() -> Any:
    """Which of several equal peaks :func:`mixviz.geometry.peak` takes."""
    return parameter("first", "which of several equal peaks to take", choices=("first", "last", "random"))


def box_rounding() -> Any:
    """How :func:`mixviz.geometry.patch_sides` makes whole pixels of a box's sides."""
    text = "sides of the box: to the nearest pixel, or down to an even number as in released code"
    return parameter("nearest", text, choices=("nearest", "even"))


def detector(default: str) -> Any:
    """Where a method's saliency comes from: a name of ``mixviz.SALIENCY``, or a :class:`Saliency`."""
    return parameter(default, "where saliency comes from")


class Parametric(ABC):
    """A frozen dataclass whose fields were made by :func:`parameter`, checked when it is made."""

    card: ClassVar[Card]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_field(self.card.name, field, getattr(self, field.name))

    @classmethod
    def parameters(cls) -> dict[str, dict[str, Any]]:
        """Name -> {default, text, low, high, choices, example} of every parameter."""
        return {
            f.name: {"default": f.default} | {key: told for key, told in f.metadata.items() if key != "check"}
            for f in dataclasses.fields(cls)
        }

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """A parameter's value from text, in the type of its field; its range is checked when it is used.

        Raises:
            ValueError: no such parameter, or no number where one is needed.
        """
        known = cls.parameters()
        if name not in known:
            raise ValueError(f"{cls.card.title} has no parameter {name}. It has: {', '.join(known) or 'none'}.")
        kind = type(known[name]["default"])
        if kind is bool:
            return text.lower() in ("1", "true", "yes")
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"{name} should be a {'whole ' if kind is int else ''}number; got {text!r}.") from None


def check_field(owner: str, field: dataclasses.Field, value: Any) -> None:
    """Refuse a value that is out of its field's range, of another type, or none of its choices."""
    low, high, choices = (field.metadata[key] for key in ("low", "high", "choices"))
    what = f"{owner}: {field.name}={value!r}"
    if field.name == "detector" and isinstance(value, str | Saliency):
        return  # looked up when it is used: detectors may be added
    if isinstance(field.default, str):
        if choices and value not in choices:
            raise ValueError(f"{what} is not one of {', '.join(choices)}.")
        if not isinstance(value, str):
            raise TypeError(f"{what} should be a text.")
        if check := field.metadata.get("check"):
            try:
                check(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{what} cannot be used: {error}") from None
        return
    if isinstance(field.default, bool):
        if not isinstance(value, bool):
            raise TypeError(f"{what} should be True or False.")
        return
    whole = isinstance(field.default, int)
    if isinstance(value, bool) or not isinstance(value, int | np.integer if whole else int | float | np.number):
        raise TypeError(f"{what} should be {'a whole' if whole else 'a'} number.")
    if not low <= value <= high:  # nor is NaN
        raise ValueError(f"{what} is outside its range: {low} to {high} ({field.metadata['text']})")


class Draw(NamedTuple):
    """What every plan starts from.

    ``lam`` (N,) is the λ to use, drawn or held, and None for a method that draws none; ``held`` is λ where the caller
    holds it, for methods that have another use for it; ``partner`` (N,) says whose pixels each image gets, and
    ``partner_held`` that the caller wants just those.
    """

    rng: np.random.Generator
    lam: np.ndarray | None
    partner: np.ndarray
    held: np.ndarray | None = None
    partner_held: bool = False


class Method(Parametric):
    """A mixed-sample augmentation: it plans who is mixed, where and how much, and never touches a pixel.

    ``together``: something that decides how all images of a batch are mixed is drawn once for it.
    """

    together: ClassVar[bool] = False

    def plan(
        self,
        batch: Batch,
        rng: np.random.Generator,
        *,
        lam: float | np.ndarray | None = None,
        partner: np.ndarray | Tensor | None = None,
    ) -> Recipe:
        """Draw a :class:`~mixviz.Recipe` for the batch.

        Args:
            batch: the images and labels, not yet normalised.
            rng: the only source of randomness; the same state gives the same recipe on every device.
            lam: hold λ (image A's share, one number or (N,), 0 to 1) instead of drawing it. Everything else is
                drawn as before, so that a dragged λ moves nothing but itself.
            partner: hold the partners (N,) instead of drawing a permutation.

        Raises:
            TypeError: ``rng`` is not a ``numpy.random.Generator``.
            ValueError: a held λ or partner is out of range, float images lie outside [0, 1] (and the batch does not
                say ``any_range``), or the method misses something that it needs.
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng should be a numpy.random.Generator, e.g. np.random.default_rng(0); got {rng!r}.")
        batch.check_range()
        n = len(batch)
        drawn, permutation, held = self.draw(rng, n), rng.permutation(n), None
        if lam is not None:
            held = np.asarray(lam, dtype=np.float64)
            if held.shape not in ((), (n,)) or not ((held >= 0) & (held <= 1)).all():
                raise ValueError(f"λ should be one number or {n}, between 0 and 1 (image A's share); got {lam!r}.")
            held = np.broadcast_to(held, (n,))
        if partner is not None:
            permutation = np.asarray(partner)
            fits = permutation.shape == (n,) and permutation.dtype.kind in "iu"
            if not fits or permutation.min() < 0 or permutation.max() >= n:
                raise ValueError(f"partner should hold {n} indices between 0 and {n - 1}; got {partner!r}.")
            permutation = permutation.astype(np.int64)
        use = drawn if drawn is None or held is None else held
        return self.build(batch, Draw(rng, use, permutation, held, partner is not None))

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray | None:
        """λ of every image (n,), float64: image A's share before rounding and clipping; None where there is none."""

    @abstractmethod
    def build(self, batch: Batch, draw: Draw) -> Recipe:
        """The recipe for one draw. All further randomness comes from ``draw.rng``."""


class Saliency(Parametric):
    """A saliency detector: how much every pixel matters.

    ``needs_network``: it asks the batch's network; ``needs_tokens``: which has to be a vision transformer.
    """

    needs_network: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Tensor:
        """Maps (N, H, W), float32 in [0, 1], of a :class:`~mixviz.Batch`.

        Raises:
            ValueError: no network where one is needed, or float images outside [0, 1].
        """
        if self.needs_network and batch.network is None:
            raise ValueError(
                f"The {self.card.name} detector asks a network where it looks, and this batch has none: pass "
                "Batch(images, labels, network=model), give the maps (saliency=...), or choose another detector, "
                'e.g. detector="fine_grained" (on the command line: --detector fine_grained).'
            )
        with torch.no_grad():
            return self.maps(batch)

    @abstractmethod
    def maps(self, batch: Batch) -> Tensor:
        """Maps (N, H, W), float32 in [0, 1]."""

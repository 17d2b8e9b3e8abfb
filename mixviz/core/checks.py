"""Checks of what a measurement is given: every message names the argument, what was expected and what was given."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Sequence
from types import EllipsisType

import torch
from torch import Tensor

FINITE = sys.float_info.max  # as the end of a range: any number but an infinity
Shape = Sequence[int | str | EllipsisType]

KINDS: dict[str, Callable[[torch.dtype], bool]] = {
    "float": lambda dtype: dtype.is_floating_point,
    "integer": lambda dtype: not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool),
    "uint8": lambda dtype: dtype == torch.uint8,
    "bool": lambda dtype: dtype == torch.bool,
    "real": lambda dtype: not dtype.is_complex,
}


def tensor(
    name: str, value: Tensor, kind: str, shape: Shape, low: float = -math.inf, high: float = math.inf,
    *, values: bool = True, hint: str = "",
) -> None:  # fmt: skip
    """Refuse what is no tensor of this kind, shape and range; a NaN is in no range.

    The values are read back once, which waits for an accelerator.

    Args:
        name: the argument's name.
        value: what was given.
        kind: of :data:`KINDS`.
        shape: per axis a size, or a letter for any size of at least 1; ``...`` in front for any further axes.
        low, high: the ends of the range, both allowed.
        values: read the values; False: look at type and shape alone.
        hint: what to do about it.

    Raises:
        TypeError: no tensor, or one of another kind.
        ValueError: another shape, or values outside the range.
    """

    def told(given: str) -> str:
        bounds = (
            f" in [{low:.4g}, {high:.4g}]" if math.isfinite(high) else f" of at least {low:.4g}" * math.isfinite(low)
        )
        bounds = " of finite numbers" if high == FINITE else bounds
        form = ", ".join("..." if size is ... else str(size) for size in shape) + "," * (len(shape) == 1)
        article, more = "an" if kind == "integer" else "a", f" {hint}" if hint else ""
        return f"{name} should be {article} {kind} tensor ({form}){bounds}; got {given}.{more}"

    if not isinstance(value, Tensor):
        raise TypeError(told(type(value).__name__))
    given = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if not KINDS[kind](value.dtype):
        raise TypeError(told(given))
    last = [size for size in shape if size is not ...]
    have = value.shape[value.ndim - len(last) :] if len(last) < len(shape) else value.shape
    fits = len(have) == len(last) and value.numel() > 0
    if not fits or any(isinstance(size, int) and size != there for size, there in zip(last, have, strict=True)):
        raise ValueError(told(given))
    if values and (kind in ("float", "real") or not (math.isinf(low) and math.isinf(high))):
        least, most = torch.stack(torch.aminmax(value.detach())).tolist()
        if not (least >= low and most <= high):
            raise ValueError(told(given + (" with NaN" if least != least else f" from {least:.4g} to {most:.4g}")))


def labels(name: str, value: Tensor, count: int | str, classes: int | None = None) -> None:
    """Refuse what are not class indices (count,), below the number of ``classes`` where it is known."""
    tensor(name, value, "integer", (count,), 0, math.inf if classes is None else classes - 1)


def boxes(name: str, value: Tensor, shape: Shape = ("M", 4)) -> None:
    """Refuse what are not boxes whose corners are finite and in the order top, left, bottom, right; a box may
    be empty."""
    tensor(name, value, "real", shape, -FINITE, FINITE)
    value = value.reshape(-1, 4)
    swapped = (value[:, :2] > value[:, 2:]).any(1)
    if swapped.any():
        index = int(swapped.int().argmax())
        raise ValueError(
            f"{name} should be (top, left, bottom, right) with top <= bottom and left <= right; box {index} is "
            f"{tuple(value[index].tolist())}."
        )


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf, *, whole: bool = False) -> None:
    """Refuse what is no number in a range, both ends allowed.

    Raises:
        TypeError: no number, or no whole one.
        ValueError: outside the range, or NaN.
    """
    ends = (
        f", {low:.4g} to {high:.4g}" if math.isfinite(high) else f", at least {low:.4g}" if math.isfinite(low) else ""
    )
    said = f"{name} should be a {'whole ' if whole else ''}number{ends}; got {value!r}."
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        raise TypeError(said)
    if not low <= value <= high:
        raise ValueError(said)


def size(name: str, value: Sequence[int]) -> None:
    """Refuse what is no (height, width) in whole pixels."""
    if not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name} should be (height, width) in pixels; got {value!r}.")
    for side in value:
        number(name, side, 1, whole=True)


def colour(name: str, value: Sequence[float]) -> None:
    """Refuse what is no colour, a number per channel."""
    if not isinstance(value, Sequence) or len(value) != 3:
        raise ValueError(f"{name} should be three numbers, one per channel; got {value!r}.")
    for part in value:
        number(name, part)


def all_numbers(name: str, values: Sequence[float], low: float = -FINITE, high: float = FINITE) -> None:
    """Refuse a list without a number, or with one outside the range."""
    if not len(values):
        raise ValueError(f"{name} should be one number or more; got none.")
    for value in values:
        number(name, value, low, high)

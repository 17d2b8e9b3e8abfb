"""Check arguments of measurements; every message names the argument, the expected value and the given one."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Callable, Mapping, Sequence
from types import EllipsisType
from typing import Any, TypeGuard

import torch
from torch import Tensor

from mixviz.core.tensors import as_list

FINITE = sys.float_info.max  # as the bound of a range: allows every number but infinity
Shape = Sequence[int | str | EllipsisType]

KINDS: dict[str, Callable[[torch.dtype], bool]] = {
    "float": lambda dtype: dtype.is_floating_point,
    "integer": lambda dtype: not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool),
    "uint8": lambda dtype: dtype == torch.uint8,
    "bool": lambda dtype: dtype == torch.bool,
    "real": lambda dtype: not dtype.is_complex,
}


def tensor(
    name: str, value: object, kind: str, shape: Shape, low: float = -math.inf, high: float = math.inf,
    *, values: bool = True, empty: bool = False, hint: str = "",
) -> None:  # fmt: skip
    """Raise unless ``value`` is a tensor of this kind, shape and range; NaN is in no range.

    The values are read back once, which waits for an accelerator.

    Args:
        name: the argument's name.
        value: the argument.
        kind: of :data:`KINDS`.
        shape: per axis a size, or a letter for any size of at least 1; ``...`` in front for any further axes.
        low, high: the bounds of the range, inclusive.
        values: check the values too; False: check type and shape only.
        empty: allow no rows.
        hint: added to the message: what to do about it.

    Raises:
        TypeError: no tensor, or one of another kind.
        ValueError: another shape, or values outside the range.
    """

    def message(given: str) -> str:
        bounds = (
            f" in [{low:.4g}, {high:.4g}]" if math.isfinite(high) else f" of at least {low:.4g}" * math.isfinite(low)
        )
        bounds = " of finite numbers" if high == FINITE else bounds
        form = ", ".join("..." if size is ... else str(size) for size in shape) + "," * (len(shape) == 1)
        article, more = "an" if kind == "integer" else "a", f" {hint}" if hint else ""
        return f"{name} should be {article} {kind} tensor ({form}){bounds}; got {given}.{more}"

    if not isinstance(value, Tensor):
        raise TypeError(message(type(value).__name__))
    given = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if not KINDS[kind](value.dtype):
        raise TypeError(message(given))
    expected = [size for size in shape if size is not ...]
    actual = value.shape[value.ndim - len(expected) :] if len(expected) < len(shape) else value.shape
    fits = len(actual) == len(expected) and (value.numel() > 0 or (empty and not value.shape[0]))
    if not fits or any(isinstance(size, int) and size != side for size, side in zip(expected, actual, strict=True)):
        raise ValueError(message(given))
    if values and value.numel() and (kind in ("float", "real") or not (math.isinf(low) and math.isinf(high))):
        least, most = as_list(torch.stack(torch.aminmax(value.detach())))
        if not (least >= low and most <= high):
            raise ValueError(message(given + (" with NaN" if least != least else f" from {least:.4g} to {most:.4g}")))


def labels(name: str, value: Tensor, count: int | str, classes: int | None = None) -> None:
    """Raise unless ``value`` holds class indices (count,), below the number of ``classes`` if it is known."""
    tensor(name, value, "integer", (count,), 0, math.inf if classes is None else classes - 1)


def boxes(name: str, value: Tensor, shape: Shape = ("M", 4)) -> None:
    """Raise unless ``value`` holds boxes (top, left, bottom, right) with finite, ordered edges; a box may be empty."""
    tensor(name, value, "real", shape, -FINITE, FINITE)
    value = value.reshape(-1, 4)
    swapped = (value[:, :2] > value[:, 2:]).any(1)
    if swapped.any():
        index = int(swapped.int().argmax())
        raise ValueError(
            f"{name} should be (top, left, bottom, right) with top <= bottom and left <= right; box {index} is "
            f"{tuple(as_list(value[index]))}."
        )


def number(name: str, value: float, low: float = -math.inf, high: float = math.inf, *, whole: bool = False) -> None:
    """Raise unless ``value`` is a number in a range, bounds included.

    Raises:
        TypeError: no number, or no whole number.
        ValueError: outside the range, or NaN.
    """
    ends = (
        f", {low:.4g} to {high:.4g}" if math.isfinite(high) else f", at least {low:.4g}" if math.isfinite(low) else ""
    )
    message = f"{name} should be a {'whole ' if whole else ''}number{ends}; got {value!r}."
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
        raise TypeError(message)
    if not low <= value <= high:
        raise ValueError(message)


def size(name: str, value: object) -> None:
    """Raise unless ``value`` is (height, width) in whole pixels."""
    if not is_sequence(value) or len(value) != 2:
        raise TypeError(f"{name} should be (height, width) in pixels; got {value!r}.")
    for side in value:
        number(name, side, 1, whole=True)


def colour(name: str, value: object) -> None:
    """Raise unless ``value`` is a colour: one number per channel."""
    if not is_sequence(value) or len(value) != 3:
        raise ValueError(f"{name} should be three numbers, one per channel; got {value!r}.")
    for part in value:
        number(name, part)


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether a value is a sequence."""
    return isinstance(value, Sequence)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Whether a value is a mapping."""
    return isinstance(value, Mapping)


def all_numbers(name: str, values: Sequence[float], low: float = -FINITE, high: float = FINITE) -> None:
    """Raise for an empty list, or for a number outside the range."""
    if not len(values):
        raise ValueError(f"{name} should be one number or more; got none.")
    for value in values:
        number(name, value, low, high)

"""What a parameter may be in a search: numbers of a range, some of several values, or one value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from mixviz.core.parameters import ParameterInfo

WIDE = 30  # a range is drawn evenly by its logarithm if its end is so many times its start
REACH = 4  # counts whose range is a mere limit are searched up to so many times their default
DIGITS = 3  # of numbers that are drawn
FIXED = ("rounding",)  # moves the edge of a patch by a pixel


class Suggests(Protocol):
    """What draws the values of a policy by name: a trial of Optuna, or :class:`Drawn`."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number of [low, high]."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Draw a whole number of [low, high]."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of several values."""
        ...


@dataclass(frozen=True)
class Drawn:
    """Draw the values of a policy with a generator, instead of a trial."""

    rng: np.random.Generator

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a number of [low, high], evenly or evenly by its logarithm."""
        if log:
            return min(max(math.exp(self.rng.uniform(math.log(low), math.log(high))), low), high)
        return float(self.rng.uniform(low, high))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Draw a whole number of [low, high], evenly or evenly by its logarithm."""
        if log:
            return min(max(round(self.suggest_float(name, low - 0.5, high + 0.5, log=True)), low), high)
        return int(self.rng.integers(low, high + 1))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of several values, each as likely."""
        return choices[int(self.rng.integers(len(choices)))]


@dataclass(frozen=True)
class Numbers:
    """Numbers from ``low`` to ``high``, bounds included."""

    low: float
    high: float
    whole: bool = False

    @property
    def log(self) -> bool:
        """Whether they are drawn evenly by their logarithm."""
        return self.low > 0 and self.high / self.low >= WIDE

    def suggest(self, trial: Suggests, name: str) -> float:
        """Draw one of them."""
        if self.low == self.high:
            return int(self.low) if self.whole else self.low
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        drawn = float(f"{trial.suggest_float(name, self.low, self.high, log=self.log):.{DIGITS}g}")
        return min(max(drawn, self.low), self.high)  # rounding may leave the range

    def to_json(self) -> list[float]:
        """Return it as a space file has it."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Values:
    """Some values, such as the ways of a method, or a single one."""

    values: tuple[Any, ...]

    def suggest(self, trial: Suggests, name: str) -> Any:
        """Draw one of them."""
        return self.values[0] if len(self.values) == 1 else trial.suggest_categorical(name, self.values)

    def to_json(self) -> list[Any]:
        """Return it as a space file has it."""
        return list(self.values)


Range = Numbers | Values


def whole_range(name: str, about: ParameterInfo) -> Range:
    """Return all that a parameter may be in a search.

    Counts whose limit only keeps mistakes out, and the depth of methods that mix inside a network, which has fewer
    stages than their limit, are searched up to :data:`REACH` times their default, and to their default. Texts without
    choices stay as they are, and so does what is in :data:`FIXED`.
    """
    default, low, high = about["default"], about["low"], about["high"]
    if name in FIXED:
        return Values((default,))
    if isinstance(default, bool):
        return Values((False, True))
    if isinstance(default, str):
        return Values(about["choices"] or (default,))
    assert low is not None
    assert high is not None
    whole = isinstance(default, int)
    if name == "stages":
        high = default
    elif whole and high > WIDE * max(default, 1):
        high = REACH * max(default, 1)
    return Numbers(low, high, whole)


def narrowed(place: str, about: ParameterInfo, given: Any) -> Range:
    """Read a narrower range of a parameter: ``[low, high]`` or a number, some values or one.

    Raises:
        ValueError: not such a range, or one outside the parameter's own.
    """
    default, low, high = about["default"], about["low"], about["high"]
    values = cast(list[Any], given) if isinstance(given, list) else [given]
    if isinstance(default, bool | str):
        known = (False, True) if isinstance(default, bool) else about["choices"]
        if not values or any(type(value) is not type(default) or (known and value not in known) for value in values):
            expected = ", ".join(map(str, known)) or "texts"
            raise ValueError(f"{place} should be some of: {expected}; got {given!r}.")
        return Values(tuple(dict.fromkeys(values)))
    return numbers(place, given, low or 0.0, math.inf if high is None else high, whole=isinstance(default, int))


def numbers(place: str, given: Any, low: float, high: float, *, whole: bool = False) -> Numbers:
    """Read ``[low, high]``, or a number, within limits.

    Raises:
        ValueError: not such a range.
    """
    values = cast(list[Any], given) if isinstance(given, list) else [given, given]
    kinds = int if whole else (int, float)
    fits = len(values) == 2 and all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)
    if not fits or not low <= values[0] <= values[1] <= high:
        what = "whole numbers" if whole else "numbers"
        raise ValueError(f"{place} should be two {what} [low, high] within {low:g} to {high:g}; got {given!r}.")
    return Numbers(values[0], values[1], whole)

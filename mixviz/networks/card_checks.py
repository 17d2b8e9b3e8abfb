"""Checks of the fields of a model card: each returns the value, or says in one line what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mixviz.render import fonts

MOST_CLASSES, LONGEST = 25_000, 80  # class names, and characters of a name


def shorten(value: object) -> str:
    """Return an unchecked value for a message: short, on one line."""
    return fonts.clean(repr(value)[:60])


def part(card: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return an object of the card."""
    value = card.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"The card lacks {name!r}: hand in the card.json that `mixviz train` wrote.")
    return value


def word(values: Mapping[str, object], name: str, pattern: str) -> str:
    """Return a text that matches a pattern as a whole."""
    value = values.get(name)
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        expected = pattern.replace("|", ", ") if "|" in pattern else "a name of letters and digits"
        expected += " that ends in .safetensors" if pattern.endswith("safetensors") else ""
        raise ValueError(f"The card's {name} should be {expected}; it is {shorten(value)}.")
    return value


def number(values: Mapping[str, object], name: str, low: float, high: float) -> float:
    """Return a number between two limits, both included."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"The card's {name} should be a number from {low:g} to {high:g}; it is {shorten(value)}.")
    return value


def whole_number(values: Mapping[str, object], name: str, low: int, high: int) -> int:
    """Return a whole number between two limits, both included."""
    value = number(values, name, low, high)
    if not isinstance(value, int):
        raise ValueError(f"The card's {name} should be a whole number; it is {value}.")
    return value


def three_numbers(values: Mapping[str, object], name: str, low: float) -> tuple[float, ...]:
    """Return a number for each color channel, from a lowest one to 10."""
    value = values.get(name)
    numbers = [v for v in value if _is_number(v) and low <= v <= 10] if isinstance(value, list) else []
    if not isinstance(value, list) or not len(value) == len(numbers) == 3:
        raise ValueError(f"The card's {name} should be three numbers from {low:g} to 10; it is {shorten(value)}.")
    return tuple(map(float, numbers))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def names(values: Mapping[str, object], name: str) -> tuple[str, ...]:
    """Return a list of names; empty where there is none."""
    value = values.get(name)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def class_names(names: object) -> list[str]:
    """Return class names, each on one line; repeated ones get their index, so that each can be asked for."""
    if not isinstance(names, list) or not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"The card's classes should be a list of 2 to {MOST_CLASSES} names; it is {shorten(names)}.")
    unique: dict[str, str] = {}
    for index, name in enumerate(names):
        plain = fonts.clean(name)[:LONGEST].strip() if isinstance(name, str) else ""
        if not plain:
            raise ValueError(f"The card's class {index} should be a name; it is {shorten(name)}.")
        numbered = plain if plain.casefold() not in unique else f"{plain} ({index})"
        unique[numbered.casefold()] = numbered
    if len(unique) < len(names):
        raise ValueError("The card's classes should have names of their own.")
    return list(unique.values())

"""The card of a network that somebody hands in: every field is checked, and no other is taken over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mixviz.methods import METHODS
from mixviz.networks import architectures, model_card
from mixviz.render import fonts

LARGEST = 2**20  # bytes
SIDES, WIDTHS = (16, 512), (0.01, 8)  # sides of pictures that a stranger's network takes
MOST_CLASSES, LONGEST = 25_000, 80  # names, and characters of one


class Checked(NamedTuple):
    """What is taken from a card: ``title`` for people, perhaps empty; ``network`` with name, stem, width, image_size,
    mean, std and perhaps layer; ``classes``; ``sha256`` and ``file`` name of the weights, where it says so. ``whole``
    is the card as it was, unchecked."""

    title: str
    network: dict[str, Any]
    classes: list[str]
    sha256: str | None
    file: str | None
    whole: dict[str, Any]


def read(path: str | Path, sides: tuple[int, int] = SIDES) -> Checked:
    """A card that somebody hands in.

    Args:
        path: of the JSON.
        sides: the least and the most pixels that its network's pictures may have along a side.

    Raises:
        ValueError: what is wrong with it, in one line.
    """
    about = _object(Path(path))
    given = _part(about, "network")
    classes = _classes(_part(about, "data").get("classes"))
    spec = {
        "name": _word(given, "name", r"[\w.]{1,80}"),
        "stem": _word(given, "stem", "|".join(stem for stem in architectures.STEMS if stem != "auto")),
        "width": _number(given, "width", *WIDTHS),
        "image_size": _number(given, "image_size", *sides),
        "mean": _three(given, "mean", -10),
        "std": _three(given, "std", 1e-3),
    }
    if not isinstance(spec["image_size"], int):
        raise ValueError(f"The card's image_size should be a whole number; it is {spec['image_size']}.")
    if given.get("layer"):
        spec["layer"] = _word(given, "layer", r"[\w.]{1,200}")
    stored = about.get("weights") or {}
    if not isinstance(stored, dict):
        raise ValueError(f"The card's weights should have a file and its sha256; it is {told(stored)}.")
    file = _word(stored, "file", r"\w[\w.-]{0,200}\.safetensors") if "file" in stored else None
    return Checked(_title(about), spec, classes, stored.get("sha256"), file, about)


def _title(about: Mapping[str, Any]) -> str:
    """The training strategy, where the card is one of a run; else its title, cleaned."""
    if model_card.names_a_method(about):
        known = METHODS[about["method"]]
        return fonts.clean(model_card.strategy({**about, "title": known.card.title}))[:LONGEST]
    title = about.get("title")
    return fonts.clean(title)[:LONGEST].strip() if isinstance(title, str) else ""


def _object(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 2**20} MB")
        about = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"The card cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The card is no JSON as `mixviz train` writes it ({str(error)[:120]}).") from None
    if not isinstance(about, dict):
        raise ValueError("The card should be a JSON object with network and data, as `mixviz train` writes it.")
    return about


def _part(about: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = about.get(name)
    if not isinstance(part, dict):
        raise ValueError(f"The card lacks {name!r}: hand in the card.json that `mixviz train` wrote.")
    return part


def told(value: Any) -> str:
    """A value of a stranger, short and on one line."""
    return fonts.clean(repr(value)[:60])


def _word(part: Mapping[str, Any], name: str, pattern: str) -> str:
    value = part.get(name)
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        expected = pattern.replace("|", ", ") if "|" in pattern else "a name of letters and digits"
        expected += " that ends in .safetensors" if pattern.endswith("safetensors") else ""
        raise ValueError(f"The card's {name} should be {expected}; it is {told(value)}.")
    return value


def _number(part: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = part.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"The card's {name} should be a number from {low:g} to {high:g}; it is {told(value)}.")
    return value


def _three(part: Mapping[str, Any], name: str, low: float) -> list[float]:
    values = part.get(name)
    fine = isinstance(values, list) and len(values) == 3
    fine = fine and all(isinstance(v, (int, float)) and not isinstance(v, bool) and low <= v <= 10 for v in values)
    if not fine:
        raise ValueError(f"The card's {name} should be three numbers from {low:g} to 10; it is {told(values)}.")
    return list(map(float, values))


def _classes(names: Any) -> list[str]:
    """Names on one line; of several alike the later ones are numbered, so that each can be asked for."""
    if not isinstance(names, list) or not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError(f"The card's classes should be a list of 2 to {MOST_CLASSES} names; it is {told(names)}.")
    found: dict[str, str] = {}
    for index, name in enumerate(names):
        plain = fonts.clean(name)[:LONGEST].strip() if isinstance(name, str) else ""
        if not plain:
            raise ValueError(f"The card's class {index} should be a name; it is {told(name)}.")
        own = plain if plain.casefold() not in found else f"{plain} ({index})"
        found[own.casefold()] = own
    if len(found) < len(names):
        raise ValueError("The card's classes should have names of their own.")
    return list(found.values())

"""Texts for people, in the languages of ``assets``: on the page, by the API and in exports.

``texts.json`` goes to every visitor's browser as the page opens. ``catalogue.json`` holds what is said of a method or
detector when somebody asks; its English is in the code.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from mixviz.resources import assets


@functools.cache
def texts() -> dict[str, dict[str, str]]:
    """Language -> key -> text; places for values are written {name}."""
    return _read("texts.json")


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """Language -> NAME (a method's explanation after its summary), NAME.PARAMETER, NAME.PARAMETER.CHOICE or
    operation.NAME -> text."""
    return _read("catalogue.json")


def _read(name: str) -> dict[str, dict[str, str]]:
    return json.loads((assets() / name).read_text(encoding="utf-8"))


def say(key: str, language: str = "en", **values: object) -> str:
    """The text of a key with its values; English where the language lacks it."""
    known = texts()
    text = known.get(language, {}).get(key) or known["en"][key]
    return re.sub(r"\{(\w+)\}", lambda place: str(values.get(place[1], place[0])), text)


def in_language(key: str, language: str, english: str) -> str:
    """Translate an English text of the code; English where the language lacks it."""
    return next(filter(None, (known.get(language, {}).get(key) for known in (texts(), catalogue()))), english)


class UserError(ValueError):
    """Something that a person can set right: a text's key and its values, in English where it is printed."""

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(say(key, **values))
        self.key, self.values = key, values

    def told(self, language: str) -> str:
        """Return the message in a language."""
        return say(self.key, language, **self.values)

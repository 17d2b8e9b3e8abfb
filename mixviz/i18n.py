"""User-facing texts in the languages of ``assets``, for the page, the API and exports.

``texts.json`` is sent to every visitor's browser when the page opens. ``catalogue.json`` holds explanations of methods
and detectors, loaded on request; their English is in the code.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping

from mixviz.resources import assets


@functools.cache
def texts() -> dict[str, dict[str, str]]:
    """Language -> key -> text; placeholders for values are written {name}."""
    return _read("texts.json")


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """Language -> NAME (a method's explanation after its summary), NAME.PARAMETER, NAME.PARAMETER.CHOICE or
    operation.NAME -> text."""
    return _read("catalogue.json")


def _read(name: str) -> dict[str, dict[str, str]]:
    return json.loads((assets() / name).read_text(encoding="utf-8"))


def say(key: str, language: str = "en", **values: object) -> str:
    """The text of a key, filled with values; English if the language lacks it."""
    return _fill(_text(key, language), values)


def _text(key: str, language: str) -> str:
    return texts().get(language, {}).get(key) or texts()["en"][key]


def _fill(text: str, values: Mapping[str, object]) -> str:
    """Fill the placeholders {name} of a text; those without a value stay."""
    return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), text)


def in_language(key: str, language: str, english: str) -> str:
    """Translate an English text of the code; return it unchanged if the language lacks it."""
    return texts().get(language, {}).get(key) or catalogue().get(language, {}).get(key) or english


class UserError(ValueError):
    """An error that the user can correct: the key of a text and its values; ``str`` gives it in English."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(_fill(_text(key, "en"), values))
        self.key, self.values = key, values

    def told(self, language: str) -> str:
        """Return the message in a language."""
        return _fill(_text(self.key, language), self.values)

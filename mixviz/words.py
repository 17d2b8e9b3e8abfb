"""What is said to people, in the languages of ``assets/texts.json``: on the page, by the API and in exports."""

from __future__ import annotations

import functools
import json
import re


@functools.cache
def texts() -> dict[str, dict[str, str]]:
    """Language -> key -> text; places for values are written {name}."""
    from mixviz.pictures import assets

    return json.loads((assets() / "texts.json").read_text(encoding="utf-8"))


def say(key: str, language: str = "en", **values: object) -> str:
    """The text of a key with its values; English where the language lacks it."""
    known = texts()
    text = known.get(language, {}).get(key) or known["en"][key]
    return re.sub(r"\{(\w+)\}", lambda place: str(values.get(place[1], place[0])), text)


class Mistake(ValueError):
    """Something that a person can set right: a text's key and its values, in English where it is printed."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(say(key, **values))
        self.key, self.values = key, values

    def told(self, language: str) -> str:
        """What is wrong, in a language."""
        return say(self.key, language, **self.values)

"""What is said about a mixture, in the languages of ``assets/texts.json``: for the page, the API and exports."""

from __future__ import annotations

import functools
import json
import re

from mixviz import pictures


@functools.cache
def texts() -> dict[str, dict[str, str]]:
    """Language -> key -> text; places for values are written {name}."""
    return json.loads((pictures.assets() / "texts.json").read_text(encoding="utf-8"))


def say(key: str, language: str = "en", **values: object) -> str:
    """The text of a key with its values; English where the language lacks it."""
    known = texts()
    text = known.get(language, {}).get(key) or known["en"][key]
    return re.sub(r"\{(\w+)\}", lambda place: str(values.get(place[1], place[0])), text)

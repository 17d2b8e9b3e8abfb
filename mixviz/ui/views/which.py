"""View that helps to choose a method: measured rows as they get ready, and sentences from the docstrings."""

from __future__ import annotations

import functools
import inspect
import re
import time
from typing import Any

from mixviz import i18n
from mixviz.core.method import Method
from mixviz.data import pictures
from mixviz.explain import serialize
from mixviz.methods import METHODS
from mixviz.selection import candidates, scores
from mixviz.ui.registry import View
from mixviz.ui.services.presenters import title
from mixviz.ui.state import Request

PATIENCE = 0.3  # seconds after which the rows so far are sent; the rest is left for the next request
LATER = 3  # times as long after the first, since the page draws every row anew
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z가-힣“‘])")


def which(request: Request) -> dict[str, Any]:
    """Return rows of the methods that are ready; ``pending`` names the methods left to measure."""
    paths = _paths(request)
    chosen, left = scores.gather(paths), [name for name in request.only or METHODS if name in METHODS]
    left.sort(key=lambda name: serialize.needs_of(METHODS[name]) == "network")  # they take longest
    rows, until = [], time.monotonic() + PATIENCE * (LATER if request.only else 1)
    while left and (not rows or time.monotonic() < until):
        method = METHODS[left.pop(0)]()
        card = type(method).card
        told = {"citation": card.citation, "url": card.url, "label": card.label, "year": card.year}
        names = {"title": title(card.name, request.language), "says": says(card.name, request.language)}
        rows.append({**_row(method, chosen), **told, **names})
    own = len(chosen) - len(pictures.photographs())
    return {
        "key": "|".join(paths),
        "rows": rows,
        "pending": left,
        "all": {name: cls.card.family for name, cls in METHODS.items()},
        "pictures": {
            "count": len(chosen), "masked": chosen.masked, "own": own, "could": len(_own(request)),
            "covers": chosen.reference_masks.mean().item(),
        },
        "made": {
            "draws": scores.DRAWS, "batch": scores.BATCH, "side": scores.SIDE, "off": scores.OFF,
            "gone": scores.GONE,
        },
        "settings": candidates.settings(),
    }  # fmt: skip


@functools.lru_cache(maxsize=512)
def _row(method: Method, chosen: scores.Pictures) -> dict[str, Any]:
    return candidates.candidate(method, chosen)


def _own(request: Request) -> tuple[str, ...]:
    """Return the paths of A and B that are the visitor's own."""
    return tuple(path for path in dict.fromkeys((request.a, request.b)) if not pictures.photograph_of(path))


def _paths(request: Request) -> tuple[str, ...]:
    own = _own(request) if request.joined else ()
    return (*map(pictures.photograph_path, pictures.photographs()), *own)


def says(name: str, language: str) -> list[str]:
    """Return a method's explanation after its summary, without formulas, sentence by sentence."""
    own = inspect.cleandoc(METHODS[name].__doc__ or "").replace("``", "`").partition("\n\n")[2]
    text = i18n.catalogue().get(language, {}).get(name) or own
    prose = [" ".join(part.split()) for part in text.split("\n\n") if "$$" not in part]
    sentences = [one for part in prose for one in SENTENCE.split(part) if "$" not in one and ":func:" not in one]
    return [one.replace("`", "") for one in sentences]


VIEW = View("which", 10, which, "choose", controls=(), example="limits=visible:45&setting=&axes=rate,gap")

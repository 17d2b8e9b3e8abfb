"""Guided lesson: each step is a state of the real page with a question, whose answer is computed from that state."""

from __future__ import annotations

import functools
import json
from typing import Any

from mixviz.explain.example import percent
from mixviz.resources import assets
from mixviz.ui.services import presenters
from mixviz.ui.state import Request, of_query, usable

MEASURES = {
    "share_a": lambda example: example.share[0],
    "share_b": lambda example: example.share[1],
    "area_b": lambda example: example.area[1],
    "hidden_a": lambda example: 1 - example.visible[0],
    "seen_b": lambda example: example.visible[1],
}


@functools.cache
def steps() -> list[dict[str, Any]]:
    """The steps in order: {id, state, right, value, answers}, ``right`` the number of the right answer, from 1.

    Raises:
        ValueError: not exactly one answer of a step is right for the page as it is.
    """
    entries = json.loads((assets() / "lesson.json").read_text(encoding="utf-8"))
    return [
        {key: entry[key] for key in ("id", "state")} | _answered(entry) | {"answers": len(entry["answers"])}
        for entry in entries
    ]


def measured(entry: dict[str, Any]) -> float:
    """Compute the number that a step's question asks for from the step's state."""
    request = Request(**usable(of_query(entry["state"])))
    return MEASURES[entry["measure"]](presenters.story(request, entry["of"]))


def _answered(entry: dict[str, Any]) -> dict[str, Any]:
    value = measured(entry)
    right = [i + 1 for i, (low, high) in enumerate(entry["answers"]) if low <= value <= high]
    if len(right) != 1:
        raise ValueError(f"Lesson step {entry['id']}: {value:.3f} fits answers {right}.")
    return {"right": right[0], "value": percent(value)}

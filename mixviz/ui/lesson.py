"""The guided lesson: each step is a state of the real page, with a question whose answer is worked out from it."""

from __future__ import annotations

import functools
import json
from typing import Any

from mixviz.explain.example import percent
from mixviz.resources import assets
from mixviz.ui.services import presenters
from mixviz.ui.state import Request, of_query, usable
from mixviz.ui.views import draws

MEASURES = {
    "share_a": lambda told: told.share[0],
    "share_b": lambda told: told.share[1],
    "area_b": lambda told: told.area[1],
    "hidden_a": lambda told: 1 - told.visible[0],
    "seen_b": lambda told: told.visible[1],
}


@functools.cache
def steps() -> list[dict[str, Any]]:
    """The steps in order: {id, state, pin, right, value}, ``right`` the number of the right answer, from 1.

    Raises:
        ValueError: the page no longer shows what a step asks for: not just one answer is right.
    """
    entries = json.loads((assets() / "lesson.json").read_text(encoding="utf-8"))
    return [
        {key: entry[key] for key in ("id", "state", "pin")} | _answered(entry) | {"answers": len(entry["answers"])}
        for entry in entries
    ]


def measured(entry: dict[str, Any]) -> float:
    """The number that a step's question is about, from the state that it shows."""
    request = Request(**usable(of_query(entry["state"])))
    if entry["measure"] == "drawn_area_b":
        return 1 - draws.drawn(request)[0].area.mean().item()
    return MEASURES[entry["measure"]](presenters.story(request, entry["of"]))


def _answered(entry: dict[str, Any]) -> dict[str, Any]:
    value = measured(entry)
    right = [i + 1 for i, (low, high) in enumerate(entry["answers"]) if low <= value <= high]
    if len(right) != 1:
        raise ValueError(f"Lesson step {entry['id']}: {value:.3f} fits answers {right}.")
    return {"right": right[0], "value": percent(value)}

"""Conversion between recipe files and states of the page."""

from __future__ import annotations

import json
from typing import Any

from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.explain import serialize
from mixviz.methods import METHODS
from mixviz.ui.services import presenters
from mixviz.ui.state import Request, checked_name, usable

MAX_RECIPE = 100_000  # characters of a recipe file


def recipe_of(request: Request) -> dict[str, Any]:
    """Return the recipe file of a state: its replay parameters and the resulting recipe."""
    example = presenters.story(request, request.method, by_hand=True)
    change = presenters.changed_by(request, presenters.story(request, request.method))
    return {
        **serialize.replay(request.method, example.method, request.seed, request.lam, presenters.SIDE),
        "detector": request.detector,
        "pictures": presenters.picture_names(request),
        "names": list(example.names),
        "box": list(request.box or ()) if change == "box" else None,
        "mask": list(request.mask or ()) if change == "mask" else None,
        **serialize.recipe_json(example.recipe, example.truth),
    }


def state_of(text: Any) -> dict[str, Any] | None:
    """Return the state of a recipe file, or None if the file is invalid or holds an unusable value.

    ``elsewhere`` holds the names of its pictures if they are not bundled.
    """
    try:
        if not isinstance(text, str) or len(text) > MAX_RECIPE:
            return None
        data = json.loads(text)
        state = {"method": data["method"], "seed": data["seed"], "lam": data.get("lam"), "view": "detail"}
        known, given = lookup(METHODS, state["method"]).parameters(), dict(data["parameters"])
        own = given.pop("detector", None)
        state |= {"alpha": given.pop("alpha")} if "alpha" in given else {}
        state["parameters"] = {name: x for name, x in given.items() if x != known[name]["default"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    known = {"detector": data.get("detector", own)} | {key: data.get(key) for key in ("box", "mask")}
    state |= {key: value for key, value in known.items() if value is not None}
    state |= (bundled := _pictures_of(data))
    good = usable(state)
    if good.keys() != state.keys():
        return None
    names = data.get("pictures")
    elsewhere = names if isinstance(names, list) and not bundled else []
    return good | {"elsewhere": ", ".join(map(str, elsewhere))[:80]}


def _pictures_of(data: dict[str, Any]) -> dict[str, str]:
    """Return the paths and labels of a recipe file's pictures if they are bundled, else nothing."""
    files, labels = data.get("pictures"), data.get("names")
    bundled = list(pictures.photographs())  # a list, because a file may hold unhashable values
    if not isinstance(files, list) or len(files) != 2 or any(file not in bundled for file in files):
        return {}
    if not isinstance(labels, list) or len(labels) != 2:
        labels = [pictures.photographs()[file]["label"] for file in files]
    paths = {key: pictures.photograph_path(file) for key, file in zip("ab", files, strict=True)}
    return paths | {f"name_{key}": checked_name(label, key.upper()) for key, label in zip("ab", labels, strict=True)}

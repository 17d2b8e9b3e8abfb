"""A state of the page, as its script sends it or its address says it, and the request that it makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mixviz.data import pictures
from mixviz.data.batch_loading import MOST
from mixviz.i18n import Mistake, texts
from mixviz.methods import METHODS
from mixviz.networks import zoo
from mixviz.ui.request import MAX_OWN, Request, is_box

MAX_PATH = 400  # letters of a picture's name with its folders


def of_state(state: Any, checked_path: Any) -> Request:
    """The request for what the page's script sent.

    Args:
        checked_path: what lets a picture's path through, or raises.

    Raises:
        ValueError: anything that is not such a state.
    """
    if not isinstance(state, dict):
        raise ValueError("The page sent no state.")
    known = {key: state[key] for key in Request.__dataclass_fields__ if state.get(key) is not None}
    for key in ("a", "b"):
        known[key] = checked_path(known.get(key))
    for key, letter in (("name_a", "A"), ("name_b", "B")):
        known[key] = checked_name(known.get(key), letter)
    known["own"] = networks_of(state, checked_path) if known.get("view") == "localize" else ()
    known["files"] = files_of(state, checked_path)
    known |= {key: state.get(key) for key in ("lam", "seed") if key in state}  # an emptied field is no default
    known["language"] = language_of(state)
    for key in ("box", "mask", "methods", "only", "classes"):
        if isinstance(known.get(key), list):
            known[key] = tuple(known[key])
    return Request(**known)


def networks_of(state: Any, checked_path: Any) -> tuple[tuple[str, str], ...]:
    """The paths of the visitor's own networks, card and weights, let through one by one.

    Raises:
        ValueError: no such pairs, or too many.
    """
    own = state.get("own") if isinstance(state, dict) else None
    pairs = own if isinstance(own, list) else []
    if len(pairs) > MAX_OWN or any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        raise Mistake("error.own", most=MAX_OWN)
    try:
        return tuple((checked_path(card), checked_path(weights)) for card, weights in pairs)
    except Mistake:
        raise Mistake("error.own_gone") from None


def files_of(state: Any, checked_path: Any) -> tuple[tuple[str, str], ...]:
    """The visitor's own pictures of a batch, (path, name), let through one by one.

    Raises:
        ValueError: no such pairs, or too many.
    """
    given = state.get("files") if isinstance(state, dict) else None
    pairs = given if isinstance(given, list) and state.get("view") == "batch" else []
    if len(pairs) > MOST:
        raise Mistake("embed.many", most=MOST, count=len(pairs))
    if any(not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str) for pair in pairs):
        raise ValueError("Every picture has a path and a name.")
    return tuple((checked_path(path), name[-MAX_PATH:]) for path, name in pairs)


def language_of(state: Any) -> str:
    """The language that the page's script names, where there are texts in it."""
    language = state.get("language") if isinstance(state, dict) else None
    return language if isinstance(language, str) and language in texts() else "en"


def of_query(query: Mapping[str, str]) -> dict[str, Any]:
    """The state that an address asks for, as far as it is understood: a damaged link opens the page all the same."""
    state: dict[str, Any] = {}
    stems = {Path(name).stem: name for name in pictures.photographs()}
    for key in ("a", "b"):
        if query.get(key) in stems:
            state[key] = pictures.photograph_path(stems[query[key]])
            state[f"name_{key}"] = pictures.photographs()[stems[query[key]]]["label"]
    for key in ("view", "method", "detector", "over", "subject", "kind", "layer", "network", "plane"):
        if query.get(key):
            state[key] = query[key]
    if query.get("class_a") or query.get("class_b"):
        known = {name.casefold() for one in zoo.names() for name in zoo.card(one)["data"]["classes"]} | {"*"}
        asked = [query.get(f"class_{key}", "") for key in "ab"]
        state["classes"] = [name if name.casefold() in known else "" for name in asked]
    if query.get("joined") == "1":
        state["joined"] = True
    if query.get("lam") == "drawn":
        state["lam"] = None
    for key in ("lam", "alpha", "seed", "count"):
        number = _number(query.get(key))
        if number is not None:
            state[key] = int(number) if key in ("seed", "count") and number == int(number) else number
    if query.get("methods"):
        state["methods"] = query["methods"].split(",")
    if query.get("box"):
        edges = [_number(edge) for edge in query["box"].split(",")]
        state |= {"box": edges} if is_box(edges) else {}
    cls = METHODS.get(state.get("method", "cutmix"))
    known = cls.parameters() if cls else {}
    if "method" in state:
        state["parameters"] = {}
    for name in known:
        if name != "detector" and query.get(f"p.{name}"):
            with suppress(ValueError):
                state.setdefault("parameters", {})[name] = cls.parse(name, query[f"p.{name}"])
    return state


def usable(state: Mapping[str, Any]) -> dict[str, Any]:
    """What of a state can be used, key by key: one bad value does not cost the others."""
    good: dict[str, Any] = {}
    order = sorted(state, key=lambda key: key in ("parameters", "alpha"))  # these depend on the method
    for key in order:
        if key in ("a", "b", "name_a", "name_b"):
            good[key] = state[key]
        elif key in Request.__dataclass_fields__:
            value = tuple(state[key]) if isinstance(state[key], list) else state[key]
            others = {name: good[name] for name in good if name not in ("a", "b")}
            try:
                Request("", "", **others | {key: value})
            except (ValueError, TypeError):
                continue
            good[key] = value
    return good


def checked_name(name: Any, default: str) -> str:
    """A label as the page shows it: one line, at most 24 characters, never empty."""
    whole = str(name or "").encode("utf-8", "replace").decode()  # half a character cannot be sent
    return " ".join(whole.split())[:24] or default


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None

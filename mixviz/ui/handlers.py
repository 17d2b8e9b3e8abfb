"""What the page's script and the endpoints ask of the server. Whoever sends it, every value is checked here."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

import mixviz
from mixviz import describe, export, pictures
from mixviz.catalogue import lookup
from mixviz.ui import lenses, views
from mixviz.ui.request import Request, of_query, of_state, usable
from mixviz.words import say, texts

KINDS = {
    "png": "image/png", "zip": "application/zip", "svg": "image/svg+xml", "pdf": "application/pdf",
    "gif": "image/gif", "json": "application/json",
}  # fmt: skip
MAX_RECIPE = 100_000  # characters of a recipe file
WAITING = 24  # questions at work or waiting for their turn; the next one is told to come again. Each keeps one of
# Gradio's 40 threads, and the others have to be enough for the page's files and for uploads.

_places = threading.BoundedSemaphore(WAITING)
_working = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


def checked_path(path: Any) -> str:
    """The real path of an uploaded or bundled picture; anything else is refused.

    Raises:
        pictures.PictureError: no path, or one outside the upload folder and the bundled photographs.
    """
    if not isinstance(path, str) or not path:
        raise pictures.PictureError(say("missing"))
    try:
        real = Path(os.path.realpath(path))
    except ValueError:  # a null byte, or half a character
        raise pictures.PictureError("That is no picture's path.") from None
    allowed = (Path(os.path.realpath(get_upload_folder())), Path(os.path.realpath(pictures.assets() / "photos")))
    if not any(real.is_relative_to(folder) for folder in allowed) or not os.path.isfile(real):
        raise pictures.PictureError("This picture is not here, or no longer: upload it once more, or choose a pair.")
    return str(real)


class BusyError(RuntimeError):
    """More questions are waiting than will be answered in time."""


@contextmanager
def turn() -> Iterator[None]:
    """As many at work as there are cores, a bounded number waiting: a rush slows the page, and does not stop it."""
    if not _places.acquire(blocking=False):
        raise BusyError(say("busy"))
    try:
        with _working:
            yield
    finally:
        _places.release()


def look(state: Any) -> dict[str, Any]:
    """The view that the page's script asks for; a mistake comes back as {message}, for the page to say."""
    try:
        with turn():
            return views.show(of_state(state, checked_path))
    except (ValueError, ImportError, BusyError) as error:  # a PictureError too; a detector may lack its OpenCV
        return {"message": str(error)}


def take(state: Any) -> dict[str, Any]:
    """Something to take away of the one-method view: {name, data URI}; ``state["take"]`` says what."""
    try:
        kind = state.get("take") if isinstance(state, dict) else None
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"There are {', '.join(KINDS)} to take.")
        request = of_state(state, checked_path)
        language = next((code for code in texts() if code == state.get("language")), "en")
        with turn():
            data = _parcel(kind, request, language)
        name = f"mixviz-{request.method}.{kind}"
        return {"name": name, "data": f"data:{KINDS[kind]};base64,{base64.b64encode(data).decode()}"}
    except (ValueError, ImportError, BusyError) as error:
        return {"message": str(error)}


def _parcel(kind: str, request: Request, language: str) -> bytes:
    told = views.story(request, request.method, own=True)
    if kind == "json":
        return (json.dumps(recipe_of(request), indent=1, ensure_ascii=False) + "\n").encode()
    if kind == "gif":
        return export.gif(told, language, lens=lenses.titles()[request.detector])
    if kind in ("svg", "pdf"):
        return export.figure(told, kind, language)
    return export.png(told) if kind == "png" else export.pictures_zip(told)


def recipe_of(request: Request) -> dict[str, Any]:
    """The recipe file of a state: what replays it, and what came out."""
    told = views.story(request, request.method, own=True)
    return {
        **describe.replay(request.method, told.method, request.seed, request.lam, views.SIDE),
        "detector": request.detector,
        "pictures": [views.picture_name(path) for path in (request.a, request.b)],
        "names": list(told.names),
        "box": request.box and list(request.box),
        "mask": request.mask and list(request.mask),
        **describe.recipe_json(told.recipe, told.truth),
    }


def restore(event: gr.EventData) -> list[Any]:
    """The controls for a state: the address's, a pair's, a step of the lesson's, or a recipe file's text."""
    data = event._data if isinstance(event._data, dict) else {}
    if "recipe" in data:
        state = _of_recipe(data["recipe"])
        return _controls(state) if state else _controls({}, say("recipe_bad"))
    return _controls(of_query({key: str(value) for key, value in data.items()}))


def _of_recipe(text: Any) -> dict[str, Any] | None:
    """The state of a recipe file, or None where it is none, or has something that cannot be used."""
    try:
        if not isinstance(text, str) or len(text) > MAX_RECIPE:
            return None
        data = json.loads(text)
        state = {"method": data["method"], "seed": data["seed"], "lam": data.get("lam"), "view": "detail"}
        known, given = lookup(mixviz.METHODS, state["method"]).parameters(), dict(data["parameters"])
        own = given.pop("detector", None)
        # Defaults go without saying; but where the page has another α, the recipe's has to be said.
        parameters = {name: x for name, x in given.items() if name == "alpha" or x != known[name]["default"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    state |= {"parameters": parameters, "detector": data.get("detector", own)}
    state |= {key: data[key] for key in ("box", "mask") if data.get(key) is not None}
    if state["detector"] is None:
        del state["detector"]
    names = data.get("pictures")
    ours = isinstance(names, list) and len(names) == 2 and all(name in list(pictures.photographs()) for name in names)
    if ours:
        for key, name in zip(("a", "b"), names, strict=True):
            state |= {key: pictures.photograph_path(name), f"name_{key}": pictures.photographs()[name]["label"]}
    good = usable(state)
    if good.keys() != state.keys():
        return None
    named = ", ".join(map(str, names))[:80] if isinstance(names, list) else ""
    return good | {"message": say("recipe_loaded") if ours else say("recipe_own", names=named)}


def _controls(state: Mapping[str, Any], message: str = "") -> list[Any]:
    """Updates of [A, B, their labels, hold, λ, α, seed, detector], and the rest of the state for the page's script."""
    good = usable(state)
    values = [good.get(key, gr.skip()) for key in ("a", "b", "name_a", "name_b")]
    lam = good.get("lam")
    held = [lam is not None, gr.skip() if lam is None else lam] if "lam" in good else [gr.skip(), gr.skip()]
    values += [*held, *(good.get(key, gr.skip()) for key in ("alpha", "seed", "detector"))]
    others = ("view", "method", "parameters", "box", "mask", "over", "methods", "alpha")
    rest = {key: good[key] for key in others if key in good}
    told = message or state.get("message", "")
    return [*values, rest | ({"message": told} if told else {}) | {"any": bool(good)}]

"""Handlers of the requests of the page's script, for every view. They validate untrusted input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

from mixviz.data import pictures
from mixviz.i18n import UserError, say
from mixviz.render import overlays
from mixviz.ui import lesson
from mixviz.ui.boundary import answered, checked_path
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options, downloads, recipe_files
from mixviz.ui.services.presenters import SIDE
from mixviz.ui.state import Request, language_of, of_query, of_state, replaced, usable

PREVIEW = 600  # pixels: browsers cannot show TIFF, HEIC or JPEG 2000, nor a 16-bit PNG as it is mixed


def show(request: Request) -> dict[str, Any]:
    """Return the answer of the state's view, with the fields that all views share."""
    answer = views()[request.view].answer(request)
    return {
        "view": request.view,
        "link": request.query(),
        "names": [request.name_a, request.name_b],
        "judge": "saliency"
        if detector_options.objects(request.a, request.b, SIDE, request.marked) is None
        else "object",
        "held": request.lam is not None,
        "detector": request.detector,
        **answer,
    }


def look(state: Any) -> dict[str, Any]:
    """Return the requested view's data, or {message}."""
    return answered(state, lambda: show(of_state(state, checked_path)))


def of_view(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Wrap a view's function for its script: it waits for a turn and returns errors as {message}."""

    @wraps(function)
    def asked(state: Any) -> dict[str, Any]:
        return answered(state, lambda: function(state))

    return asked


def teach(state: Any) -> dict[str, Any]:
    """Return the lesson's steps, computed when a visitor starts it."""
    return answered(state, lambda: {"steps": lesson.steps()})


def preview(state: Any) -> dict[str, Any]:
    """Return a small version of the visitor's picture, decoded by the server: {picture: data URI}, or {message}."""
    path = state.get("path") if isinstance(state, dict) else None
    picture = partial(pictures.preview, side=PREVIEW)
    return answered(state, lambda: {"picture": overlays.data_uri(picture(checked_path(path)))})


def take(state: Any) -> dict[str, Any]:
    """Return the download of a view that ``state["take"]`` names: {name, data URI}, or {message}."""
    return answered(state, lambda: downloads.download(state, checked_path))


def restore(asked: Any) -> dict[str, Any]:
    """Return the state of an address, a step of the lesson, or a recipe file's text: {state}, perhaps {message}."""
    return answered(asked, lambda: _restored(asked if isinstance(asked, dict) else {}))


def _restored(asked: Mapping[str, Any]) -> dict[str, Any]:
    language = language_of(asked)
    if "recipe" not in asked:
        query = {key: str(value) for key, value in asked.items()}
        state = usable(of_query(query))
        message = {"message": _told(lost, language)} if (lost := replaced(query, state)) else {}
        return {"state": _named(state, language), **message}
    state = recipe_files.state_of(asked["recipe"])
    if state is None:
        raise UserError("recipe_bad")
    names = state.pop("elsewhere")
    message = say("recipe_own", language, names=names) if names else say("recipe_loaded", language)
    return {"state": _named(state, language), "message": message}


def _told(lost: list[tuple[str, str, str]], language: str) -> str:
    """Tell what an address asked for in vain."""
    parts = [
        say("link.replaced" if now else "link.left_out", language, name=name, asked=asked[:40], now=now)
        for name, asked, now in lost
    ]
    return say("link.damaged", language, parts=", ".join(parts))


def _named(state: dict[str, Any], language: str) -> dict[str, Any]:
    """The usable part of a state, with the names of bundled objects in a language."""
    names = {key: pictures.label_in(language, state[key]) for key in ("name_a", "name_b") if key in state}
    return usable(state | names)

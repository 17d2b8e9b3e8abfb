"""What the page's script and the endpoints ask of the server. Whoever sends it, every value is checked here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from mixviz.data import pictures
from mixviz.i18n import Mistake, say
from mixviz.render import overlays
from mixviz.ui import embed, folders, lesson, localize, recipe_files, stored, taking, unpacking, views
from mixviz.ui.between import between as steps_between
from mixviz.ui.state import language_of, networks_of, of_query, of_state, usable

WAITING = 24  # questions at work or waiting for their turn; the next one is told to come again. Each keeps one of
# Gradio's 40 threads, and the others have to be enough for the page's files and for uploads.

PREVIEW = 600  # pixels: browsers show neither TIFF nor HEIC nor JPEG 2000, and none what is mixed of a 16-bit PNG

_places = threading.BoundedSemaphore(WAITING)
_working = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


def checked_path(path: Any) -> str:
    """The real path of an uploaded or bundled picture; anything else is refused.

    Raises:
        pictures.PictureError: no path, or one outside the upload folder and the bundled photographs.
    """
    if not isinstance(path, str) or not path:
        raise pictures.PictureError("missing")
    try:
        real = Path(os.path.realpath(path))
    except ValueError:  # a null byte, or half a character
        raise pictures.PictureError("error.path") from None
    allowed = (Path(os.path.realpath(get_upload_folder())), Path(os.path.realpath(pictures.assets() / "photos")))
    if not any(real.is_relative_to(folder) for folder in allowed) or not os.path.isfile(real):
        raise pictures.PictureError("error.gone")
    return str(real)


class BusyError(Mistake):
    """More questions are waiting than will be answered in time."""


@contextmanager
def turn() -> Iterator[None]:
    """As many at work as there are cores, a bounded number waiting: a rush slows the page, and does not stop it."""
    if not _places.acquire(blocking=False):
        raise BusyError("busy")
    try:
        with _working:
            yield
    finally:
        _places.release()


def _answered(state: Any, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer in its turn; a mistake comes back as {message}, for the page to say."""
    try:
        with turn():
            return answer()
    except Mistake as mistake:
        told = {"message": mistake.told(language_of(state))}
        return told | ({"forget": "own"} if mistake.key == "error.own_gone" else {})
    except (ValueError, ImportError) as error:  # a detector may lack its OpenCV
        return {"message": str(error)}


def look(state: Any) -> dict[str, Any]:
    """The view that the page's script asks for, or {message}."""
    return _answered(state, lambda: views.show(of_state(state, checked_path)))


def overview(state: Any) -> dict[str, Any]:
    """What is stored of the networks' embeddings, or {message}."""
    return _answered(state, stored.overview)


def thumbnails(state: Any) -> dict[str, Any]:
    """Thumbnails of the stored pictures, where there are any, or {message}."""
    return _answered(state, lambda: stored.thumbnails(state))


def photographs(state: Any) -> dict[str, Any]:
    """The bundled photographs among the stored pictures, or {message}."""
    return _answered(state, lambda: embed.photographs(state))


def unpack(state: Any) -> dict[str, Any]:
    """Some pictures of a zip of the visitor's, or {message}."""
    return _answered(state, lambda: unpacking.unpacked(state, checked_path))


def look_in(state: Any) -> dict[str, Any]:
    """Thumbnails of some pictures of the visitor's folder, or {message}."""
    return _answered(state, lambda: folders.look_in(state, checked_path))


def lay_out(state: Any) -> dict[str, Any]:
    """The visitor's folder as a network sees it, or {message}."""
    return _answered(state, lambda: folders.laid_out(state, checked_path))


def between(state: Any) -> dict[str, Any]:
    """What lies between the state's two pictures, for the view that compares the networks, or {message}."""
    return _answered(state, lambda: steps_between(of_state(state, checked_path)))


def teach(_: Any) -> dict[str, Any]:
    """The lesson's steps, worked out when somebody takes it."""
    return {"steps": lesson.steps()}


def about(state: Any) -> dict[str, Any]:
    """What the page's script has to know of the networks, once."""
    return _answered(state, lambda: localize.context(networks_of(state, checked_path)))


def trust(state: Any) -> dict[str, Any]:
    """How faithful one network's maps of a state are: {name, faith}, a dictionary per class, or {message}."""
    return _answered(state, lambda: localize.trusted(of_state(state, checked_path)))


def preview(state: Any) -> dict[str, Any]:
    """A picture that the visitor chose, as it is decoded here, small: {picture: data URI}, or {message}."""
    path = state.get("path") if isinstance(state, dict) else None
    picture = partial(pictures.preview, side=PREVIEW)
    return _answered(state, lambda: {"picture": overlays.data_uri(picture(checked_path(path)))})


def take(state: Any) -> dict[str, Any]:
    """Something to take away of the one-method view: {name, data URI}, or {message}; ``state["take"]`` says what."""
    return _answered(state, lambda: taking.taken(state, checked_path))


def restore(event: gr.EventData) -> list[Any]:
    """The controls for a state: the address's, a pair's, a step of the lesson's, or a recipe file's text."""
    data = event._data if isinstance(event._data, dict) else {}
    language = language_of(data)
    if "recipe" not in data:
        return _controls(_named(of_query({key: str(value) for key, value in data.items()}), language))
    state = recipe_files.state_of(data["recipe"])
    if state is None:
        return _controls({}, say("recipe_bad", language))
    names = state.pop("elsewhere")
    message = say("recipe_own", language, names=names) if names else say("recipe_loaded", language)
    return _controls(_named(state, language), message)


def explain(event: gr.EventData) -> str:
    """All methods' explanations in the visitor's language, sent when somebody looks at one of them."""
    return views.explanations(language_of(event._data))


def _named(state: dict[str, Any], language: str) -> dict[str, Any]:
    """The state with the names of bundled objects in a language."""
    names = {key: pictures.label_in(language, state[key]) for key in ("name_a", "name_b") if key in state}
    return state | names


def _controls(state: Mapping[str, Any], message: str = "") -> list[Any]:
    """Updates of [A, B, their labels, hold, λ, α, seed, detector], and the rest of the state for the page's script."""
    good = usable(state)
    values = [good.get(key, gr.skip()) for key in ("a", "b", "name_a", "name_b")]
    lam = good.get("lam")
    held = [lam is not None, gr.skip() if lam is None else lam] if "lam" in good else [gr.skip(), gr.skip()]
    alpha = good.get("alpha", 1.0 if "view" in good else gr.skip())  # a whole state without α leaves each its own
    values += [*held, alpha, *(good.get(key, gr.skip()) for key in ("seed", "detector"))]
    others = ("view", "method", "parameters", "box", "mask", "over", "methods", "alpha", "subject", "classes", "kind",
              "layer", "network", "plane", "count", "joined")  # fmt: skip
    rest = {key: good[key] for key in others if key in good}
    return [*values, rest | ({"message": message} if message else {}) | {"any": bool(good)}]

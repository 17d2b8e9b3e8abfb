"""The boundary to visitors: a turn for each question, paths checked, errors told or logged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.resources import assets
from mixviz.ui.errors import only_user_errors
from mixviz.ui.gradio_compat import upload_folder
from mixviz.ui.state import language_of

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
        raise pictures.PictureError("missing")
    try:
        real = Path(os.path.realpath(path))
    except ValueError:  # a null byte, or half a character
        raise pictures.PictureError("error.path") from None
    allowed = (Path(os.path.realpath(upload_folder())), Path(os.path.realpath(assets() / "photos")))
    if not any(real.is_relative_to(folder) for folder in allowed) or not os.path.isfile(real):
        raise pictures.PictureError("error.gone")
    return str(real)


class BusyError(UserError):
    """More questions are waiting than will be answered in time."""


@contextmanager
def turn() -> Iterator[None]:
    """Limit concurrent work to the number of cores, with a bounded queue: a rush slows the page and does not stop
    it."""
    if not _places.acquire(blocking=False):
        raise BusyError("busy")
    try:
        with _working:
            yield
    finally:
        _places.release()


def answered(state: Any, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer to the script in its turn; an error comes back as {message}, for the page to say."""
    try:
        with turn(), only_user_errors():
            return answer()
    except UserError as error:
        told = {"message": error.told(language_of(state))}
        return told | ({"forget": "own"} if error.key == "error.own_gone" else {})


@contextmanager
def as_gradio_error(language: str = "en") -> Iterator[None]:
    """Tell errors as Gradio does, to a program that called an endpoint or in a corner of the page."""
    try:
        with only_user_errors():
            yield
    except UserError as error:
        raise gr.Error(error.told(language), print_exception=False) from None

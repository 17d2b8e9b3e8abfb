"""Boundary to visitors: limit concurrent requests, check paths, report or log errors."""

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

WAITING = 24  # requests running or waiting; the page answers further ones with "busy". Each holds one of Gradio's 40
# threads, and the rest must be enough for the page's files and for uploads.

_places = threading.BoundedSemaphore(WAITING)
_working = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


def checked_path(path: Any) -> str:
    """Return the real path of an uploaded or bundled picture.

    Raises:
        pictures.PictureError: no path, no file, or a path outside the upload folder and the bundled photographs.
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
    """Too many requests are running or waiting."""


@contextmanager
def turn() -> Iterator[None]:
    """Limit concurrent work to the number of cores, with a bounded queue, so that a rush only slows the page.

    Raises:
        BusyError: the queue is full.
    """
    if not _places.acquire(blocking=False):
        raise BusyError("busy")
    try:
        with _working:
            yield
    finally:
        _places.release()


def answered(state: Any, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Wait for a turn and return the answer to the page's script, or an error as {message} for the page to show.

    An error about the visitor's files that are no longer here is marked: ``forget`` the networks, ``gone`` pictures.
    """
    try:
        with turn(), only_user_errors():
            return answer()
    except UserError as error:
        reply = {"message": error.told(language_of(state))}
        marks = {"error.own_gone": {"forget": "own"}, "error.gone": {"gone": True}}
        return reply | marks.get(error.key, {})


@contextmanager
def as_gradio_error(language: str = "en") -> Iterator[None]:
    """Raise errors as Gradio's own: a program receives them, and the page shows them in a corner."""
    try:
        with only_user_errors():
            yield
    except UserError as error:
        raise gr.Error(error.told(language), print_exception=False) from None

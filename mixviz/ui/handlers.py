"""What the page's events and endpoints run. Whoever sends them, every value is checked here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from mixviz import pictures
from mixviz.ui import grid

try:
    from spaces import GPU as on_gpu  # a hosted Space lends its GPU per call
except ImportError:

    def on_gpu(function: Any) -> Any:
        """Elsewhere the function uses the device that there is."""
        return function


MISSING = "Two pictures are needed: upload or paste one, or choose a pair."


def checked_path(path: Any) -> str:
    """The real path of an uploaded or bundled picture; anything else is refused.

    Raises:
        pictures.PictureError: no path, or one outside the upload folder and the bundled photographs.
    """
    if not isinstance(path, str) or not path:
        raise pictures.PictureError(MISSING)
    if "\0" in path:
        raise pictures.PictureError("That is no picture's path.")
    real = Path(os.path.realpath(path))
    allowed = (Path(os.path.realpath(get_upload_folder())), Path(os.path.realpath(pictures.assets() / "photos")))
    if not any(real.is_relative_to(folder) for folder in allowed) or not real.is_file():
        raise pictures.PictureError("This picture is not here, or no longer: upload it once more, or choose a pair.")
    return str(real)


def checked_name(name: Any, default: str) -> str:
    """A label as the cards show it: one line, at most 24 characters, never empty."""
    return " ".join(str(name or "").split())[:24] or default


def answer(
    a: Any, b: Any, name_a: Any, name_b: Any, hold: Any, lam: Any, seed: Any, detector: Any, still: bool
) -> dict:
    """The grid for what a visitor sent, whoever they are: every value is checked here.

    Raises:
        gr.Error: a value that cannot be used, in words for the visitor.
    """
    try:
        request = grid.Request(
            checked_path(a),
            checked_path(b),
            checked_name(name_a, "A"),
            checked_name(name_b, "B"),
            lam if hold else None,
            seed,
            detector,
        )
        return grid.show(request, still=still)
    except (ValueError, ImportError) as error:  # PictureError is a ValueError; a detector may lack its OpenCV
        raise gr.Error(str(error), print_exception=False) from None


def mix_grid(a: str, b: str, name_a: str, name_b: str, hold: bool, lam: float, seed: float, detector: str) -> dict:
    """Mix two pictures by every method: a sheet of mixtures and a card of numbers per method.

    Args:
        a: Picture A, the one that is augmented.
        b: Picture B, its partner.
        name_a: Label of A.
        name_b: Label of B.
        hold: Hold λ at the slider's value instead of drawing it.
        lam: λ, A's share, 0 to 1.
        seed: Seed of everything that is drawn.
        detector: Saliency detector.
    """
    return answer(a, b, name_a, name_b, hold, lam, seed, detector, still=True)


def remix(a: str, b: str, name_a: str, name_b: str, hold: bool, lam: float, seed: float, detector: str) -> dict:
    """What λ and the seed change: as ``mix_grid``, without the pictures that stay as they are.

    A mistake comes back as {message}, for the page to say: an error of an event outside the queue is shown nowhere.
    """
    return _said(a, b, name_a, name_b, hold, lam, seed, detector, still=False)


def mix_quietly(*values: Any) -> dict:
    """``mix_grid`` for the page's own chains of events; a mistake comes back as {message}."""
    return _said(*values, still=True)


def _said(*values: Any, still: bool) -> dict:
    try:
        return answer(*values, still=still)
    except gr.Error as error:
        return {"message": error.message}


def own_label(label: Any, letter: str) -> str:
    """The label after an upload: a typed one stays, a bundled photograph's makes way for the letter."""
    bundled = {entry["label"] for entry in pictures.photographs().values()}
    return letter if label in bundled else checked_name(label, letter)


@on_gpu
def mix_one(a: str, b: str, method: str, lam: float | None = None, seed: int = 0, side: int = 512) -> dict:
    """Mix two pictures by one method: the mixture as a PNG data URI, and its recipe.

    Args:
        a: Picture A, the one that is augmented: the path that an upload returned, or a bundled photograph's.
        b: Picture B, its partner.
        method: A method's name, as `python -m mixviz methods` lists them.
        lam: λ, A's share, 0 to 1; null draws it.
        seed: Seed of everything that is drawn.
        side: Side of the square picture, 32 to 1024.
    """
    try:
        request = grid.Request(checked_path(a), checked_path(b), lam=lam, seed=seed)
        return grid.mix_one(request, method, side)
    except (ValueError, TypeError, ImportError) as error:
        raise gr.Error(str(error), print_exception=False) from None


def choose_pair(index: Any) -> tuple[str, str, str, str]:
    """Paths and labels of the bundled pair with this index."""
    if not isinstance(index, int) or not 0 <= index < len(pictures.pairs()):
        raise gr.Error("There is no such pair.", print_exception=False)
    pair = pictures.pairs()[index]
    a, b = pair["a"], pair["b"]
    labels = (pictures.photographs()[name]["label"] for name in (a, b))
    return pictures.photograph_path(a), pictures.photograph_path(b), *labels

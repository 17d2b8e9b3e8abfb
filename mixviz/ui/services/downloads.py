"""Downloads of a view: pictures, figures, an animation, a recipe file."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from mixviz.data import pictures
from mixviz.render import export, fonts
from mixviz.ui.fields import malformed
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options, presenters
from mixviz.ui.services.recipe_files import recipe_of
from mixviz.ui.state import Request, of_state

KINDS = {
    "png": "image/png", "zip": "application/zip", "svg": "image/svg+xml", "pdf": "application/pdf",
    "gif": "image/gif", "json": "application/json",
}  # fmt: skip


def download(state: Any, checked_path: Any) -> dict[str, Any]:
    """Return {name, data URI} of the download that ``state["take"]`` names.

    Args:
        state: the state of the page's script.
        checked_path: returns the real path of an allowed picture, or raises.

    Raises:
        ValueError: an unknown download.
    """
    kind = state.get("take") if isinstance(state, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise malformed(f"There are {', '.join(KINDS)} to take.")
    request = of_state(state, checked_path)
    make = views()[request.view].download or _mixture
    name, data = make(kind, request, state)
    return {"name": name, "data": f"data:{KINDS[kind]};base64,{base64.b64encode(data).decode()}"}


def _mixture(kind: str, request: Request, _state: Any) -> tuple[str, bytes]:
    return f"mixviz-{request.method}.{kind}", _parcel(kind, request)


def _parcel(kind: str, request: Request) -> bytes:
    example, language = presenters.story(request, request.method, by_hand=True), request.language
    if kind in ("gif", "pdf"):
        example = replace(example, names=tuple(map(_drawable, example.names)))
    if kind == "json":
        return (json.dumps(recipe_of(request), indent=1, ensure_ascii=False) + "\n").encode()
    if kind == "gif":
        return export.gif(example, language, detector=detector_options.titles(language)[request.detector])
    if kind in ("svg", "pdf"):
        return export.figure(example, kind, language)
    return export.png(example) if kind == "png" else export.pictures_zip(example)


def _drawable(name: str) -> str:
    """Return the name, or the English name of a bundled object if no font has its letters."""
    return name if fonts.drawable(name) == name else pictures.label_in("en", name)

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
    """{name, data URI} of what ``state["take"]`` says.

    Args:
        checked_path: what lets a picture's path through, or raises.

    Raises:
        ValueError: nothing that can be taken.
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
    told, language = presenters.story(request, request.method, by_hand=True), request.language
    if kind in ("gif", "pdf"):
        told = replace(told, names=tuple(map(_drawable, told.names)))
    if kind == "json":
        return (json.dumps(recipe_of(request), indent=1, ensure_ascii=False) + "\n").encode()
    if kind == "gif":
        return export.gif(told, language, detector=detector_options.titles(language)[request.detector])
    if kind in ("svg", "pdf"):
        return export.figure(told, kind, language)
    return export.png(told) if kind == "png" else export.pictures_zip(told)


def _drawable(name: str) -> str:
    """The name of a bundled object in English where no font at hand has its letters."""
    return name if fonts.drawable(name) == name else pictures.label_in("en", name)

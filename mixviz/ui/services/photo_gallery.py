"""The gallery that the retrieval view searches: the bundled photographs and some small ones, with coarse classes."""

from __future__ import annotations

import functools
import json
import os
from typing import Any, NamedTuple

from mixviz.data import pictures
from mixviz.i18n import UserError, texts
from mixviz.resources import assets
from mixviz.ui.services.tiling import COLUMNS, picture, thumbnails

SIDE = 128  # pixels of a shown picture


class GalleryItem(NamedTuple):
    """A picture of the gallery: its path, and its coarse class, a key of the texts ``gallery.CLASS``."""

    path: str
    label: str


class Query(NamedTuple):
    """The picture that is searched with: its path, its class if known, and its place in the gallery if it is there."""

    path: str
    label: str | None
    place: int | None


@functools.cache
def items() -> tuple[GalleryItem, ...]:
    """Return the pictures of ``assets/gallery/gallery.json``; those that are bundled photographs have no copy there."""
    folder = assets() / "gallery"
    entries = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
    bundled = pictures.photographs()
    return tuple(
        GalleryItem(os.path.realpath(pictures.photograph_path(name) if name in bundled else folder / name), label)
        for name, label in ((entry["file"], entry["label"]) for entry in entries)
    )


def paths() -> tuple[str, ...]:
    """Return the paths of all pictures."""
    return tuple(item.path for item in items())


@functools.cache
def overview() -> dict[str, Any]:
    """Return the classes of the gallery's pictures and a sheet of their thumbnails."""
    sheet = thumbnails([picture(path, SIDE) for path in paths()])
    return {"labels": [item.label for item in items()], "sheet": sheet, "columns": COLUMNS}


def query_of(state: Any, checked_path: Any) -> Query:
    """Return the query of the script's state: ``query`` is ``"a"``, ``"b"`` or a place in the gallery.

    Raises:
        UserError: another query, or a picture that cannot be used.
    """
    asked = state.get("query") if isinstance(state, dict) else None
    if asked in ("a", "b"):
        path = checked_path(state.get(asked))
        if path in paths():
            return at(paths().index(path))
        return Query(path, class_named(state.get(f"name_{asked}")), None)
    if isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < len(items()):
        return at(asked)
    raise UserError("find.query_bad", count=len(items()))


def at(index: int) -> Query:
    """Return a picture of the gallery as a query."""
    return Query(*items()[index], index)


def class_named(name: Any) -> str | None:
    """Return the class of the gallery that a visitor's label names, in any of the page's languages."""
    wanted = str(name or "").strip().casefold()
    for label in dict.fromkeys(item.label for item in items()):
        if wanted in {texts()[code].get(f"gallery.{label}", label).casefold() for code in texts()}:
            return label
    return None

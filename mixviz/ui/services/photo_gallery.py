"""The galleries that the retrieval view searches: the bundled photographs, and a folder that the host names."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mixviz.data import pictures
from mixviz.i18n import UserError, texts
from mixviz.resources import assets

SIDE = 128  # pixels of a shown picture
BUNDLED, FOLDER = "bundled", "folder"  # names of the galleries


class GalleryItem(NamedTuple):
    """A picture of a gallery: its path, and its class: of the bundled gallery a key of the texts ``gallery.CLASS``."""

    path: str
    label: str


class Query(NamedTuple):
    """The picture that is searched with: its path, its class if known, and its place in the gallery if it is there."""

    path: str
    label: str | None
    place: int | None


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures to search.

    Attributes:
        name: :data:`BUNDLED` or :data:`FOLDER`.
        title: of the folder; empty for the bundled one.
        items: the pictures.
        total: pictures of the folder, of which the gallery may hold a part.
        root: the folder that holds them.
        digest: differs when the pictures do.
    """

    name: str
    title: str
    items: tuple[GalleryItem, ...]
    total: int
    root: Path
    digest: str = ""

    @functools.cached_property
    def paths(self) -> tuple[str, ...]:
        """The paths of all pictures."""
        return tuple(item.path for item in self.items)

    @functools.cached_property
    def class_indices(self) -> Tensor:
        """The classes of the pictures as indices (N,)."""
        index = {label: i for i, label in enumerate(sorted({item.label for item in self.items}))}
        return torch.tensor([index[item.label] for item in self.items])

    @functools.cached_property
    def _classes(self) -> dict[str, str]:
        """The class by each of its names: a folder's own, else those in the page's languages."""
        classes = dict.fromkeys(item.label for item in self.items)
        if self.name == FOLDER:
            return {label.strip().casefold(): label for label in classes}
        named = [(texts()[code].get(f"gallery.{label}", label), label) for label in classes for code in texts()]
        return {name.casefold(): label for name, label in named}

    def at(self, index: int) -> Query:
        """Return a picture of the gallery as a query."""
        return Query(*self.items[index], index)

    def class_named(self, name: Any) -> str | None:
        """Return the class that a visitor's label names, in any of the page's languages."""
        return self._classes.get(str(name or "").strip().casefold())

    def query_of(self, state: Any, checked_path: Any) -> Query:
        """Return the query of the script's state: ``query`` is ``"a"``, ``"b"`` or a place in the gallery.

        Raises:
            UserError: another query, or a picture that cannot be used.
        """
        asked = state.get("query") if isinstance(state, dict) else None
        if asked in ("a", "b"):
            path = checked_path(state.get(asked))
            if path in self.paths:
                return self.at(self.paths.index(path))
            return Query(path, self.class_named(state.get(f"name_{asked}")), None)
        if isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < len(self.items):
            return self.at(asked)
        raise UserError("find.query_bad", count=len(self.items))


@functools.cache
def bundled() -> Gallery:
    """Return the pictures of ``assets/gallery/gallery.json``; those that are bundled photographs have no copy there."""
    folder = assets() / "gallery"
    entries = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
    photographs = pictures.photographs()
    items = tuple(
        GalleryItem(os.path.realpath(pictures.photograph_path(name) if name in photographs else folder / name), label)
        for name, label in ((entry["file"], entry["label"]) for entry in entries)
    )
    return Gallery(BUNDLED, "", items, len(items), folder)

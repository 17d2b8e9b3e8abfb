"""The gallery of whoever runs the page: pictures of a folder, embedded once per network in the background."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mixviz import resources, retrieval
from mixviz.cam.inference import KnownModel
from mixviz.data import class_folders
from mixviz.embeddings import measures
from mixviz.retrieval.store import Store
from mixviz.ui.errors import log
from mixviz.ui.services import tiling
from mixviz.ui.services.background import Progress, Tell, result
from mixviz.ui.services.photo_gallery import FOLDER, SIDE, Gallery, GalleryItem, bundled

VARIABLE = "MIXVIZ_GALLERY"  # the environment variable that names the folder
MOST = 2000  # pictures that are searched
MANY = 200  # pictures above which they are shown smaller, so that a sheet of all is at most some megabytes
CHUNK = 16  # pictures after which their vectors are written
PARTS = {"train", "training", "val", "valid", "validation", "test"}  # names of folders that are no classes


def host_gallery() -> Gallery | None:
    """Return the pictures of the folder that ``MIXVIZ_GALLERY`` names: a class per sub-folder; None: there is none.

    Raises:
        ValueError: no such folder, or no such sub-folders; says what to do.
    """
    folder = os.environ.get(VARIABLE, "").strip()
    return _read(Path(folder).expanduser().absolute()) if folder else None


def galleries() -> dict[str, Gallery]:
    """Return all galleries by name, the one that opens first."""
    own = host_gallery()
    return {one.name: one for one in (own, bundled()) if one is not None}


def chosen(state: Any) -> Gallery:
    """Return the gallery that the script's state names, else the first."""
    there, wanted = galleries(), state.get("gallery") if isinstance(state, dict) else None
    return there[wanted] if isinstance(wanted, str) and wanted in there else next(iter(there.values()))


@functools.cache
def _read(folder: Path) -> Gallery:
    if not folder.is_dir():
        raise ValueError(f"{VARIABLE}={folder}: there is no such folder. Give one with a sub-folder per class.")
    classes = class_folders.classes(folder)
    if classes and {name.lower() for name in classes} <= PARTS:
        raise ValueError(
            f"{VARIABLE}={folder} holds {', '.join(classes)}, which are parts and not classes: give one of them, such "
            f"as {folder / classes[0]}."
        )
    found = class_folders.read(folder, classes)
    if not len(found):
        raise ValueError(f"{VARIABLE}={folder} holds no sub-folders with pictures. Each sub-folder should be a class.")
    some = found.take(class_folders.evenly(found.labels, MOST))
    names = [name.encode("utf-8", "replace").decode() for name in classes]  # as the page can show them
    items = tuple(
        GalleryItem(str(path), names[label]) for path, label in zip(some.pictures, some.labels.tolist(), strict=True)
    )
    return Gallery(FOLDER, folder.name, items, len(found), folder, _digest(folder, items))


def _digest(folder: Path, items: tuple[GalleryItem, ...]) -> str:
    lines = [f"{folder} {CHUNK}"]
    for path, _ in items:
        about = os.stat(path)
        lines.append(f"{path} {about.st_size} {about.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


# ---------------------------------------------------------------- thumbnails


def sheet(gallery: Gallery, wanted: bool = False) -> str | Progress:
    """Return a sheet of the thumbnails of a gallery; those of a folder are made in the background."""
    if gallery.name != FOLDER:
        return _bundled_sheet()
    return result(("sheet", gallery.digest), functools.partial(_sheet, gallery), wanted)


@functools.cache
def _bundled_sheet() -> str:
    return tiling.thumbnails([tiling.picture(path, SIDE) for path in bundled().paths])


def _sheet(gallery: Gallery, tell: Tell) -> str:
    side = tiling.THUMBNAIL if len(gallery.items) > MANY else SIDE
    tiles = []
    for done, path in enumerate(gallery.paths):
        tell(done, len(gallery.paths))
        try:
            tiles.append(tiling.picture(path, side))
        except (ValueError, OSError) as error:
            log.warning("A picture of %s cannot be searched: %s: %s", VARIABLE, path, error)
            tiles.append(torch.full((3, side, side), 128, dtype=torch.uint8))
    return tiling.thumbnails(tiles)


# ---------------------------------------------------------------- vectors


class Indexed(NamedTuple):
    """A gallery as a network embeds it: the ``places`` of the pictures that could be read, in the order of the vectors,
    and the mean average precision, None where no class has two pictures."""

    store: Store
    places: list[int]
    mean_average_precision: float | None

    def vectors(self) -> Tensor:
        """Read the vectors (N, D), of length 1."""
        return torch.cat([*self.store.vectors()])


def indexed(gallery: Gallery, known: KnownModel, wanted: bool = False) -> Indexed | Progress:
    """Return the index of a folder's pictures by a network, or how far it is; it stays on the disk.

    Raises:
        ValueError: the network has no embedding.
    """
    key = "index", gallery.digest, known.name, known.sha256
    return result(key, functools.partial(_index, gallery, known), wanted)


def _index(gallery: Gallery, known: KnownModel, tell: Tell) -> Indexed:
    names = [Path(path).relative_to(gallery.root).as_posix() for path in gallery.paths]
    out = _home(known) / gallery.digest[:16] / known.sha256[:16]
    store = retrieval.build(gallery.root, known.loaded(), out, workers=1, chunk=CHUNK, names=names, progress=tell)
    place_of = {name: place for place, name in enumerate(names)}
    places = [place_of[name] for name in store.names()]
    found = Indexed(store, places, None)
    labels = gallery.class_indices[places]
    if len(places) < 2 or int(labels.bincount().max()) < 2:
        return found
    return found._replace(mean_average_precision=measures.retrieval(found.vectors(), labels).mean_average_precision)


def _home(known: KnownModel) -> Path:
    """The folder of the indexes; those by visitors' networks end with the server."""
    home = resources.indexes()
    if not known.name.startswith("own_"):
        try:
            home.mkdir(parents=True, exist_ok=True)
            if os.access(home, os.W_OK):
                return home
        except OSError:
            pass
        log.warning("%s cannot be written: the pictures of %s are embedded anew at every start", home, VARIABLE)
    return Path(_until_the_end().name)


@functools.cache
def _until_the_end() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mixviz-")

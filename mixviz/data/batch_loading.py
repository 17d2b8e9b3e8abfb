"""Load the labelled pictures of a batch: bundled photographs, or a user's folder, zip or list."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.objects import Objects
from mixviz.data import pictures
from mixviz.data.decoding import PictureError, left_out
from mixviz.data.files.gathering import Limits, gather
from mixviz.data.pictures import Photograph
from mixviz.i18n import UserError

Item = TypeVar("Item")

SIDE = 192  # pixels of a picture on the page
MOST = 64
LEAST = 2


class ImageSource(NamedTuple):
    """A picture that is not opened yet: its name, its class, and its entry if it is a bundled photograph."""

    name: str
    label: str
    open: Callable[[], BinaryIO]
    entry: Photograph | None = None


class Pictures(NamedTuple):
    """Images (N, 3, S, S) uint8, class indices (N,), names of classes and of pictures, and object masks (N, S, S).

    The masks are None unless an object of every picture is known. ``annotated`` holds the objects of an annotation
    file, in pixels of the squares; None: there is none.
    """

    images: Tensor
    labels: Tensor
    classes: list[str]
    names: list[str]
    objects: Tensor | None = None
    annotated: Objects | None = None


def with_objects(pictures: Pictures, objects: Objects) -> Pictures:
    """Return pictures with the objects of an annotation file, by which labels are judged if every picture has some.

    Args:
        pictures: N squares.
        objects: of them, in pixels of the squares.
    """
    everywhere = len(set(objects.image.tolist())) == len(pictures.images)
    return pictures._replace(annotated=objects, objects=objects.union() if everywhere else pictures.objects)


def bundled(count: int = 8, side: int = SIDE) -> Pictures:
    """The first ``count`` bundled photographs as squares of ``side`` pixels."""
    return opened(photographs(count), side)


def load(where: str | Path | Sequence[str | Path], side: int = SIDE, most: int = MOST) -> Pictures:
    """Load the readable pictures of a folder, a zip or a list as squares of ``side`` pixels; warn about the others.

    Raises:
        ValueError: see :func:`mixviz.data.files.gathering.gather`; or fewer than two pictures can be read.
    """
    messages: list[str] = []
    with found_in(where, most, tell=messages.append) as sources:
        batch = opened(sources, side, messages.append)
    for message in messages:
        warnings.warn(message, stacklevel=2)
    return batch


def photographs(count: int) -> list[ImageSource]:
    """The first ``count`` bundled photographs; the class is the object shown."""
    entries = list(pictures.photographs().values())[:count]
    return [
        ImageSource(entry["file"], entry["label"], partial(open, pictures.photograph_path(entry["file"]), "rb"), entry)
        for entry in entries
    ]


@contextmanager
def found_in(
    where: str | Path | Sequence[str | Path],
    most: int = MOST,
    limits: Limits | None = None,
    tell: Callable[[str], object] = print,
) -> Iterator[list[ImageSource]]:
    """Find at most ``most`` pictures of a folder, a zip or a list; they can be opened within this context.

    Classes come from :func:`labels_of`. ``tell`` gets a line about files that are left out.
    """
    prefix = f"{Path(where).name}/" if isinstance(where, str | Path) and Path(where).is_dir() else ""
    with gather(where, limits=limits) as gathered:
        sample = some(gathered.pictures, most)
        if gathered.others:
            tell(left_out(gathered.others))
        if len(sample) < len(gathered.pictures):
            tell(f"Taken evenly: {len(sample)} of {len(gathered.pictures)} pictures.")
        labels = labels_of([prefix + picture.name for picture in sample])
        yield [ImageSource(picture.name, label, picture.open) for picture, label in zip(sample, labels, strict=True)]


def some(items: Sequence[Item], most: int) -> list[Item]:
    """Sample at most ``most`` items at even intervals, so that every sub-folder keeps its share."""
    count = min(len(items), most)
    return [items[i * len(items) // count] for i in range(count)]


def labels_of(names: Sequence[str]) -> list[str]:
    """The class of each picture: its top-level sub-folder, or a class of its own outside any sub-folder.

    Names have ``/`` between their parts. A single folder that holds all pictures does not count as a sub-folder.
    """
    paths = [name.split("/") for name in names]
    if all(len(path) > 1 for path in paths) and len({path[0] for path in paths}) == 1:
        paths = [path[1:] for path in paths]
    folders = {path[0] for path in paths if len(path) > 1}
    stems = Counter(PurePosixPath(path[0]).stem for path in paths if len(path) == 1)

    def label(path: list[str]) -> str:
        stem = PurePosixPath(path[0]).stem
        return stem if len(path) == 1 and stems[stem] == 1 and stem not in folders else path[0]

    return [label(path) for path in paths]


def read(sources: Sequence[ImageSource], side: int) -> Iterator[tuple[ImageSource, np.ndarray | None, str]]:
    """Decode pictures one by one: yield (picture, pixels, ""), or (picture, None, reason) if it cannot be used."""
    for source in sources:
        try:
            with source.open() as file:
                tile = pictures.load_image(file, side, source.name)
        except PictureError as error:
            yield source, None, str(error)
        except (ValueError, OSError) as error:
            yield source, None, f"{source.name}: {error}"
        else:
            yield source, tile, ""


def opened(sources: Sequence[ImageSource], side: int, tell: Callable[[str], object] = print) -> Pictures:
    """Load the readable ones of some pictures; ``tell`` gets a line about each of the others."""
    readable, tiles = [], []
    for source, tile, reason in read(sources, side):
        if tile is None:
            tell(f"Left out: {reason}")
        else:
            readable.append(source)
            tiles.append(tile)
    return stacked(readable, tiles)


def stacked(sources: Sequence[ImageSource], tiles: Sequence[np.ndarray]) -> Pictures:
    """Stack pictures and their pixels into a batch.

    Raises:
        UserError: fewer than two pictures, so that there is no partner to mix with.
    """
    if len(sources) < LEAST:
        raise UserError("batch.few", least=LEAST, count=len(sources))
    classes = sorted({source.label for source in sources})
    entries = [source.entry for source in sources if source.entry]
    side = tiles[0].shape[0]
    known = len(entries) == len(sources)
    return Pictures(
        torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous(),
        torch.tensor([classes.index(source.label) for source in sources]),
        classes,
        [source.name for source in sources],
        torch.stack([pictures.square_mask(entry, side) for entry in entries]) if known else None,
    )

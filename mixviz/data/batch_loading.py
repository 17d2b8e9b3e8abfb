"""The pictures of a batch: bundled photographs, or a folder, a zip or a list of anybody's, each with its class."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.data import pictures
from mixviz.data.decoding import PictureError, left_out
from mixviz.data.files.gathering import Limits, gather
from mixviz.i18n import UserError

SIDE = 192  # pixels of a picture on the page
MOST = 64
LEAST = 2


class ImageSource(NamedTuple):
    """A picture that is still to be opened: its name, its class, and the entry of a bundled photograph."""

    name: str
    label: str
    open: Callable[[], BinaryIO]
    entry: dict | None = None


class Pictures(NamedTuple):
    """Images (N, 3, S, S) uint8, class indices (N,), names of classes and of pictures, and masks (N, S, S) of the
    objects, None where one of them is not known."""

    images: Tensor
    labels: Tensor
    classes: list[str]
    names: list[str]
    objects: Tensor | None = None


def bundled(count: int = 8, side: int = SIDE) -> Pictures:
    """The first bundled photographs, squares of a side."""
    return opened(photographs(count), side)


def load(where: str | Path | Sequence[str | Path], side: int = SIDE, most: int = MOST) -> Pictures:
    """The pictures of a folder, a zip or a list, as far as they can be read, squares of a side; a warning names others.

    Raises:
        ValueError: as :func:`mixviz.data.files.gathering.gather` does; or fewer than two pictures can be read.
    """
    told: list[str] = []
    with found_in(where, most, tell=told.append) as found:
        mixed = opened(found, side, told.append)
    for line in told:
        warnings.warn(line, stacklevel=2)
    return mixed


def photographs(count: int) -> list[ImageSource]:
    """The first bundled photographs, each of the class that it shows."""
    entries = list(pictures.photographs().values())[:count]
    return [
        ImageSource(e["file"], e["label"], partial(open, pictures.photograph_path(e["file"]), "rb"), e) for e in entries
    ]


@contextmanager
def found_in(
    where: str | Path | Sequence[str | Path],
    most: int = MOST,
    limits: Limits | None = None,
    tell: Callable[[str], object] = print,
) -> Iterator[list[ImageSource]]:
    """The pictures of a folder, a zip or a list, at most so many, open within this context; see :func:`labels_of`.
    ``tell`` gets a line about what is left out."""
    home = f"{Path(where).name}/" if isinstance(where, str | Path) and Path(where).is_dir() else ""
    with gather(where, limits=limits) as gathered:
        known = some(gathered.pictures, most)
        if gathered.others:
            tell(left_out(gathered.others))
        if len(known) < len(gathered.pictures):
            tell(f"Taken evenly: {len(known)} of {len(gathered.pictures)} pictures.")
        labels = labels_of([home + one.name for one in known])
        yield [ImageSource(one.name, label, one.open) for one, label in zip(known, labels, strict=True)]


def some(everything: Sequence[Any], most: int) -> list[Any]:
    """As many as are taken, evenly over all there are, so that every sub-folder keeps its share."""
    count = min(len(everything), most)
    return [everything[i * len(everything) // count] for i in range(count)]


def labels_of(names: Sequence[str]) -> list[str]:
    """The class of each picture: the first sub-folder that it lies in; in none, a class of its own.

    Names have ``/`` between their parts. A folder that holds all of them is none of the sub-folders.
    """
    parts = [name.split("/") for name in names]
    if all(len(one) > 1 for one in parts) and len({one[0] for one in parts}) == 1:
        parts = [one[1:] for one in parts]
    folders = {one[0] for one in parts if len(one) > 1}
    stems = Counter(PurePosixPath(one[0]).stem for one in parts if len(one) == 1)

    def label(one: list[str]) -> str:
        stem = PurePosixPath(one[0]).stem
        return stem if len(one) == 1 and stems[stem] == 1 and stem not in folders else one[0]

    return [label(one) for one in parts]


def read(found: Sequence[ImageSource], side: int) -> Iterator[tuple[ImageSource, np.ndarray | None, str]]:
    """(picture, pixels, "") one after the other, or (picture, None, why it cannot be used)."""
    for one in found:
        try:
            with one.open() as file:
                tile = pictures.load_image(file, side, one.name)
        except PictureError as error:
            yield one, None, str(error)
        except (ValueError, OSError) as error:
            yield one, None, f"{one.name}: {error}"
        else:
            yield one, tile, ""


def opened(found: Sequence[ImageSource], side: int, tell: Callable[[str], object] = print) -> Pictures:
    """What can be read of some pictures; ``tell`` gets a line about each of the others."""
    good = []
    for one, tile, reason in read(found, side):
        if tile is None:
            tell(f"Left out: {reason}")
        else:
            good.append((one, tile))
    return stacked([one for one, _ in good], [tile for _, tile in good])


def stacked(found: Sequence[ImageSource], tiles: Sequence[np.ndarray]) -> Pictures:
    """Pictures and their pixels as a batch.

    Raises:
        UserError: a batch of one has no partners.
    """
    if len(found) < LEAST:
        raise UserError("batch.few", least=LEAST, count=len(found))
    classes = sorted({one.label for one in found})
    return Pictures(
        torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous(),
        torch.tensor([classes.index(one.label) for one in found]),
        classes,
        [one.name for one in found],
        _objects(found, tiles[0].shape[0]) if all(one.entry for one in found) else None,
    )


def _objects(found: Sequence[ImageSource], side: int) -> Tensor:
    masks = torch.zeros(len(found), side, side)
    for mask, one in zip(masks, found, strict=True):
        top, left, bottom, right = pictures.square_box(one.entry, side)
        mask[top:bottom, left:right] = 1
    return masks

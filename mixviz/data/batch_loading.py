"""Load the labelled pictures of a batch: bundled photographs, or a user's folder, zip or list."""

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
    """A picture not yet opened: its name, its class, and its entry if it is a bundled photograph."""

    name: str
    label: str
    open: Callable[[], BinaryIO]
    entry: dict | None = None


class Pictures(NamedTuple):
    """Images (N, 3, S, S) uint8, class indices (N,), names of classes and of pictures, and object masks (N, S, S).

    The masks are None unless the object of every picture is known.
    """

    images: Tensor
    labels: Tensor
    classes: list[str]
    names: list[str]
    objects: Tensor | None = None


def bundled(count: int = 8, side: int = SIDE) -> Pictures:
    """The first ``count`` bundled photographs as squares of ``side`` pixels."""
    return opened(photographs(count), side)


def load(where: str | Path | Sequence[str | Path], side: int = SIDE, most: int = MOST) -> Pictures:
    """Load the readable pictures of a folder, a zip or a list as squares of ``side`` pixels; warn about the others.

    Raises:
        ValueError: see :func:`mixviz.data.files.gathering.gather`; or fewer than two pictures can be read.
    """
    told: list[str] = []
    with found_in(where, most, tell=told.append) as found:
        mixed = opened(found, side, told.append)
    for line in told:
        warnings.warn(line, stacklevel=2)
    return mixed


def photographs(count: int) -> list[ImageSource]:
    """The first ``count`` bundled photographs; the class is the object shown."""
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
    """Find at most ``most`` pictures of a folder, a zip or a list; they can be opened within this context.

    Classes come from :func:`labels_of`. ``tell`` gets a line about files that are left out.
    """
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
    """Sample at most ``most`` items at even intervals, so that every sub-folder keeps its share."""
    count = min(len(everything), most)
    return [everything[i * len(everything) // count] for i in range(count)]


def labels_of(names: Sequence[str]) -> list[str]:
    """The class of each picture: its top-level sub-folder, or a class of its own outside any sub-folder.

    Names have ``/`` between their parts. A single folder that holds all pictures does not count as a sub-folder.
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
    """Decode pictures one by one: yield (picture, pixels, ""), or (picture, None, reason) if it cannot be used."""
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
    """Load the readable ones of some pictures; ``tell`` gets a line about each of the others."""
    good = []
    for one, tile, reason in read(found, side):
        if tile is None:
            tell(f"Left out: {reason}")
        else:
            good.append((one, tile))
    return stacked([one for one, _ in good], [tile for _, tile in good])


def stacked(found: Sequence[ImageSource], tiles: Sequence[np.ndarray]) -> Pictures:
    """Stack pictures and their pixels into a batch.

    Raises:
        UserError: fewer than two pictures, so that there is no partner to mix with.
    """
    if len(found) < LEAST:
        raise UserError("batch.few", least=LEAST, count=len(found))
    classes = sorted({one.label for one in found})
    entries = [one.entry for one in found if one.entry]
    return Pictures(
        torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).contiguous(),
        torch.tensor([classes.index(one.label) for one in found]),
        classes,
        [one.name for one in found],
        _objects(entries, tiles[0].shape[0]) if len(entries) == len(found) else None,
    )


def _objects(entries: Sequence[dict], side: int) -> Tensor:
    masks = torch.zeros(len(entries), side, side)
    for mask, entry in zip(masks, entries, strict=True):
        top, left, bottom, right = pictures.square_box(entry, side)
        mask[top:bottom, left:right] = 1
    return masks

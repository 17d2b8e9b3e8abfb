"""A split of a data set (pictures, labels, boxes, masks) and its decoding."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mixviz.data.decoding import PictureError
from mixviz.data.decoding import decode as decode_file
from mixviz.data.pictures import GAP, square

Box = tuple[int, int, int, int]
Window = tuple[float, float, float, float]
HELD_OUT = 5  # one class of so many is held out, where a data set has no validation part


@dataclass(frozen=True)
class Dataset:
    """The training or validation pictures of a data set.

    Attributes:
        pictures: a path, or pixels (H, W, 3) uint8, per picture.
        labels: (N,) int64, indices into ``classes``.
        classes: readable class names, in the order of the labels.
        keys: the data set's own class identifiers (WordNet ids, folder names).
        side: the pictures' side in pixels if all are squares of one size; else 0.
        boxes: the object's box per picture, half-open (top, left, bottom, right); empty if unknown.
        masks: the path per picture of its trimap (1 object, 2 background, 3 border: ignored); empty if unknown.
        terms: licence or terms of use, and the citation.
        others: files left out because their names do not end like a picture's.
        close: (C, C) bool: pairs of classes that are too close to be told apart, such as places 20 m from each other;
            None: all classes differ.
        positions: (N, 2) or (N, 3) float64, where the pictures were taken, in metres; None: unknown.
        windows: the part to see of each upright picture, (top, left, bottom, right) as shares of its sides; empty: the
            whole pictures.
        open_set: whether validation has classes that training lacks, so that class scores cannot be validated.
    """

    pictures: Sequence[Path | np.ndarray]
    labels: Tensor
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    side: int = 0
    boxes: tuple[Box, ...] = ()
    masks: tuple[Path, ...] = ()
    terms: str = "unknown: ask whoever made the pictures"
    others: tuple[Path, ...] = ()
    close: Tensor | None = None
    positions: Tensor | None = None
    windows: tuple[Window, ...] = ()
    open_set: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Sequence[int]) -> Dataset:
        """Select pictures by index, in the order given."""
        indices = [int(i) for i in indices]
        return replace(
            self,
            pictures=[self.pictures[i] for i in indices],
            labels=self.labels[indices],
            boxes=tuple(self.boxes[i] for i in indices) if self.boxes else (),
            masks=tuple(self.masks[i] for i in indices) if self.masks else (),
            positions=None if self.positions is None else self.positions[indices],
            windows=tuple(self.windows[i] for i in indices) if self.windows else (),
        )

    def through(self, windows: Sequence[Window]) -> Dataset:
        """Return the pictures seen through one window each."""
        return replace(self, windows=tuple(windows))

    def of_classes(self, wanted: Sequence[str]) -> Dataset:
        """Select classes by name or key and relabel them 0, 1, … in the order given.

        Raises:
            ValueError: an unknown name, or one given twice.
        """
        index = {name.lower(): i for names in (self.classes, self.keys) for i, name in enumerate(names)}
        missing = [name for name in wanted if name.lower() not in index]
        if missing:
            raise ValueError(
                f"No class is called {', '.join(map(repr, missing))}. There are: {', '.join(self.classes)}."
            )
        old = [index[name.lower()] for name in wanted]
        if len(set(old)) < len(old):
            raise ValueError("A class is named twice.")
        return self._of_labels(old)

    def compact(self) -> Dataset:
        """Drop classes without pictures, and relabel the others 0, 1, … in their order."""
        return self._of_labels(self.labels.unique().tolist())

    def _of_labels(self, old: list[int]) -> Dataset:
        new = torch.full((len(self.classes),), -1)
        new[old] = torch.arange(len(old))
        subset = self.take(torch.nonzero(new[self.labels] >= 0).flatten().tolist())
        classes, keys = (tuple(names[i] for i in old) for names in (self.classes, self.keys))
        close = None if self.close is None else self.close[old][:, old]
        return replace(subset, labels=new[subset.labels], classes=classes, keys=keys, close=close)

    def joined(self, other: Dataset) -> Dataset:
        """Append the pictures of another part of the same data set."""
        return replace(
            self,
            pictures=[*self.pictures, *other.pictures],
            labels=torch.cat([self.labels, other.labels]),
            boxes=self.boxes + other.boxes if self.boxes and other.boxes else (),
            masks=self.masks + other.masks if self.masks and other.masks else (),
            others=self.others + other.others,
        )

    def folds(self, index: int, count: int) -> tuple[Dataset, Dataset]:
        """Divide the pictures of each class into ``count`` parts at random, the same at every call.

        Args:
            index: the part that is held out, from 1 to ``count``.

        Returns:
            (training, validation): all parts but this one, and this one. Parts of a class differ by at most one
            picture.
        """
        held_out = torch.zeros(len(self), dtype=torch.bool)
        members_of = self.labels.argsort(stable=True).split(torch.bincount(self.labels).tolist())
        for label, members in enumerate(members_of):
            order = np.random.default_rng([label, count]).permutation(len(members))
            # Shifted by the class, so that the picture that is left over falls into another part of the next class.
            held_out[members[order[(index - 1 + label) % count :: count]]] = True
        train, val = (torch.nonzero(chosen).flatten().tolist() for chosen in (~held_out, held_out))
        return self.take(train), self.take(val)

    def class_folds(self, index: int, count: int) -> tuple[Dataset, Dataset]:
        """Divide the classes into ``count`` parts at random, the same at every call.

        Args:
            index: the part that is held out, from 1 to ``count``.

        Returns:
            (training, validation): all classes but those of this part, and those of this part, each relabelled. Parts
            differ by at most one class.

        Raises:
            ValueError: there are fewer classes than parts.
        """
        whole = self.compact()
        if len(whole.classes) < count:
            raise ValueError(f"{len(whole.classes)} classes make no {count} parts: hold out fewer, e.g. classes:1/2.")
        order = np.random.default_rng([count, len(whole.classes)]).permutation(len(whole.classes))
        held_out = np.sort(order[index - 1 :: count])
        rest = np.setdiff1d(order, held_out)
        train, val = (whole._of_labels(chosen.tolist()) for chosen in (rest, held_out))
        return replace(train, open_set=True), replace(val, open_set=True)

    def held_out_classes(self) -> tuple[Dataset, Dataset]:
        """Hold out the first of :data:`HELD_OUT` parts of the classes, see :meth:`class_folds`."""
        return self.class_folds(1, HELD_OUT)

    def complete(self, part: str) -> Dataset:
        """Return self after checking that every class has pictures.

        Args:
            part: name of the split, for the message.

        Raises:
            ValueError: a class has no picture; names such classes and says what to do.
        """
        counts = torch.bincount(self.labels, minlength=len(self.classes))
        empty = [self.classes[i] for i in torch.nonzero(counts == 0).flatten().tolist()]
        if empty:
            raise ValueError(
                f"The data are incomplete: no picture for {part} of {', '.join(empty[:5])}"
                f"{', …' if len(empty) > 5 else ''}. Fetch the rest, or name the classes to take (--classes)."
            )
        return self

    def per_class(self, limit: int) -> Dataset:
        """Select the first pictures of each class, at most ``limit``."""
        counts, indices = [0] * len(self.classes), []
        for index, label in enumerate(self.labels.tolist()):
            counts[label] += 1
            if counts[label] <= limit:
                indices.append(index)
        return self.take(indices)


def read(picture: Path | np.ndarray, side: int | None = None) -> Image.Image:
    """Read a picture as RGB; see :func:`mixviz.data.decoding.decode`.

    Args:
        side: the side it will be resized to; a JPEG is decoded no larger than that requires. None: full size.

    Raises:
        ValueError: damaged, too large or not a picture; gives the path and says what to do.
    """
    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture)
    try:
        return decode_file(picture, side and GAP * side)
    except PictureError as error:
        named = PictureError(error.key, **error.values | {"name": picture})
        raise ValueError(f"{named} Or train without such pictures: --corrupt skip.") from error


def open_picture(split: Dataset, index: int, side: int | None = None) -> Image.Image:
    """Read a picture of a split through its window; see :func:`read`."""
    if not split.windows:
        return read(split.pictures[index], side)
    top, left, bottom, right = split.windows[index]
    share = min(bottom - top, right - left)
    image = read(split.pictures[index], None if side is None else math.ceil(side / share))
    width, height = image.size
    edges = [round(left * width), round(top * height), round(right * width), round(bottom * height)]
    edges[2:] = max(edges[2], edges[0] + 1), max(edges[3], edges[1] + 1)
    return image.crop((edges[0], edges[1], edges[2], edges[3]))


def decode(
    split: Dataset,
    side: int,
    corrupt: str = "refuse",
    tell: Callable[[str], object] = print,
    interpolation: str = "bicubic",
) -> tuple[Tensor, Dataset]:
    """Decode a split to (N, 3, side, side) uint8; return the pixels and the split of the pictures decoded.

    Args:
        corrupt: ``refuse``: raise at a damaged picture; ``skip``: report damaged pictures and leave them out.
        tell: gets a line for every picture that is left out.
        interpolation: a name of :data:`mixviz.data.pictures.RESAMPLING`.

    Raises:
        ValueError: a damaged picture (``refuse``), or no picture that can be read (``skip``).
    """
    pixels = torch.empty(len(split), side, side, 3, dtype=torch.uint8)
    damaged: list[tuple[int, str]] = []

    def decode_one(index: int) -> None:
        try:
            pixels[index] = torch.from_numpy(square(open_picture(split, index, side), side, interpolation).copy())
        except ValueError as error:
            if corrupt == "refuse":
                raise
            damaged.append((index, str(error)))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(decode_one, range(len(split))))
    if damaged:
        for _, error in sorted(damaged):
            tell(f"Left out: {error}")
        readable = sorted(set(range(len(split))) - {index for index, _ in damaged})
        if not readable:
            raise ValueError("No picture of the data set can be read.")
        split, pixels = split.take(readable), pixels[readable]
    return pixels.permute(0, 3, 1, 2).contiguous(), split

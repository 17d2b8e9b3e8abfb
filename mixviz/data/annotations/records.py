"""Annotations of pictures of any size, as files hold them."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from torch import Tensor

from mixviz.core.objects import Objects

Size = tuple[int, int]


class Skipped(NamedTuple):
    """An object or picture that was left out: its file, its place in it, and the reason with the remedy."""

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.reason}" if self.file else f"{self.place}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Annotated:
    """A picture's annotations.

    Attributes:
        file: name of the picture, as the annotation file writes it.
        size: (H, W) of the picture in pixels.
        outlines: the objects without their masks; ``count`` is 1.
        masks: returns the masks (M, H, W) bool, which are decoded on every call; None: there are none.
        id: the picture's identifier in the annotation file; None: it has none.
        extras: what else the annotation file says about the picture.
    """

    file: str
    size: Size
    outlines: Objects
    masks: Callable[[], Tensor] | None = None
    id: int | str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, file: str, objects: Objects, **more: Any) -> Annotated:
        """Annotations of a picture from its objects, with their masks."""
        if objects.count != 1:
            raise ValueError(f"{file}: the objects should be of one picture; got those of {objects.count}: use of().")
        masks = None if objects.masks is None else _Given(objects.masks)
        return cls(file, objects.size, dataclasses.replace(objects, masks=None, checked=True), masks, **more)

    @property
    def objects(self) -> Objects:
        """The objects with their masks, decoded anew at every access."""
        if self.masks is None:
            return self.outlines
        return dataclasses.replace(self.outlines, masks=self.masks(), checked=True)

    def __len__(self) -> int:
        return len(self.outlines)


@dataclass(frozen=True, eq=False)
class _Given:
    """Masks that are in memory; a class, so that it can be sent to another process."""

    masks: Tensor

    def __call__(self) -> Tensor:
        return self.masks


@dataclass(frozen=True, eq=False)
class Annotations:
    """The annotated pictures of a file or folder.

    Attributes:
        pictures: in the order of the file.
        classes: names of the classes, in the order of the class indices; empty if the file names none.
        class_ids: the file's own number of each class.
        skipped: what was left out, and why.
        extras: what else the file says.
    """

    pictures: tuple[Annotated, ...]
    classes: tuple[str, ...] = ()
    class_ids: tuple[int, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, objects: Objects, files: Sequence[str], classes: Sequence[str] = (), **more: Any) -> Annotations:
        """Annotations of a batch of N pictures, e.g. of mixtures, from their objects and their N file names.

        Raises:
            ValueError: another number of names than of pictures.
        """
        if len(files) != objects.count:
            raise ValueError(f"files should be a name for each of the {objects.count} pictures; got {len(files)}.")
        pictures = tuple(Annotated.of(file, objects.of(i)) for i, file in enumerate(files))
        return cls(pictures, tuple(classes), **more)

    def __len__(self) -> int:
        return len(self.pictures)

    def find(self, name: str) -> Annotated | None:
        """Return the annotations of a picture; None if there are none.

        Args:
            name: its path. The file may know it by a longer or shorter path, as long as the file name occurs once.
        """
        paths, bases = self._index
        wanted = normal(name)
        if wanted in paths:
            return paths[wanted]
        found = bases.get(PurePosixPath(wanted).name)
        if found is None:
            return None
        known = normal(found.file)
        return found if f"/{known}".endswith(f"/{wanted}") or f"/{wanted}".endswith(f"/{known}") else None

    @cached_property
    def _index(self) -> tuple[dict[str, Annotated], dict[str, Annotated]]:
        """Pictures by their paths, and by those file names that occur once."""
        paths = {normal(one.file): one for one in self.pictures}
        counts = Counter(PurePosixPath(path).name for path in paths)
        bases = {name: one for path, one in paths.items() if counts[name := PurePosixPath(path).name] == 1}
        return paths, bases

    def report(self, most: int = 20) -> str:
        """Return what was left out, a line each for the first ``most``; empty if nothing was."""
        if not self.skipped:
            return ""
        lines = [f"Left out: {len(self.skipped)}", *map(str, self.skipped[:most])]
        return "\n".join(lines + ["…"] * (len(self.skipped) > most))


def normal(name: str) -> str:
    """Return a path with ``/`` between its parts and composed accents, so that spellings of one name are equal."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name.replace("\\", "/"))))

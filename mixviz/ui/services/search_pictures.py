"""Pictures of the host that a search on the page trains with: the folders and data sets that are there, and a part of
one for a search."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mixviz.data import class_folders, sources
from mixviz.data.dataset import Dataset
from mixviz.i18n import UserError

VARIABLE = "MIXVIZ_SEARCH_DATA"  # the environment variable that names the host's pictures for searches
GALLERY, DATA, USUAL = (
    "MIXVIZ_GALLERY",
    "MIXVIZ_DATA",
    "data",
)  # other folders that are looked at; USUAL is --root's own
CLASSES = "classes"  # a folder with a sub-folder per class, which are not divided into train/ and val/
FEWEST = 5  # pictures of a class, of which one may be held out: the search needs four

# Data sets by what lies in their folder, with their names.
LAYOUTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tiny_imagenet": ("Tiny-ImageNet", ("tiny-imagenet-200/wnids.txt", "wnids.txt")),
    "cifar10": ("CIFAR-10", ("cifar-10-batches-py/batches.meta",)),
    "cifar100": ("CIFAR-100", ("cifar-100-python/meta",)),
    "imagenette": ("Imagenette", ("imagenette2/val", "imagenette2-320/val", "imagenette2-160/val")),
    "oxford_pet": ("Oxford-IIIT Pet", ("oxford-iiit-pet/annotations", "annotations/trainval.txt")),
    "caltech101": ("Caltech-101", ("caltech101/101_ObjectCategories",)),
}


@dataclass(frozen=True)
class PictureSet:
    """A data set in a folder of the host: ``kind`` is one of :data:`mixviz.data.sources.SETS`, or :data:`CLASSES`."""

    kind: str
    root: Path
    title: str

    @property
    def key(self) -> str:
        """Its name for the page's script, which learns no path."""
        return hashlib.sha256(f"{self.kind} {self.root}".encode("utf-8", "surrogateescape")).hexdigest()[:12]


def offered() -> dict[str, PictureSet]:
    """Return the data sets that are on this machine by key: those that the host names for searches come first."""
    found = [one for root, own in _roots() for one in _within(root, own)]
    return {one.key: one for one in found}


def check() -> None:
    """Raise a ValueError where the host's folder is missing or holds no pictures of classes."""
    own = os.environ.get(VARIABLE, "").strip()
    if own and not _within(Path(own).expanduser().absolute(), True):
        raise ValueError(
            f"{VARIABLE}={own} holds no data set: give a folder with a sub-folder of pictures per class, with train/ "
            "and val/ of such folders, or with a data set of `mixviz train --data` in its official layout."
        )


def _roots() -> list[tuple[Path, bool]]:
    """The folders that are looked at, and whether they are named as pictures by class."""
    named = [(os.environ.get(name, "").strip(), name != DATA) for name in (VARIABLE, GALLERY, DATA)]
    return [(Path(text).expanduser().absolute(), own) for text, own in [*named, (USUAL, False)] if text]


def _within(root: Path, own: bool) -> list[PictureSet]:
    if not root.is_dir():
        return []
    found = [
        PictureSet(kind, root, title)
        for kind, (title, marks) in LAYOUTS.items()
        if any((root / mark).exists() for mark in marks)
    ]
    if found:
        return found
    if (root / "train").is_dir():
        return [PictureSet("folder", root, root.name)] if len(class_folders.classes(root / "train")) > 1 else []
    return [PictureSet(CLASSES, root, root.name)] if own and len(class_folders.classes(root)) > 1 else []


# ---------------------------------------------------------------- a part of a data set


@dataclass(frozen=True)
class Most:
    """How much of a data set a search takes: classes, training pictures in all, validation pictures of each class."""

    classes: int
    train: int
    val: int


def gather(kind: str, root: Path, most: Most, out: Path) -> dict[str, Any]:
    """Put a part of a data set into ``out``, as ``train/CLASS/`` and, where it has validation pictures, ``val/CLASS/``:
    evenly spaced classes that have enough pictures, and evenly spaced pictures of each.

    Files are linked, as far as the system does that, else copied.

    Returns:
        ``classes`` and ``train``: what was taken, ``of``: the classes of the data set.

    Raises:
        UserError: fewer than two classes have enough pictures.
        ValueError: the data set is damaged; says what to do.
    """
    train, val = _parts(kind, root)
    counts = torch.bincount(train.labels, minlength=len(train.classes))
    enough = torch.nonzero(counts >= FEWEST).flatten().tolist()
    if val is not None:
        there = set(val.labels.tolist())
        enough = [label for label in enough if label in there]
    if len(enough) < 2:
        raise UserError("live.few", fewest=FEWEST)
    n = min(most.classes, len(enough))
    chosen = [enough[i * len(enough) // n] for i in range(n)]
    names = [_plain(train.keys[label], place) for place, label in enumerate(chosen)]
    taken = _write(train, chosen, names, max(most.train // n, FEWEST), out / "train")
    if val is not None:
        _write(val, chosen, names, most.val, out / "val")
    return {"classes": n, "of": len(train.classes), "train": taken}


def _parts(kind: str, root: Path) -> tuple[Dataset, Dataset | None]:
    if kind == CLASSES:
        return class_folders.read(root, class_folders.classes(root)), None
    train = sources.load(kind, root, "train", tell=lambda line: None)
    if kind == "folder" and not sources.has_validation(root):
        return train, None
    return train, sources.load(kind, root, "val", tell=lambda line: None)


def _plain(key: str, place: int) -> str:
    """A class as the name of a folder; numbers keep names apart that are the same but for upper case or such."""
    return (
        f"{place:02d} " + "".join(letter if letter.isalnum() or letter in "-_" else " " for letter in key)[:60].strip()
    )


def _write(split: Dataset, labels: list[int], names: list[str], most: int, out: Path) -> int:
    """Write at most so many pictures of each class into folders; return how many those are."""
    every = split.labels.numpy()
    total = 0
    for label, name in zip(labels, names, strict=True):
        members = np.flatnonzero(every == label)
        taken = [members[i * len(members) // min(most, len(members))] for i in range(min(most, len(members)))]
        (out / name).mkdir(parents=True)
        for number, index in enumerate(taken):
            _store(split.pictures[index], out / name / f"{number:04d}")
        total += len(taken)
    return total


def _store(picture: Path | np.ndarray, to: Path) -> None:
    if isinstance(picture, np.ndarray):
        Image.fromarray(picture).save(to.with_suffix(".png"))
        return
    to = to.with_name(to.name + picture.suffix.lower())
    for link in (os.symlink, os.link):
        with contextlib.suppress(OSError):  # a system that has no such links, or allows none
            return link(picture.absolute(), to)
    shutil.copyfile(picture, to)

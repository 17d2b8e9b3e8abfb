"""Data sets in their official layouts."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from mixviz.data import class_folders
from mixviz.data.dataset import Box, Dataset
from mixviz.data.decoding import left_out
from mixviz.data.landmarks import landmarks
from mixviz.data.listing import all_there
from mixviz.data.places import places
from mixviz.data.views import views, with_windows

Split = TypeVar("Split")
TINY_IMAGENET = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"


def load(
    name: str, root: str | Path, part: str, download: bool = False, tell: Callable[[str], object] = print,
    *, holdout: str = "",
) -> Dataset:  # fmt: skip
    """Load the ``train`` or ``val`` part of a data set by name.

    Args:
        name: one of :data:`SETS`.
        root: folder of the data set in its official layout.
        download: download it first, where possible.
        tell: gets a line about files in the folder that are not pictures.
        holdout: ``2/5``: join the parts, divide each class into five, and validate on the second. ``classes:2/5``:
            divide the classes into five, and validate on those of the second. Empty: the data set's own parts. Places,
            landmarks and views are always divided by class.

    Raises:
        ValueError: an unknown name, a missing folder, or a folder without files that its own lists name; says what to
            do. :meth:`Dataset.complete` checks that every class has pictures, once classes have been chosen.
    """
    if name not in SETS:
        raise ValueError(f"There is no data set {name!r}. Known: {', '.join(SETS)}.")
    root = Path(root).expanduser()
    if not download and not root.is_dir():
        raise ValueError(f"--root {root}: there is no such folder. Give the one that holds {name}.")
    fold = part_of(holdout)
    if fold is None:
        split = SETS[name](root, part, download)
    else:
        whole = _whole(name, root, download)
        by_class = fold.of_classes or name in WHOLE
        divide = whole.class_folds if by_class else whole.folds
        split = divide(fold.part, fold.parts)[part == "val"]
        split = with_windows(split) if name == "views" and part == "val" else split
    if not len(split):
        raise ValueError(f"{root} holds no pictures for {part}.")
    if split.others:
        tell(left_out(split.others))
    return split


def _whole(name: str, root: Path, download: bool) -> Dataset:
    """Load all pictures of a data set."""
    if name in WHOLE:
        return SETS[name](root, "all", download)
    own_parts = ("train",) if name == "folder" and not _validation(root) else ("train", "val")
    return functools.reduce(Dataset.joined, [SETS[name](root, own, download) for own in own_parts])


class Holdout(NamedTuple):
    """The part ``part`` of ``parts``, from 1, that is held out: of each class, or (``of_classes``) of the classes."""

    part: int
    parts: int
    of_classes: bool


def part_of(holdout: str) -> Holdout | None:
    """Read a held-out part, e.g. ``2/5`` or ``classes:2/5``; None for an empty text.

    Raises:
        ValueError: not such a text.
    """
    if not holdout:
        return None
    match = re.fullmatch(r"(classes:)?(\d{1,3})/(\d{1,3})", holdout)
    index, count = (int(match[2]), int(match[3])) if match else (0, 0)
    if not match or not (1 <= index <= count and count >= 2):
        raise ValueError(
            f"--holdout should be a part of at least two, such as 1/5 or 5/5, or of the classes, such as classes:1/5; "
            f"got {holdout!r}."
        )
    return Holdout(index, count, bool(match[1]))


def _tiny_imagenet(root: Path, part: str, download: bool) -> Dataset:
    if download and not (root / "tiny-imagenet-200").is_dir():
        from torchvision.datasets.utils import download_and_extract_archive

        download_and_extract_archive(TINY_IMAGENET, root, md5="90528d7ca1a48142e341f4ef8d21d0de", remove_finished=True)
    root = root / "tiny-imagenet-200" if (root / "tiny-imagenet-200").is_dir() else root
    keys = tuple(_lines(root / "wnids.txt", "Tiny-ImageNet-200"))
    words = dict(line.split("\t", 1) for line in _lines(root / "words.txt", "Tiny-ImageNet-200"))
    if nameless := [key for key in keys if key not in words]:
        raise ValueError(f"{root / 'words.txt'} has no name for {', '.join(nameless[:5])}, which wnids.txt lists.")
    label_of = {key: i for i, key in enumerate(keys)}
    pictures, labels, boxes = [], [], []
    for path, key, box in _tiny_train(root, keys) if part == "train" else _tiny_val(root):
        if key not in label_of:
            raise ValueError(f"{root / 'wnids.txt'} lacks {key}, the class of {path.name}: it should list all classes.")
        pictures.append(path)
        labels.append(label_of[key])
        boxes.append(box)
    all_there(pictures, root)
    return Dataset(
        pictures, torch.tensor(labels), tuple(words[key].split(",")[0] for key in keys), keys, 64, tuple(boxes),
        terms="non-commercial research; cite Le & Yang 2015 (Tiny ImageNet) and ImageNet",
    )  # fmt: skip


def _tiny_train(root: Path, keys: tuple[str, ...]) -> Iterator[tuple[Path, str, Box]]:
    for key in keys:
        for line in _lines(root / "train" / key / f"{key}_boxes.txt", "Tiny-ImageNet-200"):
            name, *box = line.split("\t")
            yield root / "train" / key / "images" / name, key, _half_open(box)


def _tiny_val(root: Path) -> Iterator[tuple[Path, str, Box]]:
    for line in _lines(root / "val" / "val_annotations.txt", "Tiny-ImageNet-200"):
        name, key, *box = line.split("\t")
        yield root / "val" / "images" / name, key, _half_open(box)


def _half_open(box: list[str]) -> Box:
    """Convert x0 y0 x1 y1, both ends inclusive, to half-open (top, left, bottom, right)."""
    left, top, right, bottom = map(int, box)
    return top, left, bottom + 1, right + 1


def _folder(root: Path, part: str, download: bool) -> Dataset:
    if download:
        raise ValueError("A folder of your own cannot be downloaded.")
    folder = _validation(root) if part == "val" else root / "train"
    if folder is None or not folder.is_dir():
        raise ValueError(f"{root} should hold train/CLASS/picture.jpg and val/CLASS/picture.jpg; there is no {part}/.")
    keys = class_folders.classes(root / "train") if (root / "train").is_dir() else ()
    extra = [name for name in class_folders.classes(folder) if name not in keys]
    if extra:
        raise ValueError(f"{folder} has classes that {root / 'train'} has not: {', '.join(extra[:5])}.")
    return class_folders.read(folder, keys)


def _validation(root: Path) -> Path | None:
    """The folder of the validation pictures, by any of its customary names."""
    return next((root / name for name in ("val", "valid", "validation", "test") if (root / name).is_dir()), None)


def has_validation(root: str | Path) -> bool:
    """Whether a folder of training pictures has validation pictures beside them."""
    root = Path(root).expanduser()
    return not (root / "train").is_dir() or _validation(root) is not None


def _cifar(name: str) -> Callable[[Path, str, bool], Dataset]:
    def get(root: Path, part: str, download: bool) -> Dataset:
        from torchvision import datasets

        cls: type[datasets.CIFAR10] = getattr(datasets, name)
        data = _torchvision(name, root, lambda: cls(root, part == "train", download=download))
        terms = "no licence stated; cite Krizhevsky 2009"
        names = tuple(data.classes)
        return Dataset(list(data.data), torch.tensor(data.targets), names, names, 32, terms=terms)

    return get


def _oxford_pet(root: Path, part: str, download: bool) -> Dataset:
    if download:
        from torchvision import datasets

        datasets.OxfordIIITPet(root, download=True)
    root = root / "oxford-iiit-pet" if (root / "oxford-iiit-pet").is_dir() else root
    names, labels, keys = [], [], {}
    for part_file in ("trainval", "test"):  # a small copy may lack a breed in one of the two
        for line in _lines(root / "annotations" / f"{part_file}.txt", "Oxford-IIIT Pet"):
            name, label, *_ = line.split(" ")
            keys[int(label) - 1] = name.rsplit("_", 1)[0]
            if part_file == ("trainval" if part == "train" else "test"):
                names.append(name)
                labels.append(int(label) - 1)
    if sorted(keys) != list(range(len(keys))):
        raise ValueError(f"{root} is incomplete: the class numbers in annotations/ have gaps.")
    pictures = [root / "images" / f"{name}.jpg" for name in names]
    all_there(pictures, root)
    masks = tuple(root / "annotations" / "trimaps" / f"{name}.png" for name in names)
    ordered = tuple(keys[i] for i in range(len(keys)))
    return Dataset(
        pictures, torch.tensor(labels), tuple(key.replace("_", " ") for key in ordered), ordered,
        masks=masks if all(mask.is_file() for mask in masks) else (),
        terms="CC BY-SA 4.0; cite Parkhi, Vedaldi, Zisserman, Jawahar 2012",
    )  # fmt: skip


IMAGENETTE_CLASSES = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
}  # fmt: skip


def _imagenette(root: Path, part: str, download: bool) -> Dataset:
    """Imagenette in its official layout: ten classes of ImageNet, in folders named by their WordNet ids."""
    if download:
        from torchvision import datasets

        datasets.Imagenette(root, download=not (root / "imagenette2").is_dir())
    homes = (root, root / "imagenette2", root / "imagenette2-320", root / "imagenette2-160")
    home = next((home for home in homes if (home / "val").is_dir()), root)
    split = _folder(home, part, False)
    if split.keys != tuple(IMAGENETTE_CLASSES):
        raise ValueError(f"{home} should hold a folder for each of {', '.join(IMAGENETTE_CLASSES)}, and no other.")
    terms = "ImageNet's terms: non-commercial research; cite Howard (Imagenette) and Deng et al. 2009 (ImageNet)"
    return replace(split, classes=tuple(IMAGENETTE_CLASSES.values()), terms=terms)


def _caltech101(root: Path, part: str, download: bool) -> Dataset:
    """Caltech-101 with the customary 30 training pictures per class, drawn with a fixed seed."""
    from torchvision import datasets

    data = _torchvision("Caltech101", root, lambda: datasets.Caltech101(root, download=download))
    labels, order = np.asarray(data.y), np.random.default_rng(101).permutation(len(data.y))
    rank = np.empty(len(labels), np.int64)
    for label in range(len(data.categories)):
        of_class = order[labels[order] == label]
        rank[of_class] = np.arange(len(of_class))
    indices = np.flatnonzero(rank < 30 if part == "train" else rank >= 30)
    folder = Path(data.root) / "101_ObjectCategories"
    pictures = [folder / data.categories[data.y[i]] / f"image_{data.index[i]:04d}.jpg" for i in indices]
    all_there(pictures, root)
    names = tuple(data.categories)
    return Dataset(
        pictures, torch.from_numpy(labels[indices]), names, names, terms="CC BY 4.0; cite Fei-Fei, Fergus, Perona 2004"
    )


def _torchvision(name: str, root: Path, make: Callable[[], Split]) -> Split:
    """Create a data set of torchvision; explain what to do if its files are missing."""
    try:
        return make()
    except (RuntimeError, OSError, ValueError) as error:
        raise ValueError(
            f"{name} is not in {root}, or not whole ({error}). On a machine with internet add --download; else copy "
            "the official archive there and unpack it."
        ) from None


def _lines(path: Path, name: str) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{path} is missing: that folder is not {name} in its official layout, or not all of it.")
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


SETS: dict[str, Callable[[Path, str, bool], Dataset]] = {
    "cifar10": _cifar("CIFAR10"),
    "cifar100": _cifar("CIFAR100"),
    "tiny_imagenet": _tiny_imagenet,
    "oxford_pet": _oxford_pet,
    "imagenette": _imagenette,
    "caltech101": _caltech101,
    "folder": _folder,
    "places": places,
    "landmarks": landmarks,
    "views": views,
}
WHOLE = ("places", "landmarks", "views")  # are read as a whole, and divided by class

"""PNG masks: a picture's objects as one picture of their numbers, or of their classes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mixviz.core.objects import Column, Objects
from mixviz.core.tensors import as_list
from mixviz.data.annotations.fitting import Folder, Where, named_in
from mixviz.data.annotations.reading import Fault, Faults, name_of
from mixviz.data.annotations.records import Annotated, Annotations, Size, normal
from mixviz.data.annotations.yolo import beside
from mixviz.data.decoding import upright_size

Kind = Literal["objects", "classes"]
MANY, LEAST = 1000, 16  # more values than these, of fewer pixels each, are no objects
BORDER = 255  # in masks of 8 bits: ignored, as Pascal VOC's border
MOST = 70_000_000  # pixels of a mask


@dataclass(frozen=True, eq=False)
class _Regions:
    """Decode the pixels of each value of a mask when they are asked for: the masks of a data set fill the memory."""

    path: Path
    wanted: tuple[int, ...]

    def __call__(self) -> Tensor:
        values = _values(self.path)
        return torch.from_numpy(values == np.array(self.wanted, values.dtype).reshape(-1, 1, 1))


class _Mask(NamedTuple):
    """A mask that has been looked at: its picture, its file, its size, its objects' values and their boxes."""

    name: str
    path: Path
    size: Size
    wanted: tuple[int, ...]
    boxes: Tensor


def read(
    where: Where | Sequence[Where] | Mapping[str, Where],
    pictures: Folder | None = None,
    *,
    kind: Kind = "objects",
    classes: Sequence[str] | Mapping[int, str] | None = None,
    background: int = 0,
    ignore: Collection[int] | None = None,
    skip: bool = False,
) -> Annotations:
    """Read the masks of a folder, or of a list.

    A pixel's value is its gray value of 8 or 16 bits, its index in a palette, or R + 256 G + 65536 B, as in COCO's
    panoptic masks. With ``kind="objects"`` every value is an object, without a class, and the value is its ``id`` in
    the extras. With ``kind="classes"`` all pixels of a value are one object of that class.

    Args:
        where: a folder (with its sub-folders), a PNG file, a list of them, or the file of each by its name.
        pictures: folder of the pictures, or the file of each by its name: ``a/cat.png`` belongs to ``a/cat.jpg``, and
            must have its size. None: the pictures are called like the masks.
        kind: what a value means.
        classes: with ``kind="classes"``, the name of each value, as a mapping or as a list from value 0 on (the
            background included). None: the values themselves.
        background: value of no object.
        ignore: values that are no object either, e.g. borders. None: 255 in masks of 8 bits, beside other objects.
        skip: leave out masks that are wrong, and name them in ``skipped``.

    Raises:
        ValueError: no PNG file; or, unless ``skip``, what is wrong with one, with the remedy.
    """
    _check(kind)
    names = dict(enumerate(classes)) if classes is not None and not isinstance(classes, Mapping) else classes
    root, files = _files(where)
    stems = None if pictures is None else _stems(pictures)
    faults = Faults(root.name if root else "masks", skip)
    found: list[_Mask] = []
    for name, path in files:
        with faults.part(name):
            values = _values(path)
            wanted = _wanted(values, background, ignore)
            if kind == "classes" and names is not None and (missing := [v for v in wanted if v not in names]):
                raise Fault(f"its class {missing[0]} has no name: add it to classes, or to the values to ignore.")
            size = (values.shape[0], values.shape[1])
            found.append(_Mask(_picture(name, size, stems), path, size, wanted, _boxes(values, wanted)))
    if kind == "objects":
        return Annotations(tuple(map(_objects, found)), skipped=tuple(faults.skipped))
    if names is None:
        names = {value: str(value) for value in sorted({value for one in found for value in one.wanted})}
    names = {value: name for value, name in names.items() if value != background}
    index = {value: i for i, value in enumerate(names)}
    done = tuple(_objects(one, index) for one in found)
    return Annotations(done, tuple(names.values()), tuple(names), tuple(faults.skipped))


def _check(kind: str) -> None:
    if kind not in ("objects", "classes"):
        raise ValueError(f"kind should be 'objects' or 'classes'; got {kind!r}.")


def _files(where: Where | Sequence[Where] | Mapping[str, Where]) -> tuple[Path | None, list[tuple[str, Path]]]:
    """The folder that names are relative to, if there is one, and the masks by their names."""
    if isinstance(where, Mapping):
        return None, [(name, Path(path)) for name, path in where.items()]
    if not isinstance(where, str | os.PathLike):
        return None, [(Path(path).name, Path(path)) for path in where]
    path = Path(where)
    if not path.is_dir():
        return None, [(path.name, path)]
    files = sorted(one for one in path.rglob("*") if one.suffix.lower() == ".png" and one.is_file())
    if not files:
        raise ValueError(f"There is no PNG file in {str(where)!r}.")
    return path, [(one.relative_to(path).as_posix(), one) for one in files]


def _wanted(values: np.ndarray, background: int, ignore: Collection[int] | None) -> tuple[int, ...]:
    """The values of a map that are objects, in ascending order.

    Raises:
        Fault: so many of them that it is a photograph.
    """
    there = [value for value in np.unique(values).tolist() if value != background]
    if len(there) > MANY and len(there) * LEAST > values.size:
        raise Fault(f"it has {len(there)} values on {values.size} pixels, as a photograph has: a mask has a value for "
                    "each object.")  # fmt: skip
    if ignore is None:
        ignore = [BORDER] if values.dtype == np.uint8 and there != [BORDER] else []  # else it is black and white
    return tuple(value for value in there if value not in ignore)


def _stems(pictures: Folder) -> dict[str, tuple[str, Path]]:
    """Name of a picture without its ending, and without its folder where that is unique -> its name, and its file."""
    stems = {normal(os.path.splitext(name)[0]): (name, path) for name, path in named_in(pictures).items()}
    counts = Counter(stem.rsplit("/", 1)[-1] for stem in stems)
    bases = {base: one for stem, one in stems.items() if counts[base := stem.rsplit("/", 1)[-1]] == 1}
    return bases | stems


def _picture(name: str, size: Size, stems: Mapping[str, tuple[str, Path]] | None) -> str:
    """The name of the picture that a mask of a size (H, W) belongs to."""
    if stems is None:
        return name
    stem = normal(os.path.splitext(name)[0])
    picture = stems.get(stem) or stems.get(stem.rsplit("/", 1)[-1])
    if picture is None:
        raise Fault(f"there is no picture called {stem}: add it, or leave the mask out.")
    try:
        expected = upright_size(picture[1])
    except ValueError as error:
        raise Fault(str(error)) from None
    if expected != size:
        raise Fault(
            f"it has {size[0]}x{size[1]} pixels (height x width), its picture {expected[0]}x{expected[1]}: resize the "
            "mask by nearest neighbour."
        )
    return picture[0]


def _values(path: Path) -> np.ndarray:
    """The value of each pixel, (H, W) of an integer type."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.width * image.height > MOST:
                raise Fault(f"it has more than {MOST // 10**6} million pixels: make it smaller.")
            if image.mode not in ("1", "L", "P", "I", "I;16", "RGB"):
                raise Fault(
                    f"it has the mode {image.mode}, in which a value is no number: save it without transparency."
                )
            values = np.asarray(image)
    except Fault:
        raise
    except FileNotFoundError:
        raise Fault("there is no such file.") from None
    except Exception:  # decoders raise nearly anything on damaged files
        raise Fault("it is no PNG file, or damaged: JPEG blurs the numbers; save it as PNG.") from None
    if values.ndim == 3:
        return values.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
    return values.astype(np.uint8) if values.dtype == bool else values


def _objects(mask: _Mask, index: Mapping[int, int] | None = None) -> Annotated:
    """A picture's objects; ``index`` gives the class of each value, None if the values are the objects' own."""
    extras: dict[str, Column] = {} if index is not None else {"id": list(mask.wanted)}
    labels = None if index is None else torch.tensor([index[value] for value in mask.wanted], dtype=torch.int64)
    objects = Objects(
        size=mask.size,
        count=1,
        image=torch.zeros(len(mask.wanted), dtype=torch.int64),
        boxes=mask.boxes,
        classes=labels,
        extras=extras,
        checked=True,
    )
    return Annotated(mask.name, mask.size, objects, _Regions(mask.path, mask.wanted))


def _boxes(values: np.ndarray, wanted: tuple[int, ...]) -> Tensor:
    """(M, 4) float32, the box around the pixels of each value (ascending), in one pass over the map whatever M is."""
    from scipy.ndimage import find_objects

    if not wanted:
        return torch.zeros(0, 4)
    known = np.array(wanted, values.dtype)
    place = np.searchsorted(known, values).clip(max=len(known) - 1)
    numbers = np.where(known[place] == values, place + 1, 0).astype(np.int32)
    slices = find_objects(numbers, len(known))
    return torch.tensor([[rows.start, columns.start, rows.stop, columns.stop] for rows, columns in slices]).float()


# ---------------------------------------------------------------- writing


def write(folder: Where, annotations: Annotations, *, kind: Kind = "objects") -> None:
    """Write a mask for each picture, of 8 bits where that is enough, else of 16.

    With ``kind="objects"``, a value is the object's ``id`` in the extras if all objects of the picture have one of
    their own, from 1 to 65535 without 255; else they are numbered 1, 2, …, without 255. With ``kind="classes"``, a
    value is that of ``class_ids``, or the class index + 1 if there are none. Reading gives the same masks.

    Args:
        folder: is made if it is not there; ``a/b.jpg`` becomes ``a/b.png`` in it.
        annotations: of the pictures; their objects need masks.
        kind: what a value means.

    Raises:
        ValueError: objects without masks or that overlap, a value that does not fit, two pictures of one name, or a
            name that leads out of the folder.
    """
    _check(kind)
    root, maps = Path(folder), dict[Path, Annotated]()
    for one in annotations.pictures:
        path = beside(root, one.file, ".png")
        if path in maps:
            raise ValueError(f"Two pictures would have the mask {path.name}: rename one of them.")
        maps[path] = one
    for path, one in maps.items():
        values = _map(one, annotations, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)


def _map(one: Annotated, annotations: Annotations, kind: Kind) -> np.ndarray:
    objects = one.objects
    if len(objects) and objects.masks is None and objects.polygons is None:
        raise ValueError(f"{one.file}: its objects have no masks, only boxes: write COCO, YOLO or VOC.")
    values = _numbers(objects) if kind == "objects" else _class_values(one, objects, annotations)
    result = np.zeros(one.size, np.uint16 if max(values, default=0) > BORDER else np.uint8)
    owner = np.full(one.size, -1)
    pixels = objects.pixels().cpu().numpy()
    for mask, (i, value) in zip(pixels, enumerate(values), strict=True):
        before = np.unique(owner[mask])
        if others := [other for other in before.tolist() if other >= 0 and values[other] != value]:
            raise ValueError(f"{one.file}: objects {others[0]} and {i} overlap, which one PNG cannot hold: write COCO.")
        result[mask], owner[mask] = value, i
    return result


def _numbers(objects: Objects) -> list[int]:
    """A value for each object."""
    ids = objects.extras.get("id", [])
    ids = as_list(ids) if isinstance(ids, Tensor) else list(ids)
    fits = all(isinstance(value, int) and 0 < value < 2**16 and value != BORDER for value in ids)
    if ids and fits and len(set(ids)) == len(ids):
        return ids
    if len(objects) > 2**16 - 3:
        raise ValueError(f"A PNG of 16 bits holds {2**16 - 3} objects; got {len(objects)}: write COCO.")
    return [number + (number >= BORDER) for number in range(1, len(objects) + 1)]


def _class_values(one: Annotated, objects: Objects, annotations: Annotations) -> list[int]:
    if len(objects) and objects.classes is None:
        raise ValueError(f"{one.file}: its objects have no classes: give them some, or write kind='objects'.")
    labels = [] if objects.classes is None else as_list(objects.classes)
    if annotations.classes:
        for label in labels:
            name_of(annotations, label, one.file)
    values = [annotations.class_ids[label] if annotations.class_ids else label + 1 for label in labels]
    if wrong := [value for value in values if not 0 < value < 2**16 or value == BORDER]:
        raise ValueError(
            f"{one.file}: a class is written as 1 to 65535, without {BORDER}, which is ignored; got {wrong[0]}: give "
            "other class_ids."
        )
    return values

"""YOLO text files: a line for each object, in shares of the picture's sides.

A line is ``class cx cy w h``, the class index and the box's centre, width and height, or ``class x y x y x y …``, a
polygon of three points or more. ``images/cat.jpg`` belongs to ``labels/cat.txt``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mixviz.core.objects import Objects
from mixviz.core.polygons import Ring, Rings, around
from mixviz.core.tensors import as_list
from mixviz.data.annotations import runs
from mixviz.data.annotations.fitting import Where, named_in
from mixviz.data.annotations.reading import Fault, Faults, brief, class_names, outlines, text_of
from mixviz.data.annotations.records import Annotated, Annotations, Size, normal
from mixviz.data.decoding import upright_size

Pictures = Where | Mapping[str, Size | Where]
DIGITS = 6  # of a share, as is customary; more where these do not give the same pixels
NAMES = ("classes.txt", "obj.names", "data.yaml")  # lists of classes that lie beside the labels
ABOVE = "data.yaml"  # lies above the folders of the labels and of the pictures, too
UNIT = "YOLO's numbers are shares of the picture's width and height, 0 to 1"


def read(
    labels: Where | Mapping[str, Where],
    pictures: Pictures,
    names: Sequence[str] | str | os.PathLike[str] | None = None,
    *,
    skip: bool = False,
) -> Annotations:
    """Read the label files of a folder.

    A picture without a label file has no objects, as in YOLO. An edge that rounding puts outside the picture is moved
    to its border. Objects of a picture with a polygon have masks; those that are boxes there are filled.

    Args:
        labels: folder of the label files and its sub-folders; or the file of each by its name.
        pictures: folder of the pictures, or the file or the (H, W) of each upright picture by its path relative to
            that folder.
        names: of the classes, or a file of them, see :func:`mixviz.data.annotations.reading.class_names`. None:
            ``classes.txt``, ``obj.names`` or ``data.yaml`` in ``labels``, or ``data.yaml`` above it, else unknown.
        skip: leave out objects and files that are wrong, and name them in ``skipped``.

    Raises:
        ValueError: no such folder; or, unless ``skip``, what is wrong, with file, line and remedy.
        ImportError: polygons without pycocotools, or a YAML file without PyYAML.
    """
    if isinstance(labels, Mapping):
        folder, given = None, {name: Path(path) for name, path in labels.items()}
    else:
        folder = Path(labels)
        if not folder.is_dir():
            raise ValueError(f"There is no folder {str(labels)!r} of labels.")
        given = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*.txt"))
            if path.name not in NAMES
        }
    if names is None and folder is not None:
        places = (*(folder / name for name in NAMES), folder.parent / ABOVE)
        names = next((path for path in places if path.is_file()), None)
    classes = class_names(names)
    files = {normal(os.path.splitext(name)[0]): path for name, path in given.items()}
    sizes = _sizes(pictures)
    faults = Faults(folder.name if folder else "", skip)
    found: list[Annotated] = []
    stems: dict[str, str] = {}
    for name, where in sizes.items():
        stem = normal(os.path.splitext(name)[0])
        with faults.part(name):
            if stem in stems:
                raise Fault(f"it has the same label file as {stems[stem]}: rename one of the two.")
            stems[stem] = name
            size = _size(where)
            own = Faults(f"{stem}.txt", skip)
            found.append(_picture(name, size, files.get(stem), classes, own))
            faults.skipped += own.skipped
    for name in given:
        if normal(os.path.splitext(name)[0]) not in stems:
            faults.add(name, "there is no picture of this name: add it, or leave the labels out.")
    return Annotations(tuple(found), classes or (), skipped=tuple(faults.skipped))


def _sizes(pictures: Pictures) -> Mapping[str, Size | Path]:
    """Picture's name -> its size, or its file."""
    if not isinstance(pictures, Mapping):
        return named_in(pictures)
    return {name: (where[0], where[1]) if isinstance(where, tuple) else Path(where) for name, where in pictures.items()}


def _size(where: Size | Path) -> Size:
    if isinstance(where, tuple):
        return where
    try:
        return upright_size(where)
    except ValueError as error:
        raise Fault(str(error)) from None


def _picture(name: str, size: Size, file: Path | None, classes: Sequence[str] | None, faults: Faults) -> Annotated:
    """Read the objects of a picture (H, W)."""
    boxes: list[list[float]] = []
    places: list[str] = []
    labels: list[int] = []
    polygons: list[Rings | None] = []
    try:
        lines = text_of(file).splitlines() if file else []
    except ValueError as error:
        raise Fault(str(error)) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        with faults.part(f"line {number}"):
            label, box, polygon = _line(line, size, classes)
            places.append(f"line {number}")
            boxes.append(box)
            labels.append(label)
            polygons.append(polygon)
    kept, good = outlines(size, boxes, places, faults)
    rings = tuple(polygons[i] for i in good)
    objects = Objects(
        size=size,
        count=1,
        image=torch.zeros(len(good), dtype=torch.int64),
        boxes=kept,
        polygons=rings if any(rings) else None,
        classes=torch.tensor([labels[i] for i in good], dtype=torch.int64),
        checked=True,
    )
    return Annotated(name, size, objects, None if objects.polygons is None else objects.pixels)


def _line(line: str, size: Size, classes: Sequence[str] | None) -> tuple[int, list[float], Rings | None]:
    """Return the class, the box (top, left, bottom, right) in pixels, and the polygon of an object."""
    words = line.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise Fault(f"it should be numbers, class cx cy w h; got {brief(line.strip())}.") from None
    label, shares = values[0], np.array(values[1:])
    if not (0 <= label < 2**53 and label.is_integer()):
        raise Fault(f"its class should be a whole number from 0 on; got {words[0]}.")
    if classes is not None and label >= len(classes):
        raise Fault(f"its class {words[0]} has no name: {len(classes)} are given, for the classes from 0 on.")
    if len(shares) == 5:
        raise Fault("it has six numbers, as predictions with a confidence have: leave out the last one.")
    if len(shares) != 4 and (len(shares) < 6 or len(shares) % 2):
        raise Fault(f"it should be class cx cy w h, or class x y x y x y …; got {len(words)} numbers.")
    if not np.isfinite(shares).all():
        raise Fault(f"it holds a number that is not finite: {brief(line.strip())}.")
    if (shares > 1.01).any():
        raise Fault(f"{UNIT}; got {shares.max():g}: divide pixels by the width and the height.")
    height, width = size
    if len(shares) > 4:
        rings = runs.rings_of([(shares.reshape(-1, 2) * [width, height]).ravel().tolist()], size)
        return int(label), around(rings), rings
    if (shares[2:] < 0).any():
        raise Fault(f"its width and height should not be negative; got {words[3]} and {words[4]}.")
    return int(label), _edges(shares.tolist(), size), None


def _edges(shares: Sequence[float], size: Size) -> list[float]:
    """Return the box (top, left, bottom, right) in pixels of (cx, cy, w, h) in shares of the sides.

    Edges are rounded to a billionth of a pixel, which undoes the rounding of the sums.
    """
    cx, cy, w, h = shares
    edges = ((cy - h / 2) * size[0], (cx - w / 2) * size[1], (cy + h / 2) * size[0], (cx + w / 2) * size[1])
    return [round(edge, 9) for edge in edges]


# ---------------------------------------------------------------- writing


def write(folder: str | os.PathLike[str], annotations: Annotations) -> None:
    """Write a label file for each picture, and ``classes.txt`` if the classes have names.

    Shares have six decimals, as is customary, and more where six do not give the same box: reading gives the same boxes
    as far as float32 holds them, of edges of at least a hundredth of a pixel. An object with one polygon is written as
    that, with the decimals that give the same points; of others with masks, the boxes are written.

    Args:
        folder: is made if it is not there; ``a/b.jpg`` becomes ``a/b.txt`` in it.
        annotations: of the pictures.

    Raises:
        ValueError: objects without classes, a class without a name if others have one, two pictures of one name, or a
            name that leads out of the folder.
    """
    root, texts = Path(folder), dict[Path, str]()
    for one in annotations.pictures:
        path = beside(root, one.file, ".txt")
        if path in texts:
            raise ValueError(f"Two pictures would have the label file {path.name}: rename one of them.")
        objects = one.outlines
        if len(objects) and objects.classes is None:
            raise ValueError(f"{one.file}: YOLO needs a class for every object: give the objects classes.")
        labels = [] if objects.classes is None else as_list(objects.classes)
        if annotations.classes and labels and max(labels) >= len(annotations.classes):
            raise ValueError(f"{one.file}: class {max(labels)} has no name: there are {len(annotations.classes)}.")
        polygons = objects.polygons or [None] * len(objects)
        lines = [
            f"{label} {_polygon(rings[0], one.size) if rings and len(rings) == 1 else _shares(box, one.size)}\n"
            for label, box, rings in zip(labels, as_list(objects.boxes), polygons, strict=True)
        ]
        texts[path] = "".join(lines)
    root.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if annotations.classes:
        (root / NAMES[0]).write_text("".join(f"{name}\n" for name in annotations.classes), encoding="utf-8")


def beside(root: Path, file: str, ending: str) -> Path:
    """Return where the file of a picture's annotations lies in a folder.

    Raises:
        ValueError: the name leads out of the folder.
    """
    name = normal(file)
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]:
        raise ValueError(f"The picture's name {file!r} leads out of the folder: give names relative to a folder.")
    return (root / name).with_suffix(ending)


def _polygon(ring: Ring, size: Size) -> str:
    """Return "x y x y …", each share with the fewest decimals, six at least, that give the same place."""
    return " ".join(_share(place, size[1 - i % 2]) for i, place in enumerate(ring[:, ::-1].ravel().tolist()))


def _share(place: float, side: int) -> str:
    """Return the share of a side that a place in pixels is."""
    exact = place / side
    return next((text for digits in range(DIGITS, 17) if float(text := f"{exact:.{digits}f}") * side == place),
                repr(exact))  # fmt: skip


def _shares(box: Sequence[float], size: Size) -> str:
    """Return "cx cy w h" with the fewest decimals, six at least, that give the same box in float32."""
    (top, left, bottom, right), (height, width) = box, size
    exact = ((left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height)
    goal = np.array(box, np.float32)
    for digits in range(DIGITS, 17):
        text = " ".join(f"{share:.{digits}f}" for share in exact)
        edges = np.clip(_edges([float(word) for word in text.split()], size), 0, [height, width, height, width])
        if (edges.astype(np.float32) == goal).all():
            return text
    return " ".join(map(repr, exact))

"""Pascal VOC XML: a file for each picture, with boxes in whole pixels that are counted from 1.

``xmin`` and ``ymin`` are the first column and row of the object, ``xmax`` and ``ymax`` the last ones, all counted from
1. Here, the first pixel lies between 0 and 1, so that (top, left, bottom, right) is (ymin − 1, xmin − 1, ymax, xmax).
Some tools write edges counted from 0 instead: read their files with ``first=0``. Source: Everingham et al., The Pascal
Visual Object Classes (VOC) Challenge, IJCV 2010, and its development kit.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import torch

from mixviz.core.objects import Column, Objects
from mixviz.core.tensors import as_list
from mixviz.data.annotations.fitting import Folder, Where, paths_in
from mixviz.data.annotations.reading import Fault, Faults, brief, class_names, contents, name_of, outlines, shortest
from mixviz.data.annotations.records import Annotated, Annotations, Size, normal
from mixviz.data.annotations.yolo import beside
from mixviz.data.decoding import upright_size

EDGES = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("difficult", "truncated")  # 0 or 1 of each object
POSE = "Unspecified"  # VOC's word for none


def read(
    where: Where | Sequence[Where],
    classes: Sequence[str] | Where | None = None,
    pictures: Folder | None = None,
    *,
    first: int = 1,
    skip: bool = False,
) -> Annotations:
    """Read the XML files of a folder, or of a list.

    The extras of the objects are ``difficult`` and ``truncated`` (0 or 1, int64) and ``pose`` (a word). Boxes
    of parts, such as a person's head, are passed over.

    Args:
        where: a folder (with its sub-folders), an XML file, or a list of them.
        classes: names in the order of the class indices, or a text file with a name per line. None: those that occur,
            in alphabetical order.
        pictures: their folder, or the file of each by its name, from which a size that a file lacks is taken.
        first: number of the first pixel: 1 as in VOC, where ``xmax`` is a pixel; 0: edges counted from 0.
        skip: leave out objects and files that are wrong, and name them in ``skipped``.

    Raises:
        ValueError: no XML file; or, unless ``skip``, what is wrong with one, with the object and the remedy.
    """
    if first not in (0, 1):
        raise ValueError(f"first should be 1, as in VOC, or 0; got {first!r}.")
    names = class_names(classes)
    paths = paths_in(pictures) if pictures is not None else None
    known = Faults("", skip)
    found: list[tuple[Annotated, list[str]]] = []
    seen: dict[str, str] = {}
    for path in _files(where):
        faults = Faults(path.name, skip)
        with faults.part("the whole file"):
            one, labels = _file(path, faults, paths, first, names)
            if normal(one.file) in seen:
                raise Fault(f"{seen[normal(one.file)]} is of the same picture, {one.file}: join the two.")
            seen[normal(one.file)] = path.name
            found.append((one, labels))
        known.skipped += faults.skipped
    if names is None:
        names = tuple(sorted({label for _, labels in found for label in labels}))
    index = {name: i for i, name in enumerate(names)}
    done = tuple(_labelled(one, torch.tensor([index[label] for label in labels])) for one, labels in found)
    return Annotations(done, names, skipped=tuple(known.skipped))


def _files(where: Where | Sequence[Where]) -> list[Path]:
    if not isinstance(where, str | os.PathLike):
        return [Path(path) for path in where]
    path = Path(where)
    files = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"There is no XML file in {str(where)!r}.")
    return files


def _labelled(one: Annotated, classes: torch.Tensor) -> Annotated:
    objects = dataclasses.replace(one.outlines, classes=classes.long(), checked=True)
    return dataclasses.replace(one, outlines=objects)


def _file(
    path: Path, faults: Faults, paths: dict[str, Path] | None, first: int, names: Sequence[str] | None
) -> tuple[Annotated, list[str]]:
    """Read a file; return its picture, and the class of each object."""
    try:
        root = ElementTree.fromstring(contents(path))
    except ElementTree.ParseError as error:
        raise Fault(f"it is no XML file, or damaged ({error}): export it anew.") from None
    except (ValueError, LookupError) as error:  # an encoding that is not known, or a file that cannot be read
        raise Fault(f"it cannot be read ({error}).") from None
    if root.tag != "annotation":
        raise Fault(f"it should hold an <annotation>; got <{root.tag}>.")
    file = (root.findtext("filename") or "").strip()
    if not file:
        raise Fault("it has no <filename>: add the picture's name.")
    size = _size(root, file, paths)
    boxes: list[list[float]] = []
    places: list[str] = []
    labels: list[str] = []
    rows: list[tuple[int, int, str]] = []
    for i, element in enumerate(root.findall("object")):
        name = (element.findtext("name") or "").strip()
        place = f"object {i}" + (f" ({name})" if name else "")
        with faults.part(place):
            if not name:
                raise Fault("its class has no name: add a <name>.")
            if names is not None and name not in names:
                raise Fault(f"its class {name!r} is none of classes: {brief(', '.join(names))}.")
            difficult, truncated = (_flag(element, key) for key in FLAGS)
            boxes.append(_box(element, first))
            rows.append((difficult, truncated, (element.findtext("pose") or "").strip() or POSE))
            places.append(place)
            labels.append(name)
    hint = "VOC counts pixels from 1; read edges counted from 0 with first=0." if first else ""
    kept, good = outlines(size, boxes, places, faults, hint)
    extras: dict[str, Column] = {
        key: torch.tensor([rows[i][column] for i in good], dtype=torch.int64) for column, key in enumerate(FLAGS)
    }
    extras["pose"] = [rows[i][2] for i in good]
    objects = Objects(
        size=size,
        count=1,
        image=torch.zeros(len(good), dtype=torch.int64),
        boxes=kept,
        extras=extras,
        checked=True,
    )
    more = {key: text for key in ("folder", "segmented") if (text := (root.findtext(key) or "").strip())}
    return Annotated(file, size, objects, extras=more), [labels[i] for i in good]


def _size(root: ElementTree.Element, file: str, paths: dict[str, Path] | None) -> Size:
    """(H, W) of the picture, as the file gives it or as the picture has it."""
    sides: list[int] = []
    for key in ("height", "width"):
        text = (root.findtext(f"size/{key}") or "0").strip()
        if not text.isdecimal() or len(text) > 9:
            raise Fault(f"its {key} should be a number of pixels; got {brief(text)}.")
        sides.append(int(text))
    if all(sides):
        return sides[0], sides[1]
    if paths is None:
        raise Fault("it has no size of the picture: add <size>, or name the folder of the pictures.")
    path = paths.get(normal(file)) or paths.get(normal(file).rsplit("/", 1)[-1])
    if path is None:
        raise Fault(f"its picture {file!r} is not there: add it, or leave its annotations out.")
    try:
        return upright_size(path)
    except ValueError as error:
        raise Fault(str(error)) from None


def _flag(element: ElementTree.Element, key: str) -> int:
    text = (element.findtext(key) or "0").strip() or "0"
    if text not in ("0", "1"):
        raise Fault(f"its <{key}> should be 0 or 1; got {brief(text)}.")
    return int(text)


def _box(element: ElementTree.Element, first: int) -> list[float]:
    """(top, left, bottom, right) in pixels."""
    values: list[float] = []
    for key in EDGES:
        text = (element.findtext(f"bndbox/{key}") or "").strip()
        try:
            values.append(float(text))
        except ValueError:
            raise Fault(f"its <bndbox> should have a number as <{key}>; got {brief(text)}.") from None
    left, top, right, bottom = values
    return [top - first, left - first, bottom, right]


# ---------------------------------------------------------------- writing


def write(folder: Where, annotations: Annotations, *, first: int = 1) -> None:
    """Write an XML file for each picture.

    Edges are whole pixels where the boxes have whole edges, and decimal numbers otherwise: reading gives the same
    boxes. Of objects with masks, the boxes are written; of the extras, ``difficult``, ``truncated`` and ``pose``.

    Args:
        folder: is made if it is not there; ``a/b.jpg`` becomes ``a/b.xml`` in it.
        annotations: of the pictures.
        first: number of the first pixel, see :func:`read`.

    Raises:
        ValueError: objects without classes, a class without a name, two pictures of one name, or a name that leads out
            of the folder.
    """
    if first not in (0, 1):
        raise ValueError(f"first should be 1, as in VOC, or 0; got {first!r}.")
    root, trees = Path(folder), dict[Path, ElementTree.ElementTree]()
    for one in annotations.pictures:
        path = beside(root, one.file, ".xml")
        if path in trees:
            raise ValueError(f"Two pictures would have the file {path.name}: rename one of them.")
        trees[path] = _tree(one, annotations, first)
    root.mkdir(parents=True, exist_ok=True)
    for path, tree in trees.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        tree.write(path, encoding="utf-8")


def _tree(one: Annotated, annotations: Annotations, first: int) -> ElementTree.ElementTree:
    objects = one.outlines
    if len(objects) and objects.classes is None:
        raise ValueError(f"{one.file}: VOC needs a class for every object: give the objects classes.")
    root = ElementTree.Element("annotation")
    _add(root, "folder", one.extras.get("folder", ""))
    _add(root, "filename", one.file)
    size = ElementTree.SubElement(root, "size")
    for key, value in (("width", one.size[1]), ("height", one.size[0]), ("depth", 3)):
        _add(size, key, value)
    _add(root, "segmented", one.extras.get("segmented", 0))
    labels = [] if objects.classes is None else as_list(objects.classes)
    for i, (label, box) in enumerate(zip(labels, as_list(objects.boxes), strict=True)):
        element = ElementTree.SubElement(root, "object")
        _add(element, "name", name_of(annotations, label, one.file))
        for key, default in (("pose", POSE), ("truncated", 0), ("difficult", 0)):
            value = objects.extras[key][i] if key in objects.extras else default
            _add(element, key, default if value is None else value if isinstance(value, str) else int(value))
        bounds = ElementTree.SubElement(element, "bndbox")
        top, left, bottom, right = box
        for key, edge in zip(EDGES, (_from(left, first), _from(top, first), shortest(right), shortest(bottom)),
                             strict=True):  # fmt: skip
            _add(bounds, key, edge)
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree)
    return tree


def _add(parent: ElementTree.Element, tag: str, value: object) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)


def _from(edge: float, first: int) -> float:
    """An edge counted from ``first``, as the shortest decimal number from which reading gives the same float32."""
    exact = shortest(edge) + first
    for digits in range(10):
        number = round(exact, digits)
        if torch.tensor(number - first, dtype=torch.float64).float() == edge:
            return int(number) if float(number).is_integer() else number
    return edge + first

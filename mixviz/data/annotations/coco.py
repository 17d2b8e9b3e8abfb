"""COCO JSON: instances with boxes, masks (polygons or run-lengths) and keypoints.

Pixels are counted from 0 in COCO and here. A box is [left, top, width, height] there. A keypoint is at the index of its
pixel there, and at the centre of the pixel here, 0.5 further. Source: Lin et al., Microsoft COCO, ECCV 2014,
arXiv:1405.0312, and the page "Data format" of cocodataset.org.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core import polygons
from mixviz.core.objects import Column, Objects, box_pixels
from mixviz.core.polygons import Ring, Rings
from mixviz.core.tensors import as_list
from mixviz.data.annotations import runs
from mixviz.data.annotations.reading import (
    Fault,
    Faults,
    File,
    brief,
    json_of,
    name_of,
    numbers,
    outlines,
    shortest,
    title,
    whole,
)
from mixviz.data.annotations.records import Annotated, Annotations, Size, Skipped
from mixviz.data.decoding import MOST_PIXELS

# What this module understands of an annotation and of a picture; all else is carried along as extras.
KEYS = {"id", "image_id", "category_id", "bbox", "segmentation", "keypoints", "num_keypoints", "iscrowd", "area"}
PICTURE_KEYS = {"id", "file_name", "height", "width"}
ORDER = "COCO's bbox is [left, top, width, height] in pixels."

Crowd = Literal["keep", "skip"]


class _Entry(NamedTuple):
    """An annotation that has been looked at: where it stands, its box, mask and points, and all of its fields."""

    place: str
    box: list[float]
    mask: runs.Encoded | None
    rings: Rings | None
    points: list[tuple[float, float, float]]
    label: int
    raw: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Masks:
    """Decode the masks of a picture when they are asked for: those of a data set would fill the memory."""

    encoded: tuple[runs.Encoded | None, ...]
    outlines: Objects

    def __call__(self) -> Tensor:
        """Masks (M, H, W) bool; the pixels of the box where there is no mask, or a polygon between all pixels."""
        masks = torch.zeros(len(self.encoded), *self.outlines.size, dtype=torch.bool)
        for i, encoded in enumerate(self.encoded):
            pixels = None if encoded is None else runs.decoded(encoded, self.outlines.size)
            if pixels is None or not pixels.any():
                masks[i] = box_pixels(self.outlines[i : i + 1])[0]
            else:
                masks[i] = torch.from_numpy(pixels)
        return masks


def read(file: File, *, skip: bool = False, crowd: Crowd = "keep", masks: bool = True) -> Annotations:
    """Read a COCO file of instances or keypoints.

    Class indices are 0, 1, … in the order of ``categories``. Each object's extras are ``id``, ``iscrowd``, ``area`` as
    the file gives it, and all fields that COCO does not know (None where an object lacks one). Masks are decoded when
    :attr:`Annotated.objects` is asked for. In a picture where only some objects have a mask, the others' boxes are
    filled. In a file with keypoints, all objects have as many: those without are not labelled.

    Args:
        file: path of a file, or an open file.
        skip: leave out objects and pictures that are wrong, and name them in ``skipped``.
        crowd: regions of many objects (``iscrowd`` 1): keep them like others, or skip and name them.
        masks: read masks and polygons; False: boxes and keypoints only, for which no pycocotools is needed.

    Raises:
        ValueError: a damaged file; or, unless ``skip``, what is wrong with it, with the index and the remedy.
        ImportError: polygons without pycocotools.
    """
    return parse(json_of(file), title(file), skip=skip, crowd=crowd, masks=masks)


def parse(
    document: Any, name: str = "document", *, skip: bool = False, crowd: Crowd = "keep", masks: bool = True
) -> Annotations:
    """Read a COCO document that is in memory; see :func:`read`. ``name`` is its name in messages."""
    if crowd not in ("keep", "skip"):
        raise ValueError(f"crowd should be 'keep' or 'skip'; got {crowd!r}.")
    if isinstance(document, list):
        raise ValueError(
            f"{name} is a list, as of COCO results: give the file of annotations, with images and categories."
        )
    lists = ("images", "annotations", "categories")
    missing = [key for key in lists if not isinstance(document, Mapping) or not isinstance(document.get(key), list)]
    if missing:
        raise ValueError(f"{name} lacks the list{'s' * (len(missing) > 1)} {', '.join(missing)}: it is no COCO file of "
                         "instances or keypoints.")  # fmt: skip
    faults = Faults(name, skip)
    categories = _categories(document["categories"], faults)
    frames = _pictures(document["images"], faults)
    entries: dict[int | str, list[_Entry]] = {key: [] for key in frames}
    index = {key: i for i, key in enumerate(categories)}
    seen: set[int | str] = set()
    for i, raw in enumerate(document["annotations"]):
        place = f"annotation {i}"
        if isinstance(raw, Mapping) and "id" in raw:
            place += f" (id {brief(raw['id'])})"
        with faults.part(place):
            entry, key = _entry(raw, place, frames, index, seen, masks)
            if entry.raw.get("iscrowd") and crowd == "skip":
                faults.skipped.append(Skipped(name, place, "it is a crowd region, of several objects (iscrowd 1)."))
            else:
                entries[key].append(entry)
    columns = sorted({key for several in entries.values() for entry in several for key in entry.raw if key not in KEYS})
    number = max((len(entry.points) for several in entries.values() for entry in several), default=0)
    pictures = tuple(_annotated(frames[key], key, entries[key], columns, number, faults) for key in frames)
    extras = {key: value for key, value in document.items() if key not in ("images", "annotations")}
    extras["categories"] = list(categories.values())
    names = tuple(entry["name"] for entry in categories.values())
    return Annotations(pictures, names, tuple(categories), tuple(faults.skipped), extras)


def _categories(entries: list[Any], faults: Faults) -> dict[int, dict[str, Any]]:
    """Id -> category."""
    found: dict[int, dict[str, Any]] = {}
    for i, raw in enumerate(entries):
        with faults.part(f"category {i}"):
            key = whole(_fields(raw, "id").get("id"), "id")
            if key in found:
                raise Fault(f"its id {key} is doubled: number the categories anew.")
            if not isinstance(raw.get("name"), str) or not raw["name"].strip():
                raise Fault(f"class {key} has no name: give it one.")
            found[key] = dict(raw)
    return found


def _fields(raw: Any, *needed: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise Fault(f"it should be an object {{…}}; got {brief(raw)}.")
    if missing := [key for key in needed if raw.get(key) is None]:
        raise Fault(f"it has no {' and no '.join(missing)}: add {'it' if len(missing) == 1 else 'them'}.")
    return raw


def _id(value: Any) -> int | str:
    return value if isinstance(value, str) else whole(value, "id")


def _pictures(entries: list[Any], faults: Faults) -> dict[int | str, Mapping[str, Any]]:
    """Id -> picture."""
    found: dict[int | str, Mapping[str, Any]] = {}
    names: set[str] = set()
    for i, raw in enumerate(entries):
        with faults.part(f"image {i}"):
            key = _id(_fields(raw, "id", "file_name", "height", "width")["id"])
            if key in found:
                raise Fault(f"its id {key!r} is doubled: number the images anew.")
            if not isinstance(raw["file_name"], str) or not raw["file_name"]:
                raise Fault(f"its file_name should be a name; got {brief(raw['file_name'])}.")
            if raw["file_name"] in names:
                raise Fault(f"its file_name {raw['file_name']!r} is doubled: join the two entries.")
            size = {side: whole(raw[side], side, 1) for side in ("height", "width")}
            if size["height"] * size["width"] > MOST_PIXELS:
                raise Fault(f"it should have at most {MOST_PIXELS // 10**6} million pixels; got {size}.")
            names.add(raw["file_name"])
            found[key] = {**raw, **size}
    return found


def _entry(
    raw: Any,
    place: str,
    frames: Mapping[int | str, Mapping[str, Any]],
    index: Mapping[int, int],
    seen: set[int | str],
    masks: bool,
) -> tuple[_Entry, int | str]:
    """Check an annotation on its own; return it and the id of its picture."""
    key = _id(_fields(raw, "id", "image_id", "category_id")["id"])
    if key in seen:
        raise Fault("its id is doubled: number the annotations anew.")
    seen.add(key)
    image = _id(raw["image_id"])
    if image not in frames:
        raise Fault(f"its picture, image_id {image!r}, is not there: add it to images, or leave the annotation out.")
    category = whole(raw["category_id"], "category_id")
    if category not in index:
        raise Fault(f"its class, category_id {category}, has no name: add it to categories.")
    if (raw.get("iscrowd") or 0) not in (0, 1):
        raise Fault(f"its iscrowd should be 0 or 1; got {brief(raw['iscrowd'])}.")
    size = frames[image]["height"], frames[image]["width"]
    segmentation = raw.get("segmentation")
    mask, rings = runs.parsed(segmentation, size) if masks else (None, None)
    if raw.get("bbox") is not None:
        left, top, width, height = numbers(raw["bbox"], "bbox", "four numbers [left, top, width, height]", 4)
        if width < 0 or height < 0:
            raise Fault(f"its width and height should not be negative; its bbox is {brief(raw['bbox'])}. {ORDER}")
        box = [top, left, top + height, left + width]
    elif mask is not None:
        box = runs.around(mask, size) if rings is None else polygons.around(rings)
    else:
        raise Fault("it has no bbox and no segmentation: give one of them.")
    return _Entry(place, box, mask, rings, _points(raw.get("keypoints"), size), index[category], raw), image


def _points(values: Any, size: Size) -> list[tuple[float, float, float]]:
    """(row, column, visibility) of each keypoint [x, y, v, x, y, v, …]."""
    if values is None:
        return []
    flat = numbers(values, "keypoints", "numbers [x, y, v, x, y, v, …]")
    if len(flat) % 3:
        raise Fault(f"its keypoints should be x, y and v of each point; got {len(flat)} numbers.")
    points: list[tuple[float, float, float]] = []
    for i, (x, y, seen) in enumerate(zip(flat[::3], flat[1::3], flat[2::3], strict=True)):
        if seen not in (0, 1, 2):
            raise Fault(f"v of its keypoint {i} should be 0 (not labelled), 1 (hidden) or 2 (visible); got {seen:g}.")
        row, column = (y + 0.5, x + 0.5) if seen else (0.0, 0.0)
        if not (0 <= row <= size[0] + 0.5 and 0 <= column <= size[1] + 0.5):  # NaN is in no range
            raise Fault(f"its keypoint {i} at ({x:g}, {y:g}) is outside its picture of {size[0]}x{size[1]} pixels "
                        "(height x width): correct it, or set its v to 0.")  # fmt: skip
        points.append((row, column, seen))
    return points


def _annotated(
    frame: Mapping[str, Any],
    key: int | str,
    entries: Sequence[_Entry],
    columns: Sequence[str],
    number: int,
    faults: Faults,
) -> Annotated:
    """Join the annotations of a picture; ``columns`` are the extras and ``number`` the keypoints of all pictures."""
    size = frame["height"], frame["width"]
    boxes, good = outlines(
        size,
        [entry.box for entry in entries],
        [entry.place for entry in entries],
        faults,
        [f"{ORDER} It is {brief(entry.raw.get('bbox'))}." for entry in entries],
        [_small(entry, size) for entry in entries],
    )
    entries = [entries[i] for i in good]
    points = None
    if number:
        padded = [entry.points + [(0.0, 0.0, 0.0)] * (number - len(entry.points)) for entry in entries]
        points = torch.tensor(padded).view(len(entries), number, 3)
    extras: dict[str, Column] = {
        "id": [entry.raw["id"] for entry in entries],
        "iscrowd": torch.tensor([int(entry.raw.get("iscrowd") or 0) for entry in entries], dtype=torch.int64),
        "area": [entry.raw.get("area") for entry in entries],
    }
    extras |= {column: [entry.raw.get(column) for entry in entries] for column in columns}
    found = Objects(
        size=size,
        count=1,
        image=torch.zeros(len(entries), dtype=torch.int64),
        boxes=boxes,
        polygons=tuple(entry.rings for entry in entries) if any(entry.rings for entry in entries) else None,
        keypoints=points,
        classes=torch.tensor([entry.label for entry in entries], dtype=torch.int64),
        extras=extras,
        checked=True,
    )
    encoded = tuple(entry.mask for entry in entries)
    masks = _Masks(encoded, found) if any(mask is not None for mask in encoded) else None
    more = {name: value for name, value in frame.items() if name not in PICTURE_KEYS}
    return Annotated(frame["file_name"], size, found, masks, key, more)


def _small(entry: _Entry, size: Size) -> bool:
    """Whether an object's mask shows that its box, of less than a pixel, is in pixels."""
    if entry.mask is None or not max(entry.box) <= 1:
        return False
    return not runs.decoded(entry.mask, size).ravel()[1:].any()


# ---------------------------------------------------------------- writing


def write(
    file: str | os.PathLike[str],
    annotations: Annotations,
    *,
    unchanged: bool = False,
    lengths: Literal["compressed", "counts"] = "compressed",
) -> None:
    """Write a COCO file; see :func:`document`.

    Raises:
        ValueError: see :func:`document`.
        ImportError: masks as compressed run-lengths without pycocotools.
    """
    text = json.dumps(document(annotations, unchanged=unchanged, lengths=lengths), ensure_ascii=False, allow_nan=False)
    Path(file).write_text(text, encoding="utf-8")


def document(
    annotations: Annotations,
    *,
    unchanged: bool = False,
    lengths: Literal["compressed", "counts"] = "compressed",
) -> dict[str, Any]:
    """Return annotations as a COCO document.

    Reading it gives the same boxes, masks, polygons, keypoints, classes and extras, bit by bit. Numbers are written
    with the fewest decimals for which that holds: a file of few decimals gives the same numbers again. Objects with
    polygons are written as these, others with masks as run-lengths.

    Args:
        annotations: of the pictures.
        unchanged: keep the annotation ids and the areas that were read. False: number the annotations 1, 2, … and
            measure the areas, as is needed for mixtures, where an object may stand twice and cut.
        lengths: masks as COCO's compressed string, or as a list of counts, for which no pycocotools is needed.

    Raises:
        ValueError: no classes, a class without a name, or ids that are doubled.
        ImportError: compressed run-lengths without pycocotools.
    """
    if lengths not in ("compressed", "counts"):
        raise ValueError(f"lengths should be 'compressed' or 'counts'; got {lengths!r}.")
    class_ids = annotations.class_ids or tuple(range(1, len(annotations.classes) + 1))
    categories = _named(annotations, class_ids)
    points = {i: len(entry["keypoints"]) for i, entry in enumerate(categories) if "keypoints" in entry}
    keys = _keys(annotations)
    images: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for one, key in zip(annotations.pictures, keys, strict=True):
        height, width = one.size
        images.append({**one.extras, "id": key, "file_name": one.file, "height": height, "width": width})
        objects = one.objects
        if len(objects) and objects.classes is None:
            raise ValueError(f"{one.file}: COCO needs a class for every object: give the objects classes.")
        labels = [] if objects.classes is None else as_list(objects.classes)
        for label in labels:
            name_of(annotations, label, one.file)
        areas = as_list(objects.areas)
        for i, label in enumerate(labels):
            row: dict[str, Any] = {"id": len(rows) + 1, "image_id": key, "category_id": class_ids[label]}
            row |= {"bbox": _bbox(as_list(objects.boxes[i])), "area": shortest(areas[i]), "iscrowd": 0}
            rings = None if objects.polygons is None else objects.polygons[i]
            if rings is not None:
                row["segmentation"] = list(map(_polygon, rings))
            elif objects.masks is not None:
                row["segmentation"] = _segmentation(objects.masks[i].cpu().numpy(), lengths)
            if objects.keypoints is not None:
                row |= _flat(as_list(objects.keypoints[i]), points.get(label))
            rows.append(row | _more(objects.extras, i, unchanged))
    doubled = [key for key, count in Counter(row["id"] for row in rows).items() if count > 1]
    if doubled:
        raise ValueError(
            f"The annotation id {doubled[0]!r} is doubled: write with unchanged=False to number them anew."
        )
    return {**annotations.extras, "categories": categories, "images": images, "annotations": rows}


def _named(annotations: Annotations, class_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The categories as they were read if they fit the classes, else new ones."""
    given = annotations.extras.get("categories", [])
    if [(entry["id"], entry["name"]) for entry in given] == list(zip(class_ids, annotations.classes, strict=True)):
        return list(given)
    return [{"id": key, "name": name} for key, name in zip(class_ids, annotations.classes, strict=True)]


def _keys(annotations: Annotations) -> list[int | str]:
    """The ids of the pictures if all have one of their own, else 1, 2, …"""
    keys = [one.id for one in annotations.pictures if one.id is not None]
    if len(set(keys)) == len(annotations):
        return keys
    if len(keys) == len(annotations):
        raise ValueError("Two pictures have the same id: give each its own, or None to all.")
    return list(range(1, len(annotations) + 1))


def _more(extras: Mapping[str, Column], index: int, unchanged: bool) -> dict[str, Any]:
    """The extras of an object as fields of its annotation."""
    fields: dict[str, Any] = {}
    for name, column in extras.items():
        value = column[index]
        value = (
            as_list(value) if isinstance(value, Tensor) else value.item() if isinstance(value, np.generic) else value
        )
        measured = KEYS - {"iscrowd"} - ({"id", "area"} if unchanged else set())
        if value is not None and name not in measured:
            fields[name] = value
    return fields


def _bbox(box: Sequence[float]) -> list[float]:
    top, left, bottom, right = box
    start = shortest(left), shortest(top)
    return [*start, _length(start[0], right), _length(start[1], bottom)]


def _length(start: float, end: float) -> float:
    """The shortest decimal number that, added to ``start``, gives the float32 ``end``."""
    exact, goal = shortest(end) - start, np.float32(end)
    for digits in range(10):
        length = round(exact, digits)
        if np.float32(start + length) == goal:
            return int(length) if float(length).is_integer() else length
    return end - start


def _polygon(ring: Ring) -> list[float]:
    """COCO's [x, y, x, y, …]."""
    return [int(value) if value.is_integer() else value for value in ring[:, ::-1].ravel().tolist()]


def _segmentation(mask: np.ndarray, lengths: str) -> dict[str, Any]:
    return {
        "size": list(mask.shape),
        "counts": runs.compressed(mask) if lengths == "compressed" else runs.lengths_of(mask),
    }


def _flat(points: list[list[float]], number: int | None) -> dict[str, Any]:
    """COCO's keypoints of an object; none if its class has no names of keypoints and no point is labelled."""
    labelled = sum(point[2] > 0 for point in points)
    if number is None and not labelled:
        return {}
    flat: list[float] = []
    for row, column, seen in points[:number]:
        flat += [_point(column), _point(row), int(seen)] if seen else [0, 0, 0]
    return {"keypoints": flat, "num_keypoints": labelled}


def _point(place: float) -> float:
    """The shortest decimal number that, with 0.5 added, gives the float32 ``place``."""
    return _length(0.5, place)

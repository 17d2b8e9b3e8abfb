"""Targets of torchvision's detectors: a dictionary per image, from and to objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.core.follow import MovedObjects
from mixviz.core.objects import Column, Objects, collate

OWN = ("boxes", "labels", "masks", "keypoints", "area")  # keys that become fields; areas are measured anew
OF_IMAGES = ("image_id", "size", "orig_size")  # keys known to be an image's, whatever their length


def detection_objects(
    targets: Sequence[Mapping[str, Any]], size: tuple[int, int], columns: Sequence[str] = ("iscrowd",)
) -> Objects:
    """Return the objects of a batch from a dictionary per image, as torchvision's detectors take them.

    Args:
        targets: per image ``boxes`` (M, 4) as (left, top, right, bottom) in pixels and ``labels`` (M,) integers, and
            perhaps ``masks`` (M, H, W), 0 or 1, and ``keypoints`` (M, P, 3) as (x, y, visibility).
        size: (H, W) of the images.
        columns: further keys with a value per object, which become extras. All images have them, or none.

    Raises:
        TypeError, ValueError: a target without boxes or labels, boxes in another format, or what cannot be an object;
            with the index of the image.
    """
    known = [name for name in columns if all(name in target for target in targets)]
    several = [_objects_of(target, number, size, known) for number, target in enumerate(targets)]
    _check_columns(targets, columns)
    return collate(several)


def detection_targets(objects: MovedObjects | Objects) -> list[dict[str, Any]]:
    """Return a dictionary per image, as torchvision's detectors take it in training.

    It has ``boxes`` (M, 4) float32 as (left, top, right, bottom), ``labels`` (M,) int64, ``area`` (M,) float32,
    ``iscrowd`` (M,) int64 (0 unless the extras say otherwise), ``masks`` (M, H, W) uint8 and ``keypoints`` (M, P, 3) as
    (x, y, visibility) if there are any, and the extras. Those of mixtures also have ``visible`` and ``weight`` (M,),
    e.g. to weigh a loss. Labels stay as they are: where 0 is the background, classes begin at 1.

    Args:
        objects: those of the images, or those of the mixtures (:meth:`mixviz.Recipe.follow`).

    Raises:
        ValueError: objects without classes.
    """
    moved = objects if isinstance(objects, MovedObjects) else None
    plain = objects.objects if isinstance(objects, MovedObjects) else objects
    if plain.classes is None and len(plain):
        raise ValueError("A detector's targets need labels, and these objects have no classes: Objects(classes=...).")
    result: list[dict[str, Any]] = []
    for number in range(plain.count):
        mine = plain.image == number
        of_image, measured = plain[mine], None if moved is None else moved[mine]
        result.append(_target_of(of_image, measured))
    return result


def rest_of(target: Mapping[str, Any], columns: Sequence[str] = ("iscrowd",)) -> dict[str, Any]:
    """Return what a target holds beside its objects, e.g. ``image_id``."""
    return {name: value for name, value in target.items() if name not in (*OWN, *columns)}


def _target_of(objects: Objects, moved: MovedObjects | None) -> dict[str, Any]:
    classes = objects.classes
    target: dict[str, Any] = {
        "boxes": objects.boxes[:, [1, 0, 3, 2]],
        "labels": objects.image.new_zeros(0) if classes is None else classes.long(),
        "area": objects.areas if moved is None else moved.area,
        "iscrowd": torch.zeros_like(objects.image),
        **objects.extras,
    }
    if objects.masks is not None or objects.polygons is not None:
        target["masks"] = objects.pixels().to(torch.uint8)
    if objects.keypoints is not None:
        target["keypoints"] = objects.keypoints[..., [1, 0, 2]]
    if moved is not None:
        target |= {"visible": moved.visible, "weight": moved.weight}
    return target


def _objects_of(target: Mapping[str, Any], number: int, size: tuple[int, int], columns: Sequence[str]) -> Objects:
    if missing := [name for name in ("boxes", "labels") if name not in target]:
        raise TypeError(
            f"The target of image {number} has no {' and no '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, target))}. A detector's target has boxes (M, 4) and labels (M,)."
        )
    form = getattr(target["boxes"], "format", None)
    if getattr(form, "value", form) not in (None, "XYXY"):
        raise ValueError(
            f"The boxes of image {number} are {getattr(form, 'value', form)}: convert them to XYXY, "
            'torchvision.transforms.v2.ConvertBoundingBoxFormat("XYXY").'
        )
    boxes, masks, points = (_plain(target.get(name)) for name in ("boxes", "masks", "keypoints"))
    checks.tensor(f"boxes of image {number}", boxes, "real", ("M", 4), values=False, empty=True)
    assert boxes is not None
    extras: dict[str, Column] = {name: _plain(target[name]) for name in columns}
    try:
        return Objects(
            size=size,
            count=1,
            image=torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device),
            boxes=boxes[:, [1, 0, 3, 2]],
            masks=None if masks is None else masks.bool(),
            keypoints=None if points is None else points[..., [1, 0, 2]].float(),
            classes=_plain(target["labels"]),
            extras=extras,
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"Image {number}: {error}") from None


def _plain(value: Any) -> Any:
    """Return torchvision's tensors of boxes and masks as plain tensors."""
    return value.as_subclass(Tensor) if isinstance(value, Tensor) else value


def _check_columns(targets: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Refuse keys that seem to have a value per object and would stay with the image."""
    counts = [len(target["boxes"]) for target in targets]
    names = set(targets[0]) - {*OWN, *OF_IMAGES, *columns}
    for name in sorted(names):
        lengths = [_length(target.get(name)) for target in targets]
        if lengths == counts and max(counts) > 2:
            raise ValueError(
                f"{name!r} has a value for each object, which would not follow it: name it, "
                f"columns={(*columns, name)!r}."
            )


def _length(value: Any) -> int:
    """Return the number of values of a list or tensor; -1 for everything else."""
    if isinstance(value, Tensor):
        return len(value) if value.ndim else -1
    return len(value) if checks.is_sequence(value) and not isinstance(value, str) else -1

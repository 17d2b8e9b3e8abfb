"""Give objects the geometry that pictures get when they are loaded: turned upright, cropped, resized."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.core.objects import Objects, boxes_of, collate
from mixviz.core.polygons import Polygons, Ring, mapped
from mixviz.data import pictures
from mixviz.data.annotations.reading import Fault, Faults
from mixviz.data.annotations.records import Annotated, Annotations, Size, normal
from mixviz.data.decoding import is_picture, orientation, upright_size

Where = str | os.PathLike[str]
Folder = Where | Mapping[str, Where]  # a folder of pictures, or the file of each picture by its name


class Cropped(NamedTuple):
    """Objects of which something is inside a crop.

    Attributes:
        objects: in pixels of the crop.
        origin: (M',) int64, index of each among the objects before.
        visible: (M',) float32, share of its mask's area, or of its box's, that is inside.
    """

    objects: Objects
    origin: Tensor
    visible: Tensor


def resized(objects: Objects, size: Size) -> Objects:
    """Scale objects to pictures of another size (H', W'); see :func:`cropped`. All objects stay."""
    height, width = objects.size
    return cropped(objects, (0, 0, height, width), size).objects


def squared(objects: Objects, side: int, min_visible: float = 0.0) -> Cropped:
    """Objects in the square that :func:`mixviz.data.pictures.load_image` makes of a picture; see :func:`cropped`."""
    return cropped(objects, pictures.middle_square(objects.size), (side, side), min_visible)


def viewed(objects: Objects, wanted: pictures.View | int, min_visible: float = 0.0) -> Cropped:
    """Objects in the view that :func:`mixviz.data.pictures.load_view` makes of a picture; see :func:`cropped`."""
    side = wanted.side if isinstance(wanted, pictures.View) else wanted
    return cropped(objects, pictures.view_square(objects.size, wanted), (side, side), min_visible)


def cropped(
    objects: Objects, window: tuple[float, float, float, float], size: Size, min_visible: float = 0.0
) -> Cropped:
    """Crop pictures to a window and resize it to (H', W'), for their objects.

    $$y' = (y - t) \\, H' / h$$

    for a window of height h at t, and likewise for x. Boxes are clipped to the window; the box of an object that the
    window cuts becomes the one around what is left of its mask, if there is one. A pixel of a mask is the one that its
    centre falls on before (nearest neighbour). A mask too thin to be met by any centre becomes the pixel in the middle
    of its box. Polygons stay where the window does not cut them; those that it cuts become masks. Keypoints outside are
    at (0, 0) and not labelled.

    Args:
        objects: of pictures of one size.
        window: (top, left, bottom, right) in pixels, inside the picture; edges may be fractions.
        size: (H', W') of the result.
        min_visible: leave out objects of which less is inside. 0: those of which nothing is.

    Raises:
        ValueError: a window outside the pictures, or without area.
    """
    (top, left, bottom, right), (height, width) = window, objects.size
    if objects.polygons is not None and objects.masks is None:
        objects = dataclasses.replace(objects, masks=objects.pixels(), checked=True)
    checks.size("size", size)
    checks.number("min_visible", min_visible, 0, 1)
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(
            f"window should be (top, left, bottom, right) inside the {height}x{width} pixels (height x width); got "
            f"{window}."
        )
    device = objects.image.device
    corner = torch.tensor([top, left], dtype=torch.float64, device=device)
    end = torch.tensor([bottom, right], dtype=torch.float64, device=device)
    scale = torch.tensor(size, dtype=torch.float64, device=device) / (end - corner)
    before = objects.boxes.double()
    boxes = torch.cat([torch.maximum(before[:, :2], corner), torch.minimum(before[:, 2:], end)], 1)
    inside = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    visible = inside / (before[:, 2:] - before[:, :2]).prod(1)
    if objects.masks is not None:
        boxes, visible = _left(objects.masks, boxes, (boxes != before).any(1), window)
    boxes = torch.cat([(boxes[:, :2] - corner) * scale, (boxes[:, 2:] - corner) * scale], 1).float()
    keep = (visible > 0) & (visible >= min_visible) & (boxes[:, :2] < boxes[:, 2:]).all(1)
    origin = keep.nonzero()[:, 0]
    rows, columns = (
        (start + (torch.arange(length, device=device, dtype=torch.float64) + 0.5) * (stop - start) / length).long()
        for start, stop, length in ((top, bottom, size[0]), (left, right, size[1]))
    )
    boxes = boxes[origin]
    masks = (
        None
        if objects.masks is None
        else _not_empty(objects.masks[origin[:, None, None], rows[:, None], columns], boxes)
    )
    points = objects.keypoints
    if points is not None:
        place = (points[origin, :, :2].double() - corner) * scale
        within = (place >= 0).all(2) & (place < place.new_tensor(size)).all(2)
        points = torch.cat([place.float(), points[origin, :, 2:]], 2) * within[:, :, None]
    kept = dataclasses.replace(objects, masks=None, checked=True)[origin]  # without a copy of the large masks
    result = dataclasses.replace(
        kept,
        size=tuple(size),
        boxes=boxes,
        masks=masks,
        polygons=_inside_window(kept.polygons, window, size),
        keypoints=points,
        checked=True,
    )
    return Cropped(result, origin, visible[origin].float())


def _inside_window(polygons: Polygons | None, window: tuple[float, float, float, float], size: Size) -> Polygons | None:
    """Scale the polygons of objects to a window; None for those that leave it."""
    if polygons is None:
        return None
    low, high = np.array(window[:2]), np.array(window[2:])
    whole = [
        rings if rings is not None and all(((low <= ring) & (ring <= high)).all() for ring in rings) else None
        for rings in polygons
    ]
    scaled = mapped(whole, lambda ring: (ring - low) * np.array(size) / (high - low))
    return scaled if any(whole) else None


def _left(
    masks: Tensor, boxes: Tensor, cut: Tensor, window: tuple[float, float, float, float]
) -> tuple[Tensor, Tensor]:
    """Boxes (M, 4) around what is left of objects, and the share (M,) of their masks (M, H, W) that is."""
    top, left, bottom, right = window
    rows, columns = slice(math.floor(top), math.ceil(bottom)), slice(math.floor(left), math.ceil(right))
    down = _inside(rows, top, bottom, masks.device)
    across = _inside(columns, left, right, masks.device)
    corner = boxes.new_tensor([rows.start, columns.start])
    visible = torch.ones_like(boxes[:, 0])
    boxes = boxes.clone()
    for index in cut.nonzero()[:, 0]:
        remaining = masks[index, rows, columns]
        visible[index] = (remaining.double() @ across @ down) / masks[index].count_nonzero().clamp(min=1)
        around = boxes_of(remaining[None])[0].double()
        boxes[index, :2] = torch.maximum(boxes[index, :2], around[:2] + corner)
        boxes[index, 2:] = torch.minimum(boxes[index, 2:], around[2:] + corner)
    return boxes, visible


def _inside(pixels: slice, low: float, high: float, device: torch.device) -> Tensor:
    """The share of each pixel of an axis that lies between two places, float64."""
    start = torch.arange(pixels.start, pixels.stop, dtype=torch.float64, device=device)
    return ((start + 1).clamp(max=high) - start.clamp(min=low)).clamp(min=0)


def _not_empty(masks: Tensor, boxes: Tensor) -> Tensor:
    """Masks (M, H, W), with the pixel in the middle of the box (M, 4) for those that lost all pixels."""
    empty = (~masks.flatten(1).any(1)).nonzero()[:, 0]
    middle = ((boxes[empty, :2] + boxes[empty, 2:]) / 2).long()
    masks[empty, middle[:, 0].clamp(max=masks.shape[1] - 1), middle[:, 1].clamp(max=masks.shape[2] - 1)] = True
    return masks


def turned(objects: Objects, orientation: int) -> Objects:
    """Turn the objects of a picture as stored into those of the upright picture, which :mod:`mixviz` shows.

    Args:
        objects: in pixels of the stored picture (H, W).
        orientation: the picture's EXIF orientation, 1 (upright) to 8. Of 5 to 8, the result has the size (W, H).

    Raises:
        ValueError: no orientation.
    """
    checks.number("orientation", orientation, 1, 8, whole=True)
    height, width = objects.size
    upside, mirrored, transposed = orientation in (3, 4, 6, 7), orientation in (2, 3, 7, 8), orientation > 4
    boxes, masks, points = objects.boxes, objects.masks, objects.keypoints
    top, left, bottom, right = boxes.unbind(1)
    if upside:
        top, bottom = height - bottom, height - top
    if mirrored:
        left, right = width - right, width - left
    boxes = torch.stack([left, top, right, bottom] if transposed else [top, left, bottom, right], 1)
    if masks is not None:
        masks = masks.flip([1] * upside + [2] * mirrored)
        masks = masks.transpose(1, 2).contiguous() if transposed else masks
    if points is not None:
        row, column, visibility = points.unbind(2)
        row, column = height - row if upside else row, width - column if mirrored else column
        place = torch.stack([column, row] if transposed else [row, column], 2)
        points = torch.cat([torch.where(visibility[..., None] > 0, place, 0), visibility[..., None]], 2)
    polygons = mapped(objects.polygons, lambda ring: _turned_points(ring, objects.size, upside, mirrored, transposed))
    size = (width, height) if transposed else (height, width)
    return dataclasses.replace(
        objects, size=size, boxes=boxes, masks=masks, polygons=polygons, keypoints=points, checked=True
    )


def _turned_points(ring: Ring, size: Size, upside: bool, mirrored: bool, transposed: bool) -> Ring:
    row, column = (size[0] - ring[:, 0] if upside else ring[:, 0]), (size[1] - ring[:, 1] if mirrored else ring[:, 1])
    return np.stack([column, row] if transposed else [row, column], 1)


def in_folder(
    annotations: Annotations, folder: str | os.PathLike[str], *, stored: bool = False, skip: bool = False
) -> Annotations:
    """Compare annotations with the pictures of a folder, and turn them upright where the pictures are stored turned.

    Args:
        annotations: file names in them are relative to ``folder``.
        folder: the pictures, which may lie in sub-folders.
        stored: the annotations are in pixels of the pictures as stored, before their EXIF orientation. False: they are
            where a size with exchanged sides shows it.
        skip: leave out annotations that fit no picture, and name them in ``skipped``.

    Returns:
        Annotations in pixels of the upright pictures.

    Raises:
        ValueError: no such folder; or, unless ``skip``, a picture that is not there, cannot be read or has another
            size.
    """
    found = paths_in(folder)
    faults = Faults(str(Path(folder).name), skip)
    kept: list[Annotated] = []
    for one in annotations.pictures:
        with faults.part(one.file):
            path = found.get(normal(one.file)) or found.get(_base(one.file))
            if path is None:
                raise Fault("the picture is annotated, but not there: add it, or leave its annotations out.")
            kept.append(of_picture(one, path, stored=stored))
    return dataclasses.replace(annotations, pictures=tuple(kept), skipped=(*annotations.skipped, *faults.skipped))


def of_picture(one: Annotated, path: str | os.PathLike[str], *, stored: bool = False) -> Annotated:
    """Compare a picture's annotations with its file, and turn them upright where it is stored turned.

    Raises:
        ValueError: the file cannot be read or has another size.
    """
    try:
        size, code = upright_size(path), orientation(path)
    except ValueError as error:
        raise Fault(str(error)) from None
    return _fitting(one, size, code, stored)


def _fitting(one: Annotated, upright: Size, code: int, stored: bool) -> Annotated:
    """A picture's annotations in the upright picture of size (H, W); ``code`` is its EXIF orientation."""
    as_stored = upright[::-1] if code > 4 else upright
    if one.size == upright and not (stored and code > 1):
        return one
    if one.size == as_stored and code > 1:
        return Annotated.of(one.file, turned(one.objects, code), id=one.id, extras=one.extras)
    (height, width), (own_height, own_width) = upright, one.size
    raise Fault(
        f"it has {height}x{width} pixels (height x width), its annotations are of {own_height}x{own_width}. Scale them "
        "with mixviz.data.annotations.fitting.resized if the whole picture was resized, or take the picture that was "
        "annotated."
    )


def paths_in(folder: Folder) -> dict[str, Path]:
    """Return pictures by their names, and by those file names that occur once.

    Args:
        folder: the pictures of it and its sub-folders are named by their paths relative to it; or the file of each
            picture by its name.

    Raises:
        ValueError: no such folder.
    """
    paths = {normal(name): path for name, path in named_in(folder).items()}
    by_name: dict[str, list[Path]] = {}
    for name, path in paths.items():
        by_name.setdefault(_base(name), []).append(path)
    return {name: several[0] for name, several in by_name.items() if len(several) == 1} | paths


def named_in(folder: Folder) -> dict[str, Path]:
    """Return the pictures of :func:`paths_in` by their names alone, as they are written."""
    if isinstance(folder, Mapping):
        return {name: Path(path) for name, path in folder.items()}
    if not Path(folder).is_dir():
        raise ValueError(f"There is no folder {str(folder)!r} of pictures.")
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(Path(folder).rglob("*"))
        if is_picture(path.name) and path.is_file()
    }


def _base(name: str) -> str:
    return normal(name).rsplit("/", 1)[-1]


def of_squares(annotations: Annotations, names: Sequence[str], side: int, min_visible: float = 0.0) -> Objects:
    """Join the objects of pictures that were loaded as squares of one side into those of a batch.

    Objects of which the squares show nothing are left out; :func:`squared` says which.

    Args:
        annotations: in pixels of the upright pictures, see :func:`in_folder`.
        names: of the N pictures, in the order of the batch; one without annotations has no objects.
        side: of the squares, in pixels.
        min_visible: leave out objects of which the squares show less, see :func:`cropped`.

    Raises:
        ValueError: annotations of none of the pictures, or two pictures with the same.
    """
    found = [annotations.find(name) for name in names]
    there = [id(one) for one in found if one is not None]
    if names and not there:
        example = annotations.pictures[0].file if annotations.pictures else "no picture"
        raise ValueError(
            f"The annotations are of none of the {len(names)} pictures: they name {example!r} and the like, the "
            f"pictures are {names[0]!r} and the like."
        )
    if len(set(there)) < len(there):
        doubled = next(one for one in found if one is not None and there.count(id(one)) > 1)
        both = [name for name, one in zip(names, found, strict=True) if one is doubled]
        raise ValueError(
            f"{both[0]!r} and {both[1]!r} both fit the annotations of {doubled.file!r}: write file names with their "
            "folders into the annotation file."
        )
    return collate(
        [
            Objects.none((side, side), 1) if one is None else squared(one.objects, side, min_visible).objects
            for one in found
        ]
    )

"""Annotation files of the visitor's pictures: of a batch, and of one of the two pictures."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from mixviz.core.objects import Objects
from mixviz.core.tensors import as_list
from mixviz.data.annotations import fitting, loose, runs
from mixviz.data.annotations.reading import SKIP
from mixviz.data.annotations.records import Annotations
from mixviz.data.batch_loading import SIDE
from mixviz.i18n import UserError
from mixviz.ui.services.marks import MARK_SIDE
from mixviz.ui.state import MAX_PATH, annotations_of, boolean, files_of

MOST_BYTES = 2**24  # of annotation files together: some 50,000 objects
MOST_PIXELS = 2**28  # of the masks of one picture, which are in memory together: 256 MB
MOST_OBJECTS = 30  # of one of the two pictures that are offered, the largest first
MOST_REASONS = 50  # of what was left out that are named
Files = tuple[tuple[str, str], ...]  # (path, name) of each


class BatchObjects(NamedTuple):
    """The objects of a batch in pixels of its squares, its annotations, and what the page says about their files."""

    objects: Objects
    annotations: Annotations
    about: dict[str, Any]


@functools.lru_cache(maxsize=4)
def of_batch(files: Files, given: Files, skip: bool = False) -> BatchObjects:
    """Read the objects of a visitor's batch from their annotation files, cached.

    Raises:
        UserError: files that are too large, that fit none of the pictures or, unless ``skip``, that are wrong.
    """
    with _read(given):
        found = loose.read(_named(given), {name: path for path, name in files}, skip=skip, most=MOST_PIXELS)
        objects = fitting.of_squares(found.annotations, [name for _, name in files], SIDE)
    used = found.annotations.pictures
    about = {
        "format": loose.TITLES[found.format],
        "pictures": len(used),
        "objects": sum(map(len, used)),
        "classes": _class_names(found.annotations),
        **_left_out(found.annotations),
    }
    return BatchObjects(objects, found.annotations, about)


def about_batch(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """Return what the annotation files of the visitor's batch hold, before the batch is asked for.

    Raises:
        UserError: see :func:`of_batch`.
    """
    skip = state.get("skip", False) if isinstance(state, dict) else False
    boolean(skip, None)
    return of_batch(files_of(state, checked_path), annotations_of(state, checked_path), skip).about


def of_picture(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """Return the objects of one picture in the square that is mixed: their names and their run-lengths, largest first.

    Parts that are wrong are left out and named; a COCO file may be about many other pictures.

    Raises:
        UserError: files that cannot be used, or that show no object in the square.
    """
    path, given = checked_path(state.get("path")), annotations_of(state, checked_path)
    name = str(state.get("name") or os.path.basename(path))[-MAX_PATH:]
    with _read(given):
        found = loose.read(_named(given), {name: path}, skip=True, most=MOST_PIXELS)
        objects = fitting.squared(found.annotations.pictures[0].objects, MARK_SIDE).objects
    if not len(objects):
        reasons = _left_out(found.annotations)["reasons"]
        raise UserError("error.reason", reason=reasons[0]) if reasons else UserError("annotations.none", name=name)
    masks = objects.pixels()
    order = as_list(masks.sum((1, 2)).argsort(descending=True, stable=True))[:MOST_OBJECTS]
    labels = _labels(found.annotations, objects)
    shown = [{"name": labels[i], "runs": runs.lengths_of(masks[i].numpy())} for i in order]
    return {"format": loose.TITLES[found.format], "objects": shown, **_left_out(found.annotations)}


@contextmanager
def _read(given: Files) -> Iterator[None]:
    """Check the size of annotation files, and turn what is wrong in them into a UserError."""
    if not given:
        raise UserError("annotations.missing")
    if sum(os.path.getsize(path) for path, _ in given) > MOST_BYTES:
        raise UserError("annotations.large", most=MOST_BYTES // 2**20)
    try:
        yield
    except UserError:
        raise
    except (ValueError, ImportError) as error:
        raise UserError("error.reason", reason=str(error).removesuffix(f" {SKIP}")) from error


def _named(given: Files) -> dict[str, str]:
    """The files by their names; of one name given twice, the later one."""
    return {name: path for path, name in given}


def _labels(annotations: Annotations, objects: Objects) -> list[str]:
    """The class's name of each object, its number where it has none, or the object's own number."""
    if objects.classes is None:
        return [str(number) for number in objects.extras.get("id", range(1, len(objects) + 1))]
    known = annotations.classes
    return [known[label] if label < len(known) else str(label) for label in as_list(objects.classes)]


def _class_names(annotations: Annotations) -> list[str]:
    """Names of the classes that occur, without the numbers of objects that have none."""
    labelled = (one for one in annotations.pictures if one.outlines.classes is not None)
    return sorted({label for one in labelled for label in _labels(annotations, one.outlines)})


def _left_out(annotations: Annotations) -> dict[str, Any]:
    reasons = [str(one) for one in annotations.skipped]
    return {"left_out": len(reasons), "reasons": reasons[:MOST_REASONS]}

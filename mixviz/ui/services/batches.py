"""The page's batch: bundled photographs or the visitor's own, each mixed with a partner from the batch."""

from __future__ import annotations

import dataclasses
import functools
import os
from functools import partial

from torch import Tensor

from mixviz.core.objects import Objects
from mixviz.data import batch_loading, pictures
from mixviz.data.annotations import coco, fitting
from mixviz.data.batch_loading import SIDE, ImageSource, Pictures
from mixviz.i18n import UserError
from mixviz.render.batch_sheet import MixedBatch, mix_batch
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import detector_options
from mixviz.ui.state import Request

MOST_BYTES = 2**24  # of an annotation file: some 50,000 objects
MOST_PIXELS = 2**28  # of the masks of one picture, which are in memory together: 256 MB
Files = tuple[tuple[str, str], ...]


def mixed_of(request: Request) -> MixedBatch:
    """Plan the state's batch without mixing it."""
    batch = _pictures(request.files, int(request.count))
    if request.files and request.annotations:
        batch = batch._replace(annotated=annotated(request.files, request.annotations)[0])
    method = request.chosen(request.method, request.parameters)
    needs_maps = "detector" in type(method).parameters() or batch.objects is None
    maps = _maps(request.files, int(request.count), request.detector) if needs_maps else None
    with as_user_error():  # a method may need more than a batch of pictures has
        return mix_batch(batch, method, int(request.seed), request.lam, maps=maps)


def found_by(request: Request) -> list[ImageSource]:
    """Return the state's pictures, unopened."""
    if not request.files:
        return batch_loading.photographs(int(request.count))
    return _uploads(request.files)


def _uploads(files: Files) -> list[ImageSource]:
    labels = batch_loading.labels_of([name for _, name in files])
    return [
        ImageSource(name, label, partial(open, path, "rb")) for (path, name), label in zip(files, labels, strict=True)
    ]


@functools.lru_cache(maxsize=4)
def annotated(files: Files, path: str) -> tuple[Objects, tuple[str, ...]]:
    """Read the objects of a visitor's pictures from a COCO file, and what was left out of it; cached.

    Raises:
        UserError: a file that is too large or not COCO's, or that fits none of the pictures.
    """
    if os.path.getsize(path) > MOST_BYTES:
        raise UserError("batch.annotations_large", most=MOST_BYTES // 2**20)
    with as_user_error(ValueError, ImportError):
        found, kept, skipped = coco.read(path, skip=True), [], []
        for picture, name in files:
            one = found.find(name)
            if one is None:
                continue
            try:
                if len(one) * one.size[0] * one.size[1] > MOST_PIXELS:
                    raise ValueError("its objects together have too many pixels for the page: use the command line.")
                kept.append(fitting.of_picture(one, picture))
            except ValueError as error:
                skipped.append(f"{name}: {error}")
        reasons = (*(f"{one.place}: {one.reason}" for one in found.skipped), *skipped)
        used = dataclasses.replace(found, pictures=tuple(kept))
        return fitting.of_squares(used, [name for _, name in files], SIDE), reasons


@functools.lru_cache(maxsize=8)
def _pictures(files: Files, count: int) -> Pictures:
    """Load the pictures, cached (7 MB at most): an upload's path contains its content's hash."""
    sources = _uploads(files) if files else batch_loading.photographs(count)
    paths = [path for path, _ in files] or [pictures.photograph_path(one.name) for one in sources]
    return batch_loading.stacked(sources, [pictures.load_once(path, SIDE) for path in paths])


@functools.lru_cache(maxsize=16)
def _maps(files: Files, count: int, detector: str) -> Tensor:
    batch = _pictures(files, count)
    return detector_options.maps_of(batch.images, detector, labels=batch.labels)

"""The page's batch: bundled photographs or the visitor's own, each mixed with a partner from the batch."""

from __future__ import annotations

import functools
from functools import partial

from torch import Tensor

from mixviz.data import batch_loading, pictures
from mixviz.data.batch_loading import SIDE, ImageSource, Pictures
from mixviz.render.batch_sheet import MixedBatch, mix_batch
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import annotation_files, detector_options
from mixviz.ui.services.annotation_files import Files
from mixviz.ui.state import Request


def mixed_of(request: Request) -> MixedBatch:
    """Plan the state's batch without mixing it."""
    batch = _pictures(request.files, int(request.count))
    if request.files and request.annotations:
        found = annotation_files.of_batch(request.files, request.annotations, request.skip)
        batch = batch_loading.with_objects(batch, found.objects)
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

"""The page's batch: bundled photographs or the visitor's own, each mixed with a partner from among them."""

from __future__ import annotations

import functools
from functools import partial

from torch import Tensor

from mixviz.data import batch_loading, pictures
from mixviz.data.batch_loading import SIDE, ImageSource, Pictures
from mixviz.render.batch_sheet import MixedBatch, mix_batch
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import detector_options
from mixviz.ui.state import Request

Files = tuple[tuple[str, str], ...]


def mixed_of(request: Request) -> MixedBatch:
    """The state's batch, planned and not yet mixed."""
    seen = _pictures(request.files, int(request.count))
    method = request.chosen(request.method, request.parameters)
    looks = "detector" in type(method).parameters() or seen.objects is None
    maps = _maps(request.files, int(request.count), request.detector) if looks else None
    with as_user_error():  # a method may need what a batch of pictures alone does not have
        return mix_batch(seen, method, int(request.seed), request.lam, maps=maps)


def found_by(request: Request) -> list[ImageSource]:
    """The state's pictures, still to be opened."""
    if not request.files:
        return batch_loading.photographs(int(request.count))
    return _found(request.files)


def _found(files: Files) -> list[ImageSource]:
    labels = batch_loading.labels_of([name for _, name in files])
    return [
        ImageSource(name, label, partial(open, path, "rb")) for (path, name), label in zip(files, labels, strict=True)
    ]


@functools.lru_cache(maxsize=8)
def _pictures(files: Files, count: int) -> Pictures:
    """They are kept: 7 MB at most. An upload's path holds its content's hash, and so never changes."""
    found = _found(files) if files else batch_loading.photographs(count)
    paths = [path for path, _ in files] or [pictures.photograph_path(one.name) for one in found]
    return batch_loading.stacked(found, [pictures.load_once(path, SIDE) for path in paths])


@functools.lru_cache(maxsize=16)
def _maps(files: Files, count: int, detector: str) -> Tensor:
    seen = _pictures(files, count)
    return detector_options.maps_of(seen.images, detector, labels=seen.labels)

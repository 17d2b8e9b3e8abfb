"""Bounded cache of the class activation maps that the page requests."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from cachetools import LRUCache, cached
from PIL import Image
from torch import Tensor

from mixviz.cam import grad_cam, inference, trust
from mixviz.cam.inference import CAMResult, KnownModel
from mixviz.cam.methods import KINDS, Progress
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.ui.errors import as_user_error
from mixviz.ui.state import Request

LONGEST = 20  # seconds for one map: other visitors wait meanwhile
WIDEST = 128  # pixels a side for slow kinds and ROAD, which run a network on some hundred pictures
FAITHFUL = 256  # pixels a side for the other numbers of faithfulness
DEFAULTS = ("", "card")  # the card's layer, with finer maps and as it was measured
MEMORY = 2**26  # bytes of cached maps: several thousand of the zoo's

STRIDES = 1  # removed for the maps that the page shows by default: the object's outline at 14x14 in place of 7x7

_slow = threading.BoundedSemaphore(1)  # one visitor at a time: the other cores stay free


class CachedCAM(NamedTuple):
    """A network's ``maps`` (2, h, w) for the ``classes`` of A and B, their ``layer``, and the ``probability`` of all
    classes. It references no network, so that the cache keeps none alive."""

    layer: str
    probability: Tensor
    classes: tuple[int, ...]
    maps: Tensor


def _bytes(cam: CachedCAM) -> int:
    return 1000 + cam.maps.nbytes + cam.probability.nbytes


cams: LRUCache[Hashable, CachedCAM] = LRUCache(MEMORY, getsizeof=_bytes)
layers: LRUCache[Hashable, str] = LRUCache(4096)


def view_of(known: KnownModel, request: Request, picture: np.ndarray) -> np.ndarray:
    """Return the network's input (side, side, 3); A and B are read from their files, as in ``mixviz cam``."""
    if request.subject == "mix":
        return pictures.view_of(Image.fromarray(picture), known.input_view)
    return pictures.view(request.a if request.subject == "a" else request.b, known.input_view)


@cached(layers, key=lambda known, earlier: (known.sha256, known.side, earlier), lock=threading.Lock())
def layer_of(known: KnownModel, earlier: str) -> str | None:
    """Return the name of the layer ``earlier`` resolutions before the last; None means the card's layer."""
    if earlier in DEFAULTS:
        return None
    return grad_cam.last_layer(known.loaded().network, (known.side, known.side), int(earlier))


@cached(LRUCache(256), key=lambda known, request: (known.sha256, request.layer, request.kind), lock=threading.Lock())
def strides_of(known: KnownModel, request: Request) -> int:
    """Return how many strides are removed for a request's maps: by default :data:`STRIDES`, where the network allows.

    None for slow kinds, whose many passes would take twice as long.
    """
    if request.layer or KINDS[request.kind].slow:
        return 0
    try:
        known.loaded().dilated(STRIDES)
    except ValueError:
        return 0
    return STRIDES


def look(known: KnownModel, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> CAMResult:
    """Compute one network's CAMs of a picture for the named classes; "*" is the predicted class.

    Raises:
        UserError: the class, layer or kind does not fit the network; or a slow kind is requested of a large network,
            or while another visitor's is running.
    """
    view = view_of(known, request, picture).copy()
    with as_user_error(ValueError, ImportError):
        layer = layer_of(known, request.layer)
        cam = _cam(known, view, request.kind, layer, strides_of(known, request), names)
    return CAMResult(known, view, cam.layer, cam.probability, cam.classes, cam.maps)


def faithful(known: KnownModel, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> list[trust.Faithful]:
    """Measure the faithfulness of the CAM of :func:`look`, per class; without ROAD where it would take too long.

    Raises:
        UserError: as :func:`look`; or the network is too large.
    """
    if known.side > FAITHFUL:
        raise UserError("look.too_large", side=known.side, most=FAITHFUL)
    result = look(known, request, picture, names)
    return trust.faithful(result, np.random.default_rng(0) if known.side <= WIDEST else None)


def _key(
    known: KnownModel, view: np.ndarray, kind: str, layer: str | None, strides: int, names: tuple[str, ...]
) -> Hashable:
    return known.sha256, known.side, hashlib.sha1(view.tobytes()).digest(), kind, layer, strides, names


@cached(cams, key=_key, lock=threading.Lock())
def _cam(
    known: KnownModel, view: np.ndarray, kind: str, layer: str | None, strides: int, names: tuple[str, ...]
) -> CachedCAM:
    if not KINDS[kind].slow:
        return _compute(known, view, kind, layer, strides, names, None)
    if known.side > WIDEST:
        raise UserError("look.too_large", side=known.side, most=WIDEST)
    if not _slow.acquire(blocking=False):
        raise UserError("busy")
    try:
        return _compute(known, view, kind, layer, strides, names, _within(LONGEST))
    finally:
        _slow.release()


def _compute(
    known: KnownModel,
    view: np.ndarray,
    kind: str,
    layer: str | None,
    strides: int,
    names: tuple[str, ...],
    progress: Progress | None,
) -> CachedCAM:
    """Explain the named classes in one forward pass, and the predicted class, if requested, in another."""
    options: dict[str, Any] = {"kind": kind, "layer": layer, "dilate": strides, "progress": progress}
    named = [name for name in names if name != "*"]
    model = known.loaded()
    parts = [inference.look(model, view, named, **options)] if named else []
    parts += [inference.look(model, view, **options)] if "*" in names else []
    predicted = int(parts[0].probability.argmax())
    maps = {index: part.maps[i] for part in parts for i, index in enumerate(part.classes)}
    indices = tuple(predicted if name == "*" else known.index(name) for name in names)
    ordered = parts[0].maps.new_empty((len(indices), *parts[0].maps.shape[1:]))
    for i, index in enumerate(indices):
        ordered[i] = maps[index]
    return CachedCAM(parts[0].layer, parts[0].probability, indices, ordered)


def _within(seconds: float) -> Progress:
    """Return a progress callback that raises a UserError after ``seconds``."""
    start = time.monotonic()

    def progress(_done: int, _all: int) -> None:
        if time.monotonic() - start > seconds:
            raise UserError("look.too_long", seconds=round(seconds))

    return progress

"""A network's CAM of a picture as the page asks for it: worked out once, within bounds, and kept."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache, cached
from PIL import Image
from torch import Tensor

from mixviz.cam import grad_cam, inference, trust
from mixviz.cam.inference import CAMResult, LoadedModel
from mixviz.cam.methods import KINDS, Progress
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.ui.errors import as_user_error
from mixviz.ui.state import Request

LONGEST = 20  # seconds of one map: others wait meanwhile
WIDEST = 128  # pixels a side for slow kinds, which show a network some hundred pictures
MEMORY = 2**26  # bytes of maps that are kept, several thousand of the zoo's

_slow = threading.BoundedSemaphore(1)  # one visitor at a time: the other cores stay free


class CachedCAM(NamedTuple):
    """A network's answer for the classes of A and B: ``classes`` and ``maps`` (2, h, w) of each, ``probability`` of
    all classes, and the ``layer`` of the maps. It holds no network, so that the cache keeps none alive."""

    layer: str
    probability: Tensor
    classes: tuple[int, ...]
    maps: Tensor


def _bytes(found: CachedCAM) -> int:
    return 1000 + found.maps.nbytes + found.probability.nbytes


cams: LRUCache[Hashable, CachedCAM] = LRUCache(MEMORY, getsizeof=_bytes)
layers: LRUCache[Hashable, str] = LRUCache(4096)


def view_of(known: LoadedModel, request: Request, picture: np.ndarray) -> np.ndarray:
    """The picture (side, side, 3) as the network takes it; A and B from their files, as ``mixviz cam`` does."""
    if request.subject == "mix":
        return pictures.view_of(Image.fromarray(picture), known.side)
    return pictures.view(request.a if request.subject == "a" else request.b, known.side)


@cached(layers, key=lambda known, earlier: (known.sha256, known.side, earlier), lock=threading.Lock())
def layer_of(known: LoadedModel, earlier: str) -> str | None:
    """The name of a layer that is so many resolutions before the last; None for the card's."""
    return grad_cam.last_layer(known.network, (known.side, known.side), int(earlier)) if earlier else None


def look(known: LoadedModel, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> CAMResult:
    """One network's CAM of a picture for some classes, "*" for the one that it predicts.

    Raises:
        UserError: a class, layer or kind that is not for this network; a slow kind of a large network, or while
            another visitor has one.
    """
    view = view_of(known, request, picture).copy()
    with as_user_error(ValueError, ImportError):
        layer = layer_of(known, request.layer)
        found = _cam(known, view, request.kind, layer, names)
    return CAMResult(known, view, found.layer, found.probability, found.classes, found.maps)


def faithful(known: LoadedModel, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> list[trust.Faithful]:
    """Faithfulness of that CAM, per class."""
    found = look(known, request, picture, names)
    if known.side > WIDEST:
        raise UserError("look.too_large", side=known.side, most=WIDEST)
    return trust.faithful(found, np.random.default_rng(0))


def _key(known: LoadedModel, view: np.ndarray, kind: str, layer: str | None, names: tuple[str, ...]) -> Hashable:
    return known.sha256, known.side, hashlib.sha1(view.tobytes()).digest(), kind, layer, names


@cached(cams, key=_key, lock=threading.Lock())
def _cam(known: LoadedModel, view: np.ndarray, kind: str, layer: str | None, names: tuple[str, ...]) -> CachedCAM:
    if not KINDS[kind].slow:
        return _asked(known, view, kind, layer, names, None)
    if known.side > WIDEST:
        raise UserError("look.too_large", side=known.side, most=WIDEST)
    if not _slow.acquire(blocking=False):
        raise UserError("busy")
    try:
        return _asked(known, view, kind, layer, names, _within(LONGEST))
    finally:
        _slow.release()


def _asked(
    known: LoadedModel,
    view: np.ndarray,
    kind: str,
    layer: str | None,
    names: tuple[str, ...],
    progress: Progress | None,
) -> CachedCAM:
    """The named classes in one forward pass, and the predicted one in another where it is wanted."""
    how = {"kind": kind, "layer": layer, "progress": progress}
    named = [name for name in names if name != "*"]
    parts = [inference.look(known, view, named, **how)] if named else []
    parts += [inference.look(known, view, **how)] if "*" in names else []
    own = int(parts[0].probability.argmax())
    maps = {index: part.maps[i] for part in parts for i, index in enumerate(part.classes)}
    wanted = tuple(own if name == "*" else known.index(name) for name in names)
    found = parts[0].maps.new_empty((len(wanted), *parts[0].maps.shape[1:]))
    for i, index in enumerate(wanted):
        found[i] = maps[index]
    return CachedCAM(parts[0].layer, parts[0].probability, wanted, found)


def _within(seconds: float) -> Progress:
    """Ends what takes longer."""
    start = time.monotonic()

    def progress(_done: int, _all: int) -> None:
        if time.monotonic() - start > seconds:
            raise UserError("look.too_long", seconds=round(seconds))

    return progress

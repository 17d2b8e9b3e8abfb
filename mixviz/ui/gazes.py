"""A network's look at a picture as the page asks for it: worked out once, within bounds, and kept."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from mixviz.cam import grad_cam, inference, trust
from mixviz.cam.inference import Known, Look
from mixviz.cam.methods import KINDS, Progress
from mixviz.data import pictures
from mixviz.i18n import Mistake
from mixviz.ui.kept import Kept
from mixviz.ui.request import Request

LONGEST = 20  # seconds of one map: others wait meanwhile
WIDEST = 128  # pixels a side for slow kinds, which show a network some hundred pictures
MEMORY = 2**26  # bytes of looks that are kept, several thousand of the zoo's

looks_kept, small_kept = Kept(MEMORY), Kept(2**20)
_slow = threading.BoundedSemaphore(1)  # one visitor at a time: the other cores stay free


class Gaze(NamedTuple):
    """A network's answer for the classes of A and B: ``classes`` and ``maps`` (2, h, w) of each, ``probability`` of
    all classes, and the ``layer`` of the maps."""

    layer: str
    probability: Tensor
    classes: tuple[int, ...]
    maps: Tensor


def view_of(known: Known, request: Request, picture: np.ndarray) -> np.ndarray:
    """The picture (side, side, 3) as the network takes it; A and B from their files, as ``mixviz cam`` does."""
    if request.subject == "mix":
        return pictures.view_of(Image.fromarray(picture), known.side)
    return pictures.view(request.a if request.subject == "a" else request.b, known.side)


def layer_of(known: Known, earlier: str) -> str | None:
    """The name of a layer that is so many resolutions before the last; None for the card's."""
    if not earlier:
        return None
    key, side = (known.sha256, known.side, earlier), (known.side, known.side)
    return small_kept.of(key, lambda: grad_cam.last_layer(known.network, side, int(earlier)), len)


def look(known: Known, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> Look:
    """One network's look at a picture for some classes, "*" for the one that it predicts.

    Raises:
        ValueError: a class, layer or kind that is not for this network.
        Mistake: a slow kind of a large network, or while another visitor has one.
    """
    view, layer = view_of(known, request, picture).copy(), layer_of(known, request.layer)
    shown = hashlib.sha1(view).digest()
    key = known.sha256, known.side, shown, request.kind, layer, names
    gaze = looks_kept.of(key, lambda: _ask(known, view, request.kind, layer, names), _size)
    return Look(known, view, gaze.layer, gaze.probability, gaze.classes, gaze.maps)


def faithful(known: Known, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> list[trust.Faithful]:
    """How faithful that look is, per class."""
    found = look(known, request, picture, names)
    if known.side > WIDEST:
        raise Mistake("look.too_large", side=known.side, most=WIDEST)
    return trust.faithful(found, np.random.default_rng(0))


def _size(gaze: Gaze) -> int:
    return 1000 + gaze.maps.nbytes + gaze.probability.nbytes


def _ask(known: Known, view: np.ndarray, kind: str, layer: str | None, names: tuple[str, ...]) -> Gaze:
    if not KINDS[kind].slow:
        return _asked(known, view, kind, layer, names, None)
    if known.side > WIDEST:
        raise Mistake("look.too_large", side=known.side, most=WIDEST)
    if not _slow.acquire(blocking=False):
        raise Mistake("busy")
    try:
        return _asked(known, view, kind, layer, names, _within(LONGEST))
    finally:
        _slow.release()


def _asked(
    known: Known, view: np.ndarray, kind: str, layer: str | None, names: tuple[str, ...], progress: Progress | None
) -> Gaze:
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
    return Gaze(parts[0].layer, parts[0].probability, wanted, found)


def _within(seconds: float) -> Progress:
    """Ends what takes longer."""
    start = time.monotonic()

    def progress(_done: int, _all: int) -> None:
        if time.monotonic() - start > seconds:
            raise Mistake("look.too_long", seconds=round(seconds))

    return progress

"""Where trained networks look in A, in B or in their mixture: the maps as they are, and the box of every threshold.

The page's script scales, colours and outlines them, so that no switch of how they are shown asks a network again.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import time
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mixviz import cam, heat_colours, looking, paint, pictures, trust
from mixviz.catalogue import lookup
from mixviz.contours import Found, integers
from mixviz.heatmaps import KINDS
from mixviz.localization import centre_heat
from mixviz.looking import Known, Look
from mixviz.ui import figures, lenses, networks
from mixviz.ui.request import Request
from mixviz.ui.telling import SIDE, story
from mixviz.words import Mistake

PATIENCE = 0.3  # seconds of work after which the rest is left for the next question: what is ready is shown
EVERY = 10  # of the thousand thresholds
CENTRE = "centre"
SEEN = 0.02  # a pixel in which less than this of an object is left does not count for its box


class Subject(NamedTuple):
    """What the networks are shown: (SIDE, SIDE, 3) uint8, and the true boxes of A's and B's object in it, in shares of
    the sides, or None."""

    picture: np.ndarray
    boxes: list[list[float] | None]


def localize(request: Request) -> dict[str, Any]:
    """Per network and class the map, the boxes and the probabilities; ``pending``: the networks still to be asked."""
    seen = subject(request)
    wanted = wanted_classes(request)
    names = tuple(name for name, _ in wanted)
    known = networks.with_own(request.own)
    left = [name for name in request.only or known if name in known]
    rows, start = [], time.monotonic()
    while left and (not rows or time.monotonic() - start < PATIENCE):
        rows.append(row(known[left.pop(0)], request, seen.picture, names))
    shown = hashlib.sha1(np.ascontiguousarray(seen.picture)).hexdigest()
    return {
        "key": "|".join([shown, request.kind, request.layer, *names]),
        "place": "|".join([request.a, request.b, request.subject, request.method]),
        "subject": {
            "picture": paint.data_uri(seen.picture), "boxes": seen.boxes, "of": request.subject,
            "method": request.method, "inside": request.subject == "mix" and _inside(request),
        },
        "classes": [{"name": name, "known": sure} for name, sure in wanted],
        "rows": rows,
        "centre": _centre(),
        "pending": left,
        "slow": KINDS[request.kind].slow,
        "all": list(known),
        "command": figures.command(request),
    }  # fmt: skip


@functools.lru_cache(maxsize=8)
def context(own: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """What stays as it is: the networks with what was measured of them, kinds, layers, classes and colours."""
    known = networks.with_own(own)
    first = next(iter(known.values()))
    layers = cam.feature_layers(first.network, (first.side, first.side))
    return {
        "networks": {
            name: {"title": one.title, "side": one.side, "measured": _measured(one)} for name, one in known.items()
        },
        "kinds": [asdict(kind) for kind in KINDS.values()],
        "layers": [{"earlier": str(i), "size": list(size[1:])} for i, (_, size) in enumerate(reversed(layers.items()))],
        "classes": list(dict.fromkeys(name for one in known.values() for name in one.classes)),
        "colours": {name: _text(heat_colours.table(name)) for name in (*heat_colours.COLOURS, heat_colours.DIFFERENCE)},
    }  # fmt: skip


def _measured(one: Known) -> dict[str, Any] | None:
    """What the card says of how well the network localises: percent, of so many pictures."""
    found = (one.card.get("metrics") or {}).get("localisation")
    if not found:
        return None
    last = found.get("last_map", found)
    return {
        "images": one.card["metrics"]["images"],
        "layer": found["network"]["max_box_acc_v2_percent"], "last": last["network"]["max_box_acc_v2_percent"],
        "centre": found["centre"]["max_box_acc_v2_percent"], "layer_size": found["map_size"],
    }  # fmt: skip


def wanted_classes(request: Request) -> list[tuple[str, bool]]:
    """(class, known) for A and B: as asked for, else what the pictures show.

    Raises:
        Mistake: a class that no network knows.
    """
    all_ = networks.with_own(request.own).values()
    there = {name.casefold(): name for one in all_ for name in one.classes}
    found = networks.classes_of(request.a, request.b) if "" in request.classes else [("", False)] * 2
    for i, name in enumerate(request.classes):
        if name and name != "*" and name.casefold() not in there:
            raise Mistake("error.class", name=name)
        if name:
            found[i] = there.get(name.casefold(), name), True
    return found


def subject(request: Request) -> Subject:
    """The picture that the networks are shown, with the true boxes as far as they are known."""
    boxes = lenses.object_boxes(request.a, request.b, SIDE)
    if request.subject != "mix":
        index = "ab".index(request.subject)
        known = [box and [edge / SIDE for edge in box] if i == index else None for i, box in enumerate(boxes)]
        return Subject(pictures.tile((request.a, request.b)[index], SIDE), known)
    told = story(request, request.method, by_hand=True)
    bare = replace(told.recipe, noise=None, fill=None if told.recipe.fill is None else torch.zeros(1, 3, 1, 1))
    return Subject(told.mixed.permute(1, 2, 0).numpy(), [_left_of(bare, i, box) for i, box in enumerate(boxes)])


def _left_of(recipe: Any, index: int, box: tuple[int, int, int, int] | None) -> list[float] | None:
    """The box of what is left of an object: it takes the way of its picture's pixels."""
    if box is None:
        return None
    mask = torch.zeros(2, 3, SIDE, SIDE)
    mask[index, :, box[0] : box[2], box[1] : box[3]] = 1
    left = recipe.apply(mask)[0, 0] > SEEN
    rows, columns = left.any(1).nonzero()[:, 0], left.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return [int(edge) / SIDE for edge in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)]


def _inside(request: Request) -> bool:
    return bool(story(request, request.method, by_hand=True).recipe.layer)


def row(known: Known, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """One network's look, or why there is none."""
    try:
        looks = looked(known, request, picture, names)
    except ValueError as error:
        return {"name": known.name, "title": known.title, "error": str(error)}
    return {"name": known.name, "title": known.title, **looks}


def looked(known: Known, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """One network's look at a picture, from memory where it was asked before."""
    view, layer = view_of(known, request, picture), layer_of(known, request.layer)
    return _looked(known, view.tobytes(), request.kind, layer, names)


def view_of(known: Known, request: Request, picture: np.ndarray) -> np.ndarray:
    """The picture (side, side, 3) as the network takes it; A and B from their files, as ``mixviz cam`` does."""
    if request.subject == "mix":
        return np.asarray(Image.fromarray(picture).resize((known.side, known.side), Image.Resampling.LANCZOS))
    return pictures.tile(request.a if request.subject == "a" else request.b, known.side)


@functools.lru_cache(maxsize=512)
def layer_of(known: Known, earlier: str) -> str | None:
    """The name of a layer that is so many resolutions before the last; None for the card's."""
    return cam.last_layer(known.network, (known.side, known.side), int(earlier)) if earlier else None


@functools.lru_cache(maxsize=1024)
def _looked(known: Known, pixels: bytes, kind: str, layer: str | None, names: tuple[str, ...]) -> dict[str, Any]:
    view = np.frombuffer(pixels, np.uint8).reshape(known.side, known.side, 3).copy()
    named = [one for one in names if one != "*"]
    looks = [looking.look(known, view, part, kind=kind, layer=layer) for part in ([named] if named else [])]
    if "*" in names:
        looks.append(looking.look(known, view, kind=kind, layer=layer))
    by_class = {known.classes[index]: (look, i) for look in looks for i, index in enumerate(look.classes)}
    own = known.classes[int(looks[0].probability.argmax())]
    top = looks[0].probability.topk(min(3, len(known.classes)))
    return {
        "layer": looks[0].layer,
        "side": known.side,
        "size": list(looks[0].maps.shape[1:]),
        "top": [[known.classes[i], p] for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)],
        "looks": [_told(*by_class[own if one == "*" else one]) for one in names],
    }


def trusted(request: Request) -> dict[str, Any]:
    """How faithful a network's maps are: {name, faith}, the five numbers per class; of the first of ``only``.

    Raises:
        ValueError: no such network, or one that does not know the classes.
    """
    known = networks.with_own(request.own)
    one = lookup(known, (request.only or tuple(known))[0])
    names, layer = [name for name, _ in wanted_classes(request)], layer_of(one, request.layer)
    view = view_of(one, request, subject(request).picture)
    return {"name": one.name, "faith": _trusted(one, view.tobytes(), request.kind, layer, tuple(names))}


@functools.lru_cache(maxsize=512)
def _trusted(known: Known, pixels: bytes, kind: str, layer: str | None, names: tuple[str, ...]) -> list[dict[str, Any]]:
    view, found = np.frombuffer(pixels, np.uint8).reshape(known.side, known.side, 3).copy(), []
    for name in names:
        one = looking.look(known, view, () if name == "*" else (name,), kind=kind, layer=layer)
        found.append(trust.faithful(one, np.random.default_rng(0))[0]._asdict())
    return found


def _told(look: Look, i: int) -> dict[str, Any]:
    """One map: its bytes on its own scale, what they stand for, and its box at every threshold."""
    raw, heat = look.maps[i], look.heat()[i]
    large = torch.nn.functional.interpolate(raw[None, None], heat.shape, mode="bicubic", align_corners=False)
    edges = [large.amin(), large.amax(), raw.amin(), raw.amax()]
    somewhere = bool(heat.any())
    return {
        "class": look.known.classes[look.classes[i]],
        "probability": look.probability[look.classes[i]].item(),
        "range": [float(f"{edge.item():.6g}") for edge in edges] if somewhere else None,
        **_map(heat),
    }


def _map(heat: Tensor) -> dict[str, Any]:
    pixels = integers(heat[None])[0]
    found = Found(pixels)
    at = found.boxes[torch.tensor(found.largest)[found.step[::EVERY]]]
    return {"map": base64.b64encode(pixels.tobytes()).decode(), "boxes": at.tolist()}


@functools.cache
def _centre() -> dict[str, Any]:
    """The middle of the picture, whatever it shows."""
    side = next(iter(networks.known_networks().values())).side
    return {"name": CENTRE, "side": side, "range": [0.0, 1.0, 0.0, 1.0], **_map(centre_heat((side, side))[0])}


def _text(table: np.ndarray) -> str:
    return base64.b64encode(table.tobytes()).decode()

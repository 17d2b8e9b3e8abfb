"""Where trained networks look in A, in B or in their mixture: the maps as they are, and the box of every threshold.

The page's script scales, colours and outlines them, so that no switch of how they are shown asks a network again.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import time
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.cam import grad_cam, shading
from mixviz.cam.boxes import Found, integers
from mixviz.cam.inference import Known, Look
from mixviz.cam.localization import centre_heat
from mixviz.cam.methods import KINDS
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.explain.edits import refilled
from mixviz.i18n import Mistake
from mixviz.render import overlays
from mixviz.ui import figures, gazes, lenses, networks
from mixviz.ui.request import Request
from mixviz.ui.telling import SIDE, story

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
    place = shown if request.subject == "mix" else request.a if request.subject == "a" else request.b
    return {
        "key": "|".join([shown, request.kind, request.layer, *names]),
        "place": place,
        "subject": {
            "picture": overlays.data_uri(seen.picture), "boxes": seen.boxes, "of": request.subject,
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
    layers = grad_cam.feature_layers(first.network, (first.side, first.side))
    return {
        "networks": {
            name: {"title": one.title, "side": one.side, "measured": _measured(one)} for name, one in known.items()
        },
        "kinds": [asdict(kind) for kind in KINDS.values()],
        "layers": [{"earlier": str(i), "size": list(size[1:])} for i, (_, size) in enumerate(reversed(layers.items()))],
        "classes": list(dict.fromkeys(name for one in known.values() for name in one.classes)),
        "colours": {name: _text(shading.table(name)) for name in (*shading.COLOURS, shading.DIFFERENCE)},
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
    if found[0][0] == found[1][0] and "" in request.classes:  # the one that was named stays
        i = request.classes.index("")
        found[i] = next(name for name in networks.likely((request.a, request.b)[i]) if name != found[i][0]), False
    return found


def subject(request: Request) -> Subject:
    """The picture that the networks are shown, with the true boxes as far as they are known."""
    whose = [_whose(request, i) for i in range(2)]
    if request.subject != "mix":
        index = "ab".index(request.subject)
        box = lenses.object_boxes(request.a, request.b, SIDE)[index]
        known = [[edge / SIDE for edge in box] if box and who == index else None for who in whose]
        return Subject(pictures.tile((request.a, request.b)[index], SIDE), known)
    told = story(request, request.method, by_hand=True)
    bare = refilled(told.recipe, torch.zeros(1, 3, 1, 1))
    left = [_left_of(bare, i, box) for i, box in enumerate(lenses.object_boxes(request.a, request.b, SIDE))]
    return Subject(told.mixed.permute(1, 2, 0).numpy(), [None if who is None else left[who] for who in whose])


def _whose(request: Request, slot: int) -> int | None:
    """Whose object a slot's class is, A's (0) or B's (1): a class that was typed need not be that of its slot."""
    named = [(pictures.photograph_of(path) or {}).get("class") for path in (request.a, request.b)]
    asked = request.classes[slot].casefold()
    if asked in ("", "*"):
        return slot
    known = [name is not None and name.casefold() == asked for name in named]
    if any(known):
        return slot if known[slot] else 1 - slot
    return slot if named[slot] is None else None  # of a picture that nobody knows, the visitor says what it shows


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
        look = gazes.look(known, request, picture, names)
    except ValueError as error:
        said = error.told(request.language) if isinstance(error, Mistake) else str(error)
        return {"name": known.name, "title": known.title, "error": said}
    top = look.probability.topk(min(3, len(known.classes)))
    return {
        "name": known.name,
        "title": known.title,
        "layer": look.layer,
        "side": pictures.stored_side(known.side),
        "size": list(look.maps.shape[1:]),
        "top": [[known.classes[i], p] for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)],
        "looks": [_told(look, i) for i in range(len(names))],
    }


def trusted(request: Request) -> dict[str, Any]:
    """How faithful a network's maps are: {name, faith}, the five numbers per class; of the first of ``only``.

    Raises:
        ValueError: no such network, or one that does not know the classes.
    """
    known = networks.with_own(request.own)
    one = lookup(known, (request.only or tuple(known))[0])
    names = tuple(name for name, _ in wanted_classes(request))
    found = gazes.faithful(one, request, subject(request).picture, names)
    return {"name": one.name, "faith": [numbers._asdict() for numbers in found]}


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
        **_map(_in_square(heat)),
    }


def _in_square(heat: Tensor) -> Tensor:
    """A map (side, side) in the middle of the square that is drawn, of which the network is shown so much alone."""
    margin = (pictures.stored_side(len(heat)) - len(heat)) // 2
    return torch.nn.functional.pad(heat, [margin] * 4)


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

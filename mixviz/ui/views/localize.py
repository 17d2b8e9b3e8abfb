"""View of heat maps: trained networks' maps of A, B or their mixture, and the box at every threshold.

The page's script scales, colours and outlines them, so that a change of the display needs no network.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache, cached
from torch import Tensor

from mixviz.cam import grad_cam, shading
from mixviz.cam.boxes import ThresholdBoxes, integers
from mixviz.cam.inference import CAMResult, KnownModel
from mixviz.cam.localization import centre_heat
from mixviz.cam.methods import KINDS
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.networks import families
from mixviz.render import overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.errors import as_user_error, only_user_errors
from mixviz.ui.registry import View
from mixviz.ui.services import cam_cache, cam_download, family_choice, folder_panel, gallery_downloads, networks
from mixviz.ui.services.cam_subject import label_of, mixed_inside, subject, wanted_classes
from mixviz.ui.services.family_choice import Beginning, beginning, told
from mixviz.ui.state import Request, language_of, networks_of, of_state

PATIENCE = 0.3  # seconds after which the results so far are sent; the rest is left for the next request
TOGETHER = 2  # networks, each in a thread of its own: torch has one thread here, and machines have more cores
EVERY = 10  # of the thousand thresholds
CENTRE = "centre"
SOME = 4  # classes of a family that are named

_pool = ThreadPoolExecutor(2 * TOGETHER, "look")


def localize(request: Request) -> dict[str, Any]:
    """Return the map, the boxes and the probabilities per network and class; ``pending`` names the networks left."""
    seen = subject(request)
    wanted = wanted_classes(request)
    names = tuple(name for name, _ in wanted)
    known = networks.to_look_inside(request.own)
    chosen = beginning(request)
    left = _asked(request, known, chosen)
    rows, start = [], time.monotonic()
    together = 1 if KINDS[request.kind].slow else TOGETHER
    while left and (not rows or time.monotonic() - start < PATIENCE):
        now, left = left[:together], left[together:]
        rows += _pool.map(lambda name: row(known[name], request, seen.picture, names), now)
    shown = hashlib.sha1(seen.picture.tobytes()).hexdigest()
    place = shown if request.subject == "mix" else request.a if request.subject == "a" else request.b
    return {
        "key": "|".join([shown, request.kind, request.layer, *names]),
        "place": place,
        "subject": {
            "picture": overlays.data_uri(seen.picture), "boxes": seen.boxes, "of": request.subject,
            "method": request.method, "inside": mixed_inside(request),
        },
        "classes": [_class(request, slot, *one) for slot, one in enumerate(wanted)],
        "rows": rows,
        "centre": _centre(),
        "pending": left,
        "slow": KINDS[request.kind].slow,
        "all": list(known),
        "begin": told(chosen),
        "command": cam_download.command(request, "{networks}"),  # the script knows those in sight
    }  # fmt: skip


def _asked(request: Request, known: dict[str, KnownModel], chosen: Beginning) -> list[str]:
    """Return the names of the networks that are asked for: those of ``only`` and, with ``begin``, so many of those to
    begin with and the visitor's own; all networks where neither is given."""
    if not request.begin:
        return [name for name in request.only or known if name in known]
    own = [f"own_{number}" for number in range(1, len(request.own) + 1)]
    return [name for name in known if name in (*chosen.names[: request.begin], *own, *(request.only or ()))]


def _class(request: Request, slot: int, name: str, known: bool) -> dict[str, Any]:
    """Return a class to explain, with the picture's label and the classes that it may mean: none if nobody knows it."""
    label = label_of(request, slot)
    return {"name": name, "known": known, "label": label and {"text": label.text, "classes": list(label.classes)}}


def row(known: KnownModel, request: Request, picture: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
    """Return one network's maps and predictions, or the error.

    Of a class that the network lacks, the map is that of its own prediction.
    """
    lacks = [name != "*" and not known.knows(name) for name in names]
    asked = tuple("*" if lack else name for name, lack in zip(names, lacks, strict=True))
    try:
        with only_user_errors():
            look = cam_cache.look(known, request, picture, asked)
    except UserError as error:
        return {"name": known.name, "title": known.title, "error": error.told(request.language)}
    top = look.probability.topk(min(3, len(known.classes)))
    return {
        "name": known.name,
        "title": known.title,
        "layer": look.layer,
        "side": known.input_view.stored,
        "size": list(look.maps.shape[1:]),
        "top": [[known.classes[i], p] for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)],
        "trust": _trust(known, top.values[0].item()),
        "bce": known.has_own_confidence,
        "looks": [{**_described(look, i), "lacks": lack} for i, lack in enumerate(lacks)],
    }


def _trust(known: KnownModel, confidence: float) -> dict[str, Any] | None:
    """Return how often a network was right on its card's test pictures, and on those where it was as sure."""
    metrics = known.card.metrics or {}
    found = metrics.get("calibration")
    if not found or "accuracy" not in metrics:
        return None
    place = max(math.ceil(confidence * found["bins"]) - 1, 0)  # an edge belongs to the bin below it
    of = found["count"][place]
    return {
        "top1": 100 - metrics["accuracy"]["top1_error_percent"], "images": metrics["images"],
        "of": of, "right": round(of * (found["accuracy"][place] or 0)),
    }  # fmt: skip


def _described(look: CAMResult, i: int) -> dict[str, Any]:
    """Describe one map: its bytes on its own scale, the range that they cover, and its box at every threshold."""
    raw, heat = look.maps[i], look.heat()[i]
    large = torch.nn.functional.interpolate(raw[None, None], heat.shape, mode="bicubic", align_corners=False)
    edges = [large.amin(), large.amax(), raw.amin(), raw.amax()]
    somewhere = bool(heat.any())
    return {
        "class": look.known.classes[look.classes[i]],
        "probability": look.probability[look.classes[i]].item(),
        "range": [float(f"{edge.item():.6g}") for edge in edges] if somewhere else None,
        **_map(_in_square(heat, look.known.input_view)),
    }


def _in_square(heat: Tensor, view: pictures.View) -> Tensor:
    """Pad a map (side, side) to the square that the page draws, of which the network sees only the centre."""
    before, after = view.margin, view.stored - view.side - view.margin
    return torch.nn.functional.pad(heat, [before, after, before, after])


def _map(heat: Tensor) -> dict[str, Any]:
    pixels = integers(heat[None])[0]
    found = ThresholdBoxes(pixels)
    at = found.boxes[torch.tensor(found.largest)[found.step[::EVERY]]]
    return {"map": base64.b64encode(pixels.tobytes()).decode(), "boxes": at.tolist()}


@functools.cache
def _centre() -> dict[str, Any]:
    """Return the centre baseline: a map of the picture's middle, independent of its content."""
    side = next(iter(networks.known_networks().values())).side
    return {"name": CENTRE, "side": side, "range": [0.0, 1.0, 0.0, 1.0], **_map(centre_heat((side, side))[0])}


# ---------------------------------------------------------------- further requests of the script


def about(state: Any) -> dict[str, Any]:
    """Return the constant data of the networks, requested once."""
    return context(networks_of(state, checked_path))


@cached(LRUCache(8), key=lambda own=(): (own, *networks.fetched()), lock=threading.Lock())
def context(own: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return the constant data: networks with their measurements, kinds, layers, classes and colours."""
    known = networks.to_look_inside(own)
    first = next(iter(known.values()))
    layers = grad_cam.feature_layers(first.loaded().network, (first.side, first.side))
    return {
        "networks": {
            name: {
                "title": one.title, "plain": one.card.strategy or name, "side": one.side, "measured": _measured(one),
            }
            for name, one in known.items()
        },
        "families": [_family(one) for one in families.families(networks.cards_of(known))],
        "kinds": [asdict(kind) for kind in KINDS.values()],
        "layers": [{"earlier": str(i), "size": list(size[1:])} for i, (_, size) in enumerate(reversed(layers.items()))],
        "classes": networks.classes_of(known),
        "colours": {name: _text(shading.table(name)) for name in (*shading.COLOURS, shading.DIFFERENCE)},
    }  # fmt: skip


def _family(one: families.Family) -> dict[str, Any]:
    """Describe a family; ``some`` of its classes are evenly spread."""
    step = max(1, len(one.classes) // SOME)
    return {
        "key": one.key, "data": one.data, "count": len(one.classes), "some": one.classes[::step][:SOME],
        "compared": one.compared, "pictures": one.pictures, "names": one.names,
        "begin": family_choice.with_reference(one) if one.compared else one.names,
    }  # fmt: skip


def _measured(one: KnownModel) -> dict[str, Any] | None:
    """Return the card's localisation of a network: percent, and the number of pictures."""
    found = (one.card.metrics or {}).get("localisation")
    if one.card.metrics is None or not found:
        return None
    last = found.get("last_map", found)
    return {
        "images": one.card.metrics["images"],
        "layer": found["network"]["max_box_acc_v2_percent"], "last": last["network"]["max_box_acc_v2_percent"],
        "centre": found["centre"]["max_box_acc_v2_percent"], "layer_size": found["map_size"],
    }  # fmt: skip


def _text(table: np.ndarray) -> str:
    return base64.b64encode(table.tobytes()).decode()


def gallery(state: Any) -> dict[str, Any]:
    """Return the networks of others that can be fetched: {rows, allowed}."""
    rows = gallery_downloads.listed(language_of(state), _visitor(state))
    return {"rows": rows, "allowed": gallery_downloads.allowed()}


def fetch(state: Any) -> dict[str, Any]:
    """Begin to fetch the network ``name`` for a ``visitor``; returns the same as :func:`gallery`."""
    gallery_downloads.start(_named(state), _visitor(state))
    return gallery(state)


def cancel(state: Any) -> dict[str, Any]:
    """End a visitor's waiting for the network ``name``; returns the same as :func:`gallery`."""
    gallery_downloads.cancel(_named(state), _visitor(state))
    return gallery(state)


def _named(state: Any) -> Any:
    return state.get("name") if isinstance(state, dict) else None


def _visitor(state: Any) -> str:
    """Return what tells a visitor's page from others' pages, a text of its own making."""
    visitor = state.get("visitor") if isinstance(state, dict) else None
    return f"visitor {visitor[:64]}" if isinstance(visitor, str) else ""


def trust(state: Any) -> dict[str, Any]:
    """Measure the faithfulness of one network's maps: {name, faith}, a dictionary per class."""
    return trusted(of_state(state, checked_path))


def trusted(request: Request) -> dict[str, Any]:
    """Measure the faithfulness of the first network of ``only``: {name, faith}, five numbers per class.

    Raises:
        UserError: an unknown network, or one that does not know the classes.
    """
    known = networks.to_look_inside(request.own)
    with as_user_error():
        one = lookup(known, (request.only or tuple(known))[0])
    names = tuple(name for name, _ in wanted_classes(request))
    found = cam_cache.faithful(one, request, subject(request).picture, names)
    return {"name": one.name, "faith": [numbers._asdict() for numbers in found]}


def download(kind: str, request: Request, state: Any) -> tuple[str, bytes]:
    """Return the figure (png) or the numbers (json) with the visitor's display settings."""
    return f"mixviz-looks.{kind}", cam_download.parcel(kind, request, state.get("display"))


def panel(language: str) -> None:
    """Build the panel that runs the networks on a folder or a zip."""
    folder_panel.panel(language)


VIEW = View(
    "localize", 10, localize, "inside", functions=(about, gallery, fetch, cancel, trust), panel=panel,
    download=download, example="subject=mix&method=cutmix",
)  # fmt: skip

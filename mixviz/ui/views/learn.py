"""The view that opens first: A + B = mixture, the label that the network is told, and why the label is what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mixviz.cam.inference import KnownModel
from mixviz.explain import edits, label_terms
from mixviz.methods import METHODS
from mixviz.render import export, overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.registry import View
from mixviz.ui.services import cam_cache, family_choice, networks, tiling
from mixviz.ui.services.cam_subject import subject, wanted_classes
from mixviz.ui.services.presenters import ESSENTIALS, SIDE, SMALL, card, changed_by, story
from mixviz.ui.state import Request, of_state

OTHERS = ("resizemix", "fmix", "mosaic", "random_erasing", "gridmix")  # further thumbnails below
TILES = ("a", "b", "mixed", "heat_a", "heat_b")


def learn(request: Request) -> dict[str, Any]:
    """The chosen method's mixture of A and B, its label, and the reason for the label."""
    told = story(request, request.method, by_hand=True)
    tiles = {name: tile for name, tile in export.tiles(told).items() if name in TILES}
    return {
        "card": {"name": request.method, **card(told, request)},
        "reason": label_terms.reason(told),
        "essentials": [name for name in ESSENTIALS if name in METHODS],
        "tiles": list(tiles),
        "sheet": overlays.data_uri(np.concatenate(list(tiles.values()), axis=1)),
        "can_move": edits.can_move(told.recipe) or changed_by(request) == "mask",
        "edited": changed_by(request),
    }


def others(state: Any) -> dict[str, Any]:
    """Small mixtures of the same two pictures by the essential methods and some others: their names, and a sheet."""
    request = of_state(state, checked_path)
    told = {name: story(replace(request, parameters={}), name) for name in (*ESSENTIALS, *OTHERS) if name in METHODS}
    tiles = [tiling.smaller(one.mixed, SMALL) for one in told.values()]
    return {
        "names": list(told),
        "shares": [one.share for one in told.values()],
        "sheet": overlays.data_uri(tiling.sheet(tiles, len(tiles))),
    }


def maps(state: Any) -> dict[str, Any]:
    """Where a network that was trained with the method, or the baseline, looks in the mixture for A's and B's class."""
    request = replace(of_state(state, checked_path), subject="mix", kind="grad_cam", layer="")
    known = networks.known_networks()
    family = family_choice.beginning(request).family
    members = family.names if family else ()
    trained = [name for name in members if known[name].card.method == request.method]
    network = known[[*trained, *(name for name in members if known[name].card.method == "baseline"), *known][0]]
    names, lacking = _known_classes(network, request)
    shown = subject(request).picture
    look = cam_cache.look(network, request, shown, names)
    large = torch.nn.functional.interpolate(look.heat()[:, None], (SIDE, SIDE), mode="bilinear", align_corners=False)
    tiles = [overlays.overlay(shown, heat) for heat in large[:, 0].clamp(0, 1).numpy()]
    return {
        "network": network.name,
        "title": network.title,
        "same": bool(trained),
        "lacking": lacking,
        "count": len(network.classes),
        "classes": list(names),
        "probability": [look.probability[index].item() for index in look.classes],
        "sheet": overlays.data_uri(np.concatenate(tiles, axis=1)),
    }


def _known_classes(network: KnownModel, request: Request) -> tuple[tuple[str, ...], list[str]]:
    """Return the classes of A and B, and which of "a" and "b" the network lacks: in place of their classes stand those
    that it takes the pictures for."""
    names = [name if network.knows(name) else None for name, _ in wanted_classes(request)]
    lacking = [letter for letter, name in zip("ab", names, strict=True) if name is None]
    for i, path in enumerate((request.a, request.b)):
        if names[i] is None:
            names[i] = next(name for name in networks.ranked_by(network.name, path) if name not in names)
    return tuple(name for name in names if name is not None), lacking


VIEW = View("learn", 10, learn, "learn", controls=(), functions=(others, maps), example="method=cutmix")

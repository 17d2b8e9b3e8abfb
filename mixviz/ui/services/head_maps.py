"""Maps of what a network's pooling takes of a picture: attention, clusters, and beside them Grad-CAM and the centre."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mixviz.cam.inference import KnownModel, LoadedModel, look
from mixviz.cam.localization import centre_heat, heat, pixel_scores
from mixviz.data import pictures
from mixviz.data.pictures import View
from mixviz.embeddings.local_maps import LocalMaps, local_maps
from mixviz.render import overlays
from mixviz.ui.services.embedding_view import network_view

FINER = 2  # the picture is enlarged so many times: maps of 7 x 7 places show little
SHOWN = 224  # pixels of a shown picture


def maps(known: KnownModel, scorer: KnownModel, path: str, mask: Tensor | None) -> dict[str, Any]:
    """Return the maps of a picture.

    Args:
        known: the network whose pooling is looked at.
        scorer: the network whose Grad-CAM stands beside: the same, or another where it has no class scores.
        path: of the picture.
        mask: (H, W) of the object in the picture's middle square, 0 or 1; None: it is not known.

    Raises:
        ValueError: a network without feature maps.
    """
    model, view = known.loaded(), network_view(path, known.input_view)
    found = _local(model, view)
    about = look(scorer.loaded(), pictures.view(path, scorer.input_view), _classes(scorer, path))
    side = known.side
    attention = heat(found.attention, (side, side))
    centre = centre_heat((side, side))
    there = None if mask is None else in_view(mask, known.input_view)
    of_scorer = None if mask is None else in_view(mask, scorer.input_view)
    shown = pictures.view(path, known.input_view)
    return {
        "network": known.name,
        "learned": found.learned,
        "picture": overlays.data_uri(shown),
        "maps": [
            _told("attention", shown, attention, there),
            _told("grad_cam", about.view, about.heat()[:1], of_scorer)
            | {"of": scorer.name, "class": scorer.classes[about.classes[0]]},
            _told("centre", shown, centre, there),
        ],
        "chance": None if there is None else round(there.float().mean().item(), 4),
        "clusters": _clusters(found),
    }


def in_view(mask: Tensor, view: View) -> Tensor:
    """Cut a mask (H, W) of the middle square to a network's view: (side, side) uint8."""
    stored = functional.interpolate(mask[None, None].float(), (view.stored, view.stored), mode="area")[0, 0] >= 0.5
    inner = slice(view.margin, view.margin + view.side)
    return stored[inner, inner].to(torch.uint8)


def _local(model: LoadedModel, view: Tensor) -> LocalMaps:
    inputs = functional.interpolate(model.normalised(view[None]), scale_factor=FINER, mode="bicubic")
    return local_maps(model.network, inputs)


def _classes(scorer: KnownModel, path: str) -> list[str]:
    """The class of a bundled photograph, if the network knows it; else none, for the predicted one."""
    name = (pictures.photograph_of(path) or {}).get("class", "")
    return [name] if name and scorer.knows(name) else []


def _told(key: str, shown: np.ndarray, map_: Tensor, mask: Tensor | None) -> dict[str, Any]:
    """A map as a picture; with PxAP and the share of its heat inside the object where the mask is known."""
    told: dict[str, Any] = {"key": key, "picture": overlays.data_uri(overlays.overlay(shown, map_[0].numpy()))}
    if mask is None or not mask.any():
        return told | {"px_ap": None, "inside": None}
    total = map_.sum().item()
    return told | {
        "px_ap": round(pixel_scores(map_, mask[None]).px_ap, 4),
        "inside": round((map_ * mask).sum().item() / total, 4) if total else None,
    }


def _clusters(found: LocalMaps) -> dict[str, Any] | None:
    """The cluster of each place, row by row, and how many clusters there are."""
    if found.clusters is None:
        return None
    return {"grid": found.clusters[0].tolist(), "count": found.number}

"""The picture that the networks see in a state, and the classes to explain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from mixviz.data import pictures
from mixviz.explain.edits import refilled
from mixviz.i18n import UserError
from mixviz.ui.services import detector_options, networks
from mixviz.ui.services.presenters import SIDE, story
from mixviz.ui.state import Request

SEEN = 0.02  # a pixel belongs to an object's box if more than this share of the object is left in it


class Subject(NamedTuple):
    """The networks' ``picture`` (SIDE, SIDE, 3) uint8, and the true ``boxes`` of the objects of A and B in it, as
    fractions of the sides; None where unknown."""

    picture: np.ndarray
    boxes: list[list[float] | None]


def wanted_classes(request: Request) -> list[tuple[str, bool]]:
    """Return (class, known) for A and B: as requested, else the classes of the pictures.

    Raises:
        UserError: no network knows the class.
    """
    known = networks.with_own(request.own).values()
    spelling = {name.casefold(): name for one in known for name in one.classes}
    wanted = networks.classes_of(request.a, request.b) if "" in request.classes else [("", False)] * 2
    for i, name in enumerate(request.classes):
        if name and name != "*" and name.casefold() not in spelling:
            raise UserError("error.class", name=name)
        if name:
            wanted[i] = spelling.get(name.casefold(), name), True
    if wanted[0][0] == wanted[1][0] and "" in request.classes:  # change the class that was not named
        i = request.classes.index("")
        wanted[i] = next(name for name in networks.likely((request.a, request.b)[i]) if name != wanted[i][0]), False
    return wanted


def subject(request: Request) -> Subject:
    """Return the picture that the networks see, with the true boxes as far as they are known."""
    owners = [_whose(request, i) for i in range(2)]
    if request.subject != "mix":
        index = "ab".index(request.subject)
        box = detector_options.object_boxes(request.a, request.b, SIDE)[index]
        known = [[edge / SIDE for edge in box] if box and who == index else None for who in owners]
        return Subject(pictures.tile((request.a, request.b)[index], SIDE), known)
    example = story(request, request.method, by_hand=True)
    bare = refilled(example.recipe, torch.zeros(1, 3, 1, 1))
    left = [_left_of(bare, i, box) for i, box in enumerate(detector_options.object_boxes(request.a, request.b, SIDE))]
    return Subject(example.mixed.permute(1, 2, 0).numpy(), [None if who is None else left[who] for who in owners])


def mixed_inside(request: Request) -> bool:
    """Return whether the state's method mixes features, so that its picture is not the network's input."""
    return request.subject == "mix" and bool(story(request, request.method, by_hand=True).recipe.layer)


def _whose(request: Request, slot: int) -> int | None:
    """Return whose object a slot's class names, A's (0) or B's (1): a typed class may name the other's object."""
    classes = [(pictures.photograph_of(path) or {}).get("class") for path in (request.a, request.b)]
    asked = request.classes[slot].casefold()
    if asked in ("", "*"):
        return slot
    known = [name is not None and name.casefold() == asked for name in classes]
    if any(known):
        return slot if known[slot] else 1 - slot
    return slot if classes[slot] is None else None  # trust the visitor about an unknown picture


def _left_of(recipe: Any, index: int, box: tuple[int, int, int, int] | None) -> list[float] | None:
    """Return the box of an object's remaining pixels in the mixture, found by applying the recipe to its mask."""
    if box is None:
        return None
    mask = torch.zeros(2, 3, SIDE, SIDE)
    mask[index, :, box[0] : box[2], box[1] : box[3]] = 1
    left = recipe.apply(mask)[0, 0] > SEEN
    rows, columns = left.any(1).nonzero()[:, 0], left.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return [int(edge) / SIDE for edge in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)]

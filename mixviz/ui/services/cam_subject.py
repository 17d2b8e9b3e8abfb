"""The picture that networks are shown in a state, and the classes that they are asked for."""

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

SEEN = 0.02  # a pixel in which less than this of an object is left does not count for its box


class Subject(NamedTuple):
    """What the networks are shown: (SIDE, SIDE, 3) uint8, and the true boxes of A's and B's object in it, in shares of
    the sides, or None."""

    picture: np.ndarray
    boxes: list[list[float] | None]


def wanted_classes(request: Request) -> list[tuple[str, bool]]:
    """(class, known) for A and B: as asked for, else what the pictures show.

    Raises:
        UserError: a class that no network knows.
    """
    all_ = networks.with_own(request.own).values()
    there = {name.casefold(): name for one in all_ for name in one.classes}
    found = networks.classes_of(request.a, request.b) if "" in request.classes else [("", False)] * 2
    for i, name in enumerate(request.classes):
        if name and name != "*" and name.casefold() not in there:
            raise UserError("error.class", name=name)
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
        box = detector_options.object_boxes(request.a, request.b, SIDE)[index]
        known = [[edge / SIDE for edge in box] if box and who == index else None for who in whose]
        return Subject(pictures.tile((request.a, request.b)[index], SIDE), known)
    told = story(request, request.method, by_hand=True)
    bare = refilled(told.recipe, torch.zeros(1, 3, 1, 1))
    left = [_left_of(bare, i, box) for i, box in enumerate(detector_options.object_boxes(request.a, request.b, SIDE))]
    return Subject(told.mixed.permute(1, 2, 0).numpy(), [None if who is None else left[who] for who in whose])


def mixed_inside(request: Request) -> bool:
    """Whether the state's method mixes features, so that its picture is not what the network sees."""
    return request.subject == "mix" and bool(story(request, request.method, by_hand=True).recipe.layer)


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

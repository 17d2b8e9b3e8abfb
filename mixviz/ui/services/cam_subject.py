"""The picture that the networks see in a state, and the classes to explain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from mixviz.data import pictures
from mixviz.explain.edits import refilled
from mixviz.i18n import UserError
from mixviz.networks import class_names
from mixviz.ui.services import detector_options, networks
from mixviz.ui.services.class_match import candidates
from mixviz.ui.services.presenters import SIDE, story
from mixviz.ui.state import Request

SEEN = 0.02  # a pixel belongs to an object's box if more than this share of the object is left in it


class Label(NamedTuple):
    """A picture's label as the visitor wrote it, and the ``classes`` that it may mean."""

    text: str
    classes: tuple[str, ...]


class Subject(NamedTuple):
    """The networks' ``picture`` (SIDE, SIDE, 3) uint8, and the true ``boxes`` of the objects of A and B in it, as
    fractions of the sides; None where unknown."""

    picture: np.ndarray
    boxes: list[list[float] | None]


def wanted_classes(request: Request) -> list[tuple[str, bool]]:
    """Return (class, known) for A and B: as requested, else what the pictures are labelled, else what networks see.

    Raises:
        UserError: no network knows the class.
    """
    classes, wanted = _classes(request), []
    for i, name in enumerate(request.classes):
        place = None if name in ("", "*") else class_names.find(name, classes)
        if name not in ("", "*") and place is None:
            raise UserError("error.class", name=name)
        wanted.append(_class_of(request, i) if not name else (name if place is None else classes[place], True))
    if wanted[0][0] == wanted[1][0] and "" in request.classes:
        i = _yields(request, [known for _, known in wanted])
        wanted[i] = next(name for name in _ranked(request, i) if name != wanted[i][0]), False
    return wanted


def classes_in_sight(request: Request) -> tuple[str, ...]:
    """Return the classes whose maps are shown: that of the picture, or both of the mixture."""
    names = tuple(name for name, _ in wanted_classes(request))
    return names if request.subject == "mix" else (names["ab".index(request.subject)],)


def classes_meant(request: Request) -> tuple[str, ...]:
    """Return :func:`classes_in_sight`; for a network's own prediction, that of the reference."""
    slots = (0, 1) if request.subject == "mix" else ("ab".index(request.subject),)
    names = zip(slots, classes_in_sight(request), strict=True)
    return tuple(_ranked(request, slot)[0] if name == "*" else name for slot, name in names)


def label_of(request: Request, slot: int) -> Label | None:
    """Return what A (0) or B (1) is labelled; None if the picture has no label, or is a photograph of a known class."""
    text = (request.name_a, request.name_b)[slot]
    if text in ("", "AB"[slot]) or _photographed(request, slot):
        return None
    return Label(text, candidates(text, _classes(request)))


def _classes(request: Request) -> tuple[str, ...]:
    return networks.classes_of(networks.to_look_inside(request.own))


def _photographed(request: Request, slot: int) -> str | None:
    """Return the class of a bundled photograph, if the networks have it."""
    classes = _classes(request)
    place = class_names.find((pictures.photograph_of((request.a, request.b)[slot]) or {}).get("class", ""), classes)
    return None if place is None else classes[place]


def _class_of(request: Request, slot: int) -> tuple[str, bool]:
    """Return (class, known) of a picture; it is known if its label leaves no choice."""
    if name := _photographed(request, slot):
        return name, True
    label = label_of(request, slot)
    return _ranked(request, slot)[0], label is not None and len(label.classes) == 1


def _ranked(request: Request, slot: int) -> list[str]:
    """Rank the classes of a picture: those that its label may mean first, each part by the reference's probability."""
    likely = networks.ranked((request.a, request.b)[slot])
    label = label_of(request, slot)
    meant = sorted(
        label.classes if label else (), key=lambda name: likely.index(name) if name in likely else len(likely)
    )
    return list(dict.fromkeys([*meant, *likely]))


def _yields(request: Request, known: list[bool]) -> int:
    """Return the slot whose class changes if both are the same: one that was not named, is not in sight, or a guess."""
    if any(request.classes):
        return request.classes.index("")
    if request.subject != "mix":
        return 1 - "ab".index(request.subject)
    return 0 if known[1] and not known[0] else 1


def subject(request: Request) -> Subject:
    """Return the picture that the networks see, with the true boxes as far as they are known."""
    owners = [_whose(request, i) for i in range(2)]
    if request.subject != "mix":
        index = "ab".index(request.subject)
        box = _boxes(request)[index]
        known = [[edge / SIDE for edge in box] if box and who == index else None for who in owners]
        return Subject(pictures.tile((request.a, request.b)[index], SIDE), known)
    example = story(request, request.method, by_hand=True)
    bare = refilled(example.recipe, torch.zeros(1, 3, 1, 1))
    left = [_left_of(bare, i, box) for i, box in enumerate(_boxes(request))]
    return Subject(example.mixed.permute(1, 2, 0).numpy(), [None if who is None else left[who] for who in owners])


def _boxes(request: Request) -> list[tuple[int, int, int, int] | None]:
    return detector_options.object_boxes(request.a, request.b, SIDE, request.marked)


def mixed_inside(request: Request) -> bool:
    """Return whether the state's method mixes features, so that its picture is not the network's input."""
    return request.subject == "mix" and bool(story(request, request.method, by_hand=True).recipe.layer)


def _whose(request: Request, slot: int) -> int | None:
    """Return whose object a slot's class names, A's (0) or B's (1): a typed class may name the other's object."""
    classes = [(pictures.photograph_of(path) or {}).get("class") for path in (request.a, request.b)]
    asked = request.classes[slot]
    if asked in ("", "*"):
        return slot
    known = [name is not None and class_names.same(name, asked) for name in classes]
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

"""Interpolation from one picture to the other, and what the networks of the zoo predict at each step."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.cam.inference import KnownModel
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.evaluation.robustness import interpolation
from mixviz.i18n import UserError
from mixviz.networks import class_names
from mixviz.render import overlays
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import family_choice, networks
from mixviz.ui.services.tiling import sheet
from mixviz.ui.state import Request

STEPS = 11
WAYS = ("mixup", "cutmix")  # blended, or with a patch of B that grows from the middle
SURE = ("guess", "known", "named")  # how a class is known, the least sure first

Followed = tuple[str, str, str]  # a class, how it is known, and the network that guessed it


def transition(request: Request) -> dict[str, Any]:
    """Describe the steps from one of the state's pictures to the other. Loads no network, unless one has to guess.

    Returns:
        ``lams``, λ from 0 (B) to 1 (A); the ``classes`` of A and B, ``how`` each is known, and ``by`` which network it
        was guessed; the ``networks`` that know both, by name and title, of all ``count``; per way the label's ``share``
        of A; the networks to ``begin`` with; and a ``sheet`` of the inputs (``side`` pixels), a row per way.

    Raises:
        UserError: no network knows a class.
    """
    classes, how, by = zip(*_followed(request), strict=True)
    known = list(networks.known_networks().values())
    able = [one for one in known if all(map(one.knows, classes))]
    first = (able or known)[0]
    tiles, shares = _steps(request.a, request.b, first.input_view)
    return {
        "lams": [round(lam, 6) for lam in _lams()],
        "side": first.side,
        "classes": list(classes),
        "how": list(how),
        "by": list(by),
        "networks": [{"name": one.name, "title": one.title} for one in able],
        "begin": family_choice.among([one.name for one in able]),
        "count": len(known),
        "share": dict(zip(WAYS, shares, strict=True)),
        "sheet": overlays.data_uri(sheet(list(tiles.flatten(0, 1)), STEPS)),
    }


def curve(request: Request) -> dict[str, Any]:
    """Return one network's predictions, the first of ``only``, at every step.

    Returns:
        ``name``; and per way the probabilities ``a`` and ``b`` of both classes, in percent, and the most probable class
        ``top``, which is spelt like the class of A or B where it means that one.

    Raises:
        UserError: an unknown network, or one that does not know the classes.
    """
    classes = [name for name, _, _ in _followed(request)]
    with as_user_error():
        one = lookup(networks.known_networks(), (request.only or ("",))[0])
        first, second = places = [one.index(name) for name in classes]
    spelt = {**dict(enumerate(one.classes)), **dict(zip(places, classes, strict=True))}
    return {
        "name": one.name,
        "ways": {
            way: {
                "a": _percent(probabilities[:, first]),
                "b": _percent(probabilities[:, second]),
                "top": [spelt[place] for place in probabilities.argmax(1).tolist()],
            }
            for way, probabilities in zip(WAYS, _predictions(one.name, request.a, request.b), strict=True)
        },
    }


# ---------------------------------------------------------------- the classes


def _followed(request: Request) -> list[Followed]:
    """Return what to follow of A and of B: ``named`` by the visitor, ``known`` from the photograph, or a ``guess``.

    Two pictures have two classes, unless the visitor named one class twice.
    """
    paths, found = (request.a, request.b), [_stated(request, slot) for slot in range(2)]
    first = found[0] or _guess(paths[0], found[1])
    second = found[1] or _guess(paths[1], first)
    if class_names.same(first[0], second[0]) and (first[1], second[1]) != ("named", "named"):
        if SURE.index(first[1]) < SURE.index(second[1]):
            first = _guess(paths[0], second)
        else:
            second = _guess(paths[1], first)
    return [first, second]


def _stated(request: Request, slot: int) -> Followed | None:
    """Return the class that the visitor named, or that of the photograph; None where no network knows it."""
    classes, name = networks.classes(), request.classes[slot]
    if name not in ("", "*"):
        if (place := class_names.find(name, classes)) is None:
            raise UserError("error.class", name=name)
        return classes[place], "named", ""
    photograph = pictures.photograph_of((request.a, request.b)[slot]) or {}
    place = class_names.find(photograph.get("class", ""), classes)
    return None if place is None else (classes[place], "known", "")


def _guess(path: str, other: Followed | None) -> Followed:
    """Return the most probable class, not the other picture's, for the first network that knows that one.

    Trained networks, which are compared, come first.
    """
    known = networks.trained() | networks.known_networks()
    name = next(name for name, one in known.items() if other is None or one.knows(other[0]))
    ranking = networks.ranked_by(name, path)
    found = next(one for one in ranking if other is None or not class_names.same(one, other[0]))
    return found, "guess", name


# ---------------------------------------------------------------- the steps


def _lams() -> list[float]:
    return np.linspace(0, 1, STEPS).tolist()


@functools.lru_cache(maxsize=4)
def _steps(a: str, b: str, view: pictures.View) -> tuple[Tensor, list[list[float]]]:
    """Mix two pictures in all ways at all steps: (ways, STEPS, 3, side, side) uint8, and the label's shares of A."""
    views = np.stack([pictures.view(path, view) for path in (a, b)])
    pair = torch.from_numpy(views).permute(0, 3, 1, 2).contiguous()
    recipes = [[interpolation(pair, lam, way, np.random.default_rng(0)) for lam in _lams()] for way in WAYS]
    tiles = torch.stack([torch.stack([recipe.apply(pair)[0] for recipe in planned]) for planned in recipes])
    shares = [
        [round(recipe.share[recipe.partner[:, 0] == 0, 0].sum().item(), 4) for recipe in planned] for planned in recipes
    ]
    return tiles, shares


@functools.lru_cache(maxsize=128)
def _predictions(name: str, a: str, b: str) -> Tensor:
    """Compute a network's probabilities (ways, STEPS, classes) in one pass: both ways begin and end alike."""
    known: KnownModel = networks.known_networks()[name]
    tiles, _ = _steps(a, b, known.input_view)
    found = networks.probabilities(known, torch.cat([tiles[0, [0, -1]], tiles[:, 1:-1].flatten(0, 1)]))
    inner = found[2:].unflatten(0, (len(WAYS), STEPS - 2))
    ends = found[:2].expand(len(WAYS), -1, -1)
    return torch.cat([ends[:, :1], inner, ends[:, 1:]], 1)


def _percent(shares: Tensor) -> list[float]:
    return [round(100 * share, 2) for share in shares.tolist()]

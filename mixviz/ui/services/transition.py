"""Interpolation from one picture to the other, and the predictions of every network of the zoo at each step."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.data import pictures
from mixviz.evaluation.robustness import interpolation
from mixviz.i18n import UserError
from mixviz.render import overlays
from mixviz.ui.services import networks
from mixviz.ui.services.tiling import sheet
from mixviz.ui.state import Request

STEPS = 21
WAYS = ("mixup", "cutmix")  # blended, or with a patch of B that grows from the middle


def transition(request: Request) -> dict[str, Any]:
    """Return the predictions for the state's pictures and classes, cached.

    Raises:
        UserError: the networks do not know a class.
    """
    return _transition(request.a, request.b, *_classes(request))


def _classes(request: Request) -> list[tuple[str, str]]:
    """Return (class, source) of A and B: ``named`` by the visitor, ``known`` from the photograph, or the networks'
    ``guess``, which differs from the other picture's class."""
    spelling, unnamed = {name.casefold(): name for name in networks.alike()[0].classes}, ("", "*")
    for name in request.classes:
        if name not in unnamed and name.casefold() not in spelling:
            raise UserError("error.class", name=name)
    named = [None if name in unnamed else spelling[name.casefold()] for name in request.classes]
    if named == [None, None]:
        return [(name, "known" if sure else "guess") for name, sure in networks.classes_of(request.a, request.b)]
    return [
        (name, "named") if name else _other_than(other or "", path)
        for name, other, path in zip(named, reversed(named), (request.a, request.b), strict=True)
    ]


def _other_than(other: str, path: str) -> tuple[str, str]:
    name, sure = networks.class_of(path)
    if name != other:
        return name, "known" if sure else "guess"
    return next(name for name in networks.likely(path) if name != other), "guess"


@functools.lru_cache(maxsize=64)
def _transition(a: str, b: str, of_a: tuple[str, str], of_b: tuple[str, str]) -> dict[str, Any]:
    """Compute every network's probabilities of both classes at ``lams``, λ from 0 (B) to 1 (A), in both ways.

    Returns:
        ``classes`` of A and B, and ``how`` each is known; per way the label's ``share`` of A, and per network the
        probabilities ``a`` and ``b`` in percent and the most probable class ``top``; and a ``sheet`` of the networks'
        inputs, a row per way.
    """
    (first, second), how = zip(of_a, of_b, strict=True)
    known = networks.alike()[0]
    names, side, wanted = known.classes, known.side, known.input_view
    lams, views = np.linspace(0, 1, STEPS).tolist(), np.stack([pictures.view(path, wanted) for path in (a, b)])
    pair = torch.from_numpy(views).permute(0, 3, 1, 2).contiguous()
    recipes = {way: [interpolation(pair, lam, way, np.random.default_rng(0)) for lam in lams] for way in WAYS}
    tiles = {way: torch.stack([recipe.apply(pair)[0] for recipe in planned]) for way, planned in recipes.items()}
    inner = networks.answers(torch.cat([steps[1:-1] for steps in tiles.values()])).chunk(len(WAYS), dim=1)
    ends = [networks.clean(path)[:, None] for path in (b, a)]
    probabilities = {way: torch.cat([ends[0], middle, ends[1]], 1) for way, middle in zip(WAYS, inner, strict=True)}
    return {
        "lams": [round(lam, 6) for lam in lams],
        "side": side,
        "classes": [first, second],
        "how": list(how),
        "all": names,
        "networks": [one.name for one in networks.alike()],
        "ways": {
            way: {
                "share": [round(recipe.share[recipe.partner[:, 0] == 0, 0].sum().item(), 4) for recipe in recipes[way]],
                "a": _percent(probabilities[way][..., names.index(first)]),
                "b": _percent(probabilities[way][..., names.index(second)]),
                "top": probabilities[way].argmax(2).tolist(),
            }
            for way in WAYS
        },
        "sheet": overlays.data_uri(sheet([tile for steps in tiles.values() for tile in steps], STEPS)),
    }


def _percent(shares: Tensor) -> list[list[float]]:
    return [[round(100 * share, 2) for share in line] for line in shares.tolist()]

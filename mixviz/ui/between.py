"""From one picture to the other, step by step, and what every network of the zoo makes of each step."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz import paint
from mixviz.robustness import meeting
from mixviz.ui import lenses, networks
from mixviz.ui.request import Request
from mixviz.ui.tiling import sheet

STEPS = 21
WAYS = ("mixup", "cutmix")  # blended; or with a patch of B that grows from the middle


def between(request: Request) -> dict[str, Any]:
    """The answer for the state's pictures; what was worked out once is kept."""
    return _between(request.a, request.b)


@functools.lru_cache(maxsize=64)
def _between(a: str, b: str) -> dict[str, Any]:
    """Every network's probabilities of both classes at ``lams``, λ from 0 (B) to 1 (A), by both ways.

    Returns:
        ``classes`` of A and B, whether each is ``known`` or only what the networks say; per way the label's ``share``
        of A, per network the probabilities in percent ``a`` and ``b`` and the most probable class ``top``; and a
        ``sheet`` of what they are shown, a row per way.
    """
    (first, sure_a), (second, sure_b) = networks.classes_of(a, b)
    names, side = networks.alike()[0].classes, networks.alike()[0].side
    lams, pair = np.linspace(0, 1, STEPS).tolist(), lenses.pair(a, b, side)
    recipes = {way: [meeting(pair, lam, way, np.random.default_rng(0)) for lam in lams] for way in WAYS}
    tiles = {way: torch.stack([recipe.apply(pair)[0] for recipe in found]) for way, found in recipes.items()}
    inner = networks.answers(torch.cat([shown[1:-1] for shown in tiles.values()])).chunk(len(WAYS), dim=1)
    ends = [networks.clean(path)[:, None] for path in (b, a)]
    said = {way: torch.cat([ends[0], part, ends[1]], 1) for way, part in zip(WAYS, inner, strict=True)}
    return {
        "lams": [round(lam, 6) for lam in lams],
        "side": side,
        "classes": [first, second],
        "known": [sure_a, sure_b],
        "all": names,
        "networks": [one.name for one in networks.alike()],
        "ways": {
            way: {
                "share": [round(recipe.share[recipe.partner[:, 0] == 0, 0].sum().item(), 4) for recipe in recipes[way]],
                "a": _percent(said[way][..., names.index(first)]),
                "b": _percent(said[way][..., names.index(second)]),
                "top": said[way].argmax(2).tolist(),
            }
            for way in WAYS
        },
        "sheet": paint.data_uri(sheet([tile for shown in tiles.values() for tile in shown], STEPS)),
    }


def _percent(shares: Tensor) -> list[list[float]]:
    return [[round(100 * share, 2) for share in line] for line in shares.tolist()]

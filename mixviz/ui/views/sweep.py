"""View of filmstrips over λ, α or the seed: the page's method, and others below it."""

from __future__ import annotations

from typing import Any

from mixviz.render import overlays
from mixviz.ui.registry import CONTROLS, View
from mixviz.ui.services.presenters import SMALL, story, title
from mixviz.ui.services.tiling import sheet, smaller
from mixviz.ui.state import MAX_ROWS, MAX_SEED, Request

STRIP = 9  # pictures of a filmstrip
ALPHAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0)


def sweep(request: Request) -> dict[str, Any]:
    """Return filmstrips over λ, α or the seed: of the method, then of those that it is compared with."""
    changes: list[dict[str, Any]]
    if request.over == "lam":
        changes = [{"lam": i / (STRIP - 1)} for i in range(STRIP)]
    elif request.over == "alpha":
        own = {name: value for name, value in request.parameters.items() if name != "alpha"}
        changes = [{"alpha": alpha, "lam": None, "parameters": own} for alpha in ALPHAS]
    else:
        changes = [{"seed": (int(request.seed) + i) % (MAX_SEED + 1)} for i in range(STRIP)]
    rows, tiles = [], []
    for name in list(dict.fromkeys((request.method, *request.methods)))[:MAX_ROWS]:
        examples = [story(request, name, **change) for change in changes]
        tiles += [smaller(example.mixed, SMALL) for example in examples]
        cells = [
            {
                "share": example.share,
                "area": example.area,
                "gap": example.gap,
                "drawn": example.recipe.lam is not None and example.recipe.lam[0].item(),
            }
            for example in examples
        ]
        rows.append({"name": name, "title": title(name, request.language), "cells": cells})
    return {
        "over": request.over,
        "values": [next(iter(change.values())) for change in changes],
        "rows": rows,
        "most": MAX_ROWS,
        "sheet": overlays.data_uri(sheet(tiles, STRIP)),
    }


VIEW = View("sweep", 30, sweep, controls=CONTROLS, example="over=lam")

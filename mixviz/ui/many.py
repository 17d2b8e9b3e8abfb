"""Many mixtures at once: a thousand draws of a method, and filmstrips."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from mixviz.core.method import Method
from mixviz.explain import sampling
from mixviz.methods import METHODS
from mixviz.render import overlays
from mixviz.ui import lenses
from mixviz.ui.request import MAX_SEED, Request
from mixviz.ui.telling import SIDE, SMALL, story
from mixviz.ui.tiling import sheet, shrunk, smaller, with_peaks

DRAWS_SIDE = 64  # pixels of a picture that is drawn a thousand times
DRAWS = 1000
BINS = 20
STRIP = 9  # pictures of a filmstrip
ALPHAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0)


def drawn(request: Request) -> tuple[sampling.Draws, Method, Tensor]:
    """A thousand draws of the state's method, the method, and the small pictures that it was drawn for."""
    a, b = request.a, request.b
    known = lenses.objects(a, b, DRAWS_SIDE)
    method = request.chosen(request.method, request.parameters)
    seen = lenses.maps(a, b, SIDE, request.detector)
    images, maps = lenses.pair(a, b, DRAWS_SIDE), with_peaks(seen, DRAWS_SIDE, getattr(method, "tie", "first"))
    judge = shrunk(seen, DRAWS_SIDE) if known is None else known
    asked = {"count": DRAWS, "seed": int(request.seed), "network": lenses.network(request.detector)}
    return sampling.repeat(images, method, maps, judge, **asked), method, images


def repeated(request: Request) -> dict[str, Any]:
    """What a thousand draws look like: histograms and heat maps."""
    found, method, images = drawn(request)
    kinds = {"drawn": found.drawn, "area": found.area, "share": found.share, "gap": found.gap}
    shown = images.permute(0, 2, 3, 1).numpy()
    heat = [overlays.overlay(shown[1], found.cut), overlays.overlay(shown[0], found.covered)]
    return {
        "card": {"name": request.method, "title": type(method).card.title},
        "inside": type(method).card.family == "feature-level",
        "count": DRAWS,
        "side": DRAWS_SIDE,
        "alpha": getattr(method, "alpha", None),
        "histograms": {name: _histogram(values) for name, values in kinds.items() if values is not None},
        "peak": [float(found.cut.max()), float(found.covered.max())],
        "heat": overlays.data_uri(np.concatenate(heat, axis=1)),
    }


def _histogram(values: np.ndarray) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(values, 0, 1), BINS, (0, 1))
    low, high = np.quantile(values, (0.05, 0.95)).tolist()
    return {"counts": counts.tolist(), "mean": values.mean().item(), "low": low, "high": high}


def sweep(request: Request) -> dict[str, Any]:
    """A filmstrip per method over λ, α or the seed."""
    if request.over == "lam":
        changes = [{"lam": i / (STRIP - 1)} for i in range(STRIP)]
    elif request.over == "alpha":
        own = {name: value for name, value in request.parameters.items() if name != "alpha"}
        changes = [{"alpha": alpha, "lam": None, "parameters": own} for alpha in ALPHAS]
    else:
        changes = [{"seed": (int(request.seed) + i) % (MAX_SEED + 1)} for i in range(STRIP)]
    rows, tiles = [], []
    for name in request.methods:
        told = [story(request, name, **change) for change in changes]
        tiles += [smaller(one.mixed, SMALL) for one in told]
        cells = [
            {"share": one.share, "area": one.area, "gap": one.gap, "drawn": one.recipe.lam is not None and
             one.recipe.lam[0].item()} for one in told
        ]  # fmt: skip
        rows.append({"name": name, "title": METHODS[name].card.title, "cells": cells})
    return {
        "over": request.over,
        "values": [next(iter(change.values())) for change in changes],
        "rows": rows,
        "sheet": overlays.data_uri(sheet(tiles, STRIP)),
    }

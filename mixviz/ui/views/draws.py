"""View of a thousand draws of a method: histograms and heat maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixviz.core.method import Method
from mixviz.explain import sampling
from mixviz.render import overlays
from mixviz.ui.registry import CONTROLS, View
from mixviz.ui.services import detector_options
from mixviz.ui.services.presenters import SIDE, title
from mixviz.ui.services.tiling import shrunk, with_peaks
from mixviz.ui.state import Request

DRAWS_SIDE = 64  # pixels of a picture that is drawn a thousand times
DRAWS = 1000
BINS = 20


def drawn(request: Request) -> tuple[sampling.Draws, Method]:
    """Draw the state's method a thousand times on small pictures; return the draws and the method."""
    a, b = request.a, request.b
    objects = detector_options.objects(a, b, DRAWS_SIDE, request.marked)
    method = request.chosen(request.method, request.parameters)
    full_maps = detector_options.maps(a, b, SIDE, request.detector)
    images = detector_options.pair(a, b, DRAWS_SIDE)
    maps = with_peaks(full_maps, DRAWS_SIDE, getattr(method, "tie", "first"))
    reference_masks = shrunk(full_maps, DRAWS_SIDE) if objects is None else objects
    options = {"count": DRAWS, "seed": int(request.seed), "network": detector_options.network(request.detector)}
    return sampling.repeat(images, method, maps, reference_masks, **options), method


def draws(request: Request) -> dict[str, Any]:
    """Summarize a thousand draws: histograms, and maps of where patches come from and land."""
    sampled, method = drawn(request)
    quantities = {"drawn": sampled.drawn, "area": sampled.area, "share": sampled.share, "gap": sampled.gap}
    return {
        "card": {"name": request.method, "title": title(request.method, request.language)},
        "inside": type(method).card.family == "feature-level",
        "count": DRAWS,
        "side": DRAWS_SIDE,
        "alpha": getattr(method, "alpha", None),
        "histograms": {name: _histogram(values) for name, values in quantities.items() if values is not None},
        "maps": {name: _map(values) for name, values in {"cut": sampled.cut, "covered": sampled.covered}.items()},
    }


def _histogram(values: np.ndarray) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(values, 0, 1), BINS, (0, 1))
    low, high = np.quantile(values, (0.05, 0.95)).tolist()
    return {"counts": counts.tolist(), "mean": values.mean().item(), "low": low, "high": high}


def _map(values: np.ndarray) -> dict[str, Any]:
    """The highest value, and a picture whose opacity is the value over the highest: the page gives it its colour.

    ``even`` says that all places are alike within a hundredth, as in a blend: there is nothing to see.
    """
    peak = float(values.max())
    opacity = np.rint(255 * values / peak).astype(np.uint8) if peak else np.zeros(values.shape, np.uint8)
    even = peak - float(values.min()) < 0.01
    return {"peak": peak, "even": even, "mask": overlays.data_uri(np.dstack([np.zeros_like(opacity), opacity]), "PNG")}


VIEW = View("draws", 40, draws, controls=CONTROLS, example="method=cutmix")

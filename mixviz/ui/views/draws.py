"""View of a thousand draws of a method: histograms and heat maps."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from mixviz.core.method import Method
from mixviz.explain import sampling
from mixviz.render import overlays
from mixviz.ui.registry import View
from mixviz.ui.services import detector_options
from mixviz.ui.services.presenters import SIDE, title
from mixviz.ui.services.tiling import shrunk, with_peaks
from mixviz.ui.state import Request

DRAWS_SIDE = 64  # pixels of a picture that is drawn a thousand times
DRAWS = 1000
BINS = 20


def drawn(request: Request) -> tuple[sampling.Draws, Method, Tensor]:
    """Draw the state's method a thousand times on small pictures; return the draws, the method and the pictures."""
    a, b = request.a, request.b
    objects = detector_options.objects(a, b, DRAWS_SIDE)
    method = request.chosen(request.method, request.parameters)
    full_maps = detector_options.maps(a, b, SIDE, request.detector)
    images = detector_options.pair(a, b, DRAWS_SIDE)
    maps = with_peaks(full_maps, DRAWS_SIDE, getattr(method, "tie", "first"))
    reference_masks = shrunk(full_maps, DRAWS_SIDE) if objects is None else objects
    options = {"count": DRAWS, "seed": int(request.seed), "network": detector_options.network(request.detector)}
    return sampling.repeat(images, method, maps, reference_masks, **options), method, images


def draws(request: Request) -> dict[str, Any]:
    """Summarize a thousand draws: histograms and heat maps."""
    sampled, method, images = drawn(request)
    quantities = {"drawn": sampled.drawn, "area": sampled.area, "share": sampled.share, "gap": sampled.gap}
    shown = images.permute(0, 2, 3, 1).numpy()
    heat = [overlays.overlay(shown[1], sampled.cut), overlays.overlay(shown[0], sampled.covered)]
    return {
        "card": {"name": request.method, "title": title(request.method, request.language)},
        "inside": type(method).card.family == "feature-level",
        "count": DRAWS,
        "side": DRAWS_SIDE,
        "alpha": getattr(method, "alpha", None),
        "histograms": {name: _histogram(values) for name, values in quantities.items() if values is not None},
        "peak": [float(sampled.cut.max()), float(sampled.covered.max())],
        "heat": overlays.data_uri(np.concatenate(heat, axis=1)),
    }


def _histogram(values: np.ndarray) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(values, 0, 1), BINS, (0, 1))
    low, high = np.quantile(values, (0.05, 0.95)).tolist()
    return {"counts": counts.tolist(), "mean": values.mean().item(), "low": low, "high": high}


VIEW = View("draws", 30, draws, example="method=cutmix")

"""View of all methods: a card each, as plain data. Numbers and pictures come from recipes for every method alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mixviz.methods import METHODS
from mixviz.render import overlays
from mixviz.ui.registry import View
from mixviz.ui.services import detector_options
from mixviz.ui.services.presenters import ESSENTIALS, SIDE, SMALL, card, in_order, outlines, story, title
from mixviz.ui.services.tiling import sheet, shrunk
from mixviz.ui.state import Request

COLUMNS = 4  # tiles side by side in the sheet of mixtures


def grid(request: Request) -> dict[str, Any]:
    """Return a card per method, all or ``only`` some, and a sheet of their mixtures.

    ``still`` adds the pictures, which λ and the seed do not change, ``strip`` every detector's maps of them, and
    ``outlines`` the objects in every mixture.
    """
    examples = {name: story(request, name) for name in request.only or METHODS}
    value = {
        "columns": COLUMNS,
        "rows": math.ceil(len(examples) / COLUMNS),
        "sheet": overlays.data_uri(sheet([example.mixed for example in examples.values()], COLUMNS)),
        "cards": [
            {"name": name, **card(example, request), "outlines": outlines(example) if request.outlines else []}
            for name, example in examples.items()
        ],
        "still": None,
    }
    if request.still:
        value["all"] = [_listed(name, request.language) for name in in_order()]
        images, maps = _shown(request)
        heat = [overlays.overlay(p, m) for p, m in zip(images, maps, strict=True)]
        value["still"] = overlays.data_uri(np.concatenate([*images, *heat], axis=1))
        value["known"] = detector_options.known(request.a, request.b, request.marked)
    return value | _detector_strip(request) if request.strip else value


def _listed(name: str, language: str) -> dict[str, str]:
    """Describe a method in the list of all: essential methods are a group of their own."""
    about = METHODS[name].card
    group = "essential" if name in ESSENTIALS else "blend" if about.family == "none" else about.family
    return {"name": name, "title": title(name, language), "family": about.family, "group": group}


def _shown(request: Request) -> tuple[np.ndarray, np.ndarray]:
    images = detector_options.pair(request.a, request.b, SIDE).permute(0, 2, 3, 1).numpy()
    return images, detector_options.maps(request.a, request.b, SIDE, request.detector).numpy()


def _detector_strip(request: Request) -> dict[str, Any]:
    """Return every detector's small maps of the two pictures, with their peaks."""
    tiles, strip = [], []
    a, b = request.a, request.b
    pictures = detector_options.pair(a, b, SMALL).permute(0, 2, 3, 1).numpy()
    for name in detector_options.titles():
        maps = detector_options.maps(a, b, SIDE, name)
        small = shrunk(maps, SMALL).numpy()
        tiles += [overlays.overlay(p, m) for p, m in zip(pictures, small, strict=True)]
        peaks = [divmod(int(m.argmax()), SIDE) for m in maps]
        peaks = [[(row + 0.5) / SIDE, (column + 0.5) / SIDE] for row, column in peaks]
        strip.append({"name": name, "note": detector_options.option(name).note, "peaks": peaks})
    return {"detectors": strip, "detector_sheet": overlays.data_uri(np.concatenate(tiles, axis=1))}


VIEW = View("grid", 10, grid, controls=("pictures", "lam"))

"""What the views show, as plain data: every number and picture comes from a recipe, no method is known by name."""

from __future__ import annotations

import inspect
import math
from dataclasses import asdict
from typing import Any

import numpy as np

from mixviz import i18n
from mixviz.explain import edits, label_terms
from mixviz.explain.example import Story, steps
from mixviz.i18n import in_language
from mixviz.methods import METHODS
from mixviz.render import export, overlays
from mixviz.ui import lenses
from mixviz.ui.batching import batch
from mixviz.ui.compare import compare
from mixviz.ui.embed import embeddings
from mixviz.ui.localize import localize
from mixviz.ui.many import repeated, sweep
from mixviz.ui.request import CELLS, Request
from mixviz.ui.telling import SIDE, SMALL, card, changed_by, code, parameters, story
from mixviz.ui.tiling import sheet, shrunk
from mixviz.ui.tree import tree
from mixviz.ui.which import which

COLUMNS = 4  # tiles side by side in the sheet of mixtures


def show(request: Request) -> dict[str, Any]:
    """What the state's view shows, and what all views have in common."""
    shows = {
        "grid": grid, "detail": detail, "draws": repeated, "sweep": sweep,
        "batch": batch, "localize": localize, "compare": compare, "which": which, "tree": tree,
        "embeddings": embeddings,
    }  # fmt: skip
    view = shows[request.view](request)
    return {
        "view": request.view,
        "link": request.query(),
        "names": [request.name_a, request.name_b],
        "judge": "saliency" if lenses.objects(request.a, request.b, SIDE) is None else "object",
        "held": request.lam is not None,
        "lens": request.detector,
        **view,
    }


def grid(request: Request) -> dict[str, Any]:
    """A card per method, or of ``only`` some, and a sheet of their mixtures; with ``still`` the pictures that λ and the
    seed leave alone, and with ``strip`` what each detector makes of them."""
    told = {name: story(request, name) for name in request.only or METHODS}
    value = {
        "columns": COLUMNS,
        "rows": math.ceil(len(told) / COLUMNS),
        "sheet": overlays.data_uri(sheet([one.mixed for one in told.values()], COLUMNS)),
        "cards": [{"name": name, **card(one, request)} for name, one in told.items()],
        "still": None,
    }
    if request.still:
        value["all"] = [
            {"name": name, "title": cls.card.title, "family": cls.card.family, "citation": cls.card.citation}
            for name, cls in METHODS.items()
        ]
        images, maps = _shown(request)
        heat = [overlays.overlay(p, m) for p, m in zip(images, maps, strict=True)]
        value["still"] = overlays.data_uri(np.concatenate([*images, *heat], axis=1))
        value["objects"] = [
            box and [edge / SIDE for edge in box] for box in lenses.object_boxes(request.a, request.b, SIDE)
        ]
    return value | _lens_strip(request) if request.strip else value


def _shown(request: Request) -> tuple[np.ndarray, np.ndarray]:
    images = lenses.pair(request.a, request.b, SIDE).permute(0, 2, 3, 1).numpy()
    return images, lenses.maps(request.a, request.b, SIDE, request.detector).numpy()


def _lens_strip(request: Request) -> dict[str, Any]:
    """Every detector's view of the two pictures, small, with its peaks."""
    tiles, strip = [], []
    a, b = request.a, request.b
    pictures = lenses.pair(a, b, SMALL).permute(0, 2, 3, 1).numpy()
    for name in lenses.titles():
        maps = lenses.maps(a, b, SIDE, name)
        small = shrunk(maps, SMALL).numpy()
        tiles += [overlays.overlay(p, m) for p, m in zip(pictures, small, strict=True)]
        peaks = [divmod(int(m.argmax()), SIDE) for m in maps]
        peaks = [[(row + 0.5) / SIDE, (column + 0.5) / SIDE] for row, column in peaks]
        strip.append({"name": name, "note": lenses.lens(name).note, "peaks": peaks})
    return {"lenses": strip, "lens_sheet": overlays.data_uri(np.concatenate(tiles, axis=1))}


def detail(request: Request) -> dict[str, Any]:
    """One method: all its pictures, steps, numbers with their sums, parameters, and the code that makes it."""
    told = story(request, request.method, by_hand=True)
    change = changed_by(request)
    return {
        "card": {"name": request.method, **card(told, request)},
        "parameters": parameters(told.method, request.language),
        "tiles": list(tiles := export.tiles(told)),
        "sheet": overlays.data_uri(np.concatenate(list(tiles.values()), axis=1)),
        "steps": [asdict(step) for step in steps(told, request.language)],
        "lines": [asdict(line) for line in label_terms.lines(told)],
        "code": code(request, told),
        "can_move": edits.can_move(told.recipe) or change == "mask",
        "can_paint": edits.can_paint(told.recipe),
        "mask": list(request.mask) if change == "mask" else _cells(told),
        "edited": change,
    }


def summary(name: str, language: str = "en") -> str:
    """A method in a sentence or two: the first paragraph of its docstring."""
    return in_language(f"summary.{name}", language, _docstring(name).partition("\n\n")[0])


def explanation(name: str, language: str = "en") -> str:
    """A method's docstring as Markdown with formulas."""
    further = i18n.catalogue().get(language, {}).get(name)
    return f"{summary(name, language)}\n\n{further}" if further else _docstring(name)


def explanations(language: str) -> str:
    """All of them, each in a section of its own."""
    sections = (f'<section id="about-{name}">\n\n{explanation(name, language)}\n\n</section>' for name in METHODS)
    return "\n\n".join(sections)


def _docstring(name: str) -> str:
    text = inspect.cleandoc(METHODS[name].__doc__ or "").replace("``", "`")
    return text.replace(":func:`mixviz.", "`mixviz.")


def _cells(told: Story) -> list[str]:
    """The recipe's mask as a painter starts from it."""
    mask = shrunk(told.recipe.mask()[0], CELLS)[0]
    return ["".join("1" if cell else "0" for cell in row) for row in (mask >= 0.5).tolist()]

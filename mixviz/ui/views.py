"""What the views show, as plain data: every number and picture comes from a recipe, no method is known by name."""

from __future__ import annotations

import inspect
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

import mixviz
from mixviz import arithmetic, describe, draws, edit, export, paint, pictures
from mixviz.method import Method
from mixviz.story import Story, corner_fractions, steps, tell
from mixviz.ui import lenses
from mixviz.ui.request import CELLS, MAX_SEED, Request, written

SIDE = 224  # pixels of a picture: what networks see of ImageNet, and all methods still mix and encode within 35 ms
COLUMNS = 4  # tiles side by side in the sheet of mixtures
SMALL = SIDE // 2  # pixels of a tile in a strip: several dozen are sent at once
DRAWS_SIDE = 64  # pixels of a picture that is drawn a thousand times
DRAWS = 1000
BINS = 20
STRIP = 9  # pictures of a filmstrip
ALPHAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0)


def story(request: Request, name: str, *, by_hand: bool = False, **changed: Any) -> Story:
    """One method's mixture as the page's state has it; ``by_hand``: with the box or the mask that the visitor made.

    The state's parameters are its method's. What was made by hand for a recipe of another kind is left out.
    """
    request = replace(request, **changed) if changed else request
    a, b = request.a, request.b
    told = tell(
        lenses.pair(a, b, SIDE),
        request.chosen(name, request.parameters if name == request.method else None),
        int(request.seed),
        request.lam,
        maps=lenses.maps(a, b, SIDE, request.detector),
        names=(request.name_a, request.name_b),
        objects=lenses.objects(a, b, SIDE),
    )
    change = changed_by(request, told) if by_hand else ""
    if change == "mask":
        return replace(told, recipe=edit.paint_mask(told.recipe, request.weights(SIDE)))
    return replace(told, recipe=edit.move_patch(told.recipe, request.pixels(SIDE))) if change == "box" else told


def changed_by(request: Request, told: Story | None = None) -> str:
    """What the visitor changed by hand, of what the recipe lets change: ``mask``, ``box`` or nothing."""
    if request.mask is None and request.box is None:
        return ""
    recipe = (told or story(request, request.method)).recipe
    if request.mask is not None and edit.can_paint(recipe):
        return "mask"
    return "box" if request.box is not None and edit.can_move(recipe) else ""


def show(request: Request) -> dict[str, Any]:
    """What the state's view shows, and what all views have in common."""
    view = {"grid": grid, "detail": detail, "draws": repeated, "sweep": sweep}[request.view](request)
    return {
        "view": request.view,
        "link": request.query(),
        "names": [request.name_a, request.name_b],
        "judge": "saliency" if lenses.objects(request.a, request.b, SIDE) is None else "object",
        "held": request.lam is not None,
        "lens": lenses.titles()[request.detector],
        **view,
    }


def grid(request: Request) -> dict[str, Any]:
    """A card per method, and a sheet of mixtures; with ``still`` the pictures that λ and the seed leave alone, and with
    ``strip`` what each detector makes of them."""
    told = {name: story(request, name) for name in mixviz.METHODS}
    value = {
        "columns": COLUMNS,
        "rows": math.ceil(len(told) / COLUMNS),
        "sheet": paint.data_uri(_sheet([one.mixed for one in told.values()])),
        "cards": [{"name": name, **card(one, request)} for name, one in told.items()],
        "still": None,
    }
    if request.still:
        images, maps = _shown(request)
        heat = [paint.overlay(p, m) for p, m in zip(images, maps, strict=True)]
        value["still"] = paint.data_uri(np.concatenate([*images, *heat], axis=1))
        value["objects"] = [
            box and [edge / SIDE for edge in box] for box in lenses.object_boxes(request.a, request.b, SIDE)
        ]
    return value | _lens_strip(request) if request.strip else value


def _shown(request: Request) -> tuple[np.ndarray, np.ndarray]:
    images = lenses.pair(request.a, request.b, SIDE).permute(0, 2, 3, 1).numpy()
    return images, lenses.maps(request.a, request.b, SIDE, request.detector).numpy()


def card(told: Story, request: Request) -> dict[str, Any]:
    """What a card says of image A's mixture; pairs of numbers are A's and B's."""
    about, recipe = type(told.method).card, told.recipe
    own = type(told.method).parameters().get("detector")
    return {
        "title": about.title,
        "family": about.family,
        "citation": about.citation,
        "url": about.url,
        "summary": (type(told.method).__doc__ or "").strip().split("\n\n")[0],
        "pair": len(recipe.partner) > 1,
        "looks": recipe.saliency is not None,
        "own": about.name == request.method and bool(request.parameters),
        "asks": bool(own and mixviz.SALIENCY[own["default"]].needs_network),
        "drawn": None if recipe.drawn is None else recipe.drawn[0].item(),
        "area": told.area,
        "share": told.share,
        "visible": told.visible,
        "fair": told.fair,
        "gap": told.gap,
        "sentence": told.sentence,
        "source": corner_fractions(recipe.source_box, recipe.size),
        "target": corner_fractions(recipe.target_box, recipe.size),
        "layer": recipe.layer,
    }


def _lens_strip(request: Request) -> dict[str, Any]:
    """Every detector's view of the two pictures, small, with its peaks."""
    titles, tiles, strip = lenses.titles(), [], []
    a, b = request.a, request.b
    pictures = lenses.pair(a, b, SMALL).permute(0, 2, 3, 1).numpy()
    for name in titles:
        maps = lenses.maps(a, b, SIDE, name)
        small = _shrunk(maps, SMALL).numpy()
        tiles += [paint.overlay(p, m) for p, m in zip(pictures, small, strict=True)]
        peaks = [divmod(int(m.argmax()), SIDE) for m in maps]
        peaks = [[(row + 0.5) / SIDE, (column + 0.5) / SIDE] for row, column in peaks]
        strip.append({"name": name, "title": titles[name], "note": lenses.lens(name).note, "peaks": peaks})
    return {"lenses": strip, "lens_sheet": paint.data_uri(np.concatenate(tiles, axis=1))}


def detail(request: Request) -> dict[str, Any]:
    """One method: all its pictures, steps, numbers with their sums, parameters, and the code that makes it."""
    told = story(request, request.method, by_hand=True)
    cls, change = type(told.method), changed_by(request)
    values = describe.parameters_of(told.method)
    return {
        "card": {"name": request.method, **card(told, request)},
        "parameters": [
            {"name": name, "value": values[name], "kind": type(about["default"]).__name__, **about}
            for name, about in cls.parameters().items()
            if name != "detector"
        ],
        "tiles": list(tiles := export.tiles(told)),
        "sheet": paint.data_uri(np.concatenate(list(tiles.values()), axis=1)),
        "steps": [asdict(step) for step in steps(told)],
        "lines": [asdict(line) for line in arithmetic.lines(told)],
        "code": code(request, told),
        "can_move": edit.can_move(told.recipe) or change == "mask",
        "can_paint": edit.can_paint(told.recipe),
        "mask": list(request.mask) if change == "mask" else _cells(told),
        "edited": change,
    }


def _cells(told: Story) -> list[str]:
    """The recipe's mask as a painter starts from it."""
    mask = _shrunk(told.recipe.mask()[0], CELLS)[0]
    return ["".join("1" if cell else "0" for cell in row) for row in (mask >= 0.5).tolist()]


def code(request: Request, told: Story) -> str:
    """The lines of Python that make exactly this picture, with what was changed by hand."""
    cls, lens, change = type(told.method), lenses.lens(request.detector), changed_by(request)
    known = cls.parameters()
    given = {
        name: repr(value)
        for name, value in describe.parameters_of(told.method).items()
        if name != "detector" and value != known[name]["default"]
    }
    asks = "detector" in known and lens.saliency.needs_network
    if "detector" in known and lens.code != repr(known["detector"]["default"]).replace("'", '"'):
        given["detector"] = lens.code
    options = ", ".join(f"{name}={value}" for name, value in given.items()).replace("'", '"')
    names = picture_names(request)
    lam = "" if request.lam is None else f"lam={written(request.lam)}, "
    lines = ["import mixviz", "import numpy as np", f"from mixviz import {'edit, ' if change else ''}pictures"]
    if asks:
        lines += ["import torch, torchvision", "torch.manual_seed(0)", "network = torchvision.models.resnet18()"]
    draw = f"np.random.default_rng({int(request.seed)}), {lam}partner=[1, 0]"
    lines += [
        "",
        f'batch = mixviz.Batch(pictures.load_pair("{names[0]}", "{names[1]}", {SIDE}){", network=network" * asks})',
        f'recipe = mixviz.METHODS["{request.method}"]({options}).plan(batch, {draw})',
    ]
    if change == "mask":
        lines += ["import json", 'cells = json.load(open("recipe.json"))["mask"]  # the recipe from this page']
        lines.append(f"recipe = edit.paint_mask(recipe, edit.mask_from_cells(cells, {SIDE}))")
    elif change == "box":
        lines.append(f"recipe = edit.move_patch(recipe, {request.pixels(SIDE)})")
    return "\n".join([*lines, "mixed = recipe.apply(batch.images)[0]  # (3, H, W) uint8"])


def picture_names(request: Request) -> list[str]:
    """The bundled photographs' names, or places for the visitor's own."""
    known = {letter: pictures.photograph_of(path) for letter, path in (("a", request.a), ("b", request.b))}
    return [entry["file"] if entry else f"your_picture_{letter}.jpg" for letter, entry in known.items()]


def drawn(request: Request) -> tuple[draws.Draws, Method, Tensor]:
    """A thousand draws of the state's method, the method, and the small pictures that it was drawn for."""
    a, b = request.a, request.b
    known = lenses.objects(a, b, DRAWS_SIDE)
    method = request.chosen(request.method, request.parameters)
    seen = lenses.maps(a, b, SIDE, request.detector)
    images, maps = lenses.pair(a, b, DRAWS_SIDE), _with_peaks(seen, DRAWS_SIDE, getattr(method, "tie", "first"))
    judge = _shrunk(seen, DRAWS_SIDE) if known is None else known
    return draws.repeat(images, method, maps, judge, count=DRAWS, seed=int(request.seed)), method, images


def repeated(request: Request) -> dict[str, Any]:
    """What a thousand draws look like: histograms and heat maps."""
    found, method, images = drawn(request)
    kinds = {"drawn": found.drawn, "area": found.area, "share": found.share, "gap": found.gap}
    shown = images.permute(0, 2, 3, 1).numpy()
    heat = [paint.overlay(shown[1], found.cut), paint.overlay(shown[0], found.covered)]
    return {
        "card": {"name": request.method, "title": type(method).card.title},
        "inside": type(method).card.family == "feature-level",
        "count": DRAWS,
        "side": DRAWS_SIDE,
        "alpha": getattr(method, "alpha", None),
        "histograms": {name: _histogram(values) for name, values in kinds.items() if values is not None},
        "peak": [float(found.cut.max()), float(found.covered.max())],
        "heat": paint.data_uri(np.concatenate(heat, axis=1)),
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
        tiles += [_smaller(one.mixed, SMALL) for one in told]
        cells = [
            {"share": one.share, "area": one.area, "gap": one.gap, "drawn": one.recipe.drawn is not None and
             one.recipe.drawn[0].item()} for one in told
        ]  # fmt: skip
        rows.append({"name": name, "title": mixviz.METHODS[name].card.title, "cells": cells})
    return {
        "over": request.over,
        "values": [next(iter(change.values())) for change in changes],
        "rows": rows,
        "sheet": paint.data_uri(_sheet(tiles, STRIP)),
    }


def explanation(name: str) -> str:
    """A method's docstring as Markdown with formulas."""
    text = inspect.cleandoc(mixviz.METHODS[name].__doc__ or "").replace("``", "`")
    return text.replace(":func:`mixviz.", "`mixviz.")


def _shrunk(maps: Tensor, side: int) -> Tensor:
    """Maps (N, H, W) averaged down to (N, side, side)."""
    return torch.nn.functional.interpolate(maps[:, None], (side, side), mode="area")[:, 0]


def _with_peaks(maps: Tensor, side: int, tie: str) -> Tensor:
    """Maps averaged down, but with the cells of their brightest pixels as bright as these: a method that looks for the
    peak finds it where it was. Several cells may hold one; the first pixel need not lie in the first of them."""
    top = maps.amax((1, 2), keepdim=True)
    brightest = maps == top
    if tie == "first":
        brightest &= brightest.flatten(1).cumsum(1).view_as(maps) == 1
    held = torch.nn.functional.adaptive_max_pool2d(brightest.float()[:, None], side)[:, 0] > 0
    below = torch.nextafter(top, torch.zeros_like(top))
    return torch.where(held, top, _shrunk(maps, side).minimum(below))


def _smaller(image: Tensor, side: int) -> Tensor:
    return _shrunk(image.float(), side).round().to(torch.uint8)


def _sheet(tiles: list[Tensor], columns: int = COLUMNS) -> np.ndarray:
    """Tiles (3, S, S) in rows: one picture to encode, send and decode."""
    import cv2

    side, rows = tiles[0].shape[-1], math.ceil(len(tiles) / columns)
    planes = np.zeros((3, rows * side, columns * side), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = side * (i // columns), side * (i % columns)
        planes[:, top : top + side, left : left + side] = tile.numpy()
    return cv2.merge(list(planes))  # numpy takes twenty times as long to interleave three planes

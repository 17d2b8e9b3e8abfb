"""The page's batch: bundled photographs or the visitor's own, each mixed with a partner from among them."""

from __future__ import annotations

import functools
from functools import partial
from pathlib import Path
from typing import Any

from mixviz.core.method import Method
from mixviz.core.transforms import saliency
from mixviz.data import batch_loading, pictures
from mixviz.data.batch_loading import SIDE, Found, Pictures
from mixviz.detectors import SALIENCY
from mixviz.i18n import in_language
from mixviz.render import overlays
from mixviz.render.batch_sheet import MixedBatch, mix_batch
from mixviz.ui import lenses
from mixviz.ui.request import Request, written
from mixviz.ui.telling import parameters, written_options
from mixviz.ui.tiling import sheet

COLUMNS = 8  # tiles side by side in a sheet

Files = tuple[tuple[str, str], ...]


def batch(request: Request) -> dict[str, Any]:
    """Every image of the batch with its partners, numbers and label; with ``still`` the images as they were."""
    mixed = mixed_of(request)
    images = mixed.pictures.images
    return {
        "method": {"name": request.method, "title": mixed.method.card.title},
        "key": "|".join(path for path, _ in request.files) or str(int(request.count)),
        "side": SIDE,
        "columns": (columns := min(COLUMNS, len(mixed))),
        "sheet": overlays.data_uri(sheet(list(mixed.mixed), columns)),
        "originals": overlays.data_uri(sheet(list(images), columns)) if request.still else None,
        "own": bool(request.files),
        "judge": "saliency" if mixed.pictures.objects is None else "object",
        "classes": [
            name if request.files else in_language(f"object.{name}", request.language, name)
            for name in mixed.pictures.classes
        ],
        "layer": mixed.recipe.layer,
        "paired": mixed.paired,
        "tiles": [_tile(mixed, n) for n in range(len(mixed))],
        "summary": mixed.summary,
        "asks": _asks(mixed.method),
        "parameters": parameters(mixed.method, request.language),
        "code": code(request, mixed),
    }


def mixed_of(request: Request) -> MixedBatch:
    """The state's batch, planned and not yet mixed."""
    seen = _pictures(request.files, int(request.count))
    method = request.chosen(request.method, request.parameters)
    looks = "detector" in type(method).parameters() or seen.objects is None
    maps = _maps(request.files, int(request.count), request.detector) if looks else None
    return mix_batch(seen, method, int(request.seed), request.lam, maps=maps)


def found_by(request: Request) -> list[Found]:
    """The state's pictures, still to be opened."""
    if not request.files:
        return batch_loading.photographs(int(request.count))
    return _found(request.files)


def _found(files: Files) -> list[Found]:
    labels = batch_loading.labels_of([name for _, name in files])
    return [Found(name, label, partial(open, path, "rb")) for (path, name), label in zip(files, labels, strict=True)]


@functools.lru_cache(maxsize=8)
def _pictures(files: Files, count: int) -> Pictures:
    """They are kept: 7 MB at most. An upload's path holds its content's hash, and so never changes."""
    found = _found(files) if files else batch_loading.photographs(count)
    paths = [path for path, _ in files] or [pictures.photograph_path(one.name) for one in found]
    return batch_loading.stacked(found, [pictures.load_once(path, SIDE) for path in paths])


@functools.lru_cache(maxsize=16)
def _maps(files: Files, count: int, detector: str) -> Any:
    seen = _pictures(files, count)
    network = lenses.network(detector)
    return saliency(seen.images, lenses.detector(detector), labels=seen.labels, network=network)


def _asks(method: Method) -> bool:
    own = type(method).parameters().get("detector")
    return bool(own and SALIENCY[own["default"]].needs_network)


def _tile(mixed: MixedBatch, n: int) -> dict[str, Any]:
    labels, parts, drawn = mixed.pictures.labels.tolist(), mixed.parts(n), mixed.recipe.lam
    return {
        "name": Path(mixed.pictures.names[n]).name,
        "label": labels[n],
        "partners": [[who, list(parts).index(labels[who])] for who in mixed.partners(n)],
        "parts": [[label, share] for label, share in parts.items()],
        "drawn": None if drawn is None else drawn[n].item(),
        "area": None if mixed.inside else mixed.own(n, "area"),
        "share": mixed.own(n, "share"),
        "gap": None if mixed.inside else mixed.gap(n),
    }


def code(request: Request, mixed: MixedBatch) -> str:
    """The lines of Python that make exactly this batch, in a training loop or without one."""
    options, network = written_options(request, mixed.method)
    seen = mixed.pictures
    given = f'load("your_pictures", side={SIDE})' if request.files else f"bundled({len(seen.names)}, side={SIDE})"
    made = [f'"{request.method}"', f"num_classes={len(seen.classes)}", f"seed={mixed.seed}"]
    made += ["network=network"] * bool(network) + options
    lam = "" if mixed.lam is None else f", lam={written(mixed.lam)}"
    lines = [
        "import mixviz",
        "from mixviz.data import batch_loading",
        *network,
        "",
        f"images, labels, *_ = batch_loading.{given}",
        "",
        f"mix = mixviz.MixTransform({', '.join(made)})",
        f"recipe = mix.plan(images, labels{lam})",
        f"mixed, targets = recipe.apply(images), recipe.targets(labels, {len(seen.classes)})",
    ]
    return "\n".join(lines)

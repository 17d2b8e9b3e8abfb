"""View of a batch: every image with its partners and label, and below it the download of a larger batch."""

from __future__ import annotations

import functools
import html
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from mixviz.core.method import Method
from mixviz.data.batch_loading import SIDE
from mixviz.detectors import SALIENCY
from mixviz.i18n import in_language, say
from mixviz.render import overlays
from mixviz.render.batch_export import bundle
from mixviz.render.batch_sheet import MixedBatch, objects_of
from mixviz.ui.boundary import as_gradio_error, checked_path
from mixviz.ui.errors import as_user_error
from mixviz.ui.fields import malformed, written
from mixviz.ui.registry import View
from mixviz.ui.services import annotation_files, detector_options, progress, uploads
from mixviz.ui.services.batches import found_by, mixed_of
from mixviz.ui.services.presenters import parameters, written_options
from mixviz.ui.services.tiling import sheet
from mixviz.ui.state import Request, language_of, of_state

COLUMNS = 8  # tiles side by side in a sheet
SIDES = (SIDE, 256, 384, 512)


def batch(request: Request) -> dict[str, Any]:
    """Return every image of the batch with its partners, numbers and label; with ``still`` also the unmixed images."""
    mixed = mixed_of(request)
    images = mixed.pictures.images
    return {
        "method": request.method,
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
        "outlined": objects_of(mixed.pictures) is not None,
        "outlines": _outlines(mixed) if request.outlines else [],
        "asks": _asks(mixed.method),
        "parameters": parameters(mixed.method, request.language),
        "code": code(request, mixed),
    }


def _outlines(mixed: MixedBatch) -> list[list[dict[str, Any]]]:
    """Describe the objects in each mixture: the part of the mixture that they belong to (0 is the image itself), the
    visible share, the weight and the outline."""
    tiles: list[list[dict[str, Any]]] = [[] for _ in range(len(mixed))]
    moved = mixed.followed()
    if moved is None:
        return tiles
    masks = moved.objects.pixels()
    columns = moved.objects.image.tolist(), moved.source.tolist(), moved.visible.tolist(), moved.weight.tolist()
    for n, source, visible, weight, mask in zip(*columns, masks.numpy(), strict=True):
        of = [n, *mixed.partners(n)].index(source)
        tiles[n].append({"of": of, "visible": visible, "weight": weight, "path": overlays.contours(mask)})
    return tiles


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
    """Return the Python code that reproduces exactly this batch, in a training loop or without one."""
    options, network = written_options(request, mixed.method)
    seen = mixed.pictures
    given = f'load("your_pictures", side={SIDE})' if request.files else f"bundled({len(seen.names)}, side={SIDE})"
    made = [f'"{request.method}"', f"num_classes={len(seen.classes)}", f"seed={mixed.seed}"]
    made += ["network=network"] * bool(network) + options
    lam = "" if mixed.lam is None else f", lam={written(mixed.lam)}"
    objects = mixed.method.looks_at_objects and seen.objects is not None
    lines = [
        "import mixviz",
        "from mixviz.data import batch_loading",
        *["from mixviz.render.batch_sheet import objects_of"] * objects,
        *network,
        "",
        *(
            [f"pictures = batch_loading.{given}", "images, labels, *_ = pictures"]
            if objects
            else [f"images, labels, *_ = batch_loading.{given}"]
        ),
        "",
        f"mix = mixviz.MixTransform({', '.join(made)})",
        f"recipe = mix.plan(images, labels{lam}{', objects=objects_of(pictures)' * objects})",
        f"mixed, targets = recipe.apply(images), recipe.targets(labels, {len(seen.classes)})",
    ]
    return "\n".join(lines)


def look_in(state: Any) -> dict[str, Any]:
    """Return thumbnails of a part of the visitor's folder."""
    return uploads.look_in(state, checked_path)


def unpack(state: Any) -> dict[str, Any]:
    """Unpack a part of the pictures of the visitor's zip."""
    return uploads.unpacked(state, checked_path)


def annotate(state: Any) -> dict[str, Any]:
    """Return what the annotation files of the visitor's pictures hold."""
    return annotation_files.about_batch(state, checked_path)


# ---------------------------------------------------------------- download of a batch


def panel(language: str) -> None:
    """Build the controls in a language and connect their events."""
    word = functools.partial(say, language=language)
    with gr.Accordion(word("batch.take"), open=False, elem_id="batch-parcel"):
        gr.Markdown(word("batch.take_why"))
        with gr.Row():
            side = gr.Radio([(f"{side} px", side) for side in SIDES], value=SIDE, label=word("batch.side"))
            start = gr.Button(word("batch.start"), variant="primary", scale=0, min_width=160)
            stop = gr.Button(word("batch.stop"), scale=0, min_width=160)
        state = gr.Textbox("", visible=False)
        told = gr.HTML(elem_id="batch-told", apply_default_css=False)
        parcel = gr.File(label=word("batch.parcel"), interactive=False, visible=False)
        start.click(
            take, [state, side], [told, parcel], api_name="take_batch", api_visibility="undocumented",
            concurrency_limit=1, concurrency_id="heavy", show_progress="hidden",
            js="(_, side) => [JSON.stringify(mixviz.asked()), side]",
        )  # fmt: skip
        stop.click(
            progress.halt, None, None, api_name="halt_batch", api_visibility="undocumented", show_progress="hidden",
            queue=False,
        )  # fmt: skip


def take(state: Any, side: Any, request: gr.Request) -> Iterator[tuple[str, Any]]:
    """Write the state's batch at a given side; yields (HTML of the progress, the zip when done)."""
    progress.begin(request)
    yield progress.bar(0, 0, ""), gr.update(visible=False)
    with as_gradio_error(), as_user_error(ValueError, TypeError):
        asked = json.loads(state)
    language = language_of(asked)
    with as_gradio_error(language):
        if side not in SIDES:
            raise malformed(f"The side should be one of {', '.join(map(str, SIDES))} pixels.")
        wanted, left = of_state(asked, checked_path), 0
        found, method = found_by(wanted), wanted.chosen(wanted.method, wanted.parameters)
        options = {"seed": int(wanted.seed), "lam": wanted.lam, "side": side}
        options |= {
            "detector": detector_options.detector(wanted.detector),
            "network": detector_options.network(wanted.detector),
        }
        if wanted.files and wanted.annotations:
            options["annotations"] = annotation_files.of_batch(
                wanted.files, wanted.annotations, wanted.skip
            ).annotations
        with tempfile.TemporaryDirectory() as room:
            path = Path(room) / f"mixviz-batch-{wanted.method}.zip"
            with as_user_error(ValueError, ImportError), closing(bundle(found, method, path, **options)) as walk:
                for step in walk:
                    left += bool(step.reason)
                    yield progress.bar(step.done, step.total, step.name), gr.skip()
                    if progress.stopped(request):
                        break
            if not path.is_file():
                yield _line(say("batch.stopped", language)), gr.skip()
                return
            count = len(found) - left
            yield _line(say("batch.done", language, count=count, side=side)), gr.update(value=str(path), visible=True)


def _line(text: str) -> str:
    return f'<p class="mv-small" role="status">{html.escape(text)}</p>'


VIEW = View(
    "batch",
    50,
    batch,
    controls=("method", "lam", "more"),
    functions=(look_in, unpack, annotate),
    panel=panel,
    example="method=mosaic&count=10",
)

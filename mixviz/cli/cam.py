"""``mixviz cam``: heat maps of trained networks for a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from mixviz.cam.methods import KINDS, Progress
from mixviz.cli.options import Classes, Dilate, Kind, Layer, Networks, Threshold
from mixviz.core.registry import lookup

if TYPE_CHECKING:
    from mixviz.cam.inference import CAMResult, LoadedModel, Report

BOXES = "[top, left, bottom, right] in pixels of the view; bottom and right are the first row and column outside"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cam")(command)


def command(
    image: Annotated[Path, typer.Argument(help="A picture.")],
    networks: Networks = "all",
    classes: Classes = None,
    kind: Kind = "grad_cam",
    layer: Layer = "",
    dilate: Dilate = 0,
    scale: Annotated[
        str, typer.Option(help="image: each map from 0 to 1; shared: one scale for all; raw: from 0 up, all alike.")
    ] = "image",
    threshold: Threshold = 0.2,
    strength: Annotated[float, typer.Option(help="Share of the colours over the picture.", min=0, max=1)] = 0.6,
    colours: Annotated[str, typer.Option(help="inferno|cividis|viridis|magma.")] = "inferno",
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the numbers.")] = Path("looks"),
) -> None:
    """Show where networks see a class: a heat map per network and class, a sheet of all, and the numbers as JSON.

    mixviz cam cat.jpg --networks cutmix,mixup --class "Persian cat" --class tabby --out looks
    """
    from mixviz.cam import drawing, inference, shading
    from mixviz.cam.scales import SCALES

    lookup(KINDS, kind)
    lookup(SCALES, scale)
    shading.table(colours)
    if image.is_dir() or image.suffix.lower() == ".zip":
        raise ValueError(f"{image} is no single picture: `mixviz survey {image}` goes through a folder or zip.")
    if not image.is_file():
        raise ValueError(f"There is no picture {image}.")
    models = inference.open_networks(networks, classes=classes or ())
    results = list(_looks(image, models, classes or (), kind, layer or None, dilate))
    scales = drawing.on_one_scale(results, scale)
    rows = drawing.overlays(results, scales, threshold, strength, colours)
    out.mkdir(parents=True, exist_ok=True)
    sheet = drawing.sheet(results, rows, scales, kind=kind, scale=scale, threshold=threshold, colours=colours)
    _save(sheet, out / "sheet.png")
    reports = [inference.report(result, threshold) for result in results]
    settings = {
        "picture": image.name, "kind": kind, "dilate": dilate, "scale": scale, "threshold": threshold, "boxes": BOXES,
    }  # fmt: skip
    networks_json = [
        _save_maps(*arguments, out)
        for arguments in zip(results, reports, rows, scales.low.tolist(), scales.high.tolist(), strict=True)
    ]
    text = json.dumps({**settings, "networks": networks_json}, indent=1, ensure_ascii=False) + "\n"
    (out / "looks.json").write_text(text, encoding="utf-8")
    for report in reports:
        first = report["top5"][0]
        typer.echo(f"{report['network']:22} says {first['class']} ({100 * first['probability']:.1f} %)")
    typer.echo(f"sheet.png, looks.json and a picture per network and class are in {out}/.")


def _looks(
    image: Path, models: list[LoadedModel], classes: Sequence[str], kind: str, layer: str | None, dilate: int
) -> Iterator[CAMResult]:
    """Run one network after the other, each on the picture at its own size."""
    from mixviz.cam import inference
    from mixviz.data import pictures

    views = {view: pictures.load_view(image, view) for view in {model.input_view for model in models}}
    for model in models:
        with _bar(model.name, KINDS[kind].slow) as progress:
            view = views[model.input_view]
            yield inference.look(model, view, classes, kind=kind, layer=layer, dilate=dilate, progress=progress)


def _save_maps(
    result: CAMResult, report: Report, pictures: list[np.ndarray], low: list[float], high: list[float], out: Path
) -> dict[str, Any]:
    """Save the pictures of a result's maps; return its report with their files and the ends of the colour scale."""
    classes = []
    for index, picture, numbers, *ends in zip(result.classes, pictures, report["classes"], low, high, strict=True):
        file = f"{result.known.name}-{_file_part(result.known.classes[index])}-{index}.png"
        _save(picture, out / file)
        classes.append({**numbers, "file": file, "colours": ends if numbers["map"]["points_somewhere"] else None})
    return {**report, "classes": classes}


@contextmanager
def _bar(name: str, slow: bool) -> Iterator[Progress | None]:
    """Open a progress bar for a slow kind of map."""
    if not slow:
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=name, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _file_part(name: str) -> str:
    """Make a class name safe for a file name. The index beside it keeps equal results apart."""
    return re.sub(r"\W+", "_", name).strip("_")[:60]


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)

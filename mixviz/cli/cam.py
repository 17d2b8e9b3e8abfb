"""``mixviz cam``: where trained networks look in a picture, on the command line."""

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
from mixviz.cli.options import Classes, Kind, Layer, Networks, Threshold
from mixviz.core.registry import lookup

if TYPE_CHECKING:
    from mixviz.cam.inference import CAMResult, LoadedModel

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
    looks = list(_looks(image, inference.open_networks(networks), classes or (), kind, layer or None))
    scales = drawing.on_one_scale(looks, scale)
    rows = drawing.overlays(looks, scales, threshold, strength, colours)
    out.mkdir(parents=True, exist_ok=True)
    whole = drawing.sheet(looks, rows, scales, kind=kind, scale=scale, threshold=threshold, colours=colours)
    _save(whole, out / "sheet.png")
    told = {"picture": image.name, "kind": kind, "scale": scale, "threshold": threshold, "boxes": BOXES}
    told["networks"] = [
        _report(*each, threshold, out)
        for each in zip(looks, rows, scales.low.tolist(), scales.high.tolist(), strict=True)
    ]
    (out / "looks.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for numbers in told["networks"]:
        first = numbers["top5"][0]
        typer.echo(f"{numbers['network']:22} says {first['class']} ({100 * first['probability']:.1f} %)")
    typer.echo(f"sheet.png, looks.json and a picture per network and class are in {out}/.")


def _looks(
    image: Path, known: list[LoadedModel], classes: Sequence[str], kind: str, layer: str | None
) -> Iterator[CAMResult]:
    """One network after the other, each at the picture as it takes it."""
    from mixviz.cam import inference
    from mixviz.data import pictures

    views = {side: pictures.load_view(image, side) for side in {one.side for one in known}}
    for one in known:
        with _bar(one.name, KINDS[kind].slow) as progress:
            yield inference.look(one, views[one.side], classes, kind=kind, layer=layer, progress=progress)


def _report(
    one: CAMResult, row: list[np.ndarray], low: list[float], high: list[float], threshold: float, out: Path
) -> dict[str, Any]:
    """A look's numbers, once its pictures are files that they name; ``low`` and ``high``: the ends of the colours."""
    from mixviz.cam import inference

    numbers: Any = inference.report(one, threshold)  # to which file and colours are added
    for index, picture, about, *edges in zip(one.classes, row, numbers["classes"], low, high, strict=True):
        about["file"] = f"{one.known.name}-{_plain(one.known.classes[index])}-{index}.png"
        about["colours"] = edges if about["map"]["points_somewhere"] else None
        _save(picture, out / about["file"])
    return numbers


@contextmanager
def _bar(name: str, slow: bool) -> Iterator[Progress | None]:
    """A bar for what takes long."""
    if not slow:
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc=name, leave=False) as bar:

        def progress(done: int, all_: int) -> None:
            bar.total = all_
            bar.update(done - bar.n)

        yield progress


def _plain(name: str) -> str:
    """A class's name as part of a file's; its index beside it tells names apart that become the same."""
    return re.sub(r"\W+", "_", name).strip("_")[:60]


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)

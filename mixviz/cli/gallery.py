"""``mixviz zoo list``, ``get`` and ``convert``: the networks that there are, and those that can be had."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NOTE = "trained with binary cross-entropy: its confidences do not compare with the others'"


def register(zoo: typer.Typer) -> None:
    """Add the commands to ``mixviz zoo``."""
    zoo.command("list")(listed)
    zoo.command("get")(get)
    zoo.command("convert")(convert)


def listed() -> None:
    """Name the networks that there are, each held against its sha256, and those that can be fetched."""
    from mixviz.networks import gallery
    from mixviz.networks import zoo as networks

    there = [*networks.names(), *networks.fetched()]
    for name in there:
        networks.verify(name)
        card = networks.card(name)
        accuracy = f": {card.result['last']['top1']:.2f} % top-1, last epoch" if card.result else ""
        typer.echo(f"{name:32} {networks.title(name)}{accuracy}")
    left = [entry for name, entry in gallery.entries().items() if name not in there]
    if left:
        typer.echo("\nTo be fetched with `mixviz zoo get NAME`:")
    for entry in left:
        typer.echo(f"{entry.name:32} {entry.title}: {entry.top1:.1f} % top-1, {entry.terms}")


def get(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Of `mixviz zoo list`, or all.")],
) -> None:
    """Fetch networks of timm from the Hugging Face hub, e.g. resnet50.a1_in1k, checked and as safetensors alone.

    They are stored in MIXVIZ_HOME, or else in ~/.cache/mixviz, and then known by name:

        mixviz cam cat.jpg --networks resnet50.tv_in1k,resnet50.a1_in1k --class tabby --out looks
    """
    from tqdm import tqdm

    from mixviz.core.registry import lookup
    from mixviz.networks import gallery

    known = gallery.entries()
    for entry in [lookup(known, name) for name in (known if names == ["all"] else names)]:
        source = f" ({entry.documented})" if entry.documented else " (by its name; no document says so)"
        typer.echo(f"{entry.name}: {entry.title}. Trained with {entry.augmentation}{source}.")
        typer.echo(entry.terms + (f"; {NOTE}." if entry.loss == "bce" else "."))
        with tqdm(total=None, unit="B", unit_scale=True, leave=False) as bar:

            def progress(done: int, total: int, bar: tqdm = bar) -> None:
                bar.total = total or None
                bar.update(done - bar.n)

            home = gallery.get(entry.name, progress)
        typer.echo(f"It is in {home}/.")


def convert(
    file: Annotated[Path, typer.Argument(help="The downloaded file: .pth, .pth.tar, .pt or .safetensors.")],
    architecture: Annotated[str, typer.Option(help="timm's name of the network, e.g. resnet50.")],
    strategy: Annotated[str, typer.Option(help="The method that it was trained with, of `mixviz methods`.")],
    name: Annotated[str, typer.Option(help="By which it is known; empty: architecture and strategy.")] = "",
    title: Annotated[str, typer.Option(help="For people; empty: the strategy's.")] = "",
    classes: Annotated[
        Path | None, typer.Option(help="File with a class name in each line; by default ImageNet's 1,000.")
    ] = None,
    image_size: Annotated[int, typer.Option(help="Side of its pictures in pixels.", min=1, max=4096)] = 224,
    crop: Annotated[float, typer.Option(help="Share of the shorter side that it sees.", min=0.25, max=1)] = 0.875,
    interpolation: Annotated[str, typer.Option(help="bilinear or bicubic.")] = "bilinear",
    mean: Annotated[str, typer.Option(help="Of the pixels in [0, 1], one number or three.")] = "0.485,0.456,0.406",
    std: Annotated[str, typer.Option(help="Likewise.")] = "0.229,0.224,0.225",
    stem: Annotated[str, typer.Option(help="small: 3x3 without max-pooling, as for CIFAR; strided.")] = "standard",
    width: Annotated[float, typer.Option(help="ResNets: channels as a share of their own.")] = 1.0,
    loss: Annotated[str, typer.Option(help="bce, where it was trained with binary cross-entropy.")] = "",
    license: Annotated[str, typer.Option(help="Of the weights.")] = "",
    source: Annotated[str, typer.Option(help="Where the file is from.")] = "",
) -> None:
    """Convert a file of weights that you downloaded into safetensors with a card; it is then known by name.

    The defaults are those of the CutMix authors' networks on ImageNet. No program in the file is run.

        mixviz zoo convert model_best.pth.tar --architecture resnet50 --strategy cutmix
    """
    from mixviz.networks import conversion

    labels = classes.read_text(encoding="utf-8").splitlines() if classes else []
    done = conversion.convert(
        file, architecture=architecture, strategy=strategy, name=name, title=title,
        classes=[label.strip() for label in labels if label.strip()], image_size=image_size, crop=crop,
        interpolation=interpolation, mean=_three("mean", mean), std=_three("std", std), stem=stem, width=width,
        loss=loss, license=license, source=source,
    )  # fmt: skip
    said = ", ".join(f"{label} {100 * chance:.0f} %" for label, chance in done.said)
    typer.echo(f"{done.folder.name}: {done.card.strategy}, in {done.folder}/.")
    typer.echo(f"Of a photograph of a lion it says: {said}. Nonsense? Then mean, std or the classes' order are others.")


def _three(name: str, text: str) -> list[float]:
    """Parse one number or three."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise ValueError(f"--{name} is one number or three with commas between; got {text!r}.")
    return numbers * (3 // len(numbers))

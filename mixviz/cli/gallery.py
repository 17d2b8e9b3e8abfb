"""``mixviz zoo list`` and ``mixviz zoo get``: the networks that there are, and those that can be fetched."""

from __future__ import annotations

from typing import Annotated

import typer

NOTE = "trained with binary cross-entropy: its confidences do not compare with the others'"


def register(zoo: typer.Typer) -> None:
    """Add the commands to ``mixviz zoo``."""
    zoo.command("list")(listed)
    zoo.command("get")(get)


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

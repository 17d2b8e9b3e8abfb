"""``mixviz train``, ``mixviz evaluate`` and ``mixviz zoo``."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mixviz.cli import gallery
from mixviz.cli.options import Dilate, run_flags
from mixviz.core.registry import lookup
from mixviz.methods import METHODS
from mixviz.networks import model_card
from mixviz.networks.run import Run

OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}  # the methods' own parameters


def register(app: typer.Typer, own_options: Callable[..., dict[str, Any]]) -> None:
    """Add the commands; ``own_options`` parses a method's own parameters from the remaining arguments."""

    def train(context: typer.Context, **flags: Any) -> None:
        from accelerate import PartialState

        from mixviz.training.trainer import train as go

        run_fields = {field.name for field in dataclasses.fields(Run)}
        cls = lookup(METHODS, flags["method"])
        values = {name: value for name, value in flags.items() if name in run_fields}
        run = Run(**values, options=own_options(cls, context.args, run_fields))
        more = {name: flags[name] for name in ("resume", "download", "workers", "minutes", "bar")}
        result = go(run, flags["out"], **more, tell=typer.echo)
        if not PartialState().is_main_process:
            return
        measured = "recall@1 (the nearest other picture is of the class)"
        typer.echo(
            f"{measured if run.learned_objective().embeds else 'top-1 accuracy'}: "
            + ", ".join(
                f"{name.replace('_', ' ')} {result[name]['top1']:.2f} %"
                for name in ("last", "best", "median_of_last_10")
            )
            + f". Weights, log and card are in {flags['out']}/; next: mixviz evaluate {flags['out']}"
        )

    train.__doc__ = """Train a network with a method of the catalogue.

    The method's own parameters are options too (see `mixviz methods NAME`). A run that was stopped, however it was
    stopped, goes on with the same line and --resume:

        mixviz train --data cifar100 --root data --download --method saliencymix --box batch --out runs/saliencymix
    """
    signature = inspect.Signature([
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context), *run_flags(), *_more(),
    ])  # fmt: skip
    setattr(train, "__signature__", signature)  # noqa: B010  functions have it, and their type does not say so
    train.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    app.command("train", context_settings=OPEN)(train)
    app.command("evaluate")(evaluate)
    gallery.register(zoo)
    app.add_typer(zoo, name="zoo")


def evaluate(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs, of the zoo's networks, or of card.json and weights."),
    ],
    root: Annotated[Path, typer.Option(help="The folder that holds the data set they were trained on.")] = Path("data"),
    parts: Annotated[
        str, typer.Option(help="Only these, with commas between: accuracy,localisation,…; empty: all.")
    ] = "",
    others: Annotated[str, typer.Option(help="NAME:ROOT of a data set they should not know.")] = "",
    data: Annotated[str, typer.Option(help="The data set, where the card names none, or another one.")] = "",
    weights: Annotated[str, typer.Option(help="Of the last or best epoch.")] = "last",
    limit: Annotated[int, typer.Option(help="Pictures of each class; 0: all.", min=0)] = 0,
    dilate: Dilate = 0,
    brief: Annotated[bool, typer.Option(help="Measure fewer strengths and shares, at a quarter of the cost.")] = False,
    batch_size: Annotated[int, typer.Option(help="Pictures at a time; 0: as many as suit the processor.", min=0)] = 0,
    table: Annotated[Path | None, typer.Option(help="Write the table into this file too.")] = None,
) -> None:
    """Measure networks: accuracy, calibration, localisation, robustness, embedding. Writes cards, prints a table.

    Runs that differ by their seed alone become one row, with mean and spread.
    """
    from mixviz.evaluation import tables
    from mixviz.evaluation.runner import Wanted, assess_together

    for_rows = [_titled(model_card.read(folder), folder) for folder in folders]
    model_card.rows([card.changed(metrics=None) for card in for_rows])
    if weights not in ("last", "best"):
        raise ValueError(f"--weights is last or best; got {weights!r}.")
    chosen = tuple(name.strip() for name in parts.split(",") if name.strip()) or None
    name_of_others, colon, root_of_others = others.partition(":")
    foreign = (name_of_others, root_of_others) if colon else None
    if others and foreign is None:
        raise ValueError(f"--others is NAME:ROOT, e.g. cifar100:data; got {others!r}.")
    wanted = Wanted(root, chosen, foreign, data or None, limit, dilate, brief, batch_size or None)
    cards = assess_together(
        folders, wanted, weights=weights,
        progress=lambda name, part, done, all_: typer.echo(f"{name}: {part} ({done + 1}/{all_})") if part else None,
    )  # fmt: skip
    for folder, card in zip(folders, cards, strict=True):
        if left_out := (card.metrics or {}).get("left_out"):
            typer.echo(f"{folder.name}: {left_out}")
        if model_card.read(folder).metrics != card.metrics:
            typer.echo(f"{folder}/card.json holds a larger measurement, or one of other weights, and stays as it was.")
    measured = [_titled(card, folder) for folder, card in zip(folders, cards, strict=True)]
    text = tables.table(model_card.measured_rows(measured))
    typer.echo(text)
    if table is not None:
        table.write_text(text, encoding="utf-8")


def _titled(card: model_card.ModelCard, folder: Path) -> model_card.ModelCard:
    """A card with a title: the folder's name where it has none."""
    return card.changed(title=card.title or folder.name)


zoo = typer.Typer(no_args_is_help=True, help="The networks trained with each strategy.")


@zoo.command("build")
def zoo_build(
    names: Annotated[list[str] | None, typer.Argument(help="Strategies; by default all.")] = None,
    root: Annotated[Path, typer.Option(help="The folder that holds the data set.")] = Path("data"),
    scale: Annotated[
        str,
        typer.Option(
            help="pets: fine-tuned on 37 breeds; tiny: fine-tuned on Tiny-ImageNet-200; imagenette: from scratch, ten "
            "classes; small: from scratch, twenty classes of Tiny-ImageNet; full: all 200, on a GPU."
        ),
    ] = "pets",
    seed: Annotated[int, typer.Option(help="Seed; all but the first are for the spread, and stay out of the zoo.")] = 0,
    runs: Annotated[Path, typer.Option(help="Folder of the runs, which are resumed where they stand.")] = Path("runs"),
) -> None:
    """Train what is missing of the zoo, one network after another, and put seed 0 into models/."""
    from mixviz.networks import zoo as networks
    from mixviz.training.trainer import train

    left_out = []
    for strategy in names or networks.STRATEGIES:
        name = networks.name_of(strategy, scale)
        out = runs / (name if seed == 0 else f"{name}-seed{seed}")
        typer.echo(f"{name}:")
        run = networks.run_of(strategy, scale, str(root), seed)
        card = model_card.read(out) if (out / model_card.FILE).is_file() else None
        done = card is not None and card.result and Run.completed(card.run or {}) == run.portable()
        try:
            if not done:
                train(run, out, resume=True, tell=typer.echo)  # refuses to resume another run
        except ImportError as error:  # a detector may need a package that is not installed; the other networks do not
            typer.echo(f"{name} is left out: {error}")
            left_out.append(name)
            continue
        if seed == 0:
            networks.add(out, name)
    if left_out:
        raise ValueError(f"Not trained: {', '.join(left_out)}; the reasons stand above.")


def _more() -> list[inspect.Parameter]:
    """Flags that do not change the weights."""
    table: list[tuple[str, type, Any, str]] = [
        ("out", Path, Path("run"), "Folder for weights, log, checkpoint and card."),
        ("resume", bool, False, "Go on where the folder's checkpoint stands."),
        ("download", bool, False, "Fetch the data set first."),
        ("workers", int, 0, "Processes that read pictures, where these do not fit into memory."),
        ("minutes", float, 5.0, "Minutes between two checkpoints inside an epoch."),
        ("bar", bool, True, "Show a progress bar."),
    ]
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, typer.Option(help=text)]
        )
        for name, kind, default, text in table
    ]


@zoo.command("collect")
def zoo_collect(
    runs: Annotated[Path, typer.Option(help="Folder of the measured runs of further seeds.")] = Path("runs"),
    where: Annotated[Path | None, typer.Option(help="Folder of the networks; by default the project's.")] = None,
) -> None:
    """Write the metrics of further seeds into the cards of the networks that they belong to."""
    from mixviz.networks import zoo as networks

    for name, seeds in networks.collect(runs, where, typer.echo).items():
        typer.echo(f"{name}: seeds {', '.join(map(str, seeds))} beside its own")


@zoo.command("table")
def zoo_table(
    texts: Annotated[
        list[Path],
        typer.Argument(help="Markdown files with <!-- zoo -->, <!-- answers -->, <!-- question error --> or the like."),
    ],
) -> None:
    """Write what was measured, what it answers, and published numbers from the cards into Markdown files."""
    from mixviz.evaluation import zoo_tables
    from mixviz.explain import serialize

    tables = zoo_tables.all_tables()
    for path in texts:
        text = path.read_text(encoding="utf-8")
        places = [name for name in tables if f"<!-- {name} -->" in text]
        if not places:
            raise ValueError(f"{path} has no place for a table, such as <!-- zoo --> and <!-- /zoo -->.")
        for name in places:
            text = serialize.replace_section(text, name, tables[name])
        path.write_text(text, encoding="utf-8")

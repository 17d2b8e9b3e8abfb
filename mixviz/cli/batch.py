"""``mixviz batch``: mix a folder of pictures as one training batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from mixviz.cli.networks import OPEN
from mixviz.cli.options import Pictures
from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.core.registry import lookup
from mixviz.data.batch_loading import MOST
from mixviz.methods import METHODS


def register(app: typer.Typer, own_options: Callable[..., dict[str, Any]]) -> None:
    """Add the command; ``own_options`` parses a method's own parameters from the remaining arguments."""

    @app.command("batch", context_settings=OPEN)
    def command(
        context: typer.Context,
        where: Pictures,
        method: Annotated[str, typer.Option(help="A name from `mixviz methods`.")] = "cutmix",
        seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
        lam: Annotated[float | None, typer.Option(help="Hold λ instead of drawing it.", min=0, max=1)] = None,
        side: Annotated[int, typer.Option(help="All pictures become squares of this side.", min=16, max=4096)] = 512,
        most: Annotated[int, typer.Option(help="Of more pictures, so many are taken evenly.", min=2)] = MOST,
        out: Annotated[Path, typer.Option(help="Folder for the pictures, the labels and the recipe.")] = Path("batch"),
        objects: Annotated[
            Path | None,
            typer.Option(help="Objects of the pictures: a COCO file, or a folder of YOLO's, VOC's or PNG masks."),
        ] = None,
        min_visible: Annotated[
            float, typer.Option(help="Leave out objects of which a smaller share is seen.", min=0, max=1)
        ] = 0.0,
        skip: Annotated[bool, typer.Option(help="Leave out wrong annotations, and name them.")] = False,
    ) -> None:
        """Mix pictures as one batch of a training: every image with its partner, and its soft label.

        Sub-folders are classes; a picture in none is a class of its own. The method's own parameters are options too
        (see `mixviz methods NAME`):

            mixviz batch photos.zip --method saliencymix --tie random --out folder

        With --objects, objects.json is a COCO file of the mixtures: the boxes and masks of all that can still be seen.
        """
        cls = lookup(METHODS, method)
        command_options = ("seed", "lam", "side", "most", "out", "objects", "min_visible", "skip", "method")
        made = cls(**own_options(cls, context.args, command_options))
        options = {"seed": seed, "lam": lam, "side": side, "min_visible": min_visible}
        _run(where, made, out, most, objects, skip, **options)


def _run(where: Path, method: Method, out: Path, most: int, objects: Path | None, skip: bool, **options: Any) -> None:
    from tqdm import tqdm

    from mixviz.data.annotations import files
    from mixviz.data.batch_loading import found_in
    from mixviz.render.batch_export import record

    if out.resolve() == where.resolve():
        raise ValueError(f"{out} holds the pictures: name another folder with --out.")
    method.plan(
        Batch(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1])), np.random.default_rng(0)
    )  # a missing requirement is reported before pictures are read
    tell = partial(typer.echo, err=True)
    if objects is not None:
        found = files.read(objects, where if where.is_dir() else None, skip=skip)
        if found.skipped:
            tell(found.report())
        options["annotations"] = found
    with found_in(where, most, tell=tell) as sources, closing(record(sources, method, out, **options)) as steps:
        bar = tqdm(steps, total=2 * len(sources), unit="step")
        reasons = [step.reason for step in bar if step.reason]
    for reason in reasons:
        tell(f"Left out: {reason}")
    typer.echo(
        f"{method.card.title}: {len(sources) - len(reasons)} images with their partners in {out}/mixed, soft labels in "
        f"{out}/labels.csv, all that was decided in {out}/recipe.json."
        + (f" Objects that can be seen in {out}/objects.json." if objects is not None else "")
    )

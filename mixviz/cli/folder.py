"""``mixviz survey``: run many networks on many pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixviz.cli.options import Classes, Kind, Layer, Networks, Pictures, Threshold

if TYPE_CHECKING:
    from mixviz.evaluation.folder_eval import Row, Seen


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("survey")(command)


def command(
    where: Pictures,
    networks: Networks = "all",
    classes: Classes = None,
    kind: Kind = "grad_cam",
    layer: Layer = "",
    threshold: Threshold = 0.2,
    boxes: Annotated[
        Path | None,
        typer.Option(help="True boxes: a CSV of file,top,left,bottom,right. Default: boxes.csv beside the pictures."),
    ] = None,
    faithful: Annotated[
        bool, typer.Option("--faithful", help="Deletion, insertion, drop, increase and ROAD too; far slower.")
    ] = False,
    pictures: Annotated[bool, typer.Option("--pictures", help="Draw the heat maps of every picture too.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the tables and pictures.")] = Path("survey"),
) -> None:
    """Ask networks about many pictures: predictions, boxes and IoU as CSV, and heat maps as pictures.

    Ctrl-C ends it early; what is done until then is kept.

    mixviz survey photos.zip --networks cutmix,mixup --class tabby --pictures --out survey
    """
    from mixviz.cam import inference
    from mixviz.data.decoding import left_out
    from mixviz.data.files.gathering import gather
    from mixviz.evaluation.folder_eval import FolderEvaluation
    from mixviz.evaluation.folder_export import record
    from mixviz.evaluation.folder_summary import SummaryAccumulator

    if out.resolve() == where.resolve():
        raise ValueError(f"{out} holds the pictures: name another folder with --out.")
    known = inference.open_networks(networks, classes=classes or ())
    survey = FolderEvaluation(known, classes or (), kind, layer or None, threshold, faithful)
    summary, done, unreadable = SummaryAccumulator(survey), 0, []
    with gather(where, boxes) as gathered, closing(record(survey, gathered, out, pictures=pictures)) as results:
        try:
            for seen in _bar(results, len(gathered.pictures)):
                summary.add(seen.rows)
                done += 1
                unreadable += [] if seen.looks else [seen.rows[0]["note"]]
        except KeyboardInterrupt:
            typer.echo(f"Stopped after {done} of {len(gathered.pictures)} pictures.", err=True)
            if not done:
                raise typer.Exit(130) from None
        _print_rows(summary.rows())
    for note in unreadable[:5]:
        typer.echo(f"Left out: {note}", err=True)
    if len(unreadable) > 5:
        typer.echo(f"{len(unreadable)} pictures could not be read: survey.csv says why.", err=True)
    if gathered.others:
        typer.echo(left_out(gathered.others), err=True)
    typer.echo(f"survey.csv and summary.csv{', and pictures/,' if pictures else ''} are in {out}/.")
    if done < len(gathered.pictures):
        raise typer.Exit(130)  # the shells' exit status after Ctrl-C


def _bar(results: Iterator[Seen], total: int) -> Iterator[Seen]:
    from tqdm import tqdm

    return iter(tqdm(results, total=total, unit="picture"))


def _print_rows(rows: Sequence[Row]) -> None:
    for row in rows:
        line = f"{row['network']:22} {row['class']:20} {row['pictures']} pictures"
        hits = row["hits"]
        if row["with_truth"] and isinstance(hits, float):
            line += f", IoU {row['mean_iou']:.3f}, at least 0.5 in {100 * hits:.1f} % of {row['with_truth']}"
        typer.echo(line)

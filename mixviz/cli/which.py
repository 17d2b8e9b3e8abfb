"""``mixviz which``: compare methods on a set of pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

# Column -> (heading, number format).
COLUMNS = {
    "gap": ("label error", "{:.3f}"),
    "off": ("labels off", "{:.0%}"),
    "gone": ("named, gone", "{:.3f}"),
    "hidden": ("hidden", "{:.0%}"),
    "worst": ("1 in 20", "{:.0%}"),
    "diversity": ("diversity", "{:.2f}"),
    "rate": ("images/s", "{:,.0f}"),
    "published": ("published", "{:+.2f}"),
    "zoo": ("zoo", "{:+.1f}"),
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("which")(command)


def command(
    methods: Annotated[
        list[str] | None, typer.Argument(help="Names from `mixviz methods`, as in cutmix:alpha=0.5. Default: all.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="A folder of at least two pictures, the first 64 of which are taken.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, with the lines to copy.")] = False,
) -> None:
    """Hold methods side by side over a set of pictures: label truth, what is hidden, diversity, speed, accuracy.

    Without --images the bundled photographs are mixed, whose objects are known; of other pictures, saliency stands in.

    mixviz which cutmix resizemix saliencymix --images photos
    """
    from mixviz.core.registry import construct
    from mixviz.methods import METHODS
    from mixviz.selection import candidates, scores

    chosen_methods = [construct(METHODS, text) for text in methods or METHODS]
    chosen = scores.gather(scores.in_folder(images, partial(typer.echo, err=True)) if images else ())
    rows = [candidates.candidate(method, chosen) for method in chosen_methods]
    if as_json:
        typer.echo(json.dumps(candidates.as_json(rows, chosen), indent=1, ensure_ascii=False))
        return
    for line in table(rows):
        typer.echo(line)
    setting = next(iter(candidates.settings()), None)
    typer.echo(
        f"\n{len(chosen)} pictures, {chosen.masked} with the mask of their object; {scores.DRAWS} batches a method.\n"
        "± is a standard error of the draws, not of other pictures.\n"
        "label error: label mass on the wrong picture; off: labels with more than "
        f"{scores.OFF} of it; named, gone: label mass of objects that cannot be seen; hidden: share of the object "
        "that is hidden, 1 in 20: at least so much in one mixture of twenty; diversity: distance of two mixtures of a "
        "picture over that of two pictures."
        + (f"\npublished: points of error against the baseline, {setting['key']} epochs." if setting else "")
        + "\nzoo: the same in the zoo's small networks, of one seed each. None of it is the accuracy on your data."
    )


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Format the rows as lines of text, in columns."""
    from mixviz.selection.candidates import by_columns

    cells = [["method", *(head for head, _ in COLUMNS.values()), "needs"]]
    for row in rows:
        numbers = by_columns(row)
        formatted = [_formatted(*numbers[name], form) for name, (_, form) in COLUMNS.items()]
        cells.append([row["name"], *formatted, row["needs"] or "nothing"])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{cell:>{w}}" if 0 < i < len(widths) - 1 else f"{cell:<{w}}" for i, (cell, w) in
                       enumerate(zip(line, widths, strict=True))).rstrip() for line in cells]  # fmt: skip
    return lines + [f"{row['name']} was not measured: {row['error']}" for row in rows if row["error"]]


def _formatted(value: float | None, error: float | None, form: str) -> str:
    if value is None:
        return "–"
    error_text = form.format(error or 0).lstrip("+")
    return form.format(value) + (f" ± {error_text}" if error_text.strip("0.%") else "")

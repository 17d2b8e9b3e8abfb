"""``mixviz judge``: recipes of training, compared fairly."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from mixviz.cli.options import EngineName, Processes, run_flags
from mixviz.search.settings import DEFAULTS, FIXED

Contestants = Annotated[
    list[str],
    typer.Argument(
        metavar="CONTESTANT",
        help="none (which all are compared with), a method with its parameters (cutmix:alpha=0.5), or a JSON file: a "
        "policy of `mixviz search`, fields of a run, a recipe of `mixviz mix`, a card or folder of `mixviz train`.",
    ),
]
Seeds = Annotated[int, typer.Option(help="Trainings of each contestant; 3 or more for an interval.", min=1, max=10_000)]
Out = Annotated[Path, typer.Option(help="Folder of the trainings, verdict.json and report.md.")]
Workers = Annotated[int, typer.Option(help="Processes that read pictures, where these do not fit into memory.")]
Bar = Annotated[bool, typer.Option(help="Show a progress bar, of one process alone.")]
FLAGS: list[tuple[str, Any, Any]] = [
    ("seeds", Seeds, 5), ("out", Out, Path("judged")), ("workers", Workers, 0), ("bar", Bar, True),
    ("processes", Processes, 1), ("engine", EngineName, "local"),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""

    def judge(contestants: list[str], **flags: Any) -> None:
        from mixviz.core.registry import construct
        from mixviz.networks.run import Run
        from mixviz.search import engines, jobs
        from mixviz.search.contestants import parse

        own = {name: flags.pop(name) for name, _, _ in FLAGS}
        run, chosen = Run(method="baseline", **flags), parse(contestants)
        engine = construct(engines.ENGINES, own["engine"])
        engine.check()
        try:
            verdict = jobs.judge(
                chosen, run, own["seeds"], own["out"], engine, own["processes"], tell=typer.echo, bar=own["bar"],
                workers=own["workers"],
            )  # fmt: skip
        except KeyboardInterrupt:
            typer.echo(f"Stopped. The same line goes on with what is in {own['out']}/.", err=True)
            raise typer.Exit(130) from None
        for line in (verdict.sentence, *verdict.remarks):
            typer.echo(line)
        typer.echo(f"All numbers are in {own['out']}/report.md.")

    judge.__doc__ = """Compare recipes of training: train each anew with paired seeds, and say whether one beat none.

    Pictures are divided as `mixviz train` divides them, and validated on those that no search has seen. The defaults
    suit two CPU cores: a quarter of ResNet-18's channels at 64 px for 15 epochs, 5 seeds. A judge that was stopped goes
    on with the same line; more seeds or contestants may be added, and several processes may work on one, here
    (--processes) or elsewhere (--engine):

        mixviz judge cutmix:alpha=0.5 policy.json --root mine --seeds 5 --out judged
    """
    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([
        inspect.Parameter("contestants", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Contestants),
        *(inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind, default in FLAGS),
        *run_flags(DEFAULTS, FIXED),
    ])  # fmt: skip
    setattr(judge, "__signature__", signature)  # noqa: B010  functions have it, and their type does not say so
    judge.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    app.command("judge")(judge)

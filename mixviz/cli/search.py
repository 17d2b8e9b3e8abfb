"""``mixviz search``: a policy of augmentation for one's own pictures."""

from __future__ import annotations

import inspect
import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from mixviz.cli.options import EngineName, Processes, run_flags
from mixviz.search.settings import DEFAULTS, FIXED, judge_line

RANDOM = 2**20  # stands for the number of a trial that no search has, in the seed of the judge's random policy
SEEDS = 5  # of the judge that is proposed
DEFAULT = "cutmix"  # the recipe that `mixviz train` has by default: crop and flip, then CutMix

STRATEGIES = sorted(
    path.name.removesuffix(".py")  # their modules import Optuna, which a list of names does not need
    for path in files("mixviz.search").joinpath("strategies").iterdir()
    if path.name.endswith(".py") and not path.name.startswith("_")
)

Strategy = Annotated[
    str, typer.Option(help=f"{', '.join(STRATEGIES)}; with parameters after a colon: density:folds=5.")
]
Spent = Annotated[str, typer.Option(help="What the search may take: 30m, 2h or '40 trials'.")]
Only = Annotated[str, typer.Option(help="Search over these methods alone, with commas between.")]
Without = Annotated[str, typer.Option(help="Leave these methods out.")]
File = Annotated[
    Path | None,
    typer.Option(help='A JSON file that narrows the ranges: {"methods": {"rotation": {"degrees": [0, 30]}}}.'),
]
Seeds = Annotated[
    int,
    typer.Option(
        help="Judge the policy with so many seeds, beside none, the default recipe (cutmix) and a random policy; 0: do "
        "not. Takes four trainings a seed, beside the budget.",
        min=0, max=10_000,
    ),
]  # fmt: skip
Seed = Annotated[int, typer.Option(help="Seed of the search, its trials and the division of the pictures.", min=0)]
Out = Annotated[Path, typer.Option(help="Folder of the trials, policy.json and report.md.")]
Resume = Annotated[bool, typer.Option(help="Go on with the search in the folder, or help with it.")]
FLAGS: list[tuple[str, Any, Any]] = [
    ("strategy", Strategy, "bayes"), ("budget", Spent, "30m"), ("only", Only, ""), ("without", Without, ""),
    ("space", File, None), ("judge", Seeds, 0), ("seed", Seed, 0), ("out", Out, Path("searched")),
    ("resume", Resume, False), ("processes", Processes, 1), ("engine", EngineName, "local"),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""

    def search(**flags: Any) -> None:
        own = {name: flags.pop(name) for name, _, _ in FLAGS}
        try:
            _search(own, {**flags, "seed": own["seed"]})
        except KeyboardInterrupt:
            typer.echo(f"Stopped. The same line with --resume goes on with what is in {own['out']}/.", err=True)
            raise typer.Exit(130) from None

    search.__doc__ = """Search for a policy: methods of the catalogue in a row, with parameters and probabilities.

    Trials train on four fifths of the training pictures and are validated on the last fifth. No policy at all is always
    tried, first. The defaults suit two CPU cores: a quarter of ResNet-18's channels at 64 px for 15 epochs. A search
    that was stopped goes on with the same line and --resume, and several processes may work on one:

        mixviz search --root mine --strategy bayes --budget 30m --judge 5 --out searched
        mixviz train --root mine --method searched --path searched/policy.json
    """
    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([
        *(inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind, default in FLAGS),
        *run_flags(DEFAULTS, FIXED),
    ])  # fmt: skip
    setattr(search, "__signature__", signature)  # noqa: B010  functions have it, and their type does not say so
    search.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    app.command("search")(search)


def _search(own: dict[str, Any], fields: dict[str, Any]) -> None:
    from mixviz.core.registry import construct
    from mixviz.networks.run import Run
    from mixviz.search import data, engines, jobs, strategies
    from mixviz.search.budget import Budget
    from mixviz.search.space import space
    from mixviz.search.strategy import Task

    strategy, budget = construct(strategies.STRATEGIES, own["strategy"]), Budget.parse(own["budget"])
    engine = construct(engines.ENGINES, own["engine"])
    engine.check()
    over = space(_names(own["only"]), _names(own["without"]), own["space"])
    run = Run(method="baseline", **fields)
    pictures = data.parts(run, typer.echo)
    task = Task(run, over, pictures.search_train, pictures.search_val, own["out"], budget, typer.echo)
    found = jobs.search(task, strategy, own["resume"], engine, own["processes"])
    typer.echo(f"The best value: {found.standing}. It is the best of many, and so looks better than it is.")
    for line in found.policy.in_words():
        typer.echo(f"  {line}")
    typer.echo(f"policy.json and report.md are in {own['out']}/.")
    if own["judge"]:
        _judge(task, own["judge"], (pictures.judge_train, pictures.judge_val), engine, own["processes"])
    else:
        line = judge_line([f"{own['out']}/policy.json", DEFAULT], run, SEEDS, f"{own['out']}/judged")
        typer.echo(f"Whether it helps, only a judge tells: {line}")


def _judge(task: Any, seeds: int, splits: Any, engine: Any, processes: int) -> None:
    """Judge the policy that was found, none, the default recipe and a random policy."""
    from mixviz.networks.files import write
    from mixviz.search import jobs
    from mixviz.search.contestants import parse
    from mixviz.search.strategy import generator

    drawn = task.space.random(generator(task.run.seed, RANDOM))
    write(task.out / "random.json", (json.dumps(drawn.to_json(), indent=2) + "\n").encode())
    contestants = parse([task.out / "policy.json", "none", DEFAULT, task.out / "random.json"])
    verdict = jobs.judge(
        contestants, task.run, seeds, task.out / "judged", engine, processes, splits=splits, tell=typer.echo
    )
    for line in (verdict.sentence, *verdict.remarks):
        typer.echo(line)
    typer.echo(f"All numbers are in {task.out / 'judged'}/report.md.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]

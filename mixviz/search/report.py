"""Write a judge's verdict: ``verdict.json`` for programs, ``report.md`` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixviz.core.policy import Policy
from mixviz.evaluation.paired import Difference
from mixviz.networks import files, model_card
from mixviz.networks.card_text import clock
from mixviz.networks.run import Run
from mixviz.search.outcome import Trial
from mixviz.search.settings import judge_line, train_line
from mixviz.search.verdict import Comparison, Standing, Verdict

FORMAT, VERSION = "mixviz verdict", 1
JSON, TEXT = "verdict.json", "report.md"
KINDS = "over seeds", "over pictures", "visible"
READING = """\
Each contestant was trained anew with the same seeds: the same initial weights, order and crops. The difference to none
has two intervals. That over seeds holds the luck of training, that over pictures the luck of the validation pictures.
A contestant beats none only if both lie above 0. Together, all intervals of a column miss a true difference at most one
time in twenty. *Visible* is the smallest true difference that four of five such comparisons would have seen: a smaller
one may be there.
"""


def write(
    out: Path, verdict: Verdict, trials: Sequence[Trial], run: Run, counts: Mapping[str, int]
) -> None:  # fmt: skip
    """Write both files.

    Args:
        out: the judge's folder.
        verdict: what was found.
        trials: all trainings, seed by seed.
        run: what the contestants share.
        counts: numbers of ``classes`` and of pictures in ``train`` and ``val``.
    """
    first = [trial for trial in trials if trial.run.seed == trials[0].run.seed]
    seeds = len(trials) // len(first)
    line = judge_line([trial.contestant.given for trial in first[1:]], run, seeds, str(out))
    made = model_card.read(trials[0].folder).made
    values: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        **verdict.to_json(),
        "contestants": {
            trial.contestant.name: {**trial.contestant.identity(), "given": trial.contestant.given} for trial in first
        },
        "run": run.portable(),
        "seeds": seeds,
        "pictures": dict(counts),
        "command": line,
        "made": None if made is None else dict(made),
    }
    out.mkdir(parents=True, exist_ok=True)
    files.write(out / JSON, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    files.write(out / TEXT, text(verdict, first, seeds, run, counts, line, made).encode())


def text(
    verdict: Verdict, first: Sequence[Trial], seeds: int, run: Run, counts: Mapping[str, int], line: str,
    made: Mapping[str, Any] | None,
) -> str:  # fmt: skip
    """Return the report as Markdown.

    Args:
        first: the trainings of one seed.
        line: the command line that repeats the judge.
        made: when, with which code and on what the first network was trained.
    """
    side = f"{run.image_size} px" if run.image_size else "the pictures' own side"
    setting = (
        f"{counts['classes']} classes, {counts['train']:,} training and {counts['val']:,} validation pictures; "
        f"{run.network} at {side}, {run.epochs} epochs, {seeds} seed{'s' if seeds > 1 else ''}."
    )
    by = "" if made is None else f" {made['date']}, {made['hardware']}, MixViz {made['mixviz']}, torch {made['torch']}."
    parts = [
        "# Judge", f"**{verdict.sentence}**", *verdict.remarks, setting + by, against_none(verdict), READING,
        *_against_winner(verdict), *_policies(first), "## Repeat it", f"    {line}", "One training alone:",
        "\n".join(f"    {train_line(trial.run, f'runs/{trial.contestant.folder}')}" for trial in first),
    ]  # fmt: skip
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def against_none(verdict: Verdict) -> str:
    """Return the table of all contestants and their differences to ``none``."""
    compared = {one.ours: one for one in verdict.against_none}
    rows = [[*_standing(one), *_difference(compared.get(one.name))] for one in verdict.standings]
    heads = [
        "contestant",
        "top-1 %",
        "each seed",
        "a training",
        "against none",
        "over seeds",
        "over pictures",
        "visible",
    ]
    return _table(heads, rows)


def _against_winner(verdict: Verdict) -> list[str]:
    if not verdict.against_winner:
        return []
    rows = [[one.base, *_difference(one)] for one in verdict.against_winner]
    return [
        f"## {verdict.winner} against each",
        "The winner was chosen by these numbers, so that the intervals are corrected for all pairs.",
        _table(["against", "difference", *KINDS], rows),
    ]


def _policies(first: Sequence[Trial]) -> list[str]:
    lines: list[str] = []
    for trial in first:
        if trial.contestant.policy is not None:
            words = Policy.parse(dict(trial.contestant.policy)).in_words()
            lines += [f"**{trial.contestant.name}** does, in each batch:", "\n".join(f"- {one}" for one in words)]
    return ["## Policies", *lines] if lines else []


def _standing(one: Standing) -> list[str]:
    mean = f"{one.mean:.2f}" + ("" if one.spread is None else f" ± {one.spread:.2f}")
    each = ", ".join(f"{value:.2f}" for value in one.accuracies)
    return [one.name, mean, each, clock(sum(one.seconds) / len(one.seconds))]


def _difference(one: Comparison | None) -> list[str]:
    if one is None:
        return ["", "", "", ""]
    visible = "" if one.visible is None else f"{one.visible:.2f}"
    return [f"{one.seeds.mean:+.2f}", _interval(one.seeds), _interval(one.pictures), visible]


def _interval(one: Difference) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:+.2f} to {one.high:+.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

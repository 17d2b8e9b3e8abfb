"""What a search has found: the policy, the trials as plain values, and a report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixviz.core.policy import NONE, Policy
from mixviz.search import trials
from mixviz.search.budget import spoken
from mixviz.search.strategy import Strategy, Task

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SHOWN = 10  # trials in the report


@dataclass(frozen=True)
class Found:
    """The state of a search.

    Attributes:
        policy: what was found; no policy at all, as long as no trial has ended.
        rows: a trial each: ``number`` (from 1), ``state``, ``value``, ``seconds``, ``epochs`` (value by epoch),
            ``parent`` (the trial that it goes on from, in populations), ``words`` and ``stages`` (of its policy).
        best, nothing: the rows of the best trial and of no policy at all; None as long as there is none.
    """

    policy: Policy
    rows: list[dict[str, Any]]
    best: dict[str, Any] | None
    nothing: dict[str, Any] | None
    strategy: Strategy
    task: Task

    def words(self, number: int) -> str:
        """Describe the policy of a trial, by its index in the rows, in a line."""
        return "; ".join(self.rows[number]["words"])

    @property
    def standing(self) -> str:
        """The best value and that of no policy at all, in a line."""
        if self.best is None:
            return "none yet"
        best, nothing = (said(row["value"], self.strategy) if row else "unknown" for row in (self.best, self.nothing))
        return f"{best} in trial {self.best['number']}, no policy {nothing}"


def found(task: Task, strategy: Strategy, known: Sequence[FrozenTrial]) -> Found:
    """Gather what a search has found so far."""
    rows = [_row(trial, task) for trial in known]
    best, nothing = strategy.best(known), strategy.nothing(known)
    policy = NONE if best is None else strategy.result(known, task)
    best_row, nothing_row = (None if one is None else rows[one.number] for one in (best, nothing))
    source = _source(task, strategy, rows, best_row, nothing_row)
    return Found(dataclasses.replace(policy, source=source), rows, best_row, nothing_row, strategy, task)


def said(value: float | None, strategy: Strategy) -> str:
    """Say the value of a trial."""
    return "no value" if value is None else f"{value:.4g}{strategy.unit}"


def files(state: Found) -> dict[str, str]:
    """Return the texts of the result's files by name."""
    about = {name: getattr(state.strategy, name) for name in ("score", "unit", "minimize")}
    return {
        "policy.json": json.dumps(state.policy.to_json(), indent=2) + "\n",
        "trials.json": json.dumps({"strategy": state.strategy.card.name, **about, "trials": state.rows}) + "\n",
        "report.md": report(state),
    }


def report(state: Found) -> str:
    """Write the report of a search in Markdown."""
    strategy, task = state.strategy, state.task
    ended = [row for row in state.rows if row["value"] is not None]
    ranked = sorted(ended, key=lambda row: (row["value"] if strategy.minimize else -row["value"], row["number"]))
    lines = [
        f"# {strategy.card.title}: {len(state.rows)} trials",
        "",
        f"{len(task.train)} pictures to train with, {len(task.val)} to validate on, {len(task.train.classes)} classes; "
        f"{task.run.network}, {task.run.epochs} epochs, seed {task.run.seed}; "
        f"{spoken(sum(row['seconds'] for row in state.rows))} of trials. Score: {strategy.score}, "
        f"{'lower' if strategy.minimize else 'higher'} is better.",
        "",
        _sentence(state),
        "",
        "The best value is the best of many, chosen on the pictures that gave it, and so looks better than it is. "
        "Whether the policy helps, only trainings on other pictures tell: `mixviz judge policy.json none …`.",
        "",
        "## What was found",
        "",
        *_schedule(state.policy),
        "",
        "## The best trials",
        "",
        "| trial | value | policy |",
        "| ---: | ---: | --- |",
        *(f"| {row['number']} | {said(row['value'], strategy)} | {'; '.join(row['words'])} |"
          for row in ranked[:SHOWN]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _sentence(state: Found) -> str:
    if state.best is None or state.nothing is None:
        return "No trial of no policy at all has ended yet."
    best, nothing = (said(row["value"], state.strategy) for row in (state.best, state.nothing))
    if not state.best["stages"][0]["policies"][0]["steps"]:
        return f"No policy of {len(state.rows)} trials scored better than no policy at all ({nothing})."
    return f"The best trial scored {best}, no policy at all {nothing}, on the same pictures."


def _schedule(policy: Policy) -> list[str]:
    if len(policy.stages) == 1:
        return [f"- {line}" for line in policy.in_words()]
    return [
        f"- up to {100 * stage.until:.3g} % of the training: {'; '.join(Policy((stage,), {}).in_words())}"
        for stage in policy.stages
    ]


def _row(trial: FrozenTrial, task: Task) -> dict[str, Any]:
    path = task.folder(trial.number) / trials.POLICY
    policy = Policy.read(path) if path.is_file() else NONE
    source = trial.user_attrs.get("parent")
    return {
        "number": trial.number + 1,
        "state": trial.state.name.lower(),
        "value": trial.value if trial.state.name == "COMPLETE" else None,  # one that was ended early has its last
        "seconds": trial.user_attrs.get(trials.SECONDS, 0.0),
        "epochs": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
        "parent": None if source is None else source + 1,
        "words": policy.in_words(),
        "stages": policy.to_json()["stages"],
    }


def _source(
    task: Task, strategy: Strategy, rows: list[dict[str, Any]], best: dict[str, Any] | None,
    nothing: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """Where the policy comes from, for its file."""
    return {
        "strategy": strategy.card.name,
        "options": {name: getattr(strategy, name) for name in strategy.parameters()},
        "score": strategy.score,
        "trials": len(rows),
        "best": best and best["value"],
        "none": nothing and nothing["value"],
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "space": task.space.to_json(),
        "run": {**task.run.portable(), "method": "searched", "options": {}},
        "pictures": {"train": len(task.train), "val": len(task.val), "classes": len(task.train.classes)},
    }

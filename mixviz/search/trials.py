"""Trials: short trainings with a policy, which report each epoch and go on from their checkpoints."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mixviz.data.dataset import Dataset
from mixviz.networks.model_card import LogLine
from mixviz.networks.run import Run

if TYPE_CHECKING:
    from optuna.trial import Trial

POLICY, CHECKPOINT, LOG = "policy.json", "checkpoint.safetensors", "log.jsonl"
SECONDS = "seconds"  # the attribute of a trial: time spent on it


def run_of(run: Run, folder: Path) -> Run:
    """Return a run with the policy in a folder as its method."""
    return dataclasses.replace(run, method="searched", options={"path": str((folder / POLICY).resolve())})


def train(
    trial: Trial, folder: Path, run: Run, splits: list[Dataset], measured: Callable[[float], None],
    until: int | None = None,
) -> float:  # fmt: skip
    """Train with the policy in a folder, from the folder's checkpoint if there is one.

    The value is the accuracy and not the cross-entropy: networks that are trained with mixed labels are less confident,
    so that their cross-entropy differs from others' at the same accuracy. It is the last epoch's and not the best
    one's, which would be a maximum over noise. All trials start from the same weights and see the pictures in the
    same order.

    Args:
        measured: gets the seconds that a training takes, by the second epoch: what comes before it warms up.
        until: the epoch after which to stop; None: the last one.

    Returns:
        Top-1 accuracy on the validation pictures after the last epoch, in %.

    Raises:
        optuna.TrialPruned: the trial is ended early.
        ValueError: the training is not possible, or its loss is not finite.
    """
    from optuna import TrialPruned

    from mixviz.training.trainer import Training

    until, clock = until or run.epochs, Clock(trial)
    pruned, first, looked = False, 0.0, min(2, until)

    def after(line: LogLine) -> bool:
        nonlocal pruned, first
        trial.report(line["top1"], line["epoch"])
        clock.note()
        if line["epoch"] == 1:
            first = clock.seconds
        if line["epoch"] == looked:
            measured((clock.seconds - first if looked > 1 else first) * run.epochs)
        pruned = trial.number > 0 and line["epoch"] < run.epochs and trial.should_prune()
        return not pruned and (line["epoch"] < until or until == run.epochs)

    training = Training(
        run_of(run, folder), folder, resume=True, bar=False, tell=lambda line: None, splits=splits, after_epoch=after
    )
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    for line in training.progress.history[len(known) :]:  # killed between the checkpoint and its report
        trial.report(line["top1"], line["epoch"])
    first = clock.seconds  # where the first epoch was trained before
    if training.progress.epoch < until:
        training.go()
    clock.note()
    if pruned:
        clean(folder)
        raise TrialPruned
    return training.progress.history[until - 1]["top1"]


class Clock:
    """Time spent on a trial, over all processes that worked on it."""

    def __init__(self, trial: Trial) -> None:
        self._trial, self._start = trial, time.monotonic()
        self._before: float = trial.user_attrs.get(SECONDS, 0.0)

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._start

    def note(self) -> None:
        """Store the seconds with the trial."""
        self._trial.set_user_attr(SECONDS, round(self.seconds, 2))


def clean(folder: Path) -> None:
    """Delete all but the policy and the log of a trial."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in (POLICY, LOG):
            path.unlink()

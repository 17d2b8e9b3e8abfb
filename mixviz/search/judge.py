"""Judge recipes of training: train each anew with paired seeds, and compare their hits on unseen pictures.

The same seed means the same initial weights, the same order and the same crops for all contestants, so that what is
common to two trainings falls out of their difference.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from mixviz.core import checks
from mixviz.networks import files
from mixviz.networks.card_text import clock
from mixviz.networks.model_card import LogLine
from mixviz.networks.run import Run
from mixviz.search import data, report, verdict
from mixviz.search.contestants import Contestant
from mixviz.search.outcome import Outcome, Splits, Trial
from mixviz.search.shared import Shared
from mixviz.search.verdict import Verdict

if TYPE_CHECKING:
    from tqdm import tqdm

POLICY = "policy.json"  # the policy that a contestant was trained with
Tell = Callable[[str], None]


def judge(
    contestants: Sequence[Contestant],
    run: Run,
    seeds: int,
    out: str | Path,
    *,
    splits: Splits | None = None,
    tell: Tell = print,
    bar: bool = False,
    workers: int = 0,
) -> Verdict:
    """Train every contestant with every seed, and compare.

    Each training has its folder below ``out``. What is finished there is not trained again, and a training that was
    stopped goes on after its last epoch, so that the same call takes up a judge that was stopped; more seeds or
    contestants may be added. Several processes that make the same call share the trainings: each takes one that nobody
    has, one whose process has died included, and all end with the same verdict. ``verdict.json`` and ``report.md`` are
    written at the end.

    Args:
        contestants: see :func:`mixviz.search.contestants.parse`; the first is ``none``.
        run: pictures, network, epochs and all else that contestants do not set themselves; its seed is not used.
        seeds: trainings of each contestant, with the seeds 0, 1, …; 3 or more for an interval.
        out: the folder.
        splits: what to train on and to validate on; None: what the run says.
        tell: gets a line after each training, with the time left.
        bar: show a progress bar.
        workers: processes that read pictures, if these do not fit into memory.

    Raises:
        ValueError: a contestant cannot be trained so, the folder holds another judge, or a loss is not finite; says
            what to do. All but the last are raised before the first training.
    """
    checks.number("seeds", seeds, 1, 10_000, whole=True)
    if run.learned_objective().embeds:
        raise ValueError("The judge compares the accuracy of class scores: take --objective cross_entropy.")
    out, pictures = Path(out), _Pictures(run, splits, tell)
    out.mkdir(parents=True, exist_ok=True)
    writing = FileLock(out / "writing.lock")
    with writing:
        trials = _trials(contestants, run, seeds, out, pictures.fingerprint)
    shared = Shared(trials, out / "locks")
    if shared.found:
        tell(f"{len(shared.found)} of {len(trials)} trainings are finished already, in {out}.")
    for trial in shared.one_of_each():  # errors come before time is spent
        trial.start(pictures.of(trial.run))
    with _progress_bar(bar, len(trials) * run.epochs) as shown:
        while (taken := shared.next(tell)) is not None:
            with taken as trial:
                _show(shown, trial, len(shared.found) * run.epochs)
                shared.found[trial.folder] = trial.train(pictures.of(trial.run), _counts(shown), workers)
            shown.clear()
            shared.refresh()
            tell(_line(trial, shared))
    result = _verdict(contestants, shared)
    with writing:
        report.write(out, result, trials, run, pictures.counts)
    return result


def _verdict(contestants: Sequence[Contestant], shared: Shared) -> Verdict:
    """Compare the finished trainings."""
    by_name = {
        one.name: [shared.found[trial.folder] for trial in shared.trials if trial.contestant is one]
        for one in contestants
    }
    return verdict.compare(
        {name: np.stack([one.hits for one in each]) for name, each in by_name.items()},
        {name: [one.seconds for one in each] for name, each in by_name.items()},
    )


def seconds_left(trials: Sequence[Trial], found: Mapping[Path, Outcome]) -> float | None:
    """Estimate the seconds of the trainings to come, one after the other: each as long as its contestant's others, else
    as all; None before any has ended."""
    known: dict[str, list[float]] = {}
    for trial in trials:
        if trial.folder in found:
            known.setdefault(trial.contestant.name, []).append(found[trial.folder].seconds)
    if not known:
        return None
    every = [value for values in known.values() for value in values]
    waiting = [trial.contestant.name for trial in trials if trial.folder not in found]
    return sum(statistics.fmean(known.get(name, every)) for name in waiting)


class _Pictures:
    """The pictures of the trainings, decoded once for each way to cut crops from them."""

    def __init__(self, run: Run, splits: Splits | None, tell: Tell) -> None:
        self.tell = tell
        self.by_augment: dict[str, Splits] = {} if splits is None else {run.augment: splits}
        train, val = first = self.of(run)
        self.counts = {"classes": len(train.classes), "train": len(train), "val": len(val)}
        self.fingerprint = _fingerprint(first)

    def of(self, run: Run) -> Splits:
        """Return training and validation pictures for a run."""
        if run.augment not in self.by_augment:
            self.by_augment[run.augment] = data.of_judge(run, self.tell)
        return self.by_augment[run.augment]


def _fingerprint(splits: Splits) -> str:
    """Hash the labels and the pictures: names of files, or pixels."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(split.labels.numpy().tobytes())
        for picture in split.pictures:
            digest.update(picture.name.encode() if isinstance(picture, Path) else np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def _trials(contestants: Sequence[Contestant], run: Run, seeds: int, out: Path, fingerprint: str) -> list[Trial]:
    """Return all trainings, seed by seed, after writing the policies that they read."""
    trials: list[Trial] = []
    for seed in range(seeds):
        for one in contestants:
            folder = out / one.folder
            policy = "" if one.policy is None else str(_stored(folder / POLICY, one.policy).resolve())
            try:
                own = one.run(run, seed, policy)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{one.name}: {error}") from None
            trials.append(Trial(one, own, folder / f"seed{seed}", fingerprint))
    return trials


def _stored(path: Path, policy: Mapping[str, Any]) -> Path:
    """Write a policy beside its trainings, so that later changes of the user's file change none of them."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, (json.dumps(policy, indent=1, ensure_ascii=False) + "\n").encode())
    elif json.loads(path.read_text(encoding="utf-8")) != policy:
        raise ValueError(f"{path} is another policy: give another --out, or another name to the contestant's file.")
    return path


def _line(trial: Trial, shared: Shared) -> str:
    """What a training that has just ended brought, and the time left, shared by as many processes as have one."""
    left, name = seconds_left(shared.trials, shared.found), f"{trial.contestant.name}, seed {trial.run.seed}"
    time_left = f"; {clock(left / (1 + shared.others))} left" if left else ""
    accuracy = shared.found[trial.folder].accuracy
    return f"{len(shared.found)}/{len(shared.trials)} {name}: top-1 {accuracy:.2f} %{time_left}"


def _progress_bar(shown: bool, epochs: int) -> tqdm:
    """Open a progress bar for the epochs of all trainings; a hidden one if not ``shown``."""
    from tqdm import tqdm

    return tqdm(total=epochs, unit="epoch", disable=None if shown else True, leave=False)


def _show(bar: tqdm, trial: Trial, done: int) -> None:
    """Show the training that starts; what finished trainings took is no part of the bar's speed."""
    if not bar.n:
        bar.initial = done
    bar.n = done
    bar.set_description(f"{trial.contestant.name}, seed {trial.run.seed}")


def _counts(bar: tqdm) -> Callable[[LogLine], bool]:
    def after_epoch(line: LogLine) -> bool:
        bar.update()
        return True

    return after_epoch

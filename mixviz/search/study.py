"""A search in its folder: trials of a strategy until the budget is spent, by one process or several, resumable."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, Trial, TrialState

from mixviz.networks import files
from mixviz.search import journal, locks, results, trials
from mixviz.search.budget import spoken
from mixviz.search.strategy import Strategy, Task

SETTINGS, JOURNAL, TRIALS = "search.json", "study.journal", "trials.json"
PREPARED = "prepared"  # the attribute of a study: seconds before the first trial


def search(task: Task, strategy: Strategy, resume: bool = False) -> results.Found:
    """Search until the budget is spent, and write ``policy.json``, ``report.md`` and ``trials.json``.

    They are written after each trial, so that a search may be ended at any time. Several processes may work on one
    folder, all but the first with ``resume``.

    Raises:
        ValueError: the search is not possible, the folder holds another one, or one that is not to be resumed.
    """
    return Search(task, strategy, resume).go()


class Search:
    """A search in its folder, see :func:`search`."""

    def __init__(self, task: Task, strategy: Strategy, resume: bool = False) -> None:
        self.task, self.strategy, self.seed = task, strategy, task.run.seed
        strategy.check(task)
        task.out.mkdir(parents=True, exist_ok=True)
        self._asking = FileLock(task.out / "asking.lock")
        with self._asking:
            self._settle(resume)
            self.study = journal.study(task.out / JOURNAL, strategy.minimize)
            self.study.pruner = strategy.pruner(task.run.epochs)

    def _settle(self, resume: bool) -> None:
        """Write the settings, or compare them with those of the folder."""
        path, settings = self.task.out / SETTINGS, settings_of(self.task, self.strategy)
        if not path.exists():
            files.write(path, (json.dumps(settings, indent=2) + "\n").encode())
            return
        if not resume:
            raise ValueError(f"{self.task.out} holds a search already: go on with --resume, or give another --out.")
        with suppress(json.JSONDecodeError):
            saved = json.loads(path.read_text(encoding="utf-8"))
            if saved == settings:
                return
            differing = [key for key in settings if saved.get(key) != settings[key]]
            if "run" in differing:
                differing += [key for key in settings["run"] if saved["run"].get(key) != settings["run"][key]]
            raise ValueError(
                f"{self.task.out} holds another search; it differs in {', '.join(differing)}. Give another --out."
            )
        raise ValueError(f"{path} is damaged: give another --out.")

    def go(self) -> results.Found:
        """Run trials until the budget is spent; return what was found."""
        self.strategy.prepare(self.task, self._prepared)
        while (trial := self._next()) is not None:
            with trial as one:
                self._run(one)
                found = self._write()
            self._tell(one, found)
        return self._write()

    def _prepared(self, seconds: float) -> None:
        self.study.set_user_attr(PREPARED, self.study.user_attrs.get(PREPARED, 0.0) + seconds)

    def _next(self) -> Any:
        """Take up a trial that its process has left, or the next one; None if the budget is spent and all are finished.

        Returns:
            A context that holds the trial's lock. The lock ends with its process, so that a trial that is running and
            has no lock has been left.
        """
        waits = False
        while True:
            with self._asking:
                known = self.study.get_trials(deepcopy=False)
                for trial in known:
                    if trial.state == TrialState.RUNNING and (lock := self._lock(trial.number)):
                        self.study.sampler = self.strategy.sampler(self.seed, trial.number)
                        return locks.held(lock, Trial(self.study, trial._trial_id))  # it goes on as the same trial
                spent = not self._fits(known)
                if spent and not _running(known):
                    return None
                if not spent and self.strategy.ready(known):
                    self.study.sampler = self.strategy.sampler(self.seed, len(known))
                    lock = self._lock(len(known))
                    assert lock is not None, "another process has the lock of a trial that nobody known for"
                    return locks.held(lock, self.study.ask())
            if spent and not waits:
                waits = True
                self.task.tell("The last trials are with other processes: waiting for them.")
            time.sleep(locks.WAIT)

    def _lock(self, number: int) -> FileLock | None:
        """Take the lock of a trial; None if a process has it."""
        return locks.take(self.task.out / "locks" / f"{number + 1:04d}")

    def _fits(self, known: Sequence[FrozenTrial]) -> bool:
        """Whether another trial is to be started."""
        left = self.left(known)
        return left >= 1 if isinstance(left, int) else left >= 0.5 * typical(known)

    def left(self, known: Sequence[FrozenTrial]) -> int | float:
        """Return the trials that are left, or the seconds."""
        budget, most = self.task.budget, self.strategy.most(self.task)
        if self.strategy.at_once or budget.seconds is None:
            limits = [most, None if self.strategy.at_once else budget.trials]
            return min(limit for limit in limits if limit is not None) - len(known)
        if most is not None and len(known) >= most:
            return 0
        return budget.seconds - self.study.user_attrs.get(PREPARED, 0.0) - sum(map(seconds, known))

    def _run(self, trial: Trial) -> None:
        """Propose a policy, evaluate it, and tell the study."""
        task, folder = self.task, self.task.folder(trial.number)
        try:
            policy = self.strategy.propose(trial, task)
            folder.mkdir(parents=True, exist_ok=True)
            files.write(folder / trials.POLICY, _text(policy.to_json()))
            value = self.strategy.evaluate(trial, folder, task)
        except optuna.TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except (ValueError, TypeError) as error:
            if trial.number == 0:  # no policy at all: nothing else will work
                raise
            trial.set_user_attr("error", str(error))
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, value)

    def _write(self) -> results.Found:
        """Write the results so far."""
        with self._asking:
            known = self.study.get_trials(deepcopy=False)
            found = results.found(self.task, self.strategy, known)
            for name, text in results.files(found).items():
                files.write(self.task.out / name, text.encode())
        return found

    def _tell(self, trial: Trial, found: results.Found) -> None:
        known = self.study.get_trials(deepcopy=False)
        one, left, usual = known[trial.number], self.left(known), typical(known)
        ahead = left * usual if isinstance(left, int) else max(left, 0.0)
        total = len(known) + (left if isinstance(left, int) else int(ahead / max(usual, 1e-6)))
        if trial.number == 0:
            self.task.tell(f"A trial takes {spoken(usual)}: {total} of them take about {spoken(total * usual)}.")
        ended = {TrialState.PRUNED: "ended early", TrialState.FAIL: f"failed: {one.user_attrs.get('error')}"}
        value = ended.get(one.state) or results.said(one.value, self.strategy)
        self.task.tell(
            f"Trial {trial.number + 1} of about {total}: {value} ({found.words(trial.number)}); best {found.standing}; "
            f"{spoken(ahead / (1 + _running(known)))} left"
        )


def settings_of(task: Task, strategy: Strategy) -> dict[str, Any]:
    """Return the settings that must agree when a search is resumed; the budget may change."""
    options = {name: getattr(strategy, name) for name in strategy.parameters()}
    return json.loads(
        json.dumps(
            {
                "strategy": {"name": strategy.card.name, **options},
                "space": task.space.to_json(),
                "run": task.run.portable(),
                "pictures": [len(task.train), len(task.val)],
            }
        )
    )


def seconds(trial: FrozenTrial) -> float:
    """Return the seconds spent on a trial."""
    return trial.user_attrs.get(trials.SECONDS, 0.0)


def _running(known: Sequence[FrozenTrial]) -> int:
    """Count the trials that have not ended."""
    return sum(trial.state == TrialState.RUNNING for trial in known)


def typical(known: Sequence[FrozenTrial]) -> float:
    """Return the seconds that a trial takes: the median over those that have ended; 0 if none has."""
    ended = [seconds(trial) for trial in known if trial.state.is_finished()]
    return statistics.median(ended) if ended else 0.0


def _text(values: Any) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()

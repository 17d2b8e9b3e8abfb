"""Several processes on one judge, and folders that are moved while a training in them is half done."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cases import small_run as small
from safetensors.torch import load_file

from mixviz.search import judge, locks, report, study
from mixviz.search import trials as training
from mixviz.search.budget import Budget
from mixviz.search.contestants import parse
from mixviz.search.data import parts
from mixviz.search.outcome import FILE
from mixviz.search.shared import WAITING, Shared
from mixviz.search.space import space
from mixviz.search.strategies import STRATEGIES
from mixviz.search.strategy import Strategy, Task
from mixviz.training import trainer

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")

TURN = {"method": "rotation", "probability": 0.5, "options": {"degrees": 20.0}}
POLICY = {
    "format": "mixviz policy", "version": 1,
    "stages": [{"until": 1.0, "policies": [{"odds": 1.0, "steps": [TURN]}]}],
}  # fmt: skip


def turned(folder: Path) -> str:
    (folder / "turned.json").write_text(json.dumps(POLICY))
    return str(folder / "turned.json")


def silent(line: str) -> None:
    pass


def verdict_of(out: Path) -> dict:
    """The verdict as it is written, without the line that repeats it, times and places."""
    values = json.loads((out / report.JSON).read_text())
    for one in values["standings"]:
        del one["seconds"]
    return {key: values[key] for key in ("standings", "against_none", "against_winner", "winner", "sentence")}


def hits(out: Path, names: tuple[str, ...], seeds: int) -> list[list[bool]]:
    return [load_file(out / name / f"seed{seed}" / FILE)["hits"].tolist() for name in names for seed in range(seeds)]


# ---- one training for each process


def test_a_training_is_left_to_the_process_that_has_it(pictures, tmp_path):
    trials = judge._trials(parse(["cutmix"]), small(pictures), 1, tmp_path, "pictures")
    mine, theirs = (Shared(trials, tmp_path / "locks") for _ in range(2))
    with mine.next(silent) as first:
        assert first.contestant.name == "none"
        with theirs.next(silent) as second:
            assert second.contestant.name == "cutmix"
            assert theirs.others == 1
            assert list(mine.one_of_each()) == []  # both have been looked at by those that have them
    with theirs.next(silent) as again:  # it was left
        assert again is first


def test_what_another_finishes_meanwhile_is_not_looked_at(pictures, tmp_path, monkeypatch):
    trials = judge._trials(parse(["cutmix"]), small(pictures), 1, tmp_path, "pictures")
    looked = []
    for trial in Shared(trials, tmp_path / "locks").one_of_each():
        looked.append(trial)
        monkeypatch.setattr(type(trial), "finished", lambda one: judge.Outcome(torch.ones(9).numpy(), 1.0))
    assert looked == trials[:1]


def test_a_process_waits_for_the_last_training_of_another(pictures, tmp_path, monkeypatch):
    trials = judge._trials(parse(["cutmix"]), small(pictures), 1, tmp_path, "pictures")
    mine, said, looks = Shared(trials, tmp_path / "locks"), [], []
    held = [mine._take(trial) for trial in trials]

    def time_passes(seconds):
        looks.append(seconds)
        if len(looks) == 2:  # one is finished, the other's process dies
            outcome = judge.Outcome(torch.ones(9, dtype=torch.bool).numpy(), 1.0)
            monkeypatch.setattr(type(trials[0]), "finished", lambda one: outcome if one is trials[0] else None)
            held[1].release()

    monkeypatch.setattr(time, "sleep", time_passes)
    with mine.next(said.append) as taken:
        assert taken is trials[1]
    assert len(looks) == 2
    assert said == [WAITING]
    assert list(mine.found) == [trials[0].folder]


def test_a_lock_that_is_taken_is_not_given_again(tmp_path):
    lock = locks.take(tmp_path / "folder" / "one")
    assert lock is not None
    assert locks.take(tmp_path / "folder" / "one") is None
    lock.release()
    assert locks.take(tmp_path / "folder" / "one") is not None


# ---- folders that are moved


def interrupt(monkeypatch, after: int) -> list[int]:
    """Raise Ctrl-C after so many epochs, counted over all trainings; return the epochs as they end."""
    save, epochs = trainer.Training._save, []

    def saved(training):
        save(training)
        epochs.append(training.progress.epoch)
        if len(epochs) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer.Training, "_save", saved)
    return epochs


def test_a_judge_whose_folder_is_moved_goes_on(pictures, tmp_path, monkeypatch):
    """It is moved after the first epoch of a policy's training, which names the file of the policy by its path."""
    run, given = small(pictures), parse([turned(tmp_path)])
    whole = judge.judge(given, run, 1, tmp_path / "whole", tell=silent)
    epochs = interrupt(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        judge.judge(given, run, 1, tmp_path / "here", tell=silent)
    (tmp_path / "else").mkdir()
    moved = shutil.move(tmp_path / "here", tmp_path / "else" / "where")
    again = judge.judge(given, run, 1, moved, tell=silent)
    assert epochs == [1, 2, 1, 2]  # nothing twice
    assert [one.accuracies for one in again.standings] == [one.accuracies for one in whole.standings]
    assert verdict_of(moved) == verdict_of(tmp_path / "whole")
    assert hits(moved, ("none", "turned"), 1) == hits(tmp_path / "whole", ("none", "turned"), 1)


def test_a_search_whose_folder_is_moved_goes_on(pictures, tmp_path, monkeypatch):
    run = small(pictures)
    divided = parts(run, silent)

    def found(out: Path, resume: bool = False) -> list[tuple]:
        budget = Budget.parse("4 trials")
        task = Task(run, space(["rotation"]), divided.search_train, divided.search_val, out, budget, silent)
        rows = study.search(task, STRATEGIES["random"](), resume).rows
        return [(row["value"], row["epochs"], row["stages"]) for row in rows]

    whole, epochs = found(tmp_path / "whole"), interrupt(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "here")
    moved = shutil.move(tmp_path / "here", tmp_path / "there")
    assert found(moved, resume=True) == whole
    assert epochs == [1, 2] * 4


def test_a_trial_that_goes_on_counts_an_epoch_once(pictures, tmp_path, monkeypatch):
    """What a training takes is told by its second epoch, also where the first was trained before a stop."""
    run, said = small(pictures), []
    divided = parts(run, silent)
    out, budget = tmp_path / "out", Budget.parse("4 trials")
    task = Task(run, space(["rotation"]), divided.search_train, divided.search_val, out, budget, silent)
    epochs = interrupt(monkeypatch, 1)
    monkeypatch.setattr(training.Clock, "seconds", property(lambda clock: 10.0 * len(epochs)))
    monkeypatch.setattr(Strategy, "_affordable", lambda *_: said.append)
    with pytest.raises(KeyboardInterrupt):
        study.search(task, STRATEGIES["random"]())
    study.search(task, STRATEGIES["random"](), resume=True)
    assert said[0] == 10 * run.epochs


def test_a_training_goes_on_with_the_same_policy_alone(pictures, tmp_path, monkeypatch):
    """What the file holds counts, and not where it is."""
    run = replace(small(pictures), method="searched", options={"path": turned(tmp_path)})
    interrupt(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        trainer.train(run, tmp_path / "out", bar=False, tell=silent)
    other = json.loads(json.dumps(POLICY))
    other["stages"][0]["policies"][0]["steps"] = []
    (tmp_path / "other.json").write_text(json.dumps(other))
    changed = replace(run, options={"path": str(tmp_path / "other.json")})
    with pytest.raises(ValueError, match="holds another run; it differs in options"):
        trainer.Training(changed, tmp_path / "out", resume=True, bar=False, tell=silent)
    (tmp_path / "other.json").write_text(json.dumps({**POLICY, "source": {"study": "the same steps"}}))
    os.utime(tmp_path / "other.json", ns=(1, 1))  # read anew, however coarse the clock of the files
    assert trainer.Training(changed, tmp_path / "out", resume=True, bar=False, tell=silent).progress.epoch == 1


# ---- processes


def _judge(root: str, out: str, policy: str, lines: multiprocessing.SimpleQueue) -> None:
    os.environ["ACCELERATE_USE_CPU"] = "true"
    torch.set_num_threads(1)
    found = judge.judge(
        parse(["cutmix", policy]), small(Path(root)), 2, out, tell=lambda line: lines.put((os.getpid(), line))
    )
    lines.put((os.getpid(), found.sentence))


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_processes_share_a_judge(killed, pictures, tmp_path):
    """With ``killed``, one is killed within a training, which another takes up."""
    server, out, policy = multiprocessing.get_context("spawn"), tmp_path / "shared", turned(tmp_path)
    lines = server.SimpleQueue()
    processes = [
        server.Process(target=_judge, args=(str(pictures), str(out), policy, lines)) for _ in range(2 + killed)
    ]
    if killed:
        processes[0].start()
        while not (out / "none" / "seed0" / "checkpoint.safetensors").exists():
            time.sleep(0.01)
        os.kill(processes[0].pid, signal.SIGKILL)
        processes[0].join()
        assert not (out / "none" / "seed0" / FILE).exists()
    for process in processes[killed:]:
        process.start()
    for process in processes[killed:]:
        process.join(200)
    assert [process.exitcode for process in processes[killed:]] == [0, 0]
    whole = judge.judge(parse(["cutmix", policy]), small(pictures), 2, tmp_path / "whole", tell=silent)
    said: dict[int, list[str]] = {process.pid: [] for process in processes}
    while not lines.empty():
        pid, line = lines.get()
        said[pid].append(line)
    trained = [[line for line in said[process.pid] if ": top-1 " in line] for process in processes[killed:]]
    assert all(trained)
    assert sum(map(len, trained)) == 6  # each training once
    assert [said[process.pid][-1] for process in processes[killed:]] == [whole.sentence] * 2
    assert verdict_of(out) == verdict_of(tmp_path / "whole")
    names = ("none", "cutmix", "turned")
    assert hits(out, names, 2) == hits(tmp_path / "whole", names, 2)

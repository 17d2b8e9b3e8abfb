"""Engines: several processes do the job of one, say so once, and all end together."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from cases import ROOT
from filelock import FileLock
from typer.testing import CliRunner

from mixviz import __main__
from mixviz.core.registry import construct
from mixviz.networks.run import Run
from mixviz.search import jobs, judge, report, settings, study
from mixviz.search import trials as training
from mixviz.search.budget import Budget
from mixviz.search.contestants import parse
from mixviz.search.data import parts
from mixviz.search.engine import Engine, Once
from mixviz.search.engines import ENGINES, local, ray
from mixviz.search.engines._shares import shares
from mixviz.search.space import space
from mixviz.search.strategies import STRATEGIES
from mixviz.search.strategy import Task
from mixviz.version import __version__

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")

LOCAL = ENGINES["local"]()


def small(root: Path) -> Run:
    return Run(method="baseline", root=str(root), network="test_resnet", image_size=16, batch_size=4, epochs=2, lr=0.02)


def silent(line: str) -> None:
    pass


def task(root: Path, out: Path, budget: str = "6 trials") -> Task:
    run = small(root)
    divided = parts(run, silent)
    over = space(["rotation", "hue"])
    return Task(run, over, divided.search_train, divided.search_val, out, Budget.parse(budget), silent)


def trials(out: Path) -> list[dict]:
    """The trials of a search, without their times."""
    rows = json.loads((out / "trials.json").read_text())["trials"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def verdict_of(out: Path) -> dict:
    """A written verdict, without times and places."""
    values = json.loads((out / report.JSON).read_text())
    for one in values["standings"]:
        del one["seconds"]
    return {key: values[key] for key in ("standings", "against_none", "against_winner", "winner", "sentence")}


class Here(Engine):
    """One process after another, in this one: each gets a copy of the job."""

    def run(self, job, processes, tell):
        for _ in range(processes):
            pickle.loads(pickle.dumps(job))(Once(tell))


def test_an_engine_does_what_one_process_does(pictures, tmp_path, monkeypatch):
    """A trial's value is by its policy here."""
    monkeypatch.setattr(training, "train", lambda one, folder, *_: len((folder / training.POLICY).read_text()))
    monkeypatch.setattr(training, "clean", silent)
    found = jobs.search(task(pictures, tmp_path / "engine", "4 trials"), STRATEGIES["random"](), False, Here(), 2)
    whole = study.search(task(pictures, tmp_path / "alone", "4 trials"), STRATEGIES["random"]())
    assert trials(tmp_path / "engine") == trials(tmp_path / "alone")
    assert found.policy.stages == whole.policy.stages
    with pytest.raises(ValueError, match="holds a search already"):
        jobs.search(task(pictures, tmp_path / "engine"), STRATEGIES["random"](), False, Here(), 2)


def test_one_message_of_several_processes_is_told_once():
    said = []
    tell = Once(said.append)
    for line in ("loaded", "loaded", "1/2", "loaded", "2/2"):
        tell(line)
    assert said == ["loaded", "1/2", "2/2"]


@pytest.mark.parametrize(
    ("visible", "count", "expected"), [(None, 0, []), (None, 2, ["0", "1"]), ("5,7", 2, ["5", "7"]), ("", 0, [])]
)
def test_gpus_have_the_names_that_cuda_reads(visible, count, expected, monkeypatch):
    monkeypatch.delenv(local.GPUS, raising=False)
    if visible is not None:
        monkeypatch.setenv(local.GPUS, visible)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert local._gpus() == expected


def test_an_unknown_engine_is_told_with_those_there_are(tmp_path):
    line = ["judge", "cutmix", "--engine", "locl", "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(__main__.app, line).exception
    assert isinstance(error, ValueError)
    assert re.search("There is no 'locl'. Did you mean 'local'?", str(error))
    assert not (tmp_path / "out").exists()


# ---- processes of this machine


@dataclass(frozen=True)
class Chore:
    """A job that says where it runs, and then does something to itself if it is the first."""

    out: Path
    what: str = ""

    def files(self) -> list[Path]:
        return []

    def __call__(self, tell) -> None:
        tell("ready")
        with FileLock(self.out / "lock"):
            first = not (self.out / "first").exists()
            (self.out / "first").touch()
        tell(f"{os.getpid()} {torch.get_num_threads()} {os.environ.get(local.GPUS)}")
        if self.what == "killed" or (first and self.what == "one killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if first and self.what == "mistake":
            raise ValueError("--lr: no such thing.")
        if first and self.what == "defect":
            raise KeyError("a defect")
        if not first and self.what in ("mistake", "defect"):
            time.sleep(600)


def done(chore: Chore) -> list[str]:
    """Do a job in two processes; return what they told, after checking that both have ended."""
    said: list[str] = []
    try:
        LOCAL.run(chore, 2, said.append)
    finally:
        for line in said:
            if line[0].isdigit():
                with pytest.raises(ProcessLookupError):
                    os.kill(int(line.split()[0]), 0)
    return said


@pytest.mark.slow
def test_processes_divide_threads_and_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setenv(local.GPUS, "5,7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    said = done(Chore(tmp_path))
    assert said.count("ready") == 1
    assert sorted(line.split()[1:] for line in said if line != "ready") == [["3", "5"], ["3", "7"]]


@pytest.mark.slow
def test_a_mistake_ends_all_processes_and_is_told_once(tmp_path):
    with pytest.raises(ValueError, match=r"^--lr: no such thing.$"):
        done(Chore(tmp_path, "mistake"))


@pytest.mark.slow
def test_a_defect_ends_all_processes_with_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match=r'(?s)A process failed:.*raise KeyError\("a defect"\)'):
        done(Chore(tmp_path, "defect"))


@pytest.mark.slow
def test_others_go_on_where_a_process_is_killed(tmp_path):
    assert "A process was ended from outside (SIGKILL): the others take over what it did." in done(
        Chore(tmp_path, "one killed")
    )
    with pytest.raises(RuntimeError, match="All processes were ended from outside"):
        done(Chore(tmp_path, "killed"))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["random", "grid:method=all,levels=3", "bayes:startup=3"])
def test_processes_search_as_one_does(text, pictures, tmp_path):
    strategy = construct(STRATEGIES, text)
    jobs.search(task(pictures, tmp_path / "two"), strategy, False, LOCAL, 2)
    study.search(task(pictures, tmp_path / "one"), strategy)
    two, one = trials(tmp_path / "two"), trials(tmp_path / "one")
    if strategy.card.name == "bayes":  # what it learns depends on who is first
        assert [row["number"] for row in two] == [1, 2, 3, 4, 5, 6]
        assert all(row["state"] in ("complete", "pruned") for row in two)
        assert two[0] == one[0]
    else:
        assert two == one


@pytest.mark.slow
def test_processes_judge_as_one_does(pictures, tmp_path):
    run, given = small(pictures), parse(["cutmix", "mixup"])
    said: list[str] = []
    two = jobs.judge(given, run, 2, tmp_path / "two", LOCAL, 2, tell=said.append)
    one = judge.judge(given, run, 2, tmp_path / "one", tell=silent)
    assert two.sentence == one.sentence
    assert verdict_of(tmp_path / "two") == verdict_of(tmp_path / "one")
    assert sum(": top-1 " in line for line in said) == 6


def started(line: list[str], out: Path) -> subprocess.Popen:
    """Start a command as a terminal does, in a group of its own, and wait for its first checkpoint."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mixviz", *line], env=environment, cwd=ROOT, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while process.poll() is None and not list(out.rglob("checkpoint.safetensors")):
        time.sleep(0.05)
    return process


def group(process: subprocess.Popen) -> bool:
    """Whether a process of the group runs; a zombie of a container without an init does not."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == process.pid and fields[0] != "Z":
            return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="lists processes as Linux does")
def test_ctrl_c_and_a_kill_end_all_processes(pictures, tmp_path):
    out = tmp_path / "judged"
    line = [*shlex.split(settings.judge_line(["cutmix"], small(pictures), 2, str(out)))[1:], "--processes", "2"]
    process = started(line, out)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.count("Stopped. The same line goes on with what is in") == 1
    assert "Traceback" not in said
    assert not group(process)
    process = started(line, out)
    process.send_signal(signal.SIGKILL)  # to the command alone
    process.wait()
    for _ in range(100):
        if not group(process):
            break
        time.sleep(0.1)
    assert not group(process)
    again = CliRunner().invoke(__main__.app, line)
    assert again.exit_code == 0, again.output
    assert "No policy beat none: 2 seeds give no interval" in again.output
    judge.judge(parse(["cutmix"]), small(pictures), 2, tmp_path / "whole", tell=silent)
    assert verdict_of(out) == verdict_of(tmp_path / "whole")


# ---- Ray


@pytest.mark.parametrize(
    ("machines", "processes", "expected"),
    [
        ([(2, 0)], 2, (1, 0)),
        ([(16, 0)], 3, (5, 0)),
        ([(8, 0), (4, 0)], 3, (4, 0)),
        ([(8, 0), (2, 0)], 2, (4, 0)),  # 5 each are on no two places
        ([(1, 0)], 3, (0.3333, 0)),
        ([(1, 0)], 6, (0.1666, 0)),  # six of 0.1667 are more than one
        ([(8, 2)], 2, (4, 1)),
        ([(8, 4)], 2, (4, 1)),
        ([(8, 2)], 3, (2, 0.5)),
        ([(64, 0), (8, 1)], 2, (4, 0.5)),  # only one machine has a GPU
    ],
)
def test_processes_of_ray_all_find_a_place(machines, processes, expected):
    assert shares(machines, processes) == expected


def test_a_machine_that_cannot_share_the_work_says_why(tmp_path, monkeypatch):
    with ray._marked(tmp_path) as mark:
        place = ray._Place(mark, tmp_path, __version__, 1)
        monkeypatch.chdir(ROOT)
        place.check([])
        assert Path.cwd() == tmp_path  # so that relative paths are those of the command
        with pytest.raises(ValueError, match=r"has MixViz .*, and the command 0\.0: install the same one"):
            replace(place, version="0.0").check([])
        with pytest.raises(ValueError, match=r"does not see \S*elsewhere.*all machines of Ray share"):
            replace(place, mark=tmp_path / "elsewhere" / mark.name).check([])
        with pytest.raises(ValueError, match=r"does not see \S*pictures"):
            place.check([tmp_path / "pictures" / "one.png"])
        (tmp_path / "other.lock").touch()
        with pytest.raises(ValueError, match=r"does not see the locks of other machines.*NFS without nolock"):
            replace(place, mark=tmp_path / "other.lock").check([])
    assert not mark.exists()


@pytest.mark.slow
def test_ray_is_imported_where_it_is_asked_for_alone():
    code = "import sys, mixviz.__main__, mixviz.search.jobs; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_without_ray_its_engine_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    line = ["judge", "cutmix", "--root", "nowhere", "--engine", "ray", "--out", str(tmp_path / "out")]
    error = CliRunner().invoke(__main__.app, line).exception
    assert isinstance(error, ImportError)
    assert "pip install 'mixviz[ray]'" in str(error)
    assert "--processes does the same" in str(error)


@pytest.fixture
def of_ray(monkeypatch):
    """Ray, whose workers import the tests, and which would give way to all else on a busy machine by itself."""
    module = pytest.importorskip("ray")
    folders = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    for name, value in (
        ("PYTHONPATH", os.pathsep.join(folders)), ("ACCELERATE_USE_CPU", "true"), ("OMP_NUM_THREADS", "1"),
        ("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_worker_niceness", "0"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    return module


@pytest.fixture
def two_workers(of_ray):
    """Start a Ray with two CPUs, which engines use as one that runs already."""
    of_ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    of_ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_ray_searches_and_judges_as_one_process_does(pictures, tmp_path):
    said: list[str] = []
    told = replace(task(pictures, tmp_path / "ray"), tell=said.append)
    jobs.search(told, STRATEGIES["random"](), False, ENGINES["ray"](), 2)
    study.search(task(pictures, tmp_path / "one"), STRATEGIES["random"]())
    assert trials(tmp_path / "ray") == trials(tmp_path / "one")
    assert said[0] == "Ray: 2 processes on 1 machine."
    assert sorted(line.split()[1] for line in said if line.startswith("Trial ")) == ["1", "2", "3", "4", "5", "6"]
    run, given = small(pictures), parse(["cutmix", str(tmp_path / "ray" / "policy.json")])
    judged = jobs.judge(given, run, 2, tmp_path / "ray-judged", ENGINES["ray"](), 2, tell=silent)
    alone = judge.judge(given, run, 2, tmp_path / "judged", tell=silent)
    assert judged.sentence == alone.sentence
    assert verdict_of(tmp_path / "ray-judged") == verdict_of(tmp_path / "judged")


@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_ray_tells_mistakes_and_defects(tmp_path):
    engine, said = ENGINES["ray"](), []
    with pytest.raises(ValueError, match=r"^--lr: no such thing.$"):
        engine.run(Chore(tmp_path, "mistake"), 2, said.append)
    assert said.count("ready") == 1
    (tmp_path / "first").unlink()
    with pytest.raises(RuntimeError, match=r"(?s)A process failed:.*a defect"):
        engine.run(Chore(tmp_path, "defect"), 2, said.append)
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.slow
def test_a_ray_of_this_machine_is_started_and_ended(tmp_path, of_ray, monkeypatch):
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED")
    seen = []

    def tell(line):
        home = "ray._common" if importlib.util.find_spec("ray._common.usage") else "ray._private"
        usage = importlib.import_module(f"{home}.usage.usage_lib")
        dashboard = importlib.import_module("ray._private.worker")._global_node.address_info["webui_url"]
        seen.append((line.split()[0], dashboard, usage.usage_stats_enabled()))

    ENGINES["ray"]().run(Chore(tmp_path), 1, tell)
    assert seen[0] == ("Ray:", "", False)  # no dashboard, no telemetry
    assert len(seen) == 3
    assert not of_ray.is_initialized()


def test_a_ray_that_is_not_there_is_told(tmp_path, of_ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConnectionError, match=r"cannot be reached or started at 127\.0\.0\.1:1: .*refused.*ray start"):
        ENGINES["ray"]().run(Chore(tmp_path), 1, silent)
    assert list(tmp_path.iterdir()) == []

"""A small search that visitors start on the page: whose pictures, who may, one at a time, its process, and the page."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cases import picture_folder
from PIL import Image

from mixviz import resources
from mixviz.data.dataset import Dataset
from mixviz.i18n import UserError, texts
from mixviz.search import judge
from mixviz.search.budget import Budget, TooShort

pytest.importorskip("gradio")

from mixviz.ui import handlers
from mixviz.ui.services import live_search, live_status, search_folders, search_pictures, search_worker, searches
from mixviz.ui.services.search_pictures import Most, gather, offered

live, begin, cancel, go_on = map(handlers.of_view, live_status.FUNCTIONS)
TINY = (
    "--network", "test_resnet", "--width", "1.0", "--stem", "standard", "--image-size", "16", "--epochs", "2",
    "--batch-size", "16",
)  # fmt: skip
# Stands in for the worker: it has a trial, and goes on until it is stopped.
STUB = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
stage = {"until": 1.0, "policies": [{"odds": 1, "steps": []}]}
row = {"number": 1, "state": "complete", "value": 50.0, "seconds": 2.0, "epochs": {"1": 50.0}, "parent": None,
       "stages": [stage]}
about = {"strategy": "random", "score": "validation accuracy", "unit": " %", "minimize": False}
if "nothing" not in sys.argv:
    (folder / "policy.json").write_text(json.dumps({"format": "mixviz policy", "version": 1, "stages": [stage]}))
    (folder / "trials.json").write_text(json.dumps({**about, "trials": [row]}))
print("Trial 1 of about 4: 50 % (none); best 50 % in trial 1, no policy 50 %; 6 s left", flush=True)
while os.read(0, 64):
    pass
(folder / "ended.json").write_text(json.dumps({"state": "stopped", "error": None}))
"""


def visitor(name: str) -> dict:
    return {"visitor": name * 20, "language": "en"}


MINE, THEIRS = visitor("m"), visitor("t")


def squares(root: Path, classes=("red", "green", "blue"), each=12) -> Path:
    """A sub-folder per class, with squares of its colour on noise."""
    rng = np.random.default_rng(0)
    for channel, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            picture = rng.integers(0, 120, (20, 20, 3), np.uint8)
            picture[4:16, 4:16, channel] = 250
            Image.fromarray(picture).save(root / name / f"{number}.png")
    return root


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with coloured squares and nothing else; what has been started is stopped."""
    monkeypatch.setenv("MIXVIZ_HOME", str(tmp_path / "home"))
    for name in (live_search.ALLOWED, "SPACE_ID", "MIXVIZ_GALLERY", "MIXVIZ_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(search_pictures.VARIABLE, str(squares(tmp_path / "squares")))
    monkeypatch.chdir(tmp_path)
    live_search._failed.clear()
    yield
    if (one := live_search.running()) is not None:
        one.process.kill()
        until(lambda: live_search.running() is None)


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(live_search, "WORKER", (sys.executable, "-c", STUB))


def until(ready, seconds=60):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def asked(**changes) -> dict:
    return {"key": next(iter(offered())), "strategy": "random", "minutes": 1, "judged": False, **changes}


def started(who=MINE) -> dict:
    answer = begin({**who, **asked()})
    assert "message" not in answer, answer
    until(lambda: live(who)["running"]["done"])
    return live(who)


# ---------------------------------------------------------------- the pictures


def test_visitors_choose_among_the_data_sets_of_the_machine_and_learn_no_path(tmp_path, monkeypatch):
    whole = picture_folder(tmp_path / "parts")
    monkeypatch.setenv("MIXVIZ_DATA", str(whole))
    (tmp_path / "data" / "cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "data" / "cifar-10-batches-py" / "batches.meta").touch()
    monkeypatch.setenv("MIXVIZ_GALLERY", str(tmp_path / "squares"))  # the same pictures are one choice
    found = list(offered().values())
    assert [(one.kind, one.title) for one in found] == [
        ("classes", "squares"), ("folder", "parts"), ("cifar10", "CIFAR-10"),
    ]  # fmt: skip
    assert str(tmp_path) not in json.dumps(live(MINE))


def test_a_folder_without_pictures_is_an_error_at_the_start(tmp_path, monkeypatch):
    search_pictures.check()
    monkeypatch.setenv(search_pictures.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"MIXVIZ_SEARCH_DATA=.*nowhere holds no data set: give a folder"):
        search_pictures.check()


def test_few_pictures_of_few_classes_are_taken_evenly(tmp_path):
    root = squares(tmp_path / "many", tuple("abc"), 10)
    (root / "none").mkdir()
    taken = gather("classes", root, Most(classes=2, train=10, val=5), tmp_path / "out")
    assert taken == {"classes": 2, "of": 4, "train": 10}
    files = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png"))
    assert [str(path) for path in files[:2]] == ["train/00 a/0000.png", "train/00 a/0001.png"]
    assert {path.parts[1] for path in files} == {"00 a", "01 b"}
    linked = (tmp_path / "out" / files[1]).resolve()  # every second of the ten
    assert linked == root / "a" / sorted(path.name for path in (root / "a").iterdir())[2]


def test_validation_pictures_come_along_and_pixels_become_files(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(20)]
    split = Dataset(images, torch.tensor([0, 1] * 10), ("a", "b"), ("a", "b/c"), 32)
    monkeypatch.setattr(search_pictures.sources, "load", lambda *args, **options: split)
    gather("cifar10", tmp_path, Most(classes=10, train=20, val=3), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "val").iterdir()) == ["00 a", "01 b c"]
    assert len(list((tmp_path / "out" / "val").rglob("*.png"))) == 6
    assert (np.asarray(Image.open(tmp_path / "out" / "train" / "01 b c" / "0003.png")) == images[7]).all()


def test_too_few_pictures_are_refused(tmp_path):
    with pytest.raises(UserError, match="two classes with 5 training pictures each"):
        gather("classes", squares(tmp_path / "few", each=4), Most(10, 300, 50), tmp_path / "out")


# ---------------------------------------------------------------- who may


def test_a_hosted_space_searches_only_where_its_host_says_so(monkeypatch, stub):
    monkeypatch.setenv("SPACE_ID", "someone/space")
    refusals = {code: texts()[code]["live.forbidden"] for code in ("en", "ko")}
    for code, refusal in refusals.items():
        assert live({**MINE, "language": code})["refusal"] == refusal
        assert begin({**MINE, **asked(), "language": code})["message"] == refusal
    assert not live(MINE)["sets"]
    assert live_search.running() is None
    monkeypatch.setenv(live_search.ALLOWED, "yes")
    assert live(MINE)["refusal"] == ""
    monkeypatch.delenv("SPACE_ID")
    monkeypatch.setenv(live_search.ALLOWED, "no")
    assert begin({**MINE, **asked()})["message"] == refusals["en"]


@pytest.mark.parametrize(
    ("address", "alone"),
    [(None, True), ("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.3", False),
     ("page.example", False)],
)  # fmt: skip
def test_a_page_for_others_is_not_local(address, alone, monkeypatch):
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    assert live_search.local(address) == alone
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert not live_search.local(None)


def test_without_pictures_it_says_how_to_give_some(tmp_path, monkeypatch):
    monkeypatch.delenv(search_pictures.VARIABLE)
    assert "mixviz app --search-data FOLDER" in live(MINE)["refusal"]
    answer = begin({**MINE, "key": "x", "strategy": "random", "minutes": 1, "judged": False})
    assert "mixviz app --search-data FOLDER" in answer["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "/etc"}, {"key": None}, {"key": ["x"]}, {"strategy": "grid:method=all"}, {"strategy": "../x"},
        {"strategy": None}, {"minutes": 0}, {"minutes": 11}, {"minutes": True}, {"minutes": "5m"}, {"minutes": 1.5},
        {"visitor": ""}, {"visitor": 7},
    ],
)  # fmt: skip
def test_visitors_name_no_paths_and_nothing_else_that_is_not_offered(wrong, stub, tmp_path):
    answer = begin({**MINE, **asked(), **wrong})
    assert answer["message"]
    assert live_search.running() is None
    assert not resources.searches().exists()


@pytest.mark.parametrize("code", ["en", "ko"])
def test_the_page_says_how_small_it_is(code):
    flags = dict(zip(live_search.TRAINING[::2], live_search.TRAINING[1::2], strict=True))
    said = texts()[code]["live.why"]
    for number in (live_search.MOST.classes, flags["--image-size"], flags["--epochs"]):
        assert str(number) in said or (code == "en" and number == 10 and "ten classes" in said)
    assert live(MINE)["pictures"] == live_search.MOST.train


# ---------------------------------------------------------------- one at a time


def test_only_its_visitor_stops_a_search_and_others_watch(stub):
    mine = started()
    assert mine["running"] | {"left": 0} == {
        "name": mine["running"]["name"], "mine": True, "stopping": False, "phase": "trials", "done": 1, "total": 4,
        "left": 0,
    }  # fmt: skip
    assert 0 < mine["running"]["left"] <= 6
    theirs = live(THEIRS)
    assert theirs["running"]["mine"] is False
    assert theirs["search"]["trials"][0]["value"] == 50
    assert "mmmm" not in json.dumps(theirs)
    assert begin({**THEIRS, **asked()})["message"] == texts()["en"]["live.busy"]
    assert cancel(THEIRS)["running"]["stopping"] is False
    assert go_on(THEIRS)["message"] == texts()["en"]["live.busy"]
    assert cancel(MINE)["running"]["stopping"] is True
    until(lambda: live(MINE)["running"] is None)


def test_a_stopped_search_is_kept_and_goes_on(stub):
    name = started()["running"]["name"]
    cancel(MINE)
    until(lambda: live(MINE)["running"] is None)
    after = live({**MINE, "watching": name})
    assert after["stopped"] == name
    assert after["search"]["state"] == "stopped"
    assert "search" not in live({**MINE, "watching": name, "seen": after["version"]})
    assert live(THEIRS)["stopped"] is None
    assert go_on(THEIRS)["message"] == texts()["en"]["live.none_stopped"]
    assert go_on(MINE)["running"]["name"] == name
    assert live({**MINE, "seen": after["version"]})["search"]["state"] == "running"
    shown = next(one for one in handlers.look(page())["searches"] if one["name"] == name)
    assert (shown["started"][:10], shown["card"]["data"]) == (name[:10], "squares")


def page() -> dict:
    from mixviz.ui.state import beginning

    return {**beginning()["state"], "view": "search", "still": True}


def test_a_search_without_a_trial_leaves_nothing(monkeypatch):
    monkeypatch.setattr(live_search, "WORKER", (sys.executable, "-c", f"import sys; sys.argv.append('nothing'){STUB}"))
    started()
    cancel(MINE)
    until(lambda: live(MINE)["running"] is None)
    assert live(MINE)["stopped"] is None
    assert not list(resources.searches().iterdir())


def test_a_worker_that_dies_is_told_of_and_its_trials_stay(stub, caplog):
    name = started()["running"]["name"]
    live_search.running().process.kill()
    until(lambda: live(MINE)["running"] is None)
    assert live(MINE)["error"] == texts()["en"]["live.broken"]
    assert live(THEIRS)["error"] == ""
    assert "Trial 1 of about 4" in caplog.text
    assert live({**MINE, "watching": name})["search"]["state"] == "failed"


def test_a_search_of_a_page_that_was_switched_off_goes_on(stub):
    name = started()["running"]["name"]
    live_search.running().process.kill()
    until(lambda: live(MINE)["running"] is None)
    (searches.folders()[name] / search_worker.ENDED).unlink()  # nobody was there to note how it ended
    assert live(MINE)["stopped"] == name


def test_the_oldest_searches_make_room(stub):
    for number in range(search_folders.KEPT + 2):
        folder = resources.searches() / f"2020-01-{number + 1:02d}-000000-random"
        folder.mkdir(parents=True)
        (folder / search_worker.SETTINGS).write_text("{}")
    started()
    kept = [folder.name for folder in search_folders.kept()]
    assert len(kept) == search_folders.KEPT
    assert kept[-1] == "2020-01-04-000000-random"


def test_visitors_read_no_paths_in_an_error(tmp_path):
    folder = tmp_path / "home" / "one"
    folder.mkdir(parents=True)
    (folder / "live.json").write_text(json.dumps({"source": {"root": str(tmp_path / "squares")}}))
    told = search_folders.without_paths({"reason": f"{tmp_path}/squares/a.png and {folder}/x, 3"}, folder)
    assert told == {"reason": "squares/a.png and one/x, 3"}


# ---------------------------------------------------------------- errors and progress of the worker


def test_a_time_that_is_too_short_is_said_in_both_languages():
    with pytest.raises(TooShort) as caught:
        Budget(seconds=60).check(61)
    error = search_worker._told(pickle.loads(pickle.dumps(caught.value)))  # it may come from another process
    assert error == {"key": "live.short", "values": {"minutes": 5}}
    assert "5 min" in UserError(error["key"], **error["values"]).told("en")
    assert "5분" in UserError(error["key"], **error["values"]).told("ko")


def test_progress_reads_what_search_and_judge_say(tmp_path):
    log = tmp_path / search_folders.LOG
    assert live_status.progress(tmp_path) == {"phase": "starting", "done": 0, "total": None, "left": None}
    (tmp_path / "trials").mkdir()
    log.write_text("A trial takes 3 s\n")
    assert live_status.progress(tmp_path)["phase"] == "trials"
    log.write_text(
        "Trial 1 of about 20: 21.67 % (no policy); best 21.67 % in trial 1, no policy 21.67 %; 2 min left\n"
        "Trial 2 of about 20: ended early (50 % Mixup (alpha=1), then Hue; x); best 30 %; 40 s left\n"
    )
    found = live_status.progress(tmp_path)
    assert (found["phase"], found["done"], found["total"]) == ("trials", 2, 20)
    assert 30 < found["left"] <= 40
    contestant = SimpleNamespace(name="none")
    trials = [SimpleNamespace(contestant=contestant, run=SimpleNamespace(seed=i), folder=Path(str(i))) for i in (0, 1)]
    outcome = SimpleNamespace(seconds=3665.0, accuracy=41.5)
    with log.open("a") as file:
        shared = SimpleNamespace(trials=trials, found={trials[0].folder: outcome}, others=0)
        file.write(judge._line(trials[0], shared) + "\n")
    found = live_status.progress(tmp_path)
    assert (found["phase"], found["done"], found["total"]) == ("judge", 1, 2)
    assert 3600 < found["left"] <= 3665
    with log.open("a") as file:
        shared.found[trials[1].folder] = outcome
        file.write(judge._line(trials[1], shared) + "\n")
    assert live_status.progress(tmp_path) == {"phase": "judge", "done": 2, "total": 2, "left": None}


PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it starts in the background
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(600)
"""
WORKS = """
import pathlib, sys, time
from mixviz.ui.services import search_worker
def search(folder):
    (folder / "works").touch()
    while True:
        time.sleep(0.05)
search_worker._search = search
search_worker.main(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.skipif(os.name != "posix", reason="a process is killed by its signal")
def test_the_worker_ends_with_the_page_even_where_that_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    line = [sys.executable, "-c", PARENT, WORKS, str(tmp_path)]
    parent = subprocess.Popen(line, stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until((tmp_path / "works").exists)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until((tmp_path / search_worker.ENDED).exists)
    assert json.loads((tmp_path / search_worker.ENDED).read_text())["state"] == "stopped"
    until(lambda: gone(child))
    parent.stdout.close()


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").is_file() and " Z " in Path(f"/proc/{process}/stat").read_text()


# ---------------------------------------------------------------- the whole


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(live_search, "TRAINING", TINY)
    monkeypatch.setattr(live_search, "NICE", 0)  # the page's process only waits
    monkeypatch.setattr(live_search, "MOST", Most(classes=3, train=36, val=5))
    monkeypatch.setattr(live_search, "BUDGET", "4 trials")


@pytest.mark.slow
def test_a_real_search_is_stopped_and_goes_on_to_the_same_end(tiny, monkeypatch):
    monkeypatch.setattr(live_search, "BUDGET", "6 trials")
    begin({**MINE, **asked()})
    until(lambda: live(MINE)["running"]["done"] >= 2, 300)
    cancel(MINE)
    until(lambda: live(MINE)["running"] is None, 60)
    after = live(MINE)
    first = searches.stored()[after["stopped"]].trials["trials"]
    assert 2 <= len(first) < 6
    go_on(MINE)
    until(lambda: live(MINE)["running"] is None, 300)
    whole = live({**MINE, "watching": after["stopped"]})
    assert (whole["error"], whole["stopped"], whole["search"]["state"]) == ("", None, "done")
    rows = searches.stored()[after["stopped"]].trials["trials"]
    assert len(rows) == 6
    assert rows[: len(first) - 1] == first[:-1]


@pytest.mark.browser
@pytest.mark.slow
def test_a_visitor_searches_and_sees_trials_and_verdict(tiny, open_tab):
    tab = open_tab("?view=search", "search")
    page = tab.page
    panel = page.locator("[data-part=live]")
    panel.locator("summary").click()
    page.get_by_label("Strategy", exact=True).select_option("random")
    assert "independently" in panel.locator("#mv-live-why").inner_text()
    panel.get_by_role("button", name="Start", exact=True).click()
    panel.get_by_role("button", name="Cancel", exact=True).wait_for()
    page.wait_for_selector("[data-plot$=random] [data-series=nothing]", timeout=300_000)
    assert page.locator("#mv-search h1").inner_text() == texts()["en"]["live.h1.running"]
    page.wait_for_selector("[data-plot$=random] [data-series=trial]", timeout=300_000)
    page.wait_for_selector("[data-part=judge]", timeout=300_000)
    page.wait_for_function("document.querySelector('.mv-live').dataset.state === 'ready'", timeout=60_000)
    name = next(name for name in searches.folders() if name.endswith("random"))
    one = searches.stored()[name]
    assert page.locator("#mv-search h1").inner_text() == one.verdict["sentence"]
    assert len(one.trials["trials"]) == 4
    assert page.locator("#mv-trial option").count() == 5
    assert page.locator("[data-part=policy] .mv-tile").count() == 16
    assert str(resources.searches()) not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]

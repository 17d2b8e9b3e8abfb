"""The judge: its data, its contestants, paired trainings, and verdicts worked out by hand."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import ROOT, small_run
from PIL import Image
from safetensors.torch import load_file
from scipy import stats
from typer.testing import CliRunner

from mixviz import __main__
from mixviz.core.policy import NONE
from mixviz.data.dataset import Dataset
from mixviz.evaluation.paired import over_seeds
from mixviz.networks.run import Run
from mixviz.search import data, judge, outcome, report, settings, verdict
from mixviz.search.contestants import Contestant, parse
from mixviz.search.outcome import FILE, Outcome, Trial
from mixviz.search.verdict import Verdict
from mixviz.training import trainer

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


def small(root: Path, **changes) -> Run:
    return small_run(root, **{"epochs": 1, **changes})


def contents(split: Dataset) -> set[bytes]:
    return {np.asarray(picture).tobytes() for picture in split.pictures}


# ---- data


def test_the_judge_validates_on_pictures_that_the_search_never_saw(pictures):
    parts = data.parts(small(pictures))
    assert [len(part) for part in parts] == [18, 6, 24, 9]  # of 8 a fifth is 1.6, and 2 at least
    assert torch.bincount(parts.search_val.labels).tolist() == [2, 2, 2]
    search, judge = contents(parts.search_train) | contents(parts.search_val), contents(parts.judge_train)
    assert search == judge
    assert not contents(parts.search_train) & contents(parts.search_val)
    assert not judge & contents(parts.judge_val)


def test_the_division_follows_the_seed(pictures):
    first, again, other = (data.parts(small(pictures, seed=seed)) for seed in (0, 0, 1))
    assert contents(first.search_val) == contents(again.search_val) != contents(other.search_val)


def test_without_validation_pictures_a_fifth_is_held_out(pictures, tmp_path):
    root, said = shutil.copytree(pictures, tmp_path / "copy"), []
    shutil.rmtree(root / "val")
    train, val = data.of_judge(small(root), said.append)
    assert (len(train), len(val)) == (18, 6)  # one or two of eight
    assert "--holdout 1/5" in said[0]


def test_pictures_are_stored_at_the_sides_of_training_and_validation(pictures):
    parts = data.parts(small(pictures, test_size=24))
    assert [part.pictures[0].shape[0] for part in parts] == [16, 24, 16, 24]
    from_files = data.parts(small(pictures, augment="resized")).judge_train  # crops are cut from the whole picture
    assert isinstance(from_files.pictures[0], Path)


def test_too_few_pictures_are_refused_before_they_are_read(pictures):
    with pytest.raises(ValueError, match=r"each class needs 4 in the training part; ant, bee, cat have fewer.*--limit"):
        data.parts(replace(small(pictures), limit=3))
    assert len(data.of_judge(replace(small(pictures), limit=3))[0]) == 9  # a judge divides nothing


# ---- contestants

ROTATION = {
    "format": "mixviz policy",
    "version": 1,
    "stages": [
        {
            "until": 1.0,
            "policies": [
                {
                    "odds": 1.0,
                    "steps": [
                        {"method": "rotation", "probability": 0.5, "options": {"degrees": 20.0}},
                        {"method": "cutmix", "probability": 1.0, "options": {}},
                    ],
                }
            ],
        }
    ],
    "source": {"study": "by hand"},
}


def written(path: Path, values: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return str(path)


def test_a_method_of_the_catalogue_with_its_parameters():
    none, cutmix, plain = parse(["cutmix:alpha=0.5", "mixup"])
    assert (none.name, cutmix.name, plain.name) == ("none", "cutmix:alpha=0.5", "mixup")
    assert cutmix.changes == {"method": "cutmix", "options": {"alpha": 0.5}}
    run = cutmix.run(Run(epochs=3, lr=0.3), seed=4)
    assert (run.method, run.options, run.epochs, run.lr, run.seed) == ("cutmix", {"alpha": 0.5}, 3, 0.3, 4)
    assert none.run(Run(method="mixup", options={"alpha": 2.0}), 0) == Run(method="baseline")
    assert cutmix.folder == "cutmix-alpha-0.5"


def test_none_is_always_there_and_first():
    assert [one.name for one in parse(["cutmix", "none"])] == ["none", "cutmix"]
    assert [one.name for one in parse(["baseline", "cutmix"])] == ["none", "cutmix"]
    assert [one.name for one in parse(["cutmix"])] == ["none", "cutmix"]


def test_a_policy_is_the_method_that_runs_it(tmp_path):
    path = written(tmp_path / "study" / "policy.json", ROTATION)
    one = parse([path])[1]
    assert (one.name, one.policy) == ("study", ROTATION)  # policy.json says less than its folder
    assert one.run(Run(), 0).options == {"path": path}
    assert parse([f"searched:path={path}"])[1].policy["stages"] == ROTATION["stages"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"method": "mixup", "options": {"alpha": 0.2}, "label_smoothing": 0.1},
         {"method": "mixup", "options": {"alpha": 0.2}, "label_smoothing": 0.1}),
        ({"mixviz": "0.2", "method": "cutmix", "parameters": {"alpha": 2.0}, "seed": 3, "lam": None, "side": 512,
          "share": [0.4, 0.6]}, {"method": "cutmix", "options": {"alpha": 2.0}}),
        ({"title": "CutMix", "method": "cutmix", "parameters": {}, "run": {"mix_prob": 0.5, "epochs": 9}, "data": {}},
         {"method": "cutmix", "options": {}, "mix_prob": 0.5}),
    ],
    ids=["fields of a run", "a recipe of a mixture", "a card"],
)  # fmt: skip
def test_files_that_say_how_to_train(tmp_path, values, expected):
    one = parse([written(tmp_path / "mine.json", values)])[1]
    assert one.name == "mine"
    assert one.changes == expected
    written(tmp_path / "first" / "card.json", values)
    assert parse([str(tmp_path / "first")])[1] == replace(one, name="first", given=str(tmp_path / "first"))


def test_names_and_folders_are_unique(tmp_path):
    texts = [written(tmp_path / folder / "a" / "policy.json", ROTATION) for folder in ("x", "y")]
    texts += [written(tmp_path / "none.json", {"method": "mixup"}), "cutmix:alpha=0.5"]
    texts += [written(tmp_path / "CutMix-alpha-0.5.json", {"method": "cutmix"})]
    chosen = parse(texts)
    assert [one.name for one in chosen] == ["none", "a", "a-2", "none-2", "cutmix:alpha=0.5", "CutMix-alpha-0.5-2"]
    assert len({one.folder.lower() for one in chosen}) == len(chosen)  # on every file system


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "mixup", "epochs": 3, "network": "resnet50"}, r"epochs, network should be the same.*--epochs"),
        ({"method": "mixup", "colour": 1}, r"a run has no colour.*label_smoothing"),
        ({"method": "mixup", "options": {"alpa": 1.0}}, "mixup has no parameter alpa"),
        ({"method": "mixup", "lr": "high"}, "lr='high' should be a number"),
        ({"alpha": 1}, "should hold a policy .* it holds alpha"),
        ({**ROTATION, "stages": []}, "stages should be a list"),
        ([1, 2], "should hold an object"),
        ("{", "is no JSON"),
    ],
)
def test_files_that_are_no_contestants(tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        parse([written(tmp_path / "mine.json", values)])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["cutmx"], "no contestant.*Did you mean 'cutmix'.*JSON file"),
        (["cutmix:alpha=-1"], "alpha=-1.*outside its range"),
        (["gone.json"], "gone.json cannot be read"),
        (["cutmix", "cutmix"], "cutmix: named twice"),
        (["none", "baseline", "cutmix"], "none: named twice"),
        (["none"], "name a contestant beside it"),
        ([], "name a contestant beside it"),
    ],
)
def test_texts_that_are_no_contestants(texts, message):
    with pytest.raises(ValueError, match=message):
        parse(texts)


# ---- verdicts by hand


def hits(*rows: str) -> np.ndarray:
    """Return hits (seeds, pictures), a text of 0 and 1 per seed."""
    return np.array([[letter == "1" for letter in row] for row in rows])


def compared(**named: np.ndarray) -> Verdict:
    return verdict.compare(named, {name: [1.0] * len(each) for name, each in named.items()})


def test_a_lead_within_the_luck_of_training_beats_nothing():
    """Accuracies 50, 50, 50 and 75, 75, 100 differ by 33.3 ± 4.303 · 14.43 / √3 = 35.9 points."""
    found = compared(none=hits("1100", "1010", "0110"), ours=hits("1110", "1110", "1111"))
    one = found.against_none[0]
    half = stats.t.ppf(0.975, 2) * statistics.stdev([25, 25, 50]) / math.sqrt(3)
    assert (one.seeds.low, one.seeds.high) == pytest.approx((100 / 3 - half, 100 / 3 + half))
    assert one.seeds.low < 0
    assert not found.winners
    assert (found.winner, found.against_winner) == ("none", ())
    assert found.sentence == "No policy beat none."
    assert found.remarks[0].startswith("ours: +33.3 points against none, not told from chance over seeds")
    visible = (stats.t.ppf(0.975, 2) + stats.t.ppf(0.8, 2)) * statistics.stdev([25, 25, 50]) / math.sqrt(3)
    assert one.visible == pytest.approx(visible)
    assert found.remarks[1].startswith(f"A true difference of {visible:.1f} points would have been seen")


def test_a_lead_within_the_luck_of_the_pictures_beats_nothing():
    """Two of four pictures are gained with every seed: of such draws 1 in 16 gains none, more than 1 in 40."""
    found = compared(none=hits(*["1000"] * 3), ours=hits(*["1110"] * 3))
    one = found.against_none[0]
    assert (one.seeds.low, one.seeds.high) == (50, 50)
    assert (one.pictures.low, one.pictures.high) == (0, 100)
    assert found.sentence == "No policy beat none."
    assert "not told from chance over pictures" in found.remarks[0]


def test_a_lead_beyond_both_beats_none():
    found = compared(
        none=hits("1" * 10 + "0" * 30, "1" * 11 + "0" * 29, "1" * 12 + "0" * 28),
        ours=hits("1" * 30 + "0" * 10, "1" * 31 + "0" * 9, "1" * 32 + "0" * 8),
        worse=hits("0" * 40, "0" * 40, "0" * 40),
    )
    assert found.winner == "ours"
    assert found.sentence.startswith("ours beat none by 50.0 points (95 % intervals: +50.0 to +50.0 over 3 seeds, +")
    assert found.remarks == [f"worse was worse than none by 27.5 points ({found.against_none[1].in_words()})."]
    assert [one.base for one in found.against_winner] == ["none", "worse"]
    assert all(one.wins for one in found.against_winner)


def test_the_best_comes_first_and_is_the_winner():
    rows = {"none": 5, "good": 20, "better": 30}
    found = compared(**{name: hits(*["1" * n + "0" * (40 - n)] * 3) for name, n in rows.items()})
    assert [one.ours for one in found.winners] == ["better", "good"]
    assert found.sentence.index("better beat none by 62.5") < found.sentence.index("good beat none by 37.5")


def test_intervals_are_corrected_for_their_number():
    rng = np.random.default_rng(0)
    none, *others = (rng.random((4, 50)) < share for share in (0.1, 0.9, 0.5, 0.5))
    found = compared(none=none, a=others[0], b=others[1], c=others[2])
    percent = [(100 * one.mean(1)).tolist() for one in (others[0], none)]
    assert found.against_none[0].seeds == over_seeds(*percent, comparisons=3)
    assert found.against_winner[0].seeds == over_seeds(*percent, comparisons=6)  # pairs of four: the best was chosen


@pytest.mark.parametrize(("seeds", "said"), [(1, "one seed gives no interval"), (2, "2 seeds give no interval")])
def test_too_few_seeds_decide_nothing(seeds, said):
    found = compared(none=hits(*["0" * 40] * seeds), ours=hits(*["1" * 40] * seeds))
    assert found.sentence == f"No policy beat none: {said}, 3 or more do (--seeds)."
    assert found.standings[0].spread == (None if seeds == 1 else 0)


def test_a_verdict_is_plain_values_too():
    found = compared(none=hits("10", "01", "11"), ours=hits("11", "11", "11"))
    values = json.loads(json.dumps(found.to_json()))
    assert values["sentence"] == found.sentence
    assert values["standings"][0] | {"spread": None} == {
        "name": "none", "accuracies": [50, 50, 100], "seconds": [1, 1, 1], "mean": pytest.approx(200 / 3),
        "spread": None,
    }  # fmt: skip
    assert values["against_none"][0]["seeds"]["mean"] == pytest.approx(100 / 3)


def test_a_verdict_needs_equal_seeds_and_pictures():
    with pytest.raises(ValueError, match="two contestants"):
        compared(none=hits("10"))
    with pytest.raises(ValueError, match=r"same seeds and pictures.*\(1, 2\), \(1, 3\)"):
        compared(none=hits("10"), ours=hits("100"))


# ---- trainings


def trials(chosen: Sequence[Contestant], run: Run, seeds: int, out: Path) -> list[Trial]:
    return judge._trials(chosen, run, seeds, out, "pictures")


def test_the_same_seed_means_the_same_start_and_the_same_order(pictures, tmp_path):
    run = small(pictures)
    splits = data.of_judge(run)
    started = [one.start(splits) for one in trials(parse(["cutmix"]), run, 2, tmp_path)]
    (none, cutmix), other = started[:2], started[2]
    assert none.method.card.name, cutmix.method.card.name == ("baseline", "cutmix")

    def weights(training):
        return torch.cat([value.flatten().float() for value in training.plain.state_dict().values()])

    def batches(training):
        return torch.cat([images for images, _ in training.train.training(4, training.run.seed, 0)])

    for content in (weights, batches):
        assert torch.equal(content(none), content(cutmix))
        assert not torch.equal(content(none), content(other))


def test_a_training_of_the_judge_is_that_of_mixviz_train(pictures, tmp_path):
    run = small(pictures)
    splits = data.of_judge(run)
    trial = trials(parse(["cutmix:alpha=0.5"]), run, 1, tmp_path)[1]
    trained = trial.train(splits)
    line = settings.train_line(trial.run, str(tmp_path / "alone"))
    words = shlex.split(line)
    assert words[:2] == ["mixviz", "train"]
    result = CliRunner().invoke(__main__.app, [*words[1:], "--no-bar"])
    assert result.exit_code == 0, result.output
    ours, alone = (load_file(folder / "last.safetensors") for folder in (trial.folder, tmp_path / "alone"))
    assert all(torch.equal(ours[key], alone[key]) for key in alone)
    assert f"last {trained.accuracy:.2f} %" in result.output


@pytest.fixture(scope="module")
def judged(pictures, tmp_path_factory) -> tuple[Path, Verdict, list[str]]:
    """Judge none, the same from a file, and a policy, with three seeds."""
    folder, told = tmp_path_factory.mktemp("judged"), []
    same = written(folder / "same.json", {"method": "baseline"})
    policy = written(folder / "turned.json", ROTATION)
    found = judge.judge(parse([same, policy]), small(pictures), 3, folder / "out", tell=told.append)
    return folder, found, told


def test_identical_contestants_differ_by_exactly_nothing(judged):
    _, found, _ = judged
    same = found.against_none[0]
    assert same.alike
    assert (same.seeds.mean, same.seeds.low, same.seeds.high, same.seeds.visible) == (0, 0, 0, 0)
    assert (same.pictures.mean, same.pictures.low, same.pictures.high) == (0, 0, 0)
    assert found.standings[0].accuracies == found.standings[1].accuracies
    assert not any(one.wins for one in found.against_none)
    assert found.sentence == "No policy beat none."
    assert (
        "same and none are right in the same pictures with every seed: their difference is exactly 0." in found.remarks
    )


def test_a_finished_training_keeps_its_hits_and_last_weights(judged, pictures):
    folder, found, told = judged
    seed1 = folder / "out" / "same" / "seed1"
    assert sorted(path.name for path in seed1.iterdir() if path.is_file()) == [
        "card.json", "card.md", "last.safetensors", "log.jsonl", FILE,
    ]  # fmt: skip
    assert 100 * load_file(seed1 / FILE)["hits"].float().mean() == pytest.approx(found.standings[1].accuracies[1])
    last = json.loads((seed1 / "log.jsonl").read_text().splitlines()[-1])
    assert last["top1"] == pytest.approx(found.standings[1].accuracies[1])
    assert len(told) == 9
    assert told[3].startswith("4/9 none, seed 1: top-1 ")
    assert told[3].endswith(" left")


def test_what_is_finished_is_not_trained_again(judged, pictures, tmp_path):
    first, found, _ = judged
    folder = shutil.copytree(first, tmp_path / "judged")  # a judge may move
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob(FILE)}
    assert len(before) == 9
    told: list[str] = []
    chosen = parse([str(folder / "same.json"), str(folder / "turned.json"), "cutout"])
    again = judge.judge(chosen, small(pictures), 3, folder / "out", tell=told.append)
    assert told[0].startswith("9 of 12 trainings are finished already")
    assert len(told) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert again.standings[:3] == found.standings


def test_another_judge_is_not_mixed_in(judged, pictures, tmp_path):
    folder, _, _ = judged
    chosen = parse([str(folder / "same.json")])
    with pytest.raises(ValueError, match=r"holds another training; it differs in lr\. Give another --out"):
        judge.judge(chosen, small(pictures, lr=0.03), 1, folder / "out")
    with pytest.raises(ValueError, match="differs in data"):
        judge.judge(chosen, small(pictures), 1, folder / "out", splits=data.parts(small(pictures))[:2])
    changed = json.loads(json.dumps(ROTATION).replace("20.0", "25.0"))
    other = parse([written(tmp_path / "turned.json", changed)])
    with pytest.raises(ValueError, match="is another policy: give another --out"):
        judge.judge(other, small(pictures), 1, folder / "out")


def test_the_report_says_all_that_repeats_it(judged, pictures):
    folder, found, _ = judged
    text = (folder / "out" / report.TEXT).read_text()
    assert "**No policy beat none.**" in text
    for standing in found.standings:
        assert f"| {standing.name} | {standing.mean:.2f} ± {standing.spread:.2f} |" in text
    assert "- 50 % Rotation (degrees=20.0), then CutMix" in text
    lines = [line.strip() for line in text.splitlines() if line.startswith("    mixviz ")]
    words = shlex.split(lines[0])
    assert words[:4] == ["mixviz", "judge", str(folder / "same.json"), str(folder / "turned.json")]
    assert words[words.index("--network") + 1] == "test_resnet"
    assert words[words.index("--seeds") + 1] == "3"
    again = CliRunner().invoke(__main__.app, [*words[1:], "--no-bar"])  # all is finished: it only reads
    assert again.exit_code == 0, again.output
    assert "9 of 9 trainings are finished already" in again.output
    assert "No policy beat none.\n" in again.output
    assert len(lines) == 4  # and a line for each contestant alone
    values = json.loads((folder / "out" / report.JSON).read_text())
    assert (values["format"], values["version"], values["seeds"]) == ("mixviz verdict", 1, 3)
    assert values["pictures"] == {"classes": 3, "train": 24, "val": 9}
    assert values["run"]["root"] == ""


def test_time_left_goes_by_the_contestants_own_trainings(tmp_path):
    chosen = trials(parse(["cutmix"]), Run(), 3, tmp_path)
    assert judge.seconds_left(chosen, {}) is None
    found = {chosen[0].folder: Outcome(np.ones(1, bool), 10.0)}
    assert judge.seconds_left(chosen, found) == 50  # five to come, each like the first
    found[chosen[1].folder] = Outcome(np.ones(1, bool), 30.0)
    assert judge.seconds_left(chosen, found) == 10 + 30 + 10 + 30


def test_an_interrupted_judge_goes_on_with_the_same_line(pictures, tmp_path, monkeypatch):
    """Ctrl-C after the first epoch of the second training."""
    line = shlex.split(settings.judge_line(["cutmix"], small(pictures, epochs=2), 1, str(tmp_path)))[1:]
    go_on, epochs = trainer.Training._save, []

    def interrupted(training):
        go_on(training)
        epochs.append(training.progress.epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer.Training, "_save", interrupted)
    stopped = CliRunner().invoke(__main__.app, [*line, "--no-bar"])
    assert stopped.exit_code == 130
    assert f"Stopped. The same line goes on with what is in {tmp_path}/." in stopped.output
    assert not (tmp_path / report.JSON).exists()
    again = CliRunner().invoke(__main__.app, [*line, "--bar"])
    assert again.exit_code == 0, again.output
    assert epochs == [1, 2, 1, 2]  # nothing twice
    assert "1 of 2 trainings are finished already" in again.output
    assert "No policy beat none: one seed gives no interval, 3 or more do (--seeds).\n" in again.output


@pytest.mark.parametrize(
    ("changes", "seeds", "message"),
    [
        ({}, 0, "seeds should be a whole number"),
        ({"objective": "smooth_ap", "per_class": 2}, 3, "take --objective cross_entropy"),
        ({"root": "nowhere"}, 3, "--root nowhere: there is no such folder"),
        ({"batch_size": 64}, 3, "none, seed 0: 24 training pictures make no batch of 64.*lower --batch-size"),
        ({"epochs": 3}, 3, "hasty: --warmup 5 leaves nothing of 3 epochs"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_before_it_trains(pictures, tmp_path, changes, seeds, message):
    hasty = written(tmp_path / "hasty.json", {"method": "cutmix", "warmup": 5.0})
    with pytest.raises(ValueError, match=message):
        judge.judge(parse([hasty]), replace(small(pictures, epochs=6), **changes), seeds, tmp_path / "out")
    assert not list(tmp_path.rglob("checkpoint.safetensors"))


def test_a_judge_of_several_processes_is_refused_before_it_trains(pictures, tmp_path, monkeypatch):
    def of_two(*given, **named):
        training = trainer.Training(*given, **named)
        training.world = 2
        return training

    monkeypatch.setattr(outcome, "Training", of_two)
    with pytest.raises(ValueError, match="one process, not 2: start it without accelerate launch"):
        judge.judge(parse(["cutmix"]), small(pictures), 1, tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_loss_that_explodes_names_its_contestant(pictures, tmp_path):
    wild = written(tmp_path / "wild.json", {"method": "baseline", "lr": 1000.0, "weight_decay": 10.0})
    with pytest.raises(ValueError, match=r"wild, seed 0: The (loss|weights) became .*lower --lr"):
        judge.judge(parse([wild]), small(pictures, epochs=2), 1, tmp_path / "out", tell=lambda line: None)


def test_contestants_may_cut_their_crops_in_their_own_way(pictures, tmp_path):
    still = written(tmp_path / "still.json", {"method": "baseline", "augment": "none"})
    zoomed = written(tmp_path / "zoomed.json", {"method": "baseline", "augment": "resized"})
    found = judge.judge(parse([still, zoomed]), small(pictures), 1, tmp_path / "out", tell=lambda line: None)
    assert [one.name for one in found.standings] == ["none", "still", "zoomed"]


def test_the_commands_flags_are_those_of_a_run():
    help_text = CliRunner().invoke(__main__.app, ["judge", "--help"], env={"COLUMNS": "200"}).output
    for name in Run.described():
        flag = rf"--{name.replace('_', '-')}[ ,]"
        assert bool(re.search(flag, help_text)) == (name not in settings.FIXED), name
    assert set(settings.DEFAULTS) | set(settings.FIXED) <= set(Run.described())
    Run(**settings.DEFAULTS)


def test_a_mistake_on_the_command_line_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mixviz", "judge", "cutmx", "--root", "nowhere"])
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("Error: 'cutmx' is no contestant: ")


def test_the_empty_policy_is_none(pictures, tmp_path):
    """It draws nothing that a training needs, so that the same seed gives the same network."""
    path = written(tmp_path / "empty.json", NONE.to_json())
    found = judge.judge(parse([path]), small(pictures), 1, tmp_path / "out", tell=lambda line: None)
    assert found.against_none[0].alike
    ours, none = (load_file(tmp_path / "out" / name / "seed0" / "last.safetensors") for name in ("empty", "none"))
    assert all(torch.equal(ours[key], none[key]) for key in none)


# ---- planted truths


def striped(label: int, upright: bool, tint: float, rng: np.random.Generator, side: int = 16) -> np.ndarray:
    """Make stripes that lie or stand, tinted by their class: reddish for 0, bluish for 1."""
    across = np.mgrid[:side, :side][int(upright)]
    wave = 60 * np.sin(2 * np.pi * across / 6 + rng.uniform(0, 2 * np.pi))
    colour = np.array([1, 0, -1]) * tint * (1 - 2 * label)
    noise = rng.normal(0, 10, (side, side, 3))
    return (128 + wave[..., None] + colour + noise).clip(0, 255).astype(np.uint8)


def planted(root: Path, tint: float) -> Path:
    """Write two classes told apart by colour, whose stripes also tell them apart in training, and mislead after it:
    validation pictures are turned by 90 degrees."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 32), ("val", 50)):
        for label, name in enumerate(("red", "blue")):
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                picture = striped(label, (label == 1) == (part == "train"), tint, rng)
                Image.fromarray(picture).save(root / part / name / f"{index:02d}.png")
    return root


@pytest.mark.slow
def test_a_policy_that_must_help_is_found_to_help(tmp_path):
    """Colour is faint here: only where stripes are turned at random does a network learn it."""
    run = small(planted(tmp_path / "data", 4.0), batch_size=16, epochs=8, lr=0.05)
    policy = json.loads(json.dumps(ROTATION))
    turn = {"method": "rotation", "probability": 1.0, "options": {"degrees": 180.0}}
    policy["stages"][0]["policies"][0]["steps"] = [turn]
    found = judge.judge(
        parse([written(tmp_path / "turned.json", policy)]), run, 3, tmp_path / "out", tell=lambda line: None
    )
    assert found.winner == "turned"
    assert found.sentence.startswith("turned beat none by ")
    one = found.against_none[0]
    assert one.wins
    assert one.seeds.low > 10
    assert one.pictures.low > 10
    assert [each.base for each in found.against_winner] == ["none"]


@pytest.mark.slow
def test_a_policy_that_must_hurt_is_found_to_hurt(tmp_path):
    """Colour is plain here, and hue removes it: the stripes are left, which mislead."""
    run = small(planted(tmp_path / "data", 15.0), batch_size=16, epochs=4, lr=0.05)
    found = judge.judge(parse(["hue:strength=0.5"]), run, 3, tmp_path / "out", tell=lambda line: None)
    assert found.sentence == "No policy beat none."
    assert found.against_none[0].loses
    assert found.remarks[0].startswith("hue:strength=0.5 was worse than none by ")


@pytest.mark.slow
def test_a_judge_killed_anywhere_ends_as_one_that_was_not(pictures, tmp_path):
    run = small(pictures, epochs=3)
    line = shlex.split(settings.judge_line(["cutmix"], run, 2, str(tmp_path / "killed")))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mixviz", *line[1:], "--no-bar"]
    wanted = ["cutmix/seed0/checkpoint.safetensors", f"cutmix/seed0/{FILE}"]  # within a training, and between two
    for name in wanted:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (tmp_path / "killed" / name).exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    whole = judge.judge(parse(["cutmix"]), run, 2, tmp_path / "whole", tell=lambda line: None)
    killed, straight = (json.loads((tmp_path / name / report.JSON).read_text()) for name in ("killed", "whole"))
    assert [one["accuracies"] for one in killed["standings"]] == [list(one.accuracies) for one in whole.standings]
    assert killed["against_none"] == straight["against_none"]
    for name in ("none", "cutmix"):
        one, other = (load_file(tmp_path / at / name / "seed1" / FILE)["hits"] for at in ("killed", "whole"))
        assert torch.equal(one, other)

"""The search: its space, strategies worked out by hand, and studies that are the same however often they are killed."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from optuna import TrialPruned, create_study
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from mixviz import __main__
from mixviz.core.batch import Batch
from mixviz.core.feature_mixing import mix_inside
from mixviz.core.policy import NONE, Policy, single
from mixviz.core.registry import construct
from mixviz.data.dataset import Dataset
from mixviz.methods import METHODS
from mixviz.networks import architectures
from mixviz.networks.run import Run
from mixviz.search import journal, study, trials
from mixviz.search.budget import Budget
from mixviz.search.ranges import Drawn, Numbers
from mixviz.search.space import Space, parse, slow, space
from mixviz.search.strategies import STRATEGIES, density, grid, population
from mixviz.search.strategy import Task
from mixviz.search.study import search

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")

KILLS = 5
PLANTED = {"methods": {"rotation": {"degrees": [0, 180], "fill": "mean"}, "hue": {}}, "steps": 1}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def gratings(count: int, seed: int, swapped: bool | None) -> Dataset:
    """Two classes told apart by a faint colour: red with upright stripes, green with lying ones.

    ``swapped``: each has the stripes of the other, as if turned by 90 degrees; None: any.
    """
    draw, at, labels = rng(seed), np.arange(16), torch.arange(count) % 2
    pictures = []
    for label in labels.tolist():
        upright = (label == 0) != (bool(draw.integers(2)) if swapped is None else swapped)
        wave = 60 * np.sin(1.6 * at + draw.uniform(0, 6))
        stripes = np.broadcast_to(wave if upright else wave[:, None], (16, 16))[..., None]
        colour = np.array([25, -25, 0]) * (1 if label == 0 else -1)
        noise = draw.normal(0, 25, (16, 16, 3)) + draw.normal(0, 20, 3)
        pictures.append(np.clip(128 + stripes + colour + noise, 0, 255).astype(np.uint8))
    return Dataset(pictures, labels, ("red", "green"), ("red", "green"), side=16)


def task(out: Path, budget: str = "8 trials", over: Space | None = None, pictures=(96, 60), **changes) -> Task:
    """Make a task whose trials learn the stripes, unless they are rotated."""
    values = {"network": "test_resnet", "image_size": 16, "batch_size": 8, "epochs": 3, "lr": 0.02, "augment": "none"}
    run = Run(method="baseline", **{**values, **changes})
    train, val = gratings(pictures[0], 0, False), gratings(pictures[1], 1, True)
    return Task(run, over or parse(PLANTED), train, val, out, Budget.parse(budget), lambda line: None)


def summary(out: Path) -> list[tuple]:
    """What a study's trials are, without their times."""
    known = journal.study(out / study.JOURNAL, False).get_trials(deepcopy=False)
    return [(trial.number, trial.state, trial.params, trial.value, trial.intermediate_values) for trial in known]


# ---- the space


def test_every_policy_of_every_method_is_valid_and_works():
    """Policies of the whole catalogue are read again as they were written, and mix a batch within the network."""
    network = architectures.build("test_resnet", 4).eval()
    images, labels = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 4
    for number, name in enumerate(space().methods):
        policy = space([name]).random(rng(number))
        assert Policy.parse(json.loads(json.dumps(policy.to_json()))) == policy
        method = policy.stages[0].sequences[0].steps[-1].method
        assert method.card.name == name
        recipe = method.plan(Batch(images, labels, network), rng(number))
        with torch.no_grad(), mix_inside(network, recipe):
            assert network(recipe.apply(images)).isfinite().all()
        assert (recipe.targets(labels, 4) >= 0).all()


def test_sampled_policies_keep_to_their_order_and_ranges():
    whole = space()
    lengths = set()
    for seed in range(100):
        steps = whole.random(rng(seed)).stages[0].sequences[0].steps
        lengths.add(len(steps))
        assert all(single(step.method) for step in steps[:-1])
        for step in steps:
            for name, one in whole.methods[step.method.card.name].items():
                value = getattr(step.method, name)
                assert one.low <= value <= one.high if isinstance(one, Numbers) else value in one.values
    assert lengths == {1, 2}


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_search_starts_with_none(name, tmp_path):
    of = SimpleNamespace(get_trials=lambda deepcopy: [])
    one = SimpleNamespace(number=0, study=of, set_user_attr=lambda *_: None, suggest_int=lambda *_: 0)
    over = space(["cutmix", "randaugment"])
    assert STRATEGIES[name]().propose(one, task(tmp_path, over=over)).stages == NONE.stages
    assert all(over.random(rng(seed)).stages != NONE.stages for seed in range(40))  # and it is not drawn again


def test_methods_that_ask_the_trained_network_are_searched_if_named():
    left_out = {name for name in METHODS if name not in space().methods} - {"baseline", "searched"}
    assert (
        left_out == {name for name in METHODS if slow(name)} == {"puzzlemix", "snapmix", "comixup", "saliencymix_plus"}
    )
    assert list(space(["snapmix"]).methods) == ["snapmix"]


def test_only_and_without_choose_methods():
    assert list(space(["cutmix", "rotation"], ["rotation"]).methods) == ["cutmix"]
    assert space(["cutmix"]).longest == 1  # nothing may come before another
    assert "mixup" not in space((), ["mixup"]).methods


def test_a_file_narrows_ranges(tmp_path):
    values = {
        "methods": {
            "rotation": {"degrees": [0, 30]}, "cutmix": {"alpha": 1.0, "label": "area"}, "gridmix": {"cells": [2, 4]},
        },
        "steps": 3, "probability": [0.5, 1],
    }  # fmt: skip
    (tmp_path / "space.json").write_text(json.dumps(values))
    narrow = space(file=tmp_path / "space.json")
    assert list(narrow.methods) == ["rotation", "cutmix", "gridmix"]
    assert parse(json.loads(json.dumps(narrow.to_json()))) == narrow
    steps = [step for seed in range(60) for step in narrow.random(rng(seed)).stages[0].sequences[0].steps]
    of = {name: [step for step in steps if step.method.card.name == name] for name in narrow.methods}
    assert max(step.method.degrees for step in of["rotation"]) <= 30
    assert {step.method.alpha for step in of["cutmix"]} == {1.0}
    assert {step.method.cells for step in of["gridmix"]} == {2, 3, 4}
    assert all(0.5 <= step.probability <= 1 for step in steps)


def test_a_method_with_its_own_probability_is_drawn_by_it():
    steps = [space(["horizontal_flip"]).random(rng(seed)).stages[0].sequences[0].steps[-1] for seed in range(20)]
    assert {step.probability for step in steps} == {1.0}
    assert len({step.method.probability for step in steps}) > 10


def test_wide_ranges_are_drawn_by_their_logarithm():
    drawn = [Numbers(0.001, 1000).suggest(Drawn(rng(seed)), "bandwidth") for seed in range(200)]
    assert 0.35 < np.mean([value < 1 for value in drawn]) < 0.65
    whole = [Numbers(1, 64, whole=True).suggest(Drawn(rng(seed)), "cells") for seed in range(200)]
    assert {type(value) for value in whole} == {int}
    assert 1 <= min(whole) <= max(whole) <= 64
    assert 0.35 < np.mean([value <= 8 for value in whole]) < 0.65


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"methods": {"rotatoin": {}}}, "Did you mean 'rotation'"),
        ({"methods": {"rotation": {"degree": [0, 3]}}}, "rotation has no parameter degree. It has: degrees, fill"),
        ({"methods": {"rotation": {"degrees": [0, 300]}}}, r"degrees should be two numbers .* within 0 to 180"),
        ({"methods": {"rotation": {"degrees": [30, 0]}}}, "two numbers"),
        ({"methods": {"rotation": {"degrees": "30"}}}, "two numbers"),
        ({"methods": {"gridmix": {"cells": [1.5, 3]}}}, "whole numbers"),
        ({"methods": {"cutout": {"fill": ["mean", "red"]}}}, "some of: mean, black, white"),
        ({"methods": {"cutmix": []}}, "should be an object"),
        ({"methods": {"baseline": {}}}, "in every space"),
        ({"steps": 0}, "steps should be two whole numbers"),
        ({"probability": [0, 2]}, "within 0 to 1"),
        ({"colour": 1}, "methods, steps and probability"),
        ([], "should be an object"),
    ],
)  # fmt: skip
def test_an_error_of_a_space_names_its_place(values, message):
    with pytest.raises(ValueError, match=message):
        parse(values)


def test_errors_of_names_and_files(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'cutmix'"):
        space(["cutmx"])
    with pytest.raises(ValueError, match="No method is left"):
        space(["cutmix"], ["cutmix"])
    with pytest.raises(ValueError, match="cannot be read"):
        space(file=tmp_path / "no.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        space(file=tmp_path / "bad.json")


# ---- budgets


def test_budgets_are_times_or_numbers_of_trials():
    assert Budget.parse("30m") == Budget(seconds=1800)
    assert Budget.parse("1.5h") == Budget(seconds=5400)
    assert Budget.parse("40 trials") == Budget(trials=40)
    for bad in ("", "40", "30 days", "-3m", "1.5 trials", "m", "3 trials", "0 trials"):
        with pytest.raises(ValueError, match="budget"):
            Budget.parse(bad)


def test_an_impossible_budget_says_what_would_fit():
    Budget(seconds=60).check(15)
    with pytest.raises(ValueError, match=r"takes 40 s, so that 1 would fit; the search needs 4. Give --budget 3m"):
        Budget(seconds=60).check(40)


# ---- strategies


def test_every_strategy_says_what_it_is():
    assert {"random", "grid", "bayes", "density", "population", "halving"} <= set(STRATEGIES)
    for cls in STRATEGIES.values():
        assert cls.__doc__
        assert cls.card.citation


def test_the_grid_is_over_the_two_numbers_of_randaugment(tmp_path):
    points = grid.Grid(levels=3).points(task(tmp_path, over=space()))
    assert points[0] == NONE
    found = [(one.operations, one.magnitude) for one in (p.stages[0].sequences[0].steps[0].method for p in points[1:])]
    assert found == [(n, m) for n in (1, 2, 3) for m in (10, 20, 30)]
    with pytest.raises(ValueError, match="not in the space"):
        grid.Grid().check(task(tmp_path))
    alone = grid.Grid("all", levels=2).points(task(tmp_path))
    methods = [p.stages[0].sequences[0].steps[0].method for p in alone[1:]]
    assert methods == [METHODS["rotation"](90.0), METHODS["rotation"](180.0), METHODS["hue"](0.25), METHODS["hue"](0.5)]


def trial(number: int, value: float | None):
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    one = create_trial(state=state, value=value)
    one.number = number
    return one


def test_the_worst_quarter_of_a_population_goes_on_from_the_best():
    known = [trial(number, value) for number, value in enumerate([10, 80, 30, 20, 70, 5, 60, 50])]
    went = {number: population.parent(known, number, 8, 0) for number in range(8, 16)}
    assert {number - 8: source.number for number, (source, _) in went.items() if number != 13} == {
        0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 7,
    }  # fmt: skip
    assert went[13][0].number in (1, 4)  # the two best of eight
    assert [number for number, (_, changes) in went.items() if changes] == [13]  # the first stays, though it is as bad
    assert population.parent([], 3, 8, 0) == (None, True)


def test_a_failed_member_is_replaced():
    known = [trial(number, value) for number, value in enumerate([10, 80, None, 20])]
    source, changes = population.parent(known, 6, 4, 0)
    assert source.number == 1
    assert changes


def test_exploring_moves_a_number_by_a_fifth_of_its_range_at_most():
    of = FloatDistribution(0, 10)
    moved = [population.explore(9.0, of, rng(seed)) for seed in range(200)]
    assert 7 <= min(moved) < 7.2
    assert max(moved) == 10
    logarithmic = [population.explore(1.0, FloatDistribution(0.01, 100, log=True), rng(seed)) for seed in range(200)]
    assert 100**-0.4 <= min(logarithmic) <= max(logarithmic) <= 100**0.4
    assert population.explore("area", space(["cutmix"]), rng()) == "area"


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.5, -2.0]])
def test_density_is_cross_entropy_over_that_of_a_guess(scores):
    """With plain labels; with mixed ones the label's own entropy is taken off."""
    network = torch.nn.Module()
    network.forward = lambda images: torch.tensor(scores).expand(len(images), 4)
    fold = SimpleNamespace(network=network, mean=(0, 0, 0), std=(1, 1, 1), classes=4)
    images, labels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 2])
    losses = density._loss(fold, METHODS["baseline"](), images, labels, rng())
    assert torch.allclose(losses, -torch.tensor(scores).log_softmax(0)[labels] / math.log(4))
    half = METHODS["samplepairing"]()
    mixed = density._loss(fold, half, images, labels, rng(1))
    assert mixed.isfinite().all()
    if not any(scores):
        assert torch.allclose(losses, torch.ones(2))


def test_folds_need_pictures_of_each_class(tmp_path):
    one = task(tmp_path, pictures=(2, 2))
    with pytest.raises(ValueError, match="density:folds=2"):
        density.Density(folds=5).check(one)


# ---- studies


class Unlucky(Exception):
    """Ends a search as a signal would."""


def unlucky(monkeypatch, chance: float, dice: np.random.Generator) -> None:
    """Let trials have a value by their policy, and end the process' work at random between their reports."""

    def train(one, folder, run, splits, measured, until=None):
        text = (folder / trials.POLICY).read_text()
        until = until or run.epochs
        known = one.study.get_trials(deepcopy=False)[one.number].intermediate_values
        values = [float(np.random.default_rng([len(text), *text.encode()[-300:], epoch]).uniform(0, 100))
                  for epoch in range(until)]  # fmt: skip
        for epoch in range(len(known), until):
            if dice.random() < chance:
                raise Unlucky
            one.report(values[epoch], epoch + 1)
            if one.number and epoch + 1 < run.epochs and one.should_prune():
                raise TrialPruned
        (folder / trials.CHECKPOINT).touch()
        return values[-1]

    monkeypatch.setattr(trials, "train", train)
    monkeypatch.setattr(population, "adopt", lambda source, folder, task: None)


@pytest.mark.parametrize("text", ["random", "grid:method=all,levels=4", "bayes:startup=4", "halving",
                                  "population:size=5,interval=1"])  # fmt: skip
def test_a_search_that_is_ended_at_random_moments_ends_as_any_other(text, tmp_path, monkeypatch):
    chosen, dice = construct(STRATEGIES, text), rng(3)
    unlucky(monkeypatch, 0, dice)
    whole = search(task(tmp_path / "whole", "9 trials"), chosen)
    unlucky(monkeypatch, 0.15, dice)
    ended = 0
    while True:
        try:
            found = search(task(tmp_path / "ended", "9 trials"), chosen, resume=ended > 0)
            break
        except Unlucky:
            ended += 1
    assert ended >= 2
    assert summary(tmp_path / "whole") == summary(tmp_path / "ended")
    assert found.policy.stages == whole.policy.stages
    assert len(found.rows) == (15 if text.startswith("population") else 9)
    for name in ("policy.json", "report.md", "trials.json"):
        assert (tmp_path / "ended" / name).is_file()
    assert Policy.read(tmp_path / "ended" / "policy.json").source["none"] == found.nothing["value"]


def test_the_trial_of_a_living_process_is_left_to_it(tmp_path, monkeypatch):
    unlucky(monkeypatch, 0, rng())
    first, second = (study.Search(task(tmp_path), STRATEGIES["random"](), resume) for resume in (False, True))
    with first._next() as one, second._next() as other:
        assert (one.number, other.number) == (0, 1)
    with second._next() as again:  # both were left
        assert again.number == 0


def test_a_search_is_resumed_with_its_own_settings_alone(tmp_path, monkeypatch):
    unlucky(monkeypatch, 0, rng())
    search(task(tmp_path, "4 trials"), STRATEGIES["random"]())
    with pytest.raises(ValueError, match="--resume"):
        search(task(tmp_path), STRATEGIES["random"]())
    with pytest.raises(ValueError, match="differs in strategy"):
        search(task(tmp_path), STRATEGIES["bayes"](), resume=True)
    with pytest.raises(ValueError, match="differs in run, epochs"):
        search(task(tmp_path, epochs=4), STRATEGIES["random"](), resume=True)
    with pytest.raises(ValueError, match="differs in space"):
        search(task(tmp_path, over=space(["cutmix"])), STRATEGIES["random"](), resume=True)
    assert len(search(task(tmp_path, "6 trials"), STRATEGIES["random"](), resume=True).rows) == 6  # more is no other


def test_random_search_draws_by_the_trials_number(tmp_path, monkeypatch):
    """Whatever the other trials were: the first four of six are the four of four."""
    unlucky(monkeypatch, 0, rng())
    for count in (4, 6):
        search(task(tmp_path / str(count), f"{count} trials"), STRATEGIES["random"]())
    assert summary(tmp_path / "6")[:4] == summary(tmp_path / "4")
    search(task(tmp_path / "other", "4 trials", seed=1), STRATEGIES["random"]())
    assert [row[2] for row in summary(tmp_path / "other")] != [row[2] for row in summary(tmp_path / "4")]


def test_half_a_line_of_the_journal_is_cut_off(tmp_path):
    path = tmp_path / "study.journal"
    journal.study(path, False).ask()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 3].rstrip(b"\n")[:20])
    again = journal.study(path, False)
    again.ask()
    assert [trial.number for trial in journal.study(path, False).get_trials()] == [0, 1]
    path.write_bytes(b"half")
    journal.mend(path)
    assert path.read_bytes() == b""


def test_a_trial_that_cannot_be_trained_is_told_and_the_search_goes_on(tmp_path, monkeypatch):
    def train(one, *given, **more):
        if one.number == 2:
            raise ValueError("The loss became nan")
        return 50.0 + one.number

    monkeypatch.setattr(trials, "train", train)
    found = search(task(tmp_path, "4 trials"), STRATEGIES["random"]())
    assert [row["state"] for row in found.rows] == ["complete", "complete", "fail", "complete"]
    assert found.best["number"] == 4


# ---- the command


def command(root: Path, out: Path, *more: str):
    flags = "--network test_resnet --image-size 16 --epochs 1 --warmup 0 --batch-size 4 --lr 0.02 --stem standard"
    line = ["search", "--root", str(root), "--out", str(out), *f"{flags} --width 1".split(), *more]
    return CliRunner().invoke(__main__.app, line)


def test_the_command_searches_and_says_how_to_judge(pictures, tmp_path):
    line = ["--strategy", "random", "--budget", "4 trials", "--only", "cutmix,rotation"]
    result = command(pictures, tmp_path, *line)
    assert result.exit_code == 0, result.output
    assert "Trial 4 of about 4" in result.output
    assert f"mixviz judge {tmp_path}/policy.json cutmix" in result.output
    source = Policy.read(tmp_path / "policy.json").source
    assert (source["trials"], source["strategy"], list(source["space"]["methods"])) == (
        4,
        "random",
        ["cutmix", "rotation"],
    )
    assert source["best"] >= source["none"]
    METHODS["searched"](path=str(tmp_path / "policy.json"))
    assert "--resume" in str(command(pictures, tmp_path, *line).exception)
    assert command(pictures, tmp_path, *line, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--strategy", "gird"], "Did you mean 'grid'"),
        (["--strategy", "density:folds=1"], "outside its range"),
        (["--budget", "soon"], "30m, 2h"),
        (["--only", "cutmx"], "Did you mean 'cutmix'"),
        (["--space", "none.json"], "cannot be read"),
        (["--classes", "ant,dog"], "'dog'"),
        (["--limit", "3"], "four|4"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(more, message, pictures, tmp_path):
    result = command(pictures, tmp_path / "out", *more)
    assert result.exit_code
    with pytest.raises((ValueError, OSError), match=message):
        raise result.exception
    assert not (tmp_path / "out").exists()


def test_the_generations_of_a_population_train_on_from_each_others_weights(tmp_path):
    over = space(["horizontal_flip", "cutmix"])
    one = task(tmp_path, "4 trials", over, (16, 8), epochs=2)
    found = search(one, STRATEGIES["population"](size=4, interval=1))
    assert [row["state"] for row in found.rows] == ["complete"] * 8
    assert [list(row["epochs"]) for row in found.rows] == [["1"]] * 4 + [["1", "2"]] * 4
    for row in found.rows[4:]:  # the first epoch was the parent's
        assert row["epochs"]["1"] == found.rows[row["parent"] - 1]["value"]


@pytest.mark.slow
def test_a_search_ends_before_its_judge(pictures, tmp_path):
    result = command(pictures, tmp_path, "--strategy", "random", "--budget", "4 trials", "--judge", "3")
    assert result.exit_code == 0, result.output
    verdict = json.loads((tmp_path / "judged" / "verdict.json").read_text())
    assert "none" in json.dumps(verdict)
    assert (tmp_path / "judged" / "report.md").is_file()
    assert Policy.read(tmp_path / "random.json").stages != NONE.stages


# ---- searches that train


def test_a_trial_trains_reports_and_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    """Ended between two epochs, it has the values of one that was not; weights are deleted at its end."""
    over = parse({"methods": {"rotation": {"degrees": 90}}, "probability": 1.0, "steps": 1})
    straight = search(task(tmp_path / "straight", "4 trials", over, (24, 8), epochs=2), STRATEGIES["random"]())
    note, count = trials.Clock.note, 0

    def ends(clock):
        nonlocal count
        note(clock)
        count += 1
        if count == 1:
            raise Unlucky

    monkeypatch.setattr(trials.Clock, "note", ends)
    with pytest.raises(Unlucky):
        search(task(tmp_path / "ended", "4 trials", over, (24, 8), epochs=2), STRATEGIES["random"]())
    assert (tmp_path / "ended/trials/0001/checkpoint.safetensors").is_file()
    found = search(task(tmp_path / "ended", "4 trials", over, (24, 8), epochs=2), STRATEGIES["random"](), resume=True)
    assert summary(tmp_path / "ended") == summary(tmp_path / "straight")
    assert found.rows[0]["value"] == straight.rows[0]["value"]
    assert {path.name for path in (tmp_path / "ended/trials/0002").iterdir()} == {"policy.json", "log.jsonl"}


def test_a_budget_that_is_too_short_ends_before_it_is_spent(tmp_path):
    with pytest.raises(ValueError, match=r"--budget 0.1 s is too short: a trial takes .* Give --budget"):
        search(task(tmp_path, "0.1s", pictures=(16, 8)), STRATEGIES["random"]())


@pytest.mark.slow
@pytest.mark.parametrize("text", ["random", "bayes:startup=6", "halving", "grid:method=all,levels=4",
                                  "population:size=8,interval=1"])  # fmt: skip
def test_a_planted_policy_is_found(text, tmp_path):
    """The stripes, which tell the classes apart in training, are turned in validation, and the colour is not: rotation
    must help, and changed colours must hurt."""
    in_stages = text.startswith("population")  # whose members change their minds
    found = search(task(tmp_path, "14 trials", epochs=5 if in_stages else 3), construct(STRATEGIES, text))
    (last,) = found.policy.stages[-1].sequences[0].steps
    assert last.method.card.name == "rotation"
    assert found.best["value"] > found.nothing["value"] + 30
    hue = [row for row in found.rows if "Hue" in str(row["words"]) and row["value"] is not None]
    assert in_stages or max((row["value"] for row in hue), default=0) < found.best["value"] - 30


@pytest.mark.slow
def test_density_matching_finds_what_keeps_the_class(tmp_path):
    """Both ways of stripes in each class: only the colour tells them apart, and hue takes it away."""
    planted = {"methods": {**PLANTED["methods"], "hue": {"strength": [0.1, 0.5]}}, "steps": 1, "probability": [0.5, 1]}
    one = task(tmp_path, "20 trials", parse(planted))
    both = Task(one.run, one.space, gratings(96, 0, None), gratings(60, 1, None), tmp_path, one.budget, one.tell)
    found = search(both, density.Density(folds=2, merged=3))
    names = {step.method.card.name for one in found.policy.stages[0].sequences for step in one.steps}
    assert names == {"rotation"}
    value = {"Hue": [], "Rotation": []}
    for row in found.rows[1:]:
        name = row["stages"][0]["policies"][0]["steps"]
        if name:
            value["Hue" if name[0]["method"] == "hue" else "Rotation"].append(row["value"])
    assert min(value["Hue"]) > np.median(value["Rotation"])


def _search(out: str, text: str) -> None:
    os.environ["ACCELERATE_USE_CPU"] = "true"
    torch.set_num_threads(1)
    search(task(Path(out), "6 trials", epochs=2), construct(STRATEGIES, text), resume=Path(out).exists())


@pytest.mark.slow
@pytest.mark.parametrize("text", ["random", "grid:method=all,levels=3", "bayes:startup=3"])
def test_a_search_killed_at_random_moments_ends_as_any_other(text, tmp_path):
    server, dice = multiprocessing.get_context("spawn"), rng(5)
    search(task(tmp_path / "whole", "6 trials", epochs=2), construct(STRATEGIES, text))
    path, kills = tmp_path / "killed" / study.JOURNAL, 0
    while True:
        before = path.stat().st_size if path.exists() else 0
        process = server.Process(target=_search, args=(str(tmp_path / "killed"), text))
        process.start()
        while kills < KILLS and process.is_alive() and not (path.exists() and path.stat().st_size > before):
            process.join(0.05)  # until it has done something
        process.join(float(dice.uniform(0, 2)) if kills < KILLS else None)
        if process.exitcode == 0:
            break
        assert process.exitcode is None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
    assert kills >= 3
    assert summary(tmp_path / "killed") == summary(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_share_a_search(tmp_path):
    server = multiprocessing.get_context("spawn")
    study.Search(task(tmp_path, "6 trials", epochs=2), STRATEGIES["random"]())
    processes = [server.Process(target=_search, args=(str(tmp_path), "random")) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0, 0]
    alone = tmp_path / "alone"
    search(task(alone, "6 trials", epochs=2), STRATEGIES["random"]())
    assert summary(alone) == summary(tmp_path)


@pytest.mark.parametrize(("least", "ends_early"), [(1, True), (1000, False)])
def test_every_trial_gets_its_least_epochs(least, ends_early):
    epochs = 4
    study = create_study(direction="maximize", pruner=STRATEGIES["bayes"](least=least).pruner(epochs))
    ended = False
    for value in range(30, 0, -1):  # each worse than all before it
        trial = study.ask()
        for epoch in range(1, epochs + 1):
            trial.report(float(value), epoch)
            ended = ended or (epoch < epochs and trial.should_prune())
        study.tell(trial, float(value))
    assert ended == ends_early

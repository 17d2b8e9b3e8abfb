"""Paired differences by hand, and the questions that the zoo's cards answer."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from mixviz.evaluation import paired, questions, zoo_tables
from mixviz.evaluation.metrics import METRICS
from mixviz.networks import zoo
from mixviz.networks.model_card import ModelCard

OURS, BASE = [31.0, 34.0, 33.0], [30.0, 32.0, 30.0]  # differences 1, 2, 3


# Paired differences


def test_an_interval_over_seeds_by_hand():
    result = paired.over_seeds(OURS, BASE)
    # mean 2, standard deviation 1; t of 2 degrees of freedom: 4.30265 at 0.975, 1.06066 at 0.8
    assert (result.mean, result.count, result.over) == (2, 3, "seeds")
    assert (result.low, result.high) == pytest.approx(
        (2 - 4.30265 / math.sqrt(3), 2 + 4.30265 / math.sqrt(3)), abs=1e-4
    )
    assert result.visible == pytest.approx((4.30265 + 1.06066) / math.sqrt(3), abs=1e-4)
    assert result.told_apart is False


def test_one_of_several_comparisons_needs_more():
    alone, one_of_five = (paired.over_seeds([5.1, 5.0, 4.9], [0, 0, 0], k) for k in (1, 5))
    # standard deviation 0.1; t of 2 degrees of freedom at 1 - 0.05 / 10: 9.92484
    assert one_of_five.high - 5 == pytest.approx(9.92484 * 0.1 / math.sqrt(3), abs=1e-5)
    assert alone.high < one_of_five.high
    assert alone.told_apart is one_of_five.told_apart is True


def test_what_is_common_to_a_seed_does_not_count():
    hard = np.array([0.0, 20.0, 40.0])
    assert paired.over_seeds((OURS + hard).tolist(), (BASE + hard).tolist()) == paired.over_seeds(OURS, BASE)
    swapped = paired.over_seeds(BASE, OURS)
    assert (swapped.mean, -swapped.high) == (-2, pytest.approx(paired.over_seeds(OURS, BASE).low))


@pytest.mark.parametrize(
    "result",
    [
        paired.over_seeds([3], [1]),
        paired.over_seeds([3, 4], [1, 2]),
        paired.over_pictures([3], [1], np.random.default_rng()),
    ],
)
def test_a_single_pair_has_no_interval(result):
    assert (result.mean, result.low, result.high, result.visible, result.told_apart) == (2, None, None, None, None)


def test_intervals_over_seeds_cover_the_truth():
    rng = np.random.default_rng(0)
    results = [paired.over_seeds(*rng.normal([[1], [0]], 1, (2, 5))) for _ in range(2000)]
    assert np.mean([one.low < 1 < one.high for one in results]) == pytest.approx(0.95, abs=0.015)


def test_a_visible_difference_is_seen_four_times_in_five():
    rng, n = np.random.default_rng(0), 20
    true = statistics.fmean(paired.over_seeds(*rng.normal(0, 1, (2, n))).visible for _ in range(500))
    seen = [paired.over_seeds(*rng.normal([[true], [0]], 1, (2, n))).told_apart for _ in range(2000)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.04)


def test_the_bootstrap_over_pictures_is_that_of_their_mean():
    rng = np.random.default_rng(0)
    ours, base = 100.0 * (rng.random((2, 900)) < [[0.1], [0.14]])
    result = paired.over_pictures(ours, base, np.random.default_rng(1))
    error = (ours - base).std() / 30
    assert (result.mean, result.over, result.count) == (pytest.approx((ours - base).mean()), "pictures", 900)
    assert (result.low, result.high) == pytest.approx(
        (result.mean - 1.96 * error, result.mean + 1.96 * error), abs=0.15
    )
    assert result.visible == pytest.approx((1.95996 + 0.84162) * error, rel=1e-3)
    assert result == paired.over_pictures(ours, base, np.random.default_rng(1))
    same = paired.over_pictures(ours, ours, np.random.default_rng(1))
    assert (same.low, same.high, same.told_apart) == (0, 0, False)


def test_pairs_are_as_many_of_one_as_of_the_other():
    with pytest.raises(ValueError, match="as many of one as of the other; got 2, 3"):
        paired.over_seeds([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="one number or more"):
        paired.over_seeds([], [])
    with pytest.raises(ValueError, match="comparisons"):
        paired.over_seeds([1], [1], 0)


def test_the_variance_of_strategies_by_hand():
    # Means 1, 2, 6 of two seeds without any other effect but ±d: F = 2·var(means)·... against F(2, 2; 0.95) = 19
    def table(d: float) -> list[list[float]]:
        return [[1 + d, 1 - d], [2 - d, 2 + d], [6 + d, 6 - d]]

    # between: 2 · ((1 - 3)² + (2 - 3)² + (6 - 3)²) / 2 = 14; rest: residuals d ∓ d/3 …: (2 · (4/9 + 16/9 + 4/9) d²) / 2
    limit = math.sqrt(14 / 19 / (24 / 9))
    assert paired.any_differ(table(0.95 * limit)) is True
    assert paired.any_differ(table(1.05 * limit)) is False
    assert paired.any_differ([[1, 2]]) is paired.any_differ([[1], [2]]) is paired.any_differ([[1, 1], [1, 1]]) is None
    with pytest.raises(ValueError, match="same seeds"):
        paired.any_differ([[1, 2], [1]])


def test_how_often_equal_strategies_differ():
    rng = np.random.default_rng(0)
    found = [paired.any_differ(rng.normal(0, 1, (8, 5)) + 10 * rng.normal(0, 1, 5)) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.015)


# Questions


def card(name: str, errors: list[float], holdout: str = "{}/5", **more) -> ModelCard:
    """Return a card of a strategy of the zoo with an error per seed; seed s is tested on part s + 1."""
    method, options = zoo.STRATEGIES[name]

    def metrics(error: float) -> dict:
        return {
            "images": 200,
            "weights": "last epoch",
            "size": [64, 64],
            "accuracy": {"top1_error_percent": error},
        } | more

    first, *others = errors
    plain = zoo.card("cutmix")
    run = {**plain.run, "seed": 0, "holdout": holdout.format(1)}
    seeds = [
        {"seed": seed, "holdout": holdout.format(seed + 1), "metrics": metrics(error)}
        for seed, error in enumerate(others, 1)
    ]
    return plain.changed(method=method, parameters=options, run=run, metrics=metrics(first), seeds=seeds)


def test_every_question_is_of_strategies_and_metrics_that_there_are():
    for question in questions.QUESTIONS.values():
        assert question.title.endswith("?")
        assert set(question.metrics) <= set(METRICS)
        assert {name for pair in question.pairs for name in pair} <= set(zoo.STRATEGIES)


def test_an_answer_is_paired_by_seed_and_part():
    (group,) = questions.groups([card("baseline", [30, 32, 30, 9]), card("cutmix", [31, 34, 33])])
    one, *others = questions.answers(questions.Question("?", ("top1_error",), (("cutmix", "baseline"),)), group)
    assert not others
    assert one.difference == paired.over_seeds(OURS, BASE)
    assert one.means == (pytest.approx(98 / 3), pytest.approx(92 / 3))  # the seed that one of them lacks is left out


def test_better_is_lower_or_higher():
    high = [{"eps_of_255": [1], "accuracy_percent": [value]} for value in (40.0, 20.0)]
    cards = [card("cutmix", [20, 20.1, 20.2], fgsm=high[0]), card("baseline", [30, 30.1, 30.0], fgsm=high[1])]
    (group,) = questions.groups(cards)
    asked = questions.Question("?", ("top1_error", "fgsm_1"), (("cutmix", "baseline"), ("baseline", "cutmix")))
    assert [one.better for one in questions.answers(asked, group)] == [True, False, True, False]


def test_comparisons_that_were_made_count_and_no_others():
    (group,) = questions.groups([card(name, OURS) for name in ("mixup", "cutout")] + [card("baseline", BASE)])
    answers = questions.answers(questions.QUESTIONS["error"], group)
    known = [one for one in answers if one.means]
    assert {one.ours for one in known} == {"mixup", "cutout"}
    assert all(one.difference == paired.over_seeds(OURS, BASE, 2) for one in known)
    assert len(answers) == len(questions.QUESTIONS["error"].metrics) * (len(zoo.STRATEGIES) - 1)


def test_one_seed_is_paired_over_its_pictures():
    def accuracy(wrong: list[int]) -> dict:
        return {"accuracy": {"top1_error_percent": len(wrong) / 2, "wrong": wrong}}

    cards = [card("cutmix", [5], **accuracy(list(range(10)))), card("baseline", [20], **accuracy(list(range(40))))]
    (group,) = questions.groups(cards)
    (one,) = questions.answers(questions.Question("?", ("top1_error",), (("cutmix", "baseline"),)), group)
    assert (one.difference.over, one.difference.count, one.difference.mean) == ("pictures", 200, -15)
    assert one.better


def measured(name: str, wrong: list[list[int]], **more) -> ModelCard:
    """Return a card whose seeds missed the given pictures of 200."""
    own = card(name, [len(each) / 2 for each in wrong], **more)
    of = iter(wrong)

    def listed(metrics: dict) -> dict:
        return metrics | {"accuracy": metrics["accuracy"] | {"wrong": next(of)}}

    first = listed(own.metrics)
    seeds = [{"seed": one.seed, "holdout": one.holdout, "metrics": listed(one.metrics)} for one in own.seeds]
    return own.changed(metrics=first, seeds=seeds)


def test_an_error_must_differ_over_seeds_and_over_pictures():
    """As the judge of recipes has it: the seeds agree on one picture in 200, which may be the luck of the pictures."""
    asked = questions.Question("?", ("top1_error",), (("cutmix", "baseline"),))
    missed = [[0, 1], [0, 1], [0, 1], [0, 1, 2]], [list(range(40)), *[list(range(41))] * 3]
    few, many = (
        [measured("cutmix", [[0]] * 4, holdout="1/5"), measured("baseline", wrong, holdout="1/5")] for wrong in missed
    )
    (luck,), (real,) = (questions.answers(asked, group) for cards in (few, many) for group in questions.groups(cards))
    assert [luck.difference.told_apart, luck.pictures.told_apart] == [True, False]
    assert luck.told_apart is False
    assert luck.better is None
    assert luck.visible == max(luck.difference.visible, luck.pictures.visible)
    assert real.better is True
    assert (real.pictures.over, real.pictures.count) == ("pictures", 200)


def test_pictures_that_several_seeds_were_tested_on_count_once():
    asked = questions.Question("?", ("top1_error",), (("cutmix", "baseline"),))
    cards = [measured("cutmix", [[0], [0, 1]], holdout="1/5"), measured("baseline", [[2], [1, 2]], holdout="1/5")]
    (group,) = questions.groups(cards)
    (one,) = questions.answers(asked, group)
    assert one.pictures.count == 200
    assert one.told_apart is None  # two seeds give no interval


def test_trainings_are_not_mixed():
    plain = card("baseline", [30])
    longer = plain.changed(run={**plain.run, "epochs": 99})
    unmeasured = card("mixup", [30]).changed(metrics=None)
    grouped = questions.groups([plain, longer, card("cutmix", [20, 21]), unmeasured])
    assert [sorted(group) for group in grouped] == [["baseline", "cutmix"], ["baseline"]]


def test_tables_say_what_is_known_and_what_is_not():
    groups = questions.groups([card("baseline", BASE), card("cutmix", [20, 20.1, 20.2]), card("mixup", OURS)])
    text = zoo_tables.answered(questions.QUESTIONS["error"], groups)
    assert "37 classes of oxford_pet" in text
    assert "| top-1 error ↓ | CutMix | 20.1 | Baseline | 30.7 | −10.6 (" in text
    assert "| better, 3 seeds |" in text
    assert "| not told apart with 3 seeds | 4." in text
    assert "Not measured: top-1 error of Cutout, SaliencyMix, " in text
    assert "Not measured: PGD 1/255." in zoo_tables.answered(questions.QUESTIONS["pgd"], groups)
    (row,) = [line for line in zoo_tables.trainings(groups).splitlines() if "oxford_pet" in line]
    assert row.endswith("| ImageNet weights, the lowest 6 stages frozen | 750 | 3 | 3 | 600 |")
    one = questions.groups([card("baseline", [30]), card("cutmix", [20])])
    assert "| −10.0 | one seed: no interval |  |" in zoo_tables.answered(questions.QUESTIONS["error"], one)


def test_answers_in_short():
    groups = questions.groups([card("baseline", BASE), card("cutmix", [20, 20.1, 20.2]), card("mixup", OURS)])
    text = zoo_tables.answers_in_short(groups)
    assert "- Does mixing lower the error? *top-1 error*: better for CutMix (−10.6); not told apart: Mixup.\n" in text
    assert "- Does mixing calibrate? *ECE*: not measured.\n" in text
    one = questions.groups([card("saliencymix_released", [30]), card("cutmix", [20])])
    text = zoo_tables.answers_in_short(one)
    assert "- Does it matter where the patch is cut? *top-1 error*: one seed, which tells nothing apart.\n" in text
    many = questions.groups([card("saliencymix_released", [30, 30.1, 30.2]), card("cutmix", [20, 20.1, 20])])
    assert "worse for SaliencyMix (released saliency) against CutMix (+10.1)" in zoo_tables.answers_in_short(many)


def test_without_networks_the_tables_say_so(tmp_path):
    for name, text in zoo_tables.all_tables(tmp_path).items():
        assert text.startswith("No network is measured yet.") or name == "published"

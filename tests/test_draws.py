"""Repeated draws in one batch, compared with plans made one by one and with known values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from cases import pair, plan_pair, table, variants, without_colour

from mixviz import METHODS, Batch
from mixviz.explain import sampling
from mixviz.explain.edits import refilled

SIZE = (9, 14)
COUNT = 100
usual_case = table(list(variants(ends=False)))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread, because threads on such small pictures mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def last_choices(cls) -> dict:
    return {key: about["choices"][-1] for key, about in cls.parameters().items() if about["choices"]}


# Default parameters and the most different choices only, because each test takes a while.
twice_each = table(
    [(name, {}) for name in METHODS],
    [(name, choices) for name, cls in METHODS.items() if (choices := last_choices(cls))],
)


def repeat(name, given, count=COUNT, seed=0, size=SIZE) -> sampling.Draws:
    images, maps, objects = pair(size)
    return sampling.repeat(images, METHODS[name](**given), maps, objects, count=count, seed=seed)


def one_by_one(name, given, count=COUNT, first=1000) -> dict[str, np.ndarray]:
    """Compute the same from a batch of two per draw, with constant pixels, and gradients by autograd."""
    _, maps, objects = pair(SIZE)
    method, sampled = METHODS[name](**given), {key: [] for key in ("drawn", "area", "share", "gap", "cut", "covered")}
    images = torch.stack([torch.zeros(3, *SIZE), torch.ones(3, *SIZE)])
    for seed in range(first, first + count):
        batch = Batch(images, torch.tensor([0, 1]), saliency=maps)
        recipe = method.plan(batch, np.random.default_rng(seed), partner=np.array([1, 0]))
        pixels = without_colour(dataclasses.replace(refilled(recipe, torch.ones(1, 3, 1, 1)), layer=0))
        leaf = images.clone().requires_grad_()
        mixed = pixels.apply(leaf)[0].mean(0)  # 0 where A is, 1 where B or a hole
        mixed.sum().backward()
        targets = recipe.targets(torch.tensor([0, 1]), 2)[0]
        visible = recipe.truth(objects).visible
        seen = [visible[recipe.partner[:, 0] == i, 0].sum() for i in (0, 1)]
        fair = (0.5 if sum(seen) == 0 else seen[0] / sum(seen)) * targets.sum()
        sampled["drawn"].append(np.nan if recipe.lam is None else recipe.lam[0].item())
        sampled["area"].append(1 - mixed.mean().item())
        sampled["share"].append(targets[0].item())
        sampled["gap"].append(abs(targets[0].item() - float(fair)) if recipe.paired else 0.0)
        sampled["cut"].append(leaf.grad[1].sum(0).clamp(max=1).numpy())
        sampled["covered"].append(mixed.detach().numpy())
    return {key: np.array(values) for key, values in sampled.items()}


def same_mean(one: np.ndarray, two: np.ndarray) -> None:
    error = np.sqrt(one.var() / len(one) + two.var() / len(two))
    assert abs(one.mean() - two.mean()) <= 4.5 * error + 1e-5


@twice_each
def test_draws_are_distributed_like_plans_made_one_by_one(name, given):
    """Means agree within 4.5 standard errors, medians within a wide quantile band, heat maps pixel by pixel."""
    sampled, expected = repeat(name, given, count=600), one_by_one(name, given)
    assert (sampled.drawn is None) == np.isnan(expected["drawn"]).all()
    looks_at_pixels = plan_pair(name, given)[1].label_by in (
        "attention",
        "attention_area",
        "planned",
    )  # which are others here
    for key in ("drawn", "area") if looks_at_pixels else ("drawn", "area", "share", "gap"):
        values = getattr(sampled, key)
        if values is not None:
            same_mean(values, expected[key])
            low, high = np.quantile(expected[key], (0.3, 0.7))
            assert low - 1e-5 <= np.median(values) <= high + 1e-5
    for key in ("covered", "cut"):
        if key == "cut" and plan_pair(name, given)[1].resample:
            continue  # the gradient shows how small B became
        difference = np.abs(getattr(sampled, key) - expected[key].mean(0))
        assert difference.mean() < 0.06  # the standard error of a pixel with probability 1/2 is 0.05
        assert difference.max() < 0.2


@usual_case
def test_ranges_shapes_and_what_belongs_together(name, given):
    sampled = repeat(name, given, count=40)
    for values in (sampled.drawn, sampled.area, sampled.share, sampled.gap):
        if values is not None:
            assert values.shape == (40,)
            assert values.min() >= -1e-6
            assert values.max() <= 1 + 1e-6
    for heat in (sampled.cut, sampled.covered):
        assert heat.shape == SIZE
        assert heat.min() >= -1e-6
        assert heat.max() <= 1 + 1e-6
    assert sampled.covered.mean() == pytest.approx(1 - sampled.area.mean(), abs=1e-5)


@usual_case
def test_one_seed_one_result(name, given):
    one, same, other = (repeat(name, given, count=30, seed=seed) for seed in (5, 5, 6))
    for field in dataclasses.fields(sampling.Draws):
        values = [getattr(sampled, field.name) for sampled in (one, same, other)]
        assert values[0] is values[1] is None or np.array_equal(values[0], values[1])
    if one.drawn is not None:
        assert not np.array_equal(one.drawn, other.drawn)


@usual_case
def test_no_draw_repeats_another(name, given):
    """λ is drawn anew for each draw, although all draws form one batch."""
    sampled = repeat(name, given, count=40)
    if sampled.drawn is not None:
        assert len(set(sampled.drawn.tolist())) == 40


@usual_case
def test_the_pictures_stay(name, given):
    images, maps, objects = pair(SIZE)
    copies = [tensor.clone() for tensor in (images, maps, objects)]
    sampling.repeat(images, METHODS[name](**given), maps, objects, count=5)
    assert all(torch.equal(*both) for both in zip((images, maps, objects), copies, strict=True))


def test_cutmix_pastes_less_than_its_lam():
    """For λ uniform (α = 1) a box of side r = √(1-λ), centred anywhere and clipped, has the expected side r - r²/4
    along each axis, so the expected area is ∫ (√u - u/4)² du = 1/2 - 1/5 + 1/48 = 0.3208."""
    count = 6000
    sampled = repeat("cutmix", {"alpha": 1.0}, count, size=(48, 48))
    pasted = 1 - sampled.area
    assert sampled.drawn.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / count))
    assert pasted.mean() == pytest.approx(1 / 2 - 1 / 5 + 1 / 48, abs=4 * pasted.std() / np.sqrt(count))
    assert np.allclose(sampled.share, sampled.area, atol=1e-5)


def test_one_box_for_the_batch_is_drawn_anew_each_time():
    sampled = repeat("saliencymix", {"box": "batch"}, 60)
    assert len(set(sampled.drawn.tolist())) == 60
    assert len(set(sampled.area.round(4).tolist())) > 10
    assert sampled.covered.max() > 0.9  # all hold the peak, but for the empty ones,
    assert len(set(sampled.covered.round(4).ravel().tolist())) > 10  # and they differ in size


def test_all_of_b_is_in_a_picture_made_small():
    sampled = repeat("resizemix", {})
    assert (sampled.cut == 1).all()
    assert sampled.covered.max() < 1


@pytest.mark.parametrize(
    "name", [name for name, cls in METHODS.items() if cls.card.label == "1" and name != "samplepairing"]
)
def test_a_picture_alone_keeps_its_label(name):
    sampled = repeat(name, {})
    assert (sampled.share == 1).all()
    assert sampled.gap.max() < 1e-6
    assert not sampled.cut.any()


def test_a_place_that_two_tiles_show_is_cut_once():
    """Two tiles show random parts of B: the cut share exceeds one tile's part, and is at most 1."""
    sampled = repeat("mosaic", {"crop": "random", "margin": 0.5}, 400)  # four tiles of a quarter each
    assert 0.25 < sampled.cut.mean() < 0.5
    assert sampled.cut.max() <= 1

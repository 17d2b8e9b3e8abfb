"""Methods that compare the saliency of several pictures or places, recomputed."""

from __future__ import annotations

import itertools
import math

import cases
import numpy as np
import pytest
import torch
from test_methods import CLASSES, SIZE, Mixture, expect, pixels, run, seeds

from mixviz import METHODS, Batch
from mixviz.core.builders import chain
from mixviz.methods import comixup


def weights_of(mix: Mixture) -> np.ndarray:
    """Return every source's weight (K, N, H, W)."""
    weight = mix.recipe.weight.numpy()[:, :, 0]
    return np.broadcast_to(weight, (*weight.shape[:2], *mix.size))


def expect_sources(mix: Mixture, atol: float = 1e-6) -> None:
    """Check that every pixel mixes its sources with the recipe's weights, and that the label has their means."""
    weight, who = weights_of(mix), mix.recipe.partner.tolist()
    expect(mix, lambda n, y, x: sum(w[n, y, x] * mix.images[k[n], :, y, x] for w, k in zip(weight, who, strict=True)),
           atol)  # fmt: skip
    expected = np.zeros((len(mix), CLASSES))
    for w, k in zip(weight, who, strict=True):
        for n in range(len(mix)):
            expected[n, mix.labels[k[n]]] += w[n].mean(dtype=np.float64)
    np.testing.assert_allclose(mix.targets, expected, atol=1e-5)


def chained(partner: list[int], n: int, length: int) -> list[int]:
    """Return an image, its partner, the partner's partner, and so on."""
    who = [n]
    while len(who) < length:
        who.append(partner[who[-1]])
    return who


# ---------------------------------------------------------------- Co-Mixup


@seeds
@pytest.mark.parametrize(("sources", "cells", "size"), [(3, 4, (8, 12)), (2, 3, SIZE), (6, 2, SIZE)])
def test_comixup_shows_one_picture_in_each_cell(seed, sources, cells, size):
    mix = run("comixup", seed, shape=size, sources=sources, cells=cells)
    weight = weights_of(mix)
    for n in range(len(mix)):
        assert mix.recipe.partner[:, n].tolist() == chained(mix.partner, n, sources)
        shown: dict = {}
        for y, x in pixels(size):
            whose = weight[:, n, y, x].tolist()
            assert sorted(whose) == [0] * (sources - 1) + [1]
            cell = y * cells // size[0], x * cells // size[1]
            assert shown.setdefault(cell, whose) == whose
    expect_sources(mix)


def worth_of(labels, worth, who, method, grid=(2, 2)):
    """Compute the docstring's objective in loops: labels (N, cells), worth (K, N, cells), who (K, N)."""
    n, r = len(labels), math.prod(grid)
    share = np.zeros((n, n))
    for one, row in enumerate(labels):
        for k in row:
            share[one, who[k][one]] += 1 / r
    value = 0.0
    for one, row in enumerate(labels):
        value += sum(worth[k, one, i] for i, k in enumerate(row))
        for i, j in itertools.combinations(range(r), 2):
            (a, b), (c, d) = divmod(i, grid[1]), divmod(j, grid[1])
            value += method.smooth * (abs(a - c) + abs(b - d) == 1 and row[i] == row[j])
        for k in range(n):
            others = sum(share[m, k] for m in range(n) if m != one)
            value -= method.diversity * r * share[one, k] * paid(others, method)
    return value


def paid(others, method):
    """Return the cost of what others show of a picture, up to a constant if the threshold is soft."""
    if method.threshold == "soft":
        return np.maximum(method.free, others)
    return np.where(others > method.free, others, 0)


def all_worths(worth, who, method):
    """Compute the objective for all 81³ ways to fill three mixtures of 2 x 2 cells from three pictures."""
    ways = np.array(list(itertools.product(range(3), repeat=4)))
    alike = sum((ways[:, i] == ways[:, j]) for i, j in ((0, 1), (2, 3), (0, 2), (1, 3)))
    value, shares = np.zeros((81, 81, 81)), []
    for n in range(3):
        shape = [81 if axis == n else 1 for axis in range(3)]
        value += (worth[ways, n, range(4)].sum(1) + method.smooth * alike).reshape(shape)
        share = np.zeros((81, 3))
        for k in range(3):
            share[:, who[k, n]] += (ways == k).mean(1)
        shares.append(share.reshape(*shape, 3))
    for share in shares:
        value -= method.diversity * 4 * (share * paid(sum(shares) - share, method)).sum(-1)
    return value


@pytest.mark.parametrize(("given", "of", "optimal", "share"), [
    ({}, "noise", 1, 0.08), ({}, "photographs", 2, 0.08), ({"threshold": "hard"}, "photographs", 2, 0.05),
    ({"diversity": 0.0}, "noise", 8, 0.02), ({"diversity": 0.0}, "photographs", 1, 0.15),
])  # fmt: skip
def test_comixup_is_nearly_the_best_of_all(given, of, optimal, share):
    """Compared with all ways to fill three mixtures, it loses little of the range from the median to the best."""
    rng, method, missed = np.random.default_rng(0), METHODS["comixup"](**given), []
    who = chain(np.roll(np.arange(3), 1), 3)
    if of == "photographs":
        maps = Batch(cases.photographs(64)).saliency("spectral_residual").numpy()
        maps = maps.reshape(-1, 2, 32, 2, 32).mean((2, 4))
    for _ in range(12):
        means = rng.gamma(1, 1, (3, 2, 2)) if of == "noise" else maps[rng.choice(len(maps), 3, replace=False)]
        means = means / means.mean((1, 2), keepdims=True)
        worth = means[who] + 0.05 * np.log(rng.dirichlet([2] * 3, 3).T)[:, :, None, None]
        shown = method._assign(
            torch.from_numpy(worth), torch.from_numpy(who), comixup._turns(who, rng), Batch(torch.zeros(3, 3, 2, 2))
        )
        worth, labels = worth.reshape(3, 3, 4), shown.argmax(0).flatten(1).tolist()
        values = all_worths(worth, who, method)
        at = tuple(int("".join(map(str, row)), 3) for row in labels)
        assert values[at] == pytest.approx(worth_of(labels, worth, who, method))
        missed.append((values.max() - values[at]) / (values.max() - np.median(values)))
    assert sum(one < 1e-9 for one in missed) >= optimal
    assert np.mean(missed) < share


@pytest.mark.parametrize(("gain", "alike"), [(0.31, True), (0.33, False)])
def test_neighbours_that_disagree_cost_what_they_do_in_the_released_code(gain, alike):
    """A pair costs 0.32: the right cell follows the left one, unless its own picture is worth more than that."""
    worth, who = torch.zeros(2, 2, 1, 2), torch.tensor([[0, 1], [1, 0]])
    worth[0, :, 0, 0], worth[1, :, 0, 1] = 1, gain
    method = METHODS["comixup"](diversity=0.0)
    shown = method._assign(worth, who, np.array([0, 1]), Batch(torch.zeros(2, 3, 2, 2))).argmax(0)
    assert shown.tolist() == [[[0, 0 if alike else 1]]] * 2


def test_beyond_the_threshold_a_picture_costs_what_is_beyond_or_all():
    """Mixture 0 shows nine cells of picture 0 and one of picture 1; mixture 1 shows picture 1 alone."""
    who, shown = torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, 2, 1, 10)
    shown[0, 0, 0, :9] = shown[1, 0, 0, 9] = 1
    shown[0, 1] = 1
    for threshold, prices in (("soft", (16 * 0.07, 16 * 0.17)), ("hard", (16 * 0.9, 16.0))):
        price = METHODS["comixup"](threshold=threshold)._price(shown, who)
        expected = [[0, 0], [prices[1], prices[0]]]  # of the partner, which the other mixture nearly exhausts
        np.testing.assert_allclose(price, expected, atol=1e-5)


def test_a_picture_that_all_want_is_shared_out():
    """Picture 0 is worth most in all three mixtures that offer it; others may show 83 % of it free of cost."""
    maps = np.ones((6, 4, 4))
    used = {}
    for diversity in (0.0, 16.0):
        batch, method = Batch(torch.zeros(6, 3, 4, 4)), METHODS["comixup"](diversity=diversity)
        who = chain(np.roll(np.arange(6), 1), 3)
        worth = torch.from_numpy(maps[who]) + 0.5 * torch.from_numpy(who == 0)[:, :, None, None]
        turn = comixup._turns(who, np.random.default_rng(0))
        shown = method._assign(worth, torch.from_numpy(who), turn, batch)
        used[diversity] = (shown.mean((2, 3)) * (who == 0)).sum().item()
    assert used[0.0] == 3
    assert used[16.0] <= 1.83 + 1e-6


@pytest.mark.parametrize("n", [1, 2, 3, 20, 65])
def test_mixtures_that_share_pictures_take_turns(n):
    rng = np.random.default_rng(n)
    who = chain(rng.permutation(n), 3)
    turn = comixup._turns(who, rng)
    for one, other in itertools.combinations(range(n), 2):
        assert not set(who[:, one]) & set(who[:, other]) or turn[one] != turn[other]


def test_comixup_at_the_ends_of_lam_is_one_picture():
    mix = run("comixup", lam=1.0)
    np.testing.assert_array_equal(mix.mixed, mix.images)
    mix = run("comixup", lam=0.0, partner=np.array([1, 2, 3, 4, 0]), prior=0.0)
    assert mix.recipe.share[0].tolist() == [0] * 5


def test_of_two_pictures_each_counts_once():
    """The partner's partner is the image itself, which is already counted."""
    recipe = run("comixup", n=2, partner=np.array([1, 0]), sources=4).recipe
    assert recipe.partner.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert recipe.share[2:].abs().max() == 0
    np.testing.assert_allclose(recipe.share.sum(0), 1)


# ---------------------------------------------------------------- smooth shares


def smoothed(saliency: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a map (H, W) with a Gaussian, mirrored at the edges, to a mean of 1, by sums over whole pixels."""
    height, width = saliency.shape
    saliency = saliency if saliency.max() > 0 else np.ones_like(saliency)
    reach = max(1, math.ceil(4 * sigma))
    weight = {d: math.exp(-(d**2) / 2 / sigma**2) for d in range(-reach, reach + 1)}

    def folded(at, side):
        while not 0 <= at < side:
            at = -at if at < 0 else 2 * side - 2 - at
        return at

    result = np.zeros((height, width))
    for y, x in pixels(saliency.shape):
        for dy, dx in itertools.product(weight, weight):
            result[y, x] += weight[dy] * weight[dx] * saliency[folded(y + dy, height), folded(x + dx, width)]
    return result / result.mean()


@pytest.mark.parametrize("spread", [0.06, 0.2])
def test_guidedmixup(spread):
    mix = run("guidedmixup", 1, spread=spread)
    parts = [smoothed(one.astype(float), spread * min(SIZE)) for one in mix.maps]
    for n, who in enumerate(mix.partner):
        own = weights_of(mix)[0, n]
        for y, x in pixels(SIZE):
            assert own[y, x] == pytest.approx(parts[n][y, x] / (parts[n][y, x] + parts[who][y, x]), abs=1e-5)
    expect_sources(mix)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_guidedmixup_goes_on_to_the_farthest(n):
    mix = run("guidedmixup", n=n, shape=(4, 5), partner=None, **{"spread": 0.0})
    rng = np.random.default_rng(1000)
    rng.random((n, 3, 4, 5), np.float32)
    maps = torch.from_numpy((rng.integers(0, 5, (n, 4, 5)) / 4).astype(np.float32))
    batch = Batch(torch.zeros(n, 3, 4, 5), saliency=maps)
    recipe = METHODS["guidedmixup"](partner="farthest", spread=0.0).plan(batch, np.random.default_rng(0))
    parts = [one.double().numpy() / one.double().numpy().mean() for one in maps]
    far = [[-1 if i == j else np.linalg.norm(a - b) for j, b in enumerate(parts)] for i, a in enumerate(parts)]
    at = max(range(n), key=lambda i: max(far[i]))
    first, expected, left = at, {}, set(range(n)) - {at}
    while left:
        step = max(sorted(left), key=lambda j: far[at][j])
        expected[at], at = step, step
        left -= {step}
    expected[at] = first
    assert recipe.partner[1].tolist() == [expected[i] for i in range(n)]
    assert len(mix) == n


@pytest.mark.parametrize(("sources", "exponent"), [(3, 2.0), (2, 1.0), (6, 0.0)])
def test_supermix(sources, exponent):
    mix = run("supermix", 2, sources=sources, exponent=exponent)
    parts = [smoothed(one.astype(float), 0.06 * min(SIZE)) for one in mix.maps]
    rng = np.random.default_rng(2)
    rng.permutation(5)
    gamma = rng.standard_gamma(3.0, (sources, 5))
    for n in range(5):
        who = chained(mix.partner, n, sources)
        assert mix.recipe.partner[:, n].tolist() == who
        first = {k: who.index(k) for k in who}
        wanted = {k: gamma[i, n] / sum(gamma[j, n] for j in first.values()) for k, i in first.items()}
        for y, x in pixels(SIZE):
            worth = {k: p * parts[k][y, x] ** exponent for k, p in wanted.items()}
            for source, k in enumerate(who):
                expected = worth[k] / sum(worth.values()) if source == first[k] else 0
                assert weights_of(mix)[source, n, y, x] == pytest.approx(expected, abs=1e-5)
    expect_sources(mix)


def test_supermix_of_a_single_bright_place_is_a_number():
    """A concentrated map raised to a high power overflows a float."""
    maps = torch.zeros(2, 320, 320)
    maps[0, 3, 5] = maps[1, 200, 100] = 1
    batch = Batch(torch.rand(2, 3, 320, 320), saliency=maps)
    recipe = METHODS["supermix"](spread=0, exponent=8).plan(batch, np.random.default_rng(0), partner=np.array([1, 0]))
    assert recipe.weight.isfinite().all()
    torch.testing.assert_close(recipe.share.sum(0), torch.ones(2))


def test_supermix_of_exponent_0_is_mixup_of_several():
    recipe = run("supermix", lam=0.7, exponent=0.0, partner=np.array([1, 2, 3, 4, 0])).recipe
    np.testing.assert_allclose(recipe.share[0], 0.7, atol=1e-5)
    np.testing.assert_allclose(recipe.weight.std((3, 4)), 0, atol=1e-6)


# ---------------------------------------------------------------- KeepAugment


@seeds
@pytest.mark.parametrize(("size", "quantile"), [(0.5, 0.6), (0.34, 0.1), (1.0, 0.6), (0.0, 0.6)])
def test_keepaugment_cuts_where_little_is(seed, size, quantile):
    mix = run("keepaugment", seed, size=size, quantile=quantile, fill="black")
    height, width = (round(side * size) for side in SIZE)
    places = list(itertools.product(range(SIZE[0] - height + 1), range(SIZE[1] - width + 1)))
    for n, (top, left, bottom, right) in enumerate(mix.box):
        assert (bottom - top, right - left) == (height, width)
        inside = {(y, x): mix.maps[n, y : y + height, x : x + width].sum(dtype=float) for y, x in places}
        most = sorted(inside.values())[max(1, round(quantile * len(places))) - 1]
        assert inside[top, left] <= most + 1e-6
        expected = mix.images[n].copy()
        expected[:, top:bottom, left:right] = 0
        np.testing.assert_array_equal(mix.mixed[n], expected)
        assert mix.targets[n, mix.labels[n]] == 1


def test_keepaugment_takes_any_of_the_places_that_may_be_cut():
    """If the second of four columns is bright, holes of width one are equally frequent in the others."""
    from test_methods import fits_distribution

    maps = np.zeros((9000, 4, 4), np.float32)
    maps[:, :, 1] = 1
    for look, places in ((maps, [0, 2, 3]), (np.full_like(maps, 0.3), [0, 1, 2, 3])):
        boxes = run("keepaugment", n=9000, shape=(4, 4), maps=look, size=0.25, quantile=0.5).box
        fits_distribution(
            [(top, left) for top, left, *_ in boxes], dict.fromkeys(itertools.product(range(4), places), 1)
        )

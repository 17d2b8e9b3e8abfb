"""Every method against its paper: each mixture is recomputed slowly, pixel by pixel.

The tests do not use the package's geometry: boxes, peaks, odds and label shares are loops over whole pixels.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import mixviz
from mixviz import METHODS, Batch, Recipe

SIZE = (9, 12)
CLASSES = 7
seeds = pytest.mark.parametrize("seed", range(3))
roundings = pytest.mark.parametrize("rounding", ["nearest", "even"])


@dataclass
class Mixture:
    """A mixed batch as numpy arrays, with the recipe that made it."""

    images: np.ndarray
    labels: np.ndarray
    maps: np.ndarray
    recipe: Recipe
    mixed: np.ndarray
    targets: np.ndarray

    def __post_init__(self):
        self.size = self.images.shape[2:]
        self.partner = self.recipe.partner[-1 if len(self.recipe.partner) == 1 else 1].tolist()
        self.lam = None if self.recipe.lam is None else self.recipe.lam.double().tolist()
        self.box = None if self.recipe.target_boxes is None else self.recipe.target_boxes[0].tolist()
        self.source = None if self.recipe.source_box is None else self.recipe.source_box.tolist()

    def __len__(self):
        return len(self.images)


def run(name, seed=0, n=5, shape=SIZE, maps=None, images=None, errors=None, lam=None, partner=None, **parameters):
    """Mix ``n`` random images with a method; maps have coarse steps, so that maxima often tie."""
    rng = np.random.default_rng(seed + 1000)
    images = rng.random((n, 3, *shape), np.float32) if images is None else images
    maps = (rng.integers(0, 5, (n, *shape)) / 4).astype(np.float32) if maps is None else maps.astype(np.float32)
    labels = rng.permutation(CLASSES)[np.arange(n) % CLASSES]
    given = {"saliency": torch.from_numpy(maps), "errors": errors}
    batch = Batch(torch.from_numpy(images), torch.from_numpy(labels), **given)
    recipe = METHODS[name](**parameters).plan(batch, np.random.default_rng(seed), lam=lam, partner=partner)
    targets = recipe.targets(batch.labels, CLASSES).numpy()
    return Mixture(images, labels, maps, recipe, recipe.apply(batch.images).numpy(), targets)


def plan_many(name, n, shape=(8, 8), seed=0, lam=None, **parameters):
    """Plan a recipe for ``n`` images without own pixels, to test distributions."""
    images = torch.zeros(1, 3, *shape, dtype=torch.uint8).expand(n, -1, -1, -1)
    maps = torch.from_numpy(np.random.default_rng(seed).random((1, *shape), np.float32)).expand(n, -1, -1)
    batch = Batch(images, torch.zeros(n, dtype=torch.int64), saliency=maps)
    return METHODS[name](**parameters).plan(batch, np.random.default_rng(seed), lam=lam)


def pixels(size):
    return itertools.product(range(size[0]), range(size[1]))


def expect(mix: Mixture, rule: Callable[[int, int, int], np.ndarray], atol: float = 0) -> None:
    """Check that every pixel of every mixed image has the colour ``rule(n, y, x)``."""
    expected = np.empty_like(mix.images)
    for n in range(len(mix)):
        for y, x in pixels(mix.size):
            expected[n, :, y, x] = rule(n, y, x)
    np.testing.assert_allclose(mix.mixed, expected, rtol=0, atol=atol)


def expect_label(mix: Mixture, own: list[float], atol: float = 1e-6) -> None:
    """Check that the soft label has the share ``own`` of A's label, and B's for the rest."""
    expected = np.zeros((len(mix), CLASSES))
    for n, (share, who) in enumerate(zip(own, mix.partner, strict=True)):
        expected[n, mix.labels[n]] += share
        expected[n, mix.labels[who]] += 1 - share
    np.testing.assert_allclose(mix.targets, expected, rtol=0, atol=atol)


def expect_own_label(mix: Mixture) -> None:
    expected = np.zeros((len(mix), CLASSES))
    for n, label in enumerate(mix.labels):
        expected[n, label] = 1
    np.testing.assert_array_equal(mix.targets, expected)


def within(box, y, x):
    top, left, bottom, right = box
    return top <= y < bottom and left <= x < right


def count(box, size):
    return sum(within(box, y, x) for y, x in pixels(size))


def sides(lam, size, rounding="nearest"):
    """Height and width of a patch of side ratio sqrt(1-λ): to the nearest pixel, or as the authors of CutMix do, who
    cut the fraction off and take half of that, cut off again, to either side."""
    exact = [side * math.sqrt(max(0, 1 - lam)) for side in size]
    return [round(side) if rounding == "nearest" else 2 * (int(side) // 2) for side in exact]


def clipped(row, column, height, width, size):
    """Return the box of these sides around a pixel, clipped to the image."""
    rows = [y for y in range(row - height // 2, row - height // 2 + height) if 0 <= y < size[0]]
    columns = [x for x in range(column - width // 2, column - width // 2 + width) if 0 <= x < size[1]]
    return [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1] if rows and columns else None


def same_box(box, expected):
    """Return whether boxes are equal; all empty boxes are equal."""
    top, left, bottom, right = box
    return (bottom == top or right == left) if expected is None else box == expected


def peaks(saliency):
    """Return all pixels at the maximum, in reading order."""
    top = max(saliency[y, x] for y, x in pixels(saliency.shape))
    return [(y, x) for y, x in pixels(saliency.shape) if saliency[y, x] == top]


def visible(saliency_a, saliency_b, target, source):
    """Compute a / (a + b) from the visible share of A's saliency and the share of B's saliency in the patch."""
    a = b = all_a = all_b = 0.0
    for y, x in pixels(saliency_a.shape):
        all_a += saliency_a[y, x]
        all_b += saliency_b[y, x]
        a += 0 if within(target, y, x) else saliency_a[y, x]
        b += saliency_b[y, x] if within(source, y, x) else 0
    a, b = (a / all_a if all_a else 0), (b / all_b if all_b else 0)
    return a / (a + b) if a + b else 0.5


def fits_distribution(drawn: list, odds: dict) -> None:
    """Check that frequencies lie within 4.5 standard deviations of the odds, and that other events never occur."""
    total, seen = sum(odds.values()), Counter(drawn)
    assert set(seen) <= {what for what, odd in odds.items() if odd > 0}
    for what, odd in odds.items():
        p = odd / total
        assert abs(seen[what] / len(drawn) - p) <= 4.5 * math.sqrt(p * (1 - p) / len(drawn)), (what, p)


# ---------------------------------------------------------------- λ


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if "alpha" in cls.parameters()])
def test_lam_is_drawn_from_a_beta_distribution_for_every_image(name, alpha):
    lam = plan_many(name, 4000, alpha=alpha).lam.double().numpy()
    assert lam.mean() == pytest.approx(0.5, abs=0.03)
    assert lam.var() == pytest.approx(0.25 / (2 * alpha + 1), rel=0.1)
    assert abs(np.corrcoef(lam[:-1], lam[1:])[0, 1]) < 0.07  # one image's says nothing about the next one's


# ---------------------------------------------------------------- none, blend


@seeds
def test_baseline_changes_nothing(seed):
    mix = run("baseline", seed)
    expect(mix, lambda n, y, x: mix.images[n, :, y, x])
    expect_own_label(mix)


@seeds
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup(seed, alpha):
    mix = run("mixup", seed, alpha=alpha)
    a, b, lam = mix.images, mix.images[mix.partner], mix.lam
    expect(mix, lambda n, y, x: lam[n] * a[n, :, y, x] + (1 - lam[n]) * b[n, :, y, x], 1e-6)
    expect_label(mix, lam)


@seeds
def test_samplepairing_halves_the_pictures_and_keeps_the_label(seed):
    mix = run("samplepairing", seed)
    expect(mix, lambda n, y, x: (mix.images[n, :, y, x] + mix.images[mix.partner[n], :, y, x]) / 2, 1e-6)
    expect_own_label(mix)


# ---------------------------------------------------------------- cut


def expect_patch(mix: Mixture) -> None:
    """Check for B's pixels of the source box in the target box, and A's everywhere else."""

    def rule(n, y, x):
        if not within(mix.box[n], y, x):
            return mix.images[n, :, y, x]
        (top, left, *_), (from_top, from_left, *_) = mix.box[n], mix.source[n]
        return mix.images[mix.partner[n], :, y - top + from_top, x - left + from_left]

    expect(mix, rule)


def expect_area_label(mix: Mixture) -> None:
    expect_label(mix, [1 - count(box, mix.size) / math.prod(mix.size) for box in mix.box])


@seeds
@roundings
@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_cutmix(seed, alpha, rounding):
    mix = run("cutmix", seed, alpha=alpha, rounding=rounding)
    for box, lam in zip(mix.box, mix.lam, strict=True):
        height_width = sides(lam, mix.size, rounding)
        assert any(same_box(box, clipped(*centre, *height_width, mix.size)) for centre in pixels(mix.size))
    assert mix.source == mix.box
    expect_patch(mix)
    expect_area_label(mix)


@seeds
def test_cutmix_of_the_first_release_labels_by_lam(seed):
    mix, area = run("cutmix", seed, label="lam"), run("cutmix", seed)
    assert mix.box == area.box
    expect_patch(mix)
    expect_label(mix, mix.lam)


def test_cutmix_centre_is_uniform_over_the_image():
    boxes = plan_many("cutmix", 12000, (3, 4), lam=0.91).target_box.tolist()  # one pixel each
    assert {(bottom - top, right - left) for top, left, bottom, right in boxes} == {(1, 1)}
    fits_distribution([(top, left) for top, left, *_ in boxes], dict.fromkeys(pixels((3, 4)), 1))


@pytest.mark.parametrize(("side", "rounding", "mean"), [(32, "nearest", 0.321), (32, "even", 0.299),
                                                        (224, "nearest", 0.321), (224, "even", 0.318)])  # fmt: skip
def test_cutmix_pastes_less_than_half_on_average(side, rounding, mean):
    """Clipping at the border reduces λ's mean of one half to about 0.32, and rounding down reduces it further for small
    pictures; compare with the expectation over all λ and centres, in loops."""
    steps, odds = 2000, Counter()
    for step in range(steps):
        odds[sides(1 - (step + 0.5) / steps, (side,), rounding)[0]] += 1 / steps
    expected = 0.0
    for length, p in odds.items():
        kept = sum(min(c - length // 2 + length, side) - max(c - length // 2, 0) for c in range(side))
        expected += p * (kept / side**2) ** 2
    assert expected == pytest.approx(mean, abs=5e-4)
    recipe = plan_many("cutmix", 40000, (side, side), alpha=1.0, rounding=rounding)
    assert recipe.share[1].mean().item() == pytest.approx(expected, abs=0.006)  # 4.5 standard errors
    assert recipe.lam.mean().item() == pytest.approx(0.5, abs=0.01)


def test_every_method_with_a_box_of_cutmix_has_both_roundings():
    cut = {"cutmix", "cutmix_mixup", "feature_cutmix", "randsaliencymix", "resizemix", "saliencymix",
           "saliencymix_plus", "snapmix", "stylemix", "transmix"}  # fmt: skip
    assert {name for name, cls in METHODS.items() if "rounding" in cls.parameters()} == cut
    for name in cut:
        assert METHODS[name]().rounding == "nearest"  # which the networks of the zoo were trained with


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limits", [(0.1, 0.8), (0.5, 1.0), (0.9, 0.2)])
@pytest.mark.parametrize("shape", [SIZE, (12, 3), (3, 12)])
@pytest.mark.parametrize(("place", "rounding"), [("inside", "nearest"), ("clipped", "nearest"), ("clipped", "even")])
def test_resizemix(seed, limits, shape, place, rounding):
    """In long images some patches are one pixel wide and several high, or vice versa."""
    mix = run("resizemix", seed, shape=shape, low=limits[0], high=limits[1], place=place, rounding=rounding)
    for n, (top, left, bottom, right) in enumerate(mix.box):
        ratio, height_width = math.sqrt(1 - mix.lam[n]), sides(mix.lam[n], mix.size, rounding)
        assert min(limits) - 1e-3 <= ratio <= max(limits) + 1e-3
        if place == "inside":
            assert [bottom - top, right - left] == height_width
        else:
            boxes = (clipped(*centre, *height_width, mix.size) for centre in pixels(mix.size))
            assert any(same_box(mix.box[n], box) for box in boxes)
        assert top >= 0
        assert left >= 0
        assert bottom <= mix.size[0]
        assert right <= mix.size[1]
        assert mix.source[n] == [0, 0, *mix.size]

    def rule(n, y, x):
        if not within(mix.box[n], y, x):
            return mix.images[n, :, y, x]
        top, left, bottom, right = mix.box[n]
        rows = triangle(y - top, bottom - top, mix.size[0])
        columns = triangle(x - left, right - left, mix.size[1])
        colour = np.zeros(3)
        for (row, u), (column, v) in itertools.product(rows.items(), columns.items()):
            colour += u * v * mix.images[mix.partner[n], :, row, column]
        return colour

    expect(mix, rule, 1e-5)
    expect_area_label(mix)


def triangle(at, length, whole):
    """Weigh the source pixels of pixel ``at`` of ``length`` pixels resized from ``whole``: bilinear, antialiased."""
    scale = whole / length
    weights = {j: 1 - abs(j + 0.5 - (at + 0.5) * scale) / max(scale, 1) for j in range(whole)}
    total = sum(w for w in weights.values() if w > 0)
    return {j: w / total for j, w in weights.items() if w > 0}


def test_resizemix_ratio_and_place_are_uniform():
    ratio = (1 - plan_many("resizemix", 4000).lam.double()).sqrt().numpy()
    assert ratio.mean() == pytest.approx(0.45, abs=0.02)
    assert ratio.var() == pytest.approx(0.7**2 / 12, rel=0.1)
    boxes = plan_many("resizemix", 12000, (4, 5), lam=0.75).target_box.tolist()  # 2x2 in 4x5
    fits_distribution([(top, left) for top, left, *_ in boxes], dict.fromkeys(pixels((3, 4)), 1))
    boxes = plan_many("resizemix", 12000, (3, 4), lam=0.91, place="clipped").target_box.tolist()  # one pixel each
    fits_distribution([(top, left) for top, left, *_ in boxes], dict.fromkeys(pixels((3, 4)), 1))


@pytest.mark.parametrize(("given", "mean"), [({}, 0.243), ({"place": "clipped", "rounding": "even"}, 0.159)])
def test_resizemix_of_openmixup_gives_b_less(given, mean):
    """B's mean label at 32 px for the paper's patch, inside the picture, and OpenMixup's, clipped at the border."""
    assert plan_many("resizemix", 40000, (32, 32), **given).share[1].mean().item() == pytest.approx(mean, abs=0.005)


def spot(other):
    """Compute the centre and both σ (in pixels) of a Gaussian spot (H, W) from its values beside the centre."""
    row, column = peaks(other)[0]
    beside = other[row - 1 if row else 1, column], other[row, column - 1 if column else 1]
    return row, column, *(math.sqrt(-1 / (2 * math.log(value))) for value in beside)


@pytest.mark.parametrize("size", [(9, 12), (11, 11)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limits", [(0.25, 0.5), (0.4, 0.1)])
def test_smoothmix(seed, size, limits):
    mix = run("smoothmix", seed, shape=size, low=limits[0], high=limits[1])
    other = mix.recipe.weight[1, :, 0].double().numpy()
    spots = [spot(weight) for weight in other]
    for _, _, down, across in spots:
        assert down / size[0] == pytest.approx(across / size[1], rel=1e-3)
        assert min(limits) - 1e-3 <= down / size[0] <= max(limits) + 1e-3

    def keep(n, y, x):
        row, column, down, across = spots[n]
        return 1 - math.exp(-(((y - row) / down) ** 2 + ((x - column) / across) ** 2) / 2)

    def rule(n, y, x):
        return keep(n, y, x) * mix.images[n, :, y, x] + (1 - keep(n, y, x)) * mix.images[mix.partner[n], :, y, x]

    expect(mix, rule, 1e-4)
    expect_label(mix, [sum(keep(n, y, x) for y, x in pixels(size)) / math.prod(size) for n in range(len(mix))], 1e-4)


def test_smoothmix_centre_is_uniform_over_the_image():
    other = plan_many("smoothmix", 12000, (3, 4)).weight[1, :, 0].flatten(1)
    fits_distribution([divmod(at, 4) for at in other.argmax(1).tolist()], dict.fromkeys(pixels((3, 4)), 1))


@pytest.mark.parametrize("size", [SIZE, (32, 32)])
@pytest.mark.parametrize("lam", [0.05, 0.3, 0.5, 0.9, 0.98])
def test_smoothmix_reaches_the_lam_that_is_held(lam, size):
    mix = run("smoothmix", 1, shape=size, lam=lam)
    own = mix.recipe.weight[0, :, 0].mean((1, 2))
    np.testing.assert_allclose(own, lam, atol=0.01)
    np.testing.assert_allclose(mix.lam, lam, atol=1e-6)
    expect_label(mix, own.tolist())


def inner(mix: Mixture) -> list[float]:
    """μ, A's weight inside the patch."""
    return (1 - mix.recipe.patch_alpha[0].double()).tolist()


@seeds
@roundings
@pytest.mark.parametrize("placement", ["random", "salient"])
def test_cutmix_mixup_blends_inside_the_patch(seed, placement, rounding):
    mix = run("cutmix_mixup", seed, placement=placement, rounding=rounding)
    mu, centres = inner(mix), pixels(mix.size)
    for n, box in enumerate(mix.box):
        if placement == "salient":
            centres = peaks(mix.maps[mix.partner[n]])[:1]
        height_width = sides(mix.lam[n], mix.size, rounding)
        assert any(same_box(box, clipped(*centre, *height_width, mix.size)) for centre in centres)
        centres = pixels(mix.size)

    def own(n, y, x):
        return mu[n] if within(mix.box[n], y, x) else 1

    expect(
        mix,
        lambda n, y, x: (
            own(n, y, x) * mix.images[n, :, y, x] + (1 - own(n, y, x)) * mix.images[mix.partner[n], :, y, x]
        ),
        1e-6,
    )
    expect_label(mix, [np.mean([own(n, y, x) for y, x in pixels(mix.size)]) for n in range(len(mix))])


def test_cutmix_mixup_second_draw_is_a_beta_of_its_own():
    recipe = plan_many("cutmix_mixup", 4000, alpha=1.0, beta=4.0)
    mu = 1 - recipe.patch_alpha[0].double().numpy()
    assert mu.mean() == pytest.approx(0.5, abs=0.02)
    assert mu.var() == pytest.approx(0.25 / 9, rel=0.1)
    assert abs(np.corrcoef(mu, recipe.lam.numpy())[0, 1]) < 0.07


@pytest.mark.parametrize("seed", range(2))
@roundings
@pytest.mark.parametrize("switch", [0.0, 0.5, 1.0])
def test_cutmix_mixup_switches_image_by_image(seed, switch, rounding):
    mix = run("cutmix_mixup", seed, n=8, mode="switch", switch=switch, rounding=rounding)
    cut = [weight == 1 for weight in mix.recipe.weight[0].flatten().tolist()]
    assert {0.0: not any(cut), 0.5: True, 1.0: all(cut)}[switch]

    def own(n, y, x):
        return float(not within(mix.box[n], y, x)) if cut[n] else mix.lam[n]

    def rule(n, y, x):
        return own(n, y, x) * mix.images[n, :, y, x] + (1 - own(n, y, x)) * mix.images[mix.partner[n], :, y, x]

    expect(mix, rule, 1e-6)
    expect_label(mix, [np.mean([own(n, y, x) for y, x in pixels(mix.size)]) for n in range(len(mix))])
    for box, lam, is_cut in zip(mix.box, mix.lam, cut, strict=True):
        if is_cut:
            height_width = sides(lam, mix.size, rounding)
            assert any(same_box(box, clipped(*centre, *height_width, mix.size)) for centre in pixels(mix.size))


def test_cutmix_mixup_switch_is_a_share_of_the_images():
    recipe = plan_many("cutmix_mixup", 4000, mode="switch", switch=0.3, lam=0.5)
    assert (recipe.weight[0] == 1).float().mean().item() == pytest.approx(0.3, abs=0.035)


# ---------------------------------------------------------------- saliency-guided


@seeds
@roundings
@pytest.mark.parametrize("tie", ["first", "last", "random"])
@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_saliencymix_centres_the_patch_on_the_peak_of_b(seed, tie, alpha, rounding):
    mix = run("saliencymix", seed, tie=tie, alpha=alpha, rounding=rounding)
    for n, box in enumerate(mix.box):
        found = {"first": slice(0, 1), "last": slice(-1, None), "random": slice(None)}[tie]
        height_width = sides(mix.lam[n], mix.size, rounding)
        boxes = [clipped(*at, *height_width, mix.size) for at in peaks(mix.maps[mix.partner[n]])[found]]
        assert any(same_box(box, expected) for expected in boxes)
    assert mix.source == mix.box
    expect_patch(mix)
    expect_area_label(mix)


def test_random_ties_take_each_peak_equally_often():
    maps = np.zeros((12000, 3, 4))
    maps[:, [0, 1, 2], [3, 0, 2]] = 0.5
    boxes = run("saliencymix", n=12000, shape=(3, 4), maps=maps, tie="random", lam=0.91).box
    fits_distribution([(top, left) for top, left, *_ in boxes], {(0, 3): 1, (1, 0): 1, (2, 2): 1})


@pytest.mark.parametrize("tie", ["first", "last", "random"])
@pytest.mark.parametrize("name", ["saliencymix", "saliencymix_plus"])
def test_a_flat_map_has_its_peak_anywhere(name, tie):
    boxes = run(name, n=12000, shape=(3, 4), maps=np.full((12000, 3, 4), 0.25), tie=tie, lam=0.91).box
    fits_distribution([(top, left) for top, left, *_ in boxes], dict.fromkeys(pixels((3, 4)), 1))


@pytest.mark.parametrize("seed", range(4))
@roundings
def test_saliencymix_of_the_released_code_has_one_box_and_one_lam(seed, rounding):
    mix = run("saliencymix", seed, box="batch", rounding=rounding)
    assert len(set(mix.lam)) == 1
    expected = clipped(*peaks(mix.maps[mix.partner[0]])[0], *sides(mix.lam[0], mix.size, rounding), mix.size)
    assert all(same_box(box, expected) for box in mix.box)
    expect_patch(mix)
    expect_area_label(mix)


@seeds
@roundings
@pytest.mark.parametrize("tie", ["first", "last"])
def test_saliencymix_plus(seed, tie, rounding):
    mix = run("saliencymix_plus", seed, tie=tie, rounding=rounding)
    own = []
    for n, (box, who) in enumerate(zip(mix.box, mix.partner, strict=True)):
        at = peaks(mix.maps[who])[0 if tie == "first" else -1]
        assert same_box(box, clipped(*at, *sides(mix.lam[n], mix.size, rounding), mix.size))
        own.append(visible(mix.maps[n], mix.maps[who], box, box))
    assert mix.source == mix.box
    expect_patch(mix)
    expect_label(mix, own, 1e-5)


PLACES = ("saliency", "complement", "uniform")


@pytest.mark.parametrize("seed", range(2))
@roundings
@pytest.mark.parametrize("by", ["box", "pixel"])
@pytest.mark.parametrize(("source", "target"), itertools.product(PLACES, PLACES))
def test_randsaliencymix(seed, by, source, target, rounding):
    mix = run("randsaliencymix", seed, source=source, target=target, by=by, rounding=rounding)
    for n in range(len(mix)):
        for box in (mix.box[n], mix.source[n]):
            top, left, bottom, right = box
            drawn = sides(mix.lam[n], mix.size, rounding)
            assert [bottom - top, right - left] == drawn  # as large as drawn: not clipped
            assert count(box, mix.size) == (bottom - top) * (right - left)  # all of it inside the image
    expect_patch(mix)
    who = mix.partner
    own = [visible(mix.maps[n], mix.maps[who[n]], mix.box[n], mix.source[n]) for n in range(len(mix))]
    expect_label(mix, own, 1e-5)


@seeds
@pytest.mark.parametrize("source", ["saliency", "uniform"])
def test_randsaliencymix_by_area(seed, source):
    mix = run("randsaliencymix", seed, label="area", source=source, target="uniform")
    expect_patch(mix)
    expect_area_label(mix)


def test_randsaliencymix_without_saliency_asks_no_detector():
    method = METHODS["randsaliencymix"](source="uniform", target="uniform", label="area", detector="there is none")
    recipe = method.plan(Batch(torch.zeros(4, 3, *SIZE)), np.random.default_rng(0))
    assert recipe.saliency is None


def corner_odds(saliency, height, width, place, by):
    """Return the odds of every box that fits, by its top left corner."""
    odds = {}
    for top, left in pixels((saliency.shape[0] - height + 1, saliency.shape[1] - width + 1)):
        inside = [(y, x) for y, x in pixels(saliency.shape) if within((top, left, top + height, left + width), y, x)]
        weighed = inside if by == "box" else [(top + height // 2, left + width // 2)]
        values = {"saliency": lambda v: v, "complement": lambda v: 1 - v, "uniform": lambda v: 1}
        odds[top, left] = sum(values[place](float(saliency[at])) for at in weighed)
    return odds if any(odds.values()) else dict.fromkeys(odds, 1)


TINY = {
    "one peak": np.array([[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
    "corner": np.array([[1, 0.5, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0.25]]),
    "full": np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0.5]]),
    "zero": np.zeros((3, 3)),
    "one": np.ones((4, 4)),
}


@pytest.mark.parametrize("by", ["box", "pixel"])
@pytest.mark.parametrize(("source", "target"), [PLACES[:2], PLACES[1::-1], PLACES[2:0:-1]])
@pytest.mark.parametrize("lam", [0.65, 0.9])
@pytest.mark.parametrize("shape", TINY)
def test_randsaliencymix_draws_places_by_their_odds(shape, lam, source, target, by):
    """For two kinds of images, partners of each other, the source follows B's map and the target A's."""
    n, first = 3000, TINY[shape]
    second = np.ascontiguousarray(first[::-1, ::-1]) ** 2
    maps, partner = np.stack([first, second])[np.arange(n) % 2], np.arange(n) ^ 1
    images = np.zeros((n, 3, *first.shape), np.float32)
    given = {"maps": maps, "images": images, "partner": partner, "lam": lam}
    mix = run("randsaliencymix", n=n, shape=first.shape, source=source, target=target, by=by, **given)
    height_width = sides(lam, first.shape)
    for kind, own, other in ((0, first, second), (1, second, first)):
        sources, targets = ([(top, left) for top, left, *_ in boxes[kind::2]] for boxes in (mix.source, mix.box))
        odds_b, odds_a = (
            corner_odds(saliency, *height_width, place, by) for saliency, place in ((other, source), (own, target))
        )
        fits_distribution(sources, odds_b)
        fits_distribution(targets, odds_a)
        both = {(s, t): p * q for (s, p), (t, q) in itertools.product(odds_b.items(), odds_a.items())}
        fits_distribution(list(zip(sources, targets, strict=True)), both)  # drawn independently


@pytest.mark.parametrize("name", ["saliencymix_plus", "randsaliencymix"])
def test_a_label_of_two_nothings_is_half_and_half(name):
    """a = 0 if the patch hides all of A's saliency (or A has none), b = 0 if B has none."""
    maps, partner = np.zeros((60, *SIZE)), np.arange(60) ^ 1
    maps[::2, 4, 6] = 1  # every other image has one salient pixel, its partner none
    mix = run(name, n=60, maps=maps, partner=partner, lam=0.8)
    own = [visible(mix.maps[n], mix.maps[mix.partner[n]], mix.box[n], mix.source[n]) for n in range(60)]
    expect_label(mix, own)
    assert {0.5, 1.0} == set(own[::2])  # hidden and not hidden
    assert run(name, maps=np.zeros((5, *SIZE))).recipe.share.tolist() == [[0.5] * 5] * 2


@pytest.mark.parametrize("name", ["saliencymix_plus", "randsaliencymix"])
def test_what_is_hidden_counts_nothing_however_maps_lie_in_memory(name):
    """Maps may be crops of larger ones: another order of summation must not leave a remainder of A's saliency."""
    larger = torch.zeros(40, SIZE[0] + 3, SIZE[1] + 3)
    maps = larger[:, 2:-1, 2:-1]
    maps[::2, 2:7, 3:9] = torch.from_numpy(np.random.default_rng(0).random((20, 5, 6), np.float32))
    partner = np.arange(40) ^ 1  # images without saliency for those with
    batch = Batch(torch.zeros(40, 3, *SIZE), saliency=maps)
    recipe = METHODS[name]().plan(batch, np.random.default_rng(0), lam=0.05, partner=partner)
    own = []
    for n, (target, source) in enumerate(zip(recipe.target_box.tolist(), recipe.source_box.tolist(), strict=True)):
        own.append(visible(maps[n].numpy(), maps[partner[n]].numpy(), target, source))
    assert 0.5 in own[::2]
    np.testing.assert_allclose(recipe.share[0], own, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.4, 0.1])
def test_randsaliencymix_noise_is_added_in_the_patch_alone(sigma):
    mix = run("randsaliencymix", 3, shape=(40, 50), lam=0.4, noise=sigma)
    noise = mix.recipe.noise.expand(len(mix), -1, -1, -1).numpy()
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(sigma, rel=0.05)

    def rule(n, y, x):
        if not within(mix.box[n], y, x):
            return mix.images[n, :, y, x]
        (top, left, *_), (from_top, from_left, *_) = mix.box[n], mix.source[n]
        clean = mix.images[mix.partner[n], :, y - top + from_top, x - left + from_left]
        return np.clip(clean + noise[n, :, y, x], 0, 1)

    expect(mix, rule, 1e-6)


def test_randsaliencymix_partners_follow_the_error_matrix():
    labels, n = torch.tensor([0, 1, 2, 1, 3]), 5
    errors = torch.tensor([[0, 3, 1, 0], [2, 0, 0, 6], [0, 1, 0, 0], [0, 0, 0, 0]])
    method = METHODS["randsaliencymix"](partner="errors", source="uniform", target="uniform", label="area")
    batch = Batch(torch.zeros(n, 3, 2, 2), labels, errors=errors)
    rng = np.random.default_rng(0)
    drawn = np.array([method.plan(batch, rng, lam=0.5).partner[1].tolist() for _ in range(2000)])
    for i in range(n):
        odds = {k: float(errors[labels[i], labels[k]]) for k in range(n)}
        fits_distribution(drawn[:, i].tolist(), odds if any(odds.values()) else dict.fromkeys(odds, 1))


@pytest.mark.parametrize("given", [{}, {"labels": torch.zeros(4, dtype=torch.int64)}, {"errors": torch.ones(2, 2)}])
def test_partners_by_errors_say_what_they_need(given):
    batch = Batch(torch.zeros(4, 3, 5, 5), saliency=torch.ones(4, 5, 5), **given)
    with pytest.raises(ValueError, match="errors="):
        METHODS["randsaliencymix"](partner="errors").plan(batch, np.random.default_rng(0))


# ---------------------------------------------------------------- feature-level


def network():
    """Three stages."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 5, 3, stride=2), nn.Tanh()),
        nn.Sequential(nn.Flatten(), nn.Linear(60, CLASSES)),
        nn.Identity(),  # the head, which is no stage
    )


def manifold(layer, n=5):
    """Return images and a recipe that mixes at ``layer``; each image's partner is the one before it."""
    images = torch.from_numpy(np.random.default_rng(0).random((n, 3, *SIZE), np.float32))
    for seed in range(100):
        rng, partner = np.random.default_rng(seed), np.roll(np.arange(n), 1)
        recipe = METHODS["manifold_mixup"](stages=3).plan(Batch(images), rng, partner=partner)
        if recipe.layer == layer:
            return images, recipe
    raise AssertionError(f"layer {layer} is never drawn")


def by_hand(model, images, recipe):
    """Run the first stages, mix image by image with λ and the partner, and run the other stages."""
    hidden = model[: recipe.layer](images)
    rows = []
    for n, (who, lam) in enumerate(zip(recipe.partner[1].tolist(), recipe.lam.tolist(), strict=True)):
        rows.append(lam * hidden[n] + (1 - lam) * hidden[who])
    return model[recipe.layer :](torch.stack(rows))


@pytest.mark.parametrize("layer", range(4))
def test_manifold_mixup_mixes_between_the_halves_of_the_network(layer):
    model, (images, recipe) = network(), manifold(layer)
    mixed = recipe.apply(images)
    assert torch.equal(mixed, images) == (layer > 0)
    with mixviz.mix_inside(model, recipe):
        output = model(mixed)
    torch.testing.assert_close(output, by_hand(model, images, recipe))
    assert not torch.allclose(output, model(images), atol=1e-3)
    torch.testing.assert_close(recipe.share, torch.stack([recipe.lam, 1 - recipe.lam]))


@pytest.mark.parametrize("layer", range(4))
def test_gradients_flow_to_both_images(layer):
    model, (images, recipe) = network(), manifold(layer)
    grads = []
    for forward in (lambda x: model(recipe.apply(x)), lambda x: by_hand(model, x, recipe)):
        leaf = images.clone().requires_grad_()
        model.zero_grad()
        with mixviz.mix_inside(model, recipe) if not grads else mixviz.mix_inside(model, manifold(0)[1]):
            forward(leaf)[0].square().sum().backward()
        grads.append([leaf.grad, *(p.grad for p in model.parameters())])
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs)
    touched = grads[0][0].abs().sum((1, 2, 3)) > 0
    assert touched.tolist() == [True, False, False, False, True]  # the first image and its partner, the last


def mixing(model):
    """Count the modules that differ from their original class."""
    return sum(
        type(module).__module__ == "mixviz.core.feature_mixing" or "_mixing" in vars(module)
        for module in model.modules()
    )


@pytest.mark.parametrize("layer", range(4))
def test_the_network_is_its_old_self_afterwards(layer):
    model, (images, recipe) = network(), manifold(layer)
    before = model(images)
    with mixviz.mix_inside(model, recipe):
        assert mixing(model) == (layer > 0)
        model(images)
    assert mixing(model) == 0
    with pytest.raises(RuntimeError, match="on purpose"), mixviz.mix_inside(model, recipe):  # noqa: PT012
        model(images)
        raise RuntimeError("on purpose")
    assert mixing(model) == 0
    assert torch.equal(model(images), before)


def test_a_layer_deeper_than_the_network_is_refused():
    model, (images, recipe) = network()[:2], manifold(3)
    with pytest.raises(ValueError, match=r"stage 3.*has 2"), mixviz.mix_inside(model, recipe):
        model(images)
    assert mixing(model) == 0


def test_a_forward_pass_of_another_batch_is_refused():
    model, (images, recipe) = network(), manifold(1)
    with pytest.raises(ValueError, match=r"5 images.*3"), mixviz.mix_inside(model, recipe):
        model(images[:3])
    assert mixing(model) == 0


def test_stages_can_be_named():
    """Layer 1 is the first of the given modules; in a network of plain layers these are the stages."""
    model, (images, recipe) = network(), manifold(1)
    inner_relu = model[0][1]
    with mixviz.mix_inside(model, recipe, at=[inner_relu]):
        named = model(images)
    torch.testing.assert_close(named, by_hand(model, images, recipe))  # the ReLU ends stage 1
    with mixviz.mix_inside(model[0], recipe):
        convolved = model[0](images)
    torch.testing.assert_close(convolved, by_hand(model[0], images, recipe))


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_the_layer_is_drawn_anew_for_every_batch(stages):
    rng, batch = np.random.default_rng(0), Batch(torch.zeros(2, 3, 2, 2))
    layers = [METHODS["manifold_mixup"](stages=stages).plan(batch, rng).layer for _ in range(2000)]
    fits_distribution(layers, dict.fromkeys(range(stages + 1), 1))


def test_what_a_collate_function_cannot_do_is_said():
    transform = mixviz.MixTransform("manifold_mixup", CLASSES, stages=1)
    images, labels = torch.zeros(4, 3, 6, 6), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match="mix_inside"):
        [transform(images, labels) for _ in range(20)]


# ---------------------------------------------------------------- multi-image


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("crop", ["same", "random"])
@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
def test_mosaic(seed, crop, margin):
    mix = run("mosaic", seed, n=7, crop=crop, margin=margin)
    (height, width), partner = mix.size, mix.partner
    corner, moves = [], []
    for n in range(len(mix)):
        row, column = mix.box[n][2], mix.box[n][1]  # where the top right tile ends and begins
        assert height * margin - 0.5 <= row <= height * (1 - margin) + 0.5
        assert width * margin - 0.5 <= column <= width * (1 - margin) + 0.5
        corner.append((row, column))
        tiles = [[0, column, row, width], [row, column, height, width], [row, 0, height, column]]
        assert mix.recipe.target_boxes[:, n].tolist() == tiles
        shift = [(0, 0)] * 3
        if crop == "random":
            cuts = mix.recipe.source_boxes[:, n].tolist()
            assert all(cut[2] - cut[0] == tile[2] - tile[0] for cut, tile in zip(cuts, tiles, strict=True))
            assert all(cut[3] - cut[1] == tile[3] - tile[1] for cut, tile in zip(cuts, tiles, strict=True))
            assert all(0 <= cut[0] <= cut[2] <= height and 0 <= cut[1] <= cut[3] <= width for cut in cuts)
            shift = [(cut[0] - tile[0], cut[1] - tile[1]) for cut, tile in zip(cuts, tiles, strict=True)]
        moves.append([(0, 0), *shift])

    def tile_of(n, y, x):
        """Clockwise from the top left."""
        row, column = corner[n]
        return {(True, True): 0, (True, False): 1, (False, False): 2, (False, True): 3}[y < row, x < column]

    def picture_of(n, tile):
        """Return the n-th image's source k: the image, its partner, the partner's partner, and that one's partner."""
        for _ in range(tile):
            n = partner[n]
        return n

    def rule(n, y, x):
        tile = tile_of(n, y, x)
        down, across = moves[n][tile]
        return mix.images[picture_of(n, tile), :, y + down, x + across]

    expect(mix, rule)
    expected = np.zeros_like(mix.targets)
    for n in range(len(mix)):
        for y, x in pixels(mix.size):
            expected[n, mix.labels[picture_of(n, tile_of(n, y, x))]] += 1 / (height * width)
    np.testing.assert_allclose(mix.targets, expected, atol=1e-5)


def test_mosaic_crops_from_anywhere():
    recipe = plan_many("mosaic", 9000, (4, 5), margin=0.5, crop="random")
    boxes = recipe.source_boxes[0].tolist()
    assert {(bottom - top, right - left) for top, left, bottom, right in boxes} == {(2, 3)}
    fits_distribution([(top, left) for top, left, *_ in boxes], dict.fromkeys(pixels((3, 3)), 1))


def test_mosaic_of_two_shows_each_twice():
    recipe = run("mosaic", n=2, partner=[1, 0]).recipe
    assert recipe.partner.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beta", [0.05, 0.3, 8.0])
def test_ricap(seed, beta):
    """Every tile, the image's own included, shows a part of its picture of the same size, cropped at its own place."""
    mix = run("ricap", seed, n=7, beta=beta)
    (height, width), partner = mix.size, mix.partner
    expected = np.zeros_like(mix.targets)
    whole = np.full(mix.images.shape, np.nan)
    for n in range(len(mix)):
        row, column = mix.box[n][2], mix.box[n][1]  # where the top right tile ends and begins
        others = [partner[n], partner[partner[n]], partner[partner[partner[n]]]]
        corners = [(0, column, row, width), (row, column, height, width), (row, 0, height, column), (0, 0, row, column)]
        assert mix.recipe.partner[:, n].tolist() == [n, *others, n]
        assert mix.recipe.target_boxes[:, n].tolist() == [list(box) for box in corners]
        for who, tile, cut in zip([*others, n], corners, mix.recipe.source_boxes[:, n].tolist(), strict=True):
            assert all(0 <= low <= high <= side for low, high, side in zip(cut[:2], cut[2:], mix.size, strict=True))
            for y, x in pixels(mix.size):
                if within(tile, y, x):
                    whole[n, :, y, x] = mix.images[who, :, y - tile[0] + cut[0], x - tile[1] + cut[1]]
                    expected[n, mix.labels[who]] += 1 / (height * width)
    expect(mix, lambda n, y, x: whole[n, :, y, x])
    np.testing.assert_allclose(mix.targets, expected, atol=1e-5)
    assert not mix.recipe.weights()[0].any()  # the rest of the picture is invisible


def test_the_point_of_ricap_is_of_a_beta_distribution():
    n, side = 5000, 40
    box = plan_many("ricap", n, (side, side), beta=0.3).target_boxes[0]
    drawn = np.random.default_rng(1).beta(0.3, 0.3, 400_000)
    odds = Counter(np.rint(drawn * side).astype(int).tolist())
    for at in (box[:, 1], box[:, 2]):
        fits_distribution(
            [value // 8 for value in at.tolist()],
            Counter({i: sum(odds[j] for j in range(8 * i, 8 * i + 8)) for i in range(6)}),
        )
    assert abs(np.corrcoef(box[:, 1], box[:, 2])[0, 1]) < 0.06


def test_ricap_crops_the_image_itself_from_anywhere():
    recipe = plan_many("ricap", 9000, (4, 5), beta=8.0)
    target, source = recipe.target_boxes[3], recipe.source_boxes[3]
    chosen = (target[:, 2] == 2) & (target[:, 3] == 3)
    found = [(top, left) for top, left, *_ in source[chosen].tolist()]
    fits_distribution(found, dict.fromkeys(pixels((3, 3)), 1))


# ---------------------------------------------------------------- erase


FILL = {"black": (0, 0, 0), "white": (1, 1, 1), "mean": (0.485, 0.456, 0.406)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fill", FILL)
@pytest.mark.parametrize("side", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("shape", [SIZE, (10, 10)])
def test_cutout(seed, fill, side, shape):
    mix = run("cutout", seed, shape=shape, fill=fill, size=side)
    height, width = (round(whole * side) for whole in shape)
    for box in mix.box:
        assert any(same_box(box, clipped(*centre, height, width, shape)) for centre in pixels(shape))
    expect(mix, lambda n, y, x: FILL[fill] if within(mix.box[n], y, x) else mix.images[n, :, y, x], 1e-6)
    expect_own_label(mix)


def test_cutout_centre_is_uniform_over_the_image():
    boxes = plan_many("cutout", 12000, (3, 4), size=0.3).target_box.tolist()  # one pixel each
    fits_distribution([(top, left) for top, left, *_ in boxes], dict.fromkeys(pixels((3, 4)), 1))


@seeds
@pytest.mark.parametrize("fill", FILL)
@pytest.mark.parametrize("cells", [1, 3, 4, 20])
def test_hide_and_seek_hides_whole_cells(seed, fill, cells):
    mix = run("hide_and_seek", seed, cells=cells, fill=fill)
    hidden = {}

    def cell(n, y, x):
        return n, y * cells // mix.size[0], x * cells // mix.size[1]

    for n in range(len(mix)):
        for y, x in pixels(mix.size):
            is_hidden = np.allclose(mix.mixed[n, :, y, x], FILL[fill], atol=1e-6)
            assert hidden.setdefault(cell(n, y, x), is_hidden) == is_hidden
    assert len(hidden) == len(mix) * min(cells, mix.size[0]) * min(cells, mix.size[1])
    expect(mix, lambda n, y, x: FILL[fill] if hidden[cell(n, y, x)] else mix.images[n, :, y, x], 1e-6)
    expect_own_label(mix)


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_hide_and_seek_hides_each_cell_with_probability_p(probability):
    weight = plan_many("hide_and_seek", 1500, probability=probability).weight[0, :, 0, ::2, ::2]  # one pixel per cell
    hidden = (weight == 0).double().numpy()
    assert set(np.unique(weight)) <= {0, 1}
    assert hidden.mean() == pytest.approx(probability, abs=0.015)
    assert np.abs(hidden.mean(0) - probability).max() < 0.07  # wherever the cell
    assert hidden.mean((1, 2)).var() == pytest.approx(probability * (1 - probability) / 16, rel=0.15)  # independent


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fill", [*FILL, "random"])
def test_random_erasing(seed, fill):
    mix = run("random_erasing", seed, n=8, fill=fill)
    noise = mix.recipe.fill[0].numpy()

    def rule(n, y, x):
        if not within(mix.box[n], y, x):
            return mix.images[n, :, y, x]
        return FILL[fill] if fill in FILL else noise[:, y, x]

    expect(mix, rule, 1e-6)
    expect_own_label(mix)


def test_random_erasing_fills_with_random_bytes():
    first, second = (run("random_erasing", seed, shape=(40, 50)).recipe.fill.numpy() * 255 for seed in (0, 1))
    np.testing.assert_allclose(first, first.round(), atol=1e-4)
    assert first.min() < 5
    assert first.max() > 250
    assert first.mean() == pytest.approx(127.5, abs=5)
    assert np.abs(first - second).mean() == pytest.approx(255 / 3, abs=6)  # of two independent uniform bytes


@pytest.mark.parametrize("limits", [(0.02, 0.4, 0.3), (0.2, 0.2, 0.5), (0.3, 0.1, 1.0)])
def test_random_erasing_area_and_aspect_are_in_range(limits):
    """The box is the rounding of some area and aspect within range; boxes are not clipped."""
    low, high, aspect = limits
    shape = 30, 40
    recipe = plan_many("random_erasing", 2000, shape, probability=1, low=low, high=high, aspect=aspect)
    shapes, sizes = set(), []
    for (top, left, bottom, right), lam in zip(recipe.target_box.tolist(), recipe.lam.double().tolist(), strict=True):
        assert 0 <= top < bottom <= shape[0]
        assert 0 <= left < right <= shape[1]
        height, width, area = bottom - top, right - left, (1 - lam) * math.prod(shape)
        assert min(low, high) - 1e-6 <= 1 - lam <= max(low, high) + 1e-6
        least = max(aspect, (height - 0.5) ** 2 / area, area / (width + 0.5) ** 2)
        most = min(1 / aspect, (height + 0.5) ** 2 / area, area / (width - 0.5) ** 2)
        assert least <= most + 1e-4
        shapes.add(height > width)
        sizes.append(height * width / math.prod(shape))
    assert shapes == ({True, False} if aspect < 1 else {False})  # squares are neither
    assert np.mean(sizes) == pytest.approx((low + high) / 2, abs=0.015)


def test_random_erasing_draws_aspect_evenly_on_a_log_scale():
    boxes = plan_many("random_erasing", 4000, (200, 200), probability=1, low=0.1, high=0.2).target_box.double()
    log_aspect = ((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1])).log().numpy()
    limit = -math.log(0.3)
    assert log_aspect.mean() == pytest.approx(0, abs=0.05)
    assert log_aspect.var() == pytest.approx(limit**2 / 3, rel=0.1)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_random_erasing_erases_a_share_of_the_images(probability):
    boxes = plan_many("random_erasing", 4000, (16, 16), probability=probability).target_box
    erased = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).float().mean().item()
    assert erased == pytest.approx(probability, abs=0.03 if 0 < probability < 1 else 1e-3)


@pytest.mark.parametrize("name", ["cutout", "hide_and_seek", "random_erasing"])
def test_the_mean_fill_is_zero_after_normalisation(name):
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    method = METHODS[name](fill="mean")
    transform = mixviz.MixTransform(method, CLASSES, normalize=(mean, std))
    images = torch.full((8, 3, 12, 12), 0.3)
    mixed, _ = transform(images, torch.zeros(8, dtype=torch.int64))
    erased = mixed.abs().amax(1) < 1e-6
    kept = (mixed * torch.tensor(std).view(3, 1, 1) + torch.tensor(mean).view(3, 1, 1) - 0.3).abs().amax(1) < 1e-6
    assert erased.any()
    assert kept.any()
    assert (erased | kept).all()

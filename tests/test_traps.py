"""Common mistakes of mixing libraries, tested for every method of the catalogue.

The cases come from the catalogue: every method with its defaults, with each choice of its parameters, and (``ENDS``,
for ``make slow``) with each number at both ends of its range. A new method's file is tested without a change here.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from cases import fields, over, plan_pair, recolours, table, variants, without_colour
from torch._subclasses.fake_tensor import FakeTensorMode

import mixviz
from mixviz import METHODS, Batch, Card, Recipe, Saliency
from mixviz.core import apply
from mixviz.core.parts import Operations, Patches, Style, Unmixed
from mixviz.explain import serialize
from mixviz.ops import operations

SIZE = (7, 12)
CLASSES = 11


USUAL = list(variants(ends=False))
ENDS = [case for case in variants(ends=True) if case not in USUAL]
every_case, usual_case, every_method = table(USUAL, ENDS), table(USUAL), pytest.mark.parametrize("name", METHODS)
noiseless_case = table(*([case for case in cases if not case[1].get("noise")] for cases in (USUAL, ENDS)))

# The cards' texts of labels that follow the pixels; other labels name image A only, or weigh saliency.
BY_PIXELS = ("1 - area", "λ", "mean of the mask", "weight of A's pixels", "4 areas")


def labels_by_pixels(case: tuple[str, dict]) -> bool:
    method = METHODS[case[0]](**case[1])
    chosen = getattr(method, "label", None)
    if (chosen == "area") if chosen else method.card.label in BY_PIXELS:
        return plan_pair(*case)[1].label_by != "planned"
    return False


def draws_lam(case: tuple[str, dict]) -> bool:
    return METHODS[case[0]](**case[1]).draw(np.random.default_rng(0), 2) is not None


by_pixels = table([case for case in USUAL if labels_by_pixels(case)])
with_lam = table([case for case in USUAL if draws_lam(case)])


def make_batch(n=5, size=SIZE, seed=0, dtype=torch.float32, colours=None, maps=None):
    """Make random images (or one colour each, (N, 3)), a class per image, maps, and errors between classes."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.integers(0, 256, (n, 3, *size), np.uint8))
    if dtype != torch.uint8:
        images = (images / 255).to(dtype)
    if colours is not None:
        images = colours[:, :, None, None].expand(n, 3, *size).contiguous()
    maps = torch.from_numpy(rng.random((n, *size), np.float32)) if maps is None else maps
    errors = torch.ones(CLASSES, CLASSES).fill_diagonal_(0)
    return Batch(images, torch.arange(n) % CLASSES, saliency=maps, errors=errors)


def plan(name, given, batch, seed=0, **held) -> Recipe:
    """Plan a recipe; one that mixes inside a network is applied to pixels, which is the same arithmetic."""
    recipe = METHODS[name](**given).plan(batch, np.random.default_rng(seed), **held)
    return dataclasses.replace(recipe, layer=0)


@dataclass(frozen=True)
class Brightness(Saliency):
    """A detector for code that makes its own batches: bright is salient."""

    card = Card("brightness", "Brightness")

    def maps(self, batch: Batch) -> torch.Tensor:
        return batch.images.float().mean(1)


def with_detector(name, **given):
    """Return the method, with brightness as its saliency if it uses any."""
    looks = "detector" in METHODS[name].parameters()
    return METHODS[name](**given, **{"detector": Brightness()} if looks else {})


def same(one: Recipe, two: Recipe) -> bool:
    a, b = fields(one), fields(two)
    others = (one.layer, one.sequences) == (two.layer, two.sequences)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) and others


def distinct(tensor: torch.Tensor) -> int:
    """Count the distinct rows of (N, ...)."""
    return len({row.numpy().tobytes() for row in tensor.contiguous()})


def close(mixed: torch.Tensor, expected: torch.Tensor, atol: float) -> None:
    torch.testing.assert_close(mixed.double(), expected.double(), rtol=0, atol=atol)


def partners(n):
    """Make partners so that no image is its own partner, nor its partner's."""
    return np.roll(np.arange(n), 1)


# ---------------------------------------------------------------- λ, p, placements, partners


@table([case for case in USUAL if labels_by_pixels(case) and draws_lam(case)])
def test_lam_is_the_share_of_image_a(name, given):
    batch, n = make_batch(64, (32, 40)), 64
    high, low = (plan(name, given, batch, lam=lam, partner=partners(n)) for lam in (0.9, 0.1))
    assert high.share[0].min() > 0.85
    assert high.area[0].min() > 0.85
    assert low.share[0].mean() < high.share[0].mean() - 0.15
    targets = high.targets(torch.arange(n), n)
    assert targets.argmax(1).tolist() == list(range(n))


@with_lam
def test_a_held_lam_moves_nothing_but_itself(name, given):
    batch, states, recipes = make_batch(), [], []
    for lam in (None, 0.2, 0.7, np.linspace(0, 1, 5)):
        rng = np.random.default_rng(3)
        recipes.append(METHODS[name](**given).plan(batch, rng, lam=lam))
        states.append(rng.bit_generator.state)
    assert all(state == states[0] for state in states)
    assert all(torch.equal(recipe.partner, recipes[0].partner) for recipe in recipes)
    assert torch.allclose(recipes[1].lam, torch.tensor(0.2))
    shared = given.get("box") == "batch"  # one box for all has one λ for all: the first image's
    assert torch.allclose(recipes[3].lam, torch.zeros(5) if shared else torch.linspace(0, 1, 5))


@every_case
def test_held_partners_are_the_partners(name, given):
    held = np.array([3, 0, 4, 4, 1])
    for partner in (held, torch.from_numpy(held)):
        recipe = plan(name, given, make_batch(), partner=partner)
        assert recipe.partner[0].tolist() == [0, 1, 2, 3, 4]
        assert not recipe.paired or recipe.partner[1].tolist() == held.tolist()


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if not cls.needs_labels])
def test_partners_are_a_permutation(name):
    recipe = plan(name, {}, make_batch(50))
    for row in recipe.partner:
        assert sorted(row.tolist()) == list(range(50))
    assert not recipe.paired or (recipe.partner[1] != recipe.partner[0]).float().mean() > 0.9


def is_plain(recipe: Recipe) -> bool:
    return isinstance(recipe.mixing, Unmixed)


@every_method
@over("case", [(0.0, 20), (0.3, 250), (1.0, 20)])
def test_p_is_applied_once(name, case):
    """A share p of the batches is mixed, not p², and for every method the same."""
    probability, calls = case
    transform = mixviz.MixTransform(with_detector(name), CLASSES, mix_probability=probability, seed=1)
    batch = make_batch(2, (4, 4))
    plain = sum(is_plain(transform.plan(batch.images, batch.labels)) for _ in range(calls)) / calls
    expected = 1 if METHODS[name].card.family == "none" else 1 - probability
    assert plain == pytest.approx(expected, abs=0.1 if 0 < expected < 1 else 0)


@every_method
def test_a_batch_that_stays_unmixed_is_itself(name):
    batch = make_batch()
    mixed, targets = mixviz.MixTransform(with_detector(name), CLASSES, mix_probability=0)(batch.images, batch.labels)
    assert torch.equal(mixed, batch.images)
    assert torch.equal(targets, torch.nn.functional.one_hot(batch.labels, CLASSES).float())


def of_image_a(recipe: Recipe, values: torch.Tensor) -> torch.Tensor:
    """Sum (N,) the sources' values (K, N) that belong to the image itself, which may be several sources."""
    return (values * (recipe.partner == recipe.partner[0])).sum(0)


def shared_on_purpose(name, given):
    """Return whether an option shares one box in the batch."""
    return given.get("box") == "batch"


@table([case for case in USUAL if not shared_on_purpose(*case)])
def test_every_row_has_a_placement_of_its_own(name, given):
    recipe = plan(name, given, make_batch(64, (16, 20)), lam=0.6)
    if torch.equal(recipe.weights(), plan(name, given, make_batch(64, (16, 20)), seed=1, lam=0.6).weights()):
        return  # λ determines everything, and is the same for all images here
    if recipe.target_boxes is not None:
        for boxes in (recipe.target_boxes, recipe.source_boxes):
            # all of an image is cut from one place alone
            assert boxes is None or recipe.resample or distinct(boxes.transpose(0, 1).flatten(1)) > 8
        assert distinct(recipe.target_boxes.transpose(0, 1).flatten(1)) > 8
    elif recipe.weight is not None and recipe.weight[0, 0].numel() > 1:
        assert distinct(recipe.weight.transpose(0, 1).flatten(1)) > 8


@table([case for case in USUAL if draws_lam(case) and not shared_on_purpose(*case)])
def test_every_row_has_a_lam_of_its_own(name, given):
    recipe = plan(name, given, make_batch(64, (16, 20)))
    assert distinct(recipe.lam[:, None]) > 60
    assert torch.isfinite(recipe.lam).all()


@every_case
def test_every_batch_size_will_do(name, given):
    for n in (1, 2, 3, 7):
        batch = make_batch(n)
        recipe = plan(name, given, batch)
        mixed, targets = recipe.apply(batch.images), recipe.targets(batch.labels, CLASSES)
        assert len(recipe) == n
        assert mixed.shape == batch.images.shape
        assert targets.shape == (n, CLASSES)
        assert 0 <= recipe.partner.min() <= recipe.partner.max() < n
        if not recipe.whole:
            continue
        close(targets.sum(1), torch.ones(n), 1e-5)
        still = recipe.source_boxes is recipe.cell_permutation is recipe.sequences is None
        if n == 1 and recipe.fill is None and recipe.noise is None and still:
            close(mixed, batch.images, 1e-6)  # an image mixed with itself
            assert targets[0, batch.labels[0]] == pytest.approx(1)


@every_case
def test_what_the_caller_hands_over_stays_as_it_was(name, given):
    for dtype in (torch.float32, torch.uint8):
        batch = make_batch(dtype=dtype)
        own = (batch.images, batch.labels, batch.saliency(), batch.errors)
        copies = [tensor.clone() for tensor in own]
        recipe = plan(name, given, batch)
        selected = {key: value.clone() for key, value in fields(recipe).items()}
        mixed, targets = recipe.apply(batch.images), recipe.targets(batch.labels, CLASSES)
        for result in (mixed, targets):
            result.zero_()  # nor do results share memory with what they were made from
        assert all(torch.equal(tensor, copy) for tensor, copy in zip(own, copies, strict=True))
        assert all(torch.equal(value, selected[key]) for key, value in fields(recipe).items())  # it can be used again


# ---------------------------------------------------------------- pixels, masks and labels agree


def colours(n):
    """Return a colour per image (N, 3) that no fill has."""
    return torch.from_numpy(np.random.default_rng(5).uniform(0.05, 0.95, (n, 3)).astype(np.float32))


@by_pixels
@over("size", [(7, 5), (16, 20)])
def test_the_label_is_what_the_pixels_hold(name, given, size):
    """Each class has a colour: the mean colour of a mixture is the expectation of its soft target.

    Fails if labels and images are permuted differently, and for an area before clipping or rounding.
    """
    n, table_of_colours = 40, colours(CLASSES)
    batch = make_batch(n, size, colours=table_of_colours[torch.arange(n) % CLASSES])
    for seed in range(2):
        recipe = plan(name, given, batch, seed)
        if recipe.weight is not None and recipe.weight.shape[2] > 1:
            continue  # every colour has its own share, and the label has their mean
        expected = recipe.targets(batch.labels, CLASSES) @ table_of_colours
        close(recipe.apply(batch.images).mean((2, 3)), expected, 1e-5)


@by_pixels
def test_the_label_counts_the_pixels_of_the_realised_box(name, given):
    n = 40
    batch = make_batch(n, SIZE, colours=colours(n))
    for seed in range(4):
        recipe = plan(name, given, batch, seed, partner=partners(n))
        if recipe.weight is not None or recipe.patch_alpha is not None:
            continue  # blended, not counted
        same_colour = (recipe.apply(batch.images) == batch.images).all(1)
        close(of_image_a(recipe, recipe.share), same_colour.float().mean((1, 2)), 1e-6)


@noiseless_case
def test_masks_show_what_happens_to_the_pixels(name, given):
    """For one-colour images, x̃ = Σ weight · colour + the missing weight · fill, at every pixel of a long image."""
    for size in ((6, 14), (14, 6)):
        compare_masks_with_pixels(name, given, size)


def compare_masks_with_pixels(name, given, size):
    n, own = 9, colours(9)
    batch = make_batch(n, size, colours=own)
    recipe = without_colour(plan(name, given, batch, partner=partners(n)))
    weights = recipe.weights()
    assert weights.shape == (len(recipe.partner), n, 1, *size)
    close(recipe.area, weights.mean((2, 3, 4)), 1e-6)
    if recipe.weight is not None and recipe.weight.shape[2] > 1:
        weights = recipe.weight  # red, green and blue apart: the mask is their mean
    expected = (weights * own[recipe.partner][..., None, None]).sum(0)
    if recipe.fill is not None:
        expected = expected + (1 - weights.sum(0)) * recipe.fill
    mixed = recipe.apply(batch.images)
    close(mixed, expected, 1e-5)
    changed = ((mixed - batch.images).abs() > 1e-4).any(1, keepdim=True)
    assert changed[recipe.mask() < 0.99].all()
    assert not changed[recipe.mask() == 1].any()


@every_case
def test_boxes_lie_inside_the_image(name, given):
    height, width = SIZE
    for seed in range(5):
        recipe = plan(name, given, make_batch(20), seed)
        for boxes in (recipe.target_boxes, recipe.source_boxes):
            if boxes is not None:
                top, left, bottom, right = boxes.flatten(0, 1).unbind(1)
                assert ((top >= 0) & (top <= bottom) & (bottom <= height)).all()
                assert ((left >= 0) & (left <= right) & (right <= width)).all()


@usual_case
def test_soft_labels_are_mixed_like_classes(name, given):
    batch = make_batch()
    recipe = plan(name, given, batch)
    one_hot = torch.nn.functional.one_hot(batch.labels, CLASSES)
    targets = recipe.targets(batch.labels, CLASSES)
    assert targets.dtype == torch.float32
    assert torch.equal(recipe.targets(one_hot.float()), targets)
    soft = torch.from_numpy(np.random.default_rng(2).dirichlet(np.ones(4), 5)).float()
    expected = torch.zeros(5, 4)
    for k, n in itertools.product(range(len(recipe.partner)), range(5)):
        expected[n] += recipe.share[k, n] * soft[recipe.partner[k, n]]
    close(recipe.targets(soft), expected, 1e-6)


# ---------------------------------------------------------------- devices, dtypes, layouts


@usual_case
def test_everything_stays_on_the_cpu_with_its_images(name, given, monkeypatch):
    """Also on a machine with a GPU, or one that claims to have it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    batch = make_batch()
    recipe = plan(name, given, batch)
    results = [recipe.apply(batch.images), recipe.targets(batch.labels, CLASSES), *fields(recipe).values()]
    assert {result.device.type for result in results} == {"cpu"}


@usual_case
def test_no_step_waits_for_an_accelerator(name, given, monkeypatch):
    """Fake CUDA tensors have no values, so any read, as in a synchronisation, raises."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # there is no memory to pin
    with FakeTensorMode():
        images = torch.empty(5, 3, 9, 12, device="cuda")
        labels = torch.zeros(5, dtype=torch.int64, device="cuda")
        maps, errors = torch.empty(5, 9, 12, device="cuda"), torch.ones(CLASSES, CLASSES, device="cuda")
        batch = Batch(images, labels, saliency=maps, errors=errors)
        recipe = METHODS[name](**given).plan(batch, np.random.default_rng(0))
        results = [
            recipe.apply(images), apply.by_masks(recipe, images), recipe.targets(labels, CLASSES),
            recipe.weights(), recipe.truth(maps).gap, *fields(recipe).values(),
        ]  # fmt: skip
        assert {result.device.type for result in results} == {"cuda"}


@pytest.mark.parametrize("wait", [torch.Tensor.item, torch.Tensor.tolist, torch.Tensor.nonzero, bool])
def test_a_fake_accelerator_notices_waiting(wait):
    with FakeTensorMode(), pytest.raises(Exception, match=r"aten|tolist"):
        wait(torch.empty(1, device="cuda"))


@usual_case
@over("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_round_once(name, given, dtype):
    batch = make_batch(dtype=dtype)
    recipe = plan(name, given, batch)
    mixed, exact = recipe.apply(batch.images), recipe.apply(batch.images.float())
    assert mixed.dtype == dtype
    assert recipe.targets(batch.labels, CLASSES).dtype == torch.float32
    close(mixed, exact.to(dtype), 1e-6 if dtype == torch.float64 else torch.finfo(dtype).eps / 2)


@every_case
def test_bytes_are_rounded_to_the_nearest(name, given):
    batch = make_batch(dtype=torch.uint8)
    recipe = plan(name, given, batch)
    mixed = recipe.apply(batch.images)
    assert mixed.dtype == torch.uint8
    close(mixed, recipe.apply(batch.images / 255) * 255, 0.5001)


def rounding(recipe, dtype):
    """Return the tolerance between two code paths: they differ only if two kernels resample pixels."""
    return {torch.uint8: 1, torch.float16: 1e-3}.get(dtype, 1e-5) * recipe.resample


@usual_case
@over("dtype", [torch.float32, torch.float16, torch.uint8])
@over("road", ["apply", "by_masks"])
def test_channels_last_stays_channels_last(name, given, road, dtype):
    """On the CPU, and in the code path for CUDA."""
    batch = make_batch(dtype=dtype)
    recipe = plan(name, given, batch)
    images, expected = batch.images.contiguous(memory_format=torch.channels_last), recipe.apply(batch.images)
    mixed = recipe.apply(images) if road == "apply" else apply.by_masks(recipe, images)
    assert expected.is_contiguous()
    close(mixed, expected, rounding(recipe, dtype))
    assert mixed.is_contiguous(memory_format=torch.channels_last)


@usual_case
@over("road", ["apply", "by_masks"])
def test_autocast_leaves_pixels_alone(name, given, road):
    batch = make_batch()
    recipe, mixed = plan(name, given, batch), []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            assert same(plan(name, given, batch), recipe)
            mixed.append(recipe.apply(batch.images) if road == "apply" else apply.by_masks(recipe, batch.images))
    assert torch.equal(*mixed)


@every_case
@over("layout", ["float32", "float16", "uint8", "channels_last"])
def test_both_roads_lead_to_the_same_picture(name, given, layout):
    batch = make_batch(7, dtype=torch.float32 if layout == "channels_last" else getattr(torch, layout))
    form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    images = batch.images.contiguous(memory_format=form)
    for seed in range(3):
        recipe = plan(name, given, batch, seed)
        slices, masks = apply.by_slices(recipe, images, torch.empty_like(images)), apply.by_masks(recipe, images)
        assert slices.dtype == masks.dtype == images.dtype
        if recipe.resample:
            close(slices, masks, rounding(recipe, images.dtype))
        else:
            assert torch.equal(slices, masks)


@every_method
@over("shape", [(15, (80, 84)), (2, (120, 100))])
@over("dtype", [torch.float32, torch.uint8])
def test_both_roads_lead_to_the_same_picture_in_pieces(name, shape, dtype):
    """So many pixels in the batch, or in an image, that the CPU takes them a few at a time."""
    batch = make_batch(*shape, dtype=dtype)
    recipe = plan(name, {}, batch)
    masks = apply.by_masks(recipe, batch.images)
    assert masks.shape == batch.images.shape
    for out in (torch.empty_like(batch.images), batch.images):
        close(apply.by_slices(recipe, batch.images, out), masks, rounding(recipe, dtype))


@usual_case
@over(
    "view",
    [
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.stack([x, 1 - x], 1)[:, 0],
        lambda x: torch.nn.functional.pad(x, (1, 2, 3, 1))[:, :, 3:-1, 1:-2],
        lambda x: x[:1].expand(len(x), -1, -1, -1),
    ],
)
def test_memory_may_be_laid_out_in_any_way(name, given, view):
    batch = make_batch()
    images = view(batch.images)
    assert not images.is_contiguous()
    recipe = plan(name, given, batch)
    close(recipe.apply(images), recipe.apply(images.contiguous()), 1e-6)
    close(apply.by_masks(recipe, images), apply.by_masks(recipe, images.contiguous()), 1e-6)
    views = Batch(images, batch.labels, saliency=view(batch.saliency()[:, None])[:, 0], errors=batch.errors)
    solid = Batch(images.contiguous(), batch.labels, saliency=views.saliency().contiguous(), errors=batch.errors)
    one, two = fields(plan(name, given, views)), fields(plan(name, given, solid))
    assert one.keys() == two.keys()
    for key in one:
        close(one[key], two[key], 1e-6)


@usual_case
def test_weights_at_half_the_size_are_means_of_two_by_two(name, given):
    recipe = plan(name, given, make_batch(size=(8, 12)))
    if not isinstance(recipe.mixing, Patches | Operations):  # boxes and moved pixels are rounded to the new grid
        half = torch.nn.functional.avg_pool2d(recipe.weights().flatten(0, 1), 2).unflatten(0, recipe.partner.shape)
        close(recipe.weights((4, 6)), half, 1e-6)


@noiseless_case
def test_gradients_reach_every_image_that_is_seen(name, given):
    batch = make_batch()
    recipe, images = without_colour(plan(name, given, batch)), batch.images.clone().requires_grad_()
    mixed = recipe.apply(images)
    close(mixed.detach(), recipe.apply(batch.images), 1e-5)
    mixed.sum().backward()
    seen, weights = torch.zeros(5), recipe.weights().sum((2, 3, 4))
    for k, n in itertools.product(range(len(recipe.partner)), range(5)):
        seen[recipe.partner[k, n]] += weights[k, n]
    close(images.grad.sum((1, 2, 3)), 3 * seen, 1e-3)


@every_case
def test_a_buffer_and_the_images_themselves_can_be_written_to(name, given):
    for seed, dtype in itertools.product(range(3), (torch.float32, torch.uint8)):
        batch = make_batch(7, dtype=dtype)
        recipe = plan(name, given, batch, seed)
        expected, images = recipe.apply(batch.images), batch.images.clone()
        for out in (torch.full_like(images, 7), images):
            assert recipe.apply(images, out=out) is out
            assert torch.equal(out, expected)


# ---------------------------------------------------------------- the ends of every range


def check_sane(recipe, batch):
    """Check that numbers are finite and in range, and that the label is complete."""
    mixed, targets = recipe.apply(batch.images), recipe.targets(batch.labels, CLASSES)
    for value in (mixed, targets, recipe.share, recipe.weights(), *fields(recipe).values()):
        assert torch.isfinite(value.float()).all()
    for value in (mixed, targets, recipe.share, recipe.weights()):
        assert value.min() >= -1e-6
        assert recipe.whole is False or value.max() <= 1 + 1e-6
    assert targets.sum(1).max() <= 2 + 1e-6
    if recipe.whole:
        close(targets.sum(1), torch.ones(len(batch)), 1e-5)
    return mixed, targets


@every_case
def test_nothing_is_ever_nan(name, given):
    for seed in range(10):
        batch = make_batch(seed=seed)
        check_sane(plan(name, given, batch, seed), batch)


@every_case
def test_the_smallest_images(name, given):
    for size in ((1, 1), (1, 6), (5, 1), (2, 2)):
        batch = make_batch(size=size)
        recipe = plan(name, given, batch)
        mixed, _ = check_sane(recipe, batch)
        close(mixed, apply.by_masks(recipe, batch.images), rounding(recipe, torch.float32))


@every_case
def test_flat_images_and_flat_maps(name, given):
    for level, lam in itertools.product((0.0, 0.5, 1.0), (None, 0.0, 0.5, 1.0)):
        batch = make_batch(colours=torch.full((5, 3), level), maps=torch.full((5, *SIZE), level))
        recipe = plan(name, given, batch, lam=lam)
        mixed, _ = check_sane(recipe, batch)
        if recipe.fill is None and not given.get("noise") and not recolours(recipe):
            close(mixed, batch.images, 1e-5)


def without_style(recipe: Recipe) -> Recipe:
    """Return the recipe and label of the contents only: λ does not determine a separately mixed style."""
    if not isinstance(recipe.mixing, Style):
        return recipe
    return dataclasses.replace(recipe, mixing=recipe.base, share=recipe.area)


@with_lam
def test_lam_1_is_image_a(name, given):
    batch = make_batch()
    for seed in range(3):
        recipe = plan(name, given, batch, seed, lam=1.0)
        check_sane(recipe, batch)
        close(without_style(recipe).apply(batch.images), batch.images, 1e-6)
        close(of_image_a(recipe, without_style(recipe).share), torch.ones(5), 1e-6)


@with_lam
def test_lam_0_leaves_what_can_be_seen(name, given):
    """An unclipped patch covers everything: the result is B's picture and B's label."""
    batch = make_batch()
    for seed in range(3):
        recipe = plan(name, given, batch, seed, lam=0.0, partner=partners(5))
        check_sane(recipe, batch)
        recipe = without_style(recipe)
        mixed, gone = recipe.apply(batch.images), of_image_a(recipe, recipe.area) == 0
        if recipe.paired and not recipe.noise:
            close(of_image_a(recipe, recipe.share)[gone], torch.zeros(int(gone.sum())), 1e-5)
            if recipe.resample:  # the part of B that is shown may not be all of it
                gone &= (recipe.source_box == torch.tensor([0, 0, *SIZE])).all(1)
            close(mixed[gone], batch.images[recipe.partner[1, gone]], 1e-6)


def links(recipe) -> set[operations.AppliedOp]:
    """Return all operations on all sources of all images."""
    return {link for chains in recipe.sequences or () for chain in chains for link in chain}


def sprinkles(link) -> bool:
    """Return whether an operation's colours depend on its seed."""
    grey, other = torch.full((1, 3, 4, 4), 0.5), link._replace(seed=link.seed + 1)
    return not torch.equal(*(operations.run([(one,)], grey) for one in (link, other)))


@usual_case
def test_grey_stays_grey(name, given):
    batch = make_batch()
    grey = batch.images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    batch = Batch(grey, batch.labels, saliency=batch.saliency(), errors=batch.errors)
    recipe = plan(name, given, batch)
    by_channel = recipe.weight is not None and recipe.weight.shape[2] > 1
    noisy = by_channel or any(recipe.sequences and sprinkles(link) for link in links(recipe))
    if recipe.noise is None and not noisy and (recipe.fill is None or recipe.fill.unique().numel() == 1):
        mixed = recipe.apply(grey)
        assert torch.equal(mixed[:, 0], mixed[:, 1])
        assert torch.equal(mixed[:, 0], mixed[:, 2])


# ---------------------------------------------------------------- randomness


@usual_case
def test_a_seed_tells_everything(name, given):
    batch = make_batch(16)
    recipes = [METHODS[name](**given).plan(batch, np.random.default_rng(seed)) for seed in (7, 7, 8)]
    assert same(*recipes[:2])
    assert torch.equal(recipes[0].apply(batch.images), recipes[1].apply(batch.images))
    by_saliency = given.get("partner") == "farthest"  # and nothing else to draw
    assert is_plain(recipes[0]) or by_saliency or not same(*recipes[1:])


@usual_case
def test_only_the_given_generator_is_used(name, given):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    batch = make_batch()
    recipe, rng = plan(name, given, batch), np.random.default_rng(0)
    state = rng.bit_generator.state
    recipe.apply(batch.images), recipe.targets(batch.labels, CLASSES)
    assert rng.bit_generator.state == state
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


@table([case for case in USUAL if case[1].get("partner") != "errors" and not METHODS[case[0]].needs_labels])
def test_a_plan_needs_no_labels(name, given):
    batch = make_batch()
    blind = Batch(batch.images, saliency=batch.saliency())
    assert same(plan(name, given, blind), plan(name, given, batch))


@every_method
def test_a_row_is_counted_from_either_end(name):
    recipe = plan(name, {}, make_batch())
    assert same(recipe.row(-1), recipe.row(4))
    assert len(recipe.row(-1)) == 1
    with pytest.raises(IndexError):
        recipe.row(5)


@every_method
def test_a_row_is_the_part_of_its_image(name):
    batch = make_batch()
    recipe, maps = plan(name, {}, batch), batch.saliency()
    for n in range(5):
        row = recipe.row(n)
        assert torch.equal(row.partner, recipe.partner[:, n : n + 1])
        assert torch.equal(row.share, recipe.share[:, n : n + 1])
        assert torch.equal(row.weights(), recipe.weights()[:, n : n + 1])
        for key in ("target_boxes", "source_boxes", "patch_alpha", "cell_permutation", "style"):
            own, every = getattr(row, key), getattr(recipe, key)
            assert own is every is None or torch.equal(own, every[:, n : n + 1]), key
        close(row.truth(maps).visible, recipe.truth(maps).visible[:, n : n + 1], 1e-6)


@every_method
def test_a_recipe_is_told_whole(name):
    """The description has every patch and every source in plain numbers."""
    batch = make_batch()
    recipe = plan(name, {}, batch)
    described = json.loads(json.dumps(serialize.recipe_json(recipe, recipe.truth(batch.saliency()), 2)))
    for key in ("target_boxes", "source_boxes", "inside", "moves", "style", "share", "partner"):
        value = getattr(recipe, key)
        assert described[key] == (None if value is None else value[:, 2].tolist()), key
    assert (described["label_by"], described["by_style"]) == (recipe.label_by, recipe.by_style)


def test_mix_is_the_same_as_plan_and_apply():
    batch = make_batch()
    mixed, recipe = mixviz.mix(batch.images, batch.labels, "cutmix", seed=4, alpha=0.5)
    expected = plan("cutmix", {"alpha": 0.5}, batch, seed=4)
    assert same(recipe, expected)
    assert torch.equal(mixed, expected.apply(batch.images))


# ---------------------------------------------------------------- invalid inputs


IMAGES = torch.rand(4, 3, 6, 8)


@pytest.mark.parametrize(
    ("images", "given", "error", "says"),
    [
        (IMAGES[0], {}, ValueError, r"\(N, 3, H, W\).*\(3, 6, 8\)"),
        (IMAGES[:, :1], {}, ValueError, r"\(N, 3, H, W\).*\(4, 1, 6, 8\)"),
        (IMAGES.permute(0, 2, 3, 1), {}, ValueError, r"\(4, 6, 8, 3\)"),
        (IMAGES[:0], {}, ValueError, "not empty"),
        (IMAGES[:, :, :0], {}, ValueError, "not empty"),
        (IMAGES.long(), {}, TypeError, r"uint8.*int64"),
        (IMAGES.numpy(), {}, TypeError, r"torch.Tensor.*ndarray"),
        (IMAGES, {"labels": torch.zeros(3)}, ValueError, r"\(4,\).*\(3,\)"),
        (IMAGES, {"labels": torch.zeros(4, 2, 2)}, ValueError, r"\(4, 2, 2\)"),
        (IMAGES, {"saliency": torch.zeros(4, 8, 6)}, ValueError, r"\(4, 6, 8\).*\(4, 8, 6\)"),
    ],
)
def test_batches_that_cannot_be_mixed(images, given, error, says):
    with pytest.raises(error, match=says):
        Batch(images, **given)


@pytest.mark.parametrize("rng", [0, None, np.random.RandomState(0), torch.Generator()])
def test_rng_has_to_be_a_generator(rng):
    for cls in METHODS.values():
        with pytest.raises(TypeError, match="default_rng"):
            cls().plan(make_batch(), rng)


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({"lam": 1.5}, "between 0 and 1"),
        ({"lam": -0.1}, "between 0 and 1"),
        ({"lam": float("nan")}, "between 0 and 1"),
        ({"lam": np.array([0.5, 0.5, 2, 0.5, 0.5])}, "between 0 and 1"),
        ({"partner": [0, 1, 2, 3, 5]}, "5 indices between 0 and 4"),
        ({"partner": [0, 1, 2, 3, -1]}, "5 indices between 0 and 4"),
        ({"partner": [0, 1]}, "5 indices between 0 and 4"),
    ],
)
def test_held_values_out_of_range(held, says):
    for cls in METHODS.values():
        with pytest.raises(ValueError, match=says):
            cls().plan(make_batch(), np.random.default_rng(0), **held)


@every_method
def test_an_unknown_name_brings_a_suggestion(name):
    with pytest.raises(ValueError, match=f"Did you mean '{name}'"):
        mixviz.mix(IMAGES, method=name[:-1])
    with pytest.raises(ValueError, match=r"Known: .*cutmix"):
        mixviz.MixTransform("qqqq", CLASSES)


@every_method
def test_an_unknown_parameter_brings_the_known_ones(name):
    known = next(iter(METHODS[name].parameters()), "none")
    with pytest.raises(TypeError, match=rf"{name} has no parameter sharpness.*{known}"):
        mixviz.mix(IMAGES, method=name, sharpness=1)


def wrong_values():
    for name, cls in METHODS.items():
        for key, about in cls.parameters().items():
            wrong = []
            if about["choices"]:
                wrong = [("sideways", ValueError), (3, ValueError)]
            elif about["low"] is not None:
                wrong = [(about["low"] - 1, ValueError), (about["high"] + 1, ValueError)]
                wrong += [("1", TypeError), (True, TypeError)]
                wrong += [(float("nan"), TypeError if isinstance(about["default"], int) else ValueError)]
            yield from ((name, {"key": key, "value": value, "error": error}) for value, error in wrong)


@table(wrong_values())
def test_parameters_outside_their_range(name, given):
    with pytest.raises(given["error"], match=f"{name}: {given['key']}="):
        METHODS[name](**{given["key"]: given["value"]})


@pytest.mark.parametrize(
    ("labels", "classes", "says"),
    [
        (torch.tensor([0, 1, 2, 3, 4]), 4, r"0 to 4.*num_classes=4"),
        (torch.tensor([0, 1, 2, 3, -1]), 9, r"-1 to 3"),
        (torch.tensor([0, 1, 2]), 9, r"\(5,\).*\(3,\)"),
        (torch.zeros(3, 4), None, r"\(5, C\).*\(3, 4\)"),
        (torch.zeros(5, 4, 1), None, r"\(5, 4, 1\)"),
        (torch.tensor([0, 1, 2, 3, 4]), None, "num_classes="),
    ],
)
def test_labels_that_do_not_fit(labels, classes, says):
    for name in METHODS:
        with pytest.raises(ValueError, match=says):
            plan(name, {}, make_batch()).targets(labels, classes)


@pytest.mark.parametrize("shape", [(4, 3, *SIZE), (5, 3, *SIZE[::-1]), (3, *SIZE)])
def test_images_that_were_not_planned_for(shape):
    for name in METHODS:
        with pytest.raises(ValueError, match="5 images of 7x12"):
            plan(name, {}, make_batch()).apply(torch.zeros(shape))


@pytest.mark.parametrize("out", [torch.zeros(5, 3, 12, 7), torch.zeros(5, 3, *SIZE, dtype=torch.float64)])
def test_a_buffer_of_another_kind(out):
    batch = make_batch()
    for name in METHODS:
        with pytest.raises(ValueError, match="out should be like images"):
            plan(name, {}, batch).apply(batch.images, out=out)


def test_a_probability_outside_its_range():
    with pytest.raises(ValueError, match="between 0 and 1"):
        mixviz.MixTransform("cutmix", CLASSES, mix_probability=1.5)

"""Methods that mix pairs by masks, by moved cells, inside the network or by other methods, recomputed."""

from __future__ import annotations

import dataclasses
import itertools
import math

import cases
import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from test_methods import (
    CLASSES,
    SIZE,
    Mixture,
    clipped,
    count,
    expect,
    expect_label,
    expect_patch,
    fits_distribution,
    network,
    pixels,
    plan_many,
    roundings,
    run,
    same_box,
    seeds,
    sides,
    triangle,
    within,
)
from torch import nn

import mixviz
from mixviz import METHODS, Batch
from mixviz.core import apply
from mixviz.methods import fmix, puzzlemix, switch, tokenmix
from mixviz.methods.mixed_examples import WAYS


def kept(mix: Mixture) -> np.ndarray:
    """Return A's weight (N, 1 or C, H, W) in the recipe."""
    weight = mix.recipe.weight[0].numpy()
    return np.broadcast_to(weight, (len(mix), weight.shape[1], *mix.size))


def expect_weights(mix: Mixture, atol: float = 1e-6) -> None:
    """Check that every pixel mixes A and B with the recipe's weights, and that the label is their mean."""
    own = kept(mix)
    expect(
        mix,
        lambda n, y, x: (
            own[n, :, y, x] * mix.images[n, :, y, x] + (1 - own[n, :, y, x]) * mix.images[mix.partner[n], :, y, x]
        ),
        atol,
    )
    if mix.recipe.label_by == "area":
        expect_label(mix, [float(np.mean(w, dtype=np.float64)) for w in own], 1e-5)


def cell_of(at: int, side: int, cells: int) -> int:
    return at * cells // side


def grid_of(mix: Mixture, cells: int) -> list[dict]:
    """Return A's weight in each cell by (row, column), and check that it is constant within the cell."""
    result = []
    for own in kept(mix)[:, 0]:
        values: dict = {}
        for y, x in pixels(mix.size):
            cell = cell_of(y, mix.size[0], cells), cell_of(x, mix.size[1], cells)
            assert values.setdefault(cell, own[y, x]) == own[y, x]
        result.append(values)
    return result


# ---------------------------------------------------------------- FMix


@seeds
@pytest.mark.parametrize("size", [SIZE, (16, 16), (7, 5)])
@pytest.mark.parametrize("spectrum", ["formula", "released"])
def test_fmix(seed, size, spectrum):
    """Redraw the noise, and add up the wave of every frequency."""
    mix, (height, width) = run("fmix", seed, shape=size, spectrum=spectrum), size
    rows, columns, _ = shape = fmix._fading(size, 3.0, spectrum)[0].shape
    rng = np.random.default_rng(seed)
    rng.beta(1, 1, 5), rng.permutation(5)
    noise = rng.standard_normal((5, *shape), dtype=np.float32)
    down = [v if 2 * v <= rows or spectrum == "released" else v - rows for v in range(rows)]
    y, x = np.mgrid[:height, :width]

    def power(v, u, part):
        """By the formula 1 / f³; as released the row ``part`` of a grid whose columns are what is down here."""
        f = math.hypot(v / height, u / width) if spectrum == "formula" else math.hypot(v / width, part / height)
        return max(f, 1 / max(size)) ** -3.0 if v or u else 0

    for n in range(5):
        field = np.zeros(size)
        for (i, v), u in itertools.product(enumerate(down), range(columns)):
            z = complex(*(noise[n, i, u, part] * power(v, u, part) for part in (0, 1)))
            wave = z * np.exp(2j * np.pi * (v * y / height + u * x / width))
            # Column 0 (and the last of an even width) holds each wave and its mirror image; others stand for both.
            # Two independent waves add up to √2 times one, as in the formula but not in the released code.
            once = math.sqrt(2) if spectrum == "formula" else 1
            field += wave.real * (once if u == 0 or 2 * u == width else 2)
        own, ranked = kept(mix)[n, 0], np.sort(field.ravel())
        number = round((1 - mix.lam[n]) * height * width)
        assert (own == 0).sum() == number
        if 0 < number < height * width:
            border = (ranked[number - 1] + ranked[number]) / 2
            differs = (own == 1) != (field >= border)
            assert not differs.any() or np.abs(field[differs] - border).max() < 1e-4 * np.ptp(field)
    expect_weights(mix)
    expect_label(mix, [1 - round((1 - lam) * height * width) / (height * width) for lam in mix.lam])


@pytest.mark.parametrize("size", [(32, 32), (64, 40), (224, 224), (5, 64)])
@pytest.mark.parametrize("decay", [1.0, 3.0, 6.0])
def test_fmix_leaves_out_what_is_too_weak(size, decay):
    """Compare the variance of the whole field, frequency by frequency, with that of the drawn part."""
    height, width = size
    full = 0.0
    for v, u in itertools.product(range(height), range(width)):
        f = math.hypot(min(v, height - v) / height, min(u, width - u) / width)
        full += max(f, 1 / max(size)) ** (-2 * decay) if f else 0
    strength = fmix._fading(size, decay, "formula")[0].astype(np.float64)
    counts = np.array([0.25 if u == 0 or 2 * u == width else 1 for u in range(strength.shape[1])])
    assert (strength**2).sum(2) @ counts @ np.ones(len(strength)) >= (1 - fmix.LEFT_OUT - 1e-6) * full
    if decay == 3 and size == (224, 224):
        assert strength.size < 0.01 * height * width  # which makes it fast


@pytest.mark.parametrize("size", [(16, 16), (12, 9), (9, 14)])
def test_fmix_favours_no_direction(size):
    """The mean power of every wave is the formula's, 1 / f⁶, within five standard errors."""
    count, batch = 4000, Batch(torch.zeros(1, 3, *size).expand(4000, -1, -1, -1))
    field = fmix._field(batch, np.random.default_rng(0), 3.0, "formula")
    power = torch.fft.fft2(field).abs().square().double().mean(0).numpy()
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1]))
    even = np.maximum(frequency, 1 / max(size)) ** 6 * power
    drawn = (power > 1e-3 * np.median(power)) & (frequency > 0)
    even /= even[drawn].mean()
    assert drawn.sum() > 0.5 * drawn.size
    assert np.abs(even[drawn] - 1).max() < 5 * math.sqrt(2 / count)


@pytest.mark.parametrize(("spectrum", "down", "across"), [("formula", 51, 51), ("released", 41, 60)])
def test_blots_of_the_released_fmix_stand_upright(spectrum, down, across):
    """Changes of a mask from a pixel to the one below and to the one beside it. The authors' own code, at 32 px and
    λ = 1/2, has 41.3 and 60.4, and a field of independent waves over the whole plane 51.0 and 50.2 (2,000 masks)."""
    own = plan_many("fmix", 3000, (32, 32), lam=0.5, spectrum=spectrum).weight[0, :, 0]
    assert (own[:, 1:] != own[:, :-1]).sum().item() / 3000 == pytest.approx(down, abs=1)
    assert (own[..., 1:] != own[..., :-1]).sum().item() / 3000 == pytest.approx(across, abs=1)


def test_fmix_on_an_accelerator_sorts_to_the_same_threshold():
    field = torch.from_numpy(np.random.default_rng(0).random((6, 5, 7), np.float32))
    number, batch = np.array([0, 1, 17, 34, 35, 20]), Batch(torch.zeros(6, 3, 5, 7))
    on_host = fmix._largest_of_lowest(field, number, batch)

    class Other(torch.Tensor):
        """A tensor subclass, in place of a tensor on an accelerator."""

    elsewhere = fmix._largest_of_lowest(field.as_subclass(Other), number, batch)
    assert torch.equal(on_host, elsewhere.as_subclass(torch.Tensor))
    assert [(field[i] < on_host[i]).sum().item() for i in range(6)] == number.tolist()


def test_a_larger_decay_makes_smoother_blots():
    def border(decay):
        own = plan_many("fmix", 200, (32, 32), lam=0.5, decay=decay).weight[0, :, 0]
        return ((own[:, 1:] != own[:, :-1]).sum() + (own[..., 1:] != own[..., :-1]).sum()).item() / 200

    assert border(1.0) > 1.5 * border(2.0) > 1.5 * border(4.0)


# ---------------------------------------------------------------- grids


@seeds
@pytest.mark.parametrize("cells", [1, 3, 4, 20])
def test_gridmix(seed, cells):
    mix = run("gridmix", seed, cells=cells)
    for n, values in enumerate(grid_of(mix, cells)):
        assert set(values.values()) <= {0, 1}
        if cells <= min(mix.size):
            assert sum(values.values()) == round(mix.lam[n] * cells**2)
    expect_weights(mix)


def test_gridmix_cells_are_equally_likely():
    own = plan_many("gridmix", 8000, (3, 3), lam=0.7, cells=3).weight[0, :, 0]
    assert set(own.sum((1, 2)).tolist()) == {6.0}
    share = own.mean(0)
    assert (share - 6 / 9).abs().max() < 4.5 * math.sqrt(2 / 9 / 8000)
    together = (own[:, 0, 0] * own[:, 0, 1]).mean().item()  # 6 of 9 without replacement
    assert together == pytest.approx(6 / 9 * 5 / 8, abs=0.03)


@seeds
@pytest.mark.parametrize(("cells", "number"), [(7, 6), (4, 3), (3, 9), (2, 0), (4, 1000)])
@pytest.mark.parametrize("size", [SIZE, (14, 21)])
def test_attentive_cutmix(seed, cells, number, size):
    mix = run("attentive_cutmix", seed, shape=size, cells=cells, count=number)
    for n, values in enumerate(grid_of(mix, cells)):
        result: dict = {cell: [] for cell in values}
        for y, x in pixels(size):
            result[cell_of(y, size[0], cells), cell_of(x, size[1], cells)].append(mix.maps[mix.partner[n], y, x])
        means = {cell: sum(map(float, looks)) / len(looks) for cell, looks in result.items()}
        pasted = [means[cell] for cell, own in values.items() if own == 0]
        left = [means[cell] for cell, own in values.items() if own == 1]
        assert len(pasted) == min(number, cells**2)
        assert not pasted or not left or min(pasted) >= max(left) - 1e-6
    expect_weights(mix)


@pytest.mark.parametrize("lam", [0.0, 0.25, 0.9, 1.0])
def test_attentive_cutmix_pastes_as_many_cells_as_the_held_lam_asks(lam):
    mix = run("attentive_cutmix", shape=(14, 14), lam=lam)
    expect_label(mix, [1 - round(49 * (1 - lam)) / 49] * 5)


def test_attentive_cutmix_draws_cells_of_a_flat_map():
    flat = np.ones((400, 4, 4), np.float32)
    own = run("attentive_cutmix", n=400, shape=(4, 4), maps=flat, cells=4, count=4).recipe.weight[0, :, 0]
    assert (own.mean(0) - 0.75).abs().max() < 4.5 * math.sqrt(3 / 16 / 400)


# ---------------------------------------------------------------- the fourteen ways


def first(values) -> int:
    """Count the leading ones of a list."""
    values = list(values)
    number = int(sum(values))
    assert values == [1] * number + [0] * (len(values) - number)
    return number


@seeds
@pytest.mark.parametrize("way", WAYS)
def test_every_way_shows_and_labels_its_weights(seed, way):
    mix = run("mixed_examples", seed, way=way)
    if mix.recipe.target_boxes is not None:
        expect_patch(mix)
        expect_label(mix, [1 - count(box, mix.size) / math.prod(mix.size) for box in mix.box])
    else:
        expect_weights(mix)


@seeds
def test_concats(seed):
    above, beside = (kept(run("mixed_examples", seed, way=f"{way}_concat"))[:, 0] for way in ("vertical", "horizontal"))
    for n, lam in enumerate(run("mixed_examples", seed, way="vertical_concat").lam):
        for x in range(SIZE[1]):
            assert first(above[n, :, x]) == round(lam * SIZE[0])
        for y in range(SIZE[0]):
            assert first(beside[n, y]) == round(lam * SIZE[1])


@seeds
@pytest.mark.parametrize("way", ["mixed_concat", "random_2x2"])
def test_corners(seed, way):
    for own in kept(run("mixed_examples", seed, way=way, n=20, shape=(16, 20)))[:, 0]:
        down = [y for y in range(1, 16) if (own[y] != own[y - 1]).any()]
        across = [x for x in range(1, 20) if (own[:, x] != own[:, x - 1]).any()]
        assert len(down) <= 1
        assert len(across) <= 1
        if way == "mixed_concat":
            corners = own[0, 0], own[0, -1], own[-1, 0], own[-1, -1]
            assert not down or not across or corners in ((1, 0, 0, 1), (0, 1, 1, 0))
        else:
            assert all(4 <= y <= 12 for y in down)  # a quarter of the sides from the border
            assert all(5 <= x <= 15 for x in across)


@pytest.mark.parametrize("lam", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_mixed_concat_reaches_the_lam_that_is_held(lam):
    share = run("mixed_examples", way="mixed_concat", shape=(100, 100), lam=lam).recipe.share[0]
    assert (share - lam).abs().max() < 0.02


@seeds
@pytest.mark.parametrize("held", [None, 0.3])
def test_vh_mixup(seed, held):
    """Four corners: A, λ₃ of it, 1 - λ₃ of it, none."""
    mix = run("mixed_examples", seed, way="vh_mixup", lam=held, shape=(20, 30))
    rng = np.random.default_rng(seed)
    rng.permutation(5)
    lam = rng.random((3, 5)) if held is None else np.full((3, 5), held)
    for n, own in enumerate(kept(mix)[:, 0]):
        row, column, part = round(lam[0, n] * 20), round(lam[1, n] * 30), lam[2, n]
        for y, x in pixels((20, 30)):
            expected = part * (y < row) + (1 - part) * (x < column)
            assert own[y, x] == pytest.approx(expected, abs=1e-6)
    if held is not None:
        assert mix.recipe.share[0].tolist() == pytest.approx([held] * 5, abs=1e-3)


@seeds
def test_vh_bc_plus_weighs_by_how_much_the_pictures_vary(seed):
    rng = np.random.default_rng(seed)
    images = (rng.random((5, 3, 10, 10)) * np.array([1, 0.5, 0.1, 0.8, 0.3])[:, None, None, None]).astype(np.float32)
    mix = run("mixed_examples", seed, way="vh_bc_plus", images=images, shape=(10, 10))
    rng = np.random.default_rng(seed)
    rng.permutation(5)
    lam = rng.random((3, 5))
    shares = []
    for n, own in enumerate(kept(mix)[:, 0]):
        a, b = images[n], images[mix.partner[n]]
        row, column, third = round(lam[0, n] * 10), round(lam[1, n] * 10), lam[2, n]
        upright, lying = b.copy(), b.copy()
        upright[:, :row], lying[:, :, :column] = a[:, :row], a[:, :, :column]
        p = 1 / (1 + upright.std() / lying.std() * (1 - third) / third)
        np.testing.assert_allclose(mix.mixed[n], p * upright + (1 - p) * lying, atol=1e-4)
        for y, x in pixels((10, 10)):
            assert own[y, x] == pytest.approx(p * (y < row) + (1 - p) * (x < column), abs=1e-4)
        shares.append(third * row / 10 + (1 - third) * column / 10)
    expect_label(mix, shares, 1e-5)


def test_random_squares_are_half_the_sides_and_from_anywhere():
    recipe = plan_many("mixed_examples", 9000, (4, 6), way="random_square")
    boxes = recipe.target_box.tolist()
    for box in {tuple(box) for box in boxes}:
        assert any(same_box(list(box), clipped(*centre, 2, 3, (4, 6))) for centre in pixels((4, 6)))
    unclipped = [n for n, (t, le, b, r) in enumerate(boxes) if (b - t, r - le) == (2, 3)]
    cuts = recipe.source_box[unclipped].tolist()
    fits_distribution([(top, left) for top, left, *_ in cuts], dict.fromkeys(pixels((3, 4)), 1))


@pytest.mark.parametrize(("way", "axis"), [("random_row_interval", 0), ("random_column_interval", 1)])
def test_intervals_run_through(way, axis):
    side, other = (5, 7) if axis == 0 else (7, 5)
    boxes = plan_many("mixed_examples", 20000, (5, 7), way=way).target_box.tolist()
    assert {(box[1 - axis], box[3 - axis]) for box in boxes} == {(0, other)}
    odds = {(a, b): 1 / side / (side - a) for a in range(side) for b in range(a, side)}
    fits_distribution([(box[axis], box[2 + axis]) for box in boxes], odds)


@pytest.mark.parametrize(
    ("way", "shape"), [("rows", (1, 8, 1)), ("columns", (1, 1, 8)), ("pixels", (1, 8, 8)), ("elements", (3, 8, 8))]
)
def test_coins(way, shape):
    own = plan_many("mixed_examples", 3000, way=f"random_{way}", lam=0.3).weight[0]
    assert own.shape[1:] == shape
    assert set(own.unique().tolist()) == {0, 1}
    assert own.mean().item() == pytest.approx(0.3, abs=0.02)
    flat = own.flatten(1)
    assert abs(np.corrcoef(flat[:, 0], flat[:, 1])[0, 1]) < 0.1
    free = plan_many("mixed_examples", 3000, way=f"random_{way}").weight[0].flatten(1).mean(1)
    assert free.mean().item() == pytest.approx(0.5, abs=0.03)
    assert free.var().item() > 1 / 12 - 0.01  # λ differs from image to image


def test_noisy_mixup_trembles_around_lam():
    recipe = plan_many("mixed_examples", 200, (20, 20), way="noisy_mixup", lam=0.4)
    own = recipe.weight[0]
    assert own.mean().item() == pytest.approx(0.4, abs=1e-3)
    assert own.std().item() == pytest.approx(0.025, rel=0.02)


# ---------------------------------------------------------------- labels by what is seen


@seeds
@roundings
@pytest.mark.parametrize("alpha", [0.5, 5.0])
def test_snapmix(seed, alpha, rounding):
    mix = run("snapmix", seed, alpha=alpha, rounding=rounding, maps=np.random.default_rng(seed).random((5, *SIZE)))

    def rule(n, y, x):
        if not within(mix.box[n], y, x):
            return mix.images[n, :, y, x]
        (top, left, bottom, right), (t, le, b, r) = mix.box[n], mix.source[n]
        rows, columns = triangle(y - top, bottom - top, b - t), triangle(x - left, right - left, r - le)
        colour = np.zeros(3)
        for (row, u), (column, v) in itertools.product(rows.items(), columns.items()):
            colour += u * v * mix.images[mix.partner[n], :, t + row, le + column]
        return colour

    expect(mix, rule, 1e-5)
    expected = np.zeros((5, CLASSES))
    for n, who in enumerate(mix.partner):
        height_width = sides(mix.lam[n], SIZE, rounding)
        assert any(same_box(mix.box[n], clipped(*centre, *height_width, SIZE)) for centre in pixels(SIZE))
        shown = sum(mix.maps[who, y, x] for y, x in pixels(SIZE) if within(mix.source[n], y, x))
        hidden = sum(mix.maps[n, y, x] for y, x in pixels(SIZE) if within(mix.box[n], y, x))
        expected[n, mix.labels[n]] += 1 - hidden / mix.maps[n].sum()
        expected[n, mix.labels[who]] += shown / mix.maps[who].sum() if count(mix.box[n], SIZE) else 0
    np.testing.assert_allclose(mix.targets, expected, atol=1e-5)
    assert not mix.recipe.whole


def test_snapmix_draws_the_size_of_what_is_cut_apart():
    """A held λ of 1/2 makes patches of 14 of 20 pixels; half of the draws of the other λ make larger pieces of B."""
    recipe = plan_many("snapmix", 400, (20, 20), lam=0.5)
    pasted, cut = (boxes[:, 2] - boxes[:, 0] for boxes in (recipe.target_box, recipe.source_box))
    assert pasted.max() == 14
    assert 0.1 < (cut > 14).double().mean() < 0.5  # the border makes some of them smaller


def test_labels_of_what_is_visible_need_not_sum_to_1():
    """The patch covers A's object and does not show B's: neither label has weight."""
    maps = np.zeros((2, 8, 8), np.float32)
    maps[:, 3:5, 3:5] = 1
    for seed in range(200):
        mix = run("snapmix", seed, n=2, shape=(8, 8), maps=maps, partner=[1, 0])
        top, left, bottom, right = mix.box[0]
        if top <= 3 and left <= 3 and bottom >= 5 and right >= 5:
            assert mix.recipe.share[0, 0] == 0
    sums = torch.stack([plan_many("snapmix", 50, seed=seed).share.sum(0) for seed in range(5)])
    assert sums.min() < 0.95
    assert sums.max() > 1.05


def test_a_dark_map_counts_as_flat():
    for name in ("snapmix", "tokenmix"):
        dark, flat = (run(name, maps=np.full((5, *SIZE), level, np.float32)) for level in (0, 1))
        np.testing.assert_array_equal(dark.targets, flat.targets)
        assert dark.targets.max() > 0


@seeds
@pytest.mark.parametrize("tokens", [1, 4, 14])
@pytest.mark.parametrize("blocks", ["paper", "released"])
def test_tokenmix(seed, tokens, blocks):
    size, maps = (14, 28), np.random.default_rng(seed).random((5, 14, 28))
    mix = run("tokenmix", seed, shape=size, tokens=tokens, blocks=blocks, maps=maps)
    expected = np.zeros((5, CLASSES))
    for n, values in enumerate(grid_of(mix, tokens)):
        assert set(values.values()) <= {0, 1}
        released = blocks == "released"
        number = min(tokens**2 // 2 + 14, tokens**2) if released else round((1 - mix.lam[n]) * tokens**2)
        assert sum(values.values()) == tokens**2 - number
        own, who = kept(mix)[n, 0], mix.partner[n]
        expected[n, mix.labels[n]] += (own * mix.maps[n]).sum() / mix.maps[n].sum()
        expected[n, mix.labels[who]] += ((1 - own) * mix.maps[who]).sum() / mix.maps[who].sum()
    np.testing.assert_allclose(mix.targets, expected, atol=1e-5)
    expect_weights(mix)


@pytest.mark.parametrize(("shape", "rows", "columns"), [(0.0, 20, 6), (1.0, 6, 20), (0.5, 11, 11)])
def test_tokenmixs_first_block_has_the_aspect_that_was_drawn(shape, rows, columns):
    """120 of 20 x 20 tokens, all in one block: sides of sqrt(120 · 0.3) = 6 and sqrt(120 / 0.3) = 20 tokens."""

    class Drawn:
        def random(self, size):
            return np.broadcast_to(np.array([1.0, shape, 0, 0])[:, None], size) if len(size) == 3 else np.zeros(size)

    first = tokenmix._blocks(Drawn(), np.array([rows * columns]), 20, 14)[0]
    assert first[:rows, :columns].all()
    assert first.sum() == rows * columns


def test_tokenmix_of_the_released_code_gives_b_as_much_in_every_picture():
    """Half of 14 x 14 tokens and 14 more; in the paper the share is drawn."""
    released = plan_many("tokenmix", 400, (14, 14), blocks="released")
    torch.testing.assert_close(released.area[1], torch.full((400,), 112 / 196))
    assert released.lam is None
    held = plan_many("tokenmix", 400, (14, 14), blocks="released", lam=0.25)
    torch.testing.assert_close(held.area[0], held.lam)
    drawn = plan_many("tokenmix", 4000, (14, 14)).area[1]
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.02)
    assert drawn.std().item() == pytest.approx(math.sqrt(1 / 12), abs=0.01)
    own = plan_many("tokenmix", 1000, (14, 14), blocks="released").weight[0, :, 0]
    changes = ((own[:, 1:] != own[:, :-1]).sum() + (own[..., 1:] != own[..., :-1]).sum()).item() / 1000
    assert changes == pytest.approx(54.3, abs=2)  # the authors' own masks; blocks of 14 tokens or more have 47


def test_tokens_come_in_blocks():
    """There are fewer changes along rows and columns than with independent tokens."""
    own = plan_many("tokenmix", 300, (14, 14), lam=0.5).weight[0, :, 0]
    changes = ((own[:, 1:] != own[:, :-1]).float().mean() + (own[..., 1:] != own[..., :-1]).float().mean()).item() / 2
    assert changes < 0.3  # independent: 0.5
    assert (own.mean(0) - 0.5).abs().max() < 0.45  # everywhere, but unevenly: most blocks fit only in the middle


@seeds
@roundings
@pytest.mark.parametrize("label", ["attention", "attention_area"])
def test_transmix_asks_about_the_mixture(seed, rounding, label):
    """Everything except the label equals CutMix; the released code's label lies half-way between the two."""
    mix = run("transmix", seed, detector="spectral_residual", label=label, rounding=rounding)
    cut = run("cutmix", seed, rounding=rounding)
    np.testing.assert_array_equal(mix.mixed, cut.mixed)
    attention = mixviz.saliency(torch.from_numpy(mix.mixed), "spectral_residual").double().numpy()
    np.testing.assert_allclose(mix.recipe.trace.attention, attention, atol=1e-6)
    own = []
    for n, look in enumerate(attention):
        inside = sum(look[y, x] for y, x in pixels(SIZE) if within(mix.box[n], y, x))
        by_area = 1 - count(mix.box[n], SIZE) / math.prod(SIZE)
        own.append(1 - inside / look.sum())
        if label == "attention_area":
            own[-1] = (own[-1] + by_area) / 2
    expect_label(mix, own, 1e-5)


def test_transmix_asks_the_network_in_training():
    requests = []

    def net(x):
        requests.append(x.detach().clone())
        return x.mean((2, 3))

    images = torch.rand(4, 3, 8, 8)
    batch = Batch(images, torch.arange(4) % 3, net, mean=(0.5,) * 3, std=(0.1,) * 3)
    recipe = METHODS["transmix"](detector="gradient").plan(batch, np.random.default_rng(0))
    torch.testing.assert_close(requests[-1], (recipe.apply(images) - 0.5) / 0.1)
    with pytest.raises(ValueError, match="asks a network"):
        METHODS["transmix"](detector="gradient").plan(Batch(images), np.random.default_rng(0))


# ---------------------------------------------------------------- Puzzle Mix


def moved(images: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Move the cells of an image (C, H, W) by ``moves`` (rows, columns), cell by cell."""
    rows, columns = moves.shape
    high, wide = images.shape[1] // rows, images.shape[2] // columns
    result = np.empty_like(images)
    for i, j in itertools.product(range(rows), range(columns)):
        a, b = divmod(int(moves[i, j]), columns)
        cell = images[:, a * high : (a + 1) * high, b * wide : (b + 1) * wide]
        result[:, i * high : (i + 1) * high, j * wide : (j + 1) * wide] = cell
    return result


@seeds
@pytest.mark.parametrize(("size", "grid"), [((8, 12), (4, 4)), ((9, 10), (3, 2)), ((7, 8), (1, 4))])
def test_puzzlemix_shows_moved_cells(seed, size, grid):
    maps = np.random.default_rng(seed).random((5, *size)) ** 4
    mix = run("puzzlemix", seed, shape=size, maps=maps, cost=0.02)
    moves, own = mix.recipe.cell_permutation.numpy(), kept(mix)
    assert moves.shape == (2, 5, *grid)
    expected = np.empty_like(mix.images)
    for n, who in enumerate(mix.partner):
        for k in (0, 1):
            assert sorted(moves[k, n].ravel()) == list(range(math.prod(grid)))
        expected[n] = own[n] * moved(mix.images[n], moves[0, n]) + (1 - own[n]) * moved(mix.images[who], moves[1, n])
    np.testing.assert_allclose(mix.mixed, expected, atol=1e-6)
    expect_label(mix, own.mean((1, 2, 3)).tolist(), 1e-5)
    objects = torch.from_numpy(mix.maps)
    visible = mix.recipe.truth(objects).visible.numpy()
    for n, who in enumerate(mix.partner):
        a, b = (moved(mix.maps[i][None], moves[k, n])[0] for k, i in ((0, n), (1, who)))
        assert visible[0, n] == pytest.approx((own[n, 0] * a).sum() / mix.maps[n].sum(), abs=1e-5)
        assert visible[1, n] == pytest.approx(((1 - own[n, 0]) * b).sum() / mix.maps[who].sum(), abs=1e-5)


def test_moved_cells_on_every_road():
    """Bytes, halves, channels last, in place and under autograd give the same picture."""
    for size, dtype in itertools.product([(8, 12), (64, 64)], (torch.float32, torch.float16, torch.uint8)):
        images = (torch.rand(5, 3, *size) * (255 if dtype == torch.uint8 else 1)).to(dtype)
        maps = torch.nn.functional.interpolate(torch.rand(5, 1, 4, 4) ** 4, size)[:, 0]
        batch = Batch(images, saliency=maps)
        recipe = METHODS["puzzlemix"](cost=0.02).plan(batch, np.random.default_rng(1))
        assert not torch.equal(recipe.cell_permutation, torch.arange(16).view(4, 4).expand(2, 5, 4, 4))
        expected = recipe.apply(images)
        assert torch.equal(apply.by_masks(recipe, images), expected)
        last = images.contiguous(memory_format=torch.channels_last)
        assert torch.equal(recipe.apply(last), expected)
        assert recipe.apply(last).is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(recipe.row(2).weights()[:, 0], recipe.weights()[:, 2])
        assert recipe.row(2).cell_permutation.shape == (2, 1, 4, 4)
        assert torch.equal(recipe.apply(images, out=images), expected)


def value_of(mask, pair, lam, method) -> float:
    """Compute the docstring's objective of a mask, without transport, in loops."""
    (rows, columns), top, value = mask.shape, method.levels - 1, 0.0
    for i, j in itertools.product(range(rows), range(columns)):
        z = mask[i, j]
        k = round(z * top)
        p = math.comb(top, k) * (1 - lam) ** k * lam ** (top - k)
        value += (1 - z) * pair[0][i, j] + z * pair[1][i, j] + method.prior / mask.size * math.log(p)
        for a, b in ((i + 1, j), (i, j + 1)):
            if a < rows and b < columns:
                value -= method.smooth / (16 * math.sqrt(mask.size)) * (z - mask[a, b]) ** 2
    return value


def shares(rng, *shape) -> np.ndarray:
    """Return saliency (..., rows, columns) with cells that sum to 1."""
    worth = rng.gamma(1, 1, shape)
    return worth / worth.sum((-2, -1), keepdims=True)


@pytest.mark.parametrize("levels", [2, 3])
def test_the_mask_is_nearly_the_best_of_all(levels):
    """Compared with all masks of 3 x 3 cells, conditional modes lose little, and seldom."""
    rng, method = np.random.default_rng(0), METHODS["puzzlemix"](levels=levels)
    pairs = shares(rng, 2, 12, 3, 3)
    lam = rng.uniform(0.1, 0.9, 12)
    result = method._mask(torch.from_numpy(pairs), torch.from_numpy(lam)).numpy()
    masks = [np.reshape(m, (3, 3)) for m in itertools.product(np.linspace(0, 1, levels), repeat=9)]
    if levels == 3:
        masks = masks[::7]  # an upper bound needs no more than many
    missed = []
    for n in range(12):
        best = max(value_of(mask, pairs[:, n], lam[n], method) for mask in masks)
        ours = value_of(result[n], pairs[:, n], lam[n], method)
        missed.append(max(0, best - ours) / abs(best))
    assert np.mean(missed) < 0.01
    assert max(missed) < 0.06


@pytest.mark.parametrize(("cells", "cost"), [(2, 0.2), (4, 0.0), (4, 0.05)])
def test_the_order_is_nearly_the_best_assignment(cells, cost):
    rng, n = np.random.default_rng(1), 40
    shown, worth = rng.random((n, cells, cells)).round(), shares(rng, n, cells, cells)
    order = puzzlemix._transport(torch.from_numpy(shown), torch.from_numpy(worth), cost).flatten(1).numpy()
    places = [divmod(i, cells) for i in range(cells**2)]
    way = np.array([[(a - c) ** 2 + (b - d) ** 2 for c, d in places] for a, b in places]) / (cells - 1) ** 2
    missed = []
    for n_, (s, w) in enumerate(zip(shown.reshape(n, -1), worth.reshape(n, -1), strict=True)):
        value = s[:, None] * w[None] - cost * way
        rows, columns = linear_sum_assignment(value, maximize=True)
        best, stay = value[rows, columns].sum(), np.trace(value)
        ours = value[np.arange(cells**2), order[n_]].sum()
        assert stay - 1e-5 <= ours <= best + 1e-5
        missed.append((best - ours) / max(best - stay, 1e-9))
    assert np.mean(missed) < 0.05


def test_puzzlemix_at_the_ends_of_lam_is_one_picture():
    for lam, whose in ((1.0, lambda n, mix: n), (0.0, lambda n, mix: mix.partner[n])):
        mix = run("puzzlemix", shape=(8, 8), lam=lam)
        for n in range(5):
            np.testing.assert_allclose(mix.mixed[n], mix.images[whose(n, mix)], atol=1e-6)


def test_a_cell_that_costs_too_much_stays():
    mix = run("puzzlemix", shape=(8, 8), cost=2.0, maps=np.random.default_rng(0).random((5, 8, 8)))
    assert torch.equal(mix.recipe.cell_permutation, torch.arange(16).view(4, 4).expand(2, 5, 4, 4))


@pytest.mark.parametrize(("grid", "share"), [((4, 4), 1.6 / 9), ((8, 8), 1.6 / 49), ((4, 8), 1.6 / 49), ((8, 1), None)])
def test_cells_change_places_for_twice_the_cost_of_a_step(grid, share):
    """In released units saliency sums to 1, and a step along a row of g cells costs 0.8 / (g - 1)². The first cell is
    hidden, the one beside it has no saliency, and all the rest is at the last cell, which stays."""
    for worth in (0.5,) if share is None else (0.98 * share, 1.02 * share):
        shown, saliency = torch.ones(1, *grid), torch.zeros(1, *grid)
        shown[0, 0, 0], saliency[0, 0, 0], saliency[0, -1, -1] = 0, worth, 1 - worth
        order = puzzlemix._transport(shown, saliency, METHODS["puzzlemix"]().cost).flatten()
        swap = [1, 0] if share is None or worth > share else [0, 1]
        assert order.tolist() == swap + list(range(2, math.prod(grid)))


@pytest.mark.parametrize("cells", [4, 8])
def test_cells_of_photographs_stay_where_they_are(cells):
    """The released transport moves at most 0.2 % of the visible cells."""
    method, side = METHODS["puzzlemix"](cells=cells, detector="spectral_residual"), 64 // cells
    recipe = method.plan(Batch(cases.photographs(64)), np.random.default_rng(0))
    visible = recipe.weight[:, :, 0, ::side, ::side] > 0
    moved = recipe.cell_permutation != torch.arange(cells**2).view(cells, cells)
    assert (moved & visible).sum() / visible.sum() < 0.01


def test_puzzlemix_shows_more_than_cutmix():
    """Puzzle Mix keeps more of both objects visible, by its own maps."""
    maps = torch.zeros(200, 16, 16)
    rng = np.random.default_rng(0)
    for one, (y, x) in zip(maps, rng.integers(0, 10, (200, 2)), strict=True):
        one[y : y + 6, x : x + 6] = 1
    batch = Batch(torch.zeros(200, 3, 16, 16), saliency=maps)
    seen = {}
    for name in ("puzzlemix", "cutmix"):
        recipe = METHODS[name]().plan(batch, np.random.default_rng(0), lam=0.5)
        seen[name] = recipe.truth(maps).visible.mean().item()
    assert seen["puzzlemix"] > seen["cutmix"] + 0.15


# ---------------------------------------------------------------- inside the network


def in_layer(layer: int, n=5, rounding="nearest"):
    images, method = torch.from_numpy(np.random.default_rng(0).random((n, 3, *SIZE), np.float32)), "feature_cutmix"
    for seed in range(100):
        recipe = METHODS[method](stages=2, rounding=rounding).plan(Batch(images), np.random.default_rng(seed))
        if recipe.layer == layer:
            return images, recipe
    raise AssertionError(f"layer {layer} is never drawn")


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_feature_cutmix_pastes_between_the_halves_of_the_network(layer):
    """At each place B's weight is the share of the place under the box."""
    model, (images, recipe) = network(), in_layer(layer)
    with mixviz.mix_inside(model, recipe):
        output = model(recipe.apply(images))
    hidden = model[:layer](images) if layer else images
    height, width = hidden.shape[2:]
    expected = hidden.clone()
    for n, (box, who) in enumerate(zip(recipe.target_box.tolist(), recipe.partner[1].tolist(), strict=True)):
        for y, x in pixels((height, width)):
            rows = range(y * SIZE[0] // height, -(-(y + 1) * SIZE[0] // height))
            columns = range(x * SIZE[1] // width, -(-(x + 1) * SIZE[1] // width))
            under = np.mean([within(box, r, c) for r, c in itertools.product(rows, columns)])
            expected[n, :, y, x] = (1 - under) * hidden[n, :, y, x] + under * hidden[who, :, y, x]
    torch.testing.assert_close(output, model[layer:](expected), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(output, model(images), atol=1e-4)


def test_the_box_of_feature_cutmix_is_cutmixs():
    for rounding in ("nearest", "even"):
        _, recipe = in_layer(2, rounding=rounding)
        for lam, box, area in zip(
            recipe.lam.tolist(), recipe.target_box.tolist(), recipe.share[1].tolist(), strict=True
        ):
            height_width = sides(lam, SIZE, rounding)
            assert any(same_box(box, clipped(*centre, *height_width, SIZE)) for centre in pixels(SIZE))
            assert area == pytest.approx(count(box, SIZE) / math.prod(SIZE))


def test_the_label_is_what_the_feature_maps_hold():
    """For feature maps that divide the picture evenly, the mean weight is the label's share for any box."""
    images = torch.stack([torch.full((3, 8, 8), float(i)) for i in range(6)]) / 10
    model = nn.Sequential(nn.AvgPool2d(2), nn.Flatten())
    for seed in range(10):
        recipe = METHODS["feature_cutmix"]().plan(Batch(images), np.random.default_rng(seed))
        recipe = dataclasses.replace(recipe, layer=1)
        with mixviz.mix_inside(model, recipe, at=[model[0]]):
            mean = model(images).mean(1)
        values = torch.arange(6) / 10
        torch.testing.assert_close(mean, (recipe.share * values[recipe.partner]).sum(0))


def test_a_patch_in_tokens_is_refused():
    model = nn.Sequential(nn.Flatten(2), nn.Identity())
    images, recipe = in_layer(1)
    with (
        pytest.raises(ValueError, match="need feature maps"),
        mixviz.mix_inside(model, recipe, at=[model[0]]),
    ):
        model(images)


def matched(a, b, epsilon, steps=apply.SINKHORN):
    """Align one image's places of b (C, r) with a's: scale rows and columns of the plan in turn, in loops."""
    a_hat, b_hat = a / np.linalg.norm(a, axis=0), b / np.linalg.norm(b, axis=0)
    r = a.shape[1]
    plan = np.array(
        [[math.exp(-((a_hat[:, i] - b_hat[:, j]) ** 2).sum() / epsilon) for j in range(r)] for i in range(r)]
    )
    for _ in range(steps):
        plan /= plan.sum(1, keepdims=True)
        plan /= plan.sum(0, keepdims=True)
    plan /= plan.sum(1, keepdims=True)
    return b @ plan.T


@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_alignmix_blends_matched_places(epsilon):
    model, images = network().double(), torch.from_numpy(np.random.default_rng(0).random((5, 3, *SIZE)))
    for seed in range(20):
        method = METHODS["alignmix"](stages=2, epsilon=epsilon)
        recipe = method.plan(Batch(images), np.random.default_rng(seed))
        if recipe.layer:
            break
    assert recipe.layer == 2
    with mixviz.mix_inside(model, recipe):
        output = model(recipe.apply(images))
    hidden = model[:2](images).detach().numpy()
    expected = []
    for n, (who, lam) in enumerate(zip(recipe.partner[1].tolist(), recipe.lam.tolist(), strict=True)):
        other = matched(hidden[n].reshape(5, -1), hidden[who].reshape(5, -1), epsilon).reshape(hidden[n].shape)
        expected.append(lam * hidden[n] + (1 - lam) * other)
    expected = model[2:](torch.from_numpy(np.stack(expected)))
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
    images.requires_grad_()
    with mixviz.mix_inside(model, recipe):
        model(images).sum().backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()


def test_alignment_undoes_a_permutation():
    own = torch.randn(3, 8, 4, 5)
    shuffled = own.flatten(2)[:, :, torch.randperm(20)].view_as(own)
    torch.testing.assert_close(apply.aligned(own, shuffled, 0.01), own, atol=1e-3, rtol=0)


def test_alignment_needs_maps():
    images = torch.rand(4, 3, 8, 8)
    recipe = dataclasses.replace(METHODS["alignmix"]().plan(Batch(images), np.random.default_rng(0)), layer=1)
    model = nn.Sequential(nn.Flatten(2), nn.Identity())
    with pytest.raises(ValueError, match="feature maps"), mixviz.mix_inside(model, recipe, at=[model[0]]):
        model(images)


# ---------------------------------------------------------------- Switch


@pytest.mark.parametrize(
    ("text", "odds", "names"),
    [
        ("cutmix, mixup", [0.5, 0.5], ["cutmix", "mixup"]),
        ("cutmix + mixup", [0.5, 0.5], ["cutmix", "mixup"]),
        ("3 cutmix,1 mixup", [0.75, 0.25], ["cutmix", "mixup"]),
        (".5 cutmix+ 1.5  resizemix +2 mixup", [0.125, 0.375, 0.5], ["cutmix", "resizemix", "mixup"]),
        ("mosaic", [1], ["mosaic"]),
        ("0 cutmix + 1 mixup", [0, 1], ["cutmix", "mixup"]),
    ],
)
def test_methods_to_switch_between(text, odds, names):
    result = switch.chosen_from(text)
    assert [share for share, _ in result] == pytest.approx(odds)
    assert [method.card.name for _, method in result] == names


def test_methods_to_switch_between_have_their_parameters():
    ((_, cut), (_, mixed)) = switch.chosen_from("0.7 cutmix:alpha=0.5,label=lam + mixup:alpha=0.2")
    assert cut == METHODS["cutmix"](alpha=0.5, label="lam")
    assert mixed == METHODS["mixup"](alpha=0.2)
    assert [one.alpha for _, one in switch.chosen_from("cutmix:alpha=0.5")] == [0.5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "There is no ''"),
        ("cutmx + mixup", "Did you mean 'cutmix'"),
        ("cutmix +", "There is no ''"),
        ("0 cutmix, 0 mixup", "odds above 0"),
        ("cutmix:alpa=1", "no parameter alpa"),
        ("cutmix:alpha=99", "outside its range"),
        ("-1 cutmix", "There is no '-1 cutmix'"),
        ("1e400 cutmix", "There is no"),
    ],
)
def test_what_cannot_be_switched_says_so(text, says):
    with pytest.raises(ValueError, match=f"switch: methods=.*{says}"):
        METHODS["switch"](methods=text)


def test_switch_is_the_method_that_it_draws():
    method, batch = METHODS["switch"](methods="2 cutmix + mixup + mosaic"), Batch(torch.rand(4, 3, 8, 8))
    drawn = []
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        recipe = method.plan(batch, rng)
        kind = "mixup" if recipe.target_boxes is None else "mosaic" if len(recipe.partner) == 4 else "cutmix"
        drawn.append(kind)
        if seed < 50:  # from the generator's state after the coin
            again = np.random.default_rng(seed)
            permutation = again.permutation(4)
            again.choice(3, p=[0.5, 0.25, 0.25])
            inner = METHODS[kind]()
            lam = inner.draw(again, 4)
            expected = inner.build(batch, mixviz.core.method.Draw(again, lam, permutation))
            assert torch.equal(recipe.apply(batch.images), expected.apply(batch.images))
            assert torch.equal(recipe.share, expected.share)
    fits_distribution(drawn, {"cutmix": 2, "mixup": 1, "mosaic": 1})


def test_switch_hands_on_what_is_held():
    batch, held = Batch(torch.rand(4, 3, 8, 8)), np.array([1, 2, 3, 0])
    for seed in range(10):
        recipe = METHODS["switch"]().plan(batch, np.random.default_rng(seed), lam=0.25, partner=held)
        assert recipe.lam.tolist() == [0.25] * 4
        assert recipe.partner[1].tolist() == held.tolist()

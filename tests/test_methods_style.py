"""StyleMix and StyleCutMix, recomputed, and the properties of recipes that show pictures in another style."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from test_methods import (
    CLASSES,
    SIZE,
    clipped,
    count,
    expect,
    network,
    pixels,
    plan_many,
    roundings,
    run,
    same_box,
    seeds,
    sides,
)

import mixviz
from mixviz import METHODS, Batch
from mixviz.core import apply
from mixviz.core.parts import Style, Weights
from mixviz.explain import edits
from mixviz.methods import stylemix

A, B, A_AS_B, B_AS_A = range(4)


def statistics(channel: np.ndarray) -> tuple[float, float]:
    """Compute the mean and standard deviation of one channel in loops; a flat one gets a tiny deviation."""
    values = [float(value) for value in channel.flatten()]
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values) + 1e-5)


def in_style(content: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Return (C, H, W) with each channel's own pattern, and the mean and deviation of the other's."""
    shown = np.empty(content.shape)
    for c, (own, other) in enumerate(zip(content, style, strict=True)):
        (mean, spread), (new_mean, new_spread) = statistics(own), statistics(other)
        for y, x in pixels(own.shape):
            shown[c, y, x] = (own[y, x] - mean) / spread * new_spread + new_mean
    return shown


def four(mix, n, clamp=True):
    """Return A, B, A in B's style and B in A's style of one image, (4, 3, H, W)."""
    a, b = mix.images[n], mix.images[mix.partner[n]]
    shown = np.stack([a, b, in_style(a, b), in_style(b, a)])
    return shown.clip(0, 1) if clamp else shown


def expect_content_and_style(mix, content, style, by_content=0.7):
    """Check that the label is r times the content's share plus 1 - r times the style's."""
    expected = np.zeros((len(mix), CLASSES))
    for n, who in enumerate(mix.partner):
        own = by_content * content[n] + (1 - by_content) * style[n]
        expected[n, mix.labels[n]] += own
        expected[n, mix.labels[who]] += 1 - own
    np.testing.assert_allclose(mix.targets, expected, atol=1e-6)


@seeds
@pytest.mark.parametrize("by_content", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("lam", [None, 0.0, 0.3, 1.0])
def test_stylemix(seed, lam, by_content):
    mix = run("stylemix", seed, lam=lam, by_content=by_content)
    weight, contents, styles = mix.recipe.weight[..., 0, 0, 0].double().numpy(), [], []
    shown = [four(mix, n) for n in range(len(mix))]
    for n in range(len(mix)):
        t, rest, a_as_b, b_as_a = weight[:, n]
        content, style = t + a_as_b, t + b_as_a
        assert content == pytest.approx(mix.lam[n], abs=1e-6)
        assert rest == pytest.approx(1 - content - style + t, abs=1e-6)
        assert max(0, content + style - 1) - 1e-6 <= t <= min(content, style) + 1e-6
        contents.append(content)
        styles.append(style)
    expect(mix, lambda n, y, x: sum(w * one[:, y, x] for w, one in zip(weight[:, n], shown[n], strict=True)), 1e-5)
    expect_content_and_style(mix, contents, styles, by_content)


@seeds
@roundings
@pytest.mark.parametrize("lam", [None, 0.0, 0.4, 1.0])
def test_stylecutmix(seed, lam, rounding):
    """A's content surrounds a box of B's; each has its own style with weight γ + (1 - γ) · its part of the style."""
    mix = run("stylemix", seed, lam=lam, content="cut", rounding=rounding)
    weight, contents, styles = mix.recipe.weight[:, :, 0].double().numpy(), [], []
    shown = [four(mix, n) for n in range(len(mix))]
    for n in range(len(mix)):
        outside = weight[A, n] + weight[A_AS_B, n]
        inside = [(y, x) for y, x in pixels(mix.size) if outside[y, x] < 0.5]
        assert set(np.round(outside, 5).flatten()) <= {0.0, 1.0}
        box = None
        if inside:
            (top, left), (bottom, right) = np.min(inside, 0), np.max(inside, 0)
            box = [top, left, bottom + 1, right + 1]
            assert count(box, mix.size) == len(inside)
        height_width = sides(mix.lam[n], mix.size, rounding)
        found = (clipped(*centre, *height_width, mix.size) for centre in pixels(mix.size))
        assert any(box == one or (box and one and same_box(box, one)) for one in found)
        contents.append(1 - len(inside) / math.prod(mix.size))
        styles.append((weight[A, n] + weight[B_AS_A, n]).mean())
        for place, (own, foreign) in {True: (B, B_AS_A), False: (A, A_AS_B)}.items():
            values = {tuple(np.round(weight[[own, foreign], n, y, x], 6)) for y, x in pixels(mix.size)
                      if ((y, x) in inside) == place}  # fmt: skip
            assert len(values) <= 1  # the inside is uniform, and so is the outside
    expect(
        mix, lambda n, y, x: sum(w * one[:, y, x] for w, one in zip(weight[:, n, y, x], shown[n], strict=True)), 1e-5
    )
    expect_content_and_style(mix, contents, styles)


@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("own", [0.0, 1.0])
def test_gamma_takes_foreign_styles_back(own, keep):
    """With only one content, the style's part is s for A and 1 - s for B, plus γ of the rest."""
    style = np.linspace(0, 1, 5)
    found = stylemix._weights(np.full(5, own), style, np.full(5, 0.5), np.full(5, keep))
    plain = style if own else 1 - style
    expected = np.zeros((4, 5))
    expected[A if own else B] = plain + keep * (1 - plain)
    expected[A_AS_B if own else B_AS_A] = (1 - keep) * (1 - plain)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize(("content", "style", "shown"), [(1, 1, A), (0, 0, B), (1, 0, A_AS_B), (0, 1, B_AS_A)])
def test_the_corners_are_the_four_pictures(content, style, shown):
    weight = stylemix._weights(np.array([float(content)]), np.array([float(style)]), np.array([0.3]))
    np.testing.assert_array_equal(weight[:, 0], np.eye(4)[shown])


def test_style_and_t_are_drawn_beside_the_content():
    recipe = plan_many("stylemix", 6000, alpha=2.0)
    a, _, a_as_b, b_as_a = recipe.weight[..., 0, 0, 0].double().numpy()
    content, style = a + a_as_b, a + b_as_a
    assert abs(np.corrcoef(content, style)[0, 1]) < 0.06
    assert style.mean() == pytest.approx(0.5, abs=0.015)
    assert style.var() == pytest.approx(0.05, abs=0.004)  # of Beta(2, 2)
    low, high = np.maximum(0, content + style - 1), np.minimum(content, style)
    sixths = np.histogram(((a - low) / (high - low))[high - low > 0.01], 6, (0, 1))[0]
    assert (abs(sixths / sixths.sum() - 1 / 6) < 0.025).all()


def test_a_held_lam_moves_the_content_alone():
    styles = [run("stylemix", 3, lam=lam).recipe.weight[[A, B_AS_A]].sum(0).flatten() for lam in (None, 0.1, 0.9)]
    for other in styles[1:]:
        torch.testing.assert_close(other, styles[0])


# ---------------------------------------------------------------- pictures in a style


def pictures(n=4, low=0.0, high=1.0, dtype=torch.float32):
    values = np.random.default_rng(0).uniform(low, high, (n, 3, *SIZE))
    return torch.from_numpy(values * (255 if dtype == torch.uint8 else 1)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.uint8])
def test_a_picture_in_its_own_style_is_itself(dtype):
    images, own = pictures(dtype=dtype), torch.arange(4)
    assert torch.equal(apply.restyled(images, own, own), images)


def test_a_restyled_picture_has_the_others_means_and_deviations():
    images = pictures(low=0.35, high=0.65) * torch.tensor([1.0, 0.9, 0.8, 1.1])[:, None, None, None]
    style = torch.tensor([1, 2, 3, 0])
    shown = apply.restyled(images, torch.arange(4), style)
    assert 0 < shown.min() < shown.max() < 1  # nothing was clamped
    torch.testing.assert_close(shown.mean((2, 3)), images[style].mean((2, 3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(shown.std((2, 3)), images[style].std((2, 3)), rtol=1e-3, atol=0)
    assert (shown - images[style]).abs().max() > 0.05  # the pattern stays
    for n in range(4):
        np.testing.assert_allclose(shown[n], in_style(images[n].numpy(), images[style[n]].numpy()), atol=1e-5)


def test_bytes_and_floats_have_one_style():
    images = pictures(dtype=torch.uint8)
    who, style = torch.arange(4), torch.tensor([1, 2, 3, 0])
    exact = apply.restyled(images.double() / 255, who, style) * 255
    torch.testing.assert_close(apply.restyled(images, who, style).double(), exact, rtol=0, atol=0.5001)


def test_a_flat_picture_takes_on_the_others_mean_and_no_noise():
    images = pictures()
    images[0] = torch.tensor([0.1, 0.5, 0.9])[:, None, None]
    shown = apply.restyled(images, torch.tensor([0, 1]), torch.tensor([1, 0]))
    expected = images[1].mean((1, 2))[:, None, None].expand_as(shown[0])
    torch.testing.assert_close(shown[0], expected, rtol=0, atol=1e-3)
    assert shown[1].std((1, 2)).max() < 0.005  # and the other way round there is nearly nothing left to see


def test_what_leaves_the_range_is_clamped_before_it_is_weighed():
    dark, bright = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    dark[..., 0], bright[..., :2] = 0.9, 0.0
    images = torch.cat([dark, bright])
    who = torch.tensor([[0, 1], [1, 0], [0, 1], [1, 0]])
    weight = torch.tensor([0.0, 0.0, 1.0, 0.0])[:, None, None, None, None].expand(4, 2, 1, 1, 1)
    recipe = mixviz.Recipe(
        size=(4, 4), partner=who, share=weight[..., 0, 0, 0], mixing=Style(who.flip(1)[[1, 0, 0, 1]], Weights(weight))
    )
    mixed = recipe.apply(images)
    assert recipe.style.tolist() == [[0, 1], [1, 0], [1, 0], [0, 1]]
    np.testing.assert_allclose(mixed[0], in_style(images[0].numpy(), images[1].numpy()).clip(0, 1), atol=1e-5)
    assert in_style(images[0].numpy(), images[1].numpy()).max() > 1.1


# ---------------------------------------------------------------- inside the network


def inside(layer, **given):
    images = torch.from_numpy(np.random.default_rng(0).random((5, 3, *SIZE), np.float32))
    for seed in range(100):
        recipe = METHODS["stylemix"](stages=3, **given).plan(Batch(images), np.random.default_rng(seed))
        if recipe.layer == layer:
            return images, recipe
    raise AssertionError(f"layer {layer} is never drawn")


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("content", ["blend", "cut"])
def test_stylemix_exchanges_the_statistics_of_feature_maps(layer, content):
    model, (images, recipe) = network(), inside(layer, content=content)
    assert torch.equal(recipe.apply(images), images)
    hidden = model[:layer](images).detach()
    with mixviz.mix_inside(model[:layer], recipe, at=list(model[:layer])):
        mixed = model[:layer](images).detach().numpy()
    weight = torch.nn.functional.adaptive_avg_pool2d(recipe.weights()[:, :, 0], hidden.shape[2:]).numpy()
    beyond = 0.0
    for n, (who, style) in enumerate(zip(recipe.partner.T.tolist(), recipe.style.T.tolist(), strict=True)):
        shown = [in_style(hidden[a].numpy(), hidden[b].numpy()) for a, b in zip(who, style, strict=True)]
        beyond = max(beyond, -np.min(shown))
        expected = sum(w * one for w, one in zip(weight[:, n], shown, strict=True))
        np.testing.assert_allclose(mixed[n], expected, atol=1e-4)
    assert beyond > 1e-3  # feature maps are not pixels: nothing is clamped


def test_vectors_have_no_style():
    model, (images, recipe) = network(), inside(3)
    with pytest.raises(ValueError, match="styles need feature maps"), mixviz.mix_inside(model, recipe):
        model(images)


# ---------------------------------------------------------------- recipes


def test_recipes_of_a_style_add_up_by_picture():
    batch = Batch(pictures(2), torch.tensor([0, 1]))
    for content in ("blend", "cut"):
        recipe = METHODS["stylemix"](content=content).plan(batch, np.random.default_rng(1), partner=[1, 0])
        objects = torch.zeros(2, *SIZE)
        objects[:, 2:6, 3:8] = 1
        truth, mask = recipe.truth(objects), recipe.mask()
        by_hand = [(mask[n, 0] * objects[n]).sum() / objects[n].sum() for n in range(2)]
        seen = truth.visible[A] + truth.visible[A_AS_B]
        torch.testing.assert_close(seen, torch.stack(by_hand))
        torch.testing.assert_close(truth.visible.sum(0), torch.ones(2))  # both objects lie at one place here
        assert not edits.can_paint(recipe)
        assert not edits.can_move(recipe)
        row = recipe.row(1)
        assert row.style.tolist() == [[1], [0], [0], [1]]
        assert torch.equal(row.weights()[:, 0], recipe.weights()[:, 1])


def test_a_style_is_not_painted_over():
    """A painted mask does not determine the style's part of the label."""
    recipe = METHODS["stylemix"]().plan(Batch(torch.rand(2, 3, 4, 4)), np.random.default_rng(0))
    styled = Style(recipe.partner[:2].flip(0), Weights(recipe.weight[:2]))
    two = dataclasses.replace(recipe, partner=recipe.partner[:2], share=recipe.share[:2], mixing=styled)
    assert not edits.can_paint(two)
    assert edits.can_paint(dataclasses.replace(two, mixing=styled.base))

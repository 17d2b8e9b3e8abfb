"""Heat maps side by side: the meaning of colours, and pictures with their scales."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from mixviz.cam import shading
from mixviz.cam.localization import heat
from mixviz.cam.scales import SCALES, difference, scaled


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def maps(*tops: float, side: int = 4) -> Tensor:
    """Make ramps (M, 1, side, side) from 0 to each top."""
    ramp = torch.linspace(0, 1, side * side).view(side, side)
    return torch.stack([ramp * top for top in tops])[:, None]


def test_each_map_on_its_own_scale_is_heat():
    given = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    found = scaled(given, (20, 28), "image")
    assert found.values.shape == (2, 3, 20, 28)
    assert torch.equal(found.values, found.shades)
    for row, values in zip(given, found.values, strict=True):
        assert torch.equal(values, heat(row, (20, 28)))
    assert (found.low < found.high).all()


def test_on_a_shared_scale_a_weak_map_is_pale():
    found = scaled(maps(1, 4), (4, 4), "shared")
    assert torch.equal(found.values, found.shades)
    assert found.values.amax((2, 3)).flatten().tolist() == [0.25, 1]
    assert found.low.flatten().tolist() == [0, 0]
    assert found.high.flatten().tolist() == [4, 4]
    torch.testing.assert_close(found.values[0] * 4, found.values[1])


def test_raw_values_stay_and_colours_start_at_0():
    found = scaled(maps(1, 4) + 1, (4, 4), "raw")
    torch.testing.assert_close(found.values, maps(1, 4) + 1)
    torch.testing.assert_close(found.shades, (maps(1, 4) + 1) / 5)
    signed = scaled(maps(2, 4) - 3, (4, 4), "raw")
    assert signed.low.flatten().tolist() == [-3, -3]
    assert signed.high.flatten().tolist() == [1, 1]
    assert signed.shades[0, 0, 0, 0] == 0


def test_layers_of_different_size_meet_at_the_pictures_size():
    found = scaled([maps(1, side=2)[0], maps(1, side=8)[0]], (16, 16), "shared")
    assert found.values.shape == (2, 1, 16, 16)


def test_no_value_is_told_that_the_map_does_not_have():
    """Bicubic interpolation of a peak undershoots 0 beside it."""
    given = torch.zeros(1, 1, 8, 8)
    given[0, 0, 4, 4] = 2
    for scale in ("shared", "raw"):
        found = scaled(given, (64, 64), scale)
        assert found.low.item() == 0
        assert found.values.amin() == 0
        assert 1 < found.high.item() <= 2
    assert scaled(given, (64, 64), "image").low.item() < 0


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("bad", ["constant", "zero", "nan", "infinite"])
def test_a_map_that_points_nowhere_has_no_shade_and_does_not_count(scale, bad):
    given = maps(2, 1)
    given[0] = {"constant": 100.0, "zero": 0.0, "nan": torch.nan, "infinite": 1.0}[bad]
    if bad in ("nan", "infinite"):
        given[0, 0, 0, 0] = torch.nan if bad == "nan" else torch.inf
    found = scaled(given, (9, 9), scale)
    assert found.values.isfinite().all()
    assert not found.shades[0].any()
    assert found.low[0].isnan()
    assert torch.equal(found.shades[1], scaled(given[1:], (9, 9), scale).shades[0])
    alone = scaled(given[:1], (9, 9), scale)
    assert not alone.shades.any()


def test_differences_are_symmetric_about_0():
    given = maps(1, 3)
    found = difference(*given)
    assert found.limit == 2
    assert found.shades.amin() == -1
    torch.testing.assert_close(found.values, given[0] - given[1])
    torch.testing.assert_close(difference(given[1], given[0]).shades, -found.shades)
    none = difference(given[0], given[0])
    assert none.limit == 0
    assert not none.shades.any()
    assert not difference(given[0], given[0] * torch.nan).shades.any()


def test_scales_say_what_they_need():
    with pytest.raises(ValueError, match="image, shared, raw"):
        scaled(maps(1), (4, 4), "log")
    with pytest.raises(ValueError, match=r"\(networks, classes, h, w\).*\(4, 4\)"):
        scaled(maps(1)[:, 0], (4, 4))
    with pytest.raises(ValueError, match="none"):
        scaled([], (4, 4))
    with pytest.raises(ValueError, match="one shape"):
        difference(torch.zeros(2, 2), torch.zeros(3, 3))


def picture(side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


def luminance(colours: np.ndarray) -> np.ndarray:
    linear = (colours / 255) ** 2.2
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("name", shading.COLOURS)
def test_colours_grow_evenly_brighter(name):
    brightness = luminance(shading.table(name))
    assert (np.diff(brightness[::8]) > 0).all()
    shown = shading.overlay(np.zeros((1, 2, 3), np.uint8), np.array([[0, 1]]), 1, name)
    assert luminance(shown[0, 0]) < luminance(shown[0, 1])


def test_the_difference_is_white_in_the_middle_and_as_bright_on_both_sides():
    colours = shading.table(shading.DIFFERENCE)
    assert colours[127:129].min() > 235
    assert (np.diff(luminance(colours)[:120:8]) > 0).all()
    assert (np.diff(luminance(colours)[136::8]) < 0).all()


def test_overlay_by_hand():
    shown = shading.overlay(picture(), np.ones((8, 8)), 0.25)
    grey = picture().astype(float).mean(2, keepdims=True)
    np.testing.assert_array_equal(shown, np.rint(0.75 * grey + 0.25 * shading.table("inferno")[255]))
    np.testing.assert_array_equal(shading.overlay(picture(), np.ones((8, 8)), 0)[..., :1], np.rint(grey))


def test_where_there_is_no_difference_the_picture_shows_through():
    shades = np.zeros((8, 8), np.float32)
    shades[0, 0], shades[7, 7], shades[3, 3] = 1, -1, np.nan
    shown = shading.overlay_difference(picture(), shades, 1)
    grey = np.rint(picture().astype(np.float32).mean(2))
    assert (shown[0, 1:] == grey[0, 1:, None]).all()
    assert (shown[3, 3] == grey[3, 3]).all()
    assert shown[0, 0, 0] > shown[0, 0, 2]  # orange: more red than blue
    assert shown[7, 7, 2] > shown[7, 7, 0]  # purple: more blue than red


def test_what_is_not_finite_is_cold():
    shades = np.array([[np.nan, np.inf], [-np.inf, 0]])
    shown = shading.overlay(np.zeros((2, 2, 3), np.uint8), shades, 1)
    assert (shown == shading.table("inferno")[0]).all()


def test_the_key_goes_from_cold_to_hot():
    key = shading.ramp(3, 10)
    assert key.shape == (3, 10, 3)
    assert (key[1, 0] == shading.table("inferno")[0]).all()
    assert (key[1, -1] == shading.table("inferno")[-1]).all()


def test_colours_say_what_they_need():
    with pytest.raises(ValueError, match="inferno, cividis"):
        shading.overlay(picture(), np.zeros((8, 8)), 0.5, "jet")
    with pytest.raises(ValueError, match="0 to 1"):
        shading.overlay(picture(), np.zeros((8, 8)), 2)
    with pytest.raises(ValueError, match="does not fit"):
        shading.overlay(picture(), np.zeros((4, 4)))

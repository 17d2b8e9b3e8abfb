"""Compiled arithmetic of boxes: numpy's numbers, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mixviz import Batch
from mixviz.core import geometry, jit

SIZES = [(32, 32), (20, 37), (1, 300)]


@pytest.fixture
def twice(monkeypatch):
    """Compute something by numpy, then by compiled loops."""
    jit.loops("apply")

    def compute(what):
        with monkeypatch.context() as patch:
            patch.setattr(jit, "loaded", lambda name: None)
            by_numpy = what()
        return by_numpy, what()

    return compute


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rounding", ["nearest", "even"])
def test_sides_are_numpys(size, rounding, twice):
    lam = np.concatenate([[0, 1, 0.5, 0.75], np.random.default_rng(0).random(500)])
    for one, other in zip(*twice(lambda: geometry.patch_sides(lam, size, rounding)), strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@pytest.mark.parametrize("size", SIZES)
def test_boxes_and_their_areas_are_numpys(size, twice):
    rng = np.random.default_rng(0)
    given = [rng.integers(0, side, 500) for side in (*size, size[0] + 9, size[1] + 9)]
    by_numpy, by_loops = twice(lambda: geometry.box_around(*given, size))
    assert by_numpy.dtype == by_loops.dtype
    assert np.array_equal(by_numpy, by_loops)
    assert np.array_equal(*twice(lambda: geometry.box_area(by_numpy, size)))


@pytest.mark.parametrize("size", SIZES)
def test_centres_are_two_draws_in_a_row(size):
    """A square image draws rows and columns by one call, with the numbers of two."""
    ours, plain = np.random.default_rng(0), np.random.default_rng(0)
    for n in (1, 7, 128):
        rows, columns = geometry.random_centre(ours, n, size)
        assert np.array_equal(rows, plain.integers(0, size[0], n))
        assert np.array_equal(columns, plain.integers(0, size[1], n))


def maps_of(kind):
    """Make nine maps of 20 by 24 pixels with many equal maxima, a flat one among them."""
    maps = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (9, 20, 24)) / 3).float()
    maps[3] = 0.5
    if kind == "signed zero":
        maps[2, 0, 0] = -0.0
    return maps


@pytest.mark.parametrize("kind", ["plain", "signed zero"])
def test_peaks_are_torchs(kind, monkeypatch):
    maps = maps_of(kind)
    monkeypatch.setattr(jit, "MUCH", 10**12)
    by_torch = geometry.peak(maps, np.random.default_rng(0))
    monkeypatch.setattr(jit, "MUCH", 1)
    by_loops = geometry.peak(maps, np.random.default_rng(0))
    for one, other in zip(by_torch, by_loops, strict=True):
        assert torch.equal(one, other)
    for i in (0, 1, 4):
        first = int(maps[i].flatten().numpy().argmax())
        assert (by_loops[0][i] * 24 + by_loops[1][i]).item() == first


@pytest.mark.parametrize("value", [-0.1, 1.0001, float("nan"), -float("nan"), float("inf")])
def test_wrong_maps_are_refused(value, monkeypatch):
    monkeypatch.setattr(jit, "MUCH", 1)
    images, maps = torch.rand(9, 3, 20, 24), maps_of("plain")
    Batch(images, saliency=maps)
    maps[5, 7, 7] = value
    with pytest.raises(ValueError, match="saliency should lie in"):
        Batch(images, saliency=maps)


def test_areas_of_tensors_are_torchs(twice):
    rng = np.random.default_rng(0)
    box = torch.from_numpy(np.sort(rng.integers(0, 300, (500, 2, 2)), 1).reshape(500, 4))
    by_torch, by_loops = twice(lambda: geometry.box_area(box, (299, 223)))
    assert by_loops.dtype == torch.float32
    assert torch.equal(by_torch, by_loops)


@pytest.mark.parametrize("by", ["box", "pixel"])
@pytest.mark.parametrize("complement", [False, True])
def test_salient_corners_are_torchs(by, complement, monkeypatch):
    """Also of boxes without pixels, of boxes as large as the picture, and of maps that are 0 or 1 everywhere."""
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.random((400, 20, 24), np.float32) ** 9)
    maps[:20], maps[20:40], maps[40:80, :, 5:] = 0, 1, 0
    height, width = (torch.from_numpy(rng.integers(0, side + 1, 400)) for side in (20, 24))
    height[80:90], height[90:100], width[85:95] = 0, 20, 24
    given = maps, torch.from_numpy(rng.random(400)), height, width
    monkeypatch.setattr(jit, "MUCH", 10**12)
    by_torch = geometry.salient_corner(*given, by=by, complement=complement)
    monkeypatch.setattr(jit, "MUCH", 1)
    by_loops = geometry.salient_corner(*given, by=by, complement=complement)
    for one, other in zip(by_torch, by_loops, strict=True):
        assert torch.equal(one, other)

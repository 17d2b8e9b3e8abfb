"""Compiled arithmetic of boxes: numpy's numbers, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

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

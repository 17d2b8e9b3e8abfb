"""C-Mixup: the odds of partners by hand, the draws that follow them, and what it says without labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_methods import fits_distribution

import mixviz
from mixviz import METHODS, Batch
from mixviz.core.builders import draw_indices

CMixup = METHODS["cmixup"]
AGES = torch.tensor([0.0, 1.0, 3.0])


def close(given, expected) -> None:
    torch.testing.assert_close(given, torch.tensor(expected, dtype=torch.float64))


def test_odds_by_hand():
    """exp(-d² / 2σ²) for distances 1, 2 and 3, without the image itself and with it."""
    one, two, three = math.exp(-1 / 8), math.exp(-4 / 8), math.exp(-9 / 8)  # σ = 2
    close(
        CMixup(bandwidth=2.0).odds(AGES),
        [
            [0, one / (one + three), three / (one + three)],
            [one / (one + two), 0, two / (one + two)],
            [three / (three + two), two / (three + two), 0],
        ],
    )
    whole = 1 + one + three
    close(CMixup(bandwidth=2.0, itself=True).odds(AGES)[0], [1 / whole, one / whole, three / whole])


def test_vectors_and_classes_by_hand():
    vectors = torch.tensor([[0.0, 0], [3, 4], [0, 1]])
    far, near = math.exp(-25 / 2), math.exp(-1 / 2)
    close(CMixup().odds(vectors)[0], [0, far / (far + near), near / (far + near)])
    classes = torch.tensor([4, 4, 7])
    e = math.e
    close(CMixup().odds(classes), [[0, e / (e + 1), 1 / (e + 1)], [e / (e + 1), 0, 1 / (e + 1)], [0.5, 0.5, 0]])
    one_hot = torch.nn.functional.one_hot(classes, 8)
    for given in (one_hot.float(), one_hot.bool(), one_hot):
        torch.testing.assert_close(CMixup().odds(given), CMixup().odds(classes))


def test_the_ends_of_the_bandwidth_are_the_nearest_and_mixup():
    near, even = CMixup(bandwidth=0.001).odds(AGES * 1000), CMixup(bandwidth=1000.0).odds(AGES)
    assert near.argmax(1).tolist() == [1, 0, 1]
    assert near.amax(1).tolist() == [1, 1, 1]
    assert even[0].tolist() == pytest.approx([0, 0.5, 0.5], abs=1e-5)
    assert CMixup().odds(AGES[:1]).tolist() == [[1]]
    assert CMixup(bandwidth=0.001).odds(torch.full((3,), 7.0))[0].tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize("itself", [False, True])
def test_partners_are_drawn_by_their_odds(itself):
    method, images = CMixup(bandwidth=2.0, itself=itself), torch.zeros(3, 3, 1, 1)
    rng = np.random.default_rng(0)
    drawn = np.array([method.plan(Batch(images, AGES), rng).partner[1].tolist() for _ in range(4000)])
    for row, odds in enumerate(method.odds(AGES).tolist()):
        fits_distribution(drawn[:, row].tolist(), dict(enumerate(odds)))


def test_the_last_column_is_never_exceeded():
    class Ones(np.random.Generator):
        def random(self, size):
            return np.full(size, np.nextafter(1, 0))

    batch = Batch(torch.zeros(2, 3, 1, 1))
    odds = torch.tensor([[0.1, 0.2, 0.0], [0.0, 0.0, 1e-300]], dtype=torch.float64)
    assert draw_indices(batch, odds, Ones(np.random.PCG64(0))).tolist() == [1, 2]


def test_numbers_are_mixed_as_the_pictures_are():
    images = AGES.view(3, 1, 1, 1).expand(3, 3, 4, 4) / 3
    mixed, recipe = mixviz.mix(images, AGES, "cmixup", seed=0)
    torch.testing.assert_close(mixed[:, 0, 0, 0] * 3, recipe.targets(AGES))
    torch.testing.assert_close(recipe.lam, recipe.share[0])


def test_held_partners_and_missing_labels():
    images, rng = torch.zeros(3, 3, 1, 1), np.random.default_rng(0)
    assert CMixup().plan(Batch(images), rng, partner=np.array([2, 0, 1])).partner[1].tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="C-Mixup draws partners by their labels: give labels"):
        mixviz.mix(images, method="cmixup")

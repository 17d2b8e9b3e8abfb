"""Scenes: the object lies in its box, takes its share, and nothing shows where the photograph ends."""

from __future__ import annotations

import numpy as np
import pytest

from mixviz.data import pictures, scenes

BOX = (30, 50, 90, 110)


def photograph(height: int = 120, width: int = 160) -> np.ndarray:
    """A red object on a green slope."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 1] = np.linspace(40, 200, width).round()
    picture[BOX[0] : BOX[2], BOX[1] : BOX[3]] = (255, 0, 0)
    return picture


def red(scene: np.ndarray) -> np.ndarray:
    return (scene[..., 0] > 127) & (scene[..., 1] < 60)


def marked(box, side: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return mask


def area(box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("way", ["surrounded", "pasted"])
def test_the_object_is_in_its_box_and_takes_its_share(way, share):
    side, rng = 200, np.random.default_rng(0)
    for _ in range(5):
        if way == "surrounded":
            scene, box = scenes.surrounded(photograph(), BOX, share, side, rng)
        else:
            mask = marked(BOX, 160)[:120]
            scene, box = scenes.pasted(photograph(), mask, np.full((90, 70, 3), 60, np.uint8), share, side, rng)
        assert scene.shape == (side, side, 3)
        assert scene.dtype == np.uint8
        assert 0 <= box[0] < box[2] <= side
        assert 0 <= box[1] < box[3] <= side
        assert area(box) == pytest.approx(share * side**2, rel=0.06)
        inside = scene[box[0] : box[2], box[1] : box[3]]
        assert red(inside).mean() > 0.9
        if way == "pasted":  # the only object
            assert (red(scene) & ~marked(box, side)).sum() <= 2 * (box[2] - box[0] + box[3] - box[1])


def test_a_seed_draws_the_same_scene_and_another_one_another_place():
    first, second, third = (
        scenes.surrounded(photograph(), BOX, 0.1, 128, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first[0], second[0])
    assert first[1] == second[1] != third[1]


def test_objects_lie_everywhere():
    rng = np.random.default_rng(0)
    boxes = np.array([scenes.surrounded(photograph(), BOX, 0.05, 96, rng)[1] for _ in range(200)])
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 / 96
    np.testing.assert_allclose(middles.mean(0), 0.5, atol=0.06)
    assert middles.min() < 0.2
    assert middles.max() > 0.8


def test_no_edge_where_the_photograph_ends():
    """A slope continues as a slope: no step is larger than those inside the photograph, but for the object's."""
    slope = np.repeat(np.linspace(0, 250, 160).round().astype(np.uint8)[None, :, None], 120, 0).repeat(3, 2)
    for seed in range(10):
        scene, _ = scenes.surrounded(slope, BOX, 0.1, 224, np.random.default_rng(seed))
        for axis in (0, 1):
            assert np.abs(np.diff(scene[..., 0].astype(int), axis=axis)).max() <= 6


def test_a_bundled_photograph_keeps_its_object():
    entry = pictures.photographs()["lion.jpg"]
    picture = pictures.load_image(pictures.photograph_path("lion.jpg"))
    scene, box = scenes.surrounded(picture, tuple(entry["box"]), 0.1, 224, np.random.default_rng(0))
    assert area(box) / 224**2 == pytest.approx(0.1, rel=0.05)
    assert scene.std() > 10


@pytest.mark.parametrize(
    ("box", "share", "text"),
    [(BOX, 0, "above 0"), (BOX, 1.5, "at most 1"), ((0, 0, 0, 9), 0.1, "box should be"), ((0, 0, 9, 999), 0.1, "box")],
)
def test_what_makes_no_scene_says_so(box, share, text):
    with pytest.raises(ValueError, match=text):
        scenes.surrounded(photograph(), box, share, 64, np.random.default_rng(0))


@pytest.mark.parametrize("mask", [np.zeros((120, 160)), np.ones((8, 8))])
def test_a_mask_that_marks_nothing_of_the_picture(mask):
    with pytest.raises(ValueError, match="mask should mark the object"):
        scenes.pasted(photograph(), mask, photograph(), 0.1, 64, np.random.default_rng(0))

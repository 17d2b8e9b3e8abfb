"""Localisation: by hand, against a slow form, and against the authors' own arithmetic."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from mixviz.cam import localization
from mixviz.cam.boxes import THRESHOLDS
from mixviz.cam.localization import box_scores, boxes_at, heat, iou, pixel_scores


def boxes(*rows: tuple[int, int, int, int]) -> Tensor:
    return torch.tensor(rows)


def blocks(size: tuple[int, int], *parts: tuple[tuple[int, int, int, int], float]) -> Tensor:
    """Make a map (H, W) of zeros with boxes of given values."""
    result = torch.zeros(size)
    for (top, left, bottom, right), value in parts:
        result[top:bottom, left:right] = value
    return result


def random_heat(n: int, side: int, size: tuple[int, int]) -> Tensor:
    return heat(torch.randn(n, side, side, generator=torch.Generator().manual_seed(side)).relu(), size)


# Heat


def test_heat_is_scaled_and_cubic_as_in_opencv():
    maps = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0))
    ours = heat(maps, (20, 32))
    for ours_one, one in zip(ours, maps, strict=True):
        large = cv2.resize(one.numpy(), (32, 20), interpolation=cv2.INTER_CUBIC)
        expected = torch.from_numpy((large - large.min()) / (large.max() - large.min()))
        torch.testing.assert_close(ours_one, expected, rtol=0, atol=1e-5)
    assert torch.equal(ours.amin((1, 2)), torch.zeros(3))
    assert torch.equal(ours.amax((1, 2)), torch.ones(3))


@pytest.mark.parametrize("value", [0.0, 0.1, 7.3, float("nan"), float("inf")])
def test_a_map_that_says_nothing_is_zero(value):
    maps = torch.full((2, 3, 3), value)
    maps[1] = torch.arange(9.0).view(3, 3)
    one_nan = torch.ones(1, 3, 3).index_put(
        (torch.tensor(0), torch.tensor(1), torch.tensor(1)), torch.tensor(torch.nan)
    )
    assert torch.equal(heat(maps, (7, 9))[0], torch.zeros(7, 9))
    assert heat(maps, (7, 9))[1].amax() == 1
    assert torch.equal(heat(one_nan, (6, 6)), torch.zeros(1, 6, 6))
    scores = box_scores(heat(maps[:1], (7, 9)), [boxes((0, 0, 7, 9))])
    assert torch.equal(scores.largest, torch.zeros(1, 1000, dtype=torch.float64))
    assert torch.equal(scores.every, scores.largest)


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (64, 48)])
def test_the_centre_is_in_the_centre(size):
    centre = localization.centre_heat(size)
    assert centre.shape == (1, *size)
    torch.testing.assert_close(centre, centre.flip(1, 2))
    for tau in (0.1, 0.5, 0.9):
        top, left, bottom, right = boxes_at(centre[0], tau)[0].tolist()
        assert (top, left) == (size[0] - bottom, size[1] - right)
    middle = boxes((2, 2, size[0] - 2, size[1] - 2))
    assert box_scores(centre, [middle] * 3).max_box_acc.accuracy == 1


# Boxes


def test_iou_by_hand():
    ours = iou(boxes((0, 0, 4, 4), (2, 2, 4, 6), (0, 0, 0, 0)), boxes((0, 0, 4, 4), (0, 2, 4, 6), (4, 4, 9, 9)))
    torch.testing.assert_close(ours, torch.tensor([[1, 8 / 24, 0], [4 / 20, 8 / 16, 0], [0, 0, 0]]).double())


def test_half_open_boxes_count_the_papers_inclusive_pixels():
    rng = np.random.default_rng(0)
    corner, side = rng.integers(0, 20, (2, 50, 2)), rng.integers(0, 20, (2, 50, 2))
    a, b = (np.concatenate([c, c + s], 1) for c, s in zip(corner, side, strict=True))  # x0 y0 x1 y1, all inclusive
    shared = np.maximum(0, np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2]) + 1)
    area_a, area_b = ((box[:, 2:] - box[:, :2] + 1).prod(1) for box in (a, b))
    expected = shared.prod(2) / (area_a[:, None] + area_b - shared.prod(2))
    ours = iou(*(localization.from_inclusive(torch.from_numpy(box)) for box in (a, b)))
    assert torch.equal(ours, torch.from_numpy(expected))
    assert localization.from_inclusive(boxes((1, 2, 1, 4))).tolist() == [[2, 1, 5, 2]]  # one pixel wide, three high


def test_boxes_at_by_hand():
    two = blocks((10, 12), ((1, 2, 4, 6), 1.0), ((6, 7, 10, 12), 0.5))
    assert sorted(boxes_at(two, 0.2, every=True).tolist()) == [[1, 2, 4, 6], [6, 7, 10, 12]]
    assert boxes_at(two, 0.2).tolist() == [[6, 7, 10, 12]]  # the larger box, though its values are lower
    assert boxes_at(two, 0.6).tolist() == [[1, 2, 4, 6]]
    assert boxes_at(two, 0.6, released=True).tolist() == [[1, 2, 5, 7]]  # one too far down and right
    assert boxes_at(two, 0.2, released=True).tolist() == [[6, 7, 10, 12]]  # but for the border
    assert boxes_at(torch.zeros(5, 5), 0.5, every=True).tolist() == [[0, 0, 0, 0]]


def test_a_hole_has_a_contour_too():
    ring = blocks((12, 12), ((1, 1, 11, 11), 1.0), ((4, 4, 8, 8), 0.0))
    assert sorted(boxes_at(ring, 0.5, every=True).tolist()) == [[1, 1, 11, 11], [3, 3, 9, 9]]
    assert boxes_at(ring, 0.5).tolist() == [[1, 1, 11, 11]]


def test_pixels_above_the_rounded_threshold_are_kept():
    ramp = torch.arange(256.0)[None] / 255
    bytes_ = (ramp * 255).to(torch.uint8)[0]
    for tau in (0.0, 0.2, 0.5, 0.999):
        selected = (bytes_.int() > int(tau * 255)).nonzero()
        assert boxes_at(ramp, tau).tolist() == [[0, selected[0].item(), 1, selected[-1].item() + 1]]


@pytest.mark.parametrize(
    ("side", "size", "released"), [(2, (16, 16), False), (4, (24, 17), True), (12, (24, 24), False)]
)
def test_all_thresholds_are_as_one_by_one(side, size, released):
    maps, rng = random_heat(3, side, size), np.random.default_rng(side)
    maps[1] = 0.2 + 0.6 * maps[1]  # neither 0 nor 1 occurs
    maps[2] = (maps[2] * 5).round() / 5  # few levels
    corner = torch.from_numpy(rng.integers(0, 10, (3, 2, 2)))
    true = list(torch.cat([corner, corner + torch.from_numpy(rng.integers(1, 10, (3, 2, 2)))], 2))
    scores = box_scores(maps, true, released=released)
    for every, ours in ((False, scores.largest), (True, scores.every)):
        for i, one in enumerate(maps):
            best = [
                iou(boxes_at(one, tau, every=every, released=released), true[i]).amax() for tau in THRESHOLDS.tolist()
            ]
            assert torch.equal(ours[i], torch.stack(best))


def test_thresholds_are_the_papers():
    assert THRESHOLDS[[0, 1, -1]].tolist() == [0, 0.001, 0.999]
    for top in (0, 255):  # every heat map is 0 everywhere, or reaches 255
        assert [int(tau * top) for tau in np.arange(0, 1, 0.001)] == (np.arange(1000) * top // 1000).tolist()


# MaxBoxAcc


def stepped(size: int, hot: tuple, warm: tuple) -> Tensor:
    """Make a map whose box is ``warm`` at low and ``hot`` at high thresholds."""
    return blocks((size, size), (warm, 0.5), (hot, 1.0))


def test_one_threshold_for_the_whole_split():
    small, large = (4, 4, 8, 8), (2, 2, 14, 14)
    maps = torch.stack([stepped(16, small, large)] * 2)
    scores = box_scores(maps, [boxes(small), boxes(large)])
    assert scores.max_box_acc.accuracy == 0.5  # each image would be right at a different threshold
    assert (scores.largest.amax(1) >= 0.5).all()
    assert scores.max_box_acc.threshold == 0
    assert scores.accuracy()[0] == scores.accuracy()[999] == 0.5
    assert scores.max_box_acc_v2 == 0.5


def test_v2_by_hand():
    result = blocks((20, 20), ((0, 0, 10, 10), 1.0))
    true = [(0, 0, 10, 10), (0, 0, 10, 20), (0, 0, 13, 20), (10, 10, 20, 20)]  # IoU 1, 1/2, 100/260, 0
    scores = box_scores(result[None], [boxes(box) for box in true])
    torch.testing.assert_close(scores.largest[:, 500], torch.tensor([1, 0.5, 100 / 260, 0]).double())
    assert scores.max_box_acc.accuracy == 2 / 4
    assert scores.max_box_acc_v2 == pytest.approx((3 / 4 + 2 / 4 + 1 / 4) / 3)
    assert scores.top1(torch.tensor([True, False, True, True])) == 1 / 4
    assert scores.top1(torch.tensor([True] * 4), threshold=0.2) == 2 / 4
    exact = box_scores(blocks((10, 10), ((0, 0, 7, 10), 1.0))[None], [boxes((0, 0, 10, 10))])
    assert exact.accuracy(0.7)[0] == 1  # "at least", and 0.7 is no binary fraction


def test_any_contour_and_any_true_box():
    two = blocks((20, 20), ((0, 0, 4, 4), 1.0), ((8, 8, 20, 20), 1.0))
    scores = box_scores(two[None].expand(2, -1, -1), [boxes((0, 0, 4, 4)), boxes((0, 9, 3, 12), (8, 8, 20, 20))])
    assert scores.largest[:, 0].tolist() == [0, 1]
    assert scores.every[:, 0].tolist() == [1, 1]


# PxAP


def test_pixels_by_hand():
    warm = torch.tensor([[[1.0, 0.8, 0.6], [0.4, 0.2, 0.9]]])
    mask = torch.tensor([[[1, 0, 1], [0, 1, 255]]], dtype=torch.uint8)
    scores = pixel_scores(warm, mask)
    # recall and precision: 1/3 and 1 from 1, 2/3 and 2/3 from 0.6, 1 and 3/5 from 0.2; the ignored 0.9 counts nowhere
    assert scores.px_ap == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert scores.recall[[0, 500, 700, 1000]].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3])
    assert scores.precision[[0, 500, 700, 1000]].tolist() == pytest.approx([3 / 5, 2 / 3, 1 / 2, 1])
    other = warm.clone()
    other[mask == 255] = 0.1
    assert pixel_scores(other, mask).px_ap == scores.px_ap


def test_pixels_are_pooled_as_in_the_authors_histograms():
    maps = random_heat(70, 6, (16, 16))
    masks = torch.randint(0, 3, (70, 16, 16), generator=torch.Generator().manual_seed(0))
    masks[masks == 2] = 255
    edges = np.append(np.arange(0, 1, 0.001), [1.0, 2.0, 3.0])
    right, wrong = (np.histogram(maps[masks == value].double().numpy(), edges)[0][::-1].cumsum() for value in (1, 0))
    recall, selected = right / right[-1], right + wrong
    precision = np.divide(right, selected, out=np.zeros(len(right)), where=selected > 0)
    assert pixel_scores(maps, masks).px_ap == pytest.approx((precision[1:] * np.diff(recall)).sum(), rel=1e-3)


def test_perfect_and_useless_maps():
    mask = blocks((8, 8), ((2, 2, 6, 6), 1.0))[None]
    assert pixel_scores(mask, mask).px_ap == 1
    assert pixel_scores(torch.zeros(1, 8, 8), mask).px_ap == 0.25  # everything selected: precision is the object's area
    assert pixel_scores(mask, mask.expand(5, -1, -1).bool()).px_ap == 1  # one map for all


def test_trimaps():
    assert localization.trimap(torch.tensor([[1, 2, 3]])).tolist() == [[1, 0, 255]]


def test_a_masks_box_holds_its_border():
    masks = torch.zeros(3, 6, 8, dtype=torch.uint8)
    masks[0, 2:4, 3:5], masks[0, 1, 6] = 1, localization.IGNORE
    masks[1] = 1
    found = localization.mask_boxes(masks)
    assert [box.tolist() for box in found] == [[[1, 3, 4, 7]], [[0, 0, 6, 8]], [[0, 0, 0, 0]]]


def test_it_says_what_it_needs():
    good = torch.rand(2, 4, 4)
    with pytest.raises(ValueError, match=r"\[0, 1\].*localization.heat"):
        box_scores(good * 300, [boxes((0, 0, 1, 1))] * 2)
    with pytest.raises(ValueError, match="2 maps for 3 images"):
        box_scores(good, [boxes((0, 0, 1, 1))] * 3)
    with pytest.raises(ValueError, match=r"boxes\[1\] should be .*\(0, 4\)"):
        box_scores(good, [boxes((0, 0, 1, 1)), torch.empty(0, 4)])
    with pytest.raises(ValueError, match="do not fit"):
        pixel_scores(good, torch.zeros(2, 5, 5))
    with pytest.raises(ValueError, match="255"):
        pixel_scores(good, torch.full((2, 4, 4), 3))
    with pytest.raises(ValueError, match="object"):
        pixel_scores(good, torch.zeros(2, 4, 4))
    with pytest.raises(ValueError, match=r"\(N, h, w\)"):
        heat(good[0], (4, 4))

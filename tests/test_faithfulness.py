"""Faithfulness of heat maps: numbers computed by hand, and ROAD as in the grad-cam package."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mixviz.cam import faithfulness
from mixviz.cam.faithfulness import confidence, deletion, insertion, road

CLASSES = torch.tensor([1])


def corner(images: Tensor) -> Tensor:
    """A network whose class 1 has the odds 3 ** (red of the upper left pixel): probability 3/4 or 1/2."""
    score = images[:, 0, 0, 0] * math.log(3)
    return torch.stack([torch.zeros_like(score), score], 1)


def white(side: int = 2) -> Tensor:
    return torch.ones(1, 3, side, side)


def ramp(first: float, *rest: float) -> Tensor:
    return torch.tensor([first, *rest]).view(1, 2, 2)


def test_deletion_by_hand():
    first, last = ramp(1, 0.5, 0.25, 0), ramp(0, 0.25, 0.5, 1)
    for heat, chances in ((first, [0.75, 0.5, 0.5, 0.5, 0.5]), (last, [0.75, 0.75, 0.75, 0.75, 0.5])):
        curve = deletion(corner, white(), heat, CLASSES, fill=(0, 0, 0), steps=4)
        assert curve.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
        torch.testing.assert_close(curve.probability, torch.tensor([chances]))
        by_hand = sum((a + b) / 2 * 0.25 for a, b in pairwise(chances))
        torch.testing.assert_close(curve.area, torch.tensor([by_hand]))


def test_fewer_steps_than_pixels_take_whole_pixels():
    curve = deletion(corner, white(), ramp(0.5, 1, 0, 0), CLASSES, fill=(0, 0, 0), steps=3)
    assert curve.share.tolist() == [0, 0.25, 0.5, 1]  # 4 pixels: 1, 2 and 4 of them
    torch.testing.assert_close(curve.probability, torch.tensor([[0.75, 0.75, 0.5, 0.5]]))


def test_equals_are_taken_row_by_row():
    curve = deletion(corner, white(), torch.zeros(1, 2, 2), CLASSES, fill=(0, 0, 0), steps=4)
    torch.testing.assert_close(curve.probability[0, :2], torch.tensor([0.75, 0.5]))


def test_insertion_goes_from_the_blurred_picture_to_the_picture():
    images = torch.zeros(1, 3, 8, 8)
    images[0, 0, 0, 0] = 1
    heat = images[:, 0]
    good = insertion(corner, images, heat, CLASSES, sigma=1, steps=64)
    bad = insertion(corner, images, 1 - heat, CLASSES, sigma=1, steps=64)
    blurred = good.probability[0, 0].item()
    assert 0.5 < blurred < 0.6
    torch.testing.assert_close(good.probability[0, 1:], torch.full((64,), 0.75))
    torch.testing.assert_close(bad.probability[0, :-1], torch.full((64,), blurred))
    assert good.area > bad.area


def test_the_blur_keeps_a_plain_picture_and_the_mean():
    plain = torch.full((1, 3, 9, 7), 0.3)
    torch.testing.assert_close(faithfulness._blurred(plain, 5.0), plain)
    dot = torch.zeros(1, 3, 21, 21)
    dot[..., 10, 10] = 1
    blurred = faithfulness._blurred(dot, 1.5)
    torch.testing.assert_close(blurred.sum((2, 3)), torch.ones(1, 3))
    torch.testing.assert_close(blurred[0, 0, 10, 11] / blurred[0, 0, 10, 10], torch.tensor(math.exp(-1 / 4.5)))


def test_drop_and_increase_by_hand():
    images = torch.cat([white(), white(), torch.zeros(1, 3, 2, 2)])
    heat = torch.cat([ramp(0, 1, 1, 1), ramp(1, 0, 0, 0), ramp(0, 0, 0, 0)])
    result = confidence(corner, images, heat, torch.ones(3, dtype=torch.int64))
    torch.testing.assert_close(result.before, torch.tensor([0.75, 0.75, 0.5]))
    torch.testing.assert_close(result.after, torch.tensor([0.5, 0.75, 0.5]))
    assert result.average_drop == pytest.approx(100 * (0.25 / 0.75 + 0 + 0) / 3)
    assert result.increase == 0
    surer = confidence(corner, images, heat, torch.tensor([0, 0, 1]))  # class 0 gains what class 1 loses
    assert surer.average_drop == 0
    assert surer.increase == pytest.approx(100 / 3)
    bright = confidence(corner, images, heat, torch.ones(3, dtype=torch.int64), fill=(1, 1, 1))
    torch.testing.assert_close(bright.after, torch.tensor([0.75, 0.75, 0.75]))


def test_an_impossible_class_drops_nothing():
    assert faithfulness.Confidence(torch.zeros(2), torch.zeros(2)).average_drop == 0


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 4)).eval()


def pictures(n: int = 3, side: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(3)
    heat = torch.stack([torch.randperm(side * side, generator=rng).view(side, side) for _ in range(n)])
    return torch.rand(n, 3, side, side, generator=rng), heat / heat.amax(), torch.tensor([0, 3, 2, 1][:n])


def test_road_is_as_in_the_package():
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.metrics import road as original
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    network, (images, heat, classes), percentiles = small(), pictures(), (20, 50, 90)
    targets = [ClassifierOutputSoftmaxTarget(int(c)) for c in classes]
    metric = original.ROADCombined(list(percentiles))
    for averager in (metric.morf_averager, metric.lerf_averager):
        whole = averager.imputer

        def without_noise(percentile: int, whole=whole):
            made = whole(percentile)
            made.perturbation.imputer.noise = 0
            return made

        averager.imputer = without_noise
    reference = metric(images, heat.numpy(), targets, network)
    ours = road(network, images, heat, classes, np.random.default_rng(0), percentiles=percentiles, noise=0)
    assert package is not None
    assert np.abs(reference).max() > 1e-4
    np.testing.assert_allclose(ours.numpy(), reference, atol=2e-7, rtol=1e-4)


def test_road_draws_from_its_generator_alone():
    pytest.importorskip("pytorch_grad_cam")
    network, given = small(), pictures(1)
    before = torch.get_rng_state()
    one, same, other = (road(network, *given, np.random.default_rng(seed), percentiles=(50,)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_map_that_points_nowhere_is_measured_without_a_warning():
    pytest.importorskip("pytorch_grad_cam")
    images, heat, classes = pictures(2, 6)
    heat[:] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert road(small(), images, heat, classes, np.random.default_rng(0)).isfinite().all()
        assert confidence(small(), images, heat, classes).average_drop >= 0


def test_a_good_map_is_better_by_every_number():
    """The network depends only on the upper left quarter."""
    pytest.importorskip("pytorch_grad_cam")

    def network(images: Tensor) -> Tensor:
        score = 4 * (images[:, :, :4, :4].mean((1, 2, 3)) - 0.5)
        return torch.stack([torch.zeros_like(score), score], 1)

    images = torch.full((1, 3, 8, 8), 0.2)
    images[:, :, ::2, ::2] = 0.9
    images[:, :, :4, :4] += 0.1
    good = torch.zeros(1, 8, 8)
    good[:, :4, :4] = 1
    bad = 1 - good
    for better, worse in ((good, bad),):
        assert deletion(network, images, better, CLASSES, fill=(0,) * 3).area < (
            deletion(network, images, worse, CLASSES, fill=(0,) * 3).area
        )
        drops = [confidence(network, images, heat, CLASSES).average_drop for heat in (better, worse)]
        assert drops[0] == pytest.approx(0, abs=1e-4)
        assert drops[1] > 10


def test_bytes_batches_and_the_network_are_taken_as_they_come():
    images, heat, classes = pictures()
    pixels = (images * 255).round().to(torch.uint8)
    network = small().train()
    full = deletion(network, pixels, heat, classes, steps=3)
    torch.testing.assert_close(deletion(network, pixels / 255, heat, classes, steps=3, batch_size=2), full)
    assert network.training
    assert not full.probability.is_inference()


def test_it_says_what_does_not_fit():
    images, heat, classes = pictures()
    with pytest.raises(ValueError, match=r"heat should be .* \(3, 12, 12\)"):
        deletion(small(), images, heat[:2], classes)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        insertion(small(), images, heat * 2, classes)
    with pytest.raises(ValueError, match=r"images should be .* \(N, 3, H, W\)"):
        confidence(small(), images[0], heat, classes)
    with pytest.raises(ValueError, match="steps"):
        deletion(small(), images, heat, classes, steps=0)

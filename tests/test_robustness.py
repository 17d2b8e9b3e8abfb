"""Attacks, occlusion, corruptions, out-of-distribution pictures and interpolation: closed forms, hand-made scores and
properties."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.inference import NormalizedModel
from mixviz.evaluation import parts, results, robustness
from mixviz.evaluation.calibration import calibration
from mixviz.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pictures(n: int = 4, size: tuple[int, int] = (16, 12)) -> Tensor:
    """Make smooth pictures (N, 3, H, W), float in [0, 1]."""
    coarse = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    return functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)


def linear(classes: int = 5, size: tuple[int, int] = (16, 12)) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * size[0] * size[1], classes))


def curved() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 10, 5))


LABELS = torch.tensor([0, 1, 4, 2])

# Attacks


def test_fgsm_of_a_linear_network_is_closed():
    network, images = linear(), pictures()
    weight = network[1].weight.detach()
    error = network(images).softmax(1).detach() - functional.one_hot(LABELS, 5)
    expected = (images + 3 / 255 * (error @ weight).sign().view_as(images)).clamp(0, 1)
    assert torch.equal(robustness.fgsm(network, images, LABELS, 3), expected)


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_attacks_leave_no_trace_and_keep_their_bounds(attack, context):
    network, images = curved().train(), pictures()
    network[0].bias.grad = torch.ones(8)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    more = (rng(),) if attack == "pgd" else ()
    with context():
        attacked = getattr(robustness, attack)(network, images, LABELS, 8, *more)
    assert torch.equal(images, pictures())
    assert torch.equal(network[0].bias.grad, torch.ones(8))
    assert all(p.grad is None for p in network.parameters() if p is not network[0].bias)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in network.modules())
    assert (attacked - images).abs().max() <= 8 / 255 + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not attacked.requires_grad


def test_pgd_is_worse_than_fgsm_and_both_than_nothing():
    network, images = curved().eval(), pictures(32)
    labels = network(images).argmax(1)

    def loss(x: Tensor) -> float:
        return functional.cross_entropy(network(x), labels).item()

    for eps in (2, 8, 16):
        fast = robustness.fgsm(network, images, labels, eps)
        slow = robustness.pgd(network, images, labels, eps, rng(), steps=20)
        assert loss(images) < loss(fast)
        assert loss(fast) * 0.999 <= loss(slow)
    assert torch.equal(robustness.fgsm(network, images, labels, 0), images)


def test_what_withstands_an_attack_is_right_at_each_of_its_steps():
    """The steps are those of the whole attack, whose last one alone breaks fewer pictures."""
    network, images = curved().eval(), pictures(64)
    labels, rows = network(images).argmax(1), []
    for eps, steps in ((0.3, 3), (1, 5), (4, 1)):
        start = rng().random(images.shape, dtype=np.float32)
        low, high = (images - eps / 255).clamp(0, 1), (images + eps / 255).clamp(0, 1)
        points = torch.lerp(low, high, torch.from_numpy(start))
        right = network(points).argmax(1) == labels
        for _ in range(steps):
            moved = points + 2.5 * eps / 255 / steps * robustness.loss_gradient(network, points, labels).sign()
            points = torch.minimum(torch.maximum(moved, low), high)
            right &= network(points).argmax(1) == labels
        ours = robustness.withstands(network, images, labels, eps, start, steps=steps)
        assert torch.equal(ours, right)
        at_last = network(robustness.pgd(network, images, labels, eps, rng(), steps=steps)).argmax(1) == labels
        assert (ours <= at_last).all()
        rows.append(ours.sum().item())
    assert any(0 < left < 64 for left in rows)


def test_the_same_generator_gives_the_same_attack():
    network, images = curved().eval(), pictures()
    first, again, other = (robustness.pgd(network, images, LABELS, 4, rng(s), steps=2) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_attacks_are_in_pixels_and_not_in_normalised_values():
    network, images, mean, std = curved().eval(), pictures(), (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    wrapped = NormalizedModel(network, mean, std)
    attacked = robustness.fgsm(wrapped, images, LABELS, 2)
    moved = (attacked - images).abs()
    torch.testing.assert_close(moved[(attacked > 0) & (attacked < 1) & (moved > 0)].mean(), torch.tensor(2 / 255))
    scaled = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(wrapped(images), network(scaled))
    torch.testing.assert_close(wrapped((images * 255).round().byte()), wrapped((images * 255).round() / 255))


def test_attacks_say_what_they_need():
    with pytest.raises(TypeError, match="float"):
        robustness.fgsm(linear(), (pictures() * 255).byte(), LABELS, 1)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        robustness.fgsm(linear(), pictures() * 3, LABELS, 1)
    with pytest.raises(ValueError, match="eps should be"):
        robustness.pgd(linear(), pictures(), LABELS, -1, rng())
    with pytest.raises(ValueError, match=r"\(N, C\)"):
        robustness.fgsm(nn.Flatten(0), pictures(), LABELS, 1)


# Occlusion


@pytest.mark.parametrize("kind", robustness.OCCLUSIONS)
@pytest.mark.parametrize("share", [0, 0.1, 0.35, 0.5, 0.9, 1])
@pytest.mark.parametrize("size", [(64, 64), (48, 31)])
def test_the_share_that_was_asked_for_is_blank(kind, share, size):
    images = torch.full((6, 3, *size), 0.9)
    blank = robustness.occlude(images, share, kind, rng(), (0.1, 0.2, 0.3)) != 0.9
    assert blank.float().mean((1, 2, 3)).tolist() == pytest.approx([share] * 6, abs=0.5 / size[0] + 0.5 / size[1])
    assert torch.equal(images, torch.full((6, 3, *size), 0.9))


def test_occlusions_by_hand():
    images = (torch.rand(3, 3, 8, 8) * 254 + 1).byte()
    hole, boundary = (robustness.occlude(images, s, k, rng()) for s, k in ((0.25, "hole"), (0.75, "boundary")))
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 2:6] = True
    assert torch.equal(hole, images * ~inside)
    assert torch.equal(boundary, images * inside)
    assert torch.equal(robustness.occlude(images, 1, "hole", rng(), (1, 1, 1)), torch.full_like(images, 255))


def test_holes_along_the_border_touch_it_everywhere():
    blank = robustness.occlude(torch.ones(400, 3, 20, 30), 0.1, "border_hole", rng())[:, 0] == 0
    edges = [blank[:, 0].any(1), blank[:, -1].any(1), blank[:, :, 0].any(1), blank[:, :, -1].any(1)]
    assert torch.stack(edges).any(0).all()
    assert all(edge.float().mean() > 0.2 for edge in edges)
    assert not torch.equal(blank[0], blank[1])


def test_occlusions_say_what_there_is():
    with pytest.raises(ValueError, match="border_hole"):
        robustness.occlude(pictures(), 0.5, "frame", rng())
    with pytest.raises(ValueError, match="0 to 1"):
        robustness.occlude(pictures(), 50, "hole", rng())


# Corruptions


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", [(64, 64), (40, 56)])
def test_corruptions_grow(name, size):
    images = (pictures(3, size) * 255).round().byte()
    images[:, :, size[0] // 3 : size[0] // 2, ::3] //= 4  # some detail
    before, distances = images.clone(), []
    for severity in SEVERITIES:
        spoilt = corrupt(images, name, severity, rng())
        assert spoilt.dtype == torch.uint8
        assert spoilt.shape == images.shape
        assert torch.equal(spoilt, corrupt(images, name, severity, rng()))
        distances.append((spoilt.float() - images).abs().mean().item())
    assert torch.equal(images, before)
    assert 0 < distances[0] < distances[1] < distances[2] < distances[3] < distances[4]


def test_corruptions_are_described():
    for kind in CORRUPTIONS.values():
        assert kind.unit
        assert len(kind.numbers) == len(SEVERITIES)
    with pytest.raises(ValueError, match="gaussian_noise"):
        corrupt((pictures() * 255).byte(), "fog", 1, rng())
    with pytest.raises(ValueError, match="1 to 5"):
        corrupt((pictures() * 255).byte(), "jpeg", 6, rng())
    with pytest.raises(TypeError, match="uint8"):
        corrupt(pictures(), "jpeg", 1, rng())


# Out of distribution


def test_detection_by_hand():
    known, foreign = torch.tensor([0.9, 0.8, 0.4]), torch.tensor([0.7, 0.4])
    result = robustness.detection(known, foreign)
    assert result.auroc == pytest.approx((2 + 2 + 0.5) / 6)  # one tie
    assert result.tnr_at_95_tpr == 0  # all three known ones must pass, and 0.4 passes with them
    known = torch.linspace(0.905, 1, 20)
    known[-1] = 0.0  # one in twenty may be lost
    assert robustness.detection(known, torch.tensor([0.5, 0.9, 0.9049, 0.99])).tnr_at_95_tpr == 3 / 4
    same = torch.full((7,), 0.3)
    assert robustness.detection(same, same) == (0.5, 0)
    assert robustness.detection(known[:19], known[:19] - 0.5) == (1, 1)
    assert robustness.detection(10 * known - 30, 10 * foreign - 30).auroc == robustness.detection(known, foreign).auroc
    with pytest.raises(ValueError, match="foreign should be"):
        robustness.detection(known, known[:0])


# Between two classes


@pytest.mark.parametrize("labels", [[0, 1], [0] * 5 + [1] * 5, [0, 0, 1, 1, 2], list(range(10)) * 7, [3] * 4])
def test_pairs_differ(labels):
    for seed in range(20):
        result = robustness.pairs(torch.tensor(labels), rng(seed))
        classes = np.array(labels)[result]
        assert (classes[:, 0] != classes[:, 1]).all()
        assert len(np.unique(result)) == result.size
        assert len(result) == (0 if len(set(labels)) == 1 else len(labels) // 2)


@pytest.mark.parametrize("method", ["mixup", "cutmix"])
def test_between_two_pictures(method):
    images = (pictures(6, (16, 16)) * 255).byte()
    swapped = images.roll(3, 0)
    assert torch.equal(robustness.interpolate(images, 1.0, method, rng()), images)
    assert torch.equal(robustness.interpolate(images, 0.0, method, rng()), swapped)
    half = robustness.interpolate(images, 0.75, method, rng())
    if method == "mixup":
        assert torch.equal(half, torch.lerp(images.float(), swapped.float(), 0.25).round().byte())
    else:
        expected = images.clone()
        expected[:, :, 4:12, 4:12] = swapped[:, :, 4:12, 4:12]
        assert torch.equal(half, expected)


# Calibration


def test_calibration_by_hand():
    confidence, right = torch.tensor([0.95, 0.85, 0.65, 0.65, 0.55]), torch.tensor([1, 0, 1, 1, 0])
    probabilities = torch.stack([confidence, 1 - confidence], 1)
    result = calibration(probabilities, 1 - right, bins=10)
    # one in each of four bins: |1 - 0.95|, |0 - 0.85|, 2 |1 - 0.65|, |0 - 0.55|
    assert result.ece == pytest.approx((0.05 + 0.85 + 0.7 + 0.55) / 5)
    assert result.count.tolist() == [0, 0, 0, 0, 0, 1, 2, 0, 1, 1]
    assert result.confidence[[5, 6]].tolist() == pytest.approx([0.55, 0.65])
    assert result.accuracy[[5, 6, 8, 9]].tolist() == [0, 1, 0, 1]
    assert result.confidence[0].isnan()


def binary(confidence: list[float] | torch.Tensor, **options) -> torch.Tensor:
    confidence = torch.as_tensor(confidence, **options)
    return torch.stack([confidence, 1 - confidence], 1)


def test_a_confidence_of_one_lies_in_the_last_bin():
    result = calibration(binary([0.95, 1.0]), torch.tensor([0, 1]), bins=10)
    # both in (0.9, 1]: |1/2 - 0.975|
    assert result.ece == pytest.approx(0.475)
    assert result.count.tolist() == [0] * 9 + [2]
    assert calibration(torch.eye(3), torch.tensor([0, 1, 2])).ece == 0
    assert calibration(torch.eye(3), torch.tensor([1, 2, 0])).ece == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bins", [1, 2, 5, 10, 15])
def test_an_edge_belongs_to_the_bin_below_it(bins, dtype):
    edges = [i / bins for i in range(1, bins + 1) if i / bins >= 0.5]
    probabilities = binary(edges, dtype=dtype)
    result = calibration(probabilities, torch.zeros(len(edges), dtype=torch.int64), bins)
    assert result.count.nonzero().flatten().tolist() == [round(edge * bins) - 1 for edge in edges]


def awkward(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make probabilities (count, 4) in sixteenths, so that 0, 1 and the edges of 8 bins are frequent; and labels."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, 17, (count, 3)), 1)
    cuts[:20] = 16 * (cuts[:20] > 8)  # of one class alone
    shares = np.diff(cuts, prepend=0, append=16, axis=1) / 16
    return torch.from_numpy(shares), torch.from_numpy(rng.integers(0, 4, count))


@pytest.mark.parametrize("seed", range(5))
def test_calibration_beside_other_libraries(seed):
    from sklearn.calibration import calibration_curve
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities, labels = awkward(400, seed)
    result, (confidence, predicted) = calibration(probabilities, labels, 8), probabilities.max(1)
    assert (confidence == 1).any()
    filled = result.count > 0
    # scikit-learn counts an edge in the bin below, as the paper does
    right = (predicted == labels).numpy()
    accuracy, sure = calibration_curve(right, confidence.numpy(), n_bins=8)
    assert result.accuracy[filled].tolist() == pytest.approx(accuracy)
    assert result.confidence[filled].tolist() == pytest.approx(sure)
    # torchmetrics counts it in the bin above; slightly below the edge it agrees
    reference = multiclass_calibration_error((1 - 1e-6) * probabilities, labels, 4, n_bins=8)
    assert result.ece == pytest.approx(reference.item(), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_bars_are_those_of_the_error(seed):
    probabilities, labels = awkward(500, seed)
    smooth = (2 * torch.randn(500, 4, generator=torch.Generator().manual_seed(seed))).softmax(1)
    for given in (probabilities, smooth):
        split = types.SimpleNamespace(clean=given.log(), labels=labels)
        numbers = parts.PARTS["calibration"](split)
        bars = results.reliability([numbers])
        gaps = [n * abs(a - c) for n, a, c in zip(bars["count"], bars["accuracy"], bars["confidence"], strict=True)]
        assert sum(gaps) / 500 == pytest.approx(numbers["ece_percent"], abs=2e-4)


def test_what_are_no_probabilities_or_labels_is_refused():
    probabilities, labels = awkward(20, 0)
    for wrong in (probabilities * 9, probabilities / 2, probabilities.log_softmax(1)):
        with pytest.raises(ValueError, match="softmax"):
            calibration(wrong, labels)
    for outside in (4, -1, -100):
        with pytest.raises(ValueError, match=r"labels should be .* in \[0, 3\]"):
            calibration(probabilities, labels.index_fill(0, torch.tensor([3]), outside))

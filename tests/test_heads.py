"""Heads: one vector of the last feature maps, by their formulas, on any size, in any precision, and in trainings."""

from __future__ import annotations

import math

import pytest
import torch
from cases import picture_folder
from safetensors.torch import load_file
from torch.nn import functional

import mixviz
from mixviz.cam import grad_cam
from mixviz.core.feature_mixing import stages
from mixviz.core.head import Embedding, Whitening
from mixviz.core.registry import construct
from mixviz.heads.rmac import regions
from mixviz.networks import architectures, model_card, user_network
from mixviz.networks.run import Run
from mixviz.training import metric_learning

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


def built(text: str, channels: int = 6):
    torch.manual_seed(0)
    return construct(mixviz.HEADS, text).build(channels)


def maps(n: int = 3, channels: int = 6, height: int = 4, width: int = 5) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", mixviz.HEADS)
def test_every_head_takes_maps_of_any_size_and_precision(name):
    head = built(name)
    for size in ((1, 1), (1, 3), (4, 4), (7, 2)):
        given = maps(2, 6, *size).requires_grad_()
        vectors = head(given)
        assert vectors.shape == (2, head.dimensions)
        assert vectors.isfinite().all()
        vectors.square().sum().backward()
        assert given.grad.isfinite().all()
    exact = head(maps())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(head(maps()).float(), exact, rtol=0.05, atol=0.05 * exact.abs().max().item())
    whole = built(name).to(torch.bfloat16)(maps().bfloat16())
    assert whole.dtype == torch.bfloat16  # what a classifier in the same precision takes
    with torch.device("meta"):
        bare = built(name)
    assert {key: value.shape for key, value in bare.state_dict().items()} == {
        key: value.shape for key, value in head.state_dict().items()
    }


@pytest.mark.parametrize("name", mixviz.HEADS)
def test_every_parameter_of_a_head_works_at_both_ends(name):
    for key, about in mixviz.HEADS[name].parameters().items():
        for value in (about["low"], about["high"]):
            if name == "netvlad" and key == "reduce" and value:
                with pytest.raises(ValueError, match="more than the 6 channels"):
                    built(f"{name}:{key}={value}")
            else:
                assert built(f"{name}:{key}={value}")(maps()).isfinite().all()


def test_gem_is_the_average_for_p_1_and_the_maximum_for_large_p():
    assert torch.allclose(built("gem:p=1")(maps()), maps().mean((2, 3)))
    assert torch.allclose(built("gem:p=5000")(maps()), maps().amax((2, 3)), rtol=1e-3)


def test_netvlad_is_the_sum_of_weighted_residuals():
    head = built("netvlad:clusters=3")
    head.initialise(maps(), torch.Generator().manual_seed(0))
    vectors = head(maps())
    for image, found in zip(maps(), vectors, strict=True):
        rows = torch.zeros(3, 6)
        for place in image.flatten(1).T:
            x = place / place.norm()
            scores = torch.exp(head.weight @ x + head.bias)
            for k in range(3):
                rows[k] += scores[k] / scores.sum() * (x - head.centres[k])
        rows = rows / rows.norm(dim=1, keepdim=True)  # normalised within each cluster
        assert torch.allclose(found, rows.flatten() / rows.norm(), atol=1e-5)


@pytest.mark.parametrize("reduce", [0, 2])
def test_netvlad_starts_from_clusters_with_clear_assignments(reduce):
    head = built(f"netvlad:clusters=3,reduce={reduce}")
    centres = torch.eye(6)[:3] + 0.1
    given = centres[torch.arange(60) % 3] + 0.05 * torch.rand(60, 6, generator=torch.Generator().manual_seed(2))
    head.initialise(given.T.reshape(1, 6, 6, 10), torch.Generator().manual_seed(0))
    columns = functional.normalize(head.reduction(given.T.reshape(1, 6, 60, 1)).squeeze(3), dim=1)[0].T
    means = torch.stack([columns[k::3].mean(0) for k in range(3)])
    distance = torch.cdist(head.centres, means)
    assert sorted(distance.argmin(1).tolist()) == [0, 1, 2]
    assert distance.amin(1).max() < 1e-4
    top = (columns @ head.weight.T + head.bias).log_softmax(1).topk(2).values
    assert (top[:, 0] - top[:, 1]).mean().item() == pytest.approx(math.log(100), rel=1e-3)
    if reduce:
        rows = head.reduction.weight[:, :, 0, 0]
        assert torch.allclose(rows @ rows.T, torch.eye(2), atol=1e-5)  # axes


def test_netvlad_needs_enough_local_features():
    for given in (maps(1, 6, 1, 2), torch.ones(2, 6, 4, 4)):
        with pytest.raises(ValueError, match="NetVLAD needs 16 local features"):
            built("netvlad").initialise(given, torch.Generator())


def test_regions_of_rmac():
    assert regions(4, 4, 1) == [(0, 0, 4)]
    assert regions(6, 6, 2) == [(0, 0, 6), *((top, left, 4) for top in (0, 2) for left in (0, 2))]
    assert len(regions(14, 14, 3)) == 1 + 4 + 9
    wide, high = regions(6, 12, 1), regions(12, 6, 1)
    assert [left for _, left, _ in wide] == [0, 3, 6]  # a half is covered, which is closer to 40 % than nothing
    assert high == [(left, top, side) for top, left, side in wide]
    for top, left, side in regions(5, 17, 3):
        assert side > 0
        assert top + side <= 5
        assert left + side <= 17


def test_rmac_sums_normalised_maxima():
    given = maps(2, 6, 6, 6)
    expected = functional.normalize(given.amax((2, 3)), dim=1)
    for top in (0, 2):
        for left in (0, 2):
            expected = expected + functional.normalize(given[:, :, top : top + 4, left : left + 4].amax((2, 3)), dim=1)
    assert torch.allclose(built("rmac:levels=2")(given), expected)


def test_attention_weighs_each_place_by_its_score():
    head, given = built("attention:hidden=4"), maps()
    scores = head.attention(given)
    assert scores.shape == (3, 4, 5)
    assert (scores >= 0).all()
    assert torch.allclose(head(given), (given * scores[:, None]).sum((2, 3)) / 20)


def test_whitening_gives_unit_variance_without_correlation():
    vectors = torch.randn(200, 5, generator=torch.Generator().manual_seed(0)) @ torch.randn(5, 5) + 1
    whitening = Whitening(5, 3)
    assert torch.equal(whitening(vectors), vectors)  # not fitted yet
    whitening.fit(vectors)
    white = whitening(vectors)
    assert torch.allclose(white.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(white.T.cov(correction=0), torch.eye(3), atol=1e-3)
    with pytest.raises(ValueError, match="lower --whiten to 1 or less"):
        Whitening(5, 3).fit(torch.stack([vectors[0], vectors[1]] * 4))


def test_a_learned_pooling_is_no_stage():
    """Manifold Mixup mixes the outputs of stages, and --freeze keeps them."""
    for head in ("", "gem", "netvlad:clusters=2", "attention"):
        network = architectures.build("test_resnet", 3, head=head, dimensions=8 if head else 0)
        assert stages(network)[-2:] == [network.layer3, network.layer4]


@pytest.mark.parametrize("head", [*mixviz.HEADS, "netvlad:reduce=8"])
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_heat_maps_are_made_of_the_networks_maps_and_not_within_its_head(name, head):
    with_head, own = architectures.build(name, 3, head=head).eval(), architectures.build(name, 3).eval()
    assert grad_cam.feature_layers(with_head, (96, 64)) == grad_cam.feature_layers(own, (96, 64))


# ---- the lowest stages alone


@pytest.mark.parametrize(("name", "count"), [("test_resnet", 2), ("test_efficientnet", 3), ("test_efficientnet", 1)])
def test_the_lowest_stages_give_the_maps_of_the_whole_network(name, count):
    torch.manual_seed(0)
    whole = architectures.build(name, 3).eval()
    short = architectures.build(name, 3, keep_stages=count).eval()
    classifier = short.pretrained_cfg["classifier"]
    weights = {key: value for key, value in whole.state_dict().items() if not key.startswith(classifier)}
    missing, _ = short.load_state_dict(weights, strict=False)
    assert all(key.startswith(classifier) for key in missing)
    seen = []
    stages(whole)[count - 1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    images = torch.rand(2, 3, 64, 48)
    scores = whole(images)
    assert torch.equal(short.forward_features(images), seen[0])
    assert short(images).shape == scores.shape
    assert sum(p.numel() for p in short.parameters()) < sum(p.numel() for p in whole.parameters())


def test_a_network_has_so_many_stages():
    with pytest.raises(ValueError, match="--keep-stages 6: test_resnet has 5 stages"):
        architectures.build("test_resnet", 3, keep_stages=6)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return picture_folder(tmp_path_factory.mktemp("pictures"), side=32)


@pytest.mark.parametrize("head", ["average", "gem:p=4", "netvlad:clusters=2,reduce=8", "rmac:levels=2", "attention"])
def test_a_network_with_a_head_is_trained_and_read_again(head, pictures, tmp_path):
    from mixviz.training.trainer import train

    run = Run(
        root=str(pictures), network="test_resnet", image_size=32, epochs=1, batch_size=8, head=head, dimensions=6,
        whiten=4, objective="smooth_ap", per_class=4, method="cutmix", lr=0.01,
    )  # fmt: skip
    train(run, tmp_path, bar=False, tell=lambda line: None)
    card, network = model_card.read(tmp_path), user_network.read_folder(tmp_path).network
    assert (card.network.head, card.network.dimensions, card.network.whiten) == (head, 6, 4)
    assert isinstance(network.global_pool, Embedding)
    with torch.no_grad():
        assert network(torch.rand(2, 3, 40, 24)).shape == (2, 4)
    stored = load_file(tmp_path / "last.safetensors")
    assert stored.keys() == network.state_dict().keys()
    assert metric_learning.whitening(network).fitted == 1


def test_a_frozen_network_learns_its_attention(pictures, tmp_path):
    from mixviz.training.trainer import train

    values = {"root": str(pictures), "network": "test_resnet", "image_size": 32, "epochs": 1, "batch_size": 8}
    train(Run(**values), tmp_path / "before", bar=False, tell=lambda line: None)
    start = str(tmp_path / "before" / "last.safetensors")
    run = Run(**values, pretrained=start, freeze=4, head="attention:hidden=5", stem="small")
    train(run, tmp_path / "after", bar=False, tell=lambda line: None)
    before, after = (load_file(tmp_path / name / "last.safetensors") for name in ("before", "after"))
    kept = [key for key in before if not key.startswith("fc.")]
    assert all(torch.equal(before[key], after[key]) for key in kept)
    assert after["global_pool.score.0.weight"].shape == (5, 96, 1, 1)


def test_the_lowest_stages_of_a_pretrained_network_are_trained_and_read_again(pictures, tmp_path):
    from mixviz.training.trainer import train

    values = {"root": str(pictures), "network": "test_resnet", "image_size": 32, "epochs": 1, "batch_size": 8}
    train(Run(**values), tmp_path / "before", bar=False, tell=lambda line: None)
    start = str(tmp_path / "before" / "last.safetensors")
    run = Run(
        **values, pretrained=start, keep_stages=3, freeze=2, head="netvlad:clusters=2", objective="smooth_ap",
        per_class=4, method="baseline", stem="small",
    )  # fmt: skip
    train(run, tmp_path / "after", bar=False, tell=lambda line: None)
    before, after = (load_file(tmp_path / name / "last.safetensors") for name in ("before", "after"))
    assert torch.equal(before["layer1.0.conv1.weight"], after["layer1.0.conv1.weight"])
    assert not any(key.startswith(("layer4.", "fc.")) for key in after)
    card, network = model_card.read(tmp_path / "after"), user_network.read_folder(tmp_path / "after").network
    assert card.network.keep_stages == 3
    assert network(torch.rand(2, 3, 40, 24)).shape == (2, 2 * 192)

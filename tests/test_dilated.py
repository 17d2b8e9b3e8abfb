"""Removed strides: finer maps of the same weights, equal to the original maps at their places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mixviz.cam import grad_cam
from mixviz.evaluation.evaluate import evaluate
from mixviz.networks import architectures

timm = pytest.importorskip("timm")

NETWORKS = ("resnet18", "test_efficientnet", "tf_efficientnet_lite0")


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    made = timm.create_model(name, num_classes=5).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # fresh statistics would hide a stride at the wrong place
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return made


def pictures(side: int = 128) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def last_maps(net: nn.Module, layer: str) -> torch.Tensor:
    return grad_cam.evidence(net, pictures(), layer=layer, slopes=False).features


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_050", "tf_efficientnet_lite0"])
@pytest.mark.parametrize("n", [1, 2])
def test_every_second_place_is_the_original_map(name, n):
    before = network(name)
    layer = grad_cam.last_layer(before, (128, 128))
    fine, coarse = last_maps(architectures.dilated(before, n), layer), last_maps(before, layer)
    assert fine.shape[2:] == tuple(2**n * side for side in coarse.shape[2:])
    # Without padding on the left, TensorFlow's convolutions of stride 2 are centred on the odd places.
    first = 2**n - 1 if name.startswith("tf_") else 0
    torch.testing.assert_close(fine[:, :, first :: 2**n, first :: 2**n], coarse, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_network_that_timm_builds_with_another_output_stride(name):
    before = network(name)
    built = timm.create_model(name, num_classes=5, output_stride=16).eval()
    built.load_state_dict(before.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(architectures.dilated(before, 1)(pictures()), built(pictures()))


def test_weights_are_shared_and_the_network_is_left_as_it_was():
    before = network("resnet18").train()
    with torch.no_grad():
        scores = before.eval()(pictures())
    before.train()
    finer = architectures.dilated(before, 2)
    assert architectures.dilated(before, 0) is before
    ours, theirs = finer.state_dict(keep_vars=True), before.state_dict(keep_vars=True)
    assert ours.keys() == theirs.keys()
    assert all(ours[name] is theirs[name] for name in theirs)
    assert all(module.training for module in before.modules())
    assert not any(module._forward_pre_hooks for module in (*before.modules(), *finer.modules()))
    with torch.no_grad():
        assert torch.equal(before.eval()(pictures()), scores)


def test_networks_with_a_stem_for_small_pictures():
    small = architectures.build("resnet18", 5, stem="small", width=0.25)
    assert grad_cam.feature_layers(architectures.dilated(small, 1), (64, 64))["layer4"][1:] == (16, 16)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: timm.create_model("test_convnext"), "with a stride or a window that cannot be spread.*--dilate 0"),
        (lambda: timm.create_model("test_resnet"), "AvgPool2d"),
        (lambda: timm.create_model("vit_tiny_patch16_224", depth=1), "takes no pictures of 256 px"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "cannot be removed"),
    ],
)
def test_networks_without_such_strides_say_so(make, text):
    with pytest.raises(ValueError, match=text):
        architectures.dilated(make(), 1)


@pytest.mark.parametrize("n", [-1, 3, 0.5])
def test_only_so_many_strides(n):
    with pytest.raises(ValueError, match="0, 1 or 2"):
        architectures.dilated(network("resnet18"), n)


def test_evaluation_measures_the_finer_maps_and_the_networks_own_answers():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 128, 128), dtype=np.uint8))
    boxes, labels = [torch.tensor([[20, 20, 90, 100]])] * 4, torch.arange(4)
    sizes, top1 = [], []
    for n in (0, 1):
        result = evaluate(
            network("resnet18"), images, labels, mean=(0.5,) * 3, std=(0.5,) * 3, layer="layer4", boxes=boxes,
            parts=["accuracy", "localisation"], dilate=n,
        )  # fmt: skip
        sizes.append(result["localisation"]["map_size"])
        top1.append(result["accuracy"])
        assert result["localisation"].get("strides_removed", 0) == n
    assert sizes == [[4, 4], [8, 8]]
    assert top1[0] == top1[1]

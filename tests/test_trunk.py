"""Networks that share their first stages: computed once, with the numbers of the whole networks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from mixviz.cam import inference
from mixviz.networks import architectures, trunk, zoo

VIEW = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
SHARING = [name for name in zoo.names() if zoo.shared_stages(zoo.card(name), name)]


def resnet(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return architectures.build("resnet18", 5, stem="strided", width=0.125).eval()


@pytest.fixture
def remembered():
    """The features of earlier tests are forgotten."""
    inference.features.cache.clear()
    return inference.features.cache


@pytest.mark.parametrize("dilate", [0, 1])
@pytest.mark.parametrize("name", [zoo.REFERENCE, "baseline", "cutmix"])
def test_maps_and_probabilities_are_those_of_the_whole_network(name, dilate, remembered, monkeypatch):
    (known,) = inference.open_networks(name)
    kinds = ("grad_cam", "cam", "layer_cam")
    ours = [inference.look(known, VIEW, kind=kind, dilate=dilate) for kind in kinds]
    assert remembered
    monkeypatch.setattr(zoo, "shared_stages", lambda *_: 0)
    whole = dataclasses.replace(known, finer={})
    for ours_of_kind, kind in zip(ours, kinds, strict=True):
        theirs = inference.look(whole, VIEW, kind=kind, dilate=dilate)
        assert torch.equal(ours_of_kind.maps, theirs.maps)
        assert torch.equal(ours_of_kind.probability, theirs.probability)
    assert whole.parts is None


def test_networks_of_one_start_share_what_they_have_in_common(remembered):
    assert {zoo.REFERENCE, "baseline", "cutmix"} <= set(SHARING)
    for name in SHARING[:4]:
        inference.look(inference.open_networks(name)[0], VIEW, dilate=1)
    assert len(remembered) == 2  # with and without its last stride


def test_a_layer_inside_the_trunk_takes_the_whole_network(remembered):
    (known,) = inference.open_networks("baseline")
    look = inference.look(known, VIEW, layer="blocks.3")
    assert look.maps.shape[1:] == (14, 14)
    assert not remembered


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_network_of_consecutive_stages_can_be_divided(count):
    network, images = resnet(0), torch.rand(2, 3, 32, 32)
    part = trunk.split(network, count)
    with torch.no_grad():
        assert torch.equal(part.tail(inference.features(part, images)), network(images))
    assert part.runs("layer4")
    assert not part.runs("layer1.0.conv1")
    assert part.key == trunk.split(network, count).key
    assert part.key != trunk.split(resnet(1), count).key


def test_weights_that_differ_in_the_last_bit_are_others():
    network = resnet(0)
    key = trunk.split(network, 1).key
    with torch.no_grad():
        network.get_submodule("layer1.0.conv1").weight[0, 0, 0, 0] *= 1 + 2**-23
    assert trunk.split(network, 1).key != key


def test_what_does_not_follow_one_another_is_not_divided():
    class Around(nn.Module):
        """A skip connection around the first stage."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()) for _ in range(2))
            self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

        def forward(self, x):
            return self.head(x + self.second(self.first(x)))

    assert trunk.split(Around().eval(), 1) is None
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    second = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 3, 3))
    overwrites = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 3)), second, head)
    assert trunk.split(overwrites.eval(), 1) is None
    second[0].inplace = False
    assert trunk.split(overwrites, 1) is not None
    for count in (0, 5):
        assert trunk.split(resnet(0), count) is None

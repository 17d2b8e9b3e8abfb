"""Local features: where they look, and what their matches agree on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from mixviz import retrieval
from mixviz.cam.inference import open_networks
from mixviz.core.head import Pooling, Whitening
from mixviz.data import pictures
from mixviz.data.decoding import decode
from mixviz.networks import architectures
from mixviz.retrieval import matching, receptive

cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def network():
    return open_networks("efficientnet_lite0")[0]


def photo(name: str, side: int = 320) -> np.ndarray:
    image = decode(pictures.photograph_path(name))
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image)


def points(count: int, rng: np.random.Generator, size=(400, 400), spacing: float = 1.0) -> retrieval.Features:
    """Features at random points with random descriptors."""
    descriptors = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(count, 16))).float(), dim=1)
    where = torch.from_numpy(rng.uniform(0, size, (count, 2))).float()
    return retrieval.Features(size, where, descriptors, torch.ones(count), torch.full((count,), spacing))


def moved(features: retrieval.Features, transform: np.ndarray) -> retrieval.Features:
    """The same features where a transform (3, 3) of (x, y, 1) puts them."""
    at = np.c_[features.points.flip(1).numpy(), np.ones(len(features.points))] @ transform.T
    where = torch.from_numpy(at[:, :2] / at[:, 2:]).float().flip(1)
    return retrieval.Features(features.size, where, features.descriptors, features.scores, features.spacing)


# ---- receptive fields


def brightest(network: nn.Module, centres: receptive.Centres, place: int, side: int) -> float:
    """The centre of the gradient of a place with respect to the input, of a network of positive weights."""
    image = torch.zeros(1, 3, side, side, requires_grad=True)
    network.forward_features(image)[0, :, place, place].sum().backward()
    weight = image.grad.abs().sum((0, 1, 3)).double()
    return float((weight * torch.arange(side)).sum() / weight.sum())


class Linear(nn.Module):
    """Convolutions of ones, whose gradient is the receptive field."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        for parameter in self.parameters():
            nn.init.ones_(parameter)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)


@pytest.mark.parametrize(
    "layers",
    [
        ((3, 8, 7, 2, 3), (8, 8, 3, 2, 1)), ((3, 8, 4, 4, 0),), ((3, 8, 3, 2, 1), (8, 8, 2, 2, 0), (8, 8, 5, 2, 2)),
        ((3, 8, 3, 1, 1), (8, 8, 3, 2, 1)),
    ],
)  # fmt: skip
def test_a_place_looks_at_the_centre_of_its_receptive_field(layers):
    net = Linear(*(nn.Conv2d(*given, bias=False) for given in layers))
    found = receptive.centres(net, net.forward_features)
    middle = receptive.SIDE // found.stride // 2
    wanted = found.offset + found.stride * middle
    assert brightest(net, found, middle, receptive.SIDE) == pytest.approx(wanted, abs=1e-3)


def test_tensorflows_padding_moves_the_centres():
    net = Linear(*(Conv2dSame(3, 3, side, stride=2, bias=False) for side in (3, 5)))
    found = receptive.centres(net, net.forward_features)
    assert found == (4, 3.0)
    assert brightest(net, found, 20, receptive.SIDE) == pytest.approx(found.offset + 20 * found.stride, abs=1e-3)


@pytest.mark.parametrize(("name", "expected"), [("resnet18", (32, 0.0)), ("tf_efficientnet_lite0", (32, 31.0))])
def test_centres_of_known_networks(name, expected):
    # Symmetric padding keeps place 0 at pixel 0. TensorFlow's, of even sides, is on the right: 1 + 2 + 4 + 8 + 16.
    net = architectures.build(name, 2)
    assert receptive.centres(net, net.forward_features) == expected


def test_a_network_without_maps_is_refused():
    with pytest.raises(ValueError, match="no feature maps"):
        receptive.centres(nn.Linear(2, 2), lambda images: images.flatten(1))


# ---- matches by hand


@pytest.mark.parametrize("model", ["affine", "homography"])
def test_the_transform_of_matches_is_found_among_wrong_ones(model):
    rng = np.random.default_rng(0)
    transform = np.array([[0.9, -0.2, 30], [0.15, 1.1, -12], [0, 0, 1]])
    if model == "homography":
        transform[2, :2] = 2e-4, -1e-4
    query = points(80, rng)
    target = moved(query, transform)
    target.points[50:] = torch.from_numpy(rng.uniform(0, 400, (30, 2))).float()  # the last thirty went elsewhere
    found = retrieval.match(query, target, model=model)
    assert found.pairs.tolist() == [[i, i] for i in range(80)]
    assert found.inlier[:50].all()
    assert found.score <= 52
    np.testing.assert_allclose(found.transform / found.transform[2, 2], transform, atol=1e-2)
    again = retrieval.match(query, target, model=model)
    assert np.array_equal(again.transform, found.transform)


def test_matches_are_mutual():
    def features(*rows):
        descriptors = torch.nn.functional.normalize(torch.tensor(rows).float(), dim=1)
        count = len(rows)
        return retrieval.Features((9, 9), torch.zeros(count, 2), descriptors, torch.ones(count), torch.ones(count))

    # Both of the first picture are nearest to (1, 0), which is nearest to the first alone.
    found = retrieval.match(features([1, 0], [1, 0.5]), features([1, 0], [-1, 0]))
    assert found.pairs.tolist() == [[0, 0]]
    assert (found.score, found.transform) == (0, None)


def test_what_cannot_be_matched():
    rng = np.random.default_rng(0)
    few, none = points(2, rng), points(0, rng)
    assert retrieval.match(few, few).score == 0
    assert retrieval.match(few, none).score == retrieval.match(none, few).score == 0
    with pytest.raises(ValueError, match="affine or homography"):
        retrieval.match(few, few, model="shift")
    other = retrieval.Features(few.size, few.points, few.descriptors[:, :3], few.scores, few.spacing)
    with pytest.raises(ValueError, match="of the same network"):
        retrieval.match(few, other)


def test_reranking_puts_agreement_first_and_keeps_the_order_of_equals():
    rng = np.random.default_rng(0)
    query = points(60, rng)
    shifted = moved(query, np.array([[1, 0, 9], [0, 1, 5], [0, 0, 1.0]]))
    candidates = [points(2, rng), points(2, rng), shifted]
    order, matches = retrieval.rerank(query, candidates)
    assert order == [2, 0, 1]
    assert [one.score for one in matches] == [0, 0, 60]


# ---- pictures


def test_inliers_agree_with_the_known_transform(network):
    picture = photo("lion.jpg")
    height, width = picture.shape[:2]
    transform = cv2.getRotationMatrix2D((width / 2, height / 2), 8, 0.9)
    transform[:, 2] += 14, -9
    warped = cv2.warpAffine(picture, transform, (width, height), borderValue=(124, 116, 104))
    features = [retrieval.local_features(network, image, count=300) for image in (picture, warped)]
    found = retrieval.match(*features)
    source, target = (one.points[found.pairs[:, i]].flip(1).numpy() for i, one in enumerate(features))
    wanted = np.c_[source, np.ones(len(source))] @ transform.T
    error = np.linalg.norm(wanted - target, axis=1)[found.inlier.numpy()]
    assert found.score >= 15
    assert np.median(error) < 16  # half a place of the finest scale
    # Each corner lands near its true place.
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    moved_corners = (corners @ found.transform.T)[:, :2]
    assert np.linalg.norm(moved_corners - corners @ transform.T, axis=1).max() < 32
    foreign = retrieval.match(features[0], retrieval.local_features(network, photo("bee.jpg"), count=300))
    assert foreign.score < found.score / 2


def test_features_are_inside_sorted_and_of_length_one(network):
    picture = photo("lion.jpg", 200)
    features = retrieval.local_features(network, picture, count=30, scales=(1.0, 0.5))
    assert len(features.points) == 30
    assert ((features.points >= -0.5) & (features.points < torch.tensor(picture.shape[:2]) - 0.5)).all()
    assert (features.scores.diff() <= 0).all()
    assert features.descriptors.norm(dim=1) == pytest.approx(torch.ones(30), abs=1e-5)
    whitening = Whitening(features.descriptors.shape[1], 6)
    whitening.fit(features.descriptors)
    projected = retrieval.local_features(network, picture, count=30, scales=(1.0, 0.5), projection=whitening)
    assert projected.descriptors.shape == (30, 6)
    assert projected.descriptors.norm(dim=1) == pytest.approx(torch.ones(30), abs=1e-5)
    with pytest.raises(ValueError, match="uint8"):
        retrieval.local_features(network, picture / 255)


def test_the_heads_attention_chooses():
    class Columns(Pooling):
        def attention(self, maps):
            return torch.arange(maps.shape[3]).float().expand(1, *maps.shape[2:])

    maps = torch.ones(1, 4, 2, 3)
    assert matching._attention(nn.Sequential(Columns()), maps).tolist() == [[[0, 1, 2], [0, 1, 2]]]
    assert (matching._attention(nn.Sequential(nn.Identity()), maps) == 2).all()  # the length of (1, 1, 1, 1)

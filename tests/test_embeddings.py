"""Embeddings, their metrics, and their storage."""

from __future__ import annotations

import math
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from test_data import tiny_imagenet
from test_evaluation import MEAN, STD, measured, network, split
from torch import Tensor, nn
from torch.nn import functional

from mixviz import embeddings
from mixviz.data import dataset, sources
from mixviz.evaluation import embedding, runner
from mixviz.evaluation.evaluate import evaluate
from mixviz.evaluation.robustness import detection
from mixviz.evaluation.tables import table
from mixviz.networks import architectures, model_card, zoo
from mixviz.networks.files import load_tensors, save_tensors
from mixviz.networks.run import Run
from mixviz.training.trainer import train


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def blobs(classes: int = 3, each: int = 20, wide: int = 5) -> tuple[Tensor, Tensor]:
    """Make well-separated classes, each along its own axis; return embedding and labels."""
    labels = torch.arange(classes).repeat(each)
    return 10 * functional.one_hot(labels, wide) + 0.1 * noise(len(labels), wide), labels


class Aside(nn.Module):
    """A head in the middle of a network that ends in a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.last = nn.Linear(3, 3), nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(images * self.gate(images.mean((2, 3)))[:, :, None, None]).mean((2, 3))


# ---- features before the head


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_the_head_makes_the_scores_of_it(name):
    net, inputs = architectures.build(name, 4).eval(), noise(3, 3, 32, 32)
    result = embeddings.embed(net, inputs)
    assert result.dtype == torch.float32
    with torch.no_grad():
        assert torch.allclose(net.get_classifier()(result), net(inputs), atol=1e-5)


def test_of_other_networks_it_goes_into_the_last_linear_layer():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2))
    inputs = noise(7, 3, 2, 2)
    result = embeddings.embed(net, inputs, batch_size=3)
    with torch.no_grad():
        assert torch.equal(result, torch.cat([net[:3](part) for part in inputs.split(3)]))


@pytest.mark.parametrize("name", ["timm's", "another"])
def test_nothing_is_left_in_the_network(name):
    net = architectures.build("test_resnet", 4) if name == "timm's" else network()
    net.train()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    result = embeddings.embed(net, noise(4, 3, 32, 32).requires_grad_())
    assert not result.requires_grad
    assert all(module.training and not module._forward_hooks for module in net.modules())
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_threads_may_share_a_network():
    net = network().eval()
    inputs = [noise(2, 3, 4, 4, seed=i) for i in range(40)]
    alone = [embeddings.embed(net, one) for one in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: embeddings.embed(net, one), inputs))
    assert all(torch.equal(one, two) for one, two in zip(alone, together, strict=True))
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize("net", [Aside(), nn.Sequential(nn.Conv2d(3, 2, 4), nn.Flatten())], ids=["aside", "none"])
def test_a_network_needs_a_linear_end(net):
    with pytest.raises(ValueError, match="does not end in a linear layer"):
        embeddings.embed(net, noise(2, 3, 4, 4))
    assert not any(module._forward_hooks for module in net.modules())


def test_what_cannot_be_embedded():
    with pytest.raises(ValueError, match="has diverged"):
        embeddings.embed(network(), noise(2, 3, 4, 4) * math.inf)
    tokens = nn.Sequential(nn.Flatten(2), nn.Linear(16, 2))
    with pytest.raises(ValueError, match="class scores"):
        embeddings.embed(tokens, noise(2, 3, 4, 4))


# ---- clusters


def test_purity_and_mutual_information_by_hand():
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    mixed = torch.tensor([5, 5, 2, 2, 2, 2])  # {0 0} {0 1 1 1}
    assert embeddings.purity(mixed, labels) == pytest.approx(5 / 6)
    clusters = -(1 / 3 * math.log(1 / 3) + 2 / 3 * math.log(2 / 3))
    shared = math.log(2) - 2 / 3 * -(1 / 4 * math.log(1 / 4) + 3 / 4 * math.log(3 / 4))  # H(C) - H(C | K)
    assert embeddings.nmi(mixed, labels) == pytest.approx(2 * shared / (clusters + math.log(2)))
    other_names = 7 - 3 * labels
    assert embeddings.purity(other_names, labels) == embeddings.nmi(other_names, labels) == 1
    across = torch.tensor([0, 1, 0, 1])
    assert embeddings.purity(across, across.sort().values) == 0.5
    assert embeddings.nmi(across, across.sort().values) == pytest.approx(0, abs=1e-12)


def test_clusters_are_found_and_follow_the_seed():
    result, labels = blobs()
    assigned = embeddings.clusters(result, 3)
    assert embeddings.purity(assigned, labels) == 1
    assert torch.equal(assigned, embeddings.clusters(result, 3))
    unclear = noise(60, 4)
    assert torch.equal(embeddings.clusters(unclear, 5, seed=3), embeddings.clusters(unclear, 5, seed=3))
    with pytest.raises(ValueError, match="count should be a whole number, 1 to 60; got 61"):
        embeddings.clusters(result, 61)


# ---- distances to the classes


def test_distances_by_hand():
    centres, axes, variance = torch.tensor([[0.0, 0], [4, 0]]), torch.tensor([[1.0], [0]]), torch.tensor([4.0])
    known = embeddings.Gaussians(centres.double(), axes.double(), variance.double(), floor=1.0, shrinkage=0)
    assert known.covariance.tolist() == [[4, 0], [0, 1]]
    points = torch.tensor([[2.0, 1], [4, 3], [-2, 0], [4, 0]])  # 4/4 + 1, 9, 4/4, and a centre
    assert embeddings.mahalanobis(points, known).tolist() == pytest.approx([2, 9, 1, 0])
    with pytest.raises(ValueError, match=r"the 2 dimensions of known; got \(4, 3\)"):
        embeddings.mahalanobis(noise(4, 3), known)


def test_all_classes_share_the_spread_around_their_centres():
    cross = torch.tensor([[2.0, 1], [-2, 1], [2, -1], [-2, -1]])
    points, labels = torch.cat([cross, cross + 100]).repeat(500, 1), torch.tensor([3, 7]).repeat_interleave(4)
    known = embeddings.gaussians(points, labels.repeat(500))
    assert known.centres.tolist() == [[0, 0], [100, 100]]
    s = known.shrinkage
    assert 0 < s < 1e-3
    assert torch.allclose(known.covariance, torch.tensor([[4 - 1.5 * s, 0], [0, 1 + 1.5 * s]]).double())
    assert embeddings.gaussians(points[:8], labels).shrinkage > 10 * s
    line = embeddings.gaussians(torch.tensor([[1.0, 0], [-1, 0]]), torch.tensor([0, 0]))  # s cannot be estimated
    assert torch.allclose(
        line.covariance, torch.tensor([[1, 0], [0, embeddings.class_distance.LEAST / 2]]).double(), rtol=1e-5
    )


def test_more_dimensions_than_pictures():
    result, labels = blobs(each=4, wide=40)
    result[:, 7] = 0  # like a unit that never fires
    known = embeddings.gaussians(result, labels)
    assert torch.linalg.eigvalsh(known.covariance).amin() > 0
    near, far = (embeddings.mahalanobis(v, known) for v in (result, noise(5, 40)))
    assert detection(-near, -far).auroc == pytest.approx(1)
    with pytest.raises(ValueError, match="a single point"):
        embeddings.gaussians(result[:3], labels[:3])


# ---- retrieval


def test_retrieval_by_hand():
    angles = torch.tensor([0, 10, 25, 90]).deg2rad()
    result = torch.stack([angles.cos(), angles.sin()], 1) * torch.tensor([[1], [5], [0.1], [3]])  # lengths do not count
    labels = torch.tensor([0, 1, 0, 1])
    # 0 finds 10° 25° 90°: a hit at 2. 10° finds 0° 25° 90°: at 3. 25° finds 10° 0° 90°: at 2. 90° finds 25° 10°: at 2.
    seen = embeddings.retrieval(result, labels)
    assert seen.mean_average_precision == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4)
    assert seen.precision_at_1 == 0
    # 0° and 10° find one another first, and 25° at the end or in the middle: (1 + 2/3) / 2 and 1. 25° finds both: 1.
    alone = embeddings.retrieval(result[[0, 1, 2, 3]], torch.tensor([0, 0, 0, 1]))  # the last one cannot ask
    assert alone == (1, 1)
    mixed = embeddings.retrieval(result, torch.tensor([0, 0, 1, 0]))  # 0°: hits at 1, 3; 10°: at 1, 3; 90°: at 2, 3
    assert mixed.mean_average_precision == pytest.approx(((1 + 2 / 3) / 2 * 2 + (1 / 2 + 2 / 3) / 2) / 3)
    assert mixed.precision_at_1 == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="nothing to find"):
        embeddings.retrieval(result, torch.arange(4))


def test_how_many_ask_at_a_time_changes_nothing(monkeypatch):
    result, labels = noise(50, 4), torch.arange(50) % 7
    full = embeddings.retrieval(result, labels)
    monkeypatch.setattr(embeddings.measures, "QUERIES", 7)
    assert embeddings.retrieval(result, labels) == pytest.approx(full)


# ---- two dimensions


def test_principal_axes_by_hand():
    result = torch.tensor([[0.0, 5, 1], [0, 5, -1], [3, 5, 0], [-3.5, 5, 0]])
    centred = result[:, [0, 2]] - result[:, [0, 2]].mean(0)
    expected = torch.stack([-centred[:, 0], centred[:, 1]], 1)  # -3.375 lies farthest out; of 1 and -1, the first
    assert torch.allclose(embeddings.pca(result).float(), expected, atol=1e-6)
    assert torch.allclose(embeddings.pca(-result).float()[:, 0], expected[:, 0], atol=1e-6)
    assert torch.allclose(embeddings.pca(result[:, [2, 0, 1]]).float(), expected, atol=1e-6)
    line = embeddings.pca(torch.tensor([[1.0], [2], [6]]))
    assert torch.allclose(line, torch.tensor([[-2.0, 0], [-1, 0], [3, 0]]).double())
    assert not embeddings.pca(torch.ones(3, 4)).any()


@pytest.mark.parametrize("exact", [0, 500])
def test_neighbours_stay_neighbours_on_a_map(exact, monkeypatch):
    monkeypatch.setattr(embeddings.planes, "EXACT", exact)
    result, labels = blobs()
    places = embeddings.tsne(result)
    assert places.shape == (60, 2)
    nearest = torch.cdist(places, places).fill_diagonal_(torch.inf).argmin(1)
    assert torch.equal(labels[nearest], labels)
    assert torch.equal(places, embeddings.tsne(result))
    with pytest.raises(ValueError, match="three pictures"):
        embeddings.tsne(result[:2])


# ---- invalid arguments


def test_what_is_no_embedding_is_refused():
    labels = torch.arange(4)
    with pytest.raises(ValueError, match=r"float tensor \(N, D\).*got float32 \(4, 3, 2\)"):
        embeddings.pca(noise(4, 3, 2))
    with pytest.raises(ValueError, match="finite"):
        embeddings.retrieval(noise(4, 2) / 0, labels)
    with pytest.raises(ValueError, match=r"labels should be .* \(4,\).*got int64 \(3,\)"):
        embeddings.gaussians(noise(4, 2), labels[:3])


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        embeddings.clusters(noise(4, 2), 2)


# ---- as a part of the evaluation


def test_a_network_that_is_always_right_has_classes_that_stand_apart():
    result = measured(parts=["embedding"])["embedding"]
    assert result["dimensions"] == result["clusters"] == 3
    for number in ("purity_percent", "nmi_percent", "retrieval_map_percent", "precision_at_1_percent"):
        assert result[number] == 100
    assert result["mahalanobis"]["fitted_images"] == result["mahalanobis"]["known_images"] == 15
    assert result["mahalanobis"]["others"]["images"] == 9
    assert result["mahalanobis"]["others"]["auroc_percent"] == 100
    row = table([("red", {"embedding": result})])
    assert row.splitlines()[0].removesuffix(" |").split(" | ")[2:] == [
        "AUROC others, Mahalanobis", "purity", "NMI", "adjusted Rand index", "retrieval mAP", "mAP@R", "Recall@1",
        "Recall@5", "Recall@10", "Precision@10",
    ]  # fmt: skip


def test_the_part_is_the_seeds_alone():
    images, labels, *_ = split(40)
    given = {"mean": MEAN, "std": STD, "others": images.flip(1), "parts": ["embedding"], "layer": "1"}
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    one, two, other = (evaluate(net, images, labels, seed=seed, **given)["embedding"] for seed in (0, 0, 1))
    assert one == two
    assert one["mahalanobis"]["others"] != other["mahalanobis"]["others"]
    assert one["retrieval_map_percent"] == other["retrieval_map_percent"]


def test_classes_are_fitted_to_a_half_of_each():
    labels = torch.tensor([0] * 4 + [2] * 7 + [1])
    chosen = embedding._half(labels, np.random.default_rng(0))
    assert [int(chosen[labels == label].sum()) for label in range(3)] == [2, 1, 4]


def test_what_cannot_be_measured_says_why():
    images, labels, *_ = split(4)  # 2, 1 and 1
    few = evaluate(network(), images[1:], labels[1:], mean=MEAN, std=STD, parts=["embedding"])
    assert few["embedding"] == {"not_measured": "it needs a class of 2 pictures, and each has one"}
    two = evaluate(network(), images, labels, mean=MEAN, std=STD, parts=["embedding"])
    assert two["embedding"]["queries"] == 2  # the others are alone, and only stand among those to be found
    images, labels, *_ = split(10)  # 4, 3 and 3: enough for neighbours, and too few for a Gaussian of each half
    some = evaluate(network(), images, labels, mean=MEAN, std=STD, parts=["embedding"], others=images.flip(1))
    assert "retrieval_map_percent" in some["embedding"]
    assert "mahalanobis" not in some["embedding"]
    alike = images[:1].expand(12, -1, -1, -1)
    same = evaluate(network(), alike, torch.arange(12) % 3, mean=MEAN, std=STD, parts=["embedding"])
    assert same["embedding"] == {"not_measured": "it is the same for all pictures"}
    three = images[:3].repeat(4, 1, 1, 1)
    given = {"mean": MEAN, "std": STD, "others": images, "parts": ["embedding"]}
    points = evaluate(network(), three, torch.arange(12) % 3, **given)["embedding"]
    assert points["nmi_percent"] == 100
    assert "a single point" in points["mahalanobis"]["others"]["not_measured"]
    bare = evaluate(network(), split()[0], split()[1], mean=MEAN, std=STD, parts=["embedding"])
    assert "mahalanobis" not in bare["embedding"]


# ---- stored embeddings


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train on two of three generated classes of eight validation pictures each; return run and data folder."""
    home = tmp_path_factory.mktemp("embeddings")
    root = tiny_imagenet(home / "data", train=8, val=8)
    rng = np.random.default_rng(0)
    for path in sorted((root / "tiny-imagenet-200" / "val" / "images").iterdir()):  # all pictures differ
        shades = np.asarray(Image.open(path)) * rng.uniform(0.2, 1, (64, 64, 1))
        Image.fromarray(shades.astype(np.uint8)).save(path)
    run = Run(data="tiny_imagenet", root=str(root), classes="goose,bee", network="test_resnet", method="cutmix",
              epochs=1, batch_size=8, lr=0.02)  # fmt: skip
    train(run, home / "run", bar=False, tell=lambda line: None)
    return home / "run", root


@pytest.fixture
def models(trained, tmp_path):
    zoo.add(trained[0], "cutmix", tmp_path)
    runner.assess(tmp_path / "cutmix", trained[1], parts=["embedding"])
    return tmp_path


def test_an_embedding_lies_beside_the_card(models, trained):
    stored = zoo.embedding("cutmix", models)
    card = zoo.card("cutmix", models)
    assert card.metrics["embedding"]["mahalanobis"]["others_are"] == "other classes of tiny_imagenet"
    seen = sources.load("tiny_imagenet", trained[1], "val").of_classes(card.data.keys)
    assert torch.equal(stored["label"], torch.tensor([0, 1]).repeat_interleave(8))
    assert torch.equal(seen.labels[stored["index"]], stored["label"])
    inputs = runner._images(runner._seen(seen.take(stored["index"]), card, torch.device("cpu"))) / 255
    mean, std = (torch.tensor(getattr(card.network, key)).view(3, 1, 1) for key in ("mean", "std"))
    inputs = ((inputs - mean) / std).contiguous(memory_format=torch.channels_last)  # t-SNE tells roundings apart
    result = embeddings.embed(zoo.load("cutmix", models), inputs)
    assert torch.allclose(stored["embedding"], result, rtol=2e-3, atol=1e-4)
    unit = embeddings.directions(result)
    for plot, expected in (("pca", embeddings.pca(unit)), ("tsne", embeddings.tsne(unit))):
        assert stored[plot].shape == (16, 2)
        assert torch.allclose(stored[plot].double(), expected, rtol=5e-3, atol=0.05 * expected.abs().amax().item())


def test_a_quick_look_stores_none(trained, tmp_path):
    zoo.add(trained[0], "cutmix", tmp_path)
    runner.assess(tmp_path / "cutmix", trained[1], parts=["accuracy"])
    runner.assess(tmp_path / "cutmix", trained[1], parts=["embedding"], limit=4)  # with fewer pictures than the card's
    with pytest.raises(ValueError, match=r"embedding.safetensors is missing: `mixviz evaluate .*cutmix --parts embed"):
        zoo.embedding("cutmix", tmp_path)
    with pytest.raises(ValueError, match="no network 'mixup'"):
        zoo.embedding("mixup", tmp_path)


def test_an_embedding_of_other_weights_is_refused_and_goes_when_these_come(models, trained, tmp_path):
    path = models / "cutmix" / zoo.EMBEDDING
    zoo.add(trained[0], "cutmix", models)  # the same once more
    tensors = zoo.embedding("cutmix", models)
    save_tensors(path, tensors, {"weights": "of another network"})
    with pytest.raises(ValueError, match="made by other weights"):
        zoo.embedding("cutmix", models)
    save_tensors(path, {**tensors, "pca": tensors["pca"][:3]}, load_tensors(path)[1])
    with pytest.raises(ValueError, match=r"is damaged.*'pca': \(3, 2\).*--parts embedding"):
        zoo.embedding("cutmix", models)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        zoo.embedding("cutmix", models)
    other = shutil.copytree(trained[0], tmp_path / "other")
    weights, about = load_tensors(other / "last.safetensors")
    save_tensors(other / "last.safetensors", {key: value + 1 for key, value in weights.items()}, about)
    zoo.add(other, "cutmix", models)
    assert not path.exists()


def test_the_pictures_are_spread_evenly_over_the_classes(trained):
    def labels(classes: int, each: int) -> Tensor:
        names = tuple(f"{i}" for i in range(classes))
        alike = dataset.Dataset([None] * classes * each, torch.arange(classes).repeat(each), names, names)
        return alike.labels[runner._spread(alike)]

    assert torch.equal(labels(20, 50), torch.arange(20).repeat_interleave(15))
    assert torch.equal(labels(200, 3), torch.arange(200))
    assert torch.equal(labels(2, 5), torch.tensor([0, 1]).repeat_interleave(5))
    assert torch.equal(labels(600, 2), torch.arange(0, 600, 2))


def test_clusters_of_few_wide_vectors_are_those_of_scikit_learn():
    vectors, _ = blobs(each=4, wide=40)
    vectors = vectors + 5 * noise(*vectors.shape)
    wanted = (
        pytest.importorskip("sklearn.cluster")
        .KMeans(3, n_init=10, random_state=0)
        .fit_predict(vectors.double().numpy())
    )
    assert embeddings.clusters(vectors, 3).tolist() == wanted.tolist()


def test_wide_embeddings_are_turned_and_stay_small(models, trained, monkeypatch):
    card = model_card.read(models / "cutmix")
    seen = sources.load("tiny_imagenet", trained[1], "val").of_classes(card.data.keys)
    net, device = zoo.load("cutmix", models), torch.device("cpu")
    plain = runner._embedding(net, seen, card, device)["embedding"].float()
    monkeypatch.setattr(runner, "WIDEST", plain.shape[1] - 1)
    turned = runner._embedding(net, seen, card, device)["embedding"].float()
    assert turned.shape == (16, 16)
    assert torch.allclose(turned @ turned.T, plain @ plain.T, rtol=5e-3)
    monkeypatch.undo()
    assert 2 * runner.KEPT * (runner.WIDEST + 2 + 2 + 4 + 4) < 1_300_000  # bytes of the largest possible file


def test_a_damaged_picture_is_left_out(models, trained):
    card = model_card.read(models / "cutmix")
    card = card.changed(run={**card.run, "corrupt": "skip"})
    seen = sources.load("tiny_imagenet", trained[1], "val").of_classes(card.data.keys)
    pictures = list(seen.pictures)
    bad = torch.nonzero(seen.labels == 0)[2].item()
    pictures[bad] = trained[0] / "card.json"
    stored = runner._embedding(zoo.load("cutmix", models), replace(seen, pictures=pictures), card, torch.device("cpu"))
    assert len(stored["embedding"]) == len(stored["index"]) == 15
    assert bad not in stored["index"].tolist()
    assert torch.equal(seen.labels[stored["index"]], stored["label"])

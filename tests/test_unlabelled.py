"""Trainings without labels: similarity in context by hand, teacher and student, and mining on the manifold."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest
import torch
from cases import picture_folder
from safetensors.torch import load_file

import mixviz
from mixviz.core.objective import LAYERS, Pairs
from mixviz.core.registry import construct
from mixviz.embeddings import manifold
from mixviz.networks import user_network
from mixviz.networks.run import Run
from mixviz.objectives.stml import contextual
from mixviz.training import unlabelled

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


def stml(**changes):
    return mixviz.OBJECTIVES["stml"](**changes)


def on_circle(*angles: float) -> torch.Tensor:
    turned = torch.tensor(angles, dtype=torch.float64)
    return torch.stack([turned.cos(), turned.sin()], 1)


# ---- similarity in context


def test_contextual_similarity_of_five_points():
    """Points at 0, 1, 3, 3.5 and 10 with k = 2: two mutual pairs, and one far away that is nobody's neighbour."""
    place = torch.tensor([0.0, 1.0, 3.0, 3.5, 10.0])
    pairwise = torch.exp(-((place[:, None] - place) ** 2))
    # Nearest two: {0, 1}, {1, 0}, {2, 3}, {3, 2}, {4, 3}; 3 does not have 4, so that R = {01}, {01}, {23}, {23}, {4}.
    # The half of two is the point itself: ŵ is w̃, whose rows share all neighbours within a pair.
    expected = torch.zeros(5, 5)
    expected[:2, :2] = expected[2:4, 2:4] = 1
    expected[4, 4] = 1
    assert torch.allclose(contextual(pairwise, torch.arange(5), 2), expected)


def test_contextual_similarity_expands_over_half_of_the_neighbours():
    place = torch.tensor([0.0, 1.0, 2.1, 3.3])
    pairwise = torch.exp(-((place[:, None] - place) ** 2))
    # k = 3: nearest {012}, {102}, {213}, {321}; those that have each other: R = {01}, {012}, {123}, {23}.
    shared = torch.tensor([
        [1, 1, 0, 0],  # |R ∩ R'| / |R|
        [2 / 3, 1, 2 / 3, 0],
        [0, 2 / 3, 1, 2 / 3],
        [0, 0, 1, 1],
    ])  # fmt: skip
    # Half of three, rounded: two, {01}, {10}, {21}, {32}.
    half = torch.stack([shared[[0, 1]].mean(0), shared[[1, 0]].mean(0), shared[[2, 1]].mean(0), shared[[3, 2]].mean(0)])
    assert torch.allclose(contextual(pairwise, torch.arange(4), 3), (half + half.T) / 2)


def test_views_of_a_picture_are_neighbours_however_far():
    place = torch.tensor([0.0, 9.0, 0.1, 9.1])
    pairwise = torch.exp(-((place[:, None] - place) ** 2))
    found = contextual(pairwise, torch.tensor([0, 0, 1, 1]), 2)
    assert torch.equal(found, torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)))


def test_relations_are_the_mean_of_both_similarities():
    taught = 3 * on_circle(0, 0.2, 1.5, 1.6)  # lengths do not matter
    pairs = stml(sigma=2, neighbours=2).relations(taught, torch.arange(4))
    squared = 2 - 2 * math.cos(0.2)
    assert pairs.positive[0, 1].item() == pytest.approx((math.exp(-squared / 2) + 1) / 2)
    assert pairs.positive[0, 2].item() == pytest.approx(math.exp(-(2 - 2 * math.cos(1.5)) / 2) / 2)
    assert not pairs.positive.diagonal().any()
    assert torch.allclose(pairs.positive + pairs.negative, 1 - torch.eye(4, dtype=torch.float64))


# ---- the loss


def test_relaxed_contrastive_loss_by_hand():
    vectors = torch.tensor([[0.0], [1.0], [4.0]], dtype=torch.float64)
    positive = torch.tensor([[0, 0.9, 0.2], [0.9, 0, 0.1], [0.2, 0.1, 0]])
    pairs = Pairs(positive, (1 - positive) * (1 - torch.eye(3)), torch.arange(3))
    total = 0.0
    for i, row in enumerate([[0, 1, 4], [1, 0, 3], [4, 3, 0]]):
        for j in range(3):
            if i != j:
                d, w = row[j] / (sum(row) / 3), positive[i, j].item()
                total += w * d**2 + (1 - w) * max(0, 1 - d) ** 2
    assert stml().loss(vectors, vectors, pairs).item() == pytest.approx(total / 6)


def test_f_learns_from_g_and_not_the_other_way():
    rng = torch.Generator().manual_seed(0)
    f, g = (torch.randn(6, d, generator=rng, dtype=torch.float64).requires_grad_() for d in (2, 4))
    pairs = stml(neighbours=3).relations(g, torch.arange(6))
    assert not pairs.positive.requires_grad
    divergence = stml(distil=2).taught_loss(f, g, pairs) - stml(distil=0).taught_loss(f, g, pairs)
    rows = [(-torch.cdist(x, x) / torch.cdist(x, x).mean(1, keepdim=True)).softmax(1) for x in (f, g)]
    assert divergence.item() == pytest.approx(2 * (rows[1] * (rows[1] / rows[0]).log()).sum().item() / 6)
    divergence.backward()
    assert f.grad.abs().max() > 1e-6
    assert g.grad.abs().max() < 1e-12


def test_gradients_are_those_of_finite_differences():
    rng = torch.Generator().manual_seed(0)
    f, g = (torch.randn(6, d, generator=rng, dtype=torch.float64).requires_grad_() for d in (2, 4))
    pairs = stml(neighbours=3).relations(g, torch.arange(6))
    assert torch.autograd.gradcheck(lambda x: stml().taught_loss(x, g, pairs), f)
    assert torch.autograd.gradcheck(lambda x: stml(distil=0).taught_loss(f, x, pairs), g)  # g is detached in the other


# ---- mining


def spirals() -> torch.Tensor:
    """Two arcs of points on a sphere: along each, neighbours are near; the arcs' ends come close to each other."""
    one = torch.linspace(0, 2.6, 24, dtype=torch.float64)
    first = torch.stack([one.cos(), one.sin(), torch.zeros(24)], 1)
    second = torch.stack([one.cos(), -one.sin(), torch.full((24,), 0.5)], 1)
    return torch.cat([first, second]).float()


def test_a_walk_stays_on_its_component_and_is_the_inverse():
    points, count = spirals(), 3
    found = manifold.walk(points, count)
    unit = torch.nn.functional.normalize(points.double(), dim=1)
    similarity = unit @ unit.T
    similarity.fill_diagonal_(-1)
    near = torch.zeros(48, 48).scatter_(1, similarity.topk(count).indices, 1).bool()
    graph = (near & near.T) * similarity.clamp(min=0) ** 3
    scale = graph.sum(1).clamp(min=1e-12).rsqrt()
    exact = torch.linalg.inv(torch.eye(48, dtype=torch.float64) - 0.99 * scale[:, None] * graph * scale)
    assert torch.allclose(found.double(), exact, atol=1e-3)
    assert torch.equal(found, found.T)


def test_hard_examples_are_those_on_which_distance_and_manifold_disagree():
    points = spirals()
    found = manifold.mine(points, 8, 3)
    near = manifold.nearest(points, 8)
    arc = torch.arange(48) // 24
    for index in range(48):
        positives, negatives = (part[index][part[index] >= 0] for part in found)
        assert (arc[positives] == arc[index]).all()  # no path leads to the other arc
        assert not torch.isin(positives, near[index]).any()
        assert torch.isin(negatives, near[index]).all()
        assert torch.isin(near[index][arc[near[index]] != arc[index]], negatives).all()
    assert (found.negatives[0] >= 24).any()  # the arcs begin next to each other


def test_nearest_pictures_leave_out_the_picture():
    points = on_circle(0, 0.1, 0.3, 3)
    assert manifold.nearest(points, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


def test_batches_hold_groups_and_each_picture_in_every_view():
    groups = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 0], [8, 9, 1]])
    order = unlabelled.by_groups(groups, 40, 12, 2, np.random.default_rng(0)).reshape(-1, 12)
    assert len(order) == 40 // 12
    for batch in order:
        assert (batch[:6] == batch[6:]).all()
        assert all(batch[start : start + 3].tolist() in groups.tolist() for start in (0, 3))
    firsts = order[:, [0, 3]].flatten().tolist()
    assert set(firsts[:4]) == {0, 3, 6, 8}  # all before one comes again


def test_mined_relations_of_a_batch():
    relations = {"positives": torch.tensor([[1, -1], [2, 0], [-1, -1]]), "negatives": torch.tensor([[2], [-1], [0]])}
    pairs = unlabelled.mined_pairs(relations, torch.tensor([0, 2, 1]))
    assert pairs.positive.tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0]]
    assert pairs.negative.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


# ---- trainings


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return picture_folder(tmp_path_factory.mktemp("pictures"), train=12, side=32)


def run_of(root, **changes) -> Run:
    values = {
        "network": "test_resnet", "image_size": 32, "epochs": 2, "batch_size": 12, "per_class": 3, "lr": 0.01,
        "method": "baseline", "objective": "stml:wide=16,neighbours=4", "ema": 0.9, "dimensions": 8, "augment": "crop",
    }  # fmt: skip
    return Run(root=str(root), **{**values, **changes})


def training(run: Run, out, **more):
    from mixviz.training.trainer import Training

    return Training(run, out, **{"bar": False, "tell": lambda line: None, **more})


MINED = {"objective": "contrastive", "relations": "manifold", "ema": 0.0}


@pytest.mark.parametrize("changes", [{}, MINED, {"augment": "resized"}], ids=["stml", "manifold", "resized"])
def test_a_training_that_was_stopped_ends_with_the_same_bits(changes, pictures, tmp_path, monkeypatch):
    from mixviz.training.trainer import Training

    run = run_of(pictures, **changes)
    training(run, tmp_path / "whole").go()
    step = Training.step

    def stopped(self, epoch, index, *rest):
        if (epoch, index) == (1, 1):
            raise KeyboardInterrupt
        return step(self, epoch, index, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", stopped)
        with pytest.raises(KeyboardInterrupt):
            training(run, tmp_path / "parts", minutes=0).go()
    training(run, tmp_path / "parts", resume=True).go()
    one, other = (load_file(tmp_path / part / "last.safetensors") for part in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not any(LAYERS in key for key in one)
    with torch.no_grad():
        assert user_network.read_folder(tmp_path / "whole").network(torch.rand(2, 3, 32, 32)).shape == (2, 8)


def test_the_teacher_is_the_moving_average_and_gets_no_gradient(pictures, tmp_path):
    one = training(run_of(pictures), tmp_path)
    order = one._order(0)
    images, labels = next(one.train.training(12, 0, 0, order=order))
    assert labels.tolist() == order[:12].tolist()  # each picture is its own class
    assert (labels[:6] == labels[6:]).all()
    assert not torch.equal(images[:6], images[6:])  # in two views
    one.network.train()
    before = {name: tensor.clone() for name, tensor in one.average.state_dict().items()}
    one.step(0, 0, images, labels)
    assert all(parameter.grad is None for parameter in one.average.parameters())
    assert one.plain.get_submodule(LAYERS).weight.grad.abs().max() > 0
    student = one.plain.state_dict()
    for name, tensor in one.average.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.9 * before[name] + 0.1 * student[name], atol=1e-5)


def test_labels_do_not_matter(pictures, tmp_path):
    """Other classes of the same pictures, in the same order, give the same weights."""
    shutil.copytree(pictures / "val", tmp_path / "data" / "val")
    files = sorted((pictures / "train").glob("*/*.png"))
    for index, file in enumerate(files):
        place = tmp_path / "data" / "train" / ("ant" if index < 20 else "bee" if index < 23 else "cat")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place / f"{index:02d}.png")
    for name, root in (("one", pictures), ("other", tmp_path / "data")):
        training(run_of(root, epochs=1), tmp_path / name).go()
    first, second = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "other"))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(("changes", "told"), [
    ({"ema": 0.0}, "give --ema"),
    ({"per_class": 0}, "give --per-class 2 or more"),
    ({"batch_size": 15}, "divisible by 2 times --per-class 3"),
    ({"augment": "none"}, "compares views of a picture"),
    ({"relations": "manifold"}, "leave out --relations"),
    ({"method": "cutmix"}, "STML trains without labels, and CutMix mixes them"),
    ({**MINED, "method": "cutmix"}, "--relations manifold trains without labels"),
    ({**MINED, "objective": "proxy_anchor"}, "knows no classes"),
    ({**MINED, "objective": "cross_entropy"}, "--relations is for embeddings"),
    ({**MINED, "per_class": 2}, "give --per-class 3 or more"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(changes, told, pictures, tmp_path):
    with pytest.raises(ValueError, match=told):
        training(run_of(pictures, **changes), tmp_path)


def test_every_parameter_works_at_both_ends():
    rng = torch.Generator().manual_seed(0)
    f, g = (torch.randn(6, d, generator=rng) for d in (2, 4))
    for key, about in mixviz.OBJECTIVES["stml"].parameters().items():
        for value in (about["low"], about["high"]):
            one = construct(mixviz.OBJECTIVES, f"stml:{key}={value}")
            assert one.taught_loss(f, g, one.relations(g, torch.arange(6))).isfinite()

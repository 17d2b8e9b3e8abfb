"""Objectives: losses of embeddings by their formulas, their gradients, graded relations, and trainings."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cases import picture_folder
from safetensors.torch import load_file
from torch.nn import functional

import mixviz
from mixviz import Batch
from mixviz.core.objective import Pairs
from mixviz.core.registry import construct
from mixviz.embeddings import measures
from mixviz.networks import card_text, model_card
from mixviz.networks.run import Run
from mixviz.training import metric_learning

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")

OF_EMBEDDINGS = [name for name, cls in mixviz.OBJECTIVES.items() if cls.embeds and cls.labels]
MIXING = [name for name in OF_EMBEDDINGS if mixviz.OBJECTIVES[name].mixes]
LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])  # classes of 3, 2, 4 and 1


def objective(text: str):
    return construct(mixviz.OBJECTIVES, text)


def vectors(n: int = 10, dimensions: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss(text: str, anchors: torch.Tensor, pairs: Pairs, candidates: torch.Tensor | None = None) -> torch.Tensor:
    one = objective(text)
    proxies = vectors(4, anchors.shape[1], 9) if one.proxies else None
    return one.loss(anchors, anchors if candidates is None else candidates, pairs, proxies)


def mixtures(method: str = "cutmix", n: int = 10):
    images = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return mixviz.METHODS[method]().plan(Batch(images, LABELS[:n]), np.random.default_rng(0))


def metric_learning_library():
    """PyTorch Metric Learning, with the modules that are compared."""
    names = ("distances", "losses", "miners")
    return SimpleNamespace(**{name: pytest.importorskip(f"pytorch_metric_learning.{name}") for name in names})


# ---- relations


def test_relations_of_a_batch():
    close = torch.zeros(3, 3, dtype=torch.bool)
    close[0, 1] = close[1, 0] = True
    pairs = Pairs.of(torch.tensor([0, 0, 1, 2]), close)
    assert pairs.positive.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert pairs.negative.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 0]]


def test_relations_to_mixtures_are_their_shares():
    recipe = SimpleNamespace(
        share=torch.tensor([[0.75, 0.5, 1.0], [0.25, 0.5, 0.0]]), partner=torch.tensor([[0, 1, 2], [2, 0, 1]])
    )  # mixtures 3/4 of image 0 and 1/4 of 2; half of 1 and of 0; all of 2
    pairs = Pairs.of_mixtures(torch.tensor([0, 0, 1]), recipe)
    # Image 0 is in mixtures 0 and 1, image 1 in mixture 1, image 2 in mixtures 0 and 2.
    assert pairs.positive.tolist() == [[0, 0, 0], [0.75, 0, 0], [0, 0, 0]]
    assert pairs.negative.tolist() == [[0, 0, 1], [0.25, 0, 1], [0, 1, 0]]
    near = torch.tensor([[False, True], [True, False]])  # places too close to be told apart
    pairs = Pairs.of_mixtures(torch.tensor([0, 0, 1]), recipe, near)
    assert pairs.positive.tolist() == [[0, 0, 0], [0.75, 0, 0], [0, 0, 0]]
    assert not pairs.negative.any()


@pytest.mark.parametrize("name", MIXING)
def test_mixtures_of_a_single_image_count_like_images(name):
    """A share of 1 is the image itself, and a share of 0 its partner."""
    recipe, anchors = mixtures(), vectors()
    order = torch.tensor([1, 2, 0, 4, 3, 6, 7, 8, 5, 9])
    for kept in (0, 1):
        share = torch.zeros_like(recipe.share)
        share[kept] = 1
        pairs = Pairs.of_mixtures(LABELS, SimpleNamespace(share=share, partner=torch.stack([torch.arange(10), order])))
        candidates = anchors[order] if kept else anchors
        assert torch.allclose(loss(name, anchors, pairs, candidates), loss(name, anchors, Pairs.of(LABELS)))


def test_a_mixture_that_is_not_of_an_objective_is_refused():
    recipe = mixtures()
    for name, cls in mixviz.OBJECTIVES.items():
        if cls.mixes:
            metric_learning.check(objective(name), "CutMix", recipe)
        else:
            told = "CutMix mixes labels: take an objective with graded" if cls.labels else "CutMix mixes them: take a"
            with pytest.raises(ValueError, match=told):
                metric_learning.check(objective(name), "CutMix", recipe)
        metric_learning.check(objective(name), "Baseline", mixtures("baseline"))


# ---- all losses


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_gradients_are_those_of_finite_differences(name):
    pairs = Pairs.of(LABELS)
    text = f"{name}:temperature=0.3" if name == "smooth_ap" else name
    given = vectors().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(text, x, pairs), given)
    if mixviz.OBJECTIVES[name].mixes:
        graded = Pairs.of_mixtures(LABELS, mixtures())
        others = vectors(seed=3).requires_grad_()
        assert torch.autograd.gradcheck(lambda x, y: loss(text, x, graded, y), (given, others))


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_losses_ignore_length_order_and_pairs_that_do_not_count(name):
    given, pairs = vectors(), Pairs.of(LABELS)
    exact = loss(name, given, pairs)
    assert exact > 0
    assert torch.allclose(loss(name, given * torch.arange(1, 11)[:, None], pairs), exact)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(loss(name, given[order], Pairs.of(LABELS[order])), exact)
    if not mixviz.OBJECTIVES[name].proxies:
        far = torch.cat([given, -given[:1]])  # one more, related to none
        blank = functional.pad(pairs.positive, (0, 1, 0, 1)), functional.pad(pairs.negative, (0, 1, 0, 1))
        assert torch.allclose(loss(name, far, Pairs(*blank, functional.pad(LABELS, (0, 1)))), exact)


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_a_batch_without_positives_has_a_loss_with_a_gradient(name):
    given = vectors(4).requires_grad_()
    value = loss(name, given, Pairs.of(torch.arange(4)))
    value.backward()
    assert value.isfinite()
    assert given.grad.isfinite().all()


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_a_step_against_the_gradient_lowers_the_loss(name):
    given, pairs = vectors().requires_grad_(), Pairs.of(LABELS)
    before = loss(name, given, pairs)
    before.backward()
    assert loss(name, (given - 1e-3 * given.grad).detach(), pairs) < before


# ---- each one


def test_smooth_ap_at_a_sharp_temperature_is_one_minus_map():
    given = vectors(40, 8)
    labels = torch.arange(40) % 7 % 5  # unequal classes
    exact = measures.retrieval(given.float(), labels).mean_average_precision
    assert loss("smooth_ap:temperature=0.0001", given, Pairs.of(labels)).item() == pytest.approx(1 - exact, abs=1e-3)


@pytest.mark.parametrize("name", ["smooth_ap", "quantized_ap"])
def test_perfect_clusters_of_unequal_sizes_have_no_loss(name):
    given = torch.eye(4, dtype=torch.float64)[LABELS]
    assert loss(name, given, Pairs.of(LABELS)).item() == pytest.approx(0, abs=1e-9)


def test_quantized_ap_is_that_of_a_histogram():
    given, bins, average = vectors(), 5, []
    unit = functional.normalize(given, dim=1)
    for query in range(9):  # the last is alone in its class
        hits, seen, total = 0.0, 0.0, 0.0
        positives = [j for j in range(10) if LABELS[j] == LABELS[query] and j != query]
        for m in range(bins):
            centre, width = 1 - m * 2 / (bins - 1), 2 / (bins - 1)
            share = {j: max(0.0, 1 - abs((unit[query] @ unit[j]).item() - centre) / width) for j in range(10)}
            found = sum(share[j] for j in positives)
            hits, seen = hits + found, seen + sum(share[j] for j in range(10) if j != query)
            total += hits / seen * found / len(positives) if found else 0
        average.append(total)
    assert loss("quantized_ap:bins=5", given, Pairs.of(LABELS)).item() == pytest.approx(1 - np.mean(average))


def test_contrastive_loss_is_that_of_pytorch_metric_learning():
    pml = metric_learning_library()
    cosine = pml.distances.CosineSimilarity()
    expected = pml.losses.ContrastiveLoss(pos_margin=1, neg_margin=0.2, distance=cosine)(vectors(), LABELS)
    assert torch.allclose(loss("contrastive:margin=0.2", vectors(), Pairs.of(LABELS)), expected)


def test_triplet_loss_is_that_of_pytorch_metric_learning():
    pml = metric_learning_library()
    given, plain = vectors(), pml.losses.TripletMarginLoss(margin=0.3)
    miners = {
        "all": pml.miners.TripletMarginMiner(margin=10, type_of_triplets="all"),
        "semihard": pml.miners.TripletMarginMiner(margin=0.3, type_of_triplets="semihard"),
        "hard": pml.miners.BatchHardMiner(),
    }
    for mining, miner in miners.items():
        expected = plain(given, LABELS, miner(given, LABELS))
        found = loss(f"triplet:margin=0.3,mining={mining}", given, Pairs.of(LABELS))
        assert torch.allclose(found, expected), mining


def test_proxy_anchor_is_that_of_pytorch_metric_learning():
    pml = metric_learning_library()
    reference = pml.losses.ProxyAnchorLoss(num_classes=4, embedding_size=4, margin=0.1, alpha=8)
    reference.proxies = torch.nn.Parameter(vectors(4, 4, 9))
    expected = reference(vectors(), LABELS)
    assert torch.allclose(loss("proxy_anchor:alpha=8", vectors(), Pairs.of(LABELS)), expected)


def test_ranking_takes_the_best_positive_and_the_hardest_negatives():
    angles = torch.tensor([0.0, 0.4, 0.9, 0.5, 0.6, 2.0], dtype=torch.float64)
    given = torch.stack([angles.cos(), angles.sin()], 1)
    pairs = Pairs.of(torch.tensor([0, 0, 0, 1, 2, 3]))
    only = torch.zeros(6, 1)
    only[0] = 1  # one query: 0, with positives at 0.4 and 0.9
    pairs = Pairs(pairs.positive * only, pairs.negative * only, pairs.labels)

    def squared(angle: float) -> float:
        return 2 - 2 * np.cos(angle)

    best = squared(0.4)
    for count, hardest in ((1, [0.5]), (2, [0.5, 0.6]), (10, [0.5, 0.6, 2.0])):
        expected = sum(max(0, best + 0.3 - squared(angle)) for angle in hardest)
        found = loss(f"netvlad_ranking:margin=0.3,negatives={count}", given, pairs)
        assert found.item() == pytest.approx(expected)


# ---- trainings


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return picture_folder(tmp_path_factory.mktemp("pictures"), side=32)


def run_of(root, **changes) -> Run:
    values = {"network": "test_resnet", "image_size": 32, "epochs": 2, "batch_size": 12, "per_class": 4, "lr": 0.01}
    return Run(root=str(root), **{**values, "method": "baseline", **changes})


def train(run: Run, out, **more):
    from mixviz.training.trainer import train

    return train(run, out, **{"bar": False, "tell": lambda line: None, **more})


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_a_training_that_was_stopped_ends_with_the_same_bits(name, pictures, tmp_path, monkeypatch):
    from mixviz.training.trainer import Training

    run = run_of(pictures, objective=name, method="cutmix" if name in MIXING else "baseline")
    train(run, tmp_path / "whole")
    step = Training.step

    def stopped(self, epoch, index, *rest):
        if (epoch, index) == (1, 1):
            raise KeyboardInterrupt
        return step(self, epoch, index, *rest)

    monkeypatch.setattr(Training, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path / "parts", minutes=0)
    monkeypatch.undo()
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    train(run, tmp_path / "parts", resume=True)
    one, other = (load_file(tmp_path / part / "last.safetensors") for part in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    if mixviz.OBJECTIVES[name].proxies:
        assert not one["fc.bias"].any()


def test_mixing_is_refused_before_the_training(pictures, tmp_path):
    with pytest.raises(ValueError, match="Triplet loss compares pictures of one class, and CutMix mixes labels"):
        train(run_of(pictures, objective="triplet", method="cutmix"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_messages_and_card_speak_of_retrieval(pictures, tmp_path):
    lines: list[str] = []
    train(run_of(pictures, objective="smooth_ap", epochs=1), tmp_path, tell=lines.append)
    last = json.loads((tmp_path / "log.jsonl").read_text())
    precision = 100 - 100 * last["val_loss"]
    assert f"recall@1 {last['top1']:.2f} %, recall@5 {last['top5']:.2f} %, mAP {precision:.2f} %" in lines[-1]
    text = (tmp_path / "card.md").read_text()
    assert f"| last epoch | {last['top1']:.2f} | {last['top5']:.2f} | {precision:.2f} |" in text
    assert "accuracy" not in text
    assert "--objective smooth_ap" in card_text.command(model_card.read(tmp_path))


def test_proxies_learn_at_their_own_rate(pictures, tmp_path):
    from mixviz.training.trainer import Training

    training = Training(run_of(pictures, objective="proxy_anchor:rate=50"), tmp_path, bar=False, tell=lambda line: None)
    images, labels = next(training.train.training(12, 0, 0, per_class=4))
    training.step(0, 0, images, labels)
    rates = {group["lr"] / 0.01: [tuple(p.shape) for p in group["params"]] for group in training.optimizer.param_groups}
    assert rates[50] == [(3, 96)]

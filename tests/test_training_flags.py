"""Common training flags: each against torch or a calculation by hand, on mixed batches, and with stopping and
resuming."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from cases import picture_folder
from safetensors.torch import load_file, save_file
from test_training import Trap, dull, log, same_weights, small, train, weights
from torch.nn import functional
from typer.testing import CliRunner

import mixviz
from mixviz import Recipe, __main__
from mixviz.evaluation import runner
from mixviz.networks import architectures, card_text, files, model_card, pretrained, trunk
from mixviz.networks.model_card import ModelCard
from mixviz.networks.run import Run
from mixviz.training import setup
from mixviz.training.trainer import Training

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")

# At 16 px the last strided convolution sees a single pixel, where bf16 on a CPU with AVX-512 BF16 gives its weights a
# gradient of uninitialised memory (torch 2.14).
EVERYTHING = {
    "method": "cutmix", "mix_prob": 0.7, "batch_size": 2, "accumulate": 2, "label_smoothing": 0.1, "ema": 0.8,
    "class_weights": "balanced", "freeze": 2, "precision": "bf16", "image_size": 32,
    "mean": "0.4,0.5,0.6", "std": "0.25",
}  # fmt: skip


@pytest.fixture(scope="module")
def lopsided(tmp_path_factory) -> Path:
    """Write eight, four and four training pictures of three classes."""
    root = picture_folder(tmp_path_factory.mktemp("lopsided"))
    for name in ("bee", "cat"):
        for index in range(4, 8):
            (root / "train" / name / f"{index:02d}.png").unlink()
    return root


def pretrain(path: Path, name: str = "test_resnet", classes: int = 7, **metadata: str) -> dict[str, torch.Tensor]:
    """Write a weights file like timm's, from a network whose batch norm has running statistics."""
    torch.manual_seed(11)
    network = timm.create_model(name, num_classes=classes)
    state = {key: v + 0.1 * torch.rand_like(v) if v.is_floating_point() else v + 5 for key, v in
             network.state_dict().items()}  # fmt: skip
    save_file(state, path, {"format": "pt", **metadata})
    return state


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("start") / "model.safetensors"
    pretrain(path)
    return path


def stopped(monkeypatch, step: int, run: Run, out: Path) -> None:
    """Train until a step, counted from 1, and stop within it."""
    count, real = [0], torch.optim.SGD.step

    def counted(self, *given):
        count[0] += 1
        if count[0] == step:
            raise KeyboardInterrupt
        return real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", counted)
        with pytest.raises(KeyboardInterrupt):
            train(run, out, minutes=0.0)


def batches(training: Training, epoch: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    run = training.run
    return list(training.train.training(run.batch_size, run.seed, epoch, 0, run.accumulate))


def opened(run: Run, out: Path) -> Training:
    training = Training(run, out, tell=lambda line: None, bar=False)
    training.network.train()
    return training


# ---- pretrained weights


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("classes", [7, 3])
def test_all_but_a_head_of_another_width_comes_from_the_file(tmp_path, name, classes):
    given = pretrain(tmp_path / "model.safetensors", name)
    torch.manual_seed(0)
    network = architectures.build(name, classes)
    fresh = copy.deepcopy(network.state_dict())
    about = pretrained.load(network, name, tmp_path / "model.safetensors")
    heads = [key for key in given if key.startswith(f"{network.pretrained_cfg['classifier']}.")]
    assert len(heads) == 2
    for key, value in network.state_dict().items():
        expected = fresh if key in heads and classes != 7 else given
        assert torch.equal(value, expected[key]), key
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert about == {"file": "model.safetensors", "sha256": digest, "license": "", "source": ""}


def test_both_heads_of_a_distilled_transformer_are_replaced():
    with torch.device("meta"):
        network = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=3)
    assert pretrained._heads(network) == ("head.", "head_dist.")


def test_a_file_without_a_head_or_in_half_precision_fits_too(tmp_path):
    given = pretrain(tmp_path / "whole.safetensors")
    halved = {key: v.half() if v.is_floating_point() else v for key, v in given.items() if not key.startswith("fc.")}
    save_file(halved, tmp_path / "half.safetensors")
    network = architectures.build("test_resnet", 7)
    pretrained.load(network, "test_resnet", tmp_path / "half.safetensors")
    for key, value in halved.items():
        assert network.state_dict()[key].dtype == given[key].dtype
        assert torch.equal(network.state_dict()[key], value.to(given[key].dtype))


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, pictures):
    given, path, trap = pretrain(tmp_path / "good.safetensors"), tmp_path / "model.safetensors", tmp_path / "sprung"
    first = "conv1.0.weight" if "conv1.0.weight" in given else next(iter(given))

    def refused(says: str, **changes) -> None:
        with pytest.raises(ValueError, match=says) as caught:
            train(small(pictures, **{"pretrained": str(path), **changes}), tmp_path / "out")
        assert str(changes.get("pretrained", path)) in str(caught.value)
        assert not (tmp_path / "out").exists()

    refused("there is no such file")
    refused("there is no such file", pretrained=str(tmp_path))
    torch.save({"a": Trap(trap)}, path)
    refused("no safetensors file, or damaged.*Pickled weights.*are refused.*safetensors.torch.save_file")
    assert not trap.exists()
    whole = (tmp_path / "good.safetensors").read_bytes()
    path.write_bytes(whole[:-1])
    refused("no safetensors file, or damaged")
    path.write_bytes(whole)
    refused("does not fit --network test_vit: it lacks .* of the network's", network="test_vit")
    for changes, says in (
        ({first: given[first][:-1].clone()}, f"its {first} is .*, the network's .*--stem and --width"),
        ({first: given[first] * math.nan}, f"its {first} holds NaN or infinity"),
        ({first: given[first].to(torch.int8)}, f"its {first} holds torch.int8, the network's torch.float32"),
        ({"more": torch.ones(2)}, "it holds 1 tensors that the network has not, more among them"),
    ):
        save_file({**given, **changes}, path)
        refused(says)


def test_what_a_card_tells_of_the_start(tmp_path, pictures, monkeypatch):
    """The card has the file's name, checksum and terms, never its folder; and timm's documented normalisation for the
    network, which for this one is not ImageNet's."""
    path, told = tmp_path / "start.safetensors", []
    pretrain(path, license="Apache-2.0", source="somebody's page")
    run = small(pictures, pretrained=str(path), epochs=1, freeze=1, label_smoothing=0.1, ema=0.5)
    train(run, tmp_path / "out", tell=told.append)
    assert (
        told[0] == "Starts from start.safetensors; pictures are normalised by mean 0.5, 0.5, 0.5 and std 0.5, 0.5, 0.5."
    )
    card, text = model_card.read(tmp_path / "out"), (tmp_path / "out" / "card.md").read_text()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.pretrained == {
        "file": "start.safetensors", "sha256": digest, "license": "Apache-2.0", "source": "somebody's page",
    }  # fmt: skip
    assert card.run["pretrained"] == "start.safetensors"
    assert (card.network.mean, card.network.std) == ((0.5,) * 3, (0.5,) * 3)
    for said in (digest, "licence Apache-2.0, source somebody's page", "the lowest 1 stages", "label smoothing 0.1",
                 "ema 0.5 (the weights are this average)"):  # fmt: skip
        assert said in text
    for name in ("card.json", "card.md", "checkpoint.safetensors"):
        assert str(tmp_path).encode() not in (tmp_path / "out" / name).read_bytes()
    assert "--pretrained start.safetensors" in card_text.command(card)
    metrics = runner.assess(tmp_path / "out", pictures, parts=["accuracy"]).metrics
    assert metrics["accuracy"]["cross_entropy_nats"] == pytest.approx(log(tmp_path / "out")[-1]["val_loss"], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "mean", "std"),
    [
        ({}, mixviz.IMAGENET_MEAN, mixviz.IMAGENET_STD),
        ({"mean": "0.5", "std": "0.25"}, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        ({"mean": "0.1, 0.2,0.3", "std": "1,2,4", "pretrained": "start"}, (0.1, 0.2, 0.3), (1, 2, 4)),
        ({"pretrained": "start"}, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_the_network_sees_pictures_normalised_as_said(tmp_path, pictures, start, changes, mean, std):
    changes = {**changes, "pretrained": str(start)} if "pretrained" in changes else changes
    training = opened(small(pictures, method="baseline", **changes), tmp_path / "out")
    ((images, labels), *_) = batches(training)
    seen, _, _ = training.mix(0, 0, images.clone(), labels)
    columns = (torch.tensor(values)[None, :, None, None] for values in (mean, std))
    torch.testing.assert_close(seen, (images / 255 - next(columns)) / next(columns))


STEM = ("conv_stem.", "bn1.")
LOWER = (*STEM, "blocks.0.", "blocks.1.", "blocks.2.", "blocks.3.")


@pytest.mark.parametrize(("count", "lower"), [(4, LOWER), (7, (*STEM, "blocks.", "conv_head.", "bn2."))])
def test_frozen_stages_are_those_below(count, lower):
    """The first four stages of EfficientNet-Lite0 are the stem, its batch norm, and blocks 0 to 3, and nothing else.

    With all stages, what follows them is frozen, too.
    """
    with torch.device("meta"):
        network = architectures.build("tf_efficientnet_lite0", 37)
    still = setup.freeze(Run(network="tf_efficientnet_lite0", pretrained="x", freeze=count), network)
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in network.named_parameters() if name.startswith(lower)}
    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    names = {name for name, module in leaves if any(module is one for one in still)}
    assert names == {name for name, _ in leaves if f"{name}.".startswith(lower)}


@pytest.mark.parametrize(
    ("network", "stages", "lower"),
    [  # the stem of this ResNet is three convolutions deep, which makes it a stage
        ("test_resnet", 3, ("conv1.", "bn1.", "layer1.", "layer2.")),
        ("test_vit", 2, ("patch_embed.", "blocks.0.", "blocks.1.", "cls_token", "pos_embed")),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "more", [{}, {"optimizer": "adamw", "method": "saliencymix_plus"}, {"method": "manifold_mixup", "ema": 0.9}]
)
def test_frozen_stages_stay_to_the_bit_and_the_others_move(tmp_path, network, stages, lower, more):
    """Weight decay, batch norm's statistics and counts, and the average of the weights do not change them either."""
    root = picture_folder(tmp_path / "d", train=2, val=1)
    given = pretrain(tmp_path / "s.safetensors", network)
    run = small(root, network=network, image_size=32, augment="none", pretrained=str(tmp_path / "s.safetensors"),
                freeze=stages, batch_size=3, weight_decay=0.1, **more)  # fmt: skip
    train(run, tmp_path / "out")
    trained = weights(tmp_path / "out")
    for key, value in given.items():
        if not key.startswith(run_head(network)):
            assert torch.equal(trained[key], value) == key.startswith(lower), key


def test_the_validation_takes_what_frozen_stages_gave_before(tmp_path, monkeypatch):
    root, start = picture_folder(tmp_path / "d", train=2, val=3), tmp_path / "s.safetensors"
    pretrain(start, "test_resnet")
    run = small(root, network="test_resnet", image_size=32, pretrained=str(start), freeze=3, epochs=3, test_size=64)
    training = Training(run, tmp_path / "divided")
    training.go()
    assert training.features
    monkeypatch.setattr(trunk, "split", lambda *_: None)
    train(run, tmp_path / "whole")
    assert same_weights(tmp_path / "divided", tmp_path / "whole")
    ours, theirs = log(tmp_path / "divided"), log(tmp_path / "whole")
    assert [line["val_loss"] for line in ours] == [line["val_loss"] for line in theirs]
    assert len({line["val_loss"] for line in ours}) == 3


def run_head(network: str) -> str:
    return "fc." if network == "test_resnet" else "head."


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"freeze": 2, "pretrained": ""}, "--freeze 2 would keep fresh weights as they are: give --pretrained too"),
        ({"freeze": 9}, "--freeze 9: test_resnet has 5 stages"),
        ({"class_weights": "1,2"}, r"--class-weights has 2 numbers for 3 classes \(ant, bee, cat\)"),
        (
            {"accumulate": 7},
            r"24 training pictures make no batch of 28 \(4 on each of 1, 7 times\): lower --batch-size",
        ),
        ({"precision": "float16"}, "fp16 needs a GPU"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, pictures, start, changes, says):
    with pytest.raises(ValueError, match=says):
        train(small(pictures, **{"pretrained": str(start), **changes}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- the run


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mean": "0.5"}, "belong together"),
        ({"std": "0.5"}, "belong together"),
        ({"mean": "0.5,0.5", "std": "1"}, "--mean should be one number or three"),
        ({"mean": "half", "std": "1"}, "--mean should be one number or three.*'half'"),
        ({"mean": "123.7,116.3,103.5", "std": "58.4,57.1,57.4"}, "divide by 255"),
        ({"mean": "0.5", "std": "0"}, "--std should be one number or three.*from 0.001 to 10"),
        ({"mean": "nan", "std": "1"}, "--mean should be one number or three"),
        ({"class_weights": "equal"}, "--class-weights should be balanced, or a number for each class.*'equal'"),
        ({"class_weights": "1,-2,3"}, "0 or more"),
        ({"class_weights": "0,0,0"}, "not all 0"),
        ({"class_weights": "1,inf,1"}, "0 or more"),
        ({"class_weights": "1,nan,1"}, "0 or more"),
        ({"precision": "O1"}, "fp32, bf16, fp16"),
    ],
)
def test_texts_that_mean_nothing_are_refused(values, says):
    with pytest.raises(ValueError, match=says):
        Run(**values)


def test_precision_has_the_names_that_other_trainers_use(tmp_path, monkeypatch, pictures):
    for name, ours in {"no": "fp32", "float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "bf16": "bf16"}.items():
        assert Run(precision=name) == Run(precision=ours)
        assert Run(precision=name).to_json()["precision"] == ours
    seen = []
    monkeypatch.setattr("mixviz.training.trainer.train", lambda run, out, **_: seen.append(run) or stop())

    def stop():
        raise ValueError("seen")

    for flag in ("--amp", "--precision"):
        CliRunner().invoke(__main__.app, ["train", "--root", str(pictures), flag, "bfloat16"])
    assert [run.precision for run in seen] == ["bf16", "bf16"]


def test_a_run_from_before_these_flags_is_read_and_stands_beside_todays(tmp_path, pictures, monkeypatch):
    """A checkpoint without the new fields resumes; a card without them equals one with the defaults."""
    new = ("pretrained", "freeze", "mean", "std", "accumulate", "label_smoothing", "class_weights", "ema")
    run, before = small(pictures), {key: value for key, value in small(pictures).to_json().items() if key not in new}
    assert Run.from_json(before) == run
    stopped(monkeypatch, 3, run, tmp_path / "old")
    path = tmp_path / "old" / "checkpoint.safetensors"
    tensors, values = files.load_tensors(path)
    values["run"] = {key: value for key, value in values["run"].items() if key not in new}
    files.save_tensors(path, tensors, values)
    train(run, tmp_path / "old", resume=True)
    train(run, tmp_path / "whole")
    assert same_weights(tmp_path / "old", tmp_path / "whole")
    card = model_card.read(tmp_path / "whole")
    run = {key: value for key, value in card.run.items() if key not in new}
    old = ModelCard.from_json({**{key: card.given[key] for key in card.given if key != "pretrained"}, "run": run})
    other = card.changed(run={**card.run, "seed": 1})
    assert [name for name, _ in model_card.rows([old, other])] == ["CutMix", "CutMix"]
    assert [name for name, _ in model_card.rows([old, card.changed(run={**card.run, "ema": 0.9})])] == [
        "CutMix / ema 0.0", "CutMix / ema 0.9",
    ]  # fmt: skip
    assert "ema" not in card_text.markdown(old)


# ---- the loss


@pytest.mark.parametrize("method", ["baseline", "mixup", "mosaic"])
@pytest.mark.parametrize(
    ("smoothing", "given"), [(0.0, "3,0,0.5"), (0.3, ""), (1.0, ""), (0.3, "3,0,0.5"), (0.1, "balanced")]
)
def test_smoothing_and_class_weights_on_soft_labels_by_hand(tmp_path, monkeypatch, lopsided, method, smoothing, given):
    """The mean over pictures of Σ_c w_c·((1 - ε)·t_c + ε/C)·(-log p_c), where all scores are 3, 2, 1."""
    dull(monkeypatch)
    seen, targets = [], Recipe.targets
    monkeypatch.setattr(Recipe, "targets", lambda self, *a: seen.append(targets(self, *a)) or seen[-1])
    run = small(lopsided, method=method, epochs=1, lr=0.0, weight_decay=0.0, accumulate=2, batch_size=2,
                label_smoothing=smoothing, class_weights=given)  # fmt: skip
    train(run, tmp_path / "out")
    (line,) = log(tmp_path / "out")
    soft = torch.cat(seen).double().numpy()
    assert soft.shape == (16, 3)
    assert (method == "baseline") == (soft.max(1) == 1).all()
    scores = np.array([3.0, 2.0, 1.0])
    surprise = np.log(np.exp(scores).sum()) - scores
    # Of sixteen pictures eight, four and four: 16 / (3·8), 16 / (3·4) twice.
    weight = {"": [1, 1, 1], "balanced": [2 / 3, 4 / 3, 4 / 3], "3,0,0.5": [3, 0, 0.5]}[given]
    expected = (np.array(weight) * ((1 - smoothing) * soft + smoothing / 3) * surprise).sum(1).mean()
    assert line["train_loss"] == pytest.approx(expected, rel=1e-6)
    assert line["val_loss"] == pytest.approx(surprise.mean(), rel=1e-6)  # of three pictures each, and plain


def test_a_mixture_cannot_have_an_ignored_part():
    recipe = mixviz.METHODS["baseline"]().plan(mixviz.Batch(torch.zeros(2, 3, 8, 8)), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"labels run from -100 to 3.*No part of a mixture can be ignored"):
        recipe.targets(torch.tensor([-100, 3]), 4)


# ---- accumulated gradients


@pytest.mark.parametrize("augment", ["crop", "none"])
@pytest.mark.parametrize("resident", [True, False])
def test_accumulated_gradients_are_those_of_the_larger_batch(tmp_path, monkeypatch, lopsided, augment, resident):
    """Without batch norm, whose statistics are per batch, they are equal up to the order of float32 additions."""
    if not resident:
        monkeypatch.setattr("mixviz.training.loader.fits", lambda *_: False)
    common = {"network": "test_vit", "image_size": 32, "method": "baseline", "augment": augment, "epochs": 2,
              "label_smoothing": 0.1, "class_weights": "balanced", "limit": 4}  # fmt: skip
    train(small(lopsided, **common, batch_size=6), tmp_path / "one")
    train(small(lopsided, **common, batch_size=2, accumulate=3), tmp_path / "parts")
    one, parts = weights(tmp_path / "one"), weights(tmp_path / "parts")
    torch.manual_seed(0)
    fresh = architectures.build("test_vit", 3).state_dict()
    for name, value in one.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=2e-6)
    assert max((value - fresh[name]).abs().max().item() for name, value in one.items()) > 1e-2
    for first, second in zip(log(tmp_path / "one"), log(tmp_path / "parts"), strict=True):
        assert second == pytest.approx(first, rel=1e-4)


@pytest.mark.parametrize("method", ["mixup", "cutmix", "manifold_mixup", "saliencymix_plus"])
def test_accumulated_gradients_of_mixed_batches_are_the_mean_of_theirs(tmp_path, pictures, method):
    """Running the network in between does not change the accumulated gradients, and each batch is mixed on its own."""
    run = small(pictures, method=method, accumulate=3, label_smoothing=0.2, batch_size=4)
    training = opened(run, tmp_path / "out")
    twin, lams = opened(run, tmp_path / "twin"), []
    total: dict[str, torch.Tensor] = {}
    for part, (images, labels) in enumerate(batches(twin)[:3]):
        mixed, targets, recipe = twin.mix(0, 0, images.clone(), labels, part)
        with mixviz.mix_inside(twin.plain, recipe):
            logits = twin.plain(mixed)
        soft = 0.8 * targets + 0.2 / 3
        loss = -(soft * functional.log_softmax(logits, 1)).sum(1).mean()
        grads = torch.autograd.grad(loss, list(twin.plain.parameters()))
        for (name, _), grad in zip(twin.plain.named_parameters(), grads, strict=True):
            total[name] = total.get(name, 0) + grad / 3
        lams.append(recipe.share.tolist())
    before = {name: p.detach().clone() for name, p in training.plain.named_parameters()}
    for part, (images, labels) in enumerate(batches(training)[:3]):
        training.step(0, 0, images, labels, part)
        moved = any(not torch.equal(p, before[name]) for name, p in training.plain.named_parameters())
        assert moved == (part == 2)
    for name, parameter in training.plain.named_parameters():
        torch.testing.assert_close(parameter.grad, total[name], rtol=1e-4, atol=1e-6)
    assert all(one != two for one, two in itertools.pairwise(lams))


def test_a_step_of_many_batches_counts_once(tmp_path, monkeypatch, pictures):
    """Twelve batches of two are three steps of eight; the rate follows the steps, and all pictures count."""
    rates, real = [], torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: rates.append(self.param_groups[0]["lr"]) or real(self))
    seen, step = [], Training.step

    def watched(self, *given):
        seen.append(len(given[2]))
        return step(self, *given)

    monkeypatch.setattr(Training, "step", watched)
    run = small(pictures, batch_size=2, accumulate=4, epochs=1)
    train(run, tmp_path / "out", minutes=0.0)
    assert seen == [2] * 12
    assert rates == pytest.approx([run.lr_at(step / 3) for step in range(3)])
    assert log(tmp_path / "out")[0]["lr"] == pytest.approx(run.lr_at(2 / 3))


# ---- the average of the weights


def test_the_average_of_the_weights_by_hand(tmp_path, monkeypatch, pictures):
    """a = d·a + (1 - d)·w after each step, from the first weights on, including batch norm's statistics; counts are the
    network's own. The average is validated and stored; training continues with the weights themselves."""
    decay, told = 0.7, []
    run = small(pictures, ema=decay, mix_prob=0.5)
    training = opened(run, tmp_path / "watched")
    kept = {key: value.double() for key, value in training.plain.state_dict().items()}
    for epoch in range(2):
        for step, (images, labels) in enumerate(batches(training, epoch)):
            training.step(epoch, step, images, labels)
            for key, value in training.plain.state_dict().items():
                kept[key] = decay * kept[key] + (1 - decay) * value if value.is_floating_point() else value.clone()
        training._validate()
        training.network.train()
    result = train(run, tmp_path / "out", tell=told.append)
    found = weights(tmp_path / "out")
    for key, value in kept.items():
        torch.testing.assert_close(found[key].to(value.dtype), value, rtol=1e-5, atol=1e-6)
    tensors, _ = files.load_tensors(tmp_path / "out" / "checkpoint.safetensors")
    for key, value in training.plain.state_dict().items():
        assert torch.equal(tensors[f"network.{key}"], value)
        assert torch.equal(tensors[f"average.{key}"], found[key])
    train(small(pictures, mix_prob=0.5), tmp_path / "plain")
    assert all(torch.equal(tensors[f"network.{key}"], value) for key, value in weights(tmp_path / "plain").items())
    assert not same_weights(tmp_path / "plain", tmp_path / "out")
    metrics = runner.assess(tmp_path / "out", pictures, parts=["accuracy"]).metrics
    assert metrics["accuracy"]["cross_entropy_nats"] == pytest.approx(result["last"]["val_loss"], abs=1e-5)
    best = runner.assess(tmp_path / "out", pictures, parts=["accuracy"], weights="best").metrics
    assert best["accuracy"]["cross_entropy_nats"] == pytest.approx(result["best"]["val_loss"], abs=1e-5)
    assert told[0].startswith("--ema 0.7: after the 12 steps of this run its average still holds 1.4 % of the weights")
    assert "0.6813 would leave 1 %" in told[0]  # 0.01 ** (1 / 12)


# ---- all flags, stopped and resumed


def test_with_every_flag_a_training_stopped_within_an_epoch_ends_in_the_same_bits(
    tmp_path, monkeypatch, lopsided, start
):
    run = small(lopsided, **EVERYTHING, pretrained=str(start))
    train(run, tmp_path / "whole")
    stopped(monkeypatch, 7, run, tmp_path / "halted")  # in the third step of the second epoch
    elsewhere = tmp_path / "another name.safetensors"
    elsewhere.write_bytes(start.read_bytes())
    told = []
    moved = small(lopsided, **EVERYTHING, pretrained=str(elsewhere))
    train(moved, tmp_path / "halted", resume=True, tell=told.append)
    assert told[0] == "Going on at epoch 2, step 2 of 4."
    assert same_weights(tmp_path / "whole", tmp_path / "halted")
    assert same_weights(tmp_path / "whole", tmp_path / "halted", "best")
    assert log(tmp_path / "whole") == log(tmp_path / "halted")
    ends = [files.load_tensors(tmp_path / out / "checkpoint.safetensors")[0] for out in ("whole", "halted")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_going_on_with_other_flags_is_refused(tmp_path, lopsided, start):
    out = tmp_path / "out"
    train(small(lopsided, **EVERYTHING, pretrained=str(start), epochs=1), out)
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    other = tmp_path / start.name
    save_file({key: value * 2 for key, value in load_file(start).items()}, other)
    for name, value in {"accumulate": 1, "label_smoothing": 0.0, "ema": 0.0, "class_weights": "", "freeze": 1,
                        "precision": "fp32", "std": "0.3", "pretrained": str(other)}.items():  # fmt: skip
        changed = {**EVERYTHING, "pretrained": str(start), name: value}
        with pytest.raises(ValueError, match=f"holds another run; it differs in {name}. Give another --out"):
            train(small(lopsided, **changed, epochs=1), out, resume=True)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_run_starts_from_the_weights_of_another(tmp_path, pictures):
    """Its last weights serve as a file like timm's, with a head for other classes or for the same."""
    train(small(pictures, epochs=1), tmp_path / "first")
    file = tmp_path / "first" / "last.safetensors"
    given = small(pictures, pretrained=str(file), stem="small", classes="bee,cat", lr=0.0, weight_decay=0.0, epochs=1,
                  mean="0.485,0.456,0.406", std="0.229,0.224,0.225")  # fmt: skip
    train(given, tmp_path / "second")
    one, two = weights(tmp_path / "first"), weights(tmp_path / "second")
    for name, value in one.items():
        if not name.startswith("fc.") and "running" not in name and "tracked" not in name:
            assert torch.equal(two[name], value)
    assert two["fc.weight"].shape[0] == 2
    assert json.loads((tmp_path / "second" / "card.json").read_text())["pretrained"]["file"] == "last.safetensors"

"""Weights stored as differences from the weights that a training started from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from cases import picture_folder
from safetensors.torch import load_file, save_file

from mixviz.core.feature_mixing import stages
from mixviz.networks import architectures, differences, files, model_card, user_network, zoo
from mixviz.networks.run import Run

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"stem.weight": (8, 3, 3, 3), "stem.bias": (8,), "deep.weight": (16, 8, 1, 1), "head.weight": (5, 16)}
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {**tensors, "count": torch.tensor(7)}


def tuned(start: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights of which the stem stayed, the second layer moved, and the head is a new one of three classes."""
    return {**start, "deep.weight": start["deep.weight"] + 0.1 * weights(1)["deep.weight"],
            "head.weight": weights(2)["head.weight"][:3], "count": torch.tensor(9)}  # fmt: skip


def test_no_weight_is_off_by_more_than_half_a_step(tmp_path):
    start = weights()
    given = tuned(start)
    differences.save(tmp_path / "d.safetensors", given, start)
    back = differences.load(tmp_path / "d.safetensors", start)
    assert back.keys() == given.keys()
    assert torch.equal(back["stem.weight"], given["stem.weight"])
    assert torch.equal(back["head.weight"], given["head.weight"].half().float())
    assert back["count"] == 9
    moved = (given["deep.weight"] - start["deep.weight"]).flatten(1)
    off = (back["deep.weight"] - given["deep.weight"]).flatten(1).abs()
    half_a_step = moved.abs().amax(1, keepdim=True) / 63 / 2
    assert (off <= half_a_step * 1.001).all()
    assert off.max() > half_a_step.min() / 2  # it is rounded


def test_a_frozen_network_takes_no_room(tmp_path):
    start = {"weight": torch.randn(1000, 1000)}
    differences.save(tmp_path / "d.safetensors", start, start)
    assert (tmp_path / "d.safetensors").stat().st_size < 1000
    assert torch.equal(differences.load(tmp_path / "d.safetensors", start)["weight"], start["weight"])


def test_a_weight_takes_less_than_a_byte(tmp_path):
    start, generator = {"weight": torch.zeros(64, 4096)}, torch.Generator().manual_seed(0)
    differences.save(tmp_path / "d.safetensors", {"weight": torch.randn(64, 4096, generator=generator)}, start)
    assert (tmp_path / "d.safetensors").stat().st_size < 64 * 4096 * 0.82


@pytest.mark.parametrize("damage", ["short", "long", "bytes", "steps", "names", "plain"])
def test_damaged_differences_are_refused(tmp_path, damage):
    start, path = weights(), tmp_path / "d.safetensors"
    differences.save(path, tuned(start), start)
    stored, values = files.load_tensors(path)
    packed = stored[differences.PACKED]
    if damage == "short":
        stored[differences.PACKED] = packed[:-8]
    elif damage == "bytes":
        stored[differences.PACKED] = packed.flip(0)
    elif damage == "steps":
        stored[differences.STEPS] = stored[differences.STEPS][1:]
    elif damage == "names":
        values["of"] = ["elsewhere.weight"]
    elif damage == "plain":
        del stored[differences.PACKED]
    elif damage == "long":  # more weights than the start has
        start = {**start, "deep.weight": start["deep.weight"][:8]}
        values["of"], stored[differences.STEPS] = ["deep.weight"], torch.ones(8)
    files.save_tensors(path, stored, values)
    with pytest.raises(ValueError, match=r"d\.safetensors"):
        differences.load(path, start)


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory) -> tuple[Path, Path]:
    """Return a zoo that holds a reference, and a run that started from it with its lowest stages frozen."""
    from mixviz.training.trainer import train

    home = tmp_path_factory.mktemp("zoo")
    data, reference = picture_folder(home / "data", side=32), home / "models" / zoo.REFERENCE
    reference.mkdir(parents=True)
    torch.manual_seed(0)
    network = architectures.build("test_efficientnet", 10)
    assert len(stages(network)) > 2
    start = {k: t.half() if t.is_floating_point() else t for k, t in network.state_dict().items()}
    files.save_tensors(reference / zoo.WEIGHTS, start)
    card = {
        "title": "Reference",
        "network": {"name": "test_efficientnet", "stem": "standard", "width": 1.0, "image_size": 32,
                    "mean": [0.5] * 3, "std": [0.5] * 3},
        "data": {"classes": [f"class {i}" for i in range(10)]},
        "weights": {"file": zoo.WEIGHTS, "sha256": model_card.digest(reference / zoo.WEIGHTS)},
    }  # fmt: skip
    (reference / "card.json").write_text(json.dumps(card))
    run = Run(root=str(data), network="test_efficientnet", pretrained=str(reference / zoo.WEIGHTS), freeze=2,
              image_size=32, batch_size=8, epochs=2, lr=0.05)  # fmt: skip
    train(run, home / "run", bar=False, tell=lambda line: None)
    return home / "run", home / "models"


def test_the_zoo_keeps_a_finetuned_network_as_differences(finetuned, tmp_path):
    run, models = finetuned
    shutil.copytree(models, tmp_path / "models")
    home = zoo.add(run, "cutmix", tmp_path / "models")
    card = model_card.read(home)
    assert card.weights.start == zoo.REFERENCE
    zoo.verify("cutmix", tmp_path / "models")
    trained, stored = load_file(run / "last.safetensors"), zoo.load("cutmix", tmp_path / "models").state_dict()
    start = load_file(models / zoo.REFERENCE / zoo.WEIGHTS)
    assert trained.keys() == stored.keys()
    kept = [name for name in trained if name.startswith(("conv_stem", "blocks.0", "blocks.1"))]
    assert kept
    assert all(torch.equal(stored[name], start[name].to(stored[name].dtype)) for name in kept)
    # Half a step of each channel, and float16 elsewhere.
    assert all((stored[name] - trained[name]).abs().max() < 0.01 for name in trained)
    noise = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = (network(noise) for network in (zoo.load("cutmix", tmp_path / "models"),
                                                     user_network.read_folder(run).network))  # fmt: skip
    assert (one.softmax(1) - other.softmax(1)).abs().max() < 0.02


def test_networks_for_retrieval_lie_a_folder_deeper_and_may_lack_a_head(finetuned, tmp_path, monkeypatch):
    from mixviz.training.trainer import train

    run, models = finetuned
    shutil.copytree(models, tmp_path / "models")
    given = str(models / zoo.REFERENCE / zoo.WEIGHTS)
    of = Run(root=str(run.parent / "data"), network="test_efficientnet", pretrained=given, keep_stages=3, freeze=2,
             head="gem", objective="smooth_ap", per_class=4, method="baseline", image_size=32,
             batch_size=8, epochs=1)  # fmt: skip
    train(of, tmp_path / "run", bar=False, tell=lambda line: None)
    zoo.add(tmp_path / "run", "gem", tmp_path / "models" / zoo.RETRIEVAL)
    monkeypatch.setattr(zoo, "folder", lambda: tmp_path / "models")
    assert zoo.for_retrieval() == ["gem"]
    assert "gem" not in zoo.names()
    assert zoo.card("gem").weights.start == zoo.REFERENCE
    stored, trained = zoo.load("gem").state_dict(), load_file(tmp_path / "run" / "last.safetensors")
    assert trained.keys() == stored.keys()
    assert all((stored[name] - trained[name]).abs().max() < 0.01 for name in trained)


def test_differences_are_no_network_to_hand_in(finetuned, tmp_path):
    run, models = finetuned
    shutil.copytree(models, tmp_path / "models")
    home = zoo.add(run, "cutmix", tmp_path / "models")
    with pytest.raises(ValueError, match=r"differences from those of efficientnet_lite0: hand in the run's last"):
        user_network.read(home / "card.json", home / zoo.WEIGHTS)
    user_network.read(run / "card.json", run / "last.safetensors")


def test_another_start_is_refused(finetuned, tmp_path):
    run, models = finetuned
    shutil.copytree(models, tmp_path / "models")
    zoo.add(run, "cutmix", tmp_path / "models")
    path = tmp_path / "models" / zoo.REFERENCE / zoo.WEIGHTS
    tensors = load_file(path)
    save_file({**tensors, "conv_stem.weight": tensors["conv_stem.weight"] * 2}, path)
    with pytest.raises(ValueError, match="sha256 is another"):
        zoo.load("cutmix", tmp_path / "models")
    card = json.loads((path.parent / "card.json").read_text())
    card["weights"]["sha256"] = model_card.digest(path)
    (path.parent / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="differences from other weights than those of efficientnet_lite0"):
        zoo.load("cutmix", tmp_path / "models")
    shutil.rmtree(path.parent)
    with pytest.raises(ValueError, match="holds no card"):
        zoo.load("cutmix", tmp_path / "models")

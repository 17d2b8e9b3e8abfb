"""Networks measured together: the numbers that each has alone, and what they share is computed once."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import torch
from test_data import tiny_imagenet
from typer.testing import CliRunner

from mixviz import __main__
from mixviz.evaluation import corruptions, evaluate, parts, runner, sharing
from mixviz.networks import architectures, model_card, trunk
from mixviz.networks.run import Run
from mixviz.training.trainer import train

pytest.importorskip("timm")
NORMAL = {"mean": [0.5] * 3, "std": [0.25] * 3}
ALL = [name for name in parts.PARTS if name not in ("localisation", "embedding")]


@pytest.fixture(scope="module", autouse=True)
def _one_thread(one_thread_of_a_cpu):
    pass


def networks() -> list[torch.nn.Module]:
    """Two networks with the same stages but the last, and another head."""
    torch.manual_seed(0)
    first = architectures.build("test_resnet", 3).eval()
    second = copy.deepcopy(first)
    with torch.no_grad():
        for module in (second.layer4, second.fc):
            for weight in module.parameters():
                weight.add_(0.05 * torch.randn_like(weight))
    return [first, second]


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randint(0, 256, (10, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return images, torch.arange(10) % 3


def sets(memory: int = sharing.MEMORY, brief: bool = True) -> list:
    shared, (images, labels) = sharing.SharedFeatures(memory), pictures()
    found = []
    for network in networks():
        one = evaluate.prepared(network, images, labels, **NORMAL, others=255 - images[:6], brief=brief, batch_size=4)
        found.append(runner.replace(one, divided=trunk.split(network, 3), shared=shared))
    assert len({one.divided.key for one in found}) == 1
    return found


def without_times(metrics: dict) -> dict:
    return {key: value for key, value in metrics.items() if key != "seconds"}


@pytest.mark.parametrize("memory", [sharing.MEMORY, 20_000, 0])
def test_together_the_numbers_are_those_of_each_alone(memory):
    """Also where the memory takes some of the features, or none."""
    images, labels = pictures()
    ours = evaluate.together(sets(memory), ALL)
    for network, together in zip(networks(), ours, strict=True):
        alone = evaluate.evaluate(
            network, images, labels, **NORMAL, others=255 - images[:6], brief=True, batch_size=4, parts=ALL
        )
        assert without_times(together) == without_times(alone)
    assert ours[0]["accuracy"]["cross_entropy_nats"] != ours[1]["accuracy"]["cross_entropy_nats"]


def test_pictures_are_corrupted_once_and_pass_the_shared_stages_once(monkeypatch):
    corrupted, passed = [], []
    monkeypatch.setattr(
        parts, "corrupt", lambda images, *more: corrupted.append(len(images)) or corruptions.corrupt(images, *more)
    )
    these = sets()
    for one in these:
        one.divided.trunk.register_forward_hook(lambda _module, given, _out: passed.append(len(given[0])))
    evaluate.together(these, ["corruption"])
    assert sum(corrupted) == sum(passed) == 10 * len(corruptions.CORRUPTIONS)
    passed.clear()
    evaluate.together(these, ["pgd"])  # an attack depends on the network: the unchanged pictures alone are shared
    assert sum(passed) == 10


def test_an_attack_has_few_steps_which_are_told():
    (metrics,) = evaluate.together(sets()[:1], ["pgd"])
    assert (metrics["pgd"]["steps"], metrics["pgd"]["eps_of_255"]) == (parts.PGD_STEPS, [1])
    assert parts.PGD_STEPS == 5


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two networks fine-tuned from one start, whose first stages are frozen, and one of another start."""
    home = tmp_path_factory.mktemp("runs")
    root = tiny_imagenet(home / "data", train=8, val=4)
    given = {"data": "tiny_imagenet", "root": str(root), "network": "test_resnet", "epochs": 1, "batch_size": 8}
    quiet = {"bar": False, "tell": lambda line: None}
    train(Run(**given, method="baseline", stem="standard"), home / "start", **quiet)
    start = str(home / "start" / "last.safetensors")
    for method in ("cutmix", "mixup"):
        train(Run(**given, method=method, pretrained=start, freeze=2, lr=0.02), home / method, **quiet)
    return home, root


def test_cards_are_those_of_networks_measured_one_by_one(runs, tmp_path):
    home, root = runs
    names = ["cutmix", "start", "mixup"]
    alone, both = (
        [shutil.copytree(home / name, tmp_path / kind / name) for name in names] for kind in ("alone", "both")
    )
    quick = ("accuracy", "corruption", "pgd", "embedding")
    for folder in alone:
        runner.assess(folder, root, parts=quick, brief=True)
    told = []
    wanted = runner.Wanted(root, quick, brief=True)
    cards = runner.assess_together(both, wanted, progress=lambda *one: told.append(one))
    for one, other, card in zip(alone, both, cards, strict=True):
        assert without_times(model_card.read(one).metrics) == without_times(model_card.read(other).metrics)
        assert card.metrics == model_card.read(other).metrics
    assert told[:3] == [(name, "accuracy", 0, 4) for name in names]


def test_the_command_adds_parts_to_cards(runs, tmp_path):
    home, root = runs
    folders = [shutil.copytree(home / name, tmp_path / name) for name in ("cutmix", "mixup")]
    runner.assess(folders[0], root, parts=["accuracy"])
    before = json.loads((folders[0] / "card.json").read_text())["metrics"]["accuracy"]
    line = ["evaluate", *map(str, folders), "--root", str(root), "--brief", "--parts", "corruption,pgd"]
    result = CliRunner().invoke(__main__.app, line)
    assert result.exit_code == 0, result.output
    assert "mixup: pgd (2/2)" in result.output
    metrics = [json.loads((folder / "card.json").read_text())["metrics"] for folder in folders]
    assert metrics[0]["accuracy"] == before
    assert [sorted(one["brief"]) for one in metrics] == [["corruption", "pgd"]] * 2

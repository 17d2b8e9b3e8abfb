"""Networks, the zoo of trained networks, their cards, and training on the command line."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from cases import picture_folder
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

import mixviz
from mixviz import __main__
from mixviz.cam import grad_cam
from mixviz.networks import architectures, card_text, model_card, user_network, zoo
from mixviz.networks.run import Run

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


# ---- networks


def sizes(network: nn.Module, side: int) -> list[tuple[int, int]]:
    """Return the channels and the side in pixels after each of the four stages."""
    shapes, hooks = [], []
    for name in ("layer1", "layer2", "layer3", "layer4"):
        stage = getattr(network, name)
        hooks.append(stage.register_forward_hook(lambda m, i, out: shapes.append((out.shape[1], out.shape[-1]))))
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return shapes


@pytest.mark.parametrize(
    ("stem", "pixels"), [("small", [64, 32, 16, 8]), ("strided", [32, 16, 8, 4]), ("standard", [16, 8, 4, 2])]
)
def test_a_stem_decides_the_resolution(stem, pixels):
    assert sizes(architectures.build("resnet18", 5, stem=stem), 64) == list(
        zip((64, 128, 256, 512), pixels, strict=True)
    )


def test_width_scales_channels():
    network = architectures.build("resnet18", 5, width=0.375)
    assert [channels for channels, _ in sizes(network, 64)] == [24, 48, 96, 192]
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
    wide = architectures.build("resnet18", 5, width=1.5)
    assert [channels for channels, _ in sizes(wide, 64)] == [96, 192, 384, 768]


@pytest.mark.parametrize("name", ["resnet18", "test_vit", "test_efficientnet"])
def test_as_many_scores_as_classes(name):
    network = architectures.build(name, 7)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def resnet18_parameters(classes: int, width: float) -> int:
    """Count by hand: a 3x3 stem of 64 channels, four stages of two blocks of two 3x3 convolutions, and batch norm."""
    total, before = 3 * 64 * 9 + 2 * 64, 64
    for channels in (int(c * width) for c in (64, 128, 256, 512)):
        total += before * channels * 9 + 3 * channels * channels * 9 + 4 * 2 * channels
        if before != channels or channels != int(64 * width):  # a shortcut that fits channels and resolution
            total += before * channels + 2 * channels
        before = channels
    return total + before * classes + classes


@pytest.mark.parametrize(("scale", "classes"), [("small", 20), ("full", 200)])
def test_the_zoos_network(scale, classes):
    run = zoo.run_of("cutmix", scale, "data")
    network = architectures.build(run.network, classes, stem=run.stem, width=run.width)
    assert sum(p.numel() for p in network.parameters()) == resnet18_parameters(classes, run.width)
    maps, stage = [], grad_cam.heat_layer(network, (64, 64))
    network.get_submodule(stage).register_forward_hook(lambda m, i, out: maps.append(out))
    network.eval()(torch.zeros(1, 3, 64, 64))
    assert maps[0].shape[2:] == (8, 8)


@pytest.mark.parametrize("training", [True, False])
def test_looking_for_a_stage_leaves_the_network_as_it_was(training):
    network = architectures.build("test_resnet", 3).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    grad_cam.heat_layer(network, (32, 32))
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "resnet19"}, r"timm has no network 'resnet19'. Did you mean resnet1"),
        ({"name": "zzzzzz"}, r"timm has no network 'zzzzzz'\.$"),
        ({"name": "test_vit", "stem": "small"}, "only ResNets have a stem"),
        ({"name": "test_efficientnet", "stem": "strided"}, "only ResNets have a stem"),
        ({"name": "test_vit", "width": 2.0}, "only ResNets can be made wider"),
        ({"name": "resnetv2_50", "width": 0.5}, "only ResNets can be made wider"),
    ],
)
def test_what_a_network_does_not_have(given, says):
    with pytest.raises(ValueError, match=says):
        architectures.build(given.pop("name"), 3, **given)


def test_auto_is_the_small_stem_for_small_pictures():
    assert architectures.stem_for("resnet18", "auto", 64) == "small"
    assert architectures.stem_for("resnet18", "auto", 65) == "standard"
    assert architectures.stem_for("vit_tiny_patch16_224", "auto", 32) == "standard"
    assert architectures.stem_for("resnet18", "strided", 32) == "strided"
    assert architectures.stem_for("resnext50_32x4d", "auto", 32) == "small"  # a ResNet by another name
    assert architectures.stem_for("resnetv2_50", "auto", 32) == "standard"  # one by name alone


# ---- the zoo


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pictures) -> Path:
    """Train a run of two epochs at 32 pixels."""
    from mixviz.training.trainer import train

    out = tmp_path_factory.mktemp("runs") / "resizemix"
    run = Run(root=str(pictures), network="resnet18", width=0.125, stem="strided", image_size=32, batch_size=8,
              epochs=2, lr=0.05, method="resizemix")  # fmt: skip
    train(run, out, bar=False, tell=lambda line: None)
    return out


@pytest.fixture
def models(tmp_path, trained) -> Path:
    zoo.add(trained, "resizemix", tmp_path / "models")
    return tmp_path / "models"


def test_the_zoo_keeps_half_of_every_number(models, trained):
    home = models / "resizemix"
    full, half = load_file(trained / "last.safetensors"), load_file(home / "weights.safetensors")
    assert full.keys() == half.keys()
    for name, value in full.items():
        assert half[name].dtype == (torch.float16 if value.is_floating_point() else value.dtype)
        assert torch.equal(half[name], value.to(half[name].dtype))
    card = model_card.read(home)
    assert card.weights.sha256 == hashlib.sha256((home / "weights.safetensors").read_bytes()).hexdigest()
    assert card.given["weights"]["dtype"] == "float16"
    assert (home / "log.jsonl").read_bytes() == (trained / "log.jsonl").read_bytes()
    assert {key: value for key, value in card.given.items() if key not in ("weights", "metrics")} == {
        key: value for key, value in model_card.read(trained).given.items() if key != "metrics"
    }


def test_a_loaded_network_is_the_runs_in_half_precision(models, trained):
    state = torch.get_rng_state()
    network = zoo.load("resizemix", models)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in network.modules())
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    original = user_network.read_folder(trained).network
    for (name, one), two in zip(network.state_dict().items(), original.state_dict().values(), strict=True):
        assert torch.equal(one, two.half().float() if two.is_floating_point() else two), name
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores, expected = network(images), original(images)
    assert (scores - expected).abs().max() < 0.02 * expected.abs().max()  # eleven bits, through eighteen layers
    card = model_card.read(models / "resizemix")
    assert network.get_submodule(card.network.layer)
    assert sum(p.numel() for p in network.parameters()) == card.parameter_count


def test_any_changed_byte_is_noticed(models):
    path = models / "resizemix" / "weights.safetensors"
    raw = path.read_bytes()
    zoo.verify("resizemix", models)
    for place in (0, 9, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        for use in (zoo.verify, zoo.load):
            with pytest.raises(ValueError, match=r"not the file that the card describes|damaged"):
                use("resizemix", models)
    path.unlink()
    with pytest.raises(ValueError, match=r"resizemix: The weights, weights.safetensors, cannot be read"):
        zoo.load("resizemix", models)


def test_a_run_is_not_yet_in_the_zoo(tmp_path, trained):
    """The card in a run's folder, copied by hand, does not identify weights."""
    shutil.copytree(trained, tmp_path / "cutmix")
    with pytest.raises(ValueError, match=r"knows no weights.*zoo\.add"):
        zoo.verify("cutmix", tmp_path)


def test_only_what_has_ended_comes_into_the_zoo(tmp_path, trained):
    run = tmp_path / "run"
    with pytest.raises(ValueError, match=r"no run of `mixviz train`"):
        zoo.add(run, "cutmix", tmp_path / "models")
    shutil.copytree(trained, run)
    card_text.write(run, model_card.read(run).changed(result=None))
    with pytest.raises(ValueError, match=r"has not ended: go on with .*--resume"):
        zoo.add(run, "cutmix", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_weights_of_another_network_are_refused(models):
    home = models / "resizemix"
    card = model_card.read(home)
    card_text.write(home, card.changed(network={**card.given["network"], "width": 0.25}))
    with pytest.raises(ValueError, match=r"resizemix: The weights are of another network than the card's"):
        zoo.load("resizemix", models)


def test_names_stand_in_the_strategies_order(models):
    for name in ("mine", "another", "smoothmix", "baseline", "cutmix"):
        shutil.copytree(models / "resizemix", models / name)
    (models / "no_card").mkdir()
    assert zoo.names(models) == ["baseline", "cutmix", "resizemix", "smoothmix", "another", "mine"]
    assert zoo.names(models / "nowhere") == []
    with pytest.raises(ValueError, match=r"no network 'cutmx'. It has: baseline, cutmix"):
        zoo.load("cutmx", models)


@pytest.mark.parametrize("scale", zoo.SCALES)
def test_strategies_differ_in_the_method_alone(scale):
    runs = {name: zoo.run_of(name, scale, "data", seed=3).to_json() for name in zoo.STRATEGIES}
    common = [{k: v for k, v in run.items() if k not in ("method", "options")} for run in runs.values()]
    assert all(run == common[0] for run in common)
    assert common[0]["seed"] == 3
    chosen = [(run["method"], json.dumps(run["options"])) for run in runs.values()]
    assert len(set(chosen)) == len(chosen)
    for name, (method, _) in zoo.STRATEGIES.items():
        assert name.startswith(method)
    assert zoo.run_of("cutmix", scale, "data", epochs=7).epochs == 7
    with pytest.raises(ValueError, match="Strategies are baseline"):
        zoo.run_of("cutmx", scale, "data")
    with pytest.raises(ValueError, match="scales pets, tiny, imagenette, small, full"):
        zoo.run_of("cutmix", "huge", "data")


def test_what_is_called_as_released_says_which_boxes():
    """The zoo's network was trained with boxes rounded to the nearest pixel, and its card still reproduces them."""
    options = {"rounding": "even", "detector": "opencv_fine_grained:float_bytes=true,channel_order=bgr", "box": "batch"}
    assert model_card.strategy("saliencymix", options) == "SaliencyMix (as released)"
    stored = zoo.card("saliencymix_released")
    assert stored.strategy == "SaliencyMix (released saliency)"
    assert ("saliencymix", stored.parameters) == zoo.STRATEGIES["saliencymix_released"]
    assert mixviz.METHODS["saliencymix"](**stored.parameters).rounding == "nearest"


def test_twenty_classes_are_twenty():
    assert len(set(zoo.TWENTY)) == 20
    assert zoo.run_of("cutmix", "small", "").wanted_classes() == list(zoo.TWENTY)


# ---- cards


def test_a_card_for_people_says_what_it_says_as_json(models):
    card = model_card.read(models / "resizemix")
    text = (models / "resizemix" / "card.md").read_text(encoding="utf-8")
    result = card.result
    for expected in (
        "ResizeMix", "ant, bee, cat", "24 pictures to train, 9 to validate", "width 0.125", "arXiv:", "batch 8",
        f"{result['last']['top1']:.2f}", f"best epoch ({result['best']['epoch']})", torch.__version__,
        f"{result['median_of_last_10']['top1']:.2f}", "unknown: ask whoever made the pictures",
    ):  # fmt: skip
        assert expected in text, expected
    metrics = {"calibration": {"ece": 0.123456, "bins": [1, 2]}, "corruption": 41.5}
    text = card_text.markdown(card.changed(metrics=metrics))
    assert "ece: 0.1235" in text
    assert "corruption: 41.5" in text


def test_a_damaged_card_is_named(tmp_path):
    (tmp_path / "card.json").write_text('{"title": ')
    with pytest.raises(ValueError, match=r"The card is no JSON as `mixviz train` writes it"):
        model_card.read(tmp_path)


# ---- the command line


def command(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run ``mixviz …``, and return exit status, standard output and standard error."""
    monkeypatch.setattr(sys, "argv", ["mixviz", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    out, err = capsys.readouterr()
    return caught.value.code or 0, out, err


def line(pictures: Path, out: Path, **changes) -> list[str]:
    values = {"data": "folder", "root": pictures, "network": "test_resnet", "image-size": 16, "batch-size": 8,
              "lr": 0.02, "epochs": 1, "method": "saliencymix", "box": "batch", "out": out, **changes}  # fmt: skip
    return ["train", *(text for name, value in values.items() for text in (f"--{name}", str(value)))]


def test_training_on_the_command_line(tmp_path, monkeypatch, capsys, pictures):
    out = tmp_path / "out"
    status, output, _ = command(monkeypatch, capsys, *line(pictures, out), "--tie=last")
    assert status == 0
    card = model_card.read(out)
    top1 = card.result["last"]["top1"]
    assert f"last {top1:.2f} %" in output
    assert f"median of last 10 {top1:.2f} %" in output
    assert card.method == "saliencymix"
    assert card.parameters == {"box": "batch", "tie": "last"}
    assert card.run["lr"] == 0.02
    assert {path.name for path in out.iterdir()} >= {
        "last.safetensors", "best.safetensors", "checkpoint.safetensors", "log.jsonl", "card.json", "card.md",
    }  # fmt: skip
    status, _, err = command(monkeypatch, capsys, *line(pictures, out, tie="last"))
    assert (status, err.count("\n")) == (2, 1)
    assert "--resume" in err
    status, again, _ = command(monkeypatch, capsys, *line(pictures, out, tie="last"), "--resume")
    assert status == 0
    assert again.splitlines()[-1] == output.splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "cutmx"}, "Did you mean 'cutmix'"),
        ({"alpa": 1}, "no option --alpa. Did you mean --alpha? Its own options: --alpha, --box, --tie, --detector"),
        ({"alpha": "much"}, "should be a number"),
        ({"alpha": 99}, "outside its range"),
        ({"box": "round"}, "not one of"),
        ({"network": "resnet81"}, "no network 'resnet81'"),
        ({"root": "nowhere"}, "--root nowhere: there is no such folder"),
        ({"precision": "fp16"}, "needs a GPU"),
        ({"precision": "fp8"}, "fp32, bf16, fp16"),
        ({"batch-size": 999}, "lower --batch-size"),
        ({"warmup": 3}, "--warmup 3 leaves nothing"),
        ({"milestones": "a"}, "epochs with commas"),
        ({"classes": "ant,wasp"}, "'wasp'"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_status_2(tmp_path, monkeypatch, capsys, pictures, changes, says):
    status, _, err = command(monkeypatch, capsys, *line(pictures, tmp_path / "out", **changes))
    assert status == 2
    assert says in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("changes", [{"epochs": 0}, {"mix-prob": 1.5}, {"lr": -1}, {"epochs": "many"}])
def test_a_number_out_of_range_is_exit_status_2(tmp_path, monkeypatch, capsys, pictures, changes):
    status, _, err = command(monkeypatch, capsys, *line(pictures, tmp_path / "out", **changes))
    assert status == 2
    assert next(iter(changes)) in err
    assert "Traceback" not in err


def test_the_help_lists_every_field_of_a_run():
    done = CliRunner().invoke(__main__.app, ["train", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert done.exit_code == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    options = set(re.findall(r"--[a-z-]+", text))
    assert {f"--{name.replace('_', '-')}" for name in Run.described()} <= options
    assert {"--out", "--resume", "--download", "--workers", "--minutes", "--bar"} <= options
    assert "--options" not in options
    for about in Run.described().values():
        for choice in about["choices"]:
            assert choice in text


def test_every_own_parameter_reaches_the_run():
    """In both forms: ``--name value`` and ``--name=value``."""
    for name, cls in mixviz.METHODS.items():
        for key, about in cls.parameters().items():
            value = about["choices"][-1] if about["choices"] else about["default"]
            for arguments in ([f"--{key}", str(value)], [f"--{key}={value}"]):
                assert __main__._own_options(cls, arguments) == {key: value}, name


def test_the_zoo_is_built_on_the_command_line(tmp_path, monkeypatch, capsys, pictures):
    """A finished run is not trained again; a further seed stays out of the zoo."""
    small = {"data": "folder", "classes": "", "network": "test_resnet", "image_size": 16, "batch_size": 8, "epochs": 1,
             "stem": "standard", "width": 1.0, "warmup": 0.0, "precision": "fp32", "freeze": 0, "test_size": 0,
             "holdout": "", "lr": 0.1}  # fmt: skip
    real = zoo.run_of
    monkeypatch.setattr(zoo, "run_of", lambda *given: real(*given, **small))
    monkeypatch.setattr(zoo, "folder", lambda: tmp_path / "models")
    build = ["zoo", "build", "mixup", "--root", pictures, "--runs", tmp_path / "runs"]
    assert command(monkeypatch, capsys, *build)[0] == 0
    assert zoo.names() == ["mixup"]
    zoo.load("mixup")
    card_text.write(tmp_path / "models" / "mixup", zoo.card("mixup").changed(metrics={"images": 1}))
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs" / "mixup").iterdir()}
    assert command(monkeypatch, capsys, *build)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs" / "mixup").iterdir()} == times
    assert zoo.card("mixup").metrics == {"images": 1}
    assert command(monkeypatch, capsys, *build, "--seed", "1")[0] == 0
    assert model_card.read(tmp_path / "runs" / "mixup-seed1").run["seed"] == 1
    assert zoo.names() == ["mixup"]
    small["epochs"] = 2  # as at another scale
    code, _, output = command(monkeypatch, capsys, *build)
    assert code != 0
    assert "another run" in output
    assert model_card.read(tmp_path / "models" / "mixup").run["epochs"] == 1


def test_what_is_not_installed_costs_its_own_network_alone(tmp_path, monkeypatch, capsys, pictures):
    made = []
    monkeypatch.setattr(zoo, "STRATEGIES", {"mixup": ("mixup", {}), "cutmix": ("cutmix", {})})
    monkeypatch.setattr(zoo, "add", lambda out, name: made.append(name))

    def train(run, out, **more):
        if run.method == "mixup":
            raise ImportError("a detector is missing")

    monkeypatch.setattr("mixviz.training.trainer.train", train)
    code, out, err = command(monkeypatch, capsys, "zoo", "build", "--root", pictures, "--runs", tmp_path)
    assert code == 2
    assert "mixup is left out: a detector is missing" in out
    assert "Not trained: mixup" in err
    assert made == ["cutmix"]


def test_a_misspelt_flag_of_training_is_guessed(monkeypatch, capsys, pictures):
    code, _, err = command(monkeypatch, capsys, "train", "--root", pictures, "--epoch", "5")
    assert code == 2
    assert "Did you mean --epochs?" in err

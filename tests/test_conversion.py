"""Conversion of downloaded files: names are mapped, programs are not run, and what does not fit is said."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from mixviz import __main__, resources
from mixviz.cam import inference
from mixviz.networks import architectures, conversion, zoo

pytest.importorskip("timm")
OPTIONS = {"architecture": "test_resnet", "strategy": "cutmix", "classes": ["lion", "bee", "cup"], "image_size": 64}


@pytest.fixture(scope="module")
def tensors():
    torch.manual_seed(0)
    return architectures.build("test_resnet", 3).state_dict()


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("MIXVIZ_HOME", str(tmp_path / "home"))


def split(tensors):
    """Names as in OpenMixup's files."""
    return {f"head.{key}" if key.startswith("fc.") else f"backbone.{key}": value for key, value in tensors.items()}


SHAPES = {
    "plain": lambda t: t,
    "checkpoint": lambda t: {
        "epoch": 299, "arch": "resnet", "best_err1": 21.4, "optimizer": {"state": {}, "param_groups": []},
        "state_dict": {f"module.{key}": value for key, value in t.items()},
    },
    "openmixup": lambda t: {"meta": {"epoch": 100}, "state_dict": split(t)},
    "nested": lambda t: {"model": {"state_dict": {f"model.module.{key}": value for key, value in t.items()}}},
    "old": lambda t: {key: value for key, value in t.items() if not key.endswith("num_batches_tracked")},
}  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "end"),
    [*((shape, "pth.tar") for shape in SHAPES), *((s, "safetensors") for s in SHAPES if s != "nested")],
)
def test_files_of_every_shape_become_the_same_network(tensors, tmp_path, shape, end):
    values, path = SHAPES[shape](tensors), tmp_path / f"a.{end}"
    if end == "safetensors":
        save_file(values.get("state_dict", values), path)
    else:
        torch.save(values, path)
    done = conversion.convert(path, **OPTIONS)
    assert done.folder == resources.networks() / "test_resnet_cutmix"
    assert (done.card.strategy, done.card.title) == ("CutMix", "CutMix (test_resnet)")
    assert done.card.weights.source == path.name
    assert {name for name, _ in done.said} == set(OPTIONS["classes"])
    assert sum(chance for _, chance in done.said) == pytest.approx(1)
    zoo.verify("test_resnet_cutmix")
    state = zoo.load("test_resnet_cutmix").state_dict()
    assert state.keys() == tensors.keys()
    for key, value in tensors.items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(state[key], value.half().float())
    (known,) = inference.open_networks("test_resnet_cutmix")
    assert (known.title, known.classes) == ("CutMix", OPTIONS["classes"])
    assert zoo.card("test_resnet_cutmix").method == "cutmix"


def test_a_number_beyond_float16_stays_as_it_is(tensors, tmp_path):
    torch.save({**tensors, "bn1.running_var": torch.full_like(tensors["bn1.running_var"], 1e6)}, tmp_path / "a.pth")
    conversion.convert(tmp_path / "a.pth", **OPTIONS)
    assert (zoo.load("test_resnet_cutmix").state_dict()["bn1.running_var"] == 1e6).all()


class Program:
    """What a malicious pickle holds."""

    def __reduce__(self):
        return (print, ("this program was run",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (Program(), "may run programs: it is not opened here"),
        ({"state_dict": {}, "weights": Program()}, "may run programs"),
        ([1, 2], "holds no tensors by name"),
        ({"epoch": 3}, "holds no tensors by name"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path, values, message):
    torch.save(values, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=message):
        conversion.convert(tmp_path / "a.pth", **OPTIONS)
    assert not list(resources.networks().glob("*"))


def test_half_a_file_and_none(tensors, tmp_path):
    path = tmp_path / "a.pth"
    torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ValueError, match="Was it downloaded whole"):
        conversion.convert(path, **OPTIONS)
    path.rename(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="is no safetensors"):
        conversion.convert(tmp_path / "a.safetensors", **OPTIONS)
    with pytest.raises(ValueError, match="There is no file"):
        conversion.convert(path, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "test_resnt"}, "Did you mean test_resnet"),
        ({"architecture": "resnet18"}, "cannot be converted. The weights are of another network"),
        ({"strategy": "cutmx"}, "Did you mean 'cutmix'"),
        ({"classes": ["a", "b"]}, "names 2 classes, and the head .* of the weights has 3"),
        ({"classes": []}, "has 3 outputs: name its classes"),
        ({"interpolation": "nearest"}, "interpolation should be bicubic, bilinear"),
        ({"loss": "mse"}, "loss should be"),
        ({"name": "../elsewhere"}, "take letters"),
        ({"name": "baseline"}, "There is a network 'baseline' already"),
        ({"stem": "small"}, "cannot be converted|only ResNets"),
    ],
)
def test_what_does_not_fit_is_said(tensors, tmp_path, options, message):
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=message):
        conversion.convert(tmp_path / "a.pth", **{**OPTIONS, **options})
    assert not list(resources.networks().glob("*"))


def test_a_taken_name_is_not_overwritten(tensors, tmp_path):
    torch.save(tensors, tmp_path / "a.pth")
    conversion.convert(tmp_path / "a.pth", **OPTIONS)
    with pytest.raises(ValueError, match="choose another --name"):
        conversion.convert(tmp_path / "a.pth", **OPTIONS)
    conversion.convert(tmp_path / "a.pth", **OPTIONS, name="another")
    assert zoo.fetched() == ["another", "test_resnet_cutmix"]


def test_the_reference_says_lion_after_a_conversion(tmp_path):
    """A thousand outputs are ImageNet's; the photograph tells whether mean and std are right."""
    source = zoo.folder() / zoo.REFERENCE / zoo.WEIGHTS
    result = CliRunner().invoke(__main__.app, [
        "zoo", "convert", str(source), "--architecture", "tf_efficientnet_lite0", "--strategy", "baseline", "--name",
        "mine", "--title", "Mine", "--mean", "0.5", "--std", "0.5", "--interpolation", "bicubic", "--loss", "bce",
        "--license", "Apache-2.0",
    ])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Of a photograph of a lion it says: lion 9" in result.output
    assert inference.open_networks("mine")[0].has_own_confidence
    assert zoo.card("mine").weights.license == "Apache-2.0"


def test_the_command_reads_classes_from_a_file(tensors, tmp_path):
    torch.save(tensors, tmp_path / "a.pth")
    (tmp_path / "names.txt").write_text("lion\nbee\n\ncup\n", encoding="utf-8")
    line = ["zoo", "convert", str(tmp_path / "a.pth"), "--architecture", "test_resnet", "--strategy", "cutmix"]
    line += ["--classes", str(tmp_path / "names.txt"), "--image-size", "64"]
    wrong = CliRunner().invoke(__main__.app, [*line, "--mean", "1,2"])
    assert "--mean is one number or three" in str(wrong.exception)
    assert CliRunner().invoke(__main__.app, line).exit_code == 0
    assert zoo.card("test_resnet_cutmix").data.classes == ("lion", "bee", "cup")

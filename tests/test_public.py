"""The public interface: the import, discovery, the three lines, the command line."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import mixviz
from mixviz import __main__
from mixviz.core import parameters
from mixviz.core.parts import Patches
from mixviz.data import pictures
from mixviz.explain import serialize

ROOT = Path(__file__).parent.parent


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, **options)


def command(monkeypatch, *arguments: object) -> int:
    """Run ``mixviz …`` in this process, because another takes seconds to start, and return the exit status."""
    monkeypatch.setattr(sys, "argv", ["mixviz", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    return int(caught.value.code or 0)


def test_imports_leave_what_they_do_not_need_out():
    """In one process, which takes long to start: what a module leaves out, those before it did too."""
    optional = {"gradio", "cv2", "pytorch_grad_cam", "timm", "accelerate", "torchvision", "torchmetrics", "PIL"}
    optional |= {"pycocotools", "faiss"}
    modules = {
        "mixviz": {*optional, "sklearn", "matplotlib", "numba", "triton", "typer"},
        "mixviz.evaluation.evaluate": {*optional, "sklearn"},
        "mixviz.data.annotations.coco": {"pycocotools", "torchvision"},
        "mixviz.data.annotations.tensors": {"torchvision"},
        "mixviz.cam.methods": {"pytorch_grad_cam", "cv2", "timm"},
        "mixviz.render.export": {"matplotlib"},
    }
    code = f"import importlib, sys\nfor name, others in {modules}.items():\n"
    code += "    importlib.import_module(name)\n    print(name, sorted(others & set(sys.modules)))"
    done = run("-c", code)
    assert done.stdout.splitlines() == [f"{name} []" for name in modules], done.stderr


def test_the_environment_has_opencvs_saliency():
    cv2 = pytest.importorskip("cv2")
    assert hasattr(cv2, "saliency"), "another OpenCV package overwrote opencv-contrib-python-headless"


METHOD = """
from dataclasses import dataclass
from typing import ClassVar
from mixviz import Card, Method
from mixviz.core.builders import blend

@dataclass(frozen=True)
class Mine(Method):
    card: ClassVar[Card] = Card("{name}", "Mine")
    def draw(self, rng, n): return rng.random(n)
    def build(self, batch, draw): return blend(batch, draw, draw.lam)
"""


def package(tmp_path: Path, monkeypatch, **files: str) -> types.ModuleType:
    folder = tmp_path / "extra_methods"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("extra_methods")]:
        monkeypatch.delitem(sys.modules, name)
    import extra_methods

    return extra_methods


def test_adding_a_file_adds_an_entry(tmp_path, monkeypatch):
    result = mixviz.discover(package(tmp_path, monkeypatch, mine=METHOD.format(name="mine")), mixviz.Method)
    mixed, _ = mixviz.mix(torch.rand(3, 3, 8, 8), method=result["mine"](), seed=1)
    assert list(result) == ["mine"]
    assert mixed.shape == (3, 3, 8, 8)


def test_a_duplicate_name_raises(tmp_path, monkeypatch):
    files = {"one": METHOD.format(name="same"), "two": METHOD.format(name="same")}
    with pytest.raises(ValueError, match="Two classes call themselves 'same'"):
        mixviz.discover(package(tmp_path, monkeypatch, **files), mixviz.Method)


@pytest.mark.parametrize("name", mixviz.METHODS)
def test_every_method_says_who_it_is(name):
    cls = mixviz.METHODS[name]
    assert cls.card.name == name == cls.__module__.rsplit(".", 1)[1]
    assert cls.card.family in parameters.FAMILIES
    assert cls.card.label
    text = cls.__doc__
    assert "$$" in text, "the formula"
    for parameter, about in cls.parameters().items():
        assert about["text"]
        known = about["choices"] or about["example"] or about["low"] is not None
        assert known or isinstance(about["default"], bool) or parameter == "detector"
    if cls.card.arxiv:
        assert re.fullmatch(r"\d{4}\.\d{4,5}", cls.card.arxiv)  # four digits before 2015
        assert cls.card.paper
        assert cls.card.authors
        assert cls.card.year


@pytest.mark.parametrize("name", mixviz.METHODS)
def test_every_parameter_is_checked_against_its_range(name):
    cls = mixviz.METHODS[name]
    for parameter, about in cls.parameters().items():
        if about["low"] is not None:
            for bad in (about["low"] - 1, about["high"] + 1):
                with pytest.raises(ValueError, match=parameter):
                    cls(**{parameter: type(about["default"])(bad)})
            for good in (about["low"], about["high"]):
                cls(**{parameter: type(about["default"])(good)})
        elif about["choices"] or about["example"]:
            with pytest.raises(ValueError, match=parameter):
                cls(**{parameter: "nonsense"})
        if about["example"]:
            assert about["example"] != about["default"]
            cls(**{parameter: about["example"]})


def test_every_choice_of_every_method_mixes():
    images, labels, maps = torch.rand(5, 3, 12, 10), torch.arange(5), torch.rand(5, 12, 10)
    for cls in mixviz.METHODS.values():
        for parameter, about in cls.parameters().items():
            for choice in about["choices"]:
                batch = mixviz.Batch(images, labels, saliency=maps, errors=torch.rand(5, 5))
                recipe = cls(**{parameter: choice}).plan(batch, np.random.default_rng(0))
                mixed = recipe.apply(images)
                assert mixed.shape == images.shape
                assert mixed.isfinite().all()
                sums = recipe.targets(labels, 5).sum(1)
                assert (sums <= 2).all()
                if recipe.whole:
                    torch.testing.assert_close(sums, torch.ones(5))


class Pictures(torch.utils.data.Dataset):
    """Thirty constant pictures whose value is their class over ten."""

    def __len__(self):
        return 30

    def __getitem__(self, i):
        return torch.full((3, 8, 8), (i % 10) / 10), i % 10


@pytest.mark.parametrize("workers", [0, 2])
def test_collate_in_a_data_loader(workers):
    def epoch(seed):
        collate = mixviz.MixCollate("cutmix", 10, seed=seed)
        generator = torch.Generator().manual_seed(5)
        loader = torch.utils.data.DataLoader(
            Pictures(), 7, collate_fn=collate, num_workers=workers, generator=generator
        )
        return list(loader)

    first = epoch(0)
    assert [len(images) for images, _ in first] == [7, 7, 7, 7, 2]
    for images, targets in first:
        # The picture's mean reveals its sources, which must agree with the label.
        torch.testing.assert_close(images.mean((1, 2, 3)), targets @ torch.arange(10.0) / 10)
    for (images, targets), (again, targets_again) in zip(first, epoch(0), strict=True):
        assert torch.equal(images, again)
        assert torch.equal(targets, targets_again)
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, epoch(1), strict=True))
    assert not torch.equal(first[0][1], first[1][1])


def test_transform_normalises_after_mixing():
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6)
    plain, targets = mixviz.MixTransform("cutmix", 6, seed=3)(images, labels)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.4, 0.3)
    normal, same = mixviz.MixTransform("cutmix", 6, seed=3, normalize=(mean, std))(images, labels)
    expected = (plain - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(normal, expected)
    assert torch.equal(targets, same)
    as_bytes = (images * 255).round().to(torch.uint8)
    from_bytes, _ = mixviz.MixTransform("cutmix", 6, seed=3, normalize=(mean, std))(as_bytes, labels)
    torch.testing.assert_close(from_bytes, normal, atol=0.01, rtol=0)


def test_transform_refuses_normalised_images_and_says_what_to_do():
    with pytest.raises(ValueError, match="Mix before you normalise"):
        mixviz.MixTransform("cutmix", 3)(torch.randn(4, 3, 8, 8), torch.arange(4) % 3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"labels": [0, 1, 2, 3]}, "torch.Tensor"),
        ({"labels": torch.full((4, 2), 3)}, "class indices"),
        ({"labels": torch.zeros(4, 1, dtype=torch.int64)}, "class indices"),
        ({"saliency": torch.zeros(4, 8, 8, dtype=torch.uint8)}, "bool mask"),
        ({"saliency": torch.rand(4, 8, 8) * 9}, "divide each map"),
        ({"saliency": torch.rand(4, 8, 7)}, "one map per image"),
        ({"errors": torch.rand(3, 2)}, "square"),
    ],
)
def test_a_batch_says_what_it_wants(given, says):
    with pytest.raises((TypeError, ValueError), match=says):
        mixviz.Batch(torch.rand(4, 3, 8, 8), **given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"lam": [0.5, 0.5]}, "one number or 4"),
        ({"partner": [0.9, 1.7, 2.2, 3.0]}, "indices"),
        ({"partner": [0, 1]}, "4 indices"),
    ],
)
def test_what_is_held_is_checked(given, says):
    with pytest.raises(ValueError, match=says):
        mixviz.METHODS["cutmix"]().plan(mixviz.Batch(torch.rand(4, 3, 8, 8)), np.random.default_rng(0), **given)


def test_an_error_matrix_has_to_fit():
    method = mixviz.METHODS["randsaliencymix"](partner="errors")
    for errors in (torch.rand(2, 2), -torch.rand(4, 4)):
        batch = mixviz.Batch(torch.rand(4, 3, 8, 8), torch.arange(4), errors=errors)
        with pytest.raises(ValueError, match="errors is for"):
            method.plan(batch, np.random.default_rng(0))


def test_painted_masks_serve_as_saliency():
    masks = torch.zeros(3, 8, 8, dtype=torch.bool)
    masks[:, 2:5, 3:6] = True
    _, recipe = mixviz.mix(torch.rand(3, 3, 8, 8), method="saliencymix", saliency=masks)
    assert recipe.saliency.dtype == torch.float32
    _, recipe = mixviz.mix(torch.rand(3, 3, 8, 8), method="randsaliencymix", saliency=masks)
    assert recipe.share.isfinite().all()


def test_images_that_cannot_be_mixed():
    _, recipe = mixviz.mix(torch.rand(2, 3, 8, 8))
    for images in (torch.zeros(2, 3, 8, 8, dtype=torch.int64), np.zeros((2, 3, 8, 8))):
        with pytest.raises(TypeError, match="uint8 or float"):
            recipe.apply(images)


def test_truth_against_a_hand_computed_case():
    """Two 4x4 pictures; A's object is its left half, B's its top left quarter; the patch is B's right half."""
    batch = mixviz.Batch(torch.rand(2, 3, 4, 4))
    masks = torch.zeros(2, 4, 4)
    masks[0, :, :2], masks[1, :2, :2] = 1, 1
    recipe = mixviz.Recipe(
        size=(4, 4), partner=torch.tensor([[0, 1], [1, 0]]), share=torch.full((2, 2), 0.5),
        mixing=Patches(torch.tensor([[[0, 2, 4, 4]] * 2])),
    )  # fmt: skip
    assert batch.size == recipe.size
    truth = recipe.truth(masks)
    assert truth.visible[:, 0].tolist() == [1, 0]  # all of A's object, nothing of B's
    assert truth.fair[:, 0].tolist() == [1, 0]
    assert truth.gap[0] == 0.5  # half of the label names an invisible object
    moved = mixviz.Recipe(
        size=(4, 4), partner=recipe.partner, share=recipe.share,
        mixing=Patches(recipe.target_boxes, torch.tensor([[[0, 0, 4, 2]] * 2])),
    ).truth(masks)  # fmt: skip
    assert moved.visible[:, 0].tolist() == [1, 1]
    assert moved.gap[0] == 0


def test_command_line_writes_every_step(tmp_path, two_files):
    out = tmp_path / "out"
    done = run("-m", "mixviz", "mix", *map(str, two_files), "--method", "saliencymix", "--seed", "3", "--side", "64",
               "--tie", "last", "--out", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert names == {"a.png", "b.png", "saliency.png", "patch.png", "mask.png", "mixture.png", "recipe.json"}
    report = json.loads((out / "recipe.json").read_text())
    pair = [pictures.load_image(path, 64) for path in two_files]
    cls = mixviz.METHODS["saliencymix"]
    mixed, recipe, _ = serialize.mix_two(*pair, cls(tie="last"), 3, None)
    assert report["parameters"] == {
        "alpha": 1.0,
        "box": "image",
        "tie": "last",
        "detector": "fine_grained",
        "rounding": "nearest",
    }
    assert report["share"] == recipe.share[:, 0].tolist()
    assert np.array_equal(pictures.load_image(out / "mixture.png"), mixed)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "cutmx"], "Did you mean 'cutmix'"),
        (["--method", "cutmix", "--alpa", "1"], "Its own options: --alpha"),
        (["--method", "cutmix", "--alpha", "much"], "should be a number"),
        (["--method", "cutmix", "--alpha", "-3"], "outside its range"),
    ],
)
def test_command_line_mistakes_are_explained(monkeypatch, capsys, two_files, arguments, says, tmp_path):
    assert command(monkeypatch, "mix", *two_files, *arguments, "--out", tmp_path / "o") == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1  # and no traceback


def test_command_line_lists_the_catalogue(monkeypatch, capsys):
    assert command(monkeypatch, "methods", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == list(mixviz.METHODS)
    assert command(monkeypatch, "methods", "cutmix") == 0
    assert "alpha" in capsys.readouterr().out


@pytest.mark.parametrize("name", mixviz.METHODS)
def test_every_method_teaches(name):
    """Every explanation has a sentence, the formula, where to look, and when the method helps or hurts, with source."""
    summary, *parts = inspect.cleandoc(mixviz.METHODS[name].__doc__).split("\n\n")
    assert summary.endswith(".")
    assert any(part.startswith("$$") and part.endswith("$$") for part in parts)
    text = " ".join(" ".join(parts).split())
    assert re.search(r"\b(look|compare|watch|change|move|add)\b", text, re.I), "what should a visitor look at?"
    sentences = re.split(r"(?<=[.:;]) (?![^()]*\))", text)  # not within brackets
    assert any(re.search(r"\d(?: %| AP| points| against).*\([^()]*[A-Za-z]{3}[^()]*\)", one) for one in sentences), (
        "how much does it help or hurt, and who says so (in brackets)?"
    )


@pytest.mark.parametrize("name", mixviz.METHODS)
def test_every_figure_says_how_it_was_measured(name):
    """Every measured or published figure states its parameters: the defaults, or others."""
    for part in inspect.cleandoc(mixviz.METHODS[name].__doc__).split("\n\n"):
        text = " ".join(part.split())
        if re.search(r"\d \(?(?:%|AP|points)|\d\.\d\d? (?:%|against)", text):
            assert re.search(r"\bdefaults?\b|\bno parameters\b", text), text


def test_dependencies_are_stated_once():
    stated = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert any(line.startswith("opencv-contrib-python-headless") for line in stated)
    assert 'dependencies = { file = ["requirements.txt"] }' in (ROOT / "pyproject.toml").read_text()


def test_every_package_is_installed():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    installed = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "mixviz").rglob("__init__.py")}
    assert set(stated) == installed | {"mixviz.assets", "mixviz.models"}  # which lie outside


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resnet18", 4), ("vgg11", 21), ("vit_b_16", 12), ("densenet121", 7), ("mobilenet_v3_small", 13)],
)
def test_stages_are_the_blocks_before_the_head(name, expected):
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        network = getattr(models, name)()
    result = mixviz.core.feature_mixing.stages(network)
    assert len(result) == expected
    head = list(network.children())[-1]
    assert all(stage is not head for stage in result)
    assert mixviz.core.feature_mixing.stages(torch.nn.DataParallel(network)) == result


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", 4), ("vit_tiny_patch16_224", 12), ("swin_tiny_patch4_window7_224", 4), ("convnext_tiny", 4),
        ("mobilenetv3_small_100", 6), ("efficientnet_b0", 7),
    ],
)  # fmt: skip
def test_stages_of_timms_networks_are_those_of_the_trunk(name, expected):
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        assert len(mixviz.core.feature_mixing.stages(timm.create_model(name))) == expected


def test_a_stage_that_returns_no_tensor_says_so():
    network = torch.nn.Sequential(torch.nn.LSTM(4, 4), torch.nn.Identity())
    recipe = mixviz.METHODS["manifold_mixup"](stages=8).plan(
        mixviz.Batch(torch.rand(2, 3, 4, 4)), np.random.default_rng(0)
    )
    with pytest.raises(ValueError, match="returns a tuple"), mixviz.mix_inside(network, recipe, at=[network[0]] * 8):
        network(torch.rand(2, 2, 4))


def test_the_network_is_asked_about_what_it_is_trained_on():
    seen = []

    def network(x):
        seen.append((x.min().item(), x.max().item()))
        return x.mean((2, 3))

    images, labels = torch.rand(4, 3, 8, 8), torch.arange(4) % 3
    mixviz.MixTransform("saliencymix_plus", 3, network=network)(images, labels)
    assert 0 <= seen[0][0] <= seen[0][1] <= 1
    mixviz.MixTransform("saliencymix_plus", 3, network=network, normalize=((0.5,) * 3, (0.1,) * 3))(images, labels)
    assert seen[1][0] < -3
    assert seen[1][1] > 3


def test_a_network_in_a_workers_copy_is_refused():
    collate = mixviz.MixCollate("saliencymix_plus", 10, network=torch.nn.Linear(2, 2))
    batches = iter(torch.utils.data.DataLoader(Pictures(), 5, collate_fn=collate, num_workers=1))
    with pytest.raises(ValueError, match="use MixTransform in the training loop"):
        next(batches)
    batches._shutdown_workers()  # the traceback would keep it and its inherited pipes alive


def test_in_place_is_the_same_mixture():
    images, labels = torch.rand(6, 3, 8, 8), torch.arange(6)
    mixed, targets = mixviz.MixTransform("cutmix", 6, seed=2)(images, labels)
    given = images.clone()
    written, same = mixviz.MixTransform("cutmix", 6, seed=2, inplace=True)(given, labels)
    assert written is given
    assert torch.equal(written, mixed)
    assert torch.equal(targets, same)


def test_transform_hands_on_maps_and_errors():
    images, labels, maps = torch.rand(4, 3, 8, 8), torch.arange(4), torch.zeros(4, 8, 8)
    maps[:, 1, 1] = 1
    recipe = mixviz.MixTransform("saliencymix", 4).plan(images, labels, saliency=maps)
    assert recipe.target_box[:, 0].max() <= 1
    mixviz.MixTransform("randsaliencymix", 4, partner="errors")(images, labels, errors=torch.rand(4, 4))

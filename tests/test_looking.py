"""``mixviz cam``: networks by name and folder, classes by name, pictures, boxes and numbers."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mixviz import __main__
from mixviz.cam import drawing, grad_cam, inference
from mixviz.cam.boxes import boxes_at
from mixviz.cam.localization import heat
from mixviz.data import pictures
from mixviz.networks import architectures, model_card
from mixviz.networks.files import save_tensors

pytest.importorskip("timm")
CLASSES = ["Persian cat", "lion", "bee"]


def add(
    home: Path, name: str, seed: int, side: int = 64, classes=CLASSES, weights: str = "weights.safetensors"
) -> Path:
    """Write a user's network: a minimal card.json, and untrained weights."""
    torch.manual_seed(seed)
    spec = {"name": "resnet18", "stem": "strided", "width": 0.125, "image_size": side, "layer": "layer3",
            "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}  # fmt: skip
    network = architectures.build(spec["name"], len(classes), stem=spec["stem"], width=spec["width"])
    (home / name).mkdir(parents=True)
    save_tensors(home / name / weights, network.state_dict())
    card = {"title": f"Network {name}", "network": spec, "data": {"classes": list(classes)}}
    if weights == "weights.safetensors":
        card["weights"] = {"file": weights, "sha256": model_card.digest(home / name / weights)}
    (home / name / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return home / name


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("models")
    add(home, "one", 0)
    add(home, "two", 1, side=32)
    return home


@pytest.fixture
def zoo_at(models, monkeypatch) -> Path:
    monkeypatch.setattr("mixviz.networks.zoo.folder", lambda: models)
    return models


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["mixviz", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code in (0, 2)


def test_the_zoo_by_all_by_name_and_by_folder(models, tmp_path):
    assert [known.name for known in inference.open_networks("all", models)] == ["one", "two"]
    assert [known.name for known in inference.open_networks(" two, one", models)] == ["two", "one"]
    own = add(tmp_path, "mine", 2, weights="last.safetensors")
    known, other = inference.open_networks(f"{own},one", models)
    assert (known.name, known.title, known.side, known.classes) == ("mine", "Network mine", 64, CLASSES)
    assert known.sha256 == hashlib.sha256((own / "last.safetensors").read_bytes()).hexdigest()
    assert not known.network.training
    assert other.sha256 == hashlib.sha256((models / "one" / "weights.safetensors").read_bytes()).hexdigest()


def test_networks_that_are_not_there(models, tmp_path):
    with pytest.raises(ValueError, match=r"no network 'onee'. Did you mean 'one'\?"):
        inference.open_networks("onee", models)
    with pytest.raises(ValueError, match=r"no network 'xyz'. There are: one, two"):
        inference.open_networks("xyz", models)
    with pytest.raises(ValueError, match=r"no networks in .*card.json and weights"):
        inference.open_networks("all", tmp_path)
    with pytest.raises(ValueError, match="one name"):
        inference.open_networks(f"one,{add(tmp_path, 'one', 3)}", models)
    damaged = add(tmp_path, "damaged", 4)
    (damaged / "weights.safetensors").write_bytes(b"0" * 99)
    with pytest.raises(ValueError, match=r"damaged: The weights, weights.safetensors, are no safetensors, or damaged"):
        inference.open_networks(str(damaged), models)
    (damaged / "card.json").write_text('{"network": {"name": "resnet18"}, "data": {}}', encoding="utf-8")
    with pytest.raises(ValueError, match="damaged: The card's classes should be a list"):
        inference.open_networks(str(damaged), models)


def test_classes_by_name(models):
    known = inference.open_networks("one", models)[0]
    assert known.index("persian CAT") == 0
    with pytest.raises(ValueError, match=r"one knows no class 'persan'. Did you mean 'Persian cat'\?"):
        known.index("persan")
    with pytest.raises(ValueError, match=r"There are: Persian cat, lion, bee"):
        known.index("xyz")


def view(known: inference.LoadedModel) -> np.ndarray:
    return pictures.load_view(pictures.photograph_path("lion.jpg"), known.side)


def test_a_look_is_grad_cam_of_the_normalised_view(models):
    for known in inference.open_networks("all", models):
        seen = view(known)
        one = inference.look(known, seen, ["lion", "Persian cat", "LION"])
        assert one.classes == (1, 0)
        assert one.layer == "layer3"
        images = torch.from_numpy(seen).permute(2, 0, 1)[None] / 255
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.5, 0.4, 0.3], [0.2] * 3))
        maps, logits = grad_cam.explain(known.network, (images - mean) / std, torch.tensor([[1, 0]]), "layer3")
        torch.testing.assert_close(one.maps, maps[0])
        torch.testing.assert_close(one.probability, logits[0].softmax(0))
        own = inference.look(known, seen)
        assert own.classes == (int(logits.argmax()),)


def test_the_box_is_in_pixels_of_the_view(models):
    known = inference.open_networks("two", models)[0]
    one = inference.look(known, view(known), ["lion"])
    expected = boxes_at(heat(one.maps, (32, 32))[0], 0.3)[0]
    assert one.boxes(0.3) == [tuple(expected.tolist())]
    assert one.boxes(1.0) == [None]  # nothing is above the highest value
    nowhere = inference.CAMResult(known, one.view, one.layer, one.probability, one.classes, torch.zeros(1, 4, 4))
    assert nowhere.boxes(0.2) == [None]
    result = inference.report(nowhere, 0.2)["classes"][0]
    assert result["box"] is None
    assert result["map"]["hottest_pixel"] is None
    nothing = inference.CAMResult(
        known, one.view, one.layer, one.probability, one.classes, torch.full((1, 4, 4), torch.nan)
    )
    assert json.loads(json.dumps(inference.report(nothing, 0.2), allow_nan=False))["classes"][0]["map"]["high"] is None


def test_the_numbers_by_hand(models):
    known = inference.open_networks("two", models)[0]
    maps = torch.zeros(1, 4, 4)
    maps[0, 1, 2] = 3
    one = inference.CAMResult(known, view(known), "layer2", torch.tensor([0.2, 0.7, 0.1]), (2,), maps)
    result = inference.report(one, 0.5)
    assert [(top["class"], top["probability"]) for top in result["top5"]] == [
        ("lion", 0.7), ("Persian cat", 0.2), ("bee", 0.1),
    ]  # fmt: skip
    (about,) = result["classes"]
    assert (about["class"], about["probability"]) == ("bee", 0.1)
    numbers = about["map"]
    assert (numbers["size"], numbers["low"], numbers["high"], numbers["mean"]) == ([4, 4], 0, 3, 0.1875)
    top, left, bottom, right = about["box"]  # around the middle of the pixel, which is (12, 20) of 32
    assert (top + bottom, left + right) == (24, 40)
    assert numbers["hottest_pixel"][0] in (11, 12)
    assert numbers["share_above_threshold"] == pytest.approx((bottom - top) ** 2 / 1024, rel=0.4)


def test_cam_takes_the_last_maps_whatever_the_card_says(models):
    known = inference.open_networks("one", models)[0]
    assert inference.look(known, view(known), ["bee"], kind="cam").layer == "layer4"


@pytest.mark.parametrize("side", [16, 256, 512])
def test_the_box_is_drawn_where_it_is(side):
    seen = np.full((side, side, 3), 128, np.uint8)
    one = inference.CAMResult(None, seen, "", torch.ones(1), (0,), torch.zeros(1, 2, 2))
    cold = np.zeros((drawing.SIDE,) * 2, np.float32)
    plain = drawing.overlay(one, cold, None, 0.5, "inferno")
    half = drawing.overlay(one, cold, (side // 4, side // 2, side // 2, side), 0.5, "inferno")
    rows, columns = np.nonzero((plain != half).any(2))
    assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (64, 128, 128, 256)
    assert (plain == plain[0, 0]).all()
    drawing.overlay(one, cold, (side - 1, side - 1, side, side), 0.5, "inferno")  # a single pixel


def test_the_legend_says_what_colours_stand_for(models):
    known = inference.open_networks("two", models)[0]
    maps = torch.linspace(0, 3, 16).view(1, 4, 4)
    one = inference.CAMResult(known, view(known), "layer3", torch.tensor([0.2, 0.7, 0.1]), (1,), maps)
    for scale, says in (("raw", r"\(0 to 3\)\.$"), ("shared", r"\(0 to 3\)\.$"), ("image", r"never how much\.$")):
        legend = drawing._legend([one], drawing.on_one_scale([one], scale), "grad_cam", scale, 0.2)
        assert re.search(says, legend)
        assert "Grad-CAM at layer3" in legend
    nowhere = inference.CAMResult(known, one.view, "layer3", one.probability, (1,), maps * 0)
    scales = drawing.on_one_scale([nowhere], "raw")
    assert "nan" not in drawing._legend([nowhere], scales, "grad_cam", "raw", 0.2)


@pytest.mark.parametrize("scale", ["image", "shared", "raw"])
def test_the_command_writes_pictures_sheet_and_numbers(zoo_at, tmp_path, monkeypatch, capsys, scale):
    picture, out = pictures.photograph_path("lion.jpg"), tmp_path / "looks"
    run(monkeypatch, "cam", picture, "--class", "lion", "--class", "bee", "--scale", scale, "--out", out)
    assert "says" in capsys.readouterr().out
    report = json.loads((out / "looks.json").read_text(encoding="utf-8"))
    assert (report["picture"], report["kind"], report["scale"], report["threshold"]) == (
        "lion.jpg",
        "grad_cam",
        scale,
        0.2,
    )
    assert [(one["network"], one["view"]) for one in report["networks"]] == [("one", [64, 64]), ("two", [32, 32])]
    files = [about["file"] for one in report["networks"] for about in one["classes"]]
    assert sorted([*files, "looks.json", "sheet.png"]) == sorted(path.name for path in out.iterdir())
    for one in report["networks"]:
        for about in one["classes"]:
            assert Image.open(out / about["file"]).size == (drawing.SIDE,) * 2
            top, left, bottom, right = about["box"]
            assert 0 <= top < bottom <= one["view"][0]
            assert 0 <= left < right <= one["view"][1]
    colours = [tuple(about["colours"]) for one in report["networks"] for about in one["classes"]]
    assert (len(set(colours)) == 1) == (scale != "image")
    sheet = Image.open(out / "sheet.png")
    assert sheet.size[0] == drawing.PAD + 3 * (drawing.SIDE + drawing.PAD)


def test_removed_strides_make_maps_finer(zoo_at, tmp_path, monkeypatch):
    picture, sizes = pictures.photograph_path("bee.jpg"), []
    for n in (0, 2):
        run(monkeypatch, "cam", picture, "--networks", "one", "--dilate", n, "--out", tmp_path / str(n))
        report = json.loads((tmp_path / str(n) / "looks.json").read_text(encoding="utf-8"))
        assert report["dilate"] == n
        sizes.append(report["networks"][0]["classes"][0]["map"]["size"])
    assert sizes == [[8, 8], [16, 16]]  # of layer3


def test_without_a_class_each_network_shows_its_prediction(zoo_at, tmp_path, monkeypatch):
    run(monkeypatch, "cam", pictures.photograph_path("bee.jpg"), "--out", tmp_path, "--kind", "layer_cam")
    for one in json.loads((tmp_path / "looks.json").read_text(encoding="utf-8"))["networks"]:
        assert [about["class"] for about in one["classes"]] == [one["top5"][0]["class"]]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--class", "persan"], "knows no class 'persan'. Did you mean 'Persian cat'"),
        (["--networks", "onee"], "no network 'onee'. Did you mean 'one'"),
        (["--kind", "gradcam"], "no 'gradcam'. Did you mean 'grad_cam'"),
        (["--scale", "shred"], "no 'shred'. Did you mean 'shared'"),
        (["--layer", "layer9"], "no layer 'layer9'"),
        (["--colours", "jet"], "no colours 'jet'"),
    ],
)
def test_a_mistake_is_one_line(zoo_at, tmp_path, monkeypatch, capsys, flags, says):
    run(monkeypatch, "cam", pictures.photograph_path("bee.jpg"), "--out", tmp_path / "out", *flags)
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_none(zoo_at, tmp_path, monkeypatch, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    for name in ("text.jpg", "missing.jpg"):
        run(monkeypatch, "cam", tmp_path / name, "--out", tmp_path / "out")
        assert capsys.readouterr().err.startswith("Error: ")
    assert not (tmp_path / "out").exists()

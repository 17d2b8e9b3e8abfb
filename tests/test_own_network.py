"""A user's network as two files: loaded if valid, otherwise refused with a one-line reason."""

from __future__ import annotations

import copy
import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import network_of_ones_own, picture_folder
from safetensors.torch import save_file

from mixviz import __main__
from mixviz.cam import inference
from mixviz.data import pictures
from mixviz.evaluation import zoo_tables
from mixviz.networks import architectures, model_card, user_network, zoo
from mixviz.networks.model_card import ModelCard

pytest.importorskip("timm")
pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")
CARD = {
    "title": "Mine",
    "network": {"name": "resnet18", "stem": "strided", "width": 0.125, "image_size": 32, "layer": "layer3",
                "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]},
    "data": {"classes": ["lion", "bee", "cup"]},
}  # fmt: skip


def network(name: str = "resnet18", classes: int = 3, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    return architectures.build(name, classes, **{"stem": "strided", "width": 0.125, **options}).eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Write weights without the metadata that `mixviz train` adds."""
    path = tmp_path_factory.mktemp("own") / "weights.safetensors"
    save_file(network().state_dict(), path)
    return path


def card(folder: Path, **changes) -> Path:
    """Return the card with other values, by ``part__key`` or ``part``; ... removes one."""
    about = copy.deepcopy(CARD)
    for key, value in changes.items():
        part, _, name = key.partition("__")
        place = (about[part], name) if name else (about, part)
        if value is ...:
            del place[0][place[1]]
        else:
            place[0][place[1]] = value
    (folder / "card.json").write_text(json.dumps(about), encoding="utf-8")
    return folder / "card.json"


def test_a_network_of_ones_own_looks_as_it_does_elsewhere(weights, tmp_path):
    known = inference.open_own(card(tmp_path), weights)
    assert (known.name, known.title, known.side, known.classes) == ("own_Mine", "Mine", 32, ["lion", "bee", "cup"])
    view = pictures.load_image(pictures.photograph_path("lion.jpg"), 32)
    here = inference.look(known, view)
    direct = inference.look(inference.LoadedModel("", ModelCard.from_json(CARD), "", network()), view)
    torch.testing.assert_close(here.maps, direct.maps)
    assert not known.network.training


def test_a_card_and_weights_of_the_zoo_are_read_as_ones_own():
    name, home = zoo.REFERENCE, zoo.folder() / zoo.REFERENCE
    known = inference.open_own(home / "card.json", home / "weights.safetensors")  # in half precision
    known_there = inference.open_networks(name)[0]
    assert known.title.startswith(known_there.title[:60])
    assert re.fullmatch(r"own_\w{1,40}", known.name)
    assert known.sha256 == known_there.sha256
    view = pictures.load_view(pictures.photograph_path("bee.jpg"), known_there.input_view)
    torch.testing.assert_close(inference.look(known, view).maps, inference.look(known_there, view).maps)


def test_of_the_card_no_more_is_taken_than_was_checked(weights, tmp_path):
    odd = card(
        tmp_path, title="../<b>\x1b[31m\n", method="cutmix", parameters={"evil": 1}, network__evil=1, metrics={"a": 1},
        data__classes=["a\nb", "A b", " <i> "],
    )  # fmt: skip
    known = inference.open_own(odd, weights)
    assert known.name == "own_b_31m"
    assert known.title == "../<b> [31m"
    assert known.classes == ["a b", "A b (1)", "<i>"]
    checked = ModelCard(known.card.title, known.card.network, known.card.data)
    assert known.card == checked  # neither parameters nor metrics
    assert not known.card.given
    untitled = inference.open_own(card(tmp_path, title=...), weights)
    assert untitled.name == "own_weights"


def test_without_a_layer_the_last_maps_are_taken(weights, tmp_path):
    known = inference.open_own(card(tmp_path, network__layer=...), weights)
    view = pictures.load_image(pictures.photograph_path("bee.jpg"), 32)
    assert inference.look(known, view).layer == "layer4"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": ...}, "lacks 'network'"),
        ({"data": []}, "lacks 'data'"),
        ({"network__name": "resnet81"}, "timm has no network 'resnet81'"),
        ({"network__name": "hf_hub:someone/evil"}, "name should be a name of letters and digits"),
        ({"network__name": "resnet18.evil"}, "resnet18.evil cannot be built"),
        ({"network__name": 5}, "name should be"),
        ({"network__stem": "auto"}, "stem should be small, strided, standard; it is 'auto'"),
        ({"network__width": 1e9}, "width should be a number from 0.01 to 8"),
        ({"network__width": float("nan")}, "width should be a number"),
        ({"network__width": 8}, r"layer1.0.conv1.weight is \(8, 64, 3, 3\) in the weights and \(512,"),
        (
            {"network__name": "vit_giant_patch14_224", "network__width": 1, "network__stem": "standard"},
            "they lack 'cls_token'",
        ),
        ({"network__image_size": 8}, "image_size should be a number from 16 to 512; it is 8"),
        ({"network__image_size": 1024}, "image_size should be a number from 16 to 512"),
        ({"network__image_size": True}, "image_size should be a number"),
        ({"network__image_size": 32.5}, "image_size should be a whole number"),
        ({"network__mean": [0.5, 0.5]}, "mean should be three numbers"),
        ({"network__std": [0.2, 0.2, 0]}, "std should be three numbers from 0.001"),
        ({"network__std": "0.2"}, "std should be three numbers"),
        ({"network__layer": "layer9"}, "No heat map can be made of the network: The network has no layer 'layer9'"),
        ({"network__layer": "fc"}, r"No heat map .* feature maps"),
        ({"data__classes": "lion"}, "classes should be a list"),
        ({"data__classes": ["lion", 3, "bee"]}, "class 1 should be a name; it is 3"),
        ({"data__classes": ["lion", "\n", "bee"]}, "class 1 should be a name"),
        ({"data__classes": ["lion", "bee"]}, r"names 2 classes, and the head \(fc.weight\) of the weights has 3"),
        ({"weights": {"sha256": "0" * 64}}, "sha256 is another. Fetch or copy them once more"),
    ],
)
def test_a_field_that_is_wrong_is_one_line(weights, tmp_path, changes, says):
    with pytest.raises(ValueError, match=says) as error:
        inference.open_own(card(tmp_path, **changes), weights)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, b"\xff\xfe\x00", '{"a": ' + "9" * 5000 + "}", " " * 2**21])
def test_a_card_that_is_none(weights, tmp_path, text):
    path = tmp_path / "card.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="The card") as error:
        inference.open_own(path, weights)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="The card cannot be read"):
        inference.open_own(tmp_path / "missing.json", weights)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ("weights", "weights should have a file and its sha256"),
        ({"file": "../weights.safetensors"}, "file should be a name of letters and digits that ends in .safetensors"),
        ({"file": "weights.pt"}, "ends in .safetensors; it is 'weights.pt'"),
    ],
)
def test_a_card_names_no_file_elsewhere(weights, tmp_path, stored, says):
    with pytest.raises(ValueError, match=says):
        inference.open_own(card(tmp_path, weights=stored), weights)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was opened')",)


def test_weights_that_are_refused(tmp_path, monkeypatch):
    about, path = card(tmp_path), tmp_path / "weights.safetensors"
    state = network().state_dict()

    def refused(says: str) -> None:
        with pytest.raises(ValueError, match=says) as error:
            inference.open_own(about, path)
        assert "\n" not in str(error.value)

    refused("weights.safetensors, cannot be read")
    path.write_bytes(pickle.dumps(Evil()))
    refused("no safetensors, or damaged.*save_file")
    torch.save(state, path)
    refused("no safetensors")
    save_file({**state, "more\n": torch.zeros(1)}, path)
    refused("it has no 'more")
    save_file({key: value for key, value in state.items() if key != "fc.bias"}, path)
    refused(r"they lack 'fc\.bias'")
    save_file({**state, "fc.bias": torch.tensor([1, 2, 3])}, path)
    refused(r"fc\.bias is of .* type .*I64")
    save_file({**state, "fc.bias": torch.tensor([0, torch.nan, 0])}, path)
    refused(r"fc\.bias holds NaN")
    monkeypatch.setattr(user_network, "LARGEST", 2**20)
    save_file({**state, "more": torch.zeros(2**19)}, path)
    refused("more than 1 MB")


def test_nothing_is_built_before_the_shapes_fit(weights, tmp_path, monkeypatch):
    devices = []

    def build(*arguments, **options):
        devices.append(torch.empty(0).device.type)
        return networks_build(*arguments, **options)

    networks_build = architectures.build
    monkeypatch.setattr(architectures, "build", build)
    with pytest.raises(ValueError, match="another network"):
        inference.open_own(card(tmp_path, network__width=4), weights)
    inference.open_own(card(tmp_path), weights)
    assert devices == ["meta", "meta"]


def test_a_network_of_tokens(tmp_path):
    path = tmp_path / "weights.safetensors"
    full = {"network__stem": "standard", "network__width": 1, "network__layer": ...}
    save_file(network("vit_tiny_patch16_224", stem="standard", width=1).state_dict(), path)
    about = card(tmp_path, network__name="vit_tiny_patch16_224", **full)
    with pytest.raises(ValueError, match=r"takes no pictures of 32 px") as error:
        inference.open_own(about, path)
    assert "\n" not in str(error.value)
    about = card(tmp_path, network__name="vit_tiny_patch16_224", network__image_size=224, **full)
    known = inference.open_own(about, path)
    view = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    look = inference.look(known, view, known.classes[:2])
    assert look.layer == "blocks.11.norm1"
    assert look.maps.shape == (2, 14, 14)


# ---- one reader for all commands


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("pets"), CARD["data"]["classes"], train=1, val=2, side=32)


def command(monkeypatch, capsys, *arguments) -> tuple[int, str]:
    """Run ``mixviz …``, and return its exit status and standard error."""
    monkeypatch.setattr(sys, "argv", ["mixviz", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    return caught.value.code or 0, capsys.readouterr().err


def roads(folder: Path, root: Path, out: Path) -> dict[str, list]:
    """Return the command lines that use the network in a folder."""
    picture = pictures.photograph_path("bee.jpg")
    return {
        "cam": ["cam", picture, "--networks", folder, "--out", out / "looks"],
        "survey": ["survey", root / "val", "--networks", folder, "--out", out / "survey"],
        "evaluate": ["evaluate", folder, "--data", "folder", "--root", root, "--parts", "accuracy,calibration"],
    }


@pytest.fixture
def small(tmp_path, weights) -> Path:
    """Write a folder with the minimum that a network needs."""
    home = tmp_path / "small"
    home.mkdir()
    card(home)
    shutil.copy(weights, home / "weights.safetensors")
    return home


@pytest.mark.slow
def test_the_folder_that_the_page_takes_goes_every_road(tmp_path, monkeypatch, capsys):
    folder = network_of_ones_own(tmp_path / "mine")
    before = (folder / "card.json").read_bytes()
    classes = zoo.card("cutmix").data.classes
    root = picture_folder(tmp_path / "pictures", classes, train=1, val=1, side=64)
    page = inference.open_own(folder / "card.json", folder / "weights.safetensors")
    for name, line in roads(folder, root, tmp_path).items():
        code, said = command(monkeypatch, capsys, *line)
        assert code == 0, (name, said)
    reported = json.loads((tmp_path / "looks" / "looks.json").read_text(encoding="utf-8"))["networks"][0]
    one = inference.look(page, pictures.view(pictures.photograph_path("bee.jpg"), page.side).copy())
    digest = model_card.digest(folder / "weights.safetensors")
    assert (reported["title"], reported["sha256"]) == (page.title, page.sha256) == ("Mine", digest)
    assert reported["top5"][0]["probability"] == pytest.approx(one.probability.amax().item(), abs=1e-6)
    assert len((tmp_path / "survey" / "survey.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(classes)
    assert (folder / "card.json").read_bytes() == before  # which holds a measurement of more pictures
    assert inference.open_networks(str(folder))[0].classes == page.classes


def test_the_least_folder_goes_every_road(small, pets, tmp_path, monkeypatch, capsys):
    for name, line in roads(small, pets, tmp_path).items():
        code, said = command(monkeypatch, capsys, *line)
        assert code == 0, (name, said)
    measured = json.loads((small / "card.json").read_text(encoding="utf-8"))
    assert {**measured, "metrics": None} == {**CARD, "metrics": None}
    assert measured["metrics"]["weights"] == "weights.safetensors"
    text = (small / "card.md").read_text(encoding="utf-8")
    assert text.startswith("# Mine\n")
    assert "top1_error_percent" in text
    with torch.inference_mode():
        assert zoo.load("small", tmp_path)(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert zoo.title("small", tmp_path) == "Mine"
    assert "| Mine | 1 |" in zoo_tables.table(tmp_path)
    status, error = command(monkeypatch, capsys, *roads(small, pets, tmp_path)["evaluate"][:2], "--root", pets)
    assert (status, error.count("\n")) == (2, 1)
    assert "names no data set: say which one to measure on (--data)" in error


def missing(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    torch.save({}, folder / "weights.pt")


def another(folder: Path) -> None:
    card(folder, weights={"file": "weights.safetensors", "sha256": "0" * 64})


def pickled(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(pickle.dumps(Evil()))


def cut_short(folder: Path) -> None:
    full = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(full[: len(full) // 2])


def too_few(folder: Path) -> None:
    card(folder, data__classes=["lion", "bee"])


def diverged(folder: Path) -> None:
    save_file({**network().state_dict(), "fc.bias": torch.tensor([0, torch.nan, 0])}, folder / "weights.safetensors")


def of_another_side(folder: Path) -> None:
    save_file(network("vit_tiny_patch16_224", stem="standard", width=1).state_dict(), folder / "weights.safetensors")
    card(folder, network__name="vit_tiny_patch16_224", network__stem="standard", network__width=1, network__layer=...)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (missing, "not opened: write yours with safetensors.torch.save_file"),
        (another, "The weights are not the file that the card describes: their sha256 is another"),
        (pickled, "weights.safetensors, are no safetensors, or damaged"),
        (cut_short, "weights.safetensors, are no safetensors, or damaged"),
        (too_few, "names 2 classes, and the head (fc.weight) of the weights has 3"),
        (diverged, "fc.bias holds NaN or infinity"),
        pytest.param(of_another_side, "The network takes no pictures of 32 px", marks=pytest.mark.slow),
        (lambda folder: (folder / "card.json").write_text("{"), "The card is no JSON"),
        (lambda folder: card(folder, network__std=...), "The card's std should be three numbers"),
    ],
    ids=["missing", "another", "pickled", "cut_short", "too_few", "diverged", "of_another_side", "no_json", "lacks"],
)
def test_what_is_wrong_is_said_alike_on_every_road(small, pets, tmp_path, monkeypatch, capsys, spoil, says):
    spoil(small)
    if spoil is not missing:  # on the page neither file is missing
        with pytest.raises(ValueError, match=re.escape(says)):
            inference.open_own(small / "card.json", small / "weights.safetensors")
    for name, line in roads(small, pets, tmp_path).items():
        status, error = command(monkeypatch, capsys, *line)
        assert (status, error.count("\n")) == (2, 1), (name, error)
        assert says in error, name
        assert str(small) in error, name
    with pytest.raises(ValueError, match=re.escape(says)):
        zoo.load("small", tmp_path)


def test_which_weights_of_a_folder_are_taken(small, weights):
    other = small / "mine.safetensors"
    (small / "weights.safetensors").rename(other)
    assert user_network.read_folder(small).weights == "mine.safetensors"
    shutil.copy(other, small / "more.safetensors")
    with pytest.raises(ValueError, match=r"several files of weights \(mine.safetensors, more.safetensors\)"):
        user_network.read_folder(small)
    card(small, weights={"file": "more.safetensors"})
    assert user_network.read_folder(small).weights == "more.safetensors"
    card(small)
    for name, wanted in (("last", "last epoch"), ("best", "best epoch")):
        shutil.copy(weights, small / f"{name}.safetensors")
        assert user_network.read_folder(small, name).weights == wanted


@pytest.mark.slow
def test_the_tensors_that_no_file_tells_are_made(tmp_path):
    """Swin's masks and position indices are buffers that are not stored."""
    swin = network("swin_tiny_patch4_window7_224", stem="standard", width=1)
    save_file(swin.state_dict(), tmp_path / "weights.safetensors")
    card(tmp_path, network__name="swin_tiny_patch4_window7_224", network__stem="standard", network__width=1,
         network__image_size=224, network__layer=...)  # fmt: skip
    loaded = user_network.read_folder(tmp_path).network
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), swin(images))
    assert {parameter.requires_grad for parameter in loaded.parameters()} == {True}

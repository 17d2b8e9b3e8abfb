"""A network handed in as two files: taken when all is right, and told in one line what is wrong."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mixviz import pictures, zoo
from mixviz.heatmaps import looking
from mixviz.networks import architectures, own

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
    """Without the metadata that `mixviz train` adds."""
    path = tmp_path_factory.mktemp("own") / "weights.safetensors"
    save_file(network().state_dict(), path)
    return path


def card(folder: Path, **changes) -> Path:
    """The card with other values, by ``part__key`` or ``part``; ... leaves one out."""
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
    known = looking.open_own(card(tmp_path), weights)
    assert (known.name, known.title, known.side, known.classes) == ("own_Mine", "Mine", 32, ["lion", "bee", "cup"])
    view = pictures.load_image(pictures.photograph_path("lion.jpg"), 32)
    here = looking.look(known, view)
    there = looking.look(looking.Known("", CARD, network(), ""), view)
    torch.testing.assert_close(here.maps, there.maps)
    assert not known.network.training


@pytest.mark.parametrize("name", ["cutmix", "saliencymix_released"])
def test_a_card_as_the_training_writes_it(name):
    home = zoo.folder() / name
    known = looking.open_own(home / "card.json", home / "weights.safetensors")  # in half precision
    known_there = looking.open_networks(name)[0]
    assert known.title.startswith(known_there.title[:60])
    assert re.fullmatch(r"own_\w{1,40}", known.name)
    assert known.sha256 == known_there.sha256
    view = pictures.load_image(pictures.photograph_path("bee.jpg"), 64)
    torch.testing.assert_close(looking.look(known, view).maps, looking.look(known_there, view).maps)


def test_of_the_card_no_more_is_taken_than_was_checked(weights, tmp_path):
    odd = card(
        tmp_path, title="../<b>\x1b[31m\n", method="cutmix", parameters={"evil": 1}, network__evil=1, metrics={"a": 1},
        data__classes=["a\nb", "A b", " <i> "],
    )  # fmt: skip
    known = looking.open_own(odd, weights)
    assert known.name == "own_b_31m"
    assert known.title == "../<b> [31m"
    assert known.classes == ["a b", "A b (1)", "<i>"]
    assert set(known.card) == {"title", "network", "data"}
    assert "evil" not in known.card["network"]
    untitled = looking.open_own(card(tmp_path, title=...), weights)
    assert untitled.name == "own_weights"


def test_without_a_layer_the_last_maps_are_taken(weights, tmp_path):
    known = looking.open_own(card(tmp_path, network__layer=...), weights)
    view = pictures.load_image(pictures.photograph_path("bee.jpg"), 32)
    assert looking.look(known, view).layer == "layer4"


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
        ({"network__width": 1e9}, "width should be a number from 0.015625 to 8"),
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
        ({"weights": {"sha256": "0" * 64}}, "sha256 is another"),
    ],
)
def test_a_field_that_is_wrong_is_one_line(weights, tmp_path, changes, says):
    with pytest.raises(ValueError, match=says) as error:
        looking.open_own(card(tmp_path, **changes), weights)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, b"\xff\xfe\x00", '{"a": ' + "9" * 5000 + "}", " " * 2**21])
def test_a_card_that_is_none(weights, tmp_path, text):
    path = tmp_path / "card.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="The card") as error:
        looking.open_own(path, weights)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="The card cannot be read"):
        looking.open_own(tmp_path / "missing.json", weights)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was opened')",)


def test_weights_that_are_refused(tmp_path, monkeypatch):
    about, path = card(tmp_path), tmp_path / "weights.safetensors"
    state = network().state_dict()

    def refused(says: str) -> None:
        with pytest.raises(ValueError, match=says) as error:
            looking.open_own(about, path)
        assert "\n" not in str(error.value)

    refused("weights cannot be read")
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
    monkeypatch.setattr(own, "LARGEST", 2**20)
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
        looking.open_own(card(tmp_path, network__width=4), weights)
    assert devices == ["meta"]
    looking.open_own(card(tmp_path), weights)
    assert devices == ["meta", "meta", "cpu"]


def test_a_network_of_tokens(tmp_path):
    path = tmp_path / "weights.safetensors"
    whole = {"network__stem": "standard", "network__width": 1, "network__layer": ...}
    save_file(network("vit_tiny_patch16_224", stem="standard", width=1).state_dict(), path)
    about = card(tmp_path, network__name="vit_tiny_patch16_224", **whole)
    with pytest.raises(ValueError, match=r"takes no pictures of 32 px") as error:
        looking.open_own(about, path)
    assert "\n" not in str(error.value)
    about = card(tmp_path, network__name="vit_tiny_patch16_224", network__image_size=224, **whole)
    known = looking.open_own(about, path)
    view = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    look = looking.look(known, view, known.classes[:2])
    assert look.layer == "blocks.11.norm1"
    assert look.maps.shape == (2, 14, 14)

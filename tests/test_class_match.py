"""A picture's label finds the networks' classes that it may mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixviz.data import pictures
from mixviz.networks import class_names, zoo
from mixviz.ui.services import cam_subject, networks
from mixviz.ui.services.class_match import candidates
from mixviz.ui.state import first_request

CATS = ("Egyptian cat", "tabby", "Persian cat")
DOGS = (
    "Chihuahua", "Yorkshire terrier", "golden retriever", "Labrador retriever", "German shepherd", "standard poodle",
)  # fmt: skip
START = replace(first_request(), view="localize")


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("Egyptian Cat", ("Egyptian cat",)),
        ("school buses", ("school bus",)),
        ("Tabby cat", ("tabby",)),
        ("golden retriever puppy", ("golden retriever",)),
        ("cat", CATS),
        ("Cats", CATS),
        ("my black cat", CATS),
        ("kitten", CATS),
        ("dog", DOGS),
        ("puppies", DOGS),
        ("retriever", ("golden retriever", "Labrador retriever")),
        ("bird", ("king penguin", "goose")),
        ("geese", ("goose",)),
        ("elephant", ("African elephant",)),
        ("honeybee", ("bee",)),
        ("사자", ("lion",)),
        ("고양이", CATS),
        ("검은 고양이", CATS),
        ("길고양이", CATS),
        ("개", DOGS),
        ("펭귄", ("king penguin",)),
        ("리트리버", ("golden retriever", "Labrador retriever")),
        ("coffee cup", ()),
        ("커피 잔", ()),
        ("caterpillar", ()),
        ("여우원숭이", ()),
        ("번개", ()),
        ("ion", ()),
        ("!?", ()),
        ("", ()),
    ],
)
def test_a_label_means_classes(label, meant):
    assert candidates(label, zoo.TWENTY) == meant


@pytest.mark.parametrize(
    ("label", "meant"),
    [
        ("Egyptian mau", "Egyptian Mau"), ("siamese cat", "Siamese"), ("이집션 마우", "Egyptian Mau"),
        ("st bernard", "saint bernard"), ("my Yorkshire terrier", "yorkshire terrier"), ("시바견", "shiba inu"),
        ("Scottie", "scottish terrier"), ("Persian cat", "Persian"),
    ],
)  # fmt: skip
def test_a_label_means_a_breed_by_any_of_its_names(label, meant):
    assert candidates(label, [*class_names.CAT_BREEDS, *class_names.DOG_BREEDS]) == (meant,)


def test_a_kind_means_all_its_breeds():
    breeds = [*class_names.DOG_BREEDS, *class_names.CAT_BREEDS]
    assert candidates("고양이", breeds) == candidates("kitten", breeds) == class_names.CAT_BREEDS
    assert candidates("puppy", breeds) == class_names.DOG_BREEDS


def test_only_classes_that_a_network_has_are_meant():
    assert candidates("cat", ["tabby", "bee"]) == ("tabby",)
    assert candidates("cat", ["bee"]) == ()


@pytest.mark.parametrize("label", ["cat", "고양이"])
def test_of_several_classes_the_one_that_the_networks_prefer_is_explained(label):
    path = pictures.photograph_path("cat_norwegian_forest.jpg")
    request = replace(START, a=path, name_a=label)
    cats = tuple(name for name in networks.classes() if class_names.kind_of(name) == "cats")
    assert cam_subject.label_of(request, 0) == (label, cats)
    best = next(name for name in networks.ranked(path) if name in cats)
    assert cam_subject.wanted_classes(request)[0] == (best, False)
    assert cam_subject.wanted_classes(replace(request, name_a="Persian cat"))[0] == ("Persian cat", True)


def test_a_label_that_nobody_knows_leaves_the_nearest_answer():
    path = pictures.photograph_path("scissors.jpg")
    request = replace(START, a=path, name_a="scissors")
    assert cam_subject.label_of(request, 0) == ("scissors", ())
    assert cam_subject.wanted_classes(request)[0] == (networks.ranked(path)[0], False)
    assert cam_subject.label_of(replace(request, name_a="A"), 0) is None  # not labelled at all


def test_a_photograph_of_a_known_class_needs_no_label():
    assert cam_subject.label_of(START, 0) is None
    assert cam_subject.wanted_classes(START)[0] == ("Egyptian cat", True)


def test_where_both_pictures_are_of_one_class_the_one_in_sight_keeps_it():
    path = pictures.photograph_path("cat_norwegian_forest.jpg")
    pair = replace(START, a=path, b=path, name_a="Persian cat", name_b="Persian cat")
    for slot, subject in enumerate("ab"):
        wanted = cam_subject.wanted_classes(replace(pair, subject=subject))
        assert wanted[slot] == ("Persian cat", True)
        assert wanted[1 - slot][0] != "Persian cat"

"""Names of classes: data sets spell one thing differently."""

from __future__ import annotations

import pytest

from mixviz.networks import class_names, zoo

IMAGENET = zoo.card(zoo.REFERENCE).data.classes
BREEDS = (*class_names.CAT_BREEDS, *class_names.DOG_BREEDS)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Egyptian Mau", "Egyptian cat"), ("EGYPTIAN CAT", "Egyptian cat"), ("Persian", "Persian cat"),
        ("Siamese", "Siamese cat"), ("yorkshire terrier", "Yorkshire terrier"), ("basset hound", "basset"),
        ("saint bernard", "Saint Bernard"), ("scottish terrier", "Scotch terrier"), ("cellphone", "cellular telephone"),
        ("crane", "crane"), ("cardigan", "cardigan"), ("tank suit", "tank suit"), ("Sphynx", None),
        ("scissors", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_finds_imagenets_class(name, found):
    place = class_names.find(name, IMAGENET)
    assert (None if place is None else IMAGENET[place]) == found


def test_imagenets_classes_stay_apart_and_most_dogs_of_the_pets_are_among_them():
    assert class_names.distinct(IMAGENET) == list(IMAGENET)
    both = class_names.distinct([*IMAGENET, *BREEDS])
    new = set(both) - set(IMAGENET)
    assert new == set(both[len(IMAGENET) :])
    assert len(new & set(class_names.CAT_BREEDS)) == 9  # Egyptian Mau, Persian and Siamese are ImageNet's, too
    assert new & set(class_names.DOG_BREEDS) == {"american bulldog", "havanese", "shiba inu"}


@pytest.mark.parametrize("name", BREEDS)
def test_every_spelling_of_a_breed_means_it(name):
    assert class_names.spellings(name)[0] == name
    assert all(class_names.find(spelling, BREEDS) == BREEDS.index(name) for spelling in class_names.spellings(name))


def test_kinds_follow_imagenets_order():
    kinds = {"tabby": "cats", "Sphynx": "cats", "lion": "beasts", "pug": "dogs", "Chihuahua": "dogs", "goose": "birds"}
    kinds |= {"king penguin": "birds", "bee": "insects", "monarch": "insects", "school bus": "cars", "tench": ""}
    assert {name: class_names.kind_of(name) for name in kinds} == kinds
    assert sum(class_names.kind_of(name) == "dogs" for name in IMAGENET) >= 118


def test_imagenet_has_22_of_the_pets_25_dogs_and_3_of_their_12_cats():
    for breeds, there in ((class_names.DOG_BREEDS, 22), (class_names.CAT_BREEDS, 3)):
        assert sum(map(class_names.in_imagenet, breeds)) == there

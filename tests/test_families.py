"""Families of networks: grouped by what their cards say, chosen by the classes in sight, and never compared in one."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from mixviz.cam import inference
from mixviz.cam.inference import LoadedModel
from mixviz.data import pictures
from mixviz.evaluation import zoo_tables
from mixviz.networks import architectures, families, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.selection import candidates
from mixviz.ui import handlers
from mixviz.ui.services import family_choice, networks, transition
from mixviz.ui.state import first_request
from mixviz.ui.views import compare, learn, localize

pytest.importorskip("timm")
CATS, THINGS = ("Egyptian cat", "tabby", "pug"), ("bee", "lion", "tabby", "espresso")
STRATEGIES = ("baseline", "cutout", "cutmix", "mixup", "saliencymix", "randsaliencymix")
FIRST_FIVE = ("baseline", "cutmix", "mixup", "saliencymix", "randsaliencymix")


def card(strategy: str, data: str, classes: tuple[str, ...], **more) -> ModelCard:
    """Return the card of a network that was trained with a strategy of the zoo; measured, unless told otherwise."""
    method, parameters = zoo.STRATEGIES[strategy]
    given = zoo.card("cutmix").given
    return ModelCard.from_json({
        **given, "method": method, "parameters": parameters, "seeds": [],
        "data": {"name": data, "terms": "", "classes": list(classes), "pictures": {"train": 90}},
        "network": {**given["network"], "name": "test_resnet", "image_size": 64, "layer": ""},
        "run": {**given["run"], "data": data, "method": method, "options": parameters, "freeze": 2, "holdout": ""},
        "metrics": {"images": 50, "accuracy": {"top1_error_percent": 20.0}}, "weights": {"sha256": strategy},
        **more,
    })  # fmt: skip


def network(trunk: torch.nn.Module, classes: int, seed: int) -> torch.nn.Module:
    """Return a network with the first two stages of another one."""
    torch.manual_seed(seed)
    made = architectures.build("test_resnet", classes).eval()
    for name in ("conv1", "bn1", "layer1", "layer2"):
        if hasattr(made, name):
            setattr(made, name, copy.deepcopy(getattr(trunk, name)))
    return made


@pytest.fixture
def zoo_of_two(monkeypatch):
    """The reference, and two families of small networks on one trunk; what was kept of the real ones is set aside."""
    torch.manual_seed(0)
    trunk = architectures.build("test_resnet", 2).eval()
    reference = zoo.card(zoo.REFERENCE)
    known: dict = {zoo.REFERENCE: networks.known_networks()[zoo.REFERENCE]}
    cards = {zoo.REFERENCE: reference}
    for prefix, data, classes in (("", "cats", CATS), ("things_", "things", THINGS)):
        cards |= {prefix + strategy: card(strategy, data, classes) for strategy in STRATEGIES}
    headings = families.headings(cards)
    for seed, (name, one) in enumerate(cards.items()):
        if name != zoo.REFERENCE:
            made = network(trunk, len(one.data.classes), seed)
            known[name] = LoadedModel(name, one, name, made, heading=headings[name])
    monkeypatch.setattr(networks, "_listed", lambda: known)
    monkeypatch.setattr(zoo, "names", lambda where=None: list(cards))
    monkeypatch.setattr(zoo, "card", lambda name, where=None: cards[name])
    monkeypatch.setattr(zoo, "history", lambda name, where=None: [])
    kept = (compare._results, candidates._trained, networks.ranked_by)
    for function in kept:
        function.cache_clear()
    localize.context.cache.clear()
    inference.features.cache.clear()
    yield known
    for function in kept:
        function.cache_clear()
    localize.context.cache.clear()


def asked(a: str = "cat_egyptian_mau", b: str = "bee", **more):
    paths = {letter: str(pictures.photograph_path(f"{name}.jpg")) for letter, name in (("a", a), ("b", b))}
    return replace(first_request(), view="localize", **{"subject": "mix", **paths, **more})


# ---------------------------------------------------------------- families of cards


def test_a_family_is_what_the_cards_say():
    cards = {
        "one": card("baseline", "cats", CATS), "two": card("baseline", "things", THINGS),
        "three": card("cutmix", "cats", CATS), "four": card("cutmix", "cats", CATS[:2]),
    }  # fmt: skip
    found = families.families(cards)
    assert [family.names for family in found] == [("one", "three"), ("two",), ("four",)]
    assert [(family.data, family.pictures, family.compared) for family in found] == [
        ("cats", 90, True), ("things", 90, True), ("cats", 90, True),
    ]  # fmt: skip
    assert len({family.key for family in found}) == 3


def test_the_reference_and_networks_of_others_are_no_compared_family():
    found = families.families({name: zoo.card(name) for name in zoo.names()})
    (of_reference,) = (family for family in found if zoo.REFERENCE in family.names)
    assert (of_reference.compared, len(of_reference.classes)) == (False, 1000)


def test_the_family_that_knows_most_of_the_classes_comes_first():
    cats, things = families.families({"a": card("baseline", "cats", CATS), "b": card("baseline", "things", THINGS)})
    for classes, expected in {
        ("pug",): [cats], ("bee",): [things], ("rocket",): [], ("tabby",): [cats, things],
        ("tabby", "bee"): [things, cats],  # both of two, before one of two
        ("pug", "bee"): [cats, things], ("bee", "pug"): [things, cats],  # as many: the first class decides
        ("Egyptian Mau",): [cats],  # by another name
    }.items():  # fmt: skip
        assert families.knowing([cats, things], classes) == expected, classes


def test_the_networks_that_tell_most_are_one_of_each_strategy():
    cards = {name: card(name, "cats", CATS) for name in STRATEGIES}
    assert set(families.telling(cards, cards)) == set(FIRST_FIVE)
    few = {name: card(name, "cats", CATS) for name in ("cutout", "cutmix")}
    assert families.telling(few, few) == ["cutout", "cutmix"]
    twice = {**cards, "again": card("baseline", "cats", CATS)}
    assert "again" not in families.telling(twice, twice)


def test_no_two_titles_are_alike():
    cards = {
        "cutmix": card("cutmix", "cats", CATS), "t": card("cutmix", "things_200", THINGS),
        "u": card("cutmix", "things_200", THINGS),
    }  # fmt: skip
    assert families.headings(cards) == {"cutmix": "CutMix", "t": "CutMix (things 200)", "u": "CutMix (u)"}


# ---------------------------------------------------------------- the networks to begin with


@pytest.mark.parametrize(
    ("more", "family", "lacks"),
    [
        ({"subject": "a"}, "cats", ()),
        ({"subject": "b"}, "things", ()),
        ({"subject": "b", "b": "rocket"}, "cats", ()),  # nobody knows it: the first, as there is nothing better
        ({"subject": "a", "classes": ("espresso", "")}, "things", ()),  # the visitor's class
        ({}, "cats", ("bee",)),
        ({"a": "bee", "b": "cat_egyptian_mau"}, "things", ("Egyptian cat",)),
        ({"classes": ("tabby", "")}, "things", ()),  # which both know
    ],
)
def test_the_classes_in_sight_choose_the_family(zoo_of_two, more, family, lacks):
    chosen = family_choice.beginning(asked(**more))
    prefix = "" if family == "cats" else "things_"
    assert chosen.family.data == family
    assert set(chosen.names) == {zoo.REFERENCE, *(prefix + name for name in FIRST_FIVE)}
    assert chosen.names[0] == zoo.REFERENCE
    assert chosen.lacks == lacks
    assert (chosen.other is not None) == bool(lacks)


def test_a_networks_own_prediction_is_looked_for_in_the_family_of_the_references(zoo_of_two):
    assert family_choice.beginning(asked(subject="b", classes=("", "*"))).family.data == "things"


def test_the_view_asks_the_networks_that_suit_and_those_that_are_named(zoo_of_two):
    request = asked(subject="b", begin=6)
    value = handlers.show(request)
    assert [row["name"] for row in value["rows"]] + value["pending"] == [
        name for name in zoo_of_two if name in value["begin"]["names"]
    ]
    assert all(row["looks"][1]["class"] == "bee" for row in value["rows"])
    one = handlers.show(replace(request, begin=1, only=("cutmix",)))
    assert [row["name"] for row in one["rows"]] + one["pending"] == [zoo.REFERENCE, "cutmix"]
    told = localize.context()
    assert [(one["data"], len(one["names"]), one["compared"]) for one in told["families"]] == [
        ("imagenet", 1, False), ("cats", 6, True), ("things", 6, True),
    ]  # fmt: skip
    titles = [one["title"] for one in told["networks"].values()]
    assert len(titles) == len(set(titles))
    assert told["networks"]["things_cutmix"]["plain"] == told["networks"]["cutmix"]["title"] == "CutMix"


@pytest.mark.parametrize("begin", [-1, True, 1.5, "6", 101])
def test_a_wrong_number_of_networks_is_refused(begin):
    with pytest.raises(Exception, match="number of them"):
        asked(begin=begin)


def test_families_share_the_stages_that_are_alike(zoo_of_two):
    """One trunk and one preparation: computed once for the networks of both families."""
    request = asked(only=("baseline", "things_baseline", "things_cutmix"), layer="card", subject="b")
    answer = handlers.show(request)
    while answer["pending"]:
        answer = handlers.show(replace(request, only=tuple(answer["pending"])))
    assert len(inference.features.cache) == 1
    known = zoo_of_two["things_cutmix"]
    view = pictures.view(request.b, known.input_view).copy()
    whole = replace(known, card=known.card.changed(run={**known.card.given["run"], "freeze": 0}), finer={})
    ours, theirs = (inference.look(one, view, ["bee"]) for one in (known, whole))
    assert torch.equal(ours.maps, theirs.maps)
    assert torch.equal(ours.probability, theirs.probability)


# ---------------------------------------------------------------- comparisons


def test_other_views_take_networks_of_one_family(zoo_of_two):
    both = transition.transition(asked(a="bee", b="lion"))
    assert {one["name"] for one in both["networks"]} > set(both["begin"])
    assert set(both["begin"]) == {zoo.REFERENCE, *(f"things_{name}" for name in FIRST_FIVE)}
    found = learn.maps(
        {"view": "learn", "method": "cutmix", "a": asked().b, "b": asked().b, "name_a": "", "name_b": ""}
    )
    assert (found["network"], found["same"]) == ("things_cutmix", True)


def test_families_stand_in_tables_of_their_own(zoo_of_two):
    value = compare._results()
    for one, prefix in ((value, ""), (value["others"][0], "things_")):
        assert {row["name"] for row in one["rows"]} == set(STRATEGIES)  # titles without the settings that differ
        assert set(one["cards"]) == {prefix + name for name in STRATEGIES}
    assert (value["data"], value["others"][0]["data"]) == ("cats", "things")
    text = zoo_tables.table()
    assert text.count("| Baseline |") == 2
    assert text.count("6 strategies") == 0
    assert "3 classes of cats" in text
    assert "4 classes of things" in text
    assert candidates._trained().keys() == {*STRATEGIES} - {"baseline"}


@pytest.mark.browser
def test_the_choice_follows_the_picture_unless_the_visitor_chose(zoo_of_two, open_tab):
    def shown() -> set[str]:
        return {card.get_attribute("data-network") for card in tab.page.locator(".mv-look[data-network]").all()}

    tab = open_tab("?view=localize&subject=a", "localize")
    assert shown() == {zoo.REFERENCE, *FIRST_FIVE}
    assert [one.inner_text() for one in tab.page.locator("[data-network=cutmix] h2").all()] == ["CutMix"]
    tab.after(lambda: tab.page.evaluate("mixviz.set({ classes: ['espresso', ''] })"))
    assert shown() == {zoo.REFERENCE, *(f"things_{name}" for name in FIRST_FIVE)}
    assert tab.page.locator("[data-network=things_cutmix] h2").inner_text() == "CutMix"
    tab.page.get_by_text("Settings", exact=True).first.click()
    cats = tab.page.locator(".mv-family[data-family^=cats-]")
    assert "They know 3 classes: Egyptian cat, tabby, Pug" in cats.inner_text()
    tab.after(lambda: cats.get_by_label("CutMix", exact=True).check())
    assert shown() == {zoo.REFERENCE, "cutmix", *(f"things_{name}" for name in FIRST_FIVE)} - {"cutmix"}  # set aside
    assert tab.page.locator("[data-network=things_cutmix] h2").inner_text() == "CutMix (things)"
    tab.after(lambda: tab.page.evaluate("mixviz.set({ classes: ['', ''] })"))
    assert "cutmix" in shown()  # the visitor's own choice stays
    tab.page.get_by_text("Those that suit the picture").click()
    tab.page.wait_for_function("mixviz.idle()")
    assert shown() == {zoo.REFERENCE, *FIRST_FIVE}
    tab.after(lambda: tab.page.evaluate("mixviz.set({ subject: 'mix', classes: ['pug', 'espresso'] })"))
    assert shown() == {zoo.REFERENCE, *FIRST_FIVE}
    line = tab.page.get_by_text("those shown, of cats, know no class “espresso”")
    assert line.is_visible()
    tab.after(lambda: tab.page.get_by_role("button", name="Show those that know “espresso”").click())
    assert shown() == {zoo.REFERENCE, *(f"things_{name}" for name in FIRST_FIVE)}
    assert not line.is_visible()

"""The family tree: its data, its order and its drawing, on the page and as a slide."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import mixviz
from mixviz.core.parameters import Card
from mixviz.i18n import texts
from mixviz.selection import lineage
from mixviz.ui.state import first_request
from mixviz.ui.views.tree import tree

METHODS = {name: cls for name, cls in mixviz.METHODS.items() if cls.card.family != "none"}


def catalogue(**cards: dict) -> dict:
    """Make a catalogue of cards only, with the given fields by name."""
    plain = {"family": "cut", "year": 2020}
    return {name: SimpleNamespace(card=Card(name, name.title(), **plain | more)) for name, more in cards.items()}


@pytest.mark.parametrize("name", METHODS)
def test_every_parent_is_known_and_none_is_younger(name):
    cards = {**lineage.ANCESTORS, **{other: cls.card for other, cls in mixviz.METHODS.items()}}
    for parent in METHODS[name].card.after:
        assert parent in cards, f"{parent} is neither a method nor one of descent.ANCESTORS"
        born, before = lineage.first_seen(cards[name]), lineage.first_seen(cards[parent])
        if born[0]:
            assert before[0] <= born[0]
        if born[1] and before[1] and born[0] == before[0]:
            assert before[1] <= born[1]


def test_every_method_of_a_year_is_in_the_tree_and_relatives_know_one_another():
    ideas = lineage.tree()
    assert ideas.keys() >= {name for name, cls in METHODS.items() if cls.card.year or cls.card.after}
    for name, idea in ideas.items():
        assert all(name in ideas[parent].children for parent in idea.parents)
        assert all(name in ideas[child].parents for child in idea.children)
        assert idea.ancestor == (name in lineage.ANCESTORS)
    assert ideas["cutmix"].parents == ("mixup", "cutout")
    years = [idea.year or 9999 for idea in ideas.values()]
    assert years == sorted(years)


def test_a_year_is_that_of_the_first_public_version():
    def seen(year: int, arxiv: str) -> tuple[int, int]:
        return lineage.first_seen(Card("a", "A", year=year, arxiv=arxiv))

    assert seen(2018, "1710.09412") == (2017, 10)
    assert seen(2020, "") == (2020, 0)
    assert seen(2016, "1701.00001") == (2016, 0)  # put there after it had been published
    assert seen(0, "") == (0, 0)


def test_unknown_parents_and_strangers_do_not_break_the_tree():
    ideas = lineage.tree(
        catalogue(a={"after": ("nobody", "a2", "a2")}, a2={"year": 2019, "family": "new"}, lone={"year": 0})
    )
    assert list(ideas) == ["a2", "a"]
    assert (ideas["a"].parents, ideas["a2"].children) == (("a2",), ("a",))
    assert lineage.tree({}) == {}


def test_nothing_comes_from_itself():
    with pytest.raises(ValueError, match="comes from itself"):
        lineage.tree(catalogue(a={"after": ("b",)}, b={"after": ("c",)}, c={"after": ("a",)}))


def test_the_view_is_plain_data_with_words_for_all_of_it():
    value = tree(first_request())
    json.dumps(value, allow_nan=False)
    assert {idea["family"] for idea in value["ideas"]} == set(value["families"])
    for language in texts().values():
        for name in lineage.ANCESTORS:
            assert language[f"tree.is.{name}"]
    for idea in value["ideas"]:  # an idea without a paper has no citation
        assert idea["citation"] or not METHODS[idea["name"]].card.paper


# ---------------------------------------------------------------- in a browser


@pytest.fixture
def room(open_tab):
    return open_tab("?view=tree&idea=cutmix", "tree")


@pytest.mark.browser
@pytest.mark.slow
def test_the_address_opens_an_idea_with_its_relatives(room):
    panel = room.page.locator("[data-part=idea]")
    card = mixviz.METHODS["cutmix"].card
    text = panel.inner_text()
    assert card.citation in text
    assert card.label in text
    assert panel.locator("[data-to]").evaluate_all("all => all.map(one => one.dataset.to)") == [
        *lineage.tree()["cutmix"].parents, *lineage.tree()["cutmix"].children
    ]  # fmt: skip
    assert room.page.locator("[data-idea]").count() == len(lineage.tree())
    faint = room.page.locator("[data-idea=manifold_mixup]").evaluate("node => node.style.opacity")
    assert (faint, room.page.locator("[data-idea=mixup]").evaluate("node => node.style.opacity")) == ("0.3", "1")
    panel.locator("[data-to=mixup]").click()
    assert panel.locator("h2").inner_text().startswith("Mixup")
    room.page.wait_for_function("location.search.includes('idea=mixup')")
    panel.locator("[data-door=detail]").click()
    room.page.wait_for_function("mixviz.state.view === 'detail' && mixviz.state.method === 'mixup'")


@pytest.mark.browser
@pytest.mark.slow
def test_no_box_covers_another_and_none_is_outside(room):
    edges = "({left, top, right, bottom}) => [left, top, right, bottom]"
    boxes = room.page.locator("[data-idea] > rect").evaluate_all(
        f"all => all.map(one => one.getBoundingClientRect()).map({edges})"
    )
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
            assert apart, (one, other)
    frame = room.page.locator(".mv-lineage svg").bounding_box()
    assert all(one[0] >= frame["x"] and one[2] <= frame["x"] + frame["width"] + 1 for one in boxes)


@pytest.mark.browser
@pytest.mark.slow
def test_the_keyboard_goes_from_idea_to_idea(room):
    room.page.locator("[data-idea=cutmix]").focus()
    assert room.page.locator("[data-idea][tabindex='0']").count() == 1
    seen = set()
    for key in ("ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight"):
        room.page.keyboard.press(key)
        seen.add(room.page.evaluate("document.activeElement.dataset.idea"))
    assert None not in seen
    assert len(seen) > 2
    at = room.page.evaluate("document.activeElement.dataset.idea")
    assert room.page.locator("[data-part=idea] h2").inner_text().startswith(mixviz.METHODS[at].card.title)
    room.page.keyboard.press("Enter")
    room.page.wait_for_function(f"location.search.includes('idea={at}')")


@pytest.mark.browser
@pytest.mark.slow
def test_an_idea_under_a_resting_pointer_does_not_speak_until_it_moves(room):
    page, says = room.page, room.page.locator("[data-part=idea] h2")
    box = page.locator("[data-idea=samplepairing]").bounding_box()
    room.after(lambda: page.evaluate("mixviz.open('tree', {idea: 'mixup'})"))
    page.evaluate("mixviz.open('grid')")
    page.wait_for_function("mixviz.idle()")
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    room.after(lambda: page.evaluate("mixviz.open('tree', {idea: 'cutmix'})"))
    page.wait_for_timeout(500)  # the browser checks what is under the pointer
    assert page.evaluate("document.querySelector('[data-idea=samplepairing]:hover') !== null")
    assert says.inner_text().startswith("CutMix")
    page.mouse.move(box["x"] + 22, box["y"] + 10)
    assert says.inner_text().startswith("SamplePairing")


@pytest.mark.browser
@pytest.mark.slow
def test_the_list_says_the_same(room):
    room.page.get_by_text("As a list").click()
    lines = room.page.locator("[data-listed]")
    assert sorted(lines.evaluate_all("all => all.map(one => one.dataset.listed)")) == sorted(lineage.tree())
    row = room.page.locator("[data-listed=cutmix] > .mv-listed")
    assert (row.locator(".mv-link").inner_text(), row.locator("small").inner_text()) == ("CutMix", "2019 · cut")
    assert room.page.locator("[data-listed=mixup] [data-listed=cutmix] [data-listed=saliencymix]").count() == 1
    room.page.locator("[data-listed=mixup] > .mv-listed .mv-link").click()
    assert room.page.locator("[data-part=idea] h2").inner_text().startswith("Mixup")


@pytest.mark.browser
@pytest.mark.slow
def test_mixup_and_cutmix_and_the_names_of_the_lanes_are_in_sight(open_tab):
    tab = open_tab("?view=tree", "tree")
    frame = tab.page.locator(".mv-lineage").bounding_box()

    def lanes() -> list[dict]:
        return [lane.bounding_box() for lane in tab.page.locator(".mv-lanes span").all()]

    names = lanes()
    assert len(names) == len(tree(first_request())["families"])
    for name in ("mixup", "cutmix"):
        box = tab.page.locator(f"[data-idea={name}]").bounding_box()
        assert names[0]["x"] + names[0]["width"] <= box["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
    tab.page.locator(".mv-lineage").evaluate("one => { one.scrollLeft = 400; }")
    assert lanes() == names  # they stay


@pytest.mark.browser
@pytest.mark.slow
def test_a_phone_shows_a_list_that_opens_below_each_idea(open_tab):
    ideas = lineage.tree()
    tab = open_tab("?view=tree", "tree", width=390, height=844)
    assert not tab.page.locator(".mv-lineage").is_visible()
    line = tab.page.locator("[data-listed=cutmix] > .mv-listed")
    assert line.is_visible()  # below Mixup, which is open
    child = tab.page.locator("[data-listed=saliencymix] > .mv-listed")
    assert not child.is_visible()
    line.locator("[aria-expanded]").click()
    child.locator(".mv-link").click()
    panel = tab.page.locator("[data-listed=saliencymix] > [data-part=idea]")
    assert mixviz.METHODS["saliencymix"].card.citation in panel.inner_text()
    panel.locator("[data-to=randsaliencymix]").click()
    assert tab.page.locator("[data-listed=randsaliencymix] > [data-part=idea]").is_visible()
    assert tab.page.evaluate("document.activeElement.textContent").startswith(ideas["randsaliencymix"].card.title)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_slide_can_be_taken_away(room, kind, tmp_path):
    with room.page.expect_download() as waiting:
        room.page.locator(f"#mv-tree [data-take={kind}]").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    if kind == "png":
        image = Image.open(path)
        assert image.size == (3200, 1800)
        assert np.asarray(image.convert("L")).std() > 5
        return
    slide = ElementTree.parse(path).getroot()
    assert (slide.get("width"), slide.get("height")) == ("1600", "900")
    text = path.read_text(encoding="utf-8")
    assert "var(" not in text
    slide_text = " ".join("".join(node.itertext()) for node in slide.iter("{http://www.w3.org/2000/svg}text"))
    assert "CutMix" in slide_text
    assert "2019" in slide_text


@pytest.mark.browser
@pytest.mark.slow
def test_many_ideas_still_find_room(open_tab, monkeypatch):
    value = tree(first_request())
    base = value["ideas"][0] | {"ancestor": False, "children": []}
    more = [
        base | {"name": f"m{i}", "title": f"MethodNumber{i}Mix", "year": 2018 + i % 7, "month": i % 12 + 1,
                "family": value["families"][i % len(value["families"])], "parents": ["mixup"]}
        for i in range(50)
    ]  # fmt: skip
    everything = sorted(value["ideas"] + more, key=lambda idea: (idea["year"] or 9999, idea["month"] or 13))
    monkeypatch.setattr("mixviz.ui.views.tree", lambda _: {**value, "ideas": everything})
    tab = open_tab("?view=tree", "tree")
    test_no_box_covers_another_and_none_is_outside(tab)


@pytest.mark.browser
@pytest.mark.slow
def test_it_speaks_korean(open_tab):
    tab = open_tab("?view=tree&idea=saliencymix", "tree", locale="ko-KR")
    korean = texts()["ko"]
    assert korean["tree.title"] in tab.page.locator("#mv-tree h1").inner_text()
    assert korean["summary.saliencymix"] in tab.page.locator("[data-part=idea]").inner_text()

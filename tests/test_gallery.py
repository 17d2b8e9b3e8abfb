"""The gallery of all methods: tiles, what is told about a method on demand, and the way to them, in a real browser."""

from __future__ import annotations

import pytest
from conftest import OPENING

import mixviz
from mixviz.ui.services import presenters

pytestmark = pytest.mark.browser

# Which of the pairs (method, query) does the search miss?
MISSED = """(pairs) => {
  const find = document.querySelector("#mv-grid input[type=search]");
  const ask = (query) => {
    find.value = query;
    find.dispatchEvent(new Event("input"));
  };
  const missed = pairs.filter(([name, query]) => {
    ask(query);
    return document.querySelector(`[data-method=${name}]`).hidden;
  });
  ask("");
  return missed;
}"""


def test_every_method_is_found_by_each_of_its_names(same_tab):
    pairs = [
        [name, query] for name, cls in mixviz.METHODS.items() for query in (name, cls.card.title, *cls.card.aliases)
    ]
    assert same_tab.page.evaluate(MISSED, pairs) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_twelve_presses_of_tab_lead_to_the_first_tile(open_tab, width):
    tab = open_tab(width=width)
    stops: list[str] = []
    while "mv-card-open" not in stops and len(stops) < 20:
        tab.page.keyboard.press("Tab")
        inside = "document.activeElement.closest('.mv-tabs')"  # which lead to other views
        if not tab.page.evaluate(f"!!{inside}"):
            stops.append(tab.page.evaluate("document.activeElement.className || document.activeElement.tagName"))
    assert len(stops) <= 12, stops
    assert tab.page.evaluate("document.activeElement.textContent") == "Mixup"


def test_arrow_keys_move_within_the_row_of_controls(same_tab):
    page = same_tab.page
    page.get_by_role("searchbox", name="Find a method").focus()
    page.keyboard.press("Tab")
    reached = [page.evaluate("document.activeElement.className")]
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        reached.append(page.evaluate("document.activeElement.className"))
    parts = ("", "mv-options-button", "mv-picture-a", "mv-button", "mv-picture-b", "")
    assert all(part in name for part, name in zip(parts, reached, strict=True)), reached
    assert reached[0] == reached[-1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "mv-lam"


def test_essential_methods_come_first_and_all_stand_below_their_family(same_tab):
    shown = same_tab.page.locator(".mv-card").evaluate_all("(cards) => cards.map((card) => card.dataset.method)")
    assert tuple(shown[: len(presenters.ESSENTIALS)]) == presenters.ESSENTIALS
    assert sorted(shown) == sorted(mixviz.METHODS)
    heads = same_tab.page.locator(".mv-group-head:visible").all_inner_texts()
    assert heads[0] == "Essentials"
    assert len(heads) == len({cls.card.family for cls in mixviz.METHODS.values()} - {"none"}) + 1


def test_a_tile_tells_its_method_in_a_sentence_under_the_pointer_and_in_focus(open_tab):
    tab = open_tab(reduced_motion="reduce")
    summary = tab.page.locator("[data-method=cutmix] .mv-summary")
    seen = "node => getComputedStyle(node).opacity"
    assert summary.evaluate(seen) == "0"
    tab.page.locator("[data-method=cutmix]").hover()
    assert summary.evaluate(seen) == "1"
    tab.page.keyboard.press("Escape")
    assert summary.evaluate(seen) == "0"
    tab.page.locator("[data-method=cutout]").hover()
    assert summary.evaluate(seen) == "0"
    tab.page.mouse.move(0, 0)
    tab.page.locator("[data-method=mixup] .mv-card-more").focus()
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Tab")  # past Cutout
    assert summary.evaluate(seen) == "1"
    described = tab.page.get_by_role("button", name="CutMix", exact=True).get_attribute("aria-describedby")
    assert described == summary.get_attribute("id")


def test_what_a_tile_leaves_out_is_one_press_away(same_tab):
    page = same_tab.page
    same_tab.about("saliencymix")
    sheet = page.get_by_role("dialog")
    assert sheet.get_by_role("heading", name="SaliencyMix").is_visible()
    pictures = [picture.get_attribute("aria-label") for picture in sheet.locator(".mv-tile").all()]
    assert pictures == ["cat augmented by SaliencyMix", "Saliency of dog", "Patch in dog"]
    assert all("blob:" in one for one in sheet.locator(".mv-tile").evaluate_all("a => a.map((n) => n.style.cssText)"))
    numbers = dict(zip(sheet.locator("dt").all_inner_texts(), sheet.locator("dd").all_inner_texts(), strict=True))
    assert numbers["λ held"] == f"{OPENING['lam']:.2f}"
    assert numbers.keys() == {"λ held", "A’s area", "A’s label", "fair"}
    assert "yet the label still says" in sheet.locator(".mv-truth").inner_text()
    assert "Also called: salient patch" in sheet.inner_text()
    page.keyboard.press("Escape")
    assert not sheet.is_visible()
    assert page.evaluate("document.activeElement.closest('[data-method]').dataset.method") == "saliencymix"


@pytest.mark.parametrize(
    ("button", "view"), [("See how CutMix does it", "detail"), ("Where networks look", "localize")]
)
def test_it_leads_on_to_other_views(open_tab, button, view):
    tab = open_tab()
    tab.about("cutmix")
    tab.page.get_by_role("button", name=button).click()
    tab.view = view
    tab.wait()
    assert tab.state()["method"] == "cutmix"
    assert not tab.page.locator("dialog[open]").count()


def test_options_hold_what_experts_want_and_are_closed_at_first(open_tab):
    tab = open_tab()
    wanted = [tab.page.get_by_label(name, exact=True) for name in ("Seed", "Saliency detector", "Object boxes")]
    assert not any(one.is_visible() for one in wanted)
    tab.more()
    assert all(one.is_visible() for one in wanted)
    tab.open("One method", "detail")
    tab.more()
    assert tab.page.get_by_label("Seed", exact=True).is_visible()  # the same field, at its other place

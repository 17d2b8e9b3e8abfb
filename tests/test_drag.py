"""Only the visible cards are drawn; the others follow when they scroll into view."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("gradio")

import mixviz
from mixviz.ui import handlers
from mixviz.ui.state import first_request

METHODS = list(mixviz.METHODS)
MARGIN = 100  # pixels beyond the window that still count as visible

IN_SIGHT = """
(margin) => [...document.querySelectorAll(".mv-card")].filter((card) => {
  const { top, bottom } = card.getBoundingClientRect();
  return bottom > -margin && top < innerHeight + margin;
}).map((card) => card.dataset.method)
"""
# Moves the slider as a hand does, without pause; the last value stays.
DRAG = """
async (values) => {
  const slider = document.querySelector("#mv-lam");
  for (const value of values) {
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}
"""
SHEETS = """
() => Promise.all([...document.querySelectorAll(".mv-card .mv-tile")].map(async (tile) => {
  const url = tile.style.backgroundImage.slice(5, -2);
  if (!url) return ["", false];
  return [url, await fetch(url).then((answer) => answer.ok, () => false)];
}))
"""


@pytest.mark.parametrize("only", [METHODS[:1], METHODS[3:9], METHODS[::-4]], ids=len)
def test_some_cards_say_what_they_say_among_all(only):
    request = replace(first_request(), view="grid", lam=0.3, still=False)
    full, some = handlers.show(request), handlers.show(replace(request, only=tuple(only)))
    known = {card["name"]: card for card in full["cards"]}
    assert some["cards"] == [known[name] for name in only]
    assert some["columns"] * some["rows"] >= len(only)
    assert len(some["sheet"]) < len(full["sheet"])
    assert {key: some[key] for key in ("link", "names", "judge", "held", "detector")}.items() <= full.items()


@pytest.fixture
def asked(tab) -> list:
    """Record the cards of each request that the page sends from now on."""
    result: list = []
    tab.page.on(
        "request", lambda request: "component_server" in request.url and result.append(request.post_data_json["data"])
    )
    return result


@pytest.mark.browser
@pytest.mark.slow
def test_cards_in_sight_move_with_the_slider_and_the_others_when_they_are_seen(tab, asked):
    for scrolled in (0, 1, 0.5):
        in_sight_moves(tab, asked, scrolled)
    shown_lam = {
        card["name"]: card
        for card in handlers.show(replace(first_request(), view="grid", lam=0.8, still=False))["cards"]
    }
    for name, card in shown_lam.items():
        assert tab.label(name).startswith(f"Label: {card['share'][0]:.0%}".replace("%", " %")), name


def in_sight_moves(tab, asked, scrolled):
    tab.page.evaluate("(share) => scrollTo(0, share * document.documentElement.scrollHeight)", scrolled)
    tab.page.wait_for_timeout(300)
    tab.page.wait_for_function("mixviz.idle()")
    in_sight = tab.page.evaluate(IN_SIGHT, MARGIN)
    assert 0 < len(in_sight) < len(METHODS)
    asked.clear()
    tab.page.evaluate(DRAG, [i / 10 for i in range(1, 9)])
    tab.page.wait_for_function("mixviz.idle()")
    assert len(asked) > 1
    # Cards may grow by a line and push a neighbour over the edge, never more.
    assert all(set(question["only"]) <= set(tab.page.evaluate(IN_SIGHT, 3 * MARGIN)) for question in asked)
    assert set(in_sight) <= {name for question in asked for name in question["only"] if question["lam"] == 0.8}
    assert {url for url, present in tab.page.evaluate(SHEETS) if url and not present} == set()


@pytest.mark.browser
@pytest.mark.slow
def test_nothing_is_asked_of_cards_that_are_filtered_away(tab, asked):
    tab.page.get_by_placeholder("Find a method").fill("mixup")
    shown = set(
        tab.page.evaluate(
            "[...document.querySelectorAll('.mv-card')].filter((c) => !c.hidden).map((c) => c.dataset.method)"
        )
    )
    asked.clear()
    tab.set_lambda(0.35)
    assert {name for question in asked for name in question["only"]} <= shown
    assert "find=mixup" in tab.page.url
    tab.page.reload()
    tab.wait()
    assert tab.page.locator(".mv-card:visible").count() == len(shown)


@pytest.mark.browser
@pytest.mark.slow
def test_no_card_loses_its_picture_while_the_slider_moves(tab):
    for share in (0, 1, 0.4):
        tab.page.evaluate("(share) => scrollTo(0, share * document.documentElement.scrollHeight)", share)
        tab.page.evaluate(DRAG, [0.2, 0.5, 0.9 - share / 10])
        assert all(present for url, present in tab.page.evaluate(SHEETS) if url)


@pytest.mark.browser
@pytest.mark.slow
def test_another_view_and_back_shows_what_the_controls_say(tab):
    tab.page.evaluate(DRAG, [0.2, 0.7])
    tab.open("λ strip", "sweep")
    tab.page.wait_for_function("mixviz.idle()")
    tab.view = "grid"
    tab.after(lambda: tab.open("All methods", "grid"))
    assert tab.label(METHODS[-1])
    assert tab.label("mixup").startswith("Label: 70 %")

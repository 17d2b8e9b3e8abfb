"""The Mix page's grid, and the parts around all views, in a real browser."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

import mixviz
from mixviz.core.objects import boxes_of
from mixviz.data import pictures
from mixviz.i18n import texts
from mixviz.ui import handlers
from mixviz.ui.services import detector_options, presenters
from mixviz.ui.state import first_request

pytestmark = pytest.mark.browser


@pytest.fixture
def tab(same_tab):
    return same_tab


@pytest.mark.slow
def test_first_paint_shows_every_method_with_its_pictures(open_tab):
    tab = open_tab()
    assert tab.page.locator(".mv-card").count() == len(mixviz.METHODS)
    for name in mixviz.METHODS:
        tab.see(name)
        tile = tab.page.locator(f"[data-method={name}] .mv-tile")
        assert "blob:" in tile.evaluate("tile => tile.style.backgroundImage")


def test_the_page_comes_with_its_first_view_and_asks_for_nothing_else(tab):
    seen, asked = [], []
    tab.page.on(
        "request",
        lambda one: "component_server" in one.url and one.post_data_json["fn_name"] == "look" and asked.append(one),
    )
    tab.page.on("response", lambda response: seen.append((urlsplit(response.url).path, response.status)))
    tab.page.goto(tab.page.url.partition("?")[0])
    tab.page.wait_for_selector("#mv-learn[data-shown]")
    tab.page.wait_for_function("mixviz.idle()")
    assert not [(path, status) for path, status in seen if status >= 400]
    assert not asked  # but for what lies further down


def test_moving_lambda_moves_pictures_and_labels(tab):
    tab.set_lambda(0.25)
    mixture = tab.page.locator("[data-method=mixup] .mv-tile")
    before = mixture.evaluate("tile => tile.style.backgroundImage")
    assert tab.label("mixup") == "Label: 25 % cat, 75 % dog"
    tab.set_lambda(0.9)
    assert tab.label("mixup") == "Label: 90 % cat, 10 % dog"
    assert mixture.evaluate("tile => tile.style.backgroundImage") != before


@pytest.mark.slow
def test_uploaded_pictures_are_mixed_and_the_bars_say_what_the_core_says(tab, two_files):
    for index, path in enumerate(two_files):
        tab.after(lambda i=index, p=path: tab.choose("ab"[i], p))
        tab.page.wait_for_function(f"mixviz.state.name_{'ab'[index]} === '{path.stem}'")
    assert tab.page.locator(".mv-picture b").all_inner_texts() == ["first", "second"]
    tab.set_lambda(0.4)
    tiles = [pictures.load_image(path, presenters.SIDE) for path in two_files]
    images = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
    for name, cls in mixviz.METHODS.items():
        batch = mixviz.Batch(images, saliency=mixviz.saliency(images))
        recipe = cls().plan(batch, np.random.default_rng(0), lam=0.4, partner=[1, 0])
        own = recipe.share[:, 0][recipe.partner[:, 0] == 0].sum().item()
        assert tab.label(name).startswith(f"Label: {round(100 * own)} % first,"), name


def test_a_pair_is_chosen_with_its_labels(tab):
    tab.after(lambda: tab.pair("Pair: lion and parrot"))
    tab.page.wait_for_function("mixviz.state.name_a === 'lion'")
    assert tab.page.locator(".mv-picture-a b").inner_text() == "lion"
    assert tab.label("mixup") == "Label: 60 % lion, 40 % parrot"
    tab.more()
    assert "parrot" in tab.page.locator(".mv-legend").inner_text()


def test_a_and_b_are_swapped(tab):
    tab.after(tab.page.get_by_role("button", name="Swap A and B").click)
    tab.page.wait_for_function("mixviz.state.name_a === 'dog'")
    tab.set_lambda(0.7)
    assert tab.label("mixup") == "Label: 70 % dog, 30 % cat"


@pytest.mark.slow
def test_a_seed_that_is_none_is_explained_and_the_page_goes_on(tab):
    tab.more()
    for good, seed in enumerate(["1.5", "-4", ""]):
        tab.page.get_by_label("Seed").fill(seed)
        tab.page.get_by_label("Seed").press("Enter")
        tab.page.get_by_text("The seed should be a whole number").wait_for()
        tab.enter(tab.page.get_by_label("Seed"), good)
        tab.page.wait_for_function("document.querySelector('.mv-message').textContent === ''")


@pytest.mark.slow
def test_a_slow_answer_does_not_overtake_the_slider(tab, monkeypatch):
    """λ moves while the server still works on a new pair: the cards end at the new λ."""
    show = handlers.show

    def slow(request):
        if request.still:
            time.sleep(0.8)
        return show(request)

    monkeypatch.setattr(handlers, "show", slow)
    tab.pair("Pair: lion and parrot")
    tab.page.wait_for_function("mixviz.state.name_a === 'lion'")
    tab.set_lambda(0.95)
    tab.page.wait_for_timeout(1500)
    assert tab.label("mixup") == "Label: 95 % lion, 5 % parrot"


@pytest.mark.slow
def test_what_a_visitor_typed_stays_after_an_upload(tab, two_files):
    tab.after(lambda: tab.name("a", "my yard"))
    tab.after(lambda: tab.choose("a", two_files[0]))
    assert tab.page.locator(".mv-picture-a b").inner_text() == "my yard"


@pytest.mark.slow
def test_the_camera_takes_a_picture(tab):
    tab.pick()
    tab.page.get_by_role("button", name="Camera").click()
    shutter = tab.page.get_by_role("button", name="Take a picture")
    shutter.wait_for()
    tab.page.wait_for_timeout(800)  # the camera opens
    tab.after(shutter.click)
    assert tab.state()["name_a"] == "A"


@pytest.mark.slow
def test_lambda_is_drawn_when_it_is_not_held(tab):
    tab.more()
    tab.after(tab.page.get_by_label("Hold λ").uncheck)
    tab.about("cutmix")
    drawn = tab.page.locator(".mv-method-facts dd").first.inner_text()
    tab.page.keyboard.press("Escape")
    batch = mixviz.Batch(torch.zeros(2, 3, presenters.SIDE, presenters.SIDE))
    recipe = mixviz.METHODS["cutmix"]().plan(batch, np.random.default_rng(0))
    assert drawn == f"{recipe.lam[0]:.2f}"
    assert not tab.page.locator("#mv-lam").is_visible()
    tab.enter(tab.page.get_by_label(re.compile("^α.*as a number")), 0.2)
    tab.about("cutmix")
    narrow = mixviz.METHODS["cutmix"](alpha=0.2).plan(batch, np.random.default_rng(0))
    assert tab.page.locator(".mv-method-facts dd").first.inner_text() == f"{narrow.lam[0]:.2f}"
    tab.page.keyboard.press("Escape")


def test_shuffle_draws_anew(tab):
    tab.more()
    tab.after(tab.page.get_by_role("button", name="Shuffle", exact=True).click)
    assert f"seed={tab.state()['seed']}" in tab.page.url


def test_text_of_a_visitor_is_text(tab):
    tab.more()
    tab.after(lambda: tab.name("a", "<img src=x>"))
    assert "<img src=x>" in tab.page.locator(".mv-legend").inner_text()


def test_back_and_forward_move_between_views_and_methods(open_tab):
    tab = open_tab("?view=learn", "learn")
    tab.after(tab.page.locator("[data-choice=mixup]").click)
    tab.open("All methods", "grid")
    tab.page.wait_for_function("mixviz.idle()")
    for go, view, method in (("back", "learn", "mixup"), ("back", "learn", "cutmix"), ("forward", "learn", "mixup")):
        tab.page.evaluate(f"history.{go}()")
        tab.page.wait_for_function(
            "([view, method]) => mixviz.state.view === view && mixviz.state.method === method && mixviz.idle()",
            arg=[view, method],
        )
        assert tab.page.locator(f"#mv-{view}").is_visible()
        assert tab.page.locator(f"[data-choice={method}][aria-pressed=true]").count() == 1


SEARCHES = [
    ("cut mix", "cutmix"),
    ("cutmx", "cutmix"),
    ("컷믹스", "cutmix"),
    ("sailencymix", "saliencymix"),
    ("rotate", "rotation"),
    ("attention", "transmix"),
]


@pytest.mark.parametrize(("query", "method"), SEARCHES)
def test_the_search_forgives(same_tab, query, method):
    same_tab.page.get_by_placeholder("Find a method").fill(query)
    shown = [card.get_attribute("data-method") for card in same_tab.page.locator(".mv-card:visible").all()]
    same_tab.page.get_by_placeholder("Find a method").fill("")
    assert method in shown
    assert len(shown) < len(mixviz.METHODS) / 2


def test_methods_are_found_by_name_and_family_and_pinned_first(open_tab):
    tab = open_tab()
    tab.page.get_by_role("searchbox", name="Find a method").fill("saliencymix")
    shown = tab.page.locator(".mv-card:visible h3").all_inner_texts()
    assert shown
    assert all("saliencymix" in title.lower() for title in shown)
    tab.page.get_by_role("searchbox", name="Find a method").fill("")
    tab.page.get_by_label("Family", exact=True).select_option("erase")
    families = {
        mixviz.METHODS[node.get_attribute("data-method")].card.family
        for node in tab.page.locator(".mv-card:visible").all()
    }
    assert families == {"erase"}
    tab.page.get_by_label("Family", exact=True).select_option("All families")
    pinned = list(mixviz.METHODS)[-2:]
    for name in pinned:
        tab.about(name)
        tab.page.get_by_role("button", name="Pin to compare").click()
        tab.page.keyboard.press("Escape")
    tab.page.get_by_label("Family", exact=True).select_option("erase")
    first = [tab.page.locator(".mv-card").nth(i).get_attribute("data-method") for i in range(2)]
    assert first == pinned
    tab.page.wait_for_function("location.search.includes('pin=') && mixviz.idle()")
    tab.page.reload()
    tab.wait()
    assert [tab.page.locator(".mv-card").nth(i).get_attribute("data-method") for i in range(2)] == pinned


@pytest.mark.slow
def test_every_detector_is_shown_and_chosen_by_its_picture(open_tab):
    tab = open_tab()
    tab.more()
    shown = tab.page.locator(".mv-detector")
    assert shown.locator("b").all_inner_texts() == list(detector_options.titles().values())
    names = list(detector_options.titles())
    tab.after(shown.nth(names.index("released")).click)
    tab.page.wait_for_function("mixviz.state.detector === 'released'")
    assert tab.page.locator("#mv-detector").input_value() == "released"
    tab.see("saliencymix")
    box = tab.page.locator("[data-method=saliencymix] .mv-box")
    before = box.get_attribute("style")
    tab.after(shown.nth(names.index("centre")).click)
    tab.page.wait_for_function("mixviz.state.detector === 'centre'")
    tab.see("saliencymix")
    assert box.get_attribute("style") != before


@pytest.mark.slow
def test_outlines_of_the_objects_lie_on_them_and_say_how_much_is_seen(open_tab):
    tab = open_tab()
    tab.more()
    tab.after(tab.page.locator("#mv-options .mv-options-fields > .mv-check input").check)
    tab.see("baseline")
    tile = tab.page.locator("[data-method=baseline] .mv-tile").bounding_box()
    box = tab.page.locator("[data-method=baseline] .mv-outline-a").bounding_box()
    start = first_request()
    (mask, _) = detector_options.objects(start.a, start.b, 224)
    top, left, bottom, right = (edge / 224 for edge in boxes_of(mask[None] > 0.5)[0].tolist())
    assert box["y"] - tile["y"] == pytest.approx(tile["height"] * top, abs=3)
    assert box["x"] - tile["x"] == pytest.approx(tile["width"] * left, abs=3)
    assert box["height"] == pytest.approx(tile["height"] * (bottom - top), abs=4)
    assert box["width"] == pytest.approx(tile["width"] * (right - left), abs=4)
    tab.see("mixup")
    for name, text in {
        "baseline": "visible: cat 100 %",
        "mixup": "visible: cat 100 % × 0.60, dog 100 % × 0.40",
    }.items():
        seen = tab.page.locator(f"[data-method={name}] .mv-seen").inner_text()
        assert seen.replace("\u00a0", " ") == text


@pytest.mark.slow
def test_a_link_shows_the_same_page(tab, open_tab):
    tab.after(lambda: tab.pair("Pair: lemur and pheasant"))
    tab.set_lambda(0.35)
    tab.more()
    tab.enter(tab.page.get_by_label("Seed"), 11)
    tab.page.get_by_role("button", name="Share").click()
    tab.page.get_by_text("Link copied").wait_for()
    link = tab.page.evaluate("navigator.clipboard.readText()")
    other = open_tab(link[link.index("?") :])
    assert [other.label(name) for name in mixviz.METHODS] == [tab.label(name) for name in mixviz.METHODS]
    assert other.state() == tab.state()
    assert other.page.locator(".mv-picture-a b").inner_text() == "lemur"


@pytest.mark.slow
def test_a_link_says_nothing_of_a_visitors_own_pictures(tab, two_files):
    tab.after(lambda: tab.choose("a", two_files[0]))
    tab.page.get_by_role("button", name="Share").click()
    tab.page.get_by_text("Your own pictures and labels").wait_for()
    assert "first" not in tab.page.url
    assert "a=" not in tab.page.url.replace("lambda", "")


@pytest.mark.slow
def test_labels_are_no_templates(tab):
    tab.more()
    tab.after(lambda: tab.name("a", "US$& {b} {share_a}$'"))
    assert "US$& {b} {share_a}$'" in tab.page.locator(".mv-legend").inner_text()
    tab.about("samplepairing")
    assert "US$& {b} {share_a}$'" in tab.page.locator(".mv-truth").inner_text()
    tab.page.keyboard.press("Escape")


@pytest.mark.slow
def test_a_link_without_a_view_is_one_too(open_tab):
    tab = open_tab("?a=coffee_cup&b=scissors&lam=0.3")
    assert tab.label("mixup") == "Label: 30 % coffee cup, 70 % scissors"


@pytest.mark.slow
def test_a_damaged_link_opens_the_page_all_the_same(open_tab):
    tab = open_tab("?view=grid&lam=7&seed=-1&detector=x&method=nonsense&a=../../etc&p.alpha=99&box=1,2")
    assert tab.page.locator(".mv-card").count() == len(mixviz.METHODS)
    assert tab.state()["lam"] == 0.6


def test_the_server_out_of_reach_is_explained_and_the_page_goes_on(tab):
    tab.page.context.set_offline(True)
    box = tab.page.get_by_label("λ: share of A, as a number")
    box.fill("0.2")
    box.press("Enter")
    message = tab.page.locator(".mv-message", has_text=texts()["en"]["lost"])
    message.wait_for()
    assert tab.page.evaluate("getComputedStyle(document.querySelector('#mv-main')).opacity") == "1"
    tab.page.context.set_offline(False)
    message.wait_for(state="hidden")
    assert tab.label("mixup").startswith("Label: 20 %")


def test_nothing_is_kept_in_the_browser(tab):
    tab.set_lambda(0.3)
    stored = tab.page.evaluate(
        "async () => [...(await indexedDB.databases()).map(d => d.name), ...Object.keys(localStorage), document.cookie]"
    )
    assert not [name for name in stored if "run" in name or "history" in name], stored

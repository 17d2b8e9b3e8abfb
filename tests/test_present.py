"""Presenting: one method or step of the lesson on the whole screen, with arrow keys, a clicker, and a link."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
SMALLEST = """() => Math.min(...[...document.querySelectorAll('#mv-page *')].filter((node) => node.checkVisibility()
    && node.getClientRects().length && [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim())
    && !node.closest('.mv-unseen, .mv-skip')).map((node) => parseFloat(getComputedStyle(node).fontSize)))"""


def test_a_link_presents_a_method_large_and_keys_change_it(open_tab):
    tab = open_tab("?present=1&view=learn&method=mixup", "learn", height=800)
    page = tab.page
    page.locator(".mv-presenting .mv-hero-mixture").wait_for()
    assert page.locator(".mv-header").is_hidden()
    assert page.evaluate(SMALLEST) >= 24
    box = page.locator(".mv-hero-mixture").bounding_box()
    assert min(box["width"], box["height"]) > 500
    assert box["y"] + box["height"] < 800
    for key, method in (("ArrowRight", "cutout"), ("PageDown", "cutmix"), ("PageUp", "cutout")):  # also a clicker's
        tab.after(lambda pressed=key: page.keyboard.press(pressed))
        assert tab.state()["method"] == method
    assert "present=1" in page.url
    page.keyboard.press("Escape")
    page.locator(".mv-header").wait_for()
    page.wait_for_function("!location.search.includes('present')")


def test_the_button_presents_the_method_of_any_view(open_tab):
    tab = open_tab("?view=detail&method=saliencymix", "detail")
    tab.page.get_by_role("button", name="Present", exact=True).click()
    tab.page.locator(".mv-presenting #mv-learn[data-shown]").wait_for()
    assert tab.state()["method"] == "saliencymix"
    tab.page.get_by_role("button", name="End the presentation").click()
    assert tab.page.locator(".mv-presenting").count() == 0


def test_the_lesson_is_presented_step_by_step(open_tab):
    tab = open_tab("?present=1&lesson=2&view=learn", "learn", height=800)
    page = tab.page
    page.get_by_text("2 of 7").wait_for()
    page.wait_for_function("mixviz.idle() && mixviz.state.method === 'mixup'")
    assert page.evaluate(SMALLEST) >= 24
    page.keyboard.press("PageDown")
    page.get_by_text("3 of 7").wait_for()
    page.wait_for_function("mixviz.idle() && mixviz.state.method === 'cutout'")
    page.go_back()
    page.get_by_text("2 of 7").wait_for()
    page.wait_for_function("mixviz.idle() && mixviz.state.method === 'mixup'")

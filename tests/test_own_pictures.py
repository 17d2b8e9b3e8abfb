"""The visitor's own pictures in the browser: kept across reloads, given again to a server that lost them, forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixviz.i18n import texts

pytestmark = pytest.mark.browser
A = "mixviz.state.name_a === '{}'"


@pytest.fixture
def own(open_tab, two_files):
    """A tab whose picture A is the visitor's own."""
    tab = open_tab("?view=learn&method=mixup", "learn")
    tab.after(lambda: tab.choose("a", two_files[0]))
    tab.page.wait_for_function(A.format("first"))
    return tab


def is_bundled(tab) -> bool:
    return "photos" in Path(tab.state()["a"]).parts


def test_a_reload_keeps_the_picture_and_another_tab_begins_without_it(own):
    other = own.page.context.new_page()
    other.goto(own.page.url.split("?")[0])
    other.wait_for_function("window.mixviz?.state.name_a === 'cat'")
    own.page.reload()
    own.page.wait_for_function("window.mixviz && " + A.format("first"))
    own.wait()
    assert not is_bundled(own)
    assert own.page.locator(".mv-hero-a b").inner_text() == "first"
    other.reload()
    other.wait_for_function("window.mixviz?.idle() && mixviz.state.name_a === 'cat'")


def test_a_picture_that_the_server_has_deleted_is_given_to_it_again(own):
    path = Path(own.state()["a"])
    path.unlink()
    own.set_lambda(0.3)
    label = own.page.locator(".mv-hero-label .mv-bar").get_attribute("aria-label").replace("\u00a0", " ")
    assert label == "Label: 30 % first, 70 % dog"
    assert Path(own.state()["a"]).is_file()
    assert own.page.locator(".mv-message").text_content() == ""


def test_a_visitor_chooses_a_kept_picture_again_and_forgets_all(own):
    own.after(lambda: own.pair("Pair: lion and parrot"))
    own.pick("b")
    own.after(own.page.locator(".mv-picker-own").get_by_role("button", name="first").click)
    assert own.state()["name_b"] == "first"
    own.pick("b")
    assert own.page.get_by_text(texts()["en"]["picker.kept"]).is_visible()
    own.after(own.page.get_by_role("button", name=texts()["en"]["picker.forget"]).click)
    assert own.page.locator(".mv-picker-own").is_hidden()
    assert own.state()["name_b"] == "dog"
    own.page.reload()
    own.page.wait_for_function("window.mixviz?.idle() && mixviz.state.name_a === 'lion'")
    assert own.state()["name_b"] == "dog"


def test_escape_does_not_lose_a_picture_that_waits_to_be_cropped(open_tab, two_files):
    tab = open_tab("?view=learn", "learn")
    tab.pick("a")
    tab.page.locator("#mv-picture-file").set_input_files(two_files[0])
    use = tab.page.get_by_role("button", name=texts()["en"]["picker.use"])
    use.wait_for()
    assert tab.page.locator("#mv-picture-label").input_value() == "first"
    tab.page.keyboard.press("Escape")
    use.wait_for(state="hidden")
    tab.pick("a")
    tab.after(use.click)
    assert tab.state()["name_a"] == "first"


def test_an_address_that_cannot_be_used_says_what_was_replaced(open_tab):
    tab = open_tab("?view=detail&method=cutmixx&lam=7&seed=3", "detail")
    text = tab.page.locator(".mv-message").inner_text()
    assert "method=cutmixx → cutmix" in text
    assert "lam=7 → 0.6" in text
    assert "seed" not in text

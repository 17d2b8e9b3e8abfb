"""The Mix page in a real browser, as a visitor uses it."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

import mixviz
from mixviz import pictures
from mixviz.ui import grid

pytestmark = pytest.mark.browser
SHOWN = ".mv-grid[data-shown]"


@pytest.fixture
def page(browser, address):
    """The page at 1280 px with its first pair drawn; a script error or a request to elsewhere fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab, trouble = context.new_page(), []
    tab.on("pageerror", lambda error: trouble.append(f"script error: {error}"))
    tab.on("request", lambda request: _local(request.url) or trouble.append(f"request: {request.url}"))
    tab.goto(address)
    tab.wait_for_selector(SHOWN)
    yield tab
    context.close()
    assert not trouble


def _local(url: str) -> bool:
    return urlsplit(url).scheme in ("data", "blob") or urlsplit(url).hostname in ("127.0.0.1", "localhost")


def turns(page) -> int:
    return int(page.get_attribute(SHOWN, "data-shown"))


def wait_for_turn(page, before: int) -> None:
    page.wait_for_function(f"Number(document.querySelector('{SHOWN}').dataset.shown) > {before}")


def set_lambda(page, value: float) -> None:
    before = turns(page)
    box = page.get_by_label("number input for λ: share of A")
    box.fill(str(value))
    box.press("Enter")
    wait_for_turn(page, before)


def label(page, method: str) -> str:
    return page.get_attribute(f"[data-method={method}] .mv-bar", "aria-label")


def test_first_paint_shows_every_method_with_its_pictures(page):
    assert page.locator(".mv-card").count() == len(mixviz.METHODS)
    for name in mixviz.METHODS:
        tiles = page.locator(f"[data-method={name}] .mv-tile")
        assert tiles.count() == 3
        for i in range(3):
            assert "blob:" in tiles.nth(i).evaluate("tile => tile.style.backgroundImage")


def test_moving_lambda_moves_pictures_and_labels(page):
    set_lambda(page, 0.25)
    before = page.locator("[data-method=mixup] .mv-mixed .mv-tile").evaluate("tile => tile.style.backgroundImage")
    assert label(page, "mixup") == "Label: 25 % cat, 75 % dog"
    set_lambda(page, 0.9)
    assert label(page, "mixup") == "Label: 90 % cat, 10 % dog"
    after = page.locator("[data-method=mixup] .mv-mixed .mv-tile").evaluate("tile => tile.style.backgroundImage")
    assert before != after


def test_uploaded_pictures_are_mixed_and_the_bars_say_what_the_core_says(page, two_files):
    for index, path in enumerate(two_files):
        page.locator("#sidebar input[type=file]").nth(index).set_input_files(path)
        page.wait_for_function(f"document.querySelector('.mv-name-{'ab'[index]}').textContent === '{'AB'[index]}'")
    assert [page.get_by_label(f"Label of {name}").input_value() for name in "AB"] == ["A", "B"]
    page.wait_for_timeout(500)
    set_lambda(page, 0.4)
    tiles = [pictures.load_image(path, grid.SIDE) for path in two_files]
    images = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
    for name, cls in mixviz.METHODS.items():
        batch = mixviz.Batch(images, saliency=mixviz.saliency(images))
        recipe = cls().plan(batch, np.random.default_rng(0), lam=0.4, partner=[1, 0])
        own = recipe.share[:, 0][recipe.partner[:, 0] == 0].sum().item()
        assert label(page, name).startswith(f"Label: {round(100 * own)} % A,"), name


def test_a_pair_is_chosen_with_its_labels(page):
    before = turns(page)
    page.get_by_role("button", name="Pair: lion and parrot").click()
    wait_for_turn(page, before)
    assert page.get_by_label("Label of A").input_value() == "lion"
    assert page.locator(".mv-name-b").inner_text() == "parrot"


def test_a_missing_picture_is_explained_and_the_page_goes_on(page):
    page.locator("#sidebar").get_by_label("Remove Image").first.click()
    page.get_by_text("Two pictures are needed").wait_for()
    before = turns(page)
    page.get_by_role("button", name="Pair: frog and orangutan").click()
    wait_for_turn(page, before)
    assert page.locator(".mv-name-a").inner_text() == "frog"


def test_a_damaged_upload_is_explained(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is no picture")
    page.locator("#sidebar input[type=file]").first.set_input_files(tmp_path / "broken.png")
    page.get_by_text("could not be read as a picture").wait_for()


@pytest.mark.parametrize("seed", ["1.5", "-4", ""])
def test_a_seed_that_is_none_is_explained_and_the_page_goes_on(page, seed):
    page.get_by_label("Seed").fill(seed)
    page.get_by_label("Seed").press("Enter")
    page.get_by_text("The seed should be a whole number").wait_for()
    before = turns(page)
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Seed").press("Enter")
    wait_for_turn(page, before)
    page.wait_for_function("document.querySelector('.mv-message').textContent === ''")


def test_a_slow_answer_does_not_overtake_the_slider(page, monkeypatch):
    """A pair is chosen, and λ moved while the server still works on the pair: the cards end at the new λ."""
    show = grid.show

    def slow(request, *, still=True):
        if still:
            time.sleep(0.8)
        return show(request, still=still)

    monkeypatch.setattr(grid, "show", slow)
    page.get_by_role("button", name="Pair: lion and parrot").click()
    page.wait_for_function("document.querySelector('#sidebar input[type=text]').value === 'lion'")
    set_lambda(page, 0.95)
    page.wait_for_timeout(1500)
    assert label(page, "mixup") == "Label: 95 % lion, 5 % parrot"


def test_what_a_visitor_typed_stays_after_an_upload(page, two_files):
    page.get_by_label("Label of A").fill("my yard")
    before = turns(page)
    page.locator("#sidebar input[type=file]").first.set_input_files(two_files[0])
    wait_for_turn(page, before)
    assert page.get_by_label("Label of A").input_value() == "my yard"


def test_lambda_is_drawn_when_it_is_not_held(page):
    before = turns(page)
    page.get_by_label("Hold λ").uncheck()
    wait_for_turn(page, before)
    drawn = page.locator("[data-method=cutmix] .mv-numbers dd").first.inner_text()
    batch = mixviz.Batch(torch.zeros(2, 3, grid.SIDE, grid.SIDE))
    recipe = mixviz.METHODS["cutmix"]().plan(batch, np.random.default_rng(0))
    assert drawn == f"{recipe.drawn[0]:.2f}"


def test_text_of_a_visitor_is_text(page):
    before = turns(page)
    page.get_by_label("Label of A").fill("<img src=x>")
    page.get_by_label("Label of A").press("Enter")
    wait_for_turn(page, before)
    assert page.locator(".mv-name-a").inner_text() == "<img src=x>"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_horizontal_scrolling(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    tab = context.new_page()
    tab.goto(f"{address}?__theme={scheme}")
    tab.wait_for_selector(SHOWN)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    background = tab.evaluate("getComputedStyle(document.querySelector('.mv-card')).backgroundColor")
    assert (sum(map(int, background.strip("rgba()").split(",")[:3])) < 300) == (scheme == "dark")
    if width == 390:  # the sidebar makes way, and the first card is in sight
        tab.wait_for_function("document.querySelector('.sidebar').getBoundingClientRect().right <= 0")
        assert tab.evaluate("document.querySelector('.mv-card').getBoundingClientRect().top < 600")
    context.close()


def test_nothing_is_kept_in_the_browser(page):
    set_lambda(page, 0.3)
    stored = page.evaluate(
        "async () => [...(await indexedDB.databases()).map(d => d.name), ...Object.keys(localStorage), document.cookie]"
    )
    assert not [name for name in stored if "run" in name or "history" in name], stored

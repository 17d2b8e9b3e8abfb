"""Accessibility: axe-core on every view, keyboard, both languages, phone and desktop, light and dark."""

from __future__ import annotations

import re

import pytest

from mixviz.i18n import texts
from mixviz.ui.registry import views

pytestmark = pytest.mark.browser
VIEWS = {name: f"?view={name}&{view.example}".rstrip("&") for name, view in views().items()}


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the source of axe-core from its package."""
    package = pytest.importorskip("axe_playwright_python", reason="the package axe-playwright-python is not installed")
    from importlib import resources

    return resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(page, axe: str) -> list[str]:
    page.evaluate(axe)
    report = page.evaluate("async () => (await axe.run()).violations")  # minor ones and best practices, too
    return [f"{v['id']}: {v['nodes'][0]['html'][:120]} {v['nodes'][0]['failureSummary'][:200]}" for v in report]


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(open_tab, axe, view, tmp_path, monkeypatch):
    if view == "search":
        for name in "ab":
            (tmp_path / name).mkdir()
        monkeypatch.setenv("MIXVIZ_SEARCH_DATA", str(tmp_path))
    tab = open_tab(VIEWS[view], view, color_scheme="light", reduced_motion="reduce")  # colours change at once
    if view == "grid":
        tab.more()
        tab.page.locator("#mv-options .mv-options-fields > .mv-check input").check()
    if view == "detail":
        tab.page.get_by_role("button", name="Move the box").click()
        tab.page.get_by_text("Every number", exact=True).click()
        tab.page.locator("[data-line=area_a] summary").click()
        tab.page.get_by_text("Take it with you", exact=True).click()
    if view == "batch":
        tab.page.get_by_label("Numbers", exact=True).check()
        tab.page.locator("#mv-batch").get_by_text("Images", exact=True).click()
    if view == "code":
        tab.page.get_by_role("button", name="Your training loop").click()
    if view == "embeddings":
        for summary in tab.page.locator("#mv-embeddings summary").all():
            summary.click()
        tab.page.locator("[data-colour=cluster]").click()
    if view == "retrieval":
        tab.page.locator(".mv-find-result").first.click()
        for part in ("networks", "places", "terms"):
            tab.page.locator(f"#mv-retrieval [data-part={part}] > summary").click()
        tab.page.wait_for_selector("#mv-retrieval[data-matches][data-places]")
    if view == "search":
        tab.page.locator("[data-part=live] > summary").click()
        tab.page.wait_for_selector("#mv-live-why:not(:empty)")
    for scheme in ("light", "dark"):
        tab.page.emulate_media(color_scheme=scheme)
        tab.page.wait_for_function("(dark) => document.body.classList.contains('dark') === dark", arg=scheme == "dark")
        assert violations(tab.page, axe) == []
        colour = "getComputedStyle(document.querySelector('.mv-card, .mv-panel, body')).backgroundColor"
        assert (sum(map(int, re.findall(r"\d+", tab.page.evaluate(colour))[:3])) < 300) == (scheme == "dark")
    for width in (1280, 390):
        tab.page.set_viewport_size({"width": width, "height": 844})
        tab.page.wait_for_timeout(200)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_what_is_told_about_a_method(open_tab, axe, scheme):
    tab = open_tab(width=390, color_scheme=scheme, reduced_motion="reduce")
    tab.about("saliencymix")
    assert violations(tab.page, axe) == []
    assert tab.page.evaluate("document.querySelector('dialog[open]').scrollWidth") <= 390


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_lesson_and_on_a_phone(open_tab, axe, scheme):
    tab = open_tab(f"?view=learn&__theme={scheme}", "learn", width=390, color_scheme=scheme)
    tab.page.get_by_role("button", name="Start the lesson").click()
    for answer in tab.page.locator(".mv-answer").all():
        answer.click()
    tab.page.wait_for_function("mixviz.idle()")
    assert violations(tab.page, axe) == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_an_object_is_marked(open_tab, axe, two_files, scheme):
    tab = open_tab("?view=detail&method=cutmix", "detail", width=390, color_scheme=scheme, reduced_motion="reduce")
    tab.after(lambda: tab.choose("b", two_files[0]))
    tab.page.get_by_role("button", name="Mark “first”").click()
    for tool in ("Box", "Brush", "Eraser"):
        tab.page.get_by_role("button", name=tool, exact=True).click()
        assert violations(tab.page, axe) == []


@pytest.mark.slow
def test_the_page_speaks_korean(open_tab):
    korean = texts()["ko"]
    tab = open_tab("?view=grid&lam=0.6", locale="ko-KR")
    tab.page.evaluate("mixviz.open('detail')")
    tab.page.get_by_role("link", name=korean["tab_detail"], exact=True).wait_for()
    tab.page.get_by_role("link", name=korean["tab_grid"], exact=True).click()
    tab.wait()
    tab.more()
    assert tab.page.get_by_label(korean["seed"], exact=True).is_visible()
    tab.about("samplepairing")
    told = tab.page.locator(".mv-truth").inner_text()
    assert re.search("[가-힣]", told)
    shown = tab.page.locator("#mv-page").all_inner_texts()
    english = texts()["en"]
    for key in ("open", "mixture", "areas", "shuffle", "share", "nav.learn", "objects", "detectors"):
        assert not any(re.search(rf"(^|\n){re.escape(english[key])}($|\n)", text) for text in shown), key


def test_the_keyboard_reaches_and_works_everything(open_tab):
    tab = open_tab("?view=detail&method=cutmix", "detail")
    tab.page.get_by_text("Take it with you", exact=True).click()
    tab.page.locator(".mv-nav a").last.focus()
    reached = []
    for _ in range(60):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate("document.activeElement.id || document.activeElement.className"))
    for part in ("mv-method", "mv-chip", "mv-button", "mv-p-alpha", "mv-recipe", "mv-pace"):
        assert any(part in name for name in reached), (part, reached)
    assert tab.page.evaluate("document.activeElement !== document.body")


@pytest.mark.slow
def test_where_the_keyboard_is_can_be_seen(tab):
    tab.page.get_by_role("searchbox", name="Find a method").focus()
    tab.page.keyboard.press("Tab")
    style = tab.page.evaluate(
        "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])(getComputedStyle(document.activeElement))"
    )
    assert style == ["solid", "2px"]


@pytest.mark.slow
def test_reduced_motion_is_respected(open_tab):
    tab = open_tab(reduced_motion="reduce")
    moving = tab.page.evaluate(
        "[...document.querySelectorAll('*')].filter((node) => getComputedStyle(node).animationName !== 'none' || "
        "getComputedStyle(node).transitionDuration.split(',').some((time) => parseFloat(time) > 0) && "
        "getComputedStyle(node).transitionProperty !== 'none').map((node) => node.outerHTML.slice(0, 120))"
    )
    assert moving == []

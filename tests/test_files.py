"""Gradio's own files, served from memory, and the scripts of the page's views."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio")

from starlette.applications import Starlette
from starlette.testclient import TestClient

from mixviz.i18n import texts
from mixviz.resources import assets
from mixviz.ui import files, scripts
from mixviz.ui.gradio_compat import FRONTEND
from mixviz.ui.registry import views


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[*files.routes(), *scripts.routes(texts())]))


@pytest.mark.slow
def test_every_file_comes_as_it_lies_there_and_is_kept(client):
    result = [path for path in FRONTEND.iterdir() if path.is_file()]
    assert any(path.suffix == ".js" for path in result), "Gradio keeps its files elsewhere"
    for path in result:
        answer = client.get(f"/assets/{path.name}")
        assert answer.content == path.read_bytes()
        assert "immutable" in answer.headers["cache-control"]
    kinds = {path.suffix: client.get(f"/assets/{path.name}").headers["content-type"] for path in result}
    assert "javascript" in kinds[".js"]  # browsers refuse modules of another content type
    assert "text/css" in kinds[".css"]


@pytest.mark.parametrize("name", ["none.js", "..%2Findex.html", "../index.html", "%2e%2e%2findex.html", "", "a%00.js"])
def test_there_is_nothing_else(client, name):
    assert client.get(f"/assets/{name}").status_code == 404


def test_every_view_has_a_module_of_its_own_which_is_kept(client):
    """The page's head requests the first view's modules, the frame those of a view that is opened."""
    first, *_ = views()
    assert f"views/{first}.js" in scripts.needs(scripts.FIRST)
    for view in views():
        for path in (f"views/{view}.js", *scripts.needs(f"views/{view}.js")):
            answer = client.get(f"/mixviz/{scripts.version()}/{path}")
            assert answer.content == (assets() / "web" / path).read_bytes()
            assert "javascript" in answer.headers["content-type"]
            assert "immutable" in answer.headers["cache-control"]
            assert client.get(f"/mixviz/0123456789ab/{path}").status_code == 404  # of another version
        assert {*scripts.late(f"views/{view}.js"), *scripts.needs(scripts.FIRST), scripts.FIRST} >= {
            f"views/{view}.js", *scripts.needs(f"views/{view}.js")
        }  # fmt: skip
    with pytest.raises(LookupError, match=r"views/nothing\.js"):
        scripts.late("views/nothing.js")


def test_texts_come_in_one_language_and_are_kept(client):
    for language, known in texts().items():
        answer = client.get(f"/mixviz/{scripts.version_of_texts(texts())}/texts/{language}.json")
        assert answer.json() == known
        assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/mixviz/{scripts.version_of_texts(texts())}/texts/xx.json").status_code == 404
    assert client.get("/mixviz/0123456789ab/texts/en.json").status_code == 404  # of another version
    changed = {**texts(), "en": texts()["en"] | {"summary.new": "A new method."}}
    assert scripts.version_of_texts(changed) != scripts.version_of_texts(texts())


@pytest.mark.browser
def test_no_module_is_fetched_twice_and_a_views_own_only_when_it_is_opened(open_tab):
    tab = open_tab("?view=learn", "learn")
    names = "performance.getEntriesByType('resource').map((one) => one.name)"
    requests = f"{names}.filter((name) => /[/]mixviz[/].*js$/.test(name))"
    before = tab.page.evaluate(requests)
    assert {path.split("/", 5)[5] for path in before} == {scripts.FIRST, *scripts.needs(scripts.FIRST)}
    tab.page.evaluate("mixviz.open('compare')")
    tab.page.locator("#mv-compare h1").first.wait_for()
    after = tab.page.evaluate(requests)
    assert len(after) == len(set(after)) > len(before)


@pytest.mark.browser
def test_a_view_whose_script_is_out_of_reach_says_so(open_tab):
    tab = open_tab()
    tab.page.route("**/mixviz/**", lambda route: route.abort())
    tab.page.evaluate("mixviz.open('compare')")
    tab.page.locator(".mv-message", has_text=texts()["en"]["reload"]).wait_for()

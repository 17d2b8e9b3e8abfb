"""Gradio's own files, served from memory, and the scripts of the page's views."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("gradio")

from starlette.applications import Starlette
from starlette.testclient import TestClient

from mixviz.i18n import texts
from mixviz.ui import files, scripts
from mixviz.ui.gradio_compat import FRONTEND
from mixviz.ui.registry import views


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=[*files.routes(), *scripts.routes()]))


@pytest.mark.slow
def test_every_file_comes_as_it_lies_there_and_is_kept(client):
    found = [path for path in FRONTEND.iterdir() if path.is_file()]
    assert any(path.suffix == ".js" for path in found), "Gradio keeps its files elsewhere"
    for path in found:
        answer = client.get(f"/assets/{path.name}")
        assert answer.content == path.read_bytes()
        assert "immutable" in answer.headers["cache-control"]
    kinds = {path.suffix: client.get(f"/assets/{path.name}").headers["content-type"] for path in found}
    assert "javascript" in kinds[".js"]  # browsers refuse modules of another kind
    assert "text/css" in kinds[".css"]


@pytest.mark.parametrize("name", ["none.js", "..%2Findex.html", "../index.html", "%2e%2e%2findex.html", "", "a%00.js"])
def test_there_is_nothing_else(client, name):
    assert client.get(f"/assets/{name}").status_code == 404


def test_the_first_view_brings_its_script_and_the_others_fetch_theirs(client):
    first, *later = views()
    assert scripts.on_load(first) == scripts.script(first)
    for view in later:
        (path,) = re.findall(r"/mixviz/[\w.-]+\.js", scripts.on_load(view))
        answer = client.get(path)
        assert "javascript" in answer.headers["content-type"]
        assert "immutable" in answer.headers["cache-control"]
        assert scripts.script(view) in answer.text
        assert client.get(f"{path[:-4]}x.js").status_code == 404


@pytest.mark.browser
def test_a_view_whose_script_is_out_of_reach_says_so(open_tab):
    tab = open_tab()
    tab.page.route("**/mixviz/**", lambda route: route.abort())
    tab.page.get_by_role("tab", name="Compare").click()
    tab.page.locator("#mv-compare", has_text=texts()["en"]["reload"]).wait_for()

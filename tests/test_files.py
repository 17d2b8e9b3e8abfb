"""Gradio's own files, served from memory."""

from __future__ import annotations

import pytest

pytest.importorskip("gradio")

from starlette.applications import Starlette
from starlette.testclient import TestClient

from mixviz.ui import files


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=files.routes()))


def test_every_file_comes_as_it_lies_there_and_is_kept(client):
    found = [path for path in files.FOLDER.iterdir() if path.is_file()]
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

"""Undocumented behaviour of Gradio that mixviz/ui/gradio_compat.py relies on: each test names its patch."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

gr = pytest.importorskip("gradio")

from gradio.blocks import Block  # noqa: E402 - needs Gradio

from mixviz.ui import gradio_compat  # noqa: E402


def test_the_oldest_version_that_may_be_installed_was_tried():
    requirements = (Path(__file__).parent.parent / "requirements.txt").read_text()
    assert f"gradio>={gradio_compat.TRIED},<7\n" in requirements


def test_fetch_nothing_replaces_the_method_that_fetches(monkeypatch, tmp_path):
    assert list(inspect.signature(gradio_compat._move).parameters) == ["self", "url_or_file_path"], (
        "Gradio changed how a component takes a file into its folder: look for where it fetches addresses now"
    )
    assert "is_http_url_like" in inspect.getsource(gradio_compat._move), "Gradio fetches addresses elsewhere now"
    monkeypatch.setattr(Block, "async_move_resource_to_block_cache", gradio_compat._move)
    gradio_compat.fetch_nothing()
    picture = gr.Image()
    for address in ("http://picture-host.invalid/x.png", "HTTPS://picture-host.invalid/x.png"):
        with ThreadPoolExecutor(1) as thread, pytest.raises(gr.Error, match="addresses are not fetched"):
            thread.submit(asyncio.run, picture.async_move_resource_to_block_cache(address)).result()


def test_frontend_is_where_gradio_keeps_its_scripts():
    scripts = {path.suffix for path in gradio_compat.FRONTEND.iterdir()}
    assert {".js", ".css"} <= scripts, "Gradio keeps its scripts elsewhere: correct gradio_compat.FRONTEND"


def test_uploads_lie_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert Path(gradio_compat.upload_folder()) == tmp_path
    first, again, other = (Path(gradio_compat.save_upload(data, "picture.png")) for data in (b"1", b"1", b"2"))
    assert first == again, "an upload's path no longer holds the hash of its content, on which caches rely"
    assert first != other
    assert first.is_relative_to(tmp_path)
    assert first.read_bytes() == b"1"


def test_event_data_holds_what_the_script_sent():
    assert gradio_compat.event_data(gr.EventData(None, {"lam": "0.5"})) == {"lam": "0.5"}
    for nothing in (None, 3, "x", []):
        assert gradio_compat.event_data(gr.EventData(None, nothing)) == {}


def test_our_routes_go_before_gradios_own(address):
    name = next(path.name for path in gradio_compat.FRONTEND.iterdir() if path.suffix == ".js")
    answer = httpx.get(f"{address}assets/{name}")
    assert "immutable" in answer.headers["cache-control"], "launch(app_kwargs={'routes': …}) comes too late now"


def test_a_components_functions_may_answer_with_a_response(address):
    parts = httpx.get(f"{address}config").json()["components"]
    lesson = next(part["id"] for part in parts if part["props"].get("elem_id") == "page")
    body = {"session_hash": "test", "component_id": lesson, "fn_name": "teach", "data": {}}
    answer = httpx.post(f"{address}gradio_api/component_server", json=body, timeout=60)
    assert list(answer.json()) == ["steps"], "what parts.as_json writes no longer arrives as it is"

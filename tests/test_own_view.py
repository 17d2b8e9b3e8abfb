"""A new view is one Python file and one script: it becomes a tab without any other edit."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest
from conftest import tabs

from mixviz.ui import registry
from mixviz.ui.registry import views
from mixviz.ui.state import FIELDS

PYTHON = """
from mixviz.ui.registry import View

def greeting(request):
    return {"greeting": f"{request.name_a} meets {request.name_b}"}

def twice(state):
    return {"twice": 2 * state["number"]}

VIEW = View("greeting", 15, greeting, title="A greeting", functions=(twice,))
"""
SCRIPT = """
import { partOf } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";

export default function greetingView({ element, server }) {
  let turn = 0;
  mixviz.views("greeting", async ({ greeting }) => {
    const { twice } = await mixviz.question("twice", { number: 21 }, server);
    const root = partOf(element);
    root.textContent = `${greeting} (${twice})`;
    root.dataset.shown = String(++turn);
  });
}
"""
SERVER = """
import sys
from pathlib import Path
from mixviz.ui import scripts, views
folder = Path(sys.argv[1])
views.__path__.append(str(folder / "views"))
scripts.FOLDERS.append(folder)
from mixviz.ui.app import launch
print(launch(prevent_thread_lock=True, quiet=True)[1], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def extended(tmp_path):
    """Serve a page with one more view, and return its address."""
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "greeting.py").write_text(PYTHON)
    (tmp_path / "views" / "greeting.js").write_text(SCRIPT)
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        yield server.stdout.readline().strip()
        server.communicate("\n", timeout=30)


@pytest.mark.browser
def test_a_view_of_ones_own_is_a_tab(browser, extended):
    with tabs(browser, extended) as opened:
        tab = opened()
        assert tab.page.locator(".mv-tabs a").all_inner_texts() == ["All methods", "A greeting"]
        tab.open("A greeting", "greeting")
        assert tab.page.locator("#mv-greeting").inner_text() == "cat meets dog (42)"
        tab.page.wait_for_function("location.search.includes('view=greeting')")
        other = opened("?view=greeting&a=lion&b=bee", "greeting")
        assert other.page.locator("#mv-greeting").inner_text() == "lion meets bee (42)"
        other.open("Mixture", "detail")
        assert other.page.locator(".mv-tabs a").count() == sum("method" in view.controls for view in views().values())


def test_the_fields_of_a_view_are_those_of_views_that_there_are():
    assert {view for field in FIELDS.values() for view in field.views} <= set(views())


def test_a_file_without_a_view_is_named(tmp_path, monkeypatch):
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "_helper.py").write_text("raise RuntimeError")
    monkeypatch.setattr(importlib.import_module(registry.PACKAGE), "__path__", [str(tmp_path)])
    with pytest.raises(TypeError, match=r"empty\.py should hold a View in VIEW"):
        views.__wrapped__()

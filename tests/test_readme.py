"""The README's calls of the page's server, as they stand there."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PORT = "http://127.0.0.1:7860/"


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)[0]


@pytest.fixture
def a_cat(two_files, tmp_path, monkeypatch):
    """The reader's own picture, where the reader is."""
    Image.open(two_files[0]).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("a_cat")
def test_the_client_in_python(address):
    pytest.importorskip("gradio_client")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(block("py").replace(PORT, address), {})
    assert "lion" in said.getvalue()
    assert re.search(r"A’s label, by area = \d+ ÷ \(224 × 224\) = 0\.\d+", said.getvalue())


@pytest.mark.usefixtures("a_cat")
@pytest.mark.skipif(not all(map(shutil.which, ("curl", "sh"))), reason="curl is not installed")
def test_curl(address):
    script = block("sh").replace(PORT, address)
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60).stdout
    assert "event: complete" in said
    assert "data:image/png;base64," in said
    assert '"share"' in said

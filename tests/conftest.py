"""Shared fixtures: small pictures, the served page, and a real browser where one can be had."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def two_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two pictures of different shape: a bright square on a dark ground, and a ramp with a disc."""
    folder = tmp_path_factory.mktemp("pictures")
    first = np.full((120, 160, 3), 30, np.uint8)
    first[70:105, 95:140] = (240, 200, 40)
    rows, columns = np.mgrid[0:200, 0:130]
    second = np.repeat((rows * 255 // 200)[..., None], 3, 2).astype(np.uint8)
    second[(rows - 60) ** 2 + (columns - 40) ** 2 < 900] = (200, 20, 60)
    paths = folder / "first.png", folder / "second.png"
    for path, picture in zip(paths, (first, second), strict=True):
        Image.fromarray(picture).save(path)
    return paths


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page, served by this process from its own upload folder."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
    gradio = pytest.importorskip("gradio")
    from mixviz.ui.page import launch

    _, url, _ = launch(prevent_thread_lock=True, quiet=True)
    yield url
    gradio.close_all()
    patch.undo()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Headless Chromium: the machine's, else the one that `playwright install chromium` brought; else skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(
                f"no Chromium: install one, or run `playwright install chromium` ({str(error).splitlines()[0]})"
            )
        yield chromium
        chromium.close()

"""Shared fixtures: small pictures, the served page, and a real browser where one can be had."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

WAIT = int(os.environ.get("MIXVIZ_WAIT", "30000"))  # milliseconds until something must have come into sight
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: the processes have a core each


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run in several processes, those of a file that share a browser stay together."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write eight pictures of each of three classes for training and three for validation, 16 px."""
    from cases import picture_folder  # imports torch, which is late enough here

    return picture_folder(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder without networks of others, whatever the machine has fetched."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MIXVIZ_HOME", str(tmp_path_factory.mktemp("home")))
    yield
    patch.undo()


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
    from mixviz.ui.app import launch

    _, url, _ = launch(prevent_thread_lock=True, quiet=True)
    yield url
    gradio.close_all()
    patch.undo()


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium: the machine's, else the one that `playwright install chromium` brought; else skipped.

    Its event loop runs in the tests' thread from then on: what calls ``asyncio.run`` needs a thread of its own.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a camera that shows a pattern
    with playwright.sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(
                f"no Chromium: install one, or run `playwright install chromium` ({str(error).splitlines()[0]})"
            )
        yield chromium
        chromium.close()


def shown_in(view: str) -> str:
    """The element in which a view counts its answers, as a selector."""
    return ".mv-grid[data-shown]" if view == "grid" else f"#mv-{view}[data-shown]"


class Tab:
    """The page in a browser's tab, as a visitor uses it."""

    def __init__(self, page, view: str = "grid") -> None:
        self.page, self.view = page, view

    def turn(self) -> int:
        """How many answers of the view have reached the eye."""
        return int(self.page.get_attribute(shown_in(self.view), "data-shown"))

    def wait(self, before: int = 0) -> None:
        """Until a further answer has."""
        selector = shown_in(self.view)
        self.page.wait_for_selector(selector)
        self.page.wait_for_function(f"Number(document.querySelector('{selector}').dataset.shown) > {before}")

    def after(self, act: Callable[[], None]) -> None:
        """Do something, and wait until all answers to it have reached the eye."""
        before = self.turn()
        act()
        self.wait(before)
        self.page.wait_for_function("mixviz.idle()")
        self.page.wait_for_timeout(50)  # the last answer's pictures are decoded

    def set_lambda(self, value: float) -> None:
        self.enter(self.page.get_by_label("λ: share of A, as a number"), value)

    def enter(self, box, value) -> None:
        """Type a value and press Enter; the page may ask, and be answered, as soon as it is typed."""
        self.after(lambda: (box.fill(str(value)), box.press("Enter")))

    def open(self, name: str, view: str) -> None:
        """Another view: its destination or the page of a method, and there its tab; the gallery has none."""
        from mixviz.i18n import texts
        from mixviz.ui.registry import views

        found = views().get(view)
        on_method = self.page.locator(".mv-method").count() > 0
        if found and "method" in found.controls:
            if not on_method:
                self.page.evaluate("(view) => mixviz.open(view)", view)  # as a card of the gallery does
        elif view == "grid" and on_method:
            self.page.get_by_role("link", name=name, exact=True).click()
        else:
            group = found.group if found else "explore"
            destination = self.page.locator(".mv-nav").get_by_text(texts()["en"][f"nav.{group}"], exact=True)
            if destination.get_attribute("aria-current") is None:
                destination.click()
        tab = self.page.locator(".mv-tabs:visible").get_by_text(name, exact=True)
        if tab.count() and tab.get_attribute("aria-current") is None:
            tab.click()
        self.view = view
        self.wait()

    def restore(self, **state: object) -> None:
        """Bring the page into a state, as a link or a lesson does, and wait until it is shown."""
        self.view = state.get("view", self.view)
        self.page.evaluate("(state) => void mixviz.restore(state)", state)  # not its promise, which may be collected
        self.page.wait_for_function("!mixviz.restoring && mixviz.idle()")
        self.wait()

    def more(self) -> None:
        """Open what stands under "More", in the gallery under "Options"."""
        if self.view == "grid":
            options = self.page.locator(".mv-options-button")
            if options.get_attribute("aria-expanded") == "false":
                self.after(options.click)
        elif self.page.locator(".mv-more[open]").count() == 0:
            self.page.locator(".mv-more > summary").click()

    def pick(self, letter: str = "a") -> None:
        """Open the picker of a picture."""
        if not self.page.locator("dialog[open]").count():
            self.page.locator(f".mv-picture-{letter}:visible, .mv-hero-{letter}:visible").first.click()

    def pair(self, name: str) -> None:
        """A bundled pair by its button."""
        self.pick()
        self.page.get_by_role("button", name=name).click()

    def name(self, letter: str, label: str) -> None:
        """Type a picture's label."""
        self.pick(letter)
        self.page.locator("#mv-picture-label").fill(label)
        self.page.locator("#mv-picture-label").press("Enter")
        self.page.get_by_role("button", name="Close", exact=True).click()

    def choose(self, letter: str, file: Path) -> None:
        """The visitor's own picture, by its file, uncropped."""
        self.pick(letter)
        self.page.locator("#mv-picture-file").set_input_files(file)
        self.page.wait_for_function(
            "() => !document.querySelector('dialog[open]') || document.querySelector('.mv-picker-stage .mv-primary')"
            " || !['', 'Sending…'].includes(document.querySelector('.mv-picker-note').textContent)"
        )
        use = self.page.locator(".mv-picker-stage .mv-primary")
        if use.count():
            use.click()

    def see(self, method: str) -> None:
        """Scroll to a card and wait until it is of the present state."""
        self.page.locator(f"[data-method={method}]").scroll_into_view_if_needed()
        self.page.wait_for_function("(name) => mixviz.fresh(name)", arg=method)

    def about(self, method: str) -> None:
        """Open what the gallery tells about a method."""
        self.see(method)
        self.page.locator(f"[data-method={method}] .mv-card-more").click()

    def state(self) -> dict:
        """What the page's script would ask the server."""
        return self.page.evaluate("({...mixviz.state})")

    def label(self, method: str) -> str:
        """What a card's label says, once it has come into sight and is drawn as things are now."""
        self.see(method)
        return self.page.get_attribute(f"[data-method={method}] .mv-bar", "aria-label").replace("\u00a0", " ")


@contextmanager
def tabs(browser, address: str) -> Iterator[Callable[..., Tab]]:
    """Opens the page, by default at 1280 px; a script error or a request to elsewhere fails the test in the end."""
    contexts, trouble = [], []

    def opened(query: str = "", view: str = "grid", width: int = 1280, height: int = 900, **options) -> Tab:
        options.setdefault("permissions", ["clipboard-read", "clipboard-write"])
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: trouble.append(f"script error: {error}"))
        page.on("request", lambda request: _is_local(request.url) or trouble.append(f"request: {request.url}"))
        if view == "grid" and "view=" not in query:
            query = f"{query or '?'}&view=grid"
        page.goto(f"{address}{query}")
        tab = Tab(page, view)
        tab.wait()
        page.wait_for_function("mixviz.idle()", timeout=4 * WAIT)  # a view may measure for a while after it is shown
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert not trouble


@pytest.fixture
def open_tab(browser, address) -> Iterator[Callable[..., Tab]]:
    """Opens the page anew."""
    with tabs(browser, address) as opened:
        yield opened


@pytest.fixture(scope="module")
def one_tab(browser, address) -> Iterator[Tab]:
    """One page that a whole file of tests goes on using."""
    with tabs(browser, address) as opened:
        yield opened()


OPENING = {"a": "cat_egyptian_mau", "b": "dog_yorkshire_terrier", "lam": 0.6, "seed": 0, "detector": "fine_grained"}


@pytest.fixture
def same_tab(one_tab) -> Tab:
    """One page for a whole file, with its controls set to what they are when the page opens: a page takes a second."""
    one_tab.restore(view="grid", **OPENING)
    return one_tab


@pytest.fixture
def tab(open_tab) -> Tab:
    """The page as it opens, with its first pair drawn."""
    return open_tab()


def _is_local(url: str) -> bool:
    return urlsplit(url).scheme in ("data", "blob") or urlsplit(url).hostname in ("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def one_thread_of_a_cpu() -> Iterator[None]:
    """Threads that take turns at pictures this small only wait for one another; and some tests are about bits."""
    import torch

    threads, patch = torch.get_num_threads(), pytest.MonkeyPatch()
    patch.setenv("ACCELERATE_USE_CPU", "true")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    patch.undo()

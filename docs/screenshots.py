"""Screenshots of every view at three sizes, in both schemes and both languages, and a sheet of them per view.

    python docs/screenshots.py OUT [VIEW ...]

needs the packages of ``[dev]`` and Chromium. Files are called VIEW_SIZE_SCHEME_LANGUAGE.png and VIEW.jpg.
"""

from __future__ import annotations

import shutil
import sys
from itertools import product
from pathlib import Path

import gradio
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from mixviz.i18n import texts
from mixviz.ui.app import launch
from mixviz.ui.registry import views

SIZES = {"laptop": (1280, 800), "projector": (1920, 1080), "phone": (390, 844)}
SCHEMES = ("light", "dark")
HEIGHT = 400  # pixels of a screenshot in a sheet
MORE = {"lesson": "view=learn&lesson=4", "present": "view=learn&method=saliencymix&present=1"}
SETTLE = 700  # ms for what is drawn after the view: thumbnails, heat maps


def places() -> dict[str, str]:
    """Return the query of each view, and of the lesson and the presentation, by name."""
    return {name: f"view={name}&{view.example}".rstrip("&") for name, view in views().items()} | MORE


def shoot(browser: Browser, url: str, name: str, query: str, out: Path) -> list[Path]:
    """Photograph a view at all sizes, schemes and languages; returns the files."""
    paths = []
    for language, (size, (width, height)) in product(texts(), SIZES.items()):
        options = {"viewport": {"width": width, "height": height}, "has_touch": size == "phone"}
        with browser.new_context(reduced_motion="reduce", **options) as context:
            page = context.new_page()
            page.goto(f"{url}?{query}&lang={language}")
            page.wait_for_selector("[data-shown]:visible")
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.wait_for_function("window.mixviz.idle()")
                page.wait_for_timeout(SETTLE)
                paths.append(out / f"{name}_{size}_{scheme}_{language}.png")
                page.screenshot(path=paths[-1])
    return paths


def sheet(paths: list[Path]) -> Image.Image:
    """Lay out screenshots side by side, a row per language and scheme."""
    pictures = [Image.open(path).convert("RGB") for path in paths]
    small = [one.resize((round(one.width * HEIGHT / one.height), HEIGHT)) for one in pictures]
    ways = len(SCHEMES)
    rows = [small[i::ways][j : j + len(SIZES)] for j in range(0, len(small) // ways, len(SIZES)) for i in range(ways)]
    whole = Image.new("RGB", (sum(one.width for one in rows[0]), HEIGHT * len(rows)))
    for y, row in enumerate(rows):
        for x, one in enumerate(row):
            whole.paste(one, (sum(before.width for before in row[:x]), HEIGHT * y))
    return whole


def main(out: str, *wanted: str) -> None:
    """Photograph the wanted views, by default all."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _, url, _ = launch(prevent_thread_lock=True, quiet=True)
    chromium = shutil.which("chromium")
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        for name, query in places().items():
            if not wanted or name in wanted:
                sheet(shoot(browser, url, name, query, folder)).save(folder / f"{name}.jpg", quality=88)
                print(folder / f"{name}.jpg")
    gradio.close_all()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The README's picture of the page: ``python -m benchmarks.screenshot [file]``."""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import sync_playwright

from mixviz.ui.page import launch


def main(path: str = "assets/screenshot.jpg") -> None:
    """Open the page in headless Chromium, scroll to the saliency methods, save what is seen."""
    _, url, _ = launch(prevent_thread_lock=True, quiet=True)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 1000})
        tab.goto(f"{url}?__theme=light")
        tab.wait_for_selector(".mv-grid[data-shown]")
        tab.evaluate("document.querySelector('[data-method=cutmix]').scrollIntoView()")
        tab.wait_for_timeout(500)
        tab.screenshot(path=path, type="jpeg", quality=85)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

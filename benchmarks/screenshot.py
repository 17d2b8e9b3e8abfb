"""The README's picture of the page, 1280 × 1000 pixels, light colours: ``python -m benchmarks.screenshot [file]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.page import arrive, chromium
from benchmarks.visitors import ROOT, serve

SIZE = {"width": 1280, "height": 1000}
CARD = "[data-method=cutmix]"  # the first of two rows that show a random patch above a salient one


def main(path: str | Path = ROOT / "assets" / "screenshot.jpg") -> None:
    """Open the page in headless Chromium, scroll to the card, and save the visible part."""
    with serve() as server, chromium() as browser:
        tab = browser.new_page(viewport=SIZE)
        arrive(tab, f"{server.url}?__theme=light")
        scroll(tab)
        tab.screenshot(path=path, type="jpeg", quality=85)


def scroll(tab: Any) -> None:
    """Scroll the card to the top until it stays there: while the page loads, the content above changes height.

    Raises:
        RuntimeError: it did not stay.
    """
    for _ in range(20):
        tab.evaluate(f"document.querySelector('{CARD}').scrollIntoView({{ behavior: 'instant' }})")
        tab.wait_for_timeout(1000)
        if abs(tab.evaluate(f"document.querySelector('{CARD}').getBoundingClientRect().top")) < 1:
            return
    raise RuntimeError(f"The card {CARD} does not stay at the top of the window: the page keeps moving.")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The README's picture of the page as it opens, 1280 × 800 px, light: ``python -m benchmarks.screenshot [file]``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.page import arrive, chromium
from benchmarks.visitors import ROOT, serve

SIZE = {"width": 1280, "height": 800}


def main(path: str | Path = ROOT / "assets" / "screenshot.jpg") -> None:
    """Open the page in headless Chromium, and save the visible part."""
    with serve() as server, chromium() as browser:
        tab = browser.new_page(viewport=SIZE)
        arrive(tab, f"{server.url}?__theme=light")
        tab.wait_for_timeout(1500)  # what lies further down has come
        tab.screenshot(path=path, type="jpeg", quality=85)


if __name__ == "__main__":
    main(*sys.argv[1:])

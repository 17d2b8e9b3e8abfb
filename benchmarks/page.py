"""What a visitor waits for: from the λ slider to decoded pixels in a real browser, and from start to first paint."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from benchmarks.timing import table

PYTHON = [sys.executable, "-c"]


def import_times(runs: int = 5) -> dict[str, float]:
    """Seconds: what ``import mixviz`` adds to ``import torch``, and until the page is served after gradio and torch."""
    script = (
        "import time, torch; a = time.perf_counter(); import mixviz; b = time.perf_counter(); print(b - a)",
        "import time, torch, gradio; a = time.perf_counter(); from mixviz.ui.page import launch; "
        "launch(prevent_thread_lock=True, quiet=True); b = time.perf_counter(); print(b - a)",
    )
    names = (
        "import mixviz adds to import torch, s",
        "page served with a pair mixed, after gradio and torch, s",
    )
    best = {}
    for name, code in zip(names, script, strict=True):
        times = [float(subprocess.run([*PYTHON, code], capture_output=True, text=True, check=True).stdout.split()[-1])
                 for _ in range(runs)]  # fmt: skip
        best[name] = min(times)
    return best


def slider_times(changes: int = 40) -> dict[str, float]:
    """Milliseconds from a λ change in headless Chromium until all mixtures are decoded and placed, and in the core."""
    import shutil

    from playwright.sync_api import sync_playwright

    from mixviz.ui import grid
    from mixviz.ui.handlers import choose_pair
    from mixviz.ui.page import launch

    _, url, _ = launch(prevent_thread_lock=True, quiet=True)
    a, b, name_a, name_b = choose_pair(0)
    core = []
    for i in range(changes):
        request = grid.Request(a, b, name_a, name_b, lam=(i + 1) / (changes + 1))
        start = time.perf_counter()
        grid.show(request, still=False)
        core.append(1000 * (time.perf_counter() - start))
    seen = []
    with sync_playwright() as driver:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(url)
        tab.wait_for_selector(".mv-grid[data-shown]")
        for i in range(changes):
            value = round((i * 7 % changes + 1) / (changes + 1), 2)
            seen.append(tab.evaluate(CHANGE, value))
        browser.close()
    return {
        "λ slider to decoded pixels, median ms": statistics.median(seen),
        "λ slider to decoded pixels, 90th percentile ms": statistics.quantiles(seen, n=10)[-1],
        "of it in our core, median ms": statistics.median(core),
    }


# Sets the slider as a drag does, and resolves when the grid says that the new pictures are decoded and placed.
CHANGE = """
(value) => new Promise((resolve) => {
  const grid = document.querySelector(".mv-grid"), slider = document.querySelector("#lam input[type=range]");
  const start = performance.now();
  const watcher = new MutationObserver(() => {
    watcher.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - start));
  });
  watcher.observe(grid, { attributes: true, attributeFilter: ["data-shown"] });
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})
"""


def measure() -> dict[str, float]:
    """All of it."""
    return import_times() | slider_times()


def report(results: dict[str, float]) -> str:
    """Markdown."""
    return table("The page", ["what", "measured"], [[name, f"{value:.3g}"] for name, value in results.items()])


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2, ensure_ascii=False))

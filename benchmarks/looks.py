"""Waiting times in the heat map view: for all maps of a picture, and for every change of the display.

``python -m benchmarks.looks [--quick]``. Server and browser share the machine's cores, as in :mod:`benchmarks.page`.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from benchmarks.page import chromium
from benchmarks.timing import table
from benchmarks.visitors import serve, slider_value

FIRST = "first look in a new server: the tab opened, networks and timm loaded, all maps drawn, s"
AGAIN = "another mixture: λ slider to all maps drawn, median ms"
CORE = "of another mixture in our core, median ms"
GOALS = {AGAIN: "< 1500", "switch": "< 200", "server memory": "< 1500"}

# Resolves with the milliseconds until every network's row shows the answer to the change.
DRAWN = """
([change, value]) => new Promise((resolve) => {
  const view = document.querySelector("#mv-localize"), start = performance.now(), before = view.dataset.shown;
  const watch = new MutationObserver(() => {
    if (view.dataset.shown === before || view.querySelector(".mv-stale")) return;
    watch.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
  });
  watch.observe(view, { attributes: true, subtree: true });
  const slider = document.querySelector("#mv-lam");
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})
"""
# A control that needs no network: from the change to the next frame.
SWITCHED = """
([selector, value, event]) => new Promise((resolve) => {
  const node = document.querySelector(selector), start = performance.now();
  if (event === "click") node.click();
  else {
    node.value = value;
    node.dispatchEvent(new Event(event, { bubbles: true }));
  }
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
})
"""
SWITCHES = {
    "τ": [("#mv-look-threshold", x, "input") for x in (0.3, 0.5, 0.1, 0.2)],
    "strength": [("#mv-look-strength", x, "input") for x in (0.9, 0.3, 0.6)],
    "scale": [(f"#mv-localize [data-choice={x}]", "", "click") for x in ("shared", "raw", "image")],
    "colours": [("#mv-look-colours", x, "change") for x in ("viridis", "inferno")],
    "difference": [("#mv-look-to", x, "change") for x in ("baseline", "")],
}


def core_times(changes: int) -> list[float]:
    """Measure the milliseconds of the view's answer alone, for a new mixture each time, on one torch thread."""
    import time
    from dataclasses import replace

    import torch

    from mixviz.ui import handlers
    from mixviz.ui.state import first_request

    threads, start, times = torch.get_num_threads(), replace(first_request(), view="localize", subject="mix"), []
    torch.set_num_threads(1)
    try:
        handlers.show(start)
        for i in range(changes):
            before = time.perf_counter()
            request = replace(start, lam=slider_value(i), seed=1)
            while left := handlers.show(request)["pending"]:
                request = replace(request, only=tuple(left))
            times.append(1000 * (time.perf_counter() - before))
    finally:
        torch.set_num_threads(threads)
    return times


def measure(quick: bool = False) -> dict[str, float]:
    """Measure everything, in about a minute."""
    changes, repeats = (3, 1) if quick else (15, 4)
    with chromium() as browser, serve() as server:
        tab: Any = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        tab.goto(f"{server.url}?networks=all")
        tab.wait_for_function("window.mixviz?.order.length && mixviz.idle()")
        before = tab.evaluate("performance.now()")
        tab.evaluate("mixviz.open('localize', { subject: 'mix' })")
        tab.wait_for_selector("#mv-localize[data-shown]")
        tab.wait_for_function("mixviz.idle() && !document.querySelector('.mv-stale')")
        results = {FIRST: (tab.evaluate("performance.now()") - before) / 1000}
        times = [tab.evaluate(DRAWN, ["lam", slider_value(i)]) for i in range(changes)]
        results[AGAIN] = statistics.median(times)
        for name, steps in SWITCHES.items():
            waits = [tab.evaluate(SWITCHED, list(step)) for step in steps * repeats]
            results[f"switch of {name}, median of {len(waits)}, ms"] = statistics.median(waits)
        results["server memory with all networks loaded, MB"] = server.memory()
    return results | {CORE: statistics.median(core_times(changes))}


def report(results: dict[str, float]) -> str:
    """Format the results as a Markdown table."""

    def goal(name: str) -> str:
        return next((goal for start, goal in GOALS.items() if name.startswith(start)), "")

    rows = [[name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", goal(name)] for name, value in results.items()]
    return table("Where networks look", ["what", "measured", "goal"], rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything less often, to try it")
    print(report(measure(parser.parse_args().quick)))


if __name__ == "__main__":
    main()

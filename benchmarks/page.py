"""Waiting times of visitors for the first picture and the λ slider, alone and among eight, and the server's memory.

``python -m benchmarks.page [--quick]``. A separate process serves the page, and a headless Chromium opens it. Both
share the machine's cores, as on a visitor's own machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.timing import table
from benchmarks.visitors import PATIENCE, ROOT, Crowd, Seen, Server, Visitor, question, serve, slider_value
from mixviz import METHODS
from mixviz.data import pictures

VISITORS = 8
FIRST, SHOWN = "#mv-learn[data-shown]", ".mv-grid[data-shown]"
SLOW = 4  # how many times slower the throttled processor is
MEGABITS, LATENCY = 1.6, 150  # of a slow line, per second, and ms

SERVED = "page served with a pair mixed, after gradio and torch, s"
PAINTED = "first paint: the above and, in a browser that runs, from the address to decoded mixtures, s"
ALONE, ALONE_90 = "λ slider to decoded pixels, median ms", "λ slider to decoded pixels, 90th percentile ms"
CORE, WHOLE = "of it in our core, median ms", "all cards at once in our core, median ms"
ANEW = "another pair to all cards in sight decoded, median ms"
SIGHT = "cards in sight at 1280 × 900, which a moving slider redraws"
AMONG, OTHERS = (f"{VISITORS} drag at once: {who}, median ms" for who in ("slider to pixels", "the others' answers"))
GROWTH = "server memory: growth over"
LARGEST, LARGEST_SLOW = "largest contentful paint, ms", f"largest contentful paint, processor {SLOW} times slower, ms"
LARGEST_LINE = f"largest contentful paint, line of {MEGABITS} Mb/s and {LATENCY} ms, ms"
SHIFT, BLOCKED = "cumulative layout shift", f"total blocking time, processor {SLOW} times slower, ms"
REQUESTS, BYTES = "first load: requests", "first load: kB"

# Names that end in numbers are given by their beginnings.
GOALS = {
    PAINTED: "≤ 2",
    ALONE: "< 200",
    ANEW: "< 500",
    CORE: "≤ 35",
    AMONG: "< 300",
    OTHERS: "< 300",
    GROWTH: "flat",
    LARGEST: "≤ 1500",
    LARGEST_SLOW: "≤ 3500",
    SHIFT: "≤ 0.05",
    BLOCKED: "≤ 1000",
    REQUESTS: "≤ 60",
    BYTES: "≤ 600",
} | {f"{part}: errors": "0" for part in ("one visitor", f"{VISITORS} drag at once", "server memory")}


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a headless browser: the machine's, else playwright's own."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=flags)
        yield browser
        browser.close()


def arrive(tab: Any, url: str, shown: str = FIRST) -> None:
    """Open the page; wait for its pictures, and until its script has no open request."""
    tab.goto(url)
    tab.wait_for_selector(shown)
    tab.wait_for_function("mixviz.idle()")


def import_time(runs: int) -> dict[str, float]:
    """Measure the time that ``import mixviz`` adds to ``import torch``, the best of several runs."""
    code = "import time, torch; a = time.perf_counter(); import mixviz; print(time.perf_counter() - a)"
    command = [sys.executable, "-c", code]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
             for _ in range(runs)]  # fmt: skip
    return {"import mixviz adds to import torch, s": min(times)}


def start_times(browser: Any, runs: int) -> dict[str, float]:
    """Measure the seconds after ``import gradio, torch`` until a server serves the page and a visitor sees mixtures.

    Included are the other imports, building the page with its first pair mixed, starting the server, and, in a new
    tab without a cache, everything from the address to decoded mixtures. Excluded are the start of Python, ``import
    gradio, torch`` and the start of the browser. Each run has its own server.
    """
    served, painted = [], []
    for _ in range(runs):
        tab = browser.new_context().new_page()
        with serve() as server:
            tab.goto(server.url, wait_until="commit")
            tab.wait_for_selector(FIRST)
            painted.append(time.time() - server.imported)
            served.append(server.served - server.imported)
            tab.context.close()
    return {f"{SERVED} (best of {runs})": min(served), f"{PAINTED} (median of {runs})": statistics.median(painted)}


# Collects what the browser reports of the load, before any script of the page runs.
WATCH = """
  window.vitals = { shift: 0, largest: 0, blocked: 0 };
  new PerformanceObserver((list) => list.getEntries().forEach((one) => {
    if (!one.hadRecentInput) vitals.shift += one.value;
  })).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach((one) => (vitals.largest = one.startTime)))
    .observe({ type: "largest-contentful-paint", buffered: true });
  new PerformanceObserver((list) => list.getEntries().forEach((one) => (vitals.blocked += one.duration - 50)))
    .observe({ type: "longtask", buffered: true });
"""


def first_load(browser: Any, server: Server, runs: int) -> dict[str, float]:
    """Measure a first load without a cache, medians of several runs: what the browser calls web vitals."""
    fast, slow = ([_vitals(browser, server, factor) for _ in range(runs)] for factor in (1, SLOW))
    line = [_vitals(browser, server, 1, slow_line=True) for _ in range(runs)]
    of = {name: [one[name] for one in fast] for name in fast[0]}
    return {
        LARGEST: statistics.median(of["largest"]),
        SHIFT: max(of["shift"]),
        REQUESTS: statistics.median(of["requests"]),
        BYTES: statistics.median(of["bytes"]) / 1000,
        LARGEST_SLOW: statistics.median(one["largest"] for one in slow),
        LARGEST_LINE: statistics.median(one["largest"] for one in line),
        BLOCKED: statistics.median(one["blocked"] for one in slow),
    }


def _vitals(browser: Any, server: Server, slower: int, *, slow_line: bool = False) -> dict[str, float]:
    tab = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    session = tab.context.new_cdp_session(tab)
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    if slow_line:
        speed = {"downloadThroughput": MEGABITS * 1e6 / 8, "uploadThroughput": MEGABITS * 1e6 / 8, "latency": LATENCY}
        session.send("Network.emulateNetworkConditions", {"offline": False, **speed})
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    tab.add_init_script(WATCH)
    tab.goto(server.url)
    tab.wait_for_selector(FIRST)
    tab.wait_for_timeout(1000 * (1 + slower))  # what comes after the first paint, and may shift it
    vitals = tab.evaluate("vitals")
    tab.context.close()
    return vitals | {"requests": len(sizes), "bytes": sum(sizes)}


def core_time(changes: int, only: list[str] | None = None) -> float:
    """Measure the core's median milliseconds per λ change, on one torch thread as set by ``mixviz.ui.app.launch``.

    Args:
        changes: number of changes.
        only: the cards to redraw; None means all.
    """
    import torch

    from mixviz.ui import handlers
    from mixviz.ui.state import first_request

    start, times, threads = first_request(), [], torch.get_num_threads()
    start = replace(start, view="grid", still=False, only=only and tuple(only))
    handlers.show(start)  # computes the saliency, once per pair
    torch.set_num_threads(1)
    try:
        for i in range(changes):
            request = replace(start, lam=slider_value(i))
            before = time.perf_counter()
            handlers.show(request)
            times.append(1000 * (time.perf_counter() - before))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times)


# Sets the slider as a drag does, and resolves when Mixup's label shows this λ and the grid reports decoded pictures.
# The check of λ rejects a late answer to an earlier change.
CHANGE = """
([value, patience]) => new Promise((resolve) => {
  const grid = document.querySelector(".mv-grid"), line = document.querySelector(".mv-message");
  const slider = document.querySelector("#mv-lam"), start = performance.now();
  const end = (problem) => {
    watcher.disconnect();
    clearTimeout(late);
    requestAnimationFrame(() => resolve([performance.now() - start, problem]));
  };
  const late = setTimeout(() => end(`not shown within ${patience} s`), 1000 * patience);
  const watcher = new MutationObserver((records) => {
    const label = document.querySelector("[data-method=mixup] .mv-bar").getAttribute("aria-label");
    const shown = Number(label.match(/[0-9]+/)[0]);
    if (line.textContent) end(line.textContent);
    else if (shown === Math.round(100 * value) && records.some(({ target }) => target === grid)) end("");
  });
  watcher.observe(grid, { attributes: true, attributeFilter: ["data-shown"] });
  watcher.observe(line, { childList: true, characterData: true, subtree: true });
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})
"""


# Chooses a pair as its button does, and resolves when every visible card shows it.
PAIR = """
([pair, patience]) => new Promise((resolve) => {
  const start = performance.now();
  const visible = () => [...document.querySelectorAll(".mv-card")].filter((card) => {
    const { top, bottom } = card.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  const look = () => {
    const took = performance.now() - start, there = ["a", "b"].every((key) => mixviz.state[key]?.includes(pair[key]));
    if (there && visible().every(({ dataset }) => mixviz.fresh(dataset.method))) resolve([took, ""]);
    else if (took > 1000 * patience) resolve([took, `not shown within ${patience} s`]);
    else requestAnimationFrame(look);
  };
  mixviz.restore(pair);
  look();
})
"""


class Tab:
    """A visitor with a browser, and the measurements; every complaint of the browser counts as an error."""

    def __init__(self, browser: Any, server: Server) -> None:
        self.seen, self.steps = Seen(), 0
        self.tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.tab.on("pageerror", lambda error: self.seen.problems.append(f"script: {error}"))
        self.tab.on("requestfailed", lambda request: self.seen.problems.append(f"{request.url}: {request.failure}"))
        self.tab.on("response", self._answered)
        arrive(self.tab, f"{server.url}?view=grid", SHOWN)
        self.drag(3)  # warm up, and count only the errors
        self.seen.times.clear()

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.seen.problems.append(f"{response.url}: status {response.status}")

    def pairs(self, rounds: int) -> list[float]:
        """Measure the milliseconds until another bundled pair is shown, pair by pair, without the first round."""
        names = [{key: Path(pair[key]).stem for key in "ab"} for pair in pictures.pairs()]
        times = []
        for i in range((rounds + 1) * len(names)):
            ms, problem = self.tab.evaluate(PAIR, [names[i % len(names)], PATIENCE])
            self.seen.problems += [problem] if problem else []
            times.append(ms)
            self.tab.wait_for_function("mixviz.idle()")
        return times[len(names) :]

    def in_sight(self) -> list[str]:
        """Return the visible cards, which a moving slider redraws; the others follow when they scroll into view."""
        return self.tab.evaluate("mixviz.inSight()")

    def drag(self, changes: int, seconds: float = 0) -> None:
        """Make at least this many changes for at least this long, each after the previous one is shown."""
        start = time.perf_counter()
        while changes > 0 or time.perf_counter() - start < seconds:
            self.seen.add(*self.tab.evaluate(CHANGE, [slider_value(self.steps), PATIENCE]))
            self.steps += 1
            changes -= 1


def slider_times(browser: Any, server: Server, changes: int) -> dict[str, float]:
    """Measure one visitor's λ slider, from the change to decoded pixels, and the core's part of it."""
    tab = Tab(browser, server)
    tab.drag(changes)
    in_sight, pairs = tab.in_sight(), tab.pairs(max(1, changes // 20))
    tab.tab.context.close()
    return {
        ANEW: statistics.median(pairs),
        ALONE: tab.seen.median(),
        ALONE_90: statistics.quantiles(tab.seen.times, n=10)[-1],
        SIGHT: len(in_sight),
        CORE: core_time(changes, in_sight),
        WHOLE: core_time(changes),
        f"one visitor: errors in {changes} changes": tab.seen.errors("one visitor"),
    }


def crowd_times(browser: Any, server: Server, changes: int, seconds: float) -> dict[str, float]:
    """Measure one tab's slider while seven others drag as well.

    The others are HTTP clients, so that the cores are left to the server. They request the same visible cards.
    """
    tab = Tab(browser, server)
    crowd = Crowd(server.url, VISITORS - 1, tab.in_sight())
    try:
        tab.drag(changes, seconds)
    finally:
        others, lasted = crowd.leave()
    tab.tab.context.close()
    answers = len(others.times) + len(tab.seen.times)
    return {
        AMONG: tab.seen.median(),
        OTHERS: others.median(),
        f"{VISITORS} drag at once: answers": answers,
        f"{VISITORS} drag at once: answers per second": answers / lasted,
        f"{VISITORS} drag at once: errors": tab.seen.errors("the tab among eight") + others.errors("the seven others"),
    }


def memory(changes: tuple[int, int]) -> dict[str, float]:
    """Measure a new server's resident memory after some λ changes and after many more; empty without /proc."""
    if not Path("/proc/self/status").exists():
        print("The server's memory is left out: this system has no /proc.", file=sys.stderr)
        return {}
    with serve() as server:
        cards = sorted(METHODS)[::6]  # about as many cards as are visible, of every family
        visitor, megabytes, seconds, done = Visitor(server.url, question(server.url, cards)), [], 0.0, 0
        for target in changes:
            start = time.perf_counter()
            for i in range(done, target):
                visitor.change(slider_value(i), seed=i)
            done, seconds = target, time.perf_counter() - start
            megabytes.append(server.memory())
    more = f"{changes[1] - changes[0]:,} λ changes"
    return {
        f"server memory: after {changes[0]:,} λ changes, MB": megabytes[0],
        f"server memory: after {changes[1]:,}, MB": megabytes[1],
        f"{GROWTH} {more}, MB": megabytes[1] - megabytes[0],
        f"server memory: {more} by HTTP take, s": seconds,
        f"server memory: errors in {changes[1]:,} changes": visitor.seen.errors("memory"),
    }


def measure(quick: bool = False) -> dict[str, float]:
    """Measure everything, in about four minutes; ``quick`` repeats less, for a trial."""
    runs, changes, seconds = (1, 10, 2) if quick else (5, 60, 10)
    results = import_time(runs)
    with chromium() as browser:
        results |= start_times(browser, runs)
        with serve() as server:
            results |= first_load(browser, server, runs)
            results |= slider_times(browser, server, changes)
            results |= crowd_times(browser, server, changes, seconds)
    return results | memory((20, 120) if quick else (200, 1200))


def report(results: dict[str, float]) -> str:
    """Format the results as a Markdown table."""

    def goal(name: str) -> str:
        return next((goal for start, goal in GOALS.items() if name.startswith(start)), "")

    rows = [[name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", goal(name)] for name, value in results.items()]
    return table("The page", ["what", "measured", "goal"], rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything less often, to try it")
    print(report(measure(parser.parse_args().quick)))


if __name__ == "__main__":
    main()

"""What a visitor waits for: the first picture, and λ slider to decoded pixels, alone and among eight; and the memory.

``python -m benchmarks.page [--quick]``. The page is served by a process of its own, a real headless Chromium looks at
it, and both share the machine's cores, as they do for whoever starts the page at home.
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
SHOWN = ".mv-grid[data-shown]"

SERVED = "page served with a pair mixed, after gradio and torch, s"
PAINTED = "first paint: the above and, in a browser that runs, from the address to decoded mixtures, s"
ALONE, ALONE_90 = "λ slider to decoded pixels, median ms", "λ slider to decoded pixels, 90th percentile ms"
CORE, WHOLE = "of it in our core, median ms", "all cards at once in our core, median ms"
ANEW = "another pair to all cards in sight decoded, median ms"
SIGHT = "cards in sight at 1280 × 900, which a moving slider redraws"
AMONG, OTHERS = (f"{VISITORS} drag at once: {who}, median ms" for who in ("slider to pixels", "the others' answers"))
GROWTH = "server memory: growth over"

# Of names that go on in numbers, the beginning.
GOALS = {
    PAINTED: "≤ 2",
    ALONE: "< 200",
    ANEW: "< 500",
    CORE: "≤ 35",
    AMONG: "< 300",
    OTHERS: "< 300",
    GROWTH: "flat",
} | {f"{part}: errors": "0" for part in ("one visitor", f"{VISITORS} drag at once", "server memory")}


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser: the machine's, else playwright's own."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


def arrive(tab: Any, url: str) -> None:
    """Open the page; wait for its pictures, and until its script knows the controls and asks nothing more."""
    tab.goto(url)
    tab.wait_for_selector(SHOWN)
    tab.wait_for_function("mixviz.state.a && mixviz.idle()")


def import_time(runs: int) -> dict[str, float]:
    """What ``import mixviz`` adds to ``import torch``, the best of some runs."""
    code = "import time, torch; a = time.perf_counter(); import mixviz; print(time.perf_counter() - a)"
    command = [sys.executable, "-c", code]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
             for _ in range(runs)]  # fmt: skip
    return {"import mixviz adds to import torch, s": min(times)}


def start_times(browser: Any, runs: int) -> dict[str, float]:
    """From a server that has imported gradio and torch until it serves the page, and until a visitor sees mixtures.

    Counted: the rest of the imports, the building of the page with its first pair mixed, the start of the server,
    and in a new tab without a cache everything from the address to decoded mixtures. Not counted: Python's start,
    ``import gradio, torch`` and the browser's start. Each run has a server of its own.
    """
    served, painted = [], []
    for _ in range(runs):
        tab = browser.new_context().new_page()
        with serve() as server:
            tab.goto(server.url, wait_until="commit")
            tab.wait_for_selector(SHOWN)
            painted.append(time.time() - server.imported)
            served.append(server.served - server.imported)
            tab.context.close()
    return {f"{SERVED} (best of {runs})": min(served), f"{PAINTED} (median of {runs})": statistics.median(painted)}


def core_time(changes: int, only: list[str] | None = None) -> float:
    """Median milliseconds of the core's part of a λ change, on one torch thread as ``page.launch`` sets it.

    Args:
        only: the cards that are redrawn; None for all.
    """
    import torch

    from mixviz.ui import handlers
    from mixviz.ui.app import first_request

    start, times, threads = first_request(), [], torch.get_num_threads()
    start = replace(start, still=False, only=only and tuple(only))
    handlers.show(start)  # saliency is found once per pair
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


# Sets the slider as a drag does, and resolves when a card shows this λ and the grid says that its pictures are decoded
# and placed: the number keeps a late answer to another question from being taken for this one's.
CHANGE = """
([value, patience]) => new Promise((resolve) => {
  const grid = document.querySelector(".mv-grid"), line = document.querySelector(".mv-message");
  const slider = document.querySelector("#lam input[type=range]"), start = performance.now();
  const end = (problem) => {
    watcher.disconnect();
    clearTimeout(late);
    requestAnimationFrame(() => resolve([performance.now() - start, problem]));
  };
  const late = setTimeout(() => end(`not shown within ${patience} s`), 1000 * patience);
  const watcher = new MutationObserver((records) => {
    const shown = Number(document.querySelector("[data-method=mixup] dd").textContent);
    if (line.textContent) end(line.textContent);
    else if (shown === value && records.some(({ target }) => target === grid)) end("");
  });
  watcher.observe(grid, { attributes: true, attributeFilter: ["data-shown"] });
  watcher.observe(line, { childList: true, characterData: true, subtree: true });
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
})
"""


# Chooses a pair as its button does, and resolves when every card that can be seen shows it.
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
    """A visitor with a browser, and what he sees; whatever his browser complains of is an error."""

    def __init__(self, browser: Any, server: Server) -> None:
        self.seen, self.steps = Seen(), 0
        self.tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.tab.on("pageerror", lambda error: self.seen.problems.append(f"script: {error}"))
        self.tab.on("requestfailed", lambda request: self.seen.problems.append(f"{request.url}: {request.failure}"))
        self.tab.on("response", self._answered)
        arrive(self.tab, server.url)
        self.drag(3)  # the first ones warm up; their errors count
        self.seen.times.clear()

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.seen.problems.append(f"{response.url}: status {response.status}")

    def pairs(self, rounds: int) -> list[float]:
        """Milliseconds until another bundled pair is shown, one pair after the other; a first round is not counted."""
        told = [{key: Path(pair[key]).stem for key in "ab"} for pair in pictures.pairs()]
        took = []
        for i in range((rounds + 1) * len(told)):
            ms, problem = self.tab.evaluate(PAIR, [told[i % len(told)], PATIENCE])
            self.seen.problems += [problem] if problem else []
            took.append(ms)
            self.tab.wait_for_function("mixviz.idle()")
        return took[len(told) :]

    def in_sight(self) -> list[str]:
        """The cards that it redraws while a slider moves: the others follow as they come into sight."""
        return self.tab.evaluate("mixviz.inSight()")

    def drag(self, changes: int, seconds: float = 0) -> None:
        """So many changes and at least so long, each begun when the one before is shown."""
        start = time.perf_counter()
        while changes > 0 or time.perf_counter() - start < seconds:
            self.seen.add(*self.tab.evaluate(CHANGE, [slider_value(self.steps), PATIENCE]))
            self.steps += 1
            changes -= 1


def slider_times(browser: Any, server: Server, changes: int) -> dict[str, float]:
    """One visitor's λ slider, from the change to decoded pixels, and the core's part of it."""
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
    """The same while seven others drag as well: one tab and, so that the cores are left to the server, HTTP clients,
    who ask for the cards that this tab has in sight, as it does itself."""
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
    """A new server's resident memory after some λ changes and after many more; empty where no /proc tells it."""
    if not Path("/proc/self/status").exists():
        print("The server's memory is left out: this system has no /proc.", file=sys.stderr)
        return {}
    with serve() as server:
        some = sorted(METHODS)[::6]  # about as many cards as are in sight, of every family
        visitor, used, took, done = Visitor(server.url, question(server.url, some)), [], 0.0, 0
        for until in changes:
            start = time.perf_counter()
            for i in range(done, until):
                visitor.change(slider_value(i), seed=i)
            done, took = until, time.perf_counter() - start
            used.append(server.memory())
    more = f"{changes[1] - changes[0]:,} λ changes"
    return {
        f"server memory: after {changes[0]:,} λ changes, MB": used[0],
        f"server memory: after {changes[1]:,}, MB": used[1],
        f"{GROWTH} {more}, MB": used[1] - used[0],
        f"server memory: {more} by HTTP take, s": took,
        f"server memory: errors in {changes[1]:,} changes": visitor.seen.errors("memory"),
    }


def measure(quick: bool = False) -> dict[str, float]:
    """All of it, in about four minutes; ``quick`` does everything less often, to try it."""
    runs, changes, seconds = (1, 10, 2) if quick else (5, 60, 10)
    results = import_time(runs)
    with chromium() as browser:
        results |= start_times(browser, runs)
        with serve() as server:
            results |= slider_times(browser, server, changes)
            results |= crowd_times(browser, server, changes, seconds)
    return results | memory((20, 120) if quick else (200, 1200))


def report(results: dict[str, float]) -> str:
    """Markdown."""

    def goal(name: str) -> str:
        return next((goal for start, goal in GOALS.items() if name.startswith(start)), "")

    rows = [[name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", goal(name)] for name, value in results.items()]
    return table("The page", ["what", "measured", "goal"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything less often, to try it")
    print(report(measure(parser.parse_args().quick)))


if __name__ == "__main__":
    main()

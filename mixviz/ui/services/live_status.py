"""What the page tells of the search that runs, and the visitor's words to it: start, cancel, go on."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from mixviz.i18n import in_language
from mixviz.ui.fields import malformed
from mixviz.ui.services import live_search, search_pictures, searches
from mixviz.ui.services.search_folders import LOG
from mixviz.ui.services.search_presenter import described
from mixviz.ui.state import language_of

# What `mixviz search` tells after each trial, and its judge after each training.
TRIAL = re.compile(r"^Trial (\d+) of about (\d+): .*; (.+) left$", re.MULTILINE)
JUDGED = re.compile(r"^(\d+)/(\d+) .*: top-1 [\d.]+ %(?:; (.+) left)?$", re.MULTILINE)
TIME = re.compile(r"([\d.]+) (s|min|h)")
UNITS = {"s": 1, "min": 60, "h": 3600}
END = 2**16  # bytes of the log that are read, from its end


def live(state: Any) -> dict[str, Any]:
    """Return what can be searched with, what runs, and, unless ``seen`` is its newest version, the search ``watching``
    or the one that runs."""
    visitor, language = _visitor(state), language_of(state)
    refusal, now = live_search.refusal(), live_search.running()
    stopped = None if now else live_search.stopped(visitor)
    failed = live_search.failed(visitor)
    return {
        "refusal": refusal.told(language) if refusal else "",
        "sets": [{"key": key, "title": one.title} for key, one in search_pictures.offered().items()]
        if refusal is None
        else [],
        "strategies": _strategies(language),
        "minutes": live_search.MINUTES,
        "pictures": live_search.MOST.train,
        "running": _running(now, live_search.mine(visitor)) if now else None,
        "stopped": stopped.name if stopped else None,
        "error": failed.told(language) if failed else "",
        **_search(state, now.folder.name if now else state.get("watching"), language),
    }


def begin(state: Any) -> dict[str, Any]:
    """Start a search of the visitor."""
    visitor = _visitor(state)
    live_search.start(state.get("key"), state.get("strategy"), state.get("minutes"), state.get("judged"), visitor)
    return live(state)


def cancel(state: Any) -> dict[str, Any]:
    """Stop the visitor's search."""
    live_search.cancel(_visitor(state))
    return live(state)


def go_on(state: Any) -> dict[str, Any]:
    """Go on with the visitor's search that was stopped."""
    live_search.go_on(_visitor(state))
    return live(state)


FUNCTIONS = (live, begin, cancel, go_on)


def _visitor(state: Any) -> str:
    name = state.get("visitor") if isinstance(state, dict) else None
    if not isinstance(name, str) or not 16 <= len(name) <= 64:
        raise malformed("The page did not say whose it is.")
    return name


def _strategies(language: str) -> list[dict[str, str]]:
    from mixviz.search.strategies import STRATEGIES

    return [
        {
            "name": name,
            "title": in_language(f"search.strategy.{name}", language, strategy.card.title),
            "why": in_language(f"live.why.{name}", language, _first_sentence(strategy.__doc__ or "")),
        }
        for name, strategy in STRATEGIES.items()
    ]


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def _running(one: live_search.Running, mine: bool) -> dict[str, Any]:
    return {"name": one.folder.name, "mine": mine, "stopping": one.stopping, **progress(one.folder)}


def progress(folder: Path) -> dict[str, Any]:
    """Return how far a search is: its ``phase`` (starting, trials or judge), how many of how many trials or trainings
    are ``done``, and the seconds ``left``; None where nobody knows yet."""
    path = folder / LOG
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - END))
            text, changed = file.read().decode("utf-8", "replace"), path.stat().st_mtime
    except OSError:
        text, changed = "", 0.0
    judged, trials = JUDGED.findall(text), TRIAL.findall(text)
    judges, tries = judged or (folder / "judged").is_dir(), trials or (folder / "trials").is_dir()
    phase = "judge" if judges else "trials" if tries else "starting"
    found = judged if phase == "judge" else trials
    if not found:
        return {"phase": phase, "done": 0, "total": None, "left": None}
    done, total, left = found[-1]
    seconds = sum(float(number) * UNITS[unit] for number, unit in TIME.findall(left))
    still = max(0.0, seconds - (time.time() - changed)) if left else None
    return {"phase": phase, "done": int(done), "total": int(total), "left": still}


def _search(state: Any, name: Any, language: str) -> dict[str, Any]:
    """The search that the page watches, if its files have changed."""
    stored = searches.stored()
    if not isinstance(name, str) or name not in stored:
        return {}
    version = f"{searches.version(name)} {live_search.state_of(searches.folders()[name])}"
    return {"version": version} | (
        {"search": described(stored[name], language)} if version != state.get("seen") else {}
    )

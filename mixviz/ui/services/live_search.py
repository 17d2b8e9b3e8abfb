"""A small search that a visitor starts on the page: one at a time, in a process of its own that ends with the page."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import ipaddress
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import mixviz
from mixviz import resources
from mixviz.i18n import UserError
from mixviz.networks import files
from mixviz.ui.errors import log
from mixviz.ui.fields import malformed
from mixviz.ui.services import search_pictures
from mixviz.ui.services.search_folders import LOG, forget_oldest, kept, settings_of, tail, values_in, without_paths
from mixviz.ui.services.search_worker import ENDED, FAILED, SETTINGS, STOPPED

ALLOWED = "MIXVIZ_SEARCH"  # the environment variable by which a host allows visitors to search, or forbids it
MINUTES = (1, 10)
SEEDS = 3  # of the judge: fewer give no interval
LAST = 30  # seconds that a process may take to stop
NICE = 5  # the process gives way to the page

MOST = search_pictures.Most(classes=10, train=300, val=50)
# The flags of a small training: a trial takes some 10 to 20 s on two CPU cores.
TRAINING = ("--image-size", "32", "--epochs", "10")
BUDGET = "{minutes}m"
WORKER = (sys.executable, "-P", "-m", "mixviz.ui.services.search_worker")  # and the folder
# Of a few trials, fewer are drawn at random first; a population of 4 is as many trainings.
STRATEGIES: Mapping[str, str] = {
    "bayes": "bayes:startup=5", "density": "density:folds=2", "population": "population:size=4",
}  # fmt: skip


@dataclass(eq=False)
class Running:
    """A search that runs: its folder, the hash of its visitor, its process, and whether it has been told to stop."""

    folder: Path
    owner: str
    process: subprocess.Popen[bytes]
    stopping: bool = False


_running: Running | None = None
_failed: dict[str, UserError] = {}  # by owner, how the last search ended that has nothing to show
_lock = threading.RLock()


# ---------------------------------------------------------------- permission


def local(address: str | None) -> bool:
    """Return whether a server that listens on this address, Gradio's own if None, serves this machine alone."""
    name = address or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed() -> bool:
    """Return whether visitors may search: what the host says, else only on a page that is no hosted Space."""
    said = os.environ.get(ALLOWED, "").strip().lower()
    return said not in ("0", "no", "off", "false", "n", "f") if said else "SPACE_ID" not in os.environ


def refusal() -> UserError | None:
    """Return why nobody can start a search on this machine; None if somebody can."""
    if not allowed():
        return UserError("live.forbidden")
    return None if search_pictures.offered() else UserError("live.no_data")


# ---------------------------------------------------------------- start, stop, go on


def start(key: Any, strategy: Any, minutes: Any, judged: Any, visitor: str) -> None:
    """Start a search.

    Args:
        key: of the pictures, see :func:`mixviz.ui.services.search_pictures.offered`.
        strategy: the name of a strategy.
        minutes: of its trials.
        judged: whether the judge follows.

    Raises:
        UserError: it is not allowed, another search runs, or there are no such pictures.
    """
    from mixviz.search.strategies import STRATEGIES as known

    whole = isinstance(minutes, int) and not isinstance(minutes, bool)
    if not whole or not MINUTES[0] <= minutes <= MINUTES[1] or not isinstance(strategy, str) or strategy not in known:
        raise malformed("There is no such strategy, or the minutes are not from 1 to 10.")
    with _lock:
        _refuse()
        source = search_pictures.offered().get(key) if isinstance(key, str) else None
        if source is None:
            raise UserError("live.gone")
        now = datetime.now().astimezone()
        line = [
            "--data", "folder", "--root", "pictures", "--corrupt", "skip", *TRAINING,
            "--strategy", STRATEGIES.get(strategy, strategy), "--budget", BUDGET.format(minutes=minutes),
            "--judge", str(SEEDS if judged else 0), "--out", ".",
        ]  # fmt: skip
        settings = {
            "owner": _hashed(visitor), "started": now.isoformat(timespec="seconds"), "strategy": strategy,
            "source": {"kind": source.kind, "root": str(source.root)}, "most": vars(MOST), "line": line,
        }  # fmt: skip
        card = {"data": source.title, "date": f"{now:%Y-%m-%d}", "command": shlex.join(["mixviz", "search", *line])}
        forget_oldest()
        folder = resources.searches() / f"{now:%Y-%m-%d-%H%M%S}-{strategy}"
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / SETTINGS, json.dumps(settings).encode())
        files.write(folder / "card.json", json.dumps(card, ensure_ascii=False).encode())
        _run(folder, settings["owner"])


def go_on(visitor: str) -> None:
    """Go on with the visitor's search that was stopped.

    Raises:
        UserError: it is not allowed, another search runs, or there is none.
    """
    with _lock:
        _refuse()
        folder = stopped(visitor)
        if folder is None:
            raise UserError("live.none_stopped")
        _run(folder, _hashed(visitor))


def cancel(visitor: str) -> None:
    """Stop the visitor's search; what is done stays. Searches of others go on."""
    with _lock:
        if _running is not None and _running.owner == _hashed(visitor):
            _stop(_running)


def running() -> Running | None:
    """Return the search that runs."""
    with _lock:
        return _running


def mine(visitor: str) -> bool:
    """Return whether the search that runs is the visitor's."""
    with _lock:
        return _running is not None and _running.owner == _hashed(visitor)


def failed(visitor: str) -> UserError | None:
    """Return why the visitor's last search has ended, where it was no success."""
    return _failed.get(_hashed(visitor))


def stopped(visitor: str) -> Path | None:
    """Return the folder of the visitor's newest search if it was stopped before its end, and does not run."""
    own = next((folder for folder in kept() if settings_of(folder).get("owner") == _hashed(visitor)), None)
    return own if own is not None and state_of(own) == STOPPED and (own / "trials.json").is_file() else None


def state_of(folder: Path) -> str:
    """Return how a search stands: ``running``, or as it has ended; ``stopped``, too, where the machine went off."""
    now = running()
    if now is not None and now.folder == folder:
        return "running"
    return (values_in(folder / ENDED) or {"state": STOPPED})["state"]


# ---------------------------------------------------------------- the process


def _refuse() -> None:
    if (error := refusal()) is not None:
        raise error
    if _running is not None:
        raise UserError("live.busy")


def _run(folder: Path, owner: str) -> None:
    """Start the process of a search, behind the page in the order of the system's work."""
    global _running
    (folder / ENDED).unlink(missing_ok=True)
    _failed.pop(owner, None)
    package = str(Path(mixviz.__file__).parent.parent)  # a checkout need not be installed
    threads = max(1, min(4, (os.cpu_count() or 1) - 1))
    environment = {
        **os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
    }  # fmt: skip
    with open(folder / LOG, "wb") as out:
        process = subprocess.Popen(
            [*WORKER, str(folder)], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, env=environment,
            start_new_session=os.name == "posix",  # Ctrl-C is the page's; its process then ends by its input
            creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
        )  # fmt: skip
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    _running = Running(folder, owner, process)
    threading.Thread(target=_wait, args=(_running,), daemon=True, name="search").start()


def _stop(one: Running) -> None:
    """Ask a process to stop, and end it after a while."""
    if one.stopping:
        return
    one.stopping = True
    assert one.process.stdin is not None
    with contextlib.suppress(OSError):
        one.process.stdin.close()
    late = threading.Timer(LAST, one.process.kill)
    late.daemon = True
    late.start()


def _wait(one: Running) -> None:
    """Note how a search has ended; one without a trial leaves nothing but its error."""
    global _running
    code = one.process.wait()
    with _lock:
        ended = values_in(one.folder / ENDED) or {"state": STOPPED if one.stopping else FAILED, "error": None}
        if ended["state"] == FAILED:
            error = ended["error"] or {"key": "live.broken", "values": {}}
            log.warning("A search on the page ended with status %d: %s", code, tail(one.folder / LOG))
            _failed[one.owner] = UserError(error["key"], **without_paths(error["values"], one.folder))
            files.write(one.folder / ENDED, json.dumps(ended).encode())
        if not (one.folder / "trials.json").is_file():
            shutil.rmtree(one.folder, ignore_errors=True)
        if _running is one:
            _running = None


@atexit.register
def _end() -> None:
    """Stop the search with the page."""
    if (one := _running) is not None:
        _stop(one)
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.process.wait(LAST / 3)
        one.process.kill()


def _hashed(visitor: str) -> str:
    return hashlib.sha256(visitor.encode("utf-8", "replace")).hexdigest()

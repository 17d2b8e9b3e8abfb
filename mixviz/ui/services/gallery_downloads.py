"""Downloads of the gallery's networks in the background: one for all visitors who ask for it, with its progress."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mixviz.core.registry import lookup
from mixviz.i18n import UserError
from mixviz.networks import gallery
from mixviz.networks.gallery import FetchError
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import networks

ALLOWED = "MIXVIZ_FETCH"  # the environment variable by which a host forbids visitors to fetch
TOGETHER = 2  # downloads at a time: each network is checked in memory

HOST = "host"  # waits for what MIXVIZ_NETWORKS names, whatever visitors do
GONE = 150  # seconds without a word after which a visitor waits no more: hidden pages ask once a minute

log = logging.getLogger("mixviz")


@dataclass(eq=False)
class Download:
    """A download that runs: its bytes ``done`` and in all, and when each visitor who waits for it was last heard of."""

    done: tuple[int, int] = (0, 0)
    waiting: dict[str, float] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def others(self, visitor: str) -> int:
        """Return how many others wait for it, as far as they were heard of lately."""
        still = time.monotonic() - GONE
        return sum(heard > still for name, heard in self.waiting.items() if name != visitor)


_running: dict[str, Download] = {}
_failed: dict[str, UserError] = {}  # the last attempt's error
_lock = threading.Lock()
_places = threading.BoundedSemaphore(TOGETHER)


def allowed() -> bool:
    """Return whether visitors may fetch networks."""
    return os.environ.get(ALLOWED, "").strip().lower() not in ("0", "no", "off", "false")


def start(name: Any, visitor: str) -> None:
    """Begin to fetch a network for a visitor, who joins those that wait for it if that has begun.

    Raises:
        UserError: no such network, or the host does not allow it.
    """
    if not allowed():
        raise UserError("gallery.forbidden")
    with as_user_error():
        lookup(gallery.entries(), name)
    if (begun := _joined(name, visitor, time.monotonic())) is not None:
        _in_background(_fetch_for_visitor, name, begun)


def cancel(name: Any, visitor: str) -> None:
    """End a visitor's waiting for a network; the download ends with the last one's."""
    with _lock:
        download = _running.get(name) if isinstance(name, str) else None
        if download is None or download.waiting.pop(visitor, None) is None or download.others(visitor):
            return
        download.cancelled.set()
        del _running[name]  # the page is free, even while the hub keeps the thread waiting


def _joined(name: str, visitor: str, heard: float) -> Download | None:
    """Let a visitor wait for a download; return it if it is a new one, which nobody fetches yet."""
    with _lock:
        begun = name not in _running
        download = _running.setdefault(name, Download())
        download.waiting[visitor] = heard
        if begun:
            _failed.pop(name, None)
        return download if begun else None


def preload() -> None:
    """Begin to fetch the networks that ``MIXVIZ_NETWORKS`` names; what goes wrong is logged."""
    _in_background(gallery.preload, lambda line: log.warning("%s: %s", gallery.WANTED, line), _fetch_for_host)


def listed(language: str, visitor: str) -> list[dict[str, Any]]:
    """Return the gallery for the page's script: what is known of each network, how far its download is, whether the
    visitor waits for it (``mine``), and how many ``others`` do."""
    with _lock:
        running = dict(_running)
        for download in running.values():
            if visitor in download.waiting:
                download.waiting[visitor] = time.monotonic()
    here = networks.fetched()
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "augmentation": entry.augmentation,
            "documented": entry.documented,
            "bce": entry.loss == "bce",
            "top1": entry.top1,
            "license": entry.license,
            "megabytes": entry.megabytes,
            "here": entry.name in here,
            "progress": download.done if (download := running.get(entry.name)) else None,
            "mine": download is not None and visitor in download.waiting,
            "others": download.others(visitor) if download else 0,
            "error": error.told(language) if (error := _failed.get(entry.name)) else "",
        }
        for entry in gallery.entries().values()
    ]


def _in_background(work: Any, *given: Any) -> None:
    """Run in a thread that does not keep the server from ending."""
    threading.Thread(target=work, args=given, daemon=True, name="fetch").start()


def _fetch_for_visitor(name: str, download: Download) -> None:
    with suppress(FetchError):
        _fetch(name, download)


def _fetch_for_host(name: str) -> None:
    if (begun := _joined(name, HOST, math.inf)) is not None:
        return _fetch(name, begun)
    gallery.get(name)  # waits for the visitors' download


def _fetch(name: str, download: Download) -> None:
    """Fetch a network; its progress, and then its error, is kept for the page."""

    def tell(done: int, total: int) -> None:
        download.done = done, total

    try:
        while not _places.acquire(timeout=gallery.MOMENT):
            gallery.refuse_cancelled(name, download.cancelled.is_set)
        try:
            gallery.get(name, tell, download.cancelled.is_set)
        finally:
            _places.release()
    except FetchError as error:
        if not download.cancelled.is_set():
            log.warning("%s", error)
            _failed[name] = _explained(name, error)
        raise
    finally:
        with _lock:
            if _running.get(name) is download:
                del _running[name]


def _explained(name: str, error: FetchError) -> UserError:
    entry = gallery.entries()[name]
    return UserError(f"gallery.{error.why}", title=entry.title, megabytes=round(entry.megabytes))

"""Downloads of the gallery's networks in the background: one for all visitors who ask for it, with its progress."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress
from typing import Any

from mixviz.core.registry import lookup
from mixviz.i18n import UserError
from mixviz.networks import gallery
from mixviz.networks.gallery import FetchError
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import networks

ALLOWED = "MIXVIZ_FETCH"  # the environment variable by which a host forbids visitors to fetch
TOGETHER = 2  # downloads at a time: each network is checked in memory

log = logging.getLogger("mixviz")
_running: dict[str, tuple[int, int]] = {}  # bytes done, and bytes in all
_failed: dict[str, UserError] = {}  # the last attempt's error
_lock = threading.Lock()
_places = threading.BoundedSemaphore(TOGETHER)


def allowed() -> bool:
    """Return whether visitors may fetch networks."""
    return os.environ.get(ALLOWED, "").strip().lower() not in ("0", "no", "off", "false")


def start(name: Any) -> None:
    """Begin to fetch a network, unless that has begun.

    Raises:
        UserError: no such network, or the host does not allow it.
    """
    if not allowed():
        raise UserError("gallery.forbidden")
    with as_user_error():
        lookup(gallery.entries(), name)
    with _lock:
        if name in _running:
            return
        _running[name] = 0, 0
    _in_background(_fetch_for_visitor, name)


def preload() -> None:
    """Begin to fetch the networks that ``MIXVIZ_NETWORKS`` names; what goes wrong is logged."""
    _in_background(gallery.preload, lambda line: log.warning("%s: %s", gallery.WANTED, line), _fetch)


def listed(language: str) -> list[dict[str, Any]]:
    """Return the gallery for the page's script: per network what is known of it, and how far its download is."""
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
            "progress": _running.get(entry.name),
            "error": error.told(language) if (error := _failed.get(entry.name)) else "",
        }
        for entry in gallery.entries().values()
    ]


def _in_background(work: Any, *given: Any) -> None:
    """Run in a thread that does not keep the server from ending."""
    threading.Thread(target=work, args=given, daemon=True, name="fetch").start()


def _fetch_for_visitor(name: str) -> None:
    with suppress(FetchError):
        _fetch(name)


def _fetch(name: str) -> None:
    """Fetch a network; its progress, and then its error, is kept for the page."""
    with _lock:
        _running.setdefault(name, (0, 0))
        _failed.pop(name, None)
    try:
        with _places:
            gallery.get(name, lambda done, total: _running.update({name: (done, total)}))
    except FetchError as error:
        log.warning("%s", error)
        _failed[name] = _explained(name, error)
        raise
    finally:
        _running.pop(name, None)


def _explained(name: str, error: FetchError) -> UserError:
    entry = gallery.entries()[name]
    return UserError(f"gallery.{error.why}", title=entry.title, megabytes=round(entry.megabytes))

"""Folders of the searches that were started on the page: ``searches`` in ``MIXVIZ_HOME``, one folder each."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixviz import resources
from mixviz.ui.services.search_worker import SETTINGS

KEPT = 10  # searches of the page that stay; the oldest are deleted
LOG = "log.txt"


def kept() -> list[Path]:
    """Return the folders of the page's searches, newest first."""
    root = resources.searches()
    return sorted((path.parent for path in root.glob(f"*/{SETTINGS}")), reverse=True) if root.is_dir() else []


def forget_oldest() -> None:
    """Delete the oldest searches, so that another one has room."""
    for folder in kept()[KEPT - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


def settings_of(folder: Path) -> dict[str, Any]:
    """Return how a search was started; empty where nobody knows."""
    return values_in(folder / SETTINGS) or {}


def values_in(path: Path) -> dict[str, Any] | None:
    """Read a JSON file; None if it is not there or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def without_paths(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Leave the host's folders out of what a visitor reads."""
    root = (settings_of(folder).get("source") or {}).get("root") or str(folder)
    told = {}
    for name, value in values.items():
        if isinstance(value, str):
            for path in (str(folder), root, str(Path.home())):
                value = value.replace(path, Path(path).name)
        told[name] = value
    return told


def tail(path: Path) -> str:
    """Return the end of a log."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
    return "it has left no log"

"""Find folders: ``assets/`` and ``models/``, in a checkout or an installed package, and that of downloads."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).parent


def assets() -> Path:
    """Return the folder of bundled photographs, texts and page files."""
    return _folder("assets")


def models() -> Path:
    """Return the folder of the bundled networks, one folder each."""
    return _folder("models")


def networks() -> Path:
    """Return the folder of downloaded networks, in ``MIXVIZ_HOME`` or else ``~/.cache/mixviz``; it may not exist."""
    return _home() / "networks"


def indexes() -> Path:
    """Return the folder of the page's indexes of pictures, in ``MIXVIZ_HOME`` or its default; it may not exist."""
    return _home() / "indexes"


def searches() -> Path:
    """Return the folder of the searches that were started on the page, in ``MIXVIZ_HOME`` or its default; it may not
    exist."""
    return _home() / "searches"


def _home() -> Path:
    return Path(os.environ.get("MIXVIZ_HOME") or Path.home() / ".cache" / "mixviz")


def _folder(name: str) -> Path:
    return PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE.parent / name

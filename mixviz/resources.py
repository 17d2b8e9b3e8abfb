"""Find the folders that come with the project: ``assets/`` and ``models/``, in a checkout or an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def assets() -> Path:
    """Return the folder of bundled photographs, texts and page files."""
    return _folder("assets")


def models() -> Path:
    """Return the folder of the bundled networks, one folder each."""
    return _folder("models")


def _folder(name: str) -> Path:
    return PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE.parent / name

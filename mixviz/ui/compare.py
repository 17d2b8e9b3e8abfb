"""The page's view of compare."""

from __future__ import annotations

from typing import Any

from mixviz.ui.request import Request


def compare(request: Request) -> dict[str, Any]:
    return {}

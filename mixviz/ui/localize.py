"""The page's view of localize."""

from __future__ import annotations

from typing import Any

from mixviz.ui.request import Request


def localize(request: Request) -> dict[str, Any]:
    return {}

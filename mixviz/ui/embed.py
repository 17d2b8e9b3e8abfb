"""The page's view of embed."""

from __future__ import annotations

from typing import Any

from mixviz.ui.request import Request


def embeddings(request: Request) -> dict[str, Any]:
    return {}

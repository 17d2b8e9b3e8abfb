"""View of a method as Python: exactly the picture that is shown, and the method in a training loop."""

from __future__ import annotations

from typing import Any

from mixviz.selection import candidates
from mixviz.ui.registry import View
from mixviz.ui.services import presenters
from mixviz.ui.state import Request


def code(request: Request) -> dict[str, Any]:
    """Return the code of the state's mixture, and ways to train with the method: {name: Python}."""
    told = presenters.story(request, request.method, by_hand=True)
    return {"picture": presenters.code(request, told), "loop": candidates.snippets(told.method)}


VIEW = View("code", 60, code, controls=("method",), example="method=cutmix")

"""Components of the page, their JSON answers and their events."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import gradio as gr
import orjson
from fastapi import Response

from mixviz.ui import scripts


def component(name: str, value: Any = None, **options: Any) -> gr.HTML:
    """Make the page's own component, in which its scripts draw plain data."""
    return gr.HTML(
        value, html_template=f'<div id="mv-{name}"></div>', js_on_load=scripts.ON_LOAD, apply_default_css=False,
        elem_id=name, **options,
    )  # fmt: skip


def as_json(answer: Callable[[Any], dict], name: str = "") -> Callable[[Any], Response]:
    """Wrap a function, perhaps under another name, to return its answer as JSON, which spares Gradio a walk through
    every value."""

    @functools.wraps(answer)
    def respond(state: Any) -> Response:
        told = answer(state)
        try:
            content = orjson.dumps(told)
        except TypeError:  # a name with half a character
            content = json.dumps(told).encode()
        return Response(content, media_type="application/json")

    respond.__name__ = name or respond.__name__
    return respond

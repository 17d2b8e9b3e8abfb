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
    """Make one of the page's own components; its script, assets/web/views/NAME.js, draws plain data."""
    return gr.HTML(
        value,
        html_template=f'<div class="mv-part" id="mv-{name}"></div>',
        js_on_load=scripts.on_load(name),
        label=gr.I18n()("texts"),
        apply_default_css=False,
        elem_id=name,
        **options,
    )


def as_json(answer: Callable[[Any], dict]) -> Callable[[Any], Response]:
    """Wrap a function to return its answer as JSON, which spares Gradio a walk through every value."""

    @functools.wraps(answer)
    def respond(state: Any) -> Response:
        told = answer(state)
        try:
            content = orjson.dumps(told)
        except TypeError:  # a name with half a character
            content = json.dumps(told).encode()
        return Response(content, media_type="application/json")

    return respond


def in_browser(event: Any, script: str, inputs: Any = None, outputs: Any = None, **options: Any) -> Any:
    """Connect an event to a script that runs in the browser only."""
    return event(None, inputs, outputs, js=scripts.when_ready(script), api_visibility="private", **options)

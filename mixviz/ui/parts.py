"""Components of the page, their answers and their events."""

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
    """One of the page's own components: assets/web/views/NAME.js, which draws plain data."""
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
    """The function with its answer written as JSON: the server would walk through every value first."""

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
    """An event that the server never hears of."""
    return event(None, inputs, outputs, js=scripts.when_ready(script), api_visibility="private", **options)

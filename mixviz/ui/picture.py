"""The page's picture input, in a file of its own because Gradio writes a stub beside a component's file."""

from __future__ import annotations

from typing import Any

import gradio as gr


class Picture(gr.Image):
    """An image input that opens nothing itself: its file goes to the one loader as it came."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None

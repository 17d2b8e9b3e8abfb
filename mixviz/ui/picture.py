"""The page's picture input, in a file of its own because Gradio writes a stub beside a component's file."""

from __future__ import annotations

from typing import Any

import gradio as gr

_move = gr.blocks.Block.async_move_resource_to_block_cache


class Picture(gr.Image):
    """An image input that opens nothing itself: its file goes to the one loader as it came."""

    is_template = True

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None


async def _move_a_file(self: Any, path: Any) -> Any:
    if str(path or "").lower().startswith(("http:", "https:")):
        raise gr.Error("Upload the picture: addresses are not fetched.", print_exception=False)
    return await _move(self, path)


def fetch_nothing() -> None:
    """From now on no address is fetched that somebody sends to this process.

    Gradio fetches one for any component, also for a slider or an endpoint's text, where a program sends it as a file.
    This is set for all components, because Gradio makes new ones for a session that changes them.
    """
    gr.blocks.Block.async_move_resource_to_block_cache = _move_a_file

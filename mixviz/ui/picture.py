"""The page's picture input, in a file of its own because Gradio writes a stub beside a component's file."""

from __future__ import annotations

from typing import Any

import gradio as gr


class Picture(gr.Image):
    """An image input that opens nothing itself and fetches nothing: its file goes to the one loader as it came."""

    is_template = True

    async def async_move_resource_to_block_cache(self, path: Any) -> Any:
        if str(path or "").lower().startswith(("http:", "https:")):
            raise gr.Error("Upload the picture: addresses are not fetched.", print_exception=False)
        return await super().async_move_resource_to_block_cache(path)

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None

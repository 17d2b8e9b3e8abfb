"""Replaced and undocumented parts of Gradio.

Each part gives its reason. tests/test_gradio_compat.py tests their assumptions and fails when a later Gradio changes
one. Tested with Gradio from :data:`TRIED` on; requirements.txt excludes version 7.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

TRIED = "6.31"

# Gradio's scripts and style sheets. Gradio reads each from the disk on every request, through several threads, and lets
# browsers revalidate it. A page opens about eighty of them, so mixviz.ui.files serves them from memory.
FRONTEND = Path(gr.__file__).parent / "templates" / "frontend" / "assets"

_move = Block.async_move_resource_to_block_cache


async def _move_a_file(self: Block, url_or_file_path: str | Path | None) -> str | None:
    if str(url_or_file_path or "").lower().startswith(("http:", "https:")):
        raise gr.Error("Upload the picture: addresses are not fetched.", print_exception=False)
    return await _move(self, url_or_file_path)


def fetch_nothing() -> None:
    """Stop this process from fetching addresses that a client sends.

    Gradio fetches an address sent as a file for any component, even for a slider or an endpoint's text, and cannot be
    configured otherwise. This replaces a method of the base class, because Gradio makes new components for a session
    that changes them.
    """
    Block.async_move_resource_to_block_cache = _move_a_file


def upload_folder() -> str:
    """Return Gradio's upload folder: GRADIO_TEMP_DIR, or a default that no documented function returns."""
    return get_upload_folder()


def save_upload(data: bytes, name: str) -> str:
    """Save a file like an upload: in a folder named after its content's hash, which Gradio clears."""
    return save_bytes_to_cache(data, name, upload_folder())


def event_data(event: gr.EventData) -> dict[str, Any]:
    """Return the data that a component's script sent with an event, from an undocumented attribute of EventData."""
    return event._data if isinstance(event._data, dict) else {}

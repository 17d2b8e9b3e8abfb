"""Whatever of Gradio is replaced, or used though it is not documented.

Each part says why it is needed, and tests/test_gradio_compat.py has a test of what it takes for granted, which fails
where a later Gradio has changed that. Tried with Gradio from :data:`TRIED` on; requirements.txt ends below 7.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

TRIED = "6.31"

# Gradio's scripts and style sheets. It reads a file from the disk whenever one is asked for, through several threads,
# and lets browsers ask again; a page opens some eighty of them, so that mixviz.ui.files serves them from memory.
FRONTEND = Path(gr.__file__).parent / "templates" / "frontend" / "assets"

_move = Block.async_move_resource_to_block_cache


async def _move_a_file(self: Block, url_or_file_path: str | Path | None) -> str | None:
    if str(url_or_file_path or "").lower().startswith(("http:", "https:")):
        raise gr.Error("Upload the picture: addresses are not fetched.", print_exception=False)
    return await _move(self, url_or_file_path)


def fetch_nothing() -> None:
    """From now on, fetch no address that somebody sends to this process.

    Gradio fetches one for any component, also for a slider or an endpoint's text, where a program sends it as a file,
    and has no switch against it. This replaces a method of all components, because Gradio makes new ones for a session
    that changes them.
    """
    Block.async_move_resource_to_block_cache = _move_a_file


def upload_folder() -> str:
    """Return Gradio's upload folder: GRADIO_TEMP_DIR, or one of its own choice that it tells nowhere else."""
    return get_upload_folder()


def save_upload(data: bytes, name: str) -> str:
    """Save a file as if it had been uploaded: in a folder named by its content, from which Gradio clears it."""
    return save_bytes_to_cache(data, name, upload_folder())


def event_data(event: gr.EventData) -> dict[str, Any]:
    """Return the data that a component's script sent with an event: EventData has it in an undocumented attribute."""
    return event._data if isinstance(event._data, dict) else {}

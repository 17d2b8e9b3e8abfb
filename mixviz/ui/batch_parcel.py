"""The page's batch to take away: larger than it is shown, with a bar, as a zip of PNG files and soft labels."""

from __future__ import annotations

import html
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from mixviz.data.batch_loading import SIDE
from mixviz.i18n import Mistake, say
from mixviz.render.batch_export import bundle
from mixviz.ui import lenses, progress
from mixviz.ui.batching import found_by
from mixviz.ui.handlers import checked_path
from mixviz.ui.state import language_of, of_state

SIDES = (SIDE, 256, 384, 512)


def panel() -> None:
    """The controls, and what they do."""
    word = gr.I18n()
    with gr.Accordion(word("batch.take"), open=False, elem_id="batch-parcel"):
        gr.Markdown(word("batch.take_why"))
        with gr.Row():
            side = gr.Radio([(f"{side} px", side) for side in SIDES], value=SIDE, label=word("batch.side"))
            start = gr.Button(word("batch.start"), variant="primary", scale=0, min_width=160)
            stop = gr.Button(word("batch.stop"), scale=0, min_width=160)
        state = gr.Textbox("", visible=False)
        told = gr.HTML(elem_id="batch-told", apply_default_css=False)
        parcel = gr.File(label=word("batch.parcel"), interactive=False, visible=False)
        start.click(
            take, [state, side], [told, parcel], api_name="take_batch", api_visibility="undocumented",
            concurrency_limit=1, concurrency_id="heavy", show_progress="hidden",
            js="(_, side) => [JSON.stringify(mixviz.asked()), side]",
        )  # fmt: skip
        stop.click(
            progress.halt, None, None, api_name="halt_batch", api_visibility="undocumented", show_progress="hidden",
            queue=False,
        )  # fmt: skip


def take(state: Any, side: Any, request: gr.Request) -> Iterator[tuple[str, Any]]:
    """The state's batch at a side; yields (HTML that says how far it is, the zip when it is done)."""
    language = "en"
    progress.begin(request)
    yield progress.bar(0, 0, ""), gr.update(visible=False)
    try:
        asked = json.loads(state)
        language = language_of(asked)
        if side not in SIDES:
            raise ValueError(f"The side should be one of {', '.join(map(str, SIDES))} pixels.")
        wanted, left = of_state(asked, checked_path), 0
        found, method = found_by(wanted), wanted.chosen(wanted.method, wanted.parameters)
        options = {"seed": int(wanted.seed), "lam": wanted.lam, "side": side}
        options |= {"detector": lenses.detector(wanted.detector), "network": lenses.network(wanted.detector)}
        with tempfile.TemporaryDirectory() as room:
            path = Path(room) / f"mixviz-batch-{wanted.method}.zip"
            with closing(bundle(found, method, path, **options)) as walk:
                for step in walk:
                    left += bool(step.reason)
                    yield progress.bar(step.done, step.total, step.name), gr.skip()
                    if progress.stopped(request):
                        break
            if not path.is_file():
                yield _line(say("batch.stopped", language)), gr.skip()
                return
            count = len(found) - left
            yield _line(say("batch.done", language, count=count, side=side)), gr.update(value=str(path), visible=True)
    except Mistake as mistake:
        raise gr.Error(mistake.told(language), print_exception=False) from None
    except (ValueError, TypeError, OSError) as error:
        raise gr.Error(str(error), print_exception=False) from None


def _line(text: str) -> str:
    return f'<p class="mv-small" role="status">{html.escape(text)}</p>'

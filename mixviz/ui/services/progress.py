"""Progress of long work, and a way to stop it that keeps its result: work that Gradio cancels is lost."""

from __future__ import annotations

import html

import gradio as gr

_stopped: set[str] = set()


def bar(done: int, total: int, name: str) -> str:
    """Return HTML that shows the progress."""
    element = f'<progress value="{done}" max="{total}"></progress>' if total else "<progress></progress>"
    return f'<p class="mv-small">{element} {f"{done} / {total}" if total else ""} {html.escape(name)}</p>'


def halt(request: gr.Request) -> None:
    """Stop the visitor's work after its current picture."""
    _stopped.add(str(request.session_hash))


def begin(request: gr.Request) -> None:
    """Forget earlier stops."""
    _stopped.discard(str(request.session_hash))


def stopped(request: gr.Request) -> bool:
    """Return whether the visitor has stopped the work."""
    return str(request.session_hash) in _stopped

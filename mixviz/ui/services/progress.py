"""Progress of long work, and a way to end it: work that Gradio itself cancels is lost."""

from __future__ import annotations

import html

import gradio as gr

_stopped: set[str] = set()


def bar(done: int, total: int, name: str) -> str:
    """HTML that says how far it is."""
    told = f'<progress value="{done}" max="{total}"></progress>' if total else "<progress></progress>"
    return f'<p class="mv-small">{told} {f"{done} / {total}" if total else ""} {html.escape(name)}</p>'


def halt(request: gr.Request) -> None:
    """The visitor's work ends after the picture that it is at."""
    _stopped.add(str(request.session_hash))


def begin(request: gr.Request) -> None:
    """Forget earlier stops."""
    _stopped.discard(str(request.session_hash))


def stopped(request: gr.Request) -> bool:
    """Whether the visitor wants no more."""
    return str(request.session_hash) in _stopped

"""View of a method's mixture: why the label is what it is, the recipe in pictures and numbers, the explanation."""

from __future__ import annotations

import html
from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np

from mixviz.explain import edits, label_terms
from mixviz.explain.example import MixedExample, steps
from mixviz.i18n import say
from mixviz.methods import METHODS
from mixviz.render import export, overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.registry import CONTROLS, View
from mixviz.ui.services import annotation_files, detector_options
from mixviz.ui.services.presenters import card, changed_by, explanation, outlines, parameters, story
from mixviz.ui.services.tiling import shrunk
from mixviz.ui.state import CELLS, Request

FORMULAS = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]


def detail(request: Request) -> dict[str, Any]:
    """Return one method's pictures, reason for the label, steps, numbers with their calculations, and parameters."""
    told = story(request, request.method, by_hand=True)
    change = changed_by(request)
    return {
        "card": {"name": request.method, **card(told, request)},
        "outlines": outlines(told),
        "known": detector_options.known(request.a, request.b, request.marked),
        "reason": label_terms.reason(told),
        "parameters": parameters(told.method, request.language),
        "tiles": list(tiles := export.tiles(told)),
        "sheet": overlays.data_uri(np.concatenate(list(tiles.values()), axis=1)),
        "steps": [asdict(step) for step in steps(told, request.language)],
        "lines": [asdict(line) for line in label_terms.lines(told)],
        "can_move": edits.can_move(told.recipe) or change == "mask",
        "can_paint": edits.can_paint(told.recipe),
        "mask": list(request.mask or ()) if change == "mask" else _cells(told),
        "edited": change,
    }


def _cells(told: MixedExample) -> list[str]:
    """Return the recipe's mask as cells, the painter's starting point."""
    mask = shrunk(told.recipe.mask()[0], CELLS)[0]
    return ["".join("1" if cell else "0" for cell in row) for row in (mask >= 0.5).tolist()]


def panel(language: str) -> None:
    """Build the explanations of all methods; the view's script shows one of them."""
    # The texts are the project's own: nothing has to be sanitized.
    gr.Markdown(explanations(language), latex_delimiters=FORMULAS, sanitize_html=False, elem_id="explanation")


def explanations(language: str) -> str:
    """Return the explanations of all methods in a language, to be opened, each in its own section with its source."""
    sections = (f"{explanation(name, language)}\n\n{_source(name)}" for name in METHODS)
    marked = zip(METHODS, sections, strict=True)
    whole = "\n\n".join(f'<section id="about-{name}" tabindex="0">\n\n{text}\n\n</section>' for name, text in marked)
    heading = say("explanation_heading", language)
    return f"<details>\n<summary>{heading}</summary>\n\n{whole}\n\n</details>"


def _source(name: str) -> str:
    about = METHODS[name].card
    text = html.escape(about.citation)
    link = f'<a href="{about.url}" target="_blank" rel="noopener">{text}</a>' if about.url else text
    return f"<cite>{link}</cite>"


def annotate(state: Any) -> dict[str, Any]:
    """Return the objects of one of the visitor's two pictures in their annotation files."""
    return annotation_files.of_picture(state, checked_path)


VIEW = View("detail", 20, detail, controls=CONTROLS, functions=(annotate,), panel=panel, example="method=saliencymix")

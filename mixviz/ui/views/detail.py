"""View of one method: its recipe in pictures and numbers, and the method's explanation below."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np

from mixviz.explain import edits, label_terms
from mixviz.explain.example import MixedExample, steps
from mixviz.i18n import say
from mixviz.methods import METHODS
from mixviz.render import export, overlays
from mixviz.selection import candidates
from mixviz.ui.registry import View
from mixviz.ui.services.presenters import card, changed_by, code, explanation, parameters, story
from mixviz.ui.services.tiling import shrunk
from mixviz.ui.state import CELLS, Request

FORMULAS = [{"left": "$$", "right": "$$", "display": True}, {"left": "$", "right": "$", "display": False}]


def detail(request: Request) -> dict[str, Any]:
    """Return one method's pictures, steps, numbers with their calculations, parameters and code."""
    told = story(request, request.method, by_hand=True)
    change = changed_by(request)
    return {
        "card": {"name": request.method, **card(told, request)},
        "parameters": parameters(told.method, request.language),
        "tiles": list(tiles := export.tiles(told)),
        "sheet": overlays.data_uri(np.concatenate(list(tiles.values()), axis=1)),
        "steps": [asdict(step) for step in steps(told, request.language)],
        "lines": [asdict(line) for line in label_terms.lines(told)],
        "loop": candidates.lines(told.method),
        "code": code(request, told),
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
    gr.Markdown(say("explanation_heading", language), elem_id="explanation")
    # The texts are the project's own: nothing has to be sanitized.
    gr.Markdown(explanations(language), latex_delimiters=FORMULAS, sanitize_html=False)


def explanations(language: str) -> str:
    """Return the explanations of all methods in a language, each in its own section."""
    sections = (f'<section id="about-{name}">\n\n{explanation(name, language)}\n\n</section>' for name in METHODS)
    return "\n\n".join(sections)


VIEW = View("detail", 20, detail, panel=panel, example="method=saliencymix")

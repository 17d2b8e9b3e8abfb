from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe
from mixviz.core.registry import construct

ODDS = re.compile(r"\s*(\d+\.?\d*|\.\d+)?\s*(\S.*?)\s*")


def chosen_from(text: str) -> list[tuple[float, Method]]:
    """Parse a text like ``0.7 cutmix:alpha=0.5 + 0.3 mixup`` into methods with probabilities that sum to 1.

    Commas may replace plus signs if no method has parameters.

    Raises:
        ValueError: no method, an unknown method, or invalid odds.
    """
    from mixviz.methods import METHODS

    choices: list[tuple[float, Method]] = []
    for part in text.split("+" if ":" in text else ",") if "+" not in text else text.split("+"):
        match = ODDS.fullmatch(part)
        odds, name = match.groups() if match else (None, "")
        choices.append((1.0 if odds is None else float(odds), construct(METHODS, name)))
    total = sum(odds for odds, _ in choices)
    if total <= 0:
        raise ValueError("at least one method should have odds above 0.")
    return [(odds / total, method) for odds, method in choices]


@dataclass(frozen=True)
class Switch(Method):
    """Each batch gets one of several methods, drawn at random, as in the training recipes of vision transformers.

    $$\\text{method} = m_i \\text{ with probability } p_i \\qquad (\\tilde x, \\tilde y) = m_i(x, y)$$

    ``methods`` names them, with odds before each and parameters behind: ``0.7 cutmix + 0.3 mixup:alpha=0.2``. Odds are
    scaled to sum to 1; without any, all are equal. Change the seed and see the card change its method. The network sees
    all of the methods and has to handle each of them.

    ImageNet accuracy of a vision transformer (DeiT-S): 79.80 % with Mixup (α = 0.8) and CutMix (α = 1) by turns, 77.72
    % with Mixup alone, 75.66 % with neither; but 80.13 % with CutMix alone (OpenMixup, where both have α = 0.2 alone).
    None of these is the default, which has α = 1 for both; the turns are ``mixup:alpha=0.8 + cutmix``. It helps where
    the methods complement each other; a method that hurts on its own also hurts here, in its share of the batches.

    Known from timm, whose default is Mixup (α = 0.8) or CutMix (α = 1) at even odds for a whole batch; within a batch,
    image by image, ``cutmix_mixup`` does it with ``mode="switch"``. RandoMix (Liu et al. 2022, arXiv:2205.08728) draws
    with weights from candidates that blend and candidates that cut: ``mixup + cutmix + fmix + resizemix`` is a setting
    of its kind, with odds to choose. A method here may use everything in a batch; a method that mixes inside the
    network still needs :func:`mixviz.mix_inside`.
    """

    methods: str = parameter(
        "cutmix + mixup", "the methods, joined by +, each with its odds before and its parameters behind it",
        example="0.7 cutmix:alpha=0.5 + 0.3 mixup", check=chosen_from,
    )  # fmt: skip

    together: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        "switch", "Switch", family="blend", label="that of the method drawn",
        after=("mixup", "cutmix"), aliases=("random choice", "Mixup or CutMix", "스위치"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        odds, methods = zip(*chosen_from(self.methods), strict=True)
        method = methods[draw.rng.choice(len(odds), p=odds)]
        lam = method.draw(draw.rng, len(batch))
        return method.build(batch, draw._replace(lam=lam if lam is None or draw.held is None else draw.held))

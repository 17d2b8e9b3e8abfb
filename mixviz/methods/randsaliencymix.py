from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import draw_indices, paste, visible_share
from mixviz.core.geometry import patch_sides, salient_corner, stack_box, uniform_corner
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, box_rounding, detector, parameter
from mixviz.core.parts import LabelRule
from mixviz.core.recipe import Recipe

PLACES = ("saliency", "complement", "uniform")


@dataclass(frozen=True)
class RandSaliencyMix(Method):
    """Saliency sets the odds of patch and place: the patch likely shows B's object and covers A's background.

    $$P(\\text{source}) \\propto \\textstyle\\sum_{box} S_B \\qquad P(\\text{target}) \\propto \\sum_{box} (1 - S_A)
    \\qquad \\tilde y = \\frac{a}{a+b}\\, y_A + \\frac{b}{a+b}\\, y_B$$

    The two boxes are of one size (side ratio $\\sqrt{1-\\lambda}$), are drawn independently among the places where they
    fit, and are never clipped: the patch is as large as drawn. a is the share of A's saliency that stays visible, b the
    share of B's saliency inside the patch. Change the seed and watch the patch move. It helps against occlusion: with a
    hole over half of the picture the accuracy of this zoo's network is 27.8 %, that of the baseline 21.4 %. On whole
    pictures it does not help: the error is 37.8 %, with the area as the label 36.5 %, plain 37.6 % (the defaults but
    for that label, on half of the batches, 64 px, one seed).

    Paper and code differ: with its patch probability on, the code draws the target in proportion to saliency too
    (``target="saliency"``), adds Gaussian noise of σ 0.4 to the patch (``noise``; here in units of pixels from 0 to 1,
    and one field for the batch), and takes partners by an error matrix (``partner="errors"``, from
    ``Batch(errors=...)``). It also rounds both sides of the boxes down to an even number (``rounding="even"``). The
    defaults use none of the four.
    """

    alpha: float = beta_alpha(1.0)
    source: str = parameter("saliency", "odds of the place in B that is cut", choices=PLACES)
    target: str = parameter("complement", "odds of the place in A that is covered", choices=PLACES)
    by: str = parameter("box", "weigh a place by its whole box or by its centre pixel", choices=("box", "pixel"))
    label: str = parameter("saliency", "label by visible saliency, or by area", choices=("saliency", "area"))
    noise: float = parameter(0.0, "σ of Gaussian noise on the patch, in pixels of 0 to 1", low=0, high=1)
    partner: str = parameter(
        "random", "partners by permutation, or by the batch's error matrix", choices=("random", "errors")
    )
    detector: str = detector("fine_grained")
    rounding: str = box_rounding()

    card: ClassVar[Card] = Card(
        "randsaliencymix", "RandSaliencyMix", "RandSaliencyMix: SaliencyMix with more randomness",
        family="saliency-guided", label="a / (a + b)",
        after=("saliencymix",), aliases=("random SaliencyMix", "랜드세일리언시믹스", "랜덤 세일리언시믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        by_errors = self.partner == "errors" and not draw.partner_held
        partner = _by_errors(batch, draw.rng) if by_errors else batch.tensor(draw.partner)
        sides = patch_sides(draw.lam, batch.size, self.rounding)
        needed = {self.source, self.target, self.label} != {"uniform", "area"}
        maps = batch.saliency(self.detector) if needed else None
        source = self._place(batch, draw, sides, self.source, maps if maps is None else maps.index_select(0, partner))
        target = self._place(batch, draw, sides, self.target, maps)
        own = None
        if maps is not None and self.label == "saliency":
            own = visible_share(maps, partner, source, target)
        noise = draw.rng.normal(0, self.noise, (1, 3, *batch.size)).astype(np.float32) if self.noise else None
        return paste(
            batch, draw._replace(partner=partner), target, source, own,
            noise=None if noise is None else batch.tensor(noise), saliency=maps, label=LabelRule(self.label),
        )  # fmt: skip

    def _place(
        self, batch: Batch, draw: Draw, sides: tuple[np.ndarray, np.ndarray], place: str, maps: Tensor | None
    ) -> Tensor:
        height, width = (batch.tensor(side) for side in sides)
        if place == "uniform" or maps is None:
            top, left = (batch.tensor(edge) for edge in uniform_corner(draw.rng, *sides, batch.size))
        else:
            u = batch.tensor(draw.rng.random(len(batch)))
            top, left = salient_corner(maps, u, height, width, by=self.by, complement=place == "complement")
        return stack_box(top, left, top + height, left + width)


def _by_errors(batch: Batch, rng: np.random.Generator) -> Tensor:
    """Draw a partner (N,) for every image in proportion to errors[its class, the partner's class]."""
    labels = batch.class_labels()
    if batch.errors is None or labels is None:
        raise ValueError(
            'partner="errors" draws partners by an error matrix: give errors=matrix beside images and labels, a (C, C) '
            "tensor whose entry (i, j) says how often class i was taken for class j."
        )
    classes = labels if labels.ndim == 1 else labels.argmax(1)
    errors = batch.errors.to(batch.device).double()
    if batch.device.type == "cpu" and (int(classes.max()) >= len(errors) or not (errors >= 0).all()):
        raise ValueError(
            f"errors is for {len(errors)} classes and the labels go up to {int(classes.max())}; "
            "its entries should not be negative."
        )
    odds = errors[classes][:, classes]
    odds = torch.where(odds.sum(1, keepdim=True) > 0, odds, 1.0)  # a class without errors takes any partner
    return draw_indices(batch, odds, rng)

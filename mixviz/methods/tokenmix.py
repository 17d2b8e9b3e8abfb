from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import ensure_nonzero, masked, pair
from mixviz.core.geometry import spread_cells
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, detector, parameter
from mixviz.core.parts import LabelRule
from mixviz.core.recipe import Recipe

BLOCKS = 12  # rectangles to try; each takes free tokens, up to the number still needed
SMALLEST = {"paper": 14, "released": 1}  # tokens of a rectangle, of 14 x 14, if so many are still needed
ADDED = 14  # tokens of B that the released code adds to the half that λ gives
FLATTEST = 0.3  # ratio of a rectangle's sides; the tallest is 1 / FLATTEST


@dataclass(frozen=True)
class TokenMix(Method):
    """CutMix for transformers: several blocks of whole tokens are pasted, and each label follows its visible saliency.

    $$\\tilde x = M \\odot x_A + (1-M) \\odot x_B \\qquad \\tilde y = \\frac{\\sum M \\odot S_A}{\\sum S_A}\\, y_A +
    \\frac{\\sum (1-M) \\odot S_B}{\\sum S_B}\\, y_B$$

    M is constant on every token of a grid, so that no token of the transformer mixes two pictures; the share 1 - λ of
    the tokens, $\\lambda \\sim \\mathrm{Beta}(\\alpha, \\alpha)$, comes from B, in rectangles of random size and shape.
    A transformer sees the whole picture at once, so a single box is easy for it; scattered blocks hide parts everywhere
    (most often in the middle, where most blocks fit). As in SnapMix the two shares need not sum to 1. Look at the
    edges: all lie on one grid.

    Paper and code differ. The released code draws no λ: B gets half of the tokens and 14 more, 112 of 196 or 57 %, the
    same in every picture, in blocks that may be as small as one token (``blocks="released"``). It also draws one mask
    for the whole batch; here every image has its own. The accuracy is not of the defaults but of the released code, a
    teacher's maps, and Mixup (α = 0.8) in half of the batches. ImageNet with DeiT-S: 80.80 % against 79.80 % for the
    usual Mixup and CutMix (TokenMix README, OpenMixup). It helps networks that work on tokens; it hurts where the map
    highlights the wrong thing, which then gets the label.

    In the paper S is the activation map of a pretrained teacher for the true label, on the clean pictures; here it is a
    detector's, by default one that needs no network. Single tokens fill what the rectangles leave, so that λ is kept,
    and a map that is 0 everywhere counts as flat.
    """

    alpha: float = beta_alpha(1.0)
    tokens: int = parameter(14, "tokens along each side: 14 of 16 pixels each in a picture of 224", low=1, high=32)
    detector: str = detector("fine_grained")
    blocks: str = parameter(
        "paper", "B's tokens: the share 1 - λ, or the released code's half and 14 more in blocks from one token",
        choices=("paper", "released"),
    )  # fmt: skip

    card: ClassVar[Card] = Card(
        "tokenmix", "TokenMix", "TokenMix: Rethinking Image Mixing for Data Augmentation in Vision Transformers",
        "Liu, Liu, Zhou, Li, Liu", "ECCV", 2022, "2207.08409", "saliency-guided", "visible saliency",
        after=("cutmix",), aliases=("token CutMix", "토큰믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray | None:
        return rng.beta(self.alpha, self.alpha, n) if self.blocks == "paper" else None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        maps, total = ensure_nonzero(batch.saliency(self.detector)), self.tokens**2
        if self.blocks == "released":
            draw = draw._replace(lam=draw.held)
        fixed = np.full(len(batch), min(total // 2 + ADDED, total))
        count = fixed if draw.lam is None else np.rint((1 - draw.lam) * total)
        taken = _blocks(draw.rng, count, self.tokens, SMALLEST[self.blocks])
        own = spread_cells(batch.tensor((~taken).astype(np.float32)[:, None]), batch.size)
        partner, kept = pair(batch, draw.partner), own[:, 0]
        visible = torch.stack([(kept * maps).sum((1, 2)), ((1 - kept) * maps[partner[1]]).sum((1, 2))])
        share = (visible / maps.sum((1, 2))[partner]).clamp(0, 1)
        return masked(batch, draw, own, share, saliency=maps, label=LabelRule.VISIBLE)


def _blocks(rng: np.random.Generator, count: np.ndarray, side: int, smallest: int) -> np.ndarray:
    """(N, side, side) bool, True for exactly ``count`` (N,) tokens, mostly in rectangles of ``smallest`` tokens or
    more; all images at once."""
    n, index = len(count), np.arange(side)
    taken = np.zeros((n, side, side), bool)
    for size, shape, down, across in rng.random((BLOCKS, 4, n)):
        needed = count - taken.sum((1, 2))
        area = np.minimum(smallest, needed) + size * np.maximum(needed - smallest, 0)
        aspect = FLATTEST ** (2 * shape - 1)
        height, width = (np.rint(np.sqrt(a)).clip(1, side) for a in (area * aspect, area / aspect))
        top, left = (down * (side - height + 1)).astype(int), (across * (side - width + 1)).astype(int)
        rows = (index >= top[:, None]) & (index < (top + height)[:, None])
        columns = (index >= left[:, None]) & (index < (left + width)[:, None])
        block = rows[:, :, None] & columns[:, None, :] & ~taken
        taken |= block & (block.sum((1, 2)) <= needed)[:, None, None]
    needed = count - taken.sum((1, 2))
    rank = np.where(taken.reshape(n, -1), 2, rng.random((n, side * side))).argsort(1).argsort(1)
    return taken | (rank < needed[:, None]).reshape(taken.shape)

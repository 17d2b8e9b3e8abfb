from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import amounts, chain, ensure_nonzero, weighted_sources
from mixviz.core.geometry import cell_means, chessboard, neighbours, spread_cells
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, detector, parameter
from mixviz.core.recipe import Recipe

SWEEPS = 2  # over all mixtures; it has settled before
TURNS = 12  # groups of mixtures at most: those that share a picture and a group do not see each other move


@dataclass(frozen=True)
class CoMixup(Method):
    """The mixtures of a batch are optimised together: each shows the salient parts of several pictures, and all stay
    diverse.

    $$\\max_z \\sum_n \\Big[ \\sum_i S_{z_{ni},\\, i} + \\eta \\log p_{n, z_{ni}} + \\beta \\sum_{i \\sim j} [z_{ni} =
    z_{nj}] - \\gamma\\, r \\sum_k o_{nk} \\max\\big(\\tau, \\sum_{m \\neq n} o_{mk}\\big) \\Big]$$

    $$\\tilde y_n = \\sum_k o_{nk}\\, y_k$$

    z says which picture each of the r cells of mixture n shows, o which share of the cells each picture k has. The
    first term rewards visible saliency, the third asks neighbours (i ~ j) to agree, and p
    ($\\mathrm{Dirichlet}(\\alpha)$) is the expected share of each picture. The last term keeps the batch diverse: the
    *other* mixtures may show up to τ of a picture for free, and more of it costs. This is why the whole batch is
    planned at once. S is scaled to a mean of 1. Look at who gets which corner; with two pictures there is less to
    choose from, so look at a batch too.

    The released code chooses among all pictures of twenty, one mixture after another, by cutting graphs on the host.
    Here a mixture chooses among itself and ``sources`` - 1 others, by iterated conditional modes: a cell at a time
    takes the best picture given its neighbours, and mixtures that share pictures take turns, each seeing what the
    others have taken by then (at twice its price, as in that code). The best state met on the way is kept. With three
    mixtures of 2 × 2 cells and the defaults it is the best of all in one case of five, and on average has 97 % of what
    lies between the median and the best (on photographs one in four, and 98 %). Without γ it is the best in 84 % of the
    cases on noise, but in 23 % on photographs, and has 91 % there. Cells that are half one picture, half another, and
    the bonus for pictures whose best parts lie far apart (a thousandth there) are left out.

    β, τ, η and α are the released code's defaults, and γ its 1 for each of 4 × 4 cells. Its threshold is hard: as soon
    as the others show more than τ of a picture, all of it costs (``threshold="hard"``; then max(τ, o) in the formula is
    o above τ and 0 below). CIFAR-100 accuracy of ResNet-18: 80.01 % against 79.96 % for Puzzle Mix, 79.45 % for CutMix
    and 76.42 % plain (OpenMixup, 200 epochs, by the released code with α = 2 and so with the hard threshold and all
    pictures to choose from, not the defaults here).
    """

    sources: int = parameter(3, "pictures that a mixture may be made of", low=2, high=6)
    cells: int = parameter(4, "cells along each side", low=1, high=16)
    smooth: float = parameter(0.32, "β: how much neighbouring cells should agree", low=0, high=4)
    diversity: float = parameter(16.0, "γ: cost of showing what other mixtures show already", low=0, high=64)
    free: float = parameter(0.83, "τ: share of a picture that others may show for free", low=0, high=4)
    threshold: str = parameter("soft", "above τ, only the excess costs, or all of it as in the released code", choices=(
        "soft", "hard"))  # fmt: skip
    prior: float = parameter(0.05, "η: weight of the drawn amounts", low=0, high=4)
    concentration: float = parameter(
        2.0, "α of the amounts: below 1 mostly one picture, above 1 all alike", low=0.05, high=8
    )
    detector: str = detector("gradient")

    together: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        "comixup", "Co-Mixup", "Co-Mixup: Saliency Guided Joint Mixup with Supermodular Diversity",
        "Kim, Choo, Jeong, Song", "ICLR", 2021, "2102.03065", "multi-image", "mean of the mask",
        after=("puzzlemix",),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        maps, who = batch.saliency(self.detector), chain(draw.partner, self.sources)
        expected, turn = amounts(draw, who, self.concentration), _turns(who, draw.rng)
        means = cell_means(ensure_nonzero(maps), (self.cells, self.cells))
        means = means / means.mean((1, 2), keepdim=True)
        drawn, who, expected = (batch.tensor(value) for value in (expected[0], who, expected))
        # An amount of 0 is a picture that may not be shown, or one that is listed already: also where η is 0.
        likely = torch.where(expected > 0, self.prior * expected.clamp(min=1e-300).log(), -torch.inf)
        shown = self._assigned(means[who] + likely[:, :, None, None], who, turn, batch)
        weight = spread_cells(shown.float()[:, :, None], batch.size)
        return weighted_sources(batch, who, weight, lam=drawn.float(), saliency=maps)

    def _assigned(self, worth: Tensor, who: Tensor, turn: np.ndarray, batch: Batch) -> Tensor:
        """(K, N, rows, columns) 1 for the source that each cell shows, by what each is worth there."""
        rows, columns = worth.shape[2:]
        even, groups = chessboard((rows, columns), worth.device), int(turn.max()) + 1
        turns, shown = batch.tensor(turn), _best(worth)
        kept, most = shown, self._value(shown, worth, who)
        for step in range(SWEEPS * groups):
            dear = 2 * self._price(shown, who)
            gain, now = worth - dear[:, :, None, None], (turns == step % groups)[:, None, None]
            for parity in (0, 1):
                shown = torch.where(now & (even == parity), _best(gain + self.smooth * neighbours(shown)), shown)
            if (step + 1) % groups == 0:
                value = self._value(shown, worth, who)
                kept, most = torch.where(value > most, shown, kept), torch.maximum(value, most)
        return kept

    def _value(self, shown: Tensor, worth: Tensor, who: Tensor) -> Tensor:
        """The objective of the whole batch, up to a constant."""
        alike = (shown * neighbours(shown)).sum() / 2
        paid = (self._price(shown, who)[:, :, None, None] * shown).sum()
        return torch.where(shown > 0, worth, 0).sum() + self.smooth * alike - paid

    def _price(self, shown: Tensor, who: Tensor) -> Tensor:
        """(K, N) what a cell of each source costs, by what the other mixtures show of it."""
        others = _others(shown, who)
        above = others - self.free
        return self.diversity * (above.clamp(min=0) if self.threshold == "soft" else torch.where(above > 0, others, 0))


def _others(shown: Tensor, who: Tensor) -> Tensor:
    """(K, N) how much of each source the other mixtures show, in whole pictures."""
    share = shown.mean((2, 3))
    used = share.new_zeros(share.shape[1]).index_add(0, who.flatten(), share.flatten())
    return used[who] - share


def _best(worth: Tensor) -> Tensor:
    """(K, ...) 1 for the source that is worth most, the first of equal ones, and 0 for the others."""
    most, best = worth[0], torch.zeros_like(worth[0])
    for k, value in enumerate(worth[1:], 1):
        best = torch.where(value > most, k, best)
        most = torch.maximum(most, value)
    return torch.stack([(best == k).to(worth.dtype) for k in range(len(worth))])


def _turns(who: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) which group each mixture is set with: no two of a group share a picture, while there are groups left."""
    n = who.shape[1]
    clash = np.zeros((n, n), bool)
    for one in who:
        for other in who:
            clash |= one[:, None] == other
    np.fill_diagonal(clash, False)
    rank, turn = rng.permutation(n), np.full(n, TURNS - 1)
    left = np.ones(n, bool)
    for group in range(TURNS - 1):
        may = left.copy()
        for _ in range(2):  # those that rank first among their kind, and who is left of those that clash with none
            chosen = may & (np.where(clash & may, rank, -1).max(1) < rank)
            turn[chosen] = group
            left &= ~chosen
            may &= ~chosen & ~clash[:, chosen].any(1)
        if not left.any():
            break
    return turn

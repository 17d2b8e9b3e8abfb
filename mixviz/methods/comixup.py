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

SWEEPS = 2  # over all mixtures; it converges before
TURNS = 12  # most groups of mixtures: mixtures that share a group and an image ignore each other's moves


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
        after=("puzzlemix",), aliases=("joint Mixup", "코믹스업"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        maps, sources = batch.saliency(self.detector), chain(draw.partner, self.sources)
        wanted, turn = amounts(draw, sources, self.concentration), _turns(sources, draw.rng)
        means = cell_means(ensure_nonzero(maps), (self.cells, self.cells))
        means = means / means.mean((1, 2), keepdim=True)
        lam, partner, expected = (batch.tensor(value) for value in (wanted[0], sources, wanted))
        # An amount of 0 marks an image that must not be shown or is a repeat; it counts even if η is 0.
        log_prior = torch.where(expected > 0, self.prior * expected.clamp(min=1e-300).log(), -torch.inf)
        shown = self._assign(means[partner] + log_prior[:, :, None, None], partner, turn, batch)
        weight = spread_cells(shown.float()[:, :, None], batch.size)
        return weighted_sources(batch, partner, weight, lam=lam.float(), saliency=maps)

    def _assign(self, gain: Tensor, partner: Tensor, turn: np.ndarray, batch: Batch) -> Tensor:
        """(K, N, rows, columns) 1 for the source that each cell shows, by the gain of each source there."""
        even, groups = chessboard((gain.shape[2], gain.shape[3]), gain.device), int(turn.max()) + 1
        group, shown = batch.tensor(turn), _best(gain)
        best, best_value = shown, self._objective(shown, gain, partner)
        for step in range(SWEEPS * groups):
            penalty = 2 * self._price(shown, partner)
            net, active = gain - penalty[:, :, None, None], (group == step % groups)[:, None, None]
            for parity in (0, 1):
                shown = torch.where(active & (even == parity), _best(net + self.smooth * neighbours(shown)), shown)
            if (step + 1) % groups == 0:
                value = self._objective(shown, gain, partner)
                best, best_value = torch.where(value > best_value, shown, best), torch.maximum(value, best_value)
        return best

    def _objective(self, shown: Tensor, gain: Tensor, partner: Tensor) -> Tensor:
        """The objective of the whole batch, up to a constant."""
        agreement = (shown * neighbours(shown)).sum() / 2
        cost = (self._price(shown, partner)[:, :, None, None] * shown).sum()
        return torch.where(shown > 0, gain, 0).sum() + self.smooth * agreement - cost

    def _price(self, shown: Tensor, partner: Tensor) -> Tensor:
        """(K, N) cost of a cell of each source, by its share in the other mixtures."""
        others = _share_elsewhere(shown, partner)
        above = others - self.free
        return self.diversity * (above.clamp(min=0) if self.threshold == "soft" else torch.where(above > 0, others, 0))


def _share_elsewhere(shown: Tensor, partner: Tensor) -> Tensor:
    """(K, N) share of each source that the other mixtures show, in whole images."""
    share = shown.mean((2, 3))
    total = share.new_zeros(share.shape[1]).index_add(0, partner.flatten(), share.flatten())
    return total[partner] - share


def _best(gain: Tensor) -> Tensor:
    """(K, ...) 1 for the source with the largest gain (on ties, the first), 0 for the others."""
    largest, best = gain[0], torch.zeros_like(gain[0])
    for k, value in enumerate(gain[1:], 1):
        best = torch.where(value > largest, k, best)
        largest = torch.maximum(largest, value)
    return torch.stack([(best == k).to(gain.dtype) for k in range(len(gain))])


def _turns(sources: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) group in which each mixture is updated: while groups last, no two mixtures of a group share an image."""
    n = sources.shape[1]
    conflict = np.zeros((n, n), bool)
    for first in sources:
        for second in sources:
            conflict |= first[:, None] == second
    np.fill_diagonal(conflict, False)
    rank, turn = rng.permutation(n), np.full(n, TURNS - 1)
    remaining = np.ones(n, bool)
    for group in range(TURNS - 1):
        candidates = remaining.copy()
        for _ in range(2):  # take those that outrank all conflicting candidates; repeat with those in no conflict
            chosen = candidates & (np.where(conflict & candidates, rank, -1).max(1) < rank)
            turn[chosen] = group
            remaining &= ~chosen
            candidates &= ~chosen & ~conflict[:, chosen].any(1)
        if not remaining.any():
            break
    return turn

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import ensure_nonzero, masked
from mixviz.core.geometry import cell_means, chessboard, equal_grid, neighbours, spread_cells
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, detector, parameter
from mixviz.core.recipe import Recipe

SWEEPS = 8  # over the mask's cells; it converges before


@dataclass(frozen=True)
class PuzzleMix(Method):
    """Mask and positions of cells are optimised together, so that the salient parts of both pictures stay visible.

    $$\\max_{z, \\Pi} \\sum_i (1-z_i) (\\Pi_A S_A)_i + z_i (\\Pi_B S_B)_i - \\frac{\\beta}{16 \\sqrt r}
    \\sum_{i \\sim j} (z_i - z_j)^2 + \\frac{\\eta}{r} \\sum_i \\log p(z_i) -
    \\xi \\sum_i \\lVert i - \\Pi^{-1} i \\rVert^2 \\qquad \\tilde y = (1-\\bar z)\\, y_A + \\bar z\\, y_B$$

    z says how much of B each of the r cells shows, in ``levels`` steps from 0 to 1; Π puts a picture's cells into
    another order. The first terms reward visible saliency, the next asks neighbours (i ~ j) to agree. λ
    ($\\mathrm{Beta}(\\alpha, \\alpha)$) is the expected share of A (p is binomial). Moving a cell costs the square of
    its distance, where 1 is the distance from one edge cell to the opposite one. S is scaled to a sum of 1, so a cell
    moves only for a large share of the saliency: on photographs cells hardly ever move. Lower ξ and look for cells that
    have moved: they bring objects into view that would have been hidden. λ is only a target; the mask's mean is the
    label.

    The mask is found by iterated conditional modes (a cell at a time takes the best level given its neighbours, even
    and odd cells in turn), the order by the best swap of two cells again and again: on any device, for all images at
    once, but not always to the optimum. Cells are equal: where the sides do not divide, there are fewer. β, η and ξ are
    those of the authors' code, in its units. That code cuts graphs on the host, has a term for pixels that fit their
    neighbours (left out here), moves every cell that shows anything of a picture as if it showed all of it, and draws λ
    and 2, 4, 8 or 16 cells a side once for each batch.

    CIFAR-100 accuracy of ResNet-18: 79.96 % against 79.45 % for CutMix and 76.42 % plain after 200 epochs, and 81.10 %
    against 78.29 % and 78.55 % after 1,200 (OpenMixup, with that code and moved cells of 4 pixels at most; its CutMix
    has α = 0.2). Here α, β, η, ξ and ``levels`` are as they were there by default; grid, search and the term left out
    are not. It helps in long training; every batch costs a gradient and a search.
    """

    alpha: float = beta_alpha(1.0)
    cells: int = parameter(4, "cells along each side, at most", low=1, high=8)
    levels: int = parameter(3, "how many values a cell's z may take; 2: one picture or the other", low=2, high=5)
    smooth: float = parameter(1.2, "β: how much neighbouring cells should agree", low=0, high=16)
    prior: float = parameter(0.2, "η: weight of the drawn λ", low=0, high=4)
    cost: float = parameter(0.8, "ξ: share of all saliency that moving a cell along a whole side costs", low=0, high=2)
    detector: str = detector("gradient")

    card: ClassVar[Card] = Card(
        "puzzlemix", "Puzzle Mix", "Puzzle Mix: Exploiting Saliency and Local Statistics for Optimal Mixup",
        "Kim, Choo, Song", "ICML", 2020, "2009.06962", "saliency-guided", "mean of the mask",
        after=("mixup", "cutmix"), aliases=("jigsaw", "퍼즐믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        maps, grid = batch.saliency(self.detector), equal_grid(batch.size, self.cells)
        lam = draw.rng.beta(self.alpha, self.alpha, len(batch))
        lam = lam if draw.held is None else draw.held
        means = cell_means(ensure_nonzero(maps), grid)
        means = means / means.sum((1, 2), keepdim=True)
        pair = torch.stack([means, means[batch.tensor(draw.partner)]])
        mask = self._mask(pair, batch.tensor(np.ascontiguousarray(lam)))
        shown = torch.stack([1 - mask, mask]).flatten(0, 1)
        cells = _transport(shown, pair.flatten(0, 1), self.cost).unflatten(0, (2, len(batch)))
        own = spread_cells((1 - mask).float()[:, None], batch.size)
        return masked(batch, draw._replace(lam=lam), own, saliency=maps, cell_permutation=cells)

    def _mask(self, pair: Tensor, lam: Tensor) -> Tensor:
        """z (N, rows, columns): B's weight in each cell."""
        top, cells = self.levels - 1, math.prod(pair.shape[2:])
        k = torch.arange(self.levels, dtype=torch.float64, device=lam.device)
        log_binomials = [
            math.lgamma(top + 1) - math.lgamma(i + 1) - math.lgamma(top - i + 1) for i in range(self.levels)
        ]
        log_prior = torch.special.xlogy(k, 1 - lam[:, None]) + torch.special.xlogy(top - k, lam[:, None])
        log_prior = log_prior + torch.stack([torch.full_like(lam, value) for value in log_binomials], 1)
        # Not multiplied by a prior of 0, because 0 times -inf is NaN.
        log_prior = self.prior / cells * log_prior if self.prior else torch.zeros_like(log_prior)
        gains = [pair[0].lerp(pair[1], i / top) + log_prior[:, i, None, None] for i in range(self.levels)]
        mask, even = _best(gains), chessboard((pair.shape[2], pair.shape[3]), lam.device)
        count, smooth = neighbours(torch.ones_like(mask)), self.smooth / (16 * math.sqrt(cells))
        for sweep in range(2 * SWEEPS):
            total = neighbours(mask)
            agreement = [smooth * (i / top) * (2 * total - i / top * count) for i in range(self.levels)]
            best = _best([gain + more for gain, more in zip(gains, agreement, strict=True)])
            mask = torch.where(even == sweep % 2, best, mask)
        return mask


def _best(gains: list[Tensor]) -> Tensor:
    """The level, 0 to 1, with the largest gain; on ties, the first."""
    largest, best = gains[0], torch.zeros_like(gains[0])
    for i, gain in enumerate(gains[1:], 1):
        best = torch.where(gain > largest, i / (len(gains) - 1), best)
        largest = torch.maximum(gain, largest)
    return best


def _transport(shown: Tensor, gain: Tensor, cost: float) -> Tensor:
    """Cell of the image to show at each cell, (N, rows, columns): start from the identity, and make the best swap of
    two cells as many times as there are cells."""
    n, rows, columns = shown.shape
    cells, index = rows * columns, torch.arange(rows * columns, device=shown.device)
    y, x = index // columns / max(rows - 1, 1), index % columns / max(columns - 1, 1)
    distance = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    value = (shown.flatten(1)[:, :, None] * gain.flatten(1)[:, None, :] - cost * distance).float()
    order = index.expand(n, cells).contiguous()
    for _ in range(cells):
        moved = value.gather(2, order[:, None, :].expand(-1, cells, -1))  # (i, k): value at i of the cell shown at k
        current = moved.diagonal(dim1=1, dim2=2)
        improvement, best = (moved + moved.mT - current[:, :, None] - current[:, None, :]).flatten(1).max(1)
        places = torch.stack([best // cells, best % cells], 1)
        content = order.gather(1, places)
        order = order.scatter(1, places, torch.where(improvement[:, None] > 1e-5, content.flip(1), content))
    return order.view(n, rows, columns)

"""Repeat the draw of one method on one pair, to show its average effect and the spread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixviz.core import geometry
from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.core.parts import Patches
from mixviz.core.recipe import Recipe

Network = Callable[[Tensor], Tensor] | None
CHUNK = 125  # draws planned at once: more need more memory and save no time


@dataclass(frozen=True)
class Draws:
    """Results of repeated draws for image A; arrays are (count,) unless noted.

    Attributes:
        drawn: λ, or None for a method that draws none.
        area: A's realised share of the image.
        share: A's share of the label.
        gap: label mass on the wrong image.
        cut: (H, W) how often each place of B is cut out (its weight, for blends), 0 to 1.
        covered: (H, W) how often each place of A is covered (how much of it is lost, for blends), 0 to 1.
    """

    drawn: np.ndarray | None
    area: np.ndarray
    share: np.ndarray
    gap: np.ndarray
    cut: np.ndarray
    covered: np.ndarray


def repeat(
    images: Tensor,
    method: Method,
    maps: Tensor,
    reference: Tensor,
    *,
    count: int = 1000,
    seed: int = 0,
    network: Network = None,
) -> Draws:
    """Draw a method ``count`` times for picture A with B.

    Args:
        images: (2, 3, H, W), A and B. Many draws are planned at once, so keep the side small: a thousand at 64 pixels
            take a tenth of a second for most methods, and the size changes shares only by rounding.
        maps: (2, H, W) saliency.
        reference: (2, H, W) maps to judge visibility by: object masks, or saliency.
        seed: of all draws. For a method that draws once for a whole batch: of the first draw, plus one for each next.
        network: for methods that need one.
    """
    rng, parts = np.random.default_rng(seed), []
    for start in range(0, count, CHUNK):
        n = min(CHUNK, count - start)
        rows = torch.arange(n + 1).eq(n).long()  # A n times, then B
        recipe = _plan(images, method, maps, rows, np.append(np.full(n, n), 0), rng, network)
        if method.together or _shared(recipe, n):
            return _joined(
                [_measured(_one(images, method, maps, seed + i, network), reference, 1) for i in range(count)]
            )
        if len(recipe.partner) > 2:  # the partner's partner must be the same A, not another copy
            rows = torch.arange(2 * n) // n
            recipe = _plan(images, method, maps, rows, np.roll(np.arange(2 * n), n), rng, network)
        parts.append(_measured(recipe, reference[rows], n))
    return _joined(parts)


def _plan(
    images: Tensor,
    method: Method,
    maps: Tensor,
    rows: Tensor,
    partner: np.ndarray,
    rng: np.random.Generator,
    network: Network,
) -> Recipe:
    """Plan many draws at once."""
    return method.plan(Batch(images[rows], rows, network, saliency=maps[rows]), rng, partner=partner)


def _shared(recipe: Recipe, count: int) -> bool:
    """Whether all rows share one drawn λ, so that each draw needs a batch of its own."""
    return count > 1 and recipe.lam is not None and bool((recipe.lam == recipe.lam[0]).all())


def _one(images: Tensor, method: Method, maps: Tensor, seed: int, network: Network) -> Recipe:
    batch = Batch(images, torch.tensor([0, 1]), network, saliency=maps)
    return method.plan(batch, np.random.default_rng(seed), partner=np.array([1, 0]))


def _measured(recipe: Recipe, reference: Tensor, count: int) -> Draws:
    is_own = (recipe.partner[:, :count] < count).float()  # (K, count): 1 for a source that is A
    weights = recipe.weights()[:, :count, 0]
    truth = recipe.truth(reference)
    share, fair = ((values[:, :count] * is_own).sum(0) for values in (recipe.share, truth.fair))
    own = (weights * is_own[:, :, None, None]).sum(0)
    other = (weights * (1 - is_own)[:, :, None, None]).sum(0)
    cut = other.mean(0)
    if recipe.cell_permutation is not None:
        cells = recipe.cell_permutation[1:, :count]
        inverse = cells.flatten(2).argsort(-1).view_as(cells)
        partner = weights[1:] * (1 - is_own[1:])[:, :, None, None]
        cut = geometry.move_cells(partner.flatten(0, 1)[:, None], inverse.flatten(0, 1))
        cut = cut.view_as(partner).sum(0).mean(0)
    if isinstance(recipe.mixing, Patches) and recipe.source_boxes is not None:
        opacity = torch.ones(len(recipe.source_boxes), count)
        if recipe.patch_alpha is not None:
            opacity = recipe.patch_alpha[:, :count]
        weight = (opacity * (1 - is_own[1:]))[:, :, None, None]
        boxes = torch.stack([geometry.box_mask(box[:count], recipe.size) for box in recipe.source_boxes])
        cut = (boxes * weight).amax(0).mean(0)  # maximum, so that overlapping cuts count once
    return Draws(
        drawn=None if recipe.lam is None else recipe.lam[:count].numpy(),
        area=own.mean((1, 2)).numpy(),
        share=share.numpy(),
        gap=(share - fair).abs().numpy(),
        cut=cut.numpy(),
        covered=(1 - own).mean(0).numpy(),
    )


def _joined(parts: list[Draws]) -> Draws:
    lists = {field.name: [getattr(part, field.name) for part in parts] for field in dataclasses.fields(Draws)}
    joined = {name: np.concatenate(lists[name]) for name in ("area", "share", "gap")}
    drawn = None if any(part.drawn is None for part in parts) else np.concatenate(lists["drawn"])
    sizes = [len(part.area) for part in parts]
    cut, covered = (np.average(lists[name], 0, sizes) for name in ("cut", "covered"))
    return Draws(drawn=drawn, cut=cut, covered=covered, **joined)

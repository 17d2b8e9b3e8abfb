"""Build recipes: partners, shares, and the few forms that nearly every recipe has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mixviz.core import geometry
from mixviz.core.batch import Batch
from mixviz.core.method import Draw
from mixviz.core.parts import NO_TRACE, UNMIXED, Aligned, Label, LabelRule, Operations, Patches, Trace, Unmixed, Weights
from mixviz.core.recipe import Recipe
from mixviz.ops import filters, operations
from mixviz.ops.operations import AppliedOp, OpSequence

FILLS = ("mean", "black", "white", "random")


def pair(batch: Batch, partner: np.ndarray | Tensor) -> Tensor:
    """(2, N): the index of every image, and of its partner."""
    if isinstance(partner, Tensor):
        return torch.stack([torch.arange(len(batch), device=batch.device), partner])
    both = np.empty((2, len(batch)), np.int64)
    both[0], both[1] = np.arange(len(batch)), partner
    return batch.tensor(both)


def chain(partner: np.ndarray, length: int) -> np.ndarray:
    """(length, N): the index of every image, of its partner, of the partner's partner, and so on."""
    sources = [np.arange(len(partner))]
    for _ in range(length - 1):
        sources.append(partner[sources[-1]])
    return np.stack(sources)


def draw_indices(batch: Batch, odds: Tensor, rng: np.random.Generator) -> Tensor:
    """(N,) int64: for each row of ``odds`` (N, M) a column, drawn in proportion to it; each row has a positive one."""
    cumulative = odds.double().cumsum(1)
    u = batch.tensor(rng.random((len(odds), 1)))
    last = torch.searchsorted(cumulative, cumulative[:, -1:].contiguous())
    return torch.minimum(torch.searchsorted(cumulative, u * cumulative[:, -1:], right=True), last).squeeze(1)


def alone(batch: Batch) -> Tensor:
    """(1, N): the index of every image, without a partner."""
    return torch.arange(len(batch), device=batch.device)[None]


def amounts(draw: Draw, who: np.ndarray, concentration: float) -> np.ndarray:
    """(K, N) wanted amount of each source ``who`` (K, N), drawn from Dirichlet(α); sums to 1.

    A held λ is the first source's amount. A repeated image has no second amount. Without any other image, the first
    gets everything.
    """
    drawn = draw.rng.standard_gamma(concentration, who.shape)
    drawn = np.stack([np.where((who[:k] == source).any(0), 0, drawn[k]) for k, source in enumerate(who)])
    own, rest = drawn[0] / drawn.sum(0) if draw.held is None else draw.held, drawn[1:]
    total = rest.sum(0)
    own = np.where(total > 0, own, 1.0)
    return np.concatenate([own[None], rest * ((1 - own) / np.where(total > 0, total, 1))])


def in_ranks(image: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the objects of each of the images ``of`` (N,), the first of each, the second of each, and so on.

    Args:
        image: (M,) index of each object's image.

    Returns:
        The index of the object (R, N), for R objects at most of one image, and whether there is one (R, N).
    """
    counts = np.bincount(image, minlength=len(of))
    start = np.cumsum(counts) - counts
    rank = np.arange(max(1, counts.max(initial=0)))[:, None]
    there = rank < counts[of]
    order = np.argsort(image, kind="stable")
    index = np.where(there, start[of] + rank, 0)
    return (order[index] if len(order) else index), there


def two_shares(batch: Batch, own: np.ndarray | Tensor) -> Tensor:
    """(2, N) float32: ``own`` (N,) and its complement to 1."""
    if isinstance(own, Tensor):
        return torch.stack([own, 1 - own]).float()
    both = np.empty((2, len(batch)), np.float32)
    both[0], both[1] = own, 1 - own
    return batch.tensor(both)


def lam_tensor(batch: Batch, draw: Draw) -> Tensor | None:
    """The drawn λ as float32 (N,), for the recipe's trace; None for a method that draws none."""
    return _traced(batch, draw.lam)


def _traced(batch: Batch, lam: np.ndarray | None) -> Tensor | None:
    return None if lam is None else batch.tensor(lam.astype(np.float32))


def blend(
    batch: Batch,
    draw: Draw,
    own: np.ndarray | Tensor,
    share: np.ndarray | None = None,
    *,
    layer: int = 0,
    alignment: float = 0.0,
) -> Recipe:
    """Blend two whole images, the first with weight ``own`` (N,); the label in the same shares, unless ``share`` is
    given."""
    weight = two_shares(batch, own)
    mixing = Weights(weight.view(2, -1, 1, 1, 1))
    return Recipe(
        size=batch.size,
        partner=pair(batch, draw.partner),
        share=weight if share is None else two_shares(batch, share),
        mixing=Aligned(mixing, alignment) if alignment else mixing,
        label=LabelRule.LAM if share is None else LabelRule.OWN,
        trace=Trace(lam_tensor(batch, draw)),
        layer=layer,
    )


def paste(
    batch: Batch,
    draw: Draw,
    target: np.ndarray | Tensor,
    source: np.ndarray | Tensor | None = None,
    own: Tensor | None = None,
    *,
    patch_alpha: Tensor | None = None,
    noise: Tensor | None = None,
    resample: bool = False,
    base: Unmixed | Weights = UNMIXED,
    saliency: Tensor | None = None,
    label: Label = LabelRule.AREA,
    layer: int = 0,
) -> Recipe:
    """Paste the partner's patch, cut from ``source``, into the box ``target`` (N, 4); the label by area, unless ``own``
    (N,) is given."""
    return Recipe(
        size=batch.size,
        partner=pair(batch, draw.partner),
        share=two_shares(batch, 1 - geometry.box_area(target, batch.size) if own is None else own),
        mixing=Patches(
            _as_tensor(batch, target).unsqueeze(0),
            None if source is None else _as_tensor(batch, source).unsqueeze(0),
            patch_alpha,
            None,
            noise,
            resample,
            base,
        ),
        label=label,
        trace=Trace(lam_tensor(batch, draw), saliency),
        layer=layer,
    )


def around_peaks(batch: Batch, draw: Draw, maps: Tensor, tie: str = "first", rounding: str = "nearest") -> Tensor:
    """Boxes (N, 4) with the sides that λ asks for, around the most salient pixel of each partner's map (N, H, W)."""
    row, column = geometry.peak(maps, draw.rng, tie)
    sides = geometry.patch_sides(draw.lam, batch.size, rounding)
    if type(row) is Tensor and row.is_cpu and not torch.compiler.is_compiling():  # numpy is faster with few numbers
        row, column = (index.numpy()[draw.partner] for index in (row, column))
        return batch.tensor(geometry.box_around(row, column, *sides, batch.size))
    partner = batch.tensor(draw.partner)
    height, width = (batch.tensor(side) for side in sides)
    return geometry.box_around(row[partner], column[partner], height, width, batch.size)


def _as_tensor(batch: Batch, boxes: np.ndarray | Tensor) -> Tensor:
    return boxes if isinstance(boxes, Tensor) else batch.tensor(boxes)


def masked(
    batch: Batch,
    draw: Draw,
    own: Tensor,
    share: Tensor | None = None,
    *,
    cell_permutation: Tensor | None = None,
    saliency: Tensor | None = None,
    label: Label = LabelRule.AREA,
) -> Recipe:
    """Blend two whole images, the first with weight ``own`` (N, 1 or C, 1 or H, 1 or W); the label by the mean weights,
    unless ``share`` (2, N) is given."""
    weight = torch.stack([own, 1 - own])
    return Recipe(
        size=batch.size,
        partner=pair(batch, draw.partner),
        share=weight.mean((2, 3, 4)) if share is None else share,
        mixing=Weights(weight, cell_permutation=cell_permutation),
        label=label,
        trace=Trace(lam_tensor(batch, draw), saliency),
    )


def weighted_sources(
    batch: Batch, who: Tensor, weight: Tensor, *, lam: Tensor | None = None, saliency: Tensor | None = None
) -> Recipe:
    """Blend several whole images ``who`` (K, N), each in its weight (K, N, 1, H, W); the label by mean weights."""
    return Recipe(
        size=batch.size,
        partner=who,
        share=weight.mean((2, 3, 4)),
        mixing=Weights(weight),
        trace=Trace(lam, saliency),
    )


def four_tiles(batch: Batch, draw: Draw, at: np.ndarray, crop: str) -> Recipe:
    """Tile four images that meet at a point: clockwise from the top left the image, its partner, the partner's partner
    and the partner of that one. The label by area.

    Args:
        at: (2, N) row and column of the point, as shares of the sides.
        crop: tiles that show a random crop of their image: ``none``, ``others`` (than the image itself) or ``all``. The
            other tiles show their own place.
    """
    n, (height, width) = len(batch), batch.size
    row: np.ndarray = np.rint(at[0] * height).astype(np.int64)
    column: np.ndarray = np.rint(at[1] * width).astype(np.int64)
    zero, bottom, right = np.zeros_like(row), np.full(n, height), np.full(n, width)
    targets = [
        geometry.stack_box(zero, column, row, right),
        geometry.stack_box(row, column, bottom, right),
        geometry.stack_box(row, zero, bottom, column),
    ]
    partner, own = [*chain(draw.partner, 4)[1:]], row * column / (height * width)
    if crop == "all":  # paste a crop of the image itself over its own tile
        targets, partner = [*targets, geometry.stack_box(zero, zero, row, column)], [*partner, np.arange(n)]
        own = np.zeros(n)
    areas = np.stack([own, *(geometry.box_area(target, batch.size) for target in targets)])
    crops = None if crop == "none" else np.stack([_elsewhere(draw, target, batch.size) for target in targets])
    return Recipe(
        size=batch.size,
        partner=torch.cat([alone(batch), batch.tensor(np.stack(partner))]),
        share=batch.tensor(areas.astype(np.float32)),
        mixing=Patches(batch.tensor(np.stack(targets)), None if crops is None else batch.tensor(crops)),
    )


def _elsewhere(draw: Draw, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Draw a box of the same size at a random place."""
    height, width = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    top, left = geometry.uniform_corner(draw.rng, height, width, size)
    return geometry.stack_box(top, left, top + height, left + width)


def erase(batch: Batch, draw: Draw, fill: str, holes: Tensor, *, saliency: Tensor | None = None) -> Recipe:
    """Fill the box ``holes`` (N, 4) of each image; the label stays whole."""
    colour = fill_colour(batch, draw.rng, fill)
    return _own_label(batch, Patches(holes[None], fill=colour), Trace(lam_tensor(batch, draw), saliency))


def hide(batch: Batch, draw: Draw, fill: str, kept: Tensor) -> Recipe:
    """Keep each image with weight ``kept`` (N, H, W), and fill the rest; the label stays whole."""
    colour = fill_colour(batch, draw.rng, fill)
    return _own_label(batch, Weights(kept[None, :, None], colour), Trace(lam_tensor(batch, draw)))


def apply_ops(batch: Batch, draw: Draw, sequences: Sequence[OpSequence], fill: str | None = None) -> Recipe:
    """Apply a sequence of operations to each image; the label stays whole."""
    operations.check_torchvision()
    colour = None if fill is None else fill_colour(batch, draw.rng, fill)
    return _own_label(batch, Operations((tuple(sequences),), colour), NO_TRACE)


def _own_label(batch: Batch, mixing: Patches | Weights | Operations, trace: Trace) -> Recipe:
    """Return a recipe of single images that keep their labels."""
    return Recipe(
        size=batch.size,
        partner=alone(batch),
        share=torch.ones(1, len(batch), device=batch.device),
        mixing=mixing,
        label=LabelRule.OWN,
        trace=trace,
    )


def apply_op(batch: Batch, draw: Draw, name: str, *values: np.ndarray, fill: str | None = None) -> Recipe:
    """Apply one operation to all images, with its drawn numbers (N,) and a seed for each image."""
    seeds = draw.rng.integers(2**32, size=len(batch)).tolist()
    numbers = zip(*(value.tolist() for value in values), strict=True)
    return apply_ops(batch, draw, [(AppliedOp(name, v, seed),) for v, seed in zip(numbers, seeds, strict=True)], fill)


def sometimes(batch: Batch, draw: Draw, name: str, probability: float, *values: float) -> Recipe:
    """Apply one operation with fixed numbers to each image with the given probability."""
    applied = draw.rng.random(len(batch)) < probability
    seeds = draw.rng.integers(2**32, size=len(batch)).tolist()
    choices = zip(applied, seeds, strict=True)
    return apply_ops(batch, draw, [(AppliedOp(name, values, seed),) if use else () for use, seed in choices])


def fill_colour(batch: Batch, rng: np.random.Generator, name: str) -> Tensor:
    """Return a fill in [0, 1], broadcastable to (N, 3, H, W).

    ``random`` is one field of random bytes for the whole batch, seen through each image's own hole: a field per image
    would cost more than the rest of the step.
    """
    noise = rng.integers(0, 256, (1, 3, *batch.size), dtype=np.uint8) if name == "random" else None
    if noise is not None:
        return batch.tensor(noise) / 255
    return batch.mean if name == "mean" else torch.full_like(batch.mean, float(name == "white"))


def ensure_nonzero(maps: Tensor) -> Tensor:
    """Replace all-zero maps (N, H, W), in which a detector found nothing, by ones."""
    return torch.where(maps.amax((1, 2), keepdim=True) > 0, maps, 1)


def salient_parts(maps: Tensor, spread: float) -> Tensor:
    """Smooth maps (N, H, W) by a Gaussian of σ ``spread``, a share of the shorter side; scale each to mean 1."""
    kernel = filters.gaussian(np.array([spread * min(maps.shape[1:])]))
    with torch.autocast(maps.device.type, enabled=False):
        smooth = filters.both_ways(ensure_nonzero(maps)[:, None], kernel)[:, 0]
    return smooth / smooth.mean((1, 2), keepdim=True)


def visible_share(maps: Tensor, partner: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Image A's label share (N,) by saliency: a / (a + b).

    a is the share of A's saliency that the patch leaves visible, b the share of B's saliency inside the patch;
    1/2 where both are 0.
    """
    total = maps.sum((1, 2))
    scale = torch.where(total > 0, 1 / total, 0)
    # Sum outside the box instead of subtracting from the total, so that a fully hidden object gives exactly 0.
    a = torch.where(geometry.box_mask(target, (maps.shape[1], maps.shape[2])), 0, maps).sum((1, 2)) * scale
    b = geometry.sum_in_box(maps.index_select(0, partner), source) * scale[partner]
    return torch.where(a + b > 0, a / (a + b), 0.5)

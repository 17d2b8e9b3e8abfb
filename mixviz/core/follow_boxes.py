"""Follow boxes by arithmetic, without any mask: their edges, or the ellipses inscribed in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mixviz.core import _follow_numba, geometry, jit
from mixviz.core.apply import Plan
from mixviz.core.follow_ellipses import by_ellipses
from mixviz.core.follow_parts import SEEN, Items, Seen, moves_whole, pasting
from mixviz.core.follow_points import keypoints_of, projected
from mixviz.core.objects import Objects
from mixviz.core.parts import Operations, Patches, Weights
from mixviz.core.tensors import on_device
from mixviz.ops import operations


def by_arithmetic(plan: Plan, objects: Objects, several: Sequence[Items]) -> list[Seen] | None:
    """Follow boxes without masks; None where only their pixels can be followed."""
    base, mixing = plan.mixing.base, plan.mixing
    if isinstance(base, Weights) and base.weight[0, 0, 0].numel() > 1:
        still = not moves_whole(plan) and not isinstance(mixing, Patches)
        return [by_maps(plan, objects, items) for items in several] if still else None
    if not moves_whole(plan):
        return [by_edges(plan, objects, items, None) for items in several]
    if not isinstance(mixing, Operations) or len(plan.partner) > 1:
        return None  # several places of one image are joined as masks
    matrices = operations.projections(mixing.sequences[0], plan.size)
    if matrices is None:
        return None
    turned = np.abs(matrices[:, [0, 1, 2, 2], [1, 0, 0, 1]]).max() > 1e-9
    way = by_ellipses if turned else by_edges
    return [way(plan, objects, items, on_device(matrices, objects.boxes.device)) for items in several]


def keeps_edges(plan: Plan) -> bool:
    """Whether boxes are only cut, pasted and resized, and each source has one weight outside the patches."""
    base = plan.mixing.base
    return not moves_whole(plan) and not (isinstance(base, Weights) and base.weight[0, 0, 0].numel() > 1)


def by_edges(plan: Plan, objects: Objects, items: Items, matrices: Tensor | None) -> Seen:
    """Follow boxes exactly: the edges of the box and of all patches divide it into cells of one weight each.

    Args:
        matrices: (N, 3, 3) float64, by which operations move points (x, y, 1) along the axes; None: there are none.
    """
    (part, mixture, origin), (height, width) = items, plan.size
    box, patches = objects.boxes[origin], plan.mixing
    whole = (box[:, 2:] - box[:, :2]).prod(1)
    targets = (
        patches.target_boxes[:, mixture].float() if isinstance(patches, Patches) else box.new_zeros(0, len(box), 4)
    )
    enlarged = torch.ones_like(whole)
    if part.patch is not None and isinstance(patches, Patches) and patches.source_boxes is not None:
        place, scale = pasting(patches, part.patch, mixture)
        source = patches.source_boxes[part.patch, mixture].float()
        low, high = torch.maximum(box[:, :2], source[:, :2]), torch.minimum(box[:, 2:], source[:, 2:])
        box = place(torch.cat([low, torch.maximum(low, high)], 1).view(-1, 2, 2)).flatten(1)
        enlarged = scale.prod(1)
    elif matrices is not None:
        ends = projected(box.view(-1, 2, 2), matrices[mixture]).float()
        box = torch.cat([ends.amin(1), ends.amax(1)], 1)
        enlarged = (box[:, 2:] - box[:, :2]).prod(1) / whole
    bound = box.new_tensor([height, width])
    box = torch.cat([box[:, :2].clamp(min=0), torch.minimum(box[:, 2:], bound)], 1)
    there = (box[:, 2:] > box[:, :2]).all(1).nonzero()[:, 0]  # of many patches, each shows few objects
    mixture, origin, box, whole, enlarged = (column[there] for column in (mixture, origin, box, whole, enlarged))
    targets = targets[:, there]
    edges: list[Tensor] = []
    for axis in (0, 1):
        low, high = box[:, axis, None], box[:, axis + 2, None]
        cuts = torch.cat([targets[:, :, axis], targets[:, :, axis + 2]]).T.clamp(low, high)
        edges.append(torch.cat([low, cuts, high], 1).sort(1).values)
    down, across = (edge.diff(dim=1) for edge in edges)
    middle_down, middle_across = (edge[:, :-1] + step / 2 for edge, step in zip(edges, (down, across), strict=True))
    weight = part.start[mixture, 0, 0][:, None, None].expand(-1, down.shape[1], across.shape[1])
    for target, inside in zip(targets, part.inside[:, mixture], strict=True):
        top, left, bottom, right = target[:, :, None].unbind(1)
        rows, columns = (middle_down >= top) & (middle_down < bottom), (middle_across >= left) & (middle_across < right)
        weight = torch.where(rows[:, :, None] & columns[:, None, :], inside[:, None, None], weight)
    area = down[:, :, None] * across[:, None, :]
    shown = (weight > SEEN) & (area > 0)
    seen = (area * shown).sum((1, 2))
    around: list[Tensor] = []
    for axis, edge in ((2, edges[0]), (1, edges[1])):
        there = shown.any(axis)
        low = torch.where(there, edge[:, :-1], torch.inf).amin(1)
        around += [low, torch.where(there, edge[:, 1:], -torch.inf).amax(1)]
    points = None if objects.keypoints is None else keypoints_of(plan, objects.keypoints, Items(part, mixture, origin))
    return Seen(
        mixture,
        origin,
        torch.stack([around[0], around[2], around[1], around[3]], 1),
        None,
        points,
        (seen / (whole * enlarged).clamp(min=1e-12)).clamp(0, 1),
        torch.where(seen > 0, (area * shown * weight).sum((1, 2)) / seen, 0),
        seen,
    )


def by_maps(plan: Plan, objects: Objects, items: Items) -> Seen:
    """Follow boxes that stay where they are below weights of each pixel, exactly."""
    (part, mixture, origin), (height, width) = items, plan.size
    bound = objects.boxes.new_tensor([height, width])
    box = objects.boxes[origin]
    whole = (box[:, 2:] - box[:, :2]).prod(1)
    box = torch.cat([box[:, :2].clamp(min=0), torch.minimum(box[:, 2:], bound)], 1)
    weight = part.start.expand(-1, height, width)
    compiled = jit.usable(weight, mixture, box)
    area, strength, edges = (_follow_numba.below_weights if compiled else below_weights)(weight, mixture, box, SEEN)
    around = torch.cat([torch.maximum(edges[:, :2], box[:, :2]), torch.minimum(edges[:, 2:], box[:, 2:])], 1)
    points = None if objects.keypoints is None else keypoints_of(plan, objects.keypoints, items)
    area, strength = torch.where(area > 1e-4, area, 0).float(), strength.float()
    return Seen(
        mixture, origin, around, None, points,
        (area / whole.clamp(min=1e-12)).clamp(0, 1), torch.where(area > 0, strength / area.clamp(min=1e-12), 0), area,
    )  # fmt: skip


def below_weights(weight: Tensor, mixture: Tensor, box: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sum what boxes show of weights, by integral images on any device; see :mod:`mixviz.core._follow_numba`."""
    seen = (weight > least).float()
    summed = geometry.integral(seen)
    strip = _strip(summed, mixture, box, 1)
    strength = _in_strip(_strip(geometry.integral(weight * seen), mixture, box, 1), box, 0)
    edges: list[Tensor] = []
    for axis, of in ((0, strip), (1, _strip(summed.mT, mixture, box, 0))):
        shows = of.diff(dim=1)  # what each row (column) of the picture shows inside the box
        start = torch.arange(shows.shape[1], device=box.device)
        there = (shows > 1e-5) & (start + 1 > box[:, axis, None]) & (start < box[:, axis + 2, None])
        first = torch.where(there, start, shows.shape[1]).amin(1)
        edges += [first, torch.where(there, start + 1, 0).amax(1)]
    return _in_strip(strip, box, 0), strength, torch.stack([edges[0], edges[2], edges[1], edges[3]], 1)


def _strip(integral: Tensor, mixture: Tensor, box: Tensor, axis: int) -> Tensor:
    """Sums (I, R+1) above each row of the integral images (N, R+1, L+1), between the edges that boxes (I, 4) of any
    real numbers have along an axis."""
    return _between(integral, mixture, box[:, axis + 2]) - _between(integral, mixture, box[:, axis])


def _in_strip(strip: Tensor, box: Tensor, axis: int) -> Tensor:
    """Sums (I,) inside boxes: between pixels' edges an integral image is linear."""
    rows = torch.arange(len(strip), device=strip.device)
    low, high = (_between(strip[:, None], rows, box[:, end])[:, 0] for end in (axis, axis + 2))
    return high - low


def _between(values: Tensor, row: Tensor, place: Tensor) -> Tensor:
    """Values (N, R, L) of some rows (I,) at real places (I,) of the last axis, by linear interpolation: (I, R)."""
    index = place.floor().long().clamp(0, values.shape[2] - 2)
    part = (place - index).to(values.dtype)[:, None]
    return torch.lerp(values[row, :, index], values[row, :, index + 1], part)

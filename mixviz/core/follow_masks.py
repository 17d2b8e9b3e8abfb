"""Follow objects as masks, one per object and source, by the geometry of the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from mixviz.core.apply import Plan
from mixviz.core.follow_parts import (
    SEEN,
    Items,
    Seen,
    before,
    carried,
    copies_pixels,
    moved_by,
    moves_whole,
    pasting,
    unique,
    weight_maps,
)
from mixviz.core.follow_points import keypoints_of
from mixviz.core.objects import Objects, boxes_of, covered, ellipses
from mixviz.core.parts import Operations, Patches, Weights


def by_pixels(plan: Plan, objects: Objects, several: list[Items]) -> Seen:
    """Follow masks through the geometry of the pixels; boxes without masks as filled boxes or inscribed ellipses."""
    parts = [_pixels_of(plan, objects, items) for items in several]
    shown, strength, visible = (torch.cat(column) for column in zip(*parts, strict=True))
    mixture, origin = (torch.cat([getattr(items, name) for items in several]) for name in ("mixture", "origin"))
    points = None
    if objects.keypoints is not None:
        points = torch.cat([keypoints_of(plan, objects.keypoints, items) for items in several])
    if moves_whole(plan) and len(several) > 1:
        mixture, origin, shown, strength, visible, points = _merged(
            mixture, origin, shown, strength, visible, points, len(objects)
        )
    if shown.dtype == torch.bool:
        pixels = shown
    else:
        high = shown.amax((1, 2), keepdim=True)
        pixels = (shown >= high.clamp(max=0.5)) & (shown > 0)
    total = shown.sum((1, 2)).float()
    return Seen(
        mixture,
        origin,
        _soft_boxes(shown.float()) if objects.masks is None else boxes_of(pixels),
        None if objects.masks is None else pixels,
        points,
        visible.clamp(0, 1),
        torch.where(total > 0, strength.sum((1, 2)) / total, 0),
        total,
    )


def _pixels_of(plan: Plan, objects: Objects, items: Items) -> tuple[Tensor, Tensor, Tensor]:
    """Return, for some items, how much each pixel that can be seen shows of the object (I, H, W), bool if pixels are
    only copied; the same times the weight of its source; and the visible share (I,) of the object's area."""
    part, mixture, origin = items
    mixing = plan.mixing
    if objects.masks is not None:
        masks = objects.masks[origin]
    elif keeps_boxes(plan):
        masks = covered(objects.boxes, plan.size)[origin]
    else:
        masks = ellipses(objects.boxes, plan.size)[origin]
    whole = masks.sum((1, 2)).float().clamp(min=1e-12)
    masks = masks if copies_pixels(plan, part) else masks.float()
    mass = masks
    if plan.first is not None:
        masks, mass = (
            before(plan.first, plan.partner[part.source, mixture], masks, mass=mass) for mass in (False, True)
        )
    weight = weight_maps(plan, part, mixture)
    seen, moved = weight > SEEN, carried(plan, part, mixture, masks)
    shown = moved & seen if moved.dtype == torch.bool else moved * seen
    if mass is not masks or (isinstance(mixing, Operations) and moved.dtype != torch.bool):
        kept = (carried(plan, part, mixture, mass, mass=True) * seen).sum((1, 2))
    else:
        kept = shown.sum((1, 2))
        if part.patch is not None and isinstance(mixing, Patches):
            kept = kept / pasting(mixing, part.patch, mixture)[1].prod(1).clamp(min=1e-12)
    return shown, weight * shown, kept / whole


def keeps_boxes(plan: Plan) -> bool:
    """Whether a box is still a box after all operations and cells."""
    base, mixing = plan.mixing.base, plan.mixing
    if plan.first is not None and not keeps_boxes(plan.first):
        return False
    if isinstance(base, Weights) and base.cell_permutation is not None:
        return True  # in pieces, which no ellipse describes better
    if not isinstance(mixing, Operations):
        return True
    return all(operation.keeps_boxes for operation in moved_by(mixing))


def _merged(
    mixture: Tensor, origin: Tensor, shown: Tensor, strength: Tensor, visible: Tensor, points: Tensor | None, count: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Join the rows of one object in one mixture, where an image is several sources that are moved differently."""
    groups, place = unique(mixture * max(count, 1) + origin)
    rows = len(groups)
    if rows == len(mixture):
        return mixture, origin, shown, strength, visible, points
    first = torch.full((rows,), len(mixture), device=mixture.device)
    first = first.scatter_reduce(0, place, torch.arange(len(mixture), device=mixture.device), "amin")
    union = shown.new_zeros(rows, *shown.shape[1:])
    union = union.scatter_reduce(0, place[:, None, None].expand_as(shown), shown, "amax")
    total = strength.new_zeros(rows, *strength.shape[1:]).index_add(0, place, strength)
    most = visible.new_zeros(rows).scatter_reduce(0, place, visible, "amax")
    return mixture[first], origin[first], union, total, most, None if points is None else points[first]


def _soft_boxes(shown: Tensor) -> Tensor:
    """Return the box (I, 4) around maps (I, H, W), with parts of pixels at the edges: a first row that shows 0.3 of the
    most begins 0.7 pixels later."""
    high = shown.amax((1, 2)).clamp(min=1e-12)[:, None]
    edges: list[Tensor] = []
    for axis in (2, 1):
        share = shown.amax(axis) / high
        length = share.shape[1]
        start = torch.arange(length, device=shown.device)
        low = torch.where(share > 1e-4, start + 1 - share, torch.inf).amin(1)
        far = torch.where(share > 1e-4, start + share, -torch.inf).amax(1)
        edges += [low, far]
    return torch.stack([edges[0], edges[2], edges[1], edges[3]], 1)

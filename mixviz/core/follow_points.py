"""Follow keypoints, and places of single pixels, into mixtures."""

from __future__ import annotations

import torch
from torch import Tensor

from mixviz.core import geometry
from mixviz.core.apply import Plan
from mixviz.core.follow_parts import SEEN, Items, Part, carried, moves_whole, parts_of, pasting, unique, weight_maps
from mixviz.core.parts import Operations, Patches
from mixviz.core.tensors import on_device
from mixviz.ops import operations

FLAT = 0.1  # determinant of a map of coordinates below which a point is not placed more finely than a pixel


def places(plan: Plan, part: Part, mixture: Tensor) -> Tensor | None:
    """Return which pixel of the source each pixel of some mixtures shows (I, H, W), counted row by row; -1: none.

    None: every pixel its own.
    """
    if part.patch is None and not moves_whole(plan):
        return None
    down, across, there = _coordinates(plan, part, mixture)
    height, width = plan.size
    rows, columns = down.floor().clamp(0, height - 1).long(), across.floor().clamp(0, width - 1).long()
    return torch.where(there, rows * width + columns, -1)


def _coordinates(plan: Plan, part: Part, mixture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the row and column of the source (I, H, W) that each pixel of some mixtures shows, and whether it does."""
    height, width = plan.size
    device = plan.partner.device
    down = (torch.arange(height, device=device) + 0.5)[:, None].expand(height, width)
    across = (torch.arange(width, device=device) + 0.5).expand(height, width)
    if part.patch is not None and isinstance(plan.mixing, Patches) and plan.mixing.source_boxes is not None:
        source = plan.mixing.source_boxes[part.patch, mixture].float()
        target = plan.mixing.target_boxes[part.patch, mixture].float()
        scale = (source[:, 2:] - source[:, :2]) / (target[:, 2:] - target[:, :2]).clamp(min=1)
        corner, step = (value[:, :, None, None] for value in (source[:, :2] - target[:, :2] * scale, scale))
        inside = geometry.box_mask(plan.mixing.target_boxes[part.patch, mixture], plan.size)
        return down * step[:, 0] + corner[:, 0], across * step[:, 1] + corner[:, 1], inside
    maps = torch.stack([down, across, torch.ones_like(down)]).repeat(len(mixture), 1, 1)
    moved = carried(plan, part, mixture.repeat_interleave(3), maps).view(len(mixture), 3, height, width)
    full = moved[:, 2].clamp(min=0.5)
    return moved[:, 0] / full, moved[:, 1] / full, moved[:, 2] >= 0.5


def keypoints_of(plan: Plan, keypoints: Tensor, items: Items) -> Tensor:
    """Move the points (I, P, 3) of some items; what is covered is hidden, what is outside is not labelled."""
    (part, mixture, origin), (height, width) = items, plan.size
    points = keypoints[origin]
    if plan.first is not None:
        there = Items(parts_of(plan.first)[0], plan.partner[part.source, mixture], torch.arange(len(origin)).to(origin))
        points = keypoints_of(plan.first, points, there)
    place, visibility = points[..., :2], points[..., 2]
    found = torch.ones_like(visibility, dtype=torch.bool)
    if part.patch is not None and isinstance(plan.mixing, Patches):
        place = pasting(plan.mixing, part.patch, mixture)[0](place)
    elif moves_whole(plan):
        matrices = None
        if isinstance(plan.mixing, Operations) and getattr(plan.mixing.base, "cell_permutation", None) is None:
            matrices = operations.projections(plan.mixing.sequences[part.source], plan.size)
        if matrices is None:
            place, found = _placed(plan, items, place)
        else:
            place = projected(place, on_device(matrices, place.device)[mixture]).float()
    rows, columns = place[..., 0].floor(), place[..., 1].floor()
    inside = found & (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).long()
    shown = weight_maps(plan, part, mixture).flatten(1).gather(1, index) > SEEN
    visibility = torch.where(inside, torch.where(shown, visibility, visibility.clamp(max=1)), 0)
    return torch.cat([torch.where(inside[..., None], place, 0), visibility[..., None]], 2)


def projected(points: Tensor, matrices: Tensor) -> Tensor:
    """Move points (I, P, 2), (row, column), by matrices (I, 3, 3) float64 for (x, y, 1)."""
    across, down = points[..., 1].to(matrices.dtype), points[..., 0].to(matrices.dtype)
    x, y, depth = (row[:, None, 0] * across + row[:, None, 1] * down + row[:, None, 2] for row in matrices.unbind(1))
    return torch.stack([y / depth, x / depth], -1)


def _placed(plan: Plan, items: Items, points: Tensor) -> tuple[Tensor, Tensor]:
    """Find where operations and cells put points (I, P, 2), and whether they are still in the picture (I, P).

    The pixel that shows the nearest place of the source is found in the maps of coordinates, then the place inside it
    by their local slope.
    """
    mixtures, index = unique(items.mixture)
    down, across, there = _coordinates(plan, items.part, mixtures)
    width = plan.size[1]
    result, found = torch.zeros_like(points), torch.zeros(points.shape[:2], dtype=torch.bool, device=points.device)
    for p in range(points.shape[1]):
        far = (down[index] - points[:, p, 0, None, None]).square() + (
            across[index] - points[:, p, 1, None, None]
        ).square()
        far = torch.where(there[index], far, torch.inf).flatten(1)
        distance, nearest = far.min(1)
        row, column = nearest // width, nearest % width
        slope = _slope((down, across), there, index, row, column)
        error = torch.stack(
            [points[:, p, 0] - down[index, row, column], points[:, p, 1] - across[index, row, column]], 1
        )
        determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
        adjugate = torch.stack(
            [slope[:, 1, 1], -slope[:, 0, 1], -slope[:, 1, 0], slope[:, 0, 0]], 1
        ).view(-1, 2, 2)  # fmt: skip
        step = (adjugate @ error[:, :, None])[:, :, 0] / determinant[:, None]
        fine = (determinant.abs() > FLAT)[:, None] & (step.abs() <= 1).all(1, keepdim=True)
        centre = torch.stack([row, column], 1) + 0.5
        result[:, p] = torch.where(fine, centre + step, centre)
        found[:, p] = distance < 2  # a point outside the picture is further than a pixel from all that are shown
    return result, found


def _slope(maps: tuple[Tensor, Tensor], there: Tensor, index: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the derivative (I, 2, 2) of maps of coordinates at some pixels, over neighbours that show something."""
    height, width = there.shape[1:]
    columns: list[Tensor] = []
    for down, across in ((1, 0), (0, 1)):
        after = (row + down).clamp(max=height - 1), (column + across).clamp(max=width - 1)
        before = (row - down).clamp(min=0), (column - across).clamp(min=0)
        after = tuple(torch.where(there[index, *after], a, b) for a, b in zip(after, (row, column), strict=True))
        before = tuple(torch.where(there[index, *before], a, b) for a, b in zip(before, (row, column), strict=True))
        length = (after[0] - before[0] + after[1] - before[1]).clamp(min=1)
        columns.append(torch.stack([(one[index, *after] - one[index, *before]) / length for one in maps], 1))
    return torch.stack(columns, 2)

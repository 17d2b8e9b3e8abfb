"""Follow boxes that operations turn, shear or tilt, as the ellipses inscribed in them, without any mask.

A projection H maps the unit disc to an ellipse. Its dual conic is H diag(1, 1, -1) Hᵀ, from which its centre, its
covariance Σ, its box (centre ± √Σᵢᵢ) and its area π √det Σ follow. Source: Hartley and Zisserman, Multiple View
Geometry in Computer Vision, 2nd edition, Cambridge University Press 2004, section 2.2.3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mixviz.core.apply import Plan
from mixviz.core.follow_parts import SEEN, Items, Seen
from mixviz.core.follow_points import keypoints_of
from mixviz.core.objects import Objects

TINY = 1e-12
SLACK = 1e-6  # pixels by which the furthest point of an ellipse may seem to lie beyond an edge that it touches


def by_ellipses(plan: Plan, objects: Objects, items: Items, matrices: Tensor) -> Seen:
    """Follow boxes as the inscribed ellipses, exactly.

    Args:
        matrices: (N, 3, 3) float64, by which the operations move points (x, y, 1).
    """
    part, mixture, origin = items
    box = objects.boxes[origin].double()
    moved = matrices[mixture] @ _discs(box)
    centre, covariance = _ellipses(moved)
    edges = _edges(plan.size, box)
    share, ends, there = disc_inside(edges @ moved)
    tilted = bool((moved[:, 2, :2].abs() > TINY * moved[:, 2, 2:].abs()).any())
    root = _root(covariance)
    whole = math.pi * root[:, 0, 0] * root[:, 1, 1]
    shown = disc_inside(edges @ _affine(root, centre))[0] if tilted else share
    weight = part.start[mixture, 0, 0]
    share, shown = (torch.where(weight > SEEN, one, 0).float() for one in (share, shown))
    points = None if objects.keypoints is None else keypoints_of(plan, objects.keypoints, items)
    return Seen(
        mixture, origin, _boxes(plan.size, moved, centre, covariance, ends, there), None, points, share,
        torch.where(share > 0, weight, 0), shown * whole.float(),
    )  # fmt: skip


def disc_inside(planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Intersect the unit disc with half planes a x + b y + c > 0.

    The area is half of the line integral of x dy - y dx around the intersection: every arc gives half of its angle, and
    every chord half of its length times its distance from the centre.

    Args:
        planes: (I, P, 3), a, b and c.

    Returns:
        The share (I,) of the disc that is inside; the ends (I, P, 2, 2) (x, y) of the part of each plane's chord that
        is inside the others; and whether there is one (I, P).
    """
    planes = planes / planes[..., :2].square().sum(2, keepdim=True).sqrt().clamp(min=TINY)
    normal, distance = planes[..., :2], planes[..., 2]
    along = torch.stack([normal[..., 1], -normal[..., 0]], 2)
    # Points of chord j are -distance[j] normal[j] + t along[j]; t is limited by the disc, and by each other plane k.
    start = distance[:, None, :] - (normal @ normal.mT) * distance[:, :, None]
    slope = along @ normal.mT
    other = ~torch.eye(planes.shape[1], dtype=torch.bool, device=planes.device)
    root = -start / torch.where(slope.abs() > TINY, slope, 1)
    reach = (1 - distance.square()).clamp(min=0).sqrt()
    low = torch.maximum(torch.where(other & (slope > TINY), root, -torch.inf).amax(2), -reach)
    high = torch.minimum(torch.where(other & (slope < -TINY), root, torch.inf).amin(2), reach)
    beyond = (other & (slope.abs() <= TINY) & (start <= 0)).any(2)
    there = (high > low) & ~beyond
    length = torch.where(there, high - low, 0)
    ends = torch.stack([low, high], 2)[..., None] * along[:, :, None] - (distance[..., None] * normal)[:, :, None]
    share = ((length * distance).sum(1) + _angle_inside(normal, distance)) / (2 * math.pi)
    return share.clamp(0, 1), ends, there


def _angle_inside(normal: Tensor, distance: Tensor) -> Tensor:
    """Angle (I,) of the unit circle inside all half planes (I, P): of the arcs whose middles are inside."""
    middle = torch.atan2(normal[..., 1], normal[..., 0])
    half = (-distance.clamp(-1, 1)).acos()
    ends = torch.cat([middle - half, middle + half], 1).remainder(2 * math.pi).sort(1).values
    ends = torch.cat([ends, ends[:, :1] + 2 * math.pi], 1)
    angle = (ends[:, 1:] + ends[:, :-1]) / 2
    inside = (
        normal[..., 0, None] * angle.cos()[:, None] + normal[..., 1, None] * angle.sin()[:, None] > -distance[..., None]
    )
    return (ends.diff(dim=1) * inside.all(1)).sum(1)


def _discs(box: Tensor) -> Tensor:
    """(I, 3, 3) float64, by which points (x, y, 1) of the unit disc become those of the ellipse inside each box."""
    radius, centre = (box[:, 2:] - box[:, :2]).flip(1) / 2, (box[:, 2:] + box[:, :2]).flip(1) / 2
    return _affine(torch.diag_embed(radius), centre)


def _affine(matrix: Tensor, shift: Tensor) -> Tensor:
    """(I, 3, 3) from matrices (I, 2, 2) and shifts (I, 2)."""
    last = matrix.new_tensor([0, 0, 1]).expand(len(matrix), 1, 3)
    return torch.cat([torch.cat([matrix, shift[:, :, None]], 2), last], 1)


def _ellipses(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Centre (I, 2), (x, y), and covariance (I, 2, 2) of the images of the unit disc."""
    first, last = matrices[:, :, :2], matrices[:, :, 2:]
    dual = first @ first.mT - last @ last.mT
    scale = -dual[:, 2, 2].clamp(max=-TINY)  # positive where no point of the disc moves to infinity
    centre = -dual[:, :2, 2] / scale[:, None]
    return centre, dual[:, :2, :2] / scale[:, None, None] + centre[:, :, None] * centre[:, None, :]


def _root(covariance: Tensor) -> Tensor:
    """Lower triangular L (I, 2, 2) with L Lᵀ = Σ: it maps the unit disc to an ellipse of that covariance."""
    first = covariance[:, 0, 0].clamp(min=TINY).sqrt()
    below = covariance[:, 0, 1] / first
    last = (covariance[:, 1, 1] - below.square()).clamp(min=TINY).sqrt()
    return torch.stack([first, torch.zeros_like(first), below, last], 1).view(-1, 2, 2)


def _edges(size: tuple[int, int], like: Tensor) -> Tensor:
    """(4, 3) half planes over (x, y, 1) whose intersection is the picture."""
    height, width = size
    return like.new_tensor([[1, 0, 0], [-1, 0, width], [0, 1, 0], [0, -1, height]])


def _boxes(
    size: tuple[int, int], matrices: Tensor, centre: Tensor, covariance: Tensor, ends: Tensor, there: Tensor
) -> Tensor:
    """Boxes (I, 4) float32 around what the picture shows of ellipses: their furthest points, and the chords at the
    picture's edges."""
    bound = centre.new_tensor([size[1], size[0]])
    reach = covariance / covariance.diagonal(dim1=1, dim2=2).clamp(min=TINY).sqrt()[:, None, :]
    furthest = centre[:, None] + torch.cat([reach, -reach], 2).mT
    within = ((furthest >= -SLACK) & (furthest <= bound + SLACK)).all(2)
    chords = torch.cat([ends.flatten(1, 2), torch.ones_like(ends[..., :1]).flatten(1, 2)], 2) @ matrices.mT
    candidates = torch.cat([furthest, chords[..., :2] / chords[..., 2:]], 1)
    known = torch.cat([within, there.repeat_interleave(2, 1)], 1)[..., None]
    low = torch.where(known, candidates, torch.inf).amin(1).clamp(min=0)
    high = torch.minimum(torch.where(known, candidates, -torch.inf).amax(1), bound)
    return torch.cat([low.flip(1), high.flip(1)], 1).float()

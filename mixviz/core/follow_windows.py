"""Follow boxes that are bent, shuffled, holed or joined, on the CPU by compiled loops over the pixels they can reach.

The results are those of :mod:`mixviz.core.follow_masks`, up to the blur of sampling pixels: the place of the source
that a pixel shows is compared with the shape itself. A bent box is an inscribed ellipse, any other a box.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import torch

from mixviz.core import jit
from mixviz.core.apply import Plan
from mixviz.core.follow_masks import keeps_boxes
from mixviz.core.follow_parts import SEEN, Items, Seen, moves_whole
from mixviz.core.follow_points import keypoints_of
from mixviz.core.follow_steps import Steps, steps_of
from mixviz.core.objects import Objects
from mixviz.core.tensors import on_device

Array = np.ndarray[Any, Any]


def by_windows(plan: Plan, objects: Objects, several: list[Items]) -> Seen | None:
    """Follow boxes without masks whose whole pictures are moved; None where that needs torch or pixels."""
    pixels = sum(len(items.origin) for items in several) * plan.size[0] * plan.size[1]
    if not pixels or not moves_whole(plan) or not jit.usable(objects.boxes, plan.partner, values=pixels):
        return None
    steps = steps_of(plan, [items.part.source for items in several])
    if steps is None:
        return None
    (height, width), count = plan.size, max(len(objects), 1)
    part = np.repeat(np.arange(len(several)), [len(items.origin) for items in several])
    mixture, origin = (
        np.concatenate([getattr(one, name).numpy() for one in several]) for name in ("mixture", "origin")
    )
    order = np.argsort(mixture * count + origin, kind="stable")
    part, mixture, origin = part[order], mixture[order], origin[order]
    first = np.flatnonzero(np.diff(mixture * count + origin, prepend=-1, append=-1))
    box = objects.boxes.detach().double().numpy()[origin]
    weight = torch.stack([items.part.start.detach().float() for items in several])
    weight = (weight if weight[0, 0].numel() == 1 else weight.expand(-1, -1, height, width)).numpy()
    rounded = not keeps_boxes(plan)
    edges, result = np.zeros((len(first) - 1, 4)), np.zeros((len(first) - 1, 3))
    import_module("mixviz.core._follow_windows_numba").follow(
        first, part, mixture, box, _windows(box, rounded, steps, part, mixture, plan.size), rounded,
        steps.kinds, steps.values, steps.back, steps.fields, steps.cells, weight, float(np.float32(SEEN)),
        height, width, edges, result,
    )  # fmt: skip
    points = None
    if objects.keypoints is not None:
        points = torch.cat([keypoints_of(plan, objects.keypoints, items) for items in several])[order[first[:-1]]]
    device = objects.boxes.device
    visible, strength, area = on_device(result, device).float().unbind(1)
    mixture, origin = (on_device(column[first[:-1]], device) for column in (mixture, origin))
    return Seen(mixture, origin, on_device(edges, device).float(), None, points, visible.clamp(0, 1), strength, area)


def _windows(box: Array, rounded: bool, steps: Steps, part: Array, mixture: Array, size: tuple[int, int]) -> Array:
    """(I, 4) int64, the pixels of mixtures that may show each box with its soft edges."""
    sides = box[:, 2:] - box[:, :2]
    soft = sides / sides.min(1, keepdims=True).clip(1e-6) / 2 if rounded else np.full_like(sides, 0.5)
    wide = np.concatenate([box[:, :2] - soft, box[:, 2:] + soft], 1)
    bound, start, end = np.array(size), wide[:, :2], wide[:, 2:]
    if (steps.back != np.eye(3)).any():
        down, across = wide[:, [0, 0, 2, 2]], wide[:, [1, 3, 1, 3]]
        matrix = np.linalg.inv(steps.back)[part, mixture][..., None]
        x, y, depth = (matrix[:, i, 0] * across + matrix[:, i, 1] * down + matrix[:, i, 2] for i in range(3))
        seen = np.asarray(depth.min(1) > 1e-6)[:, None]  # not beyond the horizon: there, all of it is read
        moved = np.stack([y, x], 1) / np.where(seen, depth, 1)[:, None]
        start, end = np.where(seen, moved.min(2), 0), np.where(seen, moved.max(2), bound)
    edges = np.floor(start).clip(0, bound), np.ceil(end).clip(0, bound)
    return np.concatenate(edges, 1).astype(np.int64)

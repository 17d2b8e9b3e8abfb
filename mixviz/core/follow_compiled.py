"""Follow masks on the CPU by compiled loops over the pixels of each, with the results of :mod:`follow_masks`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core import _follow_numba, jit
from mixviz.core.apply import Plan
from mixviz.core.follow_parts import (
    SEEN,
    Items,
    Part,
    Seen,
    carried,
    copies_pixels,
    moves_whole,
    moving,
    pasted_each,
    pasting,
    unique,
    weight_maps,
)
from mixviz.core.follow_points import keypoints_of
from mixviz.core.objects import Objects
from mixviz.core.parts import Operations, Patches
from mixviz.core.tensors import on_device

Array = np.ndarray[Any, Any]


class _Moved(NamedTuple):
    """Masks of some items after they were moved, with what they show.

    Attributes:
        items: those of which something may be seen.
        maps: (J, H, W) bool or float32; ``row`` (I,) is the map of each item, ``window`` (J, 4) what is not 0 in it.
        weight: (U, H, W) float32; ``place`` (I,) is that of each item.
        sums: (I, 4), see :func:`mixviz.core._follow_numba.shown_sums`.
    """

    items: Items
    maps: Tensor
    row: Tensor
    window: Array
    weight: Tensor
    place: Tensor
    sums: Array


def can_compile(plan: Plan, objects: Objects) -> bool:
    """Whether compiled loops can follow the objects, and are worth it."""
    merged = moves_whole(plan) and len(plan.partner) > 1
    return not merged and objects.masks is not None and jit.usable(objects.masks)


def by_loops(plan: Plan, objects: Objects, several: list[Items]) -> Seen:
    """Follow masks; only what can be seen is returned, ordered by mixture."""
    assert objects.masks is not None
    masks = objects.masks.contiguous()
    windows = _follow_numba.windows(masks)
    whole = np.maximum([np.count_nonzero(mask) for mask in masks.numpy()], 1e-12)
    moved = [_moved(plan, objects, masks, windows, items) for items in several]
    sums = np.concatenate([one.sums for one in moved])
    mixture, origin = (torch.cat([getattr(one.items, name) for one in moved]) for name in ("mixture", "origin"))
    visible = sums[:, 3] / whole[origin.numpy()]
    kept = np.flatnonzero(visible > 0)
    kept = kept[np.argsort(mixture.numpy()[kept], kind="stable")]
    goal = np.full(len(mixture), -1)
    goal[kept] = np.arange(len(kept))
    pixels, boxes = torch.zeros(len(kept), *plan.size, dtype=torch.bool), np.zeros((len(kept), 4), np.float32)
    bounds, start = sums[:, 0].clip(max=0.5), 0
    for one in moved:
        own = slice(start, start + len(one.row))
        looked = one.maps, one.row, one.window, one.weight, one.place, SEEN
        _follow_numba.fill(*looked, bounds[own], goal[own], pixels, boxes)
        start = own.stop
    points = None
    if objects.keypoints is not None:
        points = torch.cat([keypoints_of(plan, objects.keypoints, one.items) for one in moved])[kept]
    device, sums = masks.device, sums[kept]
    return Seen(
        mixture[kept],
        origin[kept],
        on_device(boxes, device),
        pixels,
        points,
        on_device(visible[kept].clip(0, 1), device).float(),
        on_device(sums[:, 2] / sums[:, 1], device).float(),
        on_device(sums[:, 1], device).float(),
    )


def _moved(plan: Plan, objects: Objects, masks: Tensor, windows: Array, items: Items) -> _Moved:
    part, mixing = items.part, plan.mixing
    scale = None
    if part.patch is not None and isinstance(mixing, Patches) and mixing.source_boxes is not None:
        items = _near(mixing, part.patch, items, windows)
        scale = pasting(mixing, part.patch, items.mixture)[1].prod(1).clamp(min=1e-12)
    different, place = unique(items.mixture)
    weight = weight_maps(plan, part, different).float().contiguous()
    factor = None
    if part.patch is None and not moves_whole(plan):
        maps, row = masks, items.origin
    else:
        row = torch.arange(len(items.origin))
        if scale is not None and isinstance(mixing, Patches) and mixing.resample and part.patch is not None:
            maps = pasted_each(mixing, part.patch, items.mixture, masks, items.origin)
        else:
            own = masks[items.origin]
            copied = copies_pixels(plan, part)
            maps = carried(plan, part, items.mixture, own if copied else own.float()).contiguous()
            if isinstance(mixing, Operations) and not copied:
                factor = _magnified(plan, mixing, part, different)
        windows = _follow_numba.windows(maps)
    sums = _follow_numba.shown_sums(maps, row, windows, weight, place, factor, SEEN)
    if isinstance(mixing, Operations) and maps.dtype != torch.bool and factor is None:
        own = carried(plan, part, items.mixture, masks[items.origin].float(), mass=True).contiguous()
        sums[:, 3] = _follow_numba.shown_sums(own, row, windows, weight, place, None, SEEN)[:, 1]
    if scale is not None:
        sums[:, 3] = sums[:, 1] / scale.numpy()
    return _Moved(items, maps, row, windows, weight, place, sums)


def _near(patches: Patches, p: int, items: Items, windows: Array) -> Items:
    """The items of which the box that a patch is cut from holds some pixel."""
    assert patches.source_boxes is not None
    source, window = patches.source_boxes[p, items.mixture].numpy(), windows[items.origin.numpy()]
    held = (np.maximum(source[:, :2], window[:, :2]) < np.minimum(source[:, 2:], window[:, 2:])).all(1)
    index = torch.from_numpy(np.flatnonzero(held))  # pyright: ignore[reportUnknownMemberType]  # torch is untyped here
    return Items(items.part, items.mixture[index], items.origin[index])


def _magnified(plan: Plan, mixing: Operations, part: Part, mixtures: Tensor) -> Tensor | None:
    """Area of the source (U, H, W) that each pixel of some mixtures shows; None: several operations follow each other,
    and every mask has its own."""
    if max(map(len, moving(mixing)[part.source])) > 1:
        return None
    ones = torch.ones(len(mixtures), *plan.size)
    areas, there = (carried(plan, part, mixtures, ones, mass=mass) for mass in (True, False))
    return (areas / torch.where(there > 0, there, 1)).contiguous()

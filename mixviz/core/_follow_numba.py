"""Boxes and masks below weights of each pixel on the CPU, compiled by numba: only the pixels of objects are read.

Plain Python until they are compiled (:mod:`mixviz.core.jit`). Tests compare the
results with those of torch, :mod:`mixviz.core.follow_boxes` and :mod:`mixviz.core.follow_masks`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core.jit import compiled
from mixviz.core.tensors import on_device

Array = np.ndarray[Any, Any]


def below_weights(weight: Tensor, mixture: Tensor, box: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Sum what boxes show of weights.

    Args:
        weight: (N, H, W) of each pixel.
        mixture: (I,) index of each box's map.
        box: (I, 4) inside the maps.
        least: smaller weights show nothing.

    Returns:
        The area (I,) of the pixels that are shown, the sum (I,) of their weights, and the rows and columns (I, 4), top,
        left, bottom and right, between which they lie: those that show more than 1e-5 of a pixel.
    """
    sums, edges = np.zeros((len(box), 2)), np.zeros((len(box), 4), np.int64)
    arguments = weight.detach().float().contiguous().numpy(), mixture.numpy(), box.detach().double().numpy()
    compiled(_sums)(*arguments, np.float32(least), sums, edges, np.zeros(weight.shape[2]))
    area, strength = on_device(sums, box.device).unbind(1)
    return area, strength, on_device(edges, box.device)


def windows(maps: Tensor) -> Array:
    """(J, 4) int64, the box around what is not 0 in maps (J, H, W) bool or float32; without area where all is."""
    edges = np.zeros((len(maps), 4), np.int64)
    bits = maps.numpy().view(np.uint8 if maps.dtype == torch.bool else np.int32)
    compiled(_windows)(bits, edges, np.empty(maps.shape[2], bits.dtype))
    return edges


def shown_sums(
    maps: Tensor, row: Tensor, window: Array, weight: Tensor, place: Tensor, factor: Tensor | None, least: float
) -> Array:
    """Sum what maps show below weights.

    Args:
        maps: (J, H, W) bool or float32.
        row: (I,) the map of each item.
        window: (J, 4), :func:`windows` of the maps.
        weight: (U, H, W) float32.
        place: (I,) the weights of each item.
        factor: (U, H, W) float32, by which the last sum is multiplied pixel by pixel; None: 1.
        least: smaller weights show nothing.

    Returns:
        (I, 4) float64: the largest value shown, the sum of all, their sum times the weights, and times the factor.
    """
    sums = np.zeros((len(row), 4))
    factors = np.ones((1, 1, 1), np.float32) if factor is None else factor.numpy()
    pixels = maps.numpy().view(np.uint8) if maps.dtype == torch.bool else maps.numpy()
    compiled(_shown_sums)(
        pixels, row.numpy(), window, weight.numpy(), place.numpy(), factors, factor is not None, np.float32(least), sums
    )
    return sums


def fill(
    maps: Tensor,
    row: Tensor,
    window: Array,
    weight: Tensor,
    place: Tensor,
    least: float,
    bounds: Array,
    goal: Array,
    out: Tensor,
    boxes: Array,
) -> None:
    """Write the pixels that maps show, and the boxes around them; arguments as of :func:`shown_sums`.

    Args:
        bounds: (I,) pixels of this value or more are part of a mask.
        goal: (I,) the row of ``out`` (M, H, W) bool, zeros, and ``boxes`` (M, 4) that takes an item; -1: none.
    """
    pixels = maps.numpy().view(np.uint8) if maps.dtype == torch.bool else maps.numpy()
    filled = out.numpy().view(np.uint8)
    compiled(_fill)(
        pixels, row.numpy(), window, weight.numpy(), place.numpy(), np.float32(least), bounds, goal, filled, boxes
    )


def _windows(maps: Array, edges: Array, columns: Array) -> None:
    height, width = maps.shape[1:]
    for j in range(len(maps)):
        columns[:] = 0
        top, bottom = height, 0
        for y in range(height):
            row, found = maps[j, y], columns[0] & 0
            for x in range(width):
                found |= row[x]
            if found:
                top, bottom = min(top, y), y + 1
                for x in range(width):
                    columns[x] |= row[x]
        left, right = width, 0
        for x in range(width):
            if columns[x]:
                left, right = min(left, x), x + 1
        if bottom:
            edges[j, 0], edges[j, 1], edges[j, 2], edges[j, 3] = top, left, bottom, right


def _shown_sums(
    maps: Array,
    row: Array,
    window: Array,
    weight: Array,
    place: Array,
    factor: Array,
    factored: bool,
    least: np.float32,
    sums: Array,
) -> None:
    for i in range(len(row)):
        top, left, bottom, right = window[row[i]]
        peak, total, strength, kept = 0.0, 0.0, 0.0, 0.0
        for y in range(top, bottom):
            values, weights = maps[row[i], y], weight[place[i], y]
            for x in range(left, right):
                value = values[x]
                if value > 0 and weights[x] > least:
                    peak = max(peak, float(value))
                    total += value
                    strength += value * weights[x]
            if factored:
                factors = factor[place[i], y]
                for x in range(left, right):
                    if weights[x] > least:
                        kept += values[x] * factors[x]
        sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3] = peak, total, strength, kept if factored else total


def _fill(
    maps: Array,
    row: Array,
    window: Array,
    weight: Array,
    place: Array,
    least: np.float32,
    bounds: Array,
    goal: Array,
    out: Array,
    boxes: Array,
) -> None:
    height, width = maps.shape[1:]
    for i in range(len(row)):
        if goal[i] < 0:
            continue
        top, left, bottom, right = window[row[i]]
        high, near, low, far = height, width, 0, 0
        for y in range(top, bottom):
            values, weights, pixels = maps[row[i], y], weight[place[i], y], out[goal[i], y]
            there = False
            for x in range(left, right):
                if values[x] > 0 and values[x] >= bounds[i] and weights[x] > least:
                    pixels[x] = 1
                    near, far, there = min(near, x), max(far, x + 1), True
            if there:
                high, low = min(high, y), y + 1
        if low:
            boxes[goal[i], 0], boxes[goal[i], 1], boxes[goal[i], 2], boxes[goal[i], 3] = high, near, low, far


def _sums(
    weight: Array, mixture: Array, box: Array, least: np.float32, sums: Array, edges: Array, columns: Array
) -> None:
    height, width = weight.shape[1:]
    for i in range(len(box)):
        top, left, bottom, right = box[i]
        first, last = int(np.floor(left)), min(int(np.ceil(right)), width)
        start, end = int(np.floor(top)), min(int(np.ceil(bottom)), height)
        columns[first:last] = 0
        area, strength, high, low = 0.0, 0.0, height, 0
        for y in range(start, end):
            down = min(bottom, y + 1.0) - max(top, float(y))
            row, total, weighed = weight[mixture[i], y], 0.0, 0.0
            for x in range(first, last):
                if row[x] > least:
                    across = min(right, x + 1.0) - max(left, float(x))
                    total += across
                    weighed += across * row[x]
                    columns[x] += down
            area += down * total
            strength += down * weighed
            if total > 1e-5:
                high, low = min(high, y), y + 1
        sums[i, 0], sums[i, 1] = area, strength
        edges[i, 0], edges[i, 1], edges[i, 2], edges[i, 3] = high, width, low, 0
        for x in range(first, last):
            if columns[x] > 1e-5:
                edges[i, 1], edges[i, 3] = min(edges[i, 1], x), x + 1

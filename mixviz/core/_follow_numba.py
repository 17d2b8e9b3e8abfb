"""Boxes below weights of each pixel on the CPU, compiled by numba: only the pixels inside each box are read.

Plain Python until :func:`compiled` is first called, because ``import mixviz`` must not import numba. Equal to the sums
of :mod:`mixviz.core.follow_boxes` over integral images, which a test compares.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core.tensors import on_device

Array = np.ndarray[Any, Any]

MUCH = 2**18  # values


def usable(*tensors: Tensor) -> bool:
    """Whether to use the compiled functions: on the CPU, outside torch.compile, and if there is much to do.

    Loading them takes half a second, compiling them (once per machine) some more: a page with two pictures does not
    wait for that.
    """
    plain = all(type(one) is Tensor and one.device.type == "cpu" for one in tensors)
    much = sum(one.numel() for one in tensors) >= MUCH
    return plain and much and not torch.compiler.is_compiling() and _installed()


@cache
def _installed() -> bool:
    return importlib.util.find_spec("numba") is not None


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
    compiled()(*arguments, np.float32(least), sums, edges, np.zeros(weight.shape[2]))
    area, strength = on_device(sums, box.device).unbind(1)
    return area, strength, on_device(edges, box.device)


@cache
def compiled() -> Callable[..., None]:
    """The compiled :func:`_sums`; the very first call compiles for some seconds and caches the result on disk."""
    njit: Callable[..., Any] = import_module("numba").njit  # numba is untyped

    try:
        return njit(nogil=True, cache=True, error_model="numpy")(_sums)
    except RuntimeError:  # no writable cache folder
        return njit(nogil=True, error_model="numpy")(_sums)


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

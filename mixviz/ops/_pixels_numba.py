"""Loops of :mod:`mixviz.ops.geometric` and :mod:`mixviz.ops.filters`; numba is loaded with this module, which is
therefore imported late."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixviz.core.jit import compiled, fused
from mixviz.ops._noise_numba import scrambled

Array = np.ndarray[Any, Any]


@compiled
def shuffle(images: Array, side: Array, start: Array, out: Array) -> None:
    """Shuffle images (M, C, H, W) in windows of ``side`` (M,) as ``geometric.shuffle`` does, to the bit.

    Ranks are counted, not sorted: for small windows that is faster. ``start`` (M,) uint32 is of the seeds.
    """
    m, channels, height, width = images.shape
    most = side.max() ** 2
    drawn, place, source = np.empty(most, np.uint32), np.empty(most, np.int64), np.empty(most, np.int64)
    for i in range(m):
        for top in range(0, height, side[i]):
            for left in range(0, width, side[i]):
                count = 0
                for y in range(top, min(top + side[i], height)):
                    for x in range(left, min(left + side[i], width)):
                        place[count] = y * width + x
                        drawn[count] = scrambled(np.uint32(start[i] + np.uint32(place[count])))
                        count += 1
                for a in range(count):
                    rank, own = 0, drawn[a]
                    for b in range(a):
                        rank += drawn[b] <= own
                    for b in range(a + 1, count):
                        rank += drawn[b] < own
                    source[rank] = place[a]
                for channel in range(channels):
                    read, write = images[i, channel].reshape(-1), out[i, channel].reshape(-1)
                    for a in range(count):
                        write[place[a]] = read[source[a]]


@fused
def along_lines(padded: Array, kernels: Array, out: Array) -> None:
    """Smooth padded images (M, C, H + k - 1, W + k - 1) with kernels (M, k, k), most of whose weights are 0.

    Whole planes are summed, lines of them in one: what lies between the lines is left out when it is copied.
    """
    m, channels, height, width = out.shape
    k, wide = kernels.shape[1], padded.shape[3]
    total = np.empty((height - 1) * wide + width, out.dtype)
    for i in range(m):
        for channel in range(channels):
            plane = padded[i, channel].reshape(-1)
            total[:] = 0
            for down in range(k):
                for across in range(k):
                    weight = kernels[i, down, across]
                    if weight != 0:
                        _add(total, weight, plane[down * wide + across :])
            for y in range(height):
                out[i, channel, y] = total[y * wide : y * wide + width]


@fused
def _add(total: Array, weight: Any, values: Array) -> None:
    for x in range(len(total)):
        total[x] += weight * values[x]

"""Fine-grained saliency on the CPU, compiled by numba if it is installed.

Images are processed one by one in OpenCV's order of operations, so that every bit agrees at every size. The functions
are plain Python until :func:`compiled` is first called, because ``import mixviz`` must not import numba. They are
written for the vectoriser: float32 throughout (numba widens small integers to 64 bits), rows as contiguous slices, no
branches.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from numpy import float32, int32
from torch import Tensor

from mixviz.detectors._fine_grained_torch import REACHES
from mixviz.detectors._gray import WEIGHTS


def maps(pixels: Tensor, channel_order: str) -> Tensor:
    """Maps (N, H, W) float32 in [0, 1] of CPU pixels (N, 3, H, W) uint8.

    Raises:
        ImportError: numba is not installed.
    """
    n, _, height, width = pixels.shape
    result = torch.empty((n, height, width), dtype=torch.float32)
    source, out, run = pixels.contiguous().numpy(), result.numpy(), compiled()
    weights = np.array(WEIGHTS[channel_order], np.float32) / 2**15
    # All windows that cover the whole image are the same: compute one and count it several times.
    reaches, counts = np.unique(np.minimum(REACHES, max(height, width)), return_counts=True)
    arguments = weights, reaches, counts.astype(np.float32)
    threads = min(n, torch.get_num_threads())
    if height * width == 1:
        result.zero_()  # a single pixel has no surround
    elif threads == 1:
        run(source, out, *arguments)
    else:
        edges = [n * i // threads for i in range(threads + 1)]
        parts = [slice(*pair) for pair in pairwise(edges)]
        list(_pool(threads, os.getpid()).map(lambda part: run(source[part], out[part], *arguments), parts))
    return result


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Python threads, because two callers must not use numba's own at once. A forked process creates new ones."""
    return ThreadPoolExecutor(threads, "fine_grained")


@cache
def compiled() -> Callable[..., None]:
    """The compiled :func:`_images`; the very first call compiles for some seconds and caches the result on disk."""
    from numba import njit

    def jit(function: Callable[..., None]) -> Callable[..., None]:
        try:
            return njit(nogil=True, cache=True, error_model="numpy")(function)
        except RuntimeError:  # no writable cache folder
            return njit(nogil=True, error_model="numpy")(function)

    # Compiled functions call each other as globals. Always compile the plain ones, as two threads may run this at once.
    globals().update({function.__name__: jit(function) for function in _STEPS})
    return _images


def _gray(pixels, image, weights):
    first, second, third = weights
    _, height, width = pixels.shape
    for y in range(height):
        output, a, b, c = image[y + 1, 1:], pixels[0, y], pixels[1, y], pixels[2, y]
        for x in range(width):
            level = float32(a[x]) * first + float32(b[x]) * second + float32(c[x]) * third
            output[x] = float32(int32(level + float32(0.5)))


def _blur(image, column):
    """Convolve a framed image with [1 2 1] ⊗ [1 2 1] / 16, rounded, mirrored at the border."""
    height, width = column.shape[0], column.shape[1] - 2
    for y in range(1, height + 1):
        image[y, 0], image[y, width + 1] = image[y, min(2, width)], image[y, max(width - 1, 1)]
    image[0], image[height + 1] = image[min(2, height)], image[max(height - 1, 1)]
    for y in range(height):
        for x in range(width + 2):
            column[y, x] = image[y, x] + image[y + 2, x] + (image[y + 1, x] + image[y + 1, x])
    for y in range(height):
        for x in range(width):
            total = column[y, x] + column[y, x + 2] + (column[y, x + 1] + column[y, x + 1])
            image[y + 1, x + 1] = float32(int32((total + float32(8)) * float32(1 / 16)))


def _integrate(image, integral, row, margin):
    """Compute the integral image, with ``margin`` zeros to its left and ``margin`` copies of the last column to its
    right."""
    width = len(row)
    for y in range(len(integral) - 1):
        total = 0
        for x in range(width):
            total += int32(image[y + 1, x + 1])
            row[x] = float32(total)
        above, current = integral[y, margin + 1 :], integral[y + 1, margin + 1 :]
        for x in range(width):
            current[x] = above[x] + row[x]
        current[width:] = current[width - 1]


def _add_scale(image, integral, columns, on, net, reach, count, margin):
    """Add ``count`` times the integer difference of centre and surround: positive ones to on, all to net."""
    height, width = on.shape
    left, right = margin + 1 - min(reach, margin), margin + 1 + min(reach, margin)
    for y in range(height):
        top, bottom = max(y - reach + 1, 0), min(y + reach + 1, height)
        rows = float32(bottom - top)
        top_left, top_right = integral[top, left : left + width], integral[top, right : right + width]
        bottom_left, bottom_right = integral[bottom, left : left + width], integral[bottom, right : right + width]
        centre, on_row, net_row = image[y + 1, 1:], on[y], net[y]
        for x in range(width):
            total = bottom_right[x] + top_left[x] - bottom_left[x] - top_right[x]
            mean = (total - centre[x]) / (rows * columns[x] - float32(1))
            difference = float32(int32(centre[x] - mean)) * count
            net_row[x] += difference
            on_row[x] += difference if difference > 0 else float32(0)


def _rescale(on, net, out, on_top, off_top):
    """Scale on and off (on - net) to 0..255 by their maxima, add them as a byte, and divide by 255."""
    height, width = on.shape
    on_top[:], off_top[:] = 1, 1
    for y in range(height):
        for x in range(width):  # a maximum per column first, because this loop vectorises
            off = on[y, x] - net[y, x]
            net[y, x] = off
            on_top[x] = on[y, x] if on[y, x] > on_top[x] else on_top[x]
            off_top[x] = off if off > off_top[x] else off_top[x]
    top, bottom = on_top.max(), off_top.max()
    for y in range(height):
        for x in range(width):
            byte = int32(on[y, x] * float32(255) / top) + int32(net[y, x] * float32(255) / bottom)
            out[y, x] = float32(int32(byte & 255)) * float32(1 / 255)


def _images(pixels, out, weights, reaches, counts):
    _, _, height, width = pixels.shape
    margin = min(width, reaches[-1])
    image, column = np.zeros((height + 2, width + 2), float32), np.empty((height, width + 2), float32)
    integral, row = np.zeros((height + 1, width + 1 + 2 * margin), float32), np.empty(width, float32)
    on, net, columns = np.empty((height, width), float32), np.empty((height, width), float32), np.empty(width, float32)
    for n in range(len(pixels)):
        _gray(pixels[n], image, weights)
        _blur(image, column)
        _blur(image, column)
        _integrate(image, integral, row, margin)
        on[:], net[:] = 0, 0
        for reach, count in zip(reaches, counts):  # noqa: B905 - numba's zip knows no strict
            for x in range(width):
                columns[x] = min(x + reach + 1, width) - max(x - reach + 1, 0)
            _add_scale(image, integral, columns, on, net, reach, count, margin)
        _rescale(on, net, out[n], row, columns)


_STEPS = (_gray, _blur, _integrate, _add_scale, _rescale, _images)

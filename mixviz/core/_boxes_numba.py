"""The arithmetic of boxes in one pass each, with numpy's results; a call of numpy takes longer than what it does."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixviz.core.jit import compiled

Array = np.ndarray[Any, Any]


@compiled
def patch_sides(lam: Array, rows: int, columns: int, even: bool) -> tuple[Array, Array]:
    """See :func:`mixviz.core.geometry.patch_sides`."""
    height, width = np.empty(len(lam), np.int64), np.empty(len(lam), np.int64)
    for i in range(len(lam)):
        ratio = np.sqrt(1 - lam[i])
        if even:
            height[i], width[i] = 2 * np.floor(rows * ratio / 2), 2 * np.floor(columns * ratio / 2)
        else:
            height[i], width[i] = np.rint(rows * ratio), np.rint(columns * ratio)
    return height, width


@compiled
def box_around(row: Array, column: Array, height: Array, width: Array, rows: int, columns: int) -> Array:
    """See :func:`mixviz.core.geometry.box_around`."""
    box = np.empty((len(row), 4), np.int64)
    for i in range(len(row)):
        top, left = row[i] - height[i] // 2, column[i] - width[i] // 2
        box[i, 0], box[i, 1] = min(max(top, 0), rows), min(max(left, 0), columns)
        box[i, 2], box[i, 3] = min(max(top + height[i], 0), rows), min(max(left + width[i], 0), columns)
    return box


@compiled
def box_area(box: Array, pixels: int) -> Array:
    """See :func:`mixviz.core.geometry.box_area`; boxes (N, 4) of images of so many pixels."""
    area = np.empty(len(box), np.float64)
    for i in range(len(box)):
        area[i] = (box[i, 2] - box[i, 0]) * (box[i, 3] - box[i, 1]) / pixels
    return area


@compiled
def ends(bits: Array) -> tuple[Array, Array, Array]:
    """Return the least and the largest value (N,) of each row (N, M), and where the largest first is (N,).

    Rows are the bits of numbers that are not negative, whose order is that of the numbers: whole numbers are compared
    several at once, as numbers that may be NaN are not.
    """
    low, high, first = np.empty(len(bits), np.int32), np.empty(len(bits), np.int32), np.zeros(len(bits), np.int64)
    for i in range(len(bits)):
        row = bits[i]
        least, most = row[0], row[0]
        for k in range(len(row)):
            least, most = min(least, row[k]), max(most, row[k])
        low[i], high[i] = least, most
        for k in range(len(row)):
            if row[k] == most:
                first[i] = k
                break
    return low, high, first


@compiled
def salient_corner(
    maps: Array, u: Array, height: Array, width: Array, by_box: bool, complement: bool
) -> tuple[Array, Array]:
    """See :func:`mixviz.core.geometry.salient_corner`; sums are taken in the same order."""
    n, rows, columns = maps.shape
    row, column = np.empty(n, np.int64), np.empty(n, np.int64)
    sums, cumulative = np.zeros((rows + 1, columns + 1)), np.empty(rows * columns)
    line = np.empty(columns)
    for i in range(n):
        one, high, wide = maps[i], height[i], width[i]
        down, across = min(rows, rows - high + 1), min(columns, columns - wide + 1)  # places where the box fits
        if by_box:
            line[:] = 0
            for y in range(rows):
                total = 0.0
                for x in range(columns):
                    line[x] += np.float32(1) - one[y, x] if complement else one[y, x]
                    total += line[x]
                    sums[y + 1, x + 1] = total
        total = 0.0
        for y in range(down):
            if by_box:
                above, below = sums[y], sums[y + high]
                for x in range(across):
                    line[x] = (below[x + wide] - above[x + wide]) - (below[x] - above[x])
            else:
                for x in range(across):
                    centre = np.float64(one[y + high // 2, x + wide // 2])
                    line[x] = 1 - centre if complement else centre
            for x in range(across):
                total += line[x] if line[x] > 1e-9 else 0.0
                cumulative[y * across + x] = total
        places = down * across
        if total > 0:
            drawn = int(np.searchsorted(cumulative[:places], float(total * u[i]), side="right"))
            place = min(drawn, int(np.searchsorted(cumulative[:places], float(total))))
        else:
            place = min(int(places * u[i]), places - 1)
        row[i], column[i] = place // across, place % across
    return row, column

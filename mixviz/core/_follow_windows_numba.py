"""Loops of :mod:`mixviz.core.follow_windows`; numba is loaded with this module, which is therefore imported late.

Each object is looked up at the places of the source that the pixels of a window show: only the window that its paint
can reach is read. Objects have no pixels here; they are ellipses with the soft edges of
:func:`mixviz.core.objects.ellipses`, or boxes. What an item shows is first listed, pixel by pixel, then summed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mixviz.core.follow_steps import CELLS, CUTOUT, FIELD, MATRIX, SHUFFLE
from mixviz.core.jit import compiled
from mixviz.ops._noise_numba import scrambled

Array = np.ndarray[Any, Any]
Form = tuple[float, ...]

SIDE = 15  # bits of a row or column of a square, below the hash in a key
FEW = 64  # keys that are sorted by counting


@compiled
def form_of(box: Array, rounded: bool) -> Form:
    """Box, centre, 1 / radii, smaller radius (0: no ellipse), and squares of the distances where soft edges end."""
    top, left, bottom, right = box[0], box[1], box[2], box[3]
    radius = min(bottom - top, right - left) / 2 if rounded else 0.0
    outer, inner = 1 + 0.5 / max(radius, 1e-6), 1 - 0.5 / max(radius, 1e-6)
    return (
        top, left, bottom, right, (top + bottom) / 2, (left + right) / 2, 1 / max((bottom - top) / 2, 1e-3),
        1 / max((right - left) / 2, 1e-3), radius, outer * outer, inner * inner if inner > 0 else -1.0,
    )  # fmt: skip


@compiled
def shape(form: Form, y: float, x: float) -> float:
    """How much an object covers a pixel around a place."""
    top, left, bottom, right, middle, centre, tall, wide, radius, outer, inner = form
    if radius > 0:
        u, v = (y - middle) * tall, (x - centre) * wide
        distance = u * u + v * v
        if distance >= outer:
            return 0.0
        if distance <= inner:
            return 1.0
        return min(max((1 - np.sqrt(distance)) * radius + 0.5, 0.0), 1.0)
    down = min(bottom, y + 0.5) - max(top, y - 0.5)
    across = min(right, x + 0.5) - max(left, x - 0.5)
    return min(down, 1.0) * min(across, 1.0) if down > 0 and across > 0 else 0.0


@compiled
def size_of(form: Form, height: int, width: int) -> float:
    """What the object covers of its picture, in pixels."""
    total, down, across = 0.0, 0.5, 0.5  # how far the soft edges reach
    if form[8] > 0:
        down, across = 0.25 * (form[2] - form[0]) / form[8], 0.25 * (form[3] - form[1]) / form[8]
    for y in range(max(0, int(np.floor(form[0] - down))), min(height, int(np.ceil(form[2] + down)))):
        for x in range(max(0, int(np.floor(form[1] - across))), min(width, int(np.ceil(form[3] + across)))):
            total += shape(form, y + 0.5, x + 0.5)
    return max(total, 1e-12)


@compiled
def fade(place: float, side: int) -> float:
    """What bilinear sampling leaves of a place near the edge, beyond which all is empty."""
    return min(max(place + 0.5, 0.0), 1.0) * min(max(side + 0.5 - place, 0.0), 1.0)


@compiled
def through(y: float, x: float, kinds: Array, steps: Array, height: int, width: int) -> tuple[float, float]:
    """What is left of a place after all steps back to its source, and the area of the source per pixel."""
    share, area = 1.0, 1.0
    for s in range(len(kinds)):
        if kinds[s] == MATRIX:
            scale = 1 / (steps[s, 6] * x + steps[s, 7] * y + steps[s, 8])
            x, y = (
                (steps[s, 0] * x + steps[s, 1] * y + steps[s, 2]) * scale,
                (steps[s, 3] * x + steps[s, 4] * y + steps[s, 5]) * scale,
            )
            area *= steps[s, 10] * abs(scale * scale * scale)
            if steps[s, 9]:
                share *= fade(y, height) * fade(x, width)
        elif (
            kinds[s] == CUTOUT and steps[s, 0] <= np.floor(y) < steps[s, 2] and steps[s, 1] <= np.floor(x) < steps[s, 3]
        ):
            return 0.0, area
    return share, area


@compiled
def free_of(window: Array, kinds: Array, steps: Array, height: int, width: int) -> bool:
    """Whether affine steps alone move a window, which meets no edge and no hole on its way."""
    y, x = np.empty(4), np.empty(4)
    for c in range(4):
        y[c], x[c] = window[2 * (c // 2)], window[1 + 2 * (c % 2)]
    for s in range(len(kinds)):
        if kinds[s] == MATRIX:
            if steps[s, 6] != 0 or steps[s, 7] != 0:
                return False
            for c in range(4):
                x[c], y[c] = (
                    steps[s, 0] * x[c] + steps[s, 1] * y[c] + steps[s, 2],
                    steps[s, 3] * x[c] + steps[s, 4] * y[c] + steps[s, 5],
                )
            if steps[s, 9] and (y.min() < 0.5 or x.min() < 0.5 or y.max() > height - 0.5 or x.max() > width - 0.5):
                return False
        elif kinds[s] == CUTOUT and (
            y.max() >= steps[s, 0] and y.min() <= steps[s, 2] and x.max() >= steps[s, 1] and x.min() <= steps[s, 3]
        ):
            return False
    return True


@compiled
def turned(form: Form, window: Array, back: Array, at: Array, seen: Array) -> int:
    """List the pixels of an ellipse behind an affine map, as :func:`shape` does, a third as long for each."""
    count, middle, centre, tall, wide = 0, form[4], form[5], form[6], form[7]
    radius, outer, inner = form[8], form[9], form[10]
    area = abs(back[0, 0] * back[1, 1] - back[0, 1] * back[1, 0])
    for y in range(window[0], window[2]):
        down = y + 0.5
        u = (back[1, 0] * 0.5 + back[1, 1] * down + back[1, 2] - middle) * tall
        v = (back[0, 0] * 0.5 + back[0, 1] * down + back[0, 2] - centre) * wide
        for x in range(window[1], window[3]):
            here_u, here_v = u + back[1, 0] * tall * x, v + back[0, 0] * wide * x
            distance = here_u * here_u + here_v * here_v
            if distance < outer:
                value = 1.0 if distance <= inner else min(max((1 - np.sqrt(distance)) * radius + 0.5, 0.0), 1.0)
                at[count, 0], at[count, 1] = y, x
                seen[count, 0], seen[count, 1] = value, area
                count += 1
    return count


@compiled
def projected(
    form: Form, window: Array, back: Array, kinds: Array, steps: Array, height: int, width: int, at: Array, seen: Array
) -> int:
    """List what projections and holes leave of an object; ``back`` (3, 3) is all projections in one."""
    count, free = 0, free_of(window, kinds, steps, height, width)
    if free and form[8] > 0:
        return turned(form, window, back, at, seen)
    whole = abs(back[0, 0] * back[1, 1] - back[0, 1] * back[1, 0])
    for y in range(window[0], window[2]):
        for x in range(window[1], window[3]):
            down, across, scale = y + 0.5, x + 0.5, 1.0
            if not free:
                scale = 1 / (back[2, 0] * across + back[2, 1] * down + back[2, 2])
            value = shape(
                form,
                (back[1, 0] * across + back[1, 1] * down + back[1, 2]) * scale,
                (back[0, 0] * across + back[0, 1] * down + back[0, 2]) * scale,
            )
            if value > 0:
                share, area = (1.0, whole) if free else through(down, across, kinds, steps, height, width)
                at[count, 0], at[count, 1] = y, x
                seen[count, 0], seen[count, 1] = value * share, area
                count += 1
    return count


@partial(compiled, reordered=True)
def extremes(field: Array, low: Array, high: Array) -> None:
    """The lowest and highest of the rows of a field (2, H, W), to be filled: (2, H)."""
    for axis in range(2):
        for y in range(field.shape[1]):
            least = most = field[axis, y, 0]
            for value in field[axis, y]:
                least, most = min(least, value), max(most, value)
            low[axis, y], high[axis, y] = least, most


@compiled
def bent(form: Form, field: Array, low: Array, high: Array, at: Array, seen: Array) -> int:
    """List what a displacement field (2, H, W), across and down in half sides, leaves of an object.

    ``low`` and ``high`` (2, H) are the extremes of its rows: where the object cannot be is not looked at.
    """
    count, (height, width) = 0, field.shape[1:]
    rise, run = height / 2, width / 2
    middle, centre, tall, wide = form[4], form[5], (form[2] - form[0]) / 2 + 0.5, (form[3] - form[1]) / 2 + 0.5
    if form[8] > 0:
        tall, wide = np.sqrt(form[9]) / form[6], np.sqrt(form[9]) / form[7]
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)  # derivatives are central, one-sided at the edges
        down_step = 1 / max(below - above, 1)
        if y + 0.5 + low[1, y] * rise > middle + tall or y + 0.5 + high[1, y] * rise < middle - tall:
            continue
        start, end = centre - wide - high[0, y] * run - 0.5, centre + wide - low[0, y] * run + 0.5
        for x in range(max(0, int(np.floor(start))), min(width, int(np.ceil(end)))):
            down = y + 0.5 + field[1, y, x] * rise
            if abs(down - middle) > tall:  # of most pixels, one displacement is enough
                continue
            across = x + 0.5 + field[0, y, x] * run
            value = shape(form, down, across)
            if value > 0:
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                across_step = 0.5 if right - left == 2 else 1.0
                xx = 1 + (field[0, y, right] - field[0, y, left]) * across_step * run
                yy = 1 + (field[1, below, x] - field[1, above, x]) * down_step * rise
                xy = (field[0, below, x] - field[0, above, x]) * down_step * run
                yx = (field[1, y, right] - field[1, y, left]) * across_step * rise
                at[count, 0], at[count, 1] = y, x
                seen[count, 0] = value * fade(down, height) * fade(across, width)
                seen[count, 1] = abs(xx * yy - xy * yx)
                count += 1
    return count


@compiled
def order(keys: Array, room: Array, start: int, top: int, left: int, bottom: int, right: int, width: int) -> None:
    """Sort the pixels of a square by their hashes, which are the upper bits of the keys; below are row and column."""
    count = 0
    for y in range(top, bottom):
        for x in range(left, right):
            own = ((y - top) << SIDE) | (x - left)
            room[count] = (np.int64(scrambled(np.uint32(start + y * width + x))) << (2 * SIDE)) | own
            count += 1
    if count > FEW:
        keys[:count] = room[:count]
        keys[:count].sort()
        return
    for k in range(count):  # for few keys, counting the smaller ones is faster: no branches
        key, rank = room[k], 0
        for other in range(count):
            rank += room[other] < key
        keys[rank] = key


@compiled
def shuffled(
    form: Form,
    window: Array,
    side: int,
    start: int,
    keys: Array,
    room: Array,
    height: int,
    width: int,
    at: Array,
    seen: Array,
) -> int:
    """List what is left of an object whose pixels are shuffled within squares."""
    count = 0
    for high in range(window[0] // side * side, window[2], side):
        for near in range(window[1] // side * side, window[3], side):
            low, far = min(high + side, height), min(near + side, width)
            order(keys, room, start, high, near, low, far, width)
            k = 0
            for y in range(high, low):
                for x in range(near, far):
                    row, column = (keys[k] >> SIDE) & (2**SIDE - 1), keys[k] & (2**SIDE - 1)
                    value = shape(form, high + row + 0.5, near + column + 0.5)
                    k += 1
                    if value > 0:
                        at[count, 0], at[count, 1] = y, x
                        seen[count, 0], seen[count, 1] = value, 1
                        count += 1
    return count


@compiled
def rearranged(form: Form, window: Array, cells: Array, height: int, width: int, at: Array, seen: Array) -> int:
    """List what is left of an object whose cells are moved; an entry (rows, columns) is the cell to show."""
    count, (rows, columns) = 0, cells.shape
    tall, wide = height // rows, width // columns
    for a in range(rows):
        for b in range(columns):
            high, near = cells[a, b] // columns * tall, cells[a, b] % columns * wide
            for y in range(max(window[0], high), min(window[2], high + tall)):
                for x in range(max(window[1], near), min(window[3], near + wide)):
                    value = shape(form, y + 0.5, x + 0.5)
                    if value > 0:
                        at[count, 0], at[count, 1] = y - high + a * tall, x - near + b * wide
                        seen[count, 0], seen[count, 1] = value, 1
                        count += 1
    return count


@compiled
def gathered(
    at: Array, seen: Array, count: int, weight: Array, least: float, rows: Array, columns: Array, sums: Array,
    merged: bool, union: Array, group: int,
) -> float:  # fmt: skip
    """Sum what is listed into the total and its strength; the result is the area of the source that is kept.

    Of several copies of one object, a pixel counts the strongest. ``union`` holds it above twice the number of the
    group, so that it need not be emptied for the next.
    """
    total, strengths, kept, plain = 0.0, 0.0, 0.0, weight.size == 1
    strength, ground = weight[0, 0], 2.0 * group
    for k in range(count):
        y, x, value = at[k, 0], at[k, 1], seen[k, 0]
        if not plain:
            strength = weight[y, x]
        if strength <= least or value <= 0:
            continue
        if value > rows[y]:
            rows[y] = value
        if value > columns[x]:
            columns[x] = value
        strengths += value * strength
        kept += value * seen[k, 1]
        if not merged:
            total += value
            continue
        before = union[y, x] - ground
        if before < 0:
            before = 0.0
        if value > before:
            union[y, x] = ground + value
            total += value - before
    sums[0] += total
    sums[1] += strengths
    return kept


@compiled
def edge(shares: Array) -> tuple[float, float]:
    """Where the largest values of the lines begin and end, with parts of pixels; as ``follow_masks._soft_boxes``."""
    high, low, far = max(shares.max(), 1e-12), np.inf, -np.inf
    for i in range(len(shares)):
        share = shares[i] / high
        if share > 1e-4:
            low, far = min(low, i + 1 - share), max(far, i + share)
    return low, far


@compiled
def follow(
    first: Array, part: Array, mixture: Array, box: Array, window: Array, rounded: bool, kinds: Array, steps: Array,
    back: Array, fields: Array, cells: Array, weight: Array, least: float, height: int, width: int,
    edges: Array, result: Array,
) -> None:  # fmt: skip
    """Follow groups of items, the copies of one object in one mixture.

    Args:
        first: (G+1,) where the items of each group begin.
        part, mixture: (I,) of each item; box: (I, 4) in its source; window: (I, 4) of the pixels that may show it.
        kinds: (J, N, S), the steps of each part back to its source; steps: (J, N, S, 11) their values; back:
            (J, N, 3, 3) all projections in one.
        fields: (F, 2, H, W) displacements across and down, in half sides.
        cells: (J, N, rows, columns) the cell that each cell shows; without rows where none are moved.
        weight: (J, N, H, W), or (J, N, 1, 1).
        edges, result: (G, 4) box, and (G, 3) visible share, mean weight and area, to be filled.
    """
    rows, columns = np.zeros(height), np.zeros(width)
    union = np.zeros((height, width))
    keys, room = np.zeros(height * width, np.int64), np.zeros(height * width, np.int64)
    at, seen = np.zeros((height * width, 2), np.int64), np.zeros((height * width, 2))
    low, high, known = np.zeros((2, height), np.float32), np.zeros((2, height), np.float32), -1
    sums = np.zeros(2)
    for g in range(len(first) - 1):
        rows[:], columns[:], sums[:] = 0, 0, 0
        form, visible = form_of(box[first[g]], rounded), 0.0
        whole, merged = size_of(form, height, width), first[g + 1] - first[g] > 1
        for i in range(first[g], first[g + 1]):
            j, n, one = part[i], mixture[i], window[i]
            kind, step = kinds[j, n], steps[j, n]
            if kind[0] == FIELD:
                field = int(step[0, 0])
                if field != known:
                    extremes(fields[field], low, high)
                    known = field
                count = bent(form, fields[field], low, high, at, seen)
            elif kind[0] == SHUFFLE:
                side, start = int(step[0, 0]), int(step[0, 1])
                count = shuffled(form, one, side, start, keys, room, height, width, at, seen)
            elif kind[0] == CELLS:
                count = rearranged(form, one, cells[j, n], height, width, at, seen)
            else:
                count = projected(form, one, back[j, n], kind, step, height, width, at, seen)
            kept = gathered(
                at, seen, count, weight[j, n], least, rows, columns, sums, merged, union, g
            )  # fmt: skip
            visible = max(visible, kept / whole)
        if sums[0] > 0:
            edges[g, 0], edges[g, 2] = edge(rows)
            edges[g, 1], edges[g, 3] = edge(columns)
            result[g, 0], result[g, 1], result[g, 2] = visible, sums[1] / sums[0], sums[0]

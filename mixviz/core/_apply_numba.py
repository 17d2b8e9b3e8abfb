"""Loops over the pixels and labels of a batch; numba is loaded with this module, which is therefore imported late.

Images are flat, and ``shape`` is their (C, H, W). Those in channels_last are taken for (1, H, W·C) with a ``unit`` of C
values a pixel; otherwise it is 1. Boxes are (top, left, bottom, right). Places are unsigned numbers: a signed one may
count from the end, which keeps numba from copying several values at once.

No place is checked while pixels are copied. So each loop looks at partners and boxes before, and returns False, with
nothing done, where one lies outside the images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import uint64

from mixviz.core.jit import compiled, fused

Array = np.ndarray[Any, Any]
Shape = tuple[int, int, int]


@compiled
def _are_images(partner: Array, n: int) -> bool:
    """Whether these are partners of n images, each one of them."""
    inside = len(partner) == n
    for j in partner:
        inside = inside and 0 <= j < n
    return inside


@compiled
def _is_permutation(partner: Array, n: int) -> bool:
    """Whether each of n images is the partner of one."""
    if not _are_images(partner, n):
        return False
    seen = np.zeros(n, np.bool_)
    for j in partner:
        seen[j] = True
    return bool(seen.all())


@compiled
def _are_boxes(boxes: Array, n: int, shape: Shape, unit: int) -> bool:
    """Whether these are boxes (N, 4) of n images, each within its own."""
    height, width = shape[1], shape[2] // unit
    inside = len(boxes) == n
    for top, left, bottom, right in boxes:
        inside = inside and 0 <= top <= bottom <= height and 0 <= left <= right <= width
    return inside


@compiled
def _are_moves(source: Array, target: Array, n: int, shape: Shape, unit: int) -> bool:
    """Whether these are boxes of n images, and those of one image are of one size."""
    if not (_are_boxes(source, n, shape, unit) and _are_boxes(target, n, shape, unit)):
        return False
    alike = True
    for i in range(n):
        for side in range(2):
            alike = alike and source[i, side + 2] - source[i, side] == target[i, side + 2] - target[i, side]
    return alike


@compiled
def _paste_one(
    content: Array, begin: int, canvas: Array, start: int, shape: Shape, source: Array, target: Array, unit: int
) -> None:
    """Copy the box that starts where ``source`` does, of the image at ``begin``, into the box ``target`` of that at
    ``start``."""
    height, width = target[2] - target[0], uint64((target[3] - target[1]) * unit)
    plane, line = uint64(shape[1] * shape[2]), uint64(shape[2])
    down, far = uint64(source[0]) * line, uint64(target[0]) * line
    for channel in range(shape[0]):
        read = uint64(begin) + uint64(channel) * plane + down + uint64(source[1] * unit)
        write = uint64(start) + uint64(channel) * plane + far + uint64(target[1] * unit)
        for _ in range(height):
            for k in range(width):
                canvas[write + k] = content[read + k]
            read += line
            write += line


@compiled
def paste(images: Array, out: Array, shape: Shape, partner: Array, source: Array, target: Array, unit: int) -> bool:
    """Paste the box of each image's partner; ``out`` and ``images`` share no memory."""
    size = shape[0] * shape[1] * shape[2]
    n = len(images) // size
    if not (_are_images(partner, n) and _are_moves(source, target, n, shape, unit)):
        return False
    for i in range(n):
        _paste_one(images, partner[i] * size, out, i * size, shape, source[i], target[i], unit)
    return True


@compiled
def paste_over(images: Array, shape: Shape, partner: Array, source: Array, target: Array, unit: int) -> bool:
    """Paste in place along the cycles of a permutation; False also where ``partner`` is none.

    An image is read before it is written, but for the first of each cycle, of which a copy is kept.
    """
    size = shape[0] * shape[1] * shape[2]
    n = len(images) // size
    if not (_is_permutation(partner, n) and _are_moves(source, target, n, shape, unit)):
        return False
    done, first = np.zeros(n, np.bool_), np.empty(size, images.dtype)
    for start in range(n):
        if done[start]:
            continue
        first[:] = images[start * size : (start + 1) * size]
        i = start
        while not done[i]:
            done[i], j = True, partner[i]
            if j == start:
                _paste_one(first, 0, images, i * size, shape, source[i], target[i], unit)
            else:
                _paste_one(images, j * size, images, i * size, shape, source[i], target[i], unit)
            i = j
    return True


@compiled
def fill(out: Array, shape: Shape, colours: Array, plain: bool, one: bool, target: Array) -> bool:
    """Fill the box of each image.

    Args:
        colours: flat: a value for each channel if ``plain``, else (C, H, W); of all images if ``one``, else of each.
    """
    plane, line = shape[1] * shape[2], uint64(shape[2])
    step = 1 if plain else plane
    n = len(out) // (shape[0] * plane)
    if not _are_boxes(target, n, shape, 1):
        return False
    for i in range(n):
        top, left, height = target[i, 0], target[i, 1], target[i, 2] - target[i, 0]
        width = uint64(target[i, 3] - left)
        for channel in range(shape[0]):
            place = top * shape[2] + left
            write = uint64((i * shape[0] + channel) * plane + place)
            read = uint64(((0 if one else i) * shape[0] + channel) * step + (0 if plain else place))
            for _ in range(height):
                if plain:
                    for k in range(width):
                        out[write + k] = colours[read]
                else:
                    for k in range(width):
                        out[write + k] = colours[read + k]
                    read += line
                write += line
    return True


@fused
def _blend_one(own: Array, other: Array, weight: Any, out: Array) -> None:
    """Blend flat images as ``torch.lerp`` does, to the bit: from the nearer end, in one rounding."""
    if abs(weight) < 0.5:
        for k in range(len(out)):
            out[k] = weight * (other[k] - own[k]) + own[k]
    else:
        rest = weight - out.dtype.type(1)
        for k in range(len(out)):
            out[k] = rest * (other[k] - own[k]) + other[k]


@fused
def blend(images: Array, out: Array, partner: Array, weight: Array) -> bool:
    """Blend each flat image (N, M) with its partner, which has the weight (N,); ``out`` shares no memory."""
    if not _are_images(partner, len(images)):
        return False
    for i in range(len(weight)):
        _blend_one(images[i], images[partner[i]], weight[i], out[i])
    return True


@fused
def _blend_into(own: Array, other: Array, weight: Any) -> None:
    """:func:`_blend_one` into ``own``: with an array for the result beside, numba would blend value by value, in case
    the two overlap."""
    if abs(weight) < 0.5:
        for k in range(len(own)):
            own[k] = weight * (other[k] - own[k]) + own[k]
    else:
        rest = weight - own.dtype.type(1)
        for k in range(len(own)):
            own[k] = rest * (other[k] - own[k]) + other[k]


@fused
def blend_over(images: Array, partner: Array, weight: Array) -> bool:
    """:func:`blend` in place, along the cycles of a permutation as in :func:`paste_over`; False where it is none."""
    if not _is_permutation(partner, len(images)):
        return False
    done, first = np.zeros(len(partner), np.bool_), np.empty_like(images[0])
    for start in range(len(partner)):
        if done[start]:
            continue
        first[:] = images[start]
        i = start
        while not done[i]:
            done[i], j = True, partner[i]
            if j == start:
                _blend_into(images[i], first, weight[i])
            else:
                _blend_into(images[i], images[j], weight[i])
            i = j
    return True


@fused
def blend_bytes(images: Array, out: Array, partner: Array, weight: Array) -> bool:
    """:func:`blend` of bytes, rounded to the nearest; ``out`` shares no memory."""
    if not _are_images(partner, len(images)):
        return False
    half, one = np.float32(0.5), np.float32(1)
    for i in range(len(weight)):
        own, other, line, far = images[i], images[partner[i]], out[i], weight[i]
        if abs(far) < half:
            for k in range(len(line)):
                a, b = np.float32(own[k]), np.float32(other[k])
                line[k] = np.uint8(np.rint(far * (b - a) + a))
        else:
            rest = far - one
            for k in range(len(line)):
                a, b = np.float32(own[k]), np.float32(other[k])
                line[k] = np.uint8(np.rint(rest * (b - a) + b))
    return True


@fused
def blend_by_map(images: Array, out: Array, partner: Array, weight: Array) -> bool:
    """Blend images (N, C, P) by weights of each pixel (N, 1 or C, P); ``out`` shares no memory."""
    if not _are_images(partner, len(images)):
        return False
    one = out.dtype.type(1)
    for i in range(len(weight)):
        j = partner[i]
        for channel in range(images.shape[1]):
            own, other, line = images[i, channel], images[j, channel], out[i, channel]
            weights = weight[i, channel if weight.shape[1] > 1 else 0]
            for k in range(len(line)):
                near = abs(weights[k]) < 0.5
                by, start = (weights[k], own[k]) if near else (weights[k] - one, other[k])
                line[k] = by * (other[k] - own[k]) + start
    return True


@compiled
def share_labels(out: Array, labels: Array, partner: Array, share: Array) -> bool:
    """Add each source's share (K, N) to its class in ``out`` (N, C); False also for a class that is not in it."""
    classes = out.shape[1]
    for label in labels:
        if label < 0 or label >= classes:
            return False
    for k in range(len(partner)):
        if not _are_images(partner[k], len(labels)):
            return False
    for k in range(len(partner)):
        for i in range(len(labels)):
            out[i, labels[partner[k, i]]] += share[k, i]
    return True


@compiled
def sampled_extremes(images: Array, down: int, across: int) -> tuple[float, float]:
    """Return the least and the largest value of a grid in images (N, C, H, W), NaN if one is."""
    low, high = images[0, 0, down // 2, across // 2], images[0, 0, down // 2, across // 2]
    for i in range(images.shape[0]):
        for channel in range(images.shape[1]):
            for row in range(down // 2, images.shape[2], down):
                for column in range(across // 2, images.shape[3], across):
                    value = images[i, channel, row, column]
                    low = value if value < low or value != value else low
                    high = value if value > high or value != value else high
    return low, high


@compiled
def normalise(images: Array, mean: Array, std: Array) -> None:
    """Subtract each channel's mean (C,) from images (N, C, P), and divide by its deviation."""
    for i in range(images.shape[0]):
        for channel in range(images.shape[1]):
            line, low, width = images[i, channel], mean[channel], std[channel]
            for k in range(len(line)):
                line[k] = (line[k] - low) / width


@compiled
def look_up(images: Array, table: Array, out: Array) -> None:
    """Replace the bytes of images (N, C, P) by their channel's entry in a table (C, 256)."""
    for i in range(images.shape[0]):
        for channel in range(images.shape[1]):
            line, entries, result = images[i, channel], table[channel], out[i, channel]
            for k in range(len(line)):
                result[k] = entries[line[k]]

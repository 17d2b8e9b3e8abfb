"""A kernel that mixes a batch on a GPU in one pass; triton is loaded with this module, so it is imported late.

The grid follows from shapes alone, and boxes, partners and weights are read on the device: nothing waits for it, and a
CUDA graph can capture the launch. Places outside the images are moved to the nearest inside, so that no recipe reads
foreign memory.
"""

# pyright: basic, reportIndexIssue=false, reportOptionalOperand=false, reportArgumentType=false, reportCallIssue=false
# A kernel is Triton's language: its values have no Python types.

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024  # values that one program mixes


@triton.jit
def mix(
    images, out, partner, target, source, content, content_n, count,
    C: tl.constexpr, H: tl.constexpr, W: tl.constexpr, CHANNELS_LAST: tl.constexpr, IN_PLACE: tl.constexpr,
    CONTENT_C: tl.constexpr, CONTENT_Y: tl.constexpr, CONTENT_X: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Mix ``SIZE`` values of one image.

    Without ``target``, the image is blended with its partner, whose weight is ``content``. Without ``partner``, the box
    ``target`` is filled with ``content``. Otherwise the box ``source`` (None: the same box) of the partner is pasted.
    ``content`` has a stride for each axis, which is 0 where one value serves all.
    """
    n = tl.program_id(1).to(tl.int64)
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    start, written = n * (C * H * W), i < C * H * W
    if CHANNELS_LAST:
        c, x, y = i % C, i // C % W, i // (C * W)
    else:
        c, x, y = i // (H * W), i % W, i // W % H
    if partner is not None:
        other = tl.minimum(tl.maximum(tl.load(partner + n).to(tl.int64), 0), count - 1) * (C * H * W)
    if content is not None:
        place = content + n * content_n + (c * CONTENT_C + y * CONTENT_Y + x * CONTENT_X)
    if target is None:
        if CONTENT_C == 0 and CONTENT_Y == 0 and CONTENT_X == 0:
            weight = tl.load(content + n * content_n).to(tl.float32)
        else:
            weight = tl.load(place, mask=written).to(tl.float32)
        a = tl.load(images + start + i, mask=written).to(tl.float32)
        b = tl.load(images + other + i, mask=written).to(tl.float32)
        # torch.lerp's formula, from the nearer end
        mixed = tl.where(tl.abs(weight) < 0.5, tl.fma(weight, b - a, a), tl.fma(a - b, 1 - weight, b))
        if out.dtype.element_ty == tl.uint8:
            mixed = (mixed + 12582912.0) - 12582912.0  # 1.5 · 2²³, whose neighbours are whole numbers: rounds as torch
            result = mixed.to(tl.int32).to(tl.uint8)
        else:
            result = mixed.to(out.dtype.element_ty)
    else:
        top, left = tl.load(target + 4 * n).to(tl.int32), tl.load(target + 4 * n + 1).to(tl.int32)
        bottom, right = tl.load(target + 4 * n + 2).to(tl.int32), tl.load(target + 4 * n + 3).to(tl.int32)
        inside = (y >= top) & (y < bottom) & (x >= left) & (x < right)
        if partner is None:
            result = tl.load(place, mask=written & inside)
            if IN_PLACE:
                written = written & inside
            else:
                result = tl.where(inside, result, tl.load(images + start + i, mask=written & ~inside))
        elif source is None:
            result = tl.load(images + tl.where(inside, other, start) + i, mask=written)
        else:
            row = tl.minimum(tl.maximum(y + tl.load(source + 4 * n).to(tl.int32) - top, 0), H - 1)
            column = tl.minimum(tl.maximum(x + tl.load(source + 4 * n + 1).to(tl.int32) - left, 0), W - 1)
            j = (row * W + column) * C + c if CHANNELS_LAST else (c * H + row) * W + column
            result = tl.load(images + tl.where(inside, other + j, start + i), mask=written)
    tl.store(out + start + i, result, mask=written)


def launch(
    images: Tensor, out: Tensor, partner: Tensor | None, target: Tensor | None, source: Tensor | None,
    content: Tensor | None,
) -> None:  # fmt: skip
    """Start the kernel on images and an output of one layout, either contiguous or channels_last."""
    n, *shape = images.shape
    strides = (0, 0, 0, 0) if content is None else content.stride()
    in_place, channels_last = out.data_ptr() == images.data_ptr(), not images.is_contiguous()
    with torch.cuda.device_of(images):
        mix[(triton.cdiv(images[0].numel(), BLOCK), n)](
            images, out, partner, target, source, content, strides[0], n, *shape, channels_last, in_place, *strides[1:],
            BLOCK,
        )  # fmt: skip

"""Fine-grained saliency of a whole batch in plain torch: any device, no synchronisation.

:class:`mixviz.detectors.fine_grained.FineGrained` gives the mathematics; this is the fast implementation. Every step
writes into buffers allocated once per call (fresh large tensors cost a page fault every 4 kB), and a call processes
the batch in chunks that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.detectors._gray import gray_

REACHES = (12, 24, 28, 48, 56, 112)  # 12 and 28, each doubled twice
BASE = 2048  # more than 6 · 255: BASE · on + off holds both sums in one exact float32


def maps(pixels: Tensor, channel_order: str, exact: bool = False) -> Tensor:
    """Maps (N, H, W) float32 in [0, 1] of pixels (N, 3, H, W) uint8."""
    n, _, height, width = pixels.shape
    result = torch.empty((n, height, width), dtype=torch.float32, device=pixels.device)
    rows = min(n, max(1, _pixels_at_once(pixels) // (height * width)))
    with _borrow(rows, (height, width), pixels) as chunk:
        for end in range(rows, n + rows, rows):
            part = slice(
                min(end, n) - rows, min(end, n)
            )  # the last part overlaps the previous one instead of being smaller
            chunk.blur(pixels[part], channel_order)
            chunk.sums_as_opencv() if exact else chunk.sums()
            chunk.differences()
            chunk.rescale(result[part])
    return result


def _pixels_at_once(pixels: Tensor) -> int:
    """Number of pixels per chunk: larger chunks do not fit into the CPU's cache, smaller ones are mostly overhead."""
    if pixels.device.type == "cpu" and not torch.compiler.is_compiling():
        return 2**17 * torch.get_num_threads()
    return 2**23  # about a gigabyte of buffers on a GPU


_spare: dict[tuple[int, tuple[int, int]], Chunk] = {}


@contextmanager
def _borrow(n: int, size: tuple[int, int], pixels: Tensor) -> Iterator[Chunk]:
    """Lend buffers to one caller. On the CPU the last ones are kept for the next call of the same size."""
    reusable = type(pixels) is Tensor and pixels.device.type == "cpu" and n * size[0] * size[1] <= 2**21  # 150 MB
    if not reusable or torch.compiler.is_compiling():
        yield Chunk(n, size, pixels.device)
        return
    chunk = _spare.pop((n, size), None)  # atomic: no two threads get the same buffers
    if chunk is None:
        with torch.inference_mode(False):  # buffers made inside inference mode could not be written outside
            chunk = Chunk(n, size, pixels.device)
    yield chunk
    _spare.clear()
    _spare[n, size] = chunk


class Chunk:
    """Buffers for n images of one size, and the steps from grey levels to maps."""

    def __init__(self, n: int, size: tuple[int, int], device: torch.device) -> None:
        height, width = self.size = size
        # All windows that cover the whole image are the same: compute one and count it ``whole`` times.
        reaches = [reach for reach in REACHES if reach < max(size)]
        self.whole = len(REACHES) - len(reaches)
        self.reaches = reaches + [max(size)] * (self.whole > 0)
        self.margin = min(width, self.reaches[-1])

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        self.planes = empty(n, 3, height, width)
        self.framed = empty(2, n, height + 2, width + 2, dtype=torch.int16).zero_()
        self.level = empty(n, height, width)
        self.prefix = empty(2, n, height, width, dtype=torch.int32)
        self.integral = empty(n, height + 1, width + 1 + 2 * self.margin).zero_()
        self.strip = empty(n, height + 1, width)
        self.scales = empty(len(self.reaches), n, height, width)
        self.pair = empty(2, n, height * width)
        self.integers = empty(2, n, height * width, dtype=torch.int16)
        rows, columns = (torch.arange(side, device=device) for side in size)
        edges = [(*_edges(rows, reach, height), *_edges(columns, reach, width)) for reach in self.reaches]
        areas = [(bottom - top)[:, None] * (right - left) for top, bottom, left, right in edges]
        self.area = torch.stack(areas)[:, None].float()
        self.others = (self.area - 1).clamp_(min=1)  # a window of one pixel has no others; its sum is 0

    def blur(self, pixels: Tensor, channel_order: str) -> None:
        """Convolve grey levels twice with [1 2 1] ⊗ [1 2 1] / 16, rounded to integers, mirrored at the border.

        All images lie in one long row: a shift by 1 is the next pixel, a shift by ``row`` the pixel below. This leaves
        wrong values in the frame, which is written again before it is read.
        """
        image, other = self.framed
        image[:, 1:-1, 1:-1] = gray_(self.planes.copy_(pixels), channel_order)
        a, b, row = image.view(-1), other.view(-1), image.shape[2]
        for _ in range(2):
            _mirror(image.transpose(1, 2))
            _mirror(image)
            for step in (1, row):
                torch.add(a[:-step], a[step:], out=b[:-step])
                torch.add(b[: -2 * step], b[step:-step], out=a[step:-step])
            a.add_(8).bitwise_right_shift_(4)
        self.level.copy_(image[:, 1:-1, 1:-1])

    def sums(self) -> None:
        """Sum over every window, by differences of an integral image."""
        # An offset cancels in the comparison with the centre; values around 0 keep the sums of larger images exact.
        self.level.sub_(128)
        first, second = self.prefix
        torch.cumsum(first.copy_(self.level), 2, dtype=torch.int32, out=second)
        torch.cumsum(second, 1, dtype=torch.int32, out=first)
        width, left = self.size[1], self.margin + 1
        # Zeros to the left and the last column repeated to the right clip the windows.
        self.integral[:, 1:, left : left + width] = first
        self.integral[:, 1:, left + width :] = first[:, :, -1:]
        for sums, reach in zip(self.scales, self.reaches, strict=True):
            shift = min(reach, width)
            ahead, behind = (self.integral[:, :, start : start + width] for start in (left + shift, left - shift))
            _clipped_difference(torch.sub(ahead, behind, out=self.strip), reach, out=sums)

    def sums_as_opencv(self) -> None:
        """The same sums in OpenCV's order of operations, whose float32 rounds above 2^24."""
        height, width = self.size
        integral = self.integral[:, :, self.margin : self.margin + width + 1]
        row_sums = self.prefix[1].copy_(self.level).cumsum(2)
        for y in range(height):
            integral[:, y + 1, 1:] = integral[:, y, 1:] + row_sums[:, y]
        rows, columns = (torch.arange(side, device=integral.device) for side in self.size)
        for sums, reach in zip(self.scales, self.reaches, strict=True):
            top, bottom = (integral.index_select(1, edge) for edge in _edges(rows, reach, height))
            left, right = _edges(columns, reach, width)
            torch.add(bottom.index_select(2, right), top.index_select(2, left), out=sums)
            sums.sub_(bottom.index_select(2, left)).sub_(top.index_select(2, right))

    def differences(self) -> None:
        """Sum over the scales by how much the centre is brighter (on) and darker (off) than its surround, as integers.

        c - (S - c)/(A - 1) = (cA - S)/(A - 1), whose numerator is exact. A quotient of integers below 2^24 cannot round
        up to the next integer here, because A - 1 < 2^16.
        """
        scales = torch.addcmul(self.scales, self.level, self.area, value=-1, out=self.scales)
        torch.div(scales, self.others, rounding_mode="trunc", out=scales)
        functional.leaky_relu_(scales, -BASE)  # off is positive here and stays; on becomes BASE · on
        if self.whole > 1:
            scales[-1].mul_(self.whole)
        both = torch.sum(scales, 0, out=self.level).flatten(1)
        on, off = self.pair
        torch.div(both, BASE, rounding_mode="trunc", out=on)
        torch.sub(both, on, alpha=BASE, out=off)

    def rescale(self, out: Tensor) -> None:
        """Scale on and off of every image to 0..255, add them as a byte, and divide by 255."""
        maximum = self.pair.amax(2, keepdim=True).clamp_(min=1)
        # 255.0001 keeps integer quotients from being rounded below themselves, and changes no other (tested on all
        # pairs).
        self.pair.mul_(255.0001 / maximum)
        on, off = self.integers.copy_(self.pair)
        out.copy_(on.add_(off).bitwise_and_(255).view_as(out)).mul_(1 / 255)


def _edges(index: Tensor, reach: int, side: int) -> tuple[Tensor, Tensor]:
    """First pixel, and one past the last, of the window around every index."""
    return (index - (reach - 1)).clamp_(min=0), (index + (reach + 1)).clamp_(max=side)


def _mirror(image: Tensor) -> None:
    """Fill the frame along dim 1 with the pixel next to the border pixel, or with the only one."""
    inner = min(2, image.shape[1] - 2)
    image[:, 0] = image[:, inner]
    image[:, -1] = image[:, -1 - inner]


def _clipped_difference(sums: Tensor, reach: int, out: Tensor) -> None:
    """out[:, y] = sums[:, min(y + reach + 1, H)] - sums[:, max(y - reach + 1, 0)], where sums[:, 0] is 0."""
    height = out.shape[1]
    reach = min(reach, height)
    # Windows start below the top from row ``starts`` on, and end above the bottom up to row ``ends``.
    starts, ends = reach - 1, height - reach
    low, high = min(starts, ends), max(starts, ends)
    out[:, :low] = sums[:, reach + 1 : reach + 1 + low]
    if starts <= ends:
        _subtract(sums[:, 2 * reach : height + 1], sums[:, : height - 2 * reach + 1], out=out[:, low:high])
    else:
        out[:, low:high] = sums[:, height:]
    _subtract(sums[:, height:], sums[:, high - starts : height - starts], out=out[:, high:])


def _subtract(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """out = a - b. torch.compile does not accept a non-contiguous ``out``, and does not need it."""
    return out.copy_(a - b) if torch.compiler.is_compiling() else torch.sub(a, b, out=out)

"""Boxes, masks, integral images, peaks and placements; no pixels are blended here.

A box is (top, left, bottom, right), half-open, in pixels. Functions take numpy arrays (drawn on the host) or
tensors (found on a device) alike where only arithmetic is needed, so that neither has to wait for the other.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def patch_sides(lam: np.ndarray, size: tuple[int, int], rounding: str = "nearest") -> tuple[np.ndarray, np.ndarray]:
    """Height and width (N,) of the patch whose side ratio is sqrt(1-λ), in whole pixels.

    Args:
        rounding: to the ``nearest`` pixel, or down to an ``even`` number: released code cuts the fraction off and takes
            half of the rest, cut off again, to either side of the centre.
    """
    ratio = np.sqrt(1 - lam)
    step = 1 if rounding == "nearest" else 2
    whole = np.rint if rounding == "nearest" else np.floor
    height, width = (step * whole(side * ratio / step).astype(np.int64) for side in size)
    return height, width


def stack_box(top: Array, left: Array, bottom: Array, right: Array) -> Array:
    """Four (N,) edges as boxes (N, 4)."""
    edges = (top, left, bottom, right)
    return torch.stack(edges, 1) if isinstance(top, Tensor) else np.array(edges).T


def box_around(row: Array, column: Array, height: Array, width: Array, size: tuple[int, int]) -> Array:
    """Boxes (N, 4) of the given sides centred on a pixel, clipped at the border."""
    top, left = row - height // 2, column - width // 2
    return stack_box(
        top.clip(0, size[0]),
        left.clip(0, size[1]),
        (top + height).clip(0, size[0]),
        (left + width).clip(0, size[1]),
    )


def random_centre(rng: np.random.Generator, n: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A pixel per image, uniform over the image: rows (n,), columns (n,)."""
    return rng.integers(0, size[0], n), rng.integers(0, size[1], n)


def box_area(box: Array, size: tuple[int, int]) -> Array:
    """Share of the image (N,) that each box covers, 0 to 1, from the realised whole pixels."""
    return (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) / (size[0] * size[1])


def box_mask(box: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool: True inside the box."""
    rows = torch.arange(size[0], device=box.device)
    columns = torch.arange(size[1], device=box.device)
    top, left, bottom, right = box[:, :, None].unbind(1)
    return ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]


def scale_box(box: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """The same boxes on an image of another size, to the nearest pixel."""
    if old == new:
        return box
    factor = torch.tensor([new[0] / old[0], new[1] / old[1]] * 2, dtype=torch.float64)
    return (box * factor.to(box.device)).round().long()


def peak(maps: Tensor, rng: np.random.Generator, tie: str = "first") -> tuple[Tensor, Tensor]:
    """The most salient pixel of every map (N, H, W): rows (N,), columns (N,).

    Fine-grained maps nearly always have several pixels at their maximum. ``tie`` takes the ``first`` or the
    ``last`` in reading order, or one at ``random``. A flat map has no peak: its pixel is uniform over the image.
    """
    n, height, width = maps.shape
    u = torch.from_numpy(rng.random((2, n))).to(maps.device, non_blocking=True)
    values = maps.flatten(1)
    low, top = values.amin(1, keepdim=True), values.amax(1, keepdim=True)  # aminmax takes twenty times as long
    if tie == "first":
        index = _first_peak(values)
    elif tie == "last":
        index = height * width - 1 - _first_peak(values.flip(1))
    else:
        tied = values == top
        rank = (u[0] * tied.sum(1)).floor()
        index = (tied.cumsum(1) > rank[:, None]).to(torch.uint8).argmax(1)
    index = torch.where((low == top).squeeze(1), (u[1] * height * width).floor().long(), index)
    return index // width, index % width


def _first_peak(values: Tensor) -> Tensor:
    """Index (N,) of the first maximum of every row; on the CPU by numpy, whose argmax is vectorised and torch's not."""
    if type(values) is Tensor and values.device.type == "cpu" and not torch.compiler.is_compiling():
        return torch.from_numpy(values.detach().numpy().argmax(1))
    return values.argmax(1)


def integral(maps: Tensor) -> Tensor:
    """(N, H+1, W+1) float64: entry (y, x) is the sum over rows < y and columns < x."""
    summed = maps.double().cumsum(1).cumsum(2)
    return torch.nn.functional.pad(summed, (1, 0, 1, 0))


def sum_in_box(maps: Tensor, box: Tensor) -> Tensor:
    """Sum (N,) of each map (N, H, W) inside its box."""
    return (maps * box_mask(box, tuple(maps.shape[1:]))).sum((1, 2))


def spread_cells(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """Values (..., rows, columns) of a grid at every pixel (..., H, W): pixel y lies in row ⌊y · rows / H⌋."""
    for axis, side in ((-1, size[1]), (-2, size[0])):  # the last one, which is slow, while there is little to copy
        index = torch.arange(side, device=cells.device) * cells.shape[axis] // side
        cells = cells.index_select(axis, index)
    return cells


def cell_means(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean (N, rows, columns), float64, of maps (N, H, W) over each cell of :func:`spread_cells`; 0 where none is."""
    result = maps.double()  # which autocast leaves alone
    for axis, (cells, side) in enumerate(zip(grid, maps.shape[1:], strict=True), 1):
        cell = torch.arange(side, device=maps.device) * cells // side
        member = (torch.arange(cells, device=maps.device)[:, None] == cell).double()
        member = member / member.sum(1, keepdim=True).clamp(min=1)
        result = member @ result if axis == 1 else result @ member.T
    return result


def equal_grid(size: tuple[int, int], most: int) -> tuple[int, int]:
    """The finest grid of equal cells (rows, columns) with at most so many along each side."""
    rows, columns = (max(n for n in range(1, most + 1) if side % n == 0) for side in size)
    return rows, columns


def chessboard(grid: tuple[int, int], device: torch.device) -> Tensor:
    """(rows, columns) 1 and 0 like a chessboard: cells of one colour are no neighbours, and may be set together."""
    return (torch.arange(grid[0], device=device)[:, None] + torch.arange(grid[1], device=device) + 1) % 2


def neighbours(cells: Tensor) -> Tensor:
    """Sum over the cells (..., rows, columns) above, below, left and right of each."""
    wide = torch.nn.functional.pad(cells, (1, 1, 1, 1))
    return wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]


def move_cells(images: Tensor, moves: Tensor) -> Tensor:
    """Images (N, C, H, W) whose cells are rearranged: entry (i, j) of moves (N, rows, columns) is the cell to show."""
    n, channels, height, width = images.shape
    rows, columns = moves.shape[1:]
    high, wide = height // rows, width // columns
    cells = images.reshape(n, channels, rows, high, columns, wide).permute(0, 2, 4, 1, 3, 5)
    first = torch.arange(0, n * rows * columns, rows * columns, device=images.device)
    moved = cells.flatten(0, 2).index_select(0, (moves.flatten(1) + first[:, None]).flatten())
    return moved.view(n, rows, columns, channels, high, wide).permute(0, 3, 1, 4, 2, 5).reshape(images.shape)


def uniform_corner(
    rng: np.random.Generator, height: np.ndarray, width: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Top-left corner (N,), (N,) of a box that fits, uniform over all such corners."""
    u = rng.random((2, len(height)))
    return (u[0] * (size[0] - height + 1)).astype(np.int64), (u[1] * (size[1] - width + 1)).astype(np.int64)


def salient_corner(
    maps: Tensor, u: Tensor, height: Tensor, width: Tensor, *, by: str = "box", complement: bool = False
) -> tuple[Tensor, Tensor]:
    """Top-left corner of a box that fits, drawn in proportion to saliency.

    Args:
        maps: (N, H, W) in [0, 1].
        u: (N,) uniform in [0, 1): the draw.
        height: (N,) of each box, in pixels.
        width: (N,) of each box, in pixels.
        by: weigh a place by the saliency inside the whole ``box``, or at its centre ``pixel``.
        complement: weigh by 1 - saliency instead.

    Returns:
        Rows (N,) and columns (N,). Where no place has any weight, all places are equally likely.
    """
    n, rows, columns = maps.shape
    y, x = torch.arange(rows, device=maps.device), torch.arange(columns, device=maps.device)
    height, width = height[:, None], width[:, None]
    if by == "box":
        sums = integral(1 - maps if complement else maps)
        bottom = (y + height).clamp(max=rows) + (rows + 1) * torch.arange(n, device=maps.device)[:, None]
        # Whole rows are copied five times as fast as they are gathered.
        low = sums.flatten(0, 1).index_select(0, bottom.flatten()).view(n, rows, columns + 1) - sums[:, :-1]
        weight = low.gather(2, (x + width).clamp(max=columns)[:, None, :].expand(-1, rows, -1)) - low[:, :, :-1]
    else:
        at = maps.double().gather(1, (y + height // 2).clamp(max=rows - 1)[:, :, None].expand(-1, -1, columns))
        at = at.gather(2, (x + width // 2).clamp(max=columns - 1)[:, None, :].expand(-1, rows, -1))
        weight = 1 - at if complement else at
    fits = (y <= rows - height)[:, :, None] & (x <= columns - width)[:, None, :]
    # Differences of float sums can leave 1e-16 where there is nothing, and nothing should never be drawn.
    weight = torch.where(fits & (weight > 1e-9), weight, 0)
    weight = torch.where(weight.sum((1, 2), keepdim=True) > 0, weight, fits.to(weight.dtype))
    below = weight.flatten(1).cumsum(1)
    total = below[:, -1:].contiguous()
    last = torch.searchsorted(below, total)
    index = torch.minimum(torch.searchsorted(below, total * u[:, None], right=True), last).squeeze(1)
    return index // columns, index % columns

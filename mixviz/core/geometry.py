"""Boxes, masks, integral images, peaks and placements; no pixels are blended here.

A box is (top, left, bottom, right), half-open, in pixels. Where only arithmetic is needed, functions take numpy arrays
(drawn on the host) as well as tensors (computed on a device), so that neither has to wait for the other.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from mixviz.core import jit
from mixviz.core.tensors import on_device

ONE = np.float32(1).view(np.int32)  # as bits, of which NaN has more


def patch_sides(lam: np.ndarray, size: tuple[int, int], rounding: str = "nearest") -> tuple[np.ndarray, np.ndarray]:
    """Height and width (N,) of the patch whose side ratio is sqrt(1-λ), in whole pixels.

    Args:
        rounding: to the ``nearest`` pixel, or down to an ``even`` number: released code truncates the side and extends
            the box by half of it, truncated again, on either side of the centre.
    """
    if (loops := _loops(lam)) is not None:
        return loops.patch_sides(lam, *size, rounding != "nearest")
    ratio = np.sqrt(1 - lam)
    if rounding == "nearest":
        height, width = (np.rint(side * ratio).astype(np.int64) for side in size)
    else:
        height, width = (2 * np.floor(side * ratio / 2).astype(np.int64) for side in size)
    return height, width


@overload
def stack_box(top: Tensor, left: Tensor, bottom: Tensor, right: Tensor) -> Tensor: ...
@overload
def stack_box(top: np.ndarray, left: np.ndarray, bottom: np.ndarray, right: np.ndarray) -> np.ndarray: ...
def stack_box(top: Any, left: Any, bottom: Any, right: Any) -> Tensor | np.ndarray:
    """Four (N,) edges as boxes (N, 4)."""
    return _stack((top, left, bottom, right))


def _stack(edges: tuple[Any, Any, Any, Any]) -> Any:
    return torch.stack(edges, 1) if isinstance(edges[0], Tensor) else np.array(edges).T


@overload
def box_around(row: Tensor, column: Tensor, height: Tensor, width: Tensor, size: tuple[int, int]) -> Tensor: ...
@overload
def box_around(
    row: np.ndarray, column: np.ndarray, height: np.ndarray, width: np.ndarray, size: tuple[int, int]
) -> np.ndarray: ...
def box_around(row: Any, column: Any, height: Any, width: Any, size: tuple[int, int]) -> Tensor | np.ndarray:
    """Boxes (N, 4) of the given sides centred on a pixel, clipped at the border."""
    if (loops := _loops(row, column, height, width)) is not None:
        return loops.box_around(row, column, height, width, *size)
    top, left = row - height // 2, column - width // 2
    bottom, right = top + height, left + width
    if not isinstance(top, Tensor):  # np.clip takes several times as long as what it does
        edges = np.empty((len(top), 4), np.int64)
        edges[:, 0], edges[:, 1], edges[:, 2], edges[:, 3] = top, left, bottom, right
        np.maximum(edges, 0, out=edges)
        return np.minimum(edges, (*size, *size), out=edges)
    return _stack((top.clip(0, size[0]), left.clip(0, size[1]), bottom.clip(0, size[0]), right.clip(0, size[1])))


def random_centre(rng: np.random.Generator, n: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A pixel per image, uniform over the image: rows (n,), columns (n,)."""
    if size[0] == size[1]:  # the same numbers in one call
        row, column = rng.integers(0, size[0], 2 * n).reshape(2, n)  # a shape in place of a number takes long
        return row, column
    return rng.integers(0, size[0], n), rng.integers(0, size[1], n)


def _loops(*given: Any, ndim: int = 1) -> Any:
    """Compiled arithmetic for arrays, where the process mixes large batches already; else None."""
    plain = all(type(one) is np.ndarray and one.ndim == ndim for one in given)
    return jit.loops("boxes") if plain and jit.loaded("apply") is not None and len(given[0]) > jit.PAIR else None


@overload
def box_area(box: Tensor, size: tuple[int, int]) -> Tensor: ...
@overload
def box_area(box: np.ndarray, size: tuple[int, int]) -> np.ndarray: ...
def box_area(box: Any, size: tuple[int, int]) -> Tensor | np.ndarray:
    """Share of the image (N,) that each box covers, 0 to 1, in the whole pixels it was rounded to."""
    array, pixels = _host(box), size[0] * size[1]
    if (loops := _loops(array, ndim=2)) is not None:
        area = loops.box_area(array, pixels)
        return area if array is box else on_device(area.astype(np.float32), box.device)
    return (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) / pixels


def box_mask(box: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, H, W) bool: True inside the box."""
    rows = torch.arange(size[0], device=box.device)
    columns = torch.arange(size[1], device=box.device)
    top, left, bottom, right = box[:, :, None].unbind(1)
    return ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None, :]


def scale_box(box: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Scale boxes to an image of another size, rounded to the nearest pixel."""
    if old == new:
        return box
    factor = torch.tensor([new[0] / old[0], new[1] / old[1]] * 2, dtype=torch.float64)
    return (box * factor.to(box.device)).round().long()


def peak(maps: Tensor, rng: np.random.Generator, tie: str = "first") -> tuple[Tensor, Tensor]:
    """The most salient pixel of every map (N, H, W): rows (N,), columns (N,).

    Fine-grained maps nearly always have several pixels at their maximum. ``tie`` selects the ``first`` or the
    ``last`` in reading order, or one at ``random``. A flat map has no peak: its pixel is uniform over the image.
    """
    n, height, width = maps.shape
    u = on_device(rng.random((2, n)), maps.device)
    if tie == "first" and (ends := _ends(maps)) is not None:
        low, high, first = ends
        anywhere = (u[1].numpy() * height * width).astype(np.int64)
        row, column = np.divmod(np.where(low == high, anywhere, first), width)
        return on_device(row, maps.device), on_device(column, maps.device)
    values = maps.flatten(1)
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)  # aminmax takes twenty times as long
    if tie == "first":
        index = _first_peak(values)
    elif tie == "last":
        index = height * width - 1 - _first_peak(values.flip(1))
    else:
        tied = values == high
        rank = (u[0] * tied.sum(1)).floor()
        index = (tied.cumsum(1) > rank[:, None]).to(torch.uint8).argmax(1)
    index = torch.where((low == high).squeeze(1), (u[1] * height * width).floor().long(), index)
    return index // width, index % width


def within_unit(maps: Tensor) -> bool:
    """Whether all values of maps (N, H, W) lie in [0, 1]; NaN does not."""
    if (ends := _ends(maps)) is not None:
        return bool(ends[1].max() <= ONE)
    return bool(maps.amin() >= 0 and maps.amax() <= 1)


def _host(values: Any) -> Any:
    """Plain numbers on the CPU as an array, with the same memory; all else as it is."""
    plain = type(values) is Tensor and values.is_cpu and not values.requires_grad and not torch.compiler.is_compiling()
    return values.numpy() if plain else values


def _ends(maps: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The least and the largest value of many maps, as bits, and where the largest first is; None for other maps."""
    values = jit.MUCH if jit.loaded("apply") is not None else maps.numel()
    usable = maps.shape[0] > jit.PAIR and jit.usable(maps, values=values)
    if maps.dtype != torch.float32 or not usable or not maps.is_contiguous():
        return None
    low, high, first = jit.loops("boxes").ends(maps.detach().numpy().reshape(len(maps), -1).view(np.int32))
    return (low, high, first) if low.min() >= 0 else None  # negative, or the zero with a sign


def _first_peak(values: Tensor) -> Tensor:
    """Index (N,) of the first maximum of every row; on the CPU by numpy, whose argmax is vectorised unlike torch's."""
    if type(values) is Tensor and values.device.type == "cpu" and not torch.compiler.is_compiling():
        return on_device(values.detach().numpy().argmax(1), values.device)
    return values.argmax(1)


def integral(maps: Tensor) -> Tensor:
    """Integral images (N, H+1, W+1), float64: entry (y, x) is the sum over rows < y and columns < x."""
    summed = maps.double().cumsum(1).cumsum(2)
    return torch.nn.functional.pad(summed, (1, 0, 1, 0))


def sum_in_box(maps: Tensor, box: Tensor) -> Tensor:
    """Sum (N,) of each map (N, H, W) inside its box."""
    return torch.where(box_mask(box, (maps.shape[1], maps.shape[2])), maps, 0).sum((1, 2))


def spread_cells(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """Values (..., rows, columns) of a grid at every pixel (..., H, W): pixel y lies in row ⌊y · rows / H⌋."""
    for axis, side in ((-1, size[1]), (-2, size[0])):  # the last axis is slow: first, while there is little to copy
        index = torch.arange(side, device=cells.device) * cells.shape[axis] // side
        cells = cells.index_select(axis, index)
    return cells


def cell_means(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Mean (N, rows, columns), float64, of maps (N, H, W) over each cell of :func:`spread_cells`; 0 in empty cells."""
    result = maps.double()  # autocast leaves float64 alone
    for axis, (cells, side) in enumerate(zip(grid, maps.shape[1:], strict=True), 1):
        cell = torch.arange(side, device=maps.device) * cells // side
        member = (torch.arange(cells, device=maps.device)[:, None] == cell).double()
        member = member / member.sum(1, keepdim=True).clamp(min=1)
        result = member @ result if axis == 1 else result @ member.T
    return result


def equal_grid(size: tuple[int, int], most: int) -> tuple[int, int]:
    """The finest grid of equal cells (rows, columns) with at most ``most`` along each side."""
    rows, columns = (max(n for n in range(1, most + 1) if side % n == 0) for side in size)
    return rows, columns


def chessboard(grid: tuple[int, int], device: torch.device) -> Tensor:
    """(rows, columns) 1 and 0 like a chessboard: cells of one colour are never neighbours, and can be set at once."""
    return (torch.arange(grid[0], device=device)[:, None] + torch.arange(grid[1], device=device) + 1) % 2


def neighbours(cells: Tensor) -> Tensor:
    """Sum over the cells above, below, left and right of each cell (..., rows, columns)."""
    padded = torch.nn.functional.pad(cells, (1, 1, 1, 1))
    return padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]


def move_cells(images: Tensor, moves: Tensor) -> Tensor:
    """Rearrange the cells of images (N, C, H, W): entry (i, j) of moves (N, rows, columns) is the cell to show."""
    n, channels, height, width = images.shape
    rows, columns = moves.shape[1:]
    cell_height, cell_width = height // rows, width // columns
    cells = images.reshape(n, channels, rows, cell_height, columns, cell_width).permute(0, 2, 4, 1, 3, 5)
    offset = torch.arange(0, n * rows * columns, rows * columns, device=images.device)
    moved = cells.flatten(0, 2).index_select(0, (moves.flatten(1) + offset[:, None]).flatten())
    moved = moved.view(n, rows, columns, channels, cell_height, cell_width)
    return moved.permute(0, 3, 1, 4, 2, 5).reshape(images.shape)


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
        by: weigh a place by the saliency inside the ``box``, or at its centre ``pixel``.
        complement: weigh by 1 - saliency instead.

    Returns:
        Rows (N,) and columns (N,). Where no place has any weight, all places are equally likely.
    """
    n, rows, columns = maps.shape
    plain = maps.dtype == torch.float32 and u.dtype == torch.float64
    if plain and maps.is_contiguous() and jit.usable_on(maps, u, height, width):
        given = (one.detach().numpy() for one in (maps, u, height, width))
        row, column = jit.loops("boxes").salient_corner(*given, by == "box", complement)
        return on_device(row, maps.device), on_device(column, maps.device)
    y, x = torch.arange(rows, device=maps.device), torch.arange(columns, device=maps.device)
    height, width = height[:, None], width[:, None]
    if by == "box":
        sums = integral(1 - maps if complement else maps)
        bottom = (y + height).clamp(max=rows) + (rows + 1) * torch.arange(n, device=maps.device)[:, None]
        # Whole rows are copied five times as fast as they are gathered.
        bands = sums.flatten(0, 1).index_select(0, bottom.flatten()).view(n, rows, columns + 1) - sums[:, :-1]
        weight = bands.gather(2, (x + width).clamp(max=columns)[:, None, :].expand(-1, rows, -1)) - bands[:, :, :-1]
    else:
        centre = maps.double().gather(1, (y + height // 2).clamp(max=rows - 1)[:, :, None].expand(-1, -1, columns))
        centre = centre.gather(2, (x + width // 2).clamp(max=columns - 1)[:, None, :].expand(-1, rows, -1))
        weight = 1 - centre if complement else centre
    fits = (y <= rows - height)[:, :, None] & (x <= columns - width)[:, None, :]
    # Differences of float sums can leave 1e-16 where a weight is zero, and such a place must never be drawn.
    weight = torch.where(fits & (weight > 1e-9), weight, 0)
    weight = torch.where(weight.sum((1, 2), keepdim=True) > 0, weight, fits.to(weight.dtype))
    cumulative = weight.flatten(1).cumsum(1)
    total = cumulative[:, -1:].contiguous()
    last = torch.searchsorted(cumulative, total)
    index = torch.minimum(torch.searchsorted(cumulative, total * u[:, None], right=True), last).squeeze(1)
    return index // columns, index % columns

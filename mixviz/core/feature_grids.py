"""Find the grid of places in a layer's output: feature maps, channels last, or a row of tokens."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.inference import evaluating, float_type

Size = tuple[int, int]
PREFIX = re.compile(r"(cls|class|dist|distillation|reg|register)_?tokens?_?\d*")
PROBES = 5  # images: one, and the same with each quadrant redrawn
LEAST = 0.1  # score of _follows: wrong orders reached 0.07, residual streams of 15 families at least 0.36
CHANNELS_SECOND = (  # modules in a layer that prove its four dimensions to be (N, C, h, w)
    nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d,
)  # fmt: skip


class Grid(NamedTuple):
    """Layout of h x w places in a layer's output.

    Attributes:
        layout: ``maps`` (N, C, h, w), ``last`` (N, h, w, C) or ``tokens`` (N, prefix + h * w, C), row by row.
        size: (h, w).
        prefix: number of tokens before those of the places: class, distillation and register tokens.
    """

    layout: str
    size: Size
    prefix: int = 0

    def fold(self, output: Tensor) -> Tensor:
        """The output as feature maps (N, C, h, w), a view without the prefix tokens."""
        if self.layout == "tokens":
            return torch.unflatten(output[:, self.prefix :].mT, 2, self.size)
        return output if self.layout == "maps" else output.permute(0, 3, 1, 2)

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be folded by this grid."""
        if self.layout == "tokens":
            return len(shape) == 3 and shape[1] == self.prefix + self.size[0] * self.size[1]
        return len(shape) == 4 and tuple(shape[2:] if self.layout == "maps" else shape[1:3]) == self.size

    def unfold(self, maps: Tensor, output: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) in the layout of ``output``, with its prefix tokens."""
        if self.layout == "tokens":
            return torch.cat([output[:, : self.prefix], maps.flatten(2).mT], 1)
        return maps if self.layout == "maps" else maps.permute(0, 2, 3, 1)


def by_shape(shape: Sequence[int], size: Size, prefixes: Iterable[int] = (0,), *, skewed: bool = False) -> list[Grid]:
    """Return the layouts in which an output of this shape has a grid with the aspect ratio of images ``size`` (H, W).

    Args:
        shape: (N, C, h, w), (N, h, w, C) or (N, T, C).
        prefixes: possible numbers of tokens before those of the places.
        skewed: accept any ratio for four dimensions, as convolutions without padding change it.
    """
    if len(shape) == 4:
        layouts: dict[str, Size] = {"maps": (shape[2], shape[3]), "last": (shape[1], shape[2])}
        return [Grid(layout, grid) for layout, grid in layouts.items() if _fits(grid, size, skewed)]
    grids: list[Grid] = []
    for prefix in prefixes if len(shape) == 3 else ():
        count = shape[1] - prefix
        factors = [(h, count // h) for h in range(1, count + 1) if count % h == 0]
        if factors := [grid for grid in factors if _fits(grid, size)]:
            grids.append(Grid("tokens", min(factors, key=lambda grid: _skew(grid, size)), prefix))
    return grids


def _fits(grid: Size, size: Size, skewed: bool = False) -> bool:
    """Whether the grid may be a smaller version of the image. A single place shows nothing."""
    smaller = grid[0] * grid[1] > 1 and grid[0] <= size[0] and grid[1] <= size[1]
    return smaller and (skewed or _skew(grid, size) < max(size))


def _skew(grid: Size, size: Size) -> int:
    return abs(grid[0] * size[1] - grid[1] * size[0])


def certain(module: nn.Module, shape: Sequence[int], size: Size) -> bool:
    """Whether the module certainly returns feature maps (N, C, h, w)."""
    layouts = [grid.layout for grid in by_shape(shape, size)]
    return len(shape) == 4 and "last" not in layouts and _holds(module, CHANNELS_SECOND)


def channels_last(module: nn.Module, shape: Sequence[int], size: Size) -> bool:
    """Whether the module's output of this shape is (N, h, w, C), by shape and submodules alone. If both layouts fit, a
    module with a convolution is taken for (N, C, h, w)."""
    layouts = [grid.layout for grid in by_shape(shape, size)]
    return layouts == ["last"] or (len(layouts) == 2 and not _holds(module, nn.Conv2d) and _holds(module, nn.LayerNorm))


def _holds(module: nn.Module, kinds: type | tuple[type, ...]) -> bool:
    return any(isinstance(part, kinds) for part in module.modules())


def prefix_counts(network: nn.Module) -> tuple[int, ...]:
    """Return the numbers of tokens that may precede those of the places: as the network declares or holds them, or
    none."""
    for module in network.modules():
        if isinstance(count := getattr(module, "num_prefix_tokens", None), int):
            return tuple(dict.fromkeys((count, 0)))
    tokens = [value for name, value in network.named_parameters() if PREFIX.fullmatch(name.rpartition(".")[2])]
    counts = [value.shape[1] for value in tokens if value.ndim == 3]  # one parameter of all tokens, or one each
    return tuple(dict.fromkeys((sum(counts), max(counts, default=0), 0)))


_cache: WeakKeyDictionary[nn.Module, dict[tuple[str | int, ...], Grid | None]] = WeakKeyDictionary()


def of_layer(network: nn.Module, layer: str, shape: Sequence[int], picture: Sequence[int]) -> Grid | None:
    """Return the grid in a layer's output (N, ...) for images (C, H, W); None if it has no places, or not in the order
    of the image.

    Computed once for each network, layer and shape.
    """
    size = (picture[1], picture[2])
    if certain(network.get_submodule(layer), shape, size):
        return Grid("maps", (shape[2], shape[3]))
    grids, key = _cache.setdefault(network, {}), (layer, *shape[1:], *picture)
    if key not in grids:
        candidates = by_shape(shape, size, prefix_counts(network), skewed=True)
        grids[key] = changes(network, picture, {layer: candidates}).best(layer) if candidates else None
    return grids[key]


class Changes:
    """Changes of layers' outputs when each quadrant of an image is redrawn, by the candidate grids of each layer."""

    def __init__(self, candidates: Mapping[str, Sequence[Grid]]) -> None:
        self.candidates = candidates
        self.changes: dict[str, dict[Grid, Tensor]] = {}

    def note(self, name: str, output: Tensor) -> None:
        if len(output) == PROBES:  # outputs shared by all images, such as position embeddings, have no places
            self.changes[name] = {
                grid: _change(grid.fold(output.detach())) for grid in self.candidates[name] if grid.holds(output.shape)
            }

    def best(self, name: str) -> Grid | None:
        """The grid whose quadrants follow those of the image most; None if none does."""
        scores = {grid: _follows(change) for grid, change in self.changes.get(name, {}).items()}
        grid = max(scores, key=scores.__getitem__, default=None)
        return grid if grid is not None and scores[grid] > LEAST else None


def changes(network: nn.Module, picture: Sequence[int], candidates: Mapping[str, Sequence[Grid]]) -> Changes:
    """Run the network on noise, and on the same noise with each quadrant redrawn in turn.

    The shape alone does not settle the layout: there may be as many channels as places, and tokens may be sorted by
    windows.
    """
    base, other = torch.randn(2, *picture, generator=torch.Generator().manual_seed(0))
    below, right = (torch.arange(length) >= length / 2 for length in picture[1:])
    quadrants = [(below == bottom)[:, None] & (right == far) for bottom in (False, True) for far in (False, True)]
    result = Changes(candidates)
    with torch.no_grad(), evaluating(network), listening(network, result.note, candidates):
        network(images_for(network, torch.stack([base, *(torch.where(mask, other, base) for mask in quadrants)])))
    return result


def _change(maps: Tensor) -> Tensor:
    """The squared difference (4, h, w) of feature maps (5, C, h, w) from the first."""
    return (maps[1:] - maps[:1]).float().square().mean(1)


def _follows(change: Tensor) -> float:
    """Score, from -2 to 2, by how much more quadrants of the grid follow their own quadrant of the image than others.

    $$\\min_{p \\ne q} \\, s_{pp} + s_{qq} - s_{pq} - s_{qp}$$

    $s_{pq}$ is the share of all change in quadrant q of the grid that comes with quadrant p of the image. Borders
    shifted by convolutions cancel out, and so do changes shared by all places. Outputs that never change, or are not
    finite, give no evidence: 2.
    """
    rows, columns = (min(length, 2) for length in change.shape[1:])
    total = change.sum(0)
    if not total.isfinite().all() or not total.any():
        return 2.0
    share = functional.adaptive_avg_pool2d((change / total).nan_to_num(0.25), (rows, columns))
    share = share.view(2, 2, rows, columns)
    share = share if rows == 2 else share.sum(0, keepdim=True)  # a single row follows the upper and the lower half
    share = share if columns == 2 else share.sum(1, keepdim=True)
    share = share.reshape(rows * columns, rows * columns)
    own = share.diagonal()
    return (
        (own + own[:, None] - share - share.T)[~torch.eye(len(own), dtype=torch.bool, device=own.device)].amin().item()
    )


def images_for(network: nn.Module, images: Tensor) -> Tensor:
    """Images on the device and in the float type of the network."""
    first = next(network.parameters(), torch.empty(0))
    return images.to(first.device, float_type(network))


@contextmanager
def listening(
    network: nn.Module, note: Callable[[str, Tensor], None], names: Iterable[str] | None = None
) -> Generator[None]:
    """Within this context, call ``note`` with the name and output of the named modules (default: all) in this thread's
    forward passes."""
    thread = threading.get_ident()

    def hook(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def call(_module: nn.Module, _inputs: tuple[object, ...], output: object) -> None:
            if isinstance(output, Tensor) and threading.get_ident() == thread:
                note(name, output)

        return call

    modules: dict[str, nn.Module] = dict(network.named_modules())  # pyright: ignore[reportUnknownArgumentType]  # of torch
    names = [name for name in modules if name] if names is None else names
    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""Grids of places in a layer's output: feature maps, channels last, or a row of tokens."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.inference import evaluating, float_type

Size = tuple[int, int]
PREFIX = re.compile(r"(cls|class|dist|distillation|reg|register)_?tokens?_?\d*")
ASKED = 5  # pictures: one, and the same with each quadrant drawn anew
LEAST = 0.1  # of _follows: outputs of other orders had up to 0.07, residual streams of 15 families 0.36 and more
CHANNELS_SECOND = (  # what a layer holds whose four dimensions are certainly (N, C, h, w)
    nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d,
)  # fmt: skip


class Grid(NamedTuple):
    """Layout of h x w places in a layer's output.

    Attributes:
        layout: ``maps`` (N, C, h, w), ``last`` (N, h, w, C) or ``tokens`` (N, prefix + h * w, C), row by row.
        size: (h, w).
        prefix: tokens before those of the places: class, distillation and register tokens.
    """

    layout: str
    size: Size
    prefix: int = 0

    def fold(self, output: Tensor) -> Tensor:
        """The output as feature maps (N, C, h, w), a view without the prefix tokens."""
        if self.layout == "tokens":
            return output[:, self.prefix :].mT.unflatten(2, self.size)
        return output if self.layout == "maps" else output.permute(0, 3, 1, 2)

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape can be folded so."""
        if self.layout == "tokens":
            return len(shape) == 3 and shape[1] == self.prefix + self.size[0] * self.size[1]
        return len(shape) == 4 and tuple(shape[2:] if self.layout == "maps" else shape[1:3]) == self.size

    def unfold(self, maps: Tensor, output: Tensor) -> Tensor:
        """Feature maps (N, C, h, w) in the layout of ``output``, with its prefix tokens."""
        if self.layout == "tokens":
            return torch.cat([output[:, : self.prefix], maps.flatten(2).mT], 1)
        return maps if self.layout == "maps" else maps.permute(0, 2, 3, 1)


def by_shape(shape: Sequence[int], size: Size, prefixes: Iterable[int] = (0,), *, skewed: bool = False) -> list[Grid]:
    """The layouts in which an output of this shape has a grid as wide to high as pictures of ``size`` (H, W).

    Args:
        shape: (N, C, h, w), (N, h, w, C) or (N, T, C).
        prefixes: how many tokens may stand before those of the places.
        skewed: take four dimensions of any ratio, as convolutions without padding leave them.
    """
    if len(shape) == 4:
        sides = {"maps": tuple(shape[2:]), "last": tuple(shape[1:3])}
        return [Grid(layout, side) for layout, side in sides.items() if _fits(side, size, skewed)]
    found = []
    for before in prefixes if len(shape) == 3 else ():
        count = shape[1] - before
        sides = [(h, count // h) for h in range(1, count + 1) if count % h == 0]
        if sides := [side for side in sides if _fits(side, size)]:
            found.append(Grid("tokens", min(sides, key=lambda side: _skew(side, size)), before))
    return found


def _fits(side: Size, size: Size, skewed: bool = False) -> bool:
    """Whether it may be the picture, made smaller. A single place shows nothing."""
    smaller = side[0] * side[1] > 1 and side[0] <= size[0] and side[1] <= size[1]
    return smaller and (skewed or _skew(side, size) < max(size))


def _skew(side: Size, size: Size) -> int:
    return abs(side[0] * size[1] - side[1] * size[0])


def certain(module: nn.Module, shape: Sequence[int], size: Size) -> bool:
    """Whether the module gives feature maps (N, C, h, w) beyond doubt."""
    layouts = [grid.layout for grid in by_shape(shape, size)]
    return len(shape) == 4 and "last" not in layouts and _holds(module, CHANNELS_SECOND)


def channels_last(module: nn.Module, shape: Sequence[int], size: Size) -> bool:
    """Whether the module's output of this shape is (N, h, w, C), by shape and parts alone: where channels are as many
    as places, what holds a convolution is taken for (N, C, h, w)."""
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
    counts = [value.shape[1] for value in tokens if value.ndim == 3]  # of one row, or of several with one each
    return tuple(dict.fromkeys((sum(counts), max(counts, default=0), 0)))


_known: WeakKeyDictionary[nn.Module, dict[tuple, Grid | None]] = WeakKeyDictionary()


def of_layer(network: nn.Module, layer: str, shape: Sequence[int], picture: Sequence[int]) -> Grid | None:
    """Return the grid in a layer's output (N, ...) for pictures (C, H, W), or None where it holds no places, or not in
    their order.

    Found once for each network, layer and shape.
    """
    size = tuple(picture[1:])
    if certain(network.get_submodule(layer), shape, size):
        return Grid("maps", tuple(shape[2:]))
    known, key = _known.setdefault(network, {}), (layer, *shape[1:], *picture)
    if key not in known:
        may_be = by_shape(shape, size, prefix_counts(network), skewed=True)
        known[key] = changes(network, picture, {layer: may_be}).best(layer) if may_be else None
    return known[key]


class Changes:
    """Changes of outputs with each quadrant of a picture."""

    def __init__(self, may_be: Mapping[str, Sequence[Grid]]) -> None:
        self.may_be = may_be
        self.found: dict[str, dict[Grid, Tensor]] = {}

    def note(self, name: str, output: Tensor) -> None:
        if len(output) == ASKED:  # what is the same for all pictures, as position embeddings are, has no places
            self.found[name] = {
                grid: _change(grid.fold(output.detach())) for grid in self.may_be[name] if grid.holds(output.shape)
            }

    def best(self, name: str) -> Grid | None:
        """The layout whose quadrants follow those of the picture most; None where none does."""
        scores = {grid: _follows(change) for grid, change in self.found.get(name, {}).items()}
        grid = max(scores, key=scores.__getitem__, default=None)
        return grid if grid is not None and scores[grid] > LEAST else None


def changes(network: nn.Module, picture: Sequence[int], may_be: Mapping[str, Sequence[Grid]]) -> Changes:
    """Ask the network about noise, and about the same noise with one quadrant after another drawn anew.

    A layout by shape alone is a guess: channels may be as many as places, and tokens may be sorted by windows.
    """
    base, other = torch.randn(2, *picture, generator=torch.Generator().manual_seed(0))
    below, right = (torch.arange(length) >= length / 2 for length in picture[1:])
    anew = [(below == low)[:, None] & (right == far) for low in (False, True) for far in (False, True)]
    heard = Changes(may_be)
    with torch.no_grad(), evaluating(network), listening(network, heard.note, may_be):
        network(images_for(network, torch.stack([base, *(torch.where(here, other, base) for here in anew)])))
    return heard


def _change(maps: Tensor) -> Tensor:
    """The squared difference (4, h, w) of feature maps (5, C, h, w) from the first."""
    return (maps[1:] - maps[:1]).float().square().mean(1)


def _follows(change: Tensor) -> float:
    """Score, from -2 to 2, by which quadrants of the grid follow their own quadrant of the picture more than others.

    $$\\min_{p \\ne q} \\, s_{pp} + s_{qq} - s_{pq} - s_{qp}$$

    $s_{pq}$ is the share of all change in quadrant q of the grid that comes with quadrant p of the picture. A border
    that convolutions shift drops out, and so does what all places follow. Outputs that never change, or are not
    finite, tell nothing: 2.
    """
    rows, columns = (min(length, 2) for length in change.shape[1:])
    total = change.sum(0)
    if not total.isfinite().all() or not total.any():
        return 2.0
    share = functional.adaptive_avg_pool2d((change / total).nan_to_num(0.25), (rows, columns))
    share = share.view(2, 2, rows, columns)
    share = share if rows == 2 else share.sum(0, keepdim=True)  # a single row follows what is above and below
    share = share if columns == 2 else share.sum(1, keepdim=True)
    share = share.reshape(rows * columns, rows * columns)
    own = share.diagonal()
    return (own + own[:, None] - share - share.T)[~torch.eye(len(own), dtype=bool, device=own.device)].amin().item()


def images_for(network: nn.Module, images: Tensor) -> Tensor:
    """The images as the network takes them."""
    first = next(network.parameters(), torch.empty(0))
    return images.to(first.device, float_type(network))


@contextmanager
def listening(
    network: nn.Module, note: Callable[[str, Tensor], None], names: Iterable[str] | None = None
) -> Iterator[None]:
    """Within this context, ``note`` hears what the named modules, or all, return in this thread's forward passes."""
    asking = threading.get_ident()

    def hook(name: str) -> Callable:
        def hear(_module: nn.Module, _inputs: tuple, output: object) -> None:
            if isinstance(output, Tensor) and threading.get_ident() == asking:
                note(name, output)

        return hear

    modules = {name: module for name, module in network.named_modules() if name}
    handles = [modules[name].register_forward_hook(hook(name)) for name in (modules if names is None else names)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

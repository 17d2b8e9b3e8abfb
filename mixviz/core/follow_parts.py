"""Where each source of a mixture is shown: the parts that objects, points and dense maps are followed through."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import apply, geometry
from mixviz.core.apply import Plan
from mixviz.core.objects import Objects
from mixviz.core.parts import Operations, Patches, Weights
from mixviz.core.tensors import as_list
from mixviz.ops import operations

SEEN = 1 / 510  # a smaller weight changes no byte of a picture
PIECE = 2**24  # values of masks that are moved at a time: 64 MB


class Part(NamedTuple):
    """Where one source of every mixture is shown by one geometry.

    Attributes:
        source: k.
        patch: index of the patch that it is pasted by, at another place; None: pixels stay where they are, or are moved
            by operations and cells.
        live: (N,) whether the mixture has this part.
        start: (N, 1 or H, 1 or W) weight outside all patches.
        inside: (P, N) weight inside each patch.
    """

    source: int
    patch: int | None
    live: Tensor
    start: Tensor
    inside: Tensor


class Items(NamedTuple):
    """Objects in mixtures, one row for each object of each part."""

    part: Part
    mixture: Tensor
    origin: Tensor


class Seen(NamedTuple):
    """What can be seen of some items: box (I, 4), masks (I, H, W) or None, visible share, weight and area (I,)."""

    mixture: Tensor
    origin: Tensor
    box: Tensor
    masks: Tensor | None
    points: Tensor | None
    visible: Tensor
    weight: Tensor
    area: Tensor


def parts_of(plan: Plan) -> list[Part]:
    """Return where each source is shown, at its own place and by each patch that moves it.

    An image that is several sources of a mixture at the same place is one part.
    """
    mixing, (sources, n) = plan.mixing, plan.partner.shape
    patches = mixing if isinstance(mixing, Patches) else None
    base = mixing.base
    weight = _of_pixels(base.weight) if isinstance(base, Weights) else _first(plan)
    inside = weight.new_zeros(sources, 0, n)
    moved: list[Part] = []
    if patches is not None:
        count = len(patches.target_boxes)
        alpha = weight.new_ones(count, n) if patches.patch_alpha is None else patches.patch_alpha
        inside = weight.new_zeros(sources, count, n)
        inside[0] = 1 - alpha
        for p in range(count if sources > 1 else 0):
            if patches.source_boxes is None:
                inside[p + 1, p] = alpha[p]
                continue
            own = torch.zeros_like(inside[0])
            own[p] = alpha[p]
            live = torch.ones(n, dtype=torch.bool, device=weight.device)
            moved.append(Part(p + 1, p, live, weight.new_zeros(n, 1, 1), own))
    same = plan.partner[:, None] == plan.partner
    if moves_whole(plan):  # the same image at another place: joined where the pixels are known, in by_pixels
        same = torch.eye(sources, dtype=torch.bool, device=weight.device)[:, :, None].expand_as(same)
    first = ~torch.stack([same[:k, k].any(0) for k in range(sources)])
    whole, patched = weight, inside
    if bool((same.sum(0) > 1).any()):
        joined = same.to(weight.dtype)
        several = (same.sum(0) > 1).any(0).nonzero()[:, 0]
        whole = weight.clone()
        whole[:, several] = torch.einsum("kjn,jn...->kn...", joined[:, :, several], weight[:, several])
        patched = torch.einsum("kjn,jpn->kpn", joined, inside)
    shown = [not k or bool(weight[k].amax() > 0 or inside[k].any()) for k in range(sources)]
    parts = [Part(k, None, first[k], whole[k], patched[k]) for k in range(sources) if shown[k]]
    return parts + moved


def _of_pixels(weight: Tensor) -> Tensor:
    """Weights (K, N, 1 or H, 1 or W) of pixels, the mean of their channels."""
    return weight[:, :, 0] if weight.shape[2] == 1 else weight.mean(2)


def _first(plan: Plan) -> Tensor:
    """Weights (K, N, 1, 1) of whole images that are not mixed."""
    weight = torch.zeros(*plan.partner.shape, 1, 1, device=plan.partner.device)
    weight[0] = 1
    return weight


def moves_whole(plan: Plan) -> bool:
    """Whether operations or cells move the pixels of whole sources."""
    base = plan.mixing.base
    cells = isinstance(base, Weights) and base.cell_permutation is not None
    return cells or (isinstance(plan.mixing, Operations) and any(True for _ in moved_by(plan.mixing)))


def moved_by(mixing: Operations) -> Iterator[operations.Operation]:
    """Yield the operations that move pixels."""
    ops = (operations.OPERATIONS[op.name] for of in mixing.sequences for one in of for op in one)
    return (operation for operation in ops if operation.moves)


def moving(mixing: Operations) -> list[tuple[operations.OpSequence, ...]]:
    """Return the operations on each source that move pixels."""
    return [operations.moving(sequences) for sequences in mixing.sequences]


def copies_pixels(plan: Plan, part: Part) -> bool:
    """Whether the pixels of a part are copied, so that a mask stays a mask."""
    mixing = plan.mixing
    if plan.first is not None:
        return False
    if isinstance(mixing, Operations):
        ops = (op for of in moving(mixing)[part.source] for op in of)
        return all(operations.OPERATIONS[op.name].copies for op in ops)
    return part.patch is None or not isinstance(mixing, Patches) or not mixing.resample


def items_of(plan: Plan, part: Part, objects: Objects, rows: range | None = None) -> Items:
    """Return the objects of a part's source in each mixture of ``rows``."""
    order, start, counts = objects.by_image
    mixtures = part.live.nonzero()[:, 0]
    if rows is not None:
        mixtures = mixtures[(mixtures >= rows.start) & (mixtures < rows.stop)]
    owner = plan.partner[part.source, mixtures]
    repeats = counts[owner]
    before = repeats.cumsum(0) - repeats
    within = torch.arange(int(repeats.sum()), device=owner.device) - before.repeat_interleave(repeats)
    return Items(part, mixtures.repeat_interleave(repeats), order[start[owner].repeat_interleave(repeats) + within])


def pieces(plan: Plan, objects: Objects, mixtures: range) -> Iterator[list[Items]]:
    """Yield the items of all parts, some mixtures at a time, so that the masks of a piece fit into memory."""
    parts = parts_of(plan)
    counts = torch.bincount(objects.image, minlength=objects.count)
    most = max(1, sum(int(counts[plan.partner[part.source]].max()) for part in parts))
    step = max(1, PIECE // (most * plan.size[0] * plan.size[1]))
    for start in range(0, len(mixtures), step):
        yield [items_of(plan, part, objects, mixtures[start : start + step]) for part in parts]


def joined(seen: Sequence[Seen]) -> Seen:
    """Join what can be seen of several parts or pieces."""
    if len(seen) == 1:
        return seen[0]

    def column(name: str) -> Tensor:
        return torch.cat([getattr(one, name) for one in seen])

    return Seen(
        column("mixture"),
        column("origin"),
        column("box"),
        None if seen[0].masks is None else column("masks"),
        None if seen[0].points is None else column("points"),
        column("visible"),
        column("weight"),
        column("area"),
    )


def pasting(patches: Patches, p: int, mixture: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return how patch p moves points (I, ..., 2) of its source, and by how much it enlarges (I, 2)."""
    assert patches.source_boxes is not None
    source, target = patches.source_boxes[p, mixture].float(), patches.target_boxes[p, mixture].float()
    scale = (target[:, 2:] - target[:, :2]) / (source[:, 2:] - source[:, :2]).clamp(min=1)

    def place(points: Tensor) -> Tensor:
        shape = (-1, *[1] * (points.ndim - 2), 2)
        return (points - source[:, :2].view(shape)) * scale.view(shape) + target[:, :2].view(shape)

    return place, scale


def weight_maps(plan: Plan, part: Part, mixture: Tensor) -> Tensor:
    """Return the weight (I, H, W) of a part at every pixel of some mixtures."""
    weight = part.start[mixture].expand(-1, *plan.size)
    if isinstance(plan.mixing, Patches):
        for p, target in enumerate(plan.mixing.target_boxes):
            inside = geometry.box_mask(target[mixture], plan.size)
            weight = torch.where(inside, part.inside[p, mixture][:, None, None], weight)
    return weight


def carried(plan: Plan, part: Part, mixture: Tensor, maps: Tensor, *, mass: bool = False) -> Tensor:
    """Move maps (I, H, W) of a part's source into its mixtures; ``mass`` as in :func:`operations.carry`.

    Args:
        mixture: (I,) of each map, sorted. The maps of one mixture are moved together, as channels.
    """
    base, mixing = plan.mixing.base, plan.mixing
    if part.patch is not None and isinstance(mixing, Patches) and mixing.source_boxes is not None:
        if mixing.resample and maps.device.type == "cpu":
            return pasted_each(mixing, part.patch, mixture, maps, torch.arange(len(maps)))
        boxes = mixing.source_boxes[part.patch, mixture], mixing.target_boxes[part.patch, mixture]
        return apply.pasted(maps[:, None], *boxes, mixing.resample)[:, 0]
    if isinstance(base, Weights) and base.cell_permutation is not None:
        maps = geometry.move_cells(maps[:, None], base.cell_permutation[part.source, mixture])[:, 0]
    if isinstance(mixing, Operations):
        maps = _operated(mixing.sequences[part.source], mixture, maps, mass)
    return maps


def before(first: Plan, image: Tensor, maps: Tensor, *, mass: bool) -> Tensor:
    """Move maps (I, H, W) of some images (I,) by the operations that come before mixing."""
    order = image.argsort(stable=True)
    part = parts_of(first)[0]
    moved = carried(first, part, image[order], maps[order].float(), mass=mass)
    return torch.empty_like(moved).index_copy_(0, order, moved)


def pasted_each(patches: Patches, p: int, mixture: Tensor, masks: Tensor, index: Tensor) -> Tensor:
    """Resize the crops of ``masks[index]`` into patch p as :func:`apply.by_slices` does: (I, H, W), 0 elsewhere."""
    assert patches.source_boxes is not None
    result = torch.zeros(len(index), *masks.shape[1:], dtype=torch.promote_types(masks.dtype, torch.float32))
    mixtures: list[int] = as_list(mixture)
    sources, targets = as_list(patches.source_boxes[p]), as_list(patches.target_boxes[p])
    end = 0
    for n, group in itertools.groupby(mixtures):
        start, end = end, end + len(list(group))
        (top, left, bottom, right), (high, near, low, far) = sources[n], targets[n]
        if low > high and far > near:
            crops = masks[index[start:end], top:bottom, left:right]
            result[start:end, high:low, near:far] = apply.resized_crop(crops, (low - high, far - near))
    return result


def _operated(sequences: Sequence[operations.OpSequence], mixture: Tensor, maps: Tensor, mass: bool) -> Tensor:
    """Apply to maps (I, H, W) the operations of their mixtures (I,); those of one mixture as channels, so that its grid
    is computed once."""
    different, place = unique(mixture)
    if not len(maps):
        return maps
    first = torch.searchsorted(mixture, different)
    slot = torch.arange(len(maps), device=maps.device) - first[place]
    own: list[operations.OpSequence] = [sequences[i] for i in as_list(different)]
    channels = int(slot.max()) + 1
    if channels * len(different) == len(maps):
        packed = maps.view(len(different), channels, *maps.shape[1:])
        return operations.carry(own, packed, mass=mass).flatten(0, 1)
    channels = min(channels, -(-2 * len(maps) // len(different)))  # no more than half is padding
    packed = maps.new_zeros(len(different), channels, *maps.shape[1:])
    now = slot < channels
    packed[place[now], slot[now]] = maps[now]
    result = torch.empty_like(maps)
    result[now] = operations.carry(own, packed, mass=mass)[place[now], slot[now]]
    if not bool(now.all()):
        result[~now] = _operated(sequences, mixture[~now], maps[~now], mass)
    return result


def unique(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the different values, sorted, and the place of each value (I,) among them."""
    order = values.sort().values
    different = order[order.diff(prepend=order[:1] - 1) != 0]
    return different, torch.searchsorted(different, values)

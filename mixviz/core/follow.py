"""Follow objects and dense maps through a mixture, by the geometry that ``apply`` gives to the pixels.

Boxes that are only cut, pasted and resized are followed by arithmetic on their edges. Everything else is followed as a
mask, one per object and source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import apply, checks, geometry
from mixviz.core.apply import Plan
from mixviz.core.objects import Objects, boxes_of, covered, ellipses
from mixviz.core.parts import Operations, Patches, Weights
from mixviz.core.tensors import as_list, on_device
from mixviz.ops import operations

SEEN = 1 / 510  # a smaller weight changes no byte of a picture
PIECE = 2**24  # values of masks that are moved at a time: 64 MB
FLAT = 0.1  # determinant of a map of coordinates below which a point is not placed more finely than a pixel


@dataclass(frozen=True, eq=False)
class MovedObjects:
    """The M objects that can be seen in N mixtures, ordered by mixture and source.

    Attributes:
        objects: their boxes, masks and points in the mixtures, with their classes and extras; ``objects.image`` is the
            mixture. A mask holds the pixels that can be seen, a box surrounds them.
        source: (M,) int64, index of the image that the object comes from.
        origin: (M,) int64, index of the object among those that were followed.
        visible: (M,) float32, share of the object's area that can be seen, 0 to 1.
        weight: (M,) float32, mean weight of its visible pixels: an object that Mixup blends in is there by λ.
        area: (M,) float32, pixels of the mixture that show it.
    """

    objects: Objects
    source: Tensor
    origin: Tensor
    visible: Tensor
    weight: Tensor
    area: Tensor

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, index: Tensor) -> MovedObjects:
        """Return those that an index (M',) int64 or a mask (M,) bool selects."""
        columns = (self.source, self.origin, self.visible, self.weight, self.area)
        return MovedObjects(self.objects[index], *(column[index] for column in columns))

    def of(self, mixture: int) -> MovedObjects:
        """Return the objects of one mixture, as the only image of a batch; ``source`` and ``origin`` stay."""
        mixture = range(self.objects.count)[mixture]
        own = self[self.objects.image == mixture]
        return dataclasses.replace(own, objects=self.objects.of(mixture))


class _Part(NamedTuple):
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


class _Items(NamedTuple):
    """Objects in mixtures, one row for each object of each part."""

    part: _Part
    mixture: Tensor
    origin: Tensor


class _Seen(NamedTuple):
    """What can be seen of some items: box (I, 4), masks (I, H, W) or None, visible share, weight and area (I,)."""

    mixture: Tensor
    origin: Tensor
    box: Tensor
    masks: Tensor | None
    points: Tensor | None
    visible: Tensor
    weight: Tensor
    area: Tensor


def follow(
    plan: Plan, objects: Objects, min_visible: float = 0.0, min_area: float = 0.0, mixtures: range | None = None
) -> MovedObjects:
    """Follow objects into the mixtures; see :meth:`mixviz.Recipe.follow`."""
    n = plan.partner.shape[1]
    if objects.size != tuple(plan.size) or objects.count != n:
        raise ValueError(
            f"This recipe was planned for {n} images of {plan.size[0]}x{plan.size[1]} (height x width); the objects "
            f"are of {objects.count} images of {objects.size[0]}x{objects.size[1]}. Give those of the batch."
        )
    checks.number("min_visible", min_visible, 0, 1)
    checks.number("min_area", min_area, 0)
    if objects.masks is None and keeps_edges(plan):
        seen = [_by_edges(plan, objects, _items(plan, part, objects, mixtures)) for part in _parts(plan)]
    else:
        seen = [_by_pixels(plan, objects, items) for items in _pieces(plan, objects, mixtures or range(n))]
    found = _joined(seen)
    keep = (found.visible > 0) & (found.visible >= min_visible) & (found.area >= min_area)
    index = keep.nonzero()[:, 0]
    index = index[found.mixture[index].argsort(stable=True)]
    origin = found.origin[index]
    moved = dataclasses.replace(
        objects[origin],
        count=n,
        image=found.mixture[index],
        boxes=found.box[index],
        masks=None if found.masks is None else found.masks[index],
        keypoints=None if found.points is None else found.points[index],
        checked=True,
    )
    return MovedObjects(moved, objects.image[origin], origin, *(column[index] for column in found[5:]))


def unmoved(objects: Objects) -> MovedObjects:
    """Return the objects of images that stay as they are."""
    one = torch.ones(len(objects), device=objects.image.device)
    origin = torch.arange(len(objects), device=objects.image.device)
    return MovedObjects(objects, objects.image, origin, one, one, objects.areas)


def follow_map(plan: Plan, maps: Tensor, ignore: int = 255) -> Tensor:
    """Mix dense targets; see :meth:`mixviz.Recipe.follow_map`."""
    n = plan.partner.shape[1]
    if maps.shape[0] != n or tuple(maps.shape[-2:]) != tuple(plan.size):
        raise ValueError(
            f"maps should be ({n}, {plan.size[0]}, {plan.size[1]}), or with channels before the height; got "
            f"{tuple(maps.shape)}."
        )
    if maps.is_floating_point():
        values = maps if maps.ndim == 4 else maps[:, None]
        return _blended(plan, values).view_as(maps)
    checks.tensor("maps", maps, "integer", (n, *plan.size))
    best = maps.new_full(maps.shape, ignore)
    most = torch.full(maps.shape, SEEN, device=maps.device)
    rows = torch.arange(n, device=maps.device)
    for part in _parts(plan):
        weight = _weight_maps(plan, part, rows)
        place = _places(plan, part, rows)
        if place is None:
            values = maps[plan.partner[part.source]]
        else:
            empty = place < 0
            values = maps.flatten(1)[plan.partner[part.source]].gather(1, place.clamp(min=0).flatten(1)).view_as(maps)
            weight = torch.where(empty, 0, weight)
        stronger = (weight > most) & part.live[:, None, None]
        best, most = torch.where(stronger, values, best), torch.where(stronger, weight, most)
    return best


# ---------------------------------------------------------------- where each source is shown


def _parts(plan: Plan) -> list[_Part]:
    """Return where each source is shown, at its own place and by each patch that moves it.

    An image that is several sources of a mixture at the same place is one part.
    """
    mixing, (sources, n) = plan.mixing, plan.partner.shape
    patches = mixing if isinstance(mixing, Patches) else None
    base = mixing.base
    weight = base.weight.mean(2) if isinstance(base, Weights) else _first(plan)
    inside = weight.new_zeros(sources, 0, n)
    moved: list[_Part] = []
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
            moved.append(_Part(p + 1, p, live, weight.new_zeros(n, 1, 1), own))
    same = plan.partner[:, None] == plan.partner
    if _moves_whole(plan):  # the same image at another place: joined where the pixels are known, in _by_pixels
        same = torch.eye(sources, dtype=torch.bool, device=weight.device)[:, :, None].expand_as(same)
    first = ~torch.stack([same[:k, k].any(0) for k in range(sources)])
    joined = same.to(weight.dtype)
    whole = torch.einsum("kjn,jn...->kn...", joined, weight)
    patched = torch.einsum("kjn,jpn->kpn", joined, inside)
    shown = [not k or bool(weight[k].any() or inside[k].any()) for k in range(sources)]
    parts = [_Part(k, None, first[k], whole[k], patched[k]) for k in range(sources) if shown[k]]
    return parts + moved


def _first(plan: Plan) -> Tensor:
    """Weights (K, N, 1, 1) of whole images that are not mixed."""
    weight = torch.zeros(*plan.partner.shape, 1, 1, device=plan.partner.device)
    weight[0] = 1
    return weight


def _moves_whole(plan: Plan) -> bool:
    """Whether operations or cells move the pixels of whole sources."""
    base = plan.mixing.base
    cells = isinstance(base, Weights) and base.cell_permutation is not None
    return cells or (isinstance(plan.mixing, Operations) and any(any(map(len, of)) for of in _moving(plan.mixing)))


def _moving(mixing: Operations) -> list[tuple[operations.OpSequence, ...]]:
    return [operations.moving(sequences) for sequences in mixing.sequences]


def keeps_edges(plan: Plan) -> bool:
    """Whether boxes are only cut, pasted, flipped and resized, and each source has one weight outside the patches."""
    base, mixing = plan.mixing.base, plan.mixing
    if isinstance(base, Weights) and (base.weight[0, 0, 0].numel() > 1 or base.cell_permutation is not None):
        return False
    if not _moves_whole(plan):
        return True
    if not isinstance(mixing, Operations) or len(plan.partner) > 1:
        return False  # several places of one image are joined as masks
    return operations.placed(mixing.sequences[0], plan.size) is not None


def _items(plan: Plan, part: _Part, objects: Objects, rows: range | None = None) -> _Items:
    """Return the objects of a part's source in each mixture of ``rows``."""
    order = objects.image.argsort(stable=True)
    counts = torch.bincount(objects.image, minlength=objects.count)
    start = counts.cumsum(0) - counts
    mixtures = part.live.nonzero()[:, 0]
    if rows is not None:
        mixtures = mixtures[(mixtures >= rows.start) & (mixtures < rows.stop)]
    owner = plan.partner[part.source, mixtures]
    repeats = counts[owner]
    before = repeats.cumsum(0) - repeats
    within = torch.arange(int(repeats.sum()), device=owner.device) - before.repeat_interleave(repeats)
    return _Items(part, mixtures.repeat_interleave(repeats), order[start[owner].repeat_interleave(repeats) + within])


def _pieces(plan: Plan, objects: Objects, mixtures: range) -> Iterator[list[_Items]]:
    """Yield the items of all parts, some mixtures at a time, so that the masks of a piece fit into memory."""
    parts = _parts(plan)
    counts = torch.bincount(objects.image, minlength=objects.count)
    most = max(1, sum(int(counts[plan.partner[part.source]].max()) for part in parts))
    step = max(1, PIECE // (most * plan.size[0] * plan.size[1]))
    for start in range(0, len(mixtures), step):
        yield [_items(plan, part, objects, mixtures[start : start + step]) for part in parts]


def _joined(seen: Sequence[_Seen]) -> _Seen:
    def column(name: str) -> Tensor:
        return torch.cat([getattr(one, name) for one in seen])

    return _Seen(
        column("mixture"),
        column("origin"),
        column("box"),
        None if seen[0].masks is None else column("masks"),
        None if seen[0].points is None else column("points"),
        column("visible"),
        column("weight"),
        column("area"),
    )


# ---------------------------------------------------------------- boxes, by their edges


def _by_edges(plan: Plan, objects: Objects, items: _Items) -> _Seen:
    """Follow boxes exactly: the edges of the box and of all patches divide it into cells of one weight each."""
    (part, mixture, origin), (height, width) = items, plan.size
    box, patches = objects.boxes[origin], plan.mixing
    whole = (box[:, 2:] - box[:, :2]).prod(1)
    targets = (
        patches.target_boxes[:, mixture].float() if isinstance(patches, Patches) else box.new_zeros(0, len(box), 4)
    )
    enlarged = torch.ones_like(whole)
    if part.patch is not None and isinstance(patches, Patches) and patches.source_boxes is not None:
        place, scale = _pasting(patches, part.patch, mixture)
        source = patches.source_boxes[part.patch, mixture].float()
        low, high = torch.maximum(box[:, :2], source[:, :2]), torch.minimum(box[:, 2:], source[:, 2:])
        box = place(torch.cat([low, torch.maximum(low, high)], 1).view(-1, 2, 2)).flatten(1)
        enlarged = scale.prod(1)
    elif isinstance(patches, Operations) and (placing := operations.placed(patches.sequences[part.source], plan.size)):
        scale, shift = (on_device(value, box.device)[mixture] for value in placing)
        ends = (box.double().view(-1, 2, 2) * scale[:, None] + shift[:, None]).float()
        box = torch.cat([ends.amin(1), ends.amax(1)], 1)
        enlarged = scale.abs().prod(1).float()
    bound = box.new_tensor([height, width])
    box = torch.cat([box[:, :2].clamp(min=0), torch.minimum(box[:, 2:], bound)], 1)
    box[:, 2:] = torch.maximum(box[:, :2], box[:, 2:])
    edges: list[Tensor] = []
    for axis in (0, 1):
        low, high = box[:, axis, None], box[:, axis + 2, None]
        cuts = torch.cat([targets[:, :, axis], targets[:, :, axis + 2]]).T.clamp(low, high)
        edges.append(torch.cat([low, cuts, high], 1).sort(1).values)
    down, across = (edge.diff(dim=1) for edge in edges)
    middle_down, middle_across = (edge[:, :-1] + step / 2 for edge, step in zip(edges, (down, across), strict=True))
    weight = part.start[mixture, 0, 0][:, None, None].expand(-1, down.shape[1], across.shape[1])
    for target, inside in zip(targets, part.inside[:, mixture], strict=True):
        top, left, bottom, right = target[:, :, None].unbind(1)
        rows, columns = (middle_down >= top) & (middle_down < bottom), (middle_across >= left) & (middle_across < right)
        weight = torch.where(rows[:, :, None] & columns[:, None, :], inside[:, None, None], weight)
    area = down[:, :, None] * across[:, None, :]
    shown = (weight > SEEN) & (area > 0)
    seen = (area * shown).sum((1, 2))
    around: list[Tensor] = []
    for axis, edge in ((2, edges[0]), (1, edges[1])):
        there = shown.any(axis)
        low = torch.where(there, edge[:, :-1], torch.inf).amin(1)
        around += [low, torch.where(there, edge[:, 1:], -torch.inf).amax(1)]
    points = None if objects.keypoints is None else _keypoints(plan, objects.keypoints, items)
    return _Seen(
        mixture,
        origin,
        torch.stack([around[0], around[2], around[1], around[3]], 1),
        None,
        points,
        (seen / (whole * enlarged).clamp(min=1e-12)).clamp(0, 1),
        torch.where(seen > 0, (area * shown * weight).sum((1, 2)) / seen, 0),
        seen,
    )


def _pasting(patches: Patches, p: int, mixture: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return how patch p moves points (I, ..., 2) of its source, and by how much it enlarges (I, 2)."""
    assert patches.source_boxes is not None
    source, target = patches.source_boxes[p, mixture].float(), patches.target_boxes[p, mixture].float()
    scale = (target[:, 2:] - target[:, :2]) / (source[:, 2:] - source[:, :2]).clamp(min=1)

    def place(points: Tensor) -> Tensor:
        shape = (-1, *[1] * (points.ndim - 2), 2)
        return (points - source[:, :2].view(shape)) * scale.view(shape) + target[:, :2].view(shape)

    return place, scale


# ---------------------------------------------------------------- masks, as pixels


def _by_pixels(plan: Plan, objects: Objects, several: list[_Items]) -> _Seen:
    """Follow masks through the geometry of the pixels; boxes without masks as filled boxes or inscribed ellipses."""
    parts = [_pixels_of(plan, objects, items) for items in several]
    shown, strength, visible = (torch.cat(column) for column in zip(*parts, strict=True))
    mixture, origin = (torch.cat([getattr(items, name) for items in several]) for name in ("mixture", "origin"))
    points = None
    if objects.keypoints is not None:
        points = torch.cat([_keypoints(plan, objects.keypoints, items) for items in several])
    if _moves_whole(plan) and len(several) > 1:
        mixture, origin, shown, strength, visible, points = _merged(
            mixture, origin, shown, strength, visible, points, len(objects)
        )
    if shown.dtype == torch.bool:
        pixels = shown
    else:
        high = shown.amax((1, 2), keepdim=True)
        pixels = (shown >= high.clamp(max=0.5)) & (shown > 0)
    total = shown.sum((1, 2)).float()
    return _Seen(
        mixture,
        origin,
        _soft_boxes(shown.float()) if objects.masks is None else boxes_of(pixels),
        None if objects.masks is None else pixels,
        points,
        visible.clamp(0, 1),
        torch.where(total > 0, strength.sum((1, 2)) / total, 0),
        total,
    )


def _pixels_of(plan: Plan, objects: Objects, items: _Items) -> tuple[Tensor, Tensor, Tensor]:
    """Return, for some items, how much each pixel that can be seen shows of the object (I, H, W), bool if pixels are
    only copied; the same times the weight of its source; and the visible share (I,) of the object's area."""
    part, mixture, origin = items
    mixing = plan.mixing
    if objects.masks is not None:
        masks = objects.masks[origin]
    elif _keeps_boxes(plan):
        masks = covered(objects.boxes, plan.size)[origin]
    else:
        masks = ellipses(objects.boxes, plan.size)[origin]
    whole = masks.sum((1, 2)).float().clamp(min=1e-12)
    resized = isinstance(mixing, Operations) or (part.patch is not None and isinstance(mixing, Patches))
    masks = masks.float() if resized else masks
    weight = _weight_maps(plan, part, mixture)
    seen, moved = weight > SEEN, _moved(plan, part, mixture, masks)
    shown = moved & seen if moved.dtype == torch.bool else moved * seen
    if isinstance(mixing, Operations) and _moves_whole(plan):
        kept = (_moved(plan, part, mixture, masks, mass=True) * seen).sum((1, 2))
    else:
        kept = shown.sum((1, 2))
        if part.patch is not None and isinstance(mixing, Patches):
            kept = kept / _pasting(mixing, part.patch, mixture)[1].prod(1).clamp(min=1e-12)
    return shown, weight * shown, kept / whole


def _keeps_boxes(plan: Plan) -> bool:
    """Whether a box is still a box after all operations and cells."""
    base, mixing = plan.mixing.base, plan.mixing
    if isinstance(base, Weights) and base.cell_permutation is not None:
        return True  # in pieces, which no ellipse describes better
    if not isinstance(mixing, Operations):
        return True
    return all(operations.OPERATIONS[op.name].keeps_boxes for of in _moving(mixing) for one in of for op in one)


def _weight_maps(plan: Plan, part: _Part, mixture: Tensor) -> Tensor:
    """Return the weight (I, H, W) of a part at every pixel of some mixtures."""
    weight = part.start[mixture].expand(-1, *plan.size)
    if isinstance(plan.mixing, Patches):
        for p, target in enumerate(plan.mixing.target_boxes):
            inside = geometry.box_mask(target[mixture], plan.size)
            weight = torch.where(inside, part.inside[p, mixture][:, None, None], weight)
    return weight


def _moved(plan: Plan, part: _Part, mixture: Tensor, maps: Tensor, *, mass: bool = False) -> Tensor:
    """Move maps (I, H, W) of a part's source into its mixtures; ``mass`` as in :func:`operations.carry`."""
    base, mixing = plan.mixing.base, plan.mixing
    if part.patch is not None and isinstance(mixing, Patches) and mixing.source_boxes is not None:
        boxes = mixing.source_boxes[part.patch, mixture], mixing.target_boxes[part.patch, mixture]
        return apply.pasted(maps[:, None], *boxes, mixing.resample, maps.device.type == "cpu")[:, 0]
    if isinstance(base, Weights) and base.cell_permutation is not None:
        maps = geometry.move_cells(maps[:, None], base.cell_permutation[part.source, mixture])[:, 0]
    if isinstance(mixing, Operations):
        rows: list[int] = as_list(mixture)
        maps = operations.carry([mixing.sequences[part.source][i] for i in rows], maps, mass=mass)
    return maps


def _merged(
    mixture: Tensor, origin: Tensor, shown: Tensor, strength: Tensor, visible: Tensor, points: Tensor | None, count: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Join the rows of one object in one mixture, where an image is several sources that are moved differently."""
    groups, place = _unique(mixture * max(count, 1) + origin)
    rows = len(groups)
    if rows == len(mixture):
        return mixture, origin, shown, strength, visible, points
    first = torch.full((rows,), len(mixture), device=mixture.device)
    first = first.scatter_reduce(0, place, torch.arange(len(mixture), device=mixture.device), "amin")
    union = shown.new_zeros(rows, *shown.shape[1:])
    union = union.scatter_reduce(0, place[:, None, None].expand_as(shown), shown, "amax")
    total = strength.new_zeros(rows, *strength.shape[1:]).index_add(0, place, strength)
    most = visible.new_zeros(rows).scatter_reduce(0, place, visible, "amax")
    return mixture[first], origin[first], union, total, most, None if points is None else points[first]


def _unique(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the different values, sorted, and the place of each value (I,) among them."""
    order = values.sort().values
    different = order[order.diff(prepend=order[:1] - 1) != 0]
    return different, torch.searchsorted(different, values)


def _soft_boxes(shown: Tensor) -> Tensor:
    """Return the box (I, 4) around maps (I, H, W), with parts of pixels at the edges: a first row that shows 0.3 of the
    most begins 0.7 pixels later."""
    high = shown.amax((1, 2)).clamp(min=1e-12)[:, None]
    edges: list[Tensor] = []
    for axis in (2, 1):
        share = shown.amax(axis) / high
        length = share.shape[1]
        start = torch.arange(length, device=shown.device)
        low = torch.where(share > 1e-4, start + 1 - share, torch.inf).amin(1)
        far = torch.where(share > 1e-4, start + share, -torch.inf).amax(1)
        edges += [low, far]
    return torch.stack([edges[0], edges[2], edges[1], edges[3]], 1)


# ---------------------------------------------------------------- points and places


def _places(plan: Plan, part: _Part, mixture: Tensor) -> Tensor | None:
    """Return which pixel of the source each pixel of some mixtures shows (I, H, W), counted row by row; -1: none.

    None: every pixel its own.
    """
    if part.patch is None and not _moves_whole(plan):
        return None
    down, across, there = _coordinates(plan, part, mixture)
    height, width = plan.size
    rows, columns = down.floor().clamp(0, height - 1).long(), across.floor().clamp(0, width - 1).long()
    return torch.where(there, rows * width + columns, -1)


def _coordinates(plan: Plan, part: _Part, mixture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the row and column of the source (I, H, W) that each pixel of some mixtures shows, and whether it does."""
    height, width = plan.size
    device = plan.partner.device
    down = (torch.arange(height, device=device) + 0.5)[:, None].expand(height, width)
    across = (torch.arange(width, device=device) + 0.5).expand(height, width)
    if part.patch is not None and isinstance(plan.mixing, Patches) and plan.mixing.source_boxes is not None:
        source = plan.mixing.source_boxes[part.patch, mixture].float()
        target = plan.mixing.target_boxes[part.patch, mixture].float()
        scale = (source[:, 2:] - source[:, :2]) / (target[:, 2:] - target[:, :2]).clamp(min=1)
        corner, step = (value[:, :, None, None] for value in (source[:, :2] - target[:, :2] * scale, scale))
        inside = geometry.box_mask(plan.mixing.target_boxes[part.patch, mixture], plan.size)
        return down * step[:, 0] + corner[:, 0], across * step[:, 1] + corner[:, 1], inside
    moved = [
        _moved(plan, part, mixture, one.expand(len(mixture), height, width).contiguous())
        for one in (down, across, torch.ones_like(down))
    ]
    full = moved[2].clamp(min=0.5)
    return moved[0] / full, moved[1] / full, moved[2] >= 0.5


def _keypoints(plan: Plan, keypoints: Tensor, items: _Items) -> Tensor:
    """Move the points (I, P, 3) of some items; what is covered is hidden, what is outside is not labelled."""
    (part, mixture, origin), (height, width) = items, plan.size
    points = keypoints[origin]
    place, visibility = points[..., :2], points[..., 2]
    found = torch.ones_like(visibility, dtype=torch.bool)
    if part.patch is not None and isinstance(plan.mixing, Patches):
        place = _pasting(plan.mixing, part.patch, mixture)[0](place)
    elif _moves_whole(plan):
        place, found = _placed(plan, items, place)
    rows, columns = place[..., 0].floor(), place[..., 1].floor()
    inside = found & (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = (rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)).long()
    shown = _weight_maps(plan, part, mixture).flatten(1).gather(1, index) > SEEN
    visibility = torch.where(inside, torch.where(shown, visibility, visibility.clamp(max=1)), 0)
    return torch.cat([torch.where(inside[..., None], place, 0), visibility[..., None]], 2)


def _placed(plan: Plan, items: _Items, points: Tensor) -> tuple[Tensor, Tensor]:
    """Find where operations and cells put points (I, P, 2), and whether they are still in the picture (I, P).

    The pixel that shows the nearest place of the source is found in the maps of coordinates, then the place inside it
    by their local slope.
    """
    mixtures, index = _unique(items.mixture)
    down, across, there = _coordinates(plan, items.part, mixtures)
    width = plan.size[1]
    result, found = torch.zeros_like(points), torch.zeros(points.shape[:2], dtype=torch.bool, device=points.device)
    for p in range(points.shape[1]):
        far = (down[index] - points[:, p, 0, None, None]).square() + (
            across[index] - points[:, p, 1, None, None]
        ).square()
        far = torch.where(there[index], far, torch.inf).flatten(1)
        distance, nearest = far.min(1)
        row, column = nearest // width, nearest % width
        slope = _slope((down, across), there, index, row, column)
        error = torch.stack(
            [points[:, p, 0] - down[index, row, column], points[:, p, 1] - across[index, row, column]], 1
        )
        determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
        adjugate = torch.stack(
            [slope[:, 1, 1], -slope[:, 0, 1], -slope[:, 1, 0], slope[:, 0, 0]], 1
        ).view(-1, 2, 2)  # fmt: skip
        step = (adjugate @ error[:, :, None])[:, :, 0] / determinant[:, None]
        fine = (determinant.abs() > FLAT)[:, None] & (step.abs() <= 1).all(1, keepdim=True)
        centre = torch.stack([row, column], 1) + 0.5
        result[:, p] = torch.where(fine, centre + step, centre)
        found[:, p] = distance < 2  # a point outside the picture is further than a pixel from all that are shown
    return result, found


def _slope(maps: tuple[Tensor, Tensor], there: Tensor, index: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the derivative (I, 2, 2) of maps of coordinates at some pixels, over neighbours that show something."""
    height, width = there.shape[1:]
    columns: list[Tensor] = []
    for down, across in ((1, 0), (0, 1)):
        after = (row + down).clamp(max=height - 1), (column + across).clamp(max=width - 1)
        before = (row - down).clamp(min=0), (column - across).clamp(min=0)
        after = tuple(torch.where(there[index, *after], a, b) for a, b in zip(after, (row, column), strict=True))
        before = tuple(torch.where(there[index, *before], a, b) for a, b in zip(before, (row, column), strict=True))
        length = (after[0] - before[0] + after[1] - before[1]).clamp(min=1)
        columns.append(torch.stack([(one[index, *after] - one[index, *before]) / length for one in maps], 1))
    return torch.stack(columns, 2)


def _blended(plan: Plan, maps: Tensor) -> Tensor:
    """Blend real maps (N, C, H, W) by weight; 0 where no source is shown."""
    total = torch.zeros_like(maps)
    rows = torch.arange(len(maps), device=maps.device)
    for part in _parts(plan):
        sources = maps[plan.partner[part.source]]
        channels = [_moved(plan, part, rows, one) for one in sources.unbind(1)]
        weight = _weight_maps(plan, part, rows) * part.live[:, None, None]
        total = total + torch.stack(channels, 1) * weight[:, None]
    return total

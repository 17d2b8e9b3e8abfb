"""Follow objects and dense maps through a mixture, by the geometry that ``apply`` gives to the pixels.

Boxes that are only cut, pasted, flipped, turned and resized are followed by arithmetic
(:mod:`mixviz.core.follow_boxes`), other boxes as shapes looked up in a window (:mod:`mixviz.core.follow_windows`), and
everything else as a mask, one per object and source (:mod:`mixviz.core.follow_masks`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.core.apply import Plan
from mixviz.core.follow_boxes import by_arithmetic
from mixviz.core.follow_compiled import by_loops, can_compile
from mixviz.core.follow_masks import by_pixels
from mixviz.core.follow_parts import SEEN, carried, items_of, joined, parts_of, pieces, weight_maps
from mixviz.core.follow_points import places
from mixviz.core.follow_windows import by_windows
from mixviz.core.objects import Objects


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
    if objects.polygons is not None:  # what is left of a polygon is seldom one: their pixels are followed
        objects = dataclasses.replace(objects, masks=objects.pixels(), polygons=None, checked=True)
    seen = None
    if objects.masks is None and plan.first is None:
        several = [items_of(plan, part, objects, mixtures) for part in parts_of(plan)]
        seen = by_arithmetic(plan, objects, several)
        if seen is None and several:
            looked = by_windows(plan, objects, several)
            seen = None if looked is None else [looked]
    if seen is None:
        way = by_loops if plan.first is None and can_compile(plan, objects) else by_pixels
        seen = [way(plan, objects, items) for items in pieces(plan, objects, mixtures or range(n))]
    found = joined(seen)
    keep = (found.visible > 0) & (found.visible >= min_visible) & (found.area >= min_area)
    index = keep.nonzero()[:, 0]
    index = index[found.mixture[index].argsort(stable=True)]
    origin, masks = found.origin[index], found.masks
    if masks is not None and not index.equal(torch.arange(len(masks), device=index.device)):
        masks = masks[index]
    moved = dataclasses.replace(
        dataclasses.replace(objects, masks=None, checked=True)[origin],  # without a copy of the large masks
        count=n,
        image=found.mixture[index],
        boxes=found.box[index],
        masks=masks,
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
    for part in parts_of(plan):
        weight = weight_maps(plan, part, rows)
        place = places(plan, part, rows)
        if place is None:
            values = maps[plan.partner[part.source]]
        else:
            empty = place < 0
            values = maps.flatten(1)[plan.partner[part.source]].gather(1, place.clamp(min=0).flatten(1)).view_as(maps)
            weight = torch.where(empty, 0, weight)
        stronger = (weight > most) & part.live[:, None, None]
        best, most = torch.where(stronger, values, best), torch.where(stronger, weight, most)
    return best


def _blended(plan: Plan, maps: Tensor) -> Tensor:
    """Blend real maps (N, C, H, W) by weight; 0 where no source is shown."""
    total = torch.zeros_like(maps)
    rows = torch.arange(len(maps), device=maps.device)
    for part in parts_of(plan):
        sources = maps[plan.partner[part.source]]
        moved = carried(plan, part, rows.repeat_interleave(maps.shape[1]), sources.flatten(0, 1)).view_as(maps)
        weight = weight_maps(plan, part, rows) * part.live[:, None, None]
        total = total + moved * weight[:, None]
    return total

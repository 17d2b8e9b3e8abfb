"""Objects in pictures: boxes, masks, polygons, keypoints and classes, for a whole batch in one list."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.core.polygons import Polygons, around, as_rings, fill, problem
from mixviz.core.tensors import as_list

Column = Tensor | Sequence[Any]  # one value per object
Kept = TypeVar("Kept")


@dataclass(frozen=True, eq=False, kw_only=True)
class Objects:
    """The M annotated objects of a batch of N images of one size; an image may have any number of them.

    Attributes:
        size: (H, W) of the images, in pixels.
        count: N, the number of images.
        image: (M,) int64, index of the image that each object is in.
        boxes: (M, 4) float32, (top, left, bottom, right) in pixels: (0, 0, H, W) is the whole image. None: the boxes
            of the masks, or around the polygons.
        masks: (M, H, W) bool, the pixels of each object; None: only boxes are known.
        polygons: of each object its polygons, a tuple of points (P, 2) float64 each, (row, column) in pixels, or None;
            None: there are none. Where masks are needed and not given, polygons are filled, as in COCO.
        keypoints: (M, P, 3) float32, (row, column, visibility) of each point: 0.5 is the centre of the first pixel;
            visibility is COCO's, 0 not labelled, 1 hidden, 2 visible. None: no points.
        classes: (M,) int64, class of each object; None: no classes.
        extras: further columns by name, each with one value per object, e.g. ids; carried along unchanged.

    Raises:
        TypeError, ValueError: what cannot be an object, with its index, the value, and what to do.
    """

    size: tuple[int, int]
    count: int
    image: Tensor
    boxes: Tensor = None  # pyright: ignore[reportAssignmentType]  # computed from the masks where it is not given
    masks: Tensor | None = None
    polygons: Polygons | None = None
    keypoints: Tensor | None = None
    classes: Tensor | None = None
    extras: Mapping[str, Column] = field(default_factory=dict[str, Column])
    checked: InitVar[bool] = False  # True: the fields are known to be right, and are not looked at

    def __post_init__(self, checked: bool) -> None:
        if checked:
            return
        checks.size("size", self.size)
        checks.number("count", self.count, 0, whole=True)
        checks.tensor("image", self.image, "integer", ("M",), values=False, empty=True)
        number = len(self.image)
        if self.masks is not None:
            checks.tensor("masks", self.masks, "bool", (number, *self.size), values=False, empty=True)
        self._check_polygons()
        if self.boxes is None:  # pyright: ignore[reportUnnecessaryComparison]
            if self.masks is None and (self.polygons is None or None in self.polygons):
                raise ValueError("Objects need boxes (M, 4), masks (M, H, W) or a polygon each; got none of them.")
            boxes = self._around_polygons() if self.masks is None else boxes_of(self.masks)
            object.__setattr__(self, "boxes", boxes)
        checks.tensor("boxes", self.boxes, "real", (number, 4), values=False, empty=True)
        object.__setattr__(self, "boxes", self.boxes.float())
        if self.keypoints is not None:
            checks.tensor("keypoints", self.keypoints, "float", (number, "P", 3), values=False, empty=True)
        if self.classes is not None:
            checks.tensor("classes", self.classes, "integer", (number,), values=False, empty=True)
        for name, column in self.extras.items():
            if len(column) != number:
                raise ValueError(f"extras[{name!r}] should have a value per object, {number}; got {len(column)}.")
        if wrong := self.problems():
            index = min(wrong)
            raise ValueError(f"Object {index}: {wrong[index]}")

    def _check_polygons(self) -> None:
        """Take polygons as arrays, and refuse what is wrong with them."""
        if self.polygons is None:
            return
        if len(self.polygons) != len(self.image):
            raise ValueError(f"polygons should be those of {len(self.image)} objects; got {len(self.polygons)}.")
        rings = tuple(as_rings(one, index) for index, one in enumerate(self.polygons))
        for index, one in enumerate(rings):
            for ring in one or ():
                if wrong := problem(ring, self.size):
                    raise ValueError(f"Object {index}: {wrong}.")
        object.__setattr__(self, "polygons", rings)

    def _around_polygons(self) -> Tensor:
        bound = torch.tensor([*self.size, *self.size], device=self.image.device)
        boxes = [around(rings) for rings in self.polygons or () if rings is not None]
        return torch.minimum(bound.new_tensor(boxes, dtype=torch.float32).view(-1, 4).clamp(min=0), bound)

    @classmethod
    def none(cls, size: tuple[int, int], count: int) -> Objects:
        """No objects in ``count`` images."""
        return cls(size=size, count=count, image=torch.zeros(0, dtype=torch.int64), boxes=torch.zeros(0, 4))

    def problems(self) -> dict[int, str]:
        """Return what is wrong with the values of each object, by its index; empty if nothing is."""
        return problems(
            self.boxes, self.size, image=self.image, count=self.count, keypoints=self.keypoints, masks=self.masks
        )

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: Tensor | slice) -> Objects:
        """Return the objects that an index (M',) int64 or a mask (M,) bool selects; the images stay the same."""
        if isinstance(index, slice):
            index = torch.arange(len(self), device=self.image.device)[index]
        elif index.dtype == torch.bool:
            index = index.nonzero()[:, 0]
        taken: list[int] = []

        def column(values: Column) -> Column:
            if isinstance(values, Tensor):
                return values[index]
            taken[:] = taken or as_list(index)
            return [values[i] for i in taken]

        return dataclasses.replace(
            self,
            image=self.image[index],
            boxes=self.boxes[index],
            masks=None if self.masks is None else self.masks[index],
            polygons=None if self.polygons is None else [self.polygons[i] for i in as_list(index)],
            keypoints=None if self.keypoints is None else self.keypoints[index],
            classes=None if self.classes is None else self.classes[index],
            extras={name: column(values) for name, values in self.extras.items()},
            checked=True,
        )

    def of(self, image: int) -> Objects:
        """Return the objects of one image, as the only image of a batch."""
        image = range(self.count)[image]
        own = self[self.image == image]
        return dataclasses.replace(own, image=torch.zeros_like(own.image), count=1, checked=True)

    def to(self, device: torch.device | str) -> Objects:
        """Return the objects with all tensors on a device."""
        moved = {
            one.name: value.to(device)
            for one in dataclasses.fields(self)
            if isinstance(value := getattr(self, one.name), Tensor)
        }
        extras = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in self.extras.items()}
        return dataclasses.replace(self, **moved, extras=extras, checked=True)

    @cached_property
    def by_image(self) -> tuple[Tensor, Tensor, Tensor]:
        """Indices (M,) of the objects, image by image, and where those of each image start (N,), and how many (N,)."""
        counts = torch.bincount(self.image, minlength=self.count)
        return self.image.argsort(stable=True), counts.cumsum(0) - counts, counts

    @property
    def areas(self) -> Tensor:
        """(M,) float32, area of each mask, or of each box if there are no masks and polygons, in pixels."""
        if self.masks is not None or self.polygons is not None:
            return self.pixels().sum((1, 2)).float()
        return (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1)

    def pixels(self) -> Tensor:
        """(M, H, W) bool, the pixels of each object: its mask, else its filled polygons, else its box.

        Raises:
            ImportError: polygons without pycocotools.
        """
        if self.masks is not None:
            return self.masks
        filled = box_pixels(self)
        return filled if self.polygons is None else fill(self.polygons, filled)

    def union(self) -> Tensor:
        """(N, H, W) float32, 1 where an image has any object: a map for methods that follow saliency."""
        return united(self.pixels(), self.image, self.count)


def collate(several: Sequence[Objects]) -> Objects:
    """Join the objects of several batches of images into those of one batch, in order.

    Where some have masks and others do not, the others' polygons or boxes are filled. Keypoints and classes must be
    there for all or for none.

    Raises:
        ValueError: images of different sizes, or keypoints, classes or extras that only some have.
    """
    if not several:
        raise ValueError("Objects of no image cannot be joined: give one Objects or more.")
    sizes = sorted({one.size for one in several})
    if len(sizes) > 1:
        raise ValueError(f"Objects of a batch should be of images of one size; got {sizes}. Resize them first.")
    full = [one for one in several if len(one)]
    masked = any(one.masks is not None for one in full)

    def joined(name: str) -> Tensor | None:
        columns = [getattr(one, name) for one in full]
        given = [column for column in columns if column is not None]
        if len(given) not in (0, len(columns)):
            raise ValueError(f"{len(given)} of {len(columns)} images with objects have {name}: give all, or none.")
        return torch.cat(given) if given else None

    starts = [0]
    for one in several:
        starts.append(starts[-1] + one.count)
    names = {tuple(sorted(one.extras)) for one in full}
    if len(names) > 1:
        raise ValueError(f"All objects should have the same extras; got {sorted(names)}.")
    extras: dict[str, Column] = {}
    for name in names.pop() if names else ():
        columns = [one.extras[name] for one in full]
        tensors = [column for column in columns if isinstance(column, Tensor)]
        extras[name] = torch.cat(tensors) if len(tensors) == len(columns) else [v for column in columns for v in column]
    return Objects(
        size=sizes[0],
        count=starts[-1],
        image=torch.cat([one.image + start for one, start in zip(several, starts, strict=False)]),
        boxes=torch.cat([one.boxes for one in several]),
        masks=torch.cat([one.pixels() for one in full]) if masked else None,
        polygons=_joined_polygons(full),
        keypoints=joined("keypoints"),
        classes=joined("classes"),
        extras=extras,
        checked=True,
    )


def _joined_polygons(several: Sequence[Objects]) -> Polygons | None:
    """Join the polygons of several objects; None if none has any."""
    if all(one.polygons is None for one in several):
        return None
    return [rings for one in several for rings in one.polygons or [None] * len(one)]


def problems(
    boxes: Tensor,
    size: tuple[int, int],
    *,
    image: Tensor | None = None,
    count: int = 0,
    keypoints: Tensor | None = None,
    masks: Tensor | None = None,
) -> dict[int, str]:
    """Return what is wrong with objects, by index: a message that names the value and the remedy.

    Args:
        boxes: (M, 4), (top, left, bottom, right) in pixels.
        size: (H, W) of the images.
        image: (M,) index of each object's image, below ``count``.
        keypoints: (M, P, 3).
        masks: (M, H, W) bool; an object of the first pixel alone is known by its mask from one in shares of the sides.
    """
    height, width = size
    top, left, bottom, right = boxes.unbind(1)
    slack = 1e-3 * max(size)  # rounding in files that store shares of the sides
    fractions = "they look like shares of the sides: multiply them by the height and the width"
    shares = (boxes.amax(1) <= 1) & (boxes.amax(1) > 0) & (min(size) > 2)
    if masks is not None and bool(shares.any()):
        shares &= masks.flatten(1)[:, 1:].any(1)
    rules: list[tuple[Tensor, str]] = [
        (~boxes.isfinite().all(1), "its box has an edge that is not a finite number"),
        ((bottom < top) | (right < left), "its box should be (top, left, bottom, right) with top <= bottom and "
         "left <= right: are the axes or the corners in another order, or is it (top, left, height, width)?"),
        ((boxes.amin(1) < -slack) | (bottom > height + slack) | (right > width + slack),
         f"its box leaves the image of {height}x{width} pixels (height x width): clip it, or give the size of the "
         "image that it was drawn on"),
        (shares, f"its box is less than a pixel large; {fractions}"),
        ((bottom == top) | (right == left), "its box has no area: leave the object out"),
    ]  # fmt: skip
    if image is not None:
        outside = (image < 0) | (image >= count)
        rules.append((outside, f"its image index is not one of the {count} images"))
    if keypoints is not None:
        rules.append((~keypoints.isfinite().flatten(1).all(1), "it has a keypoint that is not a finite number"))
    found: dict[int, str] = {}
    if not len(boxes) or not bool(torch.stack([wrong for wrong, _ in rules]).any()):
        return found
    for wrong, text in rules:
        for index in as_list(wrong.nonzero()[:, 0]):
            edges = ", ".join(f"{edge:.6g}" for edge in as_list(boxes[index]))
            found.setdefault(index, f"{text}. The box is ({edges}).")
    return found


def united(masks: Tensor, image: Tensor, count: int) -> Tensor:
    """(N, H, W) float32, 1 where any of the masks (M, H, W) bool of an image is; ``image`` (M,) says whose each is."""
    counts = torch.zeros(count, *masks.shape[1:], device=masks.device)
    return counts.index_add(0, image, masks.float()).clamp(max=1)


def boxes_of(masks: Tensor) -> Tensor:
    """(M, 4) float32, the smallest box (top, left, bottom, right) around each mask (M, H, W) bool; empty at (0, 0)
    where a mask is empty."""
    edges: list[Tensor] = []
    for axis in (2, 1):
        any_there = masks.any(axis)
        length = any_there.shape[1]
        first = any_there.to(torch.uint8).argmax(1)
        last = length - any_there.flip(1).to(torch.uint8).argmax(1)
        edges += [first, torch.where(any_there.any(1), last, 0)]
    return torch.stack([edges[0], edges[2], edges[1], edges[3]], 1).float()


def covered(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(M, H, W) float32, the share of each pixel that lies inside each box (M, 4), exact for any real edges."""
    shares: list[Tensor] = []
    for axis in (0, 1):
        low, high = boxes[:, axis, None], boxes[:, axis + 2, None]
        start = torch.arange(size[axis], device=boxes.device)
        shares.append((torch.minimum(high, start + 1) - torch.maximum(low, start)).clamp(0, 1))
    return shares[0][:, :, None] * shares[1][:, None, :]


def box_pixels(objects: Objects | Tensor) -> Tensor:
    """(M, H, W) bool, the pixels of which a box covers at least half, or as much as of any other.

    Args:
        objects: with boxes, or the share (M, H, W) of each pixel that they cover (:func:`covered`).
    """
    share = objects if isinstance(objects, Tensor) else covered(objects.boxes, objects.size)
    return share >= share.amax((1, 2), keepdim=True).clamp(max=0.5, min=1e-9)


def ellipses(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """(M, H, W) float32 in [0, 1], the ellipse inscribed in each box, with soft edges of one pixel."""
    top, left, bottom, right = boxes.unbind(1)
    squares: list[Tensor] = []
    for axis, (low, high) in enumerate(((top, bottom), (left, right))):
        centre = torch.arange(size[axis], device=boxes.device) + 0.5
        radius = ((high - low) / 2).clamp(min=1e-3)[:, None]
        squares.append(((centre - ((low + high) / 2)[:, None]) / radius).square())
    radius = torch.minimum(bottom - top, right - left)[:, None, None] / 2
    distance = (squares[0][:, :, None] + squares[1][:, None, :]).sqrt()
    return ((1 - distance) * radius + 0.5).clamp(0, 1)

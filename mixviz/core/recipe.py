"""Recipe: all decisions about a mixture, made before any pixel is touched.

x̃[n] = Σ_k weight[k, n] ⊙ source[k, n]          ỹ[n] = Σ_k share[k, n] · y[partner[k, n]]
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import apply, checks, geometry
from mixviz.core import follow as following
from mixviz.core import targets as labelling
from mixviz.core.deprecated import accepts_old_names
from mixviz.core.follow import MovedObjects
from mixviz.core.objects import Objects
from mixviz.core.parts import (
    NO_TRACE,
    UNMIXED,
    ByStyle,
    Label,
    LabelRule,
    Mixing,
    Operations,
    Patches,
    Style,
    Trace,
    Unmixed,
    Weights,
)
from mixviz.core.tensors import check_range
from mixviz.ops import operations
from mixviz.ops.operations import OpSequence


class Truth(NamedTuple):
    """Comparison of the label with the visible objects. All (K, N).

    ``visible`` is the share of each source's saliency (or object) that can be seen in the mixture. ``fair`` is the
    label that follows from it: ``visible`` scaled to the label's own sum, in equal parts where nothing is visible.
    ``share`` is the label that the method gives, ``partner`` the index of each source image. ``gap`` (N,) is the label
    mass on the wrong image.
    """

    visible: Tensor
    fair: Tensor
    share: Tensor
    partner: Tensor

    @property
    def gap(self) -> Tensor:
        """(N,) half the sum of \\|share - fair\\|: 0 is a fair label, 1 a label for the wrong image.

        Sources that are the same image count as one.
        """
        same = (self.partner[:, None] == self.partner).to(self.share.dtype)
        per_image = (same * (self.share - self.fair)).sum(1).abs()  # repeated for each source that is this image
        return (per_image / same.sum(1)).sum(0) / 2


@accepts_old_names
@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """A planned mixture of N images from K sources each.

    Attributes:
        size: (H, W) of the images that it was planned for.
        partner: (K, N) int64, index of the image that is source k of image n.
        share: (K, N) float32, each source's part of the label.
        mixing: how the sources become a mixture, one of the kinds in :mod:`mixviz.core.parts`.
        label: the rule that the share follows.
        trace: the drawn values and the maps used.
        layer: 0: pixels are mixed. Otherwise the stage of the network whose output is mixed
            (:func:`mixviz.mix_inside`).
        before: operations on each image by itself, with one source over :class:`~mixviz.core.parts.Unmixed`, before all
            else: the sources are the images after them. Pixels that they empty count as their image's. None: none.

    The fields of its parts can also be read from the recipe; they are None if it has no such part.
    """

    size: tuple[int, int]
    partner: Tensor
    share: Tensor
    mixing: Mixing = UNMIXED
    label: Label = LabelRule.AREA
    trace: Trace = NO_TRACE
    layer: int = 0
    before: Operations | None = None

    def __post_init__(self) -> None:
        sources, mixing, base = self.partner.shape[0], self.mixing, self.mixing.base
        if isinstance(base, Weights) and base.weight.shape[0] != sources:
            raise _unequal(sources, base.weight.shape[0], "weights")
        if isinstance(mixing, Patches) and sources == 1 and mixing.fill is None:
            raise ValueError("The patches of a single source show a fill: give fill, or a second source.")
        if isinstance(mixing, Operations) and len(mixing.sequences) != sources:
            raise _unequal(sources, len(mixing.sequences), "operation sequences")
        if isinstance(mixing, Style) and mixing.style.shape[0] != sources:
            raise _unequal(sources, mixing.style.shape[0], "styles")
        before = self.before
        if before is not None and (len(before.sequences) != 1 or not isinstance(before.base, Unmixed)):
            raise ValueError("Operations before mixing have one source, the image itself, and no weights.")

    def __len__(self) -> int:
        return self.partner.shape[1]

    @property
    def base(self) -> Unmixed | Weights:
        """The weights of the sources, below patches, operations or styles."""
        return self.mixing.base

    @property
    def weight(self) -> Tensor | None:
        """Each source's weight, (K, N, 1 or C, 1 or H, 1 or W); None: the image itself."""
        return self.base.weight if isinstance(self.base, Weights) else None

    @property
    def cell_permutation(self) -> Tensor | None:
        """See :class:`~mixviz.core.parts.Weights`."""
        return self.base.cell_permutation if isinstance(self.base, Weights) else None

    @property
    def target_boxes(self) -> Tensor | None:
        """(P, N, 4) box that patch p is pasted into, as (top, left, bottom, right)."""
        return self.mixing.target_boxes if isinstance(self.mixing, Patches) else None

    @property
    def source_boxes(self) -> Tensor | None:
        """(P, N, 4) box that patch p is cut from; None: the same box."""
        return self.mixing.source_boxes if isinstance(self.mixing, Patches) else None

    @property
    def target_box(self) -> Tensor | None:
        """(N, 4) box that the (first) patch is pasted into."""
        return self.mixing.target_boxes[0] if isinstance(self.mixing, Patches) else None

    @property
    def source_box(self) -> Tensor | None:
        """(N, 4) box that the (first) patch is cut from; None: there is no patch, or it is a fill."""
        if not isinstance(self.mixing, Patches) or len(self.partner) == 1:
            return None
        return (self.mixing.target_boxes if self.mixing.source_boxes is None else self.mixing.source_boxes)[0]

    @property
    def patch_alpha(self) -> Tensor | None:
        """(P, N) weight of patch p's source inside it; None: 1."""
        return self.mixing.patch_alpha if isinstance(self.mixing, Patches) else None

    @property
    def noise(self) -> Tensor | None:
        """Noise added inside the patches."""
        return self.mixing.noise if isinstance(self.mixing, Patches) else None

    @property
    def resample(self) -> bool:
        """Whether patches are resized."""
        return isinstance(self.mixing, Patches) and self.mixing.resample

    @property
    def fill(self) -> Tensor | None:
        """Fill for missing sources, in [0, 1], broadcastable to (N, C, H, W)."""
        own = self.mixing.fill if isinstance(self.mixing, Patches | Operations) else None
        return self.base.fill if own is None and isinstance(self.base, Weights) else own

    @property
    def sequences(self) -> tuple[tuple[OpSequence, ...], ...] | None:
        """Operations applied to each source of each image."""
        return self.mixing.sequences if isinstance(self.mixing, Operations) else None

    @property
    def style(self) -> Tensor | None:
        """(K, N) int64, index of the image whose style source k of image n takes."""
        return self.mixing.style if isinstance(self.mixing, Style) else None

    @property
    def lam(self) -> Tensor | None:
        """(N,) λ, drawn or held."""
        return self.trace.lam

    @property
    def saliency(self) -> Tensor | None:
        """(N, H, W) saliency maps that the method used."""
        return self.trace.saliency

    @property
    def label_by(self) -> str:
        """Name of the label rule in files."""
        return self.label.value

    @property
    def by_style(self) -> float:
        """Part of the label that goes to the images that give the style."""
        return self.label.part if isinstance(self.label, ByStyle) else 0.0

    @property
    def whole(self) -> bool:
        """Whether every label sums to 1; only :attr:`LabelRule.VISIBLE` is not scaled."""
        return self.label is not LabelRule.VISIBLE

    @property
    def paired(self) -> bool:
        """Whether any image has a source other than itself; reads back from the device."""
        return bool((self.partner[1:] != self.partner[0]).any())

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising: pixels are only cut and blended, without a fill, a clamp or an
        operation that depends on their range."""
        return self.mixing.linear and self.before is None

    @property
    def first(self) -> Recipe | None:
        """The recipe of the operations before mixing; None without."""
        if self.before is None:
            return None
        n, device = len(self), self.partner.device
        return Recipe(
            size=self.size, partner=torch.arange(n, device=device)[None], share=self.share.new_ones(1, n),
            mixing=self.before, label=LabelRule.OWN,
        )  # fmt: skip

    def row(self, index: int) -> Recipe:
        """The recipe of one image, to read its values: partners still index the whole batch."""
        index = range(len(self))[index]
        rows = slice(index, index + 1)
        return dataclasses.replace(
            self,
            partner=self.partner[:, rows],
            share=self.share[:, rows],
            mixing=self.mixing.row(rows),
            trace=self.trace.row(rows),
        )

    @property
    def area(self) -> Tensor:
        """(K, N) realised share of the image (of the activations, if it mixes inside a network) of each source."""
        return self.weights().mean((2, 3, 4))

    def apply(self, images: Tensor, out: Tensor | None = None) -> Tensor:
        """The mixed images: the dtype, layout and device of ``images``, which are not changed.

        Args:
            images: (N, C, H, W), the batch that was planned for, not yet normalised.
            out: the tensor to write to, e.g. a reused buffer; may be ``images`` itself.

        Raises:
            ValueError: another number or size of images than planned for, or float images outside [0, 1] and a recipe
                that is not :attr:`linear`.
        """
        self._check(images)
        if self.first is not None:
            images = self.first.apply(images)
        if self.layer:
            return images.clone() if out is None else out.copy_(images)
        if not self.linear:
            check_range(images, sampled=True)
        return apply.apply(self, images, out)

    def targets(
        self,
        labels: Tensor | Objects | MovedObjects,
        num_classes: int | None = None,
        *,
        rule: str = "share",
        min_visible: float = 0.0,
    ) -> Tensor:
        """Mix the labels: (N, C) float32, or (N,) for numbers (N,).

        Args:
            labels: one of

                - (N,) integers: class indices.
                - (N, C) float: soft labels, or several labels per image with or without weights (rows need not sum to
                  1). (N, C) bool, or integers 0 and 1: several labels per image.
                - (N,) or, without ``num_classes``, (N, D) float: any numbers, the targets of a regression.
                - the :class:`~mixviz.Objects` of the images, or those of the mixtures
                  (:meth:`~mixviz.Recipe.follow`): each image has the classes of its objects.
            num_classes: C, required for class indices and objects; (N, C) labels must have C columns.
            rule: how the labels of the sources become one.

                - ``share``: the sum of each source's labels in its share.
                - ``union``: the largest label of all sources that can be seen; 1 for each class of which an object can
                  be seen. For classes only.
                - ``visible``: for each class its most visible object's ``visible`` · ``weight``. For objects only.
            min_visible: leave out what is hardly seen. Images: those with a smaller share of the mixture's pixels
                (:attr:`area`). Objects: those of which a smaller share is seen. Not for ``share``.

        Raises:
            TypeError, ValueError: the labels do not fit the recipe, the rule or ``num_classes``: numbers or labels
                without places where the rule needs classes or objects, soft labels of another width, or (on the CPU)
                negative, infinite or NaN, or a class index that is not below C.
        """
        return labelling.targets(self, labels, num_classes, rule, min_visible)

    def follow(
        self, objects: Objects, min_visible: float = 0.0, min_area: float = 0.0, mixtures: range | None = None
    ) -> MovedObjects:
        """Follow the objects of all sources into the mixtures: moved, clipped, and cut by what lies over them.

        A pixel of an object can be seen where its source has a weight of more than 1/510, which changes a byte. Boxes
        surround what can be seen of a mask. Boxes without masks that are cut, pasted, resized or flipped are followed
        by their edges; those that an operation rotates, shears or bends are taken for the inscribed ellipse, which is
        tighter than their corners. A recipe that mixes inside a network is treated as if it mixed pixels.

        Args:
            objects: those of the images that the recipe was planned for.
            min_visible: leave out objects of which a smaller share is seen. Without it, only those that cannot be seen
                at all are left out.
            min_area: leave out objects of which fewer pixels are seen.
            mixtures: follow into these alone, e.g. ``range(1)``; None: into all.

        Raises:
            ValueError: objects of another number or size of images.
        """
        return following.follow(self, objects, min_visible, min_area, mixtures)

    def follow_map(self, maps: Tensor, ignore: int = 255) -> Tensor:
        """Mix dense targets as the pixels are mixed.

        Args:
            maps: (N, H, W) integers, classes of a segmentation: each pixel takes the class of the source with the
                largest weight there, the first of equal ones. Or (N, H, W) or (N, C, H, W) float, e.g. depths or heat
                maps: blended by weight, 0 where no source is shown.
            ignore: class of pixels where no source is shown, e.g. of a hole or an empty corner.

        Raises:
            TypeError, ValueError: maps of another shape or type.
        """
        maps = maps if self.first is None else self.first.follow_map(maps, ignore)
        return following.follow_map(self, maps, ignore)

    def weights(self, size: tuple[int, int] | None = None) -> Tensor:
        """(K, N, 1, H, W) each source's weight at every pixel, at the planned or another size; cached, so read-only."""
        if size is None or tuple(size) == self.size:
            return self._weights
        return self._weights_at((size[0], size[1]))

    @cached_property
    def _weights(self) -> Tensor:
        return self._weights_at(self.size)

    def _weights_at(self, size: tuple[int, int]) -> Tensor:
        """Planned weights, reduced where operations leave pixels empty."""
        planned = self._planned_at(size)
        if not isinstance(self.mixing, Operations):
            return planned
        ones = planned.new_ones(len(self), 1, *self.size)
        coverage = torch.stack([operations.carry(of, ones)[:, 0] for of in self.mixing.sequences]).clamp(0, 1)
        if size != self.size:
            coverage = torch.nn.functional.interpolate(coverage, size, mode="area")
        return planned * coverage[:, :, None]

    def _planned_at(self, size: tuple[int, int]) -> Tensor:
        weight = self._base_at(size)
        if not isinstance(self.mixing, Patches):
            return weight
        (k, n), alpha = self.partner.shape, self.mixing.patch_alpha
        for p, target in enumerate(self.mixing.target_boxes):
            inside = geometry.box_mask(geometry.scale_box(target, self.size, size), size)[None, :, None]
            opacity = self.share.new_ones(n) if alpha is None else alpha[p]
            values = self.share.new_zeros(k, n)
            values[0] = 1 - opacity
            if k > 1:
                values[p + 1] = opacity
            weight = torch.where(inside, values[:, :, None, None, None], weight)
        return weight

    def _base_at(self, size: tuple[int, int]) -> Tensor:
        height, width = size
        k, n = self.partner.shape
        if isinstance(self.base, Unmixed):
            result = self.share.new_zeros(k, n, 1, height, width)
            result[0] = 1
            return result
        weight = self.base.weight.mean(2, keepdim=True)
        if weight[0, 0].numel() > 1 and size != self.size:
            full = weight.expand(k, n, 1, *self.size).flatten(0, 1)  # weights may vary by rows or columns only
            weight = torch.unflatten(torch.nn.functional.interpolate(full, size, mode="area"), 0, (k, -1))
        return weight.expand(k, n, 1, height, width).clone()

    def mask(self, size: tuple[int, int] | None = None) -> Tensor:
        """(N, 1, H, W) total weight of all sources that are the image itself: 1 kept, 0 replaced."""
        weights = self.weights(size)
        return (weights * (self.partner == self.partner[0])[:, :, None, None, None]).sum(0)

    def truth(self, saliency: Tensor) -> Truth:
        """Compare the label with the visible objects.

        Args:
            saliency: (N, H, W) maps, or object masks, one per image of the batch, in the batch's order.

        A recipe that mixes inside a network is treated as if it mixed pixels.

        Raises:
            TypeError, ValueError: maps of another size or of fewer images, or (on the CPU) a NaN, an infinity or a
                value below 0.
        """
        on_cpu = self.partner.device.type == "cpu"
        checks.tensor("saliency", saliency, "real", ("N", *self.size), 0, checks.FINITE, values=on_cpu)
        if on_cpu and len(saliency) <= self.partner.max():
            raise ValueError(
                f"saliency should have a map per image of the batch, at least {self.partner.max() + 1}; got "
                f"{tuple(saliency.shape)}."
            )
        maps = saliency.to(self.share.dtype)
        total = maps.sum((1, 2))
        if self.before is not None:
            maps = operations.carry(self.before.sequences[0], maps[:, None], mass=True)[:, 0]
        sources = maps[self.partner]
        if self.cell_permutation is not None:
            cells = self.cell_permutation.flatten(0, 1)
            sources = geometry.move_cells(sources.flatten(0, 1)[:, None], cells).view_as(sources)
        mixing = self.mixing
        if isinstance(mixing, Operations):  # saliency that the operations move out of the image is lost
            pairs = zip(mixing.sequences, sources, strict=True)
            sources = torch.stack([operations.carry(of, source[:, None], mass=True)[:, 0] for of, source in pairs])
        seen = (self._planned_at(self.size) * sources[:, :, None]).sum((2, 3, 4))
        if isinstance(mixing, Patches) and mixing.source_boxes is not None:
            for p, (source, target) in enumerate(zip(mixing.source_boxes, mixing.target_boxes, strict=True)):
                partner = maps[self.partner[p + 1]]
                pasted = torch.where(geometry.box_area(target, self.size) > 0, geometry.sum_in_box(partner, source), 0)
                difference = pasted - geometry.sum_in_box(partner, target)
                seen[p + 1] += difference * (1 if mixing.patch_alpha is None else mixing.patch_alpha[p])
        visible = torch.where(total[self.partner] > 0, seen / total[self.partner], 0).clamp(0, 1)
        mass, all_seen = self.share.sum(0), visible.sum(0)
        fair = torch.where(all_seen > 0, visible / all_seen, 1 / len(visible)) * mass
        return Truth(visible, fair, self.share, self.partner)

    def attended(self) -> Tensor:
        """(K, N) share of the trace's attention on each source's pixels; the area where the attention is all zero.

        Raises:
            ValueError: the trace has no attention.
        """
        attention = self.label_attention
        total = attention.sum((1, 2))
        attended = (self.weights()[:, :, 0] * attention).sum((2, 3))
        return torch.where(total > 0, attended / total, self.area)

    @property
    def label_attention(self) -> Tensor:
        """(N, H, W) attention maps for a label by attention.

        Raises:
            ValueError: the trace has none.
        """
        if self.trace.attention is None:
            raise ValueError("A label by attention needs a map of each mixture: give trace=Trace(attention=...).")
        return self.trace.attention

    def by_attention(self) -> Tensor:
        """(K, N) label by attention, or by the mean of attention and area if that is the rule."""
        attended = self.attended()
        return attended if self.label is LabelRule.ATTENTION else (attended + self.area) / 2

    def relabelled(self) -> Recipe:
        """Recompute the share from the current parts by the recipe's own rule; drop λ where the label follows pixels.

        Attention stays as it is, because the network is not run again.
        """
        match self.label:
            case LabelRule.AREA:
                share = self.area.to(self.share)
            case LabelRule.SALIENCY:
                share = self.truth(self.label_saliency).fair
            case LabelRule.VISIBLE:
                share = self.truth(self.label_saliency).visible
            case LabelRule.ATTENTION | LabelRule.ATTENTION_AREA:
                share = self.by_attention()
            case _:
                return self
        return dataclasses.replace(self, share=share, trace=dataclasses.replace(self.trace, lam=None))

    @property
    def label_saliency(self) -> Tensor:
        """(N, H, W) saliency maps for a label by saliency.

        Raises:
            ValueError: the trace has none.
        """
        if self.trace.saliency is None:
            raise ValueError("A label by saliency needs the pictures' maps: give trace=Trace(saliency=...).")
        return self.trace.saliency

    def _check(self, images: object) -> None:
        if not isinstance(images, Tensor) or not (images.dtype == torch.uint8 or images.is_floating_point()):
            given = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"images should be a torch.Tensor, uint8 or float in [0, 1]; got {given}.")
        if images.ndim != 4 or images.shape[0] != len(self) or tuple(images.shape[2:]) != self.size:
            raise ValueError(
                f"This recipe was planned for {len(self)} images of {self.size[0]}x{self.size[1]} (height x width); "
                f"got {tuple(images.shape)}. Plan for the batch that is mixed."
            )


def _unequal(sources: int, count: int, plural: str) -> ValueError:
    return ValueError(f"The recipe has {sources} sources and {count} {plural}: give one for each source.")

"""Recipe: everything that was decided about a mixture, before a single pixel is touched.

x̃[n] = Σ_k weight[k, n] ⊙ source[k, n]          ỹ[n] = Σ_k share[k, n] · y[partner[k, n]]
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, cast

import torch
from torch import Tensor

from mixviz.core import apply, checks, geometry
from mixviz.core.deprecated import accepts_old_names
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
from mixviz.core.tensors import check_labels, check_range
from mixviz.ops import operations
from mixviz.ops.operations import OpSequence


class Truth(NamedTuple):
    """Did the label tell the truth? All (K, N).

    ``visible`` is the share of each source's saliency (or object) that can be seen in the mixture, ``fair`` the
    label that this would earn (``visible`` scaled to sum to the label's own mass; equal parts where nothing is
    visible), ``share`` the label that the method gives, ``partner`` whose pixels they are. ``gap`` (N,) is the label
    mass on the wrong picture.
    """

    visible: Tensor
    fair: Tensor
    share: Tensor
    partner: Tensor

    @property
    def gap(self) -> Tensor:
        """(N,) half the sum of \\|share - fair\\|: 0 is a fair label, 1 a label for the wrong image.

        Sources that are one picture are one here: between them no label is wrong.
        """
        same = (self.partner[:, None] == self.partner).to(self.share.dtype)
        of_picture = (same * (self.share - self.fair)).sum(1).abs()  # each picture's, as often as it is a source
        return (of_picture / same.sum(1)).sum(0) / 2


@accepts_old_names
@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """A planned mixture of N images from K sources each.

    Attributes:
        size: (H, W) that it was planned for.
        partner: (K, N) int64, whose pixels source k of image n are.
        share: (K, N) float32, each source's part of the label.
        mixing: how the sources become a mixture, one of the kinds in :mod:`mixviz.core.parts`.
        label: the rule that the share follows.
        trace: what was drawn and looked at.
        layer: 0: pixels are mixed. Else the stage of the network whose output is mixed (:func:`mixviz.mix_inside`).

    The parts' own fields can be read from the recipe, too, and are None where it has no such part.
    """

    size: tuple[int, int]
    partner: Tensor
    share: Tensor
    mixing: Mixing = UNMIXED
    label: Label = LabelRule.AREA
    trace: Trace = NO_TRACE
    layer: int = 0

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
        """(P, N, 4) where patch p lands, as (top, left, bottom, right)."""
        return self.mixing.target_boxes if isinstance(self.mixing, Patches) else None

    @property
    def source_boxes(self) -> Tensor | None:
        """(P, N, 4) where patch p is cut from its source; None: from the same place."""
        return self.mixing.source_boxes if isinstance(self.mixing, Patches) else None

    @property
    def target_box(self) -> Tensor | None:
        """(N, 4) where the (first) patch lands."""
        return self.mixing.target_boxes[0] if isinstance(self.mixing, Patches) else None

    @property
    def source_box(self) -> Tensor | None:
        """(N, 4) where the (first) patch is cut from its source; None: there is no patch, or it is a fill."""
        if not isinstance(self.mixing, Patches) or len(self.partner) == 1:
            return None
        return (self.mixing.target_boxes if self.mixing.source_boxes is None else self.mixing.source_boxes)[0]

    @property
    def patch_alpha(self) -> Tensor | None:
        """(P, N) weight of patch p's source inside it; None: 1."""
        return self.mixing.patch_alpha if isinstance(self.mixing, Patches) else None

    @property
    def noise(self) -> Tensor | None:
        """Noise that is added inside the patches."""
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
        """For each source and image the operations that are applied to it."""
        return self.mixing.sequences if isinstance(self.mixing, Operations) else None

    @property
    def style(self) -> Tensor | None:
        """(K, N) int64, whose style source k of image n is shown in."""
        return self.mixing.style if isinstance(self.mixing, Style) else None

    @property
    def lam(self) -> Tensor | None:
        """(N,) the λ that was drawn, or held."""
        return self.trace.lam

    @property
    def saliency(self) -> Tensor | None:
        """(N, H, W) the maps that the method looked at."""
        return self.trace.saliency

    @property
    def label_by(self) -> str:
        """The label's rule as a file names it."""
        return self.label.value

    @property
    def by_style(self) -> float:
        """The part of the label that goes to the pictures whose style is shown."""
        return self.label.part if isinstance(self.label, ByStyle) else 0.0

    @property
    def whole(self) -> bool:
        """Whether every label sums to 1, as all do but those that say what is visible and leave it at that."""
        return self.label is not LabelRule.VISIBLE

    @property
    def paired(self) -> bool:
        """Whether another picture than the image itself is among its sources (read back from the device)."""
        return bool((self.partner[1:] != self.partner[0]).any())

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising: pixels are cut and blended, and nothing is filled, clamped or
        changed that has a range."""
        return self.mixing.linear

    def row(self, index: int) -> Recipe:
        """The recipe of one image alone, for its numbers: partners are still counted in the whole batch."""
        index = range(len(self))[index]
        here = slice(index, index + 1)
        return dataclasses.replace(
            self,
            partner=self.partner[:, here],
            share=self.share[:, here],
            mixing=self.mixing.row(here),
            trace=self.trace.row(here),
        )

    @property
    def area(self) -> Tensor:
        """(K, N) realised share of the picture (of the activations, where it mixes inside) of each source."""
        return self.weights().mean((2, 3, 4))

    def apply(self, images: Tensor, out: Tensor | None = None) -> Tensor:
        """The mixed images: the dtype, layout and device of ``images``, which are not changed.

        Args:
            images: (N, C, H, W), the batch that was planned for, not yet normalised.
            out: where to write, e.g. a buffer that is reused; may be ``images`` itself.

        Raises:
            ValueError: another number or size of images than was planned for, or float images outside [0, 1] where the
                recipe is not :attr:`linear`.
        """
        self._check(images)
        if self.layer:
            return images.clone() if out is None else out.copy_(images)
        if not self.linear:
            check_range(images, sampled=True)
        return apply.apply(self, images, out)

    def targets(self, labels: Tensor, num_classes: int | None = None) -> Tensor:
        """Soft labels (N, C) float32: each source's label in its share.

        Args:
            labels: (N,) class indices, or (N, C) soft labels. Rows need not sum to 1: an image may have several labels.
            num_classes: C, needed with class indices; soft labels have to be as wide. Without it, (N, C) may hold any
                numbers, e.g. targets of a regression.

        Raises:
            TypeError, ValueError: the labels do not fit the recipe or ``num_classes``: soft labels of another width, or
                (on the CPU) negative, infinite or NaN, or a class index that is not below C.
        """
        check_labels(labels, len(self))
        if labels.ndim == 2:
            if num_classes not in (None, labels.shape[1]):
                raise ValueError(
                    f"num_classes={num_classes}, but the soft labels are for {labels.shape[1]} classes, "
                    f"{tuple(labels.shape)}: give the labels' own width, or labels of {num_classes} columns."
                )
            if num_classes is not None and labels.device.type == "cpu":
                low, high = (extreme.item() for extreme in torch.aminmax(labels))
                if not 0 <= low <= high < math.inf:  # also true for NaN
                    raise ValueError(
                        f"Soft labels should be 0 or more, and finite; these run from {low:.4g} to {high:.4g}. Logits: "
                        "take their softmax. Targets of a regression: recipe.targets(labels), without num_classes."
                    )
            labels = labels.float()
            parts = (share[:, None] * labels[who] for share, who in zip(self.share, self.partner, strict=True))
            return cast(Tensor, sum(parts))
        if num_classes is None:
            raise ValueError("Class indices need num_classes, e.g. recipe.targets(labels, num_classes=100).")
        if labels.device.type == "cpu":
            low, high = map(int, torch.aminmax(labels))
            if low < 0 or high >= num_classes:
                ignored = " No part of a mixture can be ignored: leave such pictures out before." if low < 0 else ""
                raise ValueError(
                    f"labels run from {low} to {high}; with num_classes={num_classes} that is out of range.{ignored}"
                )
            return torch.zeros(len(self), num_classes).scatter_add_(1, labels.long()[self.partner].T, self.share.T)
        classes = torch.arange(num_classes, device=labels.device)  # scatter_add is not deterministic on CUDA
        parts = (
            torch.where(classes == labels[who][:, None], share[:, None], 0)
            for share, who in zip(self.share, self.partner, strict=True)
        )
        return cast(Tensor, sum(parts))

    def weights(self, size: tuple[int, int] | None = None) -> Tensor:
        """(K, N, 1, H, W) each source's weight at every pixel, at the planned or another size; not to be written to."""
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
        whole = planned.new_ones(len(self), *self.size)
        left = torch.stack([operations.carry(of_source, whole) for of_source in self.mixing.sequences]).clamp(0, 1)
        if size != self.size:
            left = torch.nn.functional.interpolate(left, size, mode="area")
        return planned * left[:, :, None]

    def _planned_at(self, size: tuple[int, int]) -> Tensor:
        below = self._base_at(size)
        if not isinstance(self.mixing, Patches):
            return below
        (k, n), alpha = self.partner.shape, self.mixing.patch_alpha
        for p, target in enumerate(self.mixing.target_boxes):
            inside = geometry.box_mask(geometry.scale_box(target, self.size, size), size)[None, :, None]
            shown = self.share.new_ones(n) if alpha is None else alpha[p]
            values = self.share.new_zeros(k, n)
            values[0] = 1 - shown
            if k > 1:
                values[p + 1] = shown
            below = torch.where(inside, values[:, :, None, None, None], below)
        return below

    def _base_at(self, size: tuple[int, int]) -> Tensor:
        height, width = size
        k, n = self.partner.shape
        if isinstance(self.base, Unmixed):
            result = self.share.new_zeros(k, n, 1, height, width)
            result[0] = 1
            return result
        weight = self.base.weight.mean(2, keepdim=True)
        if weight[0, 0].numel() > 1 and size != self.size:
            whole = weight.expand(k, n, 1, *self.size)  # it may vary by rows or columns alone
            weight = torch.nn.functional.interpolate(whole.flatten(0, 1), size, mode="area").unflatten(0, (k, -1))
        return weight.expand(k, n, 1, height, width).clone()

    def mask(self, size: tuple[int, int] | None = None) -> Tensor:
        """(N, 1, H, W) the weight of the image itself at every pixel, in all its versions: 1 kept, 0 replaced."""
        weights = self.weights(size)
        return (weights * (self.partner == self.partner[0])[:, :, None, None, None]).sum(0)

    def truth(self, saliency: Tensor) -> Truth:
        """Hold the label against what can be seen.

        Args:
            saliency: (N, H, W) maps, or object masks, one per image of the batch, in the batch's order.

        A recipe that mixes inside a network is taken as if its activations were pixels.

        Raises:
            TypeError, ValueError: maps of another size or of fewer images, or (on the CPU) a NaN, an infinity or a
                value below 0.
        """
        plain = self.partner.device.type == "cpu"
        checks.tensor("saliency", saliency, "real", ("N", *self.size), 0, checks.FINITE, values=plain)
        if plain and len(saliency) <= self.partner.max():
            raise ValueError(
                f"saliency should have a map per image of the batch, at least {self.partner.max() + 1}; got "
                f"{tuple(saliency.shape)}."
            )
        maps = saliency.to(self.share.dtype)
        total, shown = maps.sum((1, 2)), maps[self.partner]
        if self.cell_permutation is not None:
            cells = self.cell_permutation.flatten(0, 1)
            shown = geometry.move_cells(shown.flatten(0, 1)[:, None], cells).view_as(shown)
        mixing = self.mixing
        if isinstance(mixing, Operations):  # carried along, which takes away what leaves the picture
            moved = zip(mixing.sequences, shown, strict=True)
            shown = torch.stack([operations.carry(sequences, of_source, mass=True) for sequences, of_source in moved])
        seen = (self._planned_at(self.size) * shown[:, :, None]).sum((2, 3, 4))
        if isinstance(mixing, Patches) and mixing.source_boxes is not None:
            for p, (source, target) in enumerate(zip(mixing.source_boxes, mixing.target_boxes, strict=True)):
                own = maps[self.partner[p + 1]]
                cut = torch.where(geometry.box_area(target, self.size) > 0, geometry.sum_in_box(own, source), 0)
                moved = cut - geometry.sum_in_box(own, target)
                seen[p + 1] += moved * (1 if mixing.patch_alpha is None else mixing.patch_alpha[p])
        visible = torch.where(total[self.partner] > 0, seen / total[self.partner], 0).clamp(0, 1)
        mass, all_seen = self.share.sum(0), visible.sum(0)
        fair = torch.where(all_seen > 0, visible / all_seen, 1 / len(visible)) * mass
        return Truth(visible, fair, self.share, self.partner)

    def attended(self) -> Tensor:
        """(K, N) the share of the trace's attention that lies on each source's pixels; by area where it lies nowhere.

        Raises:
            ValueError: nobody looked at the mixture.
        """
        attention = self.trace.attention
        if attention is None:
            raise ValueError("A label by attention needs a map of each mixture: give trace=Trace(attention=...).")
        total = attention.sum((1, 2))
        on = (self.weights()[:, :, 0] * attention).sum((2, 3))
        return torch.where(total > 0, on / total, self.area)

    def by_attention(self) -> Tensor:
        """(K, N) the label of a recipe whose rule is attention, or the mean of attention and area."""
        attended = self.attended()
        return attended if self.label is LabelRule.ATTENTION else (attended + self.area) / 2

    def relabelled(self) -> Recipe:
        """The share by the recipe's own rule from what its parts show now; λ has no say where the label follows pixels.

        Attention stays where it lay, because nobody is asked again.
        """
        match self.label:
            case LabelRule.AREA:
                share = self.area.to(self.share)
            case LabelRule.SALIENCY:
                share = self.truth(self._looked_at).fair
            case LabelRule.VISIBLE:
                share = self.truth(self._looked_at).visible
            case LabelRule.ATTENTION | LabelRule.ATTENTION_AREA:
                share = self.by_attention()
            case _:
                return self
        return dataclasses.replace(self, share=share, trace=dataclasses.replace(self.trace, lam=None))

    @property
    def _looked_at(self) -> Tensor:
        if self.trace.saliency is None:
            raise ValueError("A label by saliency needs the pictures' maps: give trace=Trace(saliency=...).")
        return self.trace.saliency

    def _check(self, images: Tensor) -> None:
        if not isinstance(images, Tensor) or not (images.dtype == torch.uint8 or images.is_floating_point()):
            what = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"images should be a torch.Tensor, uint8 or float in [0, 1]; got {what}.")
        if images.ndim != 4 or len(images) != len(self) or tuple(images.shape[2:]) != self.size:
            raise ValueError(
                f"This recipe was planned for {len(self)} images of {self.size[0]}x{self.size[1]} (height x width); "
                f"got {tuple(images.shape)}. Plan for the batch that is mixed."
            )


def _unequal(sources: int, count: int, what: str) -> ValueError:
    return ValueError(f"The recipe has {sources} sources and {count} {what}: give one for each source.")

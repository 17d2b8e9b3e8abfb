"""Recipe: everything that was decided about a mixture, before a single pixel is touched.

x̃[n] = Σ_k weight[k, n] ⊙ source[k, n]          ỹ[n] = Σ_k share[k, n] · y[partner[k, n]]
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import apply as blend
from mixviz.core import checks, geometry
from mixviz.core.tensors import check_labels, check_range
from mixviz.ops import operations
from mixviz.ops.operations import Chain


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """A planned mixture of N images from K sources each; row k = 0 is the image itself.

    What is inside a patch hides what lies below it; the weight that no source holds goes to ``fill``.

    Attributes:
        size: (H, W) that it was planned for.
        partner: (K, N) int64, whose pixels source k of image n are.
        share: (K, N) float32, each source's part of the label.
        weight: each source's weight, (K, N, 1 or C, 1 or H, 1 or W); None: the image itself, unmixed.
        target_boxes: (P, N, 4), where patch p lands, in pixels; None: no patch.
        source_boxes: (P, N, 4), where patch p is cut from its source; None: from the same place.
        inside: (P, N), weight of patch p's source inside it (the image itself keeps the rest); None: 1.
        fill: what stands in for missing sources, in [0, 1], broadcastable to (N, C, H, W).
        noise: added inside the patches, broadcastable to (N, C, H, W); the sum is clamped to [0, 1].
        resample: source and target boxes differ in size, so the patch is resized.
        drawn: (N,) the λ that was drawn (or held): image A's share before rounding and clipping; or None.
        saliency: (N, H, W) the maps that the method looked at, in the batch's order; None: it looked at none.
        label_by: what the share follows: ``area`` (the weight that each source's pixels hold), ``lam`` (λ itself),
            ``saliency`` (what stays visible of each source's saliency, scaled to sum to 1), ``visible`` (the same,
            not scaled), ``attention`` (where ``attention`` lies), ``attention_area`` (the mean of that and ``area``),
            ``style`` (area and style, see ``by_style``), ``planned`` (a rule of the method's own) or ``own`` (the
            image's own label, whatever is done to it).
        attention: (N, H, W) a map of each *mixture*, not of the pictures that it is made of; None: nobody looked.
        moves: (K, N, rows, columns) int64, where ``weight`` shows cells of its sources elsewhere: entry (i, j) is the
            cell of the source, counted row by row, that is shown at cell (i, j). The image's sides are whole numbers
            of cells. None: every pixel stays where it is.
        align: ε of the Sinkhorn matching by which a partner's feature maps are rearranged before they are blended
            inside the network; 0: they stay as they are. It says nothing of pixels.
        layer: 0: pixels are mixed. Else the stage of the network whose output is mixed (:func:`mixviz.mix_inside`).
        chains: for each source k and image n what is done to the source before it is weighed, a tuple of
            :class:`mixviz.ops.operations.Link`; where nothing of it is left, ``fill`` shows. None: nothing is done.
            There are no chains with patches.
        style: (K, N) int64, whose style source k of image n is shown in: its channels get that picture's mean and
            standard deviation (AdaIN), and what leaves the range of pixels is clamped. Equal to ``partner``: its own.
            None: all are as they are. There are no styles with patches, chains or alignment.
        by_style: the part of the label that goes to the pictures whose style is shown; the rest goes to those whose
            content is.

    Patch p shows source p + 1, or ``fill`` where there is only one source.
    """

    size: tuple[int, int]
    partner: Tensor
    share: Tensor
    weight: Tensor | None = None
    target_boxes: Tensor | None = None
    source_boxes: Tensor | None = None
    inside: Tensor | None = None
    fill: Tensor | None = None
    noise: Tensor | None = None
    resample: bool = False
    drawn: Tensor | None = None
    saliency: Tensor | None = None
    label_by: str = "area"
    layer: int = 0
    attention: Tensor | None = None
    moves: Tensor | None = None
    align: float = 0.0
    chains: tuple[tuple[Chain, ...], ...] | None = None
    style: Tensor | None = None
    by_style: float = 0.0

    def __post_init__(self) -> None:
        alone = {"patches": self.target_boxes, "chains": self.chains, "styles": self.style}
        given = [name for name, value in alone.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"A recipe has {' or '.join(given)}, not both: plan one after the other, and apply them so."
            )
        if self.style is not None and (self.align or self.weight is None):
            raise ValueError("Styles are for weighted sources that are not aligned: give weights, and align=0.")

    def __len__(self) -> int:
        return self.partner.shape[1]

    @property
    def target_box(self) -> Tensor | None:
        """(N, 4) where the (first) patch lands, as (top, left, bottom, right); None: there is no patch."""
        return None if self.target_boxes is None else self.target_boxes[0]

    @property
    def source_box(self) -> Tensor | None:
        """(N, 4) where the (first) patch is cut from its source; None: there is no patch, or it is a fill."""
        if self.target_boxes is None or len(self.partner) == 1:
            return None
        return (self.target_boxes if self.source_boxes is None else self.source_boxes)[0]

    @property
    def whole(self) -> bool:
        """Whether every label sums to 1, as all do but those that say what is visible and leave it at that."""
        return self.label_by != "visible"

    @property
    def paired(self) -> bool:
        """Whether another picture than the image itself is among its sources (read back from the device)."""
        return bool((self.partner[1:] != self.partner[0]).any())

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising: pixels are cut and blended, and nothing is filled, clamped or
        changed that has a range."""
        return all(part is None for part in (self.fill, self.noise, self.chains, self.style))

    def row(self, index: int) -> Recipe:
        """The recipe of one image alone, for its numbers: partners are still counted in the whole batch."""
        index = range(len(self))[index]
        here = slice(index, index + 1)
        second = {
            name: value[:, here]
            for name in ("partner", "share", "weight", "target_boxes", "source_boxes", "inside", "moves", "style")
            if (value := getattr(self, name)) is not None
        }
        first = {name: value[here] for name in ("drawn", "attention") if (value := getattr(self, name)) is not None}
        chains = None if self.chains is None else tuple(chains[here] for chains in self.chains)
        return dataclasses.replace(self, **second, **first, chains=chains)

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
        return blend.apply(self, images, out)

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
            return sum(share[:, None] * labels[who] for share, who in zip(self.share, self.partner, strict=True))
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
        return sum(
            torch.where(classes == labels[who][:, None], share[:, None], 0)
            for share, who in zip(self.share, self.partner, strict=True)
        )

    def weights(self, size: tuple[int, int] | None = None) -> Tensor:
        """(K, N, 1, H, W) each source's weight at every pixel, at the planned or another size; not to be written to."""
        if size is None or tuple(size) == self.size:
            return self._weights
        return self._weights_at(tuple(size))

    @cached_property
    def _weights(self) -> Tensor:
        return self._weights_at(self.size)

    def _weights_at(self, size: tuple[int, int]) -> Tensor:
        """As planned, less what the chains leave empty."""
        planned = self._planned_at(size)
        if self.chains is None:
            return planned
        whole = planned.new_ones(len(self), *self.size)
        left = torch.stack([operations.carry(chains, whole) for chains in self.chains]).clamp(0, 1)
        if size != self.size:
            left = torch.nn.functional.interpolate(left, size, mode="area")
        return planned * left[:, :, None]

    def _planned_at(self, size: tuple[int, int]) -> Tensor:
        height, width = size
        k, n = self.partner.shape
        if self.weight is None:
            result = self.share.new_zeros(k, n, 1, height, width)
            result[0] = 1
        else:
            weight = self.weight.mean(2, keepdim=True)
            if weight.shape[-1] > 1 and size != self.size:
                weight = torch.nn.functional.interpolate(weight.flatten(0, 1), size, mode="area").unflatten(0, (k, -1))
            result = weight.expand(k, n, 1, height, width).clone()
        if self.target_boxes is None:
            return result
        for p, target in enumerate(self.target_boxes):
            inside = geometry.box_mask(geometry.scale_box(target, self.size, size), size)[None, :, None]
            shown = self.share.new_ones(n) if self.inside is None else self.inside[p]
            values = self.share.new_zeros(k, n)
            values[0] = 1 - shown
            if k > 1:
                values[p + 1] = shown
            result = torch.where(inside, values[:, :, None, None, None], result)
        return result

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
        if self.moves is not None:
            shown = geometry.move_cells(shown.flatten(0, 1)[:, None], self.moves.flatten(0, 1)).view_as(shown)
        if self.chains is not None:  # carried along, which takes away what leaves the picture
            moved = zip(self.chains, shown, strict=True)
            shown = torch.stack([operations.carry(chains, of_source, mass=True) for chains, of_source in moved])
        seen = (self._planned_at(self.size) * shown[:, :, None]).sum((2, 3, 4))
        if self.source_boxes is not None:
            for p, (source, target) in enumerate(zip(self.source_boxes, self.target_boxes, strict=True)):
                own = maps[self.partner[p + 1]]
                cut = torch.where(geometry.box_area(target, self.size) > 0, geometry.sum_in_box(own, source), 0)
                moved = cut - geometry.sum_in_box(own, target)
                seen[p + 1] += moved * (1 if self.inside is None else self.inside[p])
        visible = torch.where(total[self.partner] > 0, seen / total[self.partner], 0).clamp(0, 1)
        mass, all_seen = self.share.sum(0), visible.sum(0)
        fair = torch.where(all_seen > 0, visible / all_seen, 1 / len(visible)) * mass
        return Truth(visible, fair, self.share, self.partner)

    def attended(self) -> Tensor:
        """(K, N) the share of ``attention`` that lies on each source's pixels; by area where it lies nowhere."""
        total = self.attention.sum((1, 2))
        on = (self.weights()[:, :, 0] * self.attention).sum((2, 3))
        return torch.where(total > 0, on / total, self.area)

    def by_attention(self) -> Tensor:
        """(K, N) the label of a recipe whose ``label_by`` is ``attention`` or ``attention_area``."""
        attended = self.attended()
        return attended if self.label_by == "attention" else (attended + self.area) / 2

    def _check(self, images: Tensor) -> None:
        if not isinstance(images, Tensor) or not (images.dtype == torch.uint8 or images.is_floating_point()):
            what = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"images should be a torch.Tensor, uint8 or float in [0, 1]; got {what}.")
        if images.ndim != 4 or len(images) != len(self) or tuple(images.shape[2:]) != self.size:
            raise ValueError(
                f"This recipe was planned for {len(self)} images of {self.size[0]}x{self.size[1]} (height x width); "
                f"got {tuple(images.shape)}. Plan for the batch that is mixed."
            )

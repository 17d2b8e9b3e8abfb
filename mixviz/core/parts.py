"""Parts of a recipe: the kind of mixing, the label rule, and a trace of what was drawn and looked at.

A mixture is of exactly one kind. ``Unmixed`` and ``Weights`` stand by themselves; the others lie over one of them.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

from torch import Tensor

from mixviz.ops.operations import OpSequence


@dataclass(frozen=True, eq=False)
class Unmixed:
    """Every image as it is."""

    linear = True

    @property
    def base(self) -> Unmixed:
        """Itself: nothing lies over it."""
        return self

    def row(self, here: slice) -> Unmixed:
        """The part of the images ``here``."""
        return self


UNMIXED = Unmixed()


@dataclass(frozen=True, eq=False)
class Weights:
    """A weighted sum of K whole sources.

    Attributes:
        weight: each source's weight, (K, N, 1 or C, 1 or H, 1 or W).
        fill: takes the weight that no source holds, in [0, 1], broadcastable to (N, C, H, W). A single source needs it.
        cell_permutation: (K, N, rows, columns) int64: entry (i, j) is the cell of the source, counted row by row, that
            is shown at cell (i, j). The image's sides are whole numbers of cells. None: every pixel stays where it is.
    """

    weight: Tensor
    fill: Tensor | None = None
    cell_permutation: Tensor | None = None

    def __post_init__(self) -> None:
        if self.fill is None and self.weight.shape[0] == 1:
            raise ValueError("The weight of a single source leaves the rest to a fill: give fill, or a second source.")

    @property
    def base(self) -> Weights:
        """Itself: nothing lies over it."""
        return self

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising; see :attr:`mixviz.Recipe.linear`."""
        return self.fill is None

    def row(self, here: slice) -> Weights:
        """The part of the images ``here``; the fill stays as it is."""
        cells = self.cell_permutation
        return dataclasses.replace(
            self, weight=self.weight[:, here], cell_permutation=None if cells is None else cells[:, here]
        )


@dataclass(frozen=True, eq=False)
class Aligned:
    """A weighted sum of two sources whose feature maps are matched place by place before a stage blends them.

    Pixels are blended without it.

    Attributes:
        base: the weights of the image and its partner.
        epsilon: ε of the Sinkhorn matching: the smaller, the more one place is matched to one.
    """

    base: Weights
    epsilon: float

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising; see :attr:`mixviz.Recipe.linear`."""
        return self.base.linear

    def row(self, here: slice) -> Aligned:
        """The part of the images ``here``."""
        return dataclasses.replace(self, base=self.base.row(here))


@dataclass(frozen=True, eq=False)
class Patches:
    """Boxes pasted over the base: patch p shows source p + 1, or ``fill`` where there is only one source.

    A later patch hides an earlier one.

    Attributes:
        target_boxes: (P, N, 4), where patch p lands, in pixels.
        source_boxes: (P, N, 4), where patch p is cut from its source; None: from the same place.
        patch_alpha: (P, N), weight of patch p's source inside it (the image itself keeps the rest); None: 1.
        fill: what the patches of a single source show, in [0, 1], broadcastable to (N, C, H, W).
        noise: added inside the patches, broadcastable to (N, C, H, W); the sum is clamped to [0, 1].
        resample: source and target boxes differ in size, so the patch is resized.
        base: what lies below the patches.
    """

    target_boxes: Tensor
    source_boxes: Tensor | None = None
    patch_alpha: Tensor | None = None
    fill: Tensor | None = None
    noise: Tensor | None = None
    resample: bool = False
    base: Unmixed | Weights = UNMIXED

    @property
    def copied(self) -> bool:
        """Whether the patches are plain copies of pixels."""
        return self.patch_alpha is None and self.noise is None and not self.resample

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising; see :attr:`mixviz.Recipe.linear`."""
        return self.fill is None and self.noise is None and self.base.linear

    def row(self, here: slice) -> Patches:
        """The part of the images ``here``; fill and noise stay as they are."""
        source, alpha = self.source_boxes, self.patch_alpha
        return dataclasses.replace(
            self,
            target_boxes=self.target_boxes[:, here],
            source_boxes=None if source is None else source[:, here],
            patch_alpha=None if alpha is None else alpha[:, here],
            base=self.base.row(here),
        )


@dataclass(frozen=True, eq=False)
class Operations:
    """Operations applied to each source before it is weighed.

    Attributes:
        sequences: for each source k and image n, a tuple of :class:`mixviz.ops.operations.AppliedOp`.
        fill: shows where nothing of a source is left, in [0, 1], broadcastable to (N, C, H, W); None: black.
        base: how the sources are weighed.
    """

    sequences: tuple[tuple[OpSequence, ...], ...]
    fill: Tensor | None = None
    base: Unmixed | Weights = UNMIXED

    linear = False

    def row(self, here: slice) -> Operations:
        """The part of the images ``here``; the fill stays as it is."""
        sequences = tuple(of_source[here] for of_source in self.sequences)
        return dataclasses.replace(self, sequences=sequences, base=self.base.row(here))


@dataclass(frozen=True, eq=False)
class Style:
    """A weighted sum of sources, each with the channel means and standard deviations of a picture (AdaIN).

    What leaves the range of pixels is clamped.

    Attributes:
        style: (K, N) int64, whose style source k of image n is shown in. Equal to ``partner``: its own.
        base: the weights of the sources.
    """

    style: Tensor
    base: Weights

    linear = False

    def row(self, here: slice) -> Style:
        """The part of the images ``here``."""
        return Style(self.style[:, here], self.base.row(here))


Mixing = Unmixed | Weights | Aligned | Patches | Operations | Style


class LabelRule(enum.Enum):
    """Rule of the label's shares."""

    AREA = "area"  # the weight that each source's pixels hold
    LAM = "lam"  # λ itself
    SALIENCY = "saliency"  # what stays visible of each source's saliency, scaled to sum to 1
    VISIBLE = "visible"  # the same, not scaled
    ATTENTION = "attention"  # where the trace's attention lies
    ATTENTION_AREA = "attention_area"  # the mean of that and the area
    PLANNED = "planned"  # a rule of the method's own
    OWN = "own"  # the image's own label, whatever is done to it


@dataclass(frozen=True)
class ByStyle:
    """Label rule: ``part`` goes to the pictures whose style is shown, the rest to those whose content is."""

    part: float

    value = "style"


Label = LabelRule | ByStyle


@dataclass(frozen=True, eq=False)
class Trace:
    """Record of what was drawn and looked at; it explains a mixture and changes no pixel.

    Attributes:
        lam: (N,) the λ that was drawn (or held): image A's share before rounding and clipping; None: none was drawn.
        saliency: (N, H, W) the maps that the method looked at, in the batch's order; None: it looked at none.
        attention: (N, H, W) a map of each *mixture*, not of the pictures that it is made of; None: nobody looked.
    """

    lam: Tensor | None = None
    saliency: Tensor | None = None
    attention: Tensor | None = None

    def row(self, here: slice) -> Trace:
        """The part of the images ``here``; saliency stays whole, because partners are counted in the whole batch."""
        lam, attention = self.lam, self.attention
        return dataclasses.replace(
            self,
            lam=None if lam is None else lam[here],
            attention=None if attention is None else attention[here],
        )


NO_TRACE = Trace()

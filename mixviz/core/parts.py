"""Parts of a recipe: the kind of mixing, the label rule, and a trace of the drawn values and the maps used.

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
    """Every image unchanged."""

    linear = True

    @property
    def base(self) -> Unmixed:
        """This part itself, since it has no base below it."""
        return self

    def row(self, rows: slice) -> Unmixed:
        """The part that belongs to the images ``rows``."""
        return self


UNMIXED = Unmixed()


@dataclass(frozen=True, eq=False)
class Weights:
    """A weighted sum of K whole sources.

    Attributes:
        weight: each source's weight, (K, N, 1 or C, 1 or H, 1 or W).
        fill: pixels in [0, 1] that take the weight left by the sources, broadcastable to (N, C, H, W). A single source
            needs it.
        cell_permutation: (K, N, rows, columns) int64: entry (i, j) is the cell of the source, counted row by row, that
            is shown at cell (i, j). The image's sides are whole numbers of cells. None: every pixel stays in place.
    """

    weight: Tensor
    fill: Tensor | None = None
    cell_permutation: Tensor | None = None

    def __post_init__(self) -> None:
        if self.fill is None and self.weight.shape[0] == 1:
            raise ValueError("The weight of a single source leaves the rest to a fill: give fill, or a second source.")

    @property
    def base(self) -> Weights:
        """This part itself, since it has no base below it."""
        return self

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising; see :attr:`mixviz.Recipe.linear`."""
        return self.fill is None

    def row(self, rows: slice) -> Weights:
        """The part that belongs to the images ``rows``; the fill stays as it is."""
        cells = self.cell_permutation
        return dataclasses.replace(
            self, weight=self.weight[:, rows], cell_permutation=None if cells is None else cells[:, rows]
        )


@dataclass(frozen=True, eq=False)
class Aligned:
    """A weighted sum of two sources whose feature maps are matched place by place before a stage blends them.

    Pixels are blended without matching.

    Attributes:
        base: the weights of the image and its partner.
        epsilon: ε of the Sinkhorn matching: the smaller, the closer the matching is to one-to-one.
    """

    base: Weights
    epsilon: float

    @property
    def linear(self) -> bool:
        """Whether mixing commutes with normalising; see :attr:`mixviz.Recipe.linear`."""
        return self.base.linear

    def row(self, rows: slice) -> Aligned:
        """The part that belongs to the images ``rows``."""
        return dataclasses.replace(self, base=self.base.row(rows))


@dataclass(frozen=True, eq=False)
class Patches:
    """Boxes pasted over the base: patch p shows source p + 1, or ``fill`` where there is only one source.

    A later patch hides an earlier one.

    Attributes:
        target_boxes: (P, N, 4), the box that patch p is pasted into, in pixels.
        source_boxes: (P, N, 4), the box that patch p is cut from; None: the same box.
        patch_alpha: (P, N), weight of patch p's source inside it (the image itself keeps the rest); None: 1.
        fill: pixels that the patches of a single source show, in [0, 1], broadcastable to (N, C, H, W).
        noise: added inside the patches, broadcastable to (N, C, H, W); the sum is clamped to [0, 1].
        resample: source and target boxes differ in size, so the patch is resized.
        base: the mixture below the patches.
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

    def row(self, rows: slice) -> Patches:
        """The part that belongs to the images ``rows``; fill and noise stay as they are."""
        source, alpha = self.source_boxes, self.patch_alpha
        return dataclasses.replace(
            self,
            target_boxes=self.target_boxes[:, rows],
            source_boxes=None if source is None else source[:, rows],
            patch_alpha=None if alpha is None else alpha[:, rows],
            base=self.base.row(rows),
        )


@dataclass(frozen=True, eq=False)
class Operations:
    """Operations applied to each source before it is weighed.

    Attributes:
        sequences: for each source k and image n, a tuple of :class:`mixviz.ops.operations.AppliedOp`.
        fill: pixels shown where operations leave a source empty, in [0, 1], broadcastable to (N, C, H, W); None: black.
        base: how the sources are weighed.
    """

    sequences: tuple[tuple[OpSequence, ...], ...]
    fill: Tensor | None = None
    base: Unmixed | Weights = UNMIXED

    linear = False

    def row(self, rows: slice) -> Operations:
        """The part that belongs to the images ``rows``; the fill stays as it is."""
        sequences = tuple(of_source[rows] for of_source in self.sequences)
        return dataclasses.replace(self, sequences=sequences, base=self.base.row(rows))


@dataclass(frozen=True, eq=False)
class Style:
    """A weighted sum of sources, each with the channel means and standard deviations of a picture (AdaIN).

    Values outside the range of pixels are clamped.

    Attributes:
        style: (K, N) int64, index of the image whose style source k of image n takes. Equal to ``partner``: its own.
        base: the weights of the sources.
    """

    style: Tensor
    base: Weights

    linear = False

    def row(self, rows: slice) -> Style:
        """The part that belongs to the images ``rows``."""
        return Style(self.style[:, rows], self.base.row(rows))


Mixing = Unmixed | Weights | Aligned | Patches | Operations | Style


class LabelRule(enum.Enum):
    """Rule for the label's shares."""

    AREA = "area"  # the mean weight of each source's pixels
    LAM = "lam"  # λ itself
    SALIENCY = "saliency"  # the visible share of each source's saliency, scaled to sum to 1
    VISIBLE = "visible"  # the same, not scaled
    ATTENTION = "attention"  # the share of the trace's attention on each source's pixels
    ATTENTION_AREA = "attention_area"  # the mean of ATTENTION and AREA
    PLANNED = "planned"  # a rule specific to the method
    OWN = "own"  # the image's own label, unchanged


@dataclass(frozen=True)
class ByStyle:
    """Label rule: ``part`` goes to the images that give the style, the rest to those that give the content."""

    part: float

    value = "style"


Label = LabelRule | ByStyle


@dataclass(frozen=True, eq=False)
class Trace:
    """Record of the drawn values and the maps used; it explains a mixture and changes no pixel.

    Attributes:
        lam: (N,) the λ that was drawn (or held): image A's share before rounding and clipping; None: none was drawn.
        saliency: (N, H, W) the saliency maps that the method used, in the batch's order; None: it used none.
        attention: (N, H, W) a map of each *mixture*, not of its source images; None: not computed.
    """

    lam: Tensor | None = None
    saliency: Tensor | None = None
    attention: Tensor | None = None

    def row(self, rows: slice) -> Trace:
        """The part that belongs to the images ``rows``; saliency stays whole, as partners index the whole batch."""
        lam, attention = self.lam, self.attention
        return dataclasses.replace(
            self,
            lam=None if lam is None else lam[rows],
            attention=None if attention is None else attention[rows],
        )


NO_TRACE = Trace()

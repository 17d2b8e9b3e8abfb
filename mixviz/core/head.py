"""Head: the abstract base class of what makes one vector of a network's last feature maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mixviz.core.parameters import Parametric

LEAST_VARIANCE = 1e-6  # of the largest: axes with less are noise, which whitening would blow up


class Pooling(nn.Module):
    """From feature maps (N, C, H, W), of any height and width, to vectors (N, ``dimensions``)."""

    dimensions: int

    def initialise(self, maps: Tensor, rng: torch.Generator) -> None:
        """Set parameters from feature maps (N, C, H, W) of training images, before the training. Most need none.

        Args:
            maps: float32, on any device.
            rng: on the CPU.

        Raises:
            ValueError: the images differ too little for it.
        """


class Head(Parametric):
    """A way to pool a network's last feature maps into one vector per image.

    ``of_training``: its parameters are learned from the images, or set by :meth:`Pooling.initialise`.
    """

    of_training: ClassVar[bool] = False

    @abstractmethod
    def build(self, channels: int) -> Pooling:
        """Build the module for maps of so many channels, with fresh weights from torch's random state."""


class Whitening(nn.Module):
    """Project vectors on their principal axes and scale each axis to unit variance.

    $$y = \\Lambda^{-1/2} \\, U^\\top (x / \\lVert x \\rVert - \\mu)$$

    The vectors are normalised to length 1 before. Until :meth:`fit` was called, vectors pass through unchanged.

    Args:
        dimensions: D of the vectors.
        kept: number of principal axes to keep, at most D.

    Source: Jégou, Chum, "Negative Evidences and Co-occurences in Image Retrieval: The Benefit of PCA and Whitening",
    ECCV 2012.
    """

    mean: Tensor
    axes: Tensor
    fitted: Tensor

    def __init__(self, dimensions: int, kept: int) -> None:
        super().__init__()
        if not 1 <= kept <= dimensions:
            raise ValueError(f"Whitening keeps 1 to {dimensions} of {dimensions} dimensions; got {kept}.")
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("axes", torch.zeros(kept, dimensions))
        self.register_buffer("fitted", torch.zeros(()))

    def fit(self, vectors: Tensor) -> None:
        """Fit mean and axes to vectors (N, D) of training images.

        Raises:
            ValueError: the vectors vary along fewer axes than are to be kept.
        """
        unit = nn.functional.normalize(vectors.double(), dim=1)
        mean = unit.mean(0)
        values, axes = np.linalg.svd((unit - mean).cpu().numpy(), full_matrices=False)[1:]
        variance = values**2 / len(unit)
        usable = int((variance > LEAST_VARIANCE * variance[0]).sum()) if variance[0] > 0 else 0
        kept = len(self.axes)
        if usable < kept:
            raise ValueError(
                f"{len(vectors)} pictures vary along {usable} axes, and whitening should keep {kept}: lower "
                f"--whiten to {usable} or less, or train with more pictures."
            )
        self.mean.copy_(mean)
        self.axes.copy_(torch.as_tensor(axes[:kept] / np.sqrt(variance[:kept, None])))
        self.fitted.fill_(1)

    def forward(self, vectors: Tensor) -> Tensor:
        if not self.fitted:
            return vectors
        unit = nn.functional.normalize(vectors, dim=1)
        return (unit - self.mean.to(unit)) @ self.axes.T.to(unit)


class Embedding(Pooling):
    """A pooling, a linear layer behind it, and the whitening of its vectors.

    Args:
        pooling: of the feature maps.
        length: D' that a linear layer without bias projects the pooled vectors to; 0: no such layer.
        kept: see :class:`Whitening`; 0: no whitening.
    """

    def __init__(self, pooling: Pooling, length: int = 0, kept: int = 0) -> None:
        super().__init__()
        self.pooling = pooling
        width = length or pooling.dimensions
        self.projection = nn.Linear(pooling.dimensions, length, bias=False) if length else nn.Identity()
        self.whitening = Whitening(width, kept) if kept else nn.Identity()
        self.dimensions = kept or width

    def initialise(self, maps: Tensor, rng: torch.Generator) -> None:
        self.pooling.initialise(maps, rng)

    def forward(self, maps: Tensor) -> Tensor:
        return self.whitening(self.projection(self.pooling(maps)))

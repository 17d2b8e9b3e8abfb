"""Saliency: the abstract base class of the detectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.parameters import Parametric


class Saliency(Parametric):
    """A saliency detector: how much every pixel matters.

    ``needs_network``: it runs the batch's network; ``needs_tokens``: this has to be a vision transformer.
    """

    needs_network: ClassVar[bool] = False
    needs_tokens: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Tensor:
        """Maps (N, H, W), float32 in [0, 1], of a :class:`~mixviz.Batch`.

        Raises:
            ValueError: no network where one is needed, or float images outside [0, 1].
        """
        if self.needs_network:
            self.network_of(batch)
        with torch.no_grad():
            return self.maps(batch)

    def network_of(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        """The batch's network.

        Raises:
            ValueError: it has none.
        """
        if batch.network is None:
            raise ValueError(
                f"The {self.card.name} detector asks a network where it looks, and this batch has none: pass "
                "Batch(images, labels, network=model), give the maps (saliency=...), or choose another detector, "
                'e.g. detector="fine_grained" (on the command line: --detector fine_grained).'
            )
        return batch.network

    @abstractmethod
    def maps(self, batch: Batch) -> Tensor:
        """Maps (N, H, W), float32 in [0, 1]."""

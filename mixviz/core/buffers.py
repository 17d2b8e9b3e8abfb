"""Results in memory that is used again, once nothing refers to it."""

from __future__ import annotations

import sys
from collections import deque

import torch
from torch import Tensor

MOST = 3  # a loop holds a result when it asks for the next, whose bytes may be normalised into floats


class Buffers:
    """Tensors on the CPU whose memory is used again as soon as no tensor, array or graph refers to it.

    The system clears the pages of a large new tensor one by one, which takes longer at 224 px than to mix into it.
    Copies of this object, in other processes too, start without memory.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[Tensor, int]] = deque(maxlen=MOST)

    def __reduce__(self) -> tuple[type[Buffers], tuple[()]]:
        return Buffers, ()

    def empty_like(self, images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Return a tensor of any values with the shape and layout of contiguous or channels_last images, and their type
        or another."""
        dtype = dtype or images.dtype
        for kept, alone in self._kept:
            fits = kept.shape == images.shape and kept.dtype == dtype and kept.stride() == images.stride()
            fits = fits and kept.is_inference() == torch.is_inference_mode_enabled()
            if fits and not kept.is_shared() and _references(kept) == alone:
                return kept.detach()  # another tensor with the same memory, which counts as a reference
        new = torch.empty_like(images, dtype=dtype)
        if (alone := _references(new)) is None:
            return new
        self._kept.append((new, alone))
        return new.detach()


def _references(tensor: Tensor) -> int | None:
    """Count what refers to a tensor's memory: tensors, arrays, graphs, storages; None where torch does not tell."""
    count = getattr(torch._C, "_storage_Use_Count", None)  # pyright: ignore[reportPrivateUsage]
    if count is None:
        return None
    storage = tensor.untyped_storage()  # one object for all who ask, so that its own references count too
    return count(storage._cdata) + sys.getrefcount(storage)  # pyright: ignore[reportPrivateUsage]

"""Random numbers that every device makes alike: a seed per image and a count of pixels in, whole numbers out.

A field of noise for every image of a batch is too much to draw on the host and carry over, and a generator of a GPU's
own gives other numbers than the CPU's. A hash of (seed, pixel) is the same everywhere, and needs nothing but the seed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mixviz.core.tensors import on_device

MASK = 2**32 - 1
# The two multipliers of "lowbias32", the constants that C. Wellons's search for good 32-bit hashes ended with
# (nullprogram.com, "Prospecting for Hash Functions", 2018), and 2^32 over the golden ratio, which sets seeds apart.
FIRST, SECOND, GOLDEN = 0x7FEB352D, 0x846CA68B, 0x9E3779B9


def _mixed(x: Tensor) -> Tensor:
    """Every bit of x, 0 to 2^32 - 1, has a say in every bit of the result; products may wrap, low bits stay right."""
    x = x ^ (x >> 16)
    x.mul_(FIRST).bitwise_and_(MASK)
    x ^= x >> 15
    x.mul_(SECOND).bitwise_and_(MASK)
    x ^= x >> 16
    return x


def whole(seeds: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(M, *shape) int64 from 0 to 2^32 - 1, one field for each seed (M,) of 0 to 2^32 - 1."""
    start = _mixed(on_device(np.asarray(seeds, np.int64) * GOLDEN & MASK, device))
    pixels = torch.arange(int(np.prod(shape)), device=device)
    return _mixed((start[:, None] + pixels) & MASK).view(-1, *shape)


def uniform(seeds: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(M, *shape) float32, above 0 and below 1: the upper 23 bits, so that no rounding reaches either end."""
    return ((whole(seeds, shape, device) >> 9).float() + 0.5) / 2**23


def normal(seeds: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(M, *shape) float32, normally distributed: the inverse of the distribution's sum, at uniform numbers."""
    return torch.erfinv(uniform(seeds, shape, device) * 2 - 1) * 2**0.5

"""Random fields that are identical on every device: a hash of (seed, pixel index).

A noise field per image is too much data to draw on the host and copy to the device, and a GPU's own generator gives
other numbers than the CPU's. A hash is the same everywhere and needs only the seed.
"""

from __future__ import annotations

import math
from importlib import import_module

import numpy as np
import torch
from torch import Tensor

from mixviz.core import jit
from mixviz.core.tensors import on_device

MASK = 2**32 - 1
# The two multipliers of "lowbias32", the result of C. Wellons's search for good 32-bit hashes (nullprogram.com,
# "Prospecting for Hash Functions", 2018), and 2^32 over the golden ratio, which spreads consecutive seeds.
FIRST, SECOND, GOLDEN = 0x7FEB352D, 0x846CA68B, 0x9E3779B9


def _hash(x: Tensor) -> Tensor:
    """Hash x (0 to 2^32 - 1) so that every bit affects every bit of the result.

    The int64 products may wrap; their low 32 bits stay correct.
    """
    x = x ^ (x >> 16)
    x.mul_(FIRST).bitwise_and_(MASK)
    x ^= x >> 15
    x.mul_(SECOND).bitwise_and_(MASK)
    x ^= x >> 16
    return x


def starts(seeds: np.ndarray, device: torch.device) -> Tensor:
    """(M,) int64: pixel i of the field of a seed is the hash of start + i."""
    return _hash(on_device(np.asarray(seeds, np.int64) * GOLDEN & MASK, device))


def whole(seeds: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(M, *shape) int64 from 0 to 2^32 - 1, one field for each seed (M,) of 0 to 2^32 - 1."""
    start = starts(seeds, device)
    pixels = torch.arange(int(np.prod(shape)), device=device)
    return _hash((start[:, None] + pixels) & MASK).view(-1, *shape)


def uniform(seeds: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(M, *shape) float32 in the open interval (0, 1): the upper 23 bits, so that rounding reaches neither end."""
    if jit.creates(len(seeds) * math.prod(shape), device):
        filled = np.empty((len(seeds), math.prod(shape)), np.float32)
        import_module("mixviz.ops._noise_numba").uniform(starts(seeds, device).numpy().astype(np.uint32), filled)
        return on_device(filled, device).view(-1, *shape)
    return ((whole(seeds, shape, device) >> 9).float() + 0.5) / 2**23


def normal(seeds: np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(M, *shape) float32, standard normal: the inverse cumulative distribution function at uniform numbers."""
    return torch.erfinv(uniform(seeds, shape, device) * 2 - 1) * 2**0.5

"""Loops of :mod:`mixviz.ops.noise`; numba is loaded with this module, which is therefore imported late."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixviz.core.jit import compiled
from mixviz.ops.noise import FIRST, SECOND

Array = np.ndarray[Any, Any]


@compiled
def scrambled(x: np.uint32) -> np.uint32:
    """Hash a number as ``noise._hash`` does; in 32 bits, so that eight are hashed at once."""
    x ^= x >> np.uint32(16)
    x = np.uint32(x * np.uint32(FIRST))
    x ^= x >> np.uint32(15)
    x = np.uint32(x * np.uint32(SECOND))
    return np.uint32(x ^ (x >> np.uint32(16)))


@compiled
def uniform(start: Array, out: Array) -> None:
    """Fill ``out`` (M, P) float32 as ``noise.uniform`` does, to the bit; ``start`` (M,) uint32 is of its seeds."""
    for row in range(len(start)):
        for pixel in range(out.shape[1]):
            x = scrambled(np.uint32(start[row] + np.uint32(pixel)))
            out[row, pixel] = (np.float32(np.int32(x >> np.uint32(9))) + np.float32(0.5)) * np.float32(2**-23)

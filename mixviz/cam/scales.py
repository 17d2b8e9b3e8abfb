"""Colour scales for heat maps of several networks and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.cam.localization import heat

SCALES = {
    "image": "each map from its own lowest to its own highest value: shows where, never how much",
    "shared": "one scale, from the lowest to the highest value of all maps of the picture: a pale map is a weak one",
    "raw": "the values as they are, from 0 (or the lowest, if that is below) to the highest of all maps of the picture",
}


class Scaled(NamedTuple):
    """Maps of M networks and K classes at the picture's size.

    Attributes:
        values: (M, K, H, W) float32: in [0, 1] on the scales ``image`` and ``shared``, unscaled on ``raw``.
        shades: (M, K, H, W) in [0, 1]: positions on the colour map.
        low, high: (M, K) the raw values at shades 0 and 1; NaN for a map that is constant or not finite.
    """

    values: Tensor
    shades: Tensor
    low: Tensor
    high: Tensor


def scaled(maps: Tensor | Sequence[Tensor], size: tuple[int, int], scale: str = "image") -> Scaled:
    """Resize maps (bicubic), scale them, and return the values that the colours stand for.

    $$s = \\frac{m - l}{u - l}$$

    $l$ and $u$ are the lowest and highest value of the map itself (``image``, as in
    :func:`mixviz.cam.localization.heat`), or of all maps (``shared``); with ``raw``, $l$ is at most 0 and $u$ at
    least 0.

    Magnitudes are comparable between networks only with care: a more confident network has larger scores and larger
    gradients. ``shared`` and ``raw`` show that difference, ``image`` hides it.

    Args:
        maps: (M, K, h, w), or a sequence of M maps (K, h, w), whose sizes may differ.
        size: (H, W).
        scale: a name of :data:`SCALES`.

    Returns:
        The :class:`Scaled` maps. A map that is constant, or has a NaN or an infinity, has shades 0 and does not count
        for the scale of the others.

    Raises:
        ValueError: an unknown scale, or maps of other shapes.
    """
    if scale not in SCALES:
        raise ValueError(f"There is no scale {scale!r}; there are {', '.join(SCALES)}.")
    rows = [row.detach().float() for row in maps]
    if not rows or any(row.ndim != 3 or len(row) != len(rows[0]) for row in rows):
        shapes = ", ".join(str(tuple(row.shape)) for row in rows) or "none"
        raise ValueError(f"Maps should be (networks, classes, h, w), or (classes, h, w) per network; got {shapes}.")
    useful = torch.stack([_useful(row) for row in rows])
    values = torch.stack([_resized(row, size, overshoot=scale == "image") for row in rows])
    low, high = values.amin((2, 3)), values.amax((2, 3))
    if scale != "image" and useful.any():
        low = low[useful].amin().expand(useful.shape)
        high = high[useful].amax().expand(useful.shape)
    if scale == "raw":
        low, high = low.clamp(max=0), high.clamp(min=0)
    low, high = (edge.where(useful, torch.nan) for edge in (low, high))
    if scale == "image":
        shades = torch.stack([heat(row, size) for row in rows])
    else:
        span = (high - low)[..., None, None]
        shades = ((values - low[..., None, None]) / span).clamp(0, 1).where(span > 0, 0)
    return Scaled(values if scale == "raw" else shades, shades, low, high)


def _useful(row: Tensor) -> Tensor:
    """Mask (K,) of the maps (K, h, w) that are finite and not constant."""
    flat = row.flatten(1)
    return flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1))


def _resized(row: Tensor, size: tuple[int, int], overshoot: bool) -> Tensor:
    """Resize maps (K, h, w); those that are not finite become 0. Bicubic interpolation goes a little below the lowest
    and above the highest value; without ``overshoot`` the result is clamped to them."""
    finite = row.isfinite().flatten(1).all(1)[:, None, None]
    row = row.where(finite, 0)
    large = functional.interpolate(row[None], tuple(size), mode="bicubic", align_corners=False)[0]
    return large if overshoot else large.clamp(row.amin((1, 2), keepdim=True), row.amax((1, 2), keepdim=True))


class Difference(NamedTuple):
    """Difference of two maps: ``values``; ``shades`` in [-1, 1], where 0 is no difference; ``limit``: the largest
    absolute difference, which shades 1 and -1 stand for; 0 for equal maps."""

    values: Tensor
    shades: Tensor
    limit: float


def difference(one: Tensor, other: Tensor) -> Difference:
    """Subtract two networks' maps, on a scale that is symmetric about 0.

    Args:
        one, other: (..., H, W) on one scale: ``values`` of one :func:`scaled` call. On ``image`` only positions are
            compared.

    Raises:
        ValueError: the shapes differ.
    """
    if one.shape != other.shape:
        raise ValueError(f"Maps to compare should have one shape; got {tuple(one.shape)} and {tuple(other.shape)}.")
    values = (one - other).nan_to_num(0, 0, 0)
    limit = values.abs().amax().item() if values.numel() else 0.0
    return Difference(values, values / limit if limit else values, limit)

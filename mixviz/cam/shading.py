"""Heat maps over pictures, in colour maps whose order colour-blind readers see too.

Numpy uint8 (H, W, 3) RGB in and out, as in :mod:`mixviz.render.overlays`.
"""

from __future__ import annotations

import functools

import numpy as np

# matplotlib's names. Brightness rises evenly in the first four; the last, from purple over white to orange, is for
# differences.
COLOURS = ("inferno", "cividis", "viridis", "magma")
DIFFERENCE = "PuOr_r"


@functools.cache
def table(name: str) -> np.ndarray:
    """Colours (256, 3) of a colour map, uint8 RGB.

    Raises:
        ValueError: an unknown colour map.
    """
    if name not in (*COLOURS, DIFFERENCE):
        raise ValueError(f"There are no colours {name!r}; there are {', '.join(COLOURS)}.")
    import matplotlib

    return np.rint(matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).astype(np.uint8)


def overlay(picture: np.ndarray, shades: np.ndarray, strength: float = 0.6, colours: str = "inferno") -> np.ndarray:
    """Draw a heat map over the picture in grey, so that no hue of the picture is taken for heat.

    Args:
        picture: (H, W, 3) uint8.
        shades: (H, W) in [0, 1]; values that are not finite count as 0.
        strength: share of the heat map's colours, 0 (the picture, in grey) to 1 (the heat map alone).
        colours: one of :data:`COLOURS`.

    Raises:
        ValueError: another size, strength or colour map.
    """
    index = np.rint(np.clip(np.nan_to_num(_checked_shades(picture, shades), posinf=0), 0, 1) * 255).astype(np.uint8)
    return _blend(picture, table(colours)[index], _checked_strength(strength))


def overlay_difference(picture: np.ndarray, shades: np.ndarray, strength: float = 0.8) -> np.ndarray:
    """Draw a difference over the picture in grey: orange where the first map is higher, purple where the second is.

    Args:
        shades: (H, W) in [-1, 1], from :func:`mixviz.cam.scales.difference`; 0 leaves the picture
            visible.
        strength: share of the colours at -1 and 1.
    """
    signed = np.clip(np.nan_to_num(_checked_shades(picture, shades), posinf=0, neginf=0), -1, 1)
    index = np.rint((signed + 1) / 2 * 255).astype(np.uint8)
    return _blend(picture, table(DIFFERENCE)[index], _checked_strength(strength) * np.abs(signed)[..., None])


def ramp(height: int, width: int, colours: str = "inferno") -> np.ndarray:
    """Colour bar (height, width, 3): the colours from 0, left, to 1, right."""
    row = table(colours)[np.linspace(0, 255, width).round().astype(np.uint8)]
    return np.repeat(row[None], height, 0)


def _blend(picture: np.ndarray, colour: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    grey = picture.astype(np.float32).mean(2, keepdims=True)
    return np.rint((1 - share) * grey + share * colour).astype(np.uint8)


def _checked_shades(picture: np.ndarray, shades: np.ndarray) -> np.ndarray:
    if picture.ndim != 3 or shades.shape != picture.shape[:2]:
        raise ValueError(f"A map {shades.shape} does not fit a picture {picture.shape}: resize one (scales.scaled).")
    return np.asarray(shades, np.float32)


def _checked_strength(strength: float) -> float:
    if not 0 <= strength <= 1:
        raise ValueError(f"strength should be 0 to 1; got {strength}.")
    return strength

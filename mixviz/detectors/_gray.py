"""Grey levels as OpenCV computes them, for the detectors that are defined on them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mixviz.core.parameters import parameter

# 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in units of 2^-15, for channels 0, 1 and 2 of the tensor.
WEIGHTS = {"rgb": (9798, 19235, 3735), "bgr": (3735, 19235, 9798)}


def channel_order() -> Any:
    """Parameter: the order of the channels, as OpenCV sees them."""
    text = "bgr swaps red and blue, as OpenCV reads an RGB image in the published repositories"
    return parameter("rgb", text, choices=("rgb", "bgr"))


def gray_(planes: Tensor, channel_order: str) -> Tensor:
    """Compute grey levels (N, H, W) of float32 planes (N, 3, H, W) with values 0..255, in place of channel 0.

    Truncating them to integers rounds as OpenCV does. ``channel_order="bgr"`` takes channel 0 for blue.
    """
    first, second, third = (weight / 2**15 for weight in WEIGHTS[channel_order])
    level = planes[:, 0].mul_(first).add_(planes[:, 1], alpha=second).add_(planes[:, 2], alpha=third)
    return level.add_(0.5)  # exact: integers below 2^24, divided by 2^15

"""Operations that change colours but not positions, through torchvision where it has them.

torchvision's functions take one strength for all images of a call. Brightness, contrast, saturation and sharpness all
interpolate (or extrapolate) between a degenerate image, torchvision's result at strength 0, and the image itself. The
interpolation weight can therefore differ per image. Operations that torchvision lacks are implemented here.

All take images (M, 3, H, W) in [0, 1], ``values`` (M, p) on the host and ``seeds`` (M,), and return images in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mixviz.core.tensors import on_device
from mixviz.ops import filters, jpeg
from mixviz.ops import noise as hashing

Change = Callable[[Tensor, np.ndarray, np.ndarray], Tensor]


def _per_image(values: np.ndarray, images: Tensor) -> Tensor:
    """One number per image as (M, 1, 1, 1), to broadcast over images."""
    return on_device(values.astype(np.float32), images.device).view(-1, 1, 1, 1)


def enhanced(name: str) -> Change:
    """torchvision's ``adjust_NAME`` with a factor per image: 0 removes the quality, 1 keeps it, 2 doubles it."""

    def change(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
        from torchvision.transforms.v2 import functional

        degenerate = getattr(functional, f"adjust_{name}")(images, 0.0)
        return torch.lerp(degenerate, images, _per_image(values[:, 0], images)).clamp_(0, 1)

    return change


def plain(name: str) -> Change:
    """torchvision's function NAME, for operations without a strength."""

    def change(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
        from torchvision.transforms.v2 import functional

        return getattr(functional, name)(images)

    return change


def equalize(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Equalize the histogram of each channel; defined on bytes."""
    from torchvision.transforms.v2 import functional

    return functional.equalize(_bytes(images).to(torch.uint8)) / 255


def hue(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Rotate the hue by a share of the colour circle (red, yellow, green, blue); keep saturation and value (HSV)."""
    high, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = high - low
    red, green, blue = (images / torch.where(spread > 0, spread, 1)).split(1, 1)
    high_red, high_green = images[:, :1] == high, images[:, 1:2] == high
    sixth = torch.where(high_red, green - blue, torch.where(high_green, 2 + blue - red, 4 + red - green))
    sixth = sixth + 6 * _per_image(values[:, 0], images)
    # Each channel is at its maximum for two sixths of the circle, at its minimum for two, and ramps in the other two.
    place = (torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1) + sixth).remainder(6)
    return (high - spread * torch.minimum(place, 4 - place).clamp(0, 1)).clamp_(0, 1)


def posterize(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Keep the leading ``value`` bits of every byte."""
    step = _per_image(2.0 ** (8 - values[:, 0]), images)
    level = _bytes(images)
    return (level - level.remainder(step)) / 255


def solarize(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Invert bytes at or above the value, as overexposed film does."""
    return torch.where(_bytes(images) >= _per_image(values[:, 0], images), 1 - images, images)


def blur(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Gaussian blur with σ = ``value`` pixels."""
    return filters.both_ways(images, filters.gaussian(values[:, 0])).clamp_(0, 1)


def motion_blur(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Average along a line of the given length (pixels) and angle (degrees), as a moving camera does."""
    return filters.along_lines(images, filters.line(*values.T)).clamp_(0, 1)


def iso_noise(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Add shot noise, with a standard deviation of the first value times the square root of the intensity.

    The second value (0 to 1) is the share of the noise variance that each channel draws independently; the three
    channels have the rest in common.
    """
    noise = hashing.normal(seeds, (4, *images.shape[2:]), images.device)
    independent = _per_image(values[:, 1], images)
    grain = (1 - independent).sqrt() * noise[:, :1] + independent.sqrt() * noise[:, 1:]
    return (images + _per_image(values[:, 0], images) * images.clamp(min=0).sqrt() * grain).clamp_(0, 1)


def compressed(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Compress and decompress as a JPEG file of this quality."""
    return jpeg.through(images, values[:, 0])


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round()

"""Operations that leave every pixel in its place and change its colour, through torchvision where it has them.

torchvision's functions take one strength for all images of a call. Brightness, contrast, saturation and sharpness are
all of one form, a step from a picture that lacks the quality (which is what torchvision makes of strength 0) towards or
past the picture itself, so that the step can be each image's own. What torchvision lacks is written out.

All take images (M, 3, H, W) in [0, 1], ``values`` (M, p) on the host and ``seeds`` (M,), and give images in [0, 1].
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


def _each(values: np.ndarray, images: Tensor) -> Tensor:
    """One number per image, to be used with images."""
    return on_device(values.astype(np.float32), images.device).view(-1, 1, 1, 1)


def enhanced(name: str) -> Change:
    """torchvision's ``adjust_NAME`` with a factor for every image: 0 is without, 1 as it is, 2 twice as much."""

    def change(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
        from torchvision.transforms.v2 import functional

        without = getattr(functional, f"adjust_{name}")(images, 0.0)
        return torch.lerp(without, images, _each(values[:, 0], images)).clamp_(0, 1)

    return change


def plain(name: str) -> Change:
    """torchvision's function NAME, which has no strength."""

    def change(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
        from torchvision.transforms.v2 import functional

        return getattr(functional, name)(images)

    return change


def equalize(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Every channel's brightnesses spread until all are equally frequent: defined on bytes."""
    from torchvision.transforms.v2 import functional

    return functional.equalize(_bytes(images).to(torch.uint8)) / 255


def hue(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Colours moved around the circle red, yellow, green, blue, by a share of it; light and dark, grey and bright
    stay what they are."""
    top, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = top - low
    red, green, blue = (images / torch.where(spread > 0, spread, 1)).split(1, 1)
    high_red, high_green = images[:, :1] == top, images[:, 1:2] == top
    sixth = torch.where(high_red, green - blue, torch.where(high_green, 2 + blue - red, 4 + red - green))
    sixth = sixth + 6 * _each(values[:, 0], images)
    # A channel is at its top for two of the six parts of the circle, low for two, and on its way for one each.
    place = (torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1) + sixth).remainder(6)
    return (top - spread * torch.minimum(place, 4 - place).clamp(0, 1)).clamp_(0, 1)


def posterize(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Only the first bits of every byte are left, so many as the value says."""
    step = _each(2.0 ** (8 - values[:, 0]), images)
    level = _bytes(images)
    return (level - level.remainder(step)) / 255


def solarize(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Bytes of this value or above are turned into their opposite, as on film that saw too much light."""
    return torch.where(_bytes(images) >= _each(values[:, 0], images), 1 - images, images)


def blur(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Every pixel a mean of its surroundings, in normal weights of σ = value pixels."""
    return filters.both_ways(images, filters.gaussian(values[:, 0])).clamp_(0, 1)


def motion_blur(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Every pixel the mean of a line, so many pixels long and at such an angle: what a moving camera sees."""
    return filters.along_lines(images, filters.line(*values.T)).clamp_(0, 1)


def iso_noise(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Light counted photon by photon: noise that grows with the root of the light, the first value times it. The second
    is how much of it (0 to 1, of its variance) each colour has for itself, the rest being common to all three."""
    noise = hashing.normal(seeds, (4, *images.shape[2:]), images.device)
    own = _each(values[:, 1], images)
    grain = (1 - own).sqrt() * noise[:, :1] + own.sqrt() * noise[:, 1:]
    return (images + _each(values[:, 0], images) * images.clamp(min=0).sqrt() * grain).clamp_(0, 1)


def compressed(images: Tensor, values: np.ndarray, seeds: np.ndarray) -> Tensor:
    """What is left of a picture that was a JPEG file of this quality."""
    return jpeg.through(images, values[:, 0])


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round()

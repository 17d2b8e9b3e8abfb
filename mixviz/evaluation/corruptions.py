"""Common corruptions of pictures at five severities, by torchvision's transforms.

The kinds are those of Hendrycks and Dietterich ("Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019, arXiv:1903.12261) as far as torchvision can make them. The severities' numbers are *ours*,
not ImageNet-C's: errors measured with them cannot be compared with published ones of ImageNet-C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixviz.core import checks

SEVERITIES = (1, 2, 3, 4, 5)

# (uint8 images (N, 3, H, W), the severity's number, generator) -> uint8 images
Spoil = Callable[[Tensor, float, np.random.Generator], Tensor]


@dataclass(frozen=True)
class Corruption:
    """A corruption: one of ``numbers`` per severity from 1 to 5, in ``unit``."""

    unit: str
    numbers: tuple[float, float, float, float, float]
    spoil: Spoil


def corrupt(images: Tensor, name: str, severity: int, rng: np.random.Generator) -> Tensor:
    """Corrupt copies of images.

    Args:
        images: (N, 3, H, W) uint8.
        name: one of :data:`CORRUPTIONS`.
        severity: 1 (light) to 5 (heavy).
        rng: the only source of randomness; only noise and the elastic warp draw. A batch shares one warp.

    Raises:
        TypeError, ValueError: images that are not uint8, or no such corruption or severity.
    """
    checks.tensor("images", images, "uint8", ("N", 3, "H", "W"))
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(
            f"No corruption {name!r} of severity {severity!r}. There are {', '.join(CORRUPTIONS)}, of severity 1 to 5."
        )
    kind = CORRUPTIONS[name]
    return kind.spoil(images, kind.numbers[severity - 1], rng)


def _transforms():
    from torchvision.transforms.v2 import functional

    return functional


def _unit(images: Tensor) -> float:
    """Pixels in 1/64 of the shorter side: a severity looks alike at every size."""
    return min(images.shape[-2:]) / 64


def _noise(images: Tensor, number: float, rng: np.random.Generator) -> Tensor:
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32)).to(images.device)
    return (images + 255 * number * noise).round_().clamp_(0, 255).to(torch.uint8)


def _blur(images: Tensor, number: float, rng: np.random.Generator) -> Tensor:
    sigma = number * _unit(images)
    reach = min(int(3 * sigma + 0.5), min(images.shape[-2:]) - 1)  # the mirrored border must be wide enough
    return _transforms().gaussian_blur(images, [2 * max(reach, 1) + 1] * 2, [sigma] * 2)


def _pixelate(images: Tensor, number: float, rng: np.random.Generator) -> Tensor:
    resize, size = _transforms().resize, list(images.shape[-2:])
    small = resize(images, [max(1, round(side * number)) for side in size], antialias=True)
    return resize(small, size, interpolation=_modes().NEAREST)


def _modes():
    from torchvision.transforms.v2 import InterpolationMode

    return InterpolationMode


def _jpeg(images: Tensor, number: float, rng: np.random.Generator) -> Tensor:
    return _transforms().jpeg(images.cpu(), int(number)).to(images.device)


def _rotate(images: Tensor, number: float, rng: np.random.Generator) -> Tensor:
    return _transforms().rotate(images, number, _modes().BILINEAR, fill=[127.0] * images.shape[1])


def _elastic(images: Tensor, number: float, rng: np.random.Generator) -> Tensor:
    size, unit = images.shape[-2:], _unit(images)
    field = torch.from_numpy(rng.uniform(-1, 1, (1, 2, *size)).astype(np.float32)).to(images.device)
    field = _blur(field, 4.0, rng)  # smooth, so that neighbours move together
    field = field / field.square().mean().sqrt() * number * unit  # root mean square, in pixels
    scale = 2 / torch.tensor(size[::-1], device=images.device)  # torchvision's unit is half the side, x first
    return _transforms().elastic(
        images, field.permute(0, 2, 3, 1) * scale, _modes().BILINEAR, fill=[127.0] * images.shape[1]
    )


def _by(name: str) -> Spoil:
    """Return torchvision's function of that name as one of (images, number)."""
    return lambda images, number, rng: getattr(_transforms(), name)(images, number)


def _whole(name: str) -> Spoil:
    return lambda images, number, rng: getattr(_transforms(), name)(images, int(number))


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption("standard deviation, of 1", (0.04, 0.08, 0.12, 0.18, 0.26), _noise),
    "gaussian_blur": Corruption("standard deviation, in 1/64 of the shorter side", (0.5, 0.8, 1.2, 1.7, 2.4), _blur),
    "pixelate": Corruption("side of the small picture, as a share", (0.7, 0.5, 0.375, 0.25, 0.175), _pixelate),
    "jpeg": Corruption("quality, 1 to 100", (60, 35, 20, 10, 5), _jpeg),
    "brighter": Corruption("factor", (1.2, 1.4, 1.7, 2.0, 2.5), _by("adjust_brightness")),
    "darker": Corruption("factor", (0.8, 0.6, 0.45, 0.3, 0.2), _by("adjust_brightness")),
    "contrast": Corruption("factor", (0.75, 0.55, 0.4, 0.25, 0.15), _by("adjust_contrast")),
    "saturation": Corruption("factor; 0 is grey", (0.7, 0.45, 0.25, 0.1, 0), _by("adjust_saturation")),
    "posterize": Corruption("bits that are kept", (5, 4, 3, 2, 1), _whole("posterize")),
    "solarize": Corruption("value from which it is inverted", (240, 224, 192, 160, 128), _by("solarize")),
    "rotation": Corruption("degrees, counter-clockwise", (5, 10, 15, 25, 40), _rotate),
    "elastic": Corruption("root mean square shift, in 1/64 of the shorter side", (0.5, 1, 1.5, 2, 3), _elastic),
}

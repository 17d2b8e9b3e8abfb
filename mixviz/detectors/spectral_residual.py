"""The spectral residual detector: deviations from the spectrum that natural images share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.core.batch import Batch
from mixviz.core.parameters import Card
from mixviz.core.saliency import Saliency
from mixviz.detectors._gray import channel_order, gray_

SIDE = 64  # pixels of the small image for the spectrum


@dataclass(frozen=True)
class SpectralResidual(Saliency):
    """The residual of an image's spectrum after subtracting the part that all natural images share.

    The log amplitude spectra of natural images look alike, so that a local mean predicts them; a difference from it
    points to something unusual. With the discrete Fourier transform $F$ of the grey image at 64×64 pixels, the 3×3 mean
    $h$ and a 5×5 Gaussian $g$ ($\\sigma = 8$):

    $$R = \\log(|F| + 1) - h * \\log(|F| + 1) \\qquad
      s = \\left( g * \\left| \\mathcal F^{-1}\\left[ e^{R}\\, F/|F| \\right] \\right| \\right)^2 \\Big/ \\max$$

    enlarged (H, W) again. It finds blobs a few 64ths of the image wide, no details.

    This is OpenCV's ``StaticSaliencySpectralResidual`` for a whole batch. Maps of photographs and noise agree within
    3·10⁻⁶, which leaves at least 99.99 % of the pixels equal in steps of 1/255, and have the same peaks. Drawn patterns
    with coefficients that cancel differ by up to 0.002, because the phase of a zero coefficient is arbitrary. OpenCV's
    phase is an approximate arctangent, which is repeated here. A flat image leaves a single value to transform back:
    its map peaks in the top left corner, in OpenCV as here, and is never NaN.
    """

    channel_order: str = channel_order()

    card: ClassVar[Card] = Card(
        "spectral_residual", "Spectral residual",
        "Saliency Detection: A Spectral Residual Approach", "Hou, Zhang", "CVPR", 2007,
    )  # fmt: skip

    def maps(self, batch: Batch) -> Tensor:
        level = gray_(batch.pixels().float(), self.channel_order).floor()
        # Double precision as in OpenCV, because coefficients that nearly cancel still have a phase. Apple's GPUs
        # lack it.
        small = _shrink(level).to(torch.float32 if batch.device.type == "mps" else torch.float64)
        saliency = _smooth(_residual(small)).square()
        saliency = (saliency / saliency.amax((1, 2), keepdim=True)).float()
        return functional.interpolate(saliency[:, None], batch.size, mode="bilinear")[:, 0].clamp_(0, 1)


def _shrink(level: Tensor) -> Tensor:
    """Resize integer levels (N, H, W) bilinearly to integer levels (N, 64, 64), in exact steps of 1/256 pixel."""
    for dim in (1, 2):
        side = level.shape[dim]
        # Output pixel i has its centre at ((2i + 1) · side / 64 - 1) / 2, here in units of 1/128.
        centre = (2 * torch.arange(SIDE, device=level.device) + 1) * side - SIDE
        first, share = centre >> 7, ((centre & 127) * 2).view(-1, *[1] * (2 - dim)).float()
        left, right = (level.index_select(dim, i.clamp(0, side - 1)) for i in (first, first + 1))
        level = left * (256 - share) + right * share
    return ((level + 2**15) / 2**16).floor()


def _residual(image: Tensor) -> Tensor:
    """Magnitude (N, 64, 64) of the inverse transform of the spectral residual with the image's phase."""
    spectrum = torch.fft.fft2(image)
    log = torch.log(spectrum.abs() + 1)
    # Mirrored at the border as in OpenCV, though a spectrum is periodic; so the inverse transform is complex.
    mean = functional.avg_pool2d(functional.pad(log[:, None], (1, 1, 1, 1), "reflect"), 3, 1)[:, 0]
    phase = _arctangent(spectrum.imag.float(), spectrum.real.float()).to(log.dtype)
    return torch.fft.ifft2(torch.polar((log - mean).exp(), phase), norm="forward").abs()


def _arctangent(y: Tensor, x: Tensor) -> Tensor:
    """Angle (0 to 2π) of float32 points by OpenCV's polynomial of degree 7, with an error of up to 0.0002."""
    low, high = torch.minimum(x.abs(), y.abs()), torch.maximum(x.abs(), y.abs())
    ratio = low / (high + 2**-52)
    square = ratio * ratio
    angle = (((-0.04432655554792128 * square + 0.1555786518463281) * square - 0.3258083974640975) * square
             + 0.9997878412794807) * ratio  # fmt: skip
    angle = torch.where(x.abs() >= y.abs(), angle, math.pi / 2 - angle)
    angle = torch.where(x < 0, math.pi - angle, angle)
    return torch.where(y < 0, 2 * math.pi - angle, angle)


def _smooth(image: Tensor) -> Tensor:
    """5×5 Gaussian with σ = 8, mirrored at the border."""
    weights = [math.exp(-((i - 2) ** 2) / (2 * 8**2)) for i in range(5)]
    image = functional.pad(image[:, None], (2, 2, 2, 2), "reflect")[:, 0]
    weights = [weight / sum(weights) for weight in weights]
    image = reduce(torch.add, (image[:, i : i + SIDE] * weight for i, weight in enumerate(weights)))
    return reduce(torch.add, (image[:, :, i : i + SIDE] * weight for i, weight in enumerate(weights)))

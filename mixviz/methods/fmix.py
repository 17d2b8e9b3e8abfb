from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import masked
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, parameter
from mixviz.core.recipe import Recipe

LEFT_OUT = 1e-4  # share of the field's variance to drop: it moves the mask's border by a fraction of a pixel


@dataclass(frozen=True)
class FMix(Method):
    """CutMix with irregular blobs instead of a box: the mask is cut from smooth noise.

    $$g = \\Re\\, \\mathcal F^{-1}\\!\\left[\\frac{z}{f^{\\,\\delta}}\\right] \\qquad M = 1 \\text{ on the }
    \\lambda H W \\text{ largest } g \\qquad \\tilde x = M \\odot x_A + (1-M) \\odot x_B \\qquad
    \\tilde y = \\bar M\\, y_A + (1-\\bar M)\\, y_B$$

    z is complex Gaussian noise for every spatial frequency f, and δ (``decay``) damps high frequencies, so that the
    noise is smooth. The mask keeps A where the noise is largest, on exactly the share λ of the pixels, with
    $\\lambda \\sim \\mathrm{Beta}(\\alpha, \\alpha)$. Look at the borders: no two are alike, so that a network cannot
    learn to look for straight edges. But the blobs ignore the objects just as CutMix's box does.

    Paper and code differ. The formula favours no direction. The released code takes two rows of the noise for its real
    and its imaginary part (``spectrum="released"``): horizontally, only the constant and the lowest frequency are left,
    and the blobs stand upright. At 32 px and λ = 1/2 a mask changes 41 times from a pixel to the one below and 60 times
    to the one beside it; by the formula both come to 51. The authors' code also draws one mask for the whole batch, and
    rounds the number of its pixels up or down by a coin; here it is the nearest. Frequencies too weak to move the
    border (together one hundredth of the field's standard deviation) are not drawn.

    The accuracies are OpenMixup's, with the released spectrum and α = 0.2, neither of which is the default. CIFAR-100
    with ResNet-18: 78.91 % against 79.45 % for CutMix and 76.42 % plain (200 epochs). It helps less for networks that
    split pictures into square patches, because the blobs cut across these: a vision transformer (DeiT-S) has 77.37 % of
    ImageNet, with CutMix 80.13 %, plain 75.66 %.
    """

    alpha: float = beta_alpha(1.0)
    decay: float = parameter(3.0, "how fast high frequencies fade: the larger, the smoother the blobs", low=1, high=6)
    spectrum: str = parameter(
        "formula", "noise alike in all directions, or two of its rows as in the released code",
        choices=("formula", "released"),
    )  # fmt: skip

    card: ClassVar[Card] = Card(
        "fmix", "FMix", "FMix: Enhancing Mixed Sample Data Augmentation",
        "Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare", "arXiv", 2020, "2002.12047", "cut", "1 - area",
        after=("cutmix",), aliases=("Fourier mix", "에프믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        field = _field(batch, draw.rng, self.decay, self.spectrum)
        count = np.rint((1 - draw.lam) * field[0].numel()).astype(np.int64)
        return masked(batch, draw, (field >= _largest_of_lowest(field, count, batch)).float()[:, None])


@lru_cache(maxsize=32)
def _fading(size: tuple[int, int], decay: float, spectrum: str) -> tuple[np.ndarray, int]:
    """Amplitude of each frequency.

    Returns:
        The standard deviations (rows, columns, 2), float32, of real and imaginary part of the frequencies kept: across
        from 0 to the highest; down from 0 to the highest and then, by the formula, from minus the highest to -1. And
        the number of rows before the negative frequencies.
    """
    (height, width), least = size, 1 / max(size)
    across = np.fft.rfftfreq(width)
    if spectrum == "formula":
        down = np.abs(np.fft.fftfreq(height))
        frequency = np.hypot(down[:, None], across)[..., None].repeat(2, 2)
    else:  # row 0 of the authors' grid is the real part, row 1 the imaginary one; its columns are rows here
        down = np.arange(min(len(across), height)) / height
        frequency = np.hypot(across[: len(down), None, None], [0, 1 / height]).repeat(len(across[:2]), 1)
        across = across[:2]
    strength = np.maximum(frequency, least) ** -decay
    strength[0, 0] = 0  # the mean of the field, which changes no pixel's rank
    single = (across == 0) | (across == 0.5)  # columns that are their own mirror image: only the real part shows
    if spectrum == "formula":  # as strong as in the full plane, where a wave and its mirror image are drawn separately
        strength[:, single] *= np.sqrt(2)
    energy = (strength**2).sum(2) * np.where(single, 1, 4)
    limits, enough = np.unique(np.concatenate([down, across])), (1 - LEFT_OUT) * energy.sum()
    highest = next(limit for limit in limits if energy[down <= limit][:, across <= limit].sum() >= enough)
    rows = np.flatnonzero(down <= highest)
    strength = np.ascontiguousarray(strength[rows][:, across <= highest], np.float32)
    return strength, int((rows == np.arange(len(rows))).sum())


def _field(batch: Batch, rng: np.random.Generator, decay: float, spectrum: str) -> Tensor:
    """Smooth noise (N, H, W) float32; noise is drawn on the host for the few frequencies kept."""
    (strength, first), (height, width) = _fading(batch.size, decay, spectrum), batch.size
    noise = rng.standard_normal((len(batch), *strength.shape), dtype=np.float32) * strength
    low = torch.view_as_complex(batch.tensor(noise))
    if len(strength) < height:
        high = low.new_zeros(len(batch), height - len(strength), low.shape[2])
        low = torch.cat([low[:, :first], high, low[:, first:]], 1)
    return torch.fft.irfft(torch.fft.ifft(low, dim=1), n=width, dim=2)


def _largest_of_lowest(field: Tensor, count: np.ndarray, batch: Batch) -> Tensor:
    """(N, 1, 1) value below which exactly ``count`` (N,) pixels of each field lie."""
    values, pixels = field.flatten(1), field[0].numel()
    if type(field) is Tensor and field.device.type == "cpu":  # a tenth of the time of sorting
        rows = zip(values.numpy(), count.tolist(), strict=True)
        thresholds = [np.partition(row, k)[k] if k < pixels else np.inf for row, k in rows]
        return torch.from_numpy(np.array(thresholds, np.float32))[:, None, None]
    ordered = torch.nn.functional.pad(values.sort(1).values, (0, 1), value=torch.inf)
    return ordered.gather(1, batch.tensor(count)[:, None])[:, :, None]

"""Simulated JPEG compression on any device, with a quality per image.

A codec works on the CPU, one image after another; on a GPU the batch would wait for it. Only the lossy steps of JPEG
are computed here: chroma is stored at half the resolution, each block of 8 x 8 pixels is written as a sum of 64 cosines
(DCT), and every coefficient is rounded to a multiple of a step that is large where the eye is less sensitive. The
entropy coding that follows is lossless and is left out.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mixviz.core.tensors import on_device

# ITU-T T.81, Annex K, tables K.1 (luma) and K.2 (chroma): quantization steps of DCT coefficients at quality 50.
LIGHT = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])  # fmt: skip
COLOUR = np.full((8, 8), 99)
COLOUR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# ITU-T T.871 (JFIF): RGB to Y, Cb, Cr.
FROM_RGB = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
WAVES = np.array([
    [math.sqrt((2 if k else 1) / 8) * math.cos(math.pi * k * (2 * i + 1) / 16) for i in range(8)] for k in range(8)
])  # fmt: skip


def steps(quality: np.ndarray) -> np.ndarray:
    """(M, 2, 8, 8) quantization steps of luma and chroma at a quality (M,) of 1 to 100, scaled as in IJG's libjpeg."""
    quality = np.clip(np.rint(quality), 1, 100)
    percent = np.where(quality < 50, 5000 // np.maximum(quality, 1), 200 - 2 * quality)
    return np.clip((np.stack([LIGHT, COLOUR]) * percent[:, None, None, None] + 50) // 100, 1, 255)


def through(images: Tensor, quality: np.ndarray) -> Tensor:
    """Images (M, 3, H, W) in [0, 1] after a JPEG round trip with chroma at half the resolution (4:2:0)."""
    height, width = images.shape[2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate")
    table = on_device(steps(quality).astype(np.float32), images.device)
    ycbcr = _recoloured((padded * 255).round(), FROM_RGB)
    luma = _quantized(ycbcr[:, :1] - 128, table[:, :1]) + 128
    chroma = _quantized(F.avg_pool2d(ycbcr[:, 1:], 2), table[:, 1:])
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).round()
    rgb = _recoloured(torch.cat([luma, chroma], 1), TO_RGB)[..., :height, :width]
    return rgb.round().clamp(0, 255) / 255


def _recoloured(images: Tensor, matrix: np.ndarray) -> Tensor:
    """Multiply every colour by a matrix; written term by term, so that grey stays exactly grey."""
    first, second, third = images.split(1, 1)
    return torch.cat([(a * first + b * second + c * third).round() for a, b, c in matrix.tolist()], 1)


def _quantized(channels: Tensor, table: Tensor) -> Tensor:
    """Channels (M, c, H, W) with their DCT coefficients rounded to multiples of the steps (M, 1, 8, 8)."""
    waves = on_device(WAVES.astype(np.float32), channels.device)
    m, c, height, width = channels.shape
    blocks = channels.view(m, c, height // 8, 8, width // 8, 8).transpose(3, 4)
    coefficients = waves @ blocks @ waves.T
    table = table[:, :, None, None]
    blocks = waves.T @ ((coefficients / table).round() * table) @ waves
    return blocks.transpose(3, 4).reshape(m, c, height, width).round().clamp(-128, 127)

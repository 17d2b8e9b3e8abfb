"""Smoothing with a kernel per image: separable ones take one matrix product per direction for the whole batch."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mixviz.core import jit
from mixviz.core.tensors import on_device

PIECE = 2**18  # values smoothed at a time on the CPU: a piece that fits the cache is three times as fast


def gaussian(spread: np.ndarray) -> np.ndarray:
    """(M, taps) Gaussian kernels of σ = ``spread`` (M,) pixels; rows sum to 1 and reach four times the largest σ."""
    reach = max(1, int(np.ceil(4 * spread.max())))
    distance = np.arange(-reach, reach + 1) / np.maximum(spread, 1e-6)[:, None]
    weights = np.exp(-(distance**2) / 2)
    return weights / weights.sum(1, keepdims=True)


def both_ways(images: Tensor, kernel: np.ndarray) -> Tensor:
    """Smooth images (M, C, H, W) vertically and horizontally with kernels (M, taps), mirrored at the edges."""
    height, width = images.shape[2:]
    alike = kernel[:1] if (kernel == kernel[:1]).all() else kernel
    weights = on_device(alike.astype(np.float32), images.device)
    return _matrix(weights, height)[:, None] @ images @ _matrix(weights, width)[:, None].transpose(-1, -2)


def _matrix(weights: Tensor, side: int) -> Tensor:
    """(M, side, side) matrices: row i holds the weights of output pixel i over the pixels of its line."""
    m, taps = weights.shape
    source = on_device(mirrored(np.arange(side)[:, None] + np.arange(taps) - taps // 2, side), weights.device)
    shape = m, side, taps  # at an edge, two taps may fall on the same pixel
    return weights.new_zeros(m, side, side).scatter_add_(2, source.expand(shape), weights[:, None].expand(shape))


def mirrored(index: np.ndarray, side: int) -> np.ndarray:
    """Reflect indices beyond the edges without repeating the edge pixel: -1 becomes 1."""
    if side == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * side - 2)
    return np.minimum(index, 2 * side - 2 - index)


def along_lines(images: Tensor, kernels: np.ndarray) -> Tensor:
    """Smooth images (M, C, H, W) with kernels (M, k, k), mirrored at the edges."""
    reach, channels = kernels.shape[1] // 2, images.shape[1]
    weights = on_device(kernels.astype(np.float32), images.device)[:, None].repeat_interleave(channels, 0)
    step = max(1, PIECE // images[0].numel()) if images.device.type == "cpu" else len(images)
    plain = images.dtype == torch.float32 and not images.requires_grad and jit.usable_on(images)
    smooth = torch.empty_like(images)
    for start in range(0, len(images), step):
        padded = _mirror(images[start : start + step], reach)
        if plain:  # a line passes few of the kernel's pixels
            part = smooth[start : start + step]
            lines = kernels[start : start + step].astype(np.float32)
            import_module("mixviz.ops._pixels_numba").along_lines(padded.numpy(), lines, part.numpy())
            continue
        padded = padded.flatten(0, 1)
        kernel = weights[start * channels : start * channels + len(padded)]
        smooth[start : start + step] = F.conv2d(padded, kernel, groups=len(padded)).unflatten(0, (-1, channels))
    return smooth


def _mirror(images: Tensor, reach: int) -> Tensor:
    """Pad by ``reach`` mirrored pixels on every side."""
    if reach < min(images.shape[2:]):
        return F.pad(images, (reach, reach, reach, reach), mode="reflect")  # ten times as fast as by indices
    rows, columns = (
        on_device(mirrored(np.arange(-reach, side + reach), side), images.device) for side in images.shape[2:]
    )
    return images.index_select(2, rows).index_select(3, columns)


def line(lengths: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(M, k, k) motion-blur kernels of lines ``lengths`` (M,) pixels long at ``angles`` (M,) degrees.

    Angles are measured counter-clockwise from the right. Weights are the share of time that a point moving along the
    line spends over each pixel, and sum to 1. A point between pixels is split bilinearly.
    """
    reach = max(1, int(np.ceil(lengths.max() / 2)))
    steps = 8 * reach + 1
    t = np.linspace(-0.5, 0.5, steps) * lengths[:, None]
    y, x = -t * np.sin(np.radians(angles))[:, None], t * np.cos(np.radians(angles))[:, None]
    pixels = np.arange(-reach, reach + 1)
    down, across = (np.clip(1 - np.abs(position[..., None] - pixels), 0, None) for position in (y, x))
    kernels = np.einsum("msi,msj->mij", down, across)
    return kernels / kernels.sum((1, 2), keepdims=True)

"""Blending on the CPU by compiled loops (:mod:`mixviz.core._apply_numba`), with the pixels that torch's roads give.

Each function says whether it has done its work; what it cannot do is left to torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core import jit

WORDS = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64}  # copies do not ask what the bits mean


def paste(images: Tensor, out: Tensor, partner: Tensor, source: Tensor, target: Tensor) -> bool:
    """Paste the box ``source`` (N, 4) of each image's ``partner`` (N,) into the box ``target`` of ``out``.

    ``out`` may be ``images``, where each image is the partner of one.
    """
    if not jit.usable_on(images, out, partner, source, target):
        return False
    shape, unit = (images.shape[1], images.shape[2], images.shape[3]), 1
    if not (images.is_contiguous() and out.is_contiguous()):
        if not all(one.is_contiguous(memory_format=torch.channels_last) for one in (images, out)):
            return False
        images, out = images.permute(0, 2, 3, 1), out.permute(0, 2, 3, 1)
        shape, unit = (1, shape[1], shape[2] * shape[0]), shape[0]
    canvas, where = _flat(out), (shape, partner.numpy(), source.numpy(), target.numpy(), unit)
    if out.data_ptr() != images.data_ptr():
        return jit.loops("apply").paste(_flat(images), canvas, *where)
    return jit.loops("apply").paste_over(canvas, *where)


def fill(out: Tensor, colours: Tensor, target: Tensor) -> bool:
    """Fill the box ``target`` (N, 4) of each image; ``colours`` has the images' type and broadcasts to them."""
    if not jit.usable_on(out, colours, target) or not out.is_contiguous():
        return False
    if colours.ndim != 4 or colours.shape[0] not in (1, out.shape[0]) or colours.shape[1] != out.shape[1]:
        return False
    plain = tuple(colours.shape[2:]) == (1, 1)
    if not plain and colours.shape[2:] != out.shape[2:]:
        return False
    shape = out.shape[1], out.shape[2], out.shape[3]
    given = _flat(colours.contiguous()), plain, colours.shape[0] == 1, target.numpy()
    return jit.loops("apply").fill(_flat(out), shape, *given)


def blend(images: Tensor, out: Tensor, partner: Tensor, weight: Tensor) -> bool:
    """Blend each image with its ``partner`` (N,), which has the ``weight`` (N, 1 or C, 1 or H, 1 or W).

    ``out`` may be ``images``, where each image is the partner of one and has one weight.
    """
    kinds = torch.float32, torch.float64, torch.uint8
    if images.dtype not in kinds or not images.is_contiguous() or not out.is_contiguous():
        return False
    if not jit.usable_on(images, out, partner, weight) or weight.shape[0] != images.shape[0]:
        return False
    if weight.requires_grad and torch.is_grad_enabled():
        return False
    n, in_place, others, loops = len(images), out.data_ptr() == images.data_ptr(), partner.numpy(), jit.loops("apply")
    kind = torch.float64 if images.dtype == torch.float64 else torch.float32
    weight = weight.detach() if weight.dtype == kind else weight.detach().to(kind)
    if weight.numel() == n:
        canvas, each = out.detach().numpy().reshape(n, -1), weight.numpy().reshape(n)
        pixels = canvas if in_place else images.numpy().reshape(n, -1)
        return _blend_whole(loops, pixels, canvas, others, each, in_place)
    fits = weight.shape[1] in (1, images.shape[1]) and weight.shape[2:] == images.shape[2:]
    if in_place or images.dtype == torch.uint8 or not fits:
        return False
    pixels, canvas, each = (one.detach().flatten(2).contiguous().numpy() for one in (images, out, weight))
    return loops.blend_by_map(pixels, canvas, others, each)


def _blend_whole(
    loops: Any, pixels: np.ndarray, canvas: np.ndarray, partner: np.ndarray, weight: np.ndarray, in_place: bool
) -> bool:
    if not in_place:
        return (loops.blend_bytes if pixels.dtype == np.uint8 else loops.blend)(pixels, canvas, partner, weight)
    return pixels.dtype != np.uint8 and loops.blend_over(canvas, partner, weight)


def normalise(images: Tensor, mean: Tensor, std: Tensor, out: Tensor) -> bool:
    """Normalise images in [0, 1] in place, or bytes into ``out``, by each channel's ``mean`` and ``std`` (1, C, 1, 1),
    in one pass; floats have the type of the statistics."""
    in_bytes = images.dtype == torch.uint8
    if mean.dtype not in (torch.float32, torch.float64) or not jit.usable_on(images, out, mean, std):
        return False
    if not (in_bytes or out is images) or out.dtype != mean.dtype or out.requires_grad:
        return False
    if not (images.is_contiguous() and out.is_contiguous()):
        return False
    loops = jit.loops("apply")
    pixels, result = (one.numpy().reshape(*one.shape[:2], -1) for one in (images, out))
    if in_bytes:
        levels = torch.arange(256, dtype=torch.uint8) / 255
        loops.look_up(pixels, ((levels - mean) / std).view(-1, 256).numpy(), result)
    else:
        loops.normalise(result, mean.flatten().numpy(), std.flatten().numpy())
    return True


def _flat(images: Tensor) -> np.ndarray:
    """View contiguous images as a row of integers of the same size."""
    bits = images.detach().view(torch.int16) if images.dtype == torch.bfloat16 else images.detach()
    return bits.numpy().reshape(-1).view(WORDS[images.element_size()])

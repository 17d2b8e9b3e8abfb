"""Blending on a GPU in one pass (:mod:`mixviz.core._apply_triton`), with the pixels that masks give.

Each function says whether it has done its work; what it cannot do is left to masks.
"""

from __future__ import annotations

import importlib.util
import warnings
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

from mixviz.core import jit

TYPES = torch.float32, torch.float16, torch.bfloat16, torch.uint8
LAYOUTS = torch.contiguous_format, torch.channels_last
MOST = 2**16 - 1  # images: programs along the second axis of a grid
LARGEST = 2**30  # values of an image, whose places are 32-bit numbers

_failed: list[str] = []  # why the kernel does not run here


def usable(images: Tensor) -> bool:
    """Whether to use the kernel: on a GPU, outside autograd and torch.compile, and not for two pictures, for which the
    page would wait until it is compiled."""
    if torch.compiler.is_compiling() or not images.is_cuda or type(images) is not Tensor:
        return False
    return images.shape[0] > jit.PAIR and not images.requires_grad and not _failed and _installed()


def paste(images: Tensor, out: Tensor, partner: Tensor, source: Tensor | None, target: Tensor) -> bool:
    """Paste the box ``source`` (N, 4) of each image's ``partner`` (N,) into the box ``target``; None: the same box."""
    if not _apart(images, out):
        return False
    return _mix(images, out, partner=partner, target=target, source=source)


def fill(images: Tensor, out: Tensor, content: Tensor, target: Tensor) -> bool:
    """Fill the box ``target`` (N, 4) of each image with ``content`` of the images' type and shape.

    ``out`` may be ``images``.
    """
    if not _apart(images, out) and (out.storage_offset(), out.stride()) != (images.storage_offset(), images.stride()):
        return False
    if not _apart(content, out):
        return False
    return _mix(images, out, target=target, content=content)


def blend(images: Tensor, out: Tensor, partner: Tensor, weight: Tensor) -> bool:
    """Blend each image with its ``partner`` (N,), which has the ``weight`` (N, 1 or C, 1 or H, 1 or W)."""
    if not _apart(images, out):
        return False
    return _mix(images, out, partner=partner, content=weight.expand_as(images))


def _apart(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors share no memory."""
    return one.untyped_storage()._cdata != other.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


def _mix(
    images: Tensor, out: Tensor, partner: Tensor | None = None, target: Tensor | None = None,
    source: Tensor | None = None, content: Tensor | None = None,
) -> bool:  # fmt: skip
    n, given = images.shape[0], [one for one in (out, partner, target, source, content) if one is not None]
    if images.dtype not in TYPES or n > MOST or images[0].numel() > LARGEST or images.numel() == 0:
        return False
    if not any(images.is_contiguous(memory_format=form) and out.is_contiguous(memory_format=form) for form in LAYOUTS):
        return False
    if any(one.device != images.device or one.shape[0] != n for one in given):
        return False
    if torch.is_grad_enabled() and any(one.requires_grad for one in given):
        return False
    places = [None if one is None else one.contiguous() for one in (partner, target, source)]
    if any(one is not None and one.is_floating_point() for one in places):
        return False
    try:
        import_module("mixviz.core._apply_triton").launch(images, out, *places, content)
    except Exception as error:  # no C compiler for its launcher, or a device that Triton does not know
        _failed.append(str(error))
        warnings.warn(f"Triton's kernel does not run here; masks mix instead, a little slower: {error}", stacklevel=2)
        return False
    return True


@cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None

"""Check and convert tensors; every other module of the core may import this one, which imports the compiler alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core import jit

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SAMPLED = 512  # values of a batch that the range check before every plan reads: each costs a cache miss
FEW = 4096  # values
SLACK = 1e-3  # allowed beyond [0, 1]: half precision blends ones to slightly more than one


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Return a host array as a tensor on a device, without waiting for the device."""
    if not (array.flags.c_contiguous and array.flags.writeable):  # a broadcast array, or a view
        array = np.require(array, requirements=["C", "W"])
    tensor = torch.from_numpy(array)  # pyright: ignore[reportUnknownMemberType]  # torch leaves it untyped
    if device.type == "cpu":
        return tensor
    if device.type == "cuda" and torch.cuda.is_available():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def as_list(values: Tensor) -> list[Any]:
    """Return ``values.tolist()``, nested lists of Python numbers, which torch types as a list of unknowns."""
    return values.tolist()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def check_type(name: str, shape: str, value: object) -> None:
    """Raise a TypeError unless a value is a tensor; ``shape`` is added to what was expected."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} should be a torch.Tensor{shape}; got {type(value).__name__}.")


def as_float(images: Tensor) -> Tensor:
    """Return images as float: bytes divided by 255, others unchanged."""
    return images / 255 if images.dtype == torch.uint8 else images


def check_labels(labels: Tensor, n: int) -> None:
    """Raise unless labels are of n images: class indices (n,), numbers (n,), or several or soft labels (n, C)."""
    check_type("labels", "", labels)
    if labels.ndim not in (1, 2) or len(labels) != n:
        raise ValueError(f"labels should be ({n},) or ({n}, C); got {tuple(labels.shape)}.")
    if labels.ndim == 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        return
    on_cpu = labels.device.type == "cpu"
    if labels.shape[1] == 1 or (on_cpu and not bool(((labels == 0) | (labels == 1)).all())):
        raise TypeError(
            f"labels should be class indices ({n},) of an integer type, numbers ({n},) or soft labels ({n}, C) of a "
            f"float type, or several labels per image ({n}, C), bool or 0 and 1; got {tuple(labels.shape)} "
            f"{labels.dtype}. A column of class indices: labels[:, 0]."
        )


def extremes(values: Tensor) -> tuple[float, float]:
    """Return the least and the largest value, NaN if one is; by numpy for few values, which it finds ten times as
    fast."""
    few = type(values) is Tensor and values.device.type == "cpu" and values.numel() <= FEW
    if few and values.dtype != torch.bfloat16:
        array = values.numpy()
        return array.min().item(), array.max().item()
    low, high = torch.aminmax(values)
    return low.item(), high.item()


def _sampled_extremes(images: Tensor, down: int, across: int) -> tuple[float, float]:
    if jit.usable_on(images) and images.dtype in (torch.float32, torch.float64):
        return jit.loops("apply").sampled_extremes(images.numpy(), down, across)
    return extremes(images[:, :, down // 2 :: down, across // 2 :: across])


def check_range(images: Tensor, sampled: bool = False) -> None:
    """Raise if float images (N, C, H, W) lie outside [0, 1].

    Args:
        sampled: read about 500 values only, on a grid in every image (at least its middle). Read none on an
            accelerator or under ``torch.compile``, where reading values back would stall the step. A few values show a
            wrong scale; reading every pixel would take a third of the time that CutMix takes at 224 px.

    Raises:
        ValueError: the range found, and what to do.
    """
    if not images.is_floating_point() or images.device.type == "meta":
        return
    if sampled:
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return
        places = max(1, math.isqrt(SAMPLED // (images.shape[0] * images.shape[1])))
        down, across = max(1, images.shape[2] // places), max(1, images.shape[3] // places)
        low, high = _sampled_extremes(images.detach(), down, across)
    else:
        low, high = extremes(images.detach())
    if not (low >= -SLACK and high <= 1 + SLACK):  # also true for NaN
        raise ValueError(
            f"Float images should lie in [0, 1]; these run from {low:.4g} to {high:.4g}. Pixels have a "
            "range: saliency, fills and colours are defined in it, and mean nothing on normalised values (the released "
            "SaliencyMix code looks at such). Mix before you normalise: take Normalize out of the data set's transform "
            "and apply it to the mixed images (MixCollate and MixTransform do so with normalize=(mean, std)); 0..255 "
            "floats: divide by 255. Methods that only cut and blend also mix other ranges: any_range=True."
        )

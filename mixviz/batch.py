"""Batch: what a method plans for, and where saliency is worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mixviz.catalogue import construct
from mixviz.method import Saliency

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SAMPLED = 512  # values of a batch whose range is looked at before every plan: each is a wait for the memory
SLACK = 1e-3  # beyond [0, 1]: what half precision makes of a blend of ones


class Batch:
    """Images as they are *before* normalisation, with what a method may ask of them.

    Args:
        images: (N, 3, H, W), uint8, or float in [0, 1]. Never changed.
        labels: (N,) int64 or (N, C) soft; may be None where nothing asks for them.
        network: the classifier that network-guided methods ask. It is called with float images, normalised by
            ``mean`` and ``std`` where these are given, else as they are: just as it is called in training.
        saliency: maps (N, H, W) to use instead of any detector's, e.g. cached or hand-painted ones.
        mean, std: the data set's mean and standard deviation per channel, for the network's input; fills are of
            this mean, or of ImageNet's.
        errors: (C, C) non-negative; entry (i, j) weighs class j as a partner for class i
            (RandSaliencyMix's ``partner="errors"``).
        any_range: take float images outside [0, 1] too, e.g. normalised ones. Methods that only cut and blend mix them
            rightly; those that look at pixels, fill holes or change colours refuse them all the same.

    Raises:
        TypeError, ValueError: a shape or dtype that cannot be mixed, with what was expected.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        network: Callable[[Tensor], Tensor] | None = None,
        *,
        saliency: Tensor | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        errors: Tensor | None = None,
        any_range: bool = False,
    ) -> None:
        if not isinstance(images, Tensor):
            raise TypeError(f"images should be a torch.Tensor (N, 3, H, W); got {type(images).__name__}.")
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ValueError(f"images should be (N, 3, H, W) and not empty; got {tuple(images.shape)}.")
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise TypeError(f"images should be uint8, or float in [0, 1]; got {images.dtype}.")
        n, _, *size = images.shape
        if labels is not None:
            check_labels(labels, n)
        if saliency is not None:
            saliency = _checked_maps(saliency, (n, *size))
        if errors is not None and (errors.ndim != 2 or errors.shape[0] != errors.shape[1]):
            raise ValueError(f"errors should be square, (C, C) for C classes; got {tuple(errors.shape)}.")
        self.images, self.labels, self.network, self.errors = images, labels, network, errors
        self.any_range = any_range
        self.size: tuple[int, int] = (size[0], size[1])
        self.device = images.device
        if (mean is None) != (std is None):
            raise ValueError("mean and std belong together: give both, or neither.")
        self._normal = None if mean is None else (mean, std)
        self._given = saliency
        self._maps: dict[Saliency, Tensor] = {}

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def mean(self) -> Tensor:
        """The data set's mean, (1, 3, 1, 1); ImageNet's where none was given."""
        mean, _ = self._normal or (IMAGENET_MEAN, IMAGENET_STD)
        return self.tensor(np.asarray(mean, np.float32)).view(1, 3, 1, 1)

    @cached_property
    def std(self) -> Tensor:
        """The data set's standard deviation, (1, 3, 1, 1); ImageNet's where none was given."""
        _, std = self._normal or (IMAGENET_MEAN, IMAGENET_STD)
        return self.tensor(np.asarray(std, np.float32)).view(1, 3, 1, 1)

    def of(self, images: Tensor) -> Batch:
        """Other images, e.g. mixtures of these, with the same network, mean and std; their saliency is not known."""
        mean, std = self._normal or (None, None)
        return Batch(images, None, self.network, mean=mean, std=std, any_range=self.any_range)

    def tensor(self, array: np.ndarray) -> Tensor:
        """A host array as a tensor on the images' device, without waiting for the device."""
        return on_device(array, self.device)

    def check_range(self) -> None:
        """Refuse float images outside [0, 1] by a sample of each, unless ``any_range`` allows them.

        Raises:
            ValueError: the range found, and what to do.
        """
        if not self.any_range:
            check_range(self.images, sampled=True)

    def pixels(self) -> Tensor:
        """The images as bytes, (N, 3, H, W) uint8: what the detectors of OpenCV are defined on.

        Raises:
            ValueError: float images outside [0, 1]. On an accelerator this is not checked, because reading the
                range back would stall it (``MixTransform`` checks its first batch); values are clamped there.
        """
        if self.images.dtype == torch.uint8:
            return self.images
        images = self.images if self.images.dtype == torch.float64 else self.images.float()
        if self.device.type == "cpu":
            check_range(images)
        return (images * 255).round_().clamp_(0, 255).to(torch.uint8)

    def inputs(self) -> Tensor:
        """The images as the network takes them in training: float, normalised where ``mean`` and ``std`` are given."""
        return self.normalised(self.images) if self._normal else _as_float(self.images)

    def normalised(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), uint8 or in [0, 1], less the mean and over the standard deviation."""
        images = _as_float(images)
        return (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)

    def saliency(self, detector: str | Saliency = "fine_grained") -> Tensor:
        """Maps (N, H, W), float32 in [0, 1]: the given ones, else the detector's, worked out once.

        A name may hold the detector's parameters: ``"opencv_fine_grained:float_bytes=true,channel_order=bgr"``.
        """
        if self._given is not None:
            return self._given
        if not isinstance(detector, Saliency):
            from mixviz import SALIENCY

            detector = construct(SALIENCY, detector)
        if detector not in self._maps:
            self._maps[detector] = detector(self)
        return self._maps[detector]


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A host array as a tensor on a device, without waiting for it."""
    tensor = torch.from_numpy(np.require(array, requirements="CW"))  # copies broadcast arrays alone
    if device.type == "cuda" and torch.cuda.is_available():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _as_float(images: Tensor) -> Tensor:
    return images / 255 if images.dtype == torch.uint8 else images


def check_labels(labels: Tensor, n: int) -> None:
    """Refuse what is neither n class indices nor n soft labels, and say what is."""
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels should be a torch.Tensor; got {type(labels).__name__}.")
    if labels.ndim not in (1, 2) or len(labels) != n:
        raise ValueError(f"labels should be ({n},) or ({n}, C); got {tuple(labels.shape)}.")
    if labels.is_floating_point() != (labels.ndim == 2):
        raise TypeError(
            f"labels should be class indices ({n},) of an integer type, or soft labels ({n}, C) of a float type; "
            f"got {tuple(labels.shape)} {labels.dtype}."
        )


def _checked_maps(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Maps as float32; refused where they cannot be saliency. An accelerator's values are not read back."""
    if tuple(maps.shape) != shape:
        raise ValueError(f"saliency should be {shape}, one map per image; got {tuple(maps.shape)}.")
    if maps.dtype != torch.bool and not maps.is_floating_point():
        raise TypeError(f"saliency should be float in [0, 1], or a bool mask; got {maps.dtype}.")
    maps = maps.float()
    if maps.device.type == "cpu" and not (maps.amin() >= 0 and maps.amax() <= 1):  # also true for NaN
        raise ValueError("saliency should lie in [0, 1]: divide each map by its maximum.")
    return maps


def check_range(images: Tensor, sampled: bool = False) -> None:
    """Refuse float images (N, C, H, W) outside [0, 1], and say why.

    Args:
        sampled: look at some 500 values alone, in a grid of every image (its middle at least), and at none on an
            accelerator or under ``torch.compile``, where reading values back would stall the step. A wrong scale shows
            anywhere; reading every pixel would take a third of the time that CutMix takes at 224 px.

    Raises:
        ValueError: the range found, and what to do.
    """
    if not images.is_floating_point() or images.device.type == "meta":
        return
    if sampled:
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return
        places = max(1, math.isqrt(SAMPLED // (images.shape[0] * images.shape[1])))
        down, across = (max(1, side // places) for side in images.shape[2:])
        images = images[:, :, down // 2 :: down, across // 2 :: across]
    low, high = (extreme.item() for extreme in torch.aminmax(images.detach()))
    if not (low >= -SLACK and high <= 1 + SLACK):  # also true for NaN
        raise ValueError(
            f"Float images should lie in [0, 1]; these run from {low:.4g} to {high:.4g}. Pixels have a "
            "range: saliency, fills and colours are defined in it, and mean nothing on normalised values (the released "
            "SaliencyMix code looks at such). Mix before you normalise: take Normalize out of the data set's transform "
            "and apply it to the mixed images (MixCollate and MixTransform do so with normalize=(mean, std)); 0..255 "
            "floats: divide by 255. Methods that only cut and blend also mix other ranges: any_range=True."
        )

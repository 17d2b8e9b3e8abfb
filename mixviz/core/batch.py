"""Batch: images with their labels, network and statistics, and a cache of their saliency maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor

from mixviz.core import apply_compiled, geometry
from mixviz.core.objects import Objects
from mixviz.core.registry import construct, detectors
from mixviz.core.tensors import IMAGENET_MEAN, IMAGENET_STD, as_float, check_labels, check_range, check_type, on_device
from mixviz.ops import filters

SMOOTH = 1 / 16  # standard deviation that turns saliency into a region, as a share of the shorter side
Detector = Callable[["Batch"], Tensor]  # a mixviz.Saliency, whose module imports this one


class Batch:
    """Images *before* normalisation, with the labels, network and statistics that a method may need.

    Args:
        images: (N, 3, H, W), uint8, or float in [0, 1]. Never changed.
        labels: (N,) class indices, (N, C) soft labels or several per image, or (N,) or (N, D) float, the numbers of a
            regression, as in :meth:`mixviz.Recipe.targets`; None if no method or detector needs them.
        network: the classifier that network-guided methods run. It gets float images, as in training: normalised by
            ``mean`` and ``std`` if these are given, otherwise unchanged.
        saliency: maps (N, H, W) to use instead of any detector's, e.g. cached or hand-painted ones.
        objects: the images' objects, for methods that look at them. Without it the salient region of each image is
            taken for its object (:meth:`objects_or_salient`).
        mean: the data set's mean per channel, for the network's input and for fills (or ImageNet's).
        std: the data set's standard deviation per channel; given together with ``mean``.
        errors: (C, C) non-negative; entry (i, j) weighs class j as a partner for class i
            (RandSaliencyMix's ``partner="errors"``).
        any_range: accept float images outside [0, 1] too, e.g. normalised ones. Methods that only cut and blend mix
            them correctly; methods that look at pixels, fill holes or change colours still refuse them.

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
        objects: Objects | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        errors: Tensor | None = None,
        any_range: bool = False,
    ) -> None:
        check_type("images", " (N, 3, H, W)", images)
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
        if objects is not None and (objects.size != tuple(size) or objects.count != n):
            raise ValueError(
                f"objects should be those of {n} images of {size[0]}x{size[1]} (height x width); got the objects of "
                f"{objects.count} images of {objects.size[0]}x{objects.size[1]}."
            )
        self.images, self.labels, self.network, self.errors = images, labels, network, errors
        self.objects = objects
        self.any_range = any_range
        self.size: tuple[int, int] = (size[0], size[1])
        self.device = images.device
        if (mean is None) != (std is None):
            raise ValueError("mean and std belong together: give both, or neither.")
        self._normal = None if mean is None else (mean, std)
        self._given = saliency
        self._maps: dict[Detector, Tensor] = {}

    def __len__(self) -> int:
        return self.images.shape[0]  # len() of a tensor takes ten times as long

    @cached_property
    def mean(self) -> Tensor:
        """The data set's mean, (1, 3, 1, 1); ImageNet's if none was given."""
        mean, _ = self._normal or (IMAGENET_MEAN, IMAGENET_STD)
        return self.tensor(np.asarray(mean, np.float32)).view(1, 3, 1, 1)

    @cached_property
    def std(self) -> Tensor:
        """The data set's standard deviation, (1, 3, 1, 1); ImageNet's if none was given."""
        _, std = self._normal or (IMAGENET_MEAN, IMAGENET_STD)
        return self.tensor(np.asarray(std, np.float32)).view(1, 3, 1, 1)

    def of(self, images: Tensor) -> Batch:
        """A batch of other images, e.g. mixtures, with this network, mean and std but without labels and saliency."""
        mean, std = self._normal or (None, None)
        return Batch(images, None, self.network, mean=mean, std=std, any_range=self.any_range)

    def after(self, images: Tensor, objects: Objects | None = None, saliency: Tensor | None = None) -> Batch:
        """The same batch after operations on each image, which ``objects`` and given maps have to go through, too."""
        mean, std = self._normal or (None, None)
        return Batch(
            images, self.labels, self.network, saliency=saliency, objects=objects, mean=mean, std=std,
            errors=self.errors, any_range=self.any_range,
        )  # fmt: skip

    @property
    def given_saliency(self) -> Tensor | None:
        """The maps that the batch was made with."""
        return self._given

    def class_labels(self) -> Tensor | None:
        """Labels for a loss over classes: indices (N,) int64, or (N, C) float32; None if there are none.

        Raises:
            TypeError: the labels are numbers (N,) of a regression.
        """
        if self.labels is None or self.labels.ndim == 2:
            return None if self.labels is None else self.labels.float()
        if self.labels.is_floating_point():
            raise TypeError(
                f"This method or detector needs classes, and labels ({len(self)},) {self.labels.dtype} are the numbers "
                "of a regression: give class indices of an integer type, or choose another one."
            )
        return self.labels.long()

    def tensor(self, array: np.ndarray) -> Tensor:
        """Copy a host array to the images' device as a tensor, without waiting for the device."""
        return on_device(array, self.device)

    def check_range(self) -> None:
        """Refuse float images outside [0, 1], judged by a sample of each, unless ``any_range`` allows them.

        Raises:
            ValueError: the range found, and what to do.
        """
        if not self.any_range:
            check_range(self.images, sampled=True)

    def pixels(self) -> Tensor:
        """The images as bytes, (N, 3, H, W) uint8, on which OpenCV's detectors are defined.

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
        """The images as the network gets them in training: float, normalised if ``mean`` and ``std`` are given."""
        return self.normalised(self.images) if self._normal else as_float(self.images)

    def normalised(self, images: Tensor, out: Tensor | None = None) -> Tensor:
        """Normalise images (N, 3, H, W), uint8 or in [0, 1]: subtract the mean, divide by the standard deviation.

        Args:
            out: float images to write to; may be ``images``.
        """
        if out is not None and apply_compiled.normalise(images, self.mean, self.std, out):
            return out
        images = as_float(images)
        result = (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)
        return result if out is None else out.copy_(result)

    def saliency(self, detector: str | Detector = "fine_grained") -> Tensor:
        """Maps (N, H, W), float32 in [0, 1]: the given ones, else the detector's, computed once.

        A name may include the detector's parameters: ``"opencv_fine_grained:float_bytes=true,channel_order=bgr"``.
        """
        if self._given is not None:
            return self._given
        if isinstance(detector, str):
            detector = cast(Detector, construct(detectors(), detector))
        if detector not in self._maps:
            self._maps[detector] = detector(self)
        return self._maps[detector]

    def objects_or_salient(self, detector: str | Detector = "fine_grained") -> tuple[Tensor, np.ndarray]:
        """The masks (M, H, W) bool of the objects, and the index (M,) of each one's image.

        Without objects, one for each image: where its smoothed saliency is at least twice the mean (Achanta et al.,
        CVPR 2009), or, in a picture that is salient everywhere, at least halfway from the mean to the maximum.
        """
        if self.objects is not None:
            masks = self.objects.pixels()
            return masks.to(self.device), self.objects.image.cpu().numpy()
        kernel = filters.gaussian(np.array([SMOOTH * min(self.size)]))
        with torch.autocast(self.device.type, enabled=False):
            maps = filters.both_ways(self.saliency(detector)[:, None], kernel)[:, 0]
        mean, most = maps.mean((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        least = torch.minimum(2 * mean, (mean + most) / 2) - 1e-5  # rounding: a flat map is salient as a whole
        return maps >= least, np.arange(len(self))


def _checked_maps(maps: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return maps as float32, or raise if they cannot be saliency. Values on an accelerator are not read back."""
    if tuple(maps.shape) != shape:
        raise ValueError(f"saliency should be {shape}, one map per image; got {tuple(maps.shape)}.")
    if maps.dtype != torch.bool and not maps.is_floating_point():
        raise TypeError(f"saliency should be float in [0, 1], or a bool mask; got {maps.dtype}.")
    maps = maps.float()
    if maps.device.type == "cpu" and not geometry.within_unit(maps):
        raise ValueError("saliency should lie in [0, 1]: divide each map by its maximum.")
    return maps

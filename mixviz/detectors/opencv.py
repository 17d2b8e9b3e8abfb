"""OpenCV's own detectors, one image after another: the reference for the batched ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.parameters import Card, parameter
from mixviz.core.saliency import Saliency
from mixviz.detectors._gray import channel_order


@dataclass(frozen=True)
class OpenCVFineGrained(Saliency):
    """OpenCV's ``StaticSaliencyFineGrained`` itself, image by image on the CPU. ``fine_grained`` does it in one go.

    Beware of ``float_bytes``. OpenCV wants bytes and does not say so. A float image is taken without an error, and its
    memory is then read as if it were bytes: the grey level of a pixel becomes a piece of the mantissa or exponent of
    some number in the first quarter of its row. That map correlates with the real one by 0.01, and its peak falls
    nearly anywhere. The released SaliencyMix code hands over normalised floats and RGB for BGR; ``float_bytes`` (with
    ``batch.mean`` and ``batch.std``) and ``channel_order="bgr"`` show what was trained there. The defaults hand over
    bytes in the right order.
    """

    channel_order: str = channel_order()
    float_bytes: bool = parameter(False, "hand over normalised floats, whose bytes OpenCV reads as pixels")

    card: ClassVar[Card] = Card(
        "opencv_fine_grained", "Fine-grained (OpenCV)",
        "Human detection using a mobile platform and novel features derived from a visual saliency mechanism",
        "Montabone, Soto", "Image and Vision Computing", 2010,
    )  # fmt: skip

    def maps(self, batch: Batch) -> Tensor:
        images = batch.normalised(batch.images).float() if self.float_bytes else batch.pixels()
        return _one_by_one("StaticSaliencyFineGrained_create", images, self.channel_order)


@dataclass(frozen=True)
class OpenCVSpectralResidual(Saliency):
    """OpenCV's ``StaticSaliencySpectralResidual`` itself, image by image. ``spectral_residual`` does it in one go."""

    channel_order: str = channel_order()

    card: ClassVar[Card] = Card(
        "opencv_spectral_residual", "Spectral residual (OpenCV)",
        "Saliency Detection: A Spectral Residual Approach", "Hou, Zhang", "CVPR", 2007,
    )  # fmt: skip

    def maps(self, batch: Batch) -> Tensor:
        return _one_by_one("StaticSaliencySpectralResidual_create", batch.pixels(), self.channel_order)


def _one_by_one(name: str, images: Tensor, order: str) -> Tensor:
    """Maps (N, H, W) float32 of images (N, 3, H, W), each passed to OpenCV as (H, W, 3), which it takes for BGR."""
    detector = _creator(name)()
    array = (images.flip(1) if order == "rgb" else images).permute(0, 2, 3, 1).cpu().numpy()
    maps = [detector.computeSaliency(np.ascontiguousarray(image))[1] for image in array]
    return torch.from_numpy(np.stack(maps)).clamp_(0, 1).to(images.device)


def _creator(name: str) -> Callable[[], Any]:
    try:
        import cv2

        return getattr(cv2.saliency, name)
    except (ImportError, AttributeError):
        raise ImportError(
            "OpenCV's saliency module is missing: it is only in the contrib packages, so install "
            "opencv-contrib-python-headless. Another OpenCV package installed after that one overwrites it; then: "
            "pip install --force-reinstall --no-deps opencv-contrib-python-headless"
        ) from None

"""The fine-grained detector: the contrast of a pixel with its surround."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import ClassVar

import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.parameters import Card, parameter
from mixviz.core.saliency import Saliency
from mixviz.detectors import _fine_grained_torch as eager
from mixviz.detectors._gray import channel_order


@dataclass(frozen=True)
class FineGrained(Saliency):
    """Contrast of a pixel with the square around it, at six sizes of square.

    Cells of the retina answer to a spot of light in a dark surround (*on*) or the reverse (*off*). With the grey level
    $c$ of a pixel (smoothed twice) and the mean of the $A-1$ others in the window of sides $2n$ around it,
    $v_n = (S_n - c)/(A_n - 1)$ from an integral image:

    $$\\mathrm{on} = \\sum_n \\lfloor \\max(c - v_n, 0) \\rfloor \\qquad
      \\mathrm{off} = \\sum_n \\lfloor \\max(v_n - c, 0) \\rfloor \\qquad n \\in \\{12, 24, 28, 48, 56, 112\\}$$

    and the map is $\\mathrm{on}/\\max\\mathrm{on} + \\mathrm{off}/\\max\\mathrm{off}$ in steps of 1/255. It finds edges
    and small things that stand out, not objects, and is 0 where the image is flat. Nearly every map has several pixels
    at its maximum: the brightest and the darkest spot.

    This is OpenCV's ``StaticSaliencyFineGrained``, which SaliencyMix uses, for a whole batch on any device: the same
    bits up to 180×180 pixels. Above, OpenCV's float32 integral image rounds; the sums here do not, which moves about
    one pixel in a thousand by a level or two. ``exact`` rounds as OpenCV does, more slowly.
    """

    channel_order: str = channel_order()
    exact: bool = parameter(False, "OpenCV's rounding in images above 180×180 too; slower")

    card: ClassVar[Card] = Card(
        "fine_grained", "Fine-grained",
        "Human detection using a mobile platform and novel features derived from a visual saliency mechanism",
        "Montabone, Soto", "Image and Vision Computing", 2010,
    )  # fmt: skip

    def maps(self, batch: Batch) -> Tensor:
        pixels = batch.pixels()
        compiled = _fast() if _worth_compiling(pixels) else None
        return (
            compiled.maps(pixels, self.channel_order)
            if compiled
            else eager.maps(pixels, self.channel_order, self.exact)
        )


def _worth_compiling(pixels: Tensor) -> bool:
    """Whether to use the version compiled by numba: two to three times faster and exact, but slow to start.

    Loading it takes half a second, compiling it (once per machine) five; 2^17 pixels then take 0.7 ms instead of
    1.4 ms. A training run makes up for that within an epoch or two; a page with two pictures never waits for it.
    """
    count, _, height, width = pixels.shape
    on_host = type(pixels) is Tensor and pixels.device.type == "cpu" and not torch.compiler.is_compiling()
    return on_host and count >= 8 and count * height * width >= 2**17


@cache
def _fast() -> ModuleType | None:
    """The version compiled by numba; None if numba is not installed."""
    from mixviz.detectors import _fine_grained_numba

    try:
        _fine_grained_numba.compiled()
    except ImportError:
        return None
    return _fine_grained_numba

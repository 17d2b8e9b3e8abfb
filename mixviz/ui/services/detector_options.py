"""The saliency detectors that the page offers: the catalogue's, and two that teach something."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixviz.core.saliency import Saliency
from mixviz.core.transforms import saliency
from mixviz.data import pictures
from mixviz.detectors import SALIENCY
from mixviz.detectors.opencv import OpenCVFineGrained
from mixviz.i18n import in_language
from mixviz.ui.errors import as_user_error


@dataclass(frozen=True)
class DetectorOption:
    """A detector as the page offers it: its title, how Python makes it, and a remark."""

    title: str
    saliency: Saliency
    code: str
    note: str = ""


@functools.cache
def _options() -> dict[str, DetectorOption]:
    found = {}
    for name, cls in SALIENCY.items():
        if cls.needs_tokens:
            continue  # no transformer comes with the page
        if cls.needs_network:
            found[name] = DetectorOption(
                f"{cls.card.title} of an untrained network", cls(), f'"{name}"', "detector_note.untrained"
            )
        else:
            found[name] = DetectorOption(cls.card.title, cls(), f'"{name}"')
    released = OpenCVFineGrained(float_bytes=True, channel_order="bgr")
    code = 'mixviz.SALIENCY["opencv_fine_grained"](float_bytes=True, channel_order="bgr")'
    found["released"] = DetectorOption(
        "As the released SaliencyMix code saw it", released, code, "detector_note.released"
    )
    return found


def titles(language: str = "en") -> dict[str, str]:
    """Name -> title of everything on offer."""
    return {name: in_language(f"detector.{name}", language, one.title) for name, one in _options().items()}


def option(name: str) -> DetectorOption:
    """The option of a known name."""
    return _options()[name]


def detector(name: str) -> Saliency:
    """The detector of a known name."""
    return _options()[name].saliency


def network(name: str) -> torch.nn.Module | None:
    """The network that a detector asks, or None."""
    return untrained() if detector(name).needs_network else None


@functools.cache
def untrained() -> torch.nn.Module:
    """A ResNet-18 as ``torch.manual_seed(0)`` makes it: the zoo's networks know twenty classes alone, at 64 px."""
    from torchvision.models import resnet18

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return resnet18().eval()


@functools.lru_cache(maxsize=64)
def pair(a: str, b: str, side: int) -> Tensor:
    """Two pictures (2, 3, side, side) uint8. An upload's path holds its content's hash, and so never changes."""
    tiles = np.stack([pictures.tile(a, side), pictures.tile(b, side)])
    return torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous()


def maps_of(images: Tensor, name: str, labels: Tensor | None = None) -> Tensor:
    """Maps (N, H, W) of pictures by a detector of a known name.

    Raises:
        UserError: a package that the detector needs is not installed.
    """
    with as_user_error(ImportError):
        return saliency(images, detector(name), labels=labels, network=network(name))


@functools.lru_cache(maxsize=96)
def maps(a: str, b: str, side: int, name: str) -> Tensor:
    """Their saliency (2, side, side) by a detector: neither λ nor the seed changes it."""
    return maps_of(pair(a, b, side), name)


@functools.lru_cache(maxsize=64)
def objects(a: str, b: str, side: int) -> Tensor | None:
    """(2, side, side) masks of the two objects, or None where one of them is not known."""
    boxes = [box for box in object_boxes(a, b, side) if box is not None]
    if len(boxes) < 2:
        return None
    masks = torch.zeros(2, side, side)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = 1
    return masks


def object_boxes(a: str, b: str, side: int) -> list[tuple[int, int, int, int] | None]:
    """The two objects' boxes (top, left, bottom, right) in pixels, None where one is not known."""
    entries = [pictures.photograph_of(path) for path in (a, b)]
    return [pictures.square_box(entry, side) if entry else None for entry in entries]

"""The saliency detectors that the page offers: the catalogue's, and SaliencyMix's released variant."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixviz.core.inference import ResizedModel
from mixviz.core.saliency import Saliency
from mixviz.core.transforms import saliency
from mixviz.data import pictures
from mixviz.detectors import SALIENCY
from mixviz.detectors.opencv import OpenCVFineGrained
from mixviz.i18n import in_language
from mixviz.ui.errors import as_user_error
from mixviz.ui.services import marks, networks
from mixviz.ui.services.marks import Marked


@dataclass(frozen=True)
class DetectorOption:
    """A detector on the page: its title, the Python expression that makes it, and the key of a note."""

    title: str
    saliency: Saliency
    code: str
    note: str = ""


@functools.cache
def _options() -> dict[str, DetectorOption]:
    options = {}
    for name, cls in SALIENCY.items():
        if cls.needs_tokens:
            continue  # no transformer comes with the page
        if cls.needs_network:
            options[name] = DetectorOption(
                f"{cls.card.title} of an ImageNet network", cls(), f'"{name}"', "detector_note.reference"
            )
        else:
            options[name] = DetectorOption(cls.card.title, cls(), f'"{name}"')
    released = OpenCVFineGrained(float_bytes=True, channel_order="bgr")
    code = 'mixviz.SALIENCY["opencv_fine_grained"](float_bytes=True, channel_order="bgr")'
    options["released"] = DetectorOption(
        "As the released SaliencyMix code saw it", released, code, "detector_note.released"
    )
    return options


def titles(language: str = "en") -> dict[str, str]:
    """Return the titles of all options by name."""
    return {name: in_language(f"detector.{name}", language, one.title) for name, one in _options().items()}


def option(name: str) -> DetectorOption:
    """Return the option of a known name."""
    return _options()[name]


def detector(name: str) -> Saliency:
    """Return the detector of a known name."""
    return _options()[name].saliency


def network(name: str) -> torch.nn.Module | None:
    """Return the network that a detector needs, or None: the zoo's reference, as :func:`mixviz.networks.zoo.reference`.

    Raises:
        UserError: the zoo is empty.
    """
    if not detector(name).needs_network:
        return None
    known = next(iter(networks.known_networks().values()))
    return ResizedModel(known.pixel_model(), known.side)


@functools.lru_cache(maxsize=64)
def pair(a: str, b: str, side: int) -> Tensor:
    """Load two pictures (2, 3, side, side) uint8, cached: an upload's path contains its content's hash."""
    tiles = np.stack([pictures.tile(a, side), pictures.tile(b, side)])
    return torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous()


def maps_of(images: Tensor, name: str, labels: Tensor | None = None) -> Tensor:
    """Compute the saliency maps (N, H, W) of pictures with a detector of a known name.

    Raises:
        UserError: a package that the detector needs is not installed.
    """
    with as_user_error(ImportError):
        return saliency(images, detector(name), labels=labels, network=network(name))


@functools.lru_cache(maxsize=96)
def maps(a: str, b: str, side: int, name: str) -> Tensor:
    """Compute the saliency (2, side, side) of two pictures, cached: neither λ nor the seed changes it."""
    return maps_of(pair(a, b, side), name)


@functools.lru_cache(maxsize=64)
def objects(a: str, b: str, side: int, marked: Marked = (None, None)) -> Tensor | None:
    """Return the masks (2, side, side) of the two objects; None if one is unknown.

    ``marked`` holds boxes and masks that a visitor drew: they stand in for A's or B's object.
    """
    masks: list[Tensor] = []
    for path, mark in zip((a, b), marked, strict=True):
        entry = pictures.photograph_of(path)
        if mark is not None:
            masks.append(marks.pixels(mark, side))
        elif entry is not None:
            masks.append(pictures.square_mask(entry, side))
    return torch.stack(masks) if len(masks) == 2 else None


def known(a: str, b: str, marked: Marked = (None, None)) -> list[bool]:
    """Return whether the objects of A and of B are known."""
    return [
        mark is not None or pictures.photograph_of(path) is not None for path, mark in zip((a, b), marked, strict=True)
    ]


def object_boxes(a: str, b: str, side: int, marked: Marked = (None, None)) -> list[tuple[int, int, int, int] | None]:
    """Return the boxes (top, left, bottom, right) of the two objects in pixels; None for an unknown one."""
    boxes: list[tuple[int, int, int, int] | None] = []
    for path, mark in zip((a, b), marked, strict=True):
        entry = pictures.photograph_of(path)
        boxes.append(marks.box(mark, side) if mark is not None else pictures.square_box(entry, side) if entry else None)
    return boxes

"""What can be done to a single picture: the vocabulary of chains, and the code that runs them.

A chain is a tuple of links, each an operation's name with the numbers that were drawn for it. A batch has a chain per
image. Images that undergo the same operation at the same place of their chains undergo it in one call, each with its
own numbers; so a step of a batch costs at most one call per operation, and nothing ever waits for the device.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core.tensors import on_device
from mixviz.ops import color, geometric


class Link(NamedTuple):
    """An operation as it was drawn: its name in ``OPERATIONS``, its numbers, and the seed of what it does by chance."""

    name: str
    values: tuple[float, ...] = ()
    seed: int = 0


Chain = tuple[Link, ...]


@dataclass(frozen=True)
class Operation:
    """One entry of the vocabulary.

    Attributes:
        text: in words; {0} is the first of its numbers.
        change: (images (M, C, H, W), values (M, p), seeds (M,)) to images; see :mod:`mixviz.ops.color` and
            :mod:`mixviz.ops.geometric`.
        moves: pixels change their places: what is done to the picture is done to its maps, too.
        empties: places may be left to which nothing of the picture comes; they get the recipe's fill.
    """

    text: str
    change: Callable[..., Tensor]
    moves: bool = False
    empties: bool = False


OPERATIONS: dict[str, Operation] = {
    "brightness": Operation("brightness ×{0}", color.enhanced("brightness")),
    "contrast": Operation("contrast ×{0}", color.enhanced("contrast")),
    "saturation": Operation("saturation ×{0}", color.enhanced("saturation")),
    "sharpness": Operation("sharpness ×{0}", color.enhanced("sharpness")),
    "hue": Operation("hue {0} of the circle", color.hue),
    "posterize": Operation("posterize {0} bits", color.posterize),
    "solarize": Operation("solarize {0}", color.solarize),
    "auto_contrast": Operation("auto-contrast", color.plain("autocontrast")),
    "equalize": Operation("equalize", color.equalize),
    "invert": Operation("invert", color.plain("invert")),
    "gaussian_blur": Operation("blur σ {0} px", color.blur),
    "motion_blur": Operation("motion blur {0} px at {1}°", color.motion_blur),
    "iso_noise": Operation("ISO noise {0}", color.iso_noise),
    "jpeg": Operation("JPEG {0}", color.compressed),
    "horizontal_flip": Operation("flip left to right", geometric.flip_across, moves=True),
    "vertical_flip": Operation("flip upside down", geometric.flip_down, moves=True),
    "shuffle": Operation("shuffle in {0} × {0} px", geometric.shuffle, moves=True),
    "crop": Operation("crop {2} × {3} px from ({0}, {1})", geometric.crop, moves=True),
    "rotate": Operation("rotate {0}°", geometric.rotate, moves=True, empties=True),
    "shear_x": Operation("shear x {0}", geometric.shear_x, moves=True, empties=True),
    "shear_y": Operation("shear y {0}", geometric.shear_y, moves=True, empties=True),
    "translate_x": Operation("translate x {0} px", geometric.translate_x, moves=True, empties=True),
    "translate_y": Operation("translate y {0} px", geometric.translate_y, moves=True, empties=True),
    "affine": Operation(
        "rotate {0}°, translate ({1}, {2}) px, scale ×{3}, shear {4}°", geometric.affine, moves=True, empties=True
    ),
    "perspective": Operation("perspective {0}", geometric.perspective, moves=True, empties=True),
    "elastic": Operation("elastic {0} px, σ {1} px", geometric.elastic, moves=True, empties=True),
    "cutout": Operation("cut out ({0}, {1}) to ({2}, {3})", geometric.cut_out, moves=True, empties=True),
}


def check_torchvision() -> None:
    """Say so at the door where torchvision is missing.

    Raises:
        ImportError: with what to do.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise ImportError("What is done to single pictures is done by torchvision: pip install torchvision.")


def run(chains: Sequence[Chain], images: Tensor, fill: Tensor | None = None, room: Tensor | None = None) -> Tensor:
    """Every image through its own chain.

    Args:
        chains: one for each image.
        images: (N, 3, H, W) in [0, 1]; worked on in float32, and given back in the dtype that they have.
        fill: what empty places get, broadcastable to (N, 3, H, W); None: black.
        room: contiguous float32 memory like images, or the images, that may be written to: new memory costs more than
            most operations.
    """
    with torch.autocast(images.device.type, enabled=False):
        return _run(chains, images.float().contiguous(), fill, room).to(images.dtype)


def _run(chains: Sequence[Chain], images: Tensor, fill: Tensor | None, room: Tensor | None) -> Tensor:
    own = False  # whether these images are ours to write to
    for operation, rows, values, seeds in _grouped(chains):
        index = None if len(rows) == len(images) else on_device(rows, images.device)
        part = images if index is None else images.index_select(0, index)
        if operation.empties and fill is not None:
            covered = operation.change(torch.cat([part, torch.ones_like(part[:, :1])], 1), values, seeds)
            part, covered = covered[:, :-1], covered[:, -1:]
            ground = fill if index is None or len(fill) == 1 else fill.index_select(0, index)
            part = part + (1 - covered) * ground.to(part.dtype)
        else:
            part = operation.change(part, values, seeds)
        if index is None:
            images, own = part, False
        else:
            if not own:
                images = images.clone() if room is None else room.copy_(images)
            images, own = images.index_copy_(0, index, part), True
    return images


def carry(chains: Sequence[Chain], maps: Tensor, *, mass: bool = False) -> Tensor:
    """Maps (N, H, W) to where the chains take their pixels; what leaves the picture is gone, what is empty is 0.

    Args:
        mass: a map's sum is what counts, so that what is enlarged does not count for more.
    """
    maps = maps[:, None].clone()
    for operation, rows, values, seeds in _grouped(moving(chains)):
        index = on_device(rows, maps.device)
        maps.index_copy_(0, index, operation.change(maps.index_select(0, index), values, seeds, mass))
    return maps[:, 0]


def moving(chains: Sequence[Chain]) -> tuple[Chain, ...]:
    """The chains without what only changes colours."""
    return tuple(tuple(link for link in chain if OPERATIONS[link.name].moves) for chain in chains)


def _grouped(chains: Sequence[Chain]) -> Iterator[tuple[Operation, np.ndarray, np.ndarray, np.ndarray]]:
    """Place by place along the chains: each operation there, the images (M,) whose turn it is, values and seeds."""
    for place in range(max(map(len, chains), default=0)):
        groups: dict[str, list[int]] = {}
        for row, chain in enumerate(chains):
            if place < len(chain):
                groups.setdefault(chain[place].name, []).append(row)
        for name, rows in groups.items():
            links = [chains[row][place] for row in rows]
            values = np.array([link.values for link in links], np.float64).reshape(len(rows), -1)
            yield OPERATIONS[name], np.array(rows), values, np.array([link.seed for link in links])


def in_words(chain: Chain, language: str = "en") -> str:
    """A chain for people: ``rotate 12°, solarize 128``; empty where nothing is done."""
    from mixviz.i18n import in_language

    return ", ".join(
        _filled(in_language(f"operation.{link.name}", language, OPERATIONS[link.name].text), link.values)
        for link in chain
    )


def _filled(text: str, values: tuple[float, ...]) -> str:
    return re.sub(r"\{(\d)\}", lambda place: f"{values[int(place[1])]:.3g}", text)

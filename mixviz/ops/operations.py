"""Registry of single-image operations, and the code that runs sequences of them.

A sequence is a tuple of applied operations, each a name with the values drawn for it. A batch has a sequence per image.
Images with the same operation at the same position of their sequences are processed in one call, each with its own
values. A step of a batch therefore costs at most one call per operation and never synchronises with the device.
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


class AppliedOp(NamedTuple):
    """An operation as drawn: its name in ``OPERATIONS``, its values, and the seed of its random fields."""

    name: str
    values: tuple[float, ...] = ()
    seed: int = 0


OpSequence = tuple[AppliedOp, ...]


@dataclass(frozen=True)
class Operation:
    """One entry of the registry.

    Attributes:
        text: description for people; {0} is the first of its values.
        change: (images (M, C, H, W), values (M, p), seeds (M,)) to images; see :mod:`mixviz.ops.color` and
            :mod:`mixviz.ops.geometric`.
        moves: whether pixels change position; the image's maps are then transformed, too.
        empties: whether it may leave pixels without content from the image; they get the recipe's fill.
        keeps_boxes: whether the image of a box is a box again: edges stay parallel to the sides.
        copies: whether every pixel is a copy of another or empty, so that masks stay masks.
        matrix: (values (M, p), (H, W)) to matrices (M, 3, 3) from output to input pixels (x, y, 1); None: it is no
            projection, or empties pixels.
    """

    text: str
    change: Callable[..., Tensor]
    moves: bool = False
    empties: bool = False
    keeps_boxes: bool = False
    copies: bool = False
    matrix: Callable[[np.ndarray, tuple[int, int]], np.ndarray] | None = None


_Group = tuple[Operation, np.ndarray, np.ndarray, np.ndarray]

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
    "horizontal_flip": Operation(
        "flip left to right",
        geometric.flip_across,
        moves=True,
        keeps_boxes=True,
        copies=True,
        matrix=geometric.across_matrix,
    ),
    "vertical_flip": Operation(
        "flip upside down",
        geometric.flip_down,
        moves=True,
        keeps_boxes=True,
        copies=True,
        matrix=geometric.down_matrix,
    ),
    "shuffle": Operation("shuffle in {0} × {0} px", geometric.shuffle, moves=True, copies=True),
    "crop": Operation(
        "crop {2} × {3} px from ({0}, {1})", geometric.crop, moves=True, keeps_boxes=True, matrix=geometric.crop_matrix
    ),
    "rotate": Operation("rotate {0}°", geometric.rotate, moves=True, empties=True, matrix=geometric.rotation_matrix),
    "shear_x": Operation("shear x {0}", geometric.shear_x, moves=True, empties=True, matrix=geometric.shear_x_matrix),
    "shear_y": Operation("shear y {0}", geometric.shear_y, moves=True, empties=True, matrix=geometric.shear_y_matrix),
    "translate_x": Operation(
        "translate x {0} px",
        geometric.translate_x,
        moves=True,
        empties=True,
        keeps_boxes=True,
        matrix=geometric.translation_x_matrix,
    ),
    "translate_y": Operation(
        "translate y {0} px",
        geometric.translate_y,
        moves=True,
        empties=True,
        keeps_boxes=True,
        matrix=geometric.translation_y_matrix,
    ),
    "affine": Operation(
        "rotate {0}°, translate ({1}, {2}) px, scale ×{3}, shear {4}°",
        geometric.affine,
        moves=True,
        empties=True,
        matrix=geometric.affine_matrix,
    ),
    "perspective": Operation(
        "perspective {0}", geometric.perspective, moves=True, empties=True, matrix=geometric.perspective_matrix
    ),
    "elastic": Operation("elastic {0} px, σ {1} px", geometric.elastic, moves=True, empties=True),
    "cutout": Operation(
        "cut out ({0}, {1}) to ({2}, {3})", geometric.cut_out, moves=True, empties=True, keeps_boxes=True, copies=True
    ),
}


def check_torchvision() -> None:
    """Fail early if torchvision is missing.

    Raises:
        ImportError: torchvision is not installed; says what to do.
    """
    if importlib.util.find_spec("torchvision") is None:
        raise ImportError("What is done to single pictures is done by torchvision: pip install torchvision.")


def run(
    sequences: Sequence[OpSequence], images: Tensor, fill: Tensor | None = None, room: Tensor | None = None
) -> Tensor:
    """Apply to every image its own sequence.

    Args:
        sequences: one for each image.
        images: (N, 3, H, W) in [0, 1]; processed in float32 and returned in their own dtype.
        fill: colour of empty pixels, broadcastable to (N, 3, H, W); None: black.
        room: contiguous float32 buffer shaped like images, or the images themselves, that may be overwritten: a new
            allocation costs more than most operations.
    """
    with torch.autocast(images.device.type, enabled=False):
        return _run(sequences, images.float().contiguous(), fill, room).to(images.dtype)


def _run(sequences: Sequence[OpSequence], images: Tensor, fill: Tensor | None, room: Tensor | None) -> Tensor:
    owned = False  # whether ``images`` may be overwritten here
    for operation, rows, values, seeds in _grouped(sequences):
        index = None if len(rows) == len(images) else on_device(rows, images.device)
        part = images if index is None else images.index_select(0, index)
        if operation.empties and fill is not None:
            covered = operation.change(torch.cat([part, torch.ones_like(part[:, :1])], 1), values, seeds)
            part, covered = covered[:, :-1], covered[:, -1:]
            background = fill if index is None or len(fill) == 1 else fill.index_select(0, index)
            part = part + (1 - covered) * background.to(part.dtype)
        else:
            part = operation.change(part, values, seeds)
        if index is None:
            images, owned = part, False
        else:
            if not owned:
                images = images.clone() if room is None else room.copy_(images)
            images, owned = images.index_copy_(0, index, part), True
    return images


def carry(sequences: Sequence[OpSequence], maps: Tensor, *, mass: bool = False) -> Tensor:
    """Transform maps (N, C, H, W) as the sequences transform their images; empty pixels are 0.

    Args:
        mass: treat maps as densities, so that an enlarged region keeps its sum.
    """
    owned = False  # whether ``maps`` may be overwritten here
    for operation, rows, values, seeds in _grouped(moving(sequences)):
        if len(rows) == len(maps):
            maps, owned = operation.change(maps, values, seeds, mass), True
            continue
        index = on_device(rows, maps.device)
        maps, owned = maps if owned else maps.clone(), True
        maps.index_copy_(0, index, operation.change(maps.index_select(0, index), values, seeds, mass))
    return maps


def projections(sequences: Sequence[OpSequence], size: tuple[int, int]) -> np.ndarray | None:
    """Matrices (N, 3, 3) by which the sequences move points (x, y, 1); None: one of the operations has none."""
    inverse = np.tile(np.eye(3), (len(sequences), 1, 1))
    for operation, rows, values, _ in _grouped(moving(sequences)):
        if operation.matrix is None:
            return None
        inverse[rows] = inverse[rows] @ operation.matrix(values, size)
    return np.linalg.inv(inverse)


def moving(sequences: Sequence[OpSequence]) -> tuple[OpSequence, ...]:
    """The sequences without the operations that change only colours."""
    return tuple(tuple(op for op in sequence if OPERATIONS[op.name].moves) for sequence in sequences)


def placed(sequences: Sequence[OpSequence]) -> Iterator[tuple[int, _Group]]:
    """Yield, position by position, each operation with the rows (M,) of its images, values and seeds."""
    for position in range(max(map(len, sequences), default=0)):
        groups: dict[str, list[int]] = {}
        for row, sequence in enumerate(sequences):
            if position < len(sequence):
                groups.setdefault(sequence[position].name, []).append(row)
        for name, rows in groups.items():
            applied = [sequences[row][position] for row in rows]
            values = np.array([op.values for op in applied], np.float64).reshape(len(rows), -1)
            seeds = np.array([op.seed for op in applied])
            yield position, (OPERATIONS[name], np.array(rows), values, seeds)


def _grouped(sequences: Sequence[OpSequence]) -> Iterator[_Group]:
    return (group for _, group in placed(sequences))


def in_words(sequence: OpSequence, language: str = "en") -> str:
    """A sequence as text: ``rotate 12°, solarize 128``; empty for an empty sequence."""
    from mixviz.i18n import in_language

    return ", ".join(
        _filled(in_language(f"operation.{op.name}", language, OPERATIONS[op.name].text), op.values) for op in sequence
    )


def _filled(text: str, values: tuple[float, ...]) -> str:
    return re.sub(r"\{(\d)\}", lambda match: f"{values[int(match[1])]:.3g}", text)

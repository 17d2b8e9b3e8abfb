"""Common parts of policies: the mapping from a level in [0, 1] to an operation's value, and the draw itself.

The sets of operations go back to AutoAugment (Cubuk et al. 2019, table 6) and differ in ranges from paper to paper and
from paper to code; each set says whose it is.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from mixviz.core.batch import Batch
from mixviz.core.builders import apply_ops
from mixviz.core.geometry import box_around, random_centre
from mixviz.core.method import Draw
from mixviz.core.parameters import parameter
from mixviz.core.recipe import Recipe
from mixviz.ops.operations import AppliedOp, OpSequence

ROUND = {
    "cut": np.trunc, "round": np.rint, "up": np.ceil,
    "drawn": lambda side: np.trunc(side) + (side > 0),  # a rectangle drawn by Pillow includes both ends
}  # fmt: skip


class Range(NamedTuple):
    """The number at level 0 and at level 1. ``side``: a share of the picture's height or width (0 or 1). ``mirrored``:
    half the time in the other direction, away from ``around``. ``whole``: how it is made a whole number."""

    low: float
    high: float
    mirrored: bool = False
    side: int | None = None
    whole: str = ""
    around: float = 0.0

    def at(self, level: float, size: tuple[int, int], mirror: bool) -> float:
        """The operation's value at a level."""
        value = (self.low + (self.high - self.low) * level) * (1 if self.side is None else size[self.side])
        if self.whole:
            value = float(ROUND[self.whole](value))
        return self.around + (-value if self.mirrored and mirror else value)


Space = dict[str, Range | None]
ENHANCE = ("brightness", "saturation", "contrast", "sharpness")


def space(
    shear: float, shift: float, angle: float, enhance: tuple[float, float] | float, bits: tuple[float, float],
    solarize: tuple[float, float], *, of_side: bool = True, whole: str = "cut", more: Space | None = None,
) -> Space:  # fmt: skip
    """Return the ranges of a paper. ``enhance`` is the largest change from 1 of the four enhancements, or the factors
    at both ends; ``shift`` is in pixels, or a share of the side."""
    factor = Range(*enhance) if isinstance(enhance, tuple) else Range(0.0, enhance, mirrored=True, around=1.0)
    sides = (1, 0) if of_side else (None, None)
    return {
        "shear_x": Range(0, shear, mirrored=True),
        "shear_y": Range(0, shear, mirrored=True),
        "translate_x": Range(0, shift, mirrored=True, side=sides[0], whole=whole),
        "translate_y": Range(0, shift, mirrored=True, side=sides[1], whole=whole),
        "rotate": Range(0, angle, mirrored=True),
        **dict.fromkeys(ENHANCE, factor),
        "posterize": Range(*bits, whole="round" if bits[0] > bits[1] else "cut"),
        "solarize": Range(*solarize),
        "auto_contrast": None,
        "equalize": None,
        **(more or {}),
    }


# torchvision's AutoAugment and RandAugment: shifts of up to 150 pixels of 331, posterize that keeps 8 to 4 bits.
USUAL = space(0.3, 150 / 331, 30, 0.9, (8, 4), (255, 0))
# torchvision's TrivialAugmentWide and the paper's table 5: shifts in pixels at any image size.
WIDE = space(0.99, 32, 135, 0.99, (8, 2), (255, 0), of_side=False)
# Fast AutoAugment's augmentations.py, which UniformAugment's authors adopted: factors and shifts from end to end. For
# operations with a direction, levels 0 and 1 are the two extremes; with probability 1/2 the sign is flipped.
ENDS = {"cutout": Range(0, 0.2, side=1, whole="cut"), "invert": None}
FROM_END_TO_END = space(0.3, 0.45, 30, (0.1, 1.9), (4, 8), (0, 256), whole="", more=ENDS) | {
    "shear_x": Range(-0.3, 0.3, mirrored=True),
    "shear_y": Range(-0.3, 0.3, mirrored=True),
    "translate_x": Range(-0.45, 0.45, mirrored=True, side=1),
    "translate_y": Range(-0.45, 0.45, mirrored=True, side=0),
    "rotate": Range(-30, 30, mirrored=True),
}
# By the form of the holes: around a pixel, or as the released code draws them.
END_TO_END = {
    "centred": FROM_END_TO_END,
    "released": FROM_END_TO_END | {"cutout": Range(0, 0.2, side=1, whole="drawn")},
}

# The integers of the code behind AutoAugment's experiments, which AugMix and PBA adopted: at 0 <= level <= 1 bits and
# thresholds are 4 - int(4 level) and 256 - int(256 level).
IN_WHOLE_STEPS = {
    "rotate": Range(0, 30, mirrored=True, whole="cut"),
    "solarize": Range(256, 0, whole="up"),
    "posterize": Range(4, 0, whole="up"),
}

# Names in the papers' tables and code.
PUBLISHED = {
    "ShearX": "shear_x", "ShearY": "shear_y", "TranslateX": "translate_x", "TranslateY": "translate_y",
    "Rotate": "rotate", "Brightness": "brightness", "Color": "saturation", "Contrast": "contrast",
    "Sharpness": "sharpness", "Posterize": "posterize", "Solarize": "solarize", "AutoContrast": "auto_contrast",
    "Equalize": "equalize", "Invert": "invert", "Cutout": "cutout",
}  # fmt: skip


class Chance(NamedTuple):
    """Random numbers for ``n`` images times ``depth`` operations, drawn in advance so that the stream does not depend
    on its use."""

    coin: np.ndarray
    level: np.ndarray
    mirror: np.ndarray
    centre: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int, depth: int, size: tuple[int, int]) -> Chance:
        shape = n, depth
        centre = np.stack(random_centre(rng, n * depth, size), -1).reshape(*shape, 2)
        return cls(rng.random(shape), rng.random(shape), rng.random(shape) < 0.5, centre)

    def op(self, ranges: Space, name: str, level: float, at: tuple[int, int], size: tuple[int, int]) -> AppliedOp:
        """Return an operation at a level (0 to 1), with the random numbers of ``at`` (image, operation)."""
        value_range = ranges[name]
        if value_range is None:
            return AppliedOp(name)
        value = value_range.at(level, size, bool(self.mirror[at]))
        if name != "cutout":
            return AppliedOp(name, (value,))
        side, centre = int(value), self.centre[at]
        if value_range.whole == "drawn":  # moved inside at the top and left, where the other form clips
            centre = np.maximum(centre, side // 2)
        sides = np.array([side])
        box = box_around(centre[:1], centre[1:], sides, sides, size)
        return AppliedOp(name, tuple(box[0].tolist()))


def cutout_form() -> Any:
    """Parameter: the set of :data:`END_TO_END` to use."""
    text = "a hole around a pixel, or as the released code draws it: a pixel larger, and whole at two of the edges"
    return parameter("centred", text, choices=tuple(END_TO_END))


def policy(batch: Batch, draw: Draw, sequences: list[OpSequence]) -> Recipe:
    """Return a recipe of operation sequences; empty pixels get the data set's mean, as in AutoAugment's own code."""
    return apply_ops(batch, draw, sequences, fill="mean")


@cache
def data(name: str) -> Any:
    """Load a published policy from the file NAME.json beside the methods."""
    return json.loads(files("mixviz.methods").joinpath(f"{name}.json").read_text(encoding="utf-8"))

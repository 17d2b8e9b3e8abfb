"""Objects that a visitor marks in a picture of their own: a box, or a painted mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mixviz.core.objects import box_pixels, boxes_of, covered
from mixviz.data.annotations import runs

MARK_SIDE = 224  # pixels of a painted mask, as of the pictures that the page mixes
MOST_RUNS = 20_000  # run-lengths of a mask: some 100 kB; a painted one has a few hundred


@dataclass(frozen=True)
class PaintedMask:
    """A mask (MARK_SIDE, MARK_SIDE) as uncompressed run-lengths of COCO: column by column, first of pixels outside."""

    runs: tuple[int, ...]

    @property
    def usable(self) -> bool:
        """Whether these are run-lengths of a mask that marks something."""
        return (
            1 < len(self.runs) <= MOST_RUNS
            and all(type(run) is int and 0 <= run <= MARK_SIDE**2 for run in self.runs)
            and sum(self.runs) == MARK_SIDE**2
            and any(self.runs[1::2])
        )


Box = tuple[float, float, float, float]  # top, left, bottom, right in fractions of the sides
Mark = Box | PaintedMask
Marked = tuple[Mark | None, Mark | None]


def of_json(value: Any) -> Any:
    """Return the mark that the page's script sent; anything else unchanged, to be refused by the check."""
    if isinstance(value, dict) and isinstance(value.get("runs"), list):
        return PaintedMask(tuple(value["runs"]))
    return tuple(value) if isinstance(value, list) else value


def pixels(mark: Mark, side: int) -> Tensor:
    """(side, side) float32, 1 where a mark covers at least half of a pixel, or as much as of any other."""
    if isinstance(mark, PaintedMask):
        mask = runs.decoded(np.array(mark.runs), (MARK_SIDE, MARK_SIDE))
        whole = torch.from_numpy(np.ascontiguousarray(mask, np.float32))
        share = interpolate(whole[None, None], (side, side), mode="area")[0]
    else:
        share = covered(torch.tensor([mark]) * side, (side, side))
    return box_pixels(share)[0].float()


def box(mark: Mark, side: int) -> tuple[int, int, int, int]:
    """Return the box (top, left, bottom, right) around a mark, in pixels."""
    top, left, bottom, right = boxes_of(pixels(mark, side)[None].bool())[0].int().tolist()
    return top, left, bottom, right

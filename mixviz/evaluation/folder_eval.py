"""Evaluate networks on a folder of pictures: predictions, heat maps, and their boxes against the true ones."""

from __future__ import annotations

import functools
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from mixviz.cam.boxes import boxes_at, iou
from mixviz.cam.inference import CAMResult, LoadedModel, looks
from mixviz.cam.localization import centre_heat
from mixviz.cam.methods import KINDS
from mixviz.cam.trust import Faithful, faithful
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.data.files.gathering import Gathered, Picture

CENTRE = "centre"  # a pseudo-network: the box of a map that does not depend on the picture
CENTRE_SIDE = 224  # pixels of that map
TOGETHER, PIXELS = 16, 2**18  # pictures, and pixels of them, that pass through a network at a time

Value: TypeAlias = float | int | str | None
Row: TypeAlias = dict[str, Value]  # a value per column of COLUMNS, None where it was not measured
BOX = ("top", "left", "bottom", "right")
TRUE = tuple(f"true_{edge}" for edge in BOX)
COLUMNS = (
    "file", "height", "width", "network", "predicted", "predicted_probability", "class", "probability", "kind", "layer",
    "threshold", *BOX, *TRUE, "true_seen", "iou", *Faithful._fields, "sheet", "note",
)  # fmt: skip


class Seen(NamedTuple):
    """An evaluated picture.

    Attributes:
        name: of the file.
        done, total: it is the ``done``-th of ``total`` pictures.
        rows: with the keys of :data:`COLUMNS`.
        looks: one per network; none where the picture could not be read.
        others: how many files are no pictures.
    """

    name: str
    done: int
    total: int
    rows: list[Row]
    looks: tuple[CAMResult, ...]
    others: int


@dataclass(frozen=True, eq=False)
class FolderEvaluation:
    """Evaluation of networks on pictures, one after another.

    Args:
        known: networks, of :func:`mixviz.cam.inference.open_networks`.
        classes: by name; none: each network shows the one that it predicts.
        kind: of heat map, of :data:`mixviz.cam.methods.KINDS`.
        layer: of every network; None: as its card says.
        threshold: τ of the boxes, a share of the map's maximum, the same for all pictures: choosing it per picture
            would use the true box.
        faithful: measure :func:`mixviz.cam.trust.faithful`, which takes a hundred times as long as the maps.
        seed: of ROAD's noise, the same for all networks and classes.

    Raises:
        ValueError: an unknown class or kind, or two networks of one name.
    """

    known: Sequence[LoadedModel]
    classes: Sequence[str] = ()
    kind: str = "grad_cam"
    layer: str | None = None
    threshold: float = 0.2
    faithful: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        lookup(KINDS, self.kind)
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold should be 0 to 1; got {self.threshold}.")
        names = [one.name for one in self.known]
        if not names or len({*names, CENTRE}) <= len(names):
            raise ValueError(f"Networks should have names of their own, other than {CENTRE!r}; got {names}.")
        for one in self.known:
            for name in self.classes:
                one.index(name)

    def results(self, gathered: Gathered) -> Generator[Seen, None, None]:
        """Evaluate every picture. Closing the generator stops the evaluation.

        A row is one network's answer for one class of one picture. ``top``, ``left``, ``bottom``, ``right`` are its
        box, half-open, in pixels of the *original* upright picture. A network sees the square in the middle of it,
        scaled (:func:`mixviz.data.pictures.view_square`). An empty map has no box, which counts as an IoU of 0.
        ``true_top`` … is the best fitting true box, as it was given; ``true_seen`` the share of it inside the square;
        ``iou`` compares the box with this part. Pictures with true boxes have a row of the network ``centre``, too: a
        Gaussian in the middle, whatever the picture. A picture that cannot be read has one row without a network, whose
        ``note`` says why. Values that were not measured are None.

        Raises:
            ValueError: a layer that a network lacks, or a kind that it is not made for.
        """
        all_, views = gathered.pictures, {one.input_view for one in self.known}
        largest = max(view.side for view in views)
        step = 1 if KINDS[self.kind].slow else min(max(PIXELS // largest**2, 1), TOGETHER)
        for first in range(0, len(all_), step):
            part = [_open(picture, views) for picture in all_[first : first + step]]
            answers = iter(zip(*map(functools.partial(self._looks, part), self.known), strict=True))
            for index, opened in enumerate(part, first):
                name, mine = all_[index].name, () if isinstance(opened, str) else next(answers)
                if isinstance(opened, str):
                    rows = [{**dict.fromkeys(COLUMNS), "file": name, "note": opened}]
                else:
                    rows = self._rows(index, name, opened, mine, gathered.boxes.get(name))
                yield Seen(name, index + 1, len(all_), rows, mine, len(gathered.others))

    def _looks(self, part: Sequence[_Opened | str], one: LoadedModel) -> list[CAMResult]:
        """Heat maps of one network for the readable pictures."""
        views = [opened.views[one.input_view] for opened in part if not isinstance(opened, str)]
        return looks(one, views, self.classes, kind=self.kind, layer=self.layer) if views else []

    def _rows(
        self, index: int, name: str, opened: _Opened, mine: Sequence[CAMResult], true: Tensor | None
    ) -> list[Row]:
        height, width = opened.size
        about = {**dict.fromkeys(COLUMNS), "file": name, "height": height, "width": width, "threshold": self.threshold}
        rows = []
        for look in mine:
            top, classes = int(look.probability.argmax()), look.known.classes
            about |= {
                "network": look.known.name, "kind": self.kind, "layer": look.layer, "predicted": classes[top],
                "predicted_probability": round(look.probability[top].item(), 6),
            }  # fmt: skip
            rng = np.random.default_rng([self.seed, index])
            measured = [one._asdict() for one in faithful(look, rng)] if self.faithful else [{}] * len(look.classes)
            for wanted, box, numbers in zip(look.classes, look.boxes(self.threshold), measured, strict=True):
                square = pictures.view_square(opened.size, look.known.input_view)
                box_in_original = box and pictures.whole_box(box, look.known.side, opened.size, square)
                answer = {"class": classes[wanted], "probability": round(look.probability[wanted].item(), 6)}
                answer |= {key: _rounded(value) for key, value in numbers.items()}
                rows.append(about | answer | _placed(box_in_original, true, opened.size, square))
        if true is not None:
            about = {key: about[key] for key in ("file", "height", "width", "threshold")}
            box_in_original, middle = _centre_box(self.threshold), pictures.middle_square(opened.size)
            box_in_original = box_in_original and pictures.whole_box(box_in_original, CENTRE_SIDE, opened.size)
            placed = _placed(box_in_original, true, opened.size, middle)
            rows.append({**dict.fromkeys(COLUMNS), **about, "network": CENTRE, **placed})
        return rows


class _Opened(NamedTuple):
    """A decoded picture: ``size`` (height, width) of the upright original, and the pixels of its ``views``."""

    size: tuple[int, int]
    views: dict[pictures.View, np.ndarray]


def _open(picture: Picture, wanted: Collection[pictures.View]) -> _Opened | str:
    """Decode a picture as networks see it, or return why it cannot be read."""
    try:
        with picture.open() as file:
            size, views = pictures.upright_size(file, picture.name), {}
            for view in wanted:
                file.seek(0)
                views[view] = pictures.load_view(file, view, picture.name)
            return _Opened(size, views)
    except pictures.PictureError as error:
        return str(error)
    except (ValueError, OSError) as error:
        return f"{picture.name}: {getattr(error, 'strerror', None) or error}"


def _placed(box: tuple[int, ...] | None, true: Tensor | None, size: tuple[int, int], square: tuple[float, ...]) -> Row:
    """Columns of a box, and its fit to the best true one, as far as that lies in the network's square."""
    placed: Row = dict(zip(BOX, box or [None] * 4, strict=True))
    if true is None:
        return placed
    edges = torch.tensor(square, dtype=torch.float64)
    corner = true[:, :2].maximum(edges[:2])
    part = torch.cat([corner, true[:, 2:].minimum(edges[2:]).maximum(corner)], 1)
    seen = (part[:, 2:] - part[:, :2]).prod(1) / (true[:, 2:] - true[:, :2]).prod(1)
    if (true[:, :2] < 0).any() or (true[:, 2:] > torch.tensor(size)).any():
        placed["note"] = "A true box reaches beyond the picture: is it in pixels of the upright original?"
    if not seen.any():
        return placed | {"true_seen": 0, "note": "No true box lies in the middle square, which is all that is seen."}
    fits = iou(torch.tensor([box or (0, 0, 0, 0)]), part)[0].where(seen > 0, -1)
    best = int(fits.argmax())
    placed |= dict(zip(TRUE, map(_rounded, true[best].tolist()), strict=True))
    return placed | {"true_seen": round(seen[best].item(), 6), "iou": round(fits[best].item(), 6)}


@functools.cache
def _centre_box(threshold: float) -> tuple[int, ...] | None:
    box = tuple(boxes_at(centre_heat((CENTRE_SIDE, CENTRE_SIDE))[0], threshold)[0].tolist())
    return box if any(box) else None


def _rounded(value: float | bool | None) -> float | int | None:
    if value is None or isinstance(value, bool):
        return None if value is None else int(value)
    return int(value) if value == int(value) else round(value, 6)

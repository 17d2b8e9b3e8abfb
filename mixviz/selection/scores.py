"""Scores of methods on a set of pictures: label truth, hidden parts, diversity."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mixviz.core import checks
from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.core.recipe import Recipe
from mixviz.core.transforms import saliency
from mixviz.data import decoding, pictures
from mixviz.detectors import SALIENCY
from mixviz.networks import zoo

SIDE = 64  # pixels: what the zoo's networks were trained at
BATCH = 64
DRAWS = 8  # batches: hundreds of mixtures, and most methods in less than a tenth of a second
OFF = 0.15  # label mass on the wrong picture from which the page's cards call a label off
GONE = 0.05  # an object of which less than this can be seen is gone


class Figure(NamedTuple):
    """A mean over the draws and its standard error."""

    mean: float
    error: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """A set to be mixed among itself.

    Attributes:
        images: (M, 3, SIDE, SIDE) uint8.
        judge: (M, SIDE, SIDE) what should be visible: objects' boxes, or saliency where a box is not known.
        boxed: how many have a box.
    """

    images: Tensor
    judge: Tensor
    boxed: int

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Measured:
    """Scores of a method on a set; None where it mixes inside a network, about which pixels say nothing.

    Attributes:
        gap: mean label mass on the wrong picture (:class:`mixviz.Truth`).
        off: share of the labels that are off by more than OFF.
        gone: mean label mass that names an object of which less than GONE can be seen.
        hidden: mean share of an image's own object that cannot be seen.
        worst: so much of it is hidden in one mixture of twenty, or more.
        diversity: see :func:`diversity`.
    """

    gap: Figure | None = None
    off: Figure | None = None
    gone: Figure | None = None
    hidden: Figure | None = None
    worst: float | None = None
    diversity: Figure | None = None


def gather(paths: tuple[str, ...] = ()) -> Pictures:
    """The bundled photographs, or pictures by their paths, at most BATCH of them.

    Raises:
        ValueError: fewer than two.
        PictureError: one that cannot be used.
    """
    paths = paths or tuple(map(pictures.photograph_path, pictures.photographs()))
    if len(paths) < 2:
        raise ValueError("Two pictures are needed, so that one can be mixed with the other.")
    return _gathered(paths[:BATCH])


@functools.lru_cache(maxsize=8)
def _gathered(paths: tuple[str, ...]) -> Pictures:
    tiles = np.stack([pictures.view(path, SIDE) for path in paths])
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous()
    boxes = [(entry := pictures.photograph_of(path)) and pictures.square_box(entry, SIDE) for path in paths]
    judge = torch.zeros(len(paths), SIDE, SIDE) if all(boxes) else saliency(images)
    for mask, box in zip(judge, boxes, strict=True):
        if box is not None:
            top, left, bottom, right = box
            mask.zero_()[top:bottom, left:right] = 1
    return Pictures(images, judge, sum(box is not None for box in boxes))


def in_folder(folder: Path, tell: Callable[[str], None] = print) -> tuple[str, ...]:
    """The paths of a folder's pictures, in the order of their names; ``tell`` gets a line about other files.

    Raises:
        ValueError: no folder, or none with pictures.
    """
    found, others = decoding.sorted_out(folder)
    if not found:
        raise ValueError(f"{folder} holds no pictures: name a folder with at least two ({decoding.SOME_ENDINGS}, …).")
    if others:
        tell(decoding.left_out([path.name for path in others]))
    return tuple(map(str, found))


def measure(method: Method, chosen: Pictures, *, draws: int = DRAWS, seed: int = 0) -> Measured:
    """Mix a set many times, as training does, and look at every mixture.

    A draw mixes a batch that holds each picture equally often. Partners follow a random cycle through the set, so that
    no picture meets itself. Draws come in pairs of equal batches, for :func:`diversity`. The errors are those of the
    draws: other pictures would give other numbers, and no error says how far.

    Raises:
        ValueError: the method misses something, such as a network that it can ask, or fewer than two draws.
    """
    checks.number("draws", draws, 2, whole=True)
    rng, copies = np.random.default_rng(seed), math.ceil(BATCH / len(chosen))
    rows = torch.arange(len(chosen)).repeat(copies)
    images, judge, asked = chosen.images[rows], chosen.judge[rows], given(method, chosen)
    network, maps = asked
    maps = None if maps is None else maps[rows]
    kinds: dict[str, list[float]] = {name: [] for name in ("gap", "off", "gone", "hidden", "distance")}
    hidden, before = [], None
    for i in range(draws):
        recipe = method.plan(
            Batch(images, None, network, saliency=maps), rng, partner=_cycles(len(chosen), copies, rng)
        )
        if recipe.layer:
            return Measured()
        for name, each in _looked_at(recipe, judge).items():
            kinds[name].append(each.mean().item())
            hidden += [each] if name == "hidden" else []
        mixed = recipe.apply(images).float()
        if i % 2 and before is not None:
            kinds["distance"].append((mixed - before).square_().mean().item())
        before = mixed
    found = {name: figure(values) for name, values in kinds.items()}
    worst = torch.cat(hidden).quantile(0.95).item()
    return Measured(worst=worst, diversity=diversity(found.pop("distance"), unrelated(chosen.images)), **found)


def _cycles(pictures: int, copies: int, rng: np.random.Generator) -> np.ndarray:
    """Partners (copies * pictures,), each copy in a cycle of its own."""
    partner = np.empty(pictures * copies, np.int64)
    for copy in range(copies):
        order = rng.permutation(pictures) + copy * pictures
        partner[order] = np.roll(order, -1)
    return partner


def _looked_at(recipe: Recipe, judge: Tensor) -> dict[str, Tensor]:
    """Per mixture (N,) what becomes a mean."""
    truth = recipe.truth(judge)
    own = (recipe.partner == torch.arange(len(recipe))).float()
    return {
        "gap": truth.gap,
        "off": (truth.gap > OFF).float(),
        "gone": (truth.share * (truth.visible < GONE)).sum(0),
        "hidden": 1 - (truth.visible * own).sum(0).clamp(max=1),
    }


def figure(values: Sequence[float]) -> Figure:
    """The mean of the draws and its standard error.

    Raises:
        TypeError, ValueError: no draw, or a NaN or an infinity among them.
    """
    checks.all_numbers("values", values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Figure(statistics.fmean(values), error)


def unrelated(images: Tensor) -> float:
    """The mean squared difference of two different pictures of a set (M, C, H, W), pixel by pixel.

    Raises:
        TypeError, ValueError: no pictures, or a single one.
    """
    checks.tensor("images", images, "real", ("M", "C", "H", "W"), -checks.FINITE, checks.FINITE)
    if len(images) < 2:
        raise ValueError("images should be two or more, so that they can differ; got 1.")
    values = images.double()
    m = len(images)
    return (2 * m / (m - 1) * (values.square().mean() - values.mean(0).square().mean())).item()


def diversity(distance: Figure, scale: float) -> Figure:
    """Distance of two mixtures of one picture, in units of the distance of two pictures.

    $$D = \\sqrt{\\frac{\\mathrm{E}\\,\\lVert \\tilde x_i - \\tilde x_i' \\rVert^2}
    {\\mathrm{E}_{i \\ne j}\\,\\lVert x_i - x_j \\rVert^2}}$$

    0: always the same picture; 1: two mixtures of one picture are as unlike as two pictures. It counts pixels: that
    more of it is better is not said.

    Args:
        distance: mean squared difference of two mixtures of a picture under different draws, with its error.
        scale: that of two pictures, see :func:`unrelated`.

    Raises:
        TypeError, ValueError: a distance or scale that is none, or pictures that are all the same.
    """
    checks.all_numbers("distance", distance, 0)
    checks.number("scale", scale, 0, checks.FINITE)
    if not scale:
        raise ValueError("All pictures of the set are the same: there is nothing to hold their mixtures against.")
    root = math.sqrt(distance.mean / scale)
    return Figure(root, distance.error / (2 * root * scale) if root else 0.0)


def asks(method: Method) -> bool:
    """Whether the method asks a network where to look."""
    detector = getattr(method, "detector", None)
    if isinstance(detector, str):
        detector = SALIENCY[detector.partition(":")[0]]
    return bool(detector and detector.needs_network)


@functools.cache
def network() -> nn.Module | None:
    """Whom methods ask: the zoo's network that was trained without mixing, if there is a zoo."""
    return zoo.load("baseline") if "baseline" in zoo.names() else None


@functools.lru_cache(maxsize=64)
def given(method: Method, chosen: Pictures) -> tuple[nn.Module | None, Tensor | None]:
    """Return the network and the saliency maps of the whole set that a method needs; no draw changes them."""
    who = network() if asks(method) else None
    detector = getattr(method, "detector", None)
    return (None, None) if detector is None else (who, Batch(chosen.images, None, who).saliency(detector))

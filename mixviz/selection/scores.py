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
from mixviz.core.inference import NormalizedModel, ResizedModel
from mixviz.core.method import Method
from mixviz.core.recipe import Recipe
from mixviz.core.saliency import Saliency
from mixviz.core.transforms import saliency
from mixviz.data import decoding, pictures
from mixviz.detectors import SALIENCY
from mixviz.networks import zoo

SIDE = 64  # pixels: quick, and large enough to see who is hidden
BATCH = 64
DRAWS = 8  # batches: hundreds of mixtures, and most methods in less than a tenth of a second
OFF = 0.15  # the page's cards call a label off above this label mass on the wrong picture
GONE = 0.05  # an object is gone if less than this share of it is visible


class Figure(NamedTuple):
    """Mean over the draws and its standard error."""

    mean: float
    error: float


@dataclass(frozen=True, eq=False)
class Pictures:
    """A set of pictures that are mixed with each other.

    Attributes:
        images: (M, 3, SIDE, SIDE) uint8.
        reference_masks: (M, SIDE, SIDE) the object's mask, or saliency where the object is not known.
        masked: number of pictures with a mask.
    """

    images: Tensor
    reference_masks: Tensor
    masked: int

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Measured:
    """Scores of a method on a set; None if it mixes features inside a network, which pixels do not show.

    Attributes:
        gap: mean label mass on the wrong picture (:class:`mixviz.Truth`).
        off: share of the labels that are off by more than OFF.
        gone: mean label mass on objects of which less than GONE is visible.
        hidden: mean share of an image's own object that is not visible.
        worst: 95th percentile of that share: one mixture of twenty hides at least as much.
        diversity: see :func:`diversity`.
    """

    gap: Figure | None = None
    off: Figure | None = None
    gone: Figure | None = None
    hidden: Figure | None = None
    worst: float | None = None
    diversity: Figure | None = None


def gather(paths: tuple[str, ...] = ()) -> Pictures:
    """Load the bundled photographs, or pictures by their paths, at most BATCH of them.

    Raises:
        ValueError: fewer than two.
        PictureError: a picture cannot be used.
    """
    paths = paths or tuple(map(pictures.photograph_path, pictures.photographs()))
    if len(paths) < 2:
        raise ValueError("Two pictures are needed, so that one can be mixed with the other.")
    return _load(paths[:BATCH])


@functools.lru_cache(maxsize=8)
def _load(paths: tuple[str, ...]) -> Pictures:
    tiles = np.stack([pictures.view(path, SIDE) for path in paths])
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous()
    entries = [pictures.photograph_of(path) for path in paths]
    masks = torch.zeros(len(paths), SIDE, SIDE) if all(entries) else saliency(images)
    for mask, entry in zip(masks, entries, strict=True):
        if entry is not None:
            mask.copy_(pictures.square_mask(entry, SIDE))
    return Pictures(images, masks, sum(entry is not None for entry in entries))


def in_folder(folder: Path, tell: Callable[[str], None] = print) -> tuple[str, ...]:
    """List the paths of a folder's pictures, sorted by name; ``tell`` gets a line about other files.

    Raises:
        ValueError: not a folder, or one without pictures.
    """
    paths, others = decoding.sorted_out(folder)
    if not paths:
        raise ValueError(f"{folder} holds no pictures: name a folder with at least two ({decoding.SOME_ENDINGS}, …).")
    if others:
        tell(decoding.left_out([path.name for path in others]))
    return tuple(map(str, paths))


def measure(method: Method, chosen: Pictures, *, draws: int = DRAWS, seed: int = 0) -> Measured:
    """Mix a set many times, as training does, and score every mixture.

    Each draw mixes a batch that holds every picture equally often. Partners follow a random cycle through the set, so
    that no picture is its own partner. Draws come in pairs of equal batches, for :func:`diversity`. The errors are
    those of the draws and do not tell how numbers differ on other pictures.

    Raises:
        ValueError: a requirement of the method is missing, such as a network, or fewer than two draws.
    """
    checks.number("draws", draws, 2, whole=True)
    rng, copies = np.random.default_rng(seed), math.ceil(BATCH / len(chosen))
    rows = torch.arange(len(chosen)).repeat(copies)
    images, masks = chosen.images[rows], chosen.reference_masks[rows]
    network, maps = network_and_saliency(method, chosen)
    maps = None if maps is None else maps[rows]
    means: dict[str, list[float]] = {name: [] for name in ("gap", "off", "gone", "hidden", "distance")}
    hidden, previous = [], None
    for i in range(draws):
        recipe = method.plan(
            Batch(images, None, network, saliency=maps), rng, partner=_cycles(len(chosen), copies, rng)
        )
        if recipe.layer:
            return Measured()
        mixture_scores = _mixture_scores(recipe, masks)
        hidden.append(mixture_scores["hidden"])
        for name, values in mixture_scores.items():
            means[name].append(values.mean().item())
        mixed = recipe.apply(images).float()
        if i % 2 and previous is not None:
            means["distance"].append((mixed - previous).square_().mean().item())
        previous = mixed
    figures = {name: figure(values) for name, values in means.items()}
    worst = torch.cat(hidden).quantile(0.95).item()
    return Measured(worst=worst, diversity=diversity(figures.pop("distance"), unrelated(chosen.images)), **figures)


def _cycles(pictures: int, copies: int, rng: np.random.Generator) -> np.ndarray:
    """Draw partners (copies * pictures,): a cycle through each copy of the pictures."""
    partner = np.empty(pictures * copies, np.int64)
    for copy in range(copies):
        order = rng.permutation(pictures) + copy * pictures
        partner[order] = np.roll(order, -1)
    return partner


def _mixture_scores(recipe: Recipe, masks: Tensor) -> dict[str, Tensor]:
    """Scores (N,) of each mixture, of which :class:`Measured` has the means."""
    truth = recipe.truth(masks)
    own = (recipe.partner == torch.arange(len(recipe))).float()
    return {
        "gap": truth.gap,
        "off": (truth.gap > OFF).float(),
        "gone": (truth.share * (truth.visible < GONE)).sum(0),
        "hidden": 1 - (truth.visible * own).sum(0).clamp(max=1),
    }


def figure(values: Sequence[float]) -> Figure:
    """Compute the mean of the draws and its standard error.

    Raises:
        TypeError, ValueError: no draw, or one that is not finite.
    """
    checks.all_numbers("values", values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Figure(statistics.fmean(values), error)


def unrelated(images: Tensor) -> float:
    """Mean squared difference, per pixel, of two different pictures of a set (M, C, H, W).

    Raises:
        TypeError, ValueError: not pictures, or a single one.
    """
    checks.tensor("images", images, "real", ("M", "C", "H", "W"), -checks.FINITE, checks.FINITE)
    if len(images) < 2:
        raise ValueError("images should be two or more, so that they can differ; got 1.")
    values = images.double()
    m = len(images)
    return (2 * m / (m - 1) * (values.square().mean() - values.mean(0).square().mean())).item()


def diversity(distance: Figure, scale: float) -> Figure:
    """Distance between two mixtures of one picture, in units of the distance between two pictures.

    $$D = \\sqrt{\\frac{\\mathrm{E}\\,\\lVert \\tilde x_i - \\tilde x_i' \\rVert^2}
    {\\mathrm{E}_{i \\ne j}\\,\\lVert x_i - x_j \\rVert^2}}$$

    0: always the same mixture; 1: two mixtures of one picture differ as much as two pictures. It compares pixels; a
    higher value is not always better.

    Args:
        distance: mean squared difference of two mixtures of a picture under different draws, with its error.
        scale: mean squared difference of two pictures, see :func:`unrelated`.

    Raises:
        TypeError, ValueError: not a distance, not a scale, or a scale of 0: all pictures are the same.
    """
    checks.all_numbers("distance", distance, 0)
    checks.number("scale", scale, 0, checks.FINITE)
    if not scale:
        raise ValueError("All pictures of the set are the same: there is nothing to hold their mixtures against.")
    root = math.sqrt(distance.mean / scale)
    return Figure(root, distance.error / (2 * root * scale) if root else 0.0)


def asks(method: Method) -> bool:
    """Whether the method's saliency detector needs a network."""
    detector = getattr(method, "detector", None)
    if isinstance(detector, str):
        detector = SALIENCY[detector.partition(":")[0]]
    return bool(detector and detector.needs_network)


@functools.cache
def network() -> nn.Module | None:
    """Network for methods that need one: the zoo's reference, for images in [0, 1]; None without it."""
    if zoo.REFERENCE not in zoo.names():
        return None
    about = zoo.card(zoo.REFERENCE).network
    return NormalizedModel(zoo.load(zoo.REFERENCE), about.mean, about.std)


def network_and_saliency(method: Method, chosen: Pictures) -> tuple[nn.Module | None, Tensor | None]:
    """Return the network and the saliency maps of the whole set that a method needs; no draw changes them.

    The maps are made at the network's own size, at which it recognises something; its speed is measured at SIDE.
    """
    detector = getattr(method, "detector", None)
    if detector is None:
        return None, None
    guided = asks(method)
    return network() if guided else None, _maps(detector, guided, chosen)


@functools.lru_cache(maxsize=16)
def _maps(detector: Saliency | str, guided: bool, chosen: Pictures) -> Tensor:
    """Return the saliency maps of the set, once for all methods of one detector."""
    guide = network() if guided else None
    large = guide and ResizedModel(guide, zoo.card(zoo.REFERENCE).network.image_size)
    return Batch(chosen.images, None, large).saliency(detector)

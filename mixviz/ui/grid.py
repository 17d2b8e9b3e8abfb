"""What the Mix page shows, as plain data: every number and picture comes from a recipe, no method is known by name."""

from __future__ import annotations

import functools
import math
import threading
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import mixviz
from mixviz import describe, paint, pictures
from mixviz.catalogue import lookup
from mixviz.method import Method

SIDE = 192  # pixels of a tile: sharp at the size it is shown, and all methods still mix and encode within 35 ms
COLUMNS = 4  # tiles side by side in the sheet of mixtures
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Request:
    """What a visitor asked for, re-checked: whatever reaches a handler may have been made up."""

    path_a: str
    path_b: str
    name_a: str = "A"
    name_b: str = "B"
    lam: float | None = 0.6
    seed: int = 0
    detector: str = "fine_grained"

    def __post_init__(self) -> None:
        if self.lam is not None and not (_is_number(self.lam) and 0 <= self.lam <= 1):
            raise ValueError("λ is image A's share: a number between 0 and 1.")
        if not (_is_number(self.seed) and self.seed == int(self.seed) and 0 <= self.seed <= MAX_SEED):
            raise ValueError(f"The seed should be a whole number from 0 to {MAX_SEED}.")
        if self.detector not in detectors():
            raise ValueError(f"The saliency detector should be one of {', '.join(detectors())}.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def detectors() -> dict[str, str]:
    """Name -> title of the detectors that need no network, and so work on any picture."""
    return {name: cls.card.title for name, cls in mixviz.SALIENCY.items() if not cls.needs_network}


_decoding = threading.BoundedSemaphore(2)  # a large picture takes memory while it is decoded


@functools.lru_cache(maxsize=64)
def picture(path: str, side: int = SIDE) -> np.ndarray:
    """The square tile of a picture. An upload's path holds its content's hash, so a path never changes its picture."""
    with _decoding:
        return pictures.load_image(path, side)


@functools.lru_cache(maxsize=64)
def tensors(path_a: str, path_b: str, detector: str) -> tuple[Tensor, Tensor]:
    """The two pictures (2, 3, H, W) uint8 and their saliency (2, H, W): λ and seed do not change them."""
    pair = np.stack([picture(path_a), picture(path_b)])
    images = torch.from_numpy(pair).permute(0, 3, 1, 2).contiguous()
    return images, mixviz.saliency(images, detector)


def objects(request: Request) -> Tensor | None:
    """(2, H, W) masks of the two objects, or None where one of them is not known."""
    entries = [pictures.photograph_of(path) for path in (request.path_a, request.path_b)]
    if None in entries:
        return None
    masks = torch.zeros(2, SIDE, SIDE)
    for mask, entry in zip(masks, entries, strict=True):
        top, left, bottom, right = pictures.square_box(entry, SIDE)
        mask[top:bottom, left:right] = 1
    return masks


def show(request: Request, *, still: bool = True) -> dict:
    """The whole grid: a sheet of mixtures, a card per method and, with ``still``, the pictures that λ leaves alone."""
    images, maps = tensors(request.path_a, request.path_b, request.detector)
    known = objects(request)
    judge = maps if known is None else known
    mixtures, cards = [], []
    for name, cls in mixviz.METHODS.items():
        method, note = _fit(cls, request.detector)
        batch = mixviz.Batch(images, torch.tensor([0, 1]), saliency=maps)
        recipe = method.plan(batch, np.random.default_rng(int(request.seed)), lam=request.lam, partner=[1, 0])
        mixtures.append(recipe.apply(images)[0])
        cards.append({"name": name, "note": note, **_card(method, recipe, recipe.truth(judge))})
    value = {
        "held": request.lam is not None,
        "names": [request.name_a, request.name_b],
        "judge": "saliency" if known is None else "object",
        "detector": detectors()[request.detector],
        "columns": COLUMNS,
        "rows": math.ceil(len(cards) / COLUMNS),
        "sheet": paint.data_uri(_sheet(mixtures), "JPEG"),
        "cards": cards,
        "still": None,
    }
    if still:
        shown = images.permute(0, 2, 3, 1).numpy()
        heat = [paint.overlay(p, m) for p, m in zip(shown, maps.numpy(), strict=True)]
        value["still"] = paint.data_uri(np.concatenate([*shown, *heat], axis=1), "JPEG")
    return value


def mix_one(request: Request, method: str, side: int) -> dict:
    """One method on larger pictures, on a GPU where there is one: {picture: PNG data URI, recipe: numbers}."""
    if not (_is_number(side) and side == int(side) and 32 <= side <= 1024):
        raise ValueError("The side should be a whole number from 32 to 1024.")
    chosen, _ = _fit(lookup(mixviz.METHODS, method), request.detector)
    pair = [picture(path, int(side)) for path in (request.path_a, request.path_b)]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    mixed, recipe, batch = describe.mix_two(*pair, chosen, int(request.seed), request.lam, device)
    truth = recipe.truth(batch.saliency(request.detector))
    return {"picture": paint.data_uri(mixed, "PNG"), "recipe": describe.recipe_json(recipe, truth)}


def _fit(cls: type[Method], detector: str) -> tuple[Method, str]:
    """The method with the page's detector; a note where its own asks a network, which the page does not have."""
    if "detector" not in cls.parameters():
        return cls(), ""
    own = mixviz.SALIENCY[cls.parameters()["detector"]["default"]]
    note = (
        f"Here by {detectors()[detector]}: its own saliency asks the network in training." if own.needs_network else ""
    )
    return cls(detector=detector), note


def _card(method: Method, recipe: mixviz.Recipe, truth: mixviz.Truth) -> dict:
    """Everything a card says of image A's mixture (row 0); sources are added up by picture: 0 is A, 1 is B."""
    card, partner = type(method).card, recipe.partner[:, 0].tolist()

    def by_picture(values: Tensor) -> list[float]:
        sums = [0.0, 0.0]
        for who, value in zip(partner, values[:, 0].tolist(), strict=True):
            sums[who] += value
        return sums

    return {
        "title": card.title,
        "family": card.family,
        "citation": card.citation,
        "url": card.url,
        "summary": (type(method).__doc__ or "").strip().split("\n\n")[0],
        "pair": len(partner) > 1,
        "looks": recipe.saliency is not None,
        "drawn": None if recipe.drawn is None else recipe.drawn[0].item(),
        "area": by_picture(recipe.area),
        "share": by_picture(recipe.share),
        "visible": [min(v, 1.0) for v in by_picture(truth.visible)],
        "fair": by_picture(truth.fair),
        "gap": sum(abs(s - f) for s, f in zip(by_picture(truth.share), by_picture(truth.fair), strict=True)) / 2,
        "source": _fractions(recipe.source_box),
        "target": _fractions(recipe.target_box),
        "layer": recipe.layer,
    }


def _fractions(box: Tensor | None) -> list[float] | None:
    """A box as shares of the picture's sides; None where there is none or it is empty."""
    if box is None:
        return None
    top, left, bottom, right = (edge / SIDE for edge in box[0].tolist())
    return [top, left, bottom, right] if bottom > top and right > left else None


def _sheet(tiles: list[Tensor]) -> np.ndarray:
    """Tiles (3, SIDE, SIDE) in rows of COLUMNS: one picture to encode, send and decode."""
    rows = math.ceil(len(tiles) / COLUMNS)
    sheet = torch.zeros(rows * COLUMNS, 3, SIDE, SIDE, dtype=torch.uint8)
    torch.stack(tiles, out=sheet[: len(tiles)])
    sheet = sheet.view(rows, COLUMNS, 3, SIDE, SIDE).permute(0, 3, 1, 4, 2)
    return sheet.reshape(rows * SIDE, COLUMNS * SIDE, 3).numpy()

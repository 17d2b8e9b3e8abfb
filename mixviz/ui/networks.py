"""The zoo's networks as the page asks them: loaded once, whoever comes first; and what a picture's class is."""

from __future__ import annotations

import functools
import threading

import torch
from torch import Tensor

from mixviz import looking, pictures
from mixviz.asking import Pixels

_loading = threading.Lock()


def known_networks() -> list[looking.Known]:
    """All of the zoo. A rush of visitors loads them once."""
    with _loading:
        return _opened()


@functools.cache
def _opened() -> list[looking.Known]:
    return looking.open_networks("all")


def alike() -> list[looking.Known]:
    """Those that know the first one's classes and take pictures of its size, so that one question is put to all."""
    first, *others = known_networks()
    return [first, *(one for one in others if one.classes == first.classes and one.side == first.side)]


def classes() -> list[str]:
    """What they know, in English as they were taught it."""
    return known_networks()[0].classes


def answers(images: Tensor) -> Tensor:
    """Probabilities (networks, N, classes) of :func:`alike` for pictures (N, 3, side, side) uint8."""
    images = images.contiguous(memory_format=torch.channels_last)  # a sixth less time on a CPU
    with torch.inference_mode():
        return torch.stack([_pixels(i)(images).softmax(1) for i in range(len(alike()))])


@functools.lru_cache(maxsize=64)
def _pixels(index: int) -> Pixels:
    known = alike()[index]
    return Pixels(known.network, known.card["network"]["mean"], known.card["network"]["std"])


@functools.lru_cache(maxsize=128)
def clean(path: str) -> Tensor:
    """What all networks say (networks, classes) of a picture that nobody has mixed. A path's content never changes."""
    side = alike()[0].side
    return answers(torch.from_numpy(pictures.tile(path, side).copy()).permute(2, 0, 1)[None])[:, 0]


def class_of(path: str, other_than: str = "") -> tuple[str, bool]:
    """The class that a picture is followed by, and whether it is known to be that.

    A bundled photograph may be of one of the networks' classes; of any other picture it is the class that the networks
    take it for, by their mean probability.

    Args:
        other_than: a class that is taken already; the most probable of the others then stands for the picture.
    """
    names, entry = classes(), pictures.photograph_of(path)
    if entry and entry.get("class") in names and entry["class"] != other_than:
        return entry["class"], True
    order = clean(path).mean(0).argsort(descending=True).tolist()
    return next(names[i] for i in order if names[i] != other_than), False

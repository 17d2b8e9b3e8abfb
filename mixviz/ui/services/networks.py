"""The trained networks that the page asks: opened once, shared by all visitors."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace

import torch
from torch import Tensor

from mixviz.cam import inference
from mixviz.cam.inference import LoadedModel
from mixviz.core.inference import NormalizedModel
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.networks import zoo
from mixviz.ui.errors import as_user_error

_opening = threading.Lock()


def known_networks() -> dict[str, LoadedModel]:
    """The zoo by name, in the order of its strategies; opened when somebody first asks.

    Raises:
        UserError: it is empty.
    """
    with _opening:
        return _opened()


def with_own(own: tuple[tuple[str, str], ...]) -> dict[str, LoadedModel]:
    """The zoo, and a visitor's own networks after it, by name; equal names are numbered.

    Raises:
        UserError: a card or weights that cannot be used, with why.
    """
    found = dict(known_networks())
    for number, (card, weights) in enumerate(own, 1):
        with as_user_error():
            one = own_network(card, weights)
        found[f"own_{number}"] = replace(one, name=f"own_{number}", called=f"{one.title} ({number})")
    return found


@functools.lru_cache(maxsize=4)
def own_network(card: str, weights: str) -> LoadedModel:
    """A visitor's network; the paths hold the contents' hashes, and so never change what they mean."""
    return inference.open_own(card, weights)


def titles() -> list[tuple[str, str]]:
    """(title, name) of every network, from the cards alone."""
    return [(zoo.title(name), name) for name in zoo.names()]


@functools.cache
def _opened() -> dict[str, LoadedModel]:
    if not zoo.names():
        raise UserError("error.no_networks")
    return {one.name: one for one in inference.open_networks("all")}


def classes() -> list[str]:
    """Classes that the zoo's networks know, in the order of the first network that knows them."""
    return list(dict.fromkeys(name for one in known_networks().values() for name in one.classes))


def alike() -> list[LoadedModel]:
    """Those that know the first one's classes and take pictures of its size, so that one question is put to all."""
    first, *others = known_networks().values()
    return [first, *(one for one in others if one.classes == first.classes and one.side == first.side)]


def answers(images: Tensor) -> Tensor:
    """Probabilities (networks, N, classes) of :func:`alike` for pictures (N, 3, side, side) uint8."""
    images = images.contiguous(memory_format=torch.channels_last)  # a sixth less time on a CPU
    with torch.inference_mode():
        return torch.stack([_pixels(i)(images).softmax(1) for i in range(len(alike()))])


@functools.lru_cache(maxsize=64)
def _pixels(index: int) -> NormalizedModel:
    known = alike()[index]
    return NormalizedModel(known.network, known.card.network.mean, known.card.network.std)


@functools.lru_cache(maxsize=128)
def clean(path: str) -> Tensor:
    """Predictions (networks, classes) of all networks for an unmixed picture. A path's content never changes."""
    side = alike()[0].side
    return answers(torch.from_numpy(pictures.view(path, side).copy()).permute(2, 0, 1)[None])[:, 0]


def likely(path: str) -> list[str]:
    """What :func:`alike` take a picture for by their mean probability, the most probable class first."""
    names = alike()[0].classes
    return [names[i] for i in clean(path).mean(0).argsort(descending=True).tolist()]


def class_of(path: str) -> tuple[str, bool]:
    """(class, known): what a picture shows, if that is among the classes; else what the networks take it for."""
    named = (pictures.photograph_of(path) or {}).get("class")
    return (named, True) if named in classes() else (likely(path)[0], False)


def classes_of(a: str, b: str) -> list[tuple[str, bool]]:
    """:func:`class_of` A and B; where that is one class, what the networks take one of them for instead."""
    first, second = class_of(a), class_of(b)
    if first[0] != second[0]:
        return [first, second]
    if second[1] and not first[1]:  # what is known stays
        return [(next(name for name in likely(a) if name != second[0]), False), second]
    return [first, (next(name for name in likely(b) if name != first[0]), False)]

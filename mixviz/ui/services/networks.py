"""The trained networks of the page, loaded once and shared by all visitors."""

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
    """Return the zoo's trained networks by name, in the order of its strategies; loaded at the first call.

    Raises:
        UserError: the zoo is empty.
    """
    with _opening:
        return _opened()


def with_own(own: tuple[tuple[str, str], ...]) -> dict[str, LoadedModel]:
    """Return the zoo's networks and then the visitor's own, numbered, by name.

    Raises:
        UserError: a card or weights cannot be used; with the reason.
    """
    loaded = dict(known_networks())
    for number, (card, weights) in enumerate(own, 1):
        with as_user_error():
            one = own_network(card, weights)
        loaded[f"own_{number}"] = replace(one, name=f"own_{number}", called=f"{one.title} ({number})")
    return loaded


@functools.lru_cache(maxsize=4)
def own_network(card: str, weights: str) -> LoadedModel:
    """Load a visitor's network, cached: the paths contain the hashes of the contents."""
    return inference.open_own(card, weights)


def titles() -> list[tuple[str, str]]:
    """Return (title, name) of every trained network, without loading any."""
    return [(zoo.title(name), name) for name in zoo.trained()]


@functools.cache
def _opened() -> dict[str, LoadedModel]:
    if not (names := zoo.trained()):
        raise UserError("error.no_networks")
    return {one.name: one for one in inference.open_networks(",".join(names))}


def classes() -> list[str]:
    """Return the classes of the zoo's networks, in the order of the first network that knows them."""
    return list(dict.fromkeys(name for one in known_networks().values() for name in one.classes))


def alike() -> list[LoadedModel]:
    """Return the networks with the first one's classes and input size, so that all take the same input."""
    first, *others = known_networks().values()
    return [first, *(one for one in others if one.classes == first.classes and one.input_view == first.input_view)]


def answers(images: Tensor) -> Tensor:
    """Compute the probabilities (networks, N, classes) of :func:`alike` for pictures (N, 3, side, side) uint8."""
    images = images.contiguous(memory_format=torch.channels_last)  # a sixth less time on a CPU
    with torch.inference_mode():
        return torch.stack([_pixels(i)(images).softmax(1) for i in range(len(alike()))])


@functools.lru_cache(maxsize=64)
def _pixels(index: int) -> NormalizedModel:
    known = alike()[index]
    return NormalizedModel(known.network, known.card.network.mean, known.card.network.std)


@functools.lru_cache(maxsize=128)
def clean(path: str) -> Tensor:
    """Compute the probabilities (networks, classes) for an unmixed picture, cached: a path's content never changes."""
    wanted = alike()[0].input_view
    return answers(torch.from_numpy(pictures.view(path, wanted).copy()).permute(2, 0, 1)[None])[:, 0]


def likely(path: str) -> list[str]:
    """Rank the classes of a picture by the mean probability of :func:`alike`, the most probable first."""
    names = alike()[0].classes
    return [names[i] for i in clean(path).mean(0).argsort(descending=True).tolist()]


def class_of(path: str) -> tuple[str, bool]:
    """Return (class, known): the picture's own class if the networks have it, else their most probable class."""
    named = (pictures.photograph_of(path) or {}).get("class")
    return (named, True) if named in classes() else (likely(path)[0], False)


def classes_of(a: str, b: str) -> list[tuple[str, bool]]:
    """Return :func:`class_of` A and B; if they agree, replace one guess by the next most probable class."""
    first, second = class_of(a), class_of(b)
    if first[0] != second[0]:
        return [first, second]
    if second[1] and not first[1]:  # keep the known class
        return [(next(name for name in likely(a) if name != second[0]), False), second]
    return [first, (next(name for name in likely(b) if name != first[0]), False)]

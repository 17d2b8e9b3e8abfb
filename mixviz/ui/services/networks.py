"""The trained networks of the page: their cards, and their weights once somebody asks for them."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Hashable
from dataclasses import dataclass, replace

import torch
from cachetools import LRUCache, cached
from torch import Tensor

from mixviz.cam import inference
from mixviz.cam.inference import KnownModel, LoadedModel
from mixviz.core.inference import NormalizedModel
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.networks import class_names, zoo
from mixviz.ui.errors import as_user_error

MEMORY = 2**29  # bytes of weights: some thirty networks of 14 MB


@dataclass(frozen=True, eq=False)
class ListedModel(KnownModel):
    """A network of the zoo of which only the card was read."""

    def loaded(self) -> LoadedModel:
        """Return the network with its weights, read from the disk unless they are in memory.

        Raises:
            ValueError: the weights are damaged.
        """
        return _of_zoo(self.name)


def known_networks() -> dict[str, KnownModel]:
    """Return the zoo's networks by name: the reference, then the others in the order of the zoo. Loads no weights.

    Raises:
        UserError: the zoo is empty.
    """
    if not (known := _listed()):
        raise UserError("error.no_networks")
    return known


def with_own(own: tuple[tuple[str, str], ...]) -> dict[str, KnownModel]:
    """Return the zoo's networks and then the visitor's own, numbered, by name.

    Raises:
        UserError: a card or weights cannot be used; with the reason.
    """
    known = dict(known_networks())
    for number, (card, weights) in enumerate(own, 1):
        with as_user_error():
            one = own_network(card, weights)
        name = f"own_{number}"
        known[name] = replace(one, name=name, card=one.card.reduced(f"{one.title} ({number})"))
    return known


@functools.cache
def _listed() -> dict[str, KnownModel]:
    names = sorted(zoo.names(), key=lambda name: name != zoo.REFERENCE)
    cards = {name: zoo.card(name) for name in names}
    return {name: ListedModel(name, card, card.weights.sha256) for name, card in cards.items()}


def _bytes(known: LoadedModel) -> int:
    return sum(tensor.nbytes for tensor in itertools.chain(known.network.parameters(), known.network.buffers()))


in_memory: LRUCache[Hashable, LoadedModel] = LRUCache(MEMORY, getsizeof=_bytes)
_reading = threading.Condition()  # who asks for a network that another visitor is loading waits for it


@cached(in_memory, condition=_reading)
def _of_zoo(name: str) -> LoadedModel:
    return _fast(inference.open_networks(name)[0])


@cached(in_memory, condition=_reading)
def own_network(card: str, weights: str) -> LoadedModel:
    """Load a visitor's network, cached: the paths contain the hashes of the contents."""
    return _fast(inference.open_own(card, weights))


def _fast(known: LoadedModel) -> LoadedModel:
    known.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # a sixth less time on a CPU
    return known


def titles() -> list[tuple[str, str]]:
    """Return (title, name) of every network."""
    return [(one.title, one.name) for one in _listed().values()]


def classes() -> list[str]:
    """Return the classes of the zoo's networks, each as the first network that knows it spells it."""
    return list(_classes(tuple(known_networks())))


@functools.lru_cache(maxsize=8)
def _classes(names: tuple[str, ...]) -> tuple[str, ...]:
    known = known_networks()
    return tuple(class_names.distinct(name for one in names for name in known[one].classes))


def ranked(path: str) -> list[str]:
    """Rank the classes of a picture by the reference's probability; without a reference, as :func:`likely`."""
    known = known_networks()
    if zoo.REFERENCE not in known:
        return likely(path)
    names = known[zoo.REFERENCE].classes
    return [names[i] for i in _by_reference(path).argsort(descending=True).tolist()]


@functools.lru_cache(maxsize=128)
def _by_reference(path: str) -> Tensor:
    return _probabilities(known_networks()[zoo.REFERENCE].loaded(), _view(path, known_networks()[zoo.REFERENCE]))[0]


# ---------------------------------------------------------------- networks that are compared


def trained() -> dict[str, KnownModel]:
    """Return the networks of :func:`known_networks` that ``mixviz train`` made."""
    return {name: one for name, one in known_networks().items() if one.card.is_whole}


def alike() -> list[KnownModel]:
    """Return the trained networks with the first one's classes and view, so that all take the same input.

    Raises:
        UserError: there are none.
    """
    if not (known := list(trained().values())):
        raise UserError("error.no_networks")
    first, *others = known
    return [first, *(one for one in others if one.classes == first.classes and one.input_view == first.input_view)]


def answers(images: Tensor) -> Tensor:
    """Compute the probabilities (networks, N, classes) of :func:`alike` for pictures (N, 3, side, side) uint8."""
    return torch.stack([_probabilities(one.loaded(), images) for one in alike()])


def _probabilities(known: LoadedModel, images: Tensor) -> Tensor:
    spec = known.card.network
    with torch.inference_mode():
        return NormalizedModel(known.network, spec.mean, spec.std)(images).softmax(1)


def _view(path: str, known: KnownModel) -> Tensor:
    return torch.from_numpy(pictures.view(path, known.input_view).copy()).permute(2, 0, 1)[None]


@functools.lru_cache(maxsize=128)
def clean(path: str) -> Tensor:
    """Compute the probabilities (networks, classes) for an unmixed picture, cached: a path's content never changes."""
    return answers(_view(path, alike()[0]))[:, 0]


def likely(path: str) -> list[str]:
    """Rank the classes of a picture by the mean probability of :func:`alike`, the most probable first."""
    names = alike()[0].classes
    return [names[i] for i in clean(path).mean(0).argsort(descending=True).tolist()]


def class_of(path: str) -> tuple[str, bool]:
    """Return (class, known): the picture's own class if :func:`alike` have it, else their most probable class."""
    names = alike()[0].classes
    place = class_names.find((pictures.photograph_of(path) or {}).get("class", ""), names)
    return (likely(path)[0], False) if place is None else (names[place], True)


def classes_of(a: str, b: str) -> list[tuple[str, bool]]:
    """Return :func:`class_of` A and B; if they agree, replace one guess by the next most probable class."""
    first, second = class_of(a), class_of(b)
    if first[0] != second[0]:
        return [first, second]
    if second[1] and not first[1]:  # keep the known class
        return [(next(name for name in likely(a) if name != second[0]), False), second]
    return [first, (next(name for name in likely(b) if name != first[0]), False)]

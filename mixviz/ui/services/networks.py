"""The trained networks of the page: their cards, and their weights once somebody asks for them."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from cachetools import LRUCache, cached
from torch import Tensor

from mixviz import resources
from mixviz.cam import inference
from mixviz.cam.inference import KnownModel, LoadedModel
from mixviz.data import pictures
from mixviz.embeddings.vectors import sklearn
from mixviz.i18n import UserError
from mixviz.networks import class_names, families, model_card, user_network, zoo
from mixviz.networks.families import Family
from mixviz.networks.model_card import ModelCard
from mixviz.ui.errors import as_user_error

MEMORY = 2**29  # bytes of weights: some thirty networks of 14 MB
AT_ONCE = 8  # pictures in one pass, which takes some 10 MB for each of 224 px


@dataclass(frozen=True, eq=False)
class ListedModel(KnownModel):
    """A network of the zoo, or one that was fetched, of which only the card was read."""

    def loaded(self) -> LoadedModel:
        """Return the network with its weights, read from the disk unless they are in memory.

        Raises:
            ValueError: the weights are damaged.
        """
        return _opened(self)


def known_networks() -> dict[str, KnownModel]:
    """Return the zoo's networks by name: the reference, then the others in the order of the zoo. Loads no weights.

    Raises:
        UserError: the zoo is empty.
    """
    if not (known := _listed()):
        raise UserError("error.no_networks")
    return known


def fetched() -> dict[str, KnownModel]:
    """Return the networks of others that are on this machine, by name; those without a usable card are left out."""
    found = {}
    for name in (name for name in zoo.fetched() if name not in known_networks()):
        with suppress(ValueError, OSError):
            home = resources.networks() / name
            card = _card(home, (home / user_network.CARD).stat().st_mtime_ns)
            if card.weights.sha256 and (home / card.weights.file).is_file():
                found[name] = ListedModel(name, card, card.weights.sha256)
    return found


@functools.lru_cache(maxsize=64)
def _card(home: Path, _changed: int) -> ModelCard:
    return model_card.read(home)


def to_look_inside(own: tuple[tuple[str, str], ...] = ()) -> dict[str, KnownModel]:
    """Return the networks of *Look inside* by name: the zoo's, those of others, and the visitor's own, numbered.

    Raises:
        UserError: a card or weights cannot be used; with the reason.
    """
    known = known_networks() | fetched()
    for number, (card, weights) in enumerate(own, 1):
        with as_user_error():
            one = own_network(card, weights)
        name = f"own_{number}"
        known[name] = replace(one, name=name, card=one.card.reduced(f"{one.title} ({number})"))
    return known


@functools.cache
def for_retrieval() -> dict[str, KnownModel]:
    """Return the zoo's networks that were trained for retrieval, by name; some have no class scores."""
    return _of(zoo.for_retrieval())


@functools.cache
def _listed() -> dict[str, KnownModel]:
    return _of(sorted(zoo.names(), key=lambda name: name != zoo.REFERENCE))


def _of(names: list[str]) -> dict[str, KnownModel]:
    cards = {name: zoo.card(name) for name in names}
    headings = families.headings(cards)
    return {name: ListedModel(name, card, card.weights.sha256, heading=headings[name]) for name, card in cards.items()}


def _bytes(known: LoadedModel) -> int:
    return sum(tensor.nbytes for tensor in itertools.chain(known.network.parameters(), known.network.buffers()))


in_memory: LRUCache[Hashable, LoadedModel] = LRUCache(MEMORY, getsizeof=_bytes)
_reading = threading.Condition()  # who asks for a network that another visitor is loading waits for it


@cached(in_memory, key=lambda known: (known.name, known.sha256), condition=_reading)
def _opened(known: ListedModel) -> LoadedModel:
    return _fast(replace(inference.open_networks(known.name)[0], heading=known.heading))


@cached(in_memory, condition=_reading)
def own_network(card: str, weights: str) -> LoadedModel:
    """Load a visitor's network, cached: the paths contain the hashes of the contents."""
    return _fast(inference.open_own(card, weights))


def _fast(known: LoadedModel) -> LoadedModel:
    known.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # a sixth less time on a CPU
    return known


def warm_up() -> None:
    """Import what networks and embeddings need, and load the first network, before a visitor waits for it."""
    for known in [*_listed().values()][:1]:
        known.loaded()
    class_names.kinds()
    sklearn("cluster")


def compared() -> list[Family]:
    """Return the families of networks that ``mixviz train`` made with several strategies, in the order of the zoo."""
    return [family for family in families.families(cards_of(known_networks())) if family.compared]


def cards_of(known: Mapping[str, KnownModel]) -> dict[str, ModelCard]:
    """Return the networks' cards by name."""
    return {name: one.card for name, one in known.items()}


def titles() -> list[tuple[str, str]]:
    """Return (title, name) of every network of the zoo and of others."""
    return [(one.title, one.name) for one in to_look_inside().values()]


def classes() -> list[str]:
    """Return the classes of the zoo's networks, each as the first network that knows it spells it."""
    return list(classes_of(known_networks()))


@cached(LRUCache(8), key=lambda known: tuple(one.sha256 for one in known.values()), lock=threading.Lock())
def classes_of(known: Mapping[str, KnownModel]) -> tuple[str, ...]:
    """Return the classes of some networks, as :func:`classes` does of the zoo's; cached."""
    return tuple(class_names.distinct(name for one in known.values() for name in one.classes))


def trained() -> dict[str, KnownModel]:
    """Return the networks of :func:`known_networks` that ``mixviz train`` made."""
    return {name: one for name, one in known_networks().items() if one.card.is_whole}


def that_know(names: Collection[str]) -> dict[str, KnownModel]:
    """Return the networks that know all of some classes; if none does, the first, whose error names the nearest."""
    known = known_networks()
    first = next(iter(known))
    return {name: one for name, one in known.items() if all(map(one.knows, names))} or {first: known[first]}


def probabilities(known: KnownModel, images: Tensor) -> Tensor:
    """Compute a network's probabilities (N, classes) for pictures (N, 3, side, side) uint8."""
    model = known.loaded()
    parts = [model.behind_trunk(model.normalised(part)) for part in images.split(AT_ONCE)]
    with torch.inference_mode():
        return torch.cat([network(features) for network, features in parts]).float().softmax(1)


def ranked(path: str) -> list[str]:
    """Rank the classes of a picture by the reference's probability; without a reference, by the first network's."""
    return list(ranked_by(next(iter(known_networks())), path))


@functools.lru_cache(maxsize=128)
def ranked_by(name: str, path: str) -> tuple[str, ...]:
    """Rank a network's classes for a picture, the most probable first; cached: a path's content never changes."""
    known = known_networks()[name]
    view = torch.from_numpy(pictures.view(path, known.input_view).copy()).permute(2, 0, 1)[None]
    return tuple(known.classes[i] for i in probabilities(known, view)[0].argsort(descending=True).tolist())

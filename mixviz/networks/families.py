"""Families of networks: those that were trained on the same classes of one data set, as their cards say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mixviz.networks import class_names, zoo
from mixviz.networks.model_card import ModelCard

# The strategies that tell most beside one another, by their names in :data:`mixviz.networks.zoo.STRATEGIES`.
TELLING = ("baseline", "mixup", "cutmix", "saliencymix", "randsaliencymix")


@dataclass(frozen=True)
class Family:
    """Networks that know the same classes from the same data set.

    Attributes:
        key: of the data set and the classes, for scripts.
        data: the data set's name; empty where the cards do not say.
        classes: in the networks' order.
        names: of the networks.
        compared: whether ``mixviz train`` made any of them, so that they differ in their strategy.
        pictures: how many each was trained on; 0 where the cards do not say.
    """

    key: str
    data: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    compared: bool
    pictures: int

    def knows(self, name: str) -> bool:
        """Whether the family has the class that a name means."""
        return class_names.find(name, self.classes) is not None


def key_of(card: ModelCard) -> str:
    """Return the key of a network's family."""
    return f"{card.data.name}-{hashlib.sha256(chr(10).join(card.data.classes).encode()).hexdigest()[:8]}"


def families(cards: Mapping[str, ModelCard]) -> list[Family]:
    """Group networks by family, in the order of each family's first network."""
    groups: dict[str, dict[str, ModelCard]] = {}
    for name, card in cards.items():
        groups.setdefault(key_of(card), {})[name] = card
    return [_family(key, group) for key, group in groups.items()]


def _family(key: str, group: Mapping[str, ModelCard]) -> Family:
    first = next(iter(group.values()))
    compared = any(card.is_whole for card in group.values())
    return Family(key, first.data.name, first.data.classes, tuple(group), compared, first.data.pictures.get("train", 0))


def knowing(among: Iterable[Family], classes: Sequence[str]) -> list[Family]:
    """Return the families that know any of some classes: those that know most first; on ties those that know the first
    class, then in the given order."""
    known = [(family, [family.knows(name) for name in classes]) for family in among]
    able = [(family, knows) for family, knows in known if any(knows)]
    return [family for family, knows in sorted(able, key=lambda one: (-sum(one[1]), not one[1][0]))]


def telling(names: Iterable[str], cards: Mapping[str, ModelCard], count: int = len(TELLING)) -> list[str]:
    """Choose the networks of a family that tell most: a network for each strategy of :data:`TELLING`, then others."""
    strategy_of = {label: name for name, label in zoo.strategies().items()}
    of_strategy: dict[str, str] = {}
    for name in names:
        of_strategy.setdefault(strategy_of.get(cards[name].strategy, name), name)
    strategies = [one for one in TELLING if one in of_strategy] + [one for one in of_strategy if one not in TELLING]
    chosen = {of_strategy[one] for one in strategies[:count]}
    return [name for name in of_strategy.values() if name in chosen]


def headings(cards: Mapping[str, ModelCard]) -> dict[str, str]:
    """Return a title for each network that no other has: the strategy label, or the name of one without it. Where it is
    taken, the data set stands behind it, or else the name."""
    given: dict[str, str] = {}
    for name, card in cards.items():
        title = card.strategy or name
        longer = [f"{title} ({more})" for more in (card.data.name.replace("_", " "), name) if more]
        given[name] = next(one for one in (title, *longer) if one not in given.values() or one == longer[-1])
    return given

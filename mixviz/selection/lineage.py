"""Family tree of the catalogue's methods: which idea builds on which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from mixviz.core.parameters import FAMILIES, Card
from mixviz.methods import METHODS

# Ideas that the oldest methods name as their origin.
ANCESTORS = {
    card.name: card
    for card in (
        Card("vicinal_risk", "Vicinal Risk Minimization", "Vicinal Risk Minimization",
             "Chapelle, Weston, Bottou, Vapnik", "NIPS", 2000, family="blend"),
        Card("dropout", "Dropout", "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
             "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov", "JMLR", 2014, family="erase"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Idea:
    """An idea in the tree.

    Attributes:
        year: year of first publication: arXiv's if it has a number there, else the venue's; 0 if unknown.
        month: arXiv's month, 1 to 12, for the order within a year; 0 without an arXiv number.
        parents, children: names of ideas in the tree.
    """

    card: Card
    year: int
    month: int
    parents: tuple[str, ...]
    children: tuple[str, ...]
    ancestor: bool


def first_seen(card: Card) -> tuple[int, int]:
    """(year, month) of first publication; (0, 0) if unknown."""
    number = re.fullmatch(r"(\d\d)(\d\d)\.\d{4,5}", card.arxiv)
    if not number:
        return card.year, 0
    year, month = 2000 + int(number[1]), int(number[2])
    return (card.year, 0) if 0 < card.year < year else (year, month)


def tree(catalogue: Mapping[str, type] | None = None) -> dict[str, Idea]:
    """Map names to ideas, the oldest first, those of unknown year last.

    Left out are methods that mix nothing, methods without a year and without relatives, and unknown parents.

    Raises:
        ValueError: a method is its own ancestor.
    """
    cards = {name: cls.card for name, cls in (METHODS if catalogue is None else catalogue).items()}
    named_parents = {parent for card in cards.values() for parent in card.after}
    cards |= {name: card for name, card in ANCESTORS.items() if name in named_parents and name not in cards}
    cards = {name: card for name, card in cards.items() if card.family != "none"}
    cards = {name: card for name, card in cards.items() if card.year or card.after or name in named_parents}
    parents = {name: tuple(p for p in dict.fromkeys(card.after) if p in cards) for name, card in cards.items()}
    _check(parents)
    ideas = {
        name: Idea(
            card, *first_seen(card), parents[name],
            tuple(child for child in cards if name in parents[child]), card is ANCESTORS.get(name),
        )
        for name, card in cards.items()
    }  # fmt: skip
    return dict(sorted(ideas.items(), key=lambda item: _order(item[1])))


def _order(idea: Idea) -> tuple:
    family = FAMILIES.index(idea.card.family) if idea.card.family in FAMILIES else len(FAMILIES)
    return idea.year or 9999, idea.month or 13, family, idea.card.name


def _check(parents: Mapping[str, tuple[str, ...]]) -> None:
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        raise ValueError(f"Nothing comes from itself, and here it does: {', '.join(error.args[1])}.") from None

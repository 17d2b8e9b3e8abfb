"""Choice of the networks to begin with: the reference, and those of the family that knows the classes in sight."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from mixviz.networks import families, zoo
from mixviz.networks.families import Family
from mixviz.ui.services import networks
from mixviz.ui.services.cam_subject import classes_meant
from mixviz.ui.state import Request


class Beginning(NamedTuple):
    """The ``names`` of the networks to begin with, the ``family`` of theirs, None where there is none, and those of
    the classes in sight that it ``lacks``, with another family that knows one of them."""

    names: tuple[str, ...]
    family: Family | None = None
    lacks: tuple[str, ...] = ()
    other: Family | None = None


def beginning(request: Request) -> Beginning:
    """Choose the networks for the classes in sight.

    The family that knows most of them; on ties the one that knows A's class, then the zoo's first; also the first
    where none knows any, so that there are networks to compare.
    """
    if not (compared := networks.compared()):
        return Beginning((_first(),))
    classes = classes_meant(request)
    able = families.knowing(compared, classes)
    family = (able or compared)[0]
    lacks = tuple(name for name in classes if not family.knows(name)) if able else ()
    other = next((one for one in able[1:] if any(map(one.knows, lacks))), None)
    return Beginning(with_reference(family), family, lacks, other)


def _first() -> str:
    """The reference; in a zoo without it, the first network."""
    return next(iter(networks.known_networks()))


def with_reference(family: Family) -> tuple[str, ...]:
    """Return the reference and the networks of a family that tell most."""
    cards = networks.cards_of(networks.known_networks())
    return tuple(dict.fromkeys([_first(), *families.telling(family.names, cards)]))


def among(able: Collection[str]) -> list[str]:
    """Choose the networks to begin with among some: the reference, and those of the first family that tell most."""
    cards = networks.cards_of(networks.known_networks())
    family = next((one.names for one in networks.compared() if not set(one.names).isdisjoint(able)), tuple(able))
    first = [name for name in able if name == zoo.REFERENCE]
    return [*first, *families.telling([name for name in family if name in able and name not in first], cards)]


def told(chosen: Beginning) -> dict[str, Any]:
    """Describe the choice for the page's script; ``other``: what is seen when the other family is chosen."""
    other = chosen.other
    return {
        "names": list(chosen.names),
        "family": chosen.family and chosen.family.key,
        "lacks": list(chosen.lacks),
        "other": other
        and {
            "family": other.key,
            "names": list(with_reference(other)),
            "knows": [name for name in chosen.lacks if other.knows(name)],
        },
    }

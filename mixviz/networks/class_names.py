"""Names of classes: what else a class is called, what kind of thing it is, and which class of a network a name means.

Data sets spell one thing differently: ImageNet's "Egyptian cat" is an "Egyptian Mau" of the Oxford-IIIT pets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

# The breeds of the Oxford-IIIT pets, as its files spell them.
CAT_BREEDS = (
    "Abyssinian", "Bengal", "Birman", "Bombay", "British Shorthair", "Egyptian Mau", "Maine Coon", "Persian", "Ragdoll",
    "Russian Blue", "Siamese", "Sphynx",
)  # fmt: skip
DOG_BREEDS = (
    "american bulldog", "american pit bull terrier", "basset hound", "beagle", "boxer", "chihuahua",
    "english cocker spaniel", "english setter", "german shorthaired", "great pyrenees", "havanese", "japanese chin",
    "keeshond", "leonberger", "miniature pinscher", "newfoundland", "pomeranian", "pug", "saint bernard", "samoyed",
    "scottish terrier", "shiba inu", "staffordshire bull terrier", "wheaten terrier", "yorkshire terrier",
)  # fmt: skip
# What ImageNet calls a breed whose name is not among its own synonyms.
OTHERWISE = {
    "Egyptian Mau": "Egyptian cat", "Persian": "Persian cat", "japanese chin": "Japanese spaniel",
    "leonberger": "Leonberg", "german shorthaired": "German short-haired pointer",
    "wheaten terrier": "soft-coated wheaten terrier",
}  # fmt: skip
# Kinds of classes, as places (first, end) in ImageNet's order, which follows WordNet. The page shows classes of a kind
# in one hue: there are six, because not everybody can tell more apart.
PLACES = {
    "cats": ((281, 286),),
    "dogs": ((151, 269),),
    "birds": ((7, 25), (80, 101), (127, 147)),
    "beasts": ((101, 107), (269, 281), (286, 300), (330, 389)),
    "insects": ((300, 327),),
}
MORE = {
    "cats": CAT_BREEDS,
    "dogs": DOG_BREEDS,
    "cars": (
        "ambulance", "beach wagon", "cab", "convertible", "fire engine", "garbage truck", "jeep", "limousine",
        "minibus", "minivan", "Model T", "moving van", "passenger car", "pickup", "police van", "racer",
        "recreational vehicle", "school bus", "sports car", "tow truck", "trailer truck", "trolleybus",
    ),
}  # fmt: skip


def find(name: str, classes: Sequence[str]) -> int | None:
    """Return the place of the class that a name means: of the same spelling, else in other cases, else a synonym.

    On ties, return the first. None if there is no such class.
    """
    if name in classes:
        return classes.index(name)
    folded = [one.casefold() for one in classes]
    if name.casefold() in folded:
        return folded.index(name.casefold())
    return next((place for place, one in enumerate(classes) if same(name, one)), None)


def same(one: str, other: str) -> bool:
    """Whether two names mean one class."""
    return not meaning(one).isdisjoint(meaning(other))


def distinct(classes: Iterable[str]) -> list[str]:
    """Return the classes without those that mean an earlier one."""
    kept: dict[str, None] = {}
    met: set[int | str] = set()
    for name in classes:
        if met.isdisjoint(meaning(name)):
            kept[name] = None
            met |= meaning(name)
    return list(kept)


def spellings(name: str) -> tuple[str, ...]:
    """Return a class's name, then its synonyms."""
    meant = meaning(name)
    groups = [_imagenet()[place] for place in meant if isinstance(place, int)]
    others = [other for other in OTHERWISE if meaning(other) == meant]
    return tuple(dict.fromkeys([name, *(one for group in groups for one in group), *others]))


@functools.lru_cache(maxsize=4096)
def meaning(name: str) -> frozenset[int | str]:
    """Return the places of ImageNet's classes of this name; of a class that ImageNet has not, the name in lower case.

    They are several where a synonym is shared: "panther" is a cougar or a jaguar.
    """
    asked = {other.casefold(): known for other, known in OTHERWISE.items()}.get(name.casefold(), name)
    exact, in_any_case, all_ = _places()
    found = exact.get(asked) or in_any_case.get(asked.casefold()) or all_.get(asked.casefold())
    return frozenset(found or [asked.casefold()])


def in_imagenet(name: str) -> bool:
    """Whether the name means one of ImageNet's 1,000 classes, or several."""
    return any(isinstance(place, int) for place in meaning(name))


@functools.cache
def kinds() -> Mapping[str, frozenset[str]]:
    """Return the names of each kind's classes, in lower case."""
    names = {kind: [_imagenet()[i] for span in spans for i in range(*span)] for kind, spans in PLACES.items()}
    names |= {kind: [*names.get(kind, ()), *((name,) for name in more)] for kind, more in MORE.items()}
    return {kind: frozenset(one.casefold() for group in groups for one in group) for kind, groups in names.items()}


def kind_of(name: str) -> str:
    """Return the kind of a class; "" where it has none."""
    return next((kind for kind, names in kinds().items() if name.casefold() in names), "")


@functools.cache
def _imagenet() -> list[tuple[str, ...]]:
    """Return the names of each of ImageNet's 1,000 classes, the customary one first."""
    import timm  # noqa: F401  as a whole first: a part is broken while another thread imports the rest
    from timm.data.imagenet_info import ImageNetInfo

    return [tuple(names.split(", ")) for names in ImageNetInfo().label_descriptions()]


@functools.cache
def _places() -> tuple[Mapping[str, list[int]], ...]:
    """Return the places of ImageNet's classes by customary name, by the same in lower case, and by every synonym.

    Two classes are customarily called "crane", and two "maillot": the name means the first.
    """
    exact: dict[str, list[int]] = {}
    in_any_case: dict[str, list[int]] = {}
    all_: dict[str, list[int]] = {}
    for place, names in enumerate(_imagenet()):
        exact.setdefault(names[0], [place])
        in_any_case.setdefault(names[0].casefold(), [place])
        for name in names:
            all_.setdefault(name.casefold(), []).append(place)
    return exact, in_any_case, all_

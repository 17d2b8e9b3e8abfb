"""Match a picture's label, free text in any language of the page, to the classes that networks know."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from mixviz.i18n import texts
from mixviz.networks import class_names

# Everyday words of a kind of classes, or of a class whose name does not contain them.
WORDS = {
    "cats": ("cat", "kitten", "고양이"),
    "dogs": ("dog", "puppy", "개", "강아지"),
    "birds": ("bird", "새"),
    "insects": ("insect", "bug", "곤충"),
    "cars": ("vehicle", "차량"),
    "bee": ("honey bee", "bumblebee", "꿀벌"),
    "goose": ("geese",),
    "lesser panda": ("red panda", "레드판다"),
    "lion": ("lioness", "암사자"),
    "monarch": ("나비",),
    "sports car": ("자동차",),
    "drake": ("duck", "오리"),
    "macaw": ("parrot", "앵무새"),
}


def candidates(label: str, classes: Iterable[str]) -> tuple[str, ...]:
    """Return the classes that a label may mean, in the order of ``classes``; the first rule that finds any decides.

    The rules: the label is a class's name or its plural; it contains one ("golden retriever puppy"); it contains a word
    of a kind of classes ("black cat"); all of its words are in a class's name ("retriever"); or the name ends with it,
    as Korean compounds do.
    """
    return _candidates(label, tuple(classes))


@functools.lru_cache(maxsize=256)
def _candidates(label: str, classes: tuple[str, ...]) -> tuple[str, ...]:
    words = _words(label)
    names = {name: [_words(spelling) for spelling in _spellings(name)] for name in classes}
    kinds = {kind for kind in class_names.kinds() if _says(words, kind)}
    rules = (
        lambda name: any(_same("".join(words), "".join(one)) for one in names[name]),
        lambda name: any(_contains(words, one) for one in names[name]),
        lambda name: class_names.kind_of(name) in kinds,
        lambda name: any(all(_contains(one, [word]) for word in words) for one in names[name]),
        lambda name: any(_ends("".join(one), "".join(words)) for one in names[name]),
    )
    found = (tuple(filter(rule, names)) for rule in rules) if words else iter(())
    return next(filter(None, found), ())


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _spellings(name: str) -> list[str]:
    """Return a class's name, its synonyms, their translations and everyday words."""
    names = class_names.spellings(name)
    translated = [known[key] for known in texts().values() for one in names if (key := f"class.{one}") in known]
    return [*names, *translated, *(word for one in names for word in WORDS.get(one, ()))]


def _says(words: Sequence[str], kind: str) -> bool:
    return any(_same(word, said) or _ends(word, said) for word in words for said in WORDS.get(kind, ()))


def _same(one: str, other: str) -> bool:
    return bool(_forms(one) & _forms(other))


def _forms(word: str) -> set[str]:
    """Return a word and what it may be the plural of."""
    long = len(word) > 3
    ends = {"s": "", "es": "", "ies": "y"}
    return {word} | {word.removesuffix(end) + put for end, put in ends.items() if long and word.endswith(end)}


def _contains(words: Sequence[str], part: Sequence[str]) -> bool:
    starts = range(len(words) - len(part) + 1)
    return bool(part) and any(all(map(_same, words[i:], part)) for i in starts)


def _ends(word: str, end: str) -> bool:
    """Return whether a compound of a language without spaces in it ends with a word of at least two letters."""
    return len(end) > 1 and not end.isascii() and word.endswith(end)

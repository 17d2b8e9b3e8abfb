"""Discover catalogue entries: the classes in the modules of a catalogue's package."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from mixviz.core.parameters import FAMILIES, Card, Parametric

Entry = TypeVar("Entry", bound=Parametric)
Value = TypeVar("Value")


def discover(package: ModuleType, base: type[Entry]) -> Mapping[str, type[Entry]]:
    """Map names to the final subclasses of ``base`` in the package's modules, sorted by family and year.

    Modules whose names start with an underscore are helpers and are skipped.

    Raises:
        ValueError: two classes use one name.
    """
    classes: dict[str, type[Entry]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for cls in list(vars(module).values()):  # a warning within adds to the module
            if not inspect.isclass(cls) or not issubclass(cls, base) or cls.__module__ != module.__name__:
                continue
            name = cls.card.name
            if name in classes:
                raise ValueError(
                    f"Two classes call themselves {name!r}: {classes[name].__module__} and {module.__name__}. "
                    "Give one of them another card name."
                )
            classes[name] = cls
    return MappingProxyType(dict(sorted(classes.items(), key=lambda item: _order(item[1].card))))


def _order(card: Card) -> tuple[int, int, str]:
    family = FAMILIES.index(card.family) if card.family in FAMILIES else len(FAMILIES)
    return family, card.year or 9999, card.name


def lookup(catalogue: Mapping[str, Value], name: str) -> Value:
    """Return the entry called ``name``, or raise a ValueError that lists the names and suggests a close one."""
    try:
        return catalogue[name]
    except (KeyError, TypeError):
        close = difflib.get_close_matches(str(name), catalogue, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"There is no {name!r}.{guess} Known: {', '.join(catalogue)}.") from None


def construct(catalogue: Mapping[str, type[Entry]], text: str) -> Entry:
    """Construct an entry by name, with parameters where they are given: ``"name"`` or ``"name:key=value,key=value"``.

    Raises:
        ValueError: an unknown name or parameter, or a value that does not fit, with those that would.
    """
    name, _, rest = str(text).partition(":")
    cls = lookup(catalogue, name)
    pairs = [part.partition("=") for part in rest.split(",") if part]
    return cls(**{key.strip(): cls.parse(key.strip(), value.strip()) for key, _, value in pairs})


def with_parameters(cls: type[Entry], parameters: Mapping[str, object]) -> Entry:
    """Construct an entry with parameters by name.

    Raises:
        TypeError: an unknown name, with the known ones.
    """
    unknown = set(parameters) - set(cls.parameters())
    if unknown:
        known = ", ".join(cls.parameters()) or "none"
        raise TypeError(f"{cls.card.name} has no parameter {', '.join(sorted(unknown))}. It has: {known}.")
    return cls(**parameters)


# Detectors and methods import the core, so it imports them only when one is needed by name.
def detectors() -> Mapping[str, type[Any]]:
    """Return ``mixviz.SALIENCY``."""
    return importlib.import_module("mixviz.detectors").SALIENCY


def methods() -> Mapping[str, type[Any]]:
    """Return ``mixviz.METHODS``."""
    return importlib.import_module("mixviz.methods").METHODS

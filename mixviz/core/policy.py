"""Policies: methods of the catalogue in a row, with probabilities, for the stages of a training; read from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from mixviz.core import checks, json_file
from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.core.parts import Operations, Unmixed
from mixviz.core.registry import lookup, methods, with_parameters

FORMAT, VERSION = "mixviz policy", 1
MOST = 64  # steps of a sequence


@dataclass(frozen=True)
class Step:
    """A method with the probability of its use: of each image for operations on single images, else of each batch."""

    method: Method
    probability: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, with the parameters that differ from their defaults."""
        defaults = {name: about["default"] for name, about in self.method.parameters().items()}
        options = {
            name: getattr(self.method, name) for name in defaults if getattr(self.method, name) != defaults[name]
        }
        return {"method": self.method.card.name, "probability": self.probability, "options": options}

    def in_words(self, title: str = "") -> str:
        """Describe the step: ``50 % Rotation (degrees=20)``; ``title`` replaces the method's own."""
        options = ", ".join(f"{name}={value}" for name, value in self.to_json()["options"].items())
        words = f"{title or self.method.card.title}{f' ({options})' if options else ''}"
        return words if self.probability == 1 else f"{100 * self.probability:.3g} % {words}"


@dataclass(frozen=True)
class Sequence:
    """Steps in a row: operations on single images, and as the last perhaps one method of any other kind."""

    steps: tuple[Step, ...]
    odds: float = 1.0

    def __post_init__(self) -> None:
        if len(self.steps) > MOST:
            raise ValueError(f"A policy has at most {MOST} steps in a row; got {len(self.steps)}.")
        for step in self.steps[:-1]:
            if not single(step.method):
                title = step.method.card.title
                raise ValueError(f"{title} mixes or erases, and only the last step may: put it behind the operations.")


@dataclass(frozen=True)
class Stage:
    """The sequences of a policy up to a share of a training; each batch draws one of them by its odds."""

    sequences: tuple[Sequence, ...]
    until: float = 1.0

    @property
    def shares(self) -> list[float]:
        """The share of the batches that each sequence gets."""
        total = sum(sequence.odds for sequence in self.sequences)
        return [sequence.odds / total for sequence in self.sequences]


@dataclass(frozen=True)
class Policy:
    """A policy, which changes from stage to stage of a training.

    Attributes:
        stages: in the order of their ends; the last ends with the training.
        source: where the policy comes from, as its file says.
    """

    stages: tuple[Stage, ...]
    source: Mapping[str, Any]

    def at(self, progress: float) -> Stage:
        """Return the stage at a share of a training, 0 to 1."""
        return next((stage for stage in self.stages if progress < stage.until), self.stages[-1])

    def in_words(self) -> list[str]:
        """Describe the sequences, a line for each: ``50 % Rotation (degrees=20), then CutMix``."""
        return [
            f"{f'{100 * share:.3g} %: ' if share < 1 else ''}"
            f"{', then '.join(step.in_words() for step in sequence.steps) or 'nothing'}"
            for stage in self.stages
            for share, sequence in zip(stage.shares, stage.sequences, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the policy as plain values, which :meth:`parse` reads."""
        stages = [
            {
                "until": stage.until,
                "policies": [
                    {"odds": sequence.odds, "steps": [step.to_json() for step in sequence.steps]}
                    for sequence in stage.sequences
                ],
            }
            for stage in self.stages
        ]
        return {"format": FORMAT, "version": VERSION, "stages": stages, "source": dict(self.source)}

    @classmethod
    def parse(cls, values: Any, name: str = "The policy") -> Policy:
        """Read a policy from plain values.

        Args:
            name: what an error calls the policy.

        Raises:
            ValueError: no policy, with the place of the mistake and what is expected.
        """
        values = _mapping(values, name, ("format", "version", "stages"))
        if values["format"] != FORMAT or values["version"] != VERSION:
            raise ValueError(
                f"{name} is no policy of a search: format and version should be {FORMAT!r} and {VERSION}; got "
                f"{values['format']!r} and {values['version']!r}."
            )
        stages = tuple(
            _stage(stage, f"{name}, stage {i}") for i, stage in enumerate(_list(values["stages"], f"{name}: stages"), 1)
        )
        ends = [stage.until for stage in stages]
        if ends != sorted(set(ends)) or ends[-1] != 1:
            raise ValueError(f"{name}: the ends of the stages (until) should rise to 1; got {ends}.")
        return cls(stages, _mapping(values.get("source", {}), f"{name}: source", ()))

    @classmethod
    def read(cls, path: str | Path) -> Policy:
        """Read a policy from a file.

        Raises:
            ValueError: the file is missing, too large or no policy.
        """
        path = Path(path)
        values = json_file.read(path, "give the policy.json of a search")
        return cls.parse(values, path.name)


NONE = Policy((Stage((Sequence(()),)),), {})


@lru_cache(maxsize=1024)
def single(method: Method) -> bool:
    """Whether a method only operates on single images and keeps their labels, as one batch of noise shows.

    Raises:
        ImportError: the method needs a package that is not installed.
    """
    images, labels = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])
    try:
        recipe = method.plan(Batch(images, labels), np.random.default_rng(0))
    except ValueError:  # it needs a network
        return False
    return len(recipe.partner) == 1 and not recipe.layer and isinstance(recipe.mixing, Operations | Unmixed)


def _stage(values: Any, name: str) -> Stage:
    values = _mapping(values, name, ("until", "policies"))
    checks.number(f"{name}: until", values["until"], 0, 1)
    sequences: list[Sequence] = []
    for i, one in enumerate(_list(values["policies"], f"{name}: policies"), 1):
        one, place = _mapping(one, f"{name}, policy {i}", ("odds", "steps")), f"{name}, policy {i}"
        checks.number(f"{place}: odds", one["odds"], 0, 1e9)
        steps = [
            _step(step, f"{place}, step {k}") for k, step in enumerate(_list(one["steps"], f"{place}: steps", 0), 1)
        ]
        try:
            sequences.append(Sequence(tuple(steps), float(one["odds"])))
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
    if not sum(sequence.odds for sequence in sequences):
        raise ValueError(f"{name}: at least one policy should have odds above 0.")
    return Stage(tuple(sequences), float(values["until"]))


def _step(values: Any, name: str) -> Step:
    values = _mapping(values, name, ("method",))
    checks.number(f"{name}: probability", values.get("probability", 1.0), 0, 1)
    options = _mapping(values.get("options", {}), f"{name}: options", ())
    if values["method"] == "searched":
        raise ValueError(f"{name}: a policy cannot contain another.")
    try:
        method = with_parameters(lookup(methods(), values["method"]), options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
    return Step(method, float(values.get("probability", 1.0)))


def _mapping(values: Any, name: str, needed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(values, dict) or any(key not in values for key in needed):
        keys = f" with {', '.join(needed)}" if needed else ""
        raise ValueError(f"{name} should be an object{keys}; got {values!r:.80}.")
    return cast(dict[str, Any], values)


def _list(values: Any, name: str, least: int = 1) -> list[Any]:
    if not isinstance(values, list) or len(cast(list[Any], values)) < least:
        raise ValueError(f"{name} should be a list{' that is not empty' if least else ''}; got {values!r:.80}.")
    return cast(list[Any], values)

"""The space of a search: policies over methods of the catalogue, with ranges of the methods' own parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from mixviz.core import json_file
from mixviz.core import policy as policies
from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.core.policy import Policy, Stage, Step, single
from mixviz.core.registry import lookup, with_parameters
from mixviz.detectors import SALIENCY
from mixviz.methods import METHODS
from mixviz.search.ranges import Drawn, Numbers, Range, Suggests, Values, narrowed, numbers, whole_range

STEPS, MOST = 2, 8  # steps of a policy: by default, and at most
OWN = ("baseline", "searched")  # no policy at all, and a policy in a policy


@dataclass(frozen=True)
class Space:
    """Policies with up to ``steps`` methods in a row, each with its parameters and a probability.

    All but the last method operate on single pictures; the last may also mix or erase. No method at all ("none") is in
    every space: it is the first trial of every search, and so is not drawn.

    Attributes:
        methods: the ranges of each method's parameters.
        steps: methods in a row, at most.
        probability: of a step; a method that has a parameter of that name is drawn by it instead.
    """

    methods: Mapping[str, Mapping[str, Range]]
    steps: int = STEPS
    probability: Numbers = field(default_factory=lambda: Numbers(0.0, 1.0))

    @property
    def operations(self) -> tuple[str, ...]:
        """Methods that only operate on single pictures, which may be followed by another."""
        return tuple(name for name in self.methods if _is_operation(name))

    @property
    def longest(self) -> int:
        """Methods in a row, at most: one if none of them can be followed by another."""
        return self.steps if self.operations else min(self.steps, 1)

    def sample(self, trial: Suggests) -> Policy:
        """Draw a policy of at least one method; each value has a name, and which there are depends on those before.

        Args:
            trial: a trial of Optuna, or :class:`mixviz.search.ranges.Drawn`.
        """
        count = trial.suggest_int("steps", 1, self.longest) if self.longest > 1 else 1
        slots = [*((f"step {i}", self.operations) for i in range(1, count)), ("last", tuple(self.methods))]
        steps = tuple(self._step(trial, slot, names) for slot, names in slots)
        return Policy((Stage((policies.Sequence(steps),)),), {})

    def random(self, rng: np.random.Generator) -> Policy:
        """Draw a policy with a generator."""
        return self.sample(Drawn(rng))

    def _step(self, trial: Suggests, slot: str, names: Sequence[str]) -> Step:
        name = names[0] if len(names) == 1 else trial.suggest_categorical(f"{slot}: method", names)
        return self.step(trial, name, slot)

    def step(self, trial: Suggests, name: str, slot: str = "last") -> Step:
        """Draw the parameters and the probability of one method."""
        ranges = self.methods[name]
        options = {one: of.suggest(trial, f"{slot}: {name}, {one}") for one, of in ranges.items()}
        own = "probability" in ranges
        probability = 1.0 if own else self.probability.suggest(trial, f"{slot}: probability")
        return Step(with_parameters(METHODS[name], options), probability)

    def to_json(self) -> dict[str, Any]:
        """Return the space as plain values, which :func:`read` takes."""
        methods = {name: {one: of.to_json() for one, of in ranges.items()} for name, ranges in self.methods.items()}
        return {"methods": methods, "steps": self.steps, "probability": self.probability.to_json()}


def space(only: Iterable[str] = (), without: Iterable[str] = (), file: str | Path | None = None) -> Space:
    """Make a space.

    By default it has the whole catalogue but for methods whose saliency comes from the gradient of the network that is
    trained (PuzzleMix, SnapMix, Co-Mixup, SaliencyMix+): a further pass, forward and backward, makes a trial about
    twice as long. Name them if you want them.

    Args:
        only: these methods alone, slow ones too.
        without: leave these out.
        file: a JSON file with narrower ranges, see :func:`parse`.

    Raises:
        ValueError: an unknown method, parameter or range, or nothing to search.
    """
    found = Space({name: full(name) for name in METHODS if name not in OWN and not slow(name)})
    if file is not None:
        found = parse(json_file.read(Path(file), "give the file of a space (--space)"), Path(file).name)
    only, without = list(only), list(without)
    for name in (*only, *without):
        _method(name, "the space")
    kept = only or [name for name in found.methods if name not in without]
    methods = {name: found.methods.get(name) or full(name) for name in kept if name not in without}
    if not methods:
        raise ValueError("No method is left to search: name fewer with --without, or more with --only.")
    return replace(found, methods=methods)


def parse(values: Any, name: str = "the space") -> Space:
    """Read a space from plain values.

    ``{"methods": {"rotation": {"degrees": [0, 30]}, "cutmix": {}}, "steps": 2, "probability": [0, 1]}``: parameters
    that are not named have their whole range; without ``methods`` it is that of :func:`space`.

    Raises:
        ValueError: an unknown method or parameter, or a range outside the parameter's own; names the place.
    """
    values = _object(values, name)
    if unknown := set(values) - {"methods", "steps", "probability"}:
        raise ValueError(f"{name}: {', '.join(sorted(unknown))}? A space has methods, steps and probability.")
    methods = {one: _ranges(one, given, name) for one, given in _object(values.get("methods", {}), name).items()}
    made = space() if not methods else Space(methods)
    steps = numbers(f"{name}: steps", values.get("steps", made.steps), 1, MOST, whole=True)
    probability = numbers(f"{name}: probability", values.get("probability", [0.0, 1.0]), 0, 1)
    return replace(made, steps=int(steps.high), probability=probability)


def full(name: str) -> dict[str, Range]:
    """Return the whole ranges of a method's parameters, without choices that need more than pictures and labels."""
    ranges = {one: whole_range(one, about) for one, about in METHODS[name].parameters().items()}
    return {one: _plannable(name, one, of) for one, of in ranges.items()}


def slow(name: str) -> bool:
    """Whether a method needs a further pass through the network at every step of a training."""
    about = METHODS[name].parameters().get("detector")
    return about is not None and about["default"] in SALIENCY and SALIENCY[about["default"]].needs_network


@lru_cache
def _is_operation(name: str) -> bool:
    return single(METHODS[name]())


@lru_cache(maxsize=1024)
def _plannable(name: str, parameter: str, one: Range) -> Range:
    """Leave out choices with which a batch of noise cannot be planned, though it can with the default."""
    if not isinstance(one, Values) or len(one.values) < 2 or not _plans(METHODS[name]()):
        return one
    return Values(tuple(value for value in one.values if _plans(with_parameters(METHODS[name], {parameter: value}))))


def _plans(method: Method) -> bool:
    batch = Batch(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(4))
    try:
        method.plan(batch, np.random.default_rng(0))
    except (ValueError, ImportError):
        return False
    return True


def _ranges(name: str, given: Any, place: str) -> dict[str, Range]:
    cls, ranges = _method(name, place), full(name)
    known = cls.parameters()
    for one, value in _object(given, f"{place}: {name}").items():
        if one not in known:
            has = ", ".join(known) or "none"
            raise ValueError(f"{place}: {name} has no parameter {one}. It has: {has}.")
        ranges[one] = narrowed(f"{place}: {name}, {one}", known[one], value)
        for end in ranges[one].to_json():
            with_parameters(cls, {one: end})  # a text is checked by its field
    return ranges


def _method(name: str, place: str) -> type[Method]:
    if name in OWN:
        raise ValueError(f"{place}: {name} is no choice: no method at all is in every space, and a policy in none.")
    try:
        return lookup(METHODS, name)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _object(values: Any, name: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{name} should be an object; got {values!r:.80}.")
    return cast(dict[str, Any], values)

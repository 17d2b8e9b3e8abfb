"""Read the contestants of a judge: methods of the catalogue, policies, and recipes of trainings from files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mixviz.core import json_file
from mixviz.core.policy import FORMAT, Policy, Step
from mixviz.core.registry import construct
from mixviz.methods import METHODS
from mixviz.networks import model_card
from mixviz.networks.run import Run

NONE = "none"  # crop and flip alone, as the run says; every judge compares with it
BASELINE = "baseline"  # its name in the catalogue
RECIPE = (  # fields of a run in which contestants may differ; all others are the same for all
    "augment", "method", "options", "mix_prob", "batch_size", "accumulate", "label_smoothing", "class_weights",
    "optimizer", "lr", "weight_decay", "schedule", "milestones", "gamma", "warmup", "ema",
)  # fmt: skip
UNSPOKEN = ("policy", "card", "recipe", "run")  # file names that say less than their folder's


@dataclass(frozen=True)
class Contestant:
    """A recipe of training: its name, and the fields of a run that it sets.

    Attributes:
        name: in tables and messages; no two contestants of a judge share one.
        changes: field of :class:`~mixviz.networks.run.Run` -> value.
        policy: what the method ``searched`` does, as plain values; None for other methods.
        given: the text or file that named it.
    """

    name: str
    changes: Mapping[str, Any]
    policy: Mapping[str, Any] | None = None
    given: str = ""

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip(".-") or "contestant"

    def run(self, base: Run, seed: int, policy: str = "") -> Run:
        """Return the run that trains it.

        Args:
            base: network, pictures, epochs and everything else that the contestant does not set.
            policy: path of the policy's file; empty: as the contestant says.

        Raises:
            ValueError, TypeError: a value that a run cannot have.
        """
        changes = dict(self.changes)
        if policy:
            changes["options"] = {**changes["options"], "path": policy}
        return dataclasses.replace(base, **{"options": {}, **changes, "seed": seed})

    def identity(self) -> dict[str, Any]:
        """Return what it trains with, as plain values: a policy by its content, not by its path."""
        if self.policy is None:
            return {"changes": dict(self.changes), "policy": None}
        options = {name: value for name, value in self.changes["options"].items() if name != "path"}
        return {"changes": {**self.changes, "options": options}, "policy": self.policy["stages"]}


def parse(texts: Sequence[str | Path]) -> list[Contestant]:
    """Read contestants, and put ``none`` before them if it is not among them.

    Args:
        texts: ``none``; a method of the catalogue with its parameters, ``cutmix:alpha=0.5``; a JSON file with a policy,
            with fields of a run (``{"method": "mixup", "options": {"alpha": 0.2}, "label_smoothing": 0.1}``), a recipe
            of `mixviz mix` or a card of `mixviz train`; or the folder of such a card.

    Raises:
        ValueError: no contestant beside ``none``, one named twice, or one that cannot be read; says what to do.
    """
    contestants = [_read(str(text)) for text in texts]
    given = [one.given for one in contestants]
    if twice := sorted({text for text in given if given.count(text) > 1}):
        raise ValueError(f"{', '.join(twice)}: named twice. Name each contestant once.")
    others = [one for one in contestants if one.given != NONE]
    if not others:
        raise ValueError(
            "A judge compares with none: name a contestant beside it, e.g. cutmix:alpha=0.5 or policy.json."
        )
    return _with_names([_none(), *others])


def _none() -> Contestant:
    return Contestant(NONE, {"method": BASELINE, "options": {}}, None, NONE)


def _read(text: str) -> Contestant:
    if text in (NONE, BASELINE):
        return _none()
    path = Path(text)
    if path.is_dir() and (path / model_card.FILE).is_file():
        path /= model_card.FILE
    if path.is_file() or (path.suffix == ".json" and text.partition(":")[0] not in METHODS):
        return _from_file(path, text)
    try:
        method = construct(METHODS, text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no contestant: {error} A contestant is none, a method with its parameters "
            "(cutmix:alpha=0.5), or a JSON file."
        ) from None
    options = Step(method).to_json()["options"]
    if method.card.name == "searched" and list(options) == ["path"]:
        return _from_file(Path(options["path"]), text)
    return _checked(text, {"method": method.card.name, "options": options}, text)


def _from_file(path: Path, text: str) -> Contestant:
    values = _json(path)
    name = path.parent.name if path.stem in UNSPOKEN and path.parent.name else path.stem
    if values.get("format") == FORMAT:
        Policy.parse(values, path.name)
        return Contestant(name, {"method": "searched", "options": {"path": str(path)}}, values, text)
    if "method" not in values:
        raise ValueError(
            f"{path} is no contestant: it should hold a policy (format {FORMAT!r}), or fields of a run with a method; "
            f"it holds {', '.join(list(values)[:8]) or 'nothing'}."
        )
    if "parameters" in values and not values.keys() & {"options"}:  # a recipe of a mixture, or a card
        run = values.get("run")
        of_run = {key: run[key] for key in ("mix_prob",) if key in run} if isinstance(run, dict) else {}
        values = {"method": values["method"], "options": values["parameters"], **of_run}
    return _checked(name, values, text, path)


def _checked(name: str, changes: dict[str, Any], text: str, path: Path | None = None) -> Contestant:
    """Make a contestant from fields of a run, after checking them."""
    where = "" if path is None else f"{path}: "
    known = Run.described().keys() | {"options"}
    if unknown := [key for key in changes if key not in known]:
        raise ValueError(f"{where}a run has no {', '.join(unknown)}. Contestants may set {', '.join(RECIPE)}.")
    if shared := [key for key in changes if key not in RECIPE]:
        flags = ", ".join("--" + key.replace("_", "-") for key in shared)
        raise ValueError(
            f"{where}{', '.join(shared)} should be the same for all contestants: leave out, or use {flags}."
        )
    try:
        Run(**changes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where or f'{text}: '}{error}") from None
    options, policy = changes.get("options", {}), None
    if changes["method"] == "searched" and options.get("path"):
        policy = Policy.read(options["path"]).to_json()
    return Contestant(name, changes, policy, text)


def _json(path: Path) -> dict[str, Any]:
    values = json_file.read(path, "give the JSON file of a contestant, or a method's name")
    if not isinstance(values, dict):
        raise ValueError(f"{path} should hold an object with a policy or fields of a run; got {values!r:.80}.")
    return cast(dict[str, Any], values)


def _with_names(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Number contestants whose names, or folders, would be the same."""
    named: list[Contestant] = []
    for one in contestants:
        taken, number, candidate = {other.folder.lower() for other in named}, 1, one
        while candidate.folder.lower() in taken:
            number += 1
            candidate = dataclasses.replace(one, name=f"{one.name}-{number}")
        named.append(candidate)
    return named

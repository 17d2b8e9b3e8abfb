"""Stored searches: folders that ``mixviz search`` and its judge have written, and what the page shows of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from mixviz.core import json_file
from mixviz.core.policy import NONE, Policy, Sequence, Stage
from mixviz.i18n import say
from mixviz.resources import assets, searches
from mixviz.ui.errors import log
from mixviz.ui.services.presenters import title

VARIABLE = "MIXVIZ_SEARCHES"  # the environment variable that names a search's folder, or a folder of them
TRIALS, POLICY, CARD = "trials.json", "policy.json", "card.json"
LIVE = "live.json"  # of a search that was started on the page
VERDICTS = ("verdict.json", "judged/verdict.json")  # beside the search, or where `mixviz search --judge` writes it
LARGEST = 2**25  # bytes of a file


@dataclass(frozen=True)
class Search:
    """A stored search.

    Attributes:
        trials: ``trials.json``: the strategy, what it scores, and the trials.
        policy: what was found.
        verdict: the judge's ``verdict.json``; None if nothing was judged.
        card: ``card.json``: title, data, command and date, as far as they are known.
        started: when a search was started on the page, in ISO 8601; empty for others.
    """

    name: str
    trials: dict[str, Any]
    policy: Policy
    verdict: dict[str, Any] | None
    card: dict[str, Any]
    started: str = ""

    def policy_of(self, number: int) -> Policy | None:
        """Return the policy of a trial by its number, 0 for what was found; None if there is no such trial."""
        if number == 0:
            return self.policy
        row = next((row for row in self.trials["trials"] if row["number"] == number), None)
        return None if row is None else Policy.parse({**NONE.to_json(), "stages": row["stages"]}, f"Trial {number}")


def folders() -> dict[str, Path]:
    """Return the folders of the stored searches by name: the host's first, then the bundled ones, then those that were
    started on the page, newest first."""
    own = os.environ.get(VARIABLE, "").strip()
    roots = [Path(own).expanduser().absolute()] if own else []
    below = [folder for root in (*roots, assets() / "searches") for folder in (root, *sorted(root.glob("*/")))]
    found: dict[str, Path] = {}
    for folder in (*below, *sorted(searches().glob("*/"), reverse=True)):
        if (folder / TRIALS).is_file() and (folder / POLICY).is_file():
            found.setdefault(folder.name, folder)
    return found


def stored() -> dict[str, Search]:
    """Return all stored searches by name.

    Raises:
        ValueError: a file of the host is damaged; searches that were started on the page are left out then.
    """
    found = {}
    for name, folder in folders().items():
        try:
            found[name] = _read(folder, _changed(folder))
        except ValueError as error:
            if folder.parent != searches():
                raise
            log.warning("A search of the page cannot be shown: %s", error)
    return found


def version(name: str) -> str:
    """Return a text that changes whenever the files of a search do."""
    return " ".join(map(str, _changed(folders()[name])))


def check() -> None:
    """Raise a ValueError where the host's folder is missing or holds no search."""
    own = os.environ.get(VARIABLE, "").strip()
    if not own:
        return
    root = Path(own).expanduser().absolute()
    if not any(folder.is_relative_to(root) for folder in folders().values()):
        raise ValueError(
            f"{VARIABLE}={own} holds no search: give the --out of `mixviz search`, or a folder of several."
        )
    stored()


def _changed(folder: Path) -> tuple[int, ...]:
    paths = [folder / name for name in (TRIALS, POLICY, CARD, *VERDICTS)]
    return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths)


@lru_cache(maxsize=32)
def _read(folder: Path, changed: tuple[int, ...]) -> Search:
    verdict = next((found for name in VERDICTS if (found := _json(folder / name)) is not None), None)
    policy = Policy.read(folder / POLICY)
    trials = _json(folder / TRIALS) or {}
    if not isinstance(trials.get("trials"), list):
        raise ValueError(f"{folder / TRIALS} holds no trials: give the --out of `mixviz search`.")
    started = (_json(folder / LIVE) or {}).get("started", "") if folder.parent == searches() else ""
    return Search(folder.name, trials, policy, verdict, _json(folder / CARD) or {}, started)


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    values = json_file.read(path, "give the --out of `mixviz search`", LARGEST)
    if not isinstance(values, dict):
        raise ValueError(f"{path} should hold an object: give the --out of `mixviz search`.")
    return cast(dict[str, Any], values)


# ---------------------------------------------------------------- policies in words


def in_words(sequence: Sequence, language: str) -> str:
    """Describe a sequence of steps in a language, as :meth:`mixviz.core.policy.Policy.in_words` does in English."""
    steps = [step.in_words(title(step.method.card.name, language)) for step in sequence.steps]
    return say("search.then", language).join(steps) or say("search.nothing", language)


def stages(policy: Policy, language: str) -> list[dict[str, Any]]:
    """Describe the stages of a policy: each one's end, its sequences in words with their shares of the batches, and how
    often each method is used."""
    return [
        {
            "until": stage.until,
            "sequences": [
                {"share": share, "words": in_words(sequence, language)}
                for share, sequence in zip(stage.shares, stage.sequences, strict=True)
            ],
            "uses": _uses(stage, language),
        }
        for stage in policy.stages
    ]


def _uses(stage: Stage, language: str) -> dict[str, dict[str, Any]]:
    """Return by title how often a method is used at least once in a stage, and its parameters."""
    uses: dict[str, dict[str, Any]] = {}
    for share, sequence in zip(stage.shares, stage.sequences, strict=True):
        never: dict[str, float] = {}
        for step in sequence.steps:
            name = title(step.method.card.name, language)
            never[name] = never.get(name, 1.0) * (1 - step.probability)
            options = ", ".join(f"{key}={value}" for key, value in step.to_json()["options"].items())
            known = uses.setdefault(name, {"share": 0.0, "options": []})
            known["options"] += [options] if options and options not in known["options"] else []
        for name, chance in never.items():
            uses[name]["share"] += share * (1 - chance)
    return uses

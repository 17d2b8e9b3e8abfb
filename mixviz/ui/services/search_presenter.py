"""Stored searches as plain data for the page's script."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from mixviz.core.policy import Policy
from mixviz.ui.services import verdicts
from mixviz.ui.services.live_search import state_of
from mixviz.ui.services.searches import Search, folders, stages

ABOUT = ("network", "epochs", "image_size", "batch_size", "lr", "data")  # fields of a run that the page names


def described(one: Search, language: str) -> dict[str, Any]:
    """Return what the page's script shows of a stored search, in a language."""
    rows, source = one.trials["trials"], one.policy.source
    known = [row["value"] for row in rows if row["value"] is not None]
    best = (min if one.trials["minimize"] else max)(known, default=None)
    seconds = accumulate(row["seconds"] for row in rows)
    return {
        "name": one.name,
        "card": {**one.card, **({"title": own} if (own := one.card.get(f"title_{language}")) else {})},
        "started": one.started,
        "state": state_of(folders()[one.name]) if one.started else "done",
        "strategy": one.trials["strategy"],
        "score": one.trials["score"],
        "unit": one.trials.get("unit", " %" if "accuracy" in one.trials["score"] else ""),
        "minimize": one.trials["minimize"],
        "best": best,
        "none": source.get("none"),
        "trials": [_trial(row, at, language) for row, at in zip(rows, seconds, strict=True)],
        "stages": stages(one.policy, language),
        "pictures": source.get("pictures"),
        "run": {key: source["run"][key] for key in ABOUT} if "run" in source else None,
        "verdict": one.verdict and _verdict(one.verdict, language),
    }


def _trial(row: Mapping[str, Any], at: float, language: str) -> dict[str, Any]:
    policy = Policy.parse({"format": "mixviz policy", "version": 1, "stages": row["stages"]}, f"Trial {row['number']}")
    last = list(row["epochs"].values())
    return {
        "number": row["number"],
        "state": row["state"],
        "value": row["value"],
        "last": last[-1] if last else None,
        "epochs": len(last),
        "at": at,
        "parent": row["parent"],
        "nothing": not any(sequence.steps for stage in policy.stages for sequence in stage.sequences),
        "words": [one["words"] for stage in stages(policy, language) for one in stage["sequences"]],
    }


def _verdict(verdict: Mapping[str, Any], language: str) -> dict[str, Any]:
    sentence, remarks = verdicts.in_words(verdict, language)
    against = {one["ours"]: one for one in verdict["against_none"]}
    return {
        "sentence": sentence,
        "remarks": remarks,
        "seeds": verdict["seeds"],
        "pictures": verdict["pictures"],
        "command": verdict["command"],
        "made": verdict["made"],
        "rows": [
            {
                "name": one["name"],
                "mean": one["mean"],
                "accuracies": one["accuracies"],
                "against": {kind: _interval(against[one["name"]][kind]) for kind in ("seeds", "pictures")}
                if one["name"] in against
                else None,
                "wins": one["name"] in against and against[one["name"]]["wins"],
                "loses": one["name"] in against and against[one["name"]]["loses"],
            }
            for one in verdict["standings"]
        ],
    }


def _interval(difference: Mapping[str, Any]) -> dict[str, Any]:
    return {key: difference[key] for key in ("mean", "low", "high", "count")}

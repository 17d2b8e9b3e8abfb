"""View of stored searches for a policy: the judge's verdict, the trials over time, and what each policy does."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.policy import Policy
from mixviz.methods import searched
from mixviz.render import overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.errors import as_user_error
from mixviz.ui.fields import malformed
from mixviz.ui.registry import View
from mixviz.ui.services import detector_options, searches, verdicts
from mixviz.ui.services.presenters import SIDE, SMALL
from mixviz.ui.services.tiling import sheet, smaller
from mixviz.ui.state import MAX_SEED, Request, of_state

DRAWS = 8  # of A and B each
COLUMNS = 4
ABOUT = ("network", "epochs", "image_size", "batch_size", "lr", "data")  # fields of a run that the page names


def search(request: Request) -> dict[str, Any]:
    """Return the stored searches, which do not depend on the pictures; sent once."""
    if not request.still:
        return {}
    return {"searches": [_described(one, request.language) for one in searches.stored().values()]}


def _described(one: searches.Search, language: str) -> dict[str, Any]:
    rows, source = one.trials["trials"], one.policy.source
    known = [row["value"] for row in rows if row["value"] is not None]
    best = (min if one.trials["minimize"] else max)(known, default=None)
    seconds = accumulate(row["seconds"] for row in rows)
    return {
        "name": one.name,
        "card": one.card,
        "strategy": one.trials["strategy"],
        "score": one.trials["score"],
        "unit": one.trials.get("unit", " %" if "accuracy" in one.trials["score"] else ""),
        "minimize": one.trials["minimize"],
        "best": best,
        "none": source.get("none"),
        "trials": [_trial(row, at, language) for row, at in zip(rows, seconds, strict=True)],
        "stages": searches.stages(one.policy, language),
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
        "words": [one["words"] for stage in searches.stages(policy, language) for one in stage["sequences"]],
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


def pictured(state: Any) -> dict[str, Any]:
    """Return pictures of a policy on A and B: ``search`` is the name of a stored search, ``trial`` a number, 0 for the
    policy that was found."""
    request = of_state(state, checked_path)
    name, number = state.get("search"), state.get("trial")
    one = searches.stored().get(name) if isinstance(name, str) else None
    whole = isinstance(number, int) and not isinstance(number, bool)
    policy = one.policy_of(number) if one is not None and whole else None
    if policy is None:
        raise malformed("There is no such trial.")
    batch = _batch(request)
    examples, tiles = [], []
    for draw in range(DRAWS):
        rng = np.random.default_rng((int(request.seed) + draw) % (MAX_SEED + 1))
        with as_user_error(ValueError, ImportError):
            recipe = searched.plan(policy, batch, rng, partner=np.array([1, 0]))
        tiles += [smaller(image, SMALL) for image in recipe.apply(batch.images)]
        share = recipe.targets(torch.tensor([0, 1]), 2)
        examples += share.tolist()
    return {
        "sheet": overlays.data_uri(sheet(tiles, COLUMNS)),
        "columns": COLUMNS,
        "labels": examples,
        "stages": searches.stages(policy, request.language),
    }


def _batch(request: Request) -> Batch:
    a, b = request.a, request.b
    return Batch(
        detector_options.pair(a, b, SIDE), torch.tensor([0, 1]), detector_options.network(request.detector),
        saliency=detector_options.maps(a, b, SIDE, request.detector),
    )  # fmt: skip


VIEW = View("search", 15, search, "choose", controls=(), functions=(pictured,), check=searches.check, example="trial=1")

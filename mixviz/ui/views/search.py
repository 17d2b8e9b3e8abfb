"""View of searches for a policy: the judge's verdict, the trials over time, what each does, and a small search."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.methods import searched
from mixviz.render import overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.errors import as_user_error
from mixviz.ui.fields import malformed
from mixviz.ui.registry import View
from mixviz.ui.services import detector_options, live_status, search_pictures, searches
from mixviz.ui.services.presenters import SIDE, SMALL
from mixviz.ui.services.search_presenter import described
from mixviz.ui.services.tiling import sheet, smaller
from mixviz.ui.state import MAX_SEED, Request, of_state

DRAWS = 8  # of A and B each
COLUMNS = 4


def search(request: Request) -> dict[str, Any]:
    """Return the stored searches, which do not depend on the pictures; sent once."""
    if not request.still:
        return {}
    return {"searches": [described(one, request.language) for one in searches.stored().values()]}


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


def _check() -> None:
    searches.check()
    search_pictures.check()


VIEW = View(
    "search", 15, search, "choose", controls=(), functions=(pictured, *live_status.FUNCTIONS), check=_check,
    example="trial=1",
)  # fmt: skip

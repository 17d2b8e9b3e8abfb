from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from mixviz.core.batch import Batch
from mixviz.core.builders import alone
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.parts import LabelRule, Operations, Unmixed
from mixviz.core.policy import Policy, Sequence, Stage, single
from mixviz.core.recipe import Recipe
from mixviz.ops import operations
from mixviz.ops.operations import OpSequence


def json_file(path: str) -> Path:
    """Check the name of a policy's file, which is read when the policy is used.

    Raises:
        ValueError: it does not end with .json.
    """
    if not path.endswith(".json"):
        raise ValueError(f"give the policy.json of a search; got {path!r}.")
    return Path(path)


def policy_of(path: str) -> Policy:
    """Read a policy; the project's own where ``path`` is empty.

    Raises:
        ValueError: no file, or no policy.
    """
    where = json_file(path or str(files("mixviz.methods").joinpath("searched.json")))
    try:
        changed = where.stat().st_mtime_ns
    except OSError as error:
        raise ValueError(f"{where} cannot be read ({error.strerror}): give the policy.json of a search.") from None
    return _read(where, changed)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Policy:
    return Policy.read(path)


@dataclass(frozen=True)
class Searched(Method):
    """A policy that `mixviz search` found: operations on each image, and then perhaps a method that mixes or erases.

    $$\\tilde x = m(o_k(\\dots o_1(x_A)), o_k(\\dots o_1(x_B))) \\qquad \\tilde y = m(y_A, y_B)$$

    A policy is a list of sequences, of which each batch draws one by its odds. The operations of a sequence are
    applied image by image, each with its own probability; the last step may be any method of the catalogue, and is
    used for the whole batch or not at all. Change the seed, and look which sequence and which operations are drawn.
    A search by populations gives a list for each stage of a training: ``progress`` shows a point of it, and
    `mixviz train` follows it. Without ``path`` it is an example of a policy, not the result of a search. A search
    on a part of ImageNet lowered the error of ResNet-50 from 23.7 % to 22.4 % (Fast AutoAugment README; that
    policy, not the default here). With few pictures a search seldom beats no policy at all: every search here has
    it among its candidates, and ends before a judge.
    """

    path: str = parameter(
        "", "the policy.json of a search; empty: the project's own", example="runs/search/policy.json",
        check=lambda path: path and json_file(path),
    )  # fmt: skip
    progress: float = parameter(1.0, "share of the training that is done", low=0, high=1)

    together: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        "searched", "Searched policy", family="learned policy", label="that of the last step",
        after=("fast_autoaugment", "pba", "switch"), aliases=("search", "AutoML", "탐색한 정책"),
    )  # fmt: skip

    def at(self, progress: float) -> Searched:
        return dataclasses.replace(self, progress=progress)

    def contents(self) -> dict[str, str]:
        stages = policy_of(self.path).to_json()["stages"]
        return {"path": hashlib.sha256(json.dumps(stages, sort_keys=True).encode()).hexdigest()}

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        return _build(policy_of(self.path).at(self.progress), batch, draw)


def plan(
    policy: Policy, batch: Batch, rng: np.random.Generator, *, progress: float = 1.0, partner: np.ndarray | None = None
) -> Recipe:
    """Draw a recipe of a policy in memory: the same as :class:`Searched` draws of it in a file.

    Args:
        progress: share of the training that is done, 0 to 1.
        partner: use these partners (N,) instead of drawing a permutation.
    """
    permutation = rng.permutation(len(batch))
    used = permutation if partner is None else partner
    return _build(policy.at(progress), batch, Draw(rng, np.ones(len(batch)), used, None, partner is not None))


def _build(stage: Stage, batch: Batch, draw: Draw) -> Recipe:
    odds, rng = np.array([sequence.odds for sequence in stage.sequences]), draw.rng
    sequence = stage.sequences[rng.choice(len(odds), p=odds / odds.sum())]
    operated = _operations(batch, rng, sequence)
    last = sequence.steps[-1] if sequence.steps and not single(sequence.steps[-1].method) else None
    if last is None or rng.random() >= last.probability:
        return operated
    before = operated.mixing if isinstance(operated.mixing, Operations) and any(operated.mixing.sequences[0]) else None
    partner = draw.partner if draw.partner_held else None
    behind = batch if before is None else _behind(batch, operated)
    return dataclasses.replace(last.method.plan(behind, rng, lam=draw.held, partner=partner), before=before)


def _operations(batch: Batch, rng: np.random.Generator, sequence: Sequence) -> Recipe:
    """Plan the operations of a sequence, in a row, each on the images that its probability draws."""
    own: list[OpSequence] = [()] * len(batch)
    fill, operates = None, False
    for step in sequence.steps:
        if not single(step.method):
            break
        recipe, used = step.method.plan(batch, rng), rng.random(len(batch)) < step.probability
        if isinstance(recipe.mixing, Operations):
            pairs = zip(own, recipe.mixing.sequences[0], used, strict=True)
            own, operates = [before + more if use else before for before, more, use in pairs], True
            fill = fill if recipe.mixing.fill is None else recipe.mixing.fill
    share = torch.ones(1, len(batch), device=batch.device)
    mixing = Operations((tuple(own),), fill) if operates else Unmixed()
    return Recipe(size=batch.size, partner=alone(batch), share=share, mixing=mixing, label=LabelRule.OWN)


def _behind(batch: Batch, recipe: Recipe) -> Batch:
    """The batch after its operations."""
    maps, objects = batch.given_saliency, batch.objects
    if maps is not None and recipe.sequences is not None:
        maps = operations.carry(recipe.sequences[0], maps[:, None])[:, 0].clamp(0, 1)
    return batch.after(recipe.apply(batch.images), objects and recipe.follow(objects).objects, maps)

"""Trainings without labels: each picture is its own class, and batches are made of pictures near each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mixviz.core.objective import Pairs
from mixviz.embeddings import manifold
from mixviz.training.loader import Feed

MINED = 30  # pictures that are compared by distance and along the manifold


def each_its_own(feed: Feed) -> Feed:
    """Give each picture of a feed a class of its own, with its index as label."""
    return replace(feed, split=replace(feed.split, labels=torch.arange(len(feed)), close=None))


def neighbours(embedding: Tensor, size: int) -> dict[str, Tensor]:
    """Group each picture with its nearest ones: ``groups`` (N, size)."""
    _check(embedding, size)
    own = torch.arange(len(embedding))[:, None]
    return {"groups": torch.cat([own, manifold.nearest(embedding, size - 1)], 1)}


def mined(embedding: Tensor, size: int) -> dict[str, Tensor]:
    """Group pictures with hard positives and hard negatives, see :func:`mixviz.embeddings.manifold.mine`.

    Args:
        embedding: (N, D) of the training pictures.
        size: pictures in a group; half of them, rounded down, are positives, and the rest beside the anchor negatives.

    Returns:
        ``positives`` and ``negatives`` (N, k), and ``groups`` (Q, size) of the pictures that have both.

    Raises:
        ValueError: no picture has both.
    """
    _check(embedding, size)
    found = manifold.mine(embedding, min(MINED, len(embedding) - 1))
    rows = []
    for index in range(len(embedding)):
        parts = [part[index][part[index] >= 0] for part in found]
        if all(len(part) for part in parts):
            counts = size // 2, size - 1 - size // 2
            drawn = [part[torch.arange(count) % len(part)] for part, count in zip(parts, counts, strict=True)]
            rows.append(torch.cat([torch.tensor([index]), *drawn]))
    if not rows:
        raise ValueError(
            "No picture has both hard positives and hard negatives along the manifold: start from --pretrained "
            "weights, take more pictures, or another objective."
        )
    return {"groups": torch.stack(rows), **found._asdict()}


def _check(embedding: Tensor, size: int) -> None:
    if len(embedding) < size:
        raise ValueError(f"{len(embedding)} training pictures make no group of --per-class {size}: lower it.")


def mined_pairs(relations: Mapping[str, Tensor], pictures: Tensor) -> Pairs:
    """Relate the pictures of a batch by what was mined; all other pairs do not count.

    Args:
        relations: of :func:`mined`.
        pictures: (N,) indices.
    """
    among = {
        name: (relations[name].to(pictures.device)[pictures][:, :, None] == pictures).any(1).float()
        for name in ("positives", "negatives")
    }
    return Pairs(among["positives"], among["negatives"], pictures)


def by_groups(groups: np.ndarray, total: int, batch_size: int, views: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the order of an epoch whose batches hold whole groups, in random order, each picture ``views`` times.

    Args:
        groups: (Q, K) indices.
        total: N, pictures of the split.
        batch_size: images, views counted; divisible by K times ``views``.

    Returns:
        Indices of N images, and of up to ``batch_size`` - 1 fewer.
    """
    count, batches = batch_size // (views * groups.shape[1]), total // batch_size
    rounds = -(-count * batches // len(groups))
    drawn = np.concatenate([rng.permutation(len(groups)) for _ in range(rounds)] or [np.empty(0, np.int64)])
    rows = drawn[: count * batches].reshape(batches, count)
    return np.tile(groups[rows].reshape(batches, -1), (1, views)).flatten()

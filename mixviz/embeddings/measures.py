"""Retrieval: each picture is a query, and the others are ranked by their similarity to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings.vectors import class_indices, directions

QUERIES = 512  # pictures that are compared with all others at a time
COMPARED = 2**25  # pairs that are compared at a time: 256 MB of float64


class Retrieval(NamedTuple):
    """``mean_average_precision`` and ``precision_at_1``, both 0 to 1."""

    mean_average_precision: float
    precision_at_1: float


class Ranking(NamedTuple):
    """Scores of rankings, see :func:`ranking`; all but ``queries`` are means over the queries, 0 to 1.

    Attributes:
        queries: number of pictures with another one of their class.
        mean_average_precision: see :func:`retrieval`.
        map_at_r: mean average precision of the first R ranks.
        recall: for each k, the share of queries with a picture of their class among the first k.
        precision: for each k, the share of the first k that are of the query's class.
    """

    queries: int
    mean_average_precision: float
    map_at_r: float
    recall: dict[int, float]
    precision: dict[int, float]


def retrieval(embedding: Tensor, labels: Tensor) -> Retrieval:
    """Rank, for each picture, all others by similarity, and score the ranks of those of its class.

    $$\\mathrm{AP} = \\frac{1}{R} \\sum_{r:\\ \\mathrm{hit\\ at}\\ r} \\frac{\\mathrm{hits\\ up\\ to}\\ r}{r}$$

    The others are ranked by cosine similarity, ties by index; R is the number of others of the class. Pictures that are
    alone in their class are no queries.

    Args:
        embedding: (N, D).
        labels: (N,) classes.

    Raises:
        ValueError: no class has two pictures.
    """
    seen = ranking(embedding, labels, (1,))
    return Retrieval(seen.mean_average_precision, seen.recall[1])


def recall_at(embedding: Tensor, labels: Tensor, counts: Sequence[int]) -> list[float]:
    """Share of the pictures, 0 to 1, with a picture of their class among the k nearest others, for each k.

    The others are ranked as in :func:`retrieval`. Pictures that are alone in their class are no queries.

    Args:
        embedding: (N, D).
        labels: (N,) classes.
        counts: numbers k, 1 or more.

    Raises:
        ValueError: no class has two pictures.

    Source: Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 33, 2011.
    """
    recall = ranking(embedding, labels, counts).recall
    return [recall[count] for count in counts]


def ranking(
    embedding: Tensor, labels: Tensor, counts: Sequence[int] = (1, 5, 10), close: Tensor | None = None
) -> Ranking:
    """Rank, for each picture, all others by cosine similarity, and compute the usual scores of the ranks.

    $$\\mathrm{AP@R} = \\frac{1}{R} \\sum_{r \\le R:\\ \\mathrm{hit\\ at}\\ r} \\frac{\\mathrm{hits\\ up\\ to}\\ r}{r}$$

    R is the number of others of the query's class. Ties are ranked by index. Pictures that are alone in their class are
    no queries; they stay among the others.

    Args:
        embedding: (N, D).
        labels: (N,) classes.
        counts: numbers k. The precision at more than there are others is that of all others.
        close: (C, C) bool: pairs of classes that are too close to be told apart. Pictures of a class that is close to
            the query's are taken out of the ranking.

    Raises:
        ValueError: no class has two pictures.

    Source: AP@R: Musgrave, Belongie, Lim, "A Metric Learning Reality Check", ECCV 2020, arXiv:2003.08505.
    """
    for count in counts:
        checks.number("counts", count, 1, whole=True)
    unit = directions(embedding)
    labels = class_indices(labels, len(unit))
    close = _checked_close(close, labels)
    columns: list[list[Tensor]] = []
    if len(unit) < 2:
        raise ValueError("There is a single picture: there is nothing to find.")
    for hit, rank in _ranked(unit, labels, close):
        relevant = hit.sum(1)
        precision = hit.cumsum(1) / rank.double().clamp(min=1) * hit
        average = precision.sum(1) / relevant
        at_r = (precision * (rank <= relevant[:, None])).sum(1) / relevant
        within = [(hit & (rank <= count)).sum(1) for count in counts]
        ranked = rank[:, -1:].expand(len(hit), 1)[:, 0]
        columns.append([
            average, at_r, *((found > 0).double() for found in within),
            *(found / ranked.clamp(max=count) for found, count in zip(within, counts, strict=True)),
        ])  # fmt: skip
    if not sum(len(one[0]) for one in columns):
        raise ValueError("No class has two pictures: there is nothing to find.")
    values = [torch.cat(parts) for parts in zip(*columns, strict=True)]
    means, k = [column.double().mean().item() for column in values], len(counts)
    recall, precision = (dict(zip(counts, means[i : i + k], strict=True)) for i in (2, 2 + k))
    return Ranking(len(values[0]), means[0], means[1], recall, precision)


def _checked_close(close: Tensor | None, labels: Tensor) -> Tensor | None:
    if close is None:
        return None
    checks.tensor("close", close, "bool", ("C", "C"))
    least = int(labels.amax()) + 1
    if close.shape[0] != close.shape[1] or len(close) < least:
        raise ValueError(f"close should be (C, C) with C at least {least}, as labels say; got {tuple(close.shape)}.")
    return close.cpu()


def _ranked(unit: Tensor, labels: Tensor, close: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for some queries at a time, hits (Q, N - 1) bool in ranked order, and the rank of each, from 1.

    Ranks are (1, N - 1), or (Q, N - 1) where pictures are taken out, which do not raise the rank.
    """
    rank = torch.arange(1, len(unit))[None]
    step = max(1, min(QUERIES, COMPARED // len(unit)))
    for queries in torch.arange(len(unit)).split(step):
        similarity = unit[queries] @ unit.T
        similarity[torch.arange(len(queries)), queries] = -torch.inf  # the query itself comes last, and is left out
        order = similarity.argsort(dim=1, descending=True, stable=True)[:, :-1]
        found = labels[order]
        hit = found == labels[queries, None]
        asks = hit.any(1)
        if close is None:
            yield hit[asks], rank
        else:
            counted = hit | ~close[labels[queries, None], found]
            yield hit[asks], counted[asks].cumsum(1)

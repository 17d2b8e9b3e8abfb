"""Place recognition: whether a picture of the same place is among the nearest ones, by measured positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings.vectors import directions

RADIUS = 25.0  # metres: the field's custom
QUERIES = 512
COMPARED = 2**25  # pairs at a time


class PlaceRecall(NamedTuple):
    """``recall`` for each N, 0 to 1, over ``queries`` pictures that have another one within the radius."""

    queries: int
    recall: dict[int, float]


def place_recall(
    embedding: Tensor, positions: Tensor, counts: Sequence[int] = (1, 5, 10), radius: float = RADIUS,
    gallery: tuple[Tensor, Tensor] | None = None,
) -> PlaceRecall:  # fmt: skip
    """Compute recall@N: the share of queries with one of the N nearest pictures taken within ``radius`` of them.

    Pictures are ranked by cosine similarity, ties by index. Queries without any picture within the radius cannot be
    answered and are left out.

    Args:
        embedding: (Q, D) of the queries.
        positions: (Q, A) float where they were taken, in metres: A = 2 (east, north) or 3 (earth-centred).
        counts: numbers N.
        radius: in metres, included.
        gallery: (embedding (M, D), positions (M, A)) of the pictures to find; None: each query is compared with all
            other queries.

    Raises:
        ValueError: shapes that do not fit, or no query has a picture within the radius.

    Source: Arandjelović, Gronat, Torii, Pajdla, Sivic, "NetVLAD: CNN Architecture for Weakly Supervised Place
    Recognition", CVPR 2016, arXiv:1511.07247.
    """
    for count in counts:
        checks.number("counts", count, 1, whole=True)
    checks.number("radius", radius, 0, checks.FINITE)
    queries, of_queries = _checked(embedding, positions)
    known, of_known = (queries, of_queries) if gallery is None else _checked(*gallery)
    if known.shape[1] != queries.shape[1] or of_known.shape[1] != of_queries.shape[1]:
        raise ValueError("Queries and gallery should have vectors, and positions, of the same length.")
    firsts = []
    for index in torch.arange(len(queries)).split(max(1, min(QUERIES, COMPARED // len(known)))):
        similarity = queries[index] @ known.T
        near = torch.cdist(of_queries[index], of_known, compute_mode="donot_use_mm_for_euclid_dist") <= radius
        if gallery is None:
            rows = torch.arange(len(index))
            similarity[rows, index] = -torch.inf
            near[rows, index] = False
        hit = near.gather(1, similarity.argsort(dim=1, descending=True, stable=True))
        firsts.append(hit[hit.any(1)].int().argmax(1))
    first = torch.cat(firsts)
    if not len(first):
        raise ValueError(f"No query has another picture within {radius:g} m: there is no place to recognise.")
    return PlaceRecall(len(first), {count: (first < count).double().mean().item() for count in counts})


def _checked(embedding: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    unit = directions(embedding)
    checks.tensor("positions", positions, "float", (len(unit), "A"), -checks.FINITE, checks.FINITE)
    return unit, positions.cpu().double()

"""The revisited Oxford and Paris protocol: queries with easy, hard and junk pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core import checks

# What each protocol looks for, and what it leaves out.
PROTOCOLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
KINDS = ("easy", "hard", "junk")
RANKS = (1, 5, 10)
REMEDY = "Convert the original file as docs/guides/retrieval.md shows."


@dataclass(frozen=True)
class Query:
    """A query: its ``name``, the ``box`` (left, top, right, bottom) to cut out, in pixels, and the numbers of the
    gallery's pictures that are ``easy``, ``hard`` or ``junk``."""

    name: str
    box: tuple[float, float, float, float]
    easy: tuple[int, ...]
    hard: tuple[int, ...]
    junk: tuple[int, ...]


class Truth(NamedTuple):
    """``gallery``: names of the pictures to rank; ``queries``: see :class:`Query`."""

    gallery: tuple[str, ...]
    queries: tuple[Query, ...]


class Score(NamedTuple):
    """``mean_average_precision`` and ``precision`` at each k, both 0 to 1, over ``queries`` that look for something."""

    queries: int
    mean_average_precision: float
    precision: dict[int, float]


def read(path: str | Path) -> Truth:
    """Read a ground truth from JSON of the structure of the original pickle, which is never opened.

    It has ``imlist`` (names of the gallery), ``qimlist`` (names of the queries) and ``gnd``: per query ``bbx`` (left,
    top, right, bottom), ``easy``, ``hard`` and ``junk`` (indices into ``imlist``).

    Raises:
        ValueError: not such a file; names the entry and what is wrong.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no JSON ({str(error)[:100]}). {REMEDY}") from None
    try:
        gallery, names, entries = (values[key] for key in ("imlist", "qimlist", "gnd"))
        if len(names) != len(entries):
            raise ValueError(f"{len(names)} names of queries, but {len(entries)} entries in gnd")
        queries = [_query(i, name, entry, len(gallery)) for i, (name, entry) in enumerate(zip(names, entries))]  # noqa: B905
    except (KeyError, TypeError, ValueError) as error:
        what = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} is no ground truth of the revisited protocol: {what}. {REMEDY}") from None
    return Truth(tuple(map(str, gallery)), tuple(queries))


def _query(index: int, name: str, entry: Mapping, count: int) -> Query:
    kinds = {}
    for kind in KINDS:
        numbers = [int(number) for number in entry[kind]]
        wrong = [number for number in numbers if not 0 <= number < count]
        if wrong:
            raise ValueError(f"gnd[{index}].{kind} has {wrong[0]}, and imlist has {count} names, from 0 on")
        kinds[kind] = tuple(numbers)
    left, top, right, bottom = (float(edge) for edge in entry["bbx"])
    if not (left < right and top < bottom):
        raise ValueError(f"gnd[{index}].bbx should be left, top, right, bottom; it is {entry['bbx']}")
    return Query(str(name), (left, top, right, bottom), **kinds)


def score(ranks: Tensor, queries: Sequence[Query], protocol: str, counts: Sequence[int] = RANKS) -> Score:
    """Score rankings by a protocol: ``easy``, ``medium`` or ``hard``.

    Pictures that a protocol leaves out are removed from the ranking. Average precision is the area under precision over
    recall by trapezoids, as in the protocol, which differs a little from :func:`mixviz.embeddings.measures.retrieval`:

    $$\\mathrm{AP} = \\frac{1}{R} \\sum_{j=1}^{R} \\frac{1}{2} \\Big( \\frac{j-1}{r_j - 1} + \\frac{j}{r_j} \\Big)$$

    r_j is the rank of the j-th hit, from 1, and the first fraction is 1 where r_j = 1. Precision at k is that at min(k,
    rank of the last hit). Queries that have nothing to find by the protocol are left out.

    Args:
        ranks: (Q, N) int: the gallery's numbers, most similar first, for each query.
        queries: Q, of :func:`read`.
        protocol: of :data:`PROTOCOLS`.
        counts: numbers k.

    Raises:
        ValueError: an unknown protocol, other shapes, or no query with something to find.

    Source: Radenović, Iscen, Tolias, Avrithis, Chum, "Revisiting Oxford and Paris: Large-Scale Image Retrieval
    Benchmarking", CVPR 2018, arXiv:1803.11285.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"The protocols are {', '.join(PROTOCOLS)}; got {protocol!r}.")
    checks.tensor("ranks", ranks, "integer", (len(queries), "N"), 0)
    wanted, ignored = PROTOCOLS[protocol]
    averages, precisions = [], []
    for row, query in zip(ranks.cpu().numpy(), queries, strict=True):
        positive = [number for kind in wanted for number in getattr(query, kind)]
        if not positive:
            continue
        left_out = [number for kind in ignored for number in getattr(query, kind)]
        hits = np.flatnonzero(np.isin(row[~np.isin(row, left_out)], positive)) + 1.0  # ranks from 1
        found = np.arange(1, len(hits) + 1)
        before = np.where(hits > 1, (found - 1) / np.maximum(hits - 1, 1), 1.0)
        averages.append(((before + found / hits) / 2).sum() / len(set(positive)))
        depths = [min(count, hits[-1]) if len(hits) else count for count in counts]
        precisions.append([(hits <= depth).sum() / depth for depth in depths])
    if not averages:
        raise ValueError(f"No query has anything to find by the protocol {protocol}.")
    means = torch.tensor(precisions, dtype=torch.float64).mean(0).tolist()
    return Score(len(averages), float(np.mean(averages)), dict(zip(counts, means, strict=True)))

"""Rankings of the gallery by the networks: similarities, average precision, and what their cards say of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from cachetools import LRUCache, cached
from torch import Tensor

from mixviz.cam.inference import KnownModel
from mixviz.core.registry import construct
from mixviz.embeddings import directions, embed, retrieval
from mixviz.heads import HEADS
from mixviz.networks import zoo
from mixviz.networks.model_card import ModelCard
from mixviz.objectives import OBJECTIVES
from mixviz.ui.services import host_gallery
from mixviz.ui.services.background import Progress
from mixviz.ui.services.embedding_view import network_view
from mixviz.ui.services.networks import AT_ONCE
from mixviz.ui.services.photo_gallery import FOLDER, Gallery, Query

FIRST = ("baseline", "cutmix")  # shown beside the reference where no network was trained for retrieval
MOST = 6  # networks shown first
SENT = 100  # results that the page gets
PLAIN = "cross_entropy"  # the objective of cards that name none

_running = threading.Condition()  # who asks for vectors that are being computed waits for them


def facts(card: ModelCard) -> dict[str, str | int]:
    """Return what tells a network from others in retrieval: the titles of head and objective, the data set, and how
    many stages it has, 0 for all."""
    head = card.network.head
    return {
        "head": _title(HEADS, head) if head else "",
        "objective": _title(OBJECTIVES, _objective(card)) if card.run else "",
        "data": card.data.name,
        "strategy": card.strategy or "",
        "stages": card.network.keep_stages,
    }


def _objective(card: ModelCard) -> str:
    return str((card.run or {}).get("objective") or PLAIN)


def _title(registry: Mapping[str, Any], spec: str) -> str:
    try:
        return construct(registry, spec).card.title
    except (ValueError, TypeError):
        return spec


def for_retrieval(card: ModelCard) -> bool:
    """Return whether a network has another head than its architecture's, or learned embeddings."""
    spec = card.network
    return bool(spec.head or spec.dimensions or spec.whiten) or not spec.scores or _objective(card) != PLAIN


def first_shown(known: Mapping[str, KnownModel]) -> list[str]:
    """Choose the networks that are shown first: the reference, those trained for retrieval, and visitors' own."""
    own = [name for name in known if name.startswith("own_")]
    trained = [name for name, one in known.items() if for_retrieval(one.card) and name not in own]
    reference = zoo.REFERENCE if zoo.REFERENCE in known else next(iter(known))
    shown = list(dict.fromkeys([reference, *own, *(trained or [name for name in FIRST if name in known])]))
    return shown[:MOST]


@cached(LRUCache(128), key=lambda known, paths: (known.name, known.sha256, paths), condition=_running)
def vectors(known: KnownModel, paths: tuple[str, ...]) -> Tensor:
    """Embed pictures by a network: (N, D) float64 of length 1. Cached: a path's content never changes.

    Raises:
        ValueError: the network has no embedding.
    """
    model = known.loaded()
    views = torch.stack([network_view(path, known.input_view) for path in paths])
    parts = [embed(*model.behind_trunk(model.normalised(part))) for part in views.split(AT_ONCE)]
    return directions(torch.cat(parts))


def ranked(known: KnownModel, query: Query, gallery: Gallery) -> dict[str, Any]:
    """Rank a gallery by cosine similarity to a query, which is left out where it is in the gallery itself.

    ``order`` holds the first :data:`SENT`, and ``hit`` says of each whether it is of the query's class, None where that
    is unknown. ``ap`` is the average precision of the query over all, None where its class is unknown or it is alone;
    ``map`` the mean over the gallery. While a folder is being embedded, ``progress`` tells how far that is instead.
    """
    found = _embedded(known, gallery)
    if isinstance(found, Progress):
        return {"name": known.name, "progress": found._asdict()}
    rows, places, mean = found
    own = rows[places.index(query.place)] if query.place in places else vectors(known, (query.path,))[0].to(rows)
    similarity = rows @ own
    order = [i for i in similarity.argsort(descending=True, stable=True).tolist() if places[i] != query.place]
    hits = [gallery.items[places[i]].label == query.label for i in order] if query.label else None
    return {
        "name": known.name,
        "order": [places[i] for i in order[:SENT]],
        "similarity": [round(similarity[i].item(), 4) for i in order[:SENT]],
        "hit": hits and hits[:SENT],
        "ap": average_precision(hits) if hits else None,
        "map": None if mean is None else round(mean, 4),
        "dimensions": rows.shape[1],
    }


def _embedded(known: KnownModel, gallery: Gallery) -> tuple[Tensor, Sequence[int], float | None] | Progress:
    """Return a gallery's vectors (N, D), their places in it, and its mean average precision; or how far they are."""
    if gallery.name == FOLDER:
        found = host_gallery.indexed(gallery, known)
        return found if isinstance(found, Progress) else (found.vectors(), found.places, found.mean_average_precision)
    rows = vectors(known, gallery.paths)
    return rows, range(len(rows)), retrieval(rows, gallery.class_indices).mean_average_precision


def average_precision(hits: Sequence[bool]) -> float | None:
    """Average precision of a ranking, as in :func:`mixviz.embeddings.retrieval`; None where nothing is to be found."""
    ranks = [rank for rank, hit in enumerate(hits, 1) if hit]
    return round(sum(found / rank for found, rank in enumerate(ranks, 1)) / len(ranks), 4) if ranks else None

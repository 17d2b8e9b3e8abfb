"""View of embeddings: the page's pictures among the stored ones, for each network."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixviz.data import pictures
from mixviz.embeddings import directions, placement
from mixviz.render import overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.registry import View
from mixviz.ui.services import embedding_view, folder_embedding, uploads
from mixviz.ui.services.embedding_view import StoredEmbedding, chosen, everything, flat, network_view
from mixviz.ui.services.tiling import picture, thumbnails
from mixviz.ui.state import Request

NEAREST = 5
PATIENCE = 0.3  # seconds after which the networks so far are sent; the rest is left for the next request
SIDE = 128  # pixels of a shown picture


def embeddings(request: Request) -> dict[str, Any]:
    """Place A and B in the networks' embeddings, that of the chosen network first; ``pending`` names those left.

    :func:`overview` sends the stored pictures once. ``bundled``: which of the photographs A and B are, or None.
    """
    paths = {"a": request.a, "b": request.b}
    first = chosen(request.network).known.name
    names = [name for name in request.only or dict.fromkeys((first, *everything()[0])) if name in everything()[0]]
    placed: dict[str, dict[str, Any]] = {"a": {}, "b": {}}
    start = time.monotonic()
    while names and (not placed["a"] or time.monotonic() - start < PATIENCE):
        name = names.pop(0)
        for key, path in paths.items():
            placed[key][name] = places(name, (path,))[0]
    return {
        "network": first,
        "plane": request.plane,
        "placed": placed,
        "pictures": {key: thumbnail(path) for key, path in paths.items()},
        "bundled": {key: bundled().index(path) if path in bundled() else None for key, path in paths.items()},
        "pending": names,
    }


def photographs(state: Any) -> dict[str, Any]:
    """Place the bundled photographs in the embeddings of the networks ``only``; with their similarities to each other.

    Of A and B, ``alike`` holds the similarity to each photograph, and ``between`` that of A to B. ``still`` requests
    the sheet of the photographs' pictures, too.
    """
    asked, paths = state if isinstance(state, dict) else {}, bundled()
    pair = {key: (checked_path(asked[key]),) for key in "ab" if key in asked}
    wanted = asked.get("only")
    names = [name for name in everything()[0] if not isinstance(wanted, list) or name in wanted]
    there = {name: (places(name, paths), similarities(name, paths, paths)) for name in names}
    return {
        "photographs": [
            {
                "stem": Path(path).stem,
                "placed": {name: placed[i] for name, (placed, _) in there.items()},
                "similarity": {name: similar[i] for name, (_, similar) in there.items()},
            }
            for i, path in enumerate(paths)
        ],
        "alike": {key: {name: similarities(name, path, paths)[0] for name in names} for key, path in pair.items()},
        "between": {name: similarities(name, *pair.values())[0] for name in names if len(pair) == 2},
        "sheet": thumbnails([picture(path, SIDE) for path in paths]) if asked.get("still") else None,
    }


@functools.cache
def bundled() -> tuple[str, ...]:
    """Return the paths of the bundled photographs."""
    return tuple(os.path.realpath(pictures.photograph_path(name)) for name in pictures.photographs())


@functools.lru_cache(maxsize=1024)
def places(name: str, paths: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the placement of each picture in a network's embedding."""
    return _placed(everything()[0][name], *answers_of(name, paths))


@functools.lru_cache(maxsize=1024)
def answers_of(name: str, paths: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Return the embedding (N, D) and the class probabilities (N, classes) of pictures by a network, from one pass.

    Cached: an upload's path contains its content's hash.
    """
    one = everything()[0][name]
    return one.answers(torch.stack([network_view(path, one.known.input_view) for path in paths]))


def similarities(name: str, paths: tuple[str, ...], others: tuple[str, ...]) -> list[list[float]]:
    """Return the cosine similarity of each picture to each of the others, by a network."""
    vectors, further = (directions(answers_of(name, some)[0]) for some in (paths, others))
    return [[round(value, 4) for value in row] for row in (vectors @ further.T).tolist()]


@functools.lru_cache(maxsize=256)
def thumbnail(path: str) -> str:
    """Return a small picture as a data URI."""
    return overlays.data_uri(picture(path, SIDE).permute(1, 2, 0).numpy())


def _placed(one: StoredEmbedding, vectors: Tensor, chances: Tensor) -> list[dict[str, Any]]:
    said = [{"class": int(each.argmax()), "probability": round(each.max().item(), 4)} for each in chances]
    try:
        near = placement.nearest(vectors, one.tensors["embedding"], NEAREST)
    except ValueError as error:
        return [{**each, "not_placed": str(error)} for each in said]
    labels, held = one.tensors["label"][near.index].tolist(), one.held and placement.outlying(vectors, one.held)
    planes = {"pca": placement.project(vectors, one.plane), "tsne": placement.beside(near, one.tensors["tsne"])}
    return [
        {
            **each,
            **{name: flat(plane[i]) for name, plane in planes.items()},
            "near": near.index[i].tolist(),
            "similarity": [round(value, 4) for value in near.similarity[i].tolist()],
            "most": _most(labels[i]),
            "distance": held and round(held.distance[i].item(), 2),
            "farther": held and round(held.farther[i].item(), 4),
        }
        for i, each in enumerate(said)
    ]


def _most(labels: list[int]) -> list[int]:
    """Return the most frequent class and its count; on ties, the first."""
    most = max(labels, key=labels.count)
    return [most, labels.count(most)]


def overview(_: Any) -> dict[str, Any]:
    """Return the stored embeddings of the networks."""
    return embedding_view.overview()


def look_in(state: Any) -> dict[str, Any]:
    """Return thumbnails of a part of the visitor's folder."""
    return uploads.look_in(state, checked_path)


def lay_out(state: Any) -> dict[str, Any]:
    """Return the embedding of the visitor's folder by a network."""
    return folder_embedding.laid_out(state, checked_path)


VIEW = View(
    "embeddings",
    20,
    embeddings,
    "inside",
    controls=("pictures",),
    functions=(overview, embedding_view.thumbnails, photographs, look_in, lay_out),
    example="plane=tsne",
)

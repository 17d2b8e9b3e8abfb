"""View of embeddings: the page's pictures among the stored ones, for each network."""

from __future__ import annotations

import functools
import os
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
SIDE = 128  # pixels of a shown picture


def embeddings(request: Request) -> dict[str, Any]:
    """Place A and B in all networks' embeddings; :func:`overview` sends the stored pictures once.

    ``similarity``: of A and of B to each bundled photograph; ``between``: of A to B; ``bundled``: which of the
    photographs A and B are, or None.
    """
    paths = {"a": request.a, "b": request.b}
    return {
        "network": chosen(request.network).known.name,
        "plane": request.plane,
        "placed": {key: placed(path) for key, path in paths.items()},
        "pictures": {key: thumbnail(path) for key, path in paths.items()},
        "similarity": {key: similarities((path,), bundled())[0] for key, path in paths.items()},
        "between": similarities((request.a,), (request.b,))[0],
        "bundled": {key: bundled().index(path) if path in bundled() else None for key, path in paths.items()},
    }


def photographs(_: Any) -> dict[str, Any]:
    """Place the bundled photographs in all networks' embeddings; with their similarities and their pictures."""
    paths = bundled()
    parts = zip(paths, places(paths), similarities(paths, paths), strict=True)
    return {
        "photographs": [
            {"stem": Path(path).stem, "placed": where, "similarity": alike} for path, where, alike in parts
        ],
        "sheet": thumbnails([picture(path, SIDE) for path in paths]),
    }


@functools.cache
def bundled() -> tuple[str, ...]:
    """Return the paths of the bundled photographs."""
    return tuple(os.path.realpath(pictures.photograph_path(name)) for name in pictures.photographs())


def placed(path: str) -> dict[str, dict[str, Any]]:
    """Return a picture's placement in each network's embedding, by the network's name."""
    return places((path,))[0]


@functools.lru_cache(maxsize=256)
def places(paths: tuple[str, ...]) -> list[dict[str, dict[str, Any]]]:
    """Return :func:`placed` of several pictures."""
    networks, _ = everything()
    told = {name: _placed(networks[name], *answers) for name, answers in answers_of(paths).items()}
    return [{name: placed[i] for name, placed in told.items()} for i in range(len(paths))]


@functools.lru_cache(maxsize=256)
def answers_of(paths: tuple[str, ...]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the embedding (N, D) and the class probabilities (N, classes) of pictures by each network's name.

    One forward pass per network. Cached: an upload's path contains its content's hash.
    """
    networks, _ = everything()
    seen = {
        view: torch.stack([network_view(path, view) for path in paths])
        for view in {one.known.input_view for one in networks.values()}
    }
    return {name: one.answers(seen[one.known.input_view]) for name, one in networks.items()}


def similarities(paths: tuple[str, ...], others: tuple[str, ...]) -> list[dict[str, list[float]]]:
    """Return the cosine similarity of each picture to each of the others, by the network's name."""
    rows = {
        name: (directions(vectors) @ directions(answers_of(others)[name][0]).T).tolist()
        for name, (vectors, _) in answers_of(paths).items()
    }
    return [{name: [round(value, 4) for value in row[i]] for name, row in rows.items()} for i in range(len(paths))]


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

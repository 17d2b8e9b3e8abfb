"""Embed a visitor's folder with a network and project it to two dimensions.

The files' own names are only shown on the page: pictures are read from Gradio's upload folder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mixviz.data.pictures import View
from mixviz.embeddings import directions, pca, placement, tsne
from mixviz.i18n import UserError
from mixviz.ui.fields import malformed
from mixviz.ui.services.embedding_view import chosen, flat, network_view, numbers
from mixviz.ui.services.uploads import paths_of

MOST = 300  # pictures: as many as the zoo's embeddings hold
LEAST = 3  # for t-SNE
NEAREST = 5


def laid_out(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """Project a folder's embedding by PCA and, with ``tsne``, by t-SNE; with clusters and metrics if there are classes.

    The state's ``files`` are the paths of the pictures, ``names`` their paths within the folder, and ``beside`` the
    paths of A and B, which are placed among them.

    Raises:
        UserError: fewer pictures than t-SNE needs, or more than :data:`MOST`.
    """
    paths = tuple(map(checked_path, paths_of(state, MOST)))
    names = state.get("names")
    if not isinstance(names, list) or len(names) != len(paths):
        raise malformed("Every picture has a name.")
    if len(paths) < LEAST:
        raise UserError("embed.few", least=LEAST, count=len(paths))
    network = state.get("network")
    name = chosen(network if isinstance(network, str) else "").known.name
    vectors, (classes, labels) = _embedded(name, paths), classes_of(names)
    plane, plot = pca(directions(vectors)), _tsne(name, paths) if state.get("tsne") else None
    beside = tuple(map(checked_path, _pair(state.get("beside", []))))
    return {
        "network": name,
        "classes": classes,
        "label": labels,
        "pca": flat(plane),
        "tsne": None if plot is None else flat(plot),
        "explained": round(placement.explained(vectors, plane), 4),
        "near": _among(vectors),
        "beside": _beside(_embedded(name, beside), vectors, plane, plot) if beside else [],
        **_numbers(vectors, torch.tensor(labels)),
    }


def classes_of(names: list[Any]) -> tuple[list[str], list[int]]:
    """Return the class names, taken from sub-folders, and the label of each picture; -1 outside any sub-folder.

    A name is ``folder/sub-folder/…/file``, as browsers give it; only the first sub-folder counts.
    """
    parts = [str(name).split("/") for name in names]
    folders = [path[1][:60] if len(path) > 2 else None for path in parts]
    classes = sorted({name for name in folders if name is not None})
    return classes, [-1 if name is None else classes.index(name) for name in folders]


def _pair(paths: Any) -> list[Any]:
    if not isinstance(paths, list) or len(paths) > 2:
        raise malformed("At most two pictures are placed beside a folder.")
    return paths


def _among(vectors: Tensor) -> list[dict[str, list[Any]]]:
    """Return the pictures of the folder that are most similar to each of them, without itself."""
    near = placement.nearest(vectors, vectors, min(NEAREST + 1, len(vectors)))
    own = near.index == torch.arange(len(vectors))[:, None]
    own[~own.any(1), -1] = True  # more equal pictures than are listed
    rows = zip(near.index, near.similarity, ~own, strict=True)
    return [_near(index[others], similarity[others]) for index, similarity, others in rows]


def _beside(asked: Tensor, vectors: Tensor, plane: Tensor, plot: Tensor | None) -> list[dict[str, Any]]:
    """Place further pictures among those of the folder."""
    near = placement.nearest(asked, vectors, min(NEAREST, len(vectors)))
    own = placement.project(asked, placement.plane(vectors, plane))
    median = plot if plot is None else placement.beside(near, plot)
    return [
        {
            **_near(near.index[i], near.similarity[i]),
            "pca": flat(own[i]),
            "tsne": None if median is None else flat(median[i]),
        }
        for i in range(len(asked))
    ]


def _near(index: Tensor, similarity: Tensor) -> dict[str, list[Any]]:
    return {"near": index.tolist(), "similarity": [round(value, 4) for value in similarity.tolist()]}


def _numbers(vectors: Tensor, labels: Tensor) -> dict[str, Any]:
    """Return k-means clusters and retrieval metrics of the labelled pictures, if there are at least two classes."""
    known = labels >= 0
    if len(labels[known].unique()) < 2:
        return {"here": None, "clusters": None}
    try:
        metrics = placement.cluster_metrics(vectors[known], labels[known])
    except ValueError:  # no class has two pictures
        return {"here": None, "clusters": None}
    clusters = torch.full_like(labels, -1)
    clusters[known] = metrics.assigned
    return {"here": numbers(metrics), "clusters": clusters.tolist()}


@functools.lru_cache(maxsize=1200)
def _view(path: str, wanted: View) -> Tensor:
    return network_view(path, wanted)


@functools.lru_cache(maxsize=24)
def _embedded(name: str, paths: tuple[str, ...]) -> Tensor:
    one = chosen(name)
    return one.embed(torch.stack([_view(path, one.known.input_view) for path in paths]))


@functools.lru_cache(maxsize=24)
def _tsne(name: str, paths: tuple[str, ...]) -> Tensor:
    return tsne(directions(_embedded(name, paths)))

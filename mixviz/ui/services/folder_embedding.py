"""A folder of the visitor's own: looked at in small parts, then embedded by a network and laid out.

What its files are called reaches the page and nothing else: pictures are read where Gradio put them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mixviz.embeddings import directions, pca, placement, tsne
from mixviz.i18n import UserError
from mixviz.ui.fields import malformed
from mixviz.ui.services.embedding_view import chosen, flat, network_view, numbers
from mixviz.ui.services.uploads import paths_of

MOST = 300  # pictures: as many as are stored of the zoo's own
LEAST = 3  # for t-SNE


def laid_out(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """A folder as one network sees it: PCA and, with ``tsne``, t-SNE; clusters and numbers where there are classes.

    ``files`` are the paths of its pictures, ``names`` what they are called in their folder.

    Raises:
        UserError: fewer pictures than t-SNE needs, or more than are taken.
    """
    paths = tuple(map(checked_path, paths_of(state, MOST)))
    names = state.get("names")
    if not isinstance(names, list) or len(names) != len(paths):
        raise malformed("Every picture has a name.")
    if len(paths) < LEAST:
        raise UserError("embed.few", least=LEAST, count=len(paths))
    wanted = state.get("network")
    name = chosen(wanted if isinstance(wanted, str) else "").known.name
    vectors, (classes, labels) = _embedded(name, paths), classes_of(names)
    plot = pca(directions(vectors))
    return {
        "network": name,
        "classes": classes,
        "label": labels,
        "pca": flat(plot),
        "tsne": flat(_tsne(name, paths)) if state.get("tsne") else None,
        "explained": round(placement.explained(vectors, plot), 4),
        **_numbers(vectors, torch.tensor(labels)),
    }


def classes_of(names: list[Any]) -> tuple[list[str], list[int]]:
    """The classes of pictures by the sub-folders that they lie in, and each picture's: -1 where it lies in none.

    A name is ``folder/sub-folder/…/file``, as browsers give it; only the first sub-folder counts.
    """
    parts = [str(name).split("/") for name in names]
    found = [one[1][:60] if len(one) > 2 else None for one in parts]
    classes = sorted({name for name in found if name is not None})
    return classes, [-1 if name is None else classes.index(name) for name in found]


def _numbers(vectors: Tensor, labels: Tensor) -> dict[str, Any]:
    """k-means and retrieval of the pictures that have a class, where there are two classes or more."""
    known = labels >= 0
    if len(labels[known].unique()) < 2:
        return {"here": None, "clusters": None}
    try:
        stand = placement.cluster_metrics(vectors[known], labels[known])
    except ValueError:  # no class has two pictures
        return {"here": None, "clusters": None}
    clusters = torch.full_like(labels, -1)
    clusters[known] = stand.assigned
    return {"here": numbers(stand), "clusters": clusters.tolist()}


@functools.lru_cache(maxsize=1200)
def _view(path: str, side: int) -> Tensor:
    return network_view(path, side)


@functools.lru_cache(maxsize=24)
def _embedded(name: str, paths: tuple[str, ...]) -> Tensor:
    one = chosen(name)
    return one.embed(torch.stack([_view(path, one.known.side) for path in paths]))


@functools.lru_cache(maxsize=24)
def _tsne(name: str, paths: tuple[str, ...]) -> Tensor:
    return tsne(directions(_embedded(name, paths)))

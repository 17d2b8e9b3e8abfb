"""The page's view of embeddings: where its pictures stand among those that are stored, network by network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixviz import paint, pictures, placing
from mixviz.ui.request import Request
from mixviz.ui.stored import THUMBNAIL, Stored, chosen, everything, flat, sheet_of

NEAREST = 5


def embeddings(request: Request) -> dict[str, Any]:
    """A and B in all networks; the stored pictures themselves come once, by :func:`mixviz.ui.stored.overview`."""
    return {
        "network": chosen(request.network).known.name,
        "plane": request.plane,
        "placed": {"a": placed(request.a), "b": placed(request.b)},
        "pictures": {key: thumbnail(path) for key, path in (("a", request.a), ("b", request.b))},
    }


def photographs(_: Any) -> dict[str, Any]:
    """The bundled photographs in all networks, with their thumbnails."""
    paths = [pictures.photograph_path(name) for name in pictures.photographs()]
    return {
        "photographs": [{"stem": Path(path).stem, "placed": placed(path)} for path in paths],
        "sheet": sheet_of([small(path, THUMBNAIL) for path in paths]),
    }


@functools.lru_cache(maxsize=256)
def placed(path: str) -> dict[str, dict[str, Any]]:
    """Network -> where a picture stands in it. An upload's path holds its content's hash, and so never changes."""
    return {name: _placed(one, small(path, one.known.side)[None]) for name, one in everything()[0].items()}


@functools.lru_cache(maxsize=256)
def thumbnail(path: str) -> str:
    """A small picture as a data URI."""
    return paint.data_uri(small(path, THUMBNAIL).permute(1, 2, 0).numpy())


def small(path: str, side: int) -> Tensor:
    """(3, side, side) uint8."""
    return torch.from_numpy(pictures.load_once(path, side)).permute(2, 0, 1)


def _placed(one: Stored, image: Tensor) -> dict[str, Any]:
    vector, chances = one.embed(image), one.probability(image)[0]
    said = {"class": int(chances.argmax()), "probability": round(chances.max().item(), 4)}
    try:
        near = placing.nearest(vector, one.tensors["embedding"], NEAREST)
    except ValueError as error:
        return {**said, "not_placed": str(error)}
    labels = one.tensors["label"][near.index[0]]
    held = one.held and placing.outlying(vector, one.held)
    return {
        **said,
        "pca": flat(placing.project(vector, one.plane)),
        "tsne": flat(placing.beside(near, one.tensors["tsne"])),
        "near": near.index[0].tolist(),
        "similarity": [round(value, 4) for value in near.similarity[0].tolist()],
        "most": _most(labels.tolist()),
        "distance": held and round(held.distance.item(), 2),
        "farther": held and round(held.farther.item(), 4),
    }


def _most(labels: list[int]) -> list[int]:
    """The most frequent class and how often it is there: of equally frequent ones the one that comes first."""
    most = max(labels, key=labels.count)
    return [most, labels.count(most)]

"""The page's view of embeddings: where its pictures stand among those that are stored, network by network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixviz.data import pictures
from mixviz.embeddings import placement
from mixviz.render import overlays
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
        "photographs": [
            {"stem": Path(path).stem, "placed": where} for path, where in zip(paths, places(tuple(paths)), strict=True)
        ],
        "sheet": sheet_of([small(path, THUMBNAIL) for path in paths]),
    }


def placed(path: str) -> dict[str, dict[str, Any]]:
    """Network -> where a picture stands in it."""
    return places((path,))[0]


@functools.lru_cache(maxsize=256)
def places(paths: tuple[str, ...]) -> list[dict[str, dict[str, Any]]]:
    """:func:`placed` of several, which each network sees at once. An upload's path holds its content's hash, and so
    never changes."""
    networks, _ = everything()
    seen = {
        side: torch.stack([view(path, side) for path in paths])
        for side in {one.known.side for one in networks.values()}
    }
    told = {name: _placed(one, seen[one.known.side]) for name, one in networks.items()}
    return [{name: placed[i] for name, placed in told.items()} for i in range(len(paths))]


@functools.lru_cache(maxsize=256)
def thumbnail(path: str) -> str:
    """A small picture as a data URI."""
    return overlays.data_uri(small(path, THUMBNAIL).permute(1, 2, 0).numpy())


def small(path: str, side: int) -> Tensor:
    """(3, side, side) uint8, to be shown."""
    return torch.from_numpy(pictures.load_once(path, side)).permute(2, 0, 1)


def view(path: str, side: int) -> Tensor:
    """(3, side, side) uint8, as a network takes it."""
    return torch.from_numpy(pictures.view(path, side).copy()).permute(2, 0, 1)


def _placed(one: Stored, images: Tensor) -> list[dict[str, Any]]:
    vectors, chances = one.answers(images)
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
    """The most frequent class and how often it is there: of equally frequent ones the one that comes first."""
    most = max(labels, key=labels.count)
    return [most, labels.count(most)]

"""Stored embeddings for the page's script: planes, clusters, numbers, thumbnails."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mixviz.cam.inference import KnownModel
from mixviz.core.inference import float_type
from mixviz.data import pictures
from mixviz.data.dataset import decode
from mixviz.embeddings import embed, placement
from mixviz.i18n import UserError
from mixviz.networks import class_names, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.ui.errors import log
from mixviz.ui.services import tiling
from mixviz.ui.services.networks import trained

DATA = "MIXVIZ_DATA"  # the environment variable that names the folder of the data sets


@dataclass(frozen=True, eq=False)
class StoredEmbedding:
    """A network with its stored embedding (``tensors``: see :func:`mixviz.networks.zoo.embedding`) and more values."""

    known: KnownModel
    tensors: dict[str, Tensor]
    plane: placement.Plane
    clusters: placement.ClusterMetrics

    @functools.cached_property
    def held(self) -> placement.OODReference | None:
        """Reference of distances, computed when a picture is placed; None where the classes have too few pictures."""
        try:
            return placement.ood_reference(self.tensors["embedding"], self.tensors["label"])
        except ValueError:
            return None

    def embed(self, images: Tensor) -> Tensor:
        """Embed pictures (N, 3, side, side) uint8 as vectors (N, D)."""
        model = self.known.loaded()
        return embed(*model.behind_trunk(model.normalised(images)))

    def answers(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embedding (N, D) and the class probabilities (N, classes) of pictures from one forward pass."""
        vectors = self.embed(images)
        head: nn.Module = getattr(self.known.loaded().network, "get_classifier")()  # noqa: B009  timm's networks have it
        with torch.inference_mode():
            return vectors, head(vectors.to(float_type(head))).float().softmax(1)


@functools.cache
def everything() -> tuple[dict[str, StoredEmbedding], dict[str, str]]:
    """Return the networks with a stored embedding, and for each other network the reason why it has none, by name.

    Raises:
        ValueError: there are no networks.
    """
    found, left_out = {}, {}
    for known in trained().values():
        try:
            tensors = zoo.embedding(known.name)
            stand = placement.cluster_metrics(tensors["embedding"], tensors["label"])
        except ValueError as error:
            left_out[known.name] = str(error).replace(str(zoo.folder()), zoo.folder().name)  # visitors read it
            continue
        plane = placement.plane(tensors["embedding"], tensors["pca"])
        found[known.name] = StoredEmbedding(known, tensors, plane, stand)
    return found, left_out


def chosen(name: str) -> StoredEmbedding:
    """Return the embedding of the named network, else that of CutMix, else the first.

    Raises:
        UserError: no embedding is stored.
    """
    there, left_out = everything()
    if not there:
        raise UserError("embed.none", reason=next(iter(left_out.values()), ""))
    return there.get(name) or there.get("cutmix") or next(iter(there.values()))


def overview() -> dict[str, Any]:
    """Return all planes at once, so that the script switches between them without another request."""
    there, left_out = everything()
    chosen("")
    sets: list[dict[str, Any]] = []
    networks = []
    for name, one in there.items():
        own = {
            "classes": one.known.classes,
            "label": one.tensors["label"].tolist(),
            "data": one.known.card.data.name,
        }
        own["index"] = one.tensors["index"].tolist()
        if own not in sets:
            sets.append(own)
        networks.append({"name": name, "set": sets.index(own), **_told(one)})
    return {
        "sets": [
            {key: each[key] for key in ("classes", "label", "data")}
            | {"kinds": [class_names.kind_of(one) for one in each["classes"]]}
            for each in sets
        ],
        "networks": networks,
        "left_out": left_out,
    }


def _told(one: StoredEmbedding) -> dict[str, Any]:
    card, tensors = one.known.card, one.tensors
    return {
        "title": one.known.title,
        "dimensions": tensors["embedding"].shape[1],
        "pca": flat(tensors["pca"]),
        "tsne": flat(tensors["tsne"]),
        "clusters": one.clusters.assigned.tolist(),
        "explained": round(placement.explained(tensors["embedding"], tensors["pca"]), 4),
        "here": numbers(one.clusters),
        "card": of_card(card),
    }


def flat(plot: Tensor) -> list[float]:
    """Return x and y alternating, rounded to three digits: a thousandth of a plot is less than a pixel."""
    return [round(value, 3) for value in plot.double().flatten().tolist()]


def numbers(stand: placement.ClusterMetrics) -> dict[str, float]:
    """Return the metrics of the shown pictures under the names that cards use."""
    return {
        "images": len(stand.assigned),
        "purity_percent": round(100 * stand.purity, 4),
        "nmi_percent": round(100 * stand.nmi, 4),
        "retrieval_map_percent": round(100 * stand.near.mean_average_precision, 4),
        "precision_at_1_percent": round(100 * stand.near.precision_at_1, 4),
    }


def of_card(card: ModelCard) -> dict[str, Any] | None:
    """Return a card's metrics of the embedding and of out-of-distribution pictures; None if it has none."""
    metrics = card.metrics or {}
    own = metrics.get("embedding") or {}
    if "nmi_percent" not in own:
        return None
    far, softmax = own.get("mahalanobis") or {}, metrics.get("ood") or {}
    return {key: value for key, value in own.items() if key != "mahalanobis"} | {
        "images": metrics["images"],
        "seed": card.seed,
        "auroc_direction": (far.get("others_by_direction") or {}).get("auroc_percent"),
        "auroc_paper": (far.get("others") or {}).get("auroc_percent"),
        "auroc_softmax": (softmax.get("others") or {}).get("auroc_percent"),
        "others": (far.get("others_by_direction") or {}).get("images"),
        "others_are": far.get("others_are"),
    }


@functools.lru_cache(maxsize=4)
def _thumbnails(name: str, root: str) -> str:
    pixels, _ = decode(zoo.pictures(name, root), tiling.THUMBNAIL)
    return tiling.thumbnails(list(pixels))


def thumbnails(state: Any) -> dict[str, Any]:
    """Return a sheet of a network's stored pictures if their data set is on this machine.

    Problems with the folder are logged for whoever runs the page, and not shown to visitors.
    """
    root, wanted = os.environ.get(DATA, ""), state.get("network") if isinstance(state, dict) else None
    one = chosen(wanted if isinstance(wanted, str) else "")
    if not root:
        return {"sheet": None, "reason": "embed.data_none"}
    try:
        return {"sheet": _thumbnails(one.known.name, str(Path(root).expanduser())), "columns": tiling.COLUMNS}
    except ValueError as error:
        log.warning("No thumbnails of the stored pictures: %s", error)
        return {"sheet": None, "reason": "embed.data_other"}


def network_view(path: str, wanted: pictures.View) -> Tensor:
    """Return a network's input (3, side, side) uint8."""
    return torch.from_numpy(pictures.view(path, wanted).copy()).permute(2, 0, 1)

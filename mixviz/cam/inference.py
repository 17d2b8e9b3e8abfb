"""Heat maps of one picture: networks by name or folder, classes by name, maps, boxes and numbers."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mixviz.cam import grad_cam
from mixviz.cam.boxes import boxes_at
from mixviz.cam.localization import heat
from mixviz.cam.methods import Progress, heat_maps
from mixviz.core.inference import NormalizedModel
from mixviz.networks import user_network, zoo
from mixviz.networks.model_card import ModelCard


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A trained network with what is known of it.

    Attributes:
        name: the zoo's, or that of its folder.
        card: see :mod:`mixviz.networks.model_card`.
        network: in evaluation mode, for normalised images.
        sha256: of the file of its weights.
        called: another title, which tells visitors' networks apart.
    """

    name: str
    card: ModelCard
    network: nn.Module
    sha256: str
    called: str = ""

    @property
    def classes(self) -> list[str]:
        return list(self.card.data.classes)

    @property
    def side(self) -> int:
        """The side of the square pictures that it takes."""
        return self.card.network.image_size

    @property
    def title(self) -> str:
        """The training strategy, for people."""
        return self.called or self.card.strategy or self.name

    def index(self, name: str) -> int:
        """The index of a class, whatever the case of its letters.

        Raises:
            ValueError: it knows no such class, with the nearest names.
        """
        folded = [known.casefold() for known in self.classes]
        if name.casefold() in folded:
            return folded.index(name.casefold())
        raise ValueError(f"{self.name} knows no class {name!r}.{_nearest(name, self.classes)}")


def open_networks(wanted: str, where: str | Path | None = None) -> list[LoadedModel]:
    """The networks of a list.

    Args:
        wanted: ``all`` of the zoo, or names and folders with commas between. A folder is a run of ``mixviz train``,
            or any with ``card.json`` and the weights as safetensors (:func:`mixviz.networks.user_network.read_folder`).
        where: the zoo's folder.

    Raises:
        ValueError: no such network, with the nearest names, or one that is damaged.
    """
    there = zoo.names(where)
    parts = there if wanted.strip() == "all" else [part.strip() for part in wanted.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"There are no networks in {where or zoo.folder()}: name a folder with card.json and weights.")
    found = [_opened(Path(where or zoo.folder()) / part if part in there else Path(part), there) for part in parts]
    taken = [one.name for one in found]
    if len(set(taken)) < len(taken):
        raise ValueError(f"Two of the networks have one name ({', '.join(taken)}), and so would their files.")
    return found


def _opened(folder: Path, there: Sequence[str]) -> LoadedModel:
    if not (folder / user_network.CARD).is_file():
        raise ValueError(
            f"There is no network {str(folder)!r}.{_nearest(str(folder), there)} A folder of your own needs "
            f"{user_network.CARD} and weights."
        )
    return _known(user_network.read_folder(folder))


def open_own(card_path: str | Path, weights_path: str | Path) -> LoadedModel:
    """A network that somebody hands in as two files, within limits: see :func:`mixviz.networks.user_network.read`. Its
    name is
    made of the card's title, or else of the weights' file, with ``own_`` before it.

    Raises:
        ValueError: what is wrong with the files, in one line.
    """
    return _known(user_network.read(card_path, weights_path))


def _known(one: user_network.Own) -> LoadedModel:
    return LoadedModel(one.name, one.card, one.network, one.sha256)


def _nearest(name: str, there: Sequence[str]) -> str:
    """Suggest the nearest names, or list all."""
    near = difflib.get_close_matches(name.casefold(), [known.casefold() for known in there], n=3, cutoff=0.5)
    if near:
        return f" Did you mean {' or '.join(repr(known) for known in there if known.casefold() in near)}?"
    return f" There are: {', '.join(there) or 'none'}."


@dataclass(frozen=True, eq=False)
class CAMResult:
    """One network's look at one picture, for K classes.

    Attributes:
        known: the network.
        view: (side, side, 3) uint8, what it was shown.
        layer: where the maps are from.
        probability: (number of classes,).
        classes: K indices.
        maps: (K, h, w), raw.
    """

    known: LoadedModel
    view: np.ndarray
    layer: str
    probability: Tensor
    classes: tuple[int, ...]
    maps: Tensor

    def heat(self) -> Tensor:
        """(K, side, side), each map from 0 to 1, as localisation is measured."""
        return heat(self.maps, self.view.shape[:2])

    def boxes(self, threshold: float) -> list[tuple[int, int, int, int] | None]:
        """The box (top, left, bottom, right), half-open, in pixels of the view, around the largest part of each map
        above τ of its highest value; None where the map points nowhere."""
        found = [tuple(boxes_at(one, threshold)[0].tolist()) for one in self.heat()]
        return [box if any(box) else None for box in found]


def look(
    known: LoadedModel, view: np.ndarray, classes: Sequence[str] = (), *, kind: str = "grad_cam", layer: str | None =
        None,
    progress: Progress | None = None,
) -> CAMResult:  # fmt: skip
    """Ask one network where it sees some classes, or without any the one that it predicts.

    Args:
        view: (side, side, 3) uint8, of :func:`mixviz.data.pictures.load_view` with the network's side.
        kind: of :data:`mixviz.cam.methods.KINDS`.
        layer: None: the last feature maps for ``cam``, else the layer of the card.

    Raises:
        ValueError: an unknown class or layer, or a kind that the network is not made for.
    """
    return looks(known, [view], classes, kind=kind, layer=layer, progress=progress)[0]


def looks(
    known: LoadedModel, views: Sequence[np.ndarray], classes: Sequence[str] = (), *, kind: str = "grad_cam",
    layer: str | None = None, progress: Progress | None = None,
) -> list[CAMResult]:  # fmt: skip
    """:func:`look` at several pictures in one pass; without classes each has the one that is predicted for it. The
    numbers are those of one picture at a time, but for rounding."""
    indices = list(dict.fromkeys(known.index(name) for name in classes))
    spec = known.card.network
    images = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
    inputs = NormalizedModel(known.network, spec.mean, spec.std).normalised(images)
    layer = layer or (spec.layer if kind != "cam" else None) or grad_cam.last_layer(known.network, views[0].shape[:2])
    wanted = torch.tensor([indices]).expand(len(views), -1) if indices else None
    maps, logits = heat_maps(known.network, inputs, wanted, kind=kind, layer=layer, progress=progress)
    chances = logits.float().softmax(1)
    return [
        CAMResult(known, view, layer, chance, tuple(indices) or (int(chance.argmax()),), found)
        for view, chance, found in zip(views, chances, maps, strict=True)
    ]


def report(one: CAMResult, threshold: float) -> dict[str, Any]:
    """A look as numbers that ``json.dump`` takes: probabilities as shares, boxes in pixels of the view."""
    top = one.probability.topk(min(5, len(one.probability)))
    return {
        "network": one.known.name,
        "title": one.known.title,
        "sha256": one.known.sha256,
        "layer": one.layer,
        "view": list(one.view.shape[:2]),
        "top5": [
            {"class": one.known.classes[index], "probability": round(chance, 6)}
            for chance, index in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        ],
        "classes": [
            {
                "class": one.known.classes[index],
                "probability": round(one.probability[index].item(), 6),
                "box": box and list(box),
                "map": _statistics(raw, warm, threshold),
            }
            for index, box, raw, warm in zip(one.classes, one.boxes(threshold), one.maps, one.heat(), strict=True)
        ],
    }


def _statistics(raw: Tensor, warm: Tensor, threshold: float) -> dict[str, Any]:
    """Describe the raw map at the layer's size (shape and values) and the map at the view's size (the rest)."""
    values = {"low": raw.amin().item(), "high": raw.amax().item(), "mean": raw.mean().item()}
    somewhere = bool(warm.any())
    return {
        "size": list(raw.shape),
        **{name: float(f"{value:.6g}") if math.isfinite(value) else None for name, value in values.items()},
        "points_somewhere": somewhere,
        "hottest_pixel": list(divmod(int(warm.argmax()), warm.shape[1])) if somewhere else None,
        "share_above_threshold": round((warm > threshold).double().mean().item(), 6) if somewhere else None,
    }

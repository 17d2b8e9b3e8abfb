"""Heat maps of one picture: networks by name or folder, classes by name, maps, boxes and numbers."""

from __future__ import annotations

import difflib
import functools
import hashlib
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from cachetools import LRUCache, cached
from torch import Tensor, nn

from mixviz.cam import grad_cam
from mixviz.cam.boxes import boxes_at
from mixviz.cam.grad_cam import image_size
from mixviz.cam.localization import heat
from mixviz.cam.methods import KINDS, Progress, heat_maps
from mixviz.core.inference import NormalizedModel
from mixviz.core.registry import lookup
from mixviz.data.pictures import View
from mixviz.networks import architectures, class_names, families, gallery, trunk, user_network, zoo
from mixviz.networks.model_card import ModelCard

FEATURES = 2**26  # bytes of features that networks share: of a picture of 224 px some 0.2 MB


@dataclass(frozen=True, eq=False)
class KnownModel(ABC):
    """A trained network by its card; :meth:`loaded` has the weights.

    Attributes:
        name: the zoo's, or that of its folder.
        card: see :mod:`mixviz.networks.model_card`.
        sha256: of its weights file.
        heading: its title where another network beside it has its strategy, too.
    """

    name: str
    card: ModelCard
    sha256: str
    heading: str = field(default="", kw_only=True)

    @abstractmethod
    def loaded(self) -> LoadedModel:
        """Return the network with its weights."""

    @property
    def classes(self) -> list[str]:
        return list(self.card.data.classes)

    @property
    def side(self) -> int:
        """Side in pixels of the square pictures that the network takes."""
        return self.card.network.image_size

    @property
    def input_view(self) -> View:
        """How the network wants its pictures, for :func:`mixviz.data.pictures.load_view`."""
        return self.card.network.view

    def pixel_model(self) -> NormalizedModel:
        """Return the network for images before normalisation. It is loaded outside ``torch.inference_mode``, so that
        gradients can be computed with it."""
        with torch.inference_mode(False):
            network = self.loaded().network
        return NormalizedModel(network, self.card.network.mean, self.card.network.std)

    @property
    def has_own_confidence(self) -> bool:
        """Whether it was trained with binary cross-entropy: its confidences do not compare with softmax ones."""
        return self.card.network.loss == "bce"

    @property
    def title(self) -> str:
        """Training strategy, for people; with the data set where another network beside it has the same."""
        return self.heading or self.card.strategy or self.name

    def knows(self, name: str) -> bool:
        """Whether the network has the class that a name means."""
        return class_names.find(name, self.classes) is not None

    def index(self, name: str) -> int:
        """Return the index of the class that a name means (:func:`mixviz.networks.class_names.find`).

        Raises:
            ValueError: no such class; the message names the nearest ones.
        """
        if (index := class_names.find(name, self.classes)) is not None:
            return index
        raise ValueError(f"{self.name} knows no class {name!r}.{_nearest(name, self.classes)}")


@dataclass(frozen=True, eq=False)
class LoadedModel(KnownModel):
    """A trained network whose weights are in memory; ``network`` is in evaluation mode, for normalised images."""

    network: nn.Module
    finer: dict[int, LoadedModel] = field(default_factory=dict, repr=False)  # what :meth:`dilated` has made

    @functools.cached_property
    def parts(self) -> trunk.Split | None:
        """The network divided behind the stages that it shares with others of the zoo; None: it shares none."""
        count = zoo.shared_stages(self.card, self.name)
        return trunk.split(self.network, count) if count else None

    def normalised(self, images: Tensor) -> Tensor:
        """Return the network's input for pictures (N, 3, H, W) uint8."""
        return NormalizedModel(self.network, self.card.network.mean, self.card.network.std).normalised(images)

    def behind_trunk(self, inputs: Tensor, layer: str = "") -> tuple[nn.Module, Tensor]:
        """Return the part of the network that it does not share, and its input for normalised images (N, 3, H, W).

        The part has the same scores, and all modules from ``layer`` on; at worst it is the whole network.
        """
        if self.parts is None or not self.parts.runs(layer):
            return self.network, inputs
        return self.parts.tail, features(self.parts, inputs)

    def loaded(self) -> LoadedModel:
        return self

    def dilated(self, n: int) -> LoadedModel:
        """Return the network with maps 2ⁿ times as fine, see :func:`mixviz.networks.architectures.dilated`; made once.

        Raises:
            ValueError: n is not 0, 1 or 2, or the network's strides cannot be removed.
        """
        if n in self.finer:
            return self.finer[n]
        try:
            return self.finer.setdefault(n, replace(self, network=architectures.dilated(self.network, n), finer={}))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None


def _features_key(part: trunk.Split, inputs: Tensor) -> Hashable:
    return part.key, inputs.shape, inputs.dtype, hashlib.sha1(inputs.cpu().numpy().tobytes()).digest()


_running = threading.Condition()  # networks that are asked at the same time wait for the first one's features


@cached(LRUCache(FEATURES, getsizeof=lambda tensor: tensor.nbytes), key=_features_key, condition=_running)
def features(part: trunk.Split, inputs: Tensor) -> Tensor:
    """Run the first part of a network on normalised images; cached for all networks that share it."""
    with torch.inference_mode(False), torch.no_grad():
        return part.trunk(inputs)


def open_networks(wanted: str, where: str | Path | None = None, *, classes: Sequence[str] = ()) -> list[LoadedModel]:
    """Load the networks of a list.

    Args:
        wanted: ``all`` that come with the project, or names, also of downloads, and folders, separated by commas. A
            folder is a run of ``mixviz train``,
            or any with ``card.json`` and the weights as safetensors (:func:`mixviz.networks.user_network.read_folder`).
        where: the zoo's folder.
        classes: of ``all``, load those that know these; if none does, the last, which can say what it knows.

    Raises:
        ValueError: no such network, with the nearest names, or one that is damaged.
    """
    zoo_names = zoo.names(where)
    parts = [part.strip() for part in wanted.split(",") if part.strip()]
    if wanted.strip() == "all":
        parts = [name for name in zoo_names if _has(zoo.card(name, where), classes)] or zoo_names[-1:]
    if not parts:
        raise ValueError(f"There are no networks in {where or zoo.folder()}: name a folder with card.json and weights.")
    models = [_open_folder(zoo.located(part, where) or Path(part), zoo_names) for part in parts]
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise ValueError(f"Two of the networks have one name ({', '.join(names)}), and so would their files.")
    headings = families.headings({model.name: model.card for model in models})
    return [replace(model, heading=headings[model.name]) for model in models]


def _has(card: ModelCard, classes: Sequence[str]) -> bool:
    return all(class_names.find(name, card.data.classes) is not None for name in classes)


def _open_folder(folder: Path, zoo_names: Sequence[str]) -> LoadedModel:
    if not (folder / user_network.CARD).is_file():
        if str(folder) in gallery.entries():
            raise ValueError(f"{folder} is in the gallery, and not here yet: fetch it with `mixviz zoo get {folder}`.")
        raise ValueError(
            f"There is no network {str(folder)!r}.{_nearest(str(folder), zoo_names)} A folder of your own needs "
            f"{user_network.CARD} and weights."
        )
    return _loaded(user_network.read_folder(folder))


def open_own(card_path: str | Path, weights_path: str | Path) -> LoadedModel:
    """Load a visitor's network from two untrusted files, see :func:`mixviz.networks.user_network.read`.

    Its name is ``own_`` and the card's title, or else the name of the weights file.

    Raises:
        ValueError: the files are not accepted; the message says why, in one line.
    """
    return _loaded(user_network.read(card_path, weights_path))


def _loaded(own: user_network.Own) -> LoadedModel:
    return LoadedModel(own.name, own.card, own.sha256, own.network)


def _nearest(name: str, choices: Sequence[str]) -> str:
    """Suggest the nearest names, or list all."""
    near = difflib.get_close_matches(name.casefold(), [choice.casefold() for choice in choices], n=3, cutoff=0.5)
    if near:
        return f" Did you mean {' or '.join(repr(choice) for choice in choices if choice.casefold() in near)}?"
    return f" There are: {', '.join(choices) or 'none'}."


@dataclass(frozen=True, eq=False)
class CAMResult:
    """Heat maps and class probabilities of one network for one picture and K classes.

    Attributes:
        known: the network.
        view: (side, side, 3) uint8, the input picture.
        layer: name of the layer of the maps.
        probability: (number of classes,).
        classes: K indices.
        maps: (K, h, w), raw.
    """

    known: KnownModel
    view: np.ndarray
    layer: str
    probability: Tensor
    classes: tuple[int, ...]
    maps: Tensor

    def heat(self) -> Tensor:
        """Maps (K, side, side), each scaled to [0, 1], as the localisation metrics take them."""
        return heat(self.maps, (self.view.shape[0], self.view.shape[1]))

    def boxes(self, threshold: float) -> list[tuple[int, int, int, int] | None]:
        """Box of each map, half-open (top, left, bottom, right) in pixels of the view, around the largest region above
        τ of the highest value; None for a constant map."""
        boxes = [tuple(boxes_at(heat_map, threshold)[0].tolist()) for heat_map in self.heat()]
        return [box if any(box) else None for box in boxes]


def look(
    known: LoadedModel, view: np.ndarray, classes: Sequence[str] = (), *, kind: str = "grad_cam",
    layer: str | None = None, dilate: int = 0, progress: Progress | None = None,
) -> CAMResult:  # fmt: skip
    """Compute a network's heat maps of some classes, or of its predicted class where none is named.

    Args:
        view: (side, side, 3) uint8, from :func:`mixviz.data.pictures.load_view` with the network's view.
        kind: a name of :data:`mixviz.cam.methods.KINDS`.
        layer: its dotted name; None: the last feature maps for ``cam``, else the layer of the card.
        dilate: strides removed for finer maps, see :func:`mixviz.networks.architectures.dilated`. The probabilities
            are those of the network itself.

    Raises:
        ValueError: an unknown class or layer, or a kind or ``dilate`` that does not work with the network.
    """
    return looks(known, [view], classes, kind=kind, layer=layer, dilate=dilate, progress=progress)[0]


def looks(
    known: LoadedModel, views: Sequence[np.ndarray], classes: Sequence[str] = (), *, kind: str = "grad_cam",
    layer: str | None = None, dilate: int = 0, progress: Progress | None = None,
) -> list[CAMResult]:  # fmt: skip
    """Run :func:`look` on several pictures in one pass; without classes, for the predicted class of each picture.

    The numbers equal those of single pictures up to rounding.
    """
    indices = list(dict.fromkeys(known.index(name) for name in classes))
    inputs = known.normalised(torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2))
    layer = (
        layer
        or (known.card.network.layer if kind != "cam" else None)
        or grad_cam.last_layer(known.network, image_size(inputs))
    )
    columns, logits = torch.tensor([indices]).expand(len(views), -1) if indices else None, None
    if dilate:
        network, given = known.behind_trunk(inputs)
        with torch.inference_mode():
            logits = network(given)
        columns = logits.argmax(1, keepdim=True) if columns is None else columns
    finer = known.dilated(dilate)
    # Slow kinds change the picture itself.
    network, given = (finer.network, inputs) if lookup(KINDS, kind).slow else finer.behind_trunk(inputs, layer)
    maps, own_logits = heat_maps(network, given, columns, kind=kind, layer=layer, progress=progress)
    logits = own_logits if logits is None else logits
    probabilities = logits.float().softmax(1)
    return [
        CAMResult(known, view, layer, probability, tuple(indices) or (int(probability.argmax()),), class_maps)
        for view, probability, class_maps in zip(views, probabilities, maps, strict=True)
    ]


class MapReport(TypedDict):
    """Numbers of one map: ``low``, ``high`` and ``mean`` of the raw map of ``size`` (h, w), None where they are not
    finite; of the map at the view's size its ``hottest_pixel`` (row, column) and the share of pixels above the
    threshold, None for a constant map."""

    size: list[int]
    low: float | None
    high: float | None
    mean: float | None
    points_somewhere: bool
    hottest_pixel: list[int] | None
    share_above_threshold: float | None


ClassProbability = TypedDict("ClassProbability", {"class": str, "probability": float})
ClassReport = TypedDict(
    "ClassReport", {"class": str, "probability": float, "box": list[int] | None, "map": MapReport}
)  # "class" is a keyword


class Report(TypedDict):
    """Numbers of a :class:`CAMResult`: the network, its five most probable classes, and those of the maps."""

    network: str
    title: str
    sha256: str
    layer: str
    view: list[int]
    top5: list[ClassProbability]
    classes: list[ClassReport]


def report(result: CAMResult, threshold: float) -> Report:
    """Describe a result in plain JSON values: probabilities from 0 to 1, boxes in pixels of the view."""
    top = result.probability.topk(min(5, len(result.probability)))
    return {
        "network": result.known.name,
        "title": result.known.title,
        "sha256": result.known.sha256,
        "layer": result.layer,
        "view": list(result.view.shape[:2]),
        "top5": [
            {"class": result.known.classes[index], "probability": round(chance, 6)}
            for chance, index in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        ],
        "classes": [
            {
                "class": result.known.classes[index],
                "probability": round(result.probability[index].item(), 6),
                "box": list(box) if box else None,
                "map": _map_report(raw, scaled, threshold),
            }
            for index, box, raw, scaled in zip(
                result.classes, result.boxes(threshold), result.maps, result.heat(), strict=True
            )
        ],
    }


def _map_report(raw: Tensor, scaled: Tensor, threshold: float) -> MapReport:
    varies = bool(scaled.any())
    return {
        "size": list(raw.shape),
        "low": _six_digits(raw.amin()),
        "high": _six_digits(raw.amax()),
        "mean": _six_digits(raw.mean()),
        "points_somewhere": varies,
        "hottest_pixel": list(divmod(int(scaled.argmax()), scaled.shape[1])) if varies else None,
        "share_above_threshold": round((scaled > threshold).double().mean().item(), 6) if varies else None,
    }


def _six_digits(value: Tensor) -> float | None:
    number = value.item()
    return float(f"{number:.6g}") if math.isfinite(number) else None

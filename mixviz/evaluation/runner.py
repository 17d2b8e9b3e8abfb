"""Measure a trained network on its data set's validation pictures, and write the metrics into its card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from mixviz import embeddings
from mixviz.cam.grad_cam import feature_layers
from mixviz.cam.localization import mask_boxes, trimap
from mixviz.core.inference import NormalizedModel
from mixviz.data import pictures, sources
from mixviz.data.dataset import Dataset
from mixviz.data.pictures import View
from mixviz.evaluation import evaluate
from mixviz.evaluation.sharing import SharedFeatures
from mixviz.evaluation.subject import EvaluationSet
from mixviz.networks import card_text, model_card, trunk, user_network, zoo
from mixviz.networks.files import save_tensors
from mixviz.networks.model_card import ModelCard
from mixviz.training.loader import Feed, feed

SAME = ("images", "size", "seed", "weights")  # metrics of one card share these
KEPT = 300  # stored embeddings: more would hide one another in a plot
WIDEST = 2048  # dimensions that are stored as they are, so that further pictures have a place among them


def assess(
    folder: str | Path,
    root: str | Path,
    *,
    parts: Iterable[str] | None = None,
    others: tuple[str, str | Path] | None = None,
    dataset: str | None = None,
    weights: str = "last",
    limit: int = 0,
    dilate: int = 0,
    brief: bool = False,
    batch_size: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> ModelCard:
    """Measure the network in a folder and write the metrics into its ``card.json`` and ``card.md``.

    Metrics of the same weights and pictures are kept beside the new ones. Metrics of other weights or pictures are
    replaced only if all parts were measured, on no fewer pictures and no more briefly: a quick look destroys nothing.

    With the part ``embedding``, the embedding of some pictures is written beside the card
    (:func:`mixviz.networks.zoo.embedding` reads it).

    Args:
        folder: a finished run of ``mixviz train``, a network of the zoo, or any card with weights
            (:func:`mixviz.networks.user_network.read_folder`).
        root: the folder that holds the data set it was trained on.
        parts: of :data:`mixviz.evaluation.evaluate.PARTS`; None: all that the data set has annotations for.
        others: (name, root) of a data set whose validation pictures it should not know. None: classes of its own data
            set that it was not trained on, if any.
        dataset: its name, of :data:`mixviz.data.sources.SETS`; None: the card's. The classes are then found by their
            names.
        weights: ``last`` or ``best`` epoch of a run; the zoo has the last alone.
        limit: pictures of each class; 0: all.
        dilate: strides removed for heat maps, see :func:`mixviz.networks.architectures.dilated`.
        brief: measure fewer points of each part, see :func:`mixviz.evaluation.evaluate.evaluate`.
        batch_size: pictures at a time; None: as many as suit the processor.
        progress: called with (part, parts done, parts there are).

    Returns:
        The card with the new numbers, written or not.

    Raises:
        ValueError: no card, weights or data set there.
    """
    wanted = Wanted(root, None if parts is None else tuple(parts), others, dataset, limit, dilate, brief, batch_size)
    told = (lambda _, part, done, count: progress(part, done, count)) if progress else None
    return assess_together([folder], wanted, weights=weights, progress=told)[0]


@dataclass(frozen=True)
class Wanted:
    """What is measured, and on which pictures: the arguments of :func:`assess`."""

    root: str | Path
    parts: tuple[str, ...] | None = None
    others: tuple[str, str | Path] | None = None
    dataset: str | None = None
    limit: int = 0
    dilate: int = 0
    brief: bool = False
    batch_size: int | None = None


@dataclass(eq=False)
class _Opened:
    """A network that was opened, with its card and its weights' names."""

    folder: Path
    card: ModelCard
    network: nn.Module
    weights: str
    sha256: str

    def key(self, wanted: Wanted) -> tuple[Any, ...]:
        """Return what networks have in common that are measured on the same pictures."""
        run, data = self.card.run or {}, self.card.data
        holdout = "" if wanted.dataset else run.get("holdout", "")
        view, corrupt = self.card.network.view, run.get("corrupt", "refuse")
        return wanted.dataset or data.name, data.keys, data.classes, holdout, view, corrupt, self.card.network.scores


def assess_together(
    folders: Sequence[str | Path],
    wanted: Wanted,
    *,
    weights: str = "last",
    progress: Callable[[str, str, int, int], None] | None = None,
) -> list[ModelCard]:
    """Measure several networks as :func:`assess` does, with the numbers that each has alone.

    Networks of the same data read their pictures once. On a CPU those with the same first stages, such as the zoo's,
    also change the pictures once and compute these stages once; see :mod:`mixviz.evaluation.sharing`. The cards are
    written when all networks of the same data are measured.

    Args:
        progress: called with (folder's name, part, parts done, parts there are).

    Returns:
        The cards with the new numbers, in the order of the folders.
    """
    opened = [_open(Path(folder), weights, wanted) for folder in folders]
    groups: dict[tuple[Any, ...], list[_Opened]] = {}
    for one in opened:
        groups.setdefault(one.key(wanted), []).append(one)
    cards = {id(one): card for group in groups.values() for one, card in _measured(group, wanted, progress)}
    return [cards[id(one)] for one in opened]


def _open(folder: Path, weights: str, wanted: Wanted) -> _Opened:
    card = model_card.read(folder)
    if not (wanted.dataset or card.data.name):
        raise ValueError(f"{folder}: the card names no data set: say which one to measure on (--data).")
    read = user_network.read_folder(folder, weights)
    return _Opened(folder, card, read.network, read.weights, read.sha256)


def _measured(
    group: Sequence[_Opened], wanted: Wanted, progress: Callable[[str, str, int, int], None] | None
) -> list[tuple[_Opened, ModelCard]]:
    """Measure networks on the pictures that they have in common, and write their cards."""
    card, device = group[0].card, _device()
    name, keys = wanted.dataset or card.data.name, (not wanted.dataset and card.data.keys) or card.data.classes
    holdout = "" if wanted.dataset else card.holdout
    validation = sources.load(name, wanted.root, "val", holdout=holdout)
    # Embeddings are measured on any classes, and class scores only on those of the training.
    foreign_classes = validation.open_set or bool(wanted.dataset and not card.network.scores)
    split = validation.compact() if foreign_classes else validation.of_classes(keys).complete("val")
    seen = _seen(split.per_class(wanted.limit) if wanted.limit else split, card, device)
    foreign = _others(validation, split, wanted.others, len(seen))
    images = _images(seen)
    placed = any(_places(one, wanted) for one in group)
    boxes, masks = (_boxes(seen), _masks(seen)) if placed else (None, None)
    strangers = None if foreign is None else _images(_seen(foreign, card, device))
    sets = [
        evaluate.prepared(
            one.network.to(device), images, seen.split.labels, mean=one.card.network.mean, std=one.card.network.std,
            layer=one.card.network.layer or None, boxes=boxes if _places(one, wanted) else None,
            masks=masks if _places(one, wanted) else None, others=strangers, close=seen.split.close,
            positions=seen.split.positions, scores=one.card.network.scores and not foreign_classes,
            dilate=wanted.dilate, brief=wanted.brief, batch_size=wanted.batch_size,
        )
        for one in group
    ]  # fmt: skip
    names = [
        evaluate.chosen(wanted.parts, one.boxes is not None or one.masks is not None, one.has_scores) for one in sets
    ]
    if device.type == "cpu":
        sets = _sharing(group, sets)
    cards = []
    # Networks without a layer for heat maps have fewer parts.
    for parts in dict.fromkeys(map(tuple, names)):
        these = [i for i, own in enumerate(names) if tuple(own) == parts]

        def told(place: int, part: str, done: int, count: int, these: list[int] = these) -> None:
            if progress:
                progress(group[these[place]].folder.name, part, done, count)

        with _float32():
            measured = evaluate.together([sets[i] for i in these], parts, told)
        cards += [
            (group[i], _kept(group[i], one, wanted, split, foreign_classes))
            for i, one in zip(these, measured, strict=True)
        ]
    return cards


def _places(one: _Opened, wanted: Wanted) -> bool:
    """Whether localisation is measured; without a choice where the network has a layer for heat maps."""
    if wanted.parts is not None:
        return "localisation" in wanted.parts
    side = one.card.network.image_size
    return bool(one.card.network.layer or feature_layers(one.network, (side, side)))


def _sharing(group: Sequence[_Opened], sets: Sequence[EvaluationSet]) -> list[EvaluationSet]:
    """Let networks of the same first stages and preparation share these; a single one has nothing to share."""
    found = [
        trunk.split(one.network, count) if (count := zoo.shared_stages(one.card, one.folder.name)) else None
        for one in group
    ]
    keys = [
        part and (part.key, one.card.network.mean, one.card.network.std) for part, one in zip(found, group, strict=True)
    ]
    common = {key: SharedFeatures() for key in keys if key is not None and keys.count(key) > 1}
    return [
        replace(one, divided=part, shared=common[key]) if key in common else one
        for one, part, key in zip(sets, found, keys, strict=True)
    ]


def _kept(one: _Opened, metrics: dict[str, Any], wanted: Wanted, split: Dataset, foreign_classes: bool) -> ModelCard:
    """Join new metrics with a card's, and write it unless it holds a larger measurement."""
    card, others = one.card, wanted.others
    for part in (metrics.get("ood"), metrics.get("embedding", {}).get("mahalanobis")):
        if part:
            part["others_are"] = others[0] if others else f"other classes of {wanted.dataset or card.data.name}"
    metrics["weights"] = one.weights
    before, shown = card.metrics, "nmi_percent" in metrics.get("embedding", {}) and not foreign_classes
    replaces = not before or (
        wanted.parts is None
        and metrics["images"] >= before["images"]
        and (not wanted.brief or bool(before.get("brief")))
    )
    if before and all(before[key] == metrics[key] for key in SAME):
        metrics, replaces = _together(before, metrics), True
    card = card.changed(metrics=metrics)
    if replaces:
        if shown:
            tensors = _embedding(one.network, split, card, _device())
            save_tensors(one.folder / zoo.EMBEDDING, tensors, {"weights": one.sha256})
        card_text.write(one.folder, card)
    return card


def _together(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Join metrics of the same weights and pictures. The newer ones stand, but no brief part replaces a whole one."""
    were, are = set(before.get("brief", ())), set(new.get("brief", ()))
    whole = {part for part in are if part in before and part not in were}
    new = {key: value for key, value in new.items() if key not in whole}
    seconds = {**before["seconds"], **{part: value for part, value in new["seconds"].items() if part not in whole}}
    still = sorted(were - new["seconds"].keys() | are - whole)
    joined = {**before, **new, "seconds": seconds, "brief": still}
    if not still:
        del joined["brief"]
    return joined


@contextmanager
def _float32() -> Iterator[None]:
    """Compute convolutions on a GPU in float32 instead of TF32, so that numbers do not depend on the device."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _device() -> torch.device:
    from accelerate import PartialState

    return torch.device(PartialState().device or "cpu")


def _seen(split: Dataset, card: ModelCard, device: torch.device) -> Feed:
    view, corrupt = card.network.view, (card.run or {}).get("corrupt", "refuse")
    return feed(split, view.side, "none", device, corrupt=corrupt, view=view)


def _images(seen: Feed) -> Tensor:
    return torch.cat([images for images, _ in seen.validation(evaluate.MOST)])


def _embedding(network: nn.Module, split: Dataset, card: ModelCard, device: torch.device) -> dict[str, Tensor]:
    """Tensors to store of a network's embedding: see :func:`mixviz.networks.zoo.embedding`.

    Both plots are of vectors scaled to length 1, as clusters and neighbours are measured. Vectors of more than
    :data:`WIDEST` dimensions are rotated into the space that the pictures span, which keeps lengths and angles.
    """
    chosen = _spread(split)
    # Indices stand in for labels: a damaged picture may be left out.
    seen = _seen(replace(split.take(chosen), labels=torch.tensor(chosen)), card, device)
    index, pixels = seen.split.labels, NormalizedModel(network, card.network.mean, card.network.std)
    with _float32():
        inputs = pixels.normalised(_images(seen))
        vectors = embeddings.embed(network, inputs, batch_size=evaluate.images_at_a_time(inputs)).cpu()
    unit = embeddings.directions(vectors)
    if vectors.shape[1] > WIDEST:
        u, s, _ = torch.linalg.svd(vectors.double(), full_matrices=False)
        vectors = u * s
    plots = {"embedding": vectors, "pca": embeddings.pca(unit), "tsne": embeddings.tsne(unit)}
    largest = torch.finfo(torch.float16).max
    halved = {name: value.clamp(-largest, largest).half() for name, value in plots.items()}
    return {**halved, "index": index, "label": split.labels[index]}


def _spread(split: Dataset) -> list[int]:
    """Choose at most :data:`KEPT` indices of pictures, class after class: the first ones of each class, equally many.

    With more classes than that, one picture each of evenly spread classes.
    """
    classes = len(split.classes)
    chosen = range(classes) if classes <= KEPT else [i * classes // KEPT for i in range(KEPT)]
    of_class = [torch.nonzero(split.labels == label).flatten().tolist() for label in chosen]
    return [index for members in of_class for index in members[: max(1, KEPT // classes)]]


def _boxes(seen: Feed) -> list[Tensor] | None:
    """The part of each object's box (1, 4) that the network sees: the data set's own boxes, or those of its masks.

    An object outside the view gets the view's first pixel, which no map hits.
    """
    masks = _masks(seen) if not seen.split.boxes else None
    if masks is not None:
        boxes = mask_boxes(masks)
    else:
        placed = zip(seen.split.pictures, seen.split.boxes, strict=False)
        boxes = [
            torch.tensor([pictures.view_box(box, _size(picture), seen.view or seen.side)]) for picture, box in placed
        ]
    nowhere = torch.tensor([[0, 0, 1, 1]])
    return [box if (box[:, 2:] > box[:, :2]).all() else nowhere for box in boxes] or None


def _size(picture: Path | np.ndarray) -> tuple[int, int]:
    """(H, W) of a picture, upright."""
    if isinstance(picture, np.ndarray):
        return picture.shape[0], picture.shape[1]
    return pictures.upright_size(picture)


def _masks(seen: Feed) -> Tensor | None:
    """The objects' masks (N, side, side), cut like the pictures: 1 object, 0 background, 255 left out."""
    if not seen.split.masks:
        return None
    view = seen.view or View(seen.side)
    inner = slice(view.margin, view.margin + view.side)
    squares = []
    for path in seen.split.masks:
        with Image.open(path) as mask:
            square = np.asarray(ImageOps.fit(mask.convert("L"), (view.stored, view.stored), Image.Resampling.NEAREST))
        squares.append(square[inner, inner])
    return trimap(torch.from_numpy(np.stack(squares)))


def _others(validation: Dataset, known: Dataset, given: tuple[str, str | Path] | None, count: int) -> Dataset | None:
    """Choose pictures of classes that the network was not trained on, as many as are measured."""
    if given is not None:
        split = sources.load(*given, "val")
    else:
        present = {validation.keys[label] for label in validation.labels.tolist()}
        rest = [key for key in validation.keys if key in present and key not in known.keys]
        if not rest:
            return None
        split = validation.of_classes(rest)
    return split.take(np.random.default_rng(0).permutation(len(split))[:count].tolist())

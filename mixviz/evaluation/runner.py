"""Measure a trained network on its data set's validation pictures, and write the metrics into its card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
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
from mixviz.networks import card_text, model_card, user_network, zoo
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
    folder, device = Path(folder), _device()
    card = model_card.read(folder)
    name, keys = dataset or card.data.name, (not dataset and card.data.keys) or card.data.classes
    if not name:
        raise ValueError(f"{folder}: the card names no data set: say which one to measure on (--data).")
    opened = user_network.read_folder(folder, weights)
    network, layer = opened.network.to(device), card.network.layer or None
    holdout = "" if dataset else (card.run or {}).get("holdout", "")
    validation = sources.load(name, root, "val", holdout=holdout)
    # Embeddings are measured on any classes, and class scores only on those of the training.
    foreign_classes = validation.open_set or bool(dataset and not card.network.scores)
    split = validation.compact() if foreign_classes else validation.of_classes(keys).complete("val")
    seen = _seen(split.per_class(limit) if limit else split, card, device)
    foreign = _others(validation, split, others, len(seen))
    parts, side = None if parts is None else list(parts), card.network.image_size
    # None measures all that is possible: a network may have no layer for heat maps.
    places = "localisation" in parts if parts is not None else layer or feature_layers(network, (side, side))
    with _float32():
        metrics = evaluate.evaluate(
            network,
            _images(seen),
            seen.split.labels,
            mean=card.network.mean,
            std=card.network.std,
            layer=layer,
            boxes=_boxes(seen) if places else None,
            masks=_masks(seen) if places else None,
            others=None if foreign is None else _images(_seen(foreign, card, device)),
            close=seen.split.close,
            positions=seen.split.positions,
            scores=card.network.scores and not foreign_classes,
            parts=parts,
            dilate=dilate,
            brief=brief,
            batch_size=batch_size,
            progress=progress,
        )
    for part in (metrics.get("ood"), metrics.get("embedding", {}).get("mahalanobis")):
        if part:
            part["others_are"] = others[0] if others else f"other classes of {name}"
    metrics["weights"] = opened.weights
    before, shown = card.metrics, "nmi_percent" in metrics.get("embedding", {}) and not foreign_classes
    replaces = not before or (
        parts is None and metrics["images"] >= before["images"] and (not brief or bool(before.get("brief")))
    )
    if before and all(before[key] == metrics[key] for key in SAME):
        metrics, replaces = _together(before, metrics), True
    card = card.changed(metrics=metrics)
    if replaces:
        if shown:
            tensors = _embedding(network, split, card, device)
            save_tensors(folder / zoo.EMBEDDING, tensors, {"weights": opened.sha256})
        card_text.write(folder, card)
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

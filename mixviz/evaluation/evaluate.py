"""All measurements of one network as a plain dictionary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from mixviz.core import checks
from mixviz.core.inference import NormalizedModel, evaluating
from mixviz.evaluation.parts import BRIEF, PARTS
from mixviz.evaluation.subject import EvaluationSet
from mixviz.evaluation.tables import table

__all__ = ["PARTS", "evaluate", "table"]

MOST, PIXELS = 256, 2**20  # images at a time, and their pixels on a CPU
Progress = Callable[[str, int, int], None]
WITHOUT_SCORES = "The network has no scores of these classes: its embedding alone is measured."


def evaluate(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    layer: str | None = None,
    boxes: Sequence[Tensor] | None = None,
    masks: Tensor | None = None,
    others: Tensor | None = None,
    close: Tensor | None = None,
    positions: Tensor | None = None,
    scores: bool = True,
    parts: Iterable[str] | None = None,
    dilate: int = 0,
    seed: int = 0,
    brief: bool = False,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> dict:
    """Measure one network on one split.

    Args:
        network: from normalised images (N, 3, H, W) to logits (N, C); asked in evaluation mode and float32 as it is,
            and left as it was.
        images: (N, 3, H, W) uint8, on the network's device.
        labels: (N,) int64 true classes.
        mean, std: the normalisation that the network was trained with, per channel.
        layer: of Grad-CAM; None: the last feature map (:func:`mixviz.cam.grad_cam.last_layer`). Only the part
            localisation needs one.
        boxes: per image (M, 4) half-open (top, left, bottom, right), for MaxBoxAcc; None: not measured.
        masks: (N, H, W), 1 object, 0 background, 255 left out, for PxAP; None: not measured.
        others: (M, 3, H, W) uint8 images of another data set, for out-of-distribution detection.
        close: (C, C) bool: classes too close to be told apart, see :func:`mixviz.embeddings.ranking`.
        positions: (N, 2) or (N, 3) float, where the images were taken, in metres, for place recall; None: not measured.
        scores: whether the network's class scores are those of ``labels``. False: it has none, or was trained on other
            classes; the part embedding alone can be measured, and the result says so under ``left_out``.
        parts: names of :data:`PARTS`; None: all of them (localisation only with boxes or masks).
        dilate: the last strides that the part localisation removes for finer maps, see
            :func:`mixviz.networks.architectures.dilated`.
        seed: of everything random: noise, places, pairs.
        brief: measure fewer strengths, shares and λ, at a quarter of the cost. The numbers are those of a whole
            evaluation at the same points.
        batch_size: images at a time; None: as many as a processor's cache takes (:func:`images_at_a_time`). No number
            depends on it, apart from rounding and the elastic warp, which a batch shares.
        progress: called with (part, how many are done, how many there are) before each part and at the end.

    Returns:
        A dictionary of numbers, strings and lists that ``json.dump`` takes, with one entry per part. Percentages are
        named so; ε is in steps of 1/255; ``seconds`` holds what each part took, and ``brief`` which parts were measured
        at fewer points.

    Raises:
        TypeError, ValueError: what cannot be measured, and what to give.
    """
    split = prepared(
        network, images, labels, mean=mean, std=std, layer=layer, boxes=boxes, masks=masks, others=others,
        close=close, positions=positions, scores=scores, dilate=dilate, seed=seed, brief=brief, batch_size=batch_size,
    )  # fmt: skip
    names = chosen(parts, boxes is not None or masks is not None, scores)
    told = (lambda _, name, done, count: progress(name, done, count)) if progress else None
    return together([split], names, told)[0]


def prepared(
    network: nn.Module, images: Tensor, labels: Tensor, *, mean: Sequence[float], std: Sequence[float],
    layer: str | None = None, boxes: Sequence[Tensor] | None = None, masks: Tensor | None = None,
    others: Tensor | None = None, close: Tensor | None = None, positions: Tensor | None = None, scores: bool = True,
    dilate: int = 0, seed: int = 0, brief: bool = False, batch_size: int | None = None,
) -> EvaluationSet:  # fmt: skip
    """Check the arguments of :func:`evaluate`, and return the network with its pictures for :func:`together`.

    Raises:
        TypeError, ValueError: what cannot be measured, and what to give.
    """
    pixels = NormalizedModel(network, mean, std)
    _check(pixels, images, labels, boxes, masks, others, scores)
    if batch_size is None:
        batch_size = images_at_a_time(images)
    checks.number("batch_size", batch_size, 1, whole=True)
    labels = labels.to(images.device)
    return EvaluationSet(
        pixels, images, labels, layer, boxes, masks, others, seed, batch_size, dilate=dilate, brief=brief,
        close=close, positions=positions, has_scores=scores,
    )  # fmt: skip


def together(
    sets: Sequence[EvaluationSet], names: Sequence[str], progress: Callable[[int, str, int, int], None] | None = None
) -> list[dict]:
    """Measure several networks, part after part. The numbers are those that each has alone.

    Those that have a :class:`mixviz.evaluation.sharing.SharedFeatures` in common share the work of their first stages.

    Args:
        sets: the networks with their pictures.
        names: of the parts.
        progress: called with (place of the network, part, parts done, parts there are) before each part, and at the
            end with an empty part.

    Returns:
        What :func:`evaluate` returns, for each network.
    """
    results: list[dict] = [
        {"images": len(one.images), "size": list(one.images.shape[2:]), "seed": one.seed, "seconds": {}} for one in sets
    ]
    for one, result in zip(sets, results, strict=True):
        if not one.has_scores:
            result["left_out"] = WITHOUT_SCORES
        if one.brief:
            result["brief"] = [name for name in names if name in BRIEF]
    for done, name in enumerate(names):
        for shared in {id(one.shared): one.shared for one in sets if one.shared is not None}.values():
            shared.forget()
        for place, (one, result) in enumerate(zip(sets, results, strict=True)):
            if progress:
                progress(place, name, done, len(names))
            start = time.perf_counter()
            if one.shared is not None:
                one.shared.rewind()
            with evaluating(one.network):
                result[name] = PARTS[name](one)
            result["seconds"][name] = round(time.perf_counter() - start, 3)
    if progress:
        for place in range(len(sets)):
            progress(place, "", len(names), len(names))
    return results


def images_at_a_time(images: Tensor) -> int:
    """Return the batch size for images (N, 3, H, W): 256 on a GPU, and on a CPU 2²⁰ pixels, 20 images of 224 px.

    Larger batches leave the cache: with 80 images of 224 px an EfficientNet-Lite0 took 4 times as long for each.
    """
    pixels = images.shape[2] * images.shape[3]
    return MOST if images.device.type != "cpu" else min(MOST, max(1, PIXELS // pixels))


def chosen(parts: Iterable[str] | None, truth: bool, scores: bool = True) -> list[str]:
    """Return the names of the parts to measure; ``truth``: whether there are boxes or masks, ``scores``: see
    :func:`evaluate`.

    Raises:
        ValueError: no such part, or one that needs boxes, masks or class scores.
    """
    if parts is None and not scores:
        return ["embedding"]
    if parts is None:
        return [name for name in PARTS if name != "localisation" or truth]
    names = list(parts)
    if unknown := [name for name in names if name not in PARTS]:
        raise ValueError(f"No such part: {', '.join(map(repr, unknown))}. There are: {', '.join(PARTS)}.")
    if not scores and names != ["embedding"]:
        raise ValueError(f"{WITHOUT_SCORES} Leave out --parts, or give --parts embedding.")
    if "localisation" in names and not truth:
        raise ValueError("Localisation is measured against boxes=[(M, 4), …] or masks=(N, H, W): give either.")
    return names


def _check(
    pixels: NormalizedModel, images: Tensor, labels: Tensor, boxes: Sequence[Tensor] | None, masks: Tensor | None,
    others: Tensor | None, scores: bool,
) -> None:  # fmt: skip
    for name, value in (("images", images), ("others", images if others is None else others)):
        checks.tensor(name, value, "uint8", ("N", 3, "H", "W"), hint="Give them before normalisation.")
    with evaluating(pixels), torch.inference_mode():
        classes = pixels(images[:1]).shape[1]
    checks.labels("labels", labels, len(images), classes if scores else None)  # others would count as misses
    for name, value in (("boxes", boxes), ("masks", masks)):
        if value is not None and len(value) != len(images):
            raise ValueError(f"{name} should be one entry per image, {len(images)}; got {len(value)}.")
    for index, box in enumerate(boxes or ()):
        checks.boxes(f"boxes[{index}]", box)
    if masks is not None:
        checks.tensor("masks", masks, "real", (len(images), *images.shape[2:]), 0, 255)

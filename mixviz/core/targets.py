"""Mix labels of every kind: classes, several labels per image, numbers of a regression, and classes of objects."""

from __future__ import annotations

import math
from typing import Protocol, cast

import torch
from torch import Tensor

from mixviz.core import checks, jit
from mixviz.core.apply import Plan
from mixviz.core.follow import MovedObjects, follow
from mixviz.core.follow_boxes import keeps_edges
from mixviz.core.follow_parts import SEEN
from mixviz.core.objects import Objects
from mixviz.core.tensors import check_labels, extremes

RULES = ("share", "union", "visible")


class Labelled(Plan, Protocol):
    """The part of a recipe that mixes labels."""

    @property
    def share(self) -> Tensor: ...
    @property
    def whole(self) -> bool: ...


def targets(
    plan: Labelled,
    labels: Tensor | Objects | MovedObjects,
    num_classes: int | None = None,
    rule: str = "share",
    min_visible: float = 0.0,
) -> Tensor:
    """Mix labels; see :meth:`mixviz.Recipe.targets`."""
    if rule not in RULES:
        raise ValueError(f"rule should be one of {', '.join(RULES)}; got {rule!r}.")
    checks.number("min_visible", min_visible, 0, 1)
    if min_visible and rule == "share":
        raise ValueError(
            'min_visible leaves out what is hardly seen, and rule="share" weighs every source: give rule="union" or '
            'rule="visible", or no min_visible.'
        )
    if isinstance(labels, Objects | MovedObjects):
        return _of_objects(plan, labels, num_classes, rule, min_visible)
    check_labels(labels, plan.partner.shape[1])
    if rule == "visible":
        raise TypeError(
            f'rule="visible" asks where each class is seen, and labels {tuple(labels.shape)} do not say where it is: '
            'give Objects with classes in their place. Labels of whole images: rule="share" or rule="union"; weighed '
            "by how much of an object's mask is seen: recipe.truth(masks).visible."
        )
    if labels.ndim == 1 and labels.is_floating_point():
        return _numbers(plan, labels, num_classes, rule)
    if labels.ndim == 2:
        _check_width(labels, num_classes)
        if rule == "union" and num_classes is None and labels.is_floating_point():
            raise TypeError(
                f'rule="union" is for labels that say which classes are present, and {tuple(labels.shape)} may be '
                "any numbers: say that the columns are classes, num_classes="
                f'{labels.shape[1]}. Numbers of a regression have no union: rule="share".'
            )
        dense = labels.float()
        return _union(plan, dense, min_visible) if rule == "union" else _shared(plan, dense)
    if num_classes is None:
        raise ValueError(
            "Class indices need num_classes, e.g. recipe.targets(labels, num_classes=100). Whole numbers of a "
            "regression, e.g. ages: labels.float()."
        )
    if rule == "share" and (shared := _by_loops(plan, labels, num_classes)) is not None:
        return shared
    _check_classes(labels, num_classes, "labels")
    if rule == "union":
        return _union(plan, _one_hot(labels, num_classes), min_visible)
    if labels.device.type == "cpu":
        empty = torch.zeros(len(labels), num_classes)
        return empty.scatter_add_(1, labels.long()[plan.partner].T, plan.share.T)
    classes = torch.arange(num_classes, device=labels.device)  # scatter_add is not deterministic on CUDA
    terms = (
        torch.where(classes == labels[source][:, None], share[:, None], 0)
        for share, source in zip(plan.share, plan.partner, strict=True)
    )
    return cast(Tensor, sum(terms))


def multi_hot(objects: Objects, num_classes: int | None) -> Tensor:
    """(N, C) float32: 1 for each class of which an image has an object.

    Raises:
        ValueError: objects without classes, no ``num_classes``, or a class that is not below it.
    """
    return _largest(objects, num_classes, torch.ones(len(objects), device=objects.image.device))


# ---------------------------------------------------------------- each kind of labels


def _shared(plan: Labelled, labels: Tensor) -> Tensor:
    """Return the sum of each source's labels (N, C) in its share."""
    terms = (share[:, None] * labels[source] for share, source in zip(plan.share, plan.partner, strict=True))
    return cast(Tensor, sum(terms))


def _by_loops(plan: Labelled, labels: Tensor, num_classes: int) -> Tensor | None:
    """Mix class indices by compiled loops, if these are loaded already; None otherwise, for a wrong index, or where the
    shares need a gradient."""
    loops = jit.loaded("apply")
    if loops is None or not jit.usable(labels, plan.partner, plan.share, values=jit.MUCH) or plan.share.requires_grad:
        return None
    result = torch.zeros(len(labels), num_classes)
    given = labels.long().numpy(), plan.partner.numpy(), plan.share.numpy()
    return result if loops.share_labels(result.numpy(), *given) else None


def _union(plan: Labelled, labels: Tensor, min_visible: float) -> Tensor:
    """Return the largest label (N, C) among the images that can be seen in each mixture."""
    if labels.device.type == "cpu" and keeps_edges(plan):
        mixture, source = _pairs_seen(plan, min_visible)
        index = mixture[:, None].expand(-1, labels.shape[1])
        return torch.zeros_like(labels).scatter_reduce(0, index, labels[source], "amax")
    weights, same = plan.weights(), (plan.partner[:, None] == plan.partner).float()  # an image may be several sources
    most, area = (torch.einsum("kjn,jn->kn", same, one) for one in (weights.amax((2, 3, 4)), weights.mean((2, 3, 4))))
    seen = (most > SEEN) & (area >= min_visible)
    terms = [torch.where(one[:, None], labels[source], 0) for one, source in zip(seen, plan.partner, strict=True)]
    return torch.stack(terms).amax(0)


def _pairs_seen(plan: Labelled, min_visible: float) -> tuple[Tensor, Tensor]:
    """Return each mixture and image (I,) that can be seen in it, by following whole images as boxes."""
    n, (height, width) = plan.partner.shape[1], plan.size
    image = torch.arange(n)
    boxes = torch.tensor([[0.0, 0, height, width]]).expand(n, 4)
    moved = follow(plan, Objects(size=plan.size, count=n, image=image, boxes=boxes, checked=True))
    area = torch.zeros(n * n).index_add(0, moved.objects.image * n + moved.source, moved.weight * moved.area)
    pairs = ((area > 0) & (area >= min_visible * height * width)).nonzero()[:, 0]
    return pairs // n, pairs % n


def _numbers(plan: Labelled, labels: Tensor, num_classes: int | None, rule: str) -> Tensor:
    """Mix the numbers (N,) of a regression by share."""
    given = f"labels ({len(labels)},) {labels.dtype} are the numbers of a regression"
    if num_classes is not None:
        raise TypeError(
            f"{given}, which have no num_classes: leave it out, or give class indices ({len(labels)},) of an integer "
            "type."
        )
    if rule == "union":
        raise TypeError(f'{given}, and a set of numbers is no number: give rule="share".')
    if not plan.whole:
        raise ValueError(
            f"{given}, and this method's shares need not sum to 1: the mixed number would be too small. Scale them, "
            "dataclasses.replace(recipe, share=recipe.share / recipe.share.sum(0)), or choose another method."
        )
    if labels.device.type == "cpu" and not bool(labels.isfinite().all()):
        raise ValueError(f"{given}, and one is not finite: leave such images out before.")
    return _shared(plan, labels.float()[:, None])[:, 0]


def _of_objects(
    plan: Labelled, labels: Objects | MovedObjects, num_classes: int | None, rule: str, min_visible: float
) -> Tensor:
    """Return the label (N, C) that follows from the objects."""
    if rule == "share":
        if isinstance(labels, MovedObjects):
            raise TypeError(
                'rule="share" mixes the labels that images had before, and moved objects are those of mixtures: give '
                'the Objects, or rule="union" or rule="visible".'
            )
        _check_count(plan, labels)
        return _shared(plan, multi_hot(labels, num_classes))
    if isinstance(labels, Objects):
        moved = follow(plan, labels, min_visible)
    else:
        _check_count(plan, labels.objects)
        moved = labels[labels.visible >= min_visible]
    strength = moved.visible * moved.weight
    return _largest(moved.objects, num_classes, torch.ones_like(strength) if rule == "union" else strength)


def _largest(objects: Objects, num_classes: int | None, values: Tensor) -> Tensor:
    """(N, C) float32: the largest value (M,) of each class in each image, 0 without any."""
    if num_classes is None:
        raise ValueError("The classes of objects need num_classes, e.g. recipe.targets(objects, num_classes=20).")
    result = values.new_zeros(objects.count * num_classes)
    if not len(objects):
        return result.view(objects.count, num_classes)
    if objects.classes is None:
        raise ValueError("These objects have no classes, of which a label is made: Objects(..., classes=...).")
    _check_classes(objects.classes, num_classes, "the objects' classes")
    index = objects.image * num_classes + objects.classes
    return result.scatter_reduce(0, index, values, "amax").view(objects.count, num_classes)


def _one_hot(labels: Tensor, num_classes: int) -> Tensor:
    return (labels[:, None] == torch.arange(num_classes, device=labels.device)).float()


# ---------------------------------------------------------------- what is refused


def _check_count(plan: Labelled, objects: Objects) -> None:
    n = plan.partner.shape[1]
    if objects.count != n:
        raise ValueError(f"This recipe is for {n} images; the objects are of {objects.count}. Give those of the batch.")


def _check_width(labels: Tensor, num_classes: int | None) -> None:
    """Raise unless labels (N, C) are soft labels or labels of several classes, if there are classes."""
    if num_classes not in (None, labels.shape[1]):
        raise ValueError(
            f"num_classes={num_classes}, but the soft labels are for {labels.shape[1]} classes, "
            f"{tuple(labels.shape)}: give the labels' own width, or labels of {num_classes} columns."
        )
    if num_classes is None or labels.device.type != "cpu" or not labels.is_floating_point():
        return
    low, high = (bound.item() for bound in torch.aminmax(labels))
    if not 0 <= low <= high < math.inf:  # also true for NaN
        raise ValueError(
            f"Soft labels should be 0 or more, and finite; these run from {low:.4g} to {high:.4g}. Logits: "
            "take their softmax. Targets of a regression: recipe.targets(labels), without num_classes."
        )


def _check_classes(classes: Tensor, num_classes: int, name: str) -> None:
    """Raise (on the CPU) for a class index that is not below ``num_classes``."""
    if classes.device.type != "cpu":
        return
    low, high = map(int, extremes(classes))
    if low < 0 or high >= num_classes:
        ignored = " No part of a mixture can be ignored: leave such pictures out before." if low < 0 else ""
        raise ValueError(
            f"{name} run from {low} to {high}; with num_classes={num_classes} that is out of range.{ignored}"
        )

"""Parts of an evaluation: each measures one property of a network and returns a plain dictionary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mixviz.evaluation import robustness
from mixviz.evaluation.calibration import calibration
from mixviz.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from mixviz.evaluation.embedding import embedding
from mixviz.evaluation.localization import localisation
from mixviz.evaluation.subject import EvaluationSet, percent

EPSILONS = (1, 2, 4, 8)  # in steps of 1/255
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the picture's area
LAMBDAS = tuple(i / 10 for i in range(11))
PGD_STEPS = 5  # forward and backward passes, which networks cannot share
# What a brief evaluation measures of them, part by part: the points that tables and questions use.
BRIEF: dict[str, tuple[float, ...]] = {
    "fgsm": (1, 8), "pgd": (1,), "occlusion": (0.5,), "corruption": (3,), "in_between": (0.5,),
}  # fmt: skip


def _points(split: EvaluationSet, part: str, whole: tuple[float, ...]) -> tuple[float, ...]:
    return BRIEF[part] if split.brief else whole


def _accuracy(split: EvaluationSet) -> dict:
    logits = split.clean
    top = logits.topk(min(5, logits.shape[1])).indices == split.labels[:, None]
    loss = torch.nn.functional.cross_entropy(logits.double(), split.labels).item()
    _, classes, count = split.labels.unique(return_inverse=True, return_counts=True)
    of_class = torch.zeros(len(count), device=count.device).index_add_(0, classes, (~top[:, 0]).float()) / count
    return {
        "top1_error_percent": percent(~top[:, 0]),
        "top5_error_percent": percent(~top.any(1)),
        "class_mean_error_percent": round(100 * of_class.mean().item(), 4),
        "cross_entropy_nats": round(loss, 6),
        "wrong": torch.nonzero(~top[:, 0]).flatten().tolist(),  # pictures, so that networks can be paired over them
    }


def _calibration(split: EvaluationSet) -> dict:
    result = calibration(split.clean.softmax(1), split.labels)
    bars = {name: [None if v != v else round(v, 6) for v in getattr(result, name).tolist()] for name in ("confidence",
            "accuracy")}  # fmt: skip
    return {
        "ece_percent": round(100 * result.ece, 4),
        "bins": len(result.count),
        "count": result.count.tolist(),
        **bars,
    }


def _fgsm(split: EvaluationSet) -> dict:
    strengths = _points(split, "fgsm", EPSILONS)
    right = torch.zeros(len(strengths), dtype=torch.int64)
    for part in split.slices():
        images, labels = split.images[part] / 255, split.labels[part]
        gradient = robustness.loss_gradient(split.network, images, labels)  # one gradient for all ε
        with torch.inference_mode():
            for i, eps in enumerate(strengths):
                attacked = robustness.along(images, gradient, eps)
                right[i] += (split.network(attacked).argmax(1) == labels).sum().cpu()
    accuracy = [round(100 * r / len(split.images), 4) for r in right.tolist()]
    return {"eps_of_255": list(strengths), "accuracy_percent": accuracy}


def _pgd(split: EvaluationSet) -> dict:
    """Share of pictures that the network has right unchanged and at every step of the attack."""
    strengths, accuracy = _points(split, "pgd", EPSILONS), []
    clean = split.clean.argmax(1) == split.labels
    for eps in strengths:
        rng, right = split.rng(1, int(eps)), clean.clone()
        for part in split.slices():
            images, labels = split.images[part] / 255, split.labels[part]
            # Places that are wrong already are drawn all the same: a picture's start does not depend on the network.
            start = rng.random(images.shape, dtype=np.float32)
            known = clean[part]
            if known.any():
                stands = robustness.withstands(
                    split.network, images[known], labels[known], eps, start[known.cpu().numpy()], steps=PGD_STEPS
                )
                right[part] = known.clone().masked_scatter_(known, stands)
        accuracy.append(percent(right))
    return {
        "eps_of_255": list(strengths), "steps": PGD_STEPS, "counted": "right at every step",
        "accuracy_percent": accuracy,
    }  # fmt: skip


def _occlusion(split: EvaluationSet) -> dict:
    mean = split.network.mean.flatten().tolist()
    shares = _points(split, "occlusion", SHARES)
    result: dict = {"share_of_area": list(shares), "fill": "the data set's mean"}
    for index, kind in enumerate(robustness.OCCLUSIONS):
        curve = []
        for share in shares:
            rng = split.rng(2, index)
            curve.append(split.accuracy(lambda x, _, s=share, r=rng, k=kind: robustness.occlude(x, s, k, r, mean)))
        result[f"{kind}_accuracy_percent"] = curve
    return result


def _corruption(split: EvaluationSet) -> dict:
    severities = [int(severity) for severity in _points(split, "corruption", SEVERITIES)]
    accuracy: dict[str, list[float]] = {}
    for index, name in enumerate(CORRUPTIONS):
        accuracy[name] = []
        for severity in severities:
            rng = split.rng(3, index)  # the same noise at every severity
            accuracy[name].append(split.accuracy(lambda x, _, s=severity, r=rng, k=name: corrupt(x, k, s, r)))
    means = [round(sum(column) / len(accuracy), 4) for column in zip(*accuracy.values(), strict=True)]
    result: dict = {"severity": severities, "accuracy_percent": accuracy, "accuracy_of_severity_percent": means}
    if not split.brief:
        mean = sum(map(sum, accuracy.values())) / (len(accuracy) * len(severities))
        result["mean_accuracy_percent"] = round(mean, 4)
    return result


def _ood(split: EvaluationSet) -> dict:
    known = split.clean.softmax(1).amax(1)
    noise = split.rng(4).integers(0, 256, split.images.shape, dtype=np.uint8)
    foreign = {"uniform_noise": torch.from_numpy(noise).to(split.images.device), "others": split.others}
    result: dict = {"score": "largest softmax probability"}
    for name, images in foreign.items():
        if images is not None:
            scores = robustness.detection(known, split.logits(images=images).softmax(1).amax(1))
            result[name] = {
                "images": len(images),
                "auroc_percent": round(100 * scores.auroc, 4),
                "tnr_at_95_tpr_percent": round(100 * scores.tnr_at_95_tpr, 4),
            }
    return result


def _in_between(split: EvaluationSet) -> dict:
    pairs = torch.from_numpy(robustness.pairs(split.labels, split.rng(5))).to(split.images.device)
    if not len(pairs):
        raise ValueError("In-between pictures are mixed of two classes, and all images have the same label.")
    lambdas = _points(split, "in_between", LAMBDAS)
    result: dict = {"lambda": list(lambdas), "images": 2 * len(pairs)}
    for method in ("mixup", "cutmix"):
        own, other = [], []
        for lam in lambdas:
            predicted, first, second = _mixed_predictions(split, pairs, method, lam)
            own.append(percent(predicted == first))
            other.append(percent(predicted == second))
        either = [round(a + b, 4) for a, b in zip(own, other, strict=True)]
        result[method] = {"first_percent": own, "second_percent": other, "either_percent": either}
    return result


def _mixed_predictions(split: EvaluationSet, pairs: Tensor, method: str, lam: float) -> tuple[Tensor, Tensor, Tensor]:
    """Predicted classes of the mixtures, and the classes of both pictures in them; each (2P,)."""
    rng = split.rng(6)
    some = pairs.split(max(1, split.batch_size // 2))
    first, second = (torch.cat([part.T.flatten() for part in parts]) for parts in (some, [p.flip(1) for p in some]))
    mixed = (robustness.interpolate(split.images[part.T.flatten()], lam, method, rng) for part in some)
    return split.logits_of(mixed).argmax(1), split.labels[first], split.labels[second]


PARTS: dict[str, Callable[[EvaluationSet], dict]] = {
    "accuracy": _accuracy,
    "calibration": _calibration,
    "localisation": localisation,
    "fgsm": _fgsm,
    "pgd": _pgd,
    "occlusion": _occlusion,
    "corruption": _corruption,
    "ood": _ood,
    "in_between": _in_between,
    "embedding": embedding,
}

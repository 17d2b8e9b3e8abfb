"""The parts of an evaluation: each measures one thing of a network on a split, as a plain dictionary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mixviz import embeddings, robustness
from mixviz.cam import feature_layers, grad_cam
from mixviz.embeddings import placing
from mixviz.evaluation.calibration import calibration
from mixviz.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from mixviz.localization import DELTAS, BoxScores, box_scores, centre_heat, heat, pixel_scores
from mixviz.networks.asking import Pixels

EPSILONS = (1, 2, 4, 8)  # in steps of 1/255
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the picture's area
LAMBDAS = tuple(i / 10 for i in range(11))
PGD_STEPS = 10
CAM_THRESHOLD = 0.2  # the fixed one of Zhou et al., CVPR 2016
FEW = 4  # pictures that a class needs for its embedding to be measured: two in each half
PLOTTED = 10  # of the 1,000 thresholds, every tenth is written: enough for a curve


@dataclass(frozen=True)
class Split:
    """What the parts measure on; see :func:`mixviz.evaluation.measuring.evaluate`."""

    network: Pixels
    images: Tensor
    labels: Tensor
    layer: str
    boxes: Sequence[Tensor] | None
    masks: Tensor | None
    others: Tensor | None
    seed: int
    batch_size: int

    def rng(self, *what: int) -> np.random.Generator:
        """A generator of its own for every measurement, so that leaving one out changes no other."""
        return np.random.default_rng((self.seed, *what))

    def slices(self, n: int | None = None) -> Iterator[slice]:
        n = len(self.images) if n is None else n
        return (slice(i, min(i + self.batch_size, n)) for i in range(0, n, self.batch_size))

    def logits(self, change: Callable[[Tensor, slice], Tensor] | None = None, images: Tensor | None = None) -> Tensor:
        """What the network answers (N, C) to the images, each batch changed first."""
        images = self.images if images is None else images
        with torch.inference_mode():
            change = change or (lambda batch, _: batch)
            return torch.cat([self.network(change(images[part], part)) for part in self.slices(len(images))])

    def embedding(self, images: Tensor | None = None) -> Tensor:
        """What the network has before its head (N, D), on the CPU."""
        images = self.images if images is None else images
        found = [
            embeddings.embed(self.network.network, self.network.normalised(images[part])).cpu()
            for part in self.slices(len(images))
        ]
        return torch.cat(found)

    @cached_property
    def clean(self) -> Tensor:
        """The logits (N, C) of the images as they are, asked for once."""
        return self.logits()

    def accuracy(self, change: Callable[[Tensor, slice], Tensor]) -> float:
        """Percent of the changed images that are classified right."""
        return percent(self.logits(change).argmax(1) == self.labels)


def percent(hits: Tensor) -> float:
    """The share of hits (N,) bool, in %."""
    return round(100 * hits.double().mean().item(), 4)


def _accuracy(split: Split) -> dict:
    logits = split.clean
    top = logits.topk(min(5, logits.shape[1])).indices == split.labels[:, None]
    loss = torch.nn.functional.cross_entropy(logits.double(), split.labels).item()
    return {
        "top1_error_percent": percent(~top[:, 0]),
        "top5_error_percent": percent(~top.any(1)),
        "cross_entropy_nats": round(loss, 6),
    }


def _calibration(split: Split) -> dict:
    found = calibration(split.clean.softmax(1), split.labels)
    bars = {name: [None if v != v else round(v, 6) for v in getattr(found, name).tolist()] for name in ("confidence",
            "accuracy")}  # fmt: skip
    return {"ece_percent": round(100 * found.ece, 4), "bins": len(found.count), "count": found.count.tolist(), **bars}


def _localisation(split: Split) -> dict:
    size = tuple(split.images.shape[2:])
    correct = split.clean.argmax(1) == split.labels
    centre = centre_heat(size).to(split.images.device)
    result = {**_of_layer(split, split.layer, correct), "centre": _against_truth(split, centre, correct)}
    last = next(reversed(feature_layers(split.network.network, size)), split.layer)
    if last != split.layer:  # papers measure the last map, where Grad-CAM is CAM; of small pictures it is coarse
        result["last_map"] = _of_layer(split, last, correct)
    return result


def _of_layer(split: Split, layer: str, correct: Tensor) -> dict:
    """Localisation by the maps of one layer, each of its picture's true class."""
    maps = []
    for part in split.slices():
        inputs, labels = split.network.normalised(split.images[part]), split.labels[part]
        maps.append(grad_cam(split.network.network, inputs, labels, layer))
    found = heat(torch.cat(maps), tuple(split.images.shape[2:]))
    return {"layer": layer, "map_size": list(maps[0].shape[1:]), "network": _against_truth(split, found, correct)}


def _against_truth(split: Split, found: Tensor, correct: Tensor) -> dict:
    """Localisation numbers of maps (N, H, W), or (1, H, W)."""
    result: dict = {}
    if split.boxes is not None:
        result |= _box_numbers(box_scores(found, split.boxes), correct)
    if split.masks is not None:
        result["px_ap_percent"] = round(100 * pixel_scores(found, split.masks).px_ap, 4)
    return result


def _box_numbers(scores: BoxScores, correct: Tensor) -> dict:
    best = scores.max_box_acc
    at = int(CAM_THRESHOLD * len(scores.accuracy()))
    curves = {
        "mean_iou_percent": scores.largest.mean(0),
        "box_acc_percent": scores.accuracy(),
        **{f"box_acc_v2_iou{round(100 * delta)}_percent": scores.accuracy(delta, every=True) for delta in DELTAS},
    }
    return {
        "max_box_acc_percent": round(100 * best.accuracy, 4),
        "max_box_acc_threshold": best.threshold,
        "max_box_acc_v2_percent": round(100 * scores.max_box_acc_v2, 4),
        "top1_localisation_percent": round(100 * scores.top1(correct), 4),
        "gt_known_at_fixed_threshold_percent": round(100 * scores.accuracy()[at].item(), 4),
        "top1_localisation_at_fixed_threshold_percent": round(100 * scores.top1(correct, CAM_THRESHOLD), 4),
        "fixed_threshold": CAM_THRESHOLD,
        "curves": {
            "threshold": [i / 1000 for i in range(0, 1000, PLOTTED)],
            **{name: [round(100 * v, 2) for v in curve[::PLOTTED].tolist()] for name, curve in curves.items()},
        },
    }


def _fgsm(split: Split) -> dict:
    right = torch.zeros(len(EPSILONS), dtype=torch.int64)
    for part in split.slices():
        images, labels = split.images[part] / 255, split.labels[part]
        slope = robustness.loss_gradient(split.network, images, labels)  # one for all ε
        with torch.inference_mode():
            for i, eps in enumerate(EPSILONS):
                attacked = robustness.along(images, slope, eps)
                right[i] += (split.network(attacked).argmax(1) == labels).sum().cpu()
    accuracy = [round(100 * r / len(split.images), 4) for r in right.tolist()]
    return {"eps_of_255": list(EPSILONS), "accuracy_percent": accuracy}


def _pgd(split: Split) -> dict:
    def attack(eps: int) -> Callable[[Tensor, slice], Tensor]:
        rng = split.rng(1, eps)
        return lambda images, part: robustness.pgd(
            split.network, images / 255, split.labels[part], eps, rng, steps=PGD_STEPS
        )

    accuracy = [split.accuracy(attack(eps)) for eps in EPSILONS]
    return {"eps_of_255": list(EPSILONS), "steps": PGD_STEPS, "accuracy_percent": accuracy}


def _occlusion(split: Split) -> dict:
    mean = split.network.mean.flatten().tolist()
    result: dict = {"share_of_area": list(SHARES), "fill": "the data set's mean"}
    for index, kind in enumerate(robustness.OCCLUSIONS):
        curve = []
        for share in SHARES:
            rng = split.rng(2, index)
            curve.append(split.accuracy(lambda x, _, s=share, r=rng, k=kind: robustness.occlude(x, s, k, r, mean)))
        result[f"{kind}_accuracy_percent"] = curve
    return result


def _corruption(split: Split) -> dict:
    accuracy: dict[str, list[float]] = {}
    for index, name in enumerate(CORRUPTIONS):
        accuracy[name] = []
        for severity in SEVERITIES:
            rng = split.rng(3, index)  # the same noise at every severity
            accuracy[name].append(split.accuracy(lambda x, _, s=severity, r=rng, k=name: corrupt(x, k, s, r)))
    mean = sum(map(sum, accuracy.values())) / (len(accuracy) * len(SEVERITIES))
    return {"severity": list(SEVERITIES), "accuracy_percent": accuracy, "mean_accuracy_percent": round(mean, 4)}


def _ood(split: Split) -> dict:
    known = split.clean.softmax(1).amax(1)
    noise = split.rng(4).integers(0, 256, split.images.shape, dtype=np.uint8)
    foreign = {"uniform_noise": torch.from_numpy(noise).to(split.images.device), "others": split.others}
    result: dict = {"score": "largest softmax probability"}
    for name, images in foreign.items():
        if images is not None:
            found = robustness.detection(known, split.logits(images=images).softmax(1).amax(1))
            result[name] = {
                "images": len(images),
                "auroc_percent": round(100 * found.auroc, 4),
                "tnr_at_95_tpr_percent": round(100 * found.tnr_at_95_tpr, 4),
            }
    return result


def _in_between(split: Split) -> dict:
    pairs = torch.from_numpy(robustness.pairs(split.labels, split.rng(5))).to(split.images.device)
    if not len(pairs):
        raise ValueError("In-between pictures are mixed of two classes, and all images have the same label.")
    result: dict = {"lambda": list(LAMBDAS), "images": 2 * len(pairs)}
    for method in ("mixup", "cutmix"):
        own, other = [], []
        for lam in LAMBDAS:
            predicted, first, second = _mixed_predictions(split, pairs, method, lam)
            own.append(percent(predicted == first))
            other.append(percent(predicted == second))
        either = [round(a + b, 4) for a, b in zip(own, other, strict=True)]
        result[method] = {"first_percent": own, "second_percent": other, "either_percent": either}
    return result


def _mixed_predictions(split: Split, pairs: Tensor, method: str, lam: float) -> tuple[Tensor, Tensor, Tensor]:
    """Predicted classes of the mixtures, and the classes of both pictures in them; each (2P,)."""
    rng, predicted, first, second = split.rng(6), [], [], []
    with torch.inference_mode():
        for some in pairs.split(max(1, split.batch_size // 2)):
            index = some.T.flatten()
            mixed = robustness.between(split.images[index], lam, method, rng)
            predicted.append(split.network(mixed).argmax(1))
            first.append(split.labels[index])
            second.append(split.labels[some.flip(1).T.flatten()])
    return torch.cat(predicted), torch.cat(first), torch.cat(second)


def _embedding(split: Split) -> dict:
    """Clusters and neighbours are by direction, as retrieval is by cosine similarity."""
    labels = split.labels.cpu()
    classes, counts = labels.unique(return_counts=True)
    if counts.min() < FEW:
        return {"not_measured": f"it needs {FEW} pictures of every class, and one has {counts.min().item()}"}
    found = split.embedding()
    if (found == found[0]).all():
        return {"not_measured": "it is the same for all pictures"}
    stand = placing.standing(found, labels, split.seed)
    result: dict = {
        "dimensions": found.shape[1],
        "clusters": len(classes),
        "purity_percent": round(100 * stand.purity, 4),
        "nmi_percent": round(100 * stand.nmi, 4),
        "retrieval_map_percent": round(100 * stand.near.mean_average_precision, 4),
        "precision_at_1_percent": round(100 * stand.near.precision_at_1, 4),
    }
    if split.others is not None:
        result["mahalanobis"] = _mahalanobis(split, found, labels)
    return result


def _mahalanobis(split: Split, found: Tensor, labels: Tensor) -> dict:
    """Others against pictures that the classes were not fitted to: these would lie nearer than any new ones.

    Once as in the paper, and once by direction alone: lengths break the assumption of one spread for all (Mueller and
    Hein, ICML 2025, arXiv:2505.18032), and a picture that a network does not know tends to have a short vector, which
    lies in the midst of the classes.
    """
    fitted = _half(labels, split.rng(7))
    foreign = split.embedding(split.others)
    result: dict = {
        "fitted_to": "a random half of each class of these images",
        "fitted_images": int(fitted.sum()),
        "known_images": int((~fitted).sum()),
    }
    for name, seen_as in {"others": torch.Tensor.double, "others_by_direction": embeddings.directions}.items():
        try:
            known = embeddings.gaussians(seen_as(found[fitted]), labels[fitted])
        except ValueError as error:
            result[name] = {"not_measured": str(error)}
            continue
        own, far = (embeddings.mahalanobis(seen_as(vectors), known) for vectors in (found[~fitted], foreign))
        seen = robustness.detection(-own, -far)
        result[name] = {
            "images": len(foreign),
            "shrinkage": round(known.shrinkage, 6),
            "auroc_percent": round(100 * seen.auroc, 4),
            "tnr_at_95_tpr_percent": round(100 * seen.tnr_at_95_tpr, 4),
        }
    return result


def _half(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """A random half (N,) bool of every class: of an odd number the larger one."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = torch.nonzero(labels == label).flatten()
        chosen[members[rng.permutation(len(members))[: (len(members) + 1) // 2]]] = True
    return chosen


PARTS: dict[str, Callable[[Split], dict]] = {
    "accuracy": _accuracy,
    "calibration": _calibration,
    "localisation": _localisation,
    "fgsm": _fgsm,
    "pgd": _pgd,
    "occlusion": _occlusion,
    "corruption": _corruption,
    "ood": _ood,
    "in_between": _in_between,
    "embedding": _embedding,
}

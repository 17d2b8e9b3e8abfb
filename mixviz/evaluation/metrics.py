"""Metrics of networks: where a card holds them, their units, and which direction is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

Measurements: TypeAlias = Mapping[str, Any]  # the JSON of an evaluation, part by part


class At(NamedTuple):
    """A point of a curve: where ``axis``, a list in the same object or one above it, equals ``value``."""

    axis: str
    value: float


@dataclass(frozen=True)
class Metric:
    """A number measured of a network.

    Attributes:
        key: its name in data, addresses and translations.
        path: where the metrics of a card hold it: names, and for a point of a curve an :class:`At`.
        title: its name for people.
        better: the direction of improvement.
        unit: of the number.
        counted: what the number is a mean over: ``pictures``, ``pairs`` of them, or "" where it is no such mean (areas
            under curves, clusters, calibration).
        short: whether the short table shows it.
    """

    key: str
    path: tuple[str | At, ...]
    title: str
    better: Literal["lower", "higher"] = "higher"
    unit: str = "%"
    counted: Literal["pictures", "pairs", ""] = "pictures"
    short: bool = False

    @property
    def heading(self) -> str:
        """The title as a column's heading; an arrow marks metrics that should be low."""
        return f"{self.title} ↓" if self.better == "lower" else self.title

    @property
    def centre_path(self) -> tuple[str | At, ...] | None:
        """Path of the centre baseline's number; None where it depends on a network or does not exist."""
        if self.path[0] != "localisation" or self.key == "top1_localization":
            return None
        return ("localisation", "centre", self.path[-1])

    def of(self, metrics: Measurements) -> float | None:
        """Return the number in the metrics of a card, or None where it was not measured."""
        return number_at(metrics, self.path)

    def count(self, metrics: Measurements) -> int | None:
        """Return how many independent pictures or pairs the number is the mean of; None where it is no such mean.

        In between, each pair of pictures is mixed twice, one way and the other, and counts once.
        """
        if not self.counted:
            return None
        if self.counted == "pairs":
            both = number_at(metrics, (self.path[0], "images"))
            return None if both is None else int(both) // 2
        return metrics.get("images")


def _localized(key: str, name: str, title: str, **more: bool | str) -> Metric:
    return Metric(key, ("localisation", "network", name), title, **more)  # type: ignore[arg-type]


METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric("top1_error", ("accuracy", "top1_error_percent"), "top-1 error", "lower", short=True),
        Metric("top5_error", ("accuracy", "top5_error_percent"), "top-5 error", "lower"),
        Metric("class_error", ("accuracy", "class_mean_error_percent"), "error of a class", "lower", counted=""),
        Metric("ece", ("calibration", "ece_percent"), "ECE", "lower", counted="", short=True),
        _localized("max_box_acc", "max_box_acc_percent", "MaxBoxAcc"),
        _localized("max_box_acc_v2", "max_box_acc_v2_percent", "MaxBoxAccV2", short=True),
        _localized("top1_localization", "top1_localisation_percent", "top-1 loc."),
        Metric(
            "max_box_acc_v2_last", ("localisation", "last_map", "network", "max_box_acc_v2_percent"),
            "MaxBoxAccV2, last map", short=True,
        ),
        _localized("px_ap", "px_ap_percent", "PxAP", counted=""),
        Metric("fgsm_1", ("fgsm", "accuracy_percent", At("eps_of_255", 1)), "FGSM 1/255", short=True),
        Metric("fgsm_8", ("fgsm", "accuracy_percent", At("eps_of_255", 8)), "FGSM 8/255"),
        Metric("pgd_1", ("pgd", "accuracy_percent", At("eps_of_255", 1)), "PGD 1/255"),
        Metric("hole_50", ("occlusion", "hole_accuracy_percent", At("share_of_area", 0.5)), "hole 50 %", short=True),
        Metric(
            "border_hole_50", ("occlusion", "border_hole_accuracy_percent", At("share_of_area", 0.5)),
            "border hole 50 %",
        ),
        Metric("boundary_50", ("occlusion", "boundary_accuracy_percent", At("share_of_area", 0.5)), "boundary 50 %"),
        Metric("corrupted", ("corruption", "mean_accuracy_percent"), "corrupted", short=True),
        Metric(
            "corrupted_3", ("corruption", "accuracy_of_severity_percent", At("severity", 3)), "corrupted, severity 3"
        ),
        Metric("auroc_others", ("ood", "others", "auroc_percent"), "AUROC others", counted="", short=True),
        Metric("tnr_others", ("ood", "others", "tnr_at_95_tpr_percent"), "TNR@95 others", counted=""),
        Metric("auroc_noise", ("ood", "uniform_noise", "auroc_percent"), "AUROC noise", counted=""),
        Metric(
            "auroc_mahalanobis", ("embedding", "mahalanobis", "others", "auroc_percent"),
            "AUROC others, Mahalanobis", counted="",
        ),
        Metric("purity", ("embedding", "purity_percent"), "purity", counted=""),
        Metric("nmi", ("embedding", "nmi_percent"), "NMI", counted=""),
        Metric("ari", ("embedding", "adjusted_rand_percent"), "adjusted Rand index", counted=""),
        Metric("retrieval_map", ("embedding", "retrieval_map_percent"), "retrieval mAP", counted="", short=True),
        Metric("map_at_r", ("embedding", "map_at_r_percent"), "mAP@R", counted=""),
        Metric("recall_1", ("embedding", "recall_at_k_percent", At("k", 1)), "Recall@1", counted=""),
        Metric("recall_5", ("embedding", "recall_at_k_percent", At("k", 5)), "Recall@5", counted=""),
        Metric("recall_10", ("embedding", "recall_at_k_percent", At("k", 10)), "Recall@10", counted=""),
        Metric("precision_10", ("embedding", "precision_at_k_percent", At("k", 10)), "Precision@10", counted=""),
        Metric("place_recall_1", ("embedding", "places", "recall_at_k_percent", At("k", 1)), "places R@1", counted=""),
        Metric("place_recall_5", ("embedding", "places", "recall_at_k_percent", At("k", 5)), "places R@5", counted=""),
        Metric(
            "mixup_half", ("in_between", "mixup", "either_percent", At("lambda", 0.5)), "Mixup λ=½", counted="pairs"
        ),
        Metric(
            "cutmix_half", ("in_between", "cutmix", "either_percent", At("lambda", 0.5)), "CutMix λ=½",
            counted="pairs", short=True,
        ),
    )
}  # fmt: skip


def number_at(metrics: Measurements, path: tuple[str | At, ...]) -> float | None:
    """Return the number at a path in the metrics of a card, or None where it was not measured."""
    value = at(metrics, path)
    return value if isinstance(value, (int, float)) else None


def at(metrics: Measurements, path: tuple[str | At, ...]) -> Any:
    """Return the JSON at a path in the metrics of a card, or None where it was not measured."""
    above: list[Measurements] = []
    value: Any = metrics
    for step in path:
        if isinstance(step, At):
            axes = [axes for one in reversed(above) if (axes := one.get(step.axis)) is not None]
            if not axes or not isinstance(value, list) or step.value not in axes[0]:
                return None
            value = value[axes[0].index(step.value)]
        elif isinstance(value, Mapping) and step in value:
            above.append(value)
            value = value[step]
        else:
            return None
    return value

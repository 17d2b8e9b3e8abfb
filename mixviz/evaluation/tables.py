"""Many networks in one Markdown table: a row per strategy, seeds as mean and spread."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping

# Title -> where the number stands in what :func:`mixviz.evaluation.evaluate.evaluate` returns. Error and calibration:
# lower is better; everything else: higher.
COLUMNS: dict[str, tuple[str | int, ...]] = {
    "top-1 error ↓": ("accuracy", "top1_error_percent"),
    "top-5 error ↓": ("accuracy", "top5_error_percent"),
    "ECE ↓": ("calibration", "ece_percent"),
    "MaxBoxAcc": ("localisation", "network", "max_box_acc_percent"),
    "MaxBoxAccV2": ("localisation", "network", "max_box_acc_v2_percent"),
    "top-1 loc.": ("localisation", "network", "top1_localisation_percent"),
    "MaxBoxAccV2, last map": ("localisation", "last_map", "network", "max_box_acc_v2_percent"),
    "PxAP": ("localisation", "network", "px_ap_percent"),
    "FGSM 1/255": ("fgsm", "accuracy_percent", 0),
    "FGSM 8/255": ("fgsm", "accuracy_percent", 3),
    "PGD 1/255": ("pgd", "accuracy_percent", 0),
    "hole 50 %": ("occlusion", "hole_accuracy_percent", 4),
    "border hole 50 %": ("occlusion", "border_hole_accuracy_percent", 4),
    "boundary 50 %": ("occlusion", "boundary_accuracy_percent", 4),
    "corrupted": ("corruption", "mean_accuracy_percent"),
    "AUROC others": ("ood", "others", "auroc_percent"),
    "TNR@95 others": ("ood", "others", "tnr_at_95_tpr_percent"),
    "AUROC noise": ("ood", "uniform_noise", "auroc_percent"),
    "AUROC others, Mahalanobis": ("embedding", "mahalanobis", "others", "auroc_percent"),
    "NMI": ("embedding", "nmi_percent"),
    "retrieval mAP": ("embedding", "retrieval_map_percent"),
    "Mixup λ=½": ("in_between", "mixup", "either_percent", 5),
    "CutMix λ=½": ("in_between", "cutmix", "either_percent", 5),
}

SHORT = ("top-1 error ↓", "ECE ↓", "MaxBoxAccV2", "MaxBoxAccV2, last map", "FGSM 1/255", "hole 50 %", "corrupted",
         "AUROC others", "CutMix λ=½")  # fmt: skip


def table(entries: Iterable[tuple[str, Mapping]], titles: Collection[str] = tuple(COLUMNS)) -> str:
    """A Markdown table, all numbers in percent.

    Args:
        entries: (strategy, what :func:`mixviz.evaluation.evaluate.evaluate` returned for one network). Entries of the
            same strategy are its seeds.
        titles: of the columns to show, out of :data:`COLUMNS`; :data:`SHORT` is a choice.

    Returns:
        A row per strategy, in the order of their first entry, with the number of seeds and mean ± standard deviation
        (that of a sample, dividing by n - 1; one seed has none). Columns that nobody measured are left out. Below the
        networks stands the centre baseline of localisation, which has seen no picture.

    Raises:
        ValueError: there are no entries.
    """
    groups: dict[str, list[Mapping]] = {}
    for strategy, metrics in entries:
        groups.setdefault(strategy, []).append(metrics)
    if not groups:
        raise ValueError("A table needs at least one entry (strategy, metrics).")
    everyone = [metrics for group in groups.values() for metrics in group]
    columns = {
        title: path
        for title, path in COLUMNS.items()
        if title in titles and any(at(m, path) is not None for m in everyone)
    }
    rows = [
        [name, str(len(group)), *(_cell([at(m, path) for m in group]) for path in columns.values())]
        for name, group in groups.items()
    ]
    if any(at(m, ("localisation", "centre")) for m in everyone):
        rows.append(["*centre, without a network*", "", *(_centre_cell(everyone, path) for path in columns.values())])
    lines = [["strategy", "seeds", *columns], ["---", *["---:"] * (len(columns) + 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def at(metrics: Mapping, path: tuple[str | int, ...]) -> float | None:
    """The number at a path, or None where it was not measured."""
    value = metrics
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _cell(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = f"{statistics.fmean(known):.2f}"
    spread = f" ± {statistics.stdev(known):.2f}" if len(known) > 1 else ""
    return mean + spread + (f" ({len(known)} of {len(values)})" if len(known) < len(values) else "")


def _centre_cell(everyone: list[Mapping], path: tuple[str | int, ...]) -> str:
    """The centre's number, where localisation has one; but for top-1 localisation it depends on no network."""
    if path[0] != "localisation" or path[-1] == "top1_localisation_percent":
        return ""
    found = {at(metrics, ("localisation", "centre", path[-1])) for metrics in everyone} - {None}
    return " / ".join(f"{value:.2f}" for value in sorted(found))

"""Running summary of the rows of a folder's evaluation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from mixviz.cam.trust import Faithful
from mixviz.core import checks
from mixviz.evaluation.folder_eval import FolderEvaluation, Row

RANGES = {"average_drop": (0, 100), "road": (-0.5, 0.5)}  # largest value of a column; of all others 1
HIT = 0.5  # the IoU from which a box counts as a hit
MEANS = ("predicted_probability", "probability", "iou", *Faithful._fields)
SUMMARY = ("network", "class", "threshold", "pictures", "with_truth", "hits", *(f"mean_{name}" for name in MEANS))


class SummaryAccumulator:
    """Summary per network, and per class where classes were asked for.

    ``pictures`` counts evaluated pictures, ``with_truth`` those with an IoU, ``hits`` is the share of these with an IoU
    of at least 0.5 at the fixed τ. The other columns are means; ``mean_increase`` is a share.
    """

    def __init__(self, survey: FolderEvaluation) -> None:
        self.survey = survey
        self.sums_of: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0, 0.0]))

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows of :meth:`mixviz.evaluation.folder_eval.FolderEvaluation.results`.

        Raises:
            TypeError, ValueError: a row that lacks a column, or a value outside the column's range.
        """
        for row in rows:
            if missing := [name for name in ("network", "class", *MEANS) if name not in row]:
                raise ValueError(f"rows should have all columns of a survey; one lacks {', '.join(missing)}.")
            values: dict[str, Any] = {name: row[name] for name in MEANS}
            for name, value in values.items():
                if value is not None:
                    checks.number(name, value, *RANGES.get(name, (0, 1)))
            if row["network"] is None:
                continue
            sums = self.sums_of[str(row["network"]), str(row["class"] or "") if self.survey.classes else ""]
            values[""] = 0
            if values["iou"] is not None:
                values["hit"] = values["iou"] >= HIT
            for name, value in values.items():
                if value is not None:
                    sums[name] = [sums[name][0] + 1, sums[name][1] + value]

    def rows(self) -> list[Row]:
        """Return rows with the keys of :data:`SUMMARY`."""
        result = []
        for (network, name), sums in self.sums_of.items():
            mean = {key: round(total / count, 6) if count else None for key, (count, total) in sums.items()}
            row: Row = {"network": network, "class": name, "threshold": self.survey.threshold, "hits": mean.get("hit")}
            row |= {"pictures": sums[""][0], "with_truth": sums["iou"][0]}
            result.append(row | {f"mean_{key}": mean.get(key) for key in MEANS})
        return result

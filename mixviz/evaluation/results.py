"""Rows and curves of trained networks, each number with its error."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypeAlias, TypedDict

from mixviz.core import checks
from mixviz.evaluation.metrics import METRICS, Metric, at, number_at
from mixviz.networks import model_card
from mixviz.networks.model_card import LogLine, ModelCard

Curve: TypeAlias = dict[str, list[float] | None]  # x, y and error; without an error None
LOSSES = ("top1", "val_loss", "train_loss")


class Cell(TypedDict):
    """A number of a row: its mean over seeds, the seeds' own numbers, and the error with what it is of, see
    :func:`value`."""

    mean: float
    each: list[float]
    error: float | None
    kind: str
    count: NotRequired[int]


class ResultRow(TypedDict):
    """A strategy's results, see :func:`rows`."""

    title: str
    method: str
    networks: list[str]
    seeds: list[int | None]
    values: dict[str, Cell]
    curves: dict[str, Curve]
    reliability: dict[str, list[float]]


def standard_error(percent: float, count: int) -> float:
    """Standard error of one network's percentage, in points: the spread over other pictures of the same kind.

    $$\\sqrt{p (1 - p) / n}$$

    Exact for a share of pictures; an upper bound for any mean of numbers from 0 to 1.

    Args:
        percent: p, 0 to 100, apart from rounding.
        count: n.

    Raises:
        TypeError, ValueError: a number outside its range.
    """
    checks.number("percent", percent, -0.001, 100.001)
    checks.number("count", count, 1, whole=True)
    share = min(max(percent / 100, 0), 1)
    return 100 * math.sqrt(share * (1 - share) / count)


def value(each: Sequence[float], count: int | None, kind: str = "pictures") -> Cell:
    """Return a cell: the numbers of all seeds, their mean, and the kind and size of its error.

    Args:
        each: a number per seed.
        count: see :meth:`mixviz.evaluation.metrics.Metric.count`.
        kind: ``pictures`` or ``pairs`` of them.

    Returns:
        ``mean``, ``each``, ``error`` and ``kind``: the sample's standard deviation for several ``seeds``, one standard
        error of ``count`` pictures or pairs for a single one, and None and "" where neither is known.

    Raises:
        TypeError, ValueError: no number, or a NaN or an infinity among them.
    """
    checks.all_numbers("each", each)
    cell: Cell = {"mean": statistics.fmean(each), "each": list(each), "error": None, "kind": ""}
    if len(each) > 1:
        return {**cell, "error": statistics.stdev(each), "kind": "seeds"}
    if count:
        return {**cell, "error": standard_error(each[0], count), "kind": kind, "count": count}
    return cell


def rows(networks: Mapping[str, ModelCard], logs: Mapping[str, Sequence[LogLine]]) -> list[ResultRow]:
    """Return a row per strategy, in the order of the networks. Runs that differ by their seed alone share one.

    Numbers are means over all seeds, those of the cards' further ones too; curves are of the cards' own networks.

    Args:
        networks: name -> card, with its metrics.
        logs: name -> the lines of its training, where they are known.

    Returns:
        Per row ``title``, ``method``, ``networks``, ``seeds`` (those of the networks first), ``values`` (key of a
        metric -> :func:`value`), ``curves`` and ``reliability``.

    Raises:
        ValueError: the same run twice.
    """
    groups: dict[str, list[str]] = {}
    for (title, _), name in zip(model_card.rows(list(networks.values())), networks, strict=True):
        groups.setdefault(title, []).append(name)
    return [_row(title, {name: networks[name] for name in names}, logs) for title, names in groups.items()]


def _row(title: str, several: Mapping[str, ModelCard], logs: Mapping[str, Sequence[LogLine]]) -> ResultRow:
    own, first = [card.metrics or {} for card in several.values()], next(iter(several.values()))
    further = [one for card in several.values() for one in card.seeds]
    measured = [*own, *(one.metrics for one in further)]
    values = {}
    for metric in METRICS.values():
        each = [number for one in measured if (number := metric.of(one)) is not None]
        if each:
            values[metric.key] = value(each, metric.count(measured[0]), metric.counted)
    if len(measured) == 1 and "ece" in values:
        values["ece"] |= _calibration_error(measured[0]["calibration"])
    return {
        "title": title,
        "method": first.method,
        "networks": list(several),
        "seeds": [*(card.seed for card in several.values()), *(one.seed for one in further)],
        "values": values,
        "curves": _measured_curves(own) | _training([logs[name] for name in several if logs.get(name)]),
        "reliability": reliability([metrics["calibration"] for metrics in measured if "calibration" in metrics]),
    }


def _calibration_error(bins: Mapping) -> dict[str, Any]:
    """Return the standard error of one network's ECE, from its bins; nothing where there are none.

    ECE is Σ |hits − confidence| over all bins, divided by the number of pictures. A picture is a hit or not, with the
    accuracy a of its bin; this moves the sum by a (1 − a) in square. An upper bound where a bin's accuracy and
    confidence cannot be told apart.
    """
    total = sum(bins["count"])
    if not total:
        return {}
    square = sum(n * a * (1 - a) for n, a in zip(bins["count"], bins["accuracy"], strict=True) if n)
    return {"error": 100 * math.sqrt(square) / total, "kind": "pictures", "count": total}


def _measured_curves(several: Sequence[Mapping]) -> dict[str, Curve]:
    """Curves over ε, the occluded share and τ. At ε = 0 and share 0 they have the accuracy on unchanged pictures."""
    clean = [100 - m["accuracy"]["top1_error_percent"] for m in several if "accuracy" in m]
    untouched = clean if len(clean) == len(several) else None
    curves = {"fgsm": curve(several, ("fgsm", "eps_of_255"), ("fgsm", "accuracy_percent"), untouched)}
    for kind in ("hole", "border_hole", "boundary"):
        over = ("occlusion", "share_of_area")
        curves[kind] = curve(several, over, ("occlusion", f"{kind}_accuracy_percent"), untouched)
    for name, place in {"box_acc": (), "box_acc_last": ("last_map",)}.items():
        where = ("localisation", *place, "network", "curves")
        curves[name] = curve(several, (*where, "threshold"), (*where, "box_acc_percent"))
    return {name: one for name, one in curves.items() if one}


def curve(
    several: Sequence[Mapping], x: tuple[str, ...], y: tuple[str, ...], zero: Sequence[float] | None = None
) -> Curve | None:
    """Return a curve's mean and, for several seeds, sample standard deviation; None where a network lacks it.

    Args:
        several: metrics, one per seed.
        x, y: paths of the curve in them.
        zero: the values at x = 0, one per seed, where the measurement does not include them.
    """
    places, lines = [at(one, x) for one in several], [at(one, y) for one in several]
    if None in places or None in lines or any(other != places[0] for other in places):
        return None
    start = [] if zero is None else [0]
    lines = [[*([zero[i]] if zero else []), *line] for i, line in enumerate(lines)]
    return _spread([*start, *places[0]], lines)


def _spread(x: Sequence[float], lines: Sequence[Sequence[float]]) -> Curve:
    columns = list(zip(*lines, strict=True))
    error = [statistics.stdev(column) for column in columns] if len(lines) > 1 else None
    return {"x": list(x), "y": [statistics.fmean(column) for column in columns], "error": error}


def _training(logs: Sequence[Sequence[LogLine]]) -> dict[str, Curve]:
    """Curves over the epochs that all seeds have reached."""
    epochs = min((len(log) for log in logs), default=0)
    if not epochs:
        return {}
    x = [line["epoch"] for line in logs[0][:epochs]]
    return {key: _spread(x, [[line[key] for line in log[:epochs]] for log in logs]) for key in LOSSES}


def reliability(several: Sequence[Mapping]) -> dict[str, list[float]]:
    """Pool the bins of all seeds: confidence and accuracy in percent, and the number of pictures.

    Args:
        several: per seed the ``count`` of each bin, and its mean ``confidence`` and ``accuracy`` in [0, 1], None where
            it is empty.

    Raises:
        TypeError, ValueError: bins that are no such numbers.
    """
    bins: dict[int, list[float]] = {}
    for one in several:
        for i, count in enumerate(one["count"]):
            checks.number(f"count[{i}]", count, 0, whole=True)
            if count:
                for name in ("confidence", "accuracy"):
                    checks.number(f"{name}[{i}]", one[name][i], 0, 1 + 1e-4)
                total = bins.setdefault(i, [0, 0.0, 0.0])
                for j, number in enumerate((count, count * one["confidence"][i], count * one["accuracy"][i])):
                    total[j] += number
    filled = [bins[i] for i in sorted(bins)]
    return {
        "confidence": [100 * sure / count for count, sure, _ in filled],
        "accuracy": [100 * right / count for count, _, right in filled],
        "count": [count for count, *_ in filled],
    }


def by_seed(metric: Metric, cards: Iterable[ModelCard]) -> dict[tuple[int | None, str], float]:
    """Return a metric's number for each seed and held-out part that the cards of one strategy were measured with."""
    return {
        (one.seed, one.holdout): number
        for card in cards
        for one in card.measurements
        if (number := metric.of(one.metrics)) is not None
    }


def centre(networks: Collection[ModelCard]) -> dict[str, float]:
    """Localisation of the centre baseline, a Gaussian that does not depend on the picture: key of a metric -> percent.

    Top-1 localisation is left out, since it depends on a network's predictions.
    """
    numbers = {}
    for metric in METRICS.values():
        if metric.centre_path is not None:
            known = {number_at(card.metrics or {}, metric.centre_path) for card in networks} - {None}
            if len(known) == 1:
                numbers[metric.key] = known.pop()
    return numbers


def beyond_chance(values: Sequence[Cell]) -> bool | None:
    """Test whether numbers differ by more than their errors explain; None where an error is unknown.

    The sum of squared deviations from the weighted mean, each over its error, is compared with the value that equal
    networks exceed one time in twenty (chi-squared, after Wilson and Hilferty). Networks measured on the same pictures
    share a part of their errors, so that small differences may be overlooked. With one seed each, the errors do not
    include the luck of training, which may be taken for a difference.
    """
    errors = [_error_of_mean(one) for one in values]
    if len(values) < 2 or not all(errors):
        return None
    checks.all_numbers("values", [one["mean"] for one in values])
    checks.all_numbers("values", errors, 0)
    weights = [1 / error**2 for error in errors]
    mean = sum(w * one["mean"] for w, one in zip(weights, values, strict=True)) / sum(weights)
    off = sum(w * (one["mean"] - mean) ** 2 for w, one in zip(weights, values, strict=True))
    free = len(values) - 1
    part = 2 / (9 * free)
    return off > free * (1 - part + 1.6449 * math.sqrt(part)) ** 3


def differs(one: Cell, base: Cell, comparisons: int) -> bool | None:
    """Test whether a number differs from the baseline's by more than their errors explain; None without an error.

    Among ``comparisons`` numbers equal to the baseline, one or more are found to differ less than one time in twenty
    (normal distribution, after Bonferroni). Errors as in :func:`beyond_chance`.
    """
    errors = [_error_of_mean(cell) for cell in (one, base)]
    if not all(errors):
        return None
    far = statistics.NormalDist().inv_cdf(1 - 0.025 / comparisons)
    return abs(one["mean"] - base["mean"]) > far * math.hypot(*errors)


def _error_of_mean(cell: Cell) -> float:
    """Return the standard error of a cell's mean over its seeds; 0 where it is not known."""
    return (cell["error"] or 0) / math.sqrt(len(cell["each"]))

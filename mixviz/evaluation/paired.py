"""Paired differences of two trainings: over the seeds that both have, or over the pictures that both were measured on.

Seeds are paired because the same seed means the same start, the same order of the data and the same test pictures: what
is common to both falls out of their difference.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mixviz.core import checks

LEVEL = 0.95  # of an interval
POWER = 0.8  # share of such experiments that would have seen the smallest visible difference
RESAMPLES = 10_000
FEWEST = 3  # seeds for an interval: that of two is ± 9 of their spread, and empty where rounding makes both alike


@dataclass(frozen=True)
class Difference:
    """A paired difference with its interval, in the unit of its numbers.

    Attributes:
        mean: of the differences.
        low, high: the interval's ends; None with a single pair, or two seeds, whose spread is hardly known.
        visible: the smallest true difference that 80 % of such experiments would tell apart from none; None likewise.
        count: pairs.
        over: what is paired, ``seeds`` or ``pictures``.
    """

    mean: float
    low: float | None
    high: float | None
    visible: float | None
    count: int
    over: Literal["seeds", "pictures"]

    @property
    def told_apart(self) -> bool | None:
        """Whether the interval leaves 0 out; None without an interval."""
        return None if self.low is None or self.high is None else self.low > 0 or self.high < 0


def over_seeds(ours: Sequence[float], base: Sequence[float], comparisons: int = 1) -> Difference:
    """Student's t interval of the mean difference over seeds.

    $$\\bar d \\pm t_{n-1}\\big(1 - \\tfrac{0.05}{2k}\\big) \\, \\frac{s}{\\sqrt n}$$

    $s$ is the differences' standard deviation. The interval includes the luck of training and, where every seed has
    test pictures of its own, that of the pictures. The smallest visible difference is
    $\\big(t_{n-1}(1 - \\tfrac{0.05}{2k}) + t_{n-1}(0.8)\\big) \\, s / \\sqrt n$ (Bloom, "Minimum Detectable Effects",
    Evaluation Review 19(5), 1995).

    Args:
        ours, base: a number per seed, in the same order.
        comparisons: k; with all of k intervals together, one or more misses the truth at most one time in twenty
            (Bonferroni).

    Raises:
        TypeError, ValueError: no numbers, or another count of them.
    """
    from scipy.stats import t

    differences = _differences(ours, base, comparisons)
    n, mean = len(differences), statistics.fmean(differences)
    if n < FEWEST:
        return Difference(mean, None, None, None, n, "seeds")
    far, error = t.ppf(_quantile(comparisons), n - 1), statistics.stdev(differences) / math.sqrt(n)
    half, visible = float(far * error), float((far + t.ppf(POWER, n - 1)) * error)
    return Difference(mean, mean - half, mean + half, visible, n, "seeds")


def over_pictures(
    ours: Sequence[float], base: Sequence[float], rng: np.random.Generator, comparisons: int = 1
) -> Difference:
    """Percentile bootstrap of the mean difference over pictures, of two networks measured on the same ones.

    The pictures are drawn anew 10,000 times; the interval holds the middle 95 % of the means. It is for these two
    networks alone: the luck of training is not in it. The smallest visible difference is that of the normal
    approximation, $\\big(z(1 - \\tfrac{0.05}{2k}) + z(0.8)\\big) \\, s / \\sqrt n$.

    Args:
        ours, base: a number per picture, in the same order, e.g. 100 for a miss and 0 for a hit.
        rng: draws the pictures.
        comparisons: see :func:`over_seeds`.

    Raises:
        TypeError, ValueError: no numbers, or another count of them.

    Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    differences = _differences(ours, base, comparisons)
    n, mean = len(differences), statistics.fmean(differences)
    if n == 1:
        return Difference(mean, None, None, None, 1, "pictures")
    values, counts = np.unique(differences, return_counts=True)
    means = rng.multinomial(n, counts / n, RESAMPLES) @ values / n  # drawing n pictures, of which many are alike
    upper = _quantile(comparisons)
    low, high = np.quantile(means, (1 - upper, upper)).tolist()
    normal = statistics.NormalDist()
    error = statistics.stdev(differences) / math.sqrt(n)
    visible = (normal.inv_cdf(upper) + normal.inv_cdf(POWER)) * error
    return Difference(mean, low, high, visible, n, "pictures")


def side(*differences: Difference) -> int | None:
    """Return the side of 0 on which all intervals lie, 1 or -1; 0 where one holds 0 or two disagree; None where one is
    missing.

    This is the rule of every comparison: what is claimed must hold over seeds and over pictures, as far as both are
    known.
    """
    if any(one.told_apart is None for one in differences):
        return None
    signs = {math.copysign(1, one.mean) if one.told_apart else 0.0 for one in differences}
    return int(signs.pop()) if len(signs) == 1 else 0


def smallest_visible(*differences: Difference) -> float | None:
    """Return the smallest true difference that 80 % of such comparisons would have seen with every interval; None where
    one is missing."""
    known = [one.visible for one in differences if one.visible is not None]
    return max(known) if len(known) == len(differences) else None


def any_differ(numbers: Sequence[Sequence[float]]) -> bool | None:
    """Test whether strategies differ by more than chance: analysis of variance with the seeds as blocks.

    Args:
        numbers: per strategy a number for each seed, the seeds in the same order.

    Returns:
        Whether the F statistic of the strategies exceeds what equal ones reach one time in twenty; None for fewer than
        two strategies or seeds, or without any spread.

    Raises:
        TypeError, ValueError: strategies of different numbers of seeds, or values that are no numbers.
    """
    from scipy.stats import f

    for each in numbers:
        checks.all_numbers("numbers", each)
        if len(each) != len(numbers[0]):
            raise ValueError(f"Strategies should have the same seeds; got {len(each)} and {len(numbers[0])} of them.")
    if len(numbers) < 2 or len(numbers[0]) < 2:
        return None
    table = np.asarray(numbers, float)
    strategies, seeds, mean = table.mean(1, keepdims=True), table.mean(0), table.mean()
    free = len(table) - 1, (len(table) - 1) * (len(seeds) - 1)
    between = len(seeds) * np.square(strategies - mean).sum() / free[0]
    rest = np.square(table - strategies - seeds + mean).sum() / free[1]
    return bool(between / rest > f.ppf(LEVEL, *free)) if rest > 1e-12 * np.square(table).mean() else None


def _differences(ours: Sequence[float], base: Sequence[float], comparisons: int) -> list[float]:
    checks.all_numbers("ours", ours)
    checks.all_numbers("base", base)
    checks.number("comparisons", comparisons, 1, whole=True)
    if len(ours) != len(base):
        raise ValueError(
            f"ours and base should be pairs: as many of one as of the other; got {len(ours)}, {len(base)}."
        )
    return [one - other for one, other in zip(ours, base, strict=True)]


def _quantile(comparisons: int) -> float:
    """Upper quantile of a two-sided interval that is one of several."""
    return 1 - (1 - LEVEL) / 2 / comparisons

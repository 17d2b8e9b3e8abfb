"""Verdict of a judge: paired differences of the contestants, and what can be said of them."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mixviz.evaluation.paired import FEWEST, Difference, over_pictures, over_seeds, side, smallest_visible


@dataclass(frozen=True)
class Standing:
    """A contestant's trainings.

    Attributes:
        name: of the contestant.
        accuracies: top-1 accuracy in % of each seed's last weights.
        seconds: of each training.
    """

    name: str
    accuracies: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean accuracy in %."""
        return statistics.fmean(self.accuracies)

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds, dividing by n - 1; None with one seed."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """Paired difference of two contestants, in points of accuracy.

    Attributes:
        ours, base: names; the difference is ours minus base.
        seeds: over the seeds, with the same validation pictures: the luck of training.
        pictures: over the pictures, of accuracies averaged over the seeds: the luck of the pictures.
        alike: whether both are right in the same pictures with every seed.
    """

    ours: str
    base: str
    seeds: Difference
    pictures: Difference
    alike: bool

    @property
    def wins(self) -> bool:
        """Whether both intervals lie above 0."""
        return side(self.seeds, self.pictures) == 1

    @property
    def loses(self) -> bool:
        """Whether both intervals lie below 0."""
        return side(self.seeds, self.pictures) == -1

    @property
    def visible(self) -> float | None:
        """The smallest true difference that 80 % of such comparisons would have seen: the larger of both kinds; None
        without an interval."""
        return smallest_visible(self.seeds, self.pictures)

    def in_words(self) -> str:
        """Describe both intervals: ``95 % intervals: +1.2 to +3.4 over 5 seeds, +0.9 to +3.6 over 300 pictures``."""
        parts = [
            f"{one.low:+.1f} to {one.high:+.1f} over {one.count} {one.over}"
            for one in (self.seeds, self.pictures)
            if one.low is not None and one.high is not None
        ]
        return f"95 % interval{'s' if len(parts) > 1 else ''}: {', '.join(parts)}"


@dataclass(frozen=True)
class Verdict:
    """The judge's finding.

    Attributes:
        standings: of all contestants, ``none`` first.
        against_none: each other contestant compared with ``none``, corrected for their number.
        against_winner: the winner compared with each other contestant, corrected for the number of all pairs, because
            the winner is chosen by the same numbers; empty where none was beaten.
    """

    standings: tuple[Standing, ...]
    against_none: tuple[Comparison, ...]
    against_winner: tuple[Comparison, ...]

    @cached_property
    def winners(self) -> list[Comparison]:
        """Comparisons with ``none`` that it lost, the largest difference first."""
        return sorted((one for one in self.against_none if one.wins), key=lambda one: -one.seeds.mean)

    @property
    def winner(self) -> str:
        """Name of the contestant that beat ``none`` by most; ``none`` where nothing beat it."""
        return self.winners[0].ours if self.winners else self.standings[0].name

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        count = len(self.standings[0].accuracies)
        if count < FEWEST:
            given = "one seed gives" if count == 1 else f"{count} seeds give"
            return f"No policy beat none: {given} no interval, {FEWEST} or more do (--seeds)."
        if not self.winners:
            return "No policy beat none."
        return " ".join(
            f"{one.ours} beat none by {one.seeds.mean:.1f} points ({one.in_words()})." for one in self.winners
        )

    @property
    def remarks(self) -> list[str]:
        """Sentences about the contestants that did not beat ``none``, and about what would have been visible."""
        others = [one for one in self.against_none if not one.wins]
        lines = [_remark(one) for one in others]
        visible = [one.visible for one in others if one.visible and not one.loses]
        if visible:
            lines.append(
                f"A true difference of {max(visible):.1f} points would have been seen in four of five such comparisons."
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, with the sentence."""
        return {
            "sentence": self.sentence,
            "remarks": self.remarks,
            "winner": self.winner,
            "standings": [
                {**dataclasses.asdict(one), "mean": one.mean, "spread": one.spread} for one in self.standings
            ],
            "against_none": [_plain(one) for one in self.against_none],
            "against_winner": [_plain(one) for one in self.against_winner],
        }


def compare(hits: Mapping[str, np.ndarray], seconds: Mapping[str, Sequence[float]]) -> Verdict:
    """Compare contestants by their hits.

    Args:
        hits: name -> (seeds, pictures) bool: whether the trained network found the class; ``none`` first. All have the
            same seeds and pictures, in the same order.
        seconds: name -> seconds of each training.

    Raises:
        ValueError: fewer than two contestants, or hits of different shapes.
    """
    names = list(hits)
    if len(names) < 2:
        raise ValueError(f"A verdict needs two contestants or more; got {', '.join(names) or 'none'}.")
    if len(shapes := {array.shape for array in hits.values()}) > 1:
        raise ValueError(f"All contestants should have the same seeds and pictures; got {sorted(shapes)}.")
    standings = tuple(
        Standing(name, tuple((100 * hits[name].mean(1)).tolist()), tuple(map(float, seconds[name]))) for name in names
    )
    first, *others = names
    against_none = tuple(_comparison(name, first, hits, len(others)) for name in others)
    verdict = Verdict(standings, against_none, ())
    if not verdict.winners:
        return verdict
    pairs = len(names) * (len(names) - 1) // 2
    rest = [name for name in names if name != verdict.winner]
    against_winner = tuple(_comparison(verdict.winner, name, hits, pairs) for name in rest)
    return dataclasses.replace(verdict, against_winner=against_winner)


def _comparison(ours: str, base: str, hits: Mapping[str, np.ndarray], comparisons: int) -> Comparison:
    first, second = hits[ours], hits[base]
    of_seeds, of_pictures = (
        [(100 * one.mean(axis)).tolist() for one in (first, second)] for axis in (1, 0)
    )  # fmt: skip
    over = over_seeds(of_seeds[0], of_seeds[1], comparisons)
    pictures = over_pictures(of_pictures[0], of_pictures[1], np.random.default_rng(0), comparisons)
    return Comparison(ours, base, over, pictures, bool((first == second).all()))


def _remark(one: Comparison) -> str:
    name, mean = one.ours, one.seeds.mean
    if one.alike:
        return f"{name} and {one.base} are right in the same pictures with every seed: their difference is exactly 0."
    if one.seeds.low is None:
        return f"{name}: {mean:+.1f} points against {one.base}, which no interval tells from chance."
    if one.loses:
        return f"{name} was worse than {one.base} by {-mean:.1f} points ({one.in_words()})."
    kinds = [kind.over for kind in (one.seeds, one.pictures) if not kind.told_apart]
    if not kinds:
        return f"{name}: {mean:+.1f} points against {one.base}, and the intervals disagree ({one.in_words()})."
    places = " and ".join(f"over {kind}" for kind in kinds)
    return f"{name}: {mean:+.1f} points against {one.base}, not told from chance {places} ({one.in_words()})."


def _plain(one: Comparison) -> dict[str, Any]:
    return {**dataclasses.asdict(one), "wins": one.wins, "loses": one.loses, "visible": one.visible}

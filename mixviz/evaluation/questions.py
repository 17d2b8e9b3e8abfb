"""Questions of the field about mixing strategies, as data, and what the cards of trained networks answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mixviz.evaluation.metrics import METRICS, Measurements, Metric, at
from mixviz.evaluation.paired import Difference, over_pictures, over_seeds, side, smallest_visible
from mixviz.networks import model_card, zoo
from mixviz.networks.model_card import ModelCard


@dataclass(frozen=True)
class Question:
    """A question: its ``title``, the keys of the ``metrics`` that answer it, and the ``pairs`` (strategy, the one it is
    compared with) by their names in :data:`mixviz.networks.zoo.STRATEGIES`."""

    title: str
    metrics: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


_PLACE = (
    ("saliencymix", "cutmix"), ("saliencymix_shared", "saliencymix_released"), ("saliencymix_released", "cutmix"),
)  # fmt: skip
_LABEL = (("randsaliencymix", "randsaliencymix_area"),)
_ALL = tuple((name, "baseline") for name in zoo.STRATEGIES if name != "baseline")
QUESTIONS: dict[str, Question] = {
    "error": Question("Does mixing lower the error?", ("top1_error", "class_error"), _ALL),
    "place": Question("Does it matter where the patch is cut?", ("top1_error", "max_box_acc_v2", "px_ap"), _PLACE),
    "label": Question("Do saliency labels beat area labels?", ("top1_error", "ece", "max_box_acc_v2"), _LABEL),
    "localization": Question(
        "Does CutMix improve localisation under MaxBoxAccV2?", ("max_box_acc_v2", "max_box_acc_v2_last", "px_ap"),
        (("cutmix", "baseline"),),
    ),
    "calibration": Question("Does mixing calibrate?", ("ece",), _ALL),
    "occlusion": Question("Does mixing help where half of the picture is hidden?", ("hole_50",), _ALL),
    "fgsm": Question("Does mixing help against one step of an attack?", ("fgsm_1",), _ALL),
    "pgd": Question("Does mixing help against five steps of an attack?", ("pgd_1",), _ALL),
    "corruption": Question("Does mixing help against corruptions?", ("corrupted_3",), _ALL),
    "retrieval": Question("Does mixing help retrieval?", ("retrieval_map",), _ALL),
    "between": Question("What do networks see halfway between two pictures?", ("mixup_half", "cutmix_half"), _ALL),
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A comparison: means over the seeds that both strategies have, in the metric's unit, and their difference; None
    where one of them was not measured.

    Attributes:
        pictures: the difference over all pictures of all seeds, where the cards say which were missed: a second
            interval, as the judge of recipes has (:mod:`mixviz.search.verdict`).
    """

    metric: Metric
    ours: str
    base: str
    means: tuple[float, float] | None = None
    difference: Difference | None = None
    pictures: Difference | None = None

    @property
    def kinds(self) -> tuple[Difference, ...]:
        """The difference over seeds and that over pictures, as far as known."""
        return tuple(one for one in (self.difference, self.pictures) if one is not None)

    @property
    def told_apart(self) -> bool | None:
        """Whether every known interval lies on the same side of 0; None without an interval."""
        found = side(*self.kinds) if self.kinds else None
        return None if found is None else found != 0

    @property
    def visible(self) -> float | None:
        """The smallest true difference that four of five such comparisons would have told apart."""
        return smallest_visible(*self.kinds) if self.kinds else None

    @property
    def better(self) -> bool | None:
        """Whether the difference is an improvement; None where the two are not told apart."""
        if self.difference is None or not self.told_apart:
            return None
        return (self.difference.mean < 0) == (self.metric.better == "lower")


def groups(cards: Iterable[ModelCard]) -> list[dict[str, ModelCard]]:
    """Group measured cards by training: in a group, strategy name -> card, and the strategies differ in the method
    alone. Only networks of the zoo's strategies that ``mixviz train`` made are in a group."""
    names = {title: name for name, title in zoo.strategies().items()}
    found: list[dict[str, ModelCard]] = []
    for card in cards:
        name = names.get(card.strategy)
        if name is None or not (card.is_whole and card.metrics):
            continue
        alike = (one for one in found if name not in one and model_card.same_training(next(iter(one.values())), card))
        group = next(alike, None)
        if group is None:
            found.append(group := {})
        group[name] = card
    return found


def answers(question: Question, group: dict[str, ModelCard]) -> list[Answer]:
    """Answer a question from the cards of one group, metric after metric.

    Each comparison is one of all comparisons of its metric (see :func:`mixviz.evaluation.paired.over_seeds`) that the
    group has cards for.
    """
    result = []
    for metric in (METRICS[key] for key in question.metrics):
        pairs = {(ours, base): _pairs(metric, group.get(ours), group.get(base)) for ours, base in question.pairs}
        comparisons = max(1, sum(bool(found) for found in pairs.values()))
        result += [_answer(metric, *names, found, comparisons) for names, found in pairs.items()]
    return result


@dataclass(frozen=True)
class _Pair:
    """Both strategies' metrics of one seed, on the same ``part`` of the pictures."""

    part: str
    ours: Measurements
    base: Measurements


def _pairs(metric: Metric, ours: ModelCard | None, base: ModelCard | None) -> list[_Pair]:
    """Return both strategies' metrics for each seed and part that both were measured with."""
    first, second = (
        {(one.seed, one.holdout): one.metrics for one in card.measurements if metric.of(one.metrics) is not None}
        if card
        else {}
        for card in (ours, base)
    )
    return [_Pair(key[1], first[key], second[key]) for key in first if key in second]


def _answer(metric: Metric, ours: str, base: str, pairs: Sequence[_Pair], comparisons: int) -> Answer:
    if not pairs:
        return Answer(metric, ours, base)
    first, second = [metric.of(one.ours) or 0.0 for one in pairs], [metric.of(one.base) or 0.0 for one in pairs]
    means = float(np.mean(first)), float(np.mean(second))
    seeds = over_seeds(first, second, comparisons)
    pictures = _over_pictures(pairs, comparisons) if metric.key == "top1_error" else None
    if len(pairs) == 1 and pictures is not None:
        return Answer(metric, ours, base, means, pictures)
    return Answer(metric, ours, base, means, seeds, pictures)


def _over_pictures(pairs: Sequence[_Pair], comparisons: int) -> Difference | None:
    """Compare misses picture by picture, each with its mean over the seeds that were tested on it."""
    by_part: dict[str, list[list[float]]] = {}
    for one in pairs:
        ours, base = _misses(one.ours), _misses(one.base)
        if ours is None or base is None or len(ours) != len(base):
            return None
        by_part.setdefault(one.part, []).append([miss - other for miss, other in zip(ours, base, strict=True)])
    if any(len({len(each) for each in parts}) > 1 for parts in by_part.values()):
        return None
    differences = np.concatenate([np.mean(parts, 0) for parts in by_part.values()]).tolist()
    return over_pictures(differences, [0.0] * len(differences), np.random.default_rng(0), comparisons)


def _misses(metrics: Measurements) -> list[float] | None:
    """Return 100 for each picture whose class was missed and 0 for the others; None where the card does not say."""
    wrong = at(metrics, ("accuracy", "wrong"))
    return None if wrong is None else [100.0 * (index in wrong) for index in range(metrics["images"])]

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from filelock import FileLock
from optuna.samplers import BaseSampler
from torch import Tensor, nn

from mixviz.core.batch import Batch
from mixviz.core.feature_mixing import mix_inside
from mixviz.core.method import Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.policy import Policy, Stage
from mixviz.data.dataset import Dataset
from mixviz.networks.model_card import LogLine
from mixviz.networks.run import Run
from mixviz.search import trials
from mixviz.search.budget import TooShort, spoken
from mixviz.search.strategies._samplers import ByNumber
from mixviz.search.strategies.bayes import parzen
from mixviz.search.strategy import Strategy, Task, better
from mixviz.training.loader import Feed, feed

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

LEAST = 0.05  # of log C: labels that say less are taken to say so much
SHARE = 0.7  # of a time budget may go into the folds


@dataclass(frozen=True)
class Density(Strategy):
    """Find policies whose pictures look familiar to networks that have not seen them (Fast AutoAugment).

    The training pictures are divided into ``folds``; a network is trained without a policy on all but one of each. A
    policy is scored by the loss of these networks on the augmented pictures of the fold that they lack, so that a trial
    trains nothing. Loss is the divergence of what the network says from the label, over that of a guess that all
    classes are alike: 1 is no better than the guess, and with plain labels it is the cross-entropy over log C. Mixed
    labels, which the paper has not, would otherwise look familiar because they are easier to match. The result is made
    of the ``merged`` best policies, each as likely.

    The paper takes the mean over the draws of a picture, whose optimum is close to no change at all. The authors'
    released code takes the best of five draws (``keep=best``), which favours whatever makes some pictures easier, even
    if it destroys others: where the classes differ in their colour alone, it prefers changed hues.

    It never sees pictures other than those of the training: what only helps with other pictures, it cannot find.
    """

    folds: int = parameter(3, "parts of the training pictures", low=2, high=20)
    draws: int = parameter(5, "augmented versions of each picture", low=1, high=20)
    keep: str = parameter(
        "mean", "of the draws of a picture: their mean, as in the paper, or the best, as in released code",
        choices=("mean", "best"),
    )  # fmt: skip
    merged: int = parameter(5, "the result is made of so many of the best policies", low=1, high=25)
    sampling: str = parameter("tpe", "how policies are drawn", choices=("tpe", "random"))
    startup: int = parameter(10, "trials that are drawn at random first", low=1, high=1000)

    score: ClassVar[str] = "loss on augmented pictures of networks that have not seen them (density matching)"
    unit: ClassVar[str] = ""
    minimize: ClassVar[bool] = True
    card: ClassVar[Card] = Card(
        "density", "Density matching", paper="Fast AutoAugment", authors="S. Lim, I. Kim, T. Kim, C. Kim, S. Kim",
        venue="NeurIPS", year=2019, arxiv="1905.00397",
    )  # fmt: skip

    def sampler(self, seed: int, number: int) -> BaseSampler:
        """Return the estimator, or independent draws."""
        return parzen(seed, number, self.startup) if self.sampling == "tpe" else ByNumber(seed)

    def check(self, task: Task) -> None:
        """Raise if a class has fewer pictures than there are folds, or the budget does not reach for the folds."""
        whole = task.train.joined(task.val)
        counts = torch.bincount(whole.labels, minlength=len(whole.classes)).tolist()
        few = [name for name, count in zip(whole.classes, counts, strict=True) if count < self.folds]
        if few:
            raise ValueError(
                f"{self.folds} folds need {self.folds} training pictures of each class; {', '.join(few[:5])} "
                f"{'have' if len(few) > 1 else 'has'} fewer. Add pictures, raise --limit, or take --strategy "
                f"density:folds={max(2, min(counts))}."
            )
        if task.run.learned_objective().embeds:
            raise ValueError("Density matching scores class scores: leave out --objective, or take another --strategy.")

    def prepare(self, task: Task, spent: Callable[[float], None]) -> None:
        """Train the networks of the folds, or go on with them; one process does, and others wait."""
        with FileLock(task.out / "folds.lock"):
            for fold in range(1, self.folds + 1):
                self._train(task, fold, spent)

    def _train(self, task: Task, fold: int, spent: Callable[[float], None]) -> None:
        from mixviz.training.trainer import Training

        folder, start = _folder(task, fold), time.monotonic()
        splits = list(task.train.joined(task.val).folds(fold, self.folds))

        def after(line: LogLine) -> bool:
            nonlocal start
            seconds, start = time.monotonic() - start, time.monotonic()
            spent(seconds)
            if fold == 1 and line["epoch"] == 1:
                self._check_time(task, seconds * task.run.epochs * self.folds)
            return True

        training = Training(
            _plain(task.run), folder, resume=True, bar=False, tell=lambda line: None, splits=splits, after_epoch=after
        )
        if (folder / "last.safetensors").is_file():
            return
        task.tell(f"Fold {fold} of {self.folds}: a network without a policy is trained on the others.")
        training.go()

    def _check_time(self, task: Task, needed: float) -> None:
        """Raise if the networks of the folds take most of the budget."""
        given = task.budget.seconds
        if given is not None and needed > SHARE * given:
            minutes = math.ceil(needed / SHARE / 60)
            raise TooShort(
                f"--budget {spoken(given)} is too short: the networks of {self.folds} folds take about "
                f"{spoken(needed)} before the first trial. Give --budget {minutes}m or more, or make trainings "
                "shorter: --epochs, --limit, --image-size, or --strategy density:folds=2.",
                minutes,
            )

    def evaluate(self, trial: Trial, folder: Path, task: Task) -> float:
        """Return the mean loss over the folds."""
        clock = trials.Clock(trial)
        if "folds" not in task.kept:
            task.kept["folds"] = [_Fold(task, fold, self.folds) for fold in range(1, self.folds + 1)]
        method = trials.run_of(task.run, folder).augmentation()
        losses = [self._losses(one, method, task.run.seed) for one in task.kept["folds"]]
        clock.note()
        return float(torch.cat(losses).mean())

    def _losses(self, one: _Fold, method: Method, seed: int) -> Tensor:
        """Losses (N,) of the pictures of a fold."""
        drawn = [
            torch.cat([_loss(one, method, images, labels, np.random.default_rng([seed, one.index, draw, i]))
                       for i, (images, labels) in enumerate(one.batches())])
            for draw in range(self.draws)
        ]  # fmt: skip
        losses = torch.stack(drawn)
        return losses.amin(0) if self.keep == "best" else losses.mean(0)

    def result(self, known: Sequence[FrozenTrial], task: Task) -> Policy:
        """Merge the best policies."""
        left = [trial for trial in known if trial.value is not None]
        chosen: list[FrozenTrial] = []
        while left and len(chosen) < self.merged:
            best = better(left, self.minimize)
            if best is None:
                break
            left.remove(best)
            chosen.append(best)
        sequences = [stage.sequences[0] for one in chosen for stage in task.policy(one.number).stages]
        return Policy((Stage(tuple(dict.fromkeys(sequences))),), {})


class _Fold:
    """The network that lacks a part of the pictures, and that part."""

    def __init__(self, task: Task, index: int, count: int) -> None:
        from mixviz.networks import user_network

        self.index, self.size = index, 2 * task.run.batch_size
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        own = user_network.read_folder(_folder(task, index))
        about = own.card.network
        self.network: nn.Module = own.network.to(device).eval().requires_grad_(False)
        self.mean, self.std, self.classes = about.mean, about.std, len(task.train.classes)
        self._feed = _feed(task.train.joined(task.val).folds(index, count)[1], about.image_size, device)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the part's pictures (n, 3, H, W) uint8 and labels (n,)."""
        return self._feed.validation(self.size)


def _feed(split: Dataset, side: int, device: torch.device) -> Feed:
    return feed(split, side, "none", device, tell=lambda line: None)


def _loss(one: _Fold, method: Method, images: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Loss (n,) of one draw for each picture: divergence from the label, over that of equal shares of all classes."""
    batch = Batch(images.float() / 255, labels, one.network, mean=one.mean, std=one.std)
    recipe = method.plan(batch, rng)
    mixed, targets = batch.normalised(recipe.apply(batch.images)), recipe.targets(labels, one.classes)
    with torch.no_grad(), mix_inside(one.network, recipe):
        scores = one.network(mixed).float().log_softmax(1)
    certainty = torch.special.xlogy(targets, targets).sum(1)  # minus the label's entropy
    guess = (certainty + math.log(one.classes)).clamp(min=LEAST * math.log(one.classes))
    return ((certainty - (targets * scores).sum(1)) / guess).cpu()


def _folder(task: Task, fold: int) -> Path:
    return task.out / "folds" / str(fold)


def _plain(run: Run) -> Run:
    return dataclasses.replace(run, method="baseline", options={})

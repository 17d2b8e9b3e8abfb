"""One training of a judge, and what is kept of it: which validation pictures the network gets right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixviz.data.dataset import Dataset
from mixviz.networks import files
from mixviz.networks.model_card import LogLine
from mixviz.networks.run import Run
from mixviz.search.contestants import Contestant
from mixviz.training.trainer import Training

FILE = "outcome.safetensors"  # hits of a finished training
SPENT = ("checkpoint.safetensors", "best.safetensors")  # files that a finished training needs no more

Splits = tuple[Dataset, Dataset]
AfterEpoch = Callable[[LogLine], bool]


@dataclass(frozen=True)
class Outcome:
    """Hits (N,) bool of a training's last weights on the validation pictures, and its seconds."""

    hits: np.ndarray
    seconds: float

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in %."""
        return 100 * float(self.hits.mean())


@dataclass(frozen=True)
class Trial:
    """One training of a judge.

    Attributes:
        contestant: what is trained.
        run: all settings, with the seed.
        folder: of its weights, log, card and outcome.
        fingerprint: of the pictures.
    """

    contestant: Contestant
    run: Run
    folder: Path
    fingerprint: str

    def settings(self) -> dict[str, Any]:
        """Return what must agree where a finished training is used again: a policy by content, not by path."""
        identity = self.contestant.identity()
        shared = {**self.run.portable(), "options": identity["changes"].get("options", {})}
        return {**shared, "policy": identity["policy"], "data": self.fingerprint}

    def start(self, splits: Splits, after_epoch: AfterEpoch = lambda line: True, workers: int = 0) -> Training:
        """Prepare the training up to its next step.

        Raises:
            ValueError: it is not possible so, or the folder holds another training.
        """
        try:
            training = Training(
                self.run, self.folder, resume=True, bar=False, tell=lambda line: None, splits=list(splits),
                after_epoch=after_epoch, workers=workers,
            )  # fmt: skip
        except ValueError as error:
            raise self._named(error) from None
        if training.world > 1:
            raise ValueError(f"A judge runs in one process, not {training.world}: start it without accelerate launch.")
        return training

    def train(self, splits: Splits, after_epoch: AfterEpoch = lambda line: True, workers: int = 0) -> Outcome:
        """Train to the end, from the last epoch that is stored on, and keep the hits.

        Raises:
            ValueError: see :meth:`start`; or the loss is not finite.
        """
        training = self.start(splits, after_epoch, workers)
        try:
            training.go()
        except ValueError as error:
            raise self._named(error) from None
        hits, seconds = training.hits(), training.progress.seconds
        values = {"settings": self.settings(), "seconds": seconds}
        files.save_tensors(self.folder / FILE, {"hits": hits}, values)
        for name in SPENT:
            (self.folder / name).unlink(missing_ok=True)
        return Outcome(hits.numpy(), seconds)

    def finished(self) -> Outcome | None:
        """Read the outcome of a finished training; None if there is none.

        Raises:
            ValueError: it is of other settings, other pictures or another policy.
        """
        path = self.folder / FILE
        if not path.is_file():
            return None
        tensors, values = files.load_tensors(path)
        settings, saved = self.settings(), Run.completed(values["settings"])
        if differing := [key for key in settings if saved.get(key) != settings[key]]:
            raise ValueError(
                f"{self.folder} holds another training; it differs in {', '.join(differing)}. Give another --out."
            )
        return Outcome(tensors["hits"].numpy(), values["seconds"])

    def _named(self, error: ValueError) -> ValueError:
        return ValueError(f"{self.contestant.name}, seed {self.run.seed}: {error}")

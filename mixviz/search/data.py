"""Divide a data set among a search and its judge, and decode its pictures once for many trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.data import sources
from mixviz.data.dataset import Dataset, decode
from mixviz.networks.run import Run
from mixviz.training import loader, setup

FEWEST = 2  # pictures of each class in both parts of the search
SHARE = 5  # one of so many training pictures validates the trials of the search
UNDIVIDED = "1/5"  # the part to hold out where a folder has no validation pictures

Tell = Callable[[str], None]


class Parts(NamedTuple):
    """Pictures of a search and its judge; the judge's validation pictures are in no other part.

    Attributes:
        search_train, search_val: four fifths and one fifth of the training pictures of each class.
        judge_train: all training pictures.
        judge_val: the validation pictures.
    """

    search_train: Dataset
    search_val: Dataset
    judge_train: Dataset
    judge_val: Dataset


def parts(run: Run, tell: Tell = print) -> Parts:
    """Divide a run's pictures among a search and its judge, and decode them.

    Args:
        run: ``data``, ``root``, ``classes``, ``limit`` and ``holdout`` say which pictures, ``seed`` draws the division.
        tell: gets a line for every picture that is left out.

    Raises:
        ValueError: the data set is missing, or a class has fewer than four training pictures; says what to do.
    """
    train, val = _loaded(run, tell)
    divide(train, run.seed)  # before the pictures are decoded, which takes time
    train_side, val_side = _sides(run, train)
    judge_train, judge_val = _decoded(train, train_side, run, tell), _decoded(val, val_side, run, tell)
    search_train, search_val = divide(judge_train, run.seed)
    if val_side != train_side:
        search_val = _decoded(divide(train, run.seed)[1], val_side, run, tell)
    return Parts(search_train, search_val, judge_train, judge_val)


def of_judge(run: Run, tell: Tell = print) -> tuple[Dataset, Dataset]:
    """Load and decode a run's training and validation pictures, without a part for a search.

    Raises:
        ValueError: the data set is missing or incomplete; says what to do.
    """
    train, val = _loaded(run, tell)
    train_side, val_side = _sides(run, train)
    return _decoded(train, train_side, run, tell), _decoded(val, val_side, run, tell)


def divide(train: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """Divide training pictures at random: one fifth of each class validates, but no fewer than two pictures.

    Returns:
        (training, validation), each in the order of the data set.

    Raises:
        ValueError: a class has fewer than four pictures; names such classes and says what to do.
    """
    counts = torch.bincount(train.labels, minlength=len(train.classes)).tolist()
    if few := [name for name, count in zip(train.classes, counts, strict=True) if count < 2 * FEWEST]:
        raise ValueError(
            f"A search trains and validates on {FEWEST} pictures of each class or more, so that each class needs "
            f"{2 * FEWEST} in the training part; {', '.join(few[:5])}{', …' if len(few) > 5 else ''} "
            f"{'have' if len(few) > 1 else 'has'} fewer. Add pictures, raise --limit, or name other classes "
            "(--classes)."
        )
    chosen: list[int] = []
    for label, count in enumerate(counts):
        members = torch.nonzero(train.labels == label).flatten().numpy()
        order = np.random.default_rng([seed, label]).permutation(count)
        chosen += members[order[: max(FEWEST, round(count / SHARE))]].tolist()
    held_out = torch.zeros(len(train), dtype=torch.bool)
    held_out[chosen] = True
    return train.take(_indices(~held_out)), train.take(_indices(held_out))


def _loaded(run: Run, tell: Tell) -> tuple[Dataset, Dataset]:
    """Load both parts without decoding; hold out a fifth where a folder has no validation pictures."""
    if run.data == "folder" and not run.holdout and not sources.has_validation(run.root):
        run = replace(run, holdout=UNDIVIDED)
        tell(f"{run.root} has no validation pictures: a fifth of each class is held out (--holdout {UNDIVIDED}).")
    train, val = setup.splits(run, tell=tell)
    return train, val


def _sides(run: Run, train: Dataset) -> tuple[int, int]:
    """Sides at which the pictures of training and validation are stored; 0: at their own, for crops of random size."""
    side = run.image_size or train.side or 224
    augment = run.augment if run.augment != "auto" else "crop" if side <= 96 else "resized"
    val = loader.stored_side(run.test_size or side, "none")
    return 0 if augment == "resized" else loader.stored_side(side, augment), val


def _decoded(split: Dataset, side: int, run: Run, tell: Tell) -> Dataset:
    """Replace files by pixels, where these fit into memory; a training that follows sees the same pictures."""
    if not side or not loader.fits(len(split), side, torch.device("cpu")):
        return split
    pixels, split = decode(split, side, run.corrupt, tell)
    return replace(split, pictures=_as_arrays(pixels), windows=(), boxes=(), masks=())


def _as_arrays(pixels: Tensor) -> Sequence[np.ndarray]:
    return list(pixels.permute(0, 2, 3, 1).contiguous().numpy())


def _indices(chosen: Tensor) -> list[int]:
    return torch.nonzero(chosen).flatten().tolist()

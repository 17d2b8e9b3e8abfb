"""Views: pictures without labels, each of which is a place whose crops are its views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mixviz.data.dataset import Dataset, Window
from mixviz.data.decoding import sorted_out

SHARE = 0.2  # of the picture's area in a view of the validation
SHIFT = 0.7  # of a view's side, at most, between the two views of a picture
EVERY = 5  # one picture of so many is held out


def views(root: Path, part: str, download: bool) -> Dataset:
    """Load the pictures of a folder and of all folders in it; each is a class of its own.

    Training draws several crops of a picture, by ``per_class``. For validation, two windows of each held-out picture
    are the views that should find each other: a fifth of its area each, shifted along each side by at most 0.7 of
    theirs, and drawn at random, once and for all. Every fifth picture is held out, or those of ``val/``, where the
    folder has ``train/`` and ``val/``.

    Args:
        part: ``train``, ``val`` or ``all``.

    Raises:
        ValueError: there is no picture.
    """
    if download:
        raise ValueError("A folder of your own cannot be downloaded.")
    divided = (root / "train").is_dir() and (root / "val").is_dir()
    home = root / part if divided and part != "all" else root
    pictures, others = sorted_out(home, "**/*")
    if not divided and part != "all":
        pictures = [path for i, path in enumerate(pictures) if (i % EVERY == EVERY - 1) == (part == "val")]
    if not pictures:
        raise ValueError(f"{home} should hold {EVERY} pictures or more; there are none for {part}.")
    names = tuple(path.relative_to(home).as_posix() for path in pictures)
    whole = Dataset(pictures, torch.arange(len(pictures)), names, names, others=tuple(others), open_set=True)
    return with_windows(whole) if part == "val" else whole


def with_windows(split: Dataset) -> Dataset:
    """Give each picture twice, through two windows that overlap, at random places, the same at every call."""
    twice = split.take([index for index in range(len(split)) for _ in range(2)])
    drawn = [
        window for key in range(len(split)) for window in _drawn(np.random.default_rng([key, len(split)]), SHARE**0.5)
    ]
    return twice.through(drawn)


def _drawn(rng: np.random.Generator, side: float) -> list[Window]:
    first = rng.uniform(0, 1 - side, 2)
    second = np.clip(first + rng.uniform(-SHIFT * side, SHIFT * side, 2), 0, 1 - side)
    return [(top, left, top + side, left + side) for top, left in (first.tolist(), second.tolist())]

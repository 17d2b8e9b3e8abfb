"""Pictures in a folder with a sub-folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mixviz.data.dataset import Dataset
from mixviz.data.decoding import hidden, sorted_out


def classes(folder: Path) -> tuple[str, ...]:
    """Return the names of the sub-folders, sorted, without hidden ones."""
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not hidden(path.name)))


def read(folder: Path, keys: Sequence[str]) -> Dataset:
    """List the pictures below each of the sub-folders ``keys``, which are the classes."""
    pictures, labels, others = [], [], []
    for label, key in enumerate(keys):
        found, unknown = sorted_out(folder / key, "**/*")
        pictures += found
        labels += [label] * len(found)
        others += unknown
    return Dataset(
        pictures, torch.tensor(labels, dtype=torch.int64), tuple(keys), tuple(keys), others=tuple(others)
    )  # fmt: skip


def evenly(labels: Tensor, most: int) -> list[int]:
    """Choose at most ``most`` pictures, as many of each class as possible, evenly spaced within a class.

    Args:
        labels: (N,) int64.

    Returns:
        Their indices, sorted. Classes that have fewer than others get all of theirs.
    """
    counts = torch.bincount(labels).tolist()
    ranks = [(rank, label) for label, count in enumerate(counts) for rank in range(count)]
    taken = np.bincount([label for _, label in sorted(ranks)[:most]], minlength=len(counts))
    chosen: list[int] = []
    for label, number in enumerate(taken.tolist()):
        members = torch.nonzero(labels == label).flatten().tolist()
        chosen += [members[i * len(members) // number] for i in range(number)]
    return sorted(chosen)

"""Google Landmarks v2, in its official layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mixviz.data import listing
from mixviz.data.dataset import Dataset
from mixviz.data.listing import Row

FULL, CLEAN = ("id", "url", "landmark_id"), ("landmark_id", "images")
LISTS = ("train_clean.csv", "train.csv")


def landmarks(root: Path, part: str, download: bool) -> Dataset:
    """Load Google Landmarks v2: ``train.csv`` (id,url,landmark_id) and files at ``a/b/c/abc….jpg``.

    With a ``train_clean.csv`` (landmark_id,images), its pictures alone are taken. The files are in ``train/`` or beside
    the list. Whole landmarks are held out for validation.

    Args:
        part: ``train``, ``val`` or ``all``.

    Raises:
        ValueError: what is wrong in the list, with its line, or which files are missing.

    Source: Weyand, Araujo, Cao, Sim, "Google Landmarks Dataset v2", CVPR 2020, arXiv:2004.01804.
    """
    if download:
        raise ValueError(
            "Google Landmarks v2 is some 500 GB: fetch it with the script of "
            "https://github.com/cvdfoundation/google-landmark, then leave out --download."
        )
    path = next((root / name for name in LISTS if (root / name).is_file()), root / LISTS[-1])
    home = root / "train" if (root / "train").is_dir() else root
    unique = listing.unique(path, "id")
    pictures, keys, lines = [], [], []
    for row in _one_each(path):
        name = unique(row)
        if len(name) < 3 or not name.isalnum():
            raise ValueError(f"{path}, line {row.line}: id should be letters and digits, at least three; got {name!r}.")
        pictures.append(home / name[0] / name[1] / name[2] / f"{name}.jpg")
        keys.append(row.values["landmark_id"])
        lines.append(row.line)
    if not pictures:
        raise ValueError(f"{path} lists no pictures.")
    listing.all_there(pictures, root, lines, path)
    names, labels = np.unique(keys, return_inverse=True)
    classes = tuple(names.tolist())
    whole = Dataset(
        pictures, torch.from_numpy(labels.astype(np.int64)), classes, classes, open_set=True,
        terms="CC BY 4.0 for the lists; each picture has its own licence; cite Weyand et al. 2020",
    )  # fmt: skip
    return whole if part == "all" else whole.held_out_classes()[part == "val"]


def _one_each(path: Path) -> Iterator[Row]:
    """Yield a row with ``id`` and ``landmark_id`` for each picture of either kind of list."""
    for row in listing.rows(path, (FULL, CLEAN)):
        if "images" not in row.values:
            yield row
            continue
        for name in row.values["images"].split():
            yield Row(row.line, {"id": name, "landmark_id": row.values["landmark_id"]})

"""The judge: its data, its contestants, paired trainings, and verdicts worked out by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import picture_folder

from mixviz.data.dataset import Dataset
from mixviz.networks.run import Run
from mixviz.search import data

pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Write eight pictures of each of three classes for training and three for validation, 16 px."""
    return picture_folder(tmp_path_factory.mktemp("pictures"))


def small(root: Path, **changes) -> Run:
    """Make a run of six steps per epoch, with a network of a third of a million parameters."""
    values = {"network": "test_resnet", "image_size": 16, "batch_size": 4, "epochs": 1, "lr": 0.02, **changes}
    return Run(root=str(root), **values)


def contents(split: Dataset) -> set[bytes]:
    return {np.asarray(picture).tobytes() for picture in split.pictures}


# ---- data


def test_the_judge_validates_on_pictures_that_the_search_never_saw(pictures):
    parts = data.parts(small(pictures))
    assert [len(part) for part in parts] == [18, 6, 24, 9]  # of 8 a fifth is 1.6, and 2 at least
    assert torch.bincount(parts.search_val.labels).tolist() == [2, 2, 2]
    search, judge = contents(parts.search_train) | contents(parts.search_val), contents(parts.judge_train)
    assert search == judge
    assert not contents(parts.search_train) & contents(parts.search_val)
    assert not judge & contents(parts.judge_val)


def test_the_division_follows_the_seed(pictures):
    first, again, other = (data.parts(small(pictures, seed=seed)) for seed in (0, 0, 1))
    assert contents(first.search_val) == contents(again.search_val) != contents(other.search_val)


def test_without_validation_pictures_a_fifth_is_held_out(pictures, tmp_path):
    root, said = shutil.copytree(pictures, tmp_path / "copy"), []
    shutil.rmtree(root / "val")
    train, val = data.of_judge(small(root), said.append)
    assert (len(train), len(val)) == (18, 6)  # one or two of eight
    assert "--holdout 1/5" in said[0]


def test_pictures_are_stored_at_the_sides_of_training_and_validation(pictures):
    parts = data.parts(small(pictures, test_size=24))
    assert [part.pictures[0].shape[0] for part in parts] == [16, 24, 16, 24]
    from_files = data.parts(small(pictures, augment="resized")).judge_train  # crops are cut from the whole picture
    assert isinstance(from_files.pictures[0], Path)


def test_too_few_pictures_are_refused_before_they_are_read(pictures):
    with pytest.raises(ValueError, match=r"each class needs 4 in the training part; ant, bee, cat have fewer.*--limit"):
        data.parts(replace(small(pictures), limit=3))
    assert len(data.of_judge(replace(small(pictures), limit=3))[0]) == 9  # a judge divides nothing

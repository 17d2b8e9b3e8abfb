"""Data for retrieval: places, landmarks, views, and classes that are held out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from mixviz.data import places as of_places
from mixviz.data import sources
from mixviz.data.dataset import Dataset, decode, open_picture
from mixviz.networks.run import Run
from mixviz.training import loader, setup


def picture(path, seed: int = 0, size=(24, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def listed(root, head: str, rows: list[str], missing: tuple[str, ...] = ()):
    (root / "places.csv").write_text("\n".join([head, *rows]) + "\n")
    for row in rows:
        name = row.split(",")[0]
        if name and name not in missing:
            picture(root / name)
    return root


METRES = "file,utm_east,utm_north"


def test_pictures_of_a_place_are_within_ten_metres_and_close_places_within_25(tmp_path):
    # 0 and 9 m are a place; 14 is within 10 m of 9 but not of 0; 33 is within 25 of 9 and 14; 90 is far from all.
    rows = [f"{east}.png,{1000 + east},5000" for east in (0, 9, 14, 33, 90)]
    split = sources.load("places", listed(tmp_path, METRES, rows), "all")
    assert split.labels.tolist() == [0, 0, 1, 2, 3]
    near = torch.tensor([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    assert split.close.equal(near)
    assert split.positions.tolist() == [[1000 + east, 5000] for east in (0, 9, 14, 33, 90)]


def test_every_place_keeps_its_diameter():
    positions = np.random.default_rng(0).uniform(0, 60, (300, 2))
    groups = of_places.group(positions, 10)
    apart = np.linalg.norm(positions[:, None] - positions, axis=2)
    assert apart[groups[:, None] == groups].max() <= 10
    assert groups.max() + 1 < 150  # and it groups: a picture has 27 others within 10 m
    close = of_places.near(positions, groups, 25)
    for i in range(groups.max() + 1):
        for j in range(groups.max() + 1):
            assert close[i, j] == (i != j and apart[groups == i][:, groups == j].min() <= 25)


def test_degrees_become_metres_anywhere_on_earth():
    def metres(*degrees) -> float:
        a, b = of_places.earth_centred(np.array(degrees))
        return float(np.linalg.norm(a - b))

    # A degree of latitude is 110 574 m at the equator and 111 694 m at the poles; one of longitude 111 320 m.
    assert metres([-0.5, 7], [0.5, 7]) == pytest.approx(110_574, abs=3)
    assert metres([89, 7], [90, 0]) == pytest.approx(111_694, abs=3)
    assert metres([0, 179.9999], [0, -179.9999]) == pytest.approx(2e-4 * 111_320, rel=1e-4)
    assert metres([60, 24], [60, 24.001]) == pytest.approx(111.32 * math.cos(math.radians(60)), rel=3e-3)


def test_places_of_degrees_are_those_of_metres(tmp_path):
    rows = [f"{i}.png,48.1,{11 + east / (111_320 * math.cos(math.radians(48.1)))}" for i, east in enumerate((0, 8, 30))]
    split = sources.load("places", listed(tmp_path, "file,latitude,longitude", rows), "all")
    assert split.labels.tolist() == [0, 0, 1]
    assert split.close[0, 1]
    assert split.positions.shape == (3, 3)


def test_a_column_divides_the_pictures(tmp_path):
    rows = [f"{i}.png,{100 * (i // 2)},0,{'val' if i > 3 else 'train'}" for i in range(8)]
    root = listed(tmp_path, METRES + ",split", rows)
    train, val = (sources.load("places", root, part) for part in ("train", "val"))
    assert (len(train), len(val)) == (4, 4)
    assert train.keys == ("place 1", "place 2")
    assert val.keys == ("place 3", "place 4")
    assert val.labels.tolist() == [0, 0, 1, 1]
    assert val.positions[0].tolist() == [200, 0]


def test_whole_places_are_held_out(tmp_path):
    root = listed(tmp_path, METRES, [f"{i}.png,{100 * (i // 2)},0" for i in range(20)])
    train, val = (sources.load("places", root, part) for part in ("train", "val"))
    assert (len(train), len(val)) == (16, 4)
    assert not set(train.keys) & set(val.keys)
    folds = [sources.load("places", root, "val", holdout=f"{i}/5").keys for i in range(1, 6)]
    assert sorted(key for keys in folds for key in keys) == sorted(f"place {i + 1}" for i in range(10))


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        ("file,latitude", ["a.png,1"], "file,latitude,longitude, or file,utm_east,utm_north"),
        ("file,latitude,longitude", ["a.png,91,0"], "line 2: latitude should be a number of degrees from -90 to 90"),
        ("file,latitude,longitude", ["a.png,1,0", "b.png,1,x"], "line 3: longitude should be .* got 'x'"),
        (METRES, ["a.png,1,nan"], "line 2: utm_north"),
        (METRES, ["a.png,1,2", "a.png,1,2"], "line 3: a.png stands in line 2 too"),
        (METRES, [",1,2"], "line 2: file is empty"),
        (METRES, ["a.png,1"], "line 2: 2 values for 3 columns"),
        (METRES + ",split", ["a.png,1,2,test"], "line 2: split should be train or val; got 'test'"),
        (METRES, [], "lists no pictures"),
        (METRES + ",file", ["a.png,1,2,3"], "names a column twice"),
        (METRES, ["a.png,1,2", "gone.png,1,2"], "1 pictures are missing, the first is .*gone.png .*line 3.* Fetch"),
    ],
)
def test_what_is_wrong_in_a_list_of_places_is_named(tmp_path, head, rows, message):
    with pytest.raises(ValueError, match=message):
        sources.load("places", listed(tmp_path, head, rows, missing=("gone.png",)), "train")


def test_a_list_is_needed_and_is_text(tmp_path):
    with pytest.raises(ValueError, match=r"should hold places.csv, a list of the pictures"):
        sources.load("places", tmp_path, "train")
    (tmp_path / "places.csv").write_bytes(b"file,utm_east,utm_north\n\xff\xfe,1,2\n")
    with pytest.raises(ValueError, match="no CSV in UTF-8"):
        sources.load("places", tmp_path, "train")


# ---- landmarks


def landmarks(root, head: str, rows: list[str], names: list[str], home=""):
    (root / ("train_clean.csv" if "images" in head else "train.csv")).write_text("\n".join([head, *rows]))
    for name in names:
        picture(root / home / name[0] / name[1] / name[2] / f"{name}.jpg")
    return root


@pytest.mark.parametrize("home", ["", "train"])
def test_landmarks_in_their_layout(tmp_path, home):
    names = [f"{i:016x}" for i in range(12)]
    rows = [f"{name},http://x/{name},{100 + i // 2}" for i, name in enumerate(names)]
    root = landmarks(tmp_path, "id,url,landmark_id", rows, names, home)
    train, val = (sources.load("landmarks", root, part) for part in ("train", "val"))
    assert len(train) + len(val) == 12
    assert not set(train.keys) & set(val.keys)
    assert set(train.keys) | set(val.keys) == {str(100 + i) for i in range(6)}
    assert all(path.is_file() for path in [*train.pictures, *val.pictures])


def test_clean_landmarks(tmp_path):
    names = ["abc1", "abc2", "abd3"]
    root = landmarks(tmp_path, "landmark_id,images", ["7,abc1 abd3", "8,abc2"], names)
    split = sources.SETS["landmarks"](root, "all", False)
    assert split.labels.tolist() == [0, 0, 1]
    assert split.keys == ("7", "8")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["abc1,u,7", "abc1,u,8"], "line 3: abc1 stands in line 2 too"),
        (["../x,u,7"], "line 2: id should be letters and digits"),
        (["abc1,u,7", "abc9,u,7"], "1 pictures are missing, the first is .*abc9.jpg .*line 3"),
    ],
)
def test_what_is_wrong_in_a_list_of_landmarks_is_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        sources.load("landmarks", landmarks(tmp_path, "id,url,landmark_id", rows, ["abc1"]), "train")


# ---- views


def test_each_picture_is_a_class_and_two_windows_of_one_belong_together(tmp_path):
    for i in range(10):
        picture(tmp_path / "deep" / f"{i}.png", i, (30, 20))
    train, val = (sources.load("views", tmp_path, part) for part in ("train", "val"))
    assert train.labels.tolist() == list(range(8))
    assert val.labels.tolist() == [0, 0, 1, 1]
    assert val.keys == ("deep/4.png", "deep/9.png")
    for (top, left, bottom, right), (other_top, other_left, *_) in zip(
        val.windows[::2], val.windows[1::2], strict=True
    ):
        assert (bottom - top) * (right - left) == pytest.approx(0.2)
        assert 0 < max(abs(top - other_top), abs(left - other_left)) <= 0.7 * 0.2**0.5  # they overlap
    again = sources.load("views", tmp_path, "val")
    assert again.windows == val.windows
    pixels, _ = decode(val, 14)
    assert not pixels[0].equal(pixels[1])
    held_out = sources.load("views", tmp_path, "val", holdout="classes:1/2")
    assert (len(held_out), len(held_out.windows)) == (10, 10)


def test_a_window_cuts_its_share_of_the_picture(tmp_path):
    pixels = np.arange(20 * 30 * 3, dtype=np.uint32).reshape(20, 30, 3).astype(np.uint8)
    split = Dataset([pixels], torch.tensor([0]), ("a",), ("a",)).through([(0.25, 0.5, 0.75, 1)])
    assert (np.asarray(open_picture(split, 0)) == pixels[5:15, 15:30]).all()
    assert split.take([0, 0]).windows == split.windows * 2


def test_views_of_one_picture_in_a_batch_differ(tmp_path):
    for i in range(5):
        picture(tmp_path / "train" / f"{i}.png", i, (40, 40))
        picture(tmp_path / "val" / f"{i}.png", i + 9)
    train = sources.load("views", tmp_path, "train")
    feed = loader.Feed(train, 16, "resized", torch.device("cpu"), None)
    for images, labels in feed.training(4, seed=0, epoch=0, per_class=2):
        assert labels[0] == labels[1] != labels[2] == labels[3]
        assert not images[0].equal(images[1])
    # A picture that comes once keeps its crop, whether or not others repeat.
    once = {int(label): image for images, labels in feed.training(1, 0, 0) for image, label in zip(images, labels)}  # noqa: B905
    twice = [
        (int(label), image) for images, labels in feed.training(4, 0, 0, per_class=2)
        for image, label in zip(images, labels, strict=True)
    ]  # fmt: skip
    for label, image in twice[::2][:1]:
        assert image.equal(once[label])


def test_a_stopped_epoch_of_views_goes_on_alike(tmp_path):
    for i in range(6):
        picture(tmp_path / "train" / f"{i}.png", i, (40, 40))
    (tmp_path / "val").mkdir()
    feed = loader.Feed(sources.load("views", tmp_path, "train"), 16, "resized", torch.device("cpu"), None)
    whole = [images for images, _ in feed.training(2, 0, 0, per_class=2)]
    rest = [images for images, _ in feed.training(2, 0, 0, first=1, per_class=2)]
    assert all(a.equal(b) for a, b in zip(whole[1:], rest, strict=True))


def test_batches_of_single_pictures_and_of_classes():
    rng = np.random.default_rng(0)
    order = loader.by_class(torch.arange(8), 6, 3, rng).reshape(-1, 2, 3)
    assert (order == order[:, :, :1]).all()
    mixed = torch.tensor([0, 0, 1, 1, 2])
    assert 4 not in loader.by_class(mixed, 4, 2, rng)  # alone among classes of two
    with pytest.raises(ValueError, match="need 5 classes; there are 4"):
        loader.by_class(torch.arange(4), 10, 2, rng)


# ---- classes that training lacks


def folder(root, classes: int = 6, each: int = 3):
    for i in range(classes):
        for j in range(each):
            picture(root / "train" / f"class{i}" / f"{j}.png", 10 * i + j)
    return root


def test_classes_are_held_out(tmp_path):
    root = folder(tmp_path)
    folds = []
    for index in (1, 2, 3):
        train, val = (sources.load("folder", root, part, holdout=f"classes:{index}/3") for part in ("train", "val"))
        assert (len(train), len(val), len(train.classes), len(val.classes)) == (12, 6, 4, 2)
        assert not set(train.keys) & set(val.keys)
        folds += val.keys
    assert sorted(folds) == [f"class{i}" for i in range(6)]
    with pytest.raises(ValueError, match="6 classes make no 7 parts"):
        sources.load("folder", root, "val", holdout="classes:1/7")


def test_class_scores_are_refused_where_validation_has_other_classes(tmp_path):
    run = {"data": "folder", "root": str(folder(tmp_path)), "network": "resnet18", "batch_size": 4}
    with pytest.raises(ValueError, match=r"Cross-entropy scores the classes of the training.*--objective smooth_ap"):
        setup.splits(Run(**run, holdout="classes:1/3"))
    embeds = {**run, "objective": "smooth_ap", "per_class": 2, "method": "baseline"}
    train, val = setup.splits(Run(**embeds, holdout="classes:1/3"))
    assert not set(train.keys) & set(val.keys)
    some = setup.splits(Run(**embeds, holdout="classes:1/3", classes=f"{train.keys[1]},{val.keys[0]}"))
    assert [split.keys for split in some] == [train.keys[1:2], val.keys[:1]]
    with pytest.raises(ValueError, match="No class is called 'nothing'"):
        setup.splits(Run(**embeds, holdout="classes:1/3", classes="nothing"))
    lone = folder(tmp_path / "lone", each=1)
    with pytest.raises(ValueError, match="no class has two pictures for validation"):
        setup.splits(Run(**{**embeds, "root": str(lone)}, holdout="classes:1/3"))


@pytest.mark.parametrize("text", ["classes:", "classes:6/5", "class:1/5", "classes:1/1"])
def test_what_is_no_part_of_the_classes(text):
    with pytest.raises(ValueError, match="such as classes:1/5"):
        sources.part_of(text)

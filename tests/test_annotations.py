"""Annotation files: cases computed by hand, exact round trips, the pixels that objects must meet, and bad files."""

from __future__ import annotations

import dataclasses
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from test_follow import scattered

from mixviz import Objects, mix
from mixviz.core.objects import boxes_of, collate
from mixviz.data import pictures
from mixviz.data.annotations import coco, fitting, png, runs, tensors, voc, yolo
from mixviz.data.annotations.records import Annotated, Annotations

SIZE = (6, 8)


def boxed(*boxes, size=SIZE, classes=None, **more) -> Objects:
    found = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    labels = torch.tensor(classes if classes is not None else [0] * len(boxes), dtype=torch.int64)
    return Objects(size=size, count=1, image=torch.zeros(len(boxes), dtype=torch.int64), boxes=found, classes=labels,
                   **more)  # fmt: skip


def masked(*masks, classes=None, **more) -> Objects:
    pixels = torch.stack([torch.as_tensor(np.array(mask, bool)) for mask in masks])
    labels = torch.tensor(classes if classes is not None else [0] * len(masks))
    return Objects(size=tuple(pixels.shape[1:]), count=1, image=torch.zeros(len(masks), dtype=torch.int64),
                   masks=pixels, classes=labels, **more)  # fmt: skip


def rectangle(top, left, bottom, right, size=SIZE) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def equal(a: Objects, b: Objects) -> bool:
    fields = ("image", "boxes", "masks", "keypoints", "classes")
    pairs = [(getattr(a, name), getattr(b, name)) for name in fields]
    return (a.size, a.count) == (b.size, b.count) and all(
        x is y if x is None or y is None else x.equal(y) for x, y in pairs
    )


def of(objects: Objects, file: str = "a.png", classes=("cat", "dog"), **more) -> Annotations:
    return Annotations((Annotated.of(file, objects),), tuple(classes), **more)


def random_boxes(number: int, size, seed: int = 0) -> torch.Tensor:
    """Boxes with edges of all float32 digits."""
    rng = np.random.default_rng(seed)
    edges = rng.random((number, 2, 2)).astype(np.float32)
    edges.sort(1)
    edges[:, 1] = np.minimum(edges[:, 0] + np.maximum(edges[:, 1] - edges[:, 0], 0.1), 1)
    return torch.from_numpy((edges * np.float32(size)).reshape(number, 4))


# ---------------------------------------------------------------- COCO

RLE = {"size": [6, 8], "counts": [13, 3, 3, 3, 26]}  # rows 1 to 3 of columns 2 and 3


def document(*annotations, **more) -> dict:
    """A COCO document of a picture of 6x8 pixels, of two classes."""
    rows = [{"id": 10 + i, "image_id": 7, "category_id": 3, "iscrowd": 0, **row} for i, row in enumerate(annotations)]
    return {
        "images": [{"id": 7, "file_name": "a.png", "height": 6, "width": 8, "license": 4}],
        "annotations": rows,
        "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 90, "name": "dog"}],
    } | more


def test_a_coco_file_by_hand():
    points = [0, 0, 0, 3, 1, 2, 5.25, 2, 1]
    read = coco.parse(
        document(
            {"bbox": [2, 1, 2, 3], "area": 5.5, "segmentation": RLE, "keypoints": points, "num_keypoints": 2},
            {"bbox": [4.5, 0, 3.5, 6], "category_id": 90, "iscrowd": 1, "colour": "red"},
        )
    )
    (one,) = read.pictures
    assert (one.file, one.size, one.id, one.extras) == ("a.png", (6, 8), 7, {"license": 4})
    assert (read.classes, read.class_ids) == (("cat", "dog"), (3, 90))
    objects = one.objects
    assert objects.boxes.tolist() == [[1, 2, 4, 4], [0, 4.5, 6, 8]]
    assert objects.classes.tolist() == [0, 1]
    assert objects.masks[0].numpy().tolist() == rectangle(1, 2, 4, 4).tolist()
    assert objects.masks[1].numpy().tolist() == rectangle(0, 4, 6, 8).tolist()  # the pixels of its box
    assert objects.keypoints[0].tolist() == [[0, 0, 0], [1.5, 3.5, 2], [2.5, 5.75, 1]]
    assert objects.keypoints[1].eq(0).all()
    assert objects.extras["id"] == [10, 11]
    assert objects.extras["iscrowd"].tolist() == [0, 1]
    assert objects.extras["area"] == [5.5, None]
    assert objects.extras["colour"] == [None, "red"]


def test_run_lengths_equal_those_of_pycocotools():
    reference = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for density in (0.01, 0.3, 0.5, 0.97):
        for size in ((1, 1), (7, 5), (40, 64), (300, 200)):
            mask = rng.random(size) < density
            mask[0, 0] |= not mask.any()
            encoded = reference.encode(np.asfortranarray(mask, np.uint8))
            text = encoded["counts"].decode()
            assert runs.compressed(mask) == text
            for counts in (text, runs.lengths_of(mask)):
                back = runs.decoded(runs.parsed({"size": list(size), "counts": counts}, size)[0], size)
                assert (back == mask).all()
            assert sum(runs.lengths_of(mask)[1::2]) == reference.area(encoded)


def test_polygons_are_filled_as_by_pycocotools():
    pytest.importorskip("pycocotools")
    square, triangle = [1, 1, 4, 1, 4, 3, 1, 3], [5, 0, 8, 0, 8, 6]
    read = coco.parse(document({"segmentation": [square, triangle]}, {"segmentation": [square]}))
    objects = read.pictures[0].objects
    assert objects.boxes.tolist() == [[0, 1, 6, 8], [1, 1, 3, 4]]  # around the points
    assert objects.masks[1].numpy().tolist() == rectangle(1, 1, 3, 4).tolist()
    assert objects.masks[0][1:3, 1:4].all()
    assert objects.masks[0][0, 6]
    assert not objects.masks[0][5, 5]
    tiny = coco.parse(document({"bbox": [2.1, 2.1, 0.2, 0.2], "segmentation": [[2.1, 2.1, 2.3, 2.1, 2.3, 2.3]]}))
    assert tiny.pictures[0].objects.masks[0].nonzero().tolist() == [[2, 2]]  # between all pixels: that of the box


def test_polygons_come_back_from_coco_with_the_same_numbers():
    pytest.importorskip("pycocotools")
    square, drawn = [1, 1, 4, 1, 4, 3, 1, 3], [5.13, 0.07, 7.999, 0.1, 6.5, 5.25, 5, 4.123456789]
    given = document(
        {"bbox": [1, 0.07, 6.999, 5.18], "area": 9.5, "segmentation": [square, drawn]},
        {"bbox": [2, 1, 2, 3], "area": 6, "segmentation": {"size": [6, 8], "counts": [13, 3, 3, 3, 26]}},
        {"bbox": [0, 0, 2, 3], "area": 6, "segmentation": [[0, 0, 2, 0, 2, 3]], "category_id": 90},
    )
    read = coco.parse(given)
    assert read.pictures[0].objects.polygons[1] is None
    assert read.pictures[0].objects.polygons[0][0].tolist() == [[1, 1], [1, 4], [3, 4], [3, 1]]  # rows first
    assert coco.document(read, unchanged=True, lengths="counts") == given
    assert coco.document(pickle.loads(pickle.dumps(read)), unchanged=True, lengths="counts") == given


@pytest.mark.parametrize("lengths", ["compressed", "counts"])
def test_objects_come_back_from_coco_bit_by_bit(lengths, tmp_path):
    size = (60, 80)
    first, seen = scattered(size, (5,), 1), torch.tensor([[1.0], [2.0]]).expand(5, 2, 1)
    first = dataclasses.replace(
        first,
        boxes=random_boxes(5, size),
        keypoints=torch.cat([random_boxes(5, size, 1).view(5, 2, 2), seen], 2),
    )
    second = Objects.none((10, 20), 1)
    given = Annotations(
        (Annotated.of("a.jpg", first), Annotated.of("b/c é.jpg", second)), tuple("abcde"), (2, 4, 6, 8, 1)
    )
    coco.write(tmp_path / "a.json", given, lengths=lengths)
    read = coco.read(tmp_path / "a.json")
    assert equal(read.pictures[0].objects, first)
    assert [one.file for one in read.pictures] == ["a.jpg", "b/c é.jpg"]
    assert (read.classes, read.class_ids, len(read.pictures[1])) == (given.classes, given.class_ids, 0)
    assert collate([fitting.resized(one.objects, (32, 32)) for one in read.pictures]).count == 2


def test_a_coco_file_comes_back_with_the_same_numbers():
    given = document(
        {"bbox": [4.73, 0.95, 3.26, 4.67], "area": 12.3456, "segmentation": RLE, "note": {"a": [1]}},
        {"bbox": [0.1, 0.07, 7.9, 5.93], "area": 1, "segmentation": RLE, "category_id": 90, "iscrowd": 1},
        info={"year": 2024},
    )
    for row in given["annotations"]:
        row["segmentation"] = RLE | {"counts": list(RLE["counts"])}
    back = coco.document(coco.parse(given), unchanged=True, lengths="counts")
    assert back == given
    anew = coco.document(coco.parse(given), lengths="counts")
    assert [row["id"] for row in anew["annotations"]] == [1, 2]
    assert [row["area"] for row in anew["annotations"]] == [6, 6]
    assert [row["iscrowd"] for row in anew["annotations"]] == [0, 1]


def test_keypoints_come_back_with_the_same_numbers():
    points = [0, 0, 0, 3, 1, 2, 5.21, 2.07, 1]
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose", "ear", "tail"], "skeleton": [[1, 2]]}]
    given = document({"bbox": [1, 1, 5, 4], "area": 20, "keypoints": points, "num_keypoints": 2}, categories=categories)
    assert coco.document(coco.parse(given), unchanged=True) == given


def test_crowds_are_kept_or_named():
    given = document({"bbox": [2, 1, 2, 3]}, {"bbox": [0, 0, 8, 6], "iscrowd": 1})
    assert len(coco.parse(given).pictures[0]) == 2
    read = coco.parse(given, "c.json", crowd="skip")
    assert len(read.pictures[0]) == 1
    assert [skipped.place for skipped in read.skipped] == ["annotation 1 (id 11)"]
    assert "crowd" in read.report()
    with pytest.raises(ValueError, match="'keep' or 'skip'"):
        coco.parse(given, crowd="drop")


FRAME = document()["images"][0]
BAD = [
    ({"bbox": [2, 1, 20, 3]}, r"leaves the image of 6x8.*COCO's bbox is \[left, top, width, height\]"),
    ({"bbox": [4, 3, -2, 1]}, "should not be negative"),
    ({"bbox": [0.1, 0.2, 0.5, 0.4]}, "shares of the sides"),
    ({"bbox": [2, float("nan"), 2, 3]}, "not a finite number"),
    ({"bbox": [2, 1, 0, 3]}, "no area"),
    ({"bbox": [2, 1, 3]}, r"four numbers \[left, top, width, height\]; got \[2, 1, 3\]"),
    ({"bbox": "2 1 3 4"}, "four numbers"),
    ({"bbox": [2, 1, 10**400, 3]}, "four numbers"),
    ({"bbox": [True, 1, 2, 3]}, "four numbers"),
    ({}, "no bbox and no segmentation"),
    ({"id": None, "bbox": [2, 1, 2, 3]}, "it has no id"),
    ({"id": 10, "bbox": [2, 1, 2, 3]}, "its id is doubled"),
    ({"image_id": 8, "bbox": [2, 1, 2, 3]}, "its picture, image_id 8, is not there"),
    ({"image_id": None, "bbox": [2, 1, 2, 3]}, "it has no image_id"),
    ({"category_id": 4, "bbox": [2, 1, 2, 3]}, "category_id 4, has no name"),
    ({"category_id": "cat", "bbox": [2, 1, 2, 3]}, "category_id should be a whole number; got 'cat'"),
    ({"iscrowd": 3, "bbox": [2, 1, 2, 3]}, "iscrowd should be 0 or 1"),
    ({"segmentation": RLE | {"size": [8, 6]}}, "its mask has 8x6 pixels .* its picture 6x8"),
    ({"segmentation": RLE | {"counts": [13, 3]}}, "sum up to 16"),
    ({"segmentation": RLE | {"counts": [48]}}, "marks no pixel"),
    ({"segmentation": RLE | {"counts": [50, -2]}}, "damaged"),
    ({"segmentation": RLE | {"counts": "=3"}}, "sum up to"),
    ({"segmentation": RLE | {"counts": "\u00ff"}}, "damaged"),
    ({"segmentation": RLE | {"counts": "oooooooooooooooo"}}, "damaged"),
    ({"segmentation": RLE | {"counts": "o"}}, "end too early"),
    ({"segmentation": RLE | {"counts": None}}, "list of whole numbers, or a string"),
    ({"segmentation": {"counts": [48]}}, "should be polygons or"),
    ({"segmentation": [[1, 1, 4, 1]]}, "three points or more; got 4 numbers"),
    ({"segmentation": [[1, 1, 4, 1, 4, 3, 1]]}, "three points or more; got 7 numbers"),
    ({"segmentation": [[1, 1, 4, 1, 4, 30]]}, r"point 2 of its polygon, \(4, 30\), leaves the picture of 6x8"),
    ({"segmentation": [[1, 1, 4, 1, 4, float("nan")]]}, "point 2"),
    ({"segmentation": [[0.1, 0.1, 0.4, 0.1, 0.4, 0.3]]}, "less than a pixel"),
    ({"bbox": [2, 1, 2, 3], "keypoints": [1, 2]}, "x, y and v of each point; got 2"),
    ({"bbox": [2, 1, 2, 3], "keypoints": [1, 2, 3]}, r"v of its keypoint 0 should be 0 \(not labelled\)"),
    ({"bbox": [2, 1, 2, 3], "keypoints": [1, 20, 2]}, r"keypoint 0 at \(1, 20\) is outside"),
    ({"bbox": [2, 1, 2, 3], "keypoints": [1, float("nan"), 2]}, "keypoint 0 at"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "says"), BAD)
def test_bad_annotations_are_named_or_skipped(row, says):
    pytest.importorskip("pycocotools")
    good = {"bbox": [2, 1, 2, 3]}
    given = document(good, row, good)
    with pytest.raises(ValueError, match=rf"^c\.json, annotation 1( \(id .*\))?: .*{says}.*skip=True"):
        coco.parse(given, "c.json")
    read = coco.parse(given, "c.json", skip=True)
    assert read.pictures[0].objects.extras["id"] == [10, 12]
    assert len(read.skipped) == 1
    assert "Left out: 1\nc.json, annotation 1" in read.report()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": [{"id": 7, "file_name": "a.png", "height": 6}]}, "image 0: it has no width"),
        ({"images": [{"file_name": "a.png", "height": 6, "width": 8}]}, "image 0: it has no id"),
        ({"images": [FRAME | {"height": 0}]}, "image 0: its height should be a whole number of at least 1"),
        ({"images": [FRAME | {"height": 10**9}]}, "image 0: it should have at most 250 million pixels"),
        ({"images": [FRAME, FRAME]}, "image 1: its id 7 is doubled"),
        ({"images": [FRAME, FRAME | {"id": 8}]}, "image 1: its file_name 'a.png' is doubled"),
        ({"images": ["a.png"]}, "image 0: it should be an object"),
        ({"categories": [{"id": 3}]}, "category 0: class 3 has no name"),
        ({"categories": [{"id": 3, "name": "cat"}, {"id": 3, "name": "dog"}]}, "category 1: its id 3 is doubled"),
        ({"annotations": [7]}, "annotation 0: it should be an object"),
    ],
)  # fmt: skip
def test_bad_pictures_and_classes_are_named_or_skipped(change, says):
    given = document({"bbox": [2, 1, 2, 3]}, **change)
    with pytest.raises(ValueError, match=f"c.json, {says}"):
        coco.parse(given, "c.json")
    assert coco.parse(given, "c.json", skip=True).skipped


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"images": [}', "no JSON file, or damaged .line 1, column 13"),
        (b"\xff\xfe{}", "not in UTF-8"),
        (b"[]", "COCO results"),
        (b'{"images": []}', "lacks the lists annotations, categories"),
        (b"7", "lacks the lists"),
        (b"[" * 200_000, "damaged"),
        (b"", "damaged"),
        (b'{"images": ' + b"1" * 5000 + b"}", "damaged"),
    ],
)
def test_damaged_json_is_refused(text, says, tmp_path):
    file = tmp_path / "c.json"
    file.write_bytes(text)
    with pytest.raises(ValueError, match=rf"c\.json.*{says}"):
        coco.read(file)
    with pytest.raises(ValueError, match="There is no file"):
        coco.read(tmp_path / "d.json")


def test_mixtures_are_written_with_ids_of_their_own():
    doubled = masked(
        rectangle(0, 0, 2, 2), rectangle(3, 3, 5, 6), extras={"id": [5, 5], "visible": torch.tensor([1, 0.5])}
    )
    rows = coco.document(of(doubled))["annotations"]
    assert [(row["id"], row["visible"]) for row in rows] == [(1, 1.0), (2, 0.5)]
    with pytest.raises(ValueError, match="id 5 is doubled: write with unchanged=False"):
        coco.document(of(doubled), unchanged=True)
    with pytest.raises(ValueError, match="class 1 has no name"):
        coco.document(of(boxed((0, 0, 3, 3), classes=[1]), classes=["cat"]))
    with pytest.raises(ValueError, match="needs a class for every object"):
        coco.document(of(dataclasses.replace(doubled, classes=None)))


def test_without_pycocotools_boxes_and_counts_are_read_and_polygons_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    assert coco.parse(document({"segmentation": RLE})).pictures[0].objects.masks.sum() == 6
    polygon = document({"bbox": [1, 1, 3, 2], "segmentation": [[1, 1, 4, 1, 4, 3]]})
    assert coco.parse(polygon, masks=False).pictures[0].objects.masks is None
    with pytest.raises(ImportError, match="pip install"):
        coco.parse(polygon)
    with pytest.raises(ImportError, match="pip install"):
        coco.document(of(masked(rectangle(0, 0, 2, 2))))


def test_annotations_can_be_sent_to_other_processes():
    read = coco.parse(document({"segmentation": RLE}))
    assert equal(pickle.loads(pickle.dumps(read)).pictures[0].objects, read.pictures[0].objects)


# ---------------------------------------------------------------- YOLO


def labels(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_yolo_files_by_hand(tmp_path):
    folder = labels(tmp_path, a="1 0.5 0.5 0.25 0.5\n\n0 0.25 0.25 0.5 0.5\n", classes="cat\ndog\n")
    read = yolo.read(folder, {"a.jpg": (60, 80), "b.jpg": (6, 8)})
    assert read.classes == ("cat", "dog")
    assert read.pictures[0].objects.boxes.tolist() == [[15, 30, 45, 50], [0, 0, 30, 40]]
    assert read.pictures[0].objects.classes.tolist() == [1, 0]
    assert len(read.pictures[1]) == 0


def test_yolo_polygons_become_masks(tmp_path):
    pytest.importorskip("pycocotools")
    folder = labels(tmp_path, a="0 0.125 0.5 0.5 0.5 0.5 1 0.125 1\n0 0.5 0.25 0.5 0.5\n")
    objects = yolo.read(folder, {"a.jpg": SIZE}).pictures[0].objects
    assert objects.boxes.tolist() == [[3, 1, 6, 4], [0, 2, 3, 6]]
    assert objects.masks[0].numpy().tolist() == rectangle(3, 1, 6, 4).tolist()
    assert objects.masks[1].numpy().tolist() == rectangle(0, 2, 3, 6).tolist()  # its box


@pytest.mark.parametrize("size", [(60, 80), (427, 640), (3333, 1999)])
def test_polygons_come_back_from_yolo_with_the_same_text(size, tmp_path):
    pytest.importorskip("pycocotools")
    rng = np.random.default_rng(0)
    rows = [rng.uniform(0, 1, 2 * points) for points in (3, 4, 20)]
    text = "".join("0 " + " ".join(f"{share:.6f}" for share in row) + "\n" for row in rows)
    text += "1 0.500000 0.500000 0.250000 0.500000\n"
    read = yolo.read(labels(tmp_path, a=text), {"a.jpg": size})
    yolo.write(tmp_path / "again", read)
    assert (tmp_path / "again" / "a.txt").read_text() == text


@pytest.mark.parametrize("size", [(60, 80), (427, 640), (3333, 1999)])
def test_boxes_come_back_from_yolo_bit_by_bit(size, tmp_path):
    boxes = torch.cat([random_boxes(50, size), torch.tensor([[0.0, 0.0, *map(float, size)], [1.0, 2.0, 4.0, 7.0]])])
    given = of(boxed(*boxes.tolist(), size=size), "x/a.jpg")
    yolo.write(tmp_path, given)
    read = yolo.read(tmp_path, {"x/a.jpg": size})
    assert read.pictures[0].objects.boxes.equal(boxes)
    assert read.classes == ("cat", "dog")


def test_a_yolo_file_of_six_decimals_comes_back_with_the_same_numbers(tmp_path):
    rng = np.random.default_rng(0)
    half = rng.uniform(0.05, 0.3, (30, 2))
    centre = rng.uniform(half + 0.01, 0.99 - half)
    rows = np.concatenate([centre, 2 * half], 1)
    text = "".join("0 " + " ".join(f"{share:.6f}" for share in row) + "\n" for row in rows)
    read = yolo.read(labels(tmp_path, a=text), {"a.jpg": (427, 640)})
    yolo.write(tmp_path / "again", read)
    assert (tmp_path / "again" / "a.txt").read_text() == text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 40 30 20 10", "shares of the picture's width and height.*divide pixels"),
        ("0 0.9 0.5 0.5 0.5", "leaves the image of 60x80"),
        ("0 0.5 0.5 -0.5 0.5", "should not be negative"),
        ("0 0.5 0.5 0 0.5", "no area"),
        ("0 nan 0.5 0.5 0.5", "not finite"),
        ("2 0.5 0.5 0.5 0.5", "class 2 has no name: 2 are given"),
        ("0.5 0.5 0.5 0.5 0.5", "class should be a whole number"),
        ("-1 0.5 0.5 0.5 0.5", "class should be a whole number"),
        ("nan 0.5 0.5 0.5 0.5", "class should be a whole number"),
        ("0 0.5 0.5 0.5 0.5 0.9", "confidence"),
        ("0 0.5 0.5", "got 3 numbers"),
        ("0 0.5 0.5 0.5 0.5 0.5 0.5 0.5", "got 8 numbers"),
        ("cat 0.5 0.5 0.5 0.5", "should be numbers"),
        ("0 0.1 0.1 0.5 -0.4 0.5 0.5", "point 1 of its polygon"),
    ],
)
def test_bad_yolo_lines_are_named_or_skipped(line, says, tmp_path):
    good = "1 0.5 0.5 0.5 0.5\n"
    folder = labels(tmp_path, a=f"{good}{line}\n{good}")
    with pytest.raises(ValueError, match=rf"^a\.txt, line 2: .*{says}"):
        yolo.read(folder, {"a.jpg": (60, 80)}, ["cat", "dog"])
    read = yolo.read(folder, {"a.jpg": (60, 80)}, ["cat", "dog"], skip=True)
    assert read.pictures[0].objects.classes.tolist() == [1, 1]
    assert [skipped.place for skipped in read.skipped] == ["line 2"]


def test_labels_without_a_picture_are_named(tmp_path):
    folder = labels(tmp_path, a="0 0.5 0.5 0.5 0.5\n", b="")
    with pytest.raises(ValueError, match=r"b\.txt: there is no picture of this name"):
        yolo.read(folder, {"a.jpg": (60, 80)})
    with pytest.raises(ValueError, match="same label file"):
        yolo.read(folder, {"a.jpg": (60, 80), "a.png": (60, 80)})
    (folder / "a.txt").write_bytes(b"\xff\xff")
    assert len(yolo.read(folder, {"a.jpg": (60, 80)}, skip=True).skipped) == 2
    with pytest.raises(ValueError, match="line 2: class 1 has no name"):
        yolo.read(labels(tmp_path, classes="cat\n\ndog"), {})
    with pytest.raises(ValueError, match="There is no folder"):
        yolo.read(tmp_path / "none", {})


def test_labels_of_the_bundled_photographs(tmp_path):
    entries = list(pictures.photographs().values())[:3]
    photos = Path(pictures.photograph_path(""))
    objects = [boxed(entry["box"], size=tuple(entry["size"])) for entry in entries]
    given = Annotations(
        tuple(Annotated.of(entry["file"], one) for entry, one in zip(entries, objects, strict=True)), ("animal",)
    )
    yolo.write(tmp_path, given)
    read = yolo.read(tmp_path, photos)
    assert len(read) == len(pictures.photographs())
    for entry, one in zip(entries, objects, strict=True):
        assert equal(read.find(entry["file"]).objects, one)
    assert len(fitting.in_folder(read, photos)) == len(read)


@pytest.mark.parametrize("write", [yolo.write, voc.write, png.write])
@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "C:/a.jpg", "x/../../a.jpg", "..\\a.jpg"])
def test_nothing_is_written_outside_the_folder(write, name, tmp_path):
    with pytest.raises(ValueError, match="leads out of the folder"):
        write(tmp_path / "out", of(masked(rectangle(0, 0, 2, 2)), name))
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- Pascal VOC

XML = """<annotation><folder>VOC2007</folder><filename>a.jpg</filename>
<size><width>8</width><height>6</height><depth>3</depth></size><segmented>1</segmented>
<object><name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>3</xmin><ymin>2</ymin><xmax>4</xmax><ymax>4</ymax></bndbox>
<part><name>head</name><bndbox><xmin>3</xmin><ymin>2</ymin><xmax>3</xmax><ymax>2</ymax></bndbox></part></object>
<object><name>cat</name><difficult>1</difficult>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>8</xmax><ymax>6</ymax></bndbox></object></annotation>"""


def test_a_voc_file_by_hand(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    read = voc.read(tmp_path)
    one = read.pictures[0]
    assert (one.file, one.size, one.extras) == ("a.jpg", (6, 8), {"folder": "VOC2007", "segmented": "1"})
    assert read.classes == ("cat", "dog")
    assert one.objects.boxes.tolist() == [[1, 2, 4, 4], [0, 0, 6, 8]]
    assert one.objects.classes.tolist() == [1, 0]
    assert one.objects.extras["difficult"].tolist() == [0, 1]
    assert one.objects.extras["truncated"].tolist() == [1, 0]
    assert one.objects.extras["pose"] == ["Left", "Unspecified"]
    assert voc.read(tmp_path / "a.xml", ["dog", "cat"]).pictures[0].objects.classes.tolist() == [0, 1]
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    assert voc.read([tmp_path / "a.xml"], tmp_path / "names.txt").classes == ("dog", "cat")
    (tmp_path / "a.xml").write_text(XML.replace(">1</xmin>", ">0</xmin>"))
    with pytest.raises(ValueError, match=r"a\.xml, object 1 \(cat\): .*leaves the image.*first=0"):
        voc.read(tmp_path)
    assert voc.read(tmp_path, first=0).pictures[0].objects.boxes.tolist() == [[2, 3, 4, 4], [1, 0, 6, 8]]


@pytest.mark.parametrize("first", [0, 1])
def test_boxes_come_back_from_voc_bit_by_bit(first, tmp_path):
    boxes = torch.cat([random_boxes(50, (60, 80)), torch.tensor([[0.0, 0.0, 60.0, 80.0], [1.0, 2.0, 4.0, 7.0]])])
    extras = {"difficult": torch.arange(52) % 2, "truncated": torch.zeros(52).long(), "pose": ["Left"] * 52}
    given = of(boxed(*boxes.tolist(), size=(60, 80), extras=extras, classes=[0, 1] * 26), "a & b.jpg")
    voc.write(tmp_path, given, first=first)
    read = voc.read(tmp_path, first=first)
    assert equal(read.pictures[0].objects, given.pictures[0].objects)
    assert read.pictures[0].objects.extras["difficult"].equal(extras["difficult"])
    assert read.pictures[0].objects.extras["pose"] == extras["pose"]
    text = (tmp_path / "a & b.xml").read_text()
    assert f"<xmin>{2 + first}</xmin>" in text
    assert "<xmax>7</xmax>" in text


def test_a_voc_file_comes_back(tmp_path):
    (tmp_path / "a.xml").write_text(XML)
    voc.write(tmp_path / "out", voc.read(tmp_path / "a.xml"))
    again = voc.read(tmp_path / "out").pictures[0]
    first = voc.read(tmp_path / "a.xml").pictures[0]
    assert equal(again.objects, first.objects)
    assert again.extras == first.extras


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<xmax>4</xmax>", "<xmax>40</xmax>", "leaves the image of 6x8"),
        ("<xmax>4</xmax>", "<xmax>1</xmax>", "in another order"),
        ("<xmax>4</xmax>", "<xmax>nan</xmax>", "not a finite number"),
        ("<xmax>4</xmax>", "<xmax>four</xmax>", "a number as <xmax>; got 'four'"),
        ("<xmax>4</xmax>", "", "a number as <xmax>; got ''"),
        ("<name>dog</name>", "", "its class has no name"),
        ("<name>dog</name>", "<name>cow</name>", "class 'cow' is none of classes"),
        ("<truncated>1</truncated>", "<truncated>2</truncated>", "truncated> should be 0 or 1"),
    ],
)
def test_bad_voc_objects_are_named_or_skipped(old, new, says, tmp_path):
    (tmp_path / "a.xml").write_text(XML.replace(old, new))
    with pytest.raises(ValueError, match=rf"^a\.xml, object 0.*: .*{says}"):
        voc.read(tmp_path, ["cat", "dog"])
    read = voc.read(tmp_path, ["cat", "dog"], skip=True)
    assert read.pictures[0].objects.classes.tolist() == [0]
    assert len(read.skipped) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (XML[:100], "no XML file, or damaged"),
        ("<a/>", "should hold an <annotation>; got <a>"),
        (XML.replace("a.jpg", ""), "no <filename>"),
        (XML.replace("<width>8</width>", ""), "no size of the picture"),
        (XML.replace("<width>8</width>", "<width>-8</width>"), "width should be a number of pixels; got '-8'"),
        ('<?xml version="1.0" encoding="nonsense"?>' + XML, "damaged|cannot be read"),
    ],
)
def test_bad_voc_files_are_named_or_skipped(text, says, tmp_path):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match=rf"^a\.xml, the whole file: .*({says})"):
        voc.read(tmp_path)
    read = voc.read(tmp_path, skip=True)
    assert (len(read), len(read.skipped)) == (0, 1)


def test_the_size_that_a_voc_file_lacks_is_that_of_the_picture(tmp_path):
    (tmp_path / "a.xml").write_text(XML.replace("<width>8</width>", "<width>0</width>"))
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg")
    assert voc.read(tmp_path, pictures=tmp_path).pictures[0].size == (6, 8)
    (tmp_path / "b.xml").write_text(XML)
    with pytest.raises(ValueError, match=r"a\.xml is of the same picture"):
        voc.read(tmp_path, pictures=tmp_path)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(ValueError, match=r"a\.jpg' is not there"):
        voc.read(tmp_path, pictures=tmp_path)


# ---------------------------------------------------------------- PNG masks


def test_masks_come_back_from_a_png(tmp_path):
    given = masked(rectangle(0, 0, 2, 2), rectangle(2, 0, 6, 3), rectangle(0, 3, 6, 8), extras={"id": [7, 300, 2]})
    png.write(tmp_path, of(given))
    values = np.asarray(Image.open(tmp_path / "a.png"))
    assert values.dtype == np.uint16
    assert values[0, 0] == 7
    read = png.read(tmp_path).pictures[0]
    order = torch.tensor([2, 0, 1])  # by value
    assert read.objects.extras["id"] == [2, 7, 300]
    assert read.objects.masks.equal(given.masks[order])
    assert read.objects.boxes.equal(given.boxes[order])


def test_many_objects_leave_out_the_number_of_the_border(tmp_path):
    masks = np.eye(400, dtype=bool).reshape(400, 20, 20)
    png.write(tmp_path, of(masked(*masks, classes=[0] * 400)))
    read = png.read(tmp_path).pictures[0].objects
    assert read.masks.numpy().tolist() == masks.tolist()
    assert 255 not in read.extras["id"]


def test_classes_come_back_from_a_png(tmp_path):
    given = masked(rectangle(0, 0, 2, 2), rectangle(2, 0, 6, 3), classes=[1, 0])
    png.write(tmp_path, of(given, class_ids=(4, 9)), kind="classes")
    read = png.read(tmp_path, kind="classes", classes={9: "dog", 4: "cat"})
    assert (read.classes, read.class_ids) == (("dog", "cat"), (9, 4))
    assert read.pictures[0].objects.classes.tolist() == [1, 0]
    assert read.pictures[0].objects.masks.equal(given.masks.flip(0))
    assert png.read(tmp_path, kind="classes").classes == ("4", "9")
    listed = png.read(tmp_path, kind="classes", classes=["ground", *"abcdefghi"])
    assert listed.pictures[0].objects.classes.tolist() == [3, 8]
    with pytest.raises(ValueError, match=r"a\.png: its class 9 has no name"):
        png.read(tmp_path, kind="classes", classes={4: "cat"})
    assert len(png.read(tmp_path, kind="classes", classes={4: "cat"}, ignore=[9]).pictures[0]) == 1


def test_palettes_colours_and_trimaps(tmp_path):
    trimap = np.full(SIZE, 2, np.uint8)
    trimap[1:5, 1:5] = 3
    trimap[2:4, 2:4] = 1
    image = Image.fromarray(trimap, "L")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 9, 9, 9])
    image.save(tmp_path / "a.png")
    read = png.read(tmp_path, kind="classes", classes={1: "pet"}, background=2, ignore=[3])
    assert read.pictures[0].objects.masks[0].numpy().tolist() == rectangle(2, 2, 4, 4).tolist()
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[0] = (1, 2, 3)
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert png.read(tmp_path).pictures[0].objects.extras["id"] == [1 + 2 * 256 + 3 * 65536]
    Image.fromarray(trimap == 1).save(tmp_path / "a.png")
    assert png.read(tmp_path).pictures[0].objects.masks.sum() == 4


def test_masks_belong_to_pictures(tmp_path):
    folder, photos = tmp_path / "masks", tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (8, 6)).save(photos / "a.jpg")
    png.write(folder, of(masked(rectangle(0, 0, 2, 2))))
    assert png.read(folder, photos).pictures[0].file == "a.jpg"
    Image.new("RGB", (16, 12)).save(photos / "a.jpg")
    with pytest.raises(ValueError, match=r"it has 6x8 pixels .*, its picture 12x16: resize the mask"):
        png.read(folder, photos)
    assert len(png.read(folder, photos, skip=True).skipped) == 1
    (photos / "a.jpg").rename(photos / "b.jpg")
    with pytest.raises(ValueError, match="there is no picture called a"):
        png.read(folder, photos)


def test_what_no_png_can_hold_is_refused(tmp_path):
    Image.new("RGBA", (8, 6)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: it has the mode RGBA"):
        png.read(tmp_path)
    Image.new("L", (8, 6)).save(tmp_path / "a.png", "JPEG")
    with pytest.raises(ValueError, match="no PNG file, or damaged"):
        png.read(tmp_path)
    with pytest.raises(ValueError, match="there is no such file"):
        png.read(tmp_path / "b.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="There is no PNG"):
        png.read(tmp_path / "empty")
    over = masked(rectangle(0, 0, 3, 3), rectangle(2, 2, 4, 4))
    with pytest.raises(ValueError, match="objects 0 and 1 overlap"):
        png.write(tmp_path, of(over))
    png.write(tmp_path, of(over), kind="classes")  # of one class
    with pytest.raises(ValueError, match="no masks, only boxes"):
        png.write(tmp_path, of(boxed((0, 0, 3, 3))))
    with pytest.raises(ValueError, match=r"without 255.*got 255"):
        png.write(tmp_path, of(over, class_ids=(255, 1)), kind="classes")


def test_a_mask_of_the_first_pixel_alone_is_no_share_of_the_sides(tmp_path):
    given = masked(rectangle(0, 0, 1, 1), rectangle(2, 2, 4, 4))
    png.write(tmp_path, of(given))
    assert png.read(tmp_path).pictures[0].objects.masks.equal(given.masks)
    assert equal(coco.parse(coco.document(of(given), lengths="counts")).pictures[0].objects, given)
    assert len(collate([given, given])) == 4


# ---------------------------------------------------------------- torchvision


@pytest.mark.parametrize("format", tensors.FORMATS)
def test_objects_come_back_from_torchvisions_tensors(format):
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    points = torch.tensor([[[1.25, 2.5, 2.0], [0.0, 0.0, 0.0]], [[3.0, 4.0, 1.0], [0.5, 0.5, 2.0]]])
    given = masked(rectangle(1, 2, 4, 4), rectangle(0, 0, 6, 8), classes=[3, 1], keypoints=points)
    given = dataclasses.replace(given, boxes=torch.tensor([[1.125, 2.25, 3.5, 4.0], [0.0, 0.0, 6.0, 8.0]]))
    target = tensors.to_tensors(given, format)
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
    assert tuple(target["boxes"].canvas_size) == SIZE
    assert isinstance(target["masks"], tv_tensors.Mask)
    assert equal(tensors.from_tensors(**target), given)
    first = {"XYXY": [2.25, 1.125, 4, 3.5], "XYWH": [2.25, 1.125, 1.75, 2.375], "CXCYWH": [3.125, 2.3125, 1.75, 2.375]}
    assert target["boxes"][0].tolist() == first[format]


def test_boxes_of_all_digits_come_back_from_corners():
    pytest.importorskip("torchvision")
    given = boxed(*random_boxes(50, (60, 80)).tolist(), size=(60, 80))
    assert equal(tensors.from_tensors(**tensors.to_tensors(given)), given)


def test_objects_of_no_picture_or_masks_alone():
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    assert len(tensors.from_tensors(**tensors.to_tensors(Objects.none(SIZE, 1)))) == 0
    mask = tv_tensors.Mask(torch.from_numpy(rectangle(1, 2, 4, 4))[None])
    found = tensors.from_tensors(masks=mask)
    assert found.boxes.tolist() == [[1, 2, 4, 4]]
    assert type(found.masks) is torch.Tensor


def test_bad_tensors_say_what_to_do():
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    box = torch.tensor([[2.0, 1.0, 4.0, 3.0]])
    with pytest.raises(TypeError, match="should be torchvision"):
        tensors.from_tensors(box)
    with pytest.raises(ValueError, match="boxes or masks"):
        tensors.from_tensors()
    with pytest.raises(ValueError, match="of one size"):
        tensors.from_tensors(
            tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=SIZE), masks=torch.zeros(1, 8, 6).bool()
        )
    with pytest.raises(ValueError, match="Object 0: its box should be"):
        tensors.from_tensors(tv_tensors.BoundingBoxes(box.flip(1), format="XYXY", canvas_size=SIZE))
    with pytest.raises(ValueError, match="should be 0 and 1"):
        tensors.from_tensors(masks=torch.full((1, *SIZE), 3))
    rotated = tv_tensors.BoundingBoxes(torch.rand(1, 5), format="XYWHR", canvas_size=SIZE)
    with pytest.raises(ValueError, match="got XYWHR"):
        tensors.from_tensors(rotated)
    with pytest.raises(ValueError, match="those of 2"):
        tensors.to_tensors(Objects.none(SIZE, 2))


# ---------------------------------------------------------------- the geometry of loaded pictures


def test_resizing_by_hand():
    points = torch.tensor([[[1.5, 2.5, 2.0]]])
    found = fitting.resized(masked(rectangle(1, 2, 4, 4), keypoints=points), (12, 4))
    assert found.boxes.tolist() == [[2, 1, 8, 2]]
    assert found.masks[0].numpy().tolist() == rectangle(2, 1, 8, 2, (12, 4)).tolist()
    assert found.keypoints.tolist() == [[[3, 1.25, 2]]]


def test_cropping_by_hand():
    points = torch.tensor([[[1.5, 2.5, 2.0], [3.5, 6.0, 1.0]]])
    corner = rectangle(0, 0, 6, 2) | rectangle(0, 0, 2, 8)  # an L
    objects = masked(corner, rectangle(0, 0, 2, 2), keypoints=points.expand(2, 2, 3), extras={"id": [5, 6]})
    found = fitting.cropped(objects, (1, 2, 5, 6), (8, 8))
    assert found.origin.tolist() == [0]
    assert found.objects.extras["id"] == [5]
    assert found.objects.boxes.tolist() == [[0, 0, 2, 8]]  # of the pixels that are left, not of the clipped box
    assert found.objects.masks[0].numpy().tolist() == rectangle(0, 0, 2, 8, (8, 8)).tolist()
    assert found.visible.tolist() == pytest.approx([4 / corner.sum()])
    assert found.objects.keypoints.tolist() == [[[1, 1, 2], [0, 0, 0]]]
    half = fitting.cropped(objects, (0, 0.5, 6, 8), (6, 6))
    assert half.visible.tolist() == pytest.approx([(corner.sum() - 3) / corner.sum(), 0.75])
    assert half.objects.boxes[1].tolist() == pytest.approx([0, 0, 2, 1.2])
    boxes_only = fitting.cropped(dataclasses.replace(objects, masks=None), (1, 2, 5, 6), (8, 8))
    assert boxes_only.objects.boxes.tolist() == [[0, 0, 8, 8]]
    assert len(fitting.cropped(objects, (1, 2, 5, 6), (8, 8), min_visible=0.5).objects) == 0
    with pytest.raises(ValueError, match="window should be"):
        fitting.cropped(objects, (1, 2, 7, 6), (8, 8))


def test_a_thin_mask_keeps_a_pixel():
    found = fitting.resized(masked(rectangle(0, 3, 6, 4, (60, 80))), (6, 8))
    assert found.masks[0].nonzero().tolist() == [[0, 0]]
    assert collate([found]).masks.any()


@pytest.mark.parametrize("size", [(60, 80), (90, 51), (64, 64), (70, 41)])
@pytest.mark.parametrize("load", ["square", "view"])
def test_objects_meet_the_pixels_of_loaded_pictures(size, load, tmp_path):
    top, left, bottom, right = size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4
    mask = rectangle(top, left, bottom, right, size)
    Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB").save(tmp_path / "a.png")
    objects = masked(mask)
    if load == "square":
        loaded, found = pictures.load_image(tmp_path / "a.png", 128), fitting.squared(objects, 128).objects
    else:
        loaded, found = pictures.load_view(tmp_path / "a.png", 128), fitting.viewed(objects, 128).objects
    shown = torch.from_numpy(loaded[..., 0])
    clear = (shown < 64) | (shown > 191)  # without the soft edge
    assert clear.float().mean() > 0.95
    assert (shown > 127)[clear].equal(found.masks[0][clear])
    assert (boxes_of(shown[None] > 127) - found.boxes).abs().max() <= 0.5
    assert (boxes_of(found.masks) - found.boxes).abs().max() <= 1


@pytest.mark.parametrize("entry", list(pictures.photographs().values())[:6], ids=lambda entry: entry["file"])
def test_boxes_of_the_bundled_photographs_fall_where_the_page_puts_them(entry):
    found = fitting.squared(boxed(entry["box"], size=tuple(entry["size"])), 192).objects
    assert found.boxes[0].round().tolist() == list(pictures.square_box(entry, 192))


@pytest.mark.parametrize("code", range(1, 9))
def test_objects_turn_with_the_exif_orientation(code, tmp_path):
    mask = rectangle(1, 2, 3, 7, (20, 30))
    mask[10:15, 25:] = True
    image, exif = Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB"), Image.Exif()
    exif[0x0112] = code
    image.save(tmp_path / "a.png", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))[..., 0] > 127
    points = torch.tensor([[[10.5, 29.5, 2.0], [0.0, 0.0, 0.0]]])
    stored = masked(mask, keypoints=points)
    found = fitting.turned(stored, code)
    assert found.masks[0].numpy().tolist() == upright.tolist()
    assert found.boxes.equal(boxes_of(found.masks))
    row, column = found.keypoints[0, 0, :2].floor().long().tolist()
    assert upright[row, column]
    assert found.keypoints[0, 1].tolist() == [0, 0, 0]
    annotations = of(stored)
    kept = fitting.in_folder(annotations, tmp_path, stored=True).pictures[0]
    assert equal(kept.objects, found)
    if code > 4:  # the size shows it
        assert equal(fitting.in_folder(annotations, tmp_path).pictures[0].objects, found)
    as_upright = of(masked(upright))
    assert equal(fitting.in_folder(as_upright, tmp_path).pictures[0].objects, as_upright.pictures[0].objects)


def test_pictures_that_are_missing_or_of_another_size_are_named(tmp_path):
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    given = Annotations(tuple(Annotated.of(name, boxed((0, 0, 3, 3))) for name in ("a.png", "b.png", "c.png")))
    says = ["it has 12x16 pixels .height x width., its annotations are of 6x8", "b.png", "not there: add it"]
    read = fitting.in_folder(given, tmp_path, skip=True)
    assert len(read) == 0
    for one, skipped, reason in zip(given.pictures, read.skipped, says, strict=True):
        assert skipped.place == one.file
        with pytest.raises(ValueError, match=reason):
            fitting.in_folder(dataclasses.replace(given, pictures=(one,)), tmp_path)
    with pytest.raises(ValueError, match="There is no folder"):
        fitting.in_folder(given, tmp_path / "none")


def test_a_batch_has_the_objects_of_its_pictures():
    objects = boxed((1, 2, 4, 4)), boxed((0, 0, 6, 8), (0, 0, 3, 1), classes=[1, 0])
    given = Annotations((Annotated.of("x/a.jpg", objects[0]), Annotated.of("b.jpg", objects[1])), ("cat", "dog"))
    batch = fitting.of_squares(given, ["c.jpg", "y/b.jpg", "a.jpg"], 12)
    assert (batch.size, batch.count) == ((12, 12), 3)
    assert batch.image.tolist() == [1, 2]  # the second object of b.jpg is outside the square
    assert batch.boxes.tolist() == [[0, 0, 12, 12], [2, 2, 8, 6]]
    assert batch.classes.tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"of none of the 1 pictures: they name 'x/a.jpg'.*'z.jpg'"):
        fitting.of_squares(given, ["z.jpg"], 12)
    with pytest.raises(ValueError, match=r"'y/b\.jpg' and 'z/b.jpg' both fit"):
        fitting.of_squares(given, ["y/b.jpg", "z/b.jpg"], 12)
    assert given.find("y/a.jpg") is None


def test_the_objects_of_a_batch_become_annotations():
    batch = collate([boxed((1, 2, 4, 4)), Objects.none(SIZE, 1)])
    given = Annotations.of(batch, ["a.jpg", "b.jpg"], ["cat"])
    assert [len(one) for one in given.pictures] == [1, 0]
    with pytest.raises(ValueError, match="a name for each of the 2 pictures; got 1"):
        Annotations.of(batch, ["a.jpg"])
    with pytest.raises(ValueError, match="those of 2"):
        Annotated.of("a.jpg", batch)


def test_an_open_file_is_read(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(document({"bbox": [2, 1, 2, 3]})))
    with open(tmp_path / "c.json", "rb") as file:
        assert len(coco.read(file).pictures[0]) == 1


# ---------------------------------------------------------------- polygons

TRIANGLE = [[1.0, 1], [1, 7], [5, 1]]  # (row, column)


def drawn(*polygons, size=SIZE, count=1, **more) -> Objects:
    return Objects(
        size=size, count=count, image=torch.zeros(len(polygons), dtype=torch.int64), polygons=polygons, **more
    )


def test_polygons_are_filled_where_masks_are_needed():
    pytest.importorskip("pycocotools")
    objects = drawn([[(1, 1), (1, 4), (3, 4), (3, 1)]], [TRIANGLE])
    assert objects.boxes.tolist() == [[1, 1, 3, 4], [1, 1, 5, 7]]
    assert objects.pixels()[0].numpy().tolist() == rectangle(1, 1, 3, 4).tolist()
    assert objects.areas[0] == 6
    assert objects.union()[0].bool().equal(objects.pixels().any(0))
    boxed_too = drawn([TRIANGLE], None, boxes=torch.tensor([[1.0, 1, 5, 7], [0, 0, 2, 2]]))
    assert boxed_too.pixels()[1].numpy().tolist() == rectangle(0, 0, 2, 2).tolist()
    assert objects[torch.tensor([1])].polygons[0][0].tolist() == TRIANGLE
    assert collate([objects, objects]).polygons[3][0].tolist() == TRIANGLE
    plain = dataclasses.replace(objects, polygons=None)
    assert collate([objects, plain]).polygons[2:] == [None, None]


def test_polygons_follow_as_their_masks():
    pytest.importorskip("pycocotools")
    objects = dataclasses.replace(drawn([TRIANGLE], [TRIANGLE]), count=2, image=torch.tensor([0, 1]))
    images = torch.rand(2, 3, *SIZE)
    for method in ("cutmix", "rotation", "mixup"):
        recipe = mix(images, method=method, seed=0)[1]
        moved = recipe.follow(objects)
        as_masks = recipe.follow(dataclasses.replace(objects, masks=objects.pixels(), polygons=None))
        assert moved.objects.polygons is None
        assert equal(moved.objects, as_masks.objects)
        assert moved.visible.equal(as_masks.visible)


@pytest.mark.parametrize(
    ("polygon", "says"),
    [
        ([1.0, 1, 7, 1, 5], r"Object 1: polygon 0 should be points \(P, 2\).*odd number of coordinates.*missing"),
        ([1.0, 1, 7, 1, 5, 4], r"Object 1: polygon 0 should be points \(P, 2\).*reshape"),
        ([[1.0, 1], [2, 2]], "Object 1: its polygon should have three points or more; got 2: leave"),
        ([[1.0, 1], [2, float("nan")], [3, 3]], "Object 1: point 1 of its polygon is not a finite number"),
        ([[0.1, 0.1], [0.2, 0.9], [0.3, 0.5]], "Object 1: its polygon is less than a pixel large: multiply"),
        ([[1.0, 1], [2, 9], [3, 3]], r"Object 1: point 1 of its polygon, \(9, 2\), leaves the picture of 6x8"),
    ],
)
def test_wrong_polygons_are_named_with_the_remedy(polygon, says):
    with pytest.raises(ValueError, match=says):
        drawn([TRIANGLE], [polygon])
    with pytest.raises(ValueError, match="polygons should be those of 1 objects; got 2"):
        dataclasses.replace(drawn([TRIANGLE]), polygons=[[TRIANGLE], [TRIANGLE]])


@pytest.mark.parametrize("code", range(1, 9))
def test_polygons_turn_and_scale_with_their_masks(code):
    pytest.importorskip("pycocotools")
    objects = drawn([[(1, 1), (1, 4), (3, 4), (3, 1)]])
    turned = fitting.turned(objects, code)
    assert turned.pixels().equal(fitting.turned(dataclasses.replace(objects, masks=objects.pixels()), code).masks)
    large = fitting.resized(objects, (12, 24))
    assert large.polygons[0][0].tolist() == [[2, 3], [2, 12], [6, 12], [6, 3]]
    assert large.masks[0].numpy().tolist() == rectangle(2, 3, 6, 12, (12, 24)).tolist()
    cut = fitting.cropped(objects, (2, 0, 6, 8), (4, 8)).objects
    assert cut.polygons is None
    assert cut.masks[0].numpy().tolist() == rectangle(0, 1, 1, 4, (4, 8)).tolist()

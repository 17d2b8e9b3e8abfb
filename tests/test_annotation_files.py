"""Annotation files as visitors give them: recognised, matched with pictures by name, refused or left out and named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mixviz.data.annotations import loose, png, reading, runs
from mixviz.i18n import UserError
from mixviz.ui.services import annotation_files, detector_options, marks
from mixviz.ui.services.marks import MARK_SIDE, MOST_RUNS, PaintedMask
from mixviz.ui.services.presenters import SIDE
from mixviz.ui.state import MOST_ANNOTATIONS, annotations_of, first_request, of_state
from mixviz.ui.views import batch as batch_view

H, W = 40, 60
BOX = (10, 20, 30, 50)  # top, left, bottom, right of the object in every picture
KINDS = ("coco", "voc", "yolo", "png")


@pytest.fixture
def photos(tmp_path) -> dict[str, str]:
    """Three pictures, in a folder of their own, with a white rectangle each."""
    (tmp_path / "images").mkdir()
    pixels = np.zeros((H, W, 3), np.uint8)
    pixels[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 255
    found = {}
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(pixels).save(tmp_path / "images" / name)
        found[f"images/{name}"] = str(tmp_path / "images" / name)
    return found


def written(folder: Path, kind: str, names=("a", "b", "c")) -> dict[str, str]:
    """Annotation files of a kind, by their names: the rectangle of each picture, of the class dog or 1."""
    top, left, bottom, right = BOX
    texts: dict[str, str] = {}
    if kind == "coco":
        images = [{"id": i, "file_name": f"{n}.png", "height": H, "width": W} for i, n in enumerate(names)]
        rows = [
            {"id": i, "image_id": i, "category_id": 5, "bbox": [left, top, right - left, bottom - top]}
            for i in range(len(names))
        ]
        texts["instances.json"] = json.dumps(
            {"images": images, "annotations": rows, "categories": [{"id": 5, "name": "dog"}]}
        )
    for name in names:
        if kind == "voc":
            texts[f"labels/{name}.xml"] = (
                f"<annotation><filename>{name}.png</filename><size><width>{W}</width><height>{H}</height></size>"
                f"<object><name>dog</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
                f"<ymax>{bottom}</ymax></bndbox></object></annotation>"
            )
        if kind == "yolo":
            shares = (left + right) / 2 / W, (top + bottom) / 2 / H, (right - left) / W, (bottom - top) / H
            texts[f"labels/{name}.txt"] = "1 " + " ".join(f"{share:.9f}" for share in shares)
    given: dict[str, str] = {}
    for name, text in texts.items():
        given[name] = put(folder, name, text.encode())
    if kind == "png":
        mask = np.zeros((H, W), np.uint8)
        mask[top:bottom, left:right] = 1
        for name in names:
            given[f"masks/{name}.png"] = put(folder, f"masks/{name}.png", b"")
            Image.fromarray(mask).save(given[f"masks/{name}.png"])
    return given


def put(folder: Path, name: str, data: bytes) -> str:
    path = folder / "given" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_is_recognised_and_gives_the_same_boxes(kind, photos, tmp_path):
    found = loose.read(written(tmp_path, kind), photos)
    assert found.format == kind
    assert [one.file for one in found.annotations.pictures] == list(photos)
    for one in found.annotations.pictures:
        assert one.outlines.boxes.tolist() == [list(BOX)]
    assert found.annotations.skipped == ()


@pytest.mark.parametrize("kind", ["voc", "yolo", "png"])
def test_a_file_of_no_picture_is_refused_or_named(kind, photos, tmp_path):
    given = written(tmp_path, kind, ("a", "elsewhere"))
    with pytest.raises(ValueError, match=r"elsewhere.*(there is no picture|not there).*(add it)"):
        loose.read(given, photos)
    found = loose.read(given, photos, skip=True).annotations
    assert [one.file for one in found.pictures] == ["images/a.png"]
    assert len(found.skipped) == 1
    assert "elsewhere" in str(found.skipped[0])


def test_pictures_of_a_coco_file_that_are_not_given_are_passed_over(photos, tmp_path):
    found = loose.read(written(tmp_path, "coco", ("a", "elsewhere")), photos).annotations
    assert [one.file for one in found.pictures] == ["images/a.png"]


@pytest.mark.parametrize("kind", KINDS)
def test_annotations_of_other_pictures_alone_are_refused(kind, photos, tmp_path):
    with pytest.raises(ValueError, match=r"of none of the 3 pictures|no picture|not there"):
        loose.read(written(tmp_path, kind, ("x", "y")), photos)
    with pytest.raises(ValueError, match=r"of none of the 3 pictures|Nothing of the annotations can be used\. .*[xy]"):
        loose.read(written(tmp_path, kind, ("x", "y")), photos, skip=True)


def test_mixed_formats_are_refused_and_the_most_frequent_is_kept_with_skip(photos, tmp_path):
    given = written(tmp_path, "yolo") | written(tmp_path, "voc", ("a",))
    with pytest.raises(
        ValueError, match=r"labels/a\.xml: it is Pascal VOC, and other files are YOLO: give files of one"
    ):
        loose.read(given, photos)
    found = loose.read(given, photos, skip=True)
    assert found.format == "yolo"
    assert [str(one) for one in found.annotations.skipped] == [
        "labels/a.xml: it is Pascal VOC, and other files are YOLO: give files of one format."
    ]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.txt", b"1 0.5 0.5 0.2", r"a\.txt, line 1: it should be class cx cy w h"),
        ("a.txt", b"cat 0.5 0.5 0.2 0.2", r"a\.txt, line 1: it should be numbers"),
        ("a.txt", b"0 0.5 0.5 0.2 0.2\n0 50 50 20 20", r"a\.txt, line 2: .* divide pixels"),
        ("a.xml", b"<annotation><filename>", r"a\.xml, the whole file: it is no XML file, or damaged"),
        ("a.xml", b"<svg/>", r"a\.xml, the whole file: it should hold an <annotation>"),
        ("c.json", b'{"images": [', r"c\.json is no JSON file, or damaged \(line 1"),
        ("c.json", b"[]", r"c\.json is a list, as of COCO results"),
        ("a.png", b"\x89PNG\r\n\x1a\n broken", r"a\.png: it is no PNG file, or damaged"),
        ("a.jpg", b"\xff\xd8\xff\xe0", r"a\.jpg: it is a JPEG picture, which blurs"),
        ("a.doc", b"\xd0\xcf\x11\xe0", r"a\.doc: it is no annotation file that is known: give COCO"),
        ("a.txt", b"\0\0\0", r"a\.txt: it is no annotation file that is known"),
    ],
)
def test_broken_files_are_refused_with_file_place_and_remedy(name, data, says, photos, tmp_path):
    with pytest.raises(ValueError, match=says):
        loose.read({name: put(tmp_path, name, data)}, photos)
    given = {name: put(tmp_path, name, data), **written(tmp_path, "yolo", ("b",))}
    if name.endswith(".txt") or name in ("a.jpg", "a.doc"):
        found = loose.read(given, photos, skip=True).annotations
        assert len(found.find("images/b.png")) == 1
        assert len(found.skipped) == 1


def test_a_photograph_is_no_mask(photos, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    path = put(tmp_path, "a.png", b"")
    Image.fromarray(noise).save(path)
    with pytest.raises(ValueError, match=r"a\.png: it has \d+ values on 2400 pixels, as a photograph has"):
        loose.read({"a.png": path}, photos)


def test_a_black_and_white_mask_is_one_object_and_a_border_beside_others_is_none(tmp_path):
    values = np.zeros((H, W), np.uint8)
    values[5:9, 10:20] = 255
    Image.fromarray(values).save(tmp_path / "a.png")
    assert png.read(tmp_path / "a.png").pictures[0].objects.boxes.tolist() == [[5, 10, 9, 20]]
    values[20:30, 0:4] = 1
    Image.fromarray(values).save(tmp_path / "a.png")
    assert png.read(tmp_path / "a.png").pictures[0].objects.boxes.tolist() == [[20, 0, 30, 4]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "cat\ndog\n"),
        ("obj.names", "cat\ndog\n"),
        ("data.yaml", "nc: 2\nnames: [cat, dog]\n"),
        ("my.yml", "path: x\nnames:\n  0: cat\n  1: dog\n"),
    ],
)
def test_yolo_classes_have_the_names_of_their_file_or_their_numbers(name, text, photos, tmp_path):
    given = written(tmp_path, "yolo")
    files = tuple((path, name) for name, path in photos.items())
    pairs = tuple((path, name) for name, path in given.items())
    assert annotation_files.of_batch(files, pairs).about["classes"] == ["1"]
    pairs += ((put(tmp_path, name, text.encode()), name),)
    assert annotation_files.of_batch(files, pairs).about["classes"] == ["dog"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("names: [cat]", r"class 1 has no name: 1 are given"),
        ("names: {0: cat, 2: dog}", r"class 1 has no name: number its names from 0 on"),
        ("nc: 2", "has no names"),
        ("names: [cat, {}]", "the name of class 1 should be a word"),
        ("names: [", "no YAML file, or damaged"),
    ],
)
def test_bad_class_names(text, says, photos, tmp_path):
    given = written(tmp_path, "yolo") | {"data.yaml": put(tmp_path, "data.yaml", text.encode())}
    with pytest.raises(ValueError, match=says):
        loose.read(given, photos)


def test_a_data_yaml_above_the_labels_names_their_classes(photos, tmp_path):
    from mixviz.data.annotations import yolo

    written(tmp_path, "yolo")
    put(tmp_path, "data.yaml", b"names: [cat, dog]")
    read = yolo.read(tmp_path / "given" / "labels", tmp_path / "images")
    assert read.classes == ("cat", "dog")
    assert reading.class_names(tmp_path / "given" / "data.yaml") == ("cat", "dog")


def test_files_in_folders_belong_to_the_picture_whose_folders_are_most_alike(photos, tmp_path):
    pictures = {"set/images/train/a.png": photos["images/a.png"], "set/images/test/a.png": photos["images/b.png"]}
    (path,) = written(tmp_path, "yolo", ("a",)).values()
    found = loose.read({"set/labels/test/a.txt": path}, pictures).annotations
    assert [one.file for one in found.pictures] == ["set/images/test/a.png"]
    with pytest.raises(ValueError, match=r"are both called like it"):
        loose.read({"a.txt": path}, pictures)
    with pytest.raises(ValueError, match=r"is of the same picture"):
        loose.read({"x/a.txt": path, "y/a.txt": path}, {"a.png": photos["images/a.png"]})


def test_a_batch_follows_every_format_into_its_mixtures_and_its_download(photos, tmp_path):
    files = tuple((path, name) for name, path in photos.items())
    seen = []
    for kind in KINDS:
        given = tuple((path, name) for name, path in written(tmp_path, kind).items())
        request = replace(first_request(), view="batch", method="cutmix", files=files, annotations=given, outlines=True)
        value = batch_view.batch(request)
        assert value["outlined"]
        assert value["judge"] == "object"  # every picture has one
        seen.append([[(one["of"], round(one["visible"], 4)) for one in tile] for tile in value["outlines"]])
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert any(seen[0])


def test_the_server_bounds_and_checks_what_it_is_sent(photos, tmp_path, monkeypatch):
    path = next(iter(photos.values()))
    with pytest.raises(UserError, match=f"At most {MOST_ANNOTATIONS}"):
        annotations_of({"annotations": [[path, "a.txt"]] * (MOST_ANNOTATIONS + 1)}, str)
    with pytest.raises(UserError, match="a path and a name"):
        annotations_of({"annotations": [[path]]}, str)
    files = tuple((path, name) for name, path in photos.items())
    given = tuple((path, name) for name, path in written(tmp_path, "coco").items())
    with pytest.raises(UserError, match="no annotation file"):
        annotation_files.of_batch(files, ())
    monkeypatch.setattr(annotation_files, "MOST_BYTES", 10)
    annotation_files.of_batch.cache_clear()
    with pytest.raises(UserError, match="larger than"):
        annotation_files.of_batch(files, given)
    with pytest.raises(UserError, match="true or false"):
        annotation_files.about_batch({"skip": "yes"}, str)


def test_errors_on_the_page_name_no_argument_of_python(photos, tmp_path):
    files = tuple((path, name) for name, path in photos.items())
    given = ((put(tmp_path, "a.txt", b"1 2"), "a.txt"),)
    with pytest.raises(UserError) as error:
        annotation_files.of_batch(files, given)
    assert "skip=True" not in str(error.value)
    assert "a.txt, line 1" in str(error.value)


# ---------------------------------------------------------------- one of the two pictures


def objects_of(path: str, given: dict[str, str], **more) -> dict:
    pairs = [[where, name] for name, where in given.items()]
    return annotation_files.of_picture({"path": path, "annotations": pairs, **more}, str)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_a_file_becomes_a_mask_of_the_square(kind, photos, tmp_path):
    """The square of 40x40 begins at column 10: the object has the rows 10 to 30 and the columns 10 to 40 of it."""
    found = objects_of(photos["images/a.png"], written(tmp_path, kind, ("a",)))
    (one,) = found["objects"]
    assert one["name"] == {"coco": "dog", "voc": "dog", "yolo": "1", "png": "1"}[kind]
    mask = runs.decoded(np.array(one["runs"]), (MARK_SIDE, MARK_SIDE))
    scale = MARK_SIDE / 40
    wanted = np.zeros_like(mask)
    wanted[round(10 * scale) : round(30 * scale), round(10 * scale) :] = True
    assert (mask == wanted).all()
    assert PaintedMask(tuple(one["runs"])).usable


def test_a_single_file_that_knows_its_size_may_be_called_otherwise(photos, tmp_path):
    path = photos["images/a.png"]
    for kind in ("coco", "voc", "png"):
        assert len(objects_of(path, written(tmp_path, kind, ("other",)))["objects"]) == 1
    with pytest.raises(UserError, match=r"labels/other\.txt: it is not called like the picture: .* give it that name"):
        objects_of(path, written(tmp_path, "yolo", ("other",)))
    assert objects_of(path, written(tmp_path, "yolo", ("other",)), name="other.jpg")["objects"]


def test_wrong_parts_of_a_file_are_counted_and_an_object_outside_the_square_is_told(photos, tmp_path):
    text = b"0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.2\n"
    found = objects_of(photos["images/a.png"], {"a.txt": put(tmp_path, "a.txt", text)})
    assert (found["left_out"], len(found["objects"])) == (1, 1)
    assert "line 2" in found["reasons"][0]
    with pytest.raises(UserError, match="No annotated object lies in the middle square"):
        objects_of(photos["images/a.png"], {"a.txt": put(tmp_path, "a.txt", b"0 0.05 0.5 0.1 0.5")})
    with pytest.raises(UserError, match="line 1"):
        objects_of(photos["images/a.png"], {"a.txt": put(tmp_path, "a.txt", b"0 0.05 0.5 0.1")})


def test_a_painted_mask_stands_in_for_an_unknown_object(photos):
    assert MARK_SIDE == SIDE
    mask = np.zeros((MARK_SIDE, MARK_SIDE), bool)
    mask[56:112, 28:84] = True
    painted = runs.lengths_of(mask)
    state = {"a": photos["images/a.png"], "b": "lion.jpg", "marks": {photos["images/a.png"]: {"runs": painted}}}
    request = of_state(state, str)
    assert request.marked == (PaintedMask(tuple(painted)), None)
    found = detector_options.objects(request.a, request.a, SIDE, (request.marked[0], request.marked[0]))
    assert found is not None
    assert (found[0].numpy() > 0).tolist() == mask.tolist()
    small = marks.pixels(request.marked[0], 64)
    assert small.sum() == 16 * 16
    assert detector_options.object_boxes(request.a, request.a, SIDE, request.marked)[0] == (56, 28, 112, 84)
    box = (0.25, 0.125, 0.5, 0.375)
    assert torch.equal(marks.pixels(box, 64), small)  # the same object, as a box


def test_a_tiny_mask_is_not_lost_in_a_smaller_picture():
    mask = np.zeros((MARK_SIDE, MARK_SIDE), bool)
    mask[100, 100] = True
    assert marks.pixels(PaintedMask(tuple(runs.lengths_of(mask))), 64).sum() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [MARK_SIDE**2],  # nothing is marked
        [MARK_SIDE**2, 0],
        [1, 2, 3],
        [-1, MARK_SIDE**2 + 1],
        [0.0, float(MARK_SIDE**2)],
        [False, MARK_SIDE**2],
        ["0", str(MARK_SIDE**2)],
        [0] * MOST_RUNS + [0, MARK_SIDE**2],
        [[0], [1]],
    ],
)
def test_bad_masks_are_refused(wrong):
    state = {"a": "x.png", "b": "lion.jpg", "marks": {"x.png": {"runs": wrong}}}
    with pytest.raises(UserError, match="run-lengths of 224×224"):
        of_state(state, str)


def test_a_mark_of_another_form_is_refused():
    for wrong in ({"runs": "0"}, {"box": [0, 0, 1, 1]}, "0000"):
        with pytest.raises(UserError):
            of_state({"a": "x.png", "b": "lion.jpg", "marks": {"x.png": wrong}}, str)

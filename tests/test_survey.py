"""Evaluation of folders and zips: boxes in pixels of the original, tables, sheets, and stopping half-way."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import types
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mixviz import __main__
from mixviz.cam import faithfulness, inference, trust
from mixviz.data import pictures
from mixviz.data.files import zips
from mixviz.data.files.gathering import gather
from mixviz.data.files.true_boxes import read_boxes
from mixviz.evaluation import folder_eval as surveys
from mixviz.evaluation.folder_eval import COLUMNS, FolderEvaluation
from mixviz.evaluation.folder_export import bundle, record
from mixviz.evaluation.folder_summary import SummaryAccumulator
from mixviz.networks import architectures
from mixviz.networks.files import save_tensors
from mixviz.networks.model_card import DataSpec, ModelCard, NetworkSpec

pytest.importorskip("timm")
pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")
LION, BEE = (Path(pictures.photograph_path(name)) for name in ("lion.jpg", "bee.jpg"))
SPEC = {"name": "resnet18", "stem": "strided", "width": 0.125, "layer": "layer2", "mean": [0.5] * 3, "std": [0.2] * 3}


class Red(nn.Module):
    """A network that detects red: class 1 is the mean of the red channel, and the map is that channel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 1, bias=False)
        self.layer.weight.data = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        score = self.layer(images).mean((1, 2, 3))
        return torch.stack([torch.zeros_like(score), score], 1)


def red(side: int = 32, name: str = "red") -> inference.LoadedModel:
    spec = NetworkSpec("red", "standard", 1, side, (0.0,) * 3, (1.0,) * 3, "layer")
    return inference.LoadedModel(name, ModelCard(name, spec, DataSpec(("none", "=red"))), "", Red().eval())


def paint(path: Path, size: tuple[int, int], box: tuple[int, int, int, int] | None = None, **how) -> Path:
    """Make a black picture (height, width) with a red box."""
    picture = np.zeros((*size, 3), np.uint8)
    if box:
        picture[box[0] : box[2], box[1] : box[3], 0] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **how)
    return path


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def walked(survey: FolderEvaluation, where, **options) -> list[surveys.Seen]:
    with gather(where, **options) as gathered:
        return list(survey.results(gathered))


def packed(path: Path, files: dict[str, bytes | Path]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)
    return path


# The box


@pytest.mark.parametrize(
    ("size", "box", "whole"),
    [
        ((64, 64), (8, 16, 24, 32), (16, 32, 48, 64)),  # twice as large
        ((64, 128), (8, 16, 24, 32), (16, 64, 48, 96)),  # and 32 columns of it are cut off on the left
        ((128, 64), (0, 0, 32, 32), (32, 0, 96, 64)),
        ((33, 64), (0, 0, 32, 32), (0, 16, 33, 49)),  # the square lies from 15.5 to 48.5
        ((16, 16), (5, 5, 6, 6), (2, 2, 3, 3)),  # half a pixel is rounded to one
    ],
)
def test_a_box_of_the_view_in_pixels_of_the_picture(size, box, whole):
    assert pictures.whole_box(box, 32, size) == whole


def test_it_is_the_inverse_of_the_box_in_the_view():
    for entry in pictures.photographs().values():
        view = pictures.square_box(entry, 512)
        back = pictures.whole_box(view, 512, tuple(entry["size"]))
        square = pictures.middle_square(entry["size"])
        for edge, true, low, high in zip(back, entry["box"], square[:2] * 2, square[2:] * 2, strict=True):
            assert abs(edge - min(max(true, low), high)) <= max(entry["size"]) / 512 + 1


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_the_size_is_that_of_the_upright_picture(tmp_path, kind, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = paint(tmp_path / f"a.{kind}", (20, 50), exif=exif)
    assert pictures.upright_size(path) == pictures.load_image(path).shape[:2] == ((20, 50) if turn < 5 else (50, 20))
    with open(path, "rb") as file:
        assert pictures.upright_size(file) == pictures.upright_size(path)


def test_no_size_of_what_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(pictures.PictureError):
        pictures.upright_size(tmp_path / "a.png")


# The walk


def test_predictions_boxes_and_iou_by_hand(tmp_path):
    paint(tmp_path / "a.png", (64, 128), (16, 48, 48, 80))
    (tmp_path / "boxes.csv").write_text("file,top,left,bottom,right\na.png,16,48,32,80\na.png,0,0,2,128\n")
    (seen,) = walked(FolderEvaluation([red()], threshold=0.5), tmp_path)
    row, centre = seen.rows
    assert (seen.name, seen.done, seen.total) == ("a.png", 1, 1)
    assert tuple(row) == COLUMNS
    assert (row["height"], row["width"], row["network"], row["layer"]) == (64, 128, "red", "layer")
    assert row["class"] == row["predicted"] == "=red"
    assert row["probability"] == pytest.approx(1 / (1 + math.exp(-0.25)), abs=0.01)  # a quarter of the view is red
    # The view is half as large, so that the box is right to two pixels; half of it is the true box.
    assert np.allclose([row[edge] for edge in surveys.BOX], (16, 48, 48, 80), atol=2)
    assert [row[edge] for edge in surveys.TRUE] == [16, 48, 32, 80]
    box, true = [row[edge] for edge in surveys.BOX], (16, 48, 32, 80)
    assert row["iou"] == pytest.approx(surveys.iou(torch.tensor([box]), torch.tensor([true])).item(), abs=1e-6)
    assert row["iou"] == pytest.approx(0.5, abs=0.06)
    assert row["true_seen"] == 1
    assert (centre["network"], centre["class"], centre["predicted"]) == ("centre", None, None)
    # The Gaussian has half its height at 1.177 σ, and σ is a quarter of the side: 18.8 of 64 pixels, less
    # what bytes and the darkest corner take.
    assert [centre[edge] for edge in surveys.BOX] == pytest.approx([32 - 18, 64 - 18, 32 + 18, 64 + 18], abs=1)


def test_several_classes_by_name_and_a_picture_without_a_box(tmp_path):
    paint(tmp_path / "a.png", (40, 40), (4, 4, 20, 20))
    (seen,) = walked(FolderEvaluation([red(), red(16, "other")], ["=RED", "none"]), tmp_path)
    assert [(row["network"], row["class"]) for row in seen.rows] == [
        ("red", "=red"), ("red", "none"), ("other", "=red"), ("other", "none"),
    ]  # fmt: skip
    assert [row["top"] is None for row in seen.rows] == [False, True] * 2  # nothing speaks for none
    assert all(row["iou"] is None for row in seen.rows)


def test_true_boxes_that_are_cut_off(tmp_path):
    for name in ("half", "out", "over"):
        paint(tmp_path / f"{name}.png", (32, 64), (8, 16, 24, 32))
    boxes = {"half": (8, 0, 24, 32), "out": (0, 0, 32, 16), "over": (8, 16, 24, 90)}
    lines = ["right;bottom;left;top;what;FILE", *(f"{r};{b};{x};{t};;{n}.png" for n, (t, x, b, r) in boxes.items())]
    (tmp_path / "boxes.csv").write_text("\ufeff" + "\n".join(lines) + "\n\n", encoding="utf-8")
    half, out, over = (seen.rows[0] for seen in walked(FolderEvaluation([red()], threshold=0.5), tmp_path))
    assert (half["true_seen"], half["true_left"], half["note"]) == (0.5, 0, None)
    assert half["iou"] == pytest.approx(1, abs=0.15)  # with the visible half
    assert (out["true_seen"], out["iou"], out["true_top"]) == (0, None, None)
    assert "middle square" in out["note"]
    assert over["true_seen"] == pytest.approx(32 / 74, abs=1e-6)
    assert "upright original" in over["note"]


def test_a_map_that_points_nowhere_finds_nothing(tmp_path):
    paint(tmp_path / "a.png", (32, 32))
    (tmp_path / "boxes.csv").write_text("file,top,left,bottom,right\na.png,0,0,8,8\n")
    row = walked(FolderEvaluation([red()]), tmp_path)[0].rows[0]
    assert (row["top"], row["iou"], row["true_top"]) == (None, 0, 0)


def test_many_pictures_at_a_time_give_what_each_gives_alone(tmp_path):
    known = inference.open_networks("cutmix")[0]
    paths = [Path(pictures.photograph_path(name)) for name in list(pictures.photographs())[:5]]
    names, side = known.classes[:2], known.side
    for seen, path in zip(walked(FolderEvaluation([known], names), paths), sorted(paths), strict=True):
        assert seen.name == path.name
        alone = inference.look(known, pictures.load_view(path, known.input_view), names)
        (mine,) = seen.looks
        assert mine.classes == alone.classes
        torch.testing.assert_close(mine.maps, alone.maps, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(mine.probability, alone.probability)
        for row, box in zip(seen.rows, mine.boxes(0.2), strict=True):
            size = pictures.upright_size(path)
            square = pictures.view_square(size, known.input_view)
            full = box and pictures.whole_box(box, side, size, square)
            assert tuple(row[edge] for edge in surveys.BOX) == (full or (None,) * 4)


def test_a_picture_that_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path):
    paint(tmp_path / "c" / "d.png", (32, 32), (0, 0, 9, 9))
    paint(tmp_path / "tiny.png", (8, 40))
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8 no picture")
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    with gather(tmp_path) as gathered:
        result = list(FolderEvaluation([red()]).results(gathered))
        assert gathered.others == ("notes.txt",)
    assert [seen.name for seen in result] == ["a.HEIC", "b.jpg", "c/d.png", "tiny.png"]
    assert [len(seen.looks) for seen in result] == [0, 0, 1, 1]  # everything that `evaluate` measures, however small
    for seen, says in zip(result, ("HEIC", "no picture format"), strict=False):
        (row,) = seen.rows
        assert row["network"] is None
        assert says in row["note"]


def test_it_says_what_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="knows no class 'blue'"):
        FolderEvaluation([red()], ["blue"])
    with pytest.raises(ValueError, match="no 'gradcam'"):
        FolderEvaluation([red()], kind="gradcam")
    with pytest.raises(ValueError, match="names of their own"):
        FolderEvaluation([red(), red()])
    with pytest.raises(ValueError, match="other than 'centre'"):
        FolderEvaluation([red(name="centre")])
    with pytest.raises(ValueError, match="threshold"):
        FolderEvaluation([red()], threshold=2)


# Folders and zips


def test_a_zip_is_read_in_place(tmp_path):
    inside = paint(tmp_path / "red.png", (64, 64), (8, 8, 24, 24))
    boxes = b"file,top,left,bottom,right\nsub/red.png,8,8,24,24\n"
    path = packed(tmp_path / "a.zip", {
        "photos/sub/red.png": inside, "photos/boxes.csv": boxes, "../../out.png": inside, "/root.png": inside,
        "__MACOSX/photos/._red.png": b"", ".DS_Store": b"", "photos/Thumbs.db": b"", "b\\c.png": inside, "empty/": b"",
    })  # fmt: skip
    before = set(tmp_path.rglob("*"))
    result = {seen.name: seen for seen in walked(FolderEvaluation([red()], threshold=0.5), path)}
    assert list(result) == ["../../out.png", "/root.png", "b/c.png", "photos/sub/red.png"]
    assert [row["network"] for row in result["photos/sub/red.png"].rows] == ["red", "centre"]
    assert result["photos/sub/red.png"].rows[0]["iou"] > 0.7
    assert result["../../out.png"].rows[0]["iou"] is None
    assert set(tmp_path.rglob("*")) == before


def test_a_zip_beyond_the_limits(tmp_path):
    path = packed(tmp_path / "a.zip", {f"{i}.png": b"0" * 2**20 for i in range(4)})
    for limits, says in (
        (zips.Limits(files=3), r"holds 4 files, and 3 are allowed: make several zips"),
        (zips.Limits(each=2**19), r"'0.png' in a.zip is 1 MB.*leave it out"),
        (zips.Limits(all=3 * 2**20), r"4 MB when unpacked, and 3 are allowed"),
    ):
        with pytest.raises(ValueError, match=says), gather(path, limits=limits):
            pass


def test_a_zip_that_lies_about_a_size_unpacks_no_more(tmp_path):
    fine = paint(tmp_path / "fine.png", (32, 32), (0, 0, 9, 9))
    path = packed(tmp_path / "a.zip", {"bomb.png": b"\0" * 2**22, "fine.png": fine})
    content, size = path.read_bytes(), (2**22).to_bytes(4, "little")
    assert content.count(size) == 2  # before the file, and in the list at the end
    path.write_bytes(content.replace(size, (1000).to_bytes(4, "little")))
    bomb, other = walked(FolderEvaluation([red()]), path)
    assert "damaged in the zip" in bomb.rows[0]["note"]
    assert other.looks


def test_zips_that_are_refused(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.png": b"0"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # the flag of an encrypted member
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip is encrypted: make one without a password"), gather(path):
        pass
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="no zip, or it is damaged"), gather(path):
        pass
    for name in ("missing.zip", "missing"):
        with pytest.raises(ValueError, match="no folder, zip or picture"), gather(tmp_path / name):
            pass
    with pytest.raises(ValueError, match=r"no picture in .*\.jpg"), gather(packed(path, {"a.txt": b""})):
        pass


def test_a_damaged_member_is_one_row(tmp_path):
    fine = paint(tmp_path / "b.png", (32, 32), (0, 0, 9, 9))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(fine, "a.png")
        archive.write(fine, "b.png")
        archive.writestr("c.png", b"0", zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 255
    path.write_bytes(content)
    bad, good, packed_otherwise = walked(FolderEvaluation([red()]), path)
    assert "damaged in the zip" in bad.rows[0]["note"]
    assert good.looks
    assert "plain zip" in packed_otherwise.rows[0]["note"]


def test_a_list_and_a_single_picture(tmp_path):
    paths = [paint(tmp_path / folder / "a.png", (32, 32), (0, 0, 9, 9)) for folder in ("one", "two")]
    missing = tmp_path / "missing.png"
    assert [seen.name for seen in walked(FolderEvaluation([red()]), [*paths, missing])] == [
        "a (2).png",
        "a.png",
        "missing.png",
    ]
    (seen,) = walked(FolderEvaluation([red()]), paths[0])
    assert seen.name == "a.png"


def test_what_an_earlier_survey_wrote_is_passed_over(tmp_path):
    paint(tmp_path / "a.png", (32, 32), (0, 0, 9, 9))
    for _ in range(2):
        with gather(tmp_path) as gathered:
            assert [
                seen.name for seen in record(FolderEvaluation([red()]), gathered, tmp_path / "out", pictures=True)
            ] == ["a.png"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,top,left,bottom\n", "lacks right; its first line should be file,top,left,bottom,right"),
        ("", "lacks file, top"),
        ("file,top,left,bottom,right\na.png,1,2,3\n", "row 2: top, left, bottom, right should be four numbers"),
        ("file,top,left,bottom,right\n\na.png,9,2,3,4\n", "row 3: a box has top above bottom"),
        ("file,top,left,bottom,right\na.png,0,0,nan,4\n", "row 2: a box has"),
        ("file,top,left,bottom,right\n,0,0,2,4\n", "names no file"),
        ("file,top,left,bottom,right\nb.png,0,0,2,4\n", "None of the pictures .* names 'b.png'.*'a.png'"),
        (b"\xff\xfe", "CSV UTF-8"),
    ],
)
def test_boxes_that_are_none(tmp_path, text, says):
    paint(tmp_path / "a.png", (32, 32))
    (tmp_path / "boxes.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=says), gather(tmp_path):
        pass


def test_boxes_from_elsewhere_and_names_in_two_signs(tmp_path):
    paint(tmp_path / "in" / "cafe\u0301.png", (32, 32), (0, 0, 9, 9))
    boxes = tmp_path / "mine.csv"
    boxes.write_text("file,top,left,bottom,right\n./caf\u00e9.png,1,2,3.5,4\n", encoding="utf-8")
    with gather(tmp_path / "in", boxes) as gathered:
        assert {name: rows.tolist() for name, rows in gathered.boxes.items()} == {"cafe\u0301.png": [[1, 2, 3.5, 4]]}
    assert list(read_boxes(lambda: io.BytesIO(boxes.read_bytes()))) == ["caf\u00e9.png"]


# The files


@pytest.fixture
def folder(tmp_path) -> Path:
    """Write three pictures, two of them with a true box, and a file that is no picture."""
    paint(tmp_path / "in" / "a.png", (64, 64), (0, 0, 32, 32))
    paint(tmp_path / "in" / "b.png", (64, 64), (32, 32, 64, 64))
    paint(tmp_path / "in" / "=c.png", (64, 64), (0, 0, 9, 9))
    (tmp_path / "in" / "d.png").write_bytes(b"")
    (tmp_path / "in" / "boxes.csv").write_text("file,top,left,bottom,right\na.png,0,0,32,32\nb.png,0,0,32,32\n")
    return tmp_path / "in"


def test_tables_and_summary_by_hand(folder, tmp_path):
    with gather(folder) as gathered:
        result = list(record(FolderEvaluation([red()], threshold=0.5), gathered, tmp_path / "out"))
    rows = table(tmp_path / "out" / "survey.csv")
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["file"], row["network"]) for row in rows] == [
        ("'=c.png", "red"), ("a.png", "red"), ("a.png", "centre"), ("b.png", "red"), ("b.png", "centre"), ("d.png", ""),
    ]  # fmt: skip
    assert rows[0]["predicted"] == "'=red"
    assert rows[-1]["note"]
    assert result[1].rows[0]["file"] == "a.png"
    good, centre = float(rows[1]["iou"]), float(rows[2]["iou"])
    assert good > 0.8
    first, second = table(tmp_path / "out" / "summary.csv")
    assert (first["network"], first["class"], first["threshold"]) == ("red", "", "0.5")
    assert (first["pictures"], first["with_truth"], first["hits"]) == ("3", "2", "0.5")
    assert float(first["mean_iou"]) == pytest.approx(good / 2, abs=1e-6)  # of b.png it is 0
    assert first["mean_deletion"] == ""
    assert (second["network"], second["pictures"], second["hits"]) == ("centre", "2", "0.0")
    assert float(second["mean_iou"]) == pytest.approx(centre, abs=1e-6)
    assert not (tmp_path / "out" / "pictures").exists()


def test_the_summary_tells_asked_classes_apart(folder):
    survey = FolderEvaluation([red()], ["=red", "none"], threshold=0.5)
    tally = SummaryAccumulator(survey)
    for seen in walked(survey, folder):
        tally.add(seen.rows)
    assert [(row["network"], row["class"], row["with_truth"]) for row in tally.rows()] == [
        ("red", "=red", 2), ("red", "none", 2), ("centre", "", 2),
    ]  # fmt: skip
    assert tally.rows()[1]["mean_iou"] == 0


def test_stopped_half_way_the_tables_hold_what_is_done(folder, tmp_path):
    with gather(folder) as gathered, closing(record(FolderEvaluation([red()]), gathered, tmp_path / "out")) as walk:
        next(walk), next(walk)
        assert len(table(tmp_path / "out" / "survey.csv")) == 3  # at once
    assert [row["file"] for row in table(tmp_path / "out" / "survey.csv")] == ["'=c.png", "a.png", "a.png"]
    assert [row["pictures"] for row in table(tmp_path / "out" / "summary.csv")] == ["2", "1"]


def test_a_mistake_leaves_nothing_behind(folder, tmp_path):
    with gather(folder) as gathered, pytest.raises(ValueError, match="no layer 'layer9'"):
        next(record(FolderEvaluation([red()], layer="layer9"), gathered, tmp_path / "out"))
    with pytest.raises(ValueError, match="no layer 'layer9'"):
        list(bundle(FolderEvaluation([red()], layer="layer9"), folder, tmp_path / "out.zip"))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_pictures_never_leave_the_folder(tmp_path):
    inside = paint(tmp_path / "x.png", (32, 32), (0, 0, 9, 9))
    names = ["../../../up.png", "/etc/root.png", "a/b..png", "한국 사진.png", "x" * 200 + ".png", "a:b*?.png"]
    path = packed(tmp_path / "a.zip", dict.fromkeys(names, inside))
    with gather(path) as gathered:
        result = list(record(FolderEvaluation([red()]), gathered, tmp_path / "out", pictures=True))
    assert len(result) == len(names)
    sheets = [row["sheet"] for row in table(tmp_path / "out" / "survey.csv")]
    present = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")}
    assert set(sheets) == present
    assert len(present) == len(names)
    assert any("한국_사진" in sheet for sheet in sheets)
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", "a.zip", "out"}


def test_a_bundle_of_a_whole_survey_and_of_half(folder, tmp_path):
    survey, path = FolderEvaluation([red(), red(16, "other")]), tmp_path / "out.zip"
    assert [seen.done for seen in bundle(survey, folder, path, pictures=True)] == [1, 2, 3, 4]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "pictures/00001-c.png", "pictures/00002-a.png", "pictures/00003-b.png", "summary.csv", "survey.csv",
        ]  # fmt: skip
    with closing(bundle(survey, folder, tmp_path / "half.zip")) as walk:
        next(walk)
    with zipfile.ZipFile(tmp_path / "half.zip") as archive:
        lines = archive.read("survey.csv").decode("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.zip", "in", "out.zip"]


# Faithfulness


def test_the_five_numbers_are_those_of_the_measures(monkeypatch):
    torch.manual_seed(0)
    network = architectures.build("resnet18", 3, stem="strided", width=0.125).eval()
    card = {"title": "", "network": {**SPEC, "image_size": 32}, "data": {"classes": ["a", "b", "c"]}}
    known = inference.LoadedModel("one", ModelCard.from_json(card), "", network)
    one = inference.look(known, pictures.load_view(LION, 32), ["b", "a"])
    result = trust.faithful(one, np.random.default_rng(3))
    pixels = trust.NormalizedModel(network, *([value] * 3 for value in (0.5, 0.2)))
    images = torch.from_numpy(np.stack([one.view] * 2)).permute(0, 3, 1, 2)
    given = pixels, images, one.heat(), torch.tensor([1, 0])
    deleted = faithfulness.deletion(*given, fill=[0.5] * 3).area
    inserted = faithfulness.insertion(*given, sigma=5 * 32 / 224).area
    sure = faithfulness.confidence(*given)
    torch.testing.assert_close(torch.tensor([one.deletion for one in result]), deleted)
    torch.testing.assert_close(torch.tensor([one.insertion for one in result]), inserted)
    assert np.mean([one.average_drop for one in result]) == pytest.approx(sure.average_drop, abs=1e-4)
    assert [one.increase for one in result] == (sure.after > sure.before).tolist()
    if result[0].road is not None:
        road = faithfulness.road(*given, np.random.default_rng(3))
        torch.testing.assert_close(torch.tensor([one.road for one in result]), road)
    assert [one.road for one in trust.faithful(one)] == [None, None]

    def missing() -> types.ModuleType:
        raise ImportError("grad-cam")

    monkeypatch.setattr("mixviz.cam.formulas.package", missing)
    without = trust.faithful(one, np.random.default_rng(3))
    assert [one.road for one in without] == [None, None]
    assert [one.deletion for one in without] == [one.deletion for one in result]


def test_a_survey_measures_when_asked(tmp_path):
    paint(tmp_path / "a.png", (16, 16), (0, 0, 8, 8))
    rows = [walked(FolderEvaluation([red(16)], faithful=True), tmp_path)[0].rows[0] for _ in range(2)]
    assert rows[0] == rows[1]  # ROAD's noise too
    assert rows[0]["deletion"] < rows[0]["insertion"]
    assert rows[0]["average_drop"] == pytest.approx(0, abs=1)
    assert rows[0]["increase"] in (0, 1)


# The command


@pytest.fixture
def zoo_at(tmp_path, monkeypatch) -> Path:
    home, classes = tmp_path / "models", ["lion", "bee", "cup"]
    for seed, (name, side) in enumerate({"one": 32, "two": 48}.items()):
        torch.manual_seed(seed)
        network = architectures.build("resnet18", 3, stem="strided", width=0.125)
        (home / name).mkdir(parents=True)
        save_tensors(home / name / "weights.safetensors", network.state_dict())
        card = {"title": name, "network": {**SPEC, "image_size": side}, "data": {"classes": classes}}
        (home / name / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr("mixviz.networks.zoo.folder", lambda: home)
    return home


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["mixviz", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    return end.value.code


def test_the_command(zoo_at, folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert run(monkeypatch, "survey", folder, "--class", "Lion", "--pictures", "--out", out) == 0
    output = capsys.readouterr()
    assert "one " in output.out
    assert "IoU 0." in output.out
    assert "Left out: d.png could not be read" in output.err
    assert "4/4" in output.err
    assert {row["class"] for row in table(out / "survey.csv")} == {"lion", ""}
    assert [row["network"] for row in table(out / "summary.csv")] == ["one", "two", "centre"]
    assert len(list((out / "pictures").iterdir())) == 3


def test_control_c_keeps_what_is_done(zoo_at, folder, tmp_path, monkeypatch, capsys):
    drawn = []

    def interrupted(*arguments) -> None:
        if drawn:
            raise KeyboardInterrupt
        drawn.append(arguments)

    monkeypatch.setattr("mixviz.evaluation.folder_export._draw", interrupted)
    out = tmp_path / "out"
    assert run(monkeypatch, "survey", folder, "--networks", "one", "--pictures", "--out", out) == 130
    assert "Stopped after 1 of 4" in capsys.readouterr().err
    assert [row["file"] for row in table(out / "survey.csv")] == ["'=c.png"]
    assert [row["pictures"] for row in table(out / "summary.csv")] == ["1"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--class", "lio"], "knows no class 'lio'. Did you mean 'lion'"),
        (["--networks", "onee"], "Did you mean 'one'"),
        (["--kind", "gradcam"], "Did you mean 'grad_cam'"),
        (["--layer", "layer9"], "no layer 'layer9'"),
        (["--boxes", "missing.csv"], "missing.csv cannot be read"),
    ],
)
def test_a_mistake_is_one_line(zoo_at, folder, tmp_path, monkeypatch, capsys, flags, says):
    assert run(monkeypatch, "survey", folder, "--out", tmp_path / "out", *flags) == 2
    error = capsys.readouterr().err
    assert says in error
    assert sum(line.startswith("Error: ") for line in error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_folder_itself_is_no_place_for_the_tables(zoo_at, folder, monkeypatch, capsys):
    assert run(monkeypatch, "survey", folder, "--out", folder) == 2
    assert "name another folder" in capsys.readouterr().err
    assert run(monkeypatch, "cam", folder) == 2
    assert "mixviz survey" in capsys.readouterr().err


def test_a_list_finds_its_boxes_without_the_folders_that_it_lost(tmp_path):
    picture = tmp_path / "x.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(picture)
    (tmp_path / "boxes.csv").write_text("file,top,left,bottom,right\ncats/x.png,1,2,11,12\n")
    with gather([picture, tmp_path / "boxes.csv"]) as gathered:
        assert gathered.boxes["x.png"].tolist() == [[1, 2, 11, 12]]


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_what_is_wrong_with_a_zip_is_told_without_the_servers_folders(tmp_path, content):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.zip") as message, gather(bad):
        pass
    assert str(tmp_path) not in str(message.value)

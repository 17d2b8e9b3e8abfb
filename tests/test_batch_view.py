"""The batch view: numbers computed by hand, its files, every method's view, and the page."""

from __future__ import annotations

import ast
import base64
import csv
import io
import json
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cases import noise, table, variants
from PIL import Image

import mixviz
from mixviz import __main__, i18n
from mixviz.core.parts import Patches
from mixviz.data import batch_loading, pictures
from mixviz.render import batch_export, batch_sheet
from mixviz.render.batch_sheet import mix_batch

SIDE = 32


def painted(folder: Path, names, side: int = 40) -> Path:
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(i, side)).save(path)
    return folder


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def png(seed: int, side: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise(seed, side)).save(buffer, "PNG")
    return buffer.getvalue()


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------- the pictures and their classes


def test_sub_folders_are_classes_and_lone_pictures_are_their_own():
    names = ["mine/cats/1.jpg", "mine/dogs/a/2.jpg", "mine/bee.jpg", "mine/wasp.jpg", "mine/wasp.png", "mine/cats.jpg"]
    assert batch_loading.labels_of(names) == ["cats", "dogs", "bee", "wasp.jpg", "wasp.png", "cats.jpg"]
    assert batch_loading.labels_of(["a.jpg", "b.jpg"]) == ["a", "b"]
    assert batch_loading.labels_of(["cats/1.jpg", "b.jpg"]) == ["cats", "b"]


def test_a_folder_and_its_zip_are_one_batch(tmp_path):
    folder = painted(tmp_path / "mine", ["cats/1.png", "cats/2.png", "dogs/1.png", "bee.png"])
    archive = packed(
        tmp_path / "mine.zip",
        {f"mine/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*.png")},
    )
    from_folder, from_zip = (batch_sheet.load(where, SIDE) for where in (folder, archive))
    assert from_folder.classes == from_zip.classes == ["bee", "cats", "dogs"]
    assert from_folder.labels.tolist() == from_zip.labels.tolist() == [0, 1, 1, 2]
    assert torch.equal(from_folder.images, from_zip.images)


def test_of_too_many_every_folder_keeps_its_share():
    assert batch_loading.some(range(10), 4) == [0, 2, 5, 7]
    assert batch_loading.some(range(3), 4) == [0, 1, 2]


def test_what_cannot_be_read_is_left_out_and_one_alone_has_no_partner(tmp_path):
    folder = painted(tmp_path, ["a.png", "b.png"])
    (folder / "c.png").write_bytes(b"no picture")
    assert batch_sheet.load(folder, SIDE).names == ["a.png", "b.png"]
    (folder / "b.png").unlink()
    with pytest.raises(i18n.UserError, match="needs 2 pictures or more; 1 can be used"):
        batch_sheet.load(folder, SIDE)


# ---------------------------------------------------------------- the batch


def test_it_is_the_first_batch_of_a_training_with_this_seed():
    seen = batch_sheet.bundled(8, SIDE)
    batch = mix_batch(seen, mixviz.METHODS["mixup"](alpha=0.5), seed=3)
    images, targets = mixviz.MixTransform("mixup", len(seen.classes), seed=3, alpha=0.5)(seen.images, seen.labels)
    assert torch.equal(batch.mixed, images)
    assert torch.equal(batch.targets, targets)
    rng = np.random.default_rng([3, 0])  # by hand: whether this batch is mixed, λ of every image, then the partners
    rng.random()
    lam = rng.beta(0.5, 0.5, 8)
    partner = rng.permutation(8)
    assert batch.recipe.partner[1].tolist() == partner.tolist()
    for n, row in enumerate(batch.rows):
        assert row["drawn"] == pytest.approx(lam[n], abs=1e-6)
        blend = lam[n] * seen.images[n].double() + (1 - lam[n]) * seen.images[partner[n]].double()
        assert (batch.mixed[n] - blend).abs().max() <= 1


def test_what_is_held_is_held_and_nothing_else_moves():
    seen = batch_sheet.bundled(6, SIDE)
    held, drawn = (mix_batch(seen, mixviz.METHODS["cutmix"](), 5, lam) for lam in (0.25, None))
    assert torch.equal(held.recipe.partner, drawn.recipe.partner)
    assert held.recipe.lam.tolist() == [0.25] * 6
    assert held.summary["drawn"] == 0.25


def test_the_numbers_by_hand():
    """Four pictures of three classes: 0 and 1 of one; the partners of 0, 1, 2, 3 are 1, 2, 0, 3."""
    images = torch.stack([torch.full((3, 4, 4), 60 * n, dtype=torch.uint8) for n in range(4)])
    seen = batch_loading.Pictures(images, torch.tensor([0, 0, 1, 2]), ["a", "b", "c"], list("wxyz"))
    masks = torch.zeros(4, 4, 4)
    masks[:, :, 0] = 1  # what counts lies in the first column
    method = mixviz.METHODS["mixup"]()
    box = torch.tensor([[0, 3, 4, 4]] * 4)  # the partner's last column is pasted: none of what counts
    who = torch.tensor([[0, 1, 2, 3], [1, 2, 0, 3]])
    share = torch.tensor([[0.75] * 4, [0.25] * 4])
    recipe = mixviz.Recipe(size=(4, 4), partner=who, share=share, mixing=Patches(box[None]))
    batch = batch_sheet.MixedBatch(pictures=seen, method=method, recipe=recipe, reference_masks=masks)
    assert [batch.partners(n) for n in range(4)] == [[1], [2], [0], []]
    assert batch.fixed == [3]
    assert batch.parts(0) == {0: 1.0}  # both are of one class
    assert batch.parts(1) == {0: 0.75, 1: 0.25}
    assert [batch.gap(n) for n in range(4)] == [0, 0.25, 0.25, 0]
    assert [batch.own(n, "area") for n in range(4)] == [0.75, 0.75, 0.75, 1]
    assert batch.targets.tolist() == [[1, 0, 0], [0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0, 1]]
    expected = {"drawn": None, "area": 0.8125, "share": 0.8125, "off": 2, "fixed": 1}
    assert batch.summary == expected


def from_pictures(given: dict) -> bool:
    """Return whether a method needs only pictures: neither a matrix of errors nor a detector."""
    return given.get("partner") != "errors" and not given.get("detector")


@table([case for case in variants(False) if from_pictures(case[1])])
def test_every_method_makes_a_batch_whose_parts_add_up(name, given):
    seen = batch_sheet.bundled(5, SIDE)
    maps = mixviz.saliency(seen.images)
    batch = mix_batch(seen, mixviz.METHODS[name](**given), 1, maps=maps)
    for n in range(5):
        assert batch.own(n, "area") <= 1 + 1e-6
        assert sum(batch.parts(n).values()) == pytest.approx(batch.targets[n].sum().item(), abs=1e-6)
        for label, part in batch.parts(n).items():
            assert batch.targets[n, label].item() == pytest.approx(part, abs=1e-6)
    whole = batch.recipe.truth(batch.reference_masks)
    area = batch.recipe.area
    for n, row in enumerate(batch.rows):  # image by image as for the batch at once
        assert row["visible"] == pytest.approx(whole.visible[:, n].tolist(), abs=1e-5)
        assert row["area"] == pytest.approx(area[:, n].tolist(), abs=1e-6)


# ---------------------------------------------------------------- the files


def written(folder: Path, found, name: str = "cutmix", **options) -> list[batch_export.Step]:
    return list(batch_export.record(found, mixviz.METHODS[name](), folder, side=SIDE, **options))


def test_the_table_says_what_the_recipe_says(tmp_path):
    steps = written(tmp_path, batch_loading.photographs(6), "mosaic", seed=2)
    assert [step.done for step in steps] == list(range(1, 13))
    assert {step.total for step in steps} == {12}
    seen = batch_sheet.bundled(6, SIDE)
    recipe = mixviz.MixTransform("mosaic", len(seen.classes), seed=2).plan(seen.images, seen.labels)
    mixed, targets, rows = recipe.apply(seen.images), recipe.targets(seen.labels, 6), rows_of(tmp_path / "labels.csv")
    told = json.loads((tmp_path / "recipe.json").read_text(encoding="utf-8"))
    for n, row in enumerate(rows):
        assert np.array_equal(np.asarray(Image.open(tmp_path / row["file"])), mixed[n].permute(1, 2, 0))
        assert np.array_equal(np.asarray(Image.open(tmp_path / row["original"])), seen.images[n].permute(1, 2, 0))
        labels = [float(row[f"label: {name}"]) for name in seen.classes]
        assert labels == pytest.approx(targets[n].tolist(), abs=1e-6)
        others = [rows[who]["original"] for who in dict.fromkeys(recipe.partner[:, n].tolist()) if who != n]
        assert row["partners"].split("; ") == (others or [row["original"]])
        assert told["images"][n]["partner"] == recipe.partner[:, n].tolist()
    assert told["seed"] == 2
    assert told["classes"] == seen.classes


def test_names_of_strangers_stay_in_their_folder_and_are_no_formulas(tmp_path):
    bad = ["=cmd|x.png", "../../etc/passwd.png", "한국어/=1+1.png", "a\n,b.png", "....png"]
    archive = packed(tmp_path / "bad.zip", {name: png(i) for i, name in enumerate(bad)})
    path = tmp_path / "out.zip"
    with batch_loading.found_in(archive) as found:
        list(batch_export.bundle(found, mixviz.METHODS["mixup"](), path, side=SIDE))
    with zipfile.ZipFile(path) as parcel:
        parcel.extractall(tmp_path / "out")
        names = parcel.namelist()
    assert len(names) == 10  # "....png" is hidden
    assert all(name.count("/") <= 1 and ".." not in name and not name.startswith("/") for name in names)
    text = (tmp_path / "out" / "labels.csv").read_text(encoding="utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not any(cell.lstrip().startswith(tuple("=+-@")) for cell in cells)
    assert sum("한국어" in cell for cell in cells) == 3  # the column's heading, its class, and the picture's name


def test_a_zip_that_was_given_up_is_not_there(tmp_path):
    walk = batch_export.bundle(batch_loading.photographs(4), mixviz.METHODS["mixup"](), tmp_path / "x.zip", side=SIDE)
    for _ in range(6):
        next(walk)
    walk.close()
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_writes_the_same(tmp_path, monkeypatch, capsys):
    folder = painted(tmp_path / "mine", ["cats/1.png", "cats/2.png", "bee.png"])
    (folder / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    line = ["mixviz", "batch", str(folder), "--method", "cutmix", "--seed", "4", "--side", "32", "--label", "lam"]
    monkeypatch.setattr("sys.argv", [*line, "--out", str(out)])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code == 0
    seen = batch_sheet.load(folder, SIDE)
    batch = mix_batch(seen, mixviz.METHODS["cutmix"](label="lam"), 4)
    rows = rows_of(out / "labels.csv")
    assert [row["class"] for row in rows] == ["bee", "cats", "cats"]
    assert [float(row["label: cats"]) for row in rows] == pytest.approx(batch.targets[:, 1].tolist(), abs=1e-6)
    told = capsys.readouterr()
    assert "3 images" in told.out
    assert "Left out: broken.png could not be read as a picture" in told.err


# ---------------------------------------------------------------- the view

gradio = pytest.importorskip("gradio")

from mixviz.ui import handlers  # noqa: E402
from mixviz.ui.services import annotation_files, batches, detector_options, progress  # noqa: E402
from mixviz.ui.state import Request, first_request, of_query, usable  # noqa: E402
from mixviz.ui.views import batch as batch_view  # noqa: E402

A, B = (pictures.photograph_path(name) for name in ("lion.jpg", "bee.jpg"))


def asked(**changes) -> dict:
    state = {"a": A, "b": B, "view": "batch", "method": "cutmix", "lam": None, "seed": 0, "detector": "fine_grained"}
    return handlers.look(state | changes)


@pytest.fixture
def uploads(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


@pytest.mark.parametrize("name", mixviz.METHODS)
def test_the_view_shows_every_method_and_its_code_makes_exactly_it(name):
    answer = asked(method=name, count=6, seed=7, still=True)
    assert len(answer["tiles"]) == 6
    for n, tile in enumerate(answer["tiles"]):
        mass = sum(share for _, share in tile["parts"])
        assert mass == pytest.approx(1, abs=1e-5) or (
            0 <= mass <= 2 and mixviz.METHODS[name].card.label == "visible saliency"
        )
        assert all(who != n and part < len(tile["parts"]) for who, part in tile["partners"])
    room: dict = {}
    exec(compile(ast.parse(answer["code"]), "page", "exec"), room)
    if room["recipe"].whole:
        assert all(sum(share for _, share in tile["parts"]) == pytest.approx(1, abs=1e-5) for tile in answer["tiles"])
    batch = batches.mixed_of(Request(A, B, lam=None, seed=7, view="batch", method=name, count=6))
    assert torch.equal(room["mixed"], batch.mixed)
    assert torch.equal(room["targets"], batch.targets)
    for key in ("sheet", "originals"):
        picture = Image.open(io.BytesIO(base64.b64decode(answer[key].partition(",")[2])))
        assert picture.size == (6 * answer["side"], answer["side"])


@pytest.mark.parametrize("detector", detector_options.titles())
def test_the_code_holds_for_every_detector(detector):
    if detector.startswith("opencv") or detector == "released":
        pytest.importorskip("cv2.saliency")
    answer = asked(method="saliencymix", count=3, lam=0.7, detector=detector)
    room: dict = {}
    exec(compile(ast.parse(answer["code"]), "page", "exec"), room)
    wanted = Request(A, B, lam=0.7, view="batch", method="saliencymix", count=3, detector=detector)
    assert torch.equal(room["mixed"], batches.mixed_of(wanted).mixed)


def test_only_what_changed_is_sent():
    assert asked(still=False)["originals"] is None
    one, other = asked(count=3), asked(count=4)
    assert one["key"] != other["key"]
    assert asked(count=3, seed=9)["key"] == one["key"]


def test_one_change_of_eight_takes_little():
    asked(seed=1)
    took = []
    for seed in range(2, 9):
        start = time.perf_counter()
        asked(seed=seed, still=False)
        took.append(time.perf_counter() - start)
    assert sorted(took)[len(took) // 2] < 0.2


def test_an_address_holds_the_batch():
    request = Request(A, B, lam=None, seed=12, view="batch", method="mosaic", count=11)
    assert "count=11" in request.query()
    again = usable(of_query(dict(pair.split("=") for pair in request.query().split("&"))))
    assert {key: again[key] for key in ("view", "method", "count", "seed", "lam")} == {
        "view": "batch", "method": "mosaic", "count": 11, "seed": 12, "lam": None,
    }  # fmt: skip
    own = Request(A, B, view="batch", files=((A, "garden/grandmother.jpg"), (B, "garden/me.jpg")))
    assert "garden" not in own.query()
    assert "count" not in own.query()


@pytest.mark.parametrize("count", [1, 17, 2.5, "8", True])
def test_a_count_that_is_none_is_refused(count):
    assert "2 to 16 photographs" in asked(count=count)["message"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([["/etc/passwd", "x.png"], [A, "a.png"]], "no longer here"),
        ([[A, "a.png"]], "needs 2 pictures or more"),
        ([[A, "a.png"]] * 65, "At most 64"),
        ([[A], [B]], "a path and a name"),
        ([[A, 1], [B, 2]], "a path and a name"),
    ],
)
def test_made_up_pictures_are_refused(uploads, files, says):
    assert says in asked(files=files)["message"]


def test_a_visitors_pictures_are_mixed_under_their_own_names(uploads):
    painted(uploads, ["1/a.png", "2/b.png", "3/c.png"])
    files = [[str(uploads / f"{n}/{name}.png"), f"mine/cats/{name}.png"] for n, name in ((1, "a"), (2, "b"))]
    answer = asked(files=[*files, [str(uploads / "3/c.png"), "mine/<b>dog.png"]], still=True)
    assert answer["classes"] == ["<b>dog", "cats"]
    assert [tile["label"] for tile in answer["tiles"]] == [1, 1, 0]
    assert 'batch_loading.load("your_pictures"' in answer["code"]
    assert answer["judge"] == "saliency"


def test_a_zip_is_unpacked_in_parts_and_says_what_is_left_out(uploads):
    files = {f"cats/{i:02d}.png": png(i) for i in range(21)} | {"cats/99.png": b"no picture", "notes.txt": b""}
    archive = packed(uploads / "mine.zip", files)
    first, last = (handlers.of_view(batch_view.unpack)({"zip": str(archive), "start": start}) for start in (0, 20))
    assert (first["total"], first["known"], first["others"]) == (22, 22, 1)
    assert len(first["paths"]) == 20
    assert first["reasons"] == [None] * 20
    assert "could not be read" in last["reasons"][1]
    assert last["paths"][1] is None
    assert all(Path(path).is_relative_to(uploads.resolve()) for path in [*first["paths"], last["paths"][0]])


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"PK no zip", "is no zip"), (None, "no picture")],
)
def test_a_zip_that_is_none_is_explained_without_its_path(uploads, content, says):
    path = uploads / "mine.zip"
    path.write_bytes(content) if content else packed(path, {"notes.txt": b"x"})
    message = handlers.of_view(batch_view.unpack)({"zip": str(path), "start": 0})["message"]
    assert says in message
    assert str(uploads) not in message


def test_a_zip_from_elsewhere_is_refused(uploads, tmp_path):
    path = packed(tmp_path / "mine.zip", {"a.png": png(0)})
    assert "no longer here" in handlers.of_view(batch_view.unpack)({"zip": str(path), "start": 0})["message"]
    assert "not say" in handlers.of_view(batch_view.unpack)({"zip": A, "start": -1})["message"]


def parcelled(state: dict, side: int = 192, stop_at: int | None = None) -> tuple[list[str], bytes | None]:
    """Return the messages and the zip, stopped after a number of steps."""
    who, told, found = SimpleNamespace(session_hash="visitor"), [], None
    for i, (text, change) in enumerate(batch_view.take(json.dumps(state), side, who)):
        told.append(text)
        if isinstance(change, dict) and change.get("value"):
            found = Path(change["value"]).read_bytes()
        if i == stop_at:
            progress.halt(who)
    return told, found


def test_the_pages_zip_is_the_batch_that_is_shown():
    state = {"a": A, "b": B, "view": "batch", "method": "saliencymix", "lam": None, "seed": 3, "count": 4}
    told, data = parcelled(state)
    assert "4 images of 192 px" in told[-1]
    assert sum("<progress value" in text for text in told) == 8
    batch = batches.mixed_of(Request(A, B, lam=None, seed=3, view="batch", method="saliencymix", count=4))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        mixed = sorted(name for name in archive.namelist() if name.startswith("mixed/"))
        for n, name in enumerate(mixed):
            assert np.array_equal(np.asarray(Image.open(archive.open(name))), batch.mixed[n].permute(1, 2, 0))


def test_the_pages_zip_can_be_stopped_and_mistakes_are_told():
    state = {"a": A, "b": B, "view": "batch", "language": "ko"}
    told, data = parcelled(state, stop_at=2)
    assert data is None
    assert i18n.say("batch.stopped", "ko") in told[-1]
    for bad, side in ((state | {"method": "none"}, 192), (state, 100_000), ([], 192)):
        with pytest.raises(gradio.Error):
            parcelled(bad, side)


# ---------------------------------------------------------------- in a browser


@pytest.fixture
def tab(open_tab):
    """Open eight photographs mixed by CutMix, with λ drawn."""
    return open_tab("?view=batch&method=cutmix&lam=drawn", "batch")


def batch_of(**changes):
    return batches.mixed_of(Request(A, B, **({"lam": None, "view": "batch"} | changes)))


@pytest.mark.browser
def test_tiles_say_who_meets_whom_and_what_the_label_is(tab):
    core, buttons = batch_of(), tab.page.locator(".mv-batch-tile")
    assert buttons.count() == 8
    for n in range(8):
        names = [core.pictures.classes[int(core.pictures.labels[who])] for who in (n, core.partners(n)[0])]
        said = buttons.nth(n).get_attribute("aria-label")
        assert said == f"{n + 1} · {names[0]}. with: {core.partners(n)[0] + 1} · {names[1]}"
        tile = tab.page.locator(".mv-batch li").nth(n)
        assert tile.locator("> b").inner_text() == f"{n + 1} · {names[0]}"
        assert tile.locator("dl").is_hidden()  # numbers are one click away
    tab.page.locator(".mv-batch-tile").nth(2).click()
    assert tab.page.locator(".mv-batch dl:visible").count() == 1
    tab.page.get_by_label("Numbers", exact=True).check()
    for n in range(8):
        numbers = tab.page.locator(".mv-batch li").nth(n).locator("dd").all_inner_texts()
        assert float(numbers[1]) == pytest.approx(core.own(n, "area"), abs=0.006)
        assert float(numbers[3]) == pytest.approx(core.gap(n), abs=0.006)
    assert f"{core.summary['off']} of 8" in tab.page.locator(".mv-summed").inner_text()


@pytest.mark.slow
@pytest.mark.browser
def test_arrows_come_with_the_mouse_the_keyboard_a_tap_and_the_switch(tab):
    arrows, core = tab.page.locator(".mv-arrow"), batch_of()
    assert arrows.count() == 0
    tab.page.locator(".mv-batch-tile").nth(2).hover()
    assert arrows.count() == 1
    to = tab.page.locator(".mv-batch li").nth(core.partners(2)[0])
    assert to.get_attribute("data-lit") == "b"
    head = tab.page.locator(".mv-arrow polygon").bounding_box()
    box = to.locator(".mv-tile").bounding_box()
    assert box["x"] < head["x"] < box["x"] + box["width"]
    assert box["y"] < head["y"] < box["y"] + box["height"]
    tab.page.mouse.move(2, 2)
    assert arrows.count() == 0
    tab.page.locator("input[name=objects]").focus()
    tab.page.keyboard.press("Tab")
    assert arrows.count() == 1
    tab.page.keyboard.press("Enter")
    assert tab.page.locator(".mv-batch-tile[aria-pressed=true]").count() == 1
    tab.page.keyboard.press("Enter")
    assert arrows.count() == 0
    tab.page.locator("input[name=arrows]").check()
    assert arrows.count() == 8
    before = tab.page.locator(".mv-before").first
    assert before.evaluate("node => getComputedStyle(node).visibility") == "hidden"
    tab.page.locator("input[name=originals]").check()
    assert before.evaluate("node => getComputedStyle(node).visibility") == "visible"


@pytest.mark.browser
def test_controls_change_the_batch_and_the_address_and_originals_are_sent_once(tab):
    posted = []
    tab.page.on("request", lambda request: "component_server" in request.url and posted.append(request.post_data))
    tab.more()
    tab.after(lambda: tab.page.get_by_role("button", name="Shuffle").click())
    tab.page.locator("#mv-batch").get_by_text("Its own parameters", exact=True).click()
    tab.after(lambda: tab.page.locator("#mv-batch-p-label").select_option("lam"))
    assert [json.loads(text)["data"]["still"] for text in posted] == [False, False]
    tab.page.locator("#mv-batch").get_by_text("Images", exact=True).click()
    tab.after(lambda: tab.page.locator("#mv-batch-count").fill("11"))
    assert json.loads(posted[-1])["data"]["still"] is True
    assert tab.page.locator(".mv-batch li").count() == 11
    tab.page.wait_for_function("location.search.includes('count=11')")
    tab.after(lambda: tab.page.locator("#mv-method").select_option("mosaic"))
    assert '"mosaic"' in tab.page.locator("#mv-batch pre").text_content()
    tab.page.wait_for_function("location.search.includes('view=batch&method=mosaic')")


@pytest.mark.slow
@pytest.mark.browser
def test_a_visitors_folder_and_zip_are_mixed_and_bad_files_are_told(tab, tmp_path):
    folder = painted(tmp_path / "mine", ["cats/1.png", "cats/2.png", "dogs/1.png"])
    (folder / "cats" / "broken.png").write_bytes(b"no picture")
    tab.page.locator("#mv-batch").get_by_text("Images", exact=True).click()
    tab.page.get_by_role("button", name="Your own").click()
    part = tab.page.locator("#mv-batch")
    tab.after(lambda: part.locator("input[name=folder]").set_input_files(folder))
    assert part.locator("li .mv-batch-tile").count() == 3
    assert "broken.png" in part.locator(".mv-left-out").first.inner_text()
    assert part.locator(".mv-batch-tile").first.get_attribute("aria-label").startswith("1 · cats. 1.png. with: ")
    archive = packed(tmp_path / "two.zip", {"a.png": png(5), "b.png": png(6), "c.png": b""})
    tab.after(lambda: part.locator("input[name=pictures]").set_input_files(archive))
    assert part.locator("li .mv-batch-tile").count() == 2
    assert "c.png" in part.locator(".mv-left-out").first.inner_text()
    (tmp_path / "bad.zip").write_bytes(b"nothing")
    part.locator("input[name=pictures]").set_input_files(tmp_path / "bad.zip")
    part.get_by_text("is no zip").wait_for()
    assert part.locator("li .mv-batch-tile").count() == 2  # the earlier pictures stay
    tab.page.get_by_text("Take this batch with you").click()
    tab.page.get_by_role("button", name="Make the zip").click()
    tab.page.get_by_text("2 images of 192 px").wait_for()
    with tab.page.expect_download() as waiting:
        tab.page.locator("#batch-parcel a[download]").first.click()
    with zipfile.ZipFile(waiting.value.path()) as parcel:
        assert sum(name.startswith("mixed/") for name in parcel.namelist()) == 2
    tab.after(lambda: tab.page.get_by_role("button", name="Photographs").click())
    assert part.locator("li .mv-batch-tile").count() == 8


@pytest.mark.slow
@pytest.mark.browser
def test_the_batch_speaks_korean(open_tab):
    tab = open_tab("?view=batch&method=mosaic&lam=drawn&count=4", "batch", locale="ko-KR")
    english = {text for key, text in i18n.texts()["en"].items() if key.startswith("batch.")}
    shown = set("\n".join(tab.page.locator("#mv-batch").all_inner_texts()).split("\n"))
    assert not shown & english - {"λ"}
    assert "고양이" in tab.page.locator(".mv-batch-tile").first.get_attribute("aria-label")


@pytest.fixture
def painted_folder(tmp_path) -> tuple[Path, Path]:
    """Five black pictures, each with a white rectangle, and a COCO file of the rectangles; one picture has none."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    images, annotations = [], []
    for i in range(5):
        pixels = np.zeros((64, 64, 3), np.uint8)
        images.append({"id": i, "file_name": f"{i}.png", "height": 64, "width": 64})
        if i:
            top, left, height, width = (int(v) for v in rng.integers(8, 28, 4))
            pixels[top : top + height, left : left + width] = 255
            annotations.append({"id": i, "image_id": i, "category_id": 7, "bbox": [left, top, width, height]})
        Image.fromarray(pixels).save(folder / f"{i}.png")
    document = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "block"}]}
    (tmp_path / "coco.json").write_text(json.dumps(document), encoding="utf-8")
    return folder, tmp_path / "coco.json"


def run_batch(monkeypatch, *arguments) -> int:
    """The exit status of ``mixviz batch``."""
    monkeypatch.setattr(sys, "argv", ["mixviz", "batch", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    return end.value.code


@pytest.mark.parametrize("method", ["cutmix", "mosaic", "copy_paste"])
def test_annotations_of_a_folder_follow_into_the_mixtures(method, painted_folder, tmp_path, monkeypatch):
    """The mixture is white where its boxes are, and nowhere else."""
    folder, file = painted_folder
    out = tmp_path / "out"
    assert run_batch(monkeypatch, folder, "--method", method, "--objects", file, "--side", 64, "--out", out) == 0
    document = json.loads((tmp_path / "out" / "objects.json").read_text(encoding="utf-8"))
    assert document["categories"] == [{"id": 7, "name": "block"}]
    for image in document["images"]:
        white = np.asarray(Image.open(tmp_path / "out" / image["file_name"]).convert("L")) > 127
        boxed = np.zeros_like(white)
        own = [one for one in document["annotations"] if one["image_id"] == image["id"]]
        for left, top, width, height in (one["bbox"] for one in own):
            boxed[round(top) : round(top + height), round(left) : round(left + width)] = True
        assert not (white & ~boxed).any()
        assert bool(own) == white.any()
        assert all((tmp_path / "out" / one["source"]).is_file() for one in own)


def test_little_that_is_seen_is_left_out_of_the_file(painted_folder, tmp_path, monkeypatch):
    folder, file = painted_folder
    counts = {}
    for least in (0, 0.9):
        out = tmp_path / str(least)
        assert run_batch(monkeypatch, folder, "--objects", file, "--out", out, "--min-visible", least) == 0
        visible = [one["visible"] for one in json.loads((out / "objects.json").read_text())["annotations"]]
        assert min(visible) >= least
        counts[least] = len(visible)
    assert counts[0.9] < counts[0]


def test_a_wrong_annotation_is_refused_or_skipped_and_named(painted_folder, tmp_path, monkeypatch, capsys):
    folder, file = painted_folder
    document = json.loads(file.read_text())
    document["annotations"][0]["bbox"] = [60, 60, 30, 30]
    file.write_text(json.dumps(document))
    arguments = [folder, "--objects", file, "--out", tmp_path / "out"]
    assert run_batch(monkeypatch, *arguments) == 2
    assert "leaves the image of 64x64" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run_batch(monkeypatch, *arguments, "--skip") == 0
    assert "leaves the image of 64x64" in capsys.readouterr().err


def test_the_view_outlines_the_objects_of_all_sources():
    request = replace(first_request(), view="batch", method="mosaic", count=6, outlines=True)
    value, mixed = batch_view.batch(request), batches.mixed_of(request)
    assert value["outlined"]
    moved = mixed.followed()
    for n, tile in enumerate(value["outlines"]):
        sources = [n, *mixed.partners(n)]
        told = sorted((sources[one["of"]], round(one["visible"], 6)) for one in tile)
        own = moved.of(n)
        pairs = zip(own.source.tolist(), own.visible.tolist(), strict=True)
        assert told == sorted((source, round(visible, 6)) for source, visible in pairs)
        assert all(one["path"].startswith("M") for one in tile)
    assert batch_view.batch(replace(request, outlines=False))["outlines"] == []


def test_a_coco_file_gives_the_visitors_pictures_their_objects(painted_folder, monkeypatch):
    folder, file = painted_folder
    document = json.loads(file.read_text())
    document["images"][2]["width"] = 80  # not the size of the picture
    document["annotations"][0]["bbox"] = [60, 60, 30, 30]  # leaves the picture
    file.write_text(json.dumps(document))
    files = tuple((str(path), path.name) for path in sorted(folder.iterdir()))
    given = ((str(file), "coco.json"),)
    request = replace(first_request(), view="batch", method="cutmix", files=files, annotations=given, outlines=True)
    with pytest.raises(i18n.UserError, match=r"annotation 0 \(id 1\).*leaves the image of 64x64"):
        batch_view.batch(request)
    request = replace(request, skip=True)
    value, about = batch_view.batch(request), annotation_files.of_batch(files, given, True).about
    assert value["outlined"]
    assert {tile["of"] for tiles in value["outlines"] for tile in tiles} <= {0, 1}
    assert (about["format"], about["classes"], about["pictures"], about["objects"]) == ("COCO", ["block"], 4, 2)
    assert about["left_out"] == len(about["reasons"]) == 2
    assert any("2.png" in reason and "64x80" in reason for reason in about["reasons"])
    monkeypatch.setattr(annotation_files, "MOST_PIXELS", 64 * 64 - 1)
    annotation_files.of_batch.cache_clear()
    reasons = annotation_files.of_batch(files, given, True).about["reasons"]
    assert sum("too many pixels" in reason for reason in reasons) >= 2
    monkeypatch.undo()
    annotation_files.of_batch.cache_clear()
    others = tuple((path, f"other/{name}.jpeg") for path, name in files)
    with pytest.raises(i18n.UserError, match="of none of the"):
        batch_view.batch(replace(request, files=others))
    file.write_text("[]")
    annotation_files.of_batch.cache_clear()
    with pytest.raises(i18n.UserError):
        batch_view.batch(request)

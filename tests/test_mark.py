"""Marking the object of an own picture: painting with pointer, finger and keyboard, and annotation files; a batch's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixviz.data import pictures

pytestmark = pytest.mark.browser
CELL = 224


def marked(tab) -> np.ndarray | None:
    """The mask (224, 224) that the page would send of B's object; None: it has none."""
    found = tab.page.evaluate("mixviz.state.marks?.[mixviz.state.b]?.runs ?? null")
    if found is None:
        return None
    return np.repeat(np.arange(len(found)) % 2 == 1, found).reshape(CELL, CELL).T


def share(tab) -> str:
    return tab.page.locator(".mv-mark [role=status]").first.inner_text().replace("\u00a0", " ")


@pytest.fixture
def marking(open_tab, two_files):
    """The dialog for a visitor's picture B, with the brush in hand."""

    def opened(**options):
        tab = open_tab("?view=detail&method=cutmix", "detail", **options)
        tab.after(lambda: tab.choose("b", two_files[0]))
        tab.page.get_by_role("button", name="Mark “first”").click()
        tab.page.get_by_role("button", name="Brush", exact=True).click()
        return tab

    return opened


def drag(tab, *points: tuple[float, float]) -> None:
    """Draw with the mouse through points (down, across) in shares of the sides."""
    box = tab.page.locator(".mv-brush").bounding_box()
    places = [(box["x"] + across * box["width"], box["y"] + down * box["height"]) for down, across in points]
    tab.page.mouse.move(*places[0])
    tab.page.mouse.down()
    for place in places[1:]:
        tab.page.mouse.move(*place, steps=5)
    tab.page.mouse.up()


def test_a_mask_is_painted_erased_undone_and_stands_in_for_saliency(marking):
    tab = marking()
    use = tab.page.get_by_role("button", name="Use this mask")
    assert use.is_disabled()
    assert share(tab) == "Nothing is marked yet."
    drag(tab, (0.5, 0.25), (0.5, 0.75))
    assert share(tab) == "6 % of the picture is marked."  # a stroke of 112 by 24 pixels with round ends, of 224²
    tab.page.get_by_role("button", name="Eraser").click()
    drag(tab, (0.4, 0.5), (0.6, 0.5))
    assert share(tab) == "5 % of the picture is marked."
    tab.page.get_by_role("button", name="Undo").click()
    assert share(tab) == "6 % of the picture is marked."
    tab.page.get_by_role("button", name="Clear").click()
    assert use.is_disabled()
    tab.page.get_by_role("button", name="Undo").click()
    tab.after(use.click)
    mask = marked(tab)
    assert mask[112, 56:168].all()
    assert not mask[:95].any()
    assert not mask[130:].any()
    assert "Measured on the objects’ outlines." in tab.page.locator("#mv-detail").inner_text()
    seen = tab.page.locator(".mv-stage-objects .mv-seen").inner_text().replace("\u00a0", " ")
    assert re.fullmatch(r"cat: \d+ % visible, first: \d+ % visible", seen)
    tab.page.get_by_role("button", name="Change the mark of “first”").click()
    assert tab.page.get_by_role("button", name="Brush", exact=True).get_attribute("aria-pressed") == "true"
    assert share(tab) == "6 % of the picture is marked."
    tab.after(tab.page.get_by_role("button", name="Remove the mark").click)
    assert marked(tab) is None


def test_the_size_of_the_brush_changes_what_is_painted(marking):
    tab = marking()
    tab.page.get_by_label("Size", exact=True).fill("80")
    drag(tab, (0.5, 0.5), (0.5, 0.5))
    assert share(tab) == "10 % of the picture is marked."  # a disc of 80 pixels across, of 224²


def test_the_keyboard_paints(marking):
    tab = marking()
    tab.page.locator(".mv-brush").focus()
    keyboard = tab.page.keyboard
    keyboard.down("Space")
    for _ in range(4):
        keyboard.press("Shift+ArrowRight")
    keyboard.up("Space")
    keyboard.press("Shift+ArrowDown")  # moves on, and paints no more
    tab.after(tab.page.get_by_role("button", name="Use this mask").click)
    mask = marked(tab)
    assert mask[112, 112 : 112 + 4 * 24].all()
    assert not mask[130:].any()
    assert not mask[:, :95].any()


def test_a_finger_paints_on_a_phone_and_the_dialog_is_not_wider_than_the_screen(marking):
    tab = marking(width=390, height=844, has_touch=True, is_mobile=True)
    canvas = tab.page.locator(".mv-brush")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    client = tab.page.context.new_cdp_session(tab.page)

    def touch(kind: str, *at: float) -> None:
        points = [{"x": box["x"] + at[0] * box["width"], "y": box["y"] + at[1] * box["height"]}] if at else []
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.3, 0.3)
    for step in range(1, 9):
        touch("touchMove", 0.3 + 0.05 * step, 0.3 + 0.05 * step)
    touch("touchEnd")
    assert re.fullmatch(r"\d+ % of the picture is marked.", share(tab))
    assert tab.page.evaluate("document.querySelector('dialog[open]').scrollWidth") <= 390
    tab.after(tab.page.get_by_role("button", name="Use this mask").click)
    mask = marked(tab)
    assert mask[np.arange(70, 150), np.arange(70, 150)].all()


def test_an_annotation_file_gives_the_object_and_a_wrong_one_says_what_to_do(marking, tmp_path):
    """The picture has 120x160 pixels: its square begins at column 20, and is enlarged to 224 pixels."""
    tab = marking()
    mask = np.zeros((120, 160), np.uint8)
    mask[70:105, 95:140], mask[20:40, 40:70] = 1, 2
    Image.fromarray(mask).save(tmp_path / "first.png")
    given, note = tab.page.locator("#mv-mark-file"), tab.page.locator(".mv-mark-file [role=status]")
    given.set_input_files(tmp_path / "first.png")
    tab.page.get_by_text("PNG masks: objects found: 2.").wait_for()
    tab.page.get_by_label("Object", exact=True).select_option("1")
    tab.after(tab.page.get_by_role("button", name="Use this mask").click)
    found = marked(tab)
    scale = 224 / 120
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert np.abs(np.array([rows[0], rows[-1] + 1]) - np.array([20, 40]) * scale).max() <= 1
    assert np.abs(np.array([columns[0], columns[-1] + 1]) - np.array([20, 50]) * scale).max() <= 1
    tab.page.get_by_role("button", name="Change the mark of “first”").click()
    (tmp_path / "first.txt").write_text("0 0.5 0.5 0.2\n")
    given.set_input_files(tmp_path / "first.txt")
    tab.page.wait_for_function(
        "() => document.querySelector('.mv-mark-file [role=status]').textContent.includes('line 1')"
    )
    assert "it should be class cx cy w h" in note.inner_text()


@pytest.fixture
def labelled(tmp_path) -> Path:
    """A folder of four photographs with YOLO's labels beside them."""
    folder = tmp_path / "set"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for name in list(pictures.photographs())[:4]:
        Image.open(pictures.photograph_path(name)).save(folder / "images" / name)
        (folder / "labels" / f"{Path(name).stem}.txt").write_text("1 0.5 0.5 0.5 0.6\n")
    (folder / "data.yaml").write_text("names: [cat, animal]\n")
    return folder


def test_a_folder_with_labels_outlines_its_objects_and_wrong_files_are_refused_or_named(open_tab, labelled, tmp_path):
    tab = open_tab("?view=batch&method=cutmix", "batch")
    part = tab.page.locator("#mv-batch")
    note, count = part.locator(".mv-annotations ~ [role=status]"), iter(range(1, 9))

    def give(name: str, *files: Path) -> str:
        part.locator(f"input[name={name}]").set_input_files(files[0] if name == "folder" else list(files))
        tab.page.wait_for_function(f"document.querySelector('#mv-batch').dataset.sent === '{next(count)}'")
        tab.page.wait_for_function("mixviz.idle()")
        return note.inner_text()

    part.get_by_text("Images", exact=True).click()
    part.locator("[data-source=own]").click()
    assert give("annotations", labelled / "data.yaml") == "Choose the pictures first, then their annotations."
    assert give("folder", labelled) == "YOLO: 4 objects in 4 of 4 pictures. Classes: animal."
    tab.page.wait_for_function("document.querySelectorAll('#mv-batch li .mv-outlines path').length >= 4")
    assert "Measured on the objects’ outlines." in part.inner_text()
    (tmp_path / "lost.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    files = (*sorted((labelled / "labels").iterdir()), tmp_path / "lost.txt")
    assert give("annotations", *files) == ("lost.txt: there is no picture called lost: add it, or leave this file out.")
    part.get_by_label("Leave out what is wrong in them, and list it").check()
    part.get_by_text("Left out: 1.").wait_for()
    assert "4 objects in 4 of 4 pictures. Classes: 1." in note.inner_text()
    assert "lost.txt" in part.locator(".mv-left-out").last.inner_text()
    (tmp_path / "x.json").write_text(json.dumps([]))
    assert "is a list, as of COCO results" in give("annotations", tmp_path / "x.json")
    tab.after(part.get_by_role("button", name="Without annotations").click)
    assert part.locator("li .mv-outlines path").count() == 0
    assert note.inner_text() == ""

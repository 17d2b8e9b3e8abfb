"""One method in detail, a thousand draws, the filmstrip and the lesson, in a real browser."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import zipfile

import numpy as np
import pytest
import torch
from conftest import OPENING
from PIL import Image

import mixviz
from mixviz.data import pictures
from mixviz.i18n import texts
from mixviz.selection import candidates
from mixviz.ui import lesson
from mixviz.ui.services import presenters
from mixviz.ui.state import NOT_ON_THE_PAGE
from mixviz.ui.views import draws, sweep

pytestmark = pytest.mark.browser


@pytest.fixture
def detail(open_tab):
    """Open CutMix in detail, with λ held at 0.6."""
    return open_tab("?view=detail&method=cutmix&lam=0.6", "detail")


@pytest.fixture
def same_detail(same_tab):
    """The same in the page of all tests: for those that need no folded lines and change nothing by hand."""
    same_tab.restore(view="detail", method="cutmix", **OPENING)
    return same_tab


def number(tab, key: str) -> float:
    return float(tab.page.locator(f"[data-line={key}] summary b").text_content())


def unfold(tab, title: str) -> None:
    """Open a part that stands folded."""
    part = tab.page.locator(f".mv-part:visible details:has(> summary:text-is('{title}'))")
    if part.get_attribute("open") is None:
        part.locator("> summary").click()


def core(name: str = "cutmix", lam: float | None = 0.6, seed: int = 0, **parameters):
    pair = pictures.pairs()[0]
    batch = mixviz.Batch(pictures.load_pair(pair["a"], pair["b"], presenters.SIDE))
    return mixviz.METHODS[name](**parameters).plan(batch, np.random.default_rng(seed), lam=lam, partner=[1, 0]), batch


def test_a_tile_leads_to_its_method(tab):
    tab.page.get_by_role("button", name="SaliencyMix", exact=True).click()
    tab.view = "detail"
    tab.wait()
    assert tab.page.get_by_role("heading", name="SaliencyMix", exact=True).is_visible()
    assert tab.page.locator("#mv-method").input_value() == "saliencymix"
    assert tab.page.locator(".mv-tabs a").all_inner_texts() == [
        "Mixture", "λ strip", "1,000 draws", "In a batch", "Code",
    ]  # fmt: skip
    tab.page.wait_for_function("location.search.includes('view=detail')")
    tab.page.locator("#explanation summary").click()
    tab.page.locator("#about-saliencymix").wait_for()
    assert tab.page.locator("#about-saliencymix .katex").count() > 0
    assert tab.page.locator("[id^=about-]:visible").count() == 1
    assert "arXiv" in tab.page.locator("[id^=about-]:visible cite a").inner_text()


def test_the_method_stays_from_tab_to_tab_and_leads_back_to_the_gallery(same_detail):
    same_detail.after(lambda: same_detail.page.locator("#mv-method").select_option("mosaic"))
    for name, view in (("1,000 draws", "draws"), ("In a batch", "batch"), ("λ strip", "sweep"), ("Code", "code")):
        same_detail.open(name, view)
        assert same_detail.page.locator("#mv-method").input_value() == "mosaic"
        assert same_detail.page.locator(".mv-film, .mv-snippets").count() >= (view in ("sweep", "code"))
    same_detail.after(lambda: same_detail.page.locator("#mv-method").select_option("fmix"))
    assert '"fmix"' in same_detail.page.locator("#mv-code pre").inner_text()
    same_detail.open("All methods", "grid")
    assert same_detail.page.locator(".mv-tabs").is_hidden()
    assert same_detail.page.locator(".mv-method").count() == 0


def test_the_reason_for_the_label_stands_beside_the_mixture(same_detail):
    recipe, _ = core()
    share = round(100 * recipe.share[1, 0].item())
    chain = same_detail.page.locator("#mv-detail .mv-chain").inner_text().replace("\u00a0", " ")
    assert chain == f"asked: 40 % → clipped at the border → label: {share} % dog"
    same_detail.after(lambda: same_detail.page.locator("#mv-p-label").select_option("lam"))
    assert "simply λ" in same_detail.page.locator("#mv-detail .mv-why").inner_text()


@pytest.mark.slow
def test_every_method_can_be_looked_at(same_detail):
    for name, cls in mixviz.METHODS.items():
        if name == "cutmix":
            continue
        same_detail.after(lambda n=name: same_detail.page.get_by_label("Method", exact=True).select_option(n))
        assert same_detail.page.get_by_role("heading", name=cls.card.title, exact=True).is_visible()
        controls = same_detail.page.locator("#mv-detail .mv-control")
        assert controls.count() == len(set(cls.parameters()) - set(NOT_ON_THE_PAGE))
        styled = 2 * (name == "stylemix")  # each picture in the other's style, too
        assert same_detail.page.locator("#mv-detail .mv-strip .mv-tile").count() == 6 + styled


def test_every_number_shows_its_sum(same_detail):
    unfold(same_detail, "Every number")
    recipe, _ = core()
    top, left, bottom, right = recipe.target_box[0].tolist()
    line = same_detail.page.locator("[data-line=patch]")
    line.locator("summary").click()
    text = line.locator("p").inner_text()
    assert text.startswith(f"({bottom} − {top}) × ({right} − {left}) ÷ (224 × 224) = ")
    assert float(text.split("=")[1]) == pytest.approx((bottom - top) * (right - left) / 224**2, abs=1e-4)
    assert number(same_detail, "label_area") == pytest.approx(recipe.share[0, 0].item(), abs=5e-4)


def test_parameters_are_controls_made_from_the_fields(same_detail):
    same_detail.after(lambda: same_detail.page.locator("#mv-p-label").select_option("lam"))
    assert number(same_detail, "label_lam") == 0.6
    same_detail.page.wait_for_function("location.search.includes('p.label=lam')")
    same_detail.after(same_detail.page.get_by_role("button", name="Back to the defaults").click)
    assert number(same_detail, "label_area") == pytest.approx(core()[0].share[0, 0].item(), abs=5e-4)


@pytest.mark.slow
def test_the_steps_go_on_back_and_by_themselves(detail):
    count = detail.page.locator(".mv-player .mv-small")
    total = int(count.inner_text().split()[-1])
    assert count.inner_text() == f"Step 1 of {total}"
    for i in range(2, total + 1):
        detail.page.get_by_role("button", name="Next step").click()
        assert count.inner_text() == f"Step {i} of {total}"
        assert detail.page.locator(".mv-step-pictures .mv-tile").count() >= 1
    detail.page.get_by_role("button", name="Previous step").click()
    assert count.inner_text() == f"Step {total - 1} of {total}"
    detail.page.get_by_label("Pace").select_option(label="fast")
    detail.page.get_by_role("button", name="Play").click()
    detail.page.wait_for_function(
        f"document.querySelector('.mv-player .mv-small').textContent === 'Step {total} of {total}'"
    )
    detail.page.get_by_role("button", name="Play").wait_for()


@pytest.mark.slow
def test_before_and_after(detail):
    detail.page.get_by_label("Show the mixture up to here").fill("30")
    mixed = detail.page.locator(".mv-layer[role=img]")
    assert mixed.evaluate("node => node.style.clipPath") == "inset(0px 70% 0px 0px)"


def test_a_dragged_box_moves_the_label(detail):
    detail.page.get_by_role("button", name="Move the box").click()
    tile = detail.page.locator(".mv-stage-tile").bounding_box()
    handle = detail.page.locator(".mv-handle").bounding_box()
    grab = detail.page.locator(".mv-grab").bounding_box()
    before = number(detail, "label_area")
    detail.page.mouse.move(grab["x"] + 20, grab["y"] + 20)
    detail.page.mouse.down()
    corner = grab["x"] + 20 - tile["width"] / 4, grab["y"] + 20 - tile["height"] / 4
    detail.after(lambda: detail.page.mouse.move(*corner, steps=4))
    detail.page.mouse.up()
    moved = detail.state()["box"]
    top, left = ((grab[axis] - tile[axis]) / tile["width"] for axis in "yx")
    assert moved[:2] == pytest.approx([max(top - 0.25, 0), max(left - 0.25, 0)], abs=0.02)
    assert number(detail, "label_area") == pytest.approx(before, abs=0.02)  # moved, not resized
    detail.page.locator(".mv-grab").focus()
    for _ in range(6):
        detail.page.keyboard.press("Shift+ArrowDown")
    detail.page.wait_for_function("mixviz.idle()")
    detail.page.wait_for_timeout(300)
    top, left, bottom, right = (round(224 * edge) for edge in detail.state()["box"])
    assert number(detail, "label_area") == pytest.approx(1 - (bottom - top) * (right - left) / 224**2, abs=5e-4)
    assert number(detail, "label_area") < before
    assert handle["width"] >= 24
    detail.after(detail.page.get_by_role("button", name="Undo my changes").click)
    assert number(detail, "label_area") == before


def test_a_painted_mask_moves_the_label(detail):
    before = number(detail, "label_area")
    detail.page.get_by_role("button", name="Paint the mask").click()
    canvas = detail.page.locator(".mv-paint")
    area = canvas.bounding_box()

    def stroke() -> None:
        detail.page.mouse.move(area["x"] + 40, area["y"] + 40)
        detail.page.mouse.down()
        detail.page.mouse.move(area["x"] + 140, area["y"] + 40, steps=5)
        detail.page.mouse.up()

    detail.after(stroke)
    cells = np.array([[int(digit) for digit in row] for row in detail.state()["mask"]])
    assert number(detail, "label_area") == pytest.approx(cells.mean(), abs=5e-4)
    assert number(detail, "label_area") < before
    canvas.focus()
    detail.after(lambda: detail.page.keyboard.press("Space"))
    again = np.array([[int(digit) for digit in row] for row in detail.state()["mask"]])
    assert (again != cells).any()


@pytest.mark.slow
def test_a_control_that_moves_on_leaves_no_change_by_hand_behind(detail):
    detail.page.get_by_role("button", name="Move the box").click()
    detail.page.locator(".mv-grab").focus()
    detail.after(lambda: detail.page.keyboard.press("ArrowUp"))
    assert detail.state()["box"]
    detail.set_lambda(0.5)
    assert detail.state()["box"] is None


def test_the_code_makes_exactly_this_picture(same_detail):
    same_detail.open("Code", "code")
    text = same_detail.page.locator("#mv-code pre code").inner_text()
    room: dict = {}
    exec(compile(ast.parse(text), "page", "exec"), room)
    recipe, batch = core()
    assert torch.equal(room["mixed"], recipe.apply(batch.images)[0])


def test_the_training_loop_has_three_short_ways_to_copy(open_tab):
    tab = open_tab("?view=learn&method=cutmix&p.label=lam", "learn")
    tab.page.get_by_role("button", name="Code", exact=True).click()
    tab.view = "code"
    tab.wait()
    tab.page.get_by_role("button", name="Your training loop").click()
    ways = candidates.snippets(mixviz.METHODS["cutmix"](label="lam"))
    assert list(ways) == ["collate", "transform", "loop"]
    for name, lines in ways.items():
        snippet = tab.page.locator(f"[data-snippet={name}]")
        assert snippet.locator("pre").inner_text() == lines
        snippet.get_by_role("button", name="Copy").click()
        snippet.get_by_text("Copied").wait_for()
        assert tab.page.evaluate("navigator.clipboard.readText()") == lines


MAGIC = {"png": b"\x89PNG", "zip": b"PK", "svg": b"<?xml", "pdf": b"%PDF", "gif": b"GIF8", "json": b"{"}


def taken(tab, kind: str) -> bytes:
    names = {
        "png": "Mixture",
        "zip": "All pictures",
        "svg": "Figure",
        "pdf": "Figure",
        "gif": "Animation",
        "json": "Recipe",
    }
    unfold(tab, "Take it with you")
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name=f"{names[kind]} ({kind.upper()})").click()
    assert waiting.value.suggested_filename == f"mixviz-cutmix.{kind}"
    with open(waiting.value.path(), "rb") as file:
        return file.read()


@pytest.mark.slow
def test_everything_can_be_taken_away(same_detail):
    recipe, batch = core()
    for kind, magic in MAGIC.items():
        data = taken(same_detail, kind)
        assert data.startswith(magic), kind
        if kind == "png":
            picture = np.array(Image.open(io.BytesIO(data)))
            assert (picture == recipe.apply(batch.images)[0].permute(1, 2, 0).numpy()).all()
        if kind == "zip":
            assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 6


@pytest.mark.slow
def test_a_recipe_file_loads_again(detail, open_tab, tmp_path):
    detail.page.get_by_role("button", name="Move the box").click()
    detail.page.locator(".mv-grab").focus()
    detail.after(lambda: detail.page.keyboard.press("Shift+ArrowUp"))
    data = taken(detail, "json")
    (tmp_path / "recipe.json").write_bytes(data)
    assert json.loads(data)["method"] == "cutmix"
    other = open_tab("?view=detail&method=mixup&lam=0.2&seed=5", "detail")
    other.after(lambda: other.page.get_by_label("Load a recipe").set_input_files(tmp_path / "recipe.json"))
    other.page.wait_for_function("mixviz.state.method === 'cutmix' && mixviz.idle()")
    other.page.get_by_text("Recipe loaded.").wait_for()
    assert other.state() | {"alpha": None} == detail.state()  # the recipe says its α
    assert other.page.locator(".mv-lines").text_content() == detail.page.locator(".mv-lines").text_content()
    (tmp_path / "recipe.json").write_text('{"method": "no such thing"}')
    other.page.get_by_label("Load a recipe").set_input_files(tmp_path / "recipe.json")
    other.page.get_by_text("This file is not a MixViz recipe").wait_for()
    other.set_lambda(0.5)


@pytest.mark.slow
def test_a_thousand_draws(open_tab):
    tab = open_tab("?view=draws&method=cutmix", "draws")
    assert tab.page.locator("#mv-draws h2").inner_text() == "CutMix, drawn 1,000 times"
    titles = tab.page.locator(".mv-histograms h3").all_inner_texts()
    assert titles == ["λ as drawn", "A’s area = A’s label", "Label on the wrong picture"]  # equal ones are one
    for name in ("drawn", "area", "gap"):
        heights = tab.page.locator(f"[data-histogram={name}] .mv-columns i")
        counts = [int(heights.nth(i).get_attribute("title").split(": ")[1]) for i in range(heights.count())]
        assert sum(counts) == draws.DRAWS
    means = {
        name: float(re.search(r"mean ([\d.]+)", tab.page.locator(f"[data-histogram={name}]").inner_text())[1])
        for name in ("drawn", "area")
    }
    for name, mean in means.items():
        panel = tab.page.locator(f"[data-histogram={name}]")
        assert panel.locator(".mv-ticks span").all_inner_texts() == ["0", "0.5", "1"]
        plot, line = (panel.locator(part).bounding_box() for part in (".mv-columns", ".mv-mean"))
        at = (line["x"] + line["width"] / 2 - plot["x"]) / plot["width"]
        assert at == pytest.approx(mean, abs=0.01)
        low, high = map(float, re.search(r"([\d.]+) to ([\d.]+)", panel.inner_text()).groups())
        band = panel.locator(".mv-range").bounding_box()
        assert band["width"] / plot["width"] == pytest.approx(high - low, abs=0.015)
    assert means["drawn"] == pytest.approx(0.5, abs=0.03)
    assert means["area"] == pytest.approx(1 - 0.3208, abs=0.03)  # the closed form at α = 1
    tab.enter(tab.page.get_by_label(re.compile("^α.*as a number")), 0.2)
    assert "α = 0.2" in tab.page.locator("#mv-draws .mv-about .mv-told").inner_text()
    tab.after(lambda: tab.page.get_by_label("Method", exact=True).select_option("cutout"))
    assert tab.page.locator("[data-histogram=drawn]").count() == 0
    shown = [tab.page.locator(f"[data-map={name}]").is_visible() for name in ("cut", "covered")]
    assert shown == [False, True]  # nothing of B is used


def test_maps_of_draws_are_opaque_where_patches_are_frequent():
    values = np.array([[0, 0.2], [0.4, 0.1]])
    answer = draws._map(values)
    picture = Image.open(io.BytesIO(base64.b64decode(answer["mask"].partition(",")[2])))
    assert answer["peak"] == 0.4
    assert np.array(picture.getchannel("A")).tolist() == [[0, 128], [255, 64]]
    assert not answer["even"]
    assert draws._map(0 * values)["even"]  # nothing is cut
    assert draws._map(0 * values + 0.5)["even"]  # a blend


@pytest.mark.slow
def test_a_filmstrip(open_tab):
    tab = open_tab("?view=sweep&over=lam&methods=mixup,cutmix", "sweep")
    films = tab.page.locator(".mv-film")
    assert [films.nth(i).get_attribute("data-film") for i in range(films.count())] == ["mixup", "cutmix"]
    bars = films.first.locator(".mv-bar")
    text = [bars.nth(i).get_attribute("aria-label").replace("\u00a0", " ") for i in range(sweep.STRIP)]
    shares = [100 * i / 8 for i in range(sweep.STRIP)]
    assert text == [f"Label: {int(share + 0.5)} % cat, {int(100.5 - share)} % dog" for share in shares]
    tab.after(tab.page.get_by_role("button", name="seed", exact=True).click)
    assert "seed 8" in films.first.inner_text()
    tab.after(lambda: tab.page.get_by_label("Add a method").select_option("mosaic"))
    tab.after(lambda: tab.page.get_by_role("button", name="Remove CutMix").click())
    assert [films.nth(i).get_attribute("data-film") for i in range(films.count())] == ["mixup", "mosaic"]
    tab.after(lambda: tab.page.locator("#mv-method").select_option("fmix"))
    assert [films.nth(i).get_attribute("data-film") for i in range(films.count())] == ["fmix", "mixup", "mosaic"]
    assert tab.page.get_by_role("button", name="Remove FMix").count() == 0  # the page's own method stays
    tab.after(tab.page.get_by_role("button", name="α", exact=True).click)
    tab.page.wait_for_function("location.search.includes('over=alpha')")


@pytest.mark.slow
def test_the_lesson(open_tab):
    tab = open_tab("?view=learn", "learn")
    tab.page.get_by_role("button", name="Start the lesson").click()
    for i, step in enumerate(lesson.steps(), 1):
        tab.page.get_by_text(f"{i} of {len(lesson.steps())}").wait_for()
        tab.page.wait_for_function(f"mixviz.idle() && mixviz.state.view === '{step['state']['view']}'")
        wanted = step["state"]
        state = tab.state()
        for key in ("a", "b"):
            assert wanted[key] in state[key]
        if "lam" in wanted:
            assert state["lam"] == float(wanted["lam"])
        wrong = 1 if step["right"] != 1 else 2
        tab.page.locator(".mv-answer").nth(wrong - 1).click()
        verdict = tab.page.locator(".mv-verdict").inner_text()
        assert f"Not quite: {step['value']}" in verdict
        assert texts()["en"][f"lesson.{step['id']}.why"] in verdict  # an answer says why, right or wrong
        tab.page.locator(".mv-answer").nth(step["right"] - 1).click()
        verdict = tab.page.locator(".mv-verdict").inner_text()
        assert f"Right: {step['value']}" in verdict
        assert texts()["en"][f"lesson.{step['id']}.why"] in verdict
        tab.page.wait_for_function(f"location.search.includes('lesson={i}')")
        if i < len(lesson.steps()):
            tab.page.get_by_role("button", name="Next", exact=True).click()
    tab.page.reload()
    tab.page.get_by_text(f"{len(lesson.steps())} of {len(lesson.steps())}").wait_for()
    tab.page.get_by_role("button", name="Skip", exact=True).click()
    assert f"0 of {len(lesson.steps())}" in tab.page.locator(".mv-lesson").inner_text()  # of this visit
    assert "That was the lesson" in tab.page.locator(".mv-lesson").inner_text()
    tab.page.get_by_role("button", name="Close the lesson").click()
    tab.page.wait_for_function("!location.search.includes('lesson')")


def test_a_question_is_about_its_own_state(open_tab):
    tab = open_tab("?view=learn&a=lion&lam=0.2&seed=4&detector=centre&lesson=7", "learn")
    step = lesson.steps()[6]
    tab.page.locator(".mv-answer").nth(step["right"] - 1).click()
    assert "back now" in tab.page.locator(".mv-verdict").inner_text()
    tab.page.wait_for_function(
        "mixviz.state.detector === 'fine_grained' && mixviz.state.method === 'saliencymix' && mixviz.idle()"
    )
    tab.page.locator(".mv-answer").nth(step["right"] - 1).click()
    assert f"Right: {step['value']}" in tab.page.locator(".mv-verdict").inner_text()


def test_there_is_one_alpha(open_tab):
    tab = open_tab("?view=detail&method=cutmix&lam=drawn", "detail")
    tab.after(lambda: tab.page.locator("#mv-p-alpha").fill("0.5"))
    tab.page.wait_for_function("mixviz.idle() && document.querySelector('#mv-alpha').value === '0.5'")
    box = tab.page.get_by_label(re.compile("^α.*as a number"))
    box.fill("4")
    tab.after(lambda: box.press("Enter"))
    assert tab.page.locator("#mv-p-alpha").input_value() == "4"
    assert tab.state()["parameters"] == {}


def test_a_question_that_the_page_no_longer_answers_is_noticed():
    entry = {
        "id": "x",
        "measure": "share_a",
        "of": "mixup",
        "state": {"lam": "0.5"} | _pair(),
        "answers": [[0, 0.4], [0.6, 1]],
    }
    with pytest.raises(ValueError, match="fits answers"):
        lesson._answered(entry)
    assert lesson._answered(entry | {"answers": [[0, 0.4], [0.4, 0.6]]})["right"] == 2


def _pair() -> dict[str, str]:
    return {key: name.removesuffix(".jpg") for key, name in pictures.pairs()[0].items() if key in "ab"}


def test_the_object_of_an_own_picture_is_marked_with_a_box(open_tab, two_files):
    tab = open_tab("?view=detail&method=cutmix", "detail")
    tab.after(lambda: tab.choose("b", two_files[0]))
    assert "Measured by saliency" in tab.page.locator("#mv-detail .mv-told").inner_text()
    tab.page.get_by_role("button", name="Mark “first”").click()
    tab.after(tab.page.get_by_role("button", name="Use this box").click)
    seen = tab.page.locator(".mv-stage-objects .mv-seen").inner_text().replace("\u00a0", " ")
    assert re.fullmatch(r"cat: \d+ % visible, first: \d+ % visible", seen)
    tab.page.get_by_role("button", name="Change the mark of “first”").click()
    tab.after(tab.page.get_by_role("button", name="Remove the mark").click)
    assert tab.page.get_by_role("button", name="Mark “first”").is_visible()

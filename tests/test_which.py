"""The choice of a method: figures by hand, the lines to copy, the command, and the page in a real browser."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import statistics
import threading
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import mixviz
from mixviz import __main__
from mixviz.core.parts import Weights
from mixviz.core.recipe import Recipe
from mixviz.data import pictures
from mixviz.evaluation import published
from mixviz.explain import serialize
from mixviz.i18n import texts
from mixviz.networks import zoo
from mixviz.selection import candidates, scores, throughput
from mixviz.ui.services.presenters import summary
from mixviz.ui.state import first_request
from mixviz.ui.views.which import _row, says, which

METHODS = list(mixviz.METHODS)
SINGLE = ("none", "erase", "colour", "geometry", "learned policy")  # families that mix nothing


@pytest.fixture(scope="module")
def photographs() -> scores.Pictures:
    return scores.gather()


def flat(*levels: int) -> scores.Pictures:
    """Make pictures of one grey each, with the left half as the object."""
    images = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 64, 64).contiguous()
    masks = torch.zeros(len(levels), 64, 64)
    masks[:, :, :32] = 1
    return scores.Pictures(images, masks, len(levels))


class Fixed:
    """A method with a fixed mixture: the right half of the other picture, and a label of 0.5."""

    def plan(self, batch, rng, *, partner):
        n = len(batch)
        weight = torch.zeros(2, n, 1, 64, 64)
        weight[0, ..., :32] = weight[1, ..., 32:] = 1
        both = torch.stack([torch.arange(n), torch.from_numpy(partner)])
        return Recipe(size=(64, 64), partner=both, share=torch.full((2, n), 0.5), mixing=Weights(weight))


def test_figures_by_hand():
    row = scores.measure(Fixed(), flat(0, 100), draws=4)
    # All of the image's own object is visible and nothing of the other's, which gets half of the label.
    assert row.hidden == (0, 0)
    assert row.gap == pytest.approx((0.5, 0))
    assert row.off == (1, 0)
    assert row.gone == pytest.approx((0.5, 0))
    assert row.worst == 0
    assert row.diversity == (0, 0)  # two pictures have one partner each


def test_diversity_by_hand():
    images = flat(0, 100, 200).images
    scale = scores.unrelated(images)
    assert scale == pytest.approx((100**2 + 200**2 + 100**2) / 3)
    row = scores.diversity(scores.Figure(scale / 4, scale / 100), scale)
    assert row == pytest.approx((0.5, 0.01))
    # Half of the picture is the partner's, which is one of two others: they differ in half of the draws.
    mean = scores.measure(Fixed(), flat(0, 100, 200), draws=400).diversity.mean
    distance = {0: 100**2, 100: 200**2, 200: 100**2}  # between the two possible partners of each
    assert mean == pytest.approx(math.sqrt(sum(distance.values()) / 3 * 0.5 * 0.5 / scale), abs=0.03)
    with pytest.raises(ValueError, match="are the same"):
        scores.diversity(scores.Figure(0, 0), scores.unrelated(flat(7, 7).images))


def test_a_figure_is_the_mean_and_its_standard_error():
    assert scores.figure([1, 2, 3]) == pytest.approx((2, 1 / math.sqrt(3)))
    assert scores.figure([4]) == (4, 0)


def test_partners_follow_a_cycle_and_nobody_meets_itself():
    import numpy as np

    for seed in range(5):
        partner = scores._cycles(5, 3, np.random.default_rng(seed))
        for copy in range(3):
            at, seen = copy * 5, []
            for _ in range(5):
                seen.append(at)
                at = partner[at]
            assert sorted(seen) == list(range(copy * 5, copy * 5 + 5))
            assert at == copy * 5


def test_known_methods_are_what_they_are(photographs):
    measured = {
        name: scores.measure(mixviz.METHODS[name](), photographs) for name in ("baseline", "mixup", "samplepairing")
    }
    assert measured["baseline"].hidden.mean == measured["baseline"].gap.mean == measured["baseline"].diversity.mean == 0
    assert measured["mixup"].gap.mean == pytest.approx(0, abs=1e-6)
    assert measured["mixup"].hidden.mean == pytest.approx(
        0.5, abs=4 * measured["mixup"].hidden.error
    )  # the mean of 1 - λ
    assert measured["samplepairing"].hidden == pytest.approx((0.5, 0), abs=1e-6)
    assert measured["samplepairing"].gap.mean == pytest.approx(0.5)
    same = scores.measure(mixviz.METHODS["mixup"](), photographs)
    assert same == measured["mixup"]
    assert scores.measure(mixviz.METHODS["mixup"](), photographs, seed=1) != same


def test_errors_say_how_far_other_draws_are(photographs):
    method = mixviz.METHODS["cutmix"]()
    means = [scores.measure(method, photographs, seed=seed).hidden for seed in range(12)]
    spread = torch.tensor([mean for mean, _ in means]).std().item()
    error = sum(error for _, error in means) / len(means)
    assert error / 2 < spread < 2 * error


def test_what_mixes_inside_a_network_is_not_measured_in_pixels(photographs):
    row = candidates.candidate(mixviz.METHODS["manifold_mixup"](), photographs)
    assert row["inside"]
    assert row["gap"] is row["hidden"] is row["worst"] is row["diversity"] is None
    assert row["pace"]["rate"] > 0


def test_a_method_that_cannot_be_measured_says_why(photographs, monkeypatch):
    monkeypatch.setattr(scores, "network", lambda: None)
    scores._maps.cache_clear()
    row = candidates.candidate(mixviz.METHODS["saliencymix_plus"](), photographs)
    scores._maps.cache_clear()
    assert "network" in row["error"]
    assert "gap" not in row
    assert candidates.by_columns(row)["gap"] == (None, None)


def test_pictures_without_a_box_are_judged_by_saliency(two_files):
    paths = (*map(str, two_files), first_request().a)
    chosen = scores.gather(paths)
    assert (len(chosen), chosen.masked) == (3, 1)
    assert set(chosen.reference_masks[2].unique().tolist()) == {0, 1}
    torch.testing.assert_close(chosen.reference_masks[:2], mixviz.saliency(chosen.images)[:2])
    with pytest.raises(ValueError, match="Two pictures"):
        scores.gather(paths[:1])


def test_pace_is_a_rate_and_looking_a_share(photographs):
    plain, looks = (
        throughput.measure_throughput(mixviz.METHODS[name](), photographs) for name in ("cutmix", "saliencymix")
    )
    assert plain.looking is None
    assert 0 < looks.looking < 1
    assert plain.rate > looks.rate > 0
    assert (
        throughput.measure_throughput(mixviz.METHODS["cutmix_mixup"](), photographs).looking is None
    )  # it has a detector it does not use
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with throughput.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_changes_are_those_of_the_files():
    for setting in published.changes():
        for one in setting["methods"]:
            lines = candidates._published()[one["method"]][candidates.setting_of(setting)]
            assert lines["change"] == one["change"]
    errors = {
        name: statistics.fmean(one.metrics["accuracy"]["top1_error_percent"] for one in zoo.card(name).measurements)
        for name in zoo.trained()
    }
    trained = candidates._trained()
    assert trained["cutmix"]["mean"] == pytest.approx(errors["cutmix"] - errors["baseline"])
    assert trained["saliencymix"]["mean"] == pytest.approx(
        errors["saliencymix"] - errors["baseline"]
    )  # not as released
    assert trained["cutmix"]["error"] > 0
    assert "baseline" not in trained


def test_a_changed_parameter_has_lines_of_its_own_and_no_network(photographs):
    row = candidates.candidate(mixviz.METHODS["cutmix"](alpha=0.5, label="lam"), photographs)
    assert 'MixCollate("cutmix", num_classes=100, alpha=0.5, label="lam")' in row["lines"]
    assert row["zoo"] is None


@pytest.mark.parametrize("name", METHODS)
def test_the_lines_run_as_they_are(name):
    """With the simplest network; methods whose detectors need another one have their own tests."""
    about = mixviz.METHODS[name].parameters().get("detector")
    if about and getattr(mixviz.SALIENCY[about["default"]], "needs_tokens", False):
        pytest.skip("it asks a vision transformer")
    blocks = [torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.ReLU()) for _ in range(4)]
    network = torch.nn.Sequential(*blocks, torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 100))
    images, labels = torch.rand(64, 3, 32, 32), torch.randint(0, 100, (64,))
    dataset = list(zip(images, labels.tolist(), strict=True))
    method = mixviz.METHODS[name]()
    assert candidates.lines(method) in candidates.snippets(method).values()
    for way, lines in candidates.snippets(method).items():
        place = {"dataset": dataset, "images": images, "labels": labels, "network": network}
        if way == "loop":
            place["loader"] = [(images, labels)] * 3
        exec(lines, place)
        if way == "collate":
            place["mixed"], place["targets"] = next(iter(place["loader"]))
        if way == "loop":
            assert place["loss"].isfinite()
        else:
            assert place["mixed"].shape == images.shape
            assert place["targets"].shape == (64, 100)


@pytest.mark.slow
def test_the_view_answers_in_parts_and_leaves_nobody_out(monkeypatch):
    monkeypatch.setattr("mixviz.ui.views.which.PATIENCE", 0)
    request, rows = first_request(), {}
    left = METHODS
    while left:
        request = SimpleNamespace(**{**request.__dict__, "only": tuple(left)})
        answer = which(request)
        assert len(answer["rows"]) == 1
        rows |= {row["name"]: row for row in answer["rows"]}
        left = answer["pending"]
    json.dumps(answer, allow_nan=False)
    assert set(rows) == set(METHODS)
    assert all(not row["error"] for row in rows.values() if row["name"] in ("mixup", "cutmix", "saliencymix_plus"))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", METHODS)
def test_what_an_explanation_says_has_no_formulas_left(name, language):
    for sentence in says(name, language):
        assert not set("$`\\") & set(sentence)
        assert sentence


def test_the_command_prints_the_table(two_files):
    run = CliRunner().invoke(__main__.app, ["which", "cutmix:alpha=0.5", "mixup", "--images", str(two_files[0].parent)])
    assert run.exit_code == 0, run.output
    head, *lines = run.output.splitlines()
    assert head.split()[0] == "method"
    assert [line.split()[0] for line in lines[:2]] == ["cutmix", "mixup"]
    assert "2 pictures, 0 with the mask" in run.output
    json_run = CliRunner().invoke(__main__.app, ["which", "cutmix", "--json"])
    result = json.loads(json_run.output)
    assert result["pictures"] == result["masked"] == len(pictures.photographs())
    assert result["methods"][0]["gap"] == scores.measure(mixviz.METHODS["cutmix"](), scores.gather()).gap._asdict()


@pytest.mark.parametrize("given", [["no_such"], ["cutmix", "--images", "nowhere"]])
def test_the_commands_mistakes_are_explained(given):
    run = CliRunner().invoke(__main__.app, ["which", *given])
    assert isinstance(run.exception, ValueError)
    assert "no_such" in str(run.exception) or "no pictures" in str(run.exception)


def test_what_a_method_needs():
    wanted = {"cutmix": "", "saliencymix": "saliency", "saliencymix_plus": "network", "manifold_mixup": "network"}
    assert {name: serialize.needs_of(mixviz.METHODS[name]) for name in wanted} == wanted


# ---------------------------------------------------------------- in a browser


def ready(tab):
    tab.page.wait_for_function("mixviz.idle()", timeout=90_000)
    return tab


def shown(tab) -> list[str]:
    return tab.page.locator("#mv-which .mv-standings tbody tr").evaluate_all("rows => rows.map(row => row.dataset.row)")


def opened(tab, part: str):
    """Open what is shown on demand."""
    tab.page.locator(f"#mv-which [data-part={part}] > summary").click()
    return tab


@pytest.fixture
def room(open_tab):
    return opened(ready(open_tab("?view=which", "which")), "table")


def listed(tab) -> list[str]:
    return tab.page.locator("[data-candidate]").evaluate_all("all => all.map(one => one.dataset.candidate)")


@pytest.mark.browser
@pytest.mark.slow
def test_the_shortlist_follows_the_questions_and_has_the_code(open_tab):
    tab = ready(open_tab("?view=which", "which"))
    rows = {row["name"]: row for row in everything()}
    mixing = {name: row for name, row in rows.items() if row["family"] not in SINGLE}
    head, live = (
        tab.page.locator("[data-part=shortlist] .mv-big"),
        tab.page.locator("[data-part=shortlist] [aria-live]"),
    )
    assert head.inner_text() == f"{len(mixing)} of {len(mixing)} mixing methods fit"
    tab.page.locator("input[name=ask-visible]").check()
    fit = {name: row["hidden"]["mean"] for name, row in mixing.items() if row["hidden"]}
    fit = {name: hidden for name, hidden in fit.items() if hidden <= 0.45}
    assert [fit[name] for name in listed(tab)] == sorted(fit.values())[:5]
    entry = tab.page.locator("[data-candidate]").first
    best = rows[listed(tab)[0]]
    assert f"hides {100 * best['hidden']['mean']:.1f}\u00a0% of an object" in entry.inner_text()
    assert head.inner_text() in live.text_content()
    assert best["title"] in live.text_content()
    assert not entry.locator("pre").is_visible()
    entry.get_by_role("button", name="Code").click()
    assert entry.locator("pre").inner_text().strip() == best["lines"]
    entry.get_by_role("button", name="Copy", exact=True).click()
    assert tab.page.evaluate("navigator.clipboard.readText()") == best["lines"]


@pytest.mark.browser
@pytest.mark.slow
def test_the_shortlist_is_ready_before_everything_is_measured(open_tab, monkeypatch):
    rest = threading.Event()

    def wait(method, chosen):
        if type(method).card.name not in METHODS[:12]:
            rest.wait(20)
        return _row(method, chosen)

    tab = open_tab("?view=tree", "tree")
    monkeypatch.setattr("mixviz.ui.views.which._row", wait)
    tab.page.evaluate("mixviz.open('which')")
    tab.page.wait_for_selector("[data-candidate]")
    assert re.search(rf"Measured \d+ of {len(METHODS)}", tab.page.locator("#mv-which .mv-about").inner_text())
    before = listed(tab)
    tab.page.locator("input[name=ask-truth]").check()
    assert listed(tab) != before
    assert tab.page.get_by_text("Measured").is_visible()
    rest.set()
    ready(tab)
    assert not tab.page.get_by_text("Measured").is_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_the_table_has_every_method_and_sorts(room):
    assert sorted(shown(room)) == sorted(METHODS)
    rows = {row["name"]: row for row in everything()}
    room.page.locator("[data-sort=hidden]").click()
    result = [name for name in shown(room) if rows[name]["hidden"]]
    assert [rows[name]["hidden"]["mean"] for name in result] == sorted(rows[name]["hidden"]["mean"] for name in result)
    assert shown(room)[: len(result)] == result  # missing measurements come last
    assert room.page.locator("#mv-which th[aria-sort=ascending]").count() == 1
    row = room.page.locator("[data-row=cutmix]").inner_text()
    assert f"{100 * rows['cutmix']['gap']['mean']:.1f}\u00a0%" in row


def everything() -> list[dict]:
    """Return all answers of the server."""
    return [_row(mixviz.METHODS[name](), scores.gather()) for name in METHODS]


@pytest.mark.browser
@pytest.mark.slow
def test_a_question_leaves_methods_out_and_says_why(room):
    room.page.locator("input[name=ask-network]").check()
    left = set(METHODS) - set(shown(room))
    assert left == {name for name in METHODS if serialize.needs_of(mixviz.METHODS[name]) == "network"}
    lines = opened(room, "left").page.locator("[data-part=left]").inner_text()
    assert all(mixviz.METHODS[name].card.title in lines for name in left)
    room.page.locator("input[name=ask-visible]").check()
    limit = room.page.locator("#mv-limit-visible")
    limit.fill("0")
    assert "baseline" in shown(room)
    assert not {"cutout", "cutmix", "mosaic"} & set(shown(room))
    room.page.wait_for_function("new URLSearchParams(location.search).get('limits') === 'network,visible:0'")
    limit.fill("100")
    assert "mosaic" in shown(room)


@pytest.mark.browser
@pytest.mark.slow
def test_the_address_holds_what_was_asked(open_tab):
    tab = ready(open_tab("?view=which&limits=truth:30,nonsense:3&without=mixup&axes=rate,hidden&pin=mosaic", "which"))
    opened(tab, "table")
    assert tab.page.locator("input[name=ask-truth]").is_checked()
    assert tab.page.locator("#mv-limit-truth").input_value() == "30"
    assert "mixup" not in shown(tab)
    assert "samplepairing" not in shown(tab)
    assert shown(tab)[0] == "mosaic"
    assert tab.page.locator("[data-plot=which] [data-axis=x]").input_value() == "rate"
    tab.page.get_by_text("Methods: ").click()
    tab.page.locator("fieldset input[name=mixup]").check()
    assert "mixup" in shown(tab)
    tab.page.wait_for_function("!location.search.includes('without')")


@pytest.mark.browser
@pytest.mark.slow
def test_a_name_opens_the_card_with_the_lines(room):
    button, card = room.page.locator("[data-row=cutmix] button"), room.page.locator("[data-part=candidate]")
    button.press("Enter")
    assert room.page.evaluate("document.activeElement.textContent") == "CutMix"
    assert card.locator("pre").inner_text().strip() == candidates.lines(mixviz.METHODS["cutmix"]())
    card.get_by_role("button", name="Copy").click()
    assert room.page.evaluate("navigator.clipboard.readText()") == candidates.lines(mixviz.METHODS["cutmix"]())
    assert summary("cutmix") in card.inner_text()
    room.page.keyboard.press("Escape")
    assert room.page.evaluate("document.activeElement.closest('tr').dataset.row") == "cutmix"
    button.click()
    card.locator("[data-door=tree]").click()
    room.page.locator("[data-part=idea] h2").get_by_text("CutMix").wait_for()


@pytest.mark.browser
@pytest.mark.slow
def test_the_file_holds_the_table(room):
    with room.page.expect_download() as waiting:
        room.page.locator("#mv-which [data-part=table] [data-take=csv]").click()
    with open(waiting.value.path(), encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(io.StringIO(file.read()))
    lines = dict(zip(head, next(row for row in rows if row[0] == "CutMix"), strict=True))
    result = scores.measure(mixviz.METHODS["cutmix"](), scores.gather())
    assert float(lines["Label error"]) == pytest.approx(result.gap.mean)
    assert float(lines["Label error: ±"]) == pytest.approx(result.gap.error)


@pytest.mark.browser
@pytest.mark.slow
def test_own_pictures_join(open_tab, two_files, monkeypatch):
    some = {name: mixviz.METHODS[name] for name in (*METHODS[::10], "cutmix")}
    monkeypatch.setattr("mixviz.ui.views.which.METHODS", some)
    room = ready(open_tab("?view=which", "which"))
    opened(room, "table").page.get_by_text("My own pictures", exact=True).click()
    assert room.page.locator("input[name=joined]").is_disabled()
    before = room.page.locator("[data-row=cutmix]").inner_text()
    room.after(lambda: room.choose("a", two_files[0]))
    box = room.page.locator("input[name=joined]")
    room.page.wait_for_function("!document.querySelector('input[name=joined]').disabled")
    box.check()
    room.page.wait_for_function("document.querySelector('#mv-which .mv-about').innerText.includes('21 photographs')")
    ready(room)
    assert set(shown(room)) == set(some)
    assert room.page.locator("[data-row=cutmix]").inner_text() != before
    assert texts()["en"]["which.joined_saliency"] in room.page.locator("#mv-which").inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_it_speaks_korean(open_tab):
    from tests.test_korean import phrases

    tab = opened(ready(open_tab("?view=which&limits=network", "which", locale="ko-KR")), "table")
    tab.page.locator("[data-row=cutmix] button").click()
    korean = texts()["ko"]
    assert korean["which.lines"] in tab.page.locator("[data-part=candidate]").inner_text()
    english = [text for text in phrases(tab, "#mv-which") if "README" not in text and "“" not in text]
    assert english == []

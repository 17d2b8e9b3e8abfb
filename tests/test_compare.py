"""Comparison of networks: rows, errors and curves computed by hand, published changes, and the view in a browser."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import shlex
import statistics
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from mixviz import __main__
from mixviz.data import pictures
from mixviz.evaluation import published, results, zoo_tables
from mixviz.evaluation.metrics import METRICS
from mixviz.i18n import UserError, texts
from mixviz.networks import card_text, class_names, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.networks.run import Run
from mixviz.ui.services import networks, transition
from mixviz.ui.state import Request, first_request
from mixviz.ui.views import compare

ERROR, MIXED = "top1_error", "mixup_half"


def made(method: str = "cutmix", seed: int = 0, error: float = 36.0, images: int = 400, **more) -> ModelCard:
    """Return the zoo's CutMix card with other numbers."""
    return zoo.card("cutmix").changed(
        title=method, method=method, parameters={}, run={"seed": seed}, seeds=[],
        metrics={"images": images, "accuracy": {"top1_error_percent": error}, **more},
    )  # fmt: skip


def row_of(*several: ModelCard, logs: list | None = None) -> dict:
    (row,) = results.rows({str(i): c for i, c in enumerate(several)}, {str(i): x for i, x in enumerate(logs or [])})
    return row


def each_of(name: str, metric: str) -> list[float]:
    """Return what each seed of a network of the zoo measured."""
    values = (METRICS[metric].of(one.metrics) for one in zoo.card(name).measurements)
    return [value for value in values if value is not None]


def mean_of(name: str, metric: str) -> float:
    return statistics.fmean(each_of(name, metric))


def test_one_seed_has_the_standard_error_of_its_pictures():
    summary = row_of(made(error=36.0, images=400))["values"][ERROR]
    assert summary == {"mean": 36, "each": [36], "error": pytest.approx(2.4), "kind": "pictures", "count": 400}


def test_several_seeds_have_a_mean_and_a_standard_deviation():
    two = row_of(made(seed=0, error=30), made(seed=1, error=34))
    assert (two["seeds"], two["networks"]) == ([0, 1], ["0", "1"])
    assert two["values"][ERROR] == {"mean": 32, "each": [30, 34], "error": pytest.approx(math.sqrt(8)), "kind": "seeds"}
    three = row_of(*(made(seed=s, error=10 * (s + 1)) for s in range(3)))["values"][ERROR]
    assert (three["mean"], three["error"], three["kind"]) == (20, pytest.approx(10), "seeds")


def test_further_seeds_of_a_card_count_with_its_own():
    def seed(number: int, error: float) -> dict:
        metrics = {"images": 400, "accuracy": {"top1_error_percent": error}}
        return {"seed": number, "holdout": "", "metrics": metrics}

    row = row_of(made(error=30).changed(seeds=[seed(1, 32), seed(2, 34)]))
    assert (row["seeds"], row["networks"]) == ([0, 1, 2], ["0"])
    assert row["values"][ERROR] == {"mean": 32, "each": [30, 32, 34], "error": pytest.approx(2), "kind": "seeds"}


def test_a_pair_of_pictures_counts_once():
    halves = {"images": 200, "lambda": [0.0, 0.5, 1.0], "mixup": {"either_percent": [0, 50.0, 0]}}
    summary = row_of(made(in_between=halves))["values"][MIXED]
    assert (summary["error"], summary["kind"], summary["count"]) == (pytest.approx(5.0), "pairs", 100)


def test_what_is_no_mean_of_pictures_has_no_error():
    summary = row_of(made(calibration={"ece_percent": 4.0, "count": [], "confidence": [], "accuracy": []}))
    assert (summary["values"]["ece"]["error"], summary["values"]["ece"]["kind"]) == (None, "")


def test_calibration_error_has_the_error_of_its_bins():
    rng = np.random.default_rng(0)
    count, sure, right = np.array([200, 300, 500]), np.array([0.3, 0.6, 0.95]), np.array([0.5, 0.45, 0.8])

    def card(hits: np.ndarray) -> ModelCard:
        bins = {"count": count.tolist(), "confidence": sure.tolist(), "accuracy": (hits / count).tolist()}
        return made(calibration={**bins, "ece_percent": 100 * np.abs(hits - count * sure).sum() / count.sum()})

    drawn = [row_of(card(rng.binomial(count, right)))["values"]["ece"] for _ in range(400)]
    spread = np.std([one["mean"] for one in drawn])
    assert np.mean([one["error"] for one in drawn]) == pytest.approx(spread, rel=0.1)
    assert (drawn[0]["kind"], drawn[0]["count"]) == ("pictures", 1000)


def test_another_method_is_another_row_and_the_same_run_twice_is_refused():
    rows = results.rows({"a": made(), "b": made("mixup"), "c": made(seed=3)}, {})
    assert [row["networks"] for row in rows] == [["a", "c"], ["b"]]
    with pytest.raises(ValueError, match="twice"):
        results.rows({"a": made(), "b": made()}, {})


def test_curves_begin_with_the_pictures_untouched():
    attacks = [{"eps_of_255": [1, 2], "accuracy_percent": values} for values in ([50, 20], [54, 30])]
    row = row_of(*(made(seed=i, error=40 - 10 * i, fgsm=one) for i, one in enumerate(attacks)))
    curve = row["curves"]["fgsm"]
    assert (curve["x"], curve["y"]) == ([0, 1, 2], [65, 52, 25])
    assert curve["error"] == pytest.approx([math.sqrt(50), math.sqrt(8), math.sqrt(50)])
    assert "hole" not in row["curves"]
    assert row_of(made(fgsm=attacks[0]))["curves"]["fgsm"]["error"] is None


def test_training_goes_as_far_as_all_seeds_went():
    logs = [[{"epoch": e, "top1": 10 * e + s, "val_loss": 1, "train_loss": 2} for e in range(1, 4 - s)] for s in (0, 1)]
    curve = row_of(made(), made(seed=1), logs=logs)["curves"]["top1"]
    assert (curve["x"], curve["y"], curve["error"]) == ([1, 2], [10.5, 20.5], pytest.approx([math.sqrt(0.5)] * 2))


def test_reliability_of_several_seeds_is_that_of_all_their_pictures():
    one = {"count": [0, 1, 3], "confidence": [None, 0.5, 0.9], "accuracy": [None, 0.0, 1.0]}
    two = {"count": [0, 3, 0], "confidence": [None, 0.7, None], "accuracy": [None, 1.0, None]}
    summary = results.reliability([one, two])
    assert summary["count"] == [4, 3]
    assert summary["confidence"] == pytest.approx([65, 90])
    assert summary["accuracy"] == pytest.approx([75, 100])


def values_of(*means: float, error: float = 1.0, seeds: int = 1) -> list[dict]:
    return [{"mean": mean, "error": error, "each": [mean] * seeds} for mean in means]


def test_more_than_chance_is_told_from_chance():
    assert results.beyond_chance(values_of(40, 42.6)) is False  # (2.6)² / 2 = 3.4 against 3.8
    assert results.beyond_chance(values_of(40, 42.9)) is True  # 4.2
    assert results.beyond_chance(values_of(40, 42.6, seeds=4)) is True  # the mean of four has half the error
    assert results.beyond_chance(values_of(40, 44, error=None)) is None
    assert results.beyond_chance(values_of(40)) is None


def test_a_difference_to_the_baseline_needs_more_among_many():
    base, other = values_of(40, 43)
    assert results.differs(other, base, 1) is True  # 3 / √2 = 2.1 errors, of 1.96
    assert results.differs(other, base, 10) is False  # of 2.8
    assert results.differs(other, values_of(40, error=None)[0], 1) is None
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(2000):
        base, *others = values_of(*rng.normal(40, 1, 11))
        found += any(results.differs(one, base, 10) for one in others)
    assert 0.02 < found / 2000 < 0.05


def test_how_often_equal_networks_are_told_apart():
    rng = np.random.default_rng(0)
    significant = [results.beyond_chance(values_of(*rng.normal(40, 1, 11))) for _ in range(4000)]
    assert np.mean(significant) == pytest.approx(0.05, abs=0.01)


def test_the_centre_is_said_only_where_all_cards_agree():
    def card(v2: float) -> ModelCard:
        return made(localisation={"centre": {"max_box_acc_v2_percent": v2, "top1_localisation_percent": 40}})

    assert results.centre([card(68), card(68)]) == {"max_box_acc_v2": 68, "max_box_acc_v2_last": 68}
    assert results.centre([card(68), card(69)]) == {}


# ---- the zoo


def test_the_view_shows_the_numbers_of_the_table():
    value = compare.compare(first_request())
    head, _, *lines = (
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in zoo_tables.table().partition("\n\n")[2].splitlines()
    )
    for row, cells in zip(value["rows"], lines, strict=False):
        data = dict(zip(head, cells, strict=False))
        assert data["strategy"] == row["title"]
        for key, summary in row["values"].items():
            assert data[METRICS[key].heading].split()[0] == f"{summary['mean']:.2f}"
    assert (
        value["centre"]["max_box_acc_v2"]
        == zoo.card("cutmix").metrics["localisation"]["centre"]["max_box_acc_v2_percent"]
    )
    assert {name for row in value["rows"] for name in row["networks"]} == set(zoo.trained()) == set(value["cards"])
    assert [row["name"] for row in value["rows"]] == [row["networks"][0] for row in value["rows"]]
    json.dumps(value, allow_nan=False)


def test_what_the_view_begins_with_is_what_the_cards_say():
    summary = {one["key"]: one for one in compare.compare(first_request())["findings"]}[ERROR]
    measured = {
        zoo.title(name): statistics.fmean(METRICS[ERROR].of(one.metrics) for one in zoo.card(name).measurements)
        for name in zoo.trained()
    }
    assert (summary["low"], summary["high"]) == (min(measured.values()), max(measured.values()))
    assert summary["base"] == "Baseline"
    assert summary["differs"].keys() == measured.keys() - {"Baseline"}


def test_differences_from_the_baseline_are_paired_by_seed():
    def seeds(errors: list[float]) -> list[dict]:
        metrics = [{"images": 400, "accuracy": {"top1_error_percent": error}} for error in errors]
        return [{"seed": seed, "holdout": "", "metrics": one} for seed, one in enumerate(metrics, 1)]

    about = {
        "baseline": made("baseline", error=30).changed(seeds=seeds([40, 50])),
        "cutmix": made("cutmix", error=28).changed(seeds=seeds([38.1, 47.9])),
        "mixup": made("mixup", error=33).changed(seeds=seeds([38, 50, 12])),
        "cutout": made("cutout", error=29),
    }
    rows = results.rows(about, {})
    found = compare._finding(ERROR, rows, {}, about)
    titles = [row["title"] for row in rows]
    assert list(found["paired"]) == titles[1:3]
    mixed, other = (found["paired"][title] for title in titles[1:3])
    assert (mixed["difference"], mixed["seeds"], mixed["verdict"]) == (pytest.approx(-2), 3, "better")
    assert (other["difference"], other["verdict"]) == (pytest.approx(1 / 3), "same")
    assert other["low"] < 0 < other["high"] < other["visible"]
    assert [found["differs"][title] for title in titles[1:3]] == [True, False]
    assert found["differs"][titles[3]] is False  # one seed, compared as before
    longer = {**about, "cutmix": about["cutmix"].changed(run={"seed": 0, "epochs": 99})}
    apart = compare._finding(ERROR, results.rows(longer, {}), {}, longer)
    assert not any("CutMix" in title for title in apart["differs"])  # another training is not compared


def test_the_band_of_a_curve_is_the_baselines_standard_error():
    value = compare.compare(first_request())
    (base,) = (row for row in value["rows"] if row["method"] == "baseline")
    n = zoo.card("baseline").metrics["images"]
    for name in ("hole", "border_hole", "boundary", "box_acc"):
        share = np.array(base["curves"][name]["y"]) / 100
        assert value["bands"][name] == pytest.approx((100 * np.sqrt(share * (1 - share) / n)).tolist())


@pytest.mark.parametrize("name", zoo.trained())
def test_the_line_on_a_card_starts_the_very_run(name, monkeypatch, tmp_path):
    runs, card = [], zoo.card(name)
    result = {key: {"top1": 0.0} for key in ("last", "best", "median_of_last_10")}
    monkeypatch.setattr("mixviz.training.trainer.train", lambda run, *_, **__: runs.append(run) or result)
    python, m, mixviz, *words = shlex.split(card_text.command(card))
    assert (python, m, mixviz) == ("python", "-m", "mixviz")
    asked = CliRunner().invoke(__main__.app, [*words, "--out", str(tmp_path)])
    assert asked.exit_code == 0, asked.output
    assert runs == [Run(**{**card.run, "root": "data"})]


def test_published_changes_are_those_of_the_file():
    with open(zoo.folder() / "published.csv", newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["metric"].startswith("top1_")]
    wanted = {}
    for line in lines:
        worse = -1 if line["metric"] == "top1_accuracy" else 1
        place = line["dataset"], line["network"], int(line["epochs"])
        base = next(
            x for x in lines if x["method"] == "baseline" and (x["dataset"], x["network"], int(x["epochs"])) == place
        )
        if line is not base:
            change = round(worse * (float(line["value"]) - float(base["value"])), 2)
            wanted[*place, line["method"]] = change, line["source"] == base["source"]
    summary = {
        (one["dataset"], one["network"], one["epochs"], point["method"]): (round(point["change"], 2), point["same"])
        for one in published.changes()
        for point in one["methods"]
    }
    assert summary == wanted
    assert summary["imagenet", "resnet50", 300, "saliencymix"] == (
        -2.42,
        False,
    )  # from another paper than its baseline


# ---- predictions between two pictures


START = first_request()
BOTH = ("Egyptian cat", "Yorkshire terrier")


def followed(a: str, b: str, *classes: str) -> list[tuple[str, str]]:
    answer = transition.transition(Request(a, b, classes=classes or ("", "")))
    return list(zip(answer["classes"], answer["how"], strict=True))


def test_a_known_photograph_has_its_class():
    known = [(pictures.photograph_path(name), one["class"]) for name, one in pictures.photographs().items()
             if "class" in one]  # fmt: skip
    for (path, name), (other_path, other) in itertools.pairwise(known):
        if not class_names.same(name, other):
            answer = followed(path, other_path)
            assert [how for _, how in answer] == ["known", "known"]
            assert class_names.same(answer[0][0], name)
            assert class_names.same(answer[1][0], other)


def test_the_opening_pair_is_known_to_every_network_of_its_classes():
    answer = transition.transition(START)
    assert all(class_names.same(*names) for names in zip(answer["classes"], BOTH, strict=True))
    able = [one["name"] for one in answer["networks"]]
    assert set(zoo.trained()) <= set(able)
    assert (able, answer["count"]) == (list(networks.known_networks()), len(zoo.names()))


def test_the_steps_load_no_weights():
    networks.in_memory.clear()
    transition.transition(START)
    compare.compare(START)
    assert not networks.in_memory


def test_a_network_that_lacks_a_class_is_not_asked():
    request = replace(START, classes=("toilet tissue", "Yorkshire terrier"))  # ImageNet's
    lacking = next(name for name in zoo.trained() if not networks.known_networks()[name].knows("toilet tissue"))
    assert [one["name"] for one in transition.transition(request)["networks"]] == [zoo.REFERENCE]
    with pytest.raises(UserError, match="toilet tissue"):
        transition.curve(replace(request, only=(lacking,)))
    with pytest.raises(UserError, match="nobody"):
        transition.curve(replace(request, only=("nobody",)))


def test_what_nobody_knows_is_what_the_first_network_says():
    path, (name, *_) = pictures.photograph_path("rocket.jpg"), zoo.trained()
    ranking = by_hand(name, [viewed(path, name)])[0].argsort(descending=True)
    names = zoo.card(name).data.classes
    answer = transition.transition(Request(path, START.b))
    guess = next(names[i] for i in ranking if not class_names.same(names[i], "Yorkshire terrier"))
    assert (answer["classes"][0], answer["how"], answer["by"]) == (guess, ["guess", "known"], [name, ""])
    twice = transition.transition(Request(path, path))
    assert (twice["classes"], twice["how"]) == ([names[i] for i in ranking[:2]], ["guess", "guess"])


def test_two_pictures_have_two_classes():
    (first, how), (second, other_how) = followed(START.a, START.a)
    assert (how, other_how) == ("known", "guess")
    assert not class_names.same(first, second)
    assert followed(START.a, START.a, "", "EGYPTIAN CAT")[1] == (first, "named")
    assert followed(START.a, START.a, "", "EGYPTIAN CAT")[0][1] == "guess"


def test_what_is_followed_can_be_named():
    cat, dog = followed(START.a, START.b, "*", "")
    assert (cat[1], dog[1]) == ("known", "known")
    assert followed(START.a, START.b, "", "SAMOYED") == [cat, (networks_spell("Samoyed"), "named")]
    assert followed(START.a, START.b, "Egyptian Mau", "") == [(cat[0], "named"), dog]
    with pytest.raises(UserError, match="unicorn"):
        followed(START.a, START.b, "unicorn", "")


def networks_spell(name: str) -> str:
    return next(one for one in networks.classes() if class_names.same(one, name))


def test_the_cards_are_sent_once():
    assert compare.compare(replace(first_request(), still=False)) == {}


def viewed(path: str, name: str) -> torch.Tensor:
    """Load a network's view of a picture (3, side, side) uint8."""
    return torch.from_numpy(pictures.load_view(path, zoo.card(name).network.view)).permute(2, 0, 1)


def by_hand(name: str, images: list[torch.Tensor]) -> torch.Tensor:
    """Compute a network's probabilities for images of 0 to 255."""
    data = zoo.card(name).network
    mean, std = (torch.tensor(getattr(data, key)).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.inference_mode():
        return zoo.load(name)((torch.stack(images) / 255 - mean) / std).softmax(1)


@pytest.mark.parametrize("name", [zoo.names()[-1], zoo.trained()[0]])
def test_the_curves_are_what_the_networks_say(name):
    a, b = (viewed(path, name) for path in (START.a, START.b))
    answer, curve = transition.transition(START), transition.curve(replace(START, only=(name,)))
    known, total, last = networks.known_networks()[name], a.shape[-1], transition.STEPS - 1
    places = [known.index(one) for one in BOTH]
    assert curve["name"] == name
    assert answer["lams"] == pytest.approx(np.linspace(0, 1, transition.STEPS))
    asked_at, mixed = (0, 2, 5, last), {"mixup": [], "cutmix": []}
    for at in asked_at:
        lam = at / last
        side = round(total * math.sqrt(1 - lam))
        start, patch = (total - side) // 2, a.clone()
        patch[:, start : start + side, start : start + side] = b[:, start : start + side, start : start + side]
        mixed["cutmix"].append(patch.float())
        mixed["mixup"].append((lam * a.float() + (1 - lam) * b.float()).round())
        assert answer["share"]["mixup"][at] == pytest.approx(lam, abs=1e-4)
        assert answer["share"]["cutmix"][at] == pytest.approx(1 - side**2 / total**2, abs=1e-4)
    for way, slack in (("mixup", 1.0), ("cutmix", 0.05)):
        data = curve["ways"][way]
        for at, wanted in zip(asked_at, by_hand(name, mixed[way]), strict=True):
            said = [data["a"][at], data["b"][at]]
            assert said == pytest.approx([100 * wanted[place].item() for place in places], abs=slack)
            if way == "cutmix":
                assert class_names.same(data["top"][at], known.classes[int(wanted.argmax())])


def test_other_classes_need_no_further_pass(monkeypatch):
    request = replace(START, only=(zoo.trained()[0],))
    before = transition.curve(request)
    monkeypatch.setattr(networks, "probabilities", lambda *_: pytest.fail("asked again"))
    after = transition.curve(replace(request, classes=("Samoyed", "")))
    assert after["ways"]["mixup"]["b"] == before["ways"]["mixup"]["b"]
    assert after["ways"]["mixup"]["a"] != before["ways"]["mixup"]["a"]


def test_networks_are_loaded_once(monkeypatch):
    networks.known_networks()
    monkeypatch.setattr(networks.inference, "open_networks", lambda *_: pytest.fail("loaded again"))
    assert networks.known_networks() is networks.known_networks()


# ---- in a browser


EVERYTHING = "?view=compare&part=table,plots,between,about"


@pytest.fixture
def room(open_tab):
    tab = open_tab(EVERYTHING, "compare")
    tab.page.wait_for_selector("[data-part=between][data-answered]")
    return tab


def names_of(tab) -> list[str]:
    return tab.page.locator(".mv-standings tbody [data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)")


def taken(tab, place: str, kind: str) -> bytes:
    with tab.page.expect_download() as waiting:
        tab.page.locator(f"{place} [data-take={kind}]").click()
    assert waiting.value.suggested_filename.endswith(f".{kind}")
    with open(waiting.value.path(), "rb") as file:
        return file.read()


def lines_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def dots(tab, measure: str):
    return tab.page.locator(f"[data-measure={measure}]")


@pytest.mark.browser
@pytest.mark.slow
def test_it_begins_with_what_differs_and_shows_it(open_tab):
    tab = open_tab("?view=compare", "compare")
    said = tab.page.locator(".mv-lead").inner_text()
    beyond, _, within = said.partition("Not beyond chance: ")
    assert beyond.startswith("Beyond chance: ")
    for finding in compare.compare(first_request())["findings"]:
        name = texts()["en"][f"compare.in.{finding['key']}"]
        assert name in (beyond if finding["beyond"] else within)
        drawn = dots(tab, finding["key"]).locator("[data-differs]")
        assert drawn.evaluate_all("all => all.map(one => [one.dataset.strategy, one.dataset.differs])") == [
            [title, str(finding["differs"].get(title, False)).lower()] for title in tab_rows()
        ]
    assert tab.page.locator(".mv-standings").count() == 0  # the rest is built when it is opened
    tab.page.get_by_text("The table", exact=True).click()
    tab.page.locator(".mv-standings").wait_for()
    tab.page.wait_for_function("new URLSearchParams(location.search).get('part') === 'table'")


def tab_rows() -> list[str]:
    return [row["title"] for row in compare.compare(first_request())["rows"]]


@pytest.mark.browser
@pytest.mark.slow
def test_the_four_measures_share_their_order_and_can_be_read_by_keyboard(open_tab):
    tab = open_tab("?view=compare", "compare")
    tab.page.locator("#mv-dot-order").select_option("hole_50")
    rows = {row["title"]: row["values"]["hole_50"] for row in compare.compare(first_request())["rows"]}
    best_first = sorted(rows, key=lambda title: -rows[title]["mean"])
    for place in (".mv-dot-names", *(f"[data-measure={key}]" for key in compare.TOLD)):
        shown = tab.page.locator(f"{place} [data-strategy]").evaluate_all("all => all.map(one => one.dataset.strategy)")
        assert shown == best_first
    dots(tab, "ece").locator("svg").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        tab.page.keyboard.press(key)
    tip = dots(tab, "hole_50").locator(".mv-tip")
    best = rows[best_first[0]]
    assert tip.inner_text().startswith(f"{best_first[0]}: {best['mean']:.1f} ± {best['error']:.1f}")
    tab.page.keyboard.press("Enter")
    assert tab.page.locator("[data-part=card] h3").inner_text() == best_first[0]
    tab.page.keyboard.press("Escape")
    assert dots(tab, "hole_50").locator("svg").evaluate("svg => document.activeElement === svg")


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "size"), [(1280, 14), (390, 16)])
def test_drawings_have_readable_text_at_every_width(open_tab, width, size):
    tab = open_tab(EVERYTHING, "compare", width=width)
    tab.page.wait_for_selector("[data-part=between][data-answered]")
    sizes = """all => all.map(one => parseFloat(getComputedStyle(one).fontSize)
        * one.ownerSVGElement.getBoundingClientRect().width / one.ownerSVGElement.getAttribute("width"))"""
    shown = tab.page.locator(":is(.mv-dot-area, .mv-plot-area) svg text").evaluate_all(sizes)
    assert len(shown) > 100
    assert min(shown) >= size - 0.01


@pytest.mark.browser
@pytest.mark.slow
def test_curves_that_overlap_are_differences_to_the_baseline_until_absolute_values_are_asked_for(room):
    plot = room.page.locator("[data-plot=robustness-fgsm]")
    rows = {row["title"]: row["curves"]["fgsm"]["y"] for row in compare.compare(first_request())["rows"]}

    def of_cutmix() -> list[float]:
        _, *lines = lines_of(taken(room, "[data-plot=robustness-fgsm]", "csv"))
        return [float(cells[2]) for cells in lines if cells[0] == "CutMix"]

    assert plot.locator(".mv-band").count() == 1
    assert of_cutmix() == pytest.approx([y - base for y, base in zip(rows["CutMix"], rows["Baseline"], strict=True)])
    plot.get_by_role("button", name="absolute values").click()
    assert plot.locator(".mv-band").count() == 0
    assert of_cutmix() == pytest.approx(rows["CutMix"])


@pytest.mark.browser
@pytest.mark.slow
def test_the_table_sorts_by_each_column(room):
    value = compare.compare(first_request())
    assert names_of(room) == [row["title"] for row in value["rows"]]
    for column in value["columns"]:
        if not column["short"]:
            continue
        mean = {row["title"]: row["values"][column["key"]]["mean"] for row in value["rows"]}
        button = room.page.locator(f"[data-sort='{column['key']}']")
        for best in (True, False):
            button.click()
            summary = [mean[name] for name in names_of(room)]
            up = column["lower"] == best
            assert summary == sorted(summary, reverse=not up), column
            answer = room.page.locator(f"th:has([data-sort='{column['key']}'])").get_attribute("aria-sort")
            assert answer == ("ascending" if up else "descending")
    assert room.page.locator("th[aria-sort]").count() == 1


@pytest.mark.browser
@pytest.mark.slow
def test_all_columns_can_be_shown_and_the_file_has_them_anyway(room):
    value = compare.compare(first_request())
    room.page.get_by_role("group", name="Columns").get_by_role("button", name="all", exact=True).click()
    several = any(len(row["seeds"]) > 1 for row in value["rows"])  # their number has a column
    assert room.page.locator(".mv-standings thead th").count() == len(value["columns"]) + 1 + several
    head, *rows = lines_of(taken(room, "[data-part=table]", "csv"))
    assert [title for title in head[3:] if "±" not in title] == [column["title"] for column in value["columns"]]
    for row, cells in zip(value["rows"], rows, strict=False):
        answer = dict(zip(head, cells, strict=True))
        assert answer["strategy"] == row["title"]
        for key, summary in row["values"].items():
            title = METRICS[key].heading
            assert float(answer[title]) == summary["mean"]
            assert (
                answer[f"{title}: ±"] == ""
                if summary["error"] is None
                else float(answer[f"{title}: ±"]) == summary["error"]
            )
    assert dict(zip(head, rows[-1], strict=True))["MaxBoxAccV2"] == str(value["centre"]["max_box_acc_v2"])


@pytest.mark.browser
@pytest.mark.slow
def test_paired_differences_are_listed_where_there_are_seeds(open_tab, monkeypatch):
    value = json.loads(json.dumps(compare._results()))
    for finding in value["findings"]:
        finding["paired"] = {}
    monkeypatch.setattr(compare, "_results", lambda: value)
    panel = "details[data-open=paired]"
    assert not open_tab("?view=compare&part=paired", "compare").page.locator(panel).is_visible()
    pair = {"difference": -2.04, "low": -3.5, "high": -0.5, "visible": 1.9, "seeds": 5, "verdict": "better"}
    other = {**pair, "low": -4.5, "high": 0.5, "visible": 3.1, "verdict": "same"}
    value["findings"][0]["paired"] = {"CutMix": pair, "Mixup": other}
    items = open_tab("?view=compare&part=paired", "compare").page.locator(f"{panel} li")
    assert items.all_inner_texts() == [
        "Mixup: −2.0 (−4.5 to +0.5), not told apart with 5 seeds; smallest visible difference 3.1.",
        "CutMix: −2.0 (−3.5 to −0.5), better with 5 seeds.",
    ]


@pytest.mark.browser
@pytest.mark.slow
def test_a_file_holds_no_formulas(open_tab, monkeypatch):
    value = json.loads(json.dumps(compare._results()))
    value["rows"][0] |= {"title": '=HYPERLINK("x")', "name": ""}
    monkeypatch.setattr(compare, "_results", lambda: value)
    tab = open_tab(EVERYTHING, "compare")
    for place in ("[data-part=table]", "[data-plot=scatter]"):
        assert '\'=HYPERLINK("x")' in [cells[0] for cells in lines_of(taken(tab, place, "csv"))]


@pytest.mark.browser
@pytest.mark.slow
def test_a_name_opens_the_card_and_gives_the_focus_back(room):
    button, card = room.page.locator("[data-row='CutMix'] button"), room.page.locator("[data-part=card]")
    assert not card.is_visible()
    button.press("Enter")
    assert room.page.evaluate("document.activeElement.textContent") == "CutMix"
    answer, about = card.inner_text(), zoo.card("cutmix")
    for word in (about.made["commit"], about.made["date"], about.data.terms, card_text.command(about)):
        assert word in answer
    assert f"{about['metrics']['accuracy']['top1_error_percent']:.1f}" in answer
    room.page.keyboard.press("Escape")
    assert not card.is_visible()
    assert room.page.evaluate("document.activeElement.closest('tr').dataset.row") == "CutMix"


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("door", "view", "key"), [("localize", "localize", "first"), ("embeddings", "embeddings", "network")]
)
def test_a_card_leads_to_the_network_elsewhere(room, door, view, key):
    room.page.locator("[data-row='Mixup'] button").click()
    room.page.locator(f"[data-door={door}]").click()
    room.page.wait_for_function(f"mixviz.state.view === '{view}'")
    assert room.state()[key] == "mixup"
    room.page.wait_for_function("document.querySelector('#mv-main').getBoundingClientRect().top >= 0")  # from its top


@pytest.mark.browser
@pytest.mark.slow
def test_moving_lambda_sends_no_cards_again(room):
    sizes = []
    room.page.on("response", lambda response: "component_server" in response.url and sizes.append(len(response.body())))
    shown = room.page.locator("[data-row='CutMix']").element_handle()
    room.after(lambda: room.page.evaluate("mixviz.set({ lam: 0.3 })"))
    room.page.wait_for_function("location.search.includes('lam=0.3')")
    assert sizes
    assert max(sizes) < 2000
    assert shown.is_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_a_class_named_in_one_view_is_followed_in_the_other(room):
    part, field = room.page.locator("[data-part=between]"), room.page.locator("#mv-between-class-1")
    assert field.input_value() == "Yorkshire terrier"
    field.fill("samoyed")
    field.press("Enter")
    room.page.wait_for_function("document.querySelector('[data-part=between]').dataset.pair.includes('amoyed')")
    assert room.state()["classes"] == ["", networks_spell("Samoyed")]
    assert f"B: “{networks_spell('Samoyed')}”, as chosen." in part.inner_text()
    field.fill("unicorn")
    field.press("Enter")
    part.get_by_text("unicorn").wait_for()
    field.fill("")
    field.press("Enter")
    part.get_by_text("B: “Yorkshire terrier”, the photograph’s class").wait_for()


@pytest.mark.browser
@pytest.mark.slow
def test_six_networks_answer_and_others_on_request(room):
    series = room.page.locator("[data-plot=between-a] [data-series]")
    boxes = room.page.locator(".mv-between-networks input")
    able = [one["name"] for one in transition.transition(START)["networks"]]
    assert series.count() == boxes.and_(room.page.locator(":checked")).count() + 1 == 7
    assert boxes.evaluate_all("all => all.map(one => one.name)") == able
    other = next(name for name in able if not room.page.locator(f".mv-between-networks [name={name}]").is_checked())
    room.page.locator(f".mv-between-networks [name={other}]").check()
    room.page.locator(f".mv-chances [data-network={other}]").wait_for()
    assert series.count() == 8
    room.page.locator(f".mv-between-networks [name={zoo.REFERENCE}]").uncheck()
    assert series.count() == 7
    assert room.page.locator(f".mv-chances [data-network={zoo.REFERENCE}]").count() == 0
    room.page.wait_for_function("name => new URLSearchParams(location.search).get('curves').includes(name)", arg=other)


@pytest.mark.browser
@pytest.mark.slow
def test_networks_of_one_method_stand_side_by_side(room):
    marks = room.page.locator("[data-plot=published] [data-series=here] .mv-mark")
    boxes = [mark.bounding_box() for mark in marks.all()]
    middles = sorted(box["x"] + box["width"] / 2 for box in boxes)
    assert min(b - a for a, b in itertools.pairwise(middles)) > 3


@pytest.mark.browser
@pytest.mark.slow
def test_a_point_tells_its_numbers_and_opens_its_card(room):
    plot, error = (
        room.page.locator("[data-plot=scatter]"),
        mean_of("mixup", ERROR),
    )
    drawing = plot.locator("svg[role=application]")
    drawing.scroll_into_view_if_needed()
    mark = plot.locator("[data-series=Mixup] .mv-mark").bounding_box()
    room.page.mouse.move(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    tip = plot.locator(".mv-tip").inner_text()
    assert tip.startswith("Mixup: ")
    assert f"{error:.1f}".removesuffix(".0") in tip
    room.page.mouse.down()
    room.page.mouse.up()
    assert room.page.locator("[data-part=card] h3").inner_text() == "Mixup"
    room.page.get_by_role("button", name="Close", exact=True).click()
    drawing.focus()
    for _ in range(2):
        room.page.keyboard.press("ArrowRight")
    assert plot.locator(".mv-tip").inner_text() == tip  # the second network
    room.page.keyboard.press("Enter")
    assert room.page.locator("[data-part=card] h3").inner_text() == "Mixup"
    assert plot.locator("[data-series] .mv-error").count() == 2 * len(zoo.trained())


@pytest.mark.browser
@pytest.mark.slow
def test_axes_can_be_chosen_and_the_centre_stands_where_it_belongs(room):
    plot = room.page.locator("[data-plot=scatter]")
    assert "centre, without a network" in plot.locator("svg[role=application]").inner_html()
    room.page.locator("[data-plot=scatter] [data-axis=y]").select_option("ece")
    assert "centre, without a network" not in plot.locator("svg[role=application]").inner_html()
    head, *rows = lines_of(taken(room, "[data-plot=scatter]", "csv"))
    assert len(rows) == len(zoo.trained())
    shown = sorted(float(cells[head.index("Calibration error (ECE), %")]) for cells in rows)
    assert shown == pytest.approx(sorted(mean_of(name, "ece") for name in zoo.trained()))


@pytest.mark.browser
@pytest.mark.slow
def test_plots_can_be_taken_away(room):
    for plot in room.page.locator("[data-plot]").evaluate_all("plots => plots.map(plot => plot.dataset.plot)"):
        place = f"[data-plot='{plot}']"
        root = ElementTree.fromstring(taken(room, place, "svg"))
        words = " ".join(root.itertext())
        assert room.page.locator(f"{place} h3").inner_text() in words
        assert "var(" not in ElementTree.tostring(root, encoding="unicode")
        if plot == "reliability":
            assert f"Baseline: ECE {mean_of('baseline', 'ece'):.1f}" in words
    picture = Image.open(io.BytesIO(taken(room, "[data-plot=reliability]", "png")))
    width = room.page.locator("[data-plot=reliability] svg[role=application]").get_attribute("width")
    assert picture.width == 2 * int(width)
    _, *rows = lines_of(taken(room, "[data-plot=reliability]", "csv"))
    answers = [one.metrics["calibration"] for one in zoo.card("cutmix").measurements]
    expected = []
    of_seeds = [zip(one["count"], one["confidence"], one["accuracy"], strict=True) for one in answers]
    for bins in zip(*of_seeds, strict=True):
        filled = [one for one in bins if one[0]]  # of all seeds, each picture counts alike
        total = sum(count for count, *_ in filled)
        expected += [[100 * sum(one[0] * one[i] for one in filled) / total for i in (1, 2)]] if total else []
    summary = [list(map(float, cells[1:])) for cells in rows if cells[0].startswith("CutMix, ")]
    assert summary == [pytest.approx(point) for point in expected]
    assert len(set(picture.convert("RGB").resize((60, 60), Image.Resampling.NEAREST).getdata())) > 5


@pytest.mark.browser
@pytest.mark.slow
def test_a_network_is_hidden_in_all_plots(room):
    room.page.locator("[data-plot=scatter] [data-key=Mixup]").click()
    for plot in ("scatter", "reliability", "robustness-fgsm", "localisation-box_acc", "training-top1"):
        assert room.page.locator(f"[data-plot={plot}] [data-series=Mixup]").count() == 0
        assert room.page.locator(f"[data-plot={plot}] [data-series=CutMix]").count() == 1
        assert room.page.locator(f"[data-plot={plot}] [data-key=Mixup]").get_attribute("aria-pressed") == "false"


@pytest.mark.browser
@pytest.mark.slow
def test_published_marks_say_where_they_are_from(room):
    head, *rows = lines_of(taken(room, "[data-plot=published]", "csv"))
    assert head[-1] == "±"
    answer = next(cells for cells in rows if "imagenet, resnet50" in cells[0] and "SaliencyMix abstract" in cells[0])
    assert "21.26 %" in answer[0]
    assert "23.68 % (CutMix README)" in answer[0]
    assert (answer[1], answer[2], answer[3]) == ("SaliencyMix", "-2.42", "")
    here = next(cells for cells in rows if cells[0] == "this page’s networks, CutMix")
    errors = [each_of(name, ERROR) for name in ("cutmix", "baseline")]
    assert float(here[2]) == pytest.approx(statistics.fmean(errors[0]) - statistics.fmean(errors[1]))
    assert float(here[3]) == pytest.approx(math.hypot(*map(statistics.stdev, errors)))


@pytest.mark.browser
@pytest.mark.slow
def test_the_slider_asks_nobody(room):
    answer, seen = transition.transition(START), []
    shown = room.page.locator(".mv-between-networks :checked").evaluate_all("all => all.map(one => one.name)")
    curves = {name: transition.curve(replace(START, only=(name,)))["ways"] for name in shown}
    a, b = answer["classes"]
    room.page.on("request", lambda request: request.url.startswith("blob:") or seen.append(request.url))
    slider = room.page.locator("#mv-step")
    for way in ("mixup", "cutmix"):
        room.page.locator(f"[data-way={way}]").click()
        for at in (0, 4, transition.STEPS - 1):
            slider.fill(str(at))
            assert room.page.locator("[for=mv-step] b").inner_text() == f"{answer['lams'][at]:.2f}"
            listed = room.page.locator(".mv-chances li")
            names = listed.evaluate_all("all => all.map(one => one.dataset.network)")
            shares = [curves[name][way]["a"][at] for name in names]
            assert sorted(names) == sorted(shown)
            assert shares == sorted(shares, reverse=True)
            assert f"A {shares[0]:.1f}" in listed.first.inner_text()
            says = [ways[way]["top"][at] for ways in curves.values()]
            assert (
                f"{says.count(a)} say “{a}”, {says.count(b)} say “{b}”" in room.page.locator(".mv-counted").inner_text()
            )
    marks = [room.page.locator(f"[data-plot=between-{x}] .mv-at").get_attribute("x1") for x in "ab"]
    assert float(marks[0]) > 300
    assert marks[0] == marks[1]
    assert room.page.locator("[data-plot=between-a] [data-series]").count() == len(shown) + 1
    assert not seen


@pytest.mark.browser
@pytest.mark.slow
def test_another_pair_is_asked_about_anew(room):
    before = room.page.get_attribute("[data-part=between]", "data-pair")
    room.after(lambda: room.pair("Pair: duck and bison"))
    room.page.wait_for_function(
        "before => document.querySelector('[data-part=between]').dataset.pair !== before", arg=before
    )
    assert "B: “bison”, the photograph’s class" in room.page.locator("[data-part=between]").inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_the_room_speaks_korean(open_tab):
    tab = open_tab(EVERYTHING, "compare", locale="ko-KR")
    tab.page.wait_for_selector("[data-part=between][data-answered]")
    answer = tab.page.locator("#mv-compare").inner_text()
    assert "compare." not in answer
    assert "이집트고양이" in answer
    for english in ("Baseline:", "The table", "Trained with", "better", "probability", "networks"):
        assert english not in answer.replace("Baseline: ECE", "")

"""The view of stored searches: what it tells of the files, pictures of a policy, the judge's sentence, and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from mixviz.core.policy import Policy
from mixviz.i18n import texts

pytest.importorskip("gradio")

from mixviz.search import verdict as judged
from mixviz.ui import handlers
from mixviz.ui.services import detector_options, search_presenter, searches, verdicts
from mixviz.ui.services.presenters import SIDE, SMALL
from mixviz.ui.services.tiling import sheet, smaller
from mixviz.ui.state import beginning
from mixviz.ui.views import search as view

pictured = handlers.of_view(view.pictured)
FLIP = {"method": "horizontal_flip", "probability": 1.0, "options": {"probability": 1.0}}
HALF = {"method": "rotation", "probability": 0.5, "options": {"degrees": 20.0}}
BLEND = {"method": "mixup", "probability": 1.0, "options": {}}
POLICIES = [[[]], [[FLIP]], [[HALF, BLEND], [HALF]], [[FLIP]]]


def stage(sequences, until=1.0) -> dict:
    return {"until": until, "policies": [{"odds": 1 + 2 * i, "steps": one} for i, one in enumerate(sequences)]}


def row(number: int, sequences, value, state="complete", **more) -> dict:
    stages = [stage(sequences)]
    policy = Policy.parse({"format": "mixviz policy", "version": 1, "stages": stages})
    epochs = {"1": 20.0, "2": value if value is not None else 15.0} if state != "fail" else {}
    return {
        "number": number, "state": state, "value": value, "seconds": 10.0 * number, "epochs": epochs, "parent": None,
        "words": policy.in_words(), "stages": stages, **more,
    }  # fmt: skip


def difference(mean, low, high, over, **more) -> dict:
    return {"mean": mean, "low": low, "high": high, "visible": 3.0, "count": 5, "over": over, **more}


def compared(name, seeds, pictures, **more) -> dict:
    kinds = {"seeds": difference(*seeds, "seeds"), "pictures": difference(*pictures, "pictures")}
    return {
        "ours": name, "base": "none", **kinds, "alike": False, "wins": False, "loses": False, "visible": 3.0, **more,
    }  # fmt: skip


def verdict(*against, sentence="No policy beat none.", remarks=("policy: …",)) -> dict:
    standings = [
        {"name": name, "accuracies": [50.0, 51.0, 52.0], "seconds": [1.0] * 3, "mean": 51.0, "spread": 1.0}
        for name in ("none", *(one["ours"] for one in against))
    ]
    return {
        "sentence": sentence, "remarks": list(remarks), "standings": standings, "against_none": list(against),
        "seeds": 3, "pictures": {"classes": 2, "train": 40, "val": 20}, "command": "mixviz judge …", "made": None,
    }  # fmt: skip


CHANCE = compared("policy", (0.5, -1.0, 2.0), (0.5, -0.5, 1.5))


def write(folder, found=None, **files):
    folder.mkdir(parents=True)
    rows = [row(i, one, 40.0 + i) for i, one in enumerate(POLICIES[:3], 1)]
    rows += [row(4, POLICIES[3], None, "pruned"), row(5, POLICIES[3], None, "fail")]
    run = {"network": "test_resnet", "epochs": 10, "image_size": 16, "batch_size": 8, "lr": 0.1, "data": "folder"}
    source = {"none": 41.0, "best": 43.0, "run": run, "pictures": {"classes": 2, "train": 40, "val": 10}}
    contents = {
        "trials": {"strategy": "random", "score": "validation accuracy", "minimize": False, "trials": rows},
        "policy": {"format": "mixviz policy", "version": 1, "stages": found or [stage(POLICIES[2])], "source": source},
        "verdict": verdict(CHANCE),
        "card": {"title": "Two classes", "data": "Noise"},
        **files,
    }
    for name, values in contents.items():
        if values is not None:
            (folder / f"{name}.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    found = write(tmp_path / "mine")
    monkeypatch.setenv(searches.VARIABLE, str(tmp_path))
    return found


def state(**changes) -> dict:
    return {**beginning()["state"], "view": "search", **changes}


def look(**changes) -> dict:
    return next(one for one in handlers.look(state(**changes))["searches"] if one["name"] == "mine")


# ---------------------------------------------------------------- files


def test_it_tells_of_the_trials_in_order(folder):
    found = look()
    assert [one["at"] for one in found["trials"]] == [10, 30, 60, 100, 150]
    assert [one["nothing"] for one in found["trials"]] == [True, False, False, False, False]
    assert [one["value"] for one in found["trials"]] == [41, 42, 43, None, None]
    assert [one["last"] for one in found["trials"]] == [41, 42, 43, 15, None]
    assert (found["best"], found["none"]) == (43, 41)
    assert found["verdict"]["sentence"] == "No policy beat none."
    assert [one["name"] for one in found["verdict"]["rows"]] == ["none", "policy"]
    assert found["verdict"]["rows"][1]["against"]["pictures"] == {"mean": 0.5, "low": -0.5, "high": 1.5, "count": 5}
    assert "searches" not in handlers.look(state(still=False))


def test_a_policy_is_told_as_the_library_tells_it(folder):
    for language in ("en", "ko"):
        for one, told in zip(look(language=language)["trials"][1:3], json_rows(folder)[1:3], strict=True):
            library = [line.rpartition(" %: ")[2] for line in told["words"]]
            ours = [text.replace("\u00a0", " ") for text in one["words"]]
            assert (ours == library) == (language == "en")
    shares = [one["share"] for one in look()["stages"][0]["sequences"]]
    assert shares == [0.25, 0.75]


def json_rows(folder) -> list[dict]:
    return json.loads((folder / "trials.json").read_text())["trials"]


def test_the_schedule_says_how_often_a_method_is_used(tmp_path, monkeypatch):
    twice = {**HALF, "options": {"degrees": 10.0}}
    write(tmp_path / "mine", found=[stage([[HALF, twice], [FLIP]], 0.3), stage([[BLEND]])])
    monkeypatch.setenv(searches.VARIABLE, str(tmp_path / "mine"))
    first, second = look()["stages"]
    assert (first["until"], second["until"]) == (0.3, 1.0)
    assert first["uses"]["Rotation"]["share"] == pytest.approx(0.25 * (1 - 0.5 * 0.5))
    assert first["uses"]["Rotation"]["options"] == ["degrees=20.0", "degrees=10.0"]
    assert second["uses"]["Mixup"]["share"] == 1


def test_a_folder_without_a_search_is_refused_before_the_page_starts(tmp_path, monkeypatch):
    monkeypatch.setenv(searches.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"holds no search.*mixviz search"):
        searches.check()
    monkeypatch.setenv(searches.VARIABLE, str(write(tmp_path / "mine", verdict=None, card=None)))
    searches.check()
    assert look()["verdict"] is None
    (tmp_path / "mine" / "trials.json").write_text("{")
    with pytest.raises(ValueError, match=r"trials\.json is no JSON"):
        searches.check()
    monkeypatch.delenv(searches.VARIABLE)
    searches.check()


def test_a_verdict_may_lie_where_the_search_has_written_it(folder):
    (folder / "judged").mkdir()
    (folder / "verdict.json").rename(folder / "judged" / "verdict.json")
    assert look()["verdict"]["sentence"] == "No policy beat none."


# ---------------------------------------------------------------- pictures


def test_pictures_are_those_of_the_policy_on_a_and_b(folder, monkeypatch):
    sent = []
    monkeypatch.setattr(view, "sheet", lambda tiles, columns: sent.append(tiles) or sheet(tiles, columns))
    a, b = (beginning()["state"][key] for key in "ab")
    plain = [smaller(image, SMALL) for image in detector_options.pair(a, b, SIDE)]
    answer = pictured(state(search="mine", trial=1))
    assert answer["labels"] == [[1, 0], [0, 1]] * 8
    assert all((tile == plain[i % 2]).all() for i, tile in enumerate(sent[0]))
    pictured(state(search="mine", trial=2))
    assert all((tile == plain[i % 2].flip(2)).all() for i, tile in enumerate(sent[1]))
    mixed = pictured(state(search="mine", trial=0))
    assert np.allclose(np.sum(mixed["labels"], 1), 1)
    assert any(0 < share < 1 for share, _ in mixed["labels"])
    assert mixed == pictured(state(search="mine", trial=0))
    assert mixed["labels"] != pictured(state(search="mine", trial=0, seed=99))["labels"]


@pytest.mark.parametrize(
    "asked",
    [
        {"search": "mine", "trial": 9}, {"search": "mine", "trial": "1"}, {"search": "mine", "trial": True},
        {"search": "mine"}, {"search": "../mine", "trial": 1}, {"search": ["mine"], "trial": 1}, {"trial": 1},
    ],
)  # fmt: skip
def test_visitors_open_no_files(folder, asked):
    answer = pictured(state(**asked))
    assert "There is no such trial" in answer["message"]
    assert "sheet" not in answer


# ---------------------------------------------------------------- the judge's sentence


@pytest.mark.parametrize(
    ("against", "key"),
    [
        (CHANCE, "chance"),
        (compared("policy", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), alike=True), "alike"),
        (compared("policy", (1.0, None, None), (1.0, -1.0, 2.0)), "untold"),
        (compared("policy", (-2.0, -3.0, -1.0), (-2.0, -3.0, -1.0), loses=True), "worse"),
        (compared("policy", (2.0, 1.0, 3.0), (-2.0, -3.0, -1.0)), "disagree"),
    ],
)
def test_korean_says_what_the_numbers_say(against, key):
    sentence, remarks = verdicts.in_words(verdict(against), "ko")
    none = texts()["ko"]["search.no_interval" if key == "untold" else "search.none_beaten"]
    assert sentence == none.replace("{n}", "3")
    pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(texts()["ko"][f"search.remark.{key}"]))
    assert re.fullmatch(pattern, remarks[0])
    assert (len(remarks) == 2) == (key != "worse")  # a policy that is worse leaves nothing that may have been missed


def test_english_is_the_judges_own_sentence_and_winners_are_named_in_korean():
    win = compared("policy", (3.0, 1.0, 5.0), (3.0, 2.0, 4.0), wins=True)
    won = verdict(win, sentence="policy beat none by 3.0 points.", remarks=[])
    assert verdicts.in_words(won, "en") == ("policy beat none by 3.0 points.", [])
    sentence, remarks = verdicts.in_words(won, "ko")
    assert "policy" in sentence
    assert "3.0" in sentence
    assert "+1.0" in sentence
    assert remarks == []


@pytest.mark.parametrize(("rates", "beaten"), [((0.5, 0.5, 0.4), False), ((0.5, 0.95, 0.1), True)])
def test_what_the_judge_says_can_be_said_in_korean(rates, beaten):
    rng = np.random.default_rng(0)
    hits = {name: rng.random((4, 200)) < rate for name, rate in zip(("none", "mine", "other"), rates, strict=True)}
    found = judged.compare(hits, dict.fromkeys(hits, (1.0,) * 4))
    told = found.to_json()
    assert verdicts.in_words(told, "en") == (found.sentence, found.remarks)
    sentence, remarks = verdicts.in_words(told, "ko")
    assert (sentence == texts()["ko"]["search.none_beaten"]) == (not beaten) == (found.winner == "none")
    assert ("mine" in sentence) == beaten
    assert len(remarks) == len(found.remarks)
    whole = {**told, "seeds": 4, "pictures": {}, "command": "", "made": None}
    assert [one["wins"] for one in search_presenter._verdict(whole, "ko")["rows"]] == [False, beaten, False]


# ---------------------------------------------------------------- the page


@pytest.mark.browser
@pytest.mark.slow
def test_the_sentence_comes_first_and_keys_choose_a_trial(folder, open_tab):
    tab = open_tab("?view=search&search=mine", "search")
    page = tab.page
    assert page.locator("#mv-search h1").inner_text() == "No policy beat none."
    assert page.locator("[data-part=policy] .mv-tile").count() == 16
    plot = page.locator("[data-plot=search-mine] svg[role=application]")
    plot.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-part=policy][data-shown='2']")
    assert page.locator("[data-part=policy] h2").inner_text() == "What trial 2 does"
    assert "Horizontal flip" in page.locator(".mv-policy-words").inner_text()
    page.wait_for_function("location.search.includes('trial=2')")
    page.locator("#mv-trial").select_option("1")
    page.wait_for_selector("[data-part=policy][data-shown='1']")
    assert "no policy" in page.locator(".mv-policy-words").inner_text()
    labels = page.locator("[data-part=policy] .mv-tile").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
    assert "Label: 100 % cat" in labels[0].replace("\u00a0", " ")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


@pytest.mark.browser
@pytest.mark.slow
def test_without_a_search_it_says_how_to_make_one(monkeypatch, open_tab):
    monkeypatch.setattr(searches, "folders", dict)
    tab = open_tab("?view=search", "search")
    assert tab.page.locator("#mv-search h1").inner_text() == texts()["en"]["search.empty"]
    assert "mixviz search" in tab.page.locator("#mv-search pre").inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_it_speaks_korean(folder, open_tab):
    from tests.test_korean import phrases

    tab = open_tab("?view=search&search=mine&trial=3", "search", locale="ko-KR")
    assert tab.page.locator("#mv-search h1").inner_text() == texts()["ko"]["search.none_beaten"]
    assert phrases(tab, "#mv-search") == []


def test_the_bundled_search_is_the_one_that_the_guide_tells_of():
    bundled = {
        name: one for name, one in searches.stored().items() if searches.folders()[name].parent.name == "searches"
    }
    text = (Path(__file__).parent.parent / "docs" / "guides" / "search.md").read_text(encoding="utf-8")
    assert bundled
    for one in bundled.values():
        assert one.card["command"] in text
        assert one.verdict["sentence"] in text
        for standing in one.verdict["standings"]:
            assert f"| {standing['mean']:.1f} |" in text
        for against in one.verdict["against_none"]:
            ends = (
                f"{against[kind][end]:+.1f}".replace("-", "−")
                for kind in ("seeds", "pictures")
                for end in ("low", "high")
            )
            low, high, least, most = ends
            assert f"| {low} to {high} | {least} to {most} |" in text
        assert not any("/" in str(value)[:1] for value in one.card.values())

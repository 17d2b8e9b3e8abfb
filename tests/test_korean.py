"""The page in Korean: every text of methods, detectors and photographs has a translation."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import httpx
import pytest

import mixviz
from mixviz import i18n
from mixviz.data import pictures
from mixviz.networks import class_names, zoo
from mixviz.ops.operations import OPERATIONS
from mixviz.resources import assets
from mixviz.ui import app, handlers
from mixviz.ui.services import detector_options, downloads, presenters
from mixviz.ui.views import detail

HANGUL = re.compile("[가-힣]")
FORMULA = re.compile(r"\$\$.+?\$\$|\$.+?\$", re.S)
CODE = re.compile(r"`[^`]+`")
NUMBER = re.compile(r"\d+\.\d+")
# A method or detector is one file: its translation may come later, and must then be complete.
METHODS = [name for name in mixviz.METHODS if name in i18n.catalogue()["ko"]]
DETECTORS = [name for name in mixviz.SALIENCY if f"detector.{name}" in i18n.texts()["ko"]]
CATALOGUE = {name: {**mixviz.METHODS, **mixviz.SALIENCY}[name] for name in (*METHODS, *DETECTORS)}
PARAMETERS = [(name, key, about) for name, cls in CATALOGUE.items() for key, about in cls.parameters().items()]
PHRASE = re.compile(r"[A-Za-z][\w’'-]*(?:[ ,]+[A-Za-z][\w’'-]*){3,}")  # four consecutive Latin words are a sentence


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_parameter_and_choice_is_told(name):
    for key, about in CATALOGUE[name].parameters().items():
        assert HANGUL.search(i18n.in_language(f"{name}.{key}", "ko", about["text"])), key
        for choice in about["choices"]:
            texts = i18n.in_language(f"{name}.{key}.{choice}", "ko", choice)
            assert texts.startswith(f"{choice}: ")
            assert texts != i18n.in_language(f"{name}.{key}.{choice}", "en", choice) == choice


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_explained_with_the_same_formulas_and_code(name):
    english, korean = (presenters.explanation(name, language) for language in ("en", "ko"))
    assert HANGUL.search(presenters.summary(name, "ko"))
    assert korean.startswith(f"{presenters.summary(name, 'ko')}\n\n")
    for part in (FORMULA, CODE, NUMBER):
        assert Counter(part.findall(korean)) == Counter(part.findall(english)), part
    assert all(HANGUL.search(part) for part in FORMULA.sub("", korean).split("\n\n") if part.strip())


def test_every_method_has_korean_names_of_its_own():
    names = [alias.lower() for cls in mixviz.METHODS.values() for alias in cls.card.aliases]
    assert len(set(names)) == len(names)
    assert all(any(map(HANGUL.search, mixviz.METHODS[name].card.aliases)) for name in METHODS)


def test_every_detector_and_object_has_a_name():
    english, korean = detector_options.titles(), detector_options.titles("ko")
    assert english.keys() == korean.keys()
    for name, title in korean.items():
        if name in mixviz.SALIENCY and name not in DETECTORS:
            continue
        assert HANGUL.search(title)
        assert title != english[name]
    labels = {entry["label"] for entry in pictures.photographs().values()}
    names = {label: pictures.label_in("ko", label) for label in labels}
    assert all(HANGUL.search(name) for name in names.values())
    assert len(set(names.values())) == len(names)  # otherwise names could not be translated back
    for label, name in names.items():
        assert pictures.label_in("en", name) == pictures.label_in("en", label) == label


def test_titles_that_are_plain_words_are_translated():
    plain = [name for name, cls in mixviz.METHODS.items() if cls.card.family in ("colour", "geometry")]
    english = {name for name in plain if presenters.title(name, "ko") == mixviz.METHODS[name].card.title}
    assert english == {"patchshuffle"}  # a method's own name
    assert presenters.title("rotation", "en") == "Rotation"
    pair = {key: pictures.photograph_path(name) for key, name in pictures.pairs()[0].items() if key in "ab"}
    answer = handlers.look({"view": "draws", "language": "ko", "method": "rotation", **pair})
    assert answer["card"]["title"] == "회전"


def test_what_comes_with_the_project_is_told():
    assert len(METHODS) >= 15
    assert len(DETECTORS) >= 7


def test_one_thing_has_one_name():
    others = re.compile("네트워크|열지도|문턱|눈금|사진|기울기|특징 지도|한가운데|[“”]")
    assert {key: text for key, text in i18n.texts()["ko"].items() if others.search(text)} == {}
    known = i18n.texts()["ko"]
    assert all(HANGUL.search(known[f"class.{name}"]) for name in zoo.TWENTY)
    assert len({known[f"class.{name}"] for name in zoo.TWENTY}) == len(zoo.TWENTY)
    breeds = (*class_names.CAT_BREEDS, *class_names.DOG_BREEDS)
    assert all(HANGUL.search(known[f"class.{name}"]) for name in breeds)
    assert len({known[f"class.{name}"] for name in breeds}) == len(breeds) == 37
    assert {name: app.own_texts()[f"network.{name}"] for name in zoo.trained()} == {
        name: zoo.title(name) for name in zoo.trained()
    }


def test_there_are_no_texts_of_things_that_are_not_there():
    known = {f"{name}.{key}" for name, key, _ in PARAMETERS} | set(METHODS)
    known |= {f"{name}.{key}.{choice}" for name, key, about in PARAMETERS for choice in about["choices"]}
    known |= {f"operation.{name}" for name in OPERATIONS}
    assert set(i18n.catalogue()["ko"]) == known
    kinds = ("summary", "title", "detector", "object", "class", "network", "kind", "trained")
    translated = {key for key in i18n.texts()["ko"] if key.partition(".")[0] in kinds and "." in key}
    assert translated <= set(app.own_texts())


QUOTED = re.compile(r'"((?:\\.|[^"\\\n])*)"')
PROPERTY = re.compile(r"^\s+(\w+):", re.MULTILINE)  # whose name becomes a part of a key
BEGINNING = re.compile(r'[`"]([a-z][\w.]*[._])\$?\{')  # of a key that is put together: `embed.${name}`, f"label_{rule}"
ENDING = re.compile(r"\}([._]\w+)[`$]")  # `${key}.answer${i}`


def test_every_text_is_used():
    """Every key stands in the code, or is put together from parts that stand there."""
    files = [*(assets() / "web").rglob("*.js"), *Path(mixviz.__file__).parent.rglob("*.py")]
    code = "\n".join(
        path.read_text()
        for path in (*files, *map(assets().joinpath, ("lesson.json", "photos.json", "gallery/gallery.json")))
    )
    words, beginnings, endings = (set(kind.findall(code)) for kind in (QUOTED, BEGINNING, ENDING))
    words |= set(PROPERTY.findall(code))

    def used(key: str) -> bool:
        rests = (key.removeprefix(part) for part in beginnings if key.startswith(part))
        return (
            key in words
            or any(all(part.isdigit() or used(part) for part in rest.split(".")) for rest in rests)
            or any(re.search(rf"{re.escape(part)}\d*$", key) and used(key[: key.rindex(part)]) for part in endings)
        )

    assert [key for key in i18n.texts()["en"] if not used(key)] == []


def test_what_has_no_korean_is_told_in_english(monkeypatch):
    class New(mixviz.METHODS["cutmix"]):
        """A new method.

        $$x$$
        """

    for module in (presenters, app):
        monkeypatch.setattr(module, "METHODS", {**mixviz.METHODS, "new": New})
    assert presenters.explanation("new", "ko") == "A new method.\n\n$$x$$"
    assert app.own_texts()["summary.new"] == "A new method."
    assert presenters.told_in("new.label", New.parameters()["label"], "ko") == {
        "text": New.parameters()["label"]["text"],
        "labels": ["area", "lam"],
    }
    assert pictures.label_in("ko", "my yard") == "my yard"
    assert i18n.in_language("nothing", "xx", "English") == "English"


def names_of(answer: dict) -> list[str]:
    return [answer["state"][f"name_{letter}"] for letter in "ab"]


def test_a_restored_state_names_its_objects_in_the_visitors_language():
    for language, names in (("ko", ["사자", "앵무새"]), ("en", ["lion", "parrot"]), ("xx", ["lion", "parrot"])):
        wanted = {"a": "lion", "b": "bird_macaw_flying", "language": language}
        assert names_of(handlers.restore(wanted)) == names
        for given in (["사자", "parrot"], ["lion", "앵무새"]):
            recipe = (
                '{"method": "cutmix", "seed": 0, "parameters": {}, "pictures": ["lion.jpg", "bird_macaw_flying.jpg"]'
            )
            wanted = {"recipe": f'{recipe}, "names": ["{given[0]}", "{given[1]}"]}}', "language": language}
            assert names_of(handlers.restore(wanted)) == names


def test_exports_without_korean_letters_name_bundled_objects_in_english(monkeypatch):
    texts = []
    monkeypatch.setattr(downloads.fonts, "drawable", lambda text: re.sub(HANGUL, "□", text))
    monkeypatch.setattr(downloads.export, "figure", lambda story, *_: texts.append(story.names) or b"")
    a, b = (pictures.photograph_path(name) for name in ("lion.jpg", "bee.jpg"))
    for kind in ("pdf", "svg"):
        handlers.take({"take": kind, "a": a, "b": b, "name_a": "사자", "name_b": "내 벌", "language": "ko"})
    assert texts == [("lion", "내 벌"), ("사자", "내 벌")]


def test_explanations_are_sent_in_one_language_and_only_when_asked(address):
    config = httpx.get(f"{address}config").text
    for language, other in (("ko", "en"), ("en", "ko")):
        texts = detail.explanations(language)
        for name in mixviz.METHODS:
            last = presenters.explanation(name, language).split("\n\n")[-1]
            assert last in texts
            if name in METHODS:  # without a translation, a method is explained in English
                assert presenters.explanation(name, other).split("\n\n")[-1] not in texts
            assert last[:60] not in config


# ---------------------------------------------------------------- in a browser

# The visible text of an element without code, formulas, citations and the names of methods.
SEEN = """(selector) => [...document.querySelectorAll(selector)].flatMap((part) => {
  const found = [], walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const left = node.closest('code, .katex, style, cite, .mv-about .mv-small');
    if (node.checkVisibility() && !left) found.push(walker.currentNode.textContent);
  }
  return found;
})"""


def phrases(tab, selector: str) -> list[str]:
    titles = sorted((cls.card.title for cls in mixviz.METHODS.values()), key=len, reverse=True)
    names = re.compile("|".join(map(re.escape, titles)))
    return [text for text in tab.page.evaluate(SEEN, selector) if PHRASE.search(names.sub("·", text))]


@pytest.mark.slow
@pytest.mark.browser
def test_no_method_says_anything_in_english(open_tab):
    *_, last = mixviz.METHODS
    tab = open_tab(f"?view=detail&method={last}&lam=0.6", "detail", locale="ko-KR")
    assert [tab.state()[f"name_{letter}"] for letter in "ab"] == ["고양이", "개"]
    tab.page.locator("#explanation summary").click()
    for name in mixviz.METHODS:
        tab.after(lambda n=name: tab.page.locator("#mv-method").select_option(n))
        tab.page.locator(f"#about-{name}").wait_for()
        assert HANGUL.search(tab.page.locator(f"#about-{name}").inner_text())
        assert tab.page.locator("[id^=about-]:visible").count() == 1
        assert phrases(tab, "#mv-detail, #explanation, [id^=about-]") == []
        assert not re.search(r"\b(cat|dog)\b", tab.page.locator(".mv-told, .mv-bar").first.inner_text())


@pytest.mark.slow
@pytest.mark.browser
def test_the_first_cards_and_the_detectors_say_nothing_in_english(open_tab):
    tab = open_tab(locale="ko-KR")
    assert tab.label("mixup") == "라벨: 60 % 고양이, 40 % 개"
    tab.about("samplepairing")
    assert "‘고양이’" in tab.page.locator(".mv-truth").inner_text()
    assert phrases(tab, ".mv-method-facts") == []
    tab.page.keyboard.press("Escape")
    tab.more()
    shown = tab.page.locator(".mv-detector")
    assert shown.locator("b").all_inner_texts() == list(detector_options.titles("ko").values())
    tab.after(shown.nth(list(detector_options.titles()).index("centre")).click)
    assert tab.page.locator("#mv-detector").input_value() == "centre"
    assert shown.nth(list(detector_options.titles()).index("centre")).get_attribute("aria-pressed") == "true"
    tab.after(lambda: tab.pair("이미지 쌍: 사자, 앵무새"))
    tab.page.wait_for_function("mixviz.state.name_a === '사자'")
    assert phrases(tab, "#mv-grid, .mv-tabs, .mv-dock, .mv-picker, .mv-nav") == []
    link = tab.page.locator("#mv-share")
    link.click()
    tab.page.get_by_text(i18n.texts()["ko"]["copied"], exact=True).wait_for()


@pytest.mark.slow
@pytest.mark.browser
def test_the_language_can_be_chosen_for_gradios_components_too(open_tab):
    tab = open_tab("?view=localize", "localize", locale="en-US")
    tab.page.locator("#survey").get_by_text(i18n.texts()["en"]["survey.title"]).wait_for()
    tab.page.get_by_role("button", name="한국어").click()
    tab.page.locator("#survey").get_by_text(i18n.texts()["ko"]["survey.title"]).wait_for()
    assert "lang=ko" in tab.page.url
    tab.page.goto(tab.page.url.partition("?")[0])  # the choice is remembered
    tab.page.locator(".mv-nav").get_by_text(i18n.texts()["ko"]["nav.learn"]).wait_for()

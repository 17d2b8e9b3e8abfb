"""The state of the page: its conversion to an address and back, and its validation."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from cases import over

import mixviz
from mixviz import i18n
from mixviz.data import pictures
from mixviz.ui import app
from mixviz.ui.fields import is_number, written
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options
from mixviz.ui.state import (
    CELLS,
    LINKED,
    MAX_ROWS,
    MAX_SEED,
    NOT_ON_THE_PAGE,
    SWEEPS,
    Request,
    beginning,
    checked_name,
    first_request,
    of_query,
    of_state,
    usable,
)

VIEWS = list(views())

NAMES = list(pictures.photographs())
METHODS = list(mixviz.METHODS)
MASK = ("1" * CELLS, *["01" * (CELLS // 2)] * (CELLS - 1))
CAT, DOG = (pictures.photograph_path(pictures.pairs()[0][key]) for key in "ab")
HUGE = 10**400  # a whole number that no float holds


def photograph(name: str, letter: str) -> dict[str, str]:
    return {letter: pictures.photograph_path(name), f"name_{letter}": pictures.photographs()[name]["label"]}


def value_from(about: dict, rng: np.random.Generator):
    """Return a value of a parameter other than its default."""
    if about["choices"]:
        return str(rng.choice([choice for choice in about["choices"] if choice != about["default"]]))
    if about["example"]:
        return about["example"]
    if isinstance(about["default"], bool):
        return not about["default"]
    if isinstance(about["default"], int):
        return int(rng.integers(about["low"], about["high"], endpoint=True))
    return float(rng.uniform(about["low"], about["high"]))


def parameters_of(name: str, rng: np.random.Generator, share: float) -> dict:
    """Return some of a method's parameters with other values than the defaults; all with a share of 1."""
    known = mixviz.METHODS[name].parameters()
    return {
        key: value_from(about, rng)
        for key, about in known.items()
        if key not in NOT_ON_THE_PAGE and rng.random() < share
    }


def states() -> list[Request]:
    """Make states of every method three times, through all views, detectors and sweeps, with numbers of many digits."""
    rng, requests = np.random.default_rng(0), []
    for i, name in enumerate(METHODS * 3):
        # In whole pixels, because the four digits in an address may round half a pixel the other way.
        top, left = rng.integers(0, 134, 2) / 224
        high, wide = rng.integers(2, 90, 2) / 224
        a, b = (NAMES[j] for j in rng.choice(len(NAMES), 2))
        requests.append(
            Request(
                **photograph(a, "a"),
                **photograph(b, "b"),
                lam=(None, 0.6, 1 / 3, 0, 1)[i % 5],
                alpha=(None, 0.05, 8, 1 / 3)[i % 4],
                seed=(0, 7, MAX_SEED, int(rng.integers(MAX_SEED)))[i % 4],
                detector=list(detector_options.titles())[i % len(detector_options.titles())],
                view=VIEWS[i % len(VIEWS)],
                method=name,
                parameters=parameters_of(name, rng, 1 if i < len(METHODS) else 0.7),
                box=None if i % 3 else (top, left, top + high, left + wide),
                over=SWEEPS[i % 3],
                methods=tuple(rng.choice(METHODS, rng.integers(1, MAX_ROWS, endpoint=True)).tolist()),
            )
        )
    return requests


def from_address(query: str) -> dict:
    return usable(of_query(dict(parse_qsl(query, keep_blank_values=True))))


# ---------------------------------------------------------------- the address


@over("request_", states())
def test_an_address_tells_the_whole_state(request_):
    again = Request(**from_address(request_.query()))
    left_out = {"mask", "still", "box", "only"} | (set() if request_.view == "sweep" else {"over", "methods"})
    for field in dataclasses.fields(Request):
        if field.name not in left_out:
            assert getattr(again, field.name) == getattr(request_, field.name), field.name
    assert again.pixels(224) == request_.pixels(224)
    assert again.query() == request_.query()
    chosen = [one.chosen(one.method, one.parameters) for one in (request_, again)]
    assert chosen[0] == chosen[1]


def test_the_states_say_something():
    """Every parameter of every method differs from its default in some state."""
    varied = {(one.method, key) for one in states() for key in one.parameters}
    known = {(name, key) for name, cls in mixviz.METHODS.items() for key in cls.parameters()}
    assert varied == {(name, key) for name, key in known if key not in NOT_ON_THE_PAGE}


def test_an_address_says_nothing_of_a_visitors_picture(two_files):
    request = Request(*map(str, two_files), "my garden", "grandmother")
    query = request.query()
    assert "first" not in query
    assert "garden" not in query
    assert "grandmother" not in query
    assert not {"a", "b", "name_a"} & set(from_address(query))


def test_an_address_in_full():
    request = Request(
        **photograph("lion.jpg", "a"), **photograph("bee.jpg", "b"), lam=None, alpha=2.0, seed=3, view="sweep",
        method="resizemix", parameters={"low": 0.25}, box=(0, 0.5, 1 / 3, 1), over="seed", methods=("mixup", "cutmix"),
    )  # fmt: skip
    assert request.query() == (
        "view=sweep&method=resizemix&a=lion&b=bee&lam=drawn&alpha=2&seed=3&detector=fine_grained"
        "&p.low=0.25&box=0,0.5,0.3333,1&over=seed&methods=mixup,cutmix"
    )


ADDRESSES = {
    "view=detail&method=resizemix&a=lion&b=bee&lam=drawn&alpha=2&seed=3&detector=centre&p.low=0.25&box=0,0.5,0.3333,1":
        {"view": "detail", "method": "resizemix", "lam": None, "alpha": 2, "seed": 3, "detector": "centre",
         "parameters": {"low": 0.25}, "box": (0, 0.5, 0.3333, 1)},
    "view=sweep&over=seed&methods=mixup,cutmix":
        {"view": "sweep", "over": "seed", "method": "mixup", "methods": ("mixup", "cutmix")},
    "view=sweep&method=mosaic&methods=mixup,cutmix":
        {"view": "sweep", "method": "mosaic", "methods": ("mixup", "cutmix")},
    "view=batch&count=12": {"view": "batch", "count": 12},
    "view=localize&subject=b&kind=layer_cam&layer=1&class_a=lion&class_b=*":
        {"view": "localize", "subject": "b", "kind": "layer_cam", "layer": "1", "classes": ("lion", "*")},
    "view=compare&class_a=lion": {"view": "compare", "classes": ("lion", "")},
    "view=which&joined=1": {"view": "which", "joined": True},
    "view=embeddings&network=cutmix&plane=tsne": {"view": "embeddings", "network": "cutmix", "plane": "tsne"},
}  # fmt: skip


@pytest.mark.parametrize("query", ADDRESSES)
def test_addresses_that_people_have_kept_go_on_working(query):
    state = {key: value for key, value in from_address(query).items() if key not in ("a", "b", "name_a", "name_b")}
    assert state.pop("parameters", {}) == ADDRESSES[query].get("parameters", {})
    assert state == {key: value for key, value in ADDRESSES[query].items() if key != "parameters"}
    assert {key for key, _ in parse_qsl(query) if not key.startswith("p.")} <= set(LINKED)


def test_every_field_of_the_address_says_where_it_is_told():
    """The keys of a link in the page's script are exactly those of the address."""
    assert len(set(LINKED)) == len(LINKED)
    request = Request(CAT, DOG, alpha=2.0, box=(0, 0, 1, 1), classes=("lion", "bee"), joined=True, network="cutmix")
    written_keys = {
        key for view in VIEWS for key, _ in parse_qsl(dataclasses.replace(request, view=view).query(), True)
    }
    assert written_keys == set(LINKED)


def test_the_script_begins_with_the_servers_own_defaults():
    known = json.loads(json.dumps(beginning()))
    assert of_state(known["state"], lambda path: path) == first_request()
    assert not known["state"].keys() & {"still", "language"}  # of single requests


@pytest.mark.parametrize("number", [0, 1, 0.6, 1 / 3, 1e-7, 8.0, 0.1 + 0.2])
def test_numbers_are_written_as_they_are(number):
    assert float(written(number)) == number
    assert "." not in written(1.0)


GARBAGE = [
    *("", " ", "nan", "NaN", "inf", "-inf", "1e999", "-1", "0x10", "1_0", "٣", "None", "null", "true", "[]", "{}"),
    *("../../etc/passwd", "..", "/etc/passwd", "lion.jpg", "lion/../lion", "lion\0", "%00", "\ud800", "💥", "λ" * 5000),
    *(str(HUGE), "9" * 5000, "1e308", "0,0,1,1", "0,0,1", "0,0,1,nan", "1,1,0,0", "a,b,c,d", ",,,", "cutmix,", ","),
    *("mixup,cutmix", ",".join(["mixup"] * 99), "drawn", "0.5", "7", "cutmix", "detail", "mixup", "nope"),
]
SOUND = {
    "view": "detail", "a": "lion", "b": "bee", "lam": "0.5", "alpha": "2", "seed": "7", "detector": "centre",
    "box": "0,0,1,1", "over": "seed", "methods": "mixup,cutmix",
}  # fmt: skip
KEYS = [
    *("view", "method", "a", "b", "lam", "alpha", "seed", "detector", "box", "over", "methods", "mask", "still"),
    *("p.detector", "p.alpha", "p.", "p.nothing", "p.__class__", "p.card", "p", "name_a", "", "__proto__", "message"),
    *(f"p.{key}" for cls in mixviz.METHODS.values() for key in cls.parameters()),
]


def some_text(key: str, rng: np.random.Generator) -> str:
    if key in SOUND and rng.random() < 0.3:
        return SOUND[key]
    if rng.random() < 0.7:
        return str(rng.choice(np.array(GARBAGE, dtype=object)))
    return "".join(map(chr, rng.integers(1, 0x3000, rng.integers(0, 12))))


def is_ours(state: dict) -> bool:
    """Return whether the state has only bundled pictures, with their own labels."""
    ours = {pictures.photograph_path(name): entry["label"] for name, entry in pictures.photographs().items()}
    return all(ours[state[key]] == state[f"name_{key}"] for key in ("a", "b") if key in state)


def test_a_damaged_address_opens_the_page_all_the_same():
    rng = np.random.default_rng(1)
    selected = set()
    for i in range(600):
        query = {key: some_text(key, rng) for key in rng.choice(KEYS, rng.integers(0, 8)).tolist()}
        if i % 2:  # parameters are checked once the method is known
            query["method"] = METHODS[i % len(METHODS)]
        state = of_query(query)
        assert is_ours(state)
        good = usable(state)
        assert is_ours(good)
        selected |= set(good)
        request = Request(**({"a": "", "b": ""} | good))
        assert json.dumps(good)
        assert "detector" not in request.parameters
        request.query()
    assert selected >= {"method", "parameters", *SOUND}


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ({"lam": "drawn"}, {"lam": None}),
        ({"lam": "0.25", "seed": "nan"}, {"lam": 0.25}),
        ({"lam": "1.5", "seed": "4"}, {"seed": 4}),
        ({"seed": "1e999", "alpha": "2"}, {"alpha": 2}),
        ({"seed": "1.5"}, {}),
        ({"method": "cutmx", "p.alpha": "2"}, {}),
        ({"method": "mixup", "p.alpha": "2", "p.detector": "centre"}, {"method": "mixup", "parameters": {"alpha": 2}}),
        (
            {"method": "saliencymix", "p.tie": "last", "p.detector": "centre"},
            {"method": "saliencymix", "parameters": {"tie": "last"}},
        ),
        ({"method": "mixup", "p.alpha": "much"}, {"method": "mixup"}),
        ({"method": "mixup", "p.alpha": "99", "seed": "2"}, {"method": "mixup", "seed": 2}),
        ({"a": "../photos/lion", "b": "lion.jpg"}, {}),
        ({"a": "lion"}, photograph("lion.jpg", "a")),
        ({"box": "0,0,0.5,0.25"}, {"box": (0, 0, 0.5, 0.25)}),
        ({"box": "0,0,0.5,2"}, {}),
        ({"methods": "mixup,cutmx"}, {}),
        ({"methods": "mixup", "over": "time"}, {"methods": ("mixup",)}),
        ({"mask": "1" * CELLS**2, "name_a": "x", "still": "no"}, {}),
    ],
)
def test_what_of_an_address_is_understood(query, state):
    result = usable(of_query(query))
    if not result.get("parameters"):
        result.pop("parameters", None)
    assert result == state


WRONG = [
    *(None, True, False, -1, 1.5, HUGE, -HUGE, math.nan, math.inf, "x", "0.5", "", b"x", [], [[]], {}, {"a": 1}, ()),
    *([math.nan] * 4, [HUGE] * 4, ["1" * CELLS] * CELLS, [1] * CELLS, {"alpha": HUGE}, {"alpha": "1"}, {1: 2}),
    *({"detector": "centre"}, {"alpha": math.nan}, {"alpha": True}, ["mixup"] * 7, ["mixup", ["x"]], "mixup", 0.5, 3),
]


def test_what_can_be_used_of_a_made_up_state_makes_a_request():
    """Recipe files and programs may hold any value under any key."""
    rng, keys = np.random.default_rng(2), [field.name for field in dataclasses.fields(Request)]
    keys = [key for key in keys if key not in ("a", "b", "name_a", "name_b")] + ["nothing"]
    for _ in range(600):
        state = {key: WRONG[rng.integers(len(WRONG))] for key in rng.choice(keys, rng.integers(1, 7), replace=False)}
        Request("", "", **usable(state))
    assert usable({"seed": 5, "lam": 7, "method": "mixup"}) == {"seed": 5, "method": "mixup"}


@pytest.mark.parametrize("name", METHODS)
def test_one_bad_value_does_not_cost_the_others(name):
    good = {"method": name, "seed": 3, "lam": 0.25, "view": "detail", "detector": "centre"}
    for key, bad in itertools.product(good, WRONG):
        spoilt = good | {key: bad}
        left = {k: v for k, v in usable(spoilt).items() if k != key}
        assert left == {k: v for k, v in good.items() if k != key}, (key, bad)


# ---------------------------------------------------------------- invalid states

REFUSED = [
    *(("lam", bad) for bad in (math.nan, math.inf, -0.1, 1.1, "0.5", True, HUGE, [0.5])),
    *(("alpha", bad) for bad in (math.nan, 0, 0.04, 8.1, "1", True, HUGE)),
    *(("seed", bad) for bad in (math.nan, math.inf, -1, 1.5, MAX_SEED + 1, HUGE, 1e300, "3", True, None)),
    *(("detector", bad) for bad in ("", "nope", "../x", None, 3, ["centre"], "opencv")),
    *(("view", bad) for bad in ("", "all", None, 3, ["grid"])),
    *(("over", bad) for bad in ("", "time", None, 3)),
    *(("language", bad) for bad in ("", "xx", "ko-KR", None, 3, ["ko"])),
    *(("method", bad) for bad in ("", "cutmx", None, 3, ["cutmix"], {}, "__class__")),
    *(("methods", bad) for bad in ((), ("mixup",) * 7, ["mixup"], ("mixup", "nope"), ("mixup", ["x"]), "mixup", None)),
    *(("only", bad) for bad in ((), ("mixup",) * (len(METHODS) + 1), ["mixup"], ("nope",), (["mixup"],), "mixup", 3)),
    *(("parameters", bad) for bad in (
        {"detector": "centre"}, {"sharpness": 1}, {"alpha": 0}, {"alpha": 9}, {"alpha": math.nan}, {"alpha": "1"},
        {"alpha": True}, {"alpha": HUGE}, {"alpha": None}, {"label": "both"}, {"label": 3}, {"label": ["area"]},
        [], "x", {1: 2}, {"card": 1}, None,
    )),
    *(("box", bad) for bad in (
        (0, 0, 1), (0, 0, 1, 1, 1), (0, 0, 1, 1.01), (-0.01, 0, 1, 1), (0.5, 0, 0.5, 1), (0, 0.5, 1, 0.5),
        (0.6, 0, 0.5, 1), (0, 0, math.nan, 1), (0, 0, math.inf, 1), (0, 0, HUGE, 1), (0, 0, True, 1),
        (0, 0, "1", 1), "0011", 3, {},
    )),
    *(("mask", bad) for bad in (
        (), MASK[1:], (*MASK, MASK[0]), ("1" * (CELLS + 1), *MASK[1:]), ("2" * CELLS, *MASK[1:]), (1, *MASK[1:]),
        "1" * CELLS, list(MASK), ("١" * CELLS, *MASK[1:]), 3,
    )),
]  # fmt: skip


@over("wrong", REFUSED)
def test_each_bad_value_is_refused_in_words(wrong):
    key, bad = wrong
    with pytest.raises(ValueError, match=r"\w{2,} \w+"):
        Request("a", "b", **{"view": "grid", key: bad})


@pytest.mark.parametrize("name", METHODS)
def test_parameters_of_every_method_are_checked(name):
    known = mixviz.METHODS[name].parameters()
    for key, about in known.items():
        if key in NOT_ON_THE_PAGE:
            continue
        wrong = ["sideways", None, HUGE, [1]]
        wrong += [] if about["low"] is None else [about["low"] - 1, about["high"] + 1, math.nan]
        for bad in wrong:
            with pytest.raises(ValueError, match=key):
                Request("a", "b", method=name, parameters={key: bad})
    with pytest.raises(ValueError, match="has no parameter sharpness"):
        Request("a", "b", method=name, parameters={"sharpness": 1})


def test_good_values_are_taken():
    for key, value in [("lam", 0), ("lam", 1), ("lam", None), ("seed", MAX_SEED), ("seed", 3.0), ("alpha", 0.05),
                       ("box", (0, 0, 1, 1)), ("mask", MASK), ("methods", tuple(METHODS[:MAX_ROWS])),
                       ("only", tuple(METHODS)), ("only", None)]:  # fmt: skip
        assert getattr(Request("a", "b", **{key: value}), key) == value


@pytest.mark.parametrize("bad", [True, "1", None, math.nan, math.inf, -math.inf, HUGE, [1]])
def test_what_is_no_number(bad):
    assert not is_number(bad)
    assert is_number(1)
    assert is_number(-0.5)


@pytest.mark.parametrize("state", [None, 3, "x", [], [["a", "b"]]])
def test_a_state_that_is_none_is_refused(state):
    with pytest.raises(ValueError, match="no state"):
        of_state(state, str)


def test_a_state_keeps_only_what_it_knows():
    state = {"a": "x", "b": "y", "nothing": 1, "box": [0, 0, 1, 1], "mask": list(MASK), "methods": ["mixup"], "seed": 2}
    assert of_state(state | {"only": ["cutmix"]}, str).only == ("cutmix",)
    request = of_state(state, lambda path: f"checked {path}")
    assert (request.a, request.b) == ("checked x", "checked y")
    assert (request.name_a, request.name_b) == ("A", "B")
    assert (request.box, request.mask, request.methods) == ((0, 0, 1, 1), MASK, ("mixup",))
    assert request.seed == 2
    assert of_state(state | {"lam": None}, str).lam is None  # not held
    languages = {given: of_state(state | {"language": given}, str).language for given in ("ko", "en", "xx", None, 3)}
    assert languages == {"ko": "ko", "en": "en", "xx": "en", None: "en", 3: "en"}
    with pytest.raises(ValueError, match="seed"):
        of_state(state | {"seed": None}, str)  # an emptied field


@pytest.mark.parametrize(
    ("given", "label"),
    [("cat", "cat"), ("  my \n old\tcat ", "my old cat"), ("x" * 99, "x" * 24), ("", "A"), (None, "A"), ("\n", "A"),
     (3, "3")],
)  # fmt: skip
def test_labels_are_one_short_line(given, label):
    assert checked_name(given, "A") == label


# ---------------------------------------------------------------- α, the detector, boxes and masks


@pytest.mark.parametrize("name", METHODS)
def test_the_pages_alpha_and_detector_reach_the_methods_that_have_them(name):
    known = mixviz.METHODS[name].parameters()
    for detector in detector_options.titles():
        method = Request("a", "b", alpha=3, detector=detector).chosen(name)
        if "alpha" in known:
            assert method.alpha == 3
            assert Request("a", "b", alpha=3).chosen(name, {"alpha": 0.5}).alpha == 0.5  # its own goes first
            assert Request("a", "b").chosen(name).alpha == known["alpha"]["default"]
        if "detector" in known:
            assert method.detector is detector_options.detector(detector)


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0, 0, 1, 1), (0, 0, 224, 224)),
        ((0.25, 0.5, 0.5, 1), (56, 112, 112, 224)),
        ((0.5, 0.5, 0.501, 0.501), (112, 112, 113, 113)),  # never less than a pixel
        ((0.9999, 0.9999, 1, 1), (223, 223, 224, 224)),
    ],
)
def test_a_box_in_pixels(box, pixels):
    assert Request("a", "b", box=box).pixels(224) == pixels


def test_the_mask_in_pixels():
    mask = Request("a", "b", mask=MASK).weights(224)
    assert mask.shape == (224, 224)
    assert mask[:8].all()
    assert torch.equal(mask[8], torch.tensor([0.0, 1.0]).repeat_interleave(8).repeat(CELLS // 2))


# ---------------------------------------------------------------- texts


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))


@pytest.mark.parametrize("language", i18n.texts())
def test_every_language_has_the_same_places_for_values(language):
    known, english = i18n.texts()[language], app.own_texts() | i18n.texts()["en"]
    assert set(known) <= set(english)
    for key, text in known.items():
        assert isinstance(text, str)
        assert text.strip(), key
        assert places(text) == places(english[key]), key
        assert len(re.findall(r"[{}]", text)) == 2 * len(re.findall(r"\{\w+\}", text)), key


def test_boxes_that_a_visitor_drew_belong_to_their_pictures():
    box = [0.25, 0.25, 0.75, 0.5]
    known = {"a": "lion.jpg", "b": "mine.png"}
    request = of_state(known | {"marks": {"mine.png": box, "other.png": [0, 0, 1, 1]}}, str)
    assert request.marked == (None, tuple(box))
    swapped = of_state({"a": "mine.png", "b": "lion.jpg", "marks": {"mine.png": box}}, str)
    assert swapped.marked == (tuple(box), None)
    for wrong in ([0.5, 0.5, 0.2, 0.9], [0, 0, 2, 1], "box", [math.nan] * 4):
        with pytest.raises(i18n.UserError):
            of_state(known | {"marks": {"mine.png": wrong}}, str)
    assert of_state(known | {"marks": [box]}, str).marked == (None, None)


def test_a_drawn_box_stands_in_for_an_unknown_object(two_files):
    lion = pictures.photograph_path("lion.jpg")
    box = (0.25, 0.25, 0.75, 0.5)
    assert detector_options.objects(lion, str(two_files[0]), 64) is None
    masks = detector_options.objects(lion, str(two_files[0]), 64, (None, box))
    assert masks[1].sum() == 32 * 16
    assert masks[1, 16:48, 16:32].all()
    assert detector_options.known(lion, str(two_files[0])) == [True, False]
    assert detector_options.known(lion, str(two_files[0]), (None, box)) == [True, True]

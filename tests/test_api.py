"""The server's answers to the page's script, to programs, and to malicious requests."""

from __future__ import annotations

import base64
import functools
import inspect
import io
import itertools
import json
import math
import os
import re
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Event

import numpy as np
import pytest
import torch
from PIL import Image

import mixviz
from mixviz import i18n
from mixviz.cam import inference
from mixviz.data import pictures
from mixviz.explain import edits, label_terms, sampling, serialize
from mixviz.networks import zoo
from mixviz.render import overlays
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options
from mixviz.ui.state import CELLS, MAX_SEED, NOT_ON_THE_PAGE, Request

gradio = pytest.importorskip("gradio")
gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")

from mixviz.ui import api, boundary, handlers  # noqa: E402 - needs Gradio
from mixviz.ui.services import downloads, presenters, recipe_files  # noqa: E402
from mixviz.ui.views import draws  # noqa: E402

METHODS = list(mixviz.METHODS)
PUBLIC = {"mix": api.mix, "saliency": api.saliency, "detail": api.detail, "look": api.look, "methods": api.methods}
CAT, DOG = (pictures.photograph_path(pictures.pairs()[0][key]) for key in "ab")
HUGE = 10**400
MASK = tuple("1" * (CELLS - i) + "0" * i for i in range(CELLS))
MADE_UP = [
    *("/etc/passwd", "app.py", "../app.py", "assets/photos/../photos.json", "file:///etc/passwd", "", "/", "."),
    *("http://127.0.0.1:9/x.png", "https://localhost:9/x.png", "a\0b", "x" * 5000, f"{CAT}/../../photos.json"),
]
NO_PATH = [None, 3, ["x"], {}, {"path": None}, {"path": ["x"]}, {"path": {"path": CAT}}]
PICTURES = [(name, key) for name, key in itertools.product(PUBLIC, ("a", "b", "picture"))
            if key in inspect.signature(PUBLIC[name]).parameters]  # fmt: skip
ELSEWHERE = "http://picture-host.invalid/x.png"


def as_file(path, **more) -> dict:
    """A file as Gradio's clients send it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}} | more


def forms(path) -> list:
    """Return all forms in which an endpoint accepts a path."""
    return [path, {"path": path}, as_file(path, url=f"file://{CAT}", orig_name="lion.jpg")]


def arguments(name: str, **changed) -> list:
    """Return all values of a public endpoint in their order, small and quick unless changed."""
    parameters = inspect.signature(PUBLIC[name]).parameters
    usual = {"a": CAT, "b": DOG, "picture": CAT, "lam": 0.5, "side": 64}
    return [(usual | changed).get(key, about.default) for key, about in parameters.items()]


@functools.cache
def web() -> httpx.Client:
    """One client for all bare requests: making another takes longer than most answers."""
    return httpx.Client(timeout=60, trust_env=False)


def call(address: str, name: str, data: list) -> tuple[str, str]:
    """A bare request, as no browser would send it: the last event and its data."""
    event = web().post(f"{address}gradio_api/call/{name}", json={"data": data}).json()["event_id"]
    lines = web().get(f"{address}gradio_api/call/{name}/{event}").text.strip().splitlines()
    return lines[-2].removeprefix("event: "), lines[-1].removeprefix("data: ")


@functools.cache
def bridge(address: str) -> int:
    """Return the id of the component whose functions the page's script calls."""
    components = web().get(f"{address}config").json()["components"]
    return next(part["id"] for part in components if part["props"].get("elem_id") == "page")


def ask(address: str, function: str, state) -> httpx.Response:
    """Send a request of the page's script."""
    body = {"session_hash": "test", "component_id": bridge(address), "fn_name": function, "data": state}
    return web().post(f"{address}gradio_api/component_server", json=body)


def restore(address: str, wanted) -> dict:
    """Return {state}, perhaps with {message}, of what an address or a recipe file asks for."""
    return ask(address, "restore", wanted).json()


def a_state(**changed) -> dict:
    """Return a state as the page's script sends it."""
    return {"a": CAT, "b": DOG, "lam": 0.6, "seed": 0, "view": "detail"} | changed


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def assert_same(picture: np.ndarray, mixed: torch.Tensor) -> None:
    """Compare byte by byte; a GPU may round a resized patch differently."""
    difference = np.abs(picture.astype(int) - mixed.permute(1, 2, 0).numpy())
    assert difference.max() <= int(torch.cuda.is_available())


def non_default(name: str) -> dict:
    """Return every parameter of a method that the page has, with another value than its default."""
    found = {}
    for key, about in mixviz.METHODS[name].parameters().items():
        if key in NOT_ON_THE_PAGE:
            continue
        if about["choices"]:
            found[key] = next(choice for choice in about["choices"] if choice != about["default"])
        elif about["example"]:
            found[key] = about["example"]
        elif isinstance(about["default"], bool):
            found[key] = not about["default"]
        else:
            found[key] = type(about["default"])(about["low"] + (about["high"] - about["low"]) / 3)
    return found


@pytest.fixture(scope="module")
def client(address):
    return gradio_client.Client(address, verbose=False)


@pytest.fixture(scope="module")
def uploaded(address, two_files) -> list[str]:
    """Return the paths of two uploaded pictures."""
    with open(two_files[0], "rb") as first, open(two_files[1], "rb") as second:
        return web().post(f"{address}gradio_api/upload", files=[("files", first), ("files", second)]).json()


# ---------------------------------------------------------------- the public endpoints


def test_mix_answers_with_the_cores_mixture(client, uploaded, two_files):
    answer = client.predict(*uploaded, "cutmix", 0.4, 3, 96, "fine_grained", {"label": "lam"}, api_name="/mix")
    images = pictures.load_pair(*two_files, 96)
    method = mixviz.METHODS["cutmix"](label="lam")
    recipe = method.plan(mixviz.Batch(images), np.random.default_rng(3), lam=0.4, partner=[1, 0])
    assert_same(decoded(answer["picture"]), recipe.apply(images)[0])
    assert answer["recipe"]["share"] == pytest.approx([0.4, 0.6])
    assert answer["recipe"]["target_box"] == recipe.target_box[0].tolist()
    assert answer["recipe"]["size"] == [96, 96]


def test_mix_takes_photographs_by_name_and_what_is_left_out_by_default(client):
    answer = client.predict("lion.jpg", "bee.jpg", api_name="/mix")
    images = pictures.load_pair("lion.jpg", "bee.jpg", 512)
    recipe = mixviz.METHODS["cutmix"]().plan(mixviz.Batch(images), np.random.default_rng(0), partner=[1, 0])
    assert_same(decoded(answer["picture"]), recipe.apply(images)[0])
    assert answer["recipe"]["drawn"] == pytest.approx(recipe.lam[0].item())


@pytest.mark.parametrize("name", METHODS)
def test_mix_by_every_method(name):
    answer = api.mix("lion.jpg", "bee.jpg", name, 0.5, 4, 64, "centre", non_default(name))
    looks = {"detector": "centre"} if "detector" in mixviz.METHODS[name].parameters() else {}
    images = pictures.load_pair("lion.jpg", "bee.jpg", 64)
    method = mixviz.METHODS[name](**non_default(name), **looks)
    recipe = method.plan(mixviz.Batch(images), np.random.default_rng(4), lam=0.5, partner=[1, 0])
    assert_same(decoded(answer["picture"]), recipe.apply(images)[0])
    assert answer["recipe"]["share"] == recipe.share[:, 0].tolist()


def test_saliency_answers_with_the_detectors_map(client):
    for name in detector_options.titles():
        answer = client.predict("lion.jpg", name, 96, api_name="/saliency")
        picture = pictures.load_pair("lion.jpg", "lion.jpg", 96)
        maps = mixviz.saliency(picture[:1], detector_options.detector(name), network=detector_options.network(name))[
            0
        ].numpy()
        assert np.abs(decoded(answer["map"]) / 255 - maps).max() <= 0.5 / 255 + 1e-6
        assert maps[tuple(answer["peak"])] == maps.max()
        assert answer["mean"] == pytest.approx(maps.mean())
        heat = overlays.overlay(picture[0].permute(1, 2, 0).numpy(), maps)
        assert np.array_equal(decoded(answer["heat"]), heat)


def test_detail_answers_with_what_the_core_says(client):
    answer = client.predict("lion.jpg", "bee.jpg", "saliencymix", 0.3, 5, "centre", None, api_name="/detail")
    paths = [pictures.photograph_path(name) for name in ("lion.jpg", "bee.jpg")]
    request = Request(*paths, "lion", "bee", lam=0.3, seed=5, detector="centre", method="saliencymix")
    told = presenters.story(request, "saliencymix", by_hand=True)
    assert answer["sentence"] == told.text()
    assert "lion" in answer["sentence"]
    assert answer["judge"] == "object"
    lines = label_terms.lines(told)
    assert [number["sum"] for number in answer["numbers"]] == [line.sum for line in lines]
    assert [number["value"] for number in answer["numbers"]] == pytest.approx([line.value for line in lines])
    assert answer["recipe"] == json.loads(json.dumps(serialize.recipe_json(told.recipe, told.truth)))
    assert answer["python"] == presenters.code(request, told)
    assert any("Centre" in step["text"] for step in answer["steps"])


@pytest.mark.parametrize("name", METHODS)
def test_detail_of_every_method_has_no_place_left_open(name):
    answer = api.detail("lion.jpg", "bee.jpg", name)
    text = json.dumps([answer["sentence"], answer["steps"], answer["numbers"]])
    assert not re.search(r"\{\w+\}|\bstep\.|\bline\.|sentence\.", text)


def test_methods_answers_with_the_catalogue(client):
    answer = client.predict(api_name="/methods")
    assert answer == json.loads(json.dumps(serialize.catalogue_json()))
    assert [entry["name"] for entry in answer] == METHODS


def test_every_public_endpoint_is_named_described_and_typed(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {f"/{name}" for name in PUBLIC}
    for name, function in PUBLIC.items():
        described, text = named[f"/{name}"], inspect.getdoc(function)
        assert described["description"].startswith(text.splitlines()[0])
        known = inspect.signature(function).parameters
        assert [value["parameter_name"] for value in described["parameters"]] == list(known)
        for value in described["parameters"]:
            assert value["type"], value
            assert value["python_type"]["type"] != "Any"
            assert value["parameter_has_default"] == (known[value["parameter_name"]].default is not inspect._empty)
            assert re.search(rf"^ +{value['parameter_name']}: \w", described["description"], re.M), "what it is"


@pytest.mark.parametrize(("name", "key"), PICTURES)
def test_every_endpoint_takes_what_gradios_clients_send(address, client, uploaded, two_files, name, key):
    few = {"networks": [zoo.names()[0]]}
    given = arguments(name, **few)
    at = list(inspect.signature(PUBLIC[name]).parameters).index(key)
    answers = [
        client.predict(*given[:at], gradio_client.handle_file(two_files[0]), *given[at + 1 :], api_name=f"/{name}")
    ]
    for form in (uploaded[0], {"path": uploaded[0]}, as_file(uploaded[0], url=ELSEWHERE, size=3, mime_type="x/y")):
        event, data = call(address, name, arguments(name, **few, **{key: form}))
        assert event == "complete"
        answers += json.loads(data)
    assert all(answer == answers[0] for answer in answers)
    assert answers[0] != json.loads(call(address, name, given)[1])[0]


@pytest.mark.parametrize(("name", "key"), PICTURES)
def test_no_file_but_uploads_in_any_form(address, two_files, uploaded, name, key):
    uploads, other = os.environ["GRADIO_TEMP_DIR"], str(two_files[0])
    link = os.path.join(uploads, f"{name}-{key}.png")
    os.symlink(other, link)
    around = os.path.join(uploads, os.path.relpath(other, uploads))  # out of the folder by its own path
    assert os.path.samefile(around, other)
    addresses = [f"file://{other}", f"file://{uploaded[0]}", f"{address}gradio_api/file={uploaded[0]}"]
    asked = [form for path in (other, link, around) for form in forms(path)] + addresses
    asked = [arguments(name, **{key: form}) for form in asked]
    with ThreadPoolExecutor(4) as askers:
        answers = list(askers.map(lambda data: call(address, name, data), asked))
    os.remove(link)
    for event, data in answers:
        assert event == "error"
        assert "data:image" not in data


def test_a_path_of_the_callers_own_machine_is_told_how_to_upload(client, two_files):
    for path in (str(two_files[0]), "cat.jpg", ELSEWHERE):
        with pytest.raises(gradio_client.exceptions.AppError, match=r"handle_file\('cat.jpg'\)"):
            client.predict(path, api_name="/saliency")
    for url in (ELSEWHERE, f"{client.src}gradio_api/file={CAT}"):
        with pytest.raises(gradio_client.exceptions.AppError, match="addresses are not fetched"):
            client.predict(gradio_client.handle_file(url), api_name="/saliency")


# ---------------------------------------------------------------- bare requests, made-up paths, wrong values


@pytest.mark.parametrize("name", PUBLIC)
def test_a_bare_request_works(address, name):
    event, data = call(address, name, arguments(name))
    assert event == "complete"
    assert ("data:image/png" in data) == (name in ("mix", "saliency", "look"))


@pytest.mark.parametrize("view", views())
def test_every_view_answers_a_bare_request(address, view):
    answer = ask(address, "look", a_state(view=view)).json()
    assert answer["view"] == view
    assert answer["judge"] == "object"
    assert answer["link"].startswith(f"view={view}&")


def test_the_grid_shows_the_mixtures_of_the_core(address, uploaded, two_files):
    answer = ask(address, "look", {"a": uploaded[0], "b": uploaded[1], "lam": 0.4, "view": "grid"}).json()
    assert [card["name"] for card in answer["cards"]] == METHODS
    sheet = decoded(answer["sheet"]).astype(np.float32)
    assert sheet.shape == (answer["rows"] * presenters.SIDE, answer["columns"] * presenters.SIDE, 3)
    a, b = (pictures.load_image(path, presenters.SIDE).astype(np.float32) for path in two_files)
    row, column = (at * presenters.SIDE for at in divmod(METHODS.index("mixup"), answer["columns"]))
    assert (
        np.abs(sheet[row : row + presenters.SIDE, column : column + presenters.SIDE] - (0.4 * a + 0.6 * b)).mean() < 3
    )  # JPEG
    assert answer["cards"][METHODS.index("mixup")]["share"] == pytest.approx([0.4, 0.6])
    assert answer["judge"] == "saliency"  # a visitor's objects are unknown


@pytest.mark.parametrize("path", [*MADE_UP, *NO_PATH], ids=lambda path: repr(path)[:24])
def test_made_up_paths_are_refused_everywhere(address, path):
    with ThreadPoolExecutor() as askers:
        calls = [askers.submit(call, address, name, arguments(name, **{key: path})) for name, key in PICTURES]
        calls += [askers.submit(call, address, "saliency", arguments("saliency", picture=one)) for one in forms(path)]
        states = [(function, a_state(take="png", **{key: path})) for function in ("look", "take") for key in "ab"]
        answers = [askers.submit(ask, address, *question) for question in states]
    for event, data in (one.result() for one in calls):
        assert event == "error"
        assert "data:image" not in data
        assert "root:" not in data
    for answer in (one.result() for one in answers):
        assert answer.status_code == 200
        assert set(answer.json()) - {"gone"} == {"message"}
    assert restore(address, {"a": path, "b": path})["state"] == {}


@pytest.mark.parametrize("path", [*MADE_UP, *NO_PATH, as_file(CAT), "\ud800"], ids=lambda path: repr(path)[:24])
def test_the_loader_checks_paths_itself(path):
    with pytest.raises(pictures.PictureError):
        boundary.checked_path(path)


def test_a_path_into_the_upload_folder_is_no_picture_unless_it_is_there(address, tmp_path):
    uploads = os.environ["GRADIO_TEMP_DIR"]
    (tmp_path / "secret.txt").write_text("secret")
    link = os.path.join(uploads, "link.png")
    os.symlink(tmp_path / "secret.txt", link)
    for path in (uploads, f"{uploads}/none.png", f"{uploads}/{'x' * 5000}", link, f"{uploads}/../x"):
        assert set(ask(address, "look", a_state(a=path)).json()) - {"gone"} == {"message"}
        with pytest.raises(pictures.PictureError):
            boundary.checked_path(path)
    os.remove(link)


WRONG = [
    *(("lam", bad) for bad in (math.nan, math.inf, 7, -0.1, "0.5", True, HUGE, [0.5])),
    *(("seed", bad) for bad in (math.nan, math.inf, -1, 1.5, 1e300, HUGE, "0", MAX_SEED + 1, None)),
    *(("detector", bad) for bad in ("../x", "nope", ["centre"], 3)),
    *(("method", bad) for bad in ("cutmx", ["cutmix"], {}, 3)),
    *(("parameters", bad) for bad in ({"alpha": "x"}, {"alpha": HUGE}, {"detector": "centre"}, {"size": 1}, "x", [1])),
]


@pytest.mark.parametrize(("key", "bad"), WRONG, ids=lambda value: repr(value)[:24])
def test_wrong_values_are_refused_in_words(key, bad):
    for name in ("mix", "detail"):
        with pytest.raises(gradio.Error, match=r"\w{2,} \w+"):
            PUBLIC[name](*arguments(name, **{key: bad}))
    for function in (handlers.look, handlers.take):
        answer = function(a_state(take="png", **{key: bad}))
        assert set(answer) - {"gone"} == {"message"}
        assert re.search(r"\w{2,} \w+", answer["message"])


@pytest.mark.parametrize("side", [31, 1025, 64.5, math.nan, math.inf, HUGE, "64", None, True])
def test_sides_out_of_range_are_refused(side):
    for name in ("mix", "saliency"):
        with pytest.raises(gradio.Error, match="from 32 to 1024"):
            PUBLIC[name](*arguments(name, side=side))


@pytest.mark.parametrize("kind", [None, "", "exe", [], {}, 3, "PNG", "../png"])
def test_what_there_is_not_to_take(kind):
    assert handlers.take(a_state(take=kind))["message"].startswith("There are png")


@pytest.mark.parametrize("state", [None, 3, "x", [], {}, {"a": None}])
def test_a_state_that_is_none_gets_a_message(address, state):
    for function in ("look", "take"):
        answer = ask(address, function, state)
        assert answer.status_code == 200
        assert set(answer.json()) == {"message"}


def test_a_detector_that_fails_to_load_says_so(monkeypatch):
    def missing(*_, **__):
        raise ImportError("OpenCV is missing")

    detector_options.maps.cache_clear()
    monkeypatch.setattr(detector_options, "saliency", missing)
    assert handlers.look(a_state()) == {"message": "OpenCV is missing"}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_mistakes_are_told_in_the_visitors_language(language):
    for wrong, key, values in (
        ({"seed": -1}, "error.seed", {"most": MAX_SEED}),
        ({"lam": 7}, "error.lam", {}),
        ({"a": "/etc/passwd"}, "error.gone", {}),
        ({"a": None}, "missing", {}),
    ):
        answer = handlers.look(a_state(**wrong) | {"language": language})
        assert answer["message"] == i18n.say(key, language, **values)


def test_what_was_made_by_hand_for_another_recipe_is_left_out():
    for state in (
        {"method": "mixup", "box": [0.1, 0.1, 0.5, 0.5]},
        {"method": "mosaic", "mask": ["1" * CELLS] * CELLS},
    ):
        assert handlers.look(a_state(view="detail", **state))["edited"] == ""
        assert "edit" not in handlers.look(a_state(view="code", **state))["picture"]


def test_own_parameters_hold_in_every_view():
    own = {"method": "cutmix", "parameters": {"label": "lam"}, "lam": 0.6, "seed": 0}
    card = next(c for c in handlers.look(a_state(view="grid", **own))["cards"] if c["name"] == "cutmix")
    strip = handlers.look(a_state(view="sweep", over="seed", methods=["cutmix"], **own))
    assert card["share"][0] == pytest.approx(0.6)
    assert card["own"]
    assert strip["rows"][0]["cells"][0]["share"][0] == pytest.approx(0.6)
    assert handlers.look(a_state(view="draws", **own))["histograms"]["share"]["mean"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("index", "detector"),
    [
        pytest.param(i, detector, marks=[pytest.mark.slow] * (i % 3 != j))  # each pair with one of them at once
        for i in range(len(pictures.pairs()))
        for j, detector in enumerate(["fine_grained", "released", "opencv_spectral_residual"])
    ],
)
def test_draws_at_the_small_size_are_those_of_the_page(index, detector):
    """The method finds its peak at the page's place, so that the label's mean equals that at full size."""
    pair = {key: pictures.photograph_path(pictures.pairs()[index][key]) for key in "ab"}
    request = Request(**pair, method="saliencymix", detector=detector, view="draws")
    small = draws.drawn(request)[0]
    images, maps = (
        make(*pair.values(), presenters.SIDE)
        for make in (detector_options.pair, lambda *x: detector_options.maps(*x, detector))
    )
    full = sampling.repeat(images, request.chosen("saliencymix"), maps, maps, count=125)
    assert small.share[:125].mean() == pytest.approx(full.share.mean(), abs=0.02)  # the first draws are the same


def test_the_last_seeds_have_a_filmstrip_too():
    answer = handlers.look(a_state(view="sweep", over="seed", seed=MAX_SEED - 1, methods=["mixup"]))
    assert answer["values"][:4] == [MAX_SEED - 1, MAX_SEED, 0, 1]


def test_errors_of_the_program_stay_inside(address, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("secret path")

    places = (
        *((handlers, "show"), (serialize, "mix_two"), (serialize, "catalogue_json"), (pictures, "load_once")),
        *((api, "story"), (detector_options, "pair"), (inference, "look"), (downloads, "_parcel")),
        (handlers, "usable"),
    )
    for module, name in places:
        monkeypatch.setattr(module, name, broken)
    for name in ("mix", "saliency", "detail", "look", "methods"):
        event, data = call(address, name, arguments(name))
        assert event == "error"
        assert "secret" not in data
    for function in ("look", "take"):
        answer = ask(address, function, a_state(take="png"))
        assert re.fullmatch(r".*\(error \d{6}\).*", answer.json()["message"])
        assert "secret" not in answer.text
    answer = restore(address, {})
    assert answer.keys() - {"gone"} == {"message"}
    assert re.fullmatch(r".*\(error \d{6}\).*", answer["message"])


# ---------------------------------------------------------------- the waiting room


def test_a_rush_is_told_to_come_again_and_the_page_stays_up(address, monkeypatch):
    show, gate = handlers.show, Event()
    monkeypatch.setattr(handlers, "show", lambda request: gate.wait(60) and show(request))
    with ThreadPoolExecutor(boundary.WAITING) as crowd:
        try:
            asked = [crowd.submit(ask, address, "look", a_state()) for _ in range(boundary.WAITING)]
            for _ in range(2000):
                if not boundary._places._value:
                    break
                time.sleep(0.01)
            assert not boundary._places._value, "as many can wait as there are places"
            busy = i18n.say("busy")
            for function in ("look", "take"):
                assert ask(address, function, a_state(take="png")).json() == {"message": busy}
            event, data = call(address, "mix", arguments("mix"))
            assert (event, busy in data) == ("error", True)
            # Waiting requests do not keep others from opening the page or from uploading.
            assert web().get(address).status_code == 200
            assert web().get(f"{address}gradio_api/file={CAT}").status_code == 200
            assert restore(address, {"view": "grid"}) == {"message": busy}
        finally:
            gate.set()
        assert {one.result().json()["view"] for one in asked} == {"detail"}
    assert ask(address, "look", a_state()).json()["view"] == "detail"
    assert boundary._places._value == boundary.WAITING


def test_places_are_given_back_after_mistakes(monkeypatch):
    monkeypatch.setattr(boundary, "_places", BoundedSemaphore(1))
    monkeypatch.setattr(boundary, "_working", BoundedSemaphore(1))
    for _ in range(3):
        assert "seed" in handlers.look(a_state(seed=-1))["message"]
        with pytest.raises(gradio.Error):
            api.mix("none.jpg", "none.jpg")
    with boundary.turn():
        assert handlers.look(a_state()) == {"message": i18n.say("busy")}
        with pytest.raises(gradio.Error, match="busy"):
            api.mix("lion.jpg", "bee.jpg")
    assert handlers.look(a_state())["view"] == "detail"


# ---------------------------------------------------------------- the Python that makes a picture


def run_code(code: str, folder, monkeypatch) -> torch.Tensor:
    """Run the lines as a reader with only MixViz would, and return the result."""
    monkeypatch.chdir(folder)
    space: dict = {}
    exec(code, space)
    return space["mixed"]


def bundled(**given) -> Request:
    return Request(CAT, DOG, **given)


CODES = [
    *({"method": name, "lam": 0.6, "seed": 1} for name in METHODS),
    *({"method": name, "lam": None, "seed": 2} for name in METHODS),
    *({"method": name, "lam": 1 / 3, "seed": 3, "parameters": non_default(name)} for name in METHODS),
    *({"method": name, "lam": None, "seed": 4, "alpha": 1 / 3} for name in METHODS),
    *({"method": "saliencymix", "lam": 0.6, "detector": detector} for detector in detector_options.titles()),
]


@pytest.mark.parametrize("given", CODES, ids=lambda given: "-".join(str(value)[:20] for value in given.values()))
def test_the_code_makes_exactly_the_picture(tmp_path, monkeypatch, given):
    request = bundled(**given)
    told = presenters.story(request, request.method, by_hand=True)
    if request.alpha is None:
        names = [os.path.basename(path) for path in (CAT, DOG)]
        code = api.detail(*names, request.method, request.lam, request.seed, request.detector, request.parameters)[
            "python"
        ]
        assert code == presenters.code(request, told)
    code = presenters.code(request, told)
    assert torch.equal(run_code(code, tmp_path, monkeypatch), told.mixed)


def changed_by_hand() -> list[dict]:
    """Make a box and a mask for every method that allows them."""
    found = []
    for name in METHODS:
        recipe = presenters.story(bundled(method=name, seed=1), name).recipe
        usual = {"method": name, "seed": 1, "view": "detail"}
        found += [usual | {"box": (0.125, 0.25, 0.75, 1.0)}] * edits.can_move(recipe)
        found += [usual | {"mask": MASK}] * edits.can_paint(recipe)
        found += [usual | {"mask": MASK, "box": (0, 0, 0.5, 0.5)}] * (
            edits.can_move(recipe) and edits.can_paint(recipe)
        )
    return found


def test_the_code_of_what_was_changed_by_hand_makes_exactly_the_picture(tmp_path, monkeypatch):
    for given in changed_by_hand():
        request = bundled(**given)
        told = presenters.story(request, request.method, by_hand=True)
        (tmp_path / "recipe.json").write_text(json.dumps(recipe_files.recipe_of(request)))
        code = presenters.code(request, told)
        assert torch.equal(run_code(code, tmp_path, monkeypatch), told.mixed), code
        assert not torch.equal(
            told.mixed, presenters.story(bundled(method=request.method, seed=1), request.method).mixed
        )


def test_the_code_names_no_picture_of_a_visitors(uploaded):
    request = Request(*uploaded)
    code = presenters.code(request, presenters.story(request, "cutmix", by_hand=True))
    assert "your_picture_a.jpg" in code
    assert "your_picture_b.jpg" in code
    assert "first" not in code


# ---------------------------------------------------------------- downloads


MAGIC = {
    "png": rb"\x89PNG\r\n\x1a\n", "zip": rb"PK\x03\x04", "svg": rb"(<\?xml|<svg)", "pdf": rb"%PDF-",
    "gif": rb"GIF8[79]a", "json": rb"\{",
}  # fmt: skip


@pytest.mark.parametrize("kind", downloads.KINDS)
def test_what_is_taken_is_what_it_says(address, kind):
    parcel = ask(address, "take", a_state(take=kind, method="saliencymix", language="en")).json()
    head, body = parcel["data"].split(",")
    data = base64.b64decode(body)
    assert parcel["name"] == f"mixviz-saliencymix.{kind}"
    assert head == f"data:{downloads.KINDS[kind]};base64"
    assert re.match(MAGIC[kind], data)
    request = bundled(method="saliencymix")
    told = presenters.story(request, "saliencymix", by_hand=True)
    if kind == "png":
        assert np.array_equal(decoded(parcel["data"]), told.mixed.permute(1, 2, 0).numpy())
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert "mixed.png" in archive.namelist()
    if kind == "json":
        assert json.loads(data) == json.loads(json.dumps(recipe_files.recipe_of(request)))


@pytest.mark.parametrize("language", [None, "en", "ko", "xx", [], {}, 3, "../en"])
def test_any_language_will_do(language):
    assert handlers.take(a_state(take="json", language=language))["name"] == "mixviz-cutmix.json"


# ---------------------------------------------------------------- recipe files


def recipes() -> list[Request]:
    """Make states of every method, drawn and held, with parameters, every detector, and manual changes."""
    detectors = list(detector_options.titles())
    found = [bundled(method=name, lam=None, seed=7, alpha=2.5, parameters=non_default(name)) for name in METHODS]
    found += [bundled(method=name, lam=1 / 3, seed=MAX_SEED) for name in METHODS]
    found += [bundled(method=name, lam=None, detector=detectors[i % len(detectors)]) for i, name in enumerate(METHODS)]
    return found + [bundled(**given) for given in changed_by_hand()]


def reloaded(text: str, **page) -> Request:
    """Return the page's state with a recipe loaded; ``page`` is the earlier state of its controls."""
    state = recipe_files.state_of(text)
    state.pop("elsewhere")
    return Request(**({"a": CAT, "b": DOG} | page | state))


def test_a_recipe_makes_its_mixture_again():
    other = {"lam": 0.9, "seed": 5, "alpha": 6.0, "detector": "uniform", "view": "sweep"}
    for request in recipes():
        text = json.dumps(recipe_files.recipe_of(request))
        again = reloaded(text, **other)
        for key in ("a", "b", "lam", "seed", "method", "mask", *(() if request.mask else ("box",))):
            assert getattr(again, key) == getattr(request, key), key  # a painted mask overrides a box
        assert (again.name_a, again.name_b, again.view) == (request.name_a, request.name_b, "detail")
        told, same = (presenters.story(one, one.method, by_hand=True) for one in (request, again))
        assert again.chosen(again.method, again.parameters) == request.chosen(request.method, request.parameters), text
        assert torch.equal(told.mixed, same.mixed)
        assert torch.equal(told.recipe.share, same.recipe.share)


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_of_the_command_line_is_one_too(name):
    """Its detector is among the parameters."""
    for given in ({}, non_default(name)):
        method = mixviz.METHODS[name](**given)
        report = {
            **serialize.replay(name, method, 4, None, 512),
            "pictures": [os.path.basename(path) for path in (CAT, DOG)],
        }
        again = reloaded(json.dumps(report), detector="uniform", alpha=6.0)
        chosen = again.chosen(name, again.parameters)
        assert serialize.parameters_of(chosen) == serialize.parameters_of(method)
        assert again.seed == 4


def test_a_recipe_of_other_pictures_says_so(address, uploaded):
    request = Request(*uploaded, method="mixup", seed=3)
    answer = restore(address, {"recipe": json.dumps(recipe_files.recipe_of(request))})
    assert not {"a", "b", "name_a", "name_b"} & answer["state"].keys()  # the page's own pictures stay
    assert "pictures that are missing here: your_picture_a.jpg" in answer["message"]
    assert (answer["state"]["method"], answer["state"]["seed"]) == ("mixup", 3)


def test_a_recipe_is_the_pages_state(address):
    request = bundled(
        method="resizemix",
        lam=None,
        seed=9,
        detector="centre",
        parameters={"low": 0.3},
        box=(0, 0, 0.5, 0.5),
        name_a="Felix",
        name_b="Rex",
    )
    answer = restore(address, {"recipe": json.dumps(recipe_files.recipe_of(request))})
    assert answer["message"] == i18n.say("recipe_loaded")
    assert answer["state"] == {
        "view": "detail", "method": "resizemix", "parameters": {"low": 0.3}, "box": [0, 0, 0.5, 0.5],
        "a": CAT, "b": DOG, "name_a": "Felix", "name_b": "Rex", "lam": None, "seed": 9, "detector": "centre",
    }  # fmt: skip


GOOD = json.dumps(recipe_files.recipe_of(bundled(method="cutmix", parameters={"label": "lam"})))
STRANGE = [
    *(
        None,
        3,
        "x",
        "",
        [],
        [1],
        {},
        [[]],
        HUGE,
        -1,
        1.5,
        math.nan,
        "cutmx",
        ["cutmix"],
        [["x"], ["y"]],
        {"alpha": "x"},
    ),
    *({"alpha": HUGE}, {"sharpness": 1}, {"label": ["lam"]}, [["label", "lam"]], ["ab"], "١" * 28, [0, 0, 1, 2]),
]


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "[]", "{}", "null", '"x"', "3", "[1, 2]", '{"method": "cutmix"}', "\0", "NaN"),
        *(GOOD[:-20], GOOD[1:]),
        *("[" * 90_000, '{"a":' * 15_000, GOOD + " " * 100_000, '{"images": [], "annotations": [], "categories": []}'),
        *(None, 3, [], {}, ["x"]),
        *(
            json.dumps(json.loads(GOOD) | changed)
            for changed in (
                {"method": "cutmx"}, {"method": None}, {"method": ["cutmix"]}, {"seed": "x"}, {"seed": HUGE},
                {"seed": None}, {"lam": 7}, {"lam": math.nan}, {"parameters": {"label": "both"}}, {"parameters": "x"},
                {"parameters": {"sharpness": 1}}, {"parameters": None}, {"parameters": {"alpha": HUGE}},
                {"detector": "nope"}, {"detector": ["centre"]}, {"box": [0, 0, 1]}, {"box": [0, 0, 1, 2]}, {"box": "x"},
                {"mask": ["1"]}, {"mask": [1] * CELLS},
            )
        ),
    ],
    ids=lambda text: repr(text)[:24],
)  # fmt: skip
def test_a_file_that_is_no_recipe_says_so_and_changes_nothing(address, text):
    assert restore(address, {"recipe": text}) == {"message": i18n.say("recipe_bad")}


def test_a_recipe_with_anything_anywhere_is_read_or_refused():
    good = json.loads(GOOD)
    assert recipe_files.state_of(GOOD)["elsewhere"] == ""
    read = 0
    for key in good:
        for bad in STRANGE:
            for text in (json.dumps(good | {key: bad}), json.dumps({k: v for k, v in good.items() if k != key})):
                state = recipe_files.state_of(text)
                read += state is not None
                if state:
                    state.pop("elsewhere")
                    Request(**({"a": CAT, "b": DOG} | state))
    assert read


@pytest.mark.parametrize(
    "wanted", [None, 3, "x", [], {}, {"view": None}, {"view": {}}, {"p.alpha": []}, {"seed": HUGE}]
)
def test_a_state_that_cannot_be_restored_leaves_the_page(address, wanted):
    assert restore(address, wanted)["state"] == {}


def test_an_address_is_the_pages_state(address):
    wanted = {"a": "lion", "b": "bee", "lam": "0.25", "seed": "3", "alpha": "2", "detector": "centre"}
    state = restore(address, wanted)["state"]
    assert [os.path.basename(state.pop(key)) for key in "ab"] == ["lion.jpg", "bee.jpg"]
    values = {"name_a": "lion", "name_b": "bee", "lam": 0.25, "seed": 3, "alpha": 2, "detector": "centre"}
    assert state == values


# ---------------------------------------------------------------- no requests to other servers


SERVER = """
import socket, sys
seen, resolve, connect = [], socket.getaddrinfo, socket.socket.connect
local = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None")
def watched_resolve(host, *args, **kwargs):
    seen.append(str(host))
    return resolve(host, *args, **kwargs)
def watched_connect(self, address):
    seen.extend([str(address[0])] if self.family in (socket.AF_INET, socket.AF_INET6) else [])
    return connect(self, address)
socket.getaddrinfo, socket.socket.connect = watched_resolve, watched_connect
from mixviz.ui.app import launch
_, url, _ = launch(prevent_thread_lock=True, quiet=True)
print(url, flush=True)
sys.stdin.readline()
print([host for host in seen if host not in local], flush=True)
"""


@pytest.mark.slow
def test_the_server_asks_nobody_anything(tmp_path):
    """Use a separate server, because the test's client makes its own requests."""
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        url = server.stdout.readline().strip()
        assert web().get(url).status_code == 200
        assert call(url, "mix", arguments("mix"))[0] == "complete"
        file = as_file(ELSEWHERE, url=ELSEWHERE, orig_name="x.png")
        assert call(url, "mix", arguments("mix", a=as_file(CAT, url=ELSEWHERE)))[0] == "complete"
        for elsewhere in (ELSEWHERE, file):
            for name in ("mix", "saliency", "detail"):
                assert call(url, name, arguments(name, a=elsewhere, picture=elsewhere))[0] == "error"
            for function in ("look", "take"):
                assert "message" in ask(url, function, a_state(a=elsewhere, take="png")).json()
            # Also events of the page's script, by their number: some have no function here, but Gradio accepts values.
            for event in web().get(f"{url}config").json()["dependencies"]:
                body = {
                    "data": [elsewhere] * len(event["inputs"]),
                    "event_data": {"a": elsewhere},
                    "fn_index": event["id"],
                }
                web().post(f"{url}gradio_api/run/predict", json=body)
        for view in ("grid", "draws", "sweep"):
            assert ask(url, "look", a_state(view=view)).json()["view"] == view
        time.sleep(2)  # let the server's background work at the start finish
        said = server.communicate("\n", timeout=30)[0]
    assert said.strip() == "[]"

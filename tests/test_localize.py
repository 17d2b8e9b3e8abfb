"""The heat map view: maps, boxes and numbers equal the library's, for every visitor and every request."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import os
import re
import shlex
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO

import gradio
import numpy as np
import pytest
import torch
from cases import network_of_ones_own
from PIL import Image
from typer.testing import CliRunner

import mixviz
from mixviz.__main__ import app
from mixviz.cam import inference, scales, shading, trust
from mixviz.cam.boxes import boxes_at, iou
from mixviz.cam.localization import heat
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.networks import class_names, zoo
from mixviz.resources import assets
from mixviz.ui import api, handlers
from mixviz.ui import app as page
from mixviz.ui.services import cam_cache, cam_download, cam_subject, folder_panel, networks
from mixviz.ui.services.presenters import SIDE, story
from mixviz.ui.state import first_request
from mixviz.ui.views import learn, localize

START = replace(first_request(), view="localize", subject="mix")
LION = pictures.photograph_path("lion.jpg")


def answer(**changes) -> dict:
    """Collect all rows of a state over several requests."""
    request = replace(START, **changes)
    value = handlers.show(request)
    while value["pending"]:
        more = handlers.show(replace(request, only=tuple(value["pending"])))
        value = {**more, "rows": value["rows"] + more["rows"]}
    return value


def bytes_of(look: dict, view: pictures.View | None = None) -> np.ndarray:
    """Decode a map, of which a network's view is the middle."""
    square = np.frombuffer(base64.b64decode(look["map"]), np.uint8)
    square = square.reshape(math.isqrt(square.size), -1)
    return square if view is None else square[view.margin : view.margin + view.side, view.margin :][:, : view.side]


def in_square(box: tuple[int, ...] | None, view: pictures.View) -> list[int]:
    return [edge + view.margin for edge in box] if box else [0, 0, 0, 0]


@pytest.mark.parametrize("subject", ["a", "b", "mix"])
def test_maps_boxes_and_probabilities_are_the_librarys(subject):
    value = answer(subject=subject, classes=("Egyptian cat", "Yorkshire terrier"))
    assert [row["name"] for row in value["rows"]] == list(networks.known_networks())
    for row in value["rows"][::5]:
        known = networks.known_networks()[row["name"]].loaded()
        if subject == "mix":
            mixed = story(replace(START, subject=subject), START.method).mixed.permute(1, 2, 0).numpy()
            view = pictures.view_of(Image.fromarray(mixed), known.input_view)
        else:
            view = pictures.load_view({"a": START.a, "b": START.b}[subject], known.input_view)
        look = inference.look(known, view, ("Egyptian cat", "Yorkshire terrier"), dilate=cam_cache.STRIDES)
        for i, reply in enumerate(row["looks"]):
            warm = look.heat()[i]
            assert class_names.same(reply["class"], ("Egyptian cat", "Yorkshire terrier")[i])
            assert reply["probability"] == pytest.approx(look.probability[look.classes[i]].item(), abs=1e-5)
            assert abs(bytes_of(reply, known.input_view) / 255 - warm.numpy()).max() <= 1 / 255 + 1e-4
            for step in range(7, 100, 7):
                assert reply["boxes"][step] == in_square(boxes_at(warm, step / 100)[0].tolist(), known.input_view)


def test_maps_are_twice_as_fine_as_in_the_measurements_and_probabilities_the_same():
    (fine,), (coarse,) = (answer(subject="a", layer=layer, only=(zoo.REFERENCE,))["rows"] for layer in ("", "card"))
    assert (fine["size"], coarse["size"]) == ([14, 14], [7, 7])
    assert fine["layer"] == coarse["layer"] == "bn2"
    assert np.array(fine["top"])[:, 1].astype(float) == pytest.approx(np.array(coarse["top"])[:, 1].astype(float))
    assert fine["looks"][0]["map"] != coarse["looks"][0]["map"]


def test_the_memory_format_of_the_pages_networks_does_not_change_what_they_say():
    for name in list(networks.known_networks())[:2]:
        (plain,), known = inference.open_networks(name), networks.known_networks()[name].loaded()
        view = pictures.load_view(START.a, known.input_view)
        one, other = (inference.look(network, view, ("Egyptian cat",)) for network in (plain, known))
        assert one.probability.allclose(other.probability, atol=1e-4)
        assert one.heat().allclose(other.heat(), atol=1e-2)


def test_each_networks_own_prediction_is_one_of_the_classes():
    for row in answer(classes=("*", "Yorkshire terrier"))["rows"]:
        assert row["looks"][0]["class"] == row["top"][0][0]
        assert class_names.same(row["looks"][1]["class"], "Yorkshire terrier")
        assert row["looks"][0]["probability"] == row["top"][0][1]


def test_a_network_without_the_class_shows_its_own_prediction_and_says_so():
    value = answer(classes=("toilet tissue", "Yorkshire terrier"))  # none of the compared networks knows it
    for row in value["rows"]:
        reference = row["name"] == zoo.REFERENCE
        assert [look["lacks"] for look in row["looks"]] == [not reference, False]
        assert row["looks"][0]["class"] == ("toilet tissue" if reference else row["top"][0][0])


def test_the_answers_are_as_right_as_the_cards_say():
    for row in answer()["rows"]:
        card = zoo.card(row["name"])
        if card.metrics is None:
            assert row["trust"] is None
            continue
        bins = card.metrics["calibration"]
        assert row["trust"]["images"] == card.metrics["images"] == sum(bins["count"])
        assert row["trust"]["top1"] == pytest.approx(100 - card.metrics["accuracy"]["top1_error_percent"])
        assert 0 <= row["trust"]["right"] <= row["trust"]["of"]
        assert row["trust"]["of"] == bins["count"][math.ceil(row["top"][0][1] * bins["bins"]) - 1]


def test_opening_the_page_loads_no_weights():
    networks.in_memory.clear()
    handlers.show(first_request())
    assert not networks.in_memory
    assert next(iter(networks.known_networks())) == zoo.REFERENCE
    assert {"Egyptian cat", "Yorkshire terrier"} <= set(networks.classes())
    assert networks.titles()
    assert not networks.in_memory


def test_weights_in_memory_are_bounded_and_one_visitor_loads_for_all(monkeypatch):
    opened, names = [], list(networks.known_networks())[:3]
    original = inference.open_networks
    monkeypatch.setattr(inference, "open_networks", lambda name: opened.append(name) or original(name))
    networks.in_memory.clear()
    with ThreadPoolExecutor(8) as visitors:
        loaded = list(visitors.map(lambda name: networks.known_networks()[name].loaded(), names * 8))
    assert sorted(opened) == sorted(names)
    assert len({id(one) for one in loaded}) == len(names)
    bytes_ = sum(tensor.nbytes for one in set(loaded) for tensor in one.network.state_dict().values())
    assert networks.in_memory.currsize == pytest.approx(bytes_)
    networks.in_memory.clear()
    monkeypatch.setattr(networks.in_memory, "_Cache__maxsize", bytes_ // 2)
    for name in names:
        networks.known_networks()[name].loaded()
        assert networks.in_memory.currsize <= bytes_ // 2
    networks.in_memory.clear()


def test_the_classes_of_a_picture_are_ranked_as_the_reference_says():
    rocket = pictures.photograph_path("rocket.jpg")
    one = networks.known_networks()[zoo.REFERENCE].loaded()
    found = inference.look(one, pictures.load_view(rocket, one.input_view)).probability.argsort(descending=True)
    assert networks.ranked(rocket)[:5] == [one.classes[i] for i in found[:5]]


def test_a_class_that_nobody_knows_is_refused_in_words():
    with pytest.raises(UserError, match="knows a class “scissors”"):
        handlers.show(replace(START, classes=("scissors", "")))


def test_what_takes_long_comes_in_parts_that_make_the_whole(monkeypatch):
    full = answer(lam=0.37)
    monkeypatch.setattr(localize, "PATIENCE", 0)
    cam_cache.cams.clear()
    first = handlers.show(replace(START, lam=0.37))
    assert len(first["rows"]) == localize.TOGETHER
    assert first["pending"] == first["all"][localize.TOGETHER :]
    assert answer(lam=0.37)["rows"] == full["rows"]


@pytest.mark.slow
def test_ten_visitors_at_once_get_the_maps_that_one_gets():
    """Each visitor has another picture and kind, and nothing is cached."""
    names, kinds = sorted(pictures.photographs())[:10], ["grad_cam", "hires_cam", "layer_cam", "xgrad_cam", "cam"]
    wishes = [
        {
            "subject": "a",
            "a": pictures.photograph_path(name),
            "kind": kinds[i % 5],
            "classes": ("Egyptian cat", "Yorkshire terrier"),
        }
        for i, name in enumerate(names)
    ]
    alone = [answer(**wish)["rows"] for wish in wishes]
    cam_cache.cams.clear()
    with ThreadPoolExecutor(10) as visitors:
        together = list(visitors.map(lambda wish: answer(**wish)["rows"], wishes))
    for one, other in zip(alone, together, strict=True):
        for row, same in zip(one, other, strict=True):
            for look, again in zip(row["looks"], same["looks"], strict=True):
                # Another split of the work among threads may round differently: by one byte, never at another place.
                assert abs(bytes_of(look).astype(int) - bytes_of(again)).max() <= 1
                assert look["probability"] == pytest.approx(again["probability"], abs=1e-5)


def test_asking_leaves_no_hooks_and_no_gradients():
    answer(lam=0.11, kind="hires_cam", only=("baseline",))
    answer(lam=0.12)
    assert torch.is_grad_enabled()
    for one in networks.in_memory.values():
        assert not any(p.grad is not None for p in one.network.parameters())
        for module in one.network.modules():
            assert not module.training
            assert not module._forward_hooks
            assert not module._backward_hooks
            assert not module._forward_pre_hooks


def test_the_middle_of_the_picture_is_a_row_of_its_own():
    centre = handlers.show(START)["centre"]
    side = centre["side"]
    warm = localize.centre_heat((side, side))[0]
    assert np.array_equal(bytes_of(centre), (warm.numpy() * 255).astype(np.uint8))
    assert centre["boxes"][20] == boxes_at(warm, 0.2)[0].tolist()


@pytest.mark.parametrize("method", ["cutmix", "mixup", "resizemix", "cutout", "manifold_mixup", "saliencymix"])
def test_true_boxes_go_where_the_objects_go(method):
    """Recomputed from the recipe's boxes only."""
    request = replace(START, method=method, seed=3)
    recipe, boxes = story(request, method).recipe, cam_subject.subject(request).boxes
    a, b = (pictures.square_box(pictures.photograph_of(path), SIDE) for path in (START.a, START.b))
    mine = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mine[a[0] : a[2], a[1] : a[3]] = True
    reference = torch.zeros_like(mine)
    if recipe.target_boxes is not None:
        top, left, bottom, right = recipe.target_box[0].tolist()
        mine[top:bottom, left:right] = False
    if recipe.source_box is not None:
        source = recipe.source_box[0].tolist()
        lengths = bottom - top, right - left
        scale = [length / max(source[i + 2] - source[i], 1) for i, length in enumerate(lengths)]
        edges = [max(b[0], source[0]), max(b[1], source[1]), min(b[2], source[2]), min(b[3], source[3])]
        if edges[2] > edges[0] and edges[3] > edges[1]:
            y0, y1 = (top + (edge - source[0]) * scale[0] for edge in (edges[0], edges[2]))
            x0, x1 = (left + (edge - source[1]) * scale[1] for edge in (edges[1], edges[3]))
            reference[int(y0) : round(y1 + 0.49), int(x0) : round(x1 + 0.49)] = True
    elif method == "mixup":
        reference[b[0] : b[2], b[1] : b[3]] = True
    for result, mask in zip(boxes, (mine, reference), strict=True):
        if not mask.any():
            assert result is None
            continue
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        expected = [int(edge) / SIDE for edge in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)]
        assert result == pytest.approx(expected, abs=(2 if recipe.resample else 0) / SIDE)


def test_a_kind_that_a_layer_is_not_made_for_is_told_per_network_and_nothing_else_is_lost():
    value = answer(kind="cam", layer="2")
    assert len(value["rows"]) == len(value["all"])
    assert all("CAM needs a network" in row["error"] for row in value["rows"])
    assert not any("error" in row for row in answer(kind="cam", layer="")["rows"])


def test_figure_and_numbers_are_those_of_the_page():
    request = replace(START, method="mixup")
    shown = {"scale": "shared", "threshold": 0.4, "colours": "cividis", "strength": 1}
    data = cam_download.parcel("png", request, shown)
    assert Image.open(BytesIO(data)).width > 700
    reply = json.loads(cam_download.parcel("json", request, {"threshold": 0.4}))
    rows = answer(method="mixup")["rows"]
    for numbers, row in zip(reply["networks"], rows, strict=True):
        for about, look in zip(numbers["classes"], row["looks"], strict=True):
            assert about["probability"] == pytest.approx(look["probability"], abs=1e-5)
            view = networks.known_networks()[row["name"]].input_view
            assert in_square(about["box"], view) == look["boxes"][40]


def test_what_is_taken_is_of_the_networks_and_the_classes_in_sight():
    asked, lacking = (zoo.REFERENCE, zoo.trained()[0]), ("toilet tissue", "Yorkshire terrier")
    reply = json.loads(cam_download.parcel("json", replace(START, subject="b", only=asked, classes=lacking), {}))
    assert [one["network"] for one in reply["networks"]] == list(asked)
    assert [[one["class"] for one in each["classes"]] for each in reply["networks"]] == [
        [next(name for name in zoo.card(each).data.classes if class_names.same(name, "Yorkshire terrier"))]
        for each in asked
    ]
    assert f"--networks {','.join(asked)} --class 'Yorkshire terrier'" in reply["command"]
    mixed = json.loads(cam_download.parcel("json", replace(START, only=asked, classes=lacking), {}))
    assert [one["network"] for one in mixed["networks"]] == [zoo.REFERENCE]
    assert "--networks a,b --class 'Egyptian cat' --class 'Yorkshire terrier'" in cam_download.command(START, "a,b")


@pytest.mark.parametrize("shown", [{"scale": "none"}, {"colours": "jet"}, {"threshold": 2}, {"strength": "much"}])
def test_made_up_ways_of_showing_are_refused(shown):
    with pytest.raises(ValueError, match=r"Scales are|numbers from 0 to 1"):
        cam_download.parcel("png", START, shown)


def test_the_shown_commands_give_the_pages_numbers(tmp_path, monkeypatch):
    asked = (zoo.trained()[0], zoo.REFERENCE)
    request = replace(START, method="mixup", lam=0.7, only=asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").symlink_to(assets())
    for line in cam_download.command(request).splitlines():
        arguments = shlex.split(line.removeprefix("python -m mixviz "))
        assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    reply = json.loads((tmp_path / "looks" / "looks.json").read_text())
    rows = {row["name"]: row for row in answer(method="mixup", lam=0.7, only=asked)["rows"]}
    assert sorted(one["network"] for one in reply["networks"]) == sorted(asked)
    for numbers in reply["networks"]:
        for about, look in zip(numbers["classes"], rows[numbers["network"]]["looks"], strict=True):
            assert about["probability"] == pytest.approx(look["probability"], abs=1e-3)


def test_a_true_box_belongs_to_the_class_that_is_asked_for():
    """A typed class is compared with the object of its own picture, and a third class with none."""
    bee = pictures.photograph_path("bee.jpg")
    pair = {"a": LION, "b": bee, "subject": "mix", "method": "mixup"}
    boxes = {
        name: cam_subject.subject(replace(START, **pair, classes=name)).boxes
        for name in (("", ""), ("lion", "bee"), ("bee", "LION"), ("tabby", "lion"), ("*", "*"))
    }
    lion, other = boxes["", ""]
    assert boxes["lion", "bee"] == boxes["*", "*"] == [lion, other]
    assert boxes["bee", "LION"] == [other, lion]
    assert boxes["tabby", "lion"] == [None, lion]
    rocket = pictures.photograph_path("rocket.jpg")  # its class is unknown, so the visitor's class counts
    alone = replace(START, a=rocket, b=bee, subject="a", classes=("school bus", ""))
    assert cam_subject.subject(alone).boxes[0] is not None
    assert cam_subject.subject(alone).boxes[1] is None


def test_a_class_that_was_named_is_not_asked_for_twice():
    result = cam_subject.wanted_classes(replace(START, a=LION, classes=("golden retriever", "")))
    assert result[0] == ("golden retriever", True)
    assert result[1][0] != "golden retriever"


def test_slow_maps_have_their_bounds(monkeypatch):
    monkeypatch.setattr(cam_cache, "LONGEST", -1)
    monkeypatch.setattr(cam_cache, "WIDEST", 224)
    cam_cache.cams.clear()
    row = handlers.show(replace(START, kind="score_cam", lam=0.313, only=("cutmix",)))["rows"][0]
    assert "longer than -1 seconds" in row["error"]
    monkeypatch.setattr(cam_cache, "WIDEST", 32)
    row = handlers.show(replace(START, kind="ablation_cam", lam=0.313, only=("cutmix",)))["rows"][0]
    assert "up to 32 pixels" in row["error"]
    with cam_cache._slow:  # somebody else's
        monkeypatch.setattr(cam_cache, "WIDEST", 224)
        row = handlers.show(replace(START, kind="ablation_cam", lam=0.313, only=("cutmix",)))["rows"][0]
    assert "busy" in row["error"]


def test_what_is_kept_is_bounded_and_keeps_nobody_alive(monkeypatch):
    answer(lam=0.272)
    assert cam_cache.cams
    assert all(isinstance(part, str | bytes | int | tuple | None) for key in cam_cache.cams for part in key)
    one = next(iter(cam_cache.cams.values()))
    tensors = one.maps.nbytes + one.probability.nbytes
    assert tensors < cam_cache.cams.getsizeof(one) < tensors + 2000
    for number in range(3 * cam_cache.MEMORY // (2**20)):
        cam_cache.cams[number] = one._replace(maps=torch.zeros(2**18))
    assert cam_cache.MEMORY - 2**21 < cam_cache.cams.currsize <= cam_cache.MEMORY
    cam_cache.cams.clear()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"networks": [1]}, "lists of names"), ({"classes": "lion"}, "lists of names"),
        ({"threshold": None}, "from 0 to 1"), ({"threshold": math.nan}, "from 0 to 1"),
        ({"scale": ["a"]}, "There is no"), ({"networks": ["nobody"]}, "There is no"),
        ({"classes": ["x" * 1000]}, "lists of names"), ({"kind": "none"}, "There is no"),
    ],
)  # fmt: skip
def test_the_endpoint_explains_what_it_cannot_use(changes, says):
    with pytest.raises(gradio.Error, match=says):
        api.look("lion.jpg", **changes)


def test_the_endpoint_asks_each_network_once():
    reply = api.look("cat_egyptian_mau.jpg", ["Egyptian cat"], ["cutmix"] * 50)
    assert [one["network"] for one in reply["networks"]] == ["cutmix"]
    assert reply["figure"].startswith("data:image/png")


def test_of_a_folder_only_what_can_be_used_is_taken():
    given = ["a/x.JPG", "a/readme.txt", "a/boxes.csv", "a/more.zip", "a/.DS_Store"]
    used, message = folder_panel._usable(given, "en")
    assert used == ["a/x.JPG", "a/boxes.csv", "a/more.zip"]
    assert "Files that are no pictures: 1." in message
    assert folder_panel._usable(given[:1], "en") == (["a/x.JPG"], "")


def test_half_a_character_and_odd_displays_are_no_accident():
    state = {"a": START.a, "b": START.b, "view": "localize", "name_a": "x\ud800y", "lam": 0.6, "seed": 0}
    json.dumps(handlers.look(state | {"only": ["cutmix"]})).encode()
    reply = handlers.take(state | {"take": "png", "display": {"scale": ["a"]}})
    assert "Scales are" in reply["message"]


# In a browser


def app_texts() -> dict[str, str]:
    return page.words()["en"]


@pytest.fixture
def looking_tab(open_tab):
    """All networks look at the mixture."""
    tab = open_tab("?view=localize&subject=mix&method=cutmix&lam=0.6&networks=all", "localize")
    tab.page.wait_for_function("mixviz.idle()")  # networks answer in parts
    return tab


FAMILY = ["baseline", "mixup", "cutmix", "saliencymix"]  # of one input size


@pytest.fixture
def family_tab(open_tab):
    """Four networks look at the mixture."""
    tab = open_tab(f"?view=localize&subject=mix&method=cutmix&lam=0.6&networks={','.join(FAMILY)}", "localize")
    tab.page.wait_for_function("mixviz.idle()")
    return tab


def looks_of_family() -> list[inference.CAMResult]:
    looks = cam_download.looks_of(replace(START, method="cutmix", lam=0.6))
    return [look for look in looks if look.known.name in FAMILY]


def unfold(tab, text: str) -> None:
    tab.page.locator("#mv-localize summary").get_by_text(text, exact=True).click()


def settings(tab) -> None:
    unfold(tab, "Settings")


def spelled(network: str, name: str) -> str:
    """How the page calls a network's class."""
    known = networks.known_networks()[network]
    own = known.classes[known.index(name)]
    return app_texts().get(f"class.{own}", own)


def seen(pixels: np.ndarray, network: str) -> np.ndarray:
    """Cut a network's view from the square that the page draws."""
    view = networks.known_networks()[network].input_view
    return pixels[view.margin : view.margin + view.side, view.margin :][:, : view.side]


def canvas(tab, network: str, slot: int) -> np.ndarray:
    pixels = tab.page.evaluate(
        """([network, slot]) => {
          const canvas = document.querySelectorAll(`[data-network=${network}] canvas`)[slot];
          return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
        }""",
        [network, slot],
    )
    square = np.array(pixels, np.uint8)
    return square.reshape(math.isqrt(square.size // 4), -1, 4)


def nearest(pixels: np.ndarray, colours: str) -> np.ndarray:
    """Return the index of each pixel's colour among the 256."""
    distance = abs(pixels[:, :, None, :3].astype(int) - shading.table(colours)[None, None]).sum(3)
    assert distance.min(2).max() == 0
    return distance.argmin(2)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("scale", ["image", "shared", "raw"])
def test_the_colours_in_the_browser_are_those_of_the_library(family_tab, scale):
    tab = family_tab
    settings(tab)
    tab.page.locator(f"#mv-localize [data-choice={scale}]").click()
    looks = looks_of_family()
    expected = scales.scaled([look.maps for look in looks], looks[0].view.shape[:2], scale).shades
    for name, slot in (("baseline", 0), ("cutmix", 1)):
        row = [look.known.name for look in looks].index(name)
        result = nearest(seen(canvas(tab, name, slot), name), "inferno")
        # Maps are sent as bytes on their own scale: tolerate one step of that and one of rounding.
        assert abs(result - 255 * expected[row, slot].numpy()).max() <= 2


@pytest.mark.browser
@pytest.mark.slow
def test_the_difference_of_two_networks_is_that_of_the_library(family_tab):
    tab = family_tab
    settings(tab)
    tab.page.locator("#mv-localize").get_by_label("Difference from").select_option("mixup")
    looks = looks_of_family()
    values = scales.scaled([look.maps for look in looks], looks[0].view.shape[:2], "image").values
    names = [look.known.name for look in looks]
    result = scales.difference(values, values[names.index("mixup")].expand_as(values))
    shades = result.shades[names.index("cutmix"), 0].numpy()
    pixels = seen(canvas(tab, "cutmix", 0), "cutmix")
    assert abs(pixels[..., 3] / 255 - abs(shades)).max() < 0.02
    assert not canvas(tab, "mixup", 0)[..., 3].any()


@pytest.mark.browser
@pytest.mark.slow
def test_changing_how_maps_are_shown_asks_the_server_nothing(looking_tab):
    tab, requests = looking_tab, []
    settings(tab)
    tab.page.on("request", lambda request: request.url.startswith("blob:") or requests.append(request.url))
    before = tab.page.locator("[data-network=cutmix] .mv-box").first.get_attribute("style")
    tab.page.locator("#mv-localize").get_by_label("Threshold τ of the box").fill("0.6")
    tab.page.locator("#mv-localize [data-choice=shared]").click()
    tab.page.locator("#mv-localize").get_by_label("Strength of the colours").fill("0.9")
    tab.page.locator("#mv-localize").get_by_label("Colours", exact=True).select_option("viridis")
    tab.page.locator("#mv-localize").get_by_label("Difference from").select_option("baseline")
    tab.page.locator("#mv-localize [data-choice=rows]").click()
    assert tab.page.locator("[data-network=cutmix] .mv-box").first.get_attribute("style") != before
    tab.page.wait_for_timeout(300)
    assert requests == []
    assert "threshold=0.6" in tab.page.url
    assert "scale=shared" in tab.page.url
    assert "layout=rows" in tab.page.url
    tab.page.reload()
    tab.wait()
    settings(tab)
    assert tab.page.locator("#mv-localize").get_by_label("Threshold τ of the box").input_value() == "0.6"


@pytest.mark.browser
@pytest.mark.slow
def test_box_and_iou_follow_the_threshold_and_a_box_drawn_by_hand(looking_tab):
    tab = looking_tab
    settings(tab)
    tab.page.locator("#mv-localize").get_by_label("Threshold τ of the box").fill("0.3")
    request = replace(START, method="cutmix", lam=0.6)
    look = {one.known.name: one for one in cam_download.looks_of(request)}["saliencymix"]
    view = look.known.input_view

    def expected(box) -> str:
        result = torch.tensor([in_square(look.boxes(0.3)[0], view)], dtype=torch.float64) / view.stored
        return f"IoU {iou(result, torch.tensor([box], dtype=torch.float64)).item():.2f}"

    caption = tab.page.locator("[data-network=saliencymix] figcaption").first
    true = cam_subject.subject(request).boxes[0]
    assert expected(true) in caption.inner_text()
    tab.page.get_by_role("button", name="Move the true box of “Egyptian cat”").click()
    for _ in range(4):
        tab.page.keyboard.press("Shift+ArrowUp")
    moved = [true[0], true[1], true[2] - 4 / 56, true[3]]
    assert expected(moved) in caption.inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_a_method_of_the_gallery_leads_to_its_mixture(open_tab):
    tab = open_tab()
    tab.about("resizemix")
    tab.page.get_by_role("dialog").get_by_role("button", name="Where networks look").click()
    tab.view = "localize"
    tab.wait()
    tab.page.wait_for_function("mixviz.idle()")  # networks answer in parts
    assert tab.page.locator("#mv-localize").get_by_label("Mixed by").input_value() == "resizemix"
    unfold(tab, "Take it with you")
    assert "mixture/mixture.png" in tab.page.locator("#mv-localize pre").inner_text()
    assert shown(tab) == SIX


@pytest.mark.browser
@pytest.mark.slow
def test_classes_are_chosen(looking_tab):
    tab = looking_tab
    choice = tab.page.locator("#mv-localize").get_by_label("Class of A")
    tab.after(lambda: choice.select_option("Persian cat"))
    caption = tab.page.locator("[data-network=cutmix] figcaption b").first
    assert caption.inner_text() == spelled("cutmix", "Persian cat")
    tab.after(lambda: choice.select_option("each network’s own prediction"))
    assert tab.state()["classes"] == ["*", ""]
    said = tab.page.locator("[data-network=cutmix] .mv-say span").first.inner_text()
    assert said == f"says {tab.page.locator('[data-network=cutmix] figcaption b').first.inner_text()}"
    tab.after(lambda: choice.select_option("automatic"))
    assert choice.locator("option:checked").inner_text() == "Egyptian cat"


@pytest.mark.browser
@pytest.mark.slow
def test_slow_maps_come_one_by_one_and_can_be_stopped(looking_tab, monkeypatch):
    tab = looking_tab
    monkeypatch.setattr(localize, "PATIENCE", 0)
    monkeypatch.setattr(cam_cache, "LONGEST", 1)
    monkeypatch.setattr(cam_cache, "WIDEST", 256)
    cam_cache.cams.clear()
    settings(tab)
    tab.page.locator("#mv-localize").get_by_label("Kind of map").select_option("score_cam")
    tab.page.get_by_role("button", name="Stop").click()
    tab.page.wait_for_function("mixviz.idle()")
    assert tab.page.get_by_role("button", name="Stop").is_hidden()
    tab.page.locator("#mv-localize").get_by_label("Kind of map").select_option("hires_cam")
    tab.page.wait_for_function("mixviz.idle()")
    assert not tab.page.locator("#mv-localize progress").is_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_the_mixture_follows_the_dock_and_the_figure_is_taken(looking_tab):
    tab = looking_tab
    before = canvas(tab, "baseline", 0)
    tab.set_lambda(0.2)
    assert (canvas(tab, "baseline", 0) != before).any()
    unfold(tab, "Take it with you")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Figure (PNG)").click()
    with Image.open(download.value.path()) as figure:
        assert figure.height > 256 * len(networks.known_networks())
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Boxes and IoU (CSV)").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + 2 * (len(networks.known_networks()) + 1)


# One picture first


SIX = ["efficientnet_lite0", "baseline", "mixup", "cutmix", "saliencymix", "randsaliencymix"]


def asked_of(tab) -> list[list[str]]:
    """Collect the networks that each question to the server names."""
    asked: list[list[str]] = []

    def read(request) -> None:
        if "component_server" in request.url and '"look"' in (request.post_data or ""):
            asked.append(json.loads(request.post_data)["data"]["only"])

    tab.page.on("request", read)
    return asked


def shown(tab) -> list[str]:
    return tab.page.eval_on_selector_all(".mv-look[data-network]", "all => all.map((one) => one.dataset.network)")


@pytest.mark.browser
def test_it_opens_on_one_picture_the_reference_and_five_strategies(open_tab):
    tab = open_tab("?view=localize", "localize")
    assert tab.state()["subject"] == "a"
    assert shown(tab) == SIX
    maps = tab.page.locator(".mv-heat-tile:visible")
    assert maps.count() == 6
    assert min(maps.nth(i).bounding_box()["width"] for i in range(6)) >= 240
    card = tab.page.locator("[data-network=cutmix]")
    known = networks.known_networks()["cutmix"].loaded()
    look = inference.look(known, pictures.load_view(START.a, known.input_view), ("Egyptian cat",))
    share = round(100 * look.probability.max().item())
    said = card.inner_text().replace("\u00a0", " ")
    assert "CutMix" in said
    assert f"says {spelled('cutmix', known.classes[int(look.probability.argmax())])}\n{share} %" in said
    assert re.search(rf"{spelled('cutmix', 'Egyptian cat')} \d+ % · IoU 0\.\d\d", said)
    assert card.locator(".mv-say:visible").count() == 3
    assert re.search(r"\d+\.\d % of [\d,]+ test pictures right", said)
    verdict = tab.page.locator(".mv-look-verdict").inner_text()
    assert "of 6 networks stay below" in verdict
    assert tab.page.get_by_text("differ beyond chance.").is_visible()
    legend = tab.page.locator(".mv-plot-legend button:visible").all_inner_texts()
    assert legend == [*map(zoo.title, SIX), "The middle, without a network"]


@pytest.mark.browser
def test_a_phone_begins_with_the_reference_alone(open_tab):
    tab = open_tab("?view=localize", "localize", width=390, height=844)
    assert shown(tab) == SIX[:1]
    tab.after(tab.page.get_by_role("button", name="Show 5 trained with strategies").click)
    assert shown(tab) == SIX


@pytest.mark.browser
def test_networks_without_the_pictures_class_stand_aside(open_tab):
    tab = open_tab("?view=localize&class_a=toilet tissue", "localize")
    assert shown(tab) == SIX[:1]
    told = tab.page.locator(".mv-look-aside")
    assert (
        "Baseline, Mixup, CutMix, SaliencyMix, and RandSaliencyMix know no class “toilet tissue”." in told.inner_text()
    )
    told.get_by_role("button", name="Show anyway").click()
    assert shown(tab) == SIX
    assert "no class toilet tissue; its own answer:" in tab.page.locator("[data-network=cutmix]").inner_text()


@pytest.mark.browser
def test_the_mixture_and_all_networks_are_one_click_away_each(open_tab):
    tab = open_tab("?view=localize", "localize")
    assert not tab.page.get_by_label("Mixed by").is_visible()
    tab.after(tab.page.get_by_role("button", name="Now the mixture").click)
    assert tab.page.locator(".mv-heat-tile:visible").count() == 12
    assert "subject=mix" in tab.page.url
    assert tab.page.get_by_label("Mixed by").is_visible()
    asked = asked_of(tab)
    names = list(networks.known_networks())
    tab.after(tab.page.get_by_role("button", name=f"Show all {len(names)}").click)
    assert asked[0] == [name for name in names if name not in SIX]  # nobody is asked twice
    assert shown(tab) == [*names, "centre"]
    tab.page.wait_for_function("location.search.includes('networks=all')")
    tab.page.get_by_role("button", name="Show fewer").click()
    assert shown(tab) == SIX


@pytest.mark.browser
def test_chosen_networks_are_kept_in_the_address(open_tab):
    tab = open_tab("?view=localize&networks=cutout,cutmix", "localize")
    assert shown(tab) == ["cutout", "cutmix"]
    settings(tab)
    tab.after(tab.page.locator(".mv-look-networks").get_by_label("Baseline").check)
    tab.page.locator(".mv-look-networks").get_by_label("Cutout").uncheck()
    assert shown(tab) == ["baseline", "cutmix"]
    kept = "new URLSearchParams(location.search).get('networks') === 'baseline,cutmix'"
    tab.page.wait_for_function(kept)
    tab.page.reload()
    tab.wait()
    assert shown(tab) == ["baseline", "cutmix"]


@pytest.mark.browser
def test_a_map_is_enlarged_and_wiped_to_another(open_tab):
    tab = open_tab("?view=localize", "localize")
    cat, dog = spelled("cutmix", "Egyptian cat"), spelled("cutmix", "Yorkshire terrier")
    opener = tab.page.get_by_role("button", name=f"Enlarge: Heat map of CutMix for {cat}")
    opener.focus()
    tab.page.keyboard.press("Enter")
    dialog = tab.page.get_by_role("dialog", name=f"CutMix: {cat}")
    first, second = dialog.locator(".mv-heat-tile").all()
    assert first.bounding_box()["width"] >= 480
    pixels = """(tile) => {
      const canvas = tile.querySelector("canvas");
      return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
    }"""
    assert first.evaluate(pixels) == canvas(tab, "cutmix", 0).ravel().tolist()
    assert "MaxBoxAccV2" in dialog.inner_text()
    assert "lowest" in dialog.inner_text()
    wipe = dialog.get_by_label("Slide to compare")
    wipe.focus()
    for _ in range(30):
        tab.page.keyboard.press("ArrowLeft")
    assert second.evaluate("(tile) => tile.style.clipPath") == "inset(0px 0px 0px 70%)"
    assert second.get_attribute("aria-label") == f"Heat map of CutMix for {dog}"
    dialog.get_by_label("Compare with").select_option("mixup")
    assert second.get_attribute("aria-label") == f"Heat map of Mixup for {cat}"
    assert second.evaluate(pixels) == canvas(tab, "mixup", 0).ravel().tolist()
    tab.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert opener.evaluate("(node) => node === document.activeElement")


@pytest.mark.browser
def test_what_no_network_knows_is_announced_before_the_maps(open_tab):
    tab = open_tab("?view=localize&a=scissors&b=rocket", "localize")
    notice = tab.page.get_by_role("alert")
    assert "None of the networks knows “scissors”." in notice.inner_text()
    assert f"They know {len(networks.classes())} classes" in notice.inner_text()
    assert notice.bounding_box()["y"] < tab.page.locator(".mv-look-stage").bounding_box()["y"]
    notice.get_by_text("Which classes?").click()
    classes = (app_texts().get(f"class.{name}", name) for name in networks.classes())
    assert all(name in notice.inner_text() for name in classes)
    tab.after(tab.page.get_by_role("button", name="Now the mixture").click)
    assert [one.inner_text() for one in notice.locator("strong").all()] == [
        f"None of the networks knows “{name}”." for name in ("scissors", "rocket")
    ]


@pytest.mark.browser
def test_a_label_preselects_the_class_that_the_networks_prefer(open_tab):
    tab = open_tab("?view=localize&a=cat_norwegian_forest", "localize")
    cats = [name for name in networks.classes() if class_names.kind_of(name) == "cats"]
    best = next(name for name in networks.ranked(pictures.photograph_path("cat_norwegian_forest.jpg")) if name in cats)
    told = f"“cat” could be any of {len(cats)} classes: the networks prefer {best}."
    assert tab.page.get_by_text(told, exact=True).is_visible()
    choice = tab.page.locator("#mv-localize").get_by_label("Class of A")
    assert choice.locator("option:checked").inner_text() == best
    assert tab.page.locator("[data-network=efficientnet_lite0] figcaption b").first.inner_text() == best
    tab.after(lambda: tab.name("a", "chihuahua"))
    assert choice.locator("option:checked").inner_text() == "Chihuahua"
    assert not tab.page.get_by_text(told).is_visible()
    tab.after(lambda: tab.name("a", "scissors"))
    assert "None of the networks knows “scissors”." in tab.page.get_by_role("alert").inner_text()


def test_heat_of_the_page_is_the_heat_that_localisation_measures():
    look = cam_download.looks_of(replace(START, subject="a"))[0]
    assert torch.equal(look.heat(), heat(look.maps, (look.known.side, look.known.side)))
    assert set(mixviz.METHODS) >= {START.method}


# Faithfulness, a visitor's network, many pictures


def test_faithfulness_is_that_of_the_library():
    reply = localize.trusted(replace(START, subject="a", only=("cutmix",), classes=("Egyptian cat", "Persian cat")))
    known = networks.known_networks()["cutmix"].loaded()
    view, rng = pictures.load_view(START.a, known.input_view), np.random.default_rng(0)
    look = inference.look(known, view, ("Egyptian cat", "Persian cat"), dilate=cam_cache.STRIDES)
    measured = trust.faithful(look, rng if known.side <= cam_cache.WIDEST else None)
    for result, expected in zip(reply["faith"], measured, strict=True):
        assert result == pytest.approx(expected._asdict(), abs=1e-3)


@pytest.fixture
def own_files(tmp_path) -> list:
    folder = network_of_ones_own(tmp_path)
    return [folder / "card.json", folder / "weights.safetensors"]


@pytest.mark.browser
@pytest.mark.slow
def test_ones_own_network_joins_and_says_what_it_says(looking_tab, own_files):
    tab = looking_tab
    unfold(tab, "A network of your own")
    chooser = tab.page.locator("#mv-localize").get_by_label("A network of your own")
    chooser.set_input_files(own_files[0])
    tab.page.get_by_text("Choose two files together").wait_for()
    tab.after(lambda: chooser.set_input_files(own_files))
    tab.page.get_by_text("Mine (1) has joined the networks").wait_for()
    mine, zoos = (tab.page.locator(f"[data-network={name}]") for name in ("own_1", "cutmix"))
    assert mine.locator(".mv-guesses").inner_text() == zoos.locator(".mv-guesses").inner_text()
    assert mine.locator("figcaption").first.inner_text() == zoos.locator("figcaption").first.inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_a_network_that_is_none_is_explained_and_the_page_goes_on(looking_tab, own_files):
    own_files[1].write_bytes(b"pickled" * 100)
    unfold(looking_tab, "A network of your own")
    looking_tab.page.locator("#mv-localize").get_by_label("A network of your own").set_input_files(own_files)
    looking_tab.page.get_by_text("safetensors", exact=False).last.wait_for()
    note = looking_tab.page.locator("#mv-localize .mv-load + p")
    looking_tab.page.wait_for_function("!document.querySelector('#mv-localize .mv-load + p').textContent.includes('…')")
    assert "safetensors" in note.inner_text()
    assert not looking_tab.state()["own"]


@pytest.mark.browser
@pytest.mark.slow
def test_an_own_network_that_is_gone_costs_the_page_nothing_else(looking_tab, own_files):
    tab = looking_tab
    tab.after(lambda: tab.page.locator("#mv-localize").get_by_label("A network of your own").set_input_files(own_files))
    for path in (path for pair in tab.state()["own"] for path in pair):
        os.remove(path)
    tab.page.locator("#mv-localize").get_by_label("Class of A").select_option("Chihuahua")
    tab.page.get_by_text("Your own network is no longer here").wait_for()
    tab.after(lambda: tab.set_lambda(0.3))
    assert tab.page.locator("[data-network=own_1]").count() == 0
    caption = tab.page.locator("[data-network=cutmix] figcaption b").first
    assert caption.inner_text() == spelled("cutmix", "Chihuahua")


@pytest.mark.browser
@pytest.mark.slow
def test_a_damaged_link_opens_the_view_all_the_same(open_tab):
    damaged = "colours=foo&to=zzz&threshold=1&scale=x&layout=y&class_a=rocket&networks=nobody"
    tab = open_tab(f"?view=localize&{damaged}", "localize")
    settings(tab)
    assert tab.page.locator("#mv-localize").get_by_label("Threshold τ of the box").input_value() == "0.99"
    assert canvas(tab, "baseline", 0)[..., 3].all()


@pytest.mark.browser
@pytest.mark.slow
def test_faithfulness_is_measured_network_by_network(looking_tab, monkeypatch):
    settings(looking_tab)
    unfold(looking_tab, "How faithful are the maps?")
    looking_tab.page.get_by_role("button", name="Measure").click()
    looking_tab.page.locator("[data-network=baseline] .mv-faithful").wait_for()
    looking_tab.page.get_by_role("button", name="Stop").last.click()
    table = looking_tab.page.locator("[data-network=baseline] .mv-faithful").inner_text()
    reply = localize.trusted(replace(START, method="cutmix", lam=0.6, only=("baseline",)))["faith"]
    assert f"{reply[0]['deletion']:.2f}" in table
    assert f"{reply[1]['insertion']:.2f}" in table


@pytest.mark.browser
@pytest.mark.slow
def test_many_pictures_become_a_zip_of_tables_and_maps(looking_tab, tmp_path):
    tab = looking_tab
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("cat_egyptian_mau.jpg", "dog_yorkshire_terrier.jpg"):
        shutil.copy(pictures.photograph_path(name), folder)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture")
    top, left, bottom, right = pictures.photographs()["cat_egyptian_mau.jpg"]["box"]
    line = f"cat_egyptian_mau.jpg,{top},{left},{bottom},{right}"
    (folder / "boxes.csv").write_text(f"file,top,left,bottom,right\n{line}\n")
    tab.page.get_by_role("button", name="Many pictures at once, to a table").click()
    room = tab.page.locator("#survey")
    room.locator("input[type=file]").last.set_input_files(folder)
    room.get_by_text("egyptian", exact=False).first.wait_for(state="attached")
    room.get_by_text("Files that are no pictures: 1.").wait_for()
    room.get_by_label("Classes").fill("Egyptian cat, Yorkshire terrier")
    room.get_by_role("button", name="Start").click()
    room.get_by_text("3 pictures. Everything is in the zip").wait_for(timeout=60000)
    room.get_by_text("Pictures that could not be read: 1").wait_for()
    with tab.page.expect_download() as download:
        room.locator("a.download-link").last.click()
    with zipfile.ZipFile(download.value.path()) as parcel:
        rows = list(csv.DictReader(io.TextIOWrapper(parcel.open("survey.csv"), "utf-8-sig")))
        assert len([name for name in parcel.namelist() if name.endswith(".png")]) == 2
    assert sum(row["network"] == zoo.REFERENCE for row in rows) == 2 * 2
    assert [row["note"] != "" for row in rows if row["file"] == "broken.jpg"] == [True]
    known = networks.known_networks()[zoo.REFERENCE].loaded()
    cat = next(
        row for row in rows if row["file"] == "cat_egyptian_mau.jpg" and class_names.same(row["class"], "Egyptian cat")
    )
    look = inference.look(known, pictures.load_view(START.a, known.input_view), ("Egyptian cat",))
    assert float(cat["probability"]) == pytest.approx(look.probability[look.classes[0]].item(), abs=1e-4)
    assert float(cat["iou"]) > 0


@pytest.mark.browser
@pytest.mark.slow
def test_a_survey_of_nothing_is_explained(looking_tab):
    looking_tab.page.get_by_role("button", name="Many pictures at once, to a table").click()
    looking_tab.page.locator("#survey").get_by_role("button", name="Start").click()
    looking_tab.page.get_by_text("Upload pictures or a zip first").wait_for()


def test_the_first_page_asks_a_network_about_classes_that_it_knows():
    a, b = (pictures.photograph_path(f"{name}.jpg") for name in ("bison", "dog_yorkshire_terrier"))
    answer = learn.maps({"a": a, "b": b, "method": "cutmix"})
    known = networks.known_networks()["cutmix"]
    assert not known.knows("bison")
    assert all(map(known.knows, answer["classes"]))
    assert known.index(answer["classes"][1]) == known.index("Yorkshire terrier")
    assert len(set(answer["classes"])) == 2
    assert (answer["lacking"], answer["count"]) == (["a"], 37)
    mau = pictures.photograph_path("cat_egyptian_mau.jpg")
    assert learn.maps({"a": mau, "b": b, "method": "cutmix"})["lacking"] == []

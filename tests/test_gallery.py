"""The gallery against a hub that the test runs: whole and broken files, what stays in place, and the page."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from mixviz import __main__, resources
from mixviz.cam import drawing, inference
from mixviz.i18n import UserError, texts
from mixviz.networks import architectures, gallery, user_network, zoo
from mixviz.ui import handlers
from mixviz.ui.services import cam_cache, cam_download, cam_subject, folder_panel, gallery_downloads, networks
from mixviz.ui.state import first_request
from mixviz.ui.views import localize

pytest.importorskip("timm")
NAME, COMMIT = "test_resnet.none_in1k", "0123456789abcdef0123456789abcdef01234567"
PATH = f"/timm/{NAME}/resolve"


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does: with its headers and a redirect to the file itself."""

    content: bytes = b""
    tag = ""  # sha256 by the hub; empty: not told
    half = False
    going_on = threading.Event()  # the second half of a file waits for it
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith(PATH):
            self.send_response(302)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(self.content)))
            if self.tag:
                self.send_header("X-Linked-ETag", f'"{self.tag}"')
            self.send_header("Location", "/file")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path != "/file":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        middle = len(self.content) // 2
        self.wfile.write(self.content[:middle])
        self.wfile.flush()
        self.going_on.wait(60)
        if not self.half:
            self.wfile.write(self.content[middle:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def tensors():
    torch.manual_seed(0)
    return architectures.build("test_resnet", 1000).state_dict()


@pytest.fixture
def hub(monkeypatch, tmp_path, tensors):
    """A hub with one small network, the only one of the gallery; downloads go to a folder of the test."""
    content = save(tensors)
    told = {"content": content, "tag": hashlib.sha256(content).hexdigest(), "asked": []}
    kind = type("Served", (Hub,), {**told, "going_on": threading.Event()})
    kind.going_on.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("MIXVIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    listed(monkeypatch, tmp_path, megabytes=len(content) / 1e6)
    yield kind
    kind.going_on.set()
    until(lambda: not gallery_downloads._running)
    gallery_downloads._failed.clear()
    server.shutdown()
    server.server_close()


def listed(monkeypatch, tmp_path, **changes) -> None:
    """Make a list with one network."""
    values = {
        **json.loads(gallery.LIST.read_text(encoding="utf-8"))[0], "name": NAME, "title": "Small", "loss": "bce",
        "repository": f"timm/{NAME}", "architecture": "test_resnet", "image_size": 64, **changes,
    }  # fmt: skip
    path = tmp_path / "gallery.json"
    path.write_text(json.dumps([values]), encoding="utf-8")
    monkeypatch.setattr(gallery, "LIST", path)


def until(true: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def left() -> list[str]:
    """Files among the downloads."""
    # os.walk, because a folder may be removed meanwhile, which rglob does not bear.
    return sorted(name for *_, names in os.walk(resources.networks()) for name in names)


# ---------------------------------------------------------------- the list


def test_the_list_is_what_timm_says():
    """Input, licence and architecture are those of timm's own configuration."""
    import timm

    for name, entry in gallery.entries().items():
        known = timm.models.get_pretrained_cfg(name)
        assert known is not None, name
        assert (entry.repository, entry.license) == (known.hf_hub_id, known.license)
        assert (tuple(entry.mean), tuple(entry.std)) == (known.mean, known.std)
        assert entry.interpolation == known.interpolation
        assert (entry.image_size, entry.crop) in (
            (known.input_size[-1], known.crop_pct), ((known.test_input_size or [0])[-1], known.test_crop_pct),
        )  # fmt: skip
        assert entry.architecture == name.split(".")[0]
        assert "nc" not in entry.license.split("-")
        with torch.device("meta"):
            state = architectures.build(entry.architecture, 1000).state_dict()
        size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
        assert entry.megabytes == pytest.approx(size / 1e6, abs=0.1)
        assert entry.documented.startswith("https://") or name == "tf_efficientnet_b0.in1k"


def test_each_entry_makes_a_card():
    for name, entry in gallery.entries().items():
        card = entry.card("0" * 64, "main")
        assert card.network.view.side == entry.image_size
        assert card.network.view.interpolation == entry.interpolation
        assert (card.network.loss == "bce") == (".a" in name and "in1k" in name and name[name.index(".") + 2] in "123")
        assert len(card.data.classes) == 1000
        assert card.weights.license == entry.license
        assert not card.is_whole


def test_the_guides_table_is_the_list():
    guide = (Path(__file__).parent.parent / "docs" / "guides" / "gallery.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in guide.splitlines() if line.startswith("| `") and "in1k" in line}
    assert rows.keys() == gallery.entries().keys()
    for name, entry in gallery.entries().items():
        told = [entry.augmentation, entry.documented or "–", entry.license, f"{entry.top1:.1f}"]
        told.append("binary cross-entropy" if entry.loss == "bce" else "softmax")
        assert all(f" {one} |" in rows[name] or f"({one}) |" in rows[name] for one in told), rows[name]


# ---------------------------------------------------------------- downloads


def test_a_network_is_fetched_once_and_is_known_by_name(hub, tensors):
    steps = []
    home = gallery.get(NAME, lambda done, total: steps.append((done, total)))
    assert home == resources.networks() / NAME
    assert left() == ["card.json", "card.md", "weights.safetensors"]
    assert steps[0] == (0, len(hub.content))
    assert steps[-1] == (len(hub.content), len(hub.content))
    assert gallery.get(NAME) == home
    assert hub.asked == [f"{PATH}/main/model.safetensors", "/file"]
    card = zoo.card(NAME)
    assert card.weights.sha256 == hashlib.sha256(hub.content).hexdigest()
    assert COMMIT in card.weights.source
    assert (card.elsewhere["augmentation"], card.network.loss) == ("random crop and flip", "bce")
    zoo.verify(NAME)
    assert zoo.fetched() == [NAME]
    assert NAME not in zoo.names()
    torch.testing.assert_close(zoo.load(NAME).state_dict()["fc.weight"], tensors["fc.weight"])
    (known,) = inference.open_networks(NAME)
    assert known.has_own_confidence
    assert not inference.open_networks(zoo.REFERENCE)[0].has_own_confidence


def test_a_damaged_download_is_mended_from_the_same_revision(hub):
    weights = gallery.get(NAME) / user_network.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    gallery.get(NAME)
    zoo.verify(NAME)
    assert hub.asked[2] == f"{PATH}/{COMMIT}/model.safetensors"


def test_the_first_download_decides_which_file_it_is(hub, tensors):
    """The hub may change its mind; the card does not."""
    weights = gallery.get(NAME) / user_network.WEIGHTS
    weights.unlink()
    hub.content = save({name: tensor * 2 for name, tensor in tensors.items()})
    hub.tag = hashlib.sha256(hub.content).hexdigest()
    with pytest.raises(ValueError, match="is another one: its sha256 is"):
        gallery.get(NAME)
    assert left() == ["card.json", "card.md"]


def test_a_wrong_sha256_is_refused(hub, monkeypatch, tmp_path):
    hub.tag = "0" * 64
    with pytest.raises(ValueError, match="is another one"):
        gallery.get(NAME)
    hub.tag = ""
    listed(monkeypatch, tmp_path, sha256="1" * 64, megabytes=len(hub.content) / 1e6)
    with pytest.raises(ValueError, match=f"{'1' * 64} was expected"):
        gallery.get(NAME)
    assert left() == []
    assert list(resources.networks().iterdir()) == []


def test_a_pinned_revision_is_asked_for(hub, monkeypatch, tmp_path):
    listed(monkeypatch, tmp_path, revision="f" * 40, megabytes=len(hub.content) / 1e6)
    gallery.get(NAME)
    assert hub.asked[0] == f"{PATH}/{'f' * 40}/model.safetensors"


def test_half_a_file_is_detected(hub):
    hub.half, hub.tag = True, ""
    with pytest.raises(ValueError, match=r"Only .* MB of .* arrived|cannot be fetched"):
        gallery.get(NAME)
    assert left() == []
    hub.half = False
    gallery.get(NAME)


def test_without_a_connection_what_is_there_works_on(hub, monkeypatch):
    weights = gallery.get(NAME) / user_network.WEIGHTS
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    gallery.get(NAME)
    before = weights.read_bytes()[:-1] + b"!"
    weights.write_bytes(before)
    with pytest.raises(ValueError, match=r"cannot be fetched .* Check the connection"):
        gallery.get(NAME)
    assert weights.read_bytes() == before  # nothing is lost that was there
    assert left() == ["card.json", "card.md", "weights.safetensors"]


def test_a_file_that_is_not_there_and_an_address_that_is_none(hub, monkeypatch, tmp_path):
    listed(monkeypatch, tmp_path, repository="timm/nowhere")
    with pytest.raises(ValueError, match="the hub answers 404"):
        gallery.get(NAME)
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(ValueError, match="HF_ENDPOINT should be an address"):
        gallery.get(NAME)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {name.replace("fc.", "head."): tensor for name, tensor in t.items()}, "they lack 'fc"),
        (lambda t: {**t, "extra": torch.zeros(1)}, "it has no 'extra'"),
        (lambda t: {**t, "fc.bias": torch.zeros(3)}, "names 1000 classes"),
        (lambda t: {**t, "fc.bias": torch.full((1000,), float("nan"))}, "holds NaN"),
    ],
)
def test_other_tensors_are_refused(hub, tensors, change, message):
    hub.content, hub.tag = save(change(tensors)), ""
    with pytest.raises(ValueError, match=rf"cannot be used\. .*{message}"):
        gallery.get(NAME)
    assert left() == []


@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_is_never_opened(hub, tensors, tmp_path, new):
    if new:
        torch.save(tensors, tmp_path / "a.pth")
        hub.content = (tmp_path / "a.pth").read_bytes()
    else:
        hub.content = pickle.dumps({"fc.bias": 1})
    hub.tag = ""
    with pytest.raises(ValueError, match="is a pickle"):
        gallery.get(NAME)
    hub.content = b"<html>"
    with pytest.raises(ValueError, match="are no safetensors"):
        gallery.get(NAME)
    assert left() == []


def test_a_file_that_is_too_large_is_refused(hub):
    hub.content = bytes(len(hub.content) * 2)
    with pytest.raises(ValueError, match=r"in place of .* MB: refused"):
        gallery.get(NAME)
    assert left() == []


def test_threads_wait_for_one_download(hub):
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: gallery.get(NAME), range(4)))) == 1
    assert hub.asked.count("/file") == 1


def test_names(hub, monkeypatch):
    with pytest.raises(ValueError, match=f"Did you mean '{NAME}'"):
        gallery.get("test_resnet.non_in1k")
    with pytest.raises(ValueError, match=f"fetch it with `mixviz zoo get {NAME}`"):
        inference.open_networks(NAME)
    assert zoo.located("..") is None
    assert zoo.located("../home") is None
    told = []
    monkeypatch.setenv("MIXVIZ_NETWORKS", f"nonsense, {NAME}")
    assert gallery.preload(told.append) == [NAME]
    assert len(told) == 1
    assert told[0].startswith("nonsense: There is no")


def test_the_commands(hub):
    result = CliRunner().invoke(__main__.app, ["zoo", "get", NAME])
    assert result.exit_code == 0, result.output
    assert "licence bsd-3-clause; trained with binary cross-entropy" in result.output
    listing = CliRunner().invoke(__main__.app, ["zoo", "list"]).output
    assert f"{NAME:32} Small" in listing
    assert "zoo get NAME" not in listing  # nothing is left


def test_what_an_ended_process_left_is_removed(hub):
    home = resources.networks() / NAME
    home.mkdir(parents=True)
    old, new = (home / f"{gallery.FILE}.{number}.part" for number in (1, 2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    gallery.get(NAME)
    assert left() == ["card.json", "card.md", new.name, "weights.safetensors"]


# ---------------------------------------------------------------- on the page


START = replace(first_request(), view="localize", subject="a")


def row(language: str = "en") -> dict:
    (one,) = localize.gallery({"language": language})["rows"]
    return one


def fetched() -> dict:
    """Fetch the network as the page does, and return its row."""
    localize.fetch({"name": NAME})
    until(lambda: not row()["progress"])
    return row()


def test_two_visitors_fetch_once_and_everybody_sees_how_far_it_is(hub):
    hub.going_on.clear()
    assert (row()["here"], row()["progress"], row()["error"]) == (False, None, "")
    with ThreadPoolExecutor(4) as visitors:
        list(visitors.map(lambda _: localize.fetch({"name": NAME}), range(4)))
    until(lambda: row()["progress"] and row()["progress"][1])
    assert row()["progress"][0] < row()["progress"][1] == len(hub.content)
    assert not row()["here"]
    assert NAME not in networks.to_look_inside()
    hub.going_on.set()
    until(lambda: row()["here"])
    assert hub.asked.count("/file") == 1


def waiting(visitor: str) -> dict:
    (one,) = localize.gallery({"visitor": visitor})["rows"]
    return one


def test_the_last_visitor_who_waits_ends_a_download(hub):
    """Until then it goes on; afterwards nothing of it is left, the page is free, and it can be fetched again."""
    hub.going_on.clear()
    for visitor in ("one", "two"):
        localize.fetch({"name": NAME, "visitor": visitor})
    until(lambda: row()["progress"] and row()["progress"][0])
    assert [(waiting(name)["mine"], waiting(name)["others"]) for name in ("one", "three")] == [(True, 1), (False, 2)]
    localize.cancel({"name": NAME, "visitor": "three"})  # who does not wait
    (told,) = localize.cancel({"name": NAME, "visitor": "one"})["rows"]
    assert (told["mine"], told["others"], bool(told["progress"])) == (False, 1, True)
    assert any(name.endswith(".part") for name in left())
    (told,) = localize.cancel({"name": NAME, "visitor": "two"})["rows"]
    assert (told["mine"], told["progress"], told["error"], told["here"]) == (False, None, "", False)
    hub.going_on.set()
    until(lambda: left() == [])
    assert not (resources.networks() / NAME).exists()
    assert fetched()["here"]


def test_a_cancelled_download_may_be_asked_for_while_it_ends(hub):
    hub.going_on.clear()
    localize.fetch({"name": NAME, "visitor": "one"})
    until(lambda: row()["progress"] and row()["progress"][0])
    localize.cancel({"name": NAME, "visitor": "one"})
    localize.fetch({"name": NAME, "visitor": "one"})
    assert waiting("one")["mine"]
    hub.going_on.set()
    until(lambda: row()["here"])
    assert left() == ["card.json", "card.md", "weights.safetensors"]
    assert hub.asked.count("/file") == 2


def test_a_download_that_waits_for_its_turn_is_cancelled_at_once(hub):
    hub.going_on.clear()
    for _ in range(gallery_downloads.TOGETHER):
        gallery_downloads._places.acquire()
    threads = threading.active_count()
    localize.fetch({"name": NAME, "visitor": "one"})
    localize.cancel({"name": NAME, "visitor": "one"})
    until(lambda: threading.active_count() == threads)
    for _ in range(gallery_downloads.TOGETHER):
        gallery_downloads._places.release()
    assert hub.asked == []
    assert left() == []


def test_who_says_nothing_any_more_is_not_waited_for(hub):
    hub.going_on.clear()
    for visitor in ("gone", "here"):
        localize.fetch({"name": NAME, "visitor": visitor})
    begun = gallery_downloads._running[NAME]
    begun.waiting["visitor gone"] -= gallery_downloads.GONE
    assert waiting("here")["others"] == 0
    localize.cancel({"name": NAME, "visitor": "here"})
    assert begun.cancelled.is_set()
    hub.going_on.set()
    until(lambda: left() == [])


def test_visitors_do_not_cancel_what_the_host_wants(hub, monkeypatch):
    monkeypatch.setenv("MIXVIZ_NETWORKS", NAME)
    hub.going_on.clear()
    gallery_downloads.preload()
    until(lambda: row()["progress"] and row()["progress"][0])
    localize.fetch({"name": NAME, "visitor": "one"})
    localize.cancel({"name": NAME, "visitor": "one"})
    assert row()["progress"]
    hub.going_on.set()
    until(lambda: row()["here"])


def test_a_fetched_network_is_one_of_those_to_look_inside(hub):
    before = localize.context()
    assert fetched()["here"]
    assert list(networks.to_look_inside()) == [*networks.known_networks(), NAME]
    assert localize.context()["networks"].keys() - before["networks"].keys() == {NAME}
    assert localize.context()["classes"] == before["classes"]
    assert ("Small", NAME) in networks.titles()
    assert folder_panel._plan(NAME, "", "grad_cam", 0.2, False).known[0].name == NAME
    networks.in_memory.clear()
    asked = replace(START, only=(zoo.REFERENCE, NAME))
    value = handlers.show(asked)
    assert [(one["title"], one["bce"]) for one in value["rows"]][1:] == [("Small", True)]
    assert not value["rows"][0]["bce"]
    assert value["all"][-1] == NAME
    assert NAME in cam_download.command(asked)
    loaded = networks.to_look_inside()[NAME].loaded()
    assert loaded in networks.in_memory.values()  # so that it counts among the bounded bytes
    results = cam_download.looks_of(asked)
    assert not any(isinstance(one.known, inference.LoadedModel) for one in results)  # and nothing else keeps it
    picture = cam_subject.subject(asked).picture
    assert cam_cache.faithful(networks.to_look_inside()[NAME], asked, picture, ("Egyptian cat",))


def test_figures_mark_confidences_that_do_not_compare(hub):
    fetched()
    results = cam_download.looks_of(replace(START, only=(zoo.REFERENCE, NAME)))
    assert [drawing._class_chance(one, 0)[-1] for one in results] == ["%", "*"]
    scales = drawing.on_one_scale(results, "image")
    assert drawing._legend(results, scales, "grad_cam", "image", 0.2).endswith(drawing.OWN_CONFIDENCE)
    assert drawing.OWN_CONFIDENCE not in drawing._legend(results[:1], scales, "grad_cam", "image", 0.2)


def test_a_network_that_was_removed_or_changed_by_hand(hub):
    fetched()
    home = resources.networks() / NAME
    (home / user_network.WEIGHTS).rename(home / "elsewhere")
    assert not row()["here"]
    assert NAME not in networks.to_look_inside()
    assert fetched()["here"]
    (home / user_network.CARD).write_text("{")
    assert NAME not in networks.to_look_inside()


def no_room(_file: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("why", "spoil"),
    [
        ("offline", lambda hub, patch: patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")),
        ("offline", lambda hub, patch: setattr(hub, "half", True)),
        ("changed", lambda hub, patch: setattr(hub, "tag", "0" * 64)),
        ("refused", lambda hub, patch: setattr(hub, "content", b"<html>") or setattr(hub, "tag", "")),
        ("full", lambda hub, patch: patch.setattr(gallery.os, "fsync", no_room)),
        ("unwritable", lambda hub, patch: patch.setenv("MIXVIZ_HOME", os.devnull)),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_the_page_works_on(hub, monkeypatch, caplog, why, spoil):
    with monkeypatch.context() as patch:
        spoil(hub, patch)
        told = fetched()
        assert not told["here"]
        for language, error in (("en", told["error"]), ("ko", row("ko")["error"])):
            text = texts()[language][f"gallery.{why}"]
            assert error.startswith(text.partition("{")[0])
            assert "{" not in error
        assert "http" not in told["error"]  # the log says more
        assert NAME in caplog.text
        assert len(handlers.show(replace(START, only=(zoo.REFERENCE,)))["rows"]) == 1
    assert left() == []
    hub.half, hub.content = False, save(architectures.build("test_resnet", 1000).state_dict())
    hub.tag = ""
    again = fetched()
    assert (again["here"], again["error"]) == (True, "")


def test_a_host_may_forbid_fetching_and_fetch_before_anybody_asks(hub, monkeypatch, caplog):
    monkeypatch.setenv("MIXVIZ_FETCH", "no")
    monkeypatch.setenv("MIXVIZ_NETWORKS", f"nonsense,{NAME}")
    assert not localize.gallery({})["allowed"]
    with pytest.raises(UserError, match="does not let visitors fetch"):
        localize.fetch({"name": NAME})
    assert hub.asked == []
    hub.going_on.clear()
    gallery_downloads.preload()
    until(lambda: row()["progress"] and row()["progress"][1])  # nobody waits for it
    hub.going_on.set()
    until(lambda: row()["here"])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("MIXVIZ_NETWORKS: nonsense: There is no 'nonsense'.")


@pytest.mark.parametrize("state", [None, {}, {"name": "../models"}, {"name": ["x"]}])
def test_only_networks_of_the_gallery_are_fetched(hub, state):
    with pytest.raises(UserError, match="There is no"):
        localize.fetch(state)


@pytest.mark.browser
def test_a_visitor_fetches_a_network_and_sees_it(hub, open_tab):
    tab, other = (open_tab("?view=localize&networks=baseline", "localize") for _ in range(2))
    hub.going_on.clear()
    tab.page.get_by_text("Settings", exact=True).first.click()
    tab.page.get_by_text("Networks of others", exact=True).click()
    one = tab.page.locator(f".mv-gallery [data-network='{NAME}']")
    assert "random crop and flip · binary cross-entropy" in one.inner_text()
    assert "76.2 % top-1" in one.inner_text()
    assert "bsd-3-clause" in one.inner_text()
    one.get_by_role("button", name="Fetch Small").click()
    one.get_by_text(f"of {len(hub.content) / 1e6:.0f} MB").wait_for()
    hub.going_on.set()
    tab.page.get_by_text("Small is here and shown.").wait_for()
    tab.page.wait_for_function("mixviz.idle()")
    card = tab.page.locator(f".mv-look[data-network='{NAME}']")
    assert card.locator(".mv-say b").first.inner_text().endswith("%*")
    assert tab.page.locator("[data-network=baseline] .mv-say b").first.inner_text().endswith("%")
    assert tab.page.get_by_text("* Trained with binary cross-entropy: Small.").is_visible()
    assert tab.page.locator(".mv-look-networks").get_by_label("Small").is_checked()
    assert one.get_by_text("here").is_visible()
    assert not one.get_by_role("button").is_visible()
    tab.page.locator(".mv-look-networks").get_by_label("Baseline").uncheck()
    assert not tab.page.get_by_text("* Trained with binary cross-entropy").is_visible()
    # Another visitor's page learns of it with its next answer.
    other.after(lambda: other.page.evaluate("mixviz.set({ subject: 'b' })"))
    other.page.get_by_text("Settings", exact=True).first.click()
    assert not other.page.locator(".mv-look-networks").get_by_label("Small").is_checked()


@pytest.mark.browser
def test_a_visitor_cancels_a_download_that_another_may_wait_for(hub, open_tab):
    first, second = (open_tab("?view=localize&networks=baseline", "localize") for _ in range(2))
    hub.going_on.clear()
    rows = []
    for tab in (first, second):
        tab.page.get_by_text("Settings", exact=True).first.click()
        tab.page.get_by_text("Networks of others", exact=True).click()
        rows.append(tab.page.locator(f".mv-gallery [data-network='{NAME}']"))
        begin = "Wait for it too" if tab is second else "Fetch"
        rows[-1].get_by_text(begin, exact=True).click()
    rows[0].get_by_text("others who wait: 1").wait_for()
    rows[0].get_by_role("button", name="Cancel the download of Small").click()
    first.page.get_by_text("You no longer wait for Small. Its download goes on for others.").wait_for()
    assert rows[0].get_by_text("Wait for it too").is_visible()
    rows[1].get_by_role("button", name="Cancel the download of Small").click()
    second.page.get_by_text("The download of Small was cancelled; nothing of it was kept.").wait_for()
    assert rows[1].get_by_role("button", name="Fetch Small").inner_text() == "Fetch"
    assert not rows[1].get_by_role("progressbar").is_visible()
    hub.going_on.set()
    until(lambda: left() == [])
    rows[1].get_by_role("button", name="Fetch Small").click()
    second.page.get_by_text("Small is here and shown.").wait_for()
    first.after(lambda: first.page.evaluate("mixviz.set({ subject: 'b' })"))
    assert not first.page.locator(".mv-look-networks").get_by_label("Small").is_checked()


@pytest.mark.browser
def test_without_a_connection_the_page_says_so_and_works_on(hub, monkeypatch, open_tab):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    tab = open_tab("?view=localize&networks=baseline", "localize")
    tab.page.get_by_text("Settings", exact=True).first.click()
    tab.page.get_by_text("Networks of others", exact=True).click()
    one = tab.page.locator(f".mv-gallery [data-network='{NAME}']")
    one.get_by_role("button").click()
    one.get_by_role("alert").get_by_text("The Hugging Face hub cannot be reached from the server.").wait_for()
    assert one.get_by_role("button").inner_text() == "Try again"
    tab.after(lambda: tab.page.locator(".mv-look-networks").get_by_label("CutMix", exact=True).check())
    assert tab.page.locator(".mv-look[data-network=cutmix] .mv-say").count() == 3
    monkeypatch.setenv("MIXVIZ_FETCH", "no")
    title = tab.page.get_by_text("Networks of others", exact=True)
    title.click()
    one.wait_for(state="hidden")
    title.click()
    tab.page.get_by_text("host does not let visitors fetch").wait_for()
    assert not one.get_by_role("button").is_visible()

"""The retrieval view: its gallery, rankings, the maps of a network's pooling, matches, and the page."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import noise
from PIL import Image

from mixviz import embeddings
from mixviz.cam.inference import LoadedModel
from mixviz.data import class_folders, pictures
from mixviz.embeddings.local_maps import local_maps
from mixviz.i18n import texts
from mixviz.networks import architectures, model_card, zoo
from mixviz.resources import assets

pytest.importorskip("gradio")

from mixviz.ui import handlers
from mixviz.ui.services import background, head_maps, host_gallery, local_matches, networks, photo_gallery, rankings
from mixviz.ui.state import beginning
from mixviz.ui.views import retrieval as view

gallery, ranked, places, matched = map(handlers.of_view, (view.gallery, view.ranked, view.places, view.matched))
BUNDLED = photo_gallery.bundled()
ITEMS = BUNDLED.items


def state(**changes) -> dict:
    return {**beginning()["state"], "view": "retrieval", "query": "a", **changes}


def model(head: str = "", name: str = "fake", **spec) -> LoadedModel:
    """A tiny network with random weights and the card of a run."""
    torch.manual_seed(0)
    card = model_card.ModelCard.reduced(zoo.card(zoo.REFERENCE), name)
    about = replace(
        card.network, name="test_resnet", image_size=64, crop=None, layer="", head=head, mean=(0.5,) * 3,
        std=(0.5,) * 3, **spec,
    )  # fmt: skip
    network = architectures.build("test_resnet", len(card.data.classes), head=head, scores=about.scores).eval()
    return LoadedModel(name, replace(card, network=about), name, network)


# ---------------------------------------------------------------- the gallery


def test_the_gallery_is_small_free_credited_and_named_in_both_languages():
    folder = assets() / "gallery"
    own = sorted(folder.glob("*.jpg"))
    assert sum(path.stat().st_size for path in own) < 2**20
    credits = (assets() / "CREDITS.md").read_text(encoding="utf-8")
    for path in own:
        with Image.open(path) as image:
            assert min(image.size) <= 256
        line = next(line for line in credits.splitlines() if f"`{path.name}`" in line)
        assert any(f"[{licence}" in line for licence in ("Public domain", "CC0", "CC BY "))
        assert "SA" not in line.split("|")[4]
    assert {path.name for path in own} < {item.path.rpartition("/")[2] for item in ITEMS}
    labels = [item.label for item in ITEMS]
    assert sum(labels.count(label) > 1 for label in set(labels)) >= 5
    assert all(f"gallery.{label}" in texts()[code] for label in labels for code in ("en", "ko"))


def test_a_query_is_a_picture_of_the_page_or_of_the_gallery(two_files):
    first = BUNDLED.query_of(state(), lambda path: path)
    assert ITEMS[first.place].path == first.path
    assert first.label == ITEMS[first.place].label
    assert BUNDLED.query_of(state(query=3), None).place == 3
    own = {"a": str(two_files[0]), "query": "a"}
    assert BUNDLED.query_of({**own, "name_a": "고양이"}, lambda path: path) == (own["a"], "cat", None)
    assert BUNDLED.query_of({**own, "name_a": "spoon"}, lambda path: path).label is None
    for bad in (len(ITEMS), -1, True, "c", None, 1.0):
        assert "26 pictures" in ranked(state(query=bad, searcher=zoo.REFERENCE))["message"]


# ---------------------------------------------------------------- rankings


def test_average_precision_by_hand():
    assert rankings.average_precision([True, False, True]) == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)
    assert rankings.average_precision([False, True]) == 0.5
    assert rankings.average_precision([False, False]) is None


@pytest.fixture
def known(monkeypatch):
    """A network whose vectors are random."""
    fake = model()
    vectors = embeddings.directions(torch.randn(len(ITEMS), 8, generator=torch.Generator().manual_seed(1)))
    monkeypatch.setattr(
        rankings, "vectors", lambda known, paths: vectors[[BUNDLED.paths.index(path) for path in paths]]
    )
    return fake


def test_the_gallery_is_ranked_by_similarity_without_the_query(known):
    vectors = rankings.vectors(known, BUNDLED.paths)
    scores = []
    for index in range(len(ITEMS)):
        found = rankings.ranked(known, BUNDLED.at(index), BUNDLED)
        assert sorted([*found["order"], index]) == list(range(len(ITEMS)))
        assert found["similarity"] == sorted(found["similarity"], reverse=True)
        first = found["order"][0]
        assert found["similarity"][0] == pytest.approx((vectors[index] @ vectors[first]).item(), abs=1e-4)
        assert found["hit"][0] == (ITEMS[first].label == ITEMS[index].label)
        scores += [] if found["ap"] is None else [found["ap"]]
    assert found["map"] == pytest.approx(np.mean(scores), abs=1e-3)  # the mean of AP is the measure of the library
    assert found["map"] == pytest.approx(
        embeddings.retrieval(vectors, BUNDLED.class_indices).mean_average_precision, abs=1e-4
    )


def test_without_a_class_there_is_nothing_right_or_wrong(known):
    query = photo_gallery.Query(ITEMS[0].path, None, None)
    found = rankings.ranked(known, query, BUNDLED)
    assert found["hit"] is None
    assert found["ap"] is None
    assert found["order"][0] == 0  # a picture is most similar to itself, and it is not known to be in the gallery
    assert found["similarity"][0] == 1


def test_vectors_are_the_embeddings_of_the_networks_own_views():
    one = model("gem")
    found = rankings.vectors(one, BUNDLED.paths[:2])
    images = [torch.from_numpy(pictures.load_view(path, one.input_view)).permute(2, 0, 1) for path in BUNDLED.paths[:2]]
    vectors = embeddings.embed(one.network, one.normalised(torch.stack(images)))
    torch.testing.assert_close(found, embeddings.directions(vectors))


def test_networks_for_retrieval_come_first_and_say_how_they_were_trained():
    plain, pooled = model(name="plain"), model("netvlad:clusters=4", name="pooled", scores=False)
    reference = replace(plain, name=zoo.REFERENCE)
    run = replace(plain, name="run", card=replace(plain.card, run={"objective": "smooth_ap:temperature=0.1"}))
    assert rankings.for_retrieval(pooled.card)
    assert rankings.for_retrieval(run.card)
    assert not rankings.for_retrieval(plain.card)
    everything = {one.name: one for one in (plain, pooled, run, reference)}
    assert rankings.first_shown(everything) == [zoo.REFERENCE, "pooled", "run"]
    assert rankings.first_shown({"cutmix": plain, zoo.REFERENCE: reference}) == [zoo.REFERENCE, "cutmix"]
    assert rankings.facts(pooled.card)["head"] == "NetVLAD"
    assert rankings.facts(run.card)["objective"] == "SmoothAP"
    assert rankings.facts(plain.card)["objective"] == ""  # its card tells of no training


# ---------------------------------------------------------------- maps of the pooling


def test_every_place_belongs_to_the_cluster_that_pools_it():
    one = model("netvlad:clusters=4")
    inputs = one.normalised(torch.from_numpy(noise(0, 64)).permute(2, 0, 1)[None])
    found = local_maps(one.network, inputs)
    head = one.network.global_pool
    maps = one.network.forward_features(inputs).detach()
    assigned = head.assignment(maps)
    torch.testing.assert_close(assigned.sum(1), torch.ones_like(assigned[:, 0]))
    columns = torch.nn.functional.normalize(maps[0].flatten(1), dim=0)
    by_hand = (head.weight @ columns + head.bias[:, None]).argmax(0)
    assert found.clusters.flatten().tolist() == by_hand.tolist()
    assert found.number == 4
    assert not found.learned


def test_the_attention_is_the_heads_else_the_length_of_the_local_features():
    inputs = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with_head, without = model("attention"), model()
    maps = with_head.network.forward_features(inputs).detach()
    found = local_maps(with_head.network, inputs)
    assert found.learned
    torch.testing.assert_close(found.attention, with_head.network.global_pool.attention(maps).detach())
    found = local_maps(without.network, inputs)
    assert not found.learned
    assert found.clusters is None
    torch.testing.assert_close(found.attention, without.network.forward_features(inputs).detach().norm(dim=1))
    with pytest.raises(ValueError, match="feature maps"):
        local_maps(torch.nn.Flatten(), inputs)


@pytest.mark.parametrize("wanted", [pictures.View(64, 0.875), pictures.View(64, None), pictures.View(128, None)])
def test_a_mask_is_cut_as_the_networks_picture_is(tmp_path, wanted):
    mask = np.zeros((448, 448), np.uint8)
    mask[100:300, 200:420] = 255
    Image.fromarray(mask).convert("RGB").save(tmp_path / "mask.png")
    seen = pictures.load_view(tmp_path / "mask.png", wanted)[..., 0] > 127
    cut = head_maps.in_view(torch.from_numpy(mask > 0).float(), wanted)
    assert cut.shape == seen.shape
    assert (cut.numpy().astype(bool) != seen).mean() < 0.02


def test_maps_stand_beside_grad_cam_and_the_centre_and_are_judged_by_the_mask():
    one, path = model("attention"), BUNDLED.paths[0]
    mask = torch.ones(32, 32)
    found = head_maps.maps(one, one, path, mask)
    assert [each["key"] for each in found["maps"]] == ["attention", "grad_cam", "centre"]
    assert {each["px_ap"] for each in found["maps"]} == {1.0}  # all pixels are the object's
    assert found["chance"] == 1
    mask[:, 16:] = 0
    centre = head_maps.maps(one, one, path, mask)["maps"][2]
    assert centre["inside"] == pytest.approx(0.5, abs=1e-3)
    without = head_maps.maps(one, one, path, None)
    assert without["chance"] is None
    assert all(each["px_ap"] is None for each in without["maps"])


# ---------------------------------------------------------------- matches


def test_a_picture_matches_itself_place_by_place():
    pytest.importorskip("cv2")
    found = local_matches.matches(model(), *BUNDLED.paths[:1] * 2)
    assert found["inliers"] == len(found["pairs"]) > 10
    assert all(row[:2] == row[2:] for row in found["pairs"])
    assert found["chance"] < found["inliers"] / 2
    assert 0 <= min(map(min, found["pairs"])) <= max(map(max, found["pairs"])) <= 1


# ---------------------------------------------------------------- the host's folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Seven pictures of two classes, one of them damaged, as the host's gallery."""
    for name, count in (("bee", 4), ("Zaunkönig", 3)):
        (tmp_path / "birds" / name).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(noise(10 * count + index, 48)).save(tmp_path / "birds" / name / f"{index}.png")
    (tmp_path / "birds" / "bee" / "2.png").write_bytes(b"no picture")
    (tmp_path / "birds" / "bee" / "notes.txt").write_text("x")
    monkeypatch.setenv(host_gallery.VARIABLE, str(tmp_path / "birds"))
    monkeypatch.setenv("MIXVIZ_HOME", str(tmp_path / "home"))
    return tmp_path / "birds"


def finished(ask):
    """Ask until the work in the background is done."""
    end = time.monotonic() + 60
    while (answer := ask()).get("progress"):
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


def test_a_folder_of_the_host_is_searched_and_its_index_stays(folder, monkeypatch):
    one = model("gem", name="net")
    monkeypatch.setattr(networks, "to_look_inside", lambda own: {zoo.REFERENCE: one, "net": one})
    told = finished(lambda: gallery(state()))
    assert (told["gallery"], told["total"]) == ("folder", 7)
    assert told["labels"] == ["Zaunkönig"] * 3 + ["bee"] * 4
    assert [each["title"] for each in told["galleries"]] == ["birds", ""]
    asked = state(searcher="net", query=4)
    found = finished(lambda: ranked(asked))
    assert sorted(found["order"]) == [0, 1, 2, 3, 6]  # without the query and the damaged picture
    own = host_gallery.host_gallery()
    places = [0, 1, 2, 3, 4, 6]
    vectors = rankings.vectors(one, tuple(own.paths[i] for i in places))
    expected = (vectors @ vectors[4]).tolist()
    assert found["similarity"] == pytest.approx([expected[places.index(i)] for i in found["order"]], abs=2e-4)
    assert found["hit"] == [i in (3, 6) for i in found["order"]]
    mean = embeddings.retrieval(vectors, own.class_indices[places]).mean_average_precision
    assert found["map"] == pytest.approx(mean, abs=1e-3)
    stored = list((folder.parent / "home" / "indexes").rglob("vectors-*.safetensors"))
    assert len(stored) == 1
    before = stored[0].stat().st_mtime_ns
    background._results.clear()  # as after a restart
    assert finished(lambda: ranked(asked)) == found
    assert stored[0].stat().st_mtime_ns == before
    assert "order" not in ranked(state(searcher="net", query=5))  # the damaged picture has no vector


def test_a_visitors_label_names_a_folders_class_and_the_bundled_gallery_stays(folder, two_files, monkeypatch):
    own = host_gallery.host_gallery()
    asked = {"a": str(two_files[0]), "query": "a", "name_a": " zaunkönig"}
    assert own.query_of(asked, lambda path: path).label == "Zaunkönig"
    assert own.query_of({**asked, "name_a": "cat"}, lambda path: path).label is None
    answer = handlers.look(state())
    assert answer["places"]["folder"] == [None, None]
    assert answer["labels"].keys() == {"folder", "bundled"}
    assert host_gallery.chosen({"gallery": "bundled"}) is BUNDLED
    assert host_gallery.chosen({"gallery": "nonsense"}) is own
    monkeypatch.delenv(host_gallery.VARIABLE)
    assert host_gallery.chosen({"gallery": "folder"}) is BUNDLED
    assert "26 pictures" in ranked(state(query=99, searcher=zoo.REFERENCE))["message"]


def test_a_visitors_own_network_leaves_nothing_on_the_disk(folder, monkeypatch):
    one = model("gem", name="own_1")
    monkeypatch.setattr(networks, "to_look_inside", lambda own: {"own_1": one})
    assert finished(lambda: ranked(state(searcher="own_1", query=0)))["order"]
    assert not list(folder.parent.rglob("*.safetensors"))


@pytest.mark.parametrize(("make", "told"), [
    ((), "no such folder"), (("birds",), "no sub-folders with pictures"), (("birds/bee",), "no sub-folders with"),
    (("birds/train/bee", "birds/val/bee"), "parts and not classes"),
])  # fmt: skip
def test_a_wrong_folder_is_told_before_the_page_starts(make, told, tmp_path, monkeypatch):
    from mixviz.ui.app import launch

    for name in make:
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv(host_gallery.VARIABLE, str(tmp_path / "birds"))
    with pytest.raises(ValueError, match=told):
        launch()


def test_the_pictures_of_a_large_folder_are_taken_evenly():
    labels = torch.tensor([0] * 100 + [1] * 3 + [2] * 10)
    chosen = class_folders.evenly(labels, 23)
    assert torch.bincount(labels[chosen]).tolist() == [10, 3, 10]
    assert chosen[:10] == list(range(0, 100, 10))
    assert class_folders.evenly(labels, 1000) == list(range(113))


def test_work_in_the_background_is_done_once_goes_on_while_asked_for_and_tells_its_error(monkeypatch):
    calls, gate = [], threading.Event()

    def work(tell):
        calls.append(1)
        gate.wait(30)
        tell(1, 2)
        return {"value": 7}

    def asked(key, what):
        value = background.result(key, what)
        return {"progress": value} if isinstance(value, background.Progress) else value

    assert asked("one", work)["progress"].done == 0
    assert asked("two", lambda tell: 1 / 0)["progress"].waits  # behind the first
    gate.set()
    assert finished(lambda: asked("one", work)) == {"value": 7}
    assert len(calls) == 1
    with pytest.raises(ZeroDivisionError):
        finished(lambda: asked("two", lambda tell: 1 / 0))
    gate.clear()
    asked("three", work)
    monkeypatch.setattr(background, "GONE", -1.0)  # nobody has asked for it lately
    gate.set()
    while "three" in background._jobs:
        time.sleep(0.01)
    assert "three" not in background._results


# ---------------------------------------------------------------- requests, and the page


def test_requests_are_answered_or_refused(monkeypatch):
    fake = model("attention", name="own_1", scores=False)
    monkeypatch.setattr(networks, "to_look_inside", lambda own: {zoo.REFERENCE: scorer, "own_1": fake})
    monkeypatch.setattr(view, "_reference", lambda: scorer)
    scorer = model(name=zoo.REFERENCE)
    told = gallery(state())
    assert told["first"] == [zoo.REFERENCE, "own_1", *zoo.for_retrieval()]
    assert len(told["labels"]) == len(ITEMS)
    found = ranked(state(searcher="own_1", query=2))
    assert len(found["order"]) == len(ITEMS) - 1
    maps = places(state(searcher="own_1"))
    assert maps["learned"]
    assert maps["maps"][1]["of"] == zoo.REFERENCE  # a network without scores has no Grad-CAM of its own
    assert 0 < maps["chance"] < 1  # the bundled photograph's mask
    both = matched(state(searcher=zoo.REFERENCE, **{"with": "b"}))
    assert len(both["pictures"]) == 2
    assert "network should be one of" in ranked(state(searcher="none"))["message"]
    assert "26 pictures" in matched(state(searcher="own_1", **{"with": 99}))["message"]
    answer = handlers.look(state())
    assert answer["places"]["bundled"] == [BUNDLED.paths.index(answer_path(key)) for key in "ab"]


def test_an_empty_zoo_is_not_warmed_up_and_says_so_when_it_is_asked(monkeypatch):
    monkeypatch.setattr(networks, "_listed", dict)
    view.warm_up()
    assert gallery(state())["message"] == texts()["en"]["error.no_networks"]


def answer_path(key: str) -> str:
    return BUNDLED.query_of(state(query=key), lambda path: path).path


@pytest.mark.browser
def test_search_choose_and_match_on_the_page(open_tab):
    tab = open_tab("?view=retrieval", "retrieval")
    page, part = tab.page, tab.page.locator("#mv-retrieval")
    page.wait_for_selector("#mv-retrieval[data-rows]")
    strip = part.locator("[data-network=efficientnet_lite0] .mv-find-result")
    expected = rankings.ranked(
        networks.known_networks()[zoo.REFERENCE], BUNDLED.query_of(state(), lambda p: p), BUNDLED
    )
    assert [int(one.get_attribute("data-result")) for one in strip.all()] == expected["order"][:8]
    assert strip.first.inner_text().startswith("✓ cat")  # a sign beside the colour
    assert "the same class" in strip.first.get_attribute("aria-label")
    strip.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#mv-retrieval[data-matches]")
    lines = part.locator("line.mv-find-inlier").count()
    assert lines == int(part.get_attribute("data-matches"))
    assert f"{lines} of them agree" in part.locator("[data-part=matches] .mv-told").inner_text()
    part.get_by_role("button", name="Search with this picture").click()
    page.wait_for_function("location.search.includes('query=')")
    page.wait_for_function("mixviz.idle()")
    assert part.locator(".mv-find-pick[aria-pressed=true]").get_attribute("data-query") == str(expected["order"][0])
    part.locator("[data-part=places] > summary").click()
    page.wait_for_selector("#mv-retrieval[data-places]")
    assert part.locator("[data-map] img").count() == 3
    part.locator("[data-part=networks] > summary").click()
    part.get_by_label("Mixup", exact=True).check()
    part.locator("[data-network=mixup] .mv-find-result").first.wait_for()
    assert "rows=" in page.url or page.wait_for_function("location.search.includes('rows=')")


@pytest.mark.browser
def test_networks_that_joined_meanwhile_have_a_row(open_tab, monkeypatch):
    tab = open_tab("?view=retrieval", "retrieval")
    part = tab.page.locator("#mv-retrieval")
    tab.page.wait_for_selector("#mv-retrieval[data-rows]")
    boxes = part.locator(".mv-find-networks input")
    before = boxes.count()
    tab.open("Embeddings", "embeddings")
    joined = networks.known_networks() | {"own_1": model("gem", name="own_1")}
    monkeypatch.setattr(networks, "to_look_inside", lambda own: joined)
    tab.open("Retrieval", "retrieval")
    part.locator("[data-network=own_1] .mv-find-result").first.wait_for()
    assert boxes.count() == before + 1


@pytest.mark.slow
@pytest.mark.browser
def test_the_hosts_folder_opens_first_and_the_bundled_gallery_by_choice(folder, open_tab, monkeypatch):
    one = model("gem", name="net")
    monkeypatch.setattr(networks, "to_look_inside", lambda own: {"net": one})
    monkeypatch.setattr(networks, "for_retrieval", dict)
    tab = open_tab("?view=retrieval", "retrieval")
    page, part = tab.page, tab.page.locator("#mv-retrieval")
    part.locator("[data-network=net] .mv-find-result").first.wait_for()
    choice = part.get_by_label("Gallery", exact=True)
    assert choice.locator("option:checked").inner_text() == "birds"
    assert "7 pictures of 2 classes" in part.locator("[data-part=query]").inner_text()
    part.locator(".mv-find-pick").nth(1).click()
    page.wait_for_function("location.search.includes('query=1')")
    page.wait_for_function("mixviz.idle()")
    assert part.locator(".mv-find-result").first.inner_text()[2:].startswith(("bee", "Zaunkönig"))
    assert part.locator(".mv-find-result").count() == 5
    choice.select_option("bundled")
    page.wait_for_function("location.search.includes('gallery=bundled')")
    page.wait_for_function("document.querySelectorAll('.mv-find-pick').length == 26")
    part.locator("[data-network=net] .mv-find-result").nth(7).wait_for()
    page.reload()
    tab.wait()
    assert part.locator(".mv-find-pick").count() == 26

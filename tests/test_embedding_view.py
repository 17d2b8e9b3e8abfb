"""Placement of pictures in the networks' embeddings: by hand, with the stored networks, and on the page."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import noise
from PIL import Image
from test_data import tiny_imagenet

from mixviz import embeddings, i18n
from mixviz.core.inference import NormalizedModel
from mixviz.data import pictures
from mixviz.data.dataset import decode, read
from mixviz.embeddings import placement
from mixviz.evaluation import runner
from mixviz.networks import model_card, zoo
from mixviz.networks.run import Run
from mixviz.training.trainer import train

pytest.importorskip("gradio")

from mixviz.ui import handlers
from mixviz.ui.services import embedding_view, folder_embedding, networks, tiling
from mixviz.ui.state import first_request
from mixviz.ui.views import embeddings as view

overview, look_in, lay_out = map(handlers.of_view, (view.overview, view.look_in, view.lay_out))
pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")
ROOM = torch.Generator().manual_seed(0)


def clumps(classes=4, each=10, wide=8, apart=3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Make vectors of several classes, each around its own centre."""
    labels = torch.arange(classes).repeat_interleave(each)
    centres = apart * torch.randn(classes, wide, generator=ROOM)
    return centres[labels] + torch.randn(len(labels), wide, generator=ROOM), labels


# ---------------------------------------------------------------- the core


def test_the_nearest_by_hand():
    near = placement.nearest(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 7.0], [3.0, 3.0]]), 3)
    assert near.index.tolist() == [[2, 0, 1]]  # 3/√10, 2/√5, 1/√5: lengths do not count
    assert near.similarity[0].tolist() == pytest.approx([3 / 10**0.5, 2 / 5**0.5, 1 / 5**0.5])
    plot = torch.tensor([[0.0, 0.0], [4.0, 100.0], [2.0, 2.0]])
    assert placement.beside(near, plot).tolist() == [[2.0, 2.0]]  # per coordinate


def test_of_equally_near_ones_the_first_comes_first():
    same = torch.tensor([[1.0, 1.0]]).expand(40, 2)
    assert placement.nearest(same[:1], same, 5).index.tolist() == [[0, 1, 2, 3, 4]]


def test_further_pictures_stand_where_pca_itself_would_put_them():
    decomposition = pytest.importorskip("sklearn.decomposition")
    vectors, _ = clumps()
    unit, more = embeddings.directions(vectors), torch.randn(5, 8, generator=ROOM)
    plot = embeddings.pca(unit)
    result = placement.project(more, placement.plane(vectors, plot.half().float()))
    fitted = decomposition.PCA(2, svd_solver="full").fit(unit.numpy())
    expected = torch.from_numpy(fitted.transform(embeddings.directions(more).numpy()))
    own = torch.from_numpy(fitted.transform(unit.numpy()))
    torch.testing.assert_close(result, expected * (own * plot).sum(0).sign(), atol=1e-3, rtol=0)
    assert placement.explained(vectors, plot) == pytest.approx(fitted.explained_variance_ratio_.sum())


def test_a_plot_of_flat_pictures_shows_everything():
    angles = torch.tensor([0.1, 0.7, 1.9, 3.0, 4.4])
    flat = torch.stack([angles.cos(), angles.sin(), torch.zeros(5)], 1)
    assert placement.explained(flat, embeddings.pca(flat)) == pytest.approx(1)
    same = torch.ones(4, 3)
    assert placement.explained(same, embeddings.pca(same)) == 0
    assert placement.project(same[:1], placement.plane(same, embeddings.pca(same))).tolist() == [[0, 0]]


def test_a_vector_of_another_length_has_no_place():
    vectors, labels = clumps()
    narrow = torch.ones(1, 5)
    with pytest.raises(ValueError, match="8 dimensions and the network's 5"):
        placement.nearest(narrow, vectors)
    with pytest.raises(ValueError, match="8 dimensions"):
        placement.project(narrow, placement.plane(vectors, embeddings.pca(vectors)))
    with pytest.raises(ValueError, match="dimensions"):
        placement.outlying(narrow, placement.ood_reference(vectors, labels))


def test_what_a_distance_is_held_against_was_not_fitted_to():
    vectors, labels = clumps(each=7)
    unit, held = embeddings.directions(vectors), placement.ood_reference(vectors, labels)
    asking = torch.randn(3, 8, generator=ROOM)
    nearer = torch.zeros(3)
    for fold in range(5):  # by hand: pictures 0 and 5 of each class are in the first fold, 1 and 6 in the next
        out = torch.tensor([i % 7 % 5 == fold for i in range(len(labels))])
        known = embeddings.gaussians(unit[~out], labels[~out])
        own = embeddings.mahalanobis(unit[out], known)
        nearer += torch.stack([(own < d).sum() for d in embeddings.mahalanobis(embeddings.directions(asking), known)])
    far = placement.outlying(asking, held)
    assert far.farther.tolist() == pytest.approx((nearer / len(labels)).tolist())
    known = embeddings.gaussians(unit, labels)
    torch.testing.assert_close(far.distance, embeddings.mahalanobis(embeddings.directions(asking), known))
    left_out = torch.cat([own for _, own in held.parts])
    assert len(left_out) == len(labels)
    assert left_out.median() > 1.2 * embeddings.mahalanobis(unit, known).median()  # in-sample distances are too small


def test_a_known_picture_lies_near_and_a_strange_one_far():
    vectors, labels = clumps(apart=10)
    held = placement.ood_reference(vectors, labels)
    centre = embeddings.directions(vectors)[labels == 0].mean(0, keepdim=True)
    far = placement.outlying(torch.cat([centre, -centre]), held)
    assert far.farther[0] < 0.1
    assert far.farther[1] == 1
    with pytest.raises(ValueError, match="two pictures of every class"):
        placement.ood_reference(vectors[:11], labels[:11])


def test_standing_is_what_its_parts_are():
    vectors, labels = clumps(apart=1)
    stand = placement.cluster_metrics(vectors, labels, seed=3)
    assigned = embeddings.clusters(embeddings.directions(vectors), 4, 3)
    assert stand.assigned.equal(assigned)
    assert stand.purity == embeddings.purity(assigned, labels)
    assert stand.nmi == embeddings.nmi(assigned, labels)
    assert stand.near == embeddings.retrieval(vectors, labels)


# ---------------------------------------------------------------- a small zoo


@pytest.fixture(scope="module")
def small_zoo(tmp_path_factory):
    """Evaluate a network on distinct pictures in Tiny-ImageNet's layout; return the folders of the zoo and the data."""
    home = tmp_path_factory.mktemp("embedding_zoo")
    root = tiny_imagenet(home / "data", train=6, val=8)
    for i, path in enumerate(sorted((root / "tiny-imagenet-200" / "val" / "images").iterdir())):
        Image.fromarray(noise(i, 64)).save(path, "PNG")
    run = Run(
        data="tiny_imagenet", root=str(root), classes="goose,bee", network="test_resnet", method="cutmix", epochs=1,
        batch_size=6, lr=0.02,
    )  # fmt: skip
    train(run, home / "run", bar=False, tell=lambda line: None)
    zoo.add(home / "run", "cutmix_small", home / "models")
    runner.assess(home / "models" / "cutmix_small", root, parts=["accuracy", "ood", "embedding"])
    return home / "models", root


@pytest.fixture
def in_small_zoo(small_zoo, monkeypatch):
    """Point the page's functions to that zoo."""
    forget = (networks._listed, embedding_view.everything, embedding_view._thumbnails, view.places, view.answers_of)
    forget += (folder_embedding._embedded, folder_embedding._tsne)
    for one in forget:
        one.cache_clear()
    networks.in_memory.clear()
    monkeypatch.setattr(zoo, "folder", lambda: small_zoo[0])
    yield small_zoo
    for one in forget:
        one.cache_clear()


def test_the_page_shows_what_the_evaluation_wrote(in_small_zoo):
    card = model_card.read(in_small_zoo[0] / "cutmix_small")
    (result,) = embedding_view.overview()["networks"]
    assert result["title"] == "CutMix"
    shown, written = result["card"], card.metrics["embedding"]
    assert {key: shown[key] for key in written if key != "mahalanobis"} == {
        key: value for key, value in written.items() if key != "mahalanobis"
    }
    assert shown["auroc_direction"] == written["mahalanobis"]["others_by_direction"]["auroc_percent"]
    assert shown["auroc_paper"] == written["mahalanobis"]["others"]["auroc_percent"]
    assert shown["auroc_softmax"] == card.metrics["ood"]["others"]["auroc_percent"]
    # All pictures are stored, so the page's numbers equal the card's up to rounding to half precision.
    assert result["here"]["images"] == shown["images"] == 16
    for key in result["here"]:
        assert result["here"][key] == pytest.approx(shown[key], abs=0.5), key


def test_a_thumbnail_is_the_picture_that_was_embedded(in_small_zoo, monkeypatch):
    _, root = in_small_zoo
    result, tensors = zoo.pictures("cutmix_small", root), zoo.embedding("cutmix_small")
    assert result.labels.equal(tensors["label"])
    assert list(result.classes) == ["goose", "bee"]
    images, _ = decode(result, 64)
    again = embedding_view.chosen("").embed(images)
    torch.testing.assert_close(again, tensors["embedding"], atol=2e-3, rtol=2e-3)
    monkeypatch.setenv(embedding_view.DATA, str(root))
    answer = embedding_view.thumbnails({"network": "cutmix_small"})
    sheet = decoded(answer["sheet"])
    for index in (0, 9, 15):
        tile = sheet[:64, 64 * index : 64 * (index + 1)].astype(int)
        apart = [np.abs(tile - np.asarray(read(picture)).astype(int)).mean() for picture in result.pictures]
        assert int(np.argmin(apart)) == index


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_without_the_data_set_there_are_none(in_small_zoo, monkeypatch, tmp_path, caplog):
    monkeypatch.delenv(embedding_view.DATA, raising=False)
    assert embedding_view.thumbnails({}) == {"sheet": None, "reason": "embed.data_none"}
    monkeypatch.setenv(embedding_view.DATA, str(tmp_path))
    assert embedding_view.thumbnails({}) == {"sheet": None, "reason": "embed.data_other"}
    other = tiny_imagenet(tmp_path / "other", val=3)
    with pytest.raises(ValueError, match="other pictures"):
        zoo.pictures("cutmix_small", other)
    monkeypatch.setenv(embedding_view.DATA, str(other))
    answer = embedding_view.thumbnails({"network": ["no name"]})
    assert answer == {"sheet": None, "reason": "embed.data_other"}
    assert str(other) in caplog.text  # for whoever runs the page


def test_a_stored_picture_finds_itself(in_small_zoo):
    _, root = in_small_zoo
    result, tensors = zoo.pictures("cutmix_small", root), zoo.embedding("cutmix_small")
    path = str(result.pictures[11])
    (placed,) = view.places("cutmix_small", (path,))
    assert placed["near"][0] == 11
    assert placed["similarity"][0] == pytest.approx(1, abs=1e-3)
    assert placed["pca"] == pytest.approx(tensors["pca"][11].tolist(), abs=2e-3)
    assert placed["most"][1] == [tensors["label"][i].item() for i in placed["near"]].count(placed["most"][0])
    assert placed["probability"] >= 0.5  # of two classes
    assert view._most([4, 2, 2, 4, 1]) == [4, 2]  # on ties the nearest


def test_networks_without_a_stored_embedding_are_named(in_small_zoo, monkeypatch):
    def none(name, where=None):
        raise ValueError("none stored")

    monkeypatch.setattr(zoo, "embedding", none)
    with pytest.raises(i18n.UserError, match="none stored"):
        embedding_view.overview()
    assert "none stored" in overview({})["message"]


def test_a_network_that_was_not_measured_is_still_drawn(in_small_zoo):
    card = zoo.card("cutmix_small")
    assert embedding_view.of_card(card.changed(metrics=None)) is None
    unmeasured = {"not_measured": "it is the same for all pictures"}
    assert embedding_view.of_card(card.changed(metrics={"embedding": unmeasured})) is None


# ---------------------------------------------------------------- the stored networks


def test_networks_answer_in_parts_that_make_the_whole(in_small_zoo, monkeypatch):
    monkeypatch.setattr(view, "PATIENCE", -1)
    one = embedding_view.everything()[0]["cutmix_small"]
    there = {name: replace(one, known=replace(one.known.loaded(), name=name)) for name in ("first", "second")}
    monkeypatch.setattr(view, "everything", lambda: (there, {}))
    monkeypatch.setattr(view, "chosen", lambda name: there[name or "first"])
    start = replace(first_request(), view="embeddings")
    part = view.embeddings(start)
    assert (list(part["placed"]["a"]), part["pending"]) == (["first"], ["second"])
    rest = view.embeddings(replace(start, only=("second",)))
    assert (list(rest["placed"]["b"]), rest["pending"]) == (["second"], [])
    photographs = view.photographs({"only": ["second", 3], "a": start.a, "b": start.b})
    assert photographs["sheet"] is None
    assert {*photographs["photographs"][0]["placed"]} == {*photographs["photographs"][0]["similarity"]} == {"second"}
    assert photographs["alike"]["a"]["second"][view.bundled().index(start.b)] == photographs["between"]["second"][0]
    assert view.photographs({"only": [], "still": True})["sheet"]


def test_several_pictures_stand_where_each_stands_alone(in_small_zoo):
    paths = tuple(pictures.photograph_path(name) for name in list(pictures.photographs())[:3])
    for path, result in zip(paths, view.places("cutmix_small", paths), strict=True):
        (alone,) = view.places("cutmix_small", (path,))
        assert result["near"] == alone["near"]
        assert result["pca"] == pytest.approx(alone["pca"], abs=2e-3)
        assert result["distance"] == pytest.approx(alone["distance"], abs=0.02)
        assert result["farther"] == pytest.approx(alone["farther"], abs=0.01)


def test_one_pass_gives_what_the_network_says(in_small_zoo):
    one, image = embedding_view.chosen(""), torch.from_numpy(noise(0, 64)).permute(2, 0, 1)[None]
    vectors, chances = one.answers(image)
    spec = one.known.card.network
    with torch.inference_mode():
        wanted = NormalizedModel(one.known.loaded().network, spec.mean, spec.std)(image).softmax(1)
    torch.testing.assert_close(chances, wanted)
    torch.testing.assert_close(vectors, one.embed(image))


# ---------------------------------------------------------------- the stored networks

STORED = [name for name in zoo.trained() if (zoo.folder() / name / zoo.EMBEDDING).is_file()]
needs_stored = pytest.mark.skipif(not STORED, reason="no network of the zoo has a stored embedding")


@pytest.mark.parametrize("name", STORED)
def test_the_stored_pictures_stand_where_they_are_stored(name):
    tensors = zoo.embedding(name)
    plane = placement.plane(tensors["embedding"], tensors["pca"])
    again = placement.project(tensors["embedding"], plane)
    assert (again - tensors["pca"]).abs().max() < 2**-11  # of float16 between 0.5 and 1
    torch.testing.assert_close(plane.axes.T @ plane.axes, torch.eye(2).double(), atol=2e-4, rtol=0)


@needs_stored
def test_everything_at_once_is_small():
    answer = embedding_view.overview()
    assert [one["name"] for one in answer["networks"]] == STORED
    assert set(answer["left_out"]) == set(zoo.trained()) - set(STORED)
    known = i18n.texts()
    for one in answer["networks"]:
        pictures_ = answer["sets"][one["set"]]
        assert len(one["pca"]) == len(one["tsne"]) == 2 * len(one["clusters"]) == 2 * len(pictures_["label"]) <= 600
        assert 0 < one["explained"] < 1
        for language in ("en", "ko"):
            assert all(f"embed.kind.{kind}" in known[language] for kind in pictures_["kinds"] if kind)


def test_without_any_stored_embedding_the_view_says_so(in_small_zoo, monkeypatch):
    monkeypatch.setattr(view, "chosen", embedding_view.chosen)
    monkeypatch.setattr(embedding_view, "everything", lambda: ({}, {"cutmix_small": "none is stored"}))
    assert "none is stored" in handlers.look({**vars(first_request()), "view": "embeddings"})["message"]


# ---------------------------------------------------------------- a visitor's folder


@pytest.fixture
def uploads(tmp_path, monkeypatch, in_small_zoo) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def some(folder: Path, count: int, colour=None) -> list[str]:
    paths = []
    for i in range(count):
        path = folder / f"{colour or 'noise'}_{i}.png"
        picture = noise(i, 64) if colour is None else (noise(i, 64) // 8 + np.array(colour, np.uint8))
        Image.fromarray(picture.astype(np.uint8)).save(path)
        paths.append(str(path))
    return paths


def test_sub_folders_are_classes():
    names = ["pets/cats/1.jpg", "pets/dogs/2.jpg", "pets/cats/more/3.jpg", "pets/4.jpg", "5.jpg"]
    assert folder_embedding.classes_of(names) == (["cats", "dogs"], [0, 1, 0, -1, -1])
    assert folder_embedding.classes_of(["a.jpg", "b.jpg"]) == ([], [-1, -1])
    (long,), _ = folder_embedding.classes_of([f"x/{'y' * 500}/1.jpg"])
    assert len(long) == 60


def test_a_folder_is_laid_out_by_the_library(uploads):
    paths = some(uploads, 4, (200, 30, 30)) + some(uploads, 4, (30, 30, 200))
    names = [f"mine/{'red' if i < 4 else 'blue'}/{i}.png" for i in range(8)]
    state = {"files": paths, "names": names, "network": "cutmix_small", "tsne": True}
    answer = lay_out(state)
    assert answer["network"] == "cutmix_small"
    assert answer["classes"] == ["blue", "red"]
    assert answer["label"] == [1] * 4 + [0] * 4
    tiles = [torch.from_numpy(pictures.load_view(path, 64)).permute(2, 0, 1) for path in paths]
    vectors = embedding_view.chosen("cutmix_small").embed(torch.stack(tiles))
    unit = embeddings.directions(vectors)
    assert answer["pca"] == pytest.approx(embeddings.pca(unit).flatten().tolist(), abs=6e-4)
    assert answer["tsne"] == pytest.approx(embeddings.tsne(unit).flatten().tolist(), abs=6e-4)
    stand = placement.cluster_metrics(vectors, torch.tensor(answer["label"]))
    assert answer["here"] == embedding_view.numbers(stand)
    assert answer["here"]["purity_percent"] == 100  # red and blue are separable
    assert answer["clusters"] == stand.assigned.tolist()
    near = placement.nearest(vectors, vectors, 6)
    for i, row in enumerate(answer["near"]):
        assert row["near"] == [j for j in near.index[i].tolist() if j != i][:5]
    assert answer["beside"] == []
    assert lay_out(state | {"tsne": False})["tsne"] is None


def test_a_and_b_stand_among_a_folder(uploads):
    paths = some(uploads, 6)
    state = {"files": paths, "names": paths, "network": "cutmix_small", "tsne": True, "beside": [paths[2], paths[4]]}
    answer = lay_out(state)
    for index, placed in zip((2, 4), answer["beside"], strict=True):
        assert placed["near"][0] == index
        assert placed["similarity"][0] == pytest.approx(1, abs=1e-3)
        assert placed["pca"] == pytest.approx(answer["pca"][2 * index : 2 * index + 2], abs=2e-3)
        assert len(placed["tsne"]) == 2
    for beside in ("x", paths[:3], [None], ["/etc/passwd"]):
        assert set(lay_out(state | {"beside": beside})) - {"gone"} == {"message"}


def test_similarities_are_those_of_the_nearest(in_small_zoo):
    cat, lion = (pictures.photograph_path(name) for name in ("cat_egyptian_mau.jpg", "lion.jpg"))
    alike = view.similarities("cutmix_small", (cat,), (cat, lion))[0]
    vectors = view.answers_of("cutmix_small", (cat, lion))[0]
    near = placement.nearest(vectors[:1], vectors, 2)
    assert near.index.tolist() == [[0, 1]]
    assert alike == pytest.approx(near.similarity[0].tolist(), abs=1e-3)


@pytest.mark.parametrize(
    "names", [["1.png"] * 4, ["x/a/1.png"] * 4, ["x/a/1", "x/b/2", "x/c/3", "x/d/4"], ["x/a/1", "y.png", "z", "w"]]
)
def test_without_two_classes_there_is_a_map_and_no_measure(uploads, names):
    answer = lay_out({"files": some(uploads, 4), "names": names})
    assert len(answer["pca"]) == 8
    assert answer["here"] is answer["clusters"] is None


def test_pictures_without_a_class_are_shown_and_not_counted(uploads):
    names = ["x/a/1", "x/a/2", "x/b/3", "x/b/4", "x/5"]
    answer = lay_out({"files": some(uploads, 5), "names": names})
    assert answer["label"][4] == answer["clusters"][4] == -1
    assert answer["here"]["images"] == 4


def test_a_bad_picture_is_left_out_with_its_reason(uploads):
    good, bad = some(uploads, 2), uploads / "letter.jpg"
    bad.write_text("not a picture")
    answer = look_in({"files": [good[0], str(bad), good[1]], "language": "ko"})
    assert answer["reasons"][::2] == [None, None]
    assert answer["reasons"][1] == i18n.say("error.unreadable", "ko", name="letter.jpg")
    second = decoded(answer["sheet"])[:, 64:128].astype(int)
    apart = [np.abs(second - noise(i, 64)).mean() for i in range(2)]  # as JPEG
    assert apart[1] < apart[0]


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "", "a\0b", None, 3, {"path": "/etc/passwd"}, "\ud800"])
def test_made_up_paths_are_refused(uploads, path):
    good = some(uploads, 3)
    answer = look_in({"files": [path]})
    assert answer["sheet"] is None
    assert answer["reasons"][0]
    assert "root:" not in answer["reasons"][0]
    assert set(lay_out({"files": [*good, path], "names": ["1", "2", "3", "4"]})) - {"gone"} == {"message"}


def test_what_cannot_be_laid_out_is_said(uploads):
    paths = some(uploads, 3)
    assert "3 pictures or more; 2" in lay_out({"files": paths[:2], "names": ["a", "b"]})["message"]
    assert "300" in lay_out({"files": paths * 101, "names": ["a"] * 303})["message"]
    for state in (None, [], {}, {"files": "x"}, {"files": paths}, {"files": paths, "names": ["a"]}):
        assert set(lay_out(state)) == {"message"}
    assert set(look_in({"files": paths * 7})) == {"message"}  # 21
    three = lay_out({"files": paths, "names": ["a", "b", "c"], "tsne": True, "network": {"no": "name"}})
    assert len(three["tsne"]) == 6
    same = lay_out({"files": paths[:1] * 3, "names": ["a", "b", "c"], "tsne": True})
    assert np.isfinite(same["pca"] + same["tsne"]).all()


# ---------------------------------------------------------------- in a browser


@pytest.fixture
def tab(open_tab, monkeypatch):
    if not STORED:
        pytest.skip("no network of the zoo has a stored embedding")
    monkeypatch.delenv(embedding_view.DATA, raising=False)
    return open_tab("?view=embeddings", "embeddings")


def stored() -> dict[str, list]:
    """Return the labels of the stored pictures, and their classes as the page writes them."""
    known = embedding_view.overview()["sets"][0]
    return {**known, "classes": [name.title() for name in known["classes"]]}


def taken(tab, kind: str) -> bytes:
    with tab.page.expect_download() as waiting:
        tab.page.locator(f"#mv-embeddings [data-take={kind}]").click()
    assert waiting.value.suggested_filename == f"mixviz-mixup-pca.{kind}"
    with open(waiting.value.path(), "rb") as file:
        return file.read()


def tip(tab) -> str:
    shown = tab.page.locator(".mv-point")
    return shown.inner_text() if shown.is_visible() else ""


def part(tab, name: str):
    """Return a section below the plane, unfolded."""
    section = tab.page.locator(f"#mv-embeddings [data-part={name}]")
    if section.get_attribute("open") is None:
        section.locator("> summary").click()
    return section


def options(tab):
    """Return what can be changed about the plane, unfolded."""
    section = tab.page.locator("#mv-embeddings .mv-options")
    if section.get_attribute("open") is None:
        section.locator("summary").click()
    return section


def pointed_at(tab, index: int, network: str = "cutmix", plane: str = "pca") -> tuple[float, float]:
    """Move the pointer onto a stored picture, and return its position in the plane, as computed by the core."""
    placed = [where[plane] for where in view.places(network, view.bundled())]
    plot = np.concatenate([zoo.embedding(network)[plane].numpy().round(3), np.array(placed)])
    box = tab.page.locator(".mv-scatter canvas").bounding_box()
    low, high = plot.min(0), plot.max(0)
    scale = (box["width"] - 52) / (high - low).max()
    x, y = (plot[index] - (low + high) / 2) * scale
    tab.page.locator(".mv-scatter").scroll_into_view_if_needed()
    box = tab.page.locator(".mv-scatter canvas").bounding_box()
    x, y = box["width"] / 2 + x, box["width"] / 2 - y
    tab.page.mouse.move(box["x"] + x, box["y"] + y)
    return x, y


def corner_of(network: str, plane: str) -> int:
    """Return the lowest stored picture, which no other one hides."""
    return int(zoo.embedding(network)[plane][:, 1].argmin())


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("plane", ["pca", "tsne"])
def test_the_pointer_finds_a_picture(tab, plane):
    if plane == "tsne":
        options(tab)
        tab.after(tab.page.get_by_role("button", name="t-SNE", exact=True).click)
    index = corner_of("cutmix", plane)
    place = pointed_at(tab, index, plane=plane)
    name = stored()["classes"][zoo.embedding("cutmix")["label"][index]]
    assert tip(tab).startswith(name)
    assert "may not be shown here" in tip(tab)
    ring = tab.page.locator(".mv-at-point").evaluate("({style}) => [parseFloat(style.left), parseFloat(style.top)]")
    assert ring == pytest.approx(place, abs=0.5)
    tab.page.mouse.move(5, 5)
    assert tip(tab) == ""


@pytest.mark.browser
@pytest.mark.slow
def test_thumbnails_come_where_the_data_set_lies(open_tab, monkeypatch):
    tiles = [torch.full((3, 64, 64), 200 * (i % 2), dtype=torch.uint8) for i in range(300)]
    monkeypatch.setenv(embedding_view.DATA, "somewhere")
    monkeypatch.setattr(embedding_view, "_thumbnails", lambda name, root: tiling.thumbnails(tiles))
    tab = open_tab("?view=embeddings", "embeddings")
    tab.page.wait_for_selector("#mv-embeddings[data-thumbnails=true]")
    index = corner_of("cutmix", "pca")
    pointed_at(tab, index)
    at = tab.page.locator(".mv-point .mv-thumb").evaluate("node => node.style.backgroundPosition")
    column, row = index % 20, index // 20
    assert [float(part.rstrip("%")) for part in at.split()] == pytest.approx(
        [100 * column / 19, 100 * row / 14], abs=0.01
    )
    assert tab.page.locator("[data-part=nearest] .mv-five .mv-thumb:not(.mv-blank)").count() == 10
    assert "may not be shown" not in tab.page.locator("[data-part=nearest]").inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_without_thumbnails_the_page_says_how_to_get_them(tab):
    tab.page.wait_for_selector("#mv-embeddings[data-thumbnails=false]")
    assert "mixviz app --data FOLDER" in options(tab).inner_text()
    nearest = tab.page.locator("[data-part=nearest]")
    assert nearest.locator(".mv-blank").count() == 5
    assert "Pictures of the data set may not be shown here" in nearest.inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_the_keyboard_goes_through_classes_and_pictures(tab):
    tab.page.locator(".mv-scatter").focus()
    tab.page.keyboard.press("ArrowRight")
    classes, seen = stored()["classes"], []
    for key in ("ArrowRight", "ArrowDown", "ArrowUp"):
        tab.page.keyboard.press(key)
        seen.append(tip(tab).splitlines()[0])
    assert seen == [classes[0], classes[1], classes[0]]
    assert tab.page.locator(".mv-unseen").text_content().startswith(classes[0])
    tab.page.keyboard.press("Escape")
    assert tip(tab) == ""


@pytest.mark.browser
@pytest.mark.slow
def test_a_class_dims_the_others(tab):
    def strong() -> int:
        return tab.page.evaluate(
            "(canvas => [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]"
            ".filter((value, i) => i % 4 === 3 && value > 150).length)(document.querySelector('.mv-scatter canvas'))"
        )

    before, persian = strong(), tab.page.get_by_role("button", name="Persian", exact=True)
    persian.click()
    assert persian.get_attribute("aria-pressed") == "true"
    tab.page.mouse.move(5, 5)
    assert 0 < strong() < before / 8  # one of many classes
    persian.click()
    tab.page.mouse.move(5, 5)
    tab.page.evaluate("document.activeElement.blur()")
    assert strong() == before


@pytest.mark.browser
@pytest.mark.slow
def test_network_plane_and_colour_are_one_click_each_and_in_the_address(tab):
    tab.after(lambda: tab.page.locator("[data-part=side_by_side] [data-network=saliencymix_plus]").click())
    assert tab.page.locator("#mv-embed-network").input_value() == "saliencymix_plus"
    options(tab)
    tab.after(lambda: tab.page.locator("[data-plane=tsne]").click())
    tab.page.wait_for_function("location.search.includes('network=saliencymix_plus&plane=tsne')")
    tab.page.reload()
    tab.wait()
    assert tab.page.locator("#mv-embed-network").input_value() == "saliencymix_plus"
    assert "t-SNE" in tab.page.locator(".mv-scatter").get_attribute("aria-label")
    options(tab)
    tab.page.locator("[data-colour=cluster]").click()
    clusters = tab.page.locator(".mv-group")
    assert clusters.count() == len(stored()["classes"])
    assert sum(int(text.split()[-1]) for text in clusters.all_inner_texts()) == len(stored()["label"])


@pytest.mark.browser
@pytest.mark.slow
def test_a_and_b_and_the_photographs_stand_among_them(tab):
    marks = tab.page.locator(".mv-own")
    assert marks.count() == len(view.bundled())  # A and B are two of them
    options(tab).locator("input[name=photographs]").uncheck()
    assert marks.count() == 2
    options(tab).locator("input[name=ab]").uncheck()
    assert marks.count() == 0
    lion = view.places("mixup", (pictures.photograph_path("lion.jpg"),))[0]
    tab.after(lambda: tab.pair("Pair: lion and parrot"))
    near = part(tab, "neighbours").locator("[data-near=mixup]")
    assert f"{lion['similarity'][0]:.2f}" in near.inner_text()
    assert f"{lion['distance']:.2f}" in part(tab, "far").locator("[data-row=mixup]").inner_text()
    before = near.inner_text()
    tab.page.locator("[data-part=nearest] [data-subject=b]").click()
    assert near.inner_text() != before


@pytest.mark.browser
@pytest.mark.slow
def test_the_nearest_of_a_are_pictures_with_names_and_similarities(tab):
    nearest = tab.page.locator("[data-part=nearest]")
    cat, paths = pictures.photograph_path("cat_egyptian_mau.jpg"), view.bundled()
    alike = dict(zip(paths, view.similarities("cutmix", (cat,), paths)[0], strict=True))
    del alike[cat]
    first = sorted(alike, key=alike.get, reverse=True)[:5]
    figures = nearest.locator(".mv-five").first.locator("figure")
    shown = [text.split("\n") for text in figures.all_inner_texts()]
    labels = [pictures.photographs()[Path(path).name]["label"] for path in first]
    assert shown == [[label, f"{alike[path]:.2f}"] for label, path in zip(labels, first, strict=True)]
    assert "blob:" in figures.first.locator(".mv-thumb").evaluate("node => node.style.backgroundImage")


@pytest.mark.browser
@pytest.mark.slow
def test_a_picture_of_the_plane_can_be_pointed_at_and_chosen(tab):
    heading = tab.page.locator(".mv-subject b")
    assert heading.inner_text() == "cat"
    lion = tab.page.locator(".mv-own").filter(has_not=tab.page.locator("b")).nth(3)
    box = lion.bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    pointed = heading.inner_text()
    assert tip(tab).startswith(pointed)
    tab.page.mouse.move(5, 5)
    assert heading.inner_text() == "cat"
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    tab.page.mouse.up()
    tab.page.mouse.move(5, 5)
    assert heading.inner_text() == pointed
    assert tab.page.locator("[data-subject][aria-pressed=true]").inner_text() == pointed
    tab.page.locator(".mv-scatter").focus()
    tab.page.keyboard.press("ArrowUp")  # the first picture, then the group before it: the visitor's own
    tab.page.keyboard.press("ArrowUp")
    tab.page.keyboard.press("Enter")
    chosen = tab.page.locator("[data-subject][aria-pressed=true]").inner_text()
    assert tab.page.locator(".mv-unseen").text_content().startswith(chosen)


@pytest.mark.browser
@pytest.mark.slow
def test_the_table_sorts(tab):
    first = part(tab, "numbers").locator("tbody tr").first
    tab.page.locator("[data-part=numbers] thead button").first.click()
    purity = {name: zoo.card(name).metrics["embedding"]["purity_percent"] for name in zoo.trained()}
    best, worst = max(purity, key=purity.get), min(purity, key=purity.get)
    assert first.get_attribute("data-row") == best
    assert f"{purity[best]:.1f}" in first.inner_text()
    tab.page.keyboard.press("Enter")  # the column's head keeps the focus
    assert first.get_attribute("data-row") == worst
    assert tab.page.locator("[data-part=numbers] th[aria-sort=ascending]").count() == 1


@pytest.mark.browser
@pytest.mark.slow
def test_a_folder_with_sub_folders_is_measured(tab, tmp_path):
    for name, colour in (("red <b>things", (200, 30, 30)), ("blue", (30, 30, 200))):
        (tmp_path / "mine" / name).mkdir(parents=True)
        some(tmp_path / "mine" / name, 4, colour)
    (tmp_path / "mine" / "blue" / "broken.jpg").write_text("no picture")
    (tmp_path / "mine" / "notes.txt").write_text("no picture")
    part(tab, "folder").locator("input[name=folder]").set_input_files(tmp_path / "mine")
    tab.page.wait_for_selector("#mv-embeddings[data-folder]")
    result = tab.page.locator("[data-part=folder]").inner_text()
    assert "8 pictures in 2 classes" in result
    assert "Files that are no pictures: 1." in result
    assert "broken.jpg could not be read" in result
    assert "100.0" in tab.page.locator("[data-part=folder] [data-row=cutmix]").inner_text()
    assert tab.page.locator(".mv-group").all_inner_texts() == ["blue", "red <b>things"]
    tab.page.locator(".mv-scatter").focus()
    tab.page.keyboard.press("ArrowRight")
    assert tip(tab).startswith("blue · ")
    assert "blob:" in tab.page.locator(".mv-point .mv-thumb").evaluate("node => node.style.backgroundImage")
    assert tab.page.locator(".mv-own").count() == 8 + 2  # a few pictures are drawn as pictures; A and B among them
    nearest = tab.page.locator("[data-part=nearest] .mv-five figure")
    assert nearest.count() == 5
    assert all(re.match(r"(noise|\(\d+, \d+, \d+\))_\d\.png", text) for text in nearest.all_inner_texts())
    tab.page.locator("[data-network=mixup]").click()
    tab.page.locator("[data-part=folder] [data-row=mixup]").wait_for()
    tab.page.locator("[data-source=stored]").click()
    assert tab.page.locator(".mv-group").count() == len(stored()["classes"])


@pytest.mark.browser
@pytest.mark.slow
def test_the_plot_can_be_taken_away(open_tab):
    tab = open_tab("?view=embeddings&network=mixup&__theme=dark", "embeddings", color_scheme="dark")
    options(tab)
    root = ElementTree.fromstring(taken(tab, "svg"))
    words_ = [text for text in root.itertext() if text.strip()]
    assert words_[0] == "Mixup · PCA"
    classes = stored()["classes"]
    for text in (*classes, "A: cat", "B: dog", "bundled photographs"):
        assert text in words_
    assert "var(" not in ElementTree.tostring(root, encoding="unicode")
    marks, images = (root.findall(f".//{{http://www.w3.org/2000/svg}}{tag}") for tag in ("path", "image"))
    assert len(marks) == len(stored()["label"]) + len(classes)
    assert len(images) == len(view.bundled())
    assert all(image.get("href").startswith("data:image/png;base64,") for image in images)
    picture = Image.open(io.BytesIO(taken(tab, "png"))).convert("RGB")
    assert picture.size == (2 * int(root.get("width")), 2 * int(root.get("height")))
    assert sum(picture.getpixel((3, 3))) < 200  # the theme's background
    data = taken(tab, "csv")
    assert data.startswith(b"\xef\xbb\xbf")
    assert len(data.decode("utf-8-sig").splitlines()) == 1 + len(stored()["label"]) + len(view.bundled())


@pytest.mark.browser
@pytest.mark.slow
def test_no_tooltip_says_undefined(tab):
    assert tab.page.locator("#mv-embeddings [title=undefined]").count() == 0


@pytest.mark.browser
@pytest.mark.slow
def test_two_pictures_are_too_few(tab, tmp_path):
    part(tab, "folder").locator("input[name=pictures]").set_input_files(some(tmp_path, 2))
    tab.page.wait_for_selector("#mv-embeddings[data-folder]")
    assert "3 pictures or more" in tab.page.locator("[data-part=folder]").inner_text()
    assert tab.page.locator(".mv-group").count() == len(stored()["classes"])  # the earlier contents stay


@pytest.mark.browser
@pytest.mark.slow
def test_it_speaks_korean(open_tab):
    tab = open_tab("?view=embeddings", "embeddings", locale="ko-KR")
    text = tab.page.locator("#mv-embeddings").inner_text()
    assert "embed." not in text
    assert all(word in text for word in ("비슷한 이미지", "요크셔테리어", "순도", "내 폴더"))
    assert "Labrador" not in text


@pytest.mark.browser
@pytest.mark.slow
def test_a_phone_shows_it_without_scrolling_sideways(open_tab):
    tab = open_tab("?view=embeddings&network=mixup", "embeddings", width=390)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.page.locator(".mv-scatter canvas").bounding_box()["width"] > 250

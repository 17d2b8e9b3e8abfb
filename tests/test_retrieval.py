"""Indexes of pictures: building, resuming, merging, searching, and the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from mixviz import retrieval
from mixviz.__main__ import app
from mixviz.cam.inference import LoadedModel
from mixviz.core.head import Whitening
from mixviz.networks import architectures, model_card
from mixviz.retrieval import search, store
from mixviz.retrieval.store import Head, Store


def model(scores: bool = True, seed: int = 0) -> LoadedModel:
    """A small untrained ResNet for pictures of 32 px."""
    torch.manual_seed(seed)
    network = architectures.build("resnet18", 3, width=0.125, scores=scores).eval()
    card = model_card.ModelCard.from_json({
        "network": {
            "name": "resnet18", "stem": "standard", "width": 0.125, "image_size": 32, "mean": [0.5] * 3,
            "std": [0.25] * 3, "scores": scores, "head": "" if scores else "average",
        },
        "data": {"classes": ["a", "b", "c"]},
    })  # fmt: skip
    return LoadedModel("small", card, f"sha{seed}", network)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Eleven pictures of one size in folders, one of them damaged."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(11):
        folder = root / ("ab"[i % 2])
        folder.mkdir(exist_ok=True)
        low = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        low.resize((40, 36)).save(folder / f"{i:02}.png")
    (root / "b" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (root / "notes.txt").write_text("no picture")
    return root


def vectors_of(built: Store) -> torch.Tensor:
    return torch.cat([built.raw(number) for number in range(built.chunks)])


def synthetic(folder, count: int = 300, dimensions: int = 8, chunk: int = 64) -> Store:
    """An index of vectors around twenty centres."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(20, dimensions, generator=rng)
    vectors = centres[torch.arange(count) % 20] + 0.3 * torch.randn(count, dimensions, generator=rng)
    made = Store.create(folder, Head("none", "sha", dimensions, "nowhere", "listing", count, chunk))
    for number, part in enumerate(vectors.split(chunk)):
        made.add(number, [f"{number}-{i}" for i in range(len(part))], part)
    return made


def test_an_index_holds_the_embeddings_and_names_what_cannot_be_read(photos, tmp_path):
    from mixviz.data import pictures
    from mixviz.embeddings import embed

    one, seen = model(), []
    built = retrieval.build(
        photos, one, tmp_path / "index", batch_size=2, chunk=4, progress=lambda *at: seen.append(at)
    )
    assert built.names() == sorted(f"{'ab'[i % 2]}/{i:02}.png" for i in range(11))
    assert list(built.left_out()) == ["b/bad.jpg"]
    assert "bad.jpg" in built.left_out()["b/bad.jpg"]
    assert seen == [(0, 12), (4, 12), (8, 12), (12, 12)]
    views = np.stack([pictures.load_view(photos / name, one.input_view) for name in built.names()])
    wanted = embed(one.network, one.normalised(torch.from_numpy(views).permute(0, 3, 1, 2)))
    torch.testing.assert_close(vectors_of(built), wanted, rtol=1e-4, atol=1e-5)


def test_a_network_without_scores_has_an_index(photos, tmp_path):
    built = retrieval.build(photos, model(scores=False), tmp_path / "index")
    assert len(vectors_of(built)) == 11


def test_a_killed_run_goes_on(photos, tmp_path):
    one = model()
    whole = retrieval.build(photos, one, tmp_path / "whole", chunk=4)

    class Killed(BaseException):
        pass

    def killed(done: int, total: int) -> None:
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        retrieval.build(photos, one, tmp_path / "resumed", chunk=4, progress=killed)
    resumed = Store.open(tmp_path / "resumed")
    assert resumed.missing() == [1, 2]
    with pytest.raises(ValueError, match="2 of 3 chunks are missing"):
        list(resumed.vectors())
    resumed.names_path(1).write_text("half a li")  # names are written first, and again
    done = retrieval.build(photos, one, tmp_path / "resumed", chunk=4)
    assert done.names() == whole.names()
    torch.testing.assert_close(vectors_of(done), vectors_of(whole))


def test_another_index_is_not_overwritten(photos, tmp_path):
    retrieval.build(photos, model(), tmp_path / "index", chunk=4)
    with pytest.raises(ValueError, match="differs in sha256"):
        retrieval.build(photos, model(seed=1), tmp_path / "index", chunk=4)
    with pytest.raises(ValueError, match="differs in total, part"):
        retrieval.build(photos, model(), tmp_path / "index", chunk=4, part=(1, 2))
    with pytest.raises(ValueError, match="no index"):
        Store.open(photos)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        retrieval.build(tmp_path / "empty", model(), tmp_path / "index")


def test_parts_make_the_whole(photos, tmp_path):
    one = model()
    whole = retrieval.build(photos, one, tmp_path / "whole", chunk=4)
    parts = [tmp_path / f"part{i}" for i in (1, 2, 3)]
    for i, folder in enumerate(parts, 1):
        retrieval.build(photos, one, folder, part=(i, 3), chunk=3)
    merged = retrieval.merge(parts[::-1], tmp_path / "merged")
    assert sorted(merged.names()) == sorted(whole.names())
    assert list(merged.left_out()) == ["b/bad.jpg"]
    by_name = dict(zip(whole.names(), vectors_of(whole), strict=True))
    wanted = torch.stack([by_name[name] for name in merged.names()])
    torch.testing.assert_close(vectors_of(merged), wanted, rtol=1e-4, atol=1e-5)
    for given, message in (
        (parts[:2], "part 3/3 is missing"), ([*parts, parts[0]], "a part is given twice"),
        ([*parts[:2], tmp_path / "whole"], "differs in parts"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            retrieval.merge(given, tmp_path / "other")
    with pytest.raises(ValueError, match="holds an index already"):
        retrieval.merge(parts, tmp_path / "merged")
    Store.open(parts[0]).path(0).unlink()
    with pytest.raises(ValueError, match="is not complete"):
        retrieval.merge(parts, tmp_path / "other")
    merged.path(merged.chunks - 1).unlink()
    with pytest.raises(ValueError, match=f"1 of {merged.chunks} chunks are missing"):
        Store.open(tmp_path / "merged").check_complete()


def test_names_may_hold_separators_of_lines(tmp_path):
    names = ["a\u2028b.jpg", "c\x85d.jpg", "e\x1cf.jpg", "g\nh.jpg"]
    made = Store.create(tmp_path, Head("none", "sha", 2, "nowhere", "listing", 5))
    made.add(0, names, torch.ones(4, 2), {"i\u2029j.jpg": "damaged\nfile"})
    assert made.names() == names
    assert made.left_out() == {"i\u2029j.jpg": "damaged\nfile"}


@pytest.mark.parametrize("with_faiss", [True, False])
def test_an_index_without_any_readable_picture_is_refused(tmp_path, monkeypatch, with_faiss):
    if with_faiss:
        pytest.importorskip("faiss")
    else:
        monkeypatch.setattr(search, "faiss", lambda: None)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    built = retrieval.build(tmp_path, model(), tmp_path / "index")
    with pytest.raises(ValueError, match="holds no pictures"):
        retrieval.Searcher.open(built)


# ---- searching


def exact(queries: torch.Tensor, vectors: torch.Tensor, count: int) -> torch.Tensor:
    unit = torch.nn.functional.normalize
    return (unit(queries, dim=1) @ unit(vectors, dim=1).T).topk(count)[1]


@pytest.mark.parametrize("with_faiss", [True, False])
def test_exact_search_finds_the_nearest(tmp_path, monkeypatch, with_faiss):
    made = synthetic(tmp_path)
    if with_faiss:
        pytest.importorskip("faiss")
    else:
        monkeypatch.setattr(search, "faiss", lambda: None)
    vectors = vectors_of(made)
    found = retrieval.Searcher.open(made).search(3 * vectors[:40], 7)
    assert found.index.equal(exact(vectors[:40], vectors, 7))
    assert found.index[:, 0].equal(torch.arange(40))
    assert found.similarity[:, 0] == pytest.approx(torch.ones(40))
    assert retrieval.Searcher.open(made).search(vectors[:1], 1000).index.shape == (1, 300)


def test_inverted_lists_find_nearly_the_same_and_all_lists_the_same(tmp_path):
    pytest.importorskip("faiss")
    made = synthetic(tmp_path)
    with pytest.raises(ValueError, match="has no inverted lists"):
        retrieval.Searcher.open(made, "ivf")
    search.add_lists(made, 10)
    vectors = vectors_of(made)
    wanted = exact(vectors[:50], vectors, 5)
    all_lists = retrieval.Searcher.open(made, probes=10)
    assert all_lists.kind == "ivf"
    assert all_lists.search(vectors[:50], 5).index.equal(wanted)
    some = retrieval.Searcher.open(made, "ivf", probes=2).search(vectors[:50], 5).index
    same = (some[:, :, None] == wanted[:, None]).any(2).float().mean()
    assert 0.8 < same <= 1
    assert retrieval.Searcher.open(made, "exact").kind == "exact"


@pytest.mark.parametrize("count", [128, 299, 301])  # 128: the lists end with the second chunk
def test_lists_of_other_vectors_are_refused(tmp_path, count):
    pytest.importorskip("faiss")
    other, made = synthetic(tmp_path / "other", count), synthetic(tmp_path / "made")
    search.add_lists(other, 10)
    (other.folder / search.LISTS).rename(made.folder / search.LISTS)
    with pytest.raises(ValueError, match="is of other vectors"):
        retrieval.Searcher.open(made)


def test_whitening_is_fitted_to_the_gallery_and_applied_to_queries(tmp_path):
    made = synthetic(tmp_path)
    vectors = vectors_of(made)
    made.whiten(5)
    whitening = Whitening(8, 5)
    whitening.fit(vectors)
    white = whitening(vectors)
    found = retrieval.Searcher.open(made).search(vectors[:30], 4)
    assert found.index.equal(exact(white[:30], white, 4))
    with pytest.raises(ValueError, match="Whitening keeps 1 to 8"):
        made.whiten(9)


def test_a_sample_is_enough_for_a_whitening(tmp_path, monkeypatch):
    made = synthetic(tmp_path)
    monkeypatch.setattr(store, "SAMPLED", 100)
    made.whiten(3)
    assert made.whitening().axes.shape == (3, 8)


def test_queries_of_another_network_are_refused(tmp_path):
    searcher = retrieval.Searcher.open(synthetic(tmp_path))
    with pytest.raises(ValueError, match="queries should be"):
        searcher.search(torch.zeros(2, 9))
    with pytest.raises(ValueError, match="--kind is"):
        retrieval.Searcher.open(searcher.store, "fast")


def test_a_damaged_chunk_is_named(tmp_path):
    made = synthetic(tmp_path)
    made.path(1).write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"vectors-000001.safetensors is missing or damaged"):
        retrieval.Searcher.open(made)


# ---- the command line


@pytest.fixture
def command(monkeypatch):
    monkeypatch.setattr("mixviz.cam.inference.open_networks", lambda name: [model()])

    def call(*arguments) -> str:
        result = CliRunner().invoke(app, [str(one) for one in arguments])
        if result.exception:
            raise result.exception
        return result.stdout

    return call


def test_a_picture_finds_itself(command, photos, tmp_path):
    command("index", photos, "--network", "small", "--out", tmp_path / "index", "--whiten", 4)
    lines = command("find", photos / "a" / "04.png", "--index", tmp_path / "index", "--top", 3).splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["1", "1.0000", "a/04.png"]
    command("index", photos, "--network", "small", "--out", tmp_path / "index")
    assert Store.open(tmp_path / "index").whitening() is None  # the last line asked for none


def test_reranking_counts_inliers(command, photos, tmp_path):
    command("index", photos, "--network", "small", "--out", tmp_path / "index")
    lines = command("find", photos / "a" / "04.png", "--index", tmp_path / "index", "--top", 3, "--rerank").splitlines()
    counts = [int(line.split()[3]) for line in lines]
    assert counts == sorted(counts, reverse=True)
    assert lines[0].split()[2] == "a/04.png"


def test_parts_and_merging_by_command(command, photos, tmp_path):
    parts = [tmp_path / f"part{i}" for i in (1, 2)]
    for i, folder in enumerate(parts, 1):
        assert "index merge" in command("index", photos, "--network", "small", "--part", f"{i}/2", "--out", folder)
    assert "11 pictures" in command("index", "merge", *parts, "--out", tmp_path / "all", "--kind", "ivf")
    assert "a/04.png" in command("find", photos / "a" / "04.png", "--index", tmp_path / "all", "--kind", "ivf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{photos}", "--out", "x"], "Say which network"),
        (["{photos}", "--out", "x", "--network", "small", "--part", "3/2"], "--part should be such as 2/8"),
        (["{photos}", "more", "--out", "x"], "one folder of pictures"),
        (["{photos}", "--out", "x", "--kind", "quick"], "--kind is auto, exact or ivf"),
        (["merge", "--out", "x"], "Name the folders of the parts"),
        (["nowhere", "--out", "x", "--network", "small"], "no folder nowhere"),
    ],
)
def test_wrong_lines_say_what_is_wrong(command, photos, arguments, message):
    with pytest.raises(ValueError, match=message):
        command("index", *(text.format(photos=photos) for text in arguments))


def test_an_index_of_other_weights_is_refused(command, photos, tmp_path):
    retrieval.build(photos, model(seed=1), tmp_path / "index")
    with pytest.raises(ValueError, match="made with other weights"):
        command("find", photos / "a" / "04.png", "--index", tmp_path / "index")


def test_the_revisited_protocol_of_an_index(command, photos, tmp_path):
    command("index", photos, "--network", "small", "--out", tmp_path / "index")
    gallery = [f"{i:02}" for i in range(11)]
    truth = {
        "imlist": gallery, "qimlist": ["04", "07"],
        "gnd": [
            {"bbx": [0, 0, 40, 36], "easy": [4], "hard": [], "junk": [1]},
            {"bbx": [0, 0, 40, 36], "easy": [7], "hard": [], "junk": []},
        ],
    }  # fmt: skip
    (tmp_path / "gnd.json").write_text(json.dumps(truth))
    queries = tmp_path / "queries"
    queries.mkdir()
    for name in ("a/04.png", "b/07.png"):
        (queries / name[2:]).write_bytes((photos / name).read_bytes())
    lines = command(
        "revisited", tmp_path / "gnd.json", "--index", tmp_path / "index", "--queries", queries
    ).splitlines()
    assert [line.split()[:3] for line in lines] == [["easy", "mAP", "100.00"], ["medium", "mAP", "100.00"]]
    (queries / "07.png").unlink()
    with pytest.raises(ValueError, match="lacks the query 07"):
        command("revisited", tmp_path / "gnd.json", "--index", tmp_path / "index", "--queries", queries)
    (queries / "07.png").write_bytes((photos / "b" / "07.png").read_bytes())
    (photos_again := tmp_path / "again").mkdir()
    for name in [*(f"{'ab'[i % 2]}/{i:02}.png" for i in range(11)), "copy/04.png"]:
        (photos_again / name).parent.mkdir(exist_ok=True)
        (photos_again / name).write_bytes((photos / name.replace("copy", "a")).read_bytes())
    command("index", photos_again, "--network", "small", "--out", tmp_path / "doubled")
    with pytest.raises(ValueError, match="holds 1 names of the gallery twice, the first is 04"):
        command("revisited", tmp_path / "gnd.json", "--index", tmp_path / "doubled", "--queries", queries)
    truth["imlist"] = [*gallery[:-1], "gone"]
    (tmp_path / "gnd.json").write_text(json.dumps(truth))
    with pytest.raises(ValueError, match="lacks 1 pictures of the gallery, the first is gone"):
        command("revisited", tmp_path / "gnd.json", "--index", tmp_path / "index", "--queries", queries)

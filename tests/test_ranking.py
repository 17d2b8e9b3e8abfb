"""Retrieval scores: cases by hand, and every score against a loop."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from mixviz import embeddings
from mixviz.embeddings import clustering, measures, places, revisited


def noise(count: int, dimensions: int = 4) -> torch.Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(count))


def at_angles(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], 1)


def by_loop(vectors, labels, counts, close=None) -> dict[str, float]:
    """Score every query on its own, with sorted lists."""
    unit = torch.nn.functional.normalize(vectors.double(), dim=1)
    rows = {name: [] for name in ("ap", "ap_r", *(f"r{k}" for k in counts), *(f"p{k}" for k in counts))}
    for q in range(len(unit)):
        others = sorted((i for i in range(len(unit)) if i != q), key=lambda i: (-float(unit[q] @ unit[i]), i))
        if close is not None:
            others = [i for i in others if labels[i] == labels[q] or not close[labels[q], labels[i]]]
        hits = [bool(labels[i] == labels[q]) for i in others]
        if not any(hits):
            continue
        total = sum(hits)
        precisions = [sum(hits[: r + 1]) / (r + 1) if hit else 0 for r, hit in enumerate(hits)]
        rows["ap"].append(sum(precisions) / total)
        rows["ap_r"].append(sum(precisions[:total]) / total)
        for k in counts:
            rows[f"r{k}"].append(float(any(hits[:k])))
            rows[f"p{k}"].append(sum(hits[:k]) / min(k, len(hits)))
    return {name: sum(values) / len(values) for name, values in rows.items()} | {"queries": len(rows["ap"])}


def as_one(seen: measures.Ranking) -> dict[str, float]:
    return {
        "ap": seen.mean_average_precision, "ap_r": seen.map_at_r, "queries": seen.queries,
        **{f"r{k}": value for k, value in seen.recall.items()},
        **{f"p{k}": value for k, value in seen.precision.items()},
    }  # fmt: skip


def test_ranks_by_hand():
    # From 0°: 10° (hit), 25°, 40° (hit). From 10°: 0° (hit), 25°, 40°. From 40°: 25°, 10° (hit), 0° (hit).
    seen = embeddings.ranking(at_angles(0, 10, 25, 40), torch.tensor([0, 0, 1, 0]), (1, 2, 3))
    assert seen.queries == 3
    assert seen.mean_average_precision == pytest.approx(((1 + 2 / 3) / 2 * 2 + (1 / 2 + 2 / 3) / 2) / 3)
    assert seen.map_at_r == pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3)  # R = 2: hits at 1, at 1, and at 2
    assert seen.recall == pytest.approx({1: 2 / 3, 2: 1, 3: 1})
    assert seen.precision == pytest.approx({1: 2 / 3, 2: 1 / 2, 3: 2 / 3})


@pytest.mark.parametrize("near", [False, True])
def test_ranks_are_those_of_a_loop(near, monkeypatch):
    vectors, labels = noise(60), torch.arange(60) % 7
    labels[-1] = 7  # alone
    close = None
    if near:
        close = torch.rand(8, 8, generator=torch.Generator().manual_seed(1)) < 0.3
        close |= close.T.clone()
    counts = (1, 3, 10, 100)
    wanted = by_loop(vectors, labels, counts, close)
    assert as_one(embeddings.ranking(vectors, labels, counts, close)) == pytest.approx(wanted)
    monkeypatch.setattr(measures, "COMPARED", 500)
    assert as_one(embeddings.ranking(vectors, labels, counts, close)) == pytest.approx(wanted)


def test_close_classes_are_taken_out_of_the_ranking():
    vectors, labels = at_angles(0, 5, 10), torch.tensor([0, 1, 0])
    close = torch.tensor([[False, True], [True, False]])
    assert embeddings.ranking(vectors, labels, (1,)).recall[1] == 0  # 5° is nearest to both
    assert embeddings.ranking(vectors, labels, (1,), close).recall[1] == 1
    with pytest.raises(ValueError, match="C at least 2"):
        embeddings.ranking(vectors, labels, (1,), close[:1, :1])


def test_the_short_forms_agree():
    vectors, labels = noise(30), torch.arange(30) % 4
    seen = embeddings.ranking(vectors, labels, (1, 2))
    assert embeddings.retrieval(vectors, labels) == (seen.mean_average_precision, seen.precision[1])
    assert embeddings.recall_at(vectors, labels, (2, 1)) == [seen.recall[2], seen.recall[1]]


def test_adjusted_rand_by_hand():
    # Of six pairs two are joined by the classes and two by the clusters, none by both: (0 − 4/6) / (2 − 4/6) = −1/2.
    assert clustering.adjusted_rand(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])) == pytest.approx(-0.5)
    assert clustering.adjusted_rand(torch.tensor([5, 5, 2, 2]), torch.tensor([0, 0, 1, 1])) == 1


# ---- places


def test_places_by_hand():
    vectors = at_angles(0, 1, 50, 53)
    metres = torch.tensor(
        [[0.0, 0], [100, 0], [0, 25], [500, 500]]
    )  # 0° and 50° are 25 m apart; the others have nobody
    seen = places.place_recall(vectors, metres, (1, 2, 3))
    assert seen.queries == 2
    assert seen.recall == {1: 0, 2: 0.5, 3: 1}  # 0°: 1°, then 50°. 50°: 53°, then 1° and 0°.


def test_places_are_those_of_a_loop():
    vectors, metres = noise(40), 60 * noise(40, 3)
    unit = torch.nn.functional.normalize(vectors.double(), dim=1)
    for k in (1, 4):
        right = []
        for q in range(10):
            order = sorted(range(10, 40), key=lambda i: -float(unit[q] @ unit[i]))
            near = [math.dist(metres[q].tolist(), metres[i].tolist()) <= 40 for i in order]
            right += [any(near[:k])] if any(near) else []
        seen = places.place_recall(vectors[:10], metres[:10], (k,), 40, (vectors[10:], metres[10:]))
        assert (seen.queries, seen.recall[k]) == (len(right), pytest.approx(sum(right) / len(right)))


def test_places_far_from_all_others_say_so():
    with pytest.raises(ValueError, match="within 25 m"):
        places.place_recall(noise(3), 1000 * torch.eye(3))
    with pytest.raises(ValueError, match="of the same length"):
        places.place_recall(noise(3), torch.zeros(3, 2), gallery=(noise(3), torch.zeros(3, 3)))


# ---- the revisited protocol


def query(easy=(), hard=(), junk=()) -> revisited.Query:
    return revisited.Query("q", (0, 0, 1, 1), easy, hard, junk)


def test_the_revisited_protocol_by_hand():
    ranks = torch.tensor([[4, 0, 1, 3, 2]])
    asked = [query(easy=(0,), hard=(2,), junk=(4,))]
    # Easy: 4 and 2 are left out, 0 is first: ½ (1 + 1). Hard: without 4 and 0 it is 1 3 2, the hit third: ½ (0 + ⅓).
    assert revisited.score(ranks, asked, "easy").mean_average_precision == 1
    assert revisited.score(ranks, asked, "hard").mean_average_precision == pytest.approx(1 / 6)
    # Medium: 0 1 3 2: hits at 1 and 4: ½ (½ (1 + 1) + ½ (⅓ + ½)).
    medium = revisited.score(ranks, asked, "medium", (1, 2, 10))
    assert medium.mean_average_precision == pytest.approx((1 + 5 / 12) / 2)
    assert medium.precision == pytest.approx({1: 1, 2: 1 / 2, 10: 2 / 4})  # the last hit is at 4


def trapezoids(row: list[int], positive: set[int], junk: set[int]) -> float:
    """The area under precision over recall, step by step through the ranking."""
    area, hits, seen, before = 0.0, 0, 0, 1.0
    for number in row:
        if number in junk:
            continue
        seen += 1
        hits += number in positive
        if number in positive:
            area += (before + hits / seen) / 2 / len(positive)
        before = hits / seen
    return area


def test_the_revisited_protocol_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    ranks = torch.from_numpy(np.stack([rng.permutation(40) for _ in range(6)]))
    asked = []
    for index in range(6):
        chosen = rng.permutation(40)[:20].tolist()
        asked.append(query(tuple(chosen[:index]), tuple(chosen[6:10]), tuple(chosen[10:])))
    for protocol, (wanted, ignored) in revisited.PROTOCOLS.items():
        areas = []
        for row, one in zip(ranks.tolist(), asked, strict=True):
            positive, junk = ({i for kind in kinds for i in getattr(one, kind)} for kinds in (wanted, ignored))
            areas += [trapezoids(row, positive, junk)] if positive else []
        seen = revisited.score(ranks, asked, protocol)
        assert seen.queries == len(areas)  # the first query has no easy picture
        assert seen.mean_average_precision == pytest.approx(sum(areas) / len(areas))


def test_a_ground_truth_is_read_from_json(tmp_path):
    path = tmp_path / "gnd.json"
    right = {
        "imlist": ["a", "b", "c"], "qimlist": ["q"],
        "gnd": [{"bbx": [1, 2, 30.5, 40], "easy": [0], "hard": [], "junk": [2]}],
    }  # fmt: skip
    path.write_text(json.dumps(right))
    assert revisited.read(path) == (
        ("a", "b", "c"), (revisited.Query("q", (1, 2, 30.5, 40), (0,), (), (2,)),)
    )  # fmt: skip
    for change, message in (
        ({"gnd": []}, "1 names of queries, but 0 entries"),
        ({"gnd": [{**right["gnd"][0], "easy": [3]}]}, r"gnd\[0\].easy has 3"),
        ({"gnd": [{**right["gnd"][0], "bbx": [3, 0, 1, 1]}]}, "left, top, right, bottom"),
        ({"imlist": None}, "no ground truth"),
    ):
        path.write_text(json.dumps(right | change))
        with pytest.raises(ValueError, match=message):
            revisited.read(path)
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match="Convert the original file"):
        revisited.read(path)


def test_a_protocol_says_what_it_lacks():
    with pytest.raises(ValueError, match="easy, medium, hard"):
        revisited.score(torch.zeros(1, 1, dtype=torch.int64), [query()], "all")
    with pytest.raises(ValueError, match="anything to find"):
        revisited.score(torch.zeros(1, 1, dtype=torch.int64), [query()], "hard")

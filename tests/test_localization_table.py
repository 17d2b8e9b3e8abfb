"""The table of localisation: objects fall into the right column, and the middle stands beside every map."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from benchmarks import localization as bench
from mixviz.cam.boxes import boxes_at
from mixviz.cam.inference import LoadedModel
from mixviz.cam.localization import box_scores, centre_heat, heat
from mixviz.cam.methods import heat_maps
from mixviz.core.inference import NormalizedModel
from mixviz.networks import architectures, model_card

pytest.importorskip("timm")
SIDE = 64


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    torch.manual_seed(0)
    network = architectures.build("resnet18", 3, stem="strided", width=0.125).eval()
    spec = {"name": "resnet18", "stem": "strided", "width": 0.125, "image_size": SIDE, "mean": [0.5] * 3,
            "std": [0.5] * 3}  # fmt: skip
    card = model_card.ModelCard.from_json(
        {"title": "one", "network": spec, "data": {"classes": ["lion", "bee", "goose"]}}
    )
    return LoadedModel("one", card, "", network)


def example(box) -> bench.Example:
    return bench.Example(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), 1, box)


def test_columns_are_sizes_and_the_first_row_is_the_middle(model):
    examples = [example((0, 0, 16, 16)), example((24, 24, 40, 40)), example((4, 4, 60, 60))]  # 6, 6 and 77 %
    rows = bench.rows(model, examples)
    assert next(iter(rows)) == bench.MIDDLE
    for scores in rows.values():
        assert [0 if one is None else len(one.largest) for one in scores] == [2, 0, 0, 1]
    middle = box_scores(centre_heat((SIDE, SIDE)), [torch.tensor([one.box]) for one in examples[:2]])
    assert rows[bench.MIDDLE][0].max_box_acc_v2 == middle.max_box_acc_v2
    assert sum("dilated" in name for name in rows) == sum(way[2] > 0 for way in bench.WAYS)
    text = bench.report("Things", rows, thresholds=True)
    assert "| map | 0–10 % (2) | 10–30 % (0) | 30–60 % (0) | 60–100 % (1) |" in text
    assert re.search(rf"\| {bench.MIDDLE} \| \d+\.\d \|  \|  \| 100\.0 \|", text)
    assert text.count(bench.MIDDLE) == 2


def test_scenes_of_the_photographs_have_small_objects(model):
    found = list(bench.photographs(model))
    whole, small = bench.whole(model, found), bench.surrounded(model, found, 0)
    assert len(whole) == len(small) == len(found)
    assert all(bench.SHARES[0] * 0.7 < one.share < bench.SHARES[1] * 1.1 for one in small)
    assert np.mean([one.share for one in small]) < np.mean([one.share for one in whole])
    assert [one.label for one in small] == [one.label for one in whole]


def test_maps_are_those_of_the_core(model):
    examples = [example((0, 0, 16, 16)), example((24, 24, 40, 40))]
    ours = bench.maps_of(model, examples, "layer3", ["grad_cam", "layer_cam"])
    inputs = NormalizedModel(model.network, [0.5] * 3, [0.5] * 3).normalised(bench._batch([x.view for x in examples]))
    for kind, maps in ours.items():
        theirs = heat_maps(model.network, inputs, torch.tensor([1, 1]), kind=kind, layer="layer3").maps[:, 0]
        torch.testing.assert_close(maps, heat(theirs, (SIDE, SIDE)), rtol=0, atol=1e-4)


def test_one_place_of_a_coarse_map_has_a_small_box():
    """The page says so: a 7x7 map can mark an object of 6 % at τ = 0.2."""
    maps = torch.zeros(1, 7, 7)
    maps[0, 3, 3] = 1
    top, left, bottom, right = boxes_at(heat(maps, (224, 224))[0], bench.FIXED)[0].tolist()
    assert (bottom - top, right - left) == (56, 56)


def test_answers_are_counted_by_size(model):
    view = example((0, 0, 16, 16)).view
    label = bench.named(model, view)
    right, wrong = bench.Example(view, label, (0, 0, 16, 16)), bench.Example(view, (label + 1) % 3, (0, 0, 16, 16))
    assert re.search(r"\| 0–10 % \(2\) \| 50\.0 \| 6\.2 \| \d+\.\d \|", bench.answers(model, [right, wrong]))

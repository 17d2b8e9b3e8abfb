"""The project's networks: complete, alike except for the augmentation, intact, and described as measured."""

from __future__ import annotations

import pytest
import torch

from mixviz.embeddings import embed
from mixviz.evaluation import results
from mixviz.evaluation.metrics import METRICS
from mixviz.networks import card_text, user_network, zoo
from mixviz.networks.run import Run

MEASURED = {"accuracy", "calibration", "localisation", "occlusion", "in_between", "embedding"}
every = pytest.mark.parametrize("name", zoo.trained())


def test_every_strategy_and_the_reference_are_there_and_fit():
    assert zoo.names() == [*zoo.STRATEGIES, zoo.REFERENCE]
    assert sum(path.stat().st_size for path in zoo.folder().rglob("*") if path.is_file()) < 64e6


@every
def test_it_loads_and_answers(name):
    network, about = zoo.load(name), zoo.card(name)
    assert (zoo.folder() / name / zoo.WEIGHTS).stat().st_size < 6e6
    assert sum(p.numel() for p in network.parameters()) == about.parameter_count
    side = about.network.image_size
    with torch.inference_mode():
        logits = network(torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, len(about.data.classes))
    assert logits.isfinite().all()


@every
def test_only_the_augmentation_differs(name):
    described = zoo.card(name).run
    assert Run(**described).portable() == zoo.run_of(name, "pets", "", described["seed"]).portable()
    assert described["seed"] == zoo.card("baseline").run["seed"]


@every
def test_it_starts_from_the_reference(name):
    """What stays frozen, up to the sixth of seven stages, is the reference's bit for bit; the rest has moved."""
    own, start = (user_network.read_folder(zoo.folder() / each).network.state_dict() for each in (name, zoo.REFERENCE))
    frozen = [key for key in start if key.startswith(("conv_stem", "bn1", *(f"blocks.{i}." for i in range(6))))]
    assert all(own[key].equal(start[key]) for key in frozen)
    assert not own["blocks.6.0.conv_pw.weight"].equal(start["blocks.6.0.conv_pw.weight"])


@every
def test_its_card_is_written_as_it_was_read(name, tmp_path):
    card_text.write(tmp_path, zoo.card(name))
    for file in ("card.json", "card.md"):
        assert (tmp_path / file).read_bytes() == (zoo.folder() / name / file).read_bytes()


def test_a_card_is_still_read_as_a_dictionary():
    card = zoo.card("cutmix")
    with pytest.warns(DeprecationWarning, match=r"use card.metrics for card\['metrics'\]"):
        assert card["metrics"] == card.metrics


def test_a_card_from_elsewhere_keeps_what_can_be_read():
    """Parts about the training may be missing or malformed; a row of results still has the measurements."""
    card = zoo.card("cutmix").changed(run=None, made={"date": "yesterday"}, result=3, method="unheard of", seeds=[])
    assert (card.run, card.made, card.result, card.method, card.seed) == (None, None, None, "", None)
    assert not card.is_whole
    row = results.rows({"mine": card}, {})[0]
    assert (row["title"], row["method"], row["seeds"]) == ("CutMix", "", [None])
    assert row["values"].keys() == results.rows({"cutmix": zoo.card("cutmix")}, {})[0]["values"].keys()


@every
def test_its_card_is_what_was_measured(name):
    about = zoo.card(name)
    assert about.metrics.keys() >= MEASURED
    assert about.metrics["images"] == about.data.pictures["val"]
    # Training validated in bf16, and the weights are stored in half precision: a few predictions may differ.
    assert about.metrics["accuracy"]["top1_error_percent"] == pytest.approx(100 - about.result["last"]["top1"], abs=1)
    assert about.made["commit"]
    assert not about.made["commit"].endswith("-dirty")


@every
def test_its_calibration_error_is_that_of_its_bars(name):
    """This holds under either rule for a confidence on a bin's edge: none of these is on one."""
    described = zoo.card(name).metrics["calibration"]
    bars = results.reliability([described])
    off = [n * abs(a - c) for n, a, c in zip(bars["count"], bars["accuracy"], bars["confidence"], strict=True)]
    assert sum(off) / sum(bars["count"]) == pytest.approx(described["ece_percent"], abs=2e-4)  # bars have six decimals


# ---- trained for retrieval


@pytest.mark.parametrize("name", zoo.for_retrieval())
def test_a_network_for_retrieval_embeds_and_is_measured(name):
    network, about = zoo.load(name), zoo.card(name)
    zoo.verify(name)
    side = about.network.image_size
    with torch.inference_mode():
        vectors = embed(network, torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)))
    assert vectors.shape == (2, about.metrics["embedding"]["dimensions"])
    assert vectors.isfinite().all()
    assert name in (zoo.folder() / "README.md").read_text(encoding="utf-8")


def test_places_differ_in_the_pooling_alone_and_netvlad_finds_more():
    average, netvlad = (zoo.card(f"places_{head}") for head in ("average", "netvlad"))
    differing = {key for key in average.run if average.run[key] != netvlad.run[key]}
    assert differing == {"head"}
    found = [METRICS["recall_1"].of(card.metrics) for card in (average, netvlad)]
    assert found[1] - found[0] >= 10

"""Evaluation of runs into cards: the numbers belong to the stored weights on the validation pictures."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_data import oxford_pet, tiny_imagenet

from mixviz import __main__
from mixviz.cam import grad_cam
from mixviz.data import sources
from mixviz.data.dataset import Dataset
from mixviz.evaluation import evaluate, localization, parts, published, runner, zoo_tables
from mixviz.explain import serialize
from mixviz.networks import card_text, model_card, user_network, zoo
from mixviz.networks.run import Run
from mixviz.training import loader
from mixviz.training.trainer import train

ONE = Dataset([np.zeros((40, 80, 3), np.uint8)], torch.tensor([0]), ("lion",), ("lion",))
QUICK = ["accuracy", "calibration", "localisation", "ood"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train on two of three classes of generated pictures in Tiny-ImageNet's layout."""
    home = tmp_path_factory.mktemp("assess")
    root = tiny_imagenet(home / "data", train=16, val=8)
    for seed in (0, 1):
        run = Run(
            data="tiny_imagenet", root=str(root), classes="goose,bee", network="test_resnet", method="cutmix",
            epochs=2, batch_size=8, lr=0.02, seed=seed,
        )  # fmt: skip
        train(run, home / f"run{seed}", bar=False, tell=lambda line: None)
    return home, root


def test_the_numbers_are_those_of_the_weights(trained):
    home, root = trained
    card = runner.assess(home / "run0", root, parts=QUICK)
    metrics = card.metrics
    assert metrics["accuracy"]["top1_error_percent"] == pytest.approx(100 - card.result["last"]["top1"])
    assert metrics["weights"] == "last epoch"
    assert metrics["ood"]["others"]["images"] == 8  # all pictures of the third class
    assert metrics["ood"]["others_are"] == "other classes of tiny_imagenet"
    assert metrics["localisation"]["centre"]["max_box_acc_percent"] > 0
    assert model_card.read(home / "run0").given == json.loads(json.dumps(card.given))
    assert "max_box_acc_v2_percent" in (home / "run0" / "card.md").read_text()


def test_a_transformer_is_measured(trained, tmp_path):
    run = Run(data="tiny_imagenet", root=str(trained[1]), classes="goose,bee", network="test_vit", image_size=160,
              method="mixup", epochs=1, batch_size=8, limit=4)  # fmt: skip
    train(run, tmp_path / "run", bar=False, tell=lambda line: None)
    assert model_card.read(tmp_path / "run").network.layer == "blocks.5.norm1"
    metrics = runner.assess(tmp_path / "run", trained[1], parts=["accuracy", "embedding"], limit=4).metrics
    assert metrics["embedding"]["dimensions"] == 64
    images, labels = torch.zeros(2, 3, 160, 160, dtype=torch.uint8), torch.tensor([0, 1])
    network = user_network.read_folder(tmp_path / "run").network
    result = evaluate.evaluate(
        network, images, labels, mean=[0.5] * 3, std=[0.5] * 3, boxes=[torch.tensor([[0, 0, 8, 8]])] * 2,
        parts=["localisation"],
    )["localisation"]  # fmt: skip
    assert (result["layer"], result["map_size"]) == ("blocks.5.norm1", [10, 10])


def test_a_network_without_places_is_measured_but_for_them(trained, monkeypatch, tmp_path):
    home, root = trained
    run = shutil.copytree(home / "run1", tmp_path / "run")
    card = model_card.read(run)
    card_text.write(run, card.changed(network={**card.given["network"], "layer": ""}))
    monkeypatch.setattr(grad_cam, "feature_layers", lambda *_: {})
    for module in (runner, localization):
        monkeypatch.setattr(module, "feature_layers", lambda *_: {})
    assert "accuracy" in runner.assess(run, root, parts=["accuracy"]).metrics
    monkeypatch.setattr(evaluate, "PARTS", {name: parts.PARTS[name] for name in ("accuracy", "localisation")})
    assert "localisation" not in runner.assess(run, root).metrics
    with pytest.raises(ValueError, match=r"no feature map.*none"):
        runner.assess(run, root, parts=["localisation"])


def test_what_was_measured_before_stays(trained):
    home, root = trained
    first = runner.assess(home / "run0", root, parts=QUICK).metrics
    both = runner.assess(home / "run0", root, parts=["fgsm"]).metrics
    assert both["accuracy"] == first["accuracy"]
    assert set(both["seconds"]) == {*QUICK, "fgsm"}


def test_a_brief_measurement_leaves_whole_ones_as_they_are(trained, tmp_path):
    root, run = trained[1], shutil.copytree(trained[0] / "run1", tmp_path / "run")
    first = runner.assess(run, root, parts=["fgsm"], brief=True).metrics
    assert (first["brief"], first["fgsm"]["eps_of_255"]) == (["fgsm"], [1, 8])
    whole = runner.assess(run, root, parts=["fgsm"]).metrics
    assert "brief" not in whole
    both = runner.assess(run, root, parts=["fgsm", "pgd", "accuracy"], brief=True).metrics
    assert both["fgsm"] == whole["fgsm"]
    assert both["seconds"]["fgsm"] == whole["seconds"]["fgsm"]
    assert (both["brief"], both["pgd"]["eps_of_255"]) == (["pgd"], [1])
    assert runner.assess(run, root, parts=["accuracy"]).metrics["brief"] == ["pgd"]
    assert "brief" not in runner.assess(run, root, parts=["pgd"]).metrics


@pytest.mark.parametrize("other", [{"limit": 4}, {"weights": "best"}])
def test_a_quick_look_neither_mixes_with_a_measurement_nor_destroys_it(trained, other):
    home, root = trained
    runner.assess(home / "run0", root, parts=["accuracy"])
    before = (home / "run0" / "card.json").read_bytes()
    seen = runner.assess(home / "run0", root, parts=["calibration"], **other).metrics
    assert "accuracy" not in seen
    assert (home / "run0" / "card.json").read_bytes() == before


def test_all_parts_of_other_weights_take_the_place_of_what_was_measured(trained, monkeypatch, tmp_path):
    root, run = trained[1], shutil.copytree(trained[0] / "run1", tmp_path / "run1")
    runner.assess(run, root, parts=["accuracy"])
    monkeypatch.setattr(parts, "PARTS", {"fgsm": parts.PARTS["fgsm"]})
    monkeypatch.setattr(evaluate, "PARTS", parts.PARTS)
    runner.assess(run, root, weights="best")
    assert model_card.read(run).metrics.keys() == {"images", "size", "seed", "seconds", "fgsm", "weights"}
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "PARTS", {"ood": lambda split: {}})
        runner.assess(run, root, limit=1)  # fewer pictures than before
    assert "fgsm" in model_card.read(run).metrics


def test_only_seeds_share_a_row(trained):
    home, _ = trained
    one, two = (model_card.read(home / f"run{seed}") for seed in (0, 1))
    bare = [card.changed(metrics=None) for card in (one, two)]
    assert [name for name, _ in model_card.rows(bare)] == ["CutMix", "CutMix"]
    longer = bare[1].changed(run={**bare[1].run, "epochs": 9, "lr": 0.5})
    assert [name for name, _ in model_card.rows([bare[0], longer])] == [
        "CutMix / epochs 2 / lr 0.02", "CutMix / epochs 9 / lr 0.5"
    ]  # fmt: skip
    other = bare[0].changed(method="mixup", title="Mixup", parameters={}, run={**bare[0].run, "epochs": 9})
    assert [name for name, _ in model_card.rows([bare[0], other])] == ["CutMix", "Mixup"]
    with pytest.raises(ValueError, match="CutMix with seed 0 is there twice"):
        model_card.rows([bare[0], bare[0]])


@pytest.fixture
def collected(trained, tmp_path):
    """Put seed 0 into a zoo, and measure it and two further seeds, the second of which is seed 1 under another name."""
    home, root = trained
    zoo.add(home / "run0", "cutmix", tmp_path / "models")
    runs = tmp_path / "runs"
    for name in ("run0", "run1"):
        shutil.copytree(home / name, runs / name)
        runner.assess(runs / name, root, parts=QUICK)
    third = shutil.copytree(runs / "run1", runs / "run2")
    card = model_card.read(third)
    card_text.write(third, card.changed(run={**card.run, "seed": 2}))
    runner.assess(tmp_path / "models" / "cutmix", root, parts=QUICK)
    return tmp_path


def test_further_seeds_are_collected_into_the_cards(collected):
    said = []
    models, runs = collected / "models", collected / "runs"
    assert zoo.collect(runs, models, said.append) == {"cutmix": [1, 2]}
    assert said == []
    card, run = zoo.card("cutmix", models), model_card.read(runs / "run1")
    assert [one.seed for one in card.measurements] == [0, 1, 2]
    assert card.seeds[0].metrics["accuracy"] == run.metrics["accuracy"]
    assert "curves" in card.metrics["localisation"]["network"]
    assert "curves" not in card.seeds[0].metrics["localisation"]["network"]
    assert zoo.collect(runs, models) == {"cutmix": [1, 2]}  # once more is no more
    errors = [one.metrics["accuracy"]["top1_error_percent"] for one in card.measurements]
    assert f"| CutMix | 3 | {sum(errors) / 3:.2f} ±" in zoo_tables.table(models)
    assert "Measured with seed 2" in (models / "cutmix" / "card.md").read_text()
    zoo.add(runs / "run0", "cutmix", models)
    assert len(zoo.card("cutmix", models).seeds) == 2  # the same training once more keeps them


def test_other_trainings_and_unmeasured_ones_are_not_collected(collected):
    said = []
    models, runs = collected / "models", collected / "runs"
    longer, bare = model_card.read(runs / "run1"), model_card.read(runs / "run2")
    card_text.write(runs / "run1", longer.changed(run={**longer.run, "epochs": 9}))
    card_text.write(runs / "run2", bare.changed(metrics=None))
    with pytest.raises(ValueError, match="no measured run of a further seed"):
        zoo.collect(runs, models, said.append)
    assert [line.split()[0] for line in said] == ["run1", "run2"]
    assert "differs from it by seed alone" in said[0]
    assert "mixviz evaluate" in said[1]


def test_held_out_parts_share_a_row_and_each_counts_once(trained):
    card = model_card.read(trained[0] / "run0")
    cards = [
        card.changed(run={**card.run, "seed": seed, "holdout": f"{seed + 1}/5"}, metrics={"images": 188 - seed})
        for seed in range(2)
    ]
    assert [name for name, _ in model_card.rows(cards)] == ["CutMix", "CutMix"]
    with pytest.raises(ValueError, match="seed 1 is there twice"):
        model_card.rows([cards[0].changed(seeds=[{"seed": 1, "holdout": "2/5", "metrics": {}}]), cards[1]])
    apart = cards[1].changed(run={**cards[1].run, "holdout": "2/4"})
    assert len({name for name, _ in model_card.rows([cards[0], apart])}) == 2


@pytest.mark.parametrize(
    "wrong", [{"seed": True}, {"seed": "1"}, {"holdout": None}, {"metrics": []}, {"more": 1}, {"seed": None}]
)
def test_seeds_that_are_none_are_left_out(trained, wrong):
    card = model_card.read(trained[0] / "run0")
    right = {"seed": 1, "holdout": "", "metrics": {}}
    assert len(card.changed(seeds=[right]).seeds) == 1
    assert card.changed(seeds=[right, {**right, **wrong}]).seeds == ()
    assert card.changed(seeds="many").seeds == ()


def test_a_card_has_a_line_for_a_list_and_reads_back_as_it_was(trained):
    home, _ = trained
    odd = {"odd": ["a ]  b,\n c", 'q"['], "none": [], "curve": [0.5, None, 2]}
    card = model_card.read(home / "run0").changed(metrics=odd)
    folder = home / "odd"
    folder.mkdir()
    card_text.write(folder, card)
    assert model_card.read(folder) == card
    assert '"curve": [0.5, null, 2]' in (folder / "card.json").read_text()


def test_the_zoo_is_measured_in_half_precision(trained, tmp_path):
    home, root = trained
    zoo.add(home / "run0", "cutmix", tmp_path)
    card = runner.assess(tmp_path / "cutmix", root, parts=["accuracy"])
    assert card.metrics["weights"] == "last epoch"
    assert card.given["weights"]["dtype"] == "float16"
    assert "CutMix" in zoo_tables.table(tmp_path)
    with open(tmp_path / "cutmix" / zoo.WEIGHTS, "r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    with pytest.raises(ValueError, match="not the file that the card describes"):
        runner.assess(tmp_path / "cutmix", root, parts=["accuracy"])


def test_masks_are_cut_like_their_pictures(tmp_path):
    root = oxford_pet(tmp_path)
    split = sources.load("oxford_pet", root, "val")
    card = zoo.card("cutmix")
    card = card.changed(network={**card.given["network"], "image_size": 112})
    seen = runner._seen(split, card, torch.device("cpu"))
    masks, images = runner._masks(seen), runner._images(seen)
    assert masks.shape == (len(split), 112, 112)
    assert images.shape == (len(split), 3, 112, 112)
    assert set(masks.unique().tolist()) == {0, 1, 255}
    # 20 x 20 of 40 x 50 pixels, of which the middle 40 x 40 are seen at 128 px, and 112 px of those
    assert masks[0].eq(1).sum().item() == pytest.approx(19 * 20 * (128 / 40) ** 2, rel=0.3)
    # Rows 10 to 30 of 40, and columns 5 to 25 of the middle 40: 128 px, less 8 on each side
    for box in runner._boxes(seen):
        torch.testing.assert_close(box, torch.tensor([[24, 8, 88, 72]]), rtol=0, atol=2)


def test_boxes_are_cut_like_their_pictures(tmp_path):
    split = sources.load("tiny_imagenet", tiny_imagenet(tmp_path), "val")
    for side, expected in ((64, (5, 3, 64, 41)), (32, (2, 2, 32, 20)), (112, (2, 0, 112, 74))):
        card = zoo.card("cutmix")
        card = card.changed(network={**card.given["network"], "image_size": side})
        for box in runner._boxes(runner._seen(split, card, torch.device("cpu"))):
            torch.testing.assert_close(box, torch.tensor([expected]), rtol=0, atol=1)


def test_an_object_that_is_cut_off_is_missed_by_every_map():
    split = replace(ONE, boxes=((0, 0, 40, 5),))
    assert runner._boxes(loader.feed(split, 32, "none", torch.device("cpu")))[0].tolist() == [[0, 0, 1, 1]]


def command(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["mixviz", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    return caught.value.code or 0, *capsys.readouterr()


def test_evaluating_on_the_command_line(trained, monkeypatch, capsys, tmp_path):
    home, root = trained
    runs = [home / "run0", home / "run1"]
    table = tmp_path / "table.md"
    status, output, _ = command(
        monkeypatch, capsys, "evaluate", *runs, "--root", root, "--parts", "accuracy", "--table", table
    )
    assert status == 0
    errors = [model_card.read(run).metrics["accuracy"]["top1_error_percent"] for run in runs]
    assert f"| CutMix | 2 | {sum(errors) / 2:.2f} ±" in table.read_text()
    assert table.read_text() in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--parts", "speed"], "No such part: 'speed'"),
        (["--weights", "first"], "--weights is last or best"),
        (["--others", "pets"], "NAME:ROOT"),
        (["--root", "nowhere"], "no such folder"),
    ],
)
def test_mistakes_are_one_line(trained, monkeypatch, capsys, arguments, says):
    home, root = trained
    given = arguments if "--root" in arguments else ["--root", root, *arguments]
    status, _, err = command(monkeypatch, capsys, "evaluate", home / "run0", *given)
    assert (status, err.count("\n")) == (2, 1)
    assert says in err


def test_a_folder_that_is_no_run(tmp_path, monkeypatch, capsys):
    status, _, err = command(monkeypatch, capsys, "evaluate", tmp_path, "--root", tmp_path)
    assert status == 2
    assert f"{tmp_path} is no run of `mixviz train`: it holds no card.json." in err


def test_published_numbers_are_errors_of_methods_that_there_are():
    text = published.errors(["baseline", "cutmix", "saliencymix_plus"])
    assert "| CutMix | 25.19 | 41.32 |" in text
    assert "20.55" in text  # 100 - 79.45, reported as an accuracy
    assert "(CutMix README; one checkpoint" in text  # a number chosen differently from its column
    assert all(row["source"] and row["selection"] for row in published.rows())
    settings = [
        tuple(row[key] for key in ("dataset", "network", "epochs", "method", "metric")) for row in published.rows()
    ]
    assert len(set(settings)) == len(settings)  # no row hides another


def test_a_table_takes_the_place_of_the_one_before():
    text = "a\n<!-- zoo -->\nold\n<!-- /zoo -->\nb\n"
    assert serialize.replace_section(text, "zoo", "new\n") == "a\n<!-- zoo -->\nnew\n<!-- /zoo -->\nb\n"
    with pytest.raises(ValueError, match="no place for the table"):
        serialize.replace_section("a\n", "zoo", "new\n")

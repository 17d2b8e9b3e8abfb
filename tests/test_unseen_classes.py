"""Networks that embed: trained and measured on places, and on classes that training lacks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mixviz.evaluation import evaluate, runner, tables
from mixviz.evaluation.metrics import METRICS
from mixviz.networks import model_card
from mixviz.networks.run import Run
from mixviz.training.trainer import train

PLACES = 10


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network trained on eight places of two pictures, and validated on two others that are 20 m apart."""
    home = tmp_path_factory.mktemp("places")
    rng, rows = np.random.default_rng(0), ["file,utm_east,utm_north,split"]
    for i in range(2 * PLACES):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(home / f"{i}.png")
        east = 20 * (i // 2) if i < 4 else 100 * (i // 2)
        rows.append(f"{i}.png,{east + i % 2},0,{'val' if i < 4 else 'train'}")
    (home / "places.csv").write_text("\n".join(rows))
    run = Run(
        data="places", root=str(home), network="test_resnet", image_size=16, epochs=1, batch_size=4, lr=0.01,
        objective="smooth_ap", per_class=2, method="baseline",
    )  # fmt: skip
    train(run, home / "run", bar=False, tell=lambda line: None)
    return home


def test_a_network_of_places_is_measured_by_its_embedding_alone(trained):
    card = runner.assess(trained / "run", trained)
    metrics = card.metrics
    assert "its embedding alone" in metrics["left_out"]
    assert not {"accuracy", "fgsm", "localisation"} & set(metrics)
    found = metrics["embedding"]
    assert found["queries"] == 4
    # The other place is within 25 m, and out of the ranking: what is left is the one picture of the same place.
    assert found["recall_at_k_percent"] == [100, 100, 100]
    assert found["retrieval_map_percent"] == 100
    assert found["places"]["queries"] == 4
    assert found["places"]["recall_at_k_percent"] == [100, 100, 100]  # all four are within 25 m
    assert METRICS["place_recall_1"].of(metrics) == METRICS["recall_1"].of(metrics) == 100
    assert "places R@1" in tables.table([("one", metrics)])
    assert not (trained / "run" / "embedding.safetensors").exists()  # its classes are not the card's
    assert model_card.read(trained / "run").metrics["left_out"] == metrics["left_out"]
    with pytest.raises(ValueError, match="its embedding alone is measured"):
        runner.assess(trained / "run", trained, parts=["accuracy"])


def test_labels_may_be_of_any_classes_where_no_scores_are_measured():
    images = torch.randint(0, 256, (6, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    given = {"mean": [0.5] * 3, "std": [0.5] * 3}
    labels = torch.tensor([0, 0, 1, 1, 7, 7])
    with pytest.raises(ValueError, match="labels"):
        evaluate.evaluate(network, images, labels, **given)
    result = evaluate.evaluate(network, images, labels, scores=False, **given)
    assert result["embedding"]["queries"] == 6
    assert "accuracy" not in result

"""End-to-end evaluation of one network, and tables of several."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.evaluation import localization
from mixviz.evaluation.evaluate import BRIEF, PARTS, evaluate, images_at_a_time, table
from mixviz.evaluation.metrics import METRICS

AXES = ("eps_of_255", "share_of_area", "severity", "lambda")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def network() -> nn.Sequential:
    """Make a network that classifies by the channels' means: class 0 is red, 1 green, 2 blue."""
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    with torch.no_grad():
        net[0].weight.copy_(20 * torch.diag(torch.tensor(STD))[:, :, None, None])  # undoes the normalisation
        net[0].bias.copy_(20 * torch.tensor(MEAN))
        net[4].weight.copy_(torch.eye(3))
        net[4].bias.zero_()
    return net


def split(n: int = 30) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
    """Make dark pictures with a coloured box each; return images, labels, boxes and masks."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 20, (n, 3, 16, 16), generator=rng, dtype=torch.uint8)
    labels, boxes, masks = torch.arange(n) % 3, [], torch.zeros(n, 16, 16, dtype=torch.uint8)
    for i in range(n):
        top, left = torch.randint(0, 9, (2,), generator=rng).tolist()
        images[i, labels[i], top : top + 8, left : left + 8] = 230
        masks[i, top : top + 8, left : left + 8] = 1
        boxes.append(torch.tensor([[top, left, top + 8, left + 8]]))
    return images, labels, boxes, masks


def measured(**options) -> dict:
    images, labels, boxes, masks = split()
    given = {"mean": MEAN, "std": STD, "layer": "1", "boxes": boxes, "masks": masks, "others": 255 - images[:9]}
    return evaluate(network(), images, labels, **{**given, **options})


@pytest.fixture(scope="module")
def everything() -> dict:
    return measured()


def test_everything_is_measured_and_is_json(everything):
    assert set(PARTS) <= set(everything)
    assert json.loads(json.dumps(everything, allow_nan=False)) == everything
    assert everything["images"] == 30
    assert everything["size"] == [16, 16]
    assert set(everything["seconds"]) == set(PARTS)


def test_the_numbers_of_a_network_that_is_always_right(everything):
    assert everything["accuracy"]["top1_error_percent"] == 0
    assert everything["accuracy"]["top5_error_percent"] == 0
    localisation = everything["localisation"]
    assert localisation["map_size"] == [16, 16]
    assert localisation["network"]["max_box_acc_percent"] == 100
    assert localisation["network"]["max_box_acc_v2_percent"] == 100
    assert localisation["network"]["top1_localisation_percent"] == 100
    assert localisation["network"]["px_ap_percent"] == 100
    assert localisation["centre"]["max_box_acc_percent"] < 100
    assert localisation["centre"]["px_ap_percent"] < 100
    curves = localisation["network"]["curves"]
    assert {len(curve) for curve in curves.values()} == {100}
    assert max(curves["box_acc_percent"]) == 100
    assert everything["occlusion"]["hole_accuracy_percent"][0] > 90
    assert everything["ood"]["others"]["images"] == 9


def test_the_error_of_a_class_counts_classes_alike():
    class Says(nn.Module):
        """Answers the class that is the picture's brightness."""

        def forward(self, images):
            return functional.one_hot((255 * images.mean((1, 2, 3))).round().long(), 3).float()

    labels, said = torch.tensor([0, 0, 0, 0, 2, 2]), torch.tensor([0, 0, 0, 1, 1, 2])
    images = said.view(-1, 1, 1, 1).expand(-1, 3, 4, 4).to(torch.uint8)
    accuracy = evaluate(Says(), images, labels, mean=(0,) * 3, std=(1,) * 3, parts=["accuracy"])["accuracy"]
    assert accuracy["top1_error_percent"] == pytest.approx(100 / 3, abs=1e-3)
    assert accuracy["class_mean_error_percent"] == pytest.approx(100 * (1 / 4 + 1 / 2) / 2)  # class 1 has no picture


def test_the_last_map_is_measured_beside_an_earlier_one():
    images, labels, boxes, _ = split()
    net = nn.Sequential(network()[:2], nn.AvgPool2d(4), *network()[2:])
    given = {"mean": MEAN, "std": STD, "boxes": boxes, "parts": ["localisation"]}
    fine, coarse = (evaluate(net, images, labels, layer=layer, **given)["localisation"] for layer in ("0.1", "1"))
    assert (fine["map_size"], fine["last_map"]["map_size"]) == ([16, 16], [4, 4])
    assert fine["last_map"] == {key: coarse[key] for key in ("layer", "map_size", "network")}
    assert "last_map" not in coarse
    row = table([("a", {"localisation": fine})])
    assert f"| {coarse['network']['max_box_acc_v2_percent']:.2f} |" in row
    assert row.count(f"{fine['centre']['max_box_acc_v2_percent']:.2f}") == 2  # under both columns


def test_between_classes_the_ends_are_plain_accuracy():
    images, labels, *_ = split()
    wrong = labels.clone()
    wrong[:6] = (wrong[:6] + 1) % 3
    result = evaluate(network(), images, wrong, mean=MEAN, std=STD, parts=["accuracy", "in_between"], batch_size=8)
    right = 100 - result["accuracy"]["top1_error_percent"]
    assert right == 80
    for method in ("mixup", "cutmix"):
        curve = result["in_between"][method]
        assert curve["first_percent"][-1] == right
        assert curve["second_percent"][0] == right
        assert curve["either_percent"][5] > 0


@pytest.mark.parametrize("part", ["accuracy", "localisation", "fgsm", "pgd", "occlusion", "corruption", "in_between"])
def test_a_part_alone_and_in_other_batches_is_the_same(everything, part):
    alone = measured(parts=[part], batch_size=7)
    assert set(alone) & set(PARTS) == {part}
    if part == "corruption":  # the elastic warp is drawn anew for every batch
        alone, everything = ({"corruption": dict(e["corruption"]["accuracy_percent"])} for e in (alone, everything))
        assert alone["corruption"].pop("elastic")
        assert everything["corruption"].pop("elastic")
        for name, curve in everything[part].items():  # a grey picture has equal scores, so rounding decides
            assert alone[part].pop(name) == pytest.approx(curve, abs=2 * 100 / 30 + 0.01)
        everything[part] = {}
    assert alone[part] == everything[part]


@pytest.mark.parametrize("part", BRIEF)
def test_brief_numbers_are_some_of_the_whole_ones(everything, part):
    brief, whole = measured(parts=[part, "accuracy"], brief=True), everything
    assert brief["brief"] == [part]
    assert brief["accuracy"] == whole["accuracy"]
    metrics = [metric for metric in METRICS.values() if metric.path[0] == part and metric.key != "corrupted"]
    assert metrics
    for metric in metrics:
        assert metric.of(brief) == metric.of(whole) is not None
    ((axis, points),) = [(a, brief[part][a]) for a in AXES if a in brief[part]]
    assert set(points) < set(whole[part][axis])


def test_the_mean_of_all_severities_is_that_of_each(everything):
    each = everything["corruption"]["accuracy_of_severity_percent"]
    assert sum(each) / 5 == pytest.approx(everything["corruption"]["mean_accuracy_percent"], abs=1e-4)


@pytest.mark.parametrize(("side", "images"), [(32, 256), (64, 256), (224, 20), (2000, 1)])
def test_large_pictures_are_measured_a_few_at_a_time(side, images):
    assert images_at_a_time(torch.empty(1, 3, side, side, dtype=torch.uint8)) == images


def test_attacks_and_noise_follow_the_seed():
    first, again = (measured(parts=["pgd", "occlusion", "corruption"]) for _ in range(2))
    assert {**first, "seconds": 0} == {**again, "seconds": 0}


def test_what_is_not_given_is_not_measured():
    images, labels, _boxes, masks = split()
    plain = evaluate(network(), images, labels, mean=MEAN, std=STD, parts=["accuracy", "ood"])
    assert "others" not in plain["ood"]
    only = evaluate(network(), images, labels, mean=MEAN, std=STD, layer="1", masks=masks, parts=["localisation"])
    assert set(only["localisation"]["network"]) == {"px_ap_percent"}


def test_the_network_is_left_as_it_was():
    net, seen = network().train(), []
    images, labels, boxes, _ = split(12)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    evaluate(
        net, images, labels, mean=MEAN, std=STD, boxes=boxes, parts=["localisation", "fgsm"],
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert seen == [("localisation", 0, 2), ("fgsm", 1, 2), ("", 2, 2)]
    assert torch.equal(images, split(12)[0])


def test_it_says_what_it_needs():
    images, labels, boxes, _ = split()
    given = {"mean": MEAN, "std": STD}
    with pytest.raises(TypeError, match="uint8"):
        evaluate(network(), images / 255, labels, **given)
    with pytest.raises(TypeError, match="others"):
        evaluate(network(), images, labels, others=images / 255, **given)
    with pytest.raises(ValueError, match=r"labels should be .* \(30,\)"):
        evaluate(network(), images, labels[:4], **given)
    with pytest.raises(ValueError, match=r"'speed'.*accuracy"):
        evaluate(network(), images, labels, parts=["speed"], **given)
    with pytest.raises(ValueError, match="boxes="):
        evaluate(network(), images, labels, parts=["localisation"], **given)
    with pytest.raises(ValueError, match="boxes should be one entry per image, 30; got 3"):
        evaluate(network(), images, labels, boxes=boxes[:3], **given)
    with pytest.raises(ValueError, match="same label"):
        evaluate(network(), images, labels * 0, parts=["in_between"], **given)


def entry(error: float, box: float | None = None) -> dict:
    result: dict = {"accuracy": {"top1_error_percent": error, "top5_error_percent": error / 2}}
    if box is not None:
        result["localisation"] = {"network": {"max_box_acc_percent": box}, "centre": {"max_box_acc_percent": 41.0}}
    return result


def test_a_table_of_seeds():
    lines = table([("baseline", entry(20, 50)), ("cutmix", entry(18)), ("baseline", entry(23))]).splitlines()
    assert lines == [
        "| strategy | seeds | top-1 error ↓ | top-5 error ↓ | MaxBoxAcc |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| baseline | 2 | 21.50 ± 2.12 | 10.75 ± 1.06 | 50.00 (1 of 2) |",
        "| cutmix | 1 | 18.00 | 9.00 |  |",
        "| *centre, without a network* |  |  |  | 41.00 |",
    ]
    with pytest.raises(ValueError, match="at least one"):
        table([])


def test_the_table_finds_all_numbers(everything):
    head, _, row, centre = (line.split(" | ") for line in table([("red", everything)]).splitlines())
    # The name and the number of seeds; no map beside the last, and no places with their two numbers.
    assert len(head) == len(row) == len(METRICS) + 2 - 3
    assert all(cell.strip(" |") for cell in row)
    assert sum(bool(cell.strip(" |")) for cell in centre) == 4


def test_every_tenth_threshold_is_written():
    assert localization.PLOTTED == 10

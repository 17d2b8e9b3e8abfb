"""Every measurement refuses an invalid argument and names it."""

from __future__ import annotations

import dataclasses
import inspect
import types

import numpy as np
import pytest
import torch

import mixviz
from mixviz.cam import boxes, faithfulness, localization
from mixviz.core import checks
from mixviz.embeddings import class_distance, clustering, measures, placement, places, planes, vectors
from mixviz.evaluation import calibration, corruptions, evaluate, results, robustness, subject
from mixviz.evaluation.folder_summary import MEANS, SummaryAccumulator
from mixviz.selection import scores

CLASSES = 3


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def network(images: torch.Tensor) -> torch.Tensor:
    return 4 * images.mean((2, 3))


class Net(torch.nn.Module):
    forward = staticmethod(network)


IMAGES = torch.rand(4, 3, 8, 8, generator=random())
BYTES = (255 * IMAGES).to(torch.uint8)
HEAT = torch.rand(4, 8, 8, generator=random())
LABELS = torch.tensor([0, 1, 2, 1])
VECTORS = torch.randn(12, 4, generator=random())
MANY = torch.arange(12) % CLASSES
BOXES = torch.tensor([[1, 1, 4, 5], [0, 2, 8, 8]])
SCORES = torch.rand(5, generator=random())
MASKS = (HEAT > 0.5).to(torch.uint8)
KNOWN = class_distance.gaussians(VECTORS, MANY)
PLOT = planes.pca(VECTORS)
ROW = {"network": "one", "class": "bee", **dict.fromkeys(MEANS, 0.25)}
RECIPE = mixviz.METHODS["cutmix"]().plan(mixviz.Batch(IMAGES), rng())
PASSED = {"batch_size": 2}


def fill(value: torch.Tensor, number: float) -> torch.Tensor:
    """Return a copy with another number in the middle."""
    value = value.clone()
    value.view(-1)[value.numel() // 2] = number
    return value


def shapes(value: torch.Tensor) -> list:
    return [value[None], value[:0], value.tolist()]


def real(value: torch.Tensor) -> list:
    return [*shapes(value), fill(value, torch.nan)]


def finite(value: torch.Tensor) -> list:
    return [*real(value), fill(value, -torch.inf), value[:, :0]]


def unit(value: torch.Tensor) -> list:
    return [*real(value), fill(value, -0.1), fill(value, 1.1)]


def indices(value: torch.Tensor) -> list:
    return [*shapes(value), fill(value, -1), value.double()]


def fitting(value: torch.Tensor) -> list:
    """Return class indices of the same length as another argument."""
    return [*indices(value), value[:-1]]


def classes(value: torch.Tensor) -> list:
    return [*fitting(value), fill(value, CLASSES)]


def corners(value: torch.Tensor) -> list:
    return [*real(value.double()), value[:, [2, 1, 0, 3]], value[:, [0, 3, 2, 1]], value[:, :3]]


def number(low: float, high: float = np.inf):
    return lambda value: [low - 1, np.nan, None, str(value), *([high + 1] if np.isfinite(high) else [])]


# Metric -> (call, valid arguments, invalid values per argument).
METRICS = {
    calibration.calibration: ({"probabilities": HEAT[:, 0, :CLASSES].softmax(1), "labels": LABELS, "bins": 5},
                              {"probabilities": unit, "labels": classes, "bins": number(1)}),
    evaluate.evaluate: ({"network": Net(), "images": BYTES, "labels": LABELS, "mean": (0, 0, 0), "std": (1, 1, 1),
                          "layer": "", "boxes": [BOXES] * 4, "masks": MASKS, "others": BYTES, "parts": ["accuracy"],
                          **PASSED},
                         {"images": shapes, "labels": classes, "masks": lambda x: [x[None], x[:3], x[:, :4]],
                          "boxes": lambda x: [[*x[:3], one] for one in corners(x[0])] + [x[:3]], "others": shapes,
                          "batch_size": lambda x: [one for one in number(1)(x) if one is not None]}),
    corruptions.corrupt: ({"images": BYTES, "name": "pixelate", "severity": 1, "rng": rng()}, {"images": shapes}),
    subject.percent: ({"hits": LABELS > 0}, {"hits": shapes}),
    localization.heat: ({"maps": HEAT, "size": (8, 8)},
                        {"maps": shapes, "size": lambda x: [(8,), (0, 8), (8, -1), (8.0, 8), 8]}),
    localization.centre_heat: ({"size": (8, 8)}, {"size": lambda x: [(8,), (0, 8), 8]}),
    localization.box_scores: ({"heat": HEAT, "boxes": [BOXES] * 4},
                              {"heat": unit, "boxes": lambda x: [[*x[:3], one] for one in corners(x[0])]}),
    localization.pixel_scores: ({"heat": HEAT, "masks": MASKS},
                                {"heat": unit, "masks": lambda x: [*shapes(x), fill(x, 2), x[:3], x[:, :4]]}),
    localization.trimap: ({"annotation": 1 + LABELS}, {"annotation": lambda x: [x[:0], x - 1, x + 1, x / 1]}),
    localization.mask_boxes: ({"masks": MASKS}, {"masks": shapes}),
    boxes.from_inclusive: ({"boxes": BOXES}, {"boxes": lambda x: corners(x)[1:]}),
    boxes.iou: ({"boxes": BOXES, "others": BOXES}, {"boxes": corners, "others": corners}),
    boxes.boxes_at: ({"heat": HEAT[0], "threshold": 0.2}, {"heat": unit, "threshold": number(0, 1)}),
    boxes.integers: ({"heat": HEAT}, {"heat": unit}),
    robustness.loss_gradient: ({"network": network, "images": IMAGES, "labels": LABELS},
                               {"images": unit, "labels": classes}),
    robustness.fgsm: ({"network": network, "images": IMAGES, "labels": LABELS, "eps": 2},
                      {"images": unit, "labels": classes, "eps": number(0, 255)}),
    robustness.along: ({"images": IMAGES, "gradient": IMAGES, "eps": 2},
                       {"images": shapes, "gradient": lambda x: [x[None], x[1:]], "eps": number(0, 255)}),
    robustness.pgd: ({"network": network, "images": IMAGES, "labels": LABELS, "eps": 2, "rng": rng(), "steps": 2},
                     {"images": unit, "labels": classes, "eps": number(0, 255), "steps": number(1)}),
    robustness.withstands: (
        {"network": network, "images": IMAGES, "labels": LABELS, "eps": 2, "start": np.zeros(IMAGES.shape, np.float32),
         "steps": 2},
        {"images": unit, "labels": classes, "eps": number(0, 255), "steps": number(1)}),
    robustness.occlude: ({"images": IMAGES, "share": 0.5, "kind": "hole", "rng": rng()},
                         {"images": shapes, "share": number(0, 1), "kind": lambda x: ["frame"],
                          "fill": lambda x: [(0, 0), (0, 0, np.nan), 0.5]}),
    robustness.detection: ({"known": SCORES, "foreign": SCORES}, {"known": real, "foreign": real}),
    robustness.pairs: ({"labels": LABELS, "rng": rng()}, {"labels": indices}),
    robustness.interpolate: ({"images": IMAGES, "lam": 0.5, "method": "mixup", "rng": rng()},
                         {"images": lambda x: [*shapes(x), x[:3]], "lam": number(0, 1),
                          "method": lambda x: ["resizemix"]}),
    faithfulness.road: ({"network": network, "images": IMAGES, "heat": HEAT, "classes": LABELS, "rng": rng(),
                         "percentiles": (50,), **PASSED},
                        {"images": unit, "heat": unit, "classes": classes, "batch_size": number(1),
                         "noise": number(0), "percentiles": lambda x: [(), (101,), (-1,)]}),
    clustering.clusters: ({"embedding": VECTORS, "count": 3}, {"embedding": finite, "count": number(1, 12)}),
    clustering.purity: ({"assigned": MANY, "labels": MANY}, {"assigned": indices, "labels": fitting}),
    clustering.nmi: ({"assigned": MANY, "labels": MANY}, {"assigned": indices, "labels": fitting}),
    class_distance.gaussians: ({"embedding": VECTORS, "labels": MANY}, {"embedding": finite, "labels": fitting}),
    class_distance.mahalanobis: ({"embedding": VECTORS, "known": KNOWN},
                                 {"embedding": lambda x: [*finite(x), x[:, 1:]]}),
    clustering.adjusted_rand: ({"assigned": MANY, "labels": MANY}, {"assigned": indices, "labels": fitting}),
    places.place_recall: ({"embedding": VECTORS, "positions": VECTORS}, {"embedding": finite, "positions": finite}),
    measures.ranking: ({"embedding": VECTORS, "labels": MANY}, {"embedding": finite, "labels": fitting}),
    measures.recall_at: ({"embedding": VECTORS, "labels": MANY, "counts": (1, 2)},
                         {"embedding": finite, "labels": fitting, "counts": lambda x: [(0,), (1.5,)]}),
    measures.retrieval: ({"embedding": VECTORS, "labels": MANY}, {"embedding": finite, "labels": fitting}),
    vectors.directions: ({"embedding": VECTORS}, {"embedding": finite}),
    planes.pca: ({"embedding": VECTORS}, {"embedding": finite}),
    planes.tsne: ({"embedding": VECTORS}, {"embedding": finite}),
    placement.cluster_metrics: ({"embedding": VECTORS, "labels": MANY}, {"embedding": finite, "labels": fitting}),
    placement.plane: ({"embedding": VECTORS, "plot": PLOT}, {"embedding": finite, "plot": finite}),
    placement.project: ({"embedding": VECTORS, "known": placement.plane(VECTORS, PLOT)}, {"embedding": finite}),
    placement.explained: ({"embedding": VECTORS, "plot": PLOT}, {"embedding": finite, "plot": finite}),
    placement.nearest: ({"embedding": VECTORS, "stored": VECTORS, "count": 2},
                      {"embedding": finite, "stored": finite, "count": number(1)}),
    placement.beside: ({"near": placement.nearest(VECTORS, VECTORS, 2), "plot": PLOT},
                     {"plot": lambda x: [x[None], fill(x, torch.nan)],
                      "near": lambda x: [dataclasses.replace(x, index=fill(x.index, value)) for value in (-1, 12)]}),
    placement.ood_reference: ({"stored": VECTORS, "labels": MANY, "folds": 2},
                        {"stored": finite, "labels": fitting, "folds": number(2)}),
    placement.outlying: ({"embedding": VECTORS, "held": placement.ood_reference(VECTORS, MANY)}, {"embedding": finite}),
    results.standard_error: ({"percent": 20, "count": 50}, {"percent": number(0, 100), "count": number(1)}),
    results.value: ({"each": [1.0, 2.0], "count": 5}, {"each": lambda x: [[], [1.0, np.nan], [None]]}),
    scores.figure: ({"values": [1.0, 2.0]}, {"values": lambda x: [[], [1.0, np.inf], ["1"]]}),
    scores.unrelated: ({"images": IMAGES}, {"images": lambda x: [*real(x), x[:1]]}),
    scores.diversity: ({"distance": scores.Figure(1.0, 0.1), "scale": 2.0},
                         {"distance": lambda x: [x._replace(mean=value) for value in (-1.0, np.nan)],
                          "scale": number(0)}),
    RECIPE.truth: ({"saliency": HEAT}, {"saliency": lambda x: [*real(x), x[:3], x[:, :4], fill(x, -0.1)]}),
    localization.BoxScores.top1: ({"self": localization.box_scores(HEAT, [BOXES] * 4), "correct": LABELS > 0,
                                   "threshold": 0.2},
                                  {"correct": lambda x: [*shapes(x), x[:3], x.float()],
                                   "threshold": lambda x: [-0.1, 1.1, np.nan, "0.2"]}),
    localization.BoxScores.accuracy: ({"self": localization.box_scores(HEAT, [BOXES] * 4), "delta": 0.5},
                                      {"delta": number(0, 1)}),
}  # fmt: skip
GIVEN = {"network": network, "images": IMAGES, "heat": HEAT, "classes": LABELS, **PASSED}
FOR_ALL = {"images": unit, "heat": unit, "classes": classes, "batch_size": number(1)}
METRICS |= {
    faithfulness.deletion: ({**GIVEN, "steps": 3}, {**FOR_ALL, "steps": number(1), "fill": lambda x: [(0, 0)]}),
    faithfulness.insertion: ({**GIVEN, "steps": 3}, {**FOR_ALL, "steps": number(1), "sigma": number(0.5)}),
    faithfulness.confidence: (GIVEN, {**FOR_ALL, "fill": lambda x: [(0, 0)]}),
    robustness.interpolation: METRICS[robustness.interpolate],
}
HELPERS = {vectors.checked, vectors.class_indices, vectors.sklearn}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__qualname__)
def test_what_is_wrong_is_named(metric):
    right, wrong = METRICS[metric]
    if metric is faithfulness.road:
        pytest.importorskip("pytorch_grad_cam")
    metric(**right)
    for name, make in wrong.items():
        for value in make(right.get(name)):
            with pytest.raises((TypeError, ValueError), match=name.split("_")[0]) as error:
                metric(**{**right, name: value})
            assert type(error.value) in (TypeError, ValueError), (name, value)


@pytest.mark.parametrize(
    "module",
    [localization, robustness, boxes, faithfulness, measures, class_distance, clustering, places, placement, planes,
     vectors, calibration],
    ids=lambda module: module.__name__,
)  # fmt: skip
def test_no_measurement_is_left_out(module):
    public = {
        value for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__ and not name.startswith("_")
    }  # fmt: skip
    assert public <= METRICS.keys() | HELPERS
    assert all(set(wrong) <= set(inspect.signature(metric).parameters) for metric, (_, wrong) in METRICS.items())


def test_a_surveys_rows_are_checked():
    def add(**changes) -> list[dict]:
        tally = SummaryAccumulator(types.SimpleNamespace(classes=(), threshold=0.2))
        tally.add([{**ROW, **changes}])
        return tally.rows()

    assert add()[0]["mean_iou"] == 0.25
    assert add(average_drop=80, road=-0.4, iou=None)[0]["mean_iou"] is None
    for name, value in (("iou", 1.5), ("iou", np.nan), ("probability", -0.1), ("road", 0.6), ("average_drop", 101)):
        with pytest.raises(ValueError, match=f"{name} should be"):
            add(**{name: value})
    with pytest.raises(ValueError, match="lacks iou"):
        SummaryAccumulator(types.SimpleNamespace(classes=(), threshold=0.2)).add(
            [{k: v for k, v in ROW.items() if k != "iou"}]
        )


def test_bars_are_checked():
    bars = {"count": [1, 0], "confidence": [0.4, None], "accuracy": [1.0, None]}
    assert results.reliability([bars]) == {"confidence": [40], "accuracy": [100], "count": [1]}
    for name, value in (("count", -1), ("count", 0.5), ("confidence", 40), ("accuracy", np.nan), ("accuracy", None)):
        with pytest.raises((TypeError, ValueError), match=rf"{name}\[0\] should be"):
            results.reliability([{**bars, name: [value, None]}])


def test_a_message_says_what_was_given_and_what_was_expected():
    with pytest.raises(ValueError, match="shares") as error:
        checks.tensor("shares", torch.tensor([[0.5, 1.5]]), "float", ("N", 2), 0, 1, hint="Divide by their sum.")
    assert str(error.value) == (
        "shares should be a float tensor (N, 2) in [0, 1]; got float32 (1, 2) from 0.5 to 1.5. Divide by their sum."
    )
    with pytest.raises(
        ValueError, match=r"labels should be an integer tensor \(2,\) in \[0, 4\]; got int64 \(2,\) from"
    ):
        checks.labels("labels", torch.tensor([0, 5]), 2, 5)


def test_values_on_an_accelerator_are_read_back_at_most_once(monkeypatch):
    reads = []
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: reads.append(tensor.numel()) or [0.0, 1.0])
    checks.tensor("heat", torch.rand(2, 3), "float", ("N", "C"), 0, 1)
    checks.tensor("heat", torch.rand(2, 3), "float", ("N", "C"), 0, 1, values=False)
    assert reads == [2]

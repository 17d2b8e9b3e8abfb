"""Localisation: heat maps compared with true boxes and masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mixviz.cam.grad_cam import feature_layers, grad_cam, last_layer
from mixviz.cam.localization import DELTAS, BoxScores, box_scores, centre_heat, heat, pixel_scores
from mixviz.evaluation.subject import EvaluationSet
from mixviz.networks import architectures

CAM_THRESHOLD = 0.2  # of Zhou et al., CVPR 2016
PLOTTED = 10  # every tenth of the 1,000 thresholds is written, enough for a curve


def localisation(split: EvaluationSet) -> dict:
    """Localisation of Grad-CAM at the set's layer and at the last one, beside the centre baseline.

    Whether a class is right is always the network's own answer, with all its strides.
    """
    height, width = split.images.shape[2:]
    size = height, width
    correct = split.clean.argmax(1) == split.labels
    centre = centre_heat(size).to(split.images.device)
    network = architectures.dilated(split.network.network, split.dilate)
    layers = feature_layers(network, size)
    layer = split.layer or last_layer(network, size)
    result = {**_of_layer(split, network, layer, correct), "centre": _against_truth(split, centre, correct)}
    if split.dilate:
        result["strides_removed"] = split.dilate
    last = next(reversed(layers), layer)
    if last != layer:  # papers use the last map, where Grad-CAM equals CAM; it is coarse for small pictures
        result["last_map"] = _of_layer(split, network, last, correct)
    return result


def _of_layer(split: EvaluationSet, network: nn.Module, layer: str, correct: Tensor) -> dict:
    """Localisation by the maps of one layer for each picture's true class."""
    maps = []
    for part in split.slices():
        inputs, labels = split.network.normalised(split.images[part]), split.labels[part]
        maps.append(grad_cam(network, inputs, labels, layer))
    height, width = split.images.shape[2:]
    heat_maps = heat(torch.cat(maps), (height, width))
    return {"layer": layer, "map_size": list(maps[0].shape[1:]), "network": _against_truth(split, heat_maps, correct)}


def _against_truth(split: EvaluationSet, heat_maps: Tensor, correct: Tensor) -> dict:
    """Localisation numbers of maps (N, H, W), or (1, H, W)."""
    result: dict = {}
    if split.boxes is not None:
        result |= _box_numbers(box_scores(heat_maps, split.boxes), correct)
    if split.masks is not None:
        result["px_ap_percent"] = round(100 * pixel_scores(heat_maps, split.masks).px_ap, 4)
    return result


def _box_numbers(scores: BoxScores, correct: Tensor) -> dict:
    best = scores.max_box_acc
    at = int(CAM_THRESHOLD * len(scores.accuracy()))
    curves = {
        "mean_iou_percent": scores.largest.mean(0),
        "box_acc_percent": scores.accuracy(),
        **{f"box_acc_v2_iou{round(100 * delta)}_percent": scores.accuracy(delta, every=True) for delta in DELTAS},
    }
    return {
        "max_box_acc_percent": round(100 * best.accuracy, 4),
        "max_box_acc_threshold": best.threshold,
        "max_box_acc_v2_percent": round(100 * scores.max_box_acc_v2, 4),
        "top1_localisation_percent": round(100 * scores.top1(correct), 4),
        "gt_known_at_fixed_threshold_percent": round(100 * scores.accuracy()[at].item(), 4),
        "top1_localisation_at_fixed_threshold_percent": round(100 * scores.top1(correct, CAM_THRESHOLD), 4),
        "fixed_threshold": CAM_THRESHOLD,
        "curves": {
            "threshold": [i / 1000 for i in range(0, 1000, PLOTTED)],
            **{name: [round(100 * v, 2) for v in curve[::PLOTTED].tolist()] for name, curve in curves.items()},
        },
    }

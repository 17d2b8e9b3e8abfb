"""Matches of local features of two pictures, and how many of them would agree by chance."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache, cached

from mixviz.cam.inference import KnownModel
from mixviz.data import pictures
from mixviz.render import overlays
from mixviz.retrieval import Features, local_features, match

SIDE = 480  # pixels of the longer side of a picture whose places are matched
COUNT = 300  # local features of a picture
SHUFFLES = 10  # of the second picture's places, for the inliers that chance gives

_running = threading.Condition()


def matches(known: KnownModel, path: str, other: str) -> dict[str, Any]:
    """Match two pictures by a network.

    ``pairs`` holds (y, x) in the first picture, (y, x) in the second, both in fractions of the sides, and whether the
    pair agrees with the transform; inliers come last, so that they are drawn on top. ``chance`` is the mean number of
    inliers when the descriptors of the second picture are dealt out to its places at random.

    Raises:
        ValueError: a network without feature maps.
    """
    first, second = (_features(known, one) for one in (path, other))
    found = match(first, second)
    order = found.inlier.int().argsort(stable=True)
    rows = [
        [round(value, 4) for value in (*_fraction(first, int(i)), *_fraction(second, int(j)))]
        for i, j in found.pairs[order]
    ]
    return {
        "pictures": [_told(path), _told(other)],
        "pairs": rows,
        "inlier": found.inlier[order].tolist(),
        "inliers": found.score,
        "chance": _chance(first, second),
        "features": [len(first.points), len(second.points)],
    }


@cached(LRUCache(64), key=lambda known, path: (known.name, known.sha256, path), condition=_running)
def _features(known: KnownModel, path: str) -> Features:
    return local_features(known.loaded(), pictures.preview(path, SIDE), count=COUNT)


def _chance(first: Features, second: Features) -> float:
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(SHUFFLES):
        order = torch.from_numpy(rng.permutation(len(second.points)))
        scores.append(match(first, replace(second, descriptors=second.descriptors[order])).score)
    return round(float(np.mean(scores)), 1)


def _fraction(features: Features, index: int) -> tuple[float, float]:
    y, x = ((value + 0.5) / side for value, side in zip(features.points[index].tolist(), features.size, strict=True))
    return y, x


def _told(path: str) -> dict[str, Any]:
    picture = pictures.preview(path, SIDE)
    return {"picture": overlays.data_uri(picture), "ratio": round(picture.shape[1] / picture.shape[0], 4)}

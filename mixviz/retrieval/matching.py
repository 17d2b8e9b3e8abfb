"""Local features: places of a network's maps, their matches in another picture, and the transform they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.cam.inference import LoadedModel
from mixviz.core import checks
from mixviz.core.head import Pooling, Whitening
from mixviz.core.inference import evaluating, plain
from mixviz.retrieval import receptive

SCALES = (2.0, 1.414, 1.0)  # of the network's side, for the picture's longer side
MODELS = {"affine": 3, "homography": 4}  # model of the transform -> matches that determine it
TOLERANCE = 0.75  # of the coarser stride, in pixels of the picture: places are no finer than that
CONFIDENCE, TRIALS = 0.999, 5000


@dataclass(frozen=True)
class Features:
    """Local features of a picture, the highest scores first.

    Attributes:
        size: (height, width) of the picture.
        points: (M, 2) float32 (y, x) in pixels of the picture: centres of receptive fields.
        descriptors: (M, D) float32 of length 1.
        scores: (M,) float32, the attention.
        spacing: (M,) float32, pixels of the picture between two neighbouring places at the point's scale.
    """

    size: tuple[int, int]
    points: Tensor
    descriptors: Tensor
    scores: Tensor
    spacing: Tensor

    def projected(self, projection: Whitening) -> Features:
        """Return the features with descriptors on the axes of a fitted PCA with whitening, scaled to length 1."""
        return replace(self, descriptors=functional.normalize(projection(self.descriptors), dim=1))


@dataclass(frozen=True)
class Match:
    """Matches of two pictures' features.

    Attributes:
        pairs: (M, 2) int64: the indices of features that are each other's nearest.
        similarity: (M,) float32 of their descriptors.
        inlier: (M,) bool: pairs that agree with the transform.
        transform: (3, 3) float64 from (x, y, 1) of the first picture to the second; None: none was found.
    """

    pairs: Tensor
    similarity: Tensor
    inlier: Tensor
    transform: np.ndarray | None

    @property
    def score(self) -> int:
        """Number of inliers."""
        return int(self.inlier.sum())


def local_features(
    model: LoadedModel, picture: np.ndarray, *, count: int = 500, scales: Sequence[float] = SCALES,
    projection: Whitening | None = None,
) -> Features:  # fmt: skip
    """Extract local features of a picture at several scales.

    Every place of the last feature maps has its channels as a descriptor. The ``count`` places with the highest
    attention are kept: the scores of the head, where it has a method ``attention`` from maps (N, C, H, W) to (N, H, W);
    else the length of the descriptor, which is high where a network trained for retrieval finds something.

    Args:
        model: a network with feature maps.
        picture: (H, W, 3) uint8.
        count: features to keep, over all scales.
        scales: the picture's longer side, as a multiple of the network's side.
        projection: a fitted :class:`mixviz.core.head.Whitening` of descriptors, for fewer dimensions; None: none.

    Raises:
        ValueError: a network without such maps, or a picture of another kind.

    Source: Noh, Araujo, Sim, Weyand, Han, "Large-Scale Image Retrieval with Attentive Deep Local Features", ICCV 2017,
    arXiv:1612.06321; the length as attention: Tolias, Jenicek, Chum, "Learning and Aggregating Deep Local Descriptors
    for Instance-Level Recognition", ECCV 2020, arXiv:2007.13172.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"picture should be (H, W, 3) uint8; got {picture.dtype} {picture.shape}.")
    checks.number("count", count, 1, whole=True)
    checks.all_numbers("scales", scales, 0.01, 100)
    maps = _maps(model.network)
    centres = receptive.centres(plain(model.network), maps)
    height, width = picture.shape[:2]
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    device = next(model.network.parameters()).device
    parts = []
    for scale in scales:
        longer = max(scale * model.side, centres.stride) / max(height, width)
        # Whole multiples of the stride, so that padding is the same at every scale.
        size = [centres.stride * max(1, round(side * longer / centres.stride)) for side in (height, width)]
        resized = functional.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
        with torch.no_grad(), evaluating(model.network):
            found = maps(model.normalised(resized.to(device))).float().cpu()
        parts.append(_places(found, _attention(model.network, found), centres, (height / size[0], width / size[1])))
    points, descriptors, scores, spacing = (torch.cat(columns) for columns in zip(*parts, strict=True))
    inside = ((points > -0.5) & (points < torch.tensor([height - 0.5, width - 0.5]))).all(1) & (scores > 0)
    order = scores.masked_fill(~inside, -torch.inf).argsort(descending=True, stable=True)
    order = order[: min(count, int(inside.sum()))]
    features = Features((height, width), points[order], descriptors[order], scores[order], spacing[order])
    return features if projection is None else features.projected(projection)


def _maps(network: nn.Module) -> Any:
    of_timm: Any = plain(network)
    if not hasattr(of_timm, "forward_features"):
        raise ValueError("Local features are taken from timm's networks, by their forward_features; this has none.")
    return of_timm.forward_features


def _attention(network: nn.Module, maps: Tensor) -> Tensor:
    """Attention (1, H, W): the head's, or the length of each descriptor."""
    for part in plain(network).modules():
        attention: Any = getattr(part, "attention", None) if isinstance(part, Pooling) else None
        if attention is not None:
            with torch.no_grad():
                device = next(network.parameters(), maps).device
                return attention(maps.to(device)).float().cpu().reshape(1, *maps.shape[2:])
    return maps.norm(dim=1)


def _places(
    maps: Tensor, attention: Tensor, centres: receptive.Centres, per_pixel: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, descriptors, scores and spacing of all places of maps (1, C, h, w) of a resized picture."""
    rows, columns = (torch.arange(side) * centres.stride + centres.offset for side in maps.shape[2:])
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    factor = torch.tensor(per_pixel)
    points = (grid + 0.5) * factor - 0.5  # centres of pixels, in the picture and in the resized one
    descriptors = functional.normalize(maps[0].flatten(1).T, dim=1)
    spacing = torch.full((len(points),), centres.stride * max(per_pixel))
    return points.float(), descriptors, attention.flatten(), spacing


def match(
    a: Features, b: Features, *, model: str = "affine", tolerance: float = TOLERANCE, least: float = 0.0
) -> Match:
    """Match features that are each other's nearest, and find the transform that most of them agree on, by RANSAC.

    Args:
        a, b: features of two pictures by the same network.
        model: ``affine``, or ``homography`` for a plane seen from two sides.
        tolerance: distance of an inlier from where the transform puts it, as a share of the coarser spacing.
        least: lowest similarity of a match.

    Returns:
        The same result for the same features. With fewer matches than the transform needs there are no inliers.

    Raises:
        ValueError: an unknown model, or descriptors of different lengths.
        ImportError: OpenCV is not installed.

    Source: Fischler, Bolles, "Random Sample Consensus", Communications of the ACM 24, 1981, by OpenCV.
    """
    if model not in MODELS:
        raise ValueError(f"The transform is {' or '.join(MODELS)}; got {model!r}.")
    if a.descriptors.shape[1] != b.descriptors.shape[1]:
        raise ValueError("Both pictures' features should be of the same network.")
    empty = Match(torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), torch.zeros(0, dtype=torch.bool), None)
    if not len(a.points) or not len(b.points):
        return empty
    similarity = a.descriptors @ b.descriptors.T
    there, back = similarity.argmax(1), similarity.argmax(0)
    own = torch.arange(len(a.points))
    kept = (back[there] == own) & (similarity[own, there] >= least)
    pairs = torch.stack([own[kept], there[kept]], 1)
    found = replace(
        empty, pairs=pairs, similarity=similarity[pairs[:, 0], pairs[:, 1]], inlier=torch.zeros(len(pairs)).bool()
    )
    if len(pairs) < MODELS[model]:
        return found
    source, target = (
        part.flip(1).numpy().astype(np.float64) for part in (a.points[pairs[:, 0]], b.points[pairs[:, 1]])
    )
    reach = tolerance * float(torch.maximum(a.spacing[pairs[:, 0]], b.spacing[pairs[:, 1]]).median())
    transform = _ransac(source, target, model, reach)
    if transform is None:
        return found
    moved = np.c_[source, np.ones(len(source))] @ transform.T
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.linalg.norm(moved[:, :2] / moved[:, 2:] - target, axis=1)
    return replace(found, inlier=torch.from_numpy(distance <= reach), transform=transform)


def _ransac(source: np.ndarray, target: np.ndarray, model: str, reach: float) -> np.ndarray | None:
    """Estimate a transform (3, 3) by OpenCV, from the same random numbers at every call."""
    cv2: Any = opencv()
    cv2.setRNGSeed(0)
    if model == "homography":
        return cv2.findHomography(source, target, cv2.RANSAC, reach, maxIters=TRIALS, confidence=CONFIDENCE)[0]
    affine = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=reach, maxIters=TRIALS, confidence=CONFIDENCE
    )[0]
    return None if affine is None else np.vstack([affine, [0, 0, 1]])


def opencv() -> ModuleType:
    """Import OpenCV, where it is used.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("cv2")
    except ImportError as error:
        raise ImportError(f"Transforms are found by OpenCV: pip install opencv-python-headless ({error}).") from None


def rerank(query: Features, candidates: Sequence[Features], **options: Any) -> tuple[list[int], list[Match]]:
    """Order candidates by their number of inliers with a query; on ties, in the given order.

    Args:
        query: features of the query.
        candidates: features of the first pictures of a ranking, in its order.
        options: of :func:`match`.

    Returns:
        (the candidates' indices, most inliers first; the match of each candidate, in the given order).
    """
    matches = [match(query, candidate, **options) for candidate in candidates]
    return sorted(range(len(matches)), key=lambda index: -matches[index].score), matches

"""Separation of classes in an embedding: clusters, distances to classes, retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings.vectors import checked, class_indices, directions, sklearn

QUERIES = 512  # pictures that are compared with all others at a time
LEAST = 1e-6  # lowest shrinkage

# Clusters


def clusters(embedding: Tensor, count: int, seed: int = 0) -> Tensor:
    """Cluster with k-means, without labels: the best of ten starts, by scikit-learn. Returns clusters (N,).

    Args:
        embedding: (N, D).
        count: number of clusters, 1 to N, usually that of the classes.
        seed: for the starts.
    """
    vectors = checked(embedding)
    checks.number("count", count, 1, len(vectors), whole=True)
    if vectors.shape[1] > len(vectors):  # rotated into their span, whose distances are the same: five times as fast
        vectors = torch.linalg.qr(vectors.T, mode="r").R.T
    means = sklearn("cluster").KMeans(count, n_init=10, random_state=seed)
    return torch.from_numpy(means.fit_predict(vectors.contiguous().numpy())).long()


def _checked_pair(assigned: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    checks.labels("assigned", assigned, "N")
    return class_indices(assigned, len(assigned), "assigned"), class_indices(labels, len(assigned))


def purity(assigned: Tensor, labels: Tensor) -> float:
    """Share, 0 to 1, of pictures that belong to the most frequent class of their cluster.

    $$\\frac{1}{N} \\sum_k \\max_c n_{kc}$$

    It grows with the number of clusters, and is 1 if every picture is its own cluster.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.
    """
    assigned, labels = _checked_pair(assigned, labels)
    pairs, count = torch.stack([assigned, labels]).unique(dim=1, return_counts=True)
    majority = torch.zeros(int(assigned.amax()) + 1, dtype=count.dtype).scatter_reduce(0, pairs[0], count, "amax")
    return majority.sum().item() / len(labels)


def nmi(assigned: Tensor, labels: Tensor) -> float:
    """Normalised mutual information of clusters and classes, 0 to 1, by scikit-learn.

    $$\\frac{I(K; C)}{\\frac{1}{2} (H(K) + H(C))}$$

    It is not corrected for chance: for few pictures in many clusters, random clusters have more than 0.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.

    Source: Strehl, Ghosh, "Cluster Ensembles", JMLR 3, 2002, with the arithmetic mean in place of the geometric one.
    """
    assigned, labels = _checked_pair(assigned, labels)
    return float(sklearn("metrics").normalized_mutual_info_score(labels.numpy(), assigned.numpy()))


# Distance to the classes


class Gaussians(NamedTuple):
    """A Gaussian per class with a shared covariance, by its principal axes; all tensors are float64.

    Attributes:
        centres: (C, D).
        axes: (D, R) orthonormal directions in which the pictures of a class differ.
        variance: (R,) along the axes.
        floor: variance in every other direction.
        shrinkage: 0 to 1.
    """

    centres: Tensor
    axes: Tensor
    variance: Tensor
    floor: float
    shrinkage: float

    @property
    def covariance(self) -> Tensor:
        """Covariance (D, D) of every class."""
        outer = (self.axes * (self.variance - self.floor)) @ self.axes.T
        outer.diagonal().add_(self.floor)
        return outer

    def whitened(self, vectors: Tensor) -> Tensor:
        """Transform vectors (N, D) so that Euclidean distance becomes Mahalanobis distance."""
        scale = self.floor**-0.5
        return vectors * scale + (vectors @ self.axes * (self.variance.rsqrt() - scale)) @ self.axes.T


def gaussians(embedding: Tensor, labels: Tensor) -> Gaussians:
    """Fit class centres and the covariance that all classes share.

    $$\\Sigma = (1 - s) \\, S + s \\, \\frac{\\mathrm{tr} S}{D} I \\qquad
      S = \\frac{1}{N} \\sum_n (f_n - \\mu_{y_n}) (f_n - \\mu_{y_n})^\\top$$

    The paper takes S of the training pictures. With few pictures for many dimensions, S is nearly or fully singular,
    and its inverse is noise. The shrinkage s of Ledoit and Wolf, by scikit-learn, prevents this, and vanishes as N
    grows (here down to 1e-6, so that the inverse exists even if a dimension is constant).

    Args:
        embedding: (N, D).
        labels: (N,) classes; a class without pictures has no centre.

    Raises:
        ValueError: no class has two pictures that differ.

    Source: Lee, Lee, Lee, Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    Attacks", NeurIPS 2018, arXiv:1807.03888; Ledoit, Wolf, "A Well-Conditioned Estimator for Large-Dimensional
    Covariance Matrices", Journal of Multivariate Analysis 88, 2004.
    """
    vectors = checked(embedding)
    labels = class_indices(labels, len(vectors))
    classes, class_index, count = labels.unique(return_inverse=True, return_counts=True)
    centres = torch.zeros(len(classes), vectors.shape[1], dtype=vectors.dtype).index_add_(0, class_index, vectors)
    centres /= count[:, None]
    deviation = vectors - centres[class_index]
    if deviation.abs().amax() <= 1e-6 * vectors.abs().amax():  # rounding errors of float32
        raise ValueError("A covariance needs classes with two pictures that differ; here each class is a single point.")
    shrinkage = float(sklearn("covariance").ledoit_wolf_shrinkage(deviation.numpy(), assume_centered=True))
    shrinkage = max(shrinkage, LEAST)
    if len(vectors) < vectors.shape[1]:  # few pictures span few axes: much faster than by S
        axes, variance = torch.linalg.svd(deviation.T, full_matrices=False)[:2]
        variance = variance.square() / len(deviation)
    else:
        variance, axes = torch.linalg.eigh(deviation.T @ deviation / len(deviation))
    floor = shrinkage * deviation.square().mean().item()  # the mean is tr S / D
    return Gaussians(centres, axes, (1 - shrinkage) * variance.clamp(min=0) + floor, floor, shrinkage)


def mahalanobis(embedding: Tensor, known: Gaussians) -> Tensor:
    """Squared Mahalanobis distance (N,) float64 to the nearest class.

    $$\\min_c \\, (f - \\mu_c)^\\top \\Sigma^{-1} (f - \\mu_c)$$

    Pictures of no known class are far from all centres: the negative distance is a score for
    :func:`mixviz.evaluation.robustness.detection`. It is the paper's confidence score of the last layer alone, without
    the noise on the input and without the other layers.

    Args:
        embedding: (N, D).
        known: fitted by :func:`gaussians` to embeddings of the same network.
    """
    vectors = checked(embedding)
    if vectors.shape[1] != known.centres.shape[1]:
        raise ValueError(
            f"embedding should have the {known.centres.shape[1]} dimensions of known; got {tuple(vectors.shape)}."
        )
    return torch.cdist(known.whitened(vectors), known.whitened(known.centres)).amin(1) ** 2


# Retrieval


class Retrieval(NamedTuple):
    """``mean_average_precision`` and ``precision_at_1``, both 0 to 1."""

    mean_average_precision: float
    precision_at_1: float


def retrieval(embedding: Tensor, labels: Tensor) -> Retrieval:
    """Rank, for each picture, all others by similarity, and score the ranks of those of its class.

    $$\\mathrm{AP} = \\frac{1}{R} \\sum_{r:\\ \\mathrm{hit\\ at}\\ r} \\frac{\\mathrm{hits\\ up\\ to}\\ r}{r}$$

    The others are ranked by cosine similarity, ties by index; R is the number of others of the class. Pictures that are
    alone in their class are no queries.

    Args:
        embedding: (N, D).
        labels: (N,) classes.

    Raises:
        ValueError: no class has two pictures.
    """
    unit = directions(embedding)
    labels = class_indices(labels, len(unit))
    rank, precisions, firsts = torch.arange(1, len(unit)), [], []
    for queries in torch.arange(len(unit)).split(QUERIES):
        similarity = unit[queries] @ unit.T
        similarity[torch.arange(len(queries)), queries] = -torch.inf  # the query itself comes last, and is left out
        order = similarity.argsort(dim=1, descending=True, stable=True)[:, :-1]
        hit = labels[order] == labels[queries, None]
        hit = hit[hit.any(1)]
        precisions.append((hit.cumsum(1) / rank.double() * hit).sum(1) / hit.sum(1))
        firsts.append(hit[:, :1].double().sum(1))
    precision, first = torch.cat(precisions), torch.cat(firsts)
    if not len(precision):
        raise ValueError("No class has two pictures: there is nothing to find.")
    return Retrieval(precision.mean().item(), first.mean().item())


def recall_at(embedding: Tensor, labels: Tensor, counts: Sequence[int]) -> list[float]:
    """Share of the pictures, 0 to 1, with a picture of their class among the k nearest others, for each k.

    The others are ranked as in :func:`retrieval`. Pictures that are alone in their class are no queries.

    Args:
        embedding: (N, D).
        labels: (N,) classes.
        counts: numbers k, 1 or more.

    Raises:
        ValueError: no class has two pictures.

    Source: Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 33, 2011.
    """
    unit = directions(embedding)
    labels = class_indices(labels, len(unit))
    firsts = []
    for queries in torch.arange(len(unit)).split(QUERIES):
        similarity = unit[queries] @ unit.T
        similarity[torch.arange(len(queries)), queries] = -torch.inf
        hit = labels[similarity.argsort(dim=1, descending=True, stable=True)[:, :-1]] == labels[queries, None]
        firsts.append(hit[hit.any(1)].int().argmax(1))  # the rank of the first of its class, from 0
    first = torch.cat(firsts)
    if not len(first):
        raise ValueError("No class has two pictures: there is nothing to find.")
    return [(first < count).double().mean().item() for count in counts]

"""Separation of classes in an embedding: clusters, distance to the classes, retrieval."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings.vectors import checked, class_indices, directions, sklearn

QUERIES = 512  # pictures that are held against all others at a time
LEAST = 1e-6  # of shrinkage

# Clusters


def clusters(embedding: Tensor, count: int, seed: int = 0) -> Tensor:
    """Groups (N,) that k-means finds without labels: the best of ten starts, by scikit-learn.

    Args:
        embedding: (N, D).
        count: of clusters, 1 to N, customarily that of the classes.
        seed: of the starts.
    """
    vectors = checked(embedding)
    checks.number("count", count, 1, len(vectors), whole=True)
    means = sklearn("cluster").KMeans(count, n_init=10, random_state=seed)
    return torch.from_numpy(means.fit_predict(vectors.numpy())).long()


def _both(assigned: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    checks.labels("assigned", assigned, "N")
    return class_indices(assigned, len(assigned), "assigned"), class_indices(labels, len(assigned))


def purity(assigned: Tensor, labels: Tensor) -> float:
    """The share, 0 to 1, of pictures that belong to the class that is most frequent in their cluster.

    $$\\frac{1}{N} \\sum_k \\max_c n_{kc}$$

    It grows with the number of clusters, and is 1 where every picture is its own.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.
    """
    assigned, labels = _both(assigned, labels)
    pairs, count = torch.stack([assigned, labels]).unique(dim=1, return_counts=True)
    most = torch.zeros(int(assigned.amax()) + 1, dtype=count.dtype).scatter_reduce(0, pairs[0], count, "amax")
    return most.sum().item() / len(labels)


def nmi(assigned: Tensor, labels: Tensor) -> float:
    """Normalised mutual information, 0 to 1: how much a picture's cluster tells of its class; by scikit-learn.

    $$\\frac{I(K; C)}{\\frac{1}{2} (H(K) + H(C))}$$

    It is not corrected for chance: of few pictures in many clusters, random ones have more than 0.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.

    Source: Strehl, Ghosh, "Cluster Ensembles", JMLR 3, 2002, with the arithmetic mean in place of the geometric one.
    """
    assigned, labels = _both(assigned, labels)
    return float(sklearn("metrics").normalized_mutual_info_score(labels.numpy(), assigned.numpy()))


# Distance to the classes


class Gaussians(NamedTuple):
    """A Gaussian per class, all of one shape: ``centres`` (C, D), their ``covariance`` (D, D), both float64, and the
    ``shrinkage`` 0 to 1 that is in it."""

    centres: Tensor
    covariance: Tensor
    shrinkage: float


def gaussians(embedding: Tensor, labels: Tensor) -> Gaussians:
    """Class centres and the covariance that all classes share.

    $$\\Sigma = (1 - s) \\, S + s \\, \\frac{\\mathrm{tr} S}{D} I \\qquad
      S = \\frac{1}{N} \\sum_n (f_n - \\mu_{y_n}) (f_n - \\mu_{y_n})^\\top$$

    The paper takes S, of the training pictures. With few pictures for many dimensions it is nearly or wholly singular,
    and its inverse is noise; the shrinkage s of Ledoit and Wolf, by scikit-learn, mends that, and vanishes as N grows
    (here down to 1e-6, so that a dimension in which nothing ever moves still has an inverse).

    Args:
        embedding: (N, D).
        labels: (N,) classes; those without a picture have no centre.

    Raises:
        ValueError: no class has two pictures that differ.

    Source: Lee, Lee, Lee, Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    Attacks", NeurIPS 2018, arXiv:1807.03888; Ledoit, Wolf, "A Well-Conditioned Estimator for Large-Dimensional
    Covariance Matrices", Journal of Multivariate Analysis 88, 2004.
    """
    vectors = checked(embedding)
    labels = class_indices(labels, len(vectors))
    known, place, count = labels.unique(return_inverse=True, return_counts=True)
    centres = torch.zeros(len(known), vectors.shape[1], dtype=vectors.dtype).index_add_(0, place, vectors)
    centres /= count[:, None]
    spread = vectors - centres[place]
    if spread.abs().amax() <= 1e-6 * vectors.abs().amax():  # what is left where float32 rounds
        raise ValueError("A covariance needs classes with two pictures that differ; here each class is a single point.")
    shrinkage = float(sklearn("covariance").ledoit_wolf_shrinkage(spread.numpy(), assume_centered=True))
    shrinkage = max(shrinkage, LEAST)
    covariance = (1 - shrinkage) * spread.T @ spread / len(spread)
    covariance.diagonal().add_(shrinkage * spread.square().mean())  # which is tr S / D
    return Gaussians(centres, covariance, shrinkage)


def mahalanobis(embedding: Tensor, known: Gaussians) -> Tensor:
    """The squared distance (N,) float64 to the nearest class, in that class's own spread.

    $$\\min_c \\, (f - \\mu_c)^\\top \\Sigma^{-1} (f - \\mu_c)$$

    Pictures that are like none of the classes lie far from all: its negative is a score for
    :func:`mixviz.evaluation.robustness.detection`. Of the paper, this is the confidence score of the last layer alone,
    without the noise on the input and without the other layers.

    Args:
        embedding: (N, D).
        known: of the same network, by :func:`gaussians`.
    """
    vectors = checked(embedding)
    if vectors.shape[1] != known.centres.shape[1]:
        raise ValueError(
            f"embedding should have the {known.centres.shape[1]} dimensions of known; got {tuple(vectors.shape)}."
        )
    factor = torch.linalg.cholesky(known.covariance)
    own, centres = (torch.linalg.solve_triangular(factor, v.T, upper=False).T for v in (vectors, known.centres))
    return torch.cdist(own, centres).amin(1) ** 2


# Retrieval


class Retrieval(NamedTuple):
    """``mean_average_precision`` and ``precision_at_1``, both 0 to 1."""

    mean_average_precision: float
    precision_at_1: float


def retrieval(embedding: Tensor, labels: Tensor) -> Retrieval:
    """Retrieve for each picture the nearest others, and count those of its class.

    $$\\mathrm{AP} = \\frac{1}{R} \\sum_{r:\\ \\mathrm{hit\\ at}\\ r} \\frac{\\mathrm{hits\\ up\\ to}\\ r}{r}$$

    The others are ranked by cosine similarity, of equal ones the first one first; R is how many are of the class.
    Pictures that are alone in their class cannot ask.

    Args:
        embedding: (N, D).
        labels: (N,) classes.

    Raises:
        ValueError: no class has two pictures.
    """
    unit = directions(embedding)
    labels = class_indices(labels, len(unit))
    rank, precisions, firsts = torch.arange(1, len(unit)), [], []
    for asks in torch.arange(len(unit)).split(QUERIES):
        alike = unit[asks] @ unit.T
        alike[torch.arange(len(asks)), asks] = -torch.inf  # itself comes last, and is left out
        order = alike.argsort(dim=1, descending=True, stable=True)[:, :-1]
        hit = labels[order] == labels[asks, None]
        hit = hit[hit.any(1)]
        precisions.append((hit.cumsum(1) / rank.double() * hit).sum(1) / hit.sum(1))
        firsts.append(hit[:, :1].double().sum(1))
    precision, first = torch.cat(precisions), torch.cat(firsts)
    if not len(precision):
        raise ValueError("No class has two pictures: there is nothing to find.")
    return Retrieval(precision.mean().item(), first.mean().item())

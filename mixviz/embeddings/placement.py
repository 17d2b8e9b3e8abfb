"""Positions of new pictures in an embedding: on its PCA plane, among their neighbours, and their distance to classes.

Vectors are normalised to length 1, as in :mod:`mixviz.evaluation.runner`, so that Euclidean distance orders pictures as
cosine similarity does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings import Gaussians, Retrieval, clusters, directions, gaussians, mahalanobis, nmi, purity, retrieval
from mixviz.embeddings.vectors import class_indices

FOLDS = 5


class ClusterMetrics(NamedTuple):
    """Separation of the classes: the cluster ``assigned`` (N,) to each picture, ``purity`` and ``nmi`` of the clusters,
    and the :class:`Retrieval` ``near``; all numbers are 0 to 1."""

    assigned: Tensor
    purity: float
    nmi: float
    near: Retrieval


def cluster_metrics(embedding: Tensor, labels: Tensor, seed: int = 0) -> ClusterMetrics:
    """Compute the card's measures: as many clusters as classes, and retrieval.

    Args:
        embedding: (N, D).
        labels: (N,) classes.
        seed: for k-means.

    Raises:
        ValueError: no class has two pictures.
    """
    near = retrieval(embedding, labels)
    assigned = clusters(directions(embedding), len(labels.unique()), seed)
    return ClusterMetrics(assigned, purity(assigned, labels), nmi(assigned, labels), near)


# On the plane


class Plane(NamedTuple):
    """A plot's two ``axes`` (D, 2) in the space of directions, and their origin ``centre`` (D,)."""

    centre: Tensor
    axes: Tensor


def plane(embedding: Tensor, plot: Tensor) -> Plane:
    """Recover the axes of a PCA plot, which was stored without them, by least squares.

    $$A = \\arg\\min_A \\, \\lVert (U - \\bar u) - P A^\\top \\rVert$$

    The columns of a PCA plot P are orthogonal, so that A holds the principal directions. Rounding errors of the stored
    plot average out.

    Args:
        embedding: (N, D), whose :func:`mixviz.embeddings.directions` the plot shows.
        plot: (N, 2), from :func:`mixviz.embeddings.pca`.

    Raises:
        TypeError, ValueError: the plot is of other pictures.
    """
    unit = directions(embedding)
    plot = _checked_plot(plot, len(unit))
    centre = unit.mean(0)
    return Plane(centre, torch.linalg.lstsq(plot, unit - centre, driver="gelsd").solution.T)


def project(embedding: Tensor, known: Plane) -> Tensor:
    """Project new pictures onto the plane: (Q, 2) float64.

    Raises:
        ValueError: the vectors have another length than those of the plane.
    """
    unit = directions(embedding)
    _check_dimensions(unit, known.centre)
    return (unit - known.centre) @ known.axes


def explained(embedding: Tensor, plot: Tensor) -> float:
    """Share, 0 to 1, of the variance of the directions that a PCA plot explains.

    Raises:
        TypeError, ValueError: the plot is of other pictures.
    """
    unit = directions(embedding)
    total, plot = (unit - unit.mean(0)).square().sum(), _checked_plot(plot, len(unit))
    return (plot.square().sum() / total).item() if total else 0.0


# Among the neighbours


@dataclass(frozen=True, eq=False)
class Near:
    """The nearest stored pictures, nearest first: ``index`` (Q, K) and cosine ``similarity`` (Q, K)."""

    index: Tensor
    similarity: Tensor


def nearest(embedding: Tensor, stored: Tensor, count: int = 5) -> Near:
    """Find the stored pictures (N, D) most similar to each query (Q, D). On ties, the first comes first.

    Raises:
        ValueError: the vectors have different lengths.
    """
    queries, references = directions(embedding), directions(stored, "stored")
    checks.number("count", count, 1, whole=True)
    _check_dimensions(queries, references[0])
    similarity = queries @ references.T
    order = similarity.argsort(dim=1, descending=True, stable=True)[:, :count]
    return Near(order, similarity.gather(1, order))


def beside(near: Near, plot: Tensor) -> Tensor:
    """Median position (Q, 2) of the neighbours, for a plot (N, 2) onto which new pictures cannot be projected.

    The median is taken per coordinate, so that one distant neighbour does not move it into empty space.

    Raises:
        TypeError, ValueError: the plot lacks some of the neighbours.
    """
    plot = _checked_plot(plot, "N")
    checks.labels("near.index", near.index.flatten(), "Q", len(plot))
    return plot[near.index].quantile(0.5, dim=1)


# Distance to the classes


@dataclass(frozen=True, eq=False)
class OODReference:
    """Reference for distances to the classes, from :func:`ood_reference`.

    Attributes:
        known: Gaussians fitted to all stored pictures.
        parts: per fold, Gaussians fitted without it, and the squared distances of its pictures.
    """

    known: Gaussians
    parts: tuple[tuple[Gaussians, Tensor], ...]


class Far(NamedTuple):
    """Squared Mahalanobis ``distance`` (Q,) to the nearest class, and the share ``farther`` (Q,), 0 to 1, of stored
    pictures that are nearer."""

    distance: Tensor
    farther: Tensor


def ood_reference(stored: Tensor, labels: Tensor, folds: int = FOLDS) -> OODReference:
    """Compute distances of stored pictures to classes that were fitted without them.

    A picture that the Gaussians were fitted to is nearer than a new one. Therefore every ``folds``-th picture of a
    class is left out in turn, and measured by Gaussians of the others.

    Args:
        stored: (N, D).
        labels: (N,) classes.
        folds: number of parts that are left out in turn, at least 2.

    Raises:
        ValueError: a class has fewer than two pictures, or none has two that differ.
    """
    unit = directions(stored, "stored")
    labels = class_indices(labels, len(unit))
    checks.number("folds", folds, 2, whole=True)
    rank = torch.zeros(len(labels), dtype=torch.int64)
    for label in labels.unique():
        members = labels == label
        if members.sum() < 2:
            raise ValueError("Distances to the classes need two pictures of every class.")
        rank[members] = torch.arange(int(members.sum()))
    parts = []
    for fold in range(min(folds, int(rank.max()) + 1)):
        left_out = rank % folds == fold
        known = gaussians(unit[~left_out], labels[~left_out])
        parts.append((known, mahalanobis(unit[left_out], known)))
    return OODReference(gaussians(unit, labels), tuple(parts))


def outlying(embedding: Tensor, held: OODReference) -> Far:
    """Compute distances of pictures (Q, D) to the nearest class, and their rank among stored pictures.

    The distance is to the Gaussians of all stored pictures. The share compares, fold by fold, the picture with the
    left-out ones by the same Gaussians, which were fitted to neither.

    Raises:
        ValueError: the vectors have another length.
    """
    unit = directions(embedding)
    nearer = [(left_out[None] < mahalanobis(unit, known)[:, None]) for known, left_out in held.parts]
    return Far(mahalanobis(unit, held.known), torch.cat(nearer, 1).double().mean(1))


def _checked_plot(plot: Tensor, count: int | str) -> Tensor:
    checks.tensor("plot", plot, "float", (count, 2), -checks.FINITE, checks.FINITE)
    return plot.double()


def _check_dimensions(vectors: Tensor, stored: Tensor) -> None:
    if vectors.shape[1] != len(stored):
        raise ValueError(
            f"The stored embedding has {len(stored)} dimensions and the network's {vectors.shape[1]}: wide ones are "
            "stored turned, and further pictures have no place among them."
        )

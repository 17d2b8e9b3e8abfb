"""Positions of pictures in an embedding: on its PCA plane, beside their neighbours, far from every class.

Everything is by direction, as in :mod:`mixviz.evaluation.runner`: vectors at length 1, between which Euclidean distance
orders as cosine similarity does.
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
    """How well the classes stand apart: the cluster ``assigned`` (N,) to each picture, ``purity`` and ``nmi`` of the
    clusters, and ``near``, what retrieval finds; all shares 0 to 1."""

    assigned: Tensor
    purity: float
    nmi: float
    near: Retrieval


def cluster_metrics(embedding: Tensor, labels: Tensor, seed: int = 0) -> ClusterMetrics:
    """Clusters, as many as there are classes, and neighbours: what the evaluation writes into a card.

    Args:
        embedding: (N, D).
        labels: (N,) classes.
        seed: of k-means.

    Raises:
        ValueError: no class has two pictures.
    """
    near = retrieval(embedding, labels)
    assigned = clusters(directions(embedding), len(labels.unique()), seed)
    return ClusterMetrics(assigned, purity(assigned, labels), nmi(assigned, labels), near)


# On the plane


class Plane(NamedTuple):
    """Where a plot's two ``axes`` (D, 2) lie in the space of directions, and the ``centre`` (D,) they start from."""

    centre: Tensor
    axes: Tensor


def plane(embedding: Tensor, plot: Tensor) -> Plane:
    """The axes of a PCA plot, which was stored without them, by least squares.

    $$A = \\arg\\min_A \\, \\lVert (U - \\bar u) - P A^\\top \\rVert$$

    The columns of a PCA plot P are orthogonal, and A then holds the principal directions themselves; what a stored
    plot was rounded by is averaged away.

    Args:
        embedding: (N, D), which the plot was made of by :func:`mixviz.embeddings.directions`.
        plot: (N, 2), by :func:`mixviz.embeddings.pca`.

    Raises:
        TypeError, ValueError: a plot of other pictures.
    """
    unit = directions(embedding)
    plot = _checked_plot(plot, len(unit))
    centre = unit.mean(0)
    return Plane(centre, torch.linalg.lstsq(plot, unit - centre, driver="gelsd").solution.T)


def project(embedding: Tensor, known: Plane) -> Tensor:
    """Project further pictures onto the plane: (Q, 2) float64.

    Raises:
        ValueError: vectors of another length than those of the plane.
    """
    unit = directions(embedding)
    _same_space(unit, known.centre)
    return (unit - known.centre) @ known.axes


def explained(embedding: Tensor, plot: Tensor) -> float:
    """The share, 0 to 1, of all variation of the directions that a PCA plot shows.

    Raises:
        TypeError, ValueError: a plot of other pictures.
    """
    unit = directions(embedding)
    total, plot = (unit - unit.mean(0)).square().sum(), _checked_plot(plot, len(unit))
    return (plot.square().sum() / total).item() if total else 0.0


# Beside the neighbours


@dataclass(frozen=True, eq=False)
class Near:
    """The nearest of the stored pictures, the nearest first: ``index`` (Q, K) and cosine ``similarity`` (Q, K)."""

    index: Tensor
    similarity: Tensor


def nearest(embedding: Tensor, stored: Tensor, count: int = 5) -> Near:
    """The stored pictures (N, D) most similar to each asking one (Q, D): of equal ones the first one first.

    Raises:
        ValueError: vectors of another length.
    """
    asking, known = directions(embedding), directions(stored, "stored")
    checks.number("count", count, 1, whole=True)
    _same_space(asking, known[0])
    alike = asking @ known.T
    order = alike.argsort(dim=1, descending=True, stable=True)[:, :count]
    return Near(order, alike.gather(1, order))


def beside(near: Near, plot: Tensor) -> Tensor:
    """The median place (Q, 2) of the neighbours in a plot (N, 2) that has no place for further pictures.

    Of each coordinate by itself, so that one neighbour that stands elsewhere does not pull it into the void between.

    Raises:
        TypeError, ValueError: a plot of fewer pictures than the neighbours are among.
    """
    plot = _checked_plot(plot, "N")
    checks.labels("near.index", near.index.flatten(), "Q", len(plot))
    return plot[near.index].quantile(0.5, dim=1)


# Far from every class


@dataclass(frozen=True, eq=False)
class OODReference:
    """Reference for distances to the classes; see :func:`ood_reference`.

    Attributes:
        known: Gaussians fitted to all stored pictures.
        parts: per fold, Gaussians fitted without it, and the squared distances of its own pictures.
    """

    known: Gaussians
    parts: tuple[tuple[Gaussians, Tensor], ...]


class Far(NamedTuple):
    """The squared Mahalanobis ``distance`` (Q,) to the nearest class, and the share 0 to 1 of stored pictures that it
    is ``farther`` (Q,) than."""

    distance: Tensor
    farther: Tensor


def ood_reference(stored: Tensor, labels: Tensor, folds: int = FOLDS) -> OODReference:
    """Distances of known pictures from their classes, which were fitted without them.

    A picture that the Gaussians were fitted to lies nearer than any new one. So every ``folds``-th picture of a class
    is left out in turn, and measured by what the others say.

    Args:
        stored: (N, D).
        labels: (N,) classes.
        folds: how many parts are left out in turn, at least 2.

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
    """Distances of pictures (Q, D) from all classes, and their rank among known pictures.

    The distance is to the Gaussians of all stored pictures. The share compares, fold by fold, the picture with those
    left out, both measured by the same Gaussians, which know neither.

    Raises:
        ValueError: vectors of another length.
    """
    unit = directions(embedding)
    nearer = [(own[None] < mahalanobis(unit, known)[:, None]) for known, own in held.parts]
    return Far(mahalanobis(unit, held.known), torch.cat(nearer, 1).double().mean(1))


def _checked_plot(plot: Tensor, count: int | str) -> Tensor:
    checks.tensor("plot", plot, "float", (count, 2), -checks.FINITE, checks.FINITE)
    return plot.double()


def _same_space(vectors: Tensor, one: Tensor) -> None:
    if vectors.shape[1] != len(one):
        raise ValueError(
            f"The stored embedding has {len(one)} dimensions and the network's {vectors.shape[1]}: wide ones are "
            "stored turned, and further pictures have no place among them."
        )

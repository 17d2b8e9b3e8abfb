"""Neighbours of pictures in an embedding: the nearest ones, and those along the manifold of all pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings.vectors import directions, sklearn

ALPHA = 0.99  # probability with which the walk goes on
POWER = 3  # of the similarity, for the weight of an edge
TOLERANCE, STEPS = 1e-6, 100  # of the conjugate gradients


class Mined(NamedTuple):
    """Hard examples of each picture: indices (N, k), hardest first, with −1 where there are fewer.

    ``positives`` are near along the manifold and not among the nearest; ``negatives`` are among the nearest and not
    near along the manifold.
    """

    positives: Tensor
    negatives: Tensor


def nearest(embedding: Tensor, count: int) -> Tensor:
    """Indices (N, k) of the nearest other pictures by cosine similarity, nearest first, by scikit-learn.

    Args:
        embedding: (N, D).
        count: k, 1 to N − 1.
    """
    unit = directions(embedding).numpy()
    checks.number("count", count, 1, len(unit) - 1, whole=True)
    found = sklearn("neighbors").NearestNeighbors(n_neighbors=count).fit(unit)
    return torch.from_numpy(found.kneighbors(return_distance=False)).long()


def walk(embedding: Tensor, count: int = 50) -> Tensor:
    """Similarity (N, N) along the manifold: where a random walk from each picture stays, on the graph of neighbours.

    $$(I - \\alpha S)^{-1}, \\qquad S = D^{-1/2} A D^{-1/2}, \\qquad A_{ij} = \\max(s_{ij}, 0)^3$$

    A joins the pictures that are each among the ``count`` nearest of the other; s is their cosine similarity, D the
    diagonal of A's row sums, α = 0.99. The columns are found by conjugate gradients, by SciPy.

    Args:
        embedding: (N, D).
        count: number of neighbours in the graph, 1 to N − 1.

    Returns:
        float32, symmetric, 0 where no path leads.

    Source: Iscen, Tolias, Avrithis, Furon, Chum, "Efficient Diffusion on Region Manifolds: Recovering Small Objects
    with Compact CNN Representations", CVPR 2017, arXiv:1611.05113.
    """
    from scipy import sparse
    from scipy.sparse.linalg import cg

    unit, near = directions(embedding).double(), nearest(embedding, count)
    total = len(unit)
    rows = torch.arange(total).repeat_interleave(count)
    weights = (unit[rows] * unit[near.flatten()]).sum(1).clamp(min=0) ** POWER
    one_way = sparse.csr_array((weights.numpy(), (rows.numpy(), near.flatten().numpy())), (total, total))
    graph = one_way.minimum(one_way.T)
    scale = sparse.diags_array(1 / np.sqrt(np.maximum(graph.sum(1), 1e-12)))
    system = sparse.eye_array(total) - ALPHA * (scale @ graph @ scale)
    found = np.empty((total, total), np.float32)
    for index in range(total):
        start = np.zeros(total)
        start[index] = 1
        found[index] = cg(system, start, rtol=TOLERANCE, maxiter=STEPS)[0]
    return torch.from_numpy((found + found.T) / 2)


def mine(embedding: Tensor, count: int, graph: int = 50) -> Mined:
    """Mine hard positives and hard negatives of each picture, without labels.

    $$P(i) = M_k(i) \\setminus E_k(i), \\qquad N(i) = E_k(i) \\setminus M_k(i)$$

    E_k(i) are the k nearest pictures, M_k(i) the k nearest along the manifold (:func:`walk`) among those that a path
    leads to. Positives are ordered by their distance, the farthest first; negatives the nearest first.

    Args:
        embedding: (N, D).
        count: k, 1 to N − 1.
        graph: number of neighbours in the graph, which is lowered to N − 1.

    Source: Iscen, Tolias, Avrithis, Chum, "Mining on Manifolds: Metric Learning without Labels", CVPR 2018,
    arXiv:1803.11095.
    """
    unit = directions(embedding)
    checks.number("count", count, 1, len(unit) - 1, whole=True)
    near, along = nearest(embedding, count), walk(embedding, min(graph, len(unit) - 1))
    along.fill_diagonal_(-torch.inf)
    reached, by_walk = along.topk(count)
    positives, negatives = (torch.full((len(unit), count), -1) for _ in range(2))
    for index in range(len(unit)):
        on_manifold = by_walk[index][reached[index] > TOLERANCE]
        hard = on_manifold[~torch.isin(on_manifold, near[index])]
        hard = hard[(unit[hard] @ unit[index]).argsort(stable=True)]
        false = near[index][~torch.isin(near[index], on_manifold)]
        positives[index, : len(hard)], negatives[index, : len(false)] = hard, false
    return Mined(positives, negatives)

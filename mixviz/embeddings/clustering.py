"""Clusters of an embedding, and their agreement with the classes."""

from __future__ import annotations

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.embeddings.vectors import checked, class_indices, sklearn


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


def adjusted_rand(assigned: Tensor, labels: Tensor) -> float:
    """Adjusted Rand index of clusters and classes, by scikit-learn: 1 for the same division, 0 on average by chance.

    $$\\frac{\\mathrm{RI} - E[\\mathrm{RI}]}{1 - E[\\mathrm{RI}]}$$

    RI is the share of pairs of pictures that clusters and classes both join or both part. The index can be negative.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.

    Source: Hubert, Arabie, "Comparing Partitions", Journal of Classification 2, 1985.
    """
    assigned, labels = _checked_pair(assigned, labels)
    return float(sklearn("metrics").adjusted_rand_score(labels.numpy(), assigned.numpy()))

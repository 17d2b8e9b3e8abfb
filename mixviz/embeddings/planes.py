"""Embeddings in two dimensions, to look at."""

from __future__ import annotations

import torch
from torch import Tensor

from mixviz.embeddings.vectors import checked, sklearn

EXACT = 500  # up to so many pictures t-SNE sums over all pairs; beyond, the Barnes-Hut tree is faster
PERPLEXITY = 30  # van der Maaten and Hinton: 5 to 50


def pca(embedding: Tensor) -> Tensor:
    """The two directions (N, 2) along which the pictures differ most, by scikit-learn; float64, centred at 0.

    An axis has no sign of its own: here the picture that lies farthest out along it, of equal ones the first, lies on
    the positive side. One dimension, or two pictures, have zeros for a second axis.
    """
    vectors = checked(embedding)
    vectors = vectors - vectors.mean(0)
    found = torch.zeros(len(vectors), 2, dtype=vectors.dtype)
    if not vectors.any():
        return found
    axes = min(2, *vectors.shape)
    solved = sklearn("decomposition").PCA(axes, svd_solver="full").fit_transform(vectors.numpy())
    found[:, :axes] = torch.from_numpy(solved)
    far = found.abs() >= (1 - 1e-6) * found.abs().amax(0)  # a rounding should not tell which of two is farther
    return found * torch.where(found.gather(0, far.int().argmax(0)[None]) < 0, -1, 1)


def tsne(embedding: Tensor, seed: int = 0) -> Tensor:
    """A map (N, 2) on which near neighbours stay near, by scikit-learn; float64.

    Distances between groups, their sizes and the axes mean nothing. It starts from :func:`pca`, so that maps of one
    embedding are alike; the same machine gives the same map again, another one's roundings may turn out another.

    Raises:
        ValueError: fewer than three pictures.

    Source: van der Maaten, Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
    """
    vectors = checked(embedding)
    n = len(vectors)
    if n < 3:
        raise ValueError(f"t-SNE needs three pictures or more; got {n}.")
    start = pca(vectors)
    start = (1e-4 * start / start[:, 0].std().clamp(min=1e-12)).float()  # scikit-learn's own scale of a start
    solver = sklearn("manifold").TSNE(
        perplexity=min(PERPLEXITY, (n - 1) / 3),
        init=start.numpy(),
        method="exact" if n <= EXACT else "barnes_hut",
        random_state=seed,
    )
    return torch.from_numpy(solver.fit_transform(vectors.numpy())).double()

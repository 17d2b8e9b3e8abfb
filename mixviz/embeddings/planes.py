"""Plots of embeddings in two dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from mixviz.embeddings.vectors import checked, sklearn

EXACT = 500  # pictures up to which t-SNE sums over all pairs; above, the Barnes-Hut tree is faster
PERPLEXITY = 30  # van der Maaten and Hinton recommend 5 to 50


def pca(embedding: Tensor) -> Tensor:
    """Project onto the two principal axes (N, 2), by scikit-learn; float64, centred at 0.

    The sign of an axis is arbitrary: here the picture farthest from 0 along it is positive; on ties, the first. With
    one dimension, or two pictures, the second axis is 0.
    """
    vectors = checked(embedding)
    vectors = vectors - vectors.mean(0)
    plot = torch.zeros(len(vectors), 2, dtype=vectors.dtype)
    if not vectors.any():
        return plot
    axes = min(2, *vectors.shape)
    scores = sklearn("decomposition").PCA(axes, svd_solver="full").fit_transform(vectors.numpy())
    plot[:, :axes] = torch.from_numpy(scores)
    far = plot.abs() >= (1 - 1e-6) * plot.abs().amax(0)  # rounding errors must not break ties
    return plot * torch.where(plot.gather(0, far.int().argmax(0)[None]) < 0, -1, 1)


def tsne(embedding: Tensor, seed: int = 0) -> Tensor:
    """Plot (N, 2) by t-SNE, which keeps near neighbours near, by scikit-learn; float64.

    Distances between groups, their sizes and the axes mean nothing. It starts from :func:`pca`, so that plots of one
    embedding are similar. One machine always gives the same plot; rounding on another may give a different one.

    Raises:
        ValueError: fewer than three pictures.

    Source: van der Maaten, Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
    """
    vectors = checked(embedding)
    n = len(vectors)
    if n < 3:
        raise ValueError(f"t-SNE needs three pictures or more; got {n}.")
    start = pca(vectors)
    start = (1e-4 * start / start[:, 0].std().clamp(min=1e-12)).float()  # scikit-learn's own scale of the start
    solver = sklearn("manifold").TSNE(
        perplexity=min(PERPLEXITY, (n - 1) / 3),
        init=start.numpy(),
        method="exact" if n <= EXACT else "barnes_hut",
        random_state=seed,
    )
    return torch.from_numpy(solver.fit_transform(vectors.numpy())).double()

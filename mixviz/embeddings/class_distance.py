"""Distance to the classes: a Gaussian per class, and Mahalanobis distances."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mixviz.embeddings.vectors import checked, class_indices, sklearn

LEAST = 1e-6  # lowest shrinkage


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

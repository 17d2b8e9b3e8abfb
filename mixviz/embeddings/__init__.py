"""Embeddings of pictures: extraction, separation of classes, and plots.

scikit-learn is imported where it is used, so that ``import mixviz`` works without it. All measures are computed on
the CPU in float64, whatever the input.
"""

from mixviz.embeddings.extraction import embed
from mixviz.embeddings.measures import Gaussians, Retrieval, clusters, gaussians, mahalanobis, nmi, purity, retrieval
from mixviz.embeddings.planes import pca, tsne
from mixviz.embeddings.vectors import directions

__all__ = [
    "Gaussians",
    "Retrieval",
    "clusters",
    "directions",
    "embed",
    "gaussians",
    "mahalanobis",
    "nmi",
    "pca",
    "purity",
    "retrieval",
    "tsne",
]

"""Embeddings of pictures: extraction, separation of classes, and plots.

scikit-learn is imported where it is used, so that ``import mixviz`` works without it. All measures are computed on
the CPU in float64, whatever the input.
"""

from mixviz.embeddings.class_distance import Gaussians, gaussians, mahalanobis
from mixviz.embeddings.clustering import adjusted_rand, clusters, nmi, purity
from mixviz.embeddings.extraction import embed
from mixviz.embeddings.measures import Ranking, Retrieval, ranking, recall_at, retrieval
from mixviz.embeddings.places import place_recall
from mixviz.embeddings.planes import pca, tsne
from mixviz.embeddings.vectors import directions

__all__ = [
    "Gaussians",
    "Ranking",
    "Retrieval",
    "adjusted_rand",
    "clusters",
    "directions",
    "embed",
    "gaussians",
    "mahalanobis",
    "nmi",
    "pca",
    "place_recall",
    "purity",
    "ranking",
    "recall_at",
    "retrieval",
    "tsne",
]

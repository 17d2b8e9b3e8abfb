"""Measurements of the embedding: the input of the classification head."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mixviz import embeddings
from mixviz.embeddings import placement
from mixviz.embeddings.places import RADIUS
from mixviz.evaluation import robustness
from mixviz.evaluation.subject import EvaluationSet

FEW, HALVED = 2, 4  # pictures that a class needs: another to be found, or two in each half
RANKS = (1, 5, 10)


def embedding(split: EvaluationSet) -> dict:
    """Measure clusters and neighbours by direction, as retrieval by cosine similarity does."""
    labels = split.labels.cpu()
    classes, counts = labels.unique(return_counts=True)
    if counts.max() < FEW:
        return {"not_measured": f"it needs a class of {FEW} pictures, and each has one"}
    vectors = split.embedding()
    if (vectors == vectors[0]).all():
        return {"not_measured": "it is the same for all pictures"}
    stand = placement.cluster_metrics(vectors, labels, split.seed)
    found = embeddings.ranking(vectors, labels, RANKS, split.close)
    result: dict = {
        "dimensions": vectors.shape[1],
        "clusters": len(classes),
        "purity_percent": round(100 * stand.purity, 4),
        "nmi_percent": round(100 * stand.nmi, 4),
        "adjusted_rand_percent": round(100 * embeddings.adjusted_rand(stand.assigned, labels), 4),
        "queries": found.queries,
        "retrieval_map_percent": round(100 * found.mean_average_precision, 4),
        "map_at_r_percent": round(100 * found.map_at_r, 4),
        "precision_at_1_percent": round(100 * found.precision[1], 4),
        "k": list(RANKS),
        "recall_at_k_percent": [round(100 * found.recall[k], 4) for k in RANKS],
        "precision_at_k_percent": [round(100 * found.precision[k], 4) for k in RANKS],
    }
    if split.positions is not None:
        result["places"] = _places(vectors, split.positions)
    if split.others is not None and counts.min() >= HALVED:
        result["mahalanobis"] = _mahalanobis(split, vectors, labels)
    return result


def _places(vectors: Tensor, positions: Tensor) -> dict:
    """Measure place recognition by the positions at which the pictures were taken."""
    try:
        found = embeddings.place_recall(vectors, positions, RANKS)
    except ValueError as error:
        return {"not_measured": str(error)}
    recall = [round(100 * found.recall[k], 4) for k in RANKS]
    return {"radius_metres": RADIUS, "queries": found.queries, "k": list(RANKS), "recall_at_k_percent": recall}


def _mahalanobis(split: EvaluationSet, embedding: Tensor, labels: Tensor) -> dict:
    """Tell foreign pictures from known ones by their Mahalanobis distance to Gaussians of the classes.

    The Gaussians are fitted to one half of the known pictures and compared with the other, since fitted pictures lie
    nearer than new ones. Measured as in the paper and by direction alone: lengths break the assumption of one
    covariance for all (Mueller and Hein, ICML 2025, arXiv:2505.18032), and unknown pictures tend to have short vectors,
    which lie amid the classes.
    """
    fitted = _half(labels, split.rng(7))
    foreign = split.embedding(split.others)
    result: dict = {
        "fitted_to": "a random half of each class of these images",
        "fitted_images": int(fitted.sum()),
        "known_images": int((~fitted).sum()),
    }
    for name, seen_as in {"others": torch.Tensor.double, "others_by_direction": embeddings.directions}.items():
        try:
            known = embeddings.gaussians(seen_as(embedding[fitted]), labels[fitted])
        except ValueError as error:
            result[name] = {"not_measured": str(error)}
            continue
        own, far = (embeddings.mahalanobis(seen_as(vectors), known) for vectors in (embedding[~fitted], foreign))
        seen = robustness.detection(-own, -far)
        result[name] = {
            "images": len(foreign),
            "shrinkage": round(known.shrinkage, 6),
            "auroc_percent": round(100 * seen.auroc, 4),
            "tnr_at_95_tpr_percent": round(100 * seen.tnr_at_95_tpr, 4),
        }
    return result


def _half(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Choose a random half (N,) bool of every class, the larger one of an odd number."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = torch.nonzero(labels == label).flatten()
        chosen[members[rng.permutation(len(members))[: (len(members) + 1) // 2]]] = True
    return chosen

"""Checked embeddings and labels, on the CPU, in float64 and int64."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from torch import Tensor
from torch.nn import functional

from mixviz.core import checks


def directions(embedding: Tensor, name: str = "embedding") -> Tensor:
    """Normalise the vectors (N, D) to length 1, so that Euclidean distance orders as cosine similarity does."""
    return functional.normalize(checked(embedding, name), dim=1)


def checked(embedding: Tensor, name: str = "embedding") -> Tensor:
    """Check an embedding (N, D) and return it in float64 on the CPU.

    Raises:
        TypeError, ValueError: not a float tensor of that shape, or not finite.
    """
    checks.tensor(name, embedding, "float", ("N", "D"), -checks.FINITE, checks.FINITE, hint="One vector per picture.")
    return embedding.detach().cpu().double()


def class_indices(labels: Tensor, count: int, name: str = "labels") -> Tensor:
    """Check class indices or clusters (N,) of ``count`` pictures and return them as int64 on the CPU.

    Raises:
        TypeError, ValueError: not labels of that many pictures.
    """
    checks.labels(name, labels, count)
    return labels.cpu().long()


def sklearn(part: str) -> ModuleType:
    """Import a part of scikit-learn, where it is used.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise ImportError(f"Embeddings are measured with scikit-learn: pip install scikit-learn ({error}).") from None

"""Embeddings as all measures take them: checked, on the CPU, in float64."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from torch import Tensor
from torch.nn import functional

from mixviz.core import checks


def directions(embedding: Tensor, name: str = "embedding") -> Tensor:
    """The vectors (N, D) at length 1: between these, Euclidean distance orders as cosine similarity does."""
    return functional.normalize(checked(embedding, name), dim=1)


def checked(embedding: Tensor, name: str = "embedding") -> Tensor:
    """The embedding (N, D) in float64 on the CPU.

    Raises:
        TypeError, ValueError: no float tensor of that shape, or one with a NaN or an infinity.
    """
    checks.tensor(name, embedding, "float", ("N", "D"), -checks.FINITE, checks.FINITE, hint="One vector per picture.")
    return embedding.detach().cpu().double()


def class_indices(labels: Tensor, count: int, name: str = "labels") -> Tensor:
    """Class indices, or clusters, (N,) of ``count`` pictures as int64 on the CPU.

    Raises:
        TypeError, ValueError: something else, with what was expected.
    """
    checks.labels(name, labels, count)
    return labels.cpu().long()


def sklearn(part: str) -> ModuleType:
    """A part of scikit-learn, which is imported where it is used."""
    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise ImportError(f"Embeddings are measured with scikit-learn: pip install scikit-learn ({error}).") from None

"""Embeddings as all measures take them: checked, on the CPU, in float64."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from torch import Tensor
from torch.nn import functional


def directions(embedding: Tensor) -> Tensor:
    """The vectors (N, D) at length 1: between these, Euclidean distance orders as cosine similarity does."""
    return functional.normalize(checked(embedding), dim=1)


def checked(embedding: Tensor) -> Tensor:
    """The embedding (N, D) in float64 on the CPU.

    Raises:
        TypeError, ValueError: what is none.
    """
    if not isinstance(embedding, Tensor) or embedding.ndim != 2 or not embedding.is_floating_point():
        what = f"{embedding.dtype} {tuple(embedding.shape)}" if isinstance(embedding, Tensor) else type(embedding)
        raise TypeError(f"An embedding is a float tensor (N, D), one vector per picture; got {what}.")
    if not embedding.numel() or not embedding.isfinite().all():
        raise ValueError(f"An embedding should have finite numbers; this one {tuple(embedding.shape)} has not.")
    return embedding.detach().cpu().double()


def same_length(first: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The two on the CPU, the labels as class indices (N,).

    Raises:
        ValueError: labels that do not fit.
    """
    if labels.shape != (len(first),) or labels.is_floating_point():
        raise ValueError(f"{len(first)} pictures have {tuple(labels.shape)} {labels.dtype} labels: give class indices.")
    return first.cpu(), labels.cpu().long()


def sklearn(part: str) -> ModuleType:
    """A part of scikit-learn, which is imported where it is used."""
    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise ImportError(f"Embeddings are measured with scikit-learn: pip install scikit-learn ({error}).") from None

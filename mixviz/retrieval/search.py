"""Nearest neighbours in an index: exact, or by inverted lists."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.core.head import Whitening
from mixviz.networks.files import load_tensors, save_tensors
from mixviz.retrieval.store import Store, transformed

LISTS = "lists.safetensors"
LARGE = 200_000  # pictures: exact search among half as many took 0.04 s on one core, with 512 dimensions
PER_LIST = 50  # vectors for each centre that k-means is run on
SEED = 1234


@dataclass(frozen=True, eq=False)
class Found:
    """The nearest pictures of each query, most similar first: ``index`` (Q, K) int64 and cosine ``similarity``
    (Q, K) float32. Where inverted lists hold fewer than K, the index is -1."""

    index: Tensor
    similarity: Tensor


def faiss() -> ModuleType | None:
    """Import faiss, where it is used; None: it is not installed."""
    try:
        return import_module("faiss")
    except ImportError:
        return None


def add_lists(store: Store, lists: int = 0) -> None:
    """Divide an index's vectors into inverted lists by k-means, and store centres and list of each vector.

    Args:
        lists: their number; 0: four times the root of the number of vectors.

    Raises:
        ImportError: faiss is not installed.
        ValueError: more lists than vectors.

    Source: Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 33, 2011 (the inverted file,
    without the codes); Johnson, Douze, Jégou, "Billion-Scale Similarity Search with GPUs", arXiv:1702.08734.
    """
    library: Any = faiss()
    if library is None:
        raise ImportError("Inverted lists are made by faiss: pip install faiss-cpu, or take --kind exact.")
    total = sum(len(chunk) for chunk in store.vectors())
    lists = lists or min(total, round(4 * math.sqrt(total)))
    checks.number("lists", lists, 1, total, whole=True)
    step = max(1, total // (PER_LIST * lists))
    sample = torch.cat([chunk[::step] for chunk in store.vectors()]).numpy()
    means = library.Kmeans(
        sample.shape[1], lists, niter=10, seed=SEED, spherical=True, min_points_per_centroid=1,
        max_points_per_centroid=2 * PER_LIST,
    )  # fmt: skip
    means.train(sample)
    quantizer = library.IndexFlatIP(sample.shape[1])
    quantizer.add(means.centroids)
    assigned = [quantizer.search(chunk.numpy(), 1)[1][:, 0] for chunk in store.vectors()]
    tensors = {"centres": torch.from_numpy(means.centroids), "list": torch.from_numpy(np.concatenate(assigned))}
    save_tensors(store.folder / LISTS, tensors)


@dataclass(frozen=True)
class Searcher:
    """An index in memory, for queries.

    Attributes:
        store: the index on disk.
        library: faiss's index; None: vectors are read from disk and compared by torch, chunk by chunk.
        kind: ``exact`` or ``ivf``.
        whitening: of the vectors, applied to queries; None: there is none.
    """

    store: Store
    library: Any
    kind: str
    whitening: Whitening | None

    @classmethod
    def open(cls, store: Store, kind: str = "auto", probes: int = 0) -> Searcher:
        """Load an index for searching.

        Args:
            kind: ``exact``; ``ivf``, by inverted lists; ``auto``: by these, where the index has them.
            probes: lists that are searched for a query; 0: one in 32, at least 8.

        Raises:
            ValueError: an unknown kind, an index without lists, or without pictures.
        """
        if kind not in ("auto", "exact", "ivf"):
            raise ValueError(f"--kind is auto, exact or ivf; got {kind!r}.")
        has_lists = (store.folder / LISTS).is_file()
        if kind == "ivf" and not has_lists:
            raise ValueError(f"{store.folder} has no inverted lists: make them with `mixviz index … --kind ivf`.")
        if not any(len(chunk) for chunk in store.vectors()):
            raise ValueError(f"{store.folder} holds no pictures: none of the folder could be read.")
        library, whitening = faiss(), store.whitening()
        if library is None:
            return cls(store, None, "exact", whitening)
        if has_lists and kind != "exact":
            return cls(store, _by_lists(library, store, probes), "ivf", whitening)
        index: Any = None
        for chunk in store.vectors():
            index = index or library.IndexFlatIP(chunk.shape[1])
            index.add(chunk.numpy())
        return cls(store, index, "exact", whitening)

    def search(self, queries: Tensor, count: int = 20) -> Found:
        """Find the pictures most similar to each query.

        Args:
            queries: (Q, D) float, as the network gives them: they are whitened here.
            count: K, at most the number of pictures.

        Raises:
            TypeError, ValueError: other shapes, or values that are not finite.
        """
        dimensions = self.store.head.dimensions
        checks.tensor("queries", queries, "float", ("Q", dimensions), -checks.FINITE, checks.FINITE)
        checks.number("count", count, 1, whole=True)
        unit = transformed(queries.detach().cpu(), self.whitening)
        if self.library is None:
            return self._streamed(unit, count)
        similarity, index = self.library.search(unit.numpy(), min(count, self.library.ntotal))
        return Found(torch.from_numpy(index), torch.from_numpy(similarity))

    def _streamed(self, unit: Tensor, count: int) -> Found:
        """Compare queries with one chunk after the other, and keep the best."""
        best, where, first = torch.empty(len(unit), 0), torch.empty(len(unit), 0, dtype=torch.int64), 0
        for chunk in self.store.vectors():
            numbers = torch.arange(first, first + len(chunk)).expand(len(unit), -1)
            both, indices = torch.cat([best, unit @ chunk.T], 1), torch.cat([where, numbers], 1)
            best, order = both.topk(min(count, both.shape[1]), dim=1)
            where, first = indices.gather(1, order), first + len(chunk)
        return Found(where, best)


def _by_lists(library: Any, store: Store, probes: int) -> Any:
    """Fill faiss's inverted lists with the stored division, which costs no comparison."""
    tensors, _ = load_tensors(store.folder / LISTS)
    centres, lists = tensors["centres"].numpy(), tensors["list"].numpy()
    quantizer = library.IndexFlatIP(centres.shape[1])
    quantizer.add(centres)
    index = library.IndexIVFFlat(quantizer, centres.shape[1], len(centres), library.METRIC_INNER_PRODUCT)
    index.is_trained = True
    first = 0
    other = f"{store.folder / LISTS} is of other vectors: make it anew with `mixviz index … --kind ivf`."
    for chunk in store.vectors():
        vectors = np.ascontiguousarray(chunk.numpy())
        numbers = np.arange(first, first + len(vectors))
        of_chunk = np.ascontiguousarray(lists[first : first + len(vectors)])
        if len(of_chunk) < len(vectors):  # faiss would read beyond their end
            raise ValueError(other)
        pointers = (library.swig_ptr(array) for array in (vectors, numbers, of_chunk))
        index.add_core(len(vectors), *pointers)
        first += len(vectors)
    if first != len(lists):
        raise ValueError(other)
    index.nprobe = min(len(centres), probes or max(8, len(centres) // 32))
    return index

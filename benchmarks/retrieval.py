"""Indexes of many pictures: speed of building, memory, milliseconds per query, and recall of inverted lists.

``python -m benchmarks.retrieval [--vectors 100000] [--dimensions 512] [--pictures 500] [--network NAME]``.

The vectors are synthetic: directions around as many centres as there are hundreds of vectors, so that neighbours exist,
in a space of which they fill 64 dimensions, as embeddings do. They go through the same files as an index of pictures.
The pictures are noise of low frequency, as JPEGs of 256 px.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import table
from mixviz import retrieval
from mixviz.cam.inference import open_networks
from mixviz.retrieval import search
from mixviz.retrieval.store import CHUNK, Head, Store

QUERIES, NEAREST, INNER = 200, 10, 64
PROBES = (1, 4, 16, 64)


def memory() -> float:
    """Highest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def written(folder: Path, count: int, dimensions: int) -> tuple[Store, torch.Tensor, float]:
    """Write an index of synthetic vectors; return it with queries, and the seconds."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(max(1, count // 100), INNER, generator=rng)
    spread = torch.randn(INNER, dimensions, generator=rng)

    def some(number: int) -> torch.Tensor:
        own = centres[torch.randint(len(centres), (number,), generator=rng)]
        inner = own + 0.7 * torch.randn(number, INNER, generator=rng)
        return inner @ spread + 0.05 * torch.randn(number, dimensions, generator=rng)

    store = Store.create(folder, Head("none", "none", dimensions, str(folder), "none", count))
    start = time.perf_counter()
    for chunk in range(store.chunks):
        size = min(CHUNK, count - chunk * CHUNK)
        store.add(chunk, [f"{chunk}/{i}.jpg" for i in range(size)], some(size))
    return store, some(QUERIES), time.perf_counter() - start


def searching(store: Store, queries: torch.Tensor) -> list[list[str]]:
    """Rows of the table: kind, seconds to load, ms per query, recall of the ten nearest."""

    def measured(searcher: retrieval.Searcher) -> tuple[torch.Tensor, float]:
        searcher.search(queries[:2], NEAREST)
        start = time.perf_counter()
        found = torch.cat([searcher.search(query[None], NEAREST).index for query in queries])
        return found, 1000 * (time.perf_counter() - start) / len(queries)

    start = time.perf_counter()
    exact = retrieval.Searcher.open(store, "exact")
    loading = time.perf_counter() - start
    wanted, ms = measured(exact)
    name = "exact" if exact.library else "exact, by torch"
    rows = [[name, f"{loading:.2f}", f"{ms:.2f}", "100"]]
    if exact.library is None:
        return rows
    start = time.perf_counter()
    search.add_lists(store)
    rows.append(["making the lists", f"{time.perf_counter() - start:.2f}", "", ""])
    for probes in PROBES:
        start = time.perf_counter()
        lists = retrieval.Searcher.open(store, "ivf", probes)
        loading = time.perf_counter() - start
        found, ms = measured(lists)
        recall = (found[:, :, None] == wanted[:, None]).any(1).float().mean().item()
        name = f"{probes} of {lists.library.nlist} lists"
        rows.append([name, f"{loading:.2f}", f"{ms:.2f}", f"{100 * recall:.1f}"])
    return rows


def embedding(folder: Path, count: int, network: str) -> str:
    """Build an index of synthetic pictures, and tell the rate."""
    rng, root = np.random.default_rng(0), folder / "pictures"
    root.mkdir()
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((256, 256), Image.Resampling.BICUBIC).save(root / f"{number:06}.jpg")
    model = open_networks(network)[0]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before, start = memory(), time.perf_counter()
    retrieval.build(root, model, folder / "index", device=device)
    seconds = time.perf_counter() - start
    return (
        f"{network} at {model.side} px on {device}: {count / seconds:.1f} images/s; memory at most {memory():.0f} MB, "
        f"{memory() - before:.0f} MB of it for the index"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--network", default="efficientnet_lite0")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        if given.pictures:
            print(embedding(folder, given.pictures, given.network))
        if given.vectors:
            before = memory()
            store, queries, seconds = written(folder / "vectors", given.vectors, given.dimensions)
            print(
                f"{given.vectors} vectors of {given.dimensions} dimensions: written in {seconds:.1f} s, "
                f"{memory() - before:.0f} MB more memory"
            )
            rows = searching(store, queries)
            print(table("Searching", ["search", "s to load", "ms per query", f"% of the {NEAREST} nearest"], rows))
            print(f"memory at most {memory():.0f} MB")


if __name__ == "__main__":
    main()

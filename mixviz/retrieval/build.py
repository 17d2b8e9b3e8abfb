"""Building an index: pictures are decoded by threads, embedded in batches, and written in chunks."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mixviz.cam.inference import LoadedModel
from mixviz.data import pictures
from mixviz.data.decoding import hidden, is_picture
from mixviz.embeddings.extraction import embed
from mixviz.retrieval.store import CHUNK, Head, Store

MOST, PIXELS = 64, 2**20  # pictures at a time, and their pixels on a CPU

Decoded = tuple[str, np.ndarray | None, str]


def build(
    root: str | Path, model: LoadedModel, out: str | Path, *, part: tuple[int, int] = (1, 1), batch_size: int = 0,
    workers: int = 0, device: torch.device | str = "cpu", chunk: int = CHUNK, named: str = "",
    names: Sequence[str] | None = None, progress: Callable[[int, int], None] | None = None,
) -> Store:  # fmt: skip
    """Embed the pictures of a folder, and of all folders in it, into an index.

    A killed run goes on at the first chunk that is not written. Memory holds a chunk of vectors and the pictures of a
    few batches, however many pictures there are; only their names are all in memory. Pictures that cannot be read are
    left out, and named in the index.

    Args:
        root: the folder of the pictures.
        model: the network.
        out: folder of the index; created, or gone on with.
        part: (k, n): every n-th picture from the k-th on, from 1, see :func:`mixviz.retrieval.merge.merge`.
        batch_size: pictures that pass through the network at a time; 0: 64, or on a CPU as many as its cache takes.
        workers: threads that decode; 0: one per processor.
        device: of the network.
        chunk: pictures of a chunk.
        named: the network's name or folder in the index; empty: its name.
        names: the pictures, relative to ``root``; None: all, see :func:`listed`.
        progress: called with (pictures done, all) after each chunk.

    Raises:
        ValueError: no pictures, another index in ``out``, or a network without embeddings.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"There is no folder {root}.")
    names = listed(root) if names is None else list(names)
    if not names:
        raise ValueError(f"{root} holds no pictures.")
    index, count = part
    own = names[index - 1 :: count]
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    network = model.network.to(device)
    side = model.side
    batch_size = batch_size or (max(1, min(MOST, PIXELS // side**2)) if torch.device(device).type == "cpu" else MOST)
    empty = torch.zeros(1, 3, side, side, dtype=torch.uint8, device=device)
    dimensions = embed(network, model.normalised(empty)).shape[1]
    store = Store.create(out, Head(
        named or model.name, model.sha256, dimensions, str(root.resolve()), digest, len(own), chunk, index, count,
    ))  # fmt: skip
    todo = store.missing()
    if progress:
        progress(len(own) - _pictures(todo, len(own), chunk), len(own))
    wanted = [name for number in todo for name in own[number * chunk : (number + 1) * chunk]]
    decoded = _decoded(root, wanted, model, workers, 2 * batch_size)
    for done, number in enumerate(todo, 1):
        size = len(own[number * chunk : (number + 1) * chunk])
        own_names, vectors, left_out = _embedded(decoded, size, model, batch_size, device)
        store.add(number, own_names, vectors.reshape(-1, dimensions), left_out)
        if progress:
            progress(len(own) - _pictures(todo[done:], len(own), chunk), len(own))
    return store


def listed(root: Path) -> list[str]:
    """List the pictures of a folder and all folders in it, sorted, relative to it, with ``/`` between parts."""
    names = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not hidden(name)]
        prefix = Path(folder).relative_to(root).as_posix()
        prefix = "" if prefix == "." else f"{prefix}/"
        names += [f"{prefix}{name}" for name in files if is_picture(name) and not hidden(name)]
    return sorted(names)


def _pictures(chunks: Sequence[int], total: int, chunk: int) -> int:
    return sum(min(chunk, total - number * chunk) for number in chunks)


def _decoded(root: Path, names: Sequence[str], model: LoadedModel, workers: int, ahead: int) -> Iterator[Decoded]:
    """Decode pictures in order, at most ``ahead`` of them before they are asked for."""

    def decode(name: str) -> Decoded:
        try:
            return name, pictures.load_view(root / name, model.input_view), ""
        except (ValueError, OSError) as error:
            return name, None, str(error)

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        waiting: deque[Future[Decoded]] = deque()
        try:
            for name in names:
                waiting.append(pool.submit(decode, name))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _embedded(
    decoded: Iterator[Decoded], size: int, model: LoadedModel, batch_size: int, device: torch.device | str
) -> tuple[list[str], Tensor, dict[str, str]]:
    """Embed the next ``size`` pictures; return names, vectors, and why the others were left out."""
    names: list[str] = []
    left_out: dict[str, str] = {}
    views: list[np.ndarray] = []
    vectors: list[Tensor] = []

    def flush() -> None:
        if views:
            images = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).to(device)
            vectors.append(embed(model.network, model.normalised(images), batch_size=batch_size).cpu())
            views.clear()

    for _ in range(size):
        name, view, reason = next(decoded)
        if view is None:
            left_out[name] = reason
            continue
        names.append(name)
        views.append(view)
        if len(views) == batch_size:
            flush()
    flush()
    return names, torch.cat(vectors) if vectors else torch.zeros(0), left_out

"""Throughput of a method on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.method import Method
from mixviz.selection import scores

CLASSES = 20
ROUNDS = 7
PATIENCE = 0.03  # seconds after which no further round starts; at least one is run


class Throughput(NamedTuple):
    """Images per second (``rate``), and the share of time for computing saliency (``looking``); None: it uses none."""

    rate: float
    looking: float | None


def measure_throughput(method: Method, chosen: scores.Pictures) -> Throughput:
    """Plan, mix and label a batch of 64 on one thread, as a training step does; saliency is computed each time.

    Takes the median of several rounds in CPU time of this thread, so that other load on the machine hardly counts. For
    feature mixing, the network's forward pass is not included.

    Raises:
        ValueError: a requirement of the method is missing.
    """
    rows = torch.arange(scores.BATCH) % len(chosen)
    images, labels, rng = chosen.images[rows], rows % CLASSES, np.random.default_rng(0)
    out = torch.empty_like(images)
    network, maps = scores.network_and_saliency(method, chosen)

    def step(saliency: Tensor | None = None) -> None:
        recipe = method.plan(Batch(images, labels, network, saliency=saliency), rng)
        recipe.apply(images, out)
        recipe.targets(labels, CLASSES)

    with one_thread():
        seconds = _median_seconds(step, warm=network is not None)  # its maps have been computed before
        if maps is None or not _uses_saliency(method, chosen, maps):
            return Throughput(len(images) / seconds, None)
        known_maps = maps[rows]
        share = 1 - _median_seconds(lambda: step(known_maps)) / seconds
        return Throughput(len(images) / seconds, min(max(share, 0), 1))


def _uses_saliency(method: Method, chosen: scores.Pictures, maps: Tensor) -> bool:
    """Whether a method uses its detector: it may have one without using it."""
    pair = Batch(chosen.images[:2], torch.tensor([0, 1]), saliency=maps[:2])
    return method.plan(pair, np.random.default_rng(0)).saliency is not None


def _median_seconds(step: Callable[[], None], warm: bool = False) -> float:
    """Median CPU seconds of a round. The first one is not counted, unless ``warm``: it may compile or allocate."""
    if not warm:
        step()
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < PATIENCE:
        start = time.thread_time()
        step()
        times.append(time.thread_time() - start)
    return max(statistics.median(times), 1e-9)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread within this context."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

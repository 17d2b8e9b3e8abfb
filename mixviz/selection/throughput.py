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

CLASSES = 20  # of the network that is asked
ROUNDS = 7
PATIENCE = 0.03  # seconds of a method's rounds, of which there is at least one


class Throughput(NamedTuple):
    """Images a second, and the share of the time that goes into looking for saliency; None: it does not look."""

    rate: float
    looking: float | None


def measure_throughput(method: Method, chosen: scores.Pictures) -> Throughput:
    """Plan, mix and label a batch of 64 on one thread, as a training step does; saliency is worked out each time.

    The median of several rounds, in seconds that this thread has spent on the processor: what else the machine does
    meanwhile hardly counts. Where the network is mixed inside, its own forward pass is not part of it.

    Raises:
        ValueError: the method misses something.
    """
    rows = torch.arange(scores.BATCH) % len(chosen)
    images, labels, rng = chosen.images[rows], rows % CLASSES, np.random.default_rng(0)
    out = torch.empty_like(images)
    network, maps = scores.given(method, chosen)

    def step(saliency: Tensor | None = None) -> None:
        recipe = method.plan(Batch(images, labels, network, saliency=saliency), rng)
        recipe.apply(images, out)
        recipe.targets(labels, CLASSES)

    with one_thread():
        whole = _median(step, warm=network is not None)  # it has been asked for its maps
        if maps is None or not _looks(method, chosen, maps):
            return Throughput(len(images) / whole, None)
        known = maps[rows]
        return Throughput(len(images) / whole, min(max(1 - _median(lambda: step(known)) / whole, 0), 1))


def _looks(method: Method, chosen: scores.Pictures, maps: Tensor) -> bool:
    """Whether a method uses its detector: it may have one without using it."""
    two = Batch(chosen.images[:2], None, saliency=maps[:2])
    return method.plan(two, np.random.default_rng(0)).saliency is not None


def _median(step: Callable[[], None], warm: bool = False) -> float:
    """Seconds of a round. A first one, which may compile or allocate, is not counted."""
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
    """Torch on one thread, and afterwards on as many as before."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""Look inside in our core: the first map and all maps of another mixture by six networks, and the memory for that.

``python -m benchmarks.inside [--rounds 9] [--networks NAME,…]``. Without a browser and a line: what the server
computes, in as many requests as the page's script sends. Processor seconds stand beside those of the clock, which other
work on the machine extends.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from benchmarks.timing import table
from mixviz.ui import handlers
from mixviz.ui.services import networks
from mixviz.ui.state import Request, first_request

SIX = ("efficientnet_lite0", "baseline", "mixup", "cutmix", "saliencymix", "randsaliencymix")
GOALS = {"first": 0.4, "all": 1.5, "memory": 2.0}


class Seconds(NamedTuple):
    """Until the first maps and all maps are there, and of the processor."""

    first: float
    all: float
    processor: float


def measured(request: Request, names: tuple[str, ...]) -> Seconds:
    """Ask for the maps of the networks, again until none is pending."""
    start, processor = time.perf_counter(), time.process_time()
    left, first = names, 0.0
    while left:
        answer: dict[str, Any] = handlers.show(replace(request, only=left))
        first = first or time.perf_counter() - start
        if failed := [row["error"] for row in answer["rows"] if "error" in row]:
            raise RuntimeError(failed[0])
        left = tuple(answer["pending"])
    return Seconds(first, time.perf_counter() - start, time.process_time() - processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="mixtures, each with another λ")
    parser.add_argument("--networks", default=",".join(SIX), help="of the zoo, with commas between, of any families")
    arguments = parser.parse_args()
    rounds, names = arguments.rounds, tuple(arguments.networks.split(","))
    torch.set_num_threads(1)  # as the page does
    request = replace(first_request(), view="localize", subject="mix", method="cutmix")
    cold = measured(request, names)
    rows = [["weights read from the disk, first", *(f"{value:.2f}" for value in cold), ""]]
    for layer, name in (("", "finer maps, the page's default"), ("card", "maps as in the measurements")):
        runs = [measured(replace(request, layer=layer, lam=(i + 1) / (rounds + 2)), names) for i in range(rounds + 1)][
            1:
        ]
        median = [statistics.median(values) for values in zip(*runs, strict=True)]
        goal = f"< {GOALS['first']} and < {GOALS['all']}"
        rows.append([f"another mixture: {name}, median of {rounds}", *(f"{value:.2f}" for value in median), goal])
    print(table(f"{len(names)} networks, two classes", ["", "first, s", "all, s", "processor, s", "goal, s"], rows))
    memory, weights = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, networks.in_memory.currsize / 2**20
    print(f"Memory: {memory:.2f} GB at most (goal: < {GOALS['memory']:g}), {weights:.0f} MB of it weights.")


if __name__ == "__main__":
    main()

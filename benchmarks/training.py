"""Cost of augmentation in a training step: every method compared with a plain step, and the fraction of time for
planning, saliency, mixing and labels, on the current device.

    python -m benchmarks.training --network resnet18 --width 0.375 --stem strided --batch-size 64 --precision bf16

The data are noise on the device. A plain step precedes every step of a method, and the median of their ratios counts,
because other load on the machine slows both.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import mixviz
from benchmarks.timing import rate, table
from mixviz.networks.run import Run
from mixviz.training.trainer import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--width", type=float, default=0.375)
    parser.add_argument("--stem", default="strided")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--methods", default=",".join(mixviz.METHODS))
    options = parser.parse_args()
    settings = {k: getattr(options, k) for k in ("network", "width", "stem", "batch_size", "image_size", "precision")}
    with tempfile.TemporaryDirectory() as folder:
        root = pictures(Path(folder), options.batch_size, options.image_size)
        steps, mixes = {}, {}
        for name in dict.fromkeys(["baseline", *options.methods.split(",")]):
            run = Run(root=str(root), method=name, epochs=10**5, lr=0.01, **settings)
            training = Training(run, Path(folder) / name, bar=False)
            steps[name], mixes[name] = repeated(training, training.step), repeated(training, training.mix)
        rows = []
        for name, step in steps.items():
            step_seconds, ratio = in_turn(steps["baseline"], step, options.rounds)
            mix_seconds = statistics.median(seconds(mixes[name]) for _ in range(options.rounds))
            rows.append(
                [
                    name,
                    rate(options.batch_size / step_seconds),
                    f"{ratio:.3f}x",
                    f"{100 * mix_seconds / step_seconds:.1f} %",
                ]
            )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    print(f"{device}, torch {torch.__version__}, {settings}\n")
    print(table("A training step", ["method", "images/s", "against a plain step", "of it mixing"], rows))


def in_turn(plain: Callable[[], object], step: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Measure a step's median seconds, and its median ratio to the plain step before it, without the first pair."""
    pairs = [(seconds(plain), seconds(step)) for _ in range(rounds + 1)][1:]
    return statistics.median(own for _, own in pairs), statistics.median(own / other for other, own in pairs)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def repeated(training: Training, part: Callable[..., object]) -> Callable[[], None]:
    """Return a call that runs a step, or its mixing, on the next batch and waits for its last kernel."""

    def batches() -> Iterator[tuple]:
        for epoch in itertools.count():
            for step, batch in enumerate(training.train.training(training.run.batch_size, 0, epoch)):
                yield epoch, step, *batch

    endless = batches()

    def call() -> None:
        part(*next(endless))
        if training.device.type == "cuda":
            torch.cuda.synchronize()

    return call


def pictures(folder: Path, batch: int, side: int) -> Path:
    """Write a folder of noise: two batches in two classes to train, one picture of each to validate."""
    rng = np.random.default_rng(0)
    for part, count in (("train", batch), ("val", 1)):
        for label in ("a", "b"):
            home = folder / "data" / part / label
            home.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(home / f"{i}.png")
    return folder / "data"


if __name__ == "__main__":
    main()

"""What augmentation costs a training step: every method against a plain step, on the device at hand.

    python -m benchmarks.training --network resnet18 --width 0.375 --stem strided --batch-size 64 --precision bf16

The data are noise that lives on the device. Methods take turns, round by round; the best round of each counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import mixviz
from mixviz.training.loop import Training
from mixviz.training.run import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--width", type=float, default=0.375)
    parser.add_argument("--stem", default="strided")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--steps", type=int, default=5, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--methods", default=",".join(mixviz.METHODS))
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pictures(Path(folder), told.batch_size, told.image_size)
        given = {k: getattr(told, k) for k in ("network", "width", "stem", "batch_size", "image_size", "precision")}
        names = dict.fromkeys(["baseline", *told.methods.split(",")])
        trainings = {
            name: Training(Run(root=str(root), method=name, epochs=10**5, lr=0.01, **given), Path(folder) / name, bar=False)
            for name in names
        }  # fmt: skip
        best = dict.fromkeys(names, float("inf"))
        for turn in range(told.rounds + 1):  # the first is for warming up
            for name, training in trainings.items():
                took = seconds(training, turn, told.steps)
                best[name] = min(best[name], took) if turn else best[name]
    plain = best["baseline"]
    print(f"{trainings['baseline'].device}, {torch.get_num_threads()} threads, torch {torch.__version__}, {given}\n")
    print("| method | images/s | time of a plain step |\n| --- | ---: | ---: |")
    for name, took in best.items():
        print(f"| {name} | {told.batch_size * told.steps / took:.0f} | {took / plain:.2f}x |")


def pictures(folder: Path, batch: int, side: int) -> Path:
    """A folder of noise: two batches in two classes to train, one picture of each to validate."""
    rng = np.random.default_rng(0)
    for part, count in (("train", batch), ("val", 1)):
        for label in ("a", "b"):
            home = folder / "data" / part / label
            home.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).save(home / f"{i}.png")
    return folder / "data"


def seconds(training: Training, turn: int, steps: int) -> float:
    """The time of a round, to the last kernel."""
    done, begun = 0, 0.0
    while done <= steps:
        for step, (images, labels) in enumerate(training.train.training(training.run.batch_size, 0, turn)):
            if done == 1:
                wait(training.device)
                begun = time.perf_counter()
            if done > steps:
                break
            training.step(turn, step, images, labels)
            done += 1
    wait(training.device)
    return time.perf_counter() - begun


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()

"""Accuracy of a network of the zoo on pictures changed by a method, as the methods' explanations quote it.

    python -m benchmarks.changed --root data hue:strength=0.5 jpeg:low=10,high=10

The validation pictures of the network's classes (from Tiny-ImageNet below --root) are changed once each, with seed 0,
in batches of 250. Without methods on the command line, all methods run that change pictures and keep their labels.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from benchmarks.timing import table
from mixviz import METHODS
from mixviz.core.batch import Batch
from mixviz.core.inference import NormalizedModel, evaluating
from mixviz.core.method import Method
from mixviz.core.registry import construct
from mixviz.data import sources
from mixviz.data.dataset import read, square
from mixviz.networks import zoo

STEP = 250
FAMILIES = ("erase", "colour", "geometry", "learned policy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help="as in rotation:degrees=90")
    parser.add_argument("--root", default="data")
    parser.add_argument("--network", default="baseline")
    options = parser.parse_args()
    card = zoo.card(options.network)
    network = NormalizedModel(zoo.load(options.network), card.network.mean, card.network.std)
    dataset = sources.load(card.data.name, options.root, "val").of_classes(card.data.keys)
    side = card.network.image_size
    images = torch.from_numpy(
        np.stack([square(read(picture), side).transpose(2, 0, 1) for picture in dataset.pictures])
    )
    label_preserving = [name for name, cls in METHODS.items() if cls.card.family in FAMILIES]
    rows = [["as they come", f"{accuracy(network, images, dataset.labels):.1f}"]]
    for text in options.methods or label_preserving:
        rows.append([text, f"{accuracy(network, changed(construct(METHODS, text), images), dataset.labels):.1f}"])
    print(table(f"Known of {len(images)} pictures by {options.network}", ["changed by", "top-1 accuracy, %"], rows))


def changed(method: Method, images: torch.Tensor) -> torch.Tensor:
    rng = np.random.default_rng(0)
    parts = images.split(STEP)
    return torch.cat([method.plan(Batch(part), rng).apply(part) for part in parts])


def accuracy(network: NormalizedModel, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad(), evaluating(network):
        answers = torch.cat([network(part).argmax(1) for part in images.split(STEP)])
    return 100 * (answers == labels).float().mean().item()


if __name__ == "__main__":
    main()

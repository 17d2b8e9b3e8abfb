"""What a training starts from: its pictures, its optimizer, and a rehearsal of all that may go wrong later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import mixviz
from mixviz import data
from mixviz.batch import IMAGENET_MEAN, IMAGENET_STD, Batch
from mixviz.method import Method
from mixviz.split import Split
from mixviz.training.run import Run


def splits(run: Run, download: bool = False, tell: Callable[[str], None] = print) -> list[Split]:
    """The pictures to train with and those to validate on.

    Raises:
        ValueError: what is missing, and what to do.
    """
    found = [data.load(run.data, run.root, part, download, tell) for part in ("train", "val")]
    if run.classes:
        found = [split.of_classes(run.wanted_classes()) for split in found]
    found = [split.complete(part) for split, part in zip(found, ("train", "val"), strict=True)]
    return [found[0].per_class(run.limit), found[1]] if run.limit else found


def optimizer(run: Run, network: nn.Module) -> torch.optim.Optimizer:
    """The run's optimizer, which decays all parameters, those of batch norm too, as the papers' code does."""
    if run.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=run.lr, weight_decay=run.weight_decay)
    return torch.optim.SGD(network.parameters(), lr=run.lr, momentum=0.9, weight_decay=run.weight_decay, nesterov=True)


def rehearse(name: str, network: nn.Module, method: Method, classes: int, side: int) -> None:
    """One batch of noise through everything, so that what cannot work is said before the pictures are read.

    Raises:
        ValueError, TypeError, ImportError: a size that the network cannot take; whatever the method misses.
    """
    rng, device = np.random.default_rng(0), next(network.parameters()).device
    images = torch.from_numpy(rng.random((4, 3, side, side), np.float32)).to(device)
    network.eval()
    try:
        with torch.no_grad():
            network(images)
    except Exception as error:  # each family of networks has its own words for a size that it cannot take
        raise ValueError(f"{name} cannot take pictures of {side}x{side} px: {error}") from error
    labels = torch.arange(len(images), device=device) % classes
    batch = Batch(images, labels, network, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    recipe = method.plan(batch, rng)
    recipe = dataclasses.replace(recipe, layer=getattr(method, "stages", 0))  # the deepest that may be drawn
    with torch.no_grad(), mixviz.mix_inside(network, recipe):
        network(batch.normalised(recipe.apply(images)))

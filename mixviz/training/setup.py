"""Setup of a training: pictures, optimizer, and a rehearsal of all that may go wrong later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mixviz.core.batch import Batch
from mixviz.core.feature_mixing import mix_inside, stages
from mixviz.core.method import Method
from mixviz.core.tensors import IMAGENET_MEAN, IMAGENET_STD
from mixviz.data import sources
from mixviz.data.dataset import Dataset
from mixviz.networks.run import Run


def splits(run: Run, download: bool = False, tell: Callable[[str], None] = print) -> list[Dataset]:
    """The pictures to train with and those to validate on.

    Raises:
        ValueError: what is missing, and what to do.
    """
    found = [sources.load(run.data, run.root, part, download, tell) for part in ("train", "val")]
    if run.classes:
        found = [split.of_classes(run.wanted_classes()) for split in found]
    found = [split.complete(part) for split, part in zip(found, ("train", "val"), strict=True)]
    return [found[0].per_class(run.limit), found[1]] if run.limit else found


def optimizer(run: Run, network: nn.Module) -> torch.optim.Optimizer:
    """The run's optimizer, which decays all parameters, those of batch norm too, as the papers' code does; frozen ones
    are none of its."""
    free = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if run.optimizer == "adamw":
        return torch.optim.AdamW(free, lr=run.lr, weight_decay=run.weight_decay)
    return torch.optim.SGD(free, lr=run.lr, momentum=0.9, weight_decay=run.weight_decay, nesterov=True)


def normalisation(run: Run, network: nn.Module) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of what the network sees: the run's own; with pretrained weights those that timm
    documents for the network; else ImageNet's."""
    if run.pretrained and not run.mean:
        return network.pretrained_cfg["mean"], network.pretrained_cfg["std"]
    return run.normalisation() or (IMAGENET_MEAN, IMAGENET_STD)


def freeze(run: Run, network: nn.Module) -> list[nn.Module]:
    """Take the lowest stages (:func:`mixviz.core.feature_mixing.stages`), and all that the network has before them, out
    of training.

    Returns:
        The modules that have to stay in evaluation mode: batch norm would go on counting, and dropout go on dropping.

    Raises:
        ValueError: nothing is pretrained, or the network has fewer stages.
    """
    if not run.freeze:
        return []
    if not run.pretrained:
        raise ValueError(f"--freeze {run.freeze} would keep fresh weights as they are: give --pretrained too.")
    found = stages(network)
    if run.freeze > len(found):
        raise ValueError(f"--freeze {run.freeze}: {run.network} has {len(found)} stages.")
    last, modules = found[run.freeze - 1], list(network.modules())
    lower = modules[: modules.index(last) + len(list(last.modules()))]
    for module in lower:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    return [m for m in lower if m is last or all(part is not last for part in m.modules())]  # and none that holds more


def class_weights(run: Run, split: Dataset) -> Tensor | None:
    """Weights of the classes in the loss (C,) float32; None where all count alike.

    ``balanced`` gives class c of C with n_c of N pictures N / (C·n_c).

    Raises:
        ValueError: numbers for more or fewer classes than there are.
    """
    if not run.class_weights:
        return None
    if run.class_weights == "balanced":
        counts = torch.bincount(split.labels, minlength=len(split.classes)).clamp(min=1)
        return len(split) / (len(split.classes) * counts)
    values = run.weights_of_classes()
    if len(values) != len(split.classes):
        names = ", ".join(split.classes[:5]) + (", …" if len(split.classes) > 5 else "")
        raise ValueError(f"--class-weights has {len(values)} numbers for {len(split.classes)} classes ({names}).")
    return torch.tensor(values)


def rehearse(
    name: str, network: nn.Module, method: Method, classes: int, side: int,
    mean: Sequence[float], std: Sequence[float],
) -> None:  # fmt: skip
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
    batch = Batch(images, labels, network, mean=mean, std=std)
    recipe = method.plan(batch, rng)
    recipe = dataclasses.replace(recipe, layer=getattr(method, "stages", 0))  # the deepest that may be drawn
    with torch.no_grad(), mix_inside(network, recipe):
        network(batch.normalised(recipe.apply(images)))

"""Setup of a training: pictures, optimizer, normalisation, frozen stages, and a trial batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mixviz.core.batch import Batch
from mixviz.core.feature_mixing import mix_inside, stages
from mixviz.core.method import Method
from mixviz.core.recipe import Recipe
from mixviz.core.tensors import IMAGENET_MEAN, IMAGENET_STD
from mixviz.data import sources
from mixviz.data.dataset import Dataset
from mixviz.networks.run import Run


def splits(run: Run, download: bool = False, tell: Callable[[str], None] = print) -> list[Dataset]:
    """Load the training and the validation split.

    Raises:
        ValueError: the data set is missing or incomplete, or has classes that the objective cannot validate; the
            message says what to do.
    """
    parts = [sources.load(run.data, run.root, part, download, tell, holdout=run.holdout) for part in ("train", "val")]
    if run.classes:
        parts = _of_classes(parts, run.wanted_classes())
    train, val = (split.complete(part) for split, part in zip(parts, ("train", "val"), strict=True))
    check_validation(run, val)
    return [train.per_class(run.limit) if run.limit else train, val]


def _of_classes(parts: list[Dataset], wanted: list[str]) -> list[Dataset]:
    """Select classes by name or key; where training and validation have different ones, each part's own of them."""
    if not parts[0].open_set:
        return [split.of_classes(wanted) for split in parts]
    present = [{name.lower() for name in (*split.classes, *split.keys)} for split in parts]
    if unknown := [name for name in wanted if not any(name.lower() in names for names in present)]:
        raise ValueError(f"No class is called {', '.join(map(repr, unknown))}.")
    return [
        split.of_classes([name for name in wanted if name.lower() in names])
        for split, names in zip(parts, present, strict=True)
    ]


def check_validation(run: Run, val: Dataset) -> None:
    """Check that an objective can be validated on a split.

    Raises:
        ValueError: it scores classes that training lacks, or embeds, and no class has two pictures.
    """
    objective = run.learned_objective()
    if not objective.embeds and val.open_set:
        raise ValueError(
            f"{objective.card.title} scores the classes of the training, and validation has others: take an objective "
            "that embeds (--objective smooth_ap --per-class 4), or hold out a part of each class (--holdout 1/5)."
        )
    if objective.embeds and len(val) and int(torch.bincount(val.labels).max()) < 2:
        raise ValueError(
            f"{objective.card.title} is validated by retrieval, and no class has two pictures for validation: hold out "
            "more (--holdout classes:1/2), or name other pictures."
        )


def optimizer(run: Run, network: nn.Module) -> torch.optim.Optimizer:
    """Make the run's optimizer. It decays all parameters, those of batch norm too, as the papers' code does, and leaves
    out frozen ones. Proxies are a group of their own, with a ``rate`` that multiplies the learning rate."""
    objective, proxies = run.learned_objective(), []
    if objective.embeds and objective.proxies:
        classifier: nn.Module = getattr(network, "get_classifier")()  # noqa: B009  timm's
        proxies = [classifier.get_parameter("weight")]
    own = {id(parameter) for parameter in proxies}
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [{"params": [one for one in trainable if id(one) not in own]}]
    groups += [{"params": proxies, "rate": objective.proxy_rate}] if proxies else []
    if run.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=run.lr, weight_decay=run.weight_decay)
    return torch.optim.SGD(groups, lr=run.lr, momentum=0.9, weight_decay=run.weight_decay, nesterov=True)


def without_bias(network: nn.Module) -> None:
    """Set the classifier's bias to 0 and keep it there: proxies, its weights, are compared with embeddings alone."""
    classifier: nn.Module = getattr(network, "get_classifier")()  # noqa: B009  timm's
    bias = classifier.get_parameter("bias")
    nn.init.zeros_(bias)
    bias.requires_grad_(False)


def normalisation(run: Run, network: nn.Module) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation for normalisation: the run's own; with pretrained weights, those that timm documents
    for the network; else ImageNet's."""
    if run.pretrained and not run.mean:
        config = getattr(network, "pretrained_cfg")  # noqa: B009  timm sets it
        return config["mean"], config["std"]
    return run.normalisation() or (IMAGENET_MEAN, IMAGENET_STD)


def freeze(run: Run, network: nn.Module) -> list[nn.Module]:
    """Freeze the lowest stages (:func:`mixviz.core.feature_mixing.stages`) and all modules before them; with all
    stages, everything up to the pooling.

    Returns:
        Modules that have to stay in evaluation mode, since batch norm would update its statistics, and dropout drop.

    Raises:
        ValueError: the weights are not pretrained, or the network has fewer stages.
    """
    if not run.freeze:
        return []
    if not run.pretrained:
        raise ValueError(f"--freeze {run.freeze} would keep fresh weights as they are: give --pretrained too.")
    network_stages = stages(network)
    if run.freeze > len(network_stages):
        raise ValueError(f"--freeze {run.freeze}: {run.network} has {len(network_stages)} stages.")
    last, modules = network_stages[run.freeze - 1], list(network.modules())
    end, pooling = modules.index(last) + len(list(last.modules())), getattr(network, "global_pool", None)
    if run.freeze == len(network_stages) and isinstance(pooling, nn.Module):
        end = modules.index(pooling)
    frozen = modules[:end]
    for module in frozen:
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
    # Not the parents of the last stage, which hold trainable stages too.
    return [module for module in frozen if module is last or all(part is not last for part in module.modules())]


def class_weights(run: Run, split: Dataset) -> Tensor | None:
    """Weights of the classes in the loss (C,) float32; None for equal weights.

    ``balanced`` gives class c of C with n_c of N pictures N / (C·n_c).

    Raises:
        ValueError: the number of weights is not the number of classes.
    """
    values = run.weights_of_classes()
    if values is None:
        if not run.class_weights:
            return None
        counts = torch.bincount(split.labels, minlength=len(split.classes)).clamp(min=1)
        return len(split) / (len(split.classes) * counts)
    if len(values) != len(split.classes):
        names = ", ".join(split.classes[:5]) + (", …" if len(split.classes) > 5 else "")
        raise ValueError(f"--class-weights has {len(values)} numbers for {len(split.classes)} classes ({names}).")
    return torch.tensor(values)


def rehearse(
    name: str, network: nn.Module, method: Method, classes: int, side: int,
    mean: Sequence[float], std: Sequence[float],
) -> Recipe:  # fmt: skip
    """Run one batch of noise through method and network, so that errors come before the pictures are read.

    Returns:
        The recipe of that batch.

    Raises:
        ValueError, TypeError, ImportError: the network cannot take the size, or a requirement of the method is missing.
    """
    rng, device = np.random.default_rng(0), next(network.parameters()).device
    images = torch.from_numpy(rng.random((4, 3, side, side), np.float32)).to(device)
    network.eval()
    try:
        with torch.no_grad():
            network(images)
    except Exception as error:  # families of networks raise different errors for a wrong size
        raise ValueError(f"{name} cannot take pictures of {side}x{side} px: {error}") from error
    labels = torch.arange(len(images), device=device) % classes
    batch = Batch(images, labels, network, mean=mean, std=std)
    recipe = method.plan(batch, rng)
    recipe = dataclasses.replace(recipe, layer=getattr(method, "stages", 0))  # the deepest that may be drawn
    with torch.no_grad(), mix_inside(network, recipe):
        network(batch.normalised(recipe.apply(images)))
    return recipe

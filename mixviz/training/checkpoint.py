"""Tensors of a checkpoint: network, optimizer and moving average, by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def pack(network: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None) -> dict[str, Tensor]:
    """Collect the tensors of a network, its optimizer and, if there is one, its moving average, by name."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if isinstance(value, Tensor)}
    return tensors


def unpack(
    tensors: dict[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None
) -> None:
    """Restore the tensors of :func:`pack`.

    Raises:
        ValueError: the tensors belong to another network.
    """
    weights, averages, optimizer_state = {}, {}, {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "network":
            weights[rest] = tensor
        elif kind == "average":
            averages[rest] = tensor
        else:
            index, _, key = rest.partition(".")
            optimizer_state.setdefault(int(index), {})[key] = tensor
    try:
        network.load_state_dict(weights)
        if average is not None:
            average.load_state_dict(averages)
    except RuntimeError as error:
        raise ValueError(f"The checkpoint is of another network: {error}") from None
    optimizer.load_state_dict({"state": optimizer_state, "param_groups": optimizer.state_dict()["param_groups"]})

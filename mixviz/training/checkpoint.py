"""Checkpoints that are whole or not there: tensors and plain values in one safetensors file, never a pickle."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def pack(network: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None) -> dict[str, Tensor]:
    """The tensors of a network, its optimizer and perhaps the moving average of its weights, by name."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if isinstance(value, Tensor)}
    return tensors


def unpack(
    tensors: dict[str, Tensor], network: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None = None
) -> None:
    """Put back what :func:`pack` took.

    Raises:
        ValueError: the tensors belong to another network.
    """
    weights, averaged, state = {}, {}, {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "network":
            weights[rest] = tensor
        elif kind == "average":
            averaged[rest] = tensor
        else:
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    try:
        network.load_state_dict(weights)
        if average is not None:
            average.load_state_dict(averaged)
    except RuntimeError as error:
        raise ValueError(f"The checkpoint is of another network: {error}") from None
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

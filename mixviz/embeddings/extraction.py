"""Extraction of embeddings in one forward pass, for any network."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor, nn

from mixviz.core.inference import check_logits, evaluating, float_type, plain


def embed(network: nn.Module, inputs: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return the input of the classification head, one vector per picture.

    Of timm's networks it is their own ``forward_head(forward_features(x), pre_logits=True)``; of others, what goes
    into the last ``nn.Linear`` of the forward pass. The network is asked in evaluation mode and is afterwards as
    before, hooks included; several threads may ask one evaluating network.

    Args:
        network: from ``inputs`` to class scores (N, C).
        inputs: (N, 3, H, W), normalised as in training, on the network's device.
        batch_size: pictures at a time.

    Returns:
        (N, D) float32, on the same device.

    Raises:
        ValueError: the network does not end in a linear layer, or gives a NaN or an infinity.
    """
    network = plain(network)
    with torch.no_grad(), evaluating(network):
        parts = inputs.to(float_type(network)).split(batch_size)
        found = torch.cat([_before_head(network, part) for part in parts]).float()
    if not found.isfinite().all():
        raise ValueError("The network's embeddings are not finite: its training has diverged.")
    return found


def _before_head(network: nn.Module, inputs: Tensor) -> Tensor:
    of_timm: Any = network
    if hasattr(network, "forward_features") and hasattr(network, "forward_head"):
        found = of_timm.forward_head(of_timm.forward_features(inputs), pre_logits=True)
    else:
        found = _into_last_linear(network, inputs)
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(inputs):
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"Before the head there should be a vector (D,) per picture; there is {what}.")
    return found


def _into_last_linear(network: nn.Module, inputs: Tensor) -> Tensor:
    last: list[Tensor] = []
    asking = threading.get_ident()

    def note(_module: nn.Module, given: tuple, output: Tensor) -> None:
        if threading.get_ident() == asking:
            last[:] = given[0], output

    handles = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, nn.Linear)]
    try:
        logits = check_logits(network(inputs), len(inputs))
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[1].shape != logits.shape:  # the linear layers that were used stand somewhere inside
        raise ValueError(
            "The network does not end in a linear layer, before which its embedding would stand. Give one that ends "
            "in nn.Linear, or that has timm's forward_features and forward_head."
        )
    return last[0]

"""Extraction of embeddings in one forward pass, for any network."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor, nn

from mixviz.core.inference import check_logits, evaluating, float_type, plain


def embed(network: nn.Module, inputs: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return the input of the classification head, one vector per picture.

    For timm's networks this is their own ``forward_head(forward_features(x), pre_logits=True)``; for others, the input
    of the last ``nn.Linear`` of the forward pass. The network runs in evaluation mode and is left unchanged, hooks
    included; several threads may share one network in evaluation mode.

    Args:
        network: from ``inputs`` to class scores (N, C).
        inputs: (N, 3, H, W), normalised as in training, on the network's device.
        batch_size: pictures per forward pass.

    Returns:
        (N, D) float32, on the same device.

    Raises:
        ValueError: the network does not end in a linear layer, or its embedding is not finite.
    """
    network = plain(network)
    with torch.no_grad(), evaluating(network):
        parts = inputs.to(float_type(network)).split(batch_size)
        embedding = torch.cat([_before_head(network, part) for part in parts]).float()
    if not embedding.isfinite().all():
        raise ValueError("The network's embeddings are not finite: its training has diverged.")
    return embedding


def _before_head(network: nn.Module, inputs: Tensor) -> Tensor:
    of_timm: Any = network
    if hasattr(network, "forward_features") and hasattr(network, "forward_head"):
        embedding = of_timm.forward_head(of_timm.forward_features(inputs), pre_logits=True)
    else:
        embedding = _into_last_linear(network, inputs)
    if not isinstance(embedding, Tensor) or embedding.ndim != 2 or len(embedding) != len(inputs):
        actual = tuple(embedding.shape) if isinstance(embedding, Tensor) else type(embedding).__name__
        raise ValueError(f"Before the head there should be a vector (D,) per picture; there is {actual}.")
    return embedding


def _into_last_linear(network: nn.Module, inputs: Tensor) -> Tensor:
    last: list[Tensor] = []
    thread = threading.get_ident()

    def note(_module: nn.Module, arguments: tuple, output: Tensor) -> None:
        if threading.get_ident() == thread:
            last[:] = arguments[0], output

    handles = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, nn.Linear)]
    try:
        logits = check_logits(network(inputs), len(inputs))
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[1].shape != logits.shape:  # the linear layers are not at the end of the network
        raise ValueError(
            "The network does not end in a linear layer, before which its embedding would stand. Give one that ends "
            "in nn.Linear, or that has timm's forward_features and forward_head."
        )
    return last[0]

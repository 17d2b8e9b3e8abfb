"""The attention detector: the patches that a vision transformer's class token attends to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.batch import Batch
from mixviz.core.inference import evaluating, float_type, plain
from mixviz.core.parameters import Card
from mixviz.core.saliency import Saliency


@dataclass(frozen=True)
class Attention(Saliency):
    """Attention of the class token to every patch in a transformer's last block, averaged over the heads.

    $$s = \\frac{1}{h} \\sum_{i=1}^{h} \\mathrm{softmax}\\!\\left(
      \\frac{q_i^{\\text{class}} K_i^\\top}{\\sqrt d}\\right) \\Big/ \\max$$

    enlarged to the picture's size, patch by patch. Only the last block is used. All blocks before it have mixed the
    tokens, so that a patch's token may also describe its neighbours. TransMix computes its labels from this map. It
    takes one forward pass and leaves the network unchanged.

    For timm's vision transformers (ViT, DeiT), whose attention has ``qkv`` and ``num_heads``, with a class token.
    """

    card: ClassVar[Card] = Card(
        "attention", "Class attention", "TransMix: Attend to Mix for Vision Transformers",
        "Chen, Sun, He, Torr, Yuille, Bai", "CVPR", 2022, "2111.09833",
    )  # fmt: skip

    needs_network: ClassVar[bool] = True
    needs_tokens: ClassVar[bool] = True

    def maps(self, batch: Batch) -> Tensor:
        network, layers = self.network_of(batch), []
        if isinstance(network, nn.Module):
            network = plain(network)
            layers = [module for module in network.modules() if hasattr(module, "qkv") and hasattr(module, "num_heads")]
        if not isinstance(network, nn.Module) or not layers or getattr(network, "cls_token", None) is None:
            raise ValueError(
                "The attention detector looks at the class token of timm's vision transformers (vit_…, deit_…), and "
                'this network has none. Choose another detector, e.g. detector="gradient".'
            )
        tokens: list[Tensor] = []
        thread = threading.get_ident()

        def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if threading.get_ident() == thread:  # ignore forward passes of other threads
                tokens[:] = [inputs[0]]

        handle = layers[-1].register_forward_pre_hook(keep)
        try:
            with evaluating(network):
                network(batch.inputs().to(float_type(network)))
                attention = _class_attention(layers[-1], tokens[0]).float()
        finally:
            handle.remove()
        maps = functional.interpolate(_on_grid(network, attention, batch.size)[:, None], batch.size, mode="nearest")[
            :, 0
        ]
        return maps / maps.amax((1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)


def _on_grid(network: Any, attention: Tensor, size: tuple[int, int]) -> Tensor:
    """Attention (N, h, w) to the patches of timm's ``network`` from attention (N, T) to all tokens."""
    return attention[:, network.num_prefix_tokens :].unflatten(1, network.patch_embed.dynamic_feat_size(size))


def _class_attention(layer: Any, tokens: Tensor) -> Tensor:
    """Attention (N, T) of the first token, averaged over the heads of timm's attention ``layer``."""
    n, count, _ = tokens.shape
    query, key, _ = layer.qkv(tokens).reshape(n, count, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = layer.q_norm(query[:, :, :1]), layer.k_norm(key)
    return (query * layer.scale @ key.mT).softmax(-1).mean((1, 2))

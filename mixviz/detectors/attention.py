"""The attention detector: what the class token of a vision transformer gathers its answer from."""

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
    tokens, so that a patch's token may also describe its neighbours. TransMix computes its labels from this map. One
    forward pass, which leaves the network as it was.

    For timm's vision transformers (ViT, DeiT), whose attention has ``qkv`` and ``num_heads``, with a class token.
    """

    card: ClassVar[Card] = Card(
        "attention", "Class attention", "TransMix: Attend to Mix for Vision Transformers",
        "Chen, Sun, He, Torr, Yuille, Bai", "CVPR", 2022, "2111.09833",
    )  # fmt: skip

    needs_network: ClassVar[bool] = True
    needs_tokens: ClassVar[bool] = True

    def maps(self, batch: Batch) -> Tensor:
        network: Any = batch.network
        network = plain(network) if isinstance(network, nn.Module) else network
        modules = network.modules() if isinstance(network, nn.Module) else ()
        layers = [m for m in modules if hasattr(m, "qkv") and hasattr(m, "num_heads")]
        if not layers or getattr(network, "cls_token", None) is None:
            raise ValueError(
                "The attention detector looks at the class token of timm's vision transformers (vit_…, deit_…), and "
                'this network has none. Choose another detector, e.g. detector="gradient".'
            )
        tokens, asking = [], threading.get_ident()

        def keep(_module: nn.Module, inputs: tuple) -> None:
            if threading.get_ident() == asking:  # another thread's forward pass is none of ours
                tokens[:] = [inputs[0]]

        handle = layers[-1].register_forward_pre_hook(keep)
        try:
            with evaluating(network):
                network(batch.inputs().to(float_type(network)))
                looks = _class_attention(layers[-1], tokens[0])[:, network.num_prefix_tokens :].float()
        finally:
            handle.remove()
        embed: Any = network.patch_embed
        grid = embed.dynamic_feat_size(batch.size)
        maps = functional.interpolate(looks.unflatten(1, grid)[:, None], batch.size, mode="nearest")[:, 0]
        return maps / maps.amax((1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)


def _class_attention(layer: Any, tokens: Tensor) -> Tensor:
    """(N, T) what the first token attends to, averaged over the heads."""
    n, count, _ = tokens.shape
    query, key, _ = layer.qkv(tokens).reshape(n, count, 3, layer.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = layer.q_norm(query[:, :, :1]), layer.k_norm(key)
    return (query * layer.scale @ key.mT).softmax(-1).mean((1, 2))

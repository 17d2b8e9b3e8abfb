"""Maps of a network's pooling: where its attention lies, and which cluster each place belongs to."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mixviz.core.head import Pooling
from mixviz.core.inference import evaluating, float_type, plain


class LocalMaps(NamedTuple):
    """Maps of the places of the last feature maps, for N pictures.

    Attributes:
        attention: (N, h, w) float32, the weight of each place.
        learned: whether a head has learned the attention; otherwise it is the length of each local feature.
        clusters: (N, h, w) int64, the cluster to which each place is assigned most; None: the head has no clusters.
        number: number of clusters; 0: none.
    """

    attention: Tensor
    learned: bool
    clusters: Tensor | None
    number: int


def local_maps(network: nn.Module, inputs: Tensor) -> LocalMaps:
    """Compute the maps of a network's pooling in one forward pass, in evaluation mode.

    The attention is that of the head, where the head has one (:class:`mixviz.heads.attention.Attention`). Otherwise it
    is the length of each place's feature vector: in a sum or mean over places, a place counts by its length.

    Args:
        network: one of timm's, with ``forward_features`` that gives feature maps.
        inputs: (N, 3, H, W), normalised as in training; larger pictures have finer maps.

    Raises:
        ValueError: a network without feature maps.

    Source: Noh, Araujo, Sim, Weyand, Han, "Large-Scale Image Retrieval with Attentive Deep Local Features", ICCV 2017,
    arXiv:1612.06321; the length as attention: Tolias, Jenicek, Chum, "Learning and Aggregating Deep Local Descriptors
    for Instance-Level Recognition", ECCV 2020, arXiv:2007.13172.
    """
    of_timm: Any = plain(network)
    head: Any = next((part for part in of_timm.modules() if _has(part, "attention", "assignment")), None)
    with torch.no_grad(), evaluating(network):
        maps = (
            of_timm.forward_features(inputs.to(float_type(network))) if hasattr(of_timm, "forward_features") else None
        )
        if not isinstance(maps, Tensor) or maps.ndim != 4:
            raise ValueError("The network gives no feature maps: take a convolutional one of timm's.")
        learned = _has(head, "attention")
        attention = head.attention(maps) if learned else maps.norm(dim=1)
        assigned = head.assignment(maps) if _has(head, "assignment") else None
    clusters = None if assigned is None else assigned.argmax(1)
    return LocalMaps(attention.float(), learned, clusters, 0 if assigned is None else assigned.shape[1])


def _has(part: nn.Module | None, *methods: str) -> bool:
    return isinstance(part, Pooling) and any(callable(getattr(part, name, None)) for name in methods)

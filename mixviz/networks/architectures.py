"""Networks by timm's names, with a stem for small pictures."""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import nn

STEMS = ("auto", "small", "strided", "standard")


def build(name: str, num_classes: int, *, stem: str = "standard", width: float = 1.0) -> nn.Module:
    """Build a network (N, 3, H, W) -> (N, num_classes), with fresh weights from torch's random state.

    Args:
        name: any of timm's networks, e.g. ``resnet18``.
        stem: ``standard``: as timm has it. ``small``: a 3x3 convolution without stride or max-pooling, as the papers
            use for 32 and 64 px. ``strided``: the same with stride 2, four times as fast. ResNets alone.
        width: channels as a share of the network's own, e.g. 0.5. ResNets alone.

    Raises:
        ValueError: no such network (with the nearest names), or a stem or width that it does not have.
    """
    import timm
    from timm.models.resnet import ResNet

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        guess = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"timm has no network {name!r}.{guess}")
    if width == 1:
        network = timm.create_model(name, num_classes=num_classes)
    else:
        options: dict[str, Any] = {"channels": tuple(max(1, round(c * width)) for c in (64, 128, 256, 512))}
        try:
            network = timm.create_model(name, num_classes=num_classes, **options)
        except (TypeError, IndexError):
            network = None
        if not isinstance(network, ResNet):
            raise ValueError(f"--width {width}: only ResNets can be made wider or narrower, and {name} is none.")
    if stem in ("small", "strided"):
        if not isinstance(network, ResNet) or not _can_be_small(network):
            raise ValueError(f"--stem {stem}: only ResNets have a stem that can be replaced; take --stem standard.")
        out_channels = network.get_parameter("bn1.weight").numel()
        network.conv1 = nn.Conv2d(3, out_channels, 3, 2 if stem == "strided" else 1, 1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    return network


def stem_for(name: str, stem: str, side: int) -> str:
    """Resolve ``auto``: the small stem for ResNets up to 64 px, where a standard one would leave 2x2 pixels."""
    if stem != "auto" or side > 64:
        return "standard" if stem == "auto" else stem
    with torch.random.fork_rng(devices=[]):
        return "small" if _can_be_small(build(name, 1)) else "standard"


def _can_be_small(network: nn.Module) -> bool:
    from timm.models.resnet import ResNet

    return isinstance(network, ResNet) and hasattr(network, "maxpool") and isinstance(network.bn1, nn.BatchNorm2d)

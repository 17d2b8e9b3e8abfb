"""Receptive fields: the pixel at which each place of a network's last maps looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from mixviz.core.inference import evaluating, float_type

SIDE = 256  # of the picture that is tried
STRIDED = nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d


class Centres(NamedTuple):
    """The centre of the receptive field of place (i, j) is pixel ``offset + stride · (i, j)``, counted from 0 at the
    centre of the first pixel."""

    stride: int
    offset: float


def centres(network: nn.Module, maps: Callable[[Tensor], Tensor]) -> Centres:
    """Compute the receptive fields' centres by the strides and paddings of the layers.

    A layer with window k, stride s, dilation d and padding p on the left moves the centre of its first place by
    d (k − 1)/2 − p places of its input. Layers without stride are taken to be centred, as odd windows are. Branches
    that are added are taken to agree; the one with the largest window counts.

    Args:
        network: its modules are listened to.
        maps: from images (1, 3, H, W) to the last feature maps (1, C, h, w).

    Raises:
        ValueError: it gives no feature maps, or they are not a whole number of times as coarse as the picture.

    Source: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
    """
    shifts: dict[int, tuple[int, float, int]] = {}  # side of the input -> (window, shift in its places, stride)

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        side, stride = inputs[0].shape[-1], _pair(module.stride)[0]  # type: ignore[arg-type]
        if stride == 1 or output.shape[-1] == 1:
            return
        window = _pair(module.kernel_size)[0]  # type: ignore[arg-type]
        spread = _pair(getattr(module, "dilation", 1))[0] * (window - 1)
        padding = getattr(module, "padding", 0)
        same = "Same" in type(module).__name__  # timm's padding of TensorFlow, computed from the input's side
        needed = max((-(-side // stride) - 1) * stride + spread + 1 - side, 0)
        left = needed // 2 if same or isinstance(padding, str) else _pair(padding)[0]
        shifts[side] = max(shifts.get(side, (0, 0.0, 0)), (window, spread / 2 - left, stride))

    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, STRIDED)]
    try:
        first = next(network.parameters())
        with torch.no_grad(), evaluating(network):
            last = maps(torch.zeros(1, 3, SIDE, SIDE, device=first.device, dtype=float_type(network)))
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(last, Tensor) or last.ndim != 4 or SIDE % last.shape[-1]:
        raise ValueError(
            "The network gives no feature maps of a whole stride, whose places local features would stand for: take a "
            "convolutional one, such as timm's ResNets and EfficientNets."
        )
    offset, stride = 0.0, 1
    for side in sorted(shifts, reverse=True):
        if side > last.shape[-1]:
            offset += shifts[side][1] * stride
            stride *= shifts[side][2]
    return Centres(SIDE // last.shape[-1], offset)

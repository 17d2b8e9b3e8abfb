"""Run a network without side effects on it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

PARALLEL = nn.DataParallel, nn.parallel.DistributedDataParallel


def plain(network: nn.Module) -> nn.Module:
    """Unwrap ``torch.compile``, DataParallel and DistributedDataParallel, so that hooks on the layers run.

    Compiled code runs only the hooks that it was compiled with.

    Raises:
        ValueError: TorchScript, which runs no Python hooks at all.
    """
    while isinstance(network, PARALLEL) or hasattr(network, "_orig_mod"):
        network = network.get_submodule("module" if isinstance(network, PARALLEL) else "_orig_mod")
    if isinstance(network, torch.jit.ScriptModule):
        raise ValueError(
            "The layers of a TorchScript network cannot be listened to: give the network before torch.jit.script or "
            "torch.jit.trace."
        )
    if (
        getattr(network, "_compiled_call_impl", None) is not None
    ):  # compiled in place by network.compile(); a copy drops that
        network = copy.copy(network)
    return network


@contextmanager
def evaluating(network: Callable[[Tensor], Tensor]) -> Generator[None]:
    """Set every training module to evaluation mode, and back on exit. Modules that already evaluate are not touched, so
    several threads may share them."""
    training = [module for module in network.modules() if module.training] if isinstance(network, nn.Module) else []
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def float_type(network: Callable[[Tensor], Tensor]) -> torch.dtype:
    """The float type of the network's parameters; float32 if it has none."""
    parameters = network.parameters() if isinstance(network, nn.Module) else ()
    return next((p.dtype for p in parameters if p.is_floating_point()), torch.float32)


def check_logits(logits: object, n: int) -> Tensor:
    """Return the network's output, or raise if it is not one row of class scores per image."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != n:
        returned = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The network should return class scores (N, C), here ({n}, C); it returned {returned}.")
    return logits


class NormalizedModel(nn.Module):
    """A network that takes images *before* normalisation: uint8, or float in [0, 1].

    $$f(x) = \\mathrm{network}\\big((x - \\mu) / \\sigma\\big)$$

    Attacks, occlusions and corruptions are defined on pixels, but a network is trained on normalised values; this
    module converts between them. Differentiable; the network itself is not copied.

    Args:
        network: from normalised images (N, 3, H, W) to logits (N, C).
        mean, std: the data set's, per channel.
    """

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.training = network.training
        self.mean, self.std = (torch.tensor(tuple(map(float, values))).view(1, 3, 1, 1) for values in (mean, std))

    def normalised(self, images: Tensor) -> Tensor:
        """Return the network's input: float images in its own precision, minus the mean, divided by the standard
        deviation. On a CPU the channels lie last in memory."""
        images = images / 255 if images.dtype == torch.uint8 else images
        images = ((images - self.mean.to(images)) / self.std.to(images)).to(float_type(self.network))
        # Depthwise convolutions take a fifth to a half less time on a CPU; in float32 on a GPU they gain nothing.
        return images.contiguous(memory_format=torch.channels_last) if images.device.type == "cpu" else images

    def forward(self, images: Tensor) -> Tensor:
        return check_logits(self.network(self.normalised(images)), len(images)).float()


class ResizedModel(nn.Module):
    """A network that takes images of any size: they are resized to the size that it was trained for. Differentiable.

    Args:
        network: from float images (N, 3, side, side) to logits (N, C).
        side: in pixels.
    """

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network, self.side = network, side
        self.training = network.training

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != (self.side, self.side):
            size = (self.side, self.side)
            images = nn.functional.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        return self.network(images)

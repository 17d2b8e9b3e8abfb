"""Class activation maps: where a network finds its evidence for a class."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mixviz.networks.asking import check_logits, evaluating, float_type


class Explanation(NamedTuple):
    """What :func:`explain` gives: ``maps`` (N, h, w), or (N, K, h, w) for K classes, and ``logits`` (N, C)."""

    maps: Tensor
    logits: Tensor


def grad_cam(network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None) -> Tensor:
    """Grad-CAM: the feature maps of one layer, weighed by how much the class's score wants more of each.

    $$M = \\mathrm{ReLU}\\Big(\\sum_k \\alpha_k A_k\\Big) \\qquad
      \\alpha_k = \\frac{1}{hw} \\sum_{y, x} \\frac{\\partial s}{\\partial A_k(y, x)}$$

    $A$ is the layer's output and $s$ the score (logit) of the class. In a network that ends in global average pooling
    and one linear layer, Grad-CAM of the last feature map is CAM (Zhou et al., CVPR 2016), but for a constant factor
    and the ReLU.

    The network is asked in evaluation mode, and is afterwards as before: parameters, their ``.grad`` and
    ``requires_grad``, statistics, training flags and hooks. Only what follows the layer is differentiated, so that K
    classes cost little more than one. It works under ``torch.no_grad`` and ``torch.inference_mode``, and several
    threads may ask one evaluating network.

    Args:
        network: from ``inputs`` to class scores (N, C).
        inputs: (N, 3, H, W), normalised as in training.
        classes: (N,) the class to explain in each image, or (N, K) several; None: the one that it predicts.
        layer: dotted name of a module that returns feature maps (N, C, h, w), e.g. ``"layer4"``; None:
            :func:`last_layer`. Earlier layers are finer and know less about classes.

    Returns:
        (N, h, w), or (N, K, h, w) where ``classes`` is (N, K): not negative, at the layer's own size, not scaled.
        :func:`mixviz.localization.heat` brings them to the image's size and to [0, 1].

    Raises:
        ValueError: no such layer, or one that gives no feature maps, or that the score does not depend on.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization", ICCV 2017, arXiv:1610.02391.
    """
    return explain(network, inputs, classes, layer).maps


def explain(network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None) -> Explanation:
    """:func:`grad_cam` together with the logits of the same forward pass."""
    with _asked(network, inputs, layer) as (logits, features, layer):
        wanted = _wanted(logits, classes)
        maps = [_map(_slope(logits, features, column, layer), features) for column in wanted.unbind(1)]
    several = classes is not None and classes.ndim == 2
    return Explanation(torch.stack(maps, 1) if several else maps[0], logits.detach())


class Evidence(NamedTuple):
    """What :func:`evidence` gives, for N images and K classes of each: ``features`` (N, C, h, w), ``slopes``
    (N, K, C, h, w) or None, ``logits`` (N, number of classes) and ``classes`` (N, K)."""

    features: Tensor
    slopes: Tensor | None
    logits: Tensor
    classes: Tensor


def evidence(
    network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None, *, slopes: bool = True
) -> Evidence:
    """What heat maps are made of: a layer's feature maps, and how much each class's score wants more of each pixel.

    Asked as :func:`grad_cam` asks, which see for the arguments and errors.

    Args:
        slopes: False leaves the gradients out, which some maps do without.
    """
    with _asked(network, inputs, layer) as (logits, features, layer):
        wanted = _wanted(logits, classes)
        found = [_slope(logits, features, column, layer) for column in wanted.unbind(1)] if slopes else None
    return Evidence(features.detach(), torch.stack(found, 1) if slopes else None, logits.detach(), wanted)


@contextmanager
def _asked(network: nn.Module, inputs: Tensor, layer: str | None) -> Iterator[tuple[Tensor, Tensor, str]]:
    """One forward pass: the logits, the layer's features, from which they can be differentiated, and its name."""
    layer = last_layer(network, tuple(inputs.shape[-2:])) if layer is None else layer
    with torch.inference_mode(False), torch.no_grad():  # nothing made in inference mode can be differentiated
        inputs = inputs.clone() if inputs.is_inference() else inputs.detach()
        inputs = inputs.to(float_type(network))
        with evaluating(network), _features(_module(network, layer), layer) as kept:
            logits = check_logits(network(inputs), len(inputs))  # differentiable from the layer on
        if not kept:
            raise ValueError(f"The network did not use its layer {layer!r} for these inputs: name another.")
        yield logits, kept[0], layer


def _wanted(logits: Tensor, classes: Tensor | None) -> Tensor:
    """The classes to explain (N, K): the given ones, or the predicted one of each image."""
    classes = logits.detach().argmax(1) if classes is None else classes.to(logits.device, torch.int64, copy=True)
    return classes.view(len(logits), -1)


def _slope(logits: Tensor, features: Tensor, classes: Tensor, layer: str) -> Tensor:
    """How much the score of one class per image (N,) wants more of each feature (N, C, h, w)."""
    if not logits.requires_grad:
        raise ValueError(f"The class scores do not depend on layer {layer!r}: name one on the way to the head.")
    with torch.enable_grad():
        score = logits.gather(1, classes[:, None]).sum()
        return torch.autograd.grad(score, features, retain_graph=True)[0]


def _map(slope: Tensor, features: Tensor) -> Tensor:
    """The map (N, h, w) of one class per image."""
    return torch.einsum("nc,nchw->nhw", slope.mean((2, 3)), features.detach()).relu_()


@contextmanager
def _features(module: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Within this context, the module's output is the start of the graph; it is put into the list.

    Gradients are switched on by the hook and not before, so that nothing is kept of the layers below. Another
    thread's forward pass through the same module goes by untouched.
    """
    kept: list[Tensor] = []
    asking = threading.get_ident()

    def start(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        if threading.get_ident() != asking:
            return None
        if not isinstance(output, Tensor) or output.ndim != 4:
            what = tuple(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
            raise ValueError(f"Layer {layer!r} should give feature maps (N, C, h, w); it gives {what}.")
        torch.set_grad_enabled(True)  # until the surrounding no_grad ends
        kept[:] = [output.detach().clone().requires_grad_()]
        return kept[0].clone()  # a leaf must not be changed in place, as ReLU(inplace=True) would

    handle = module.register_forward_hook(start)
    try:
        yield kept
    finally:
        handle.remove()
        torch.set_grad_enabled(False)


def _module(network: nn.Module, layer: str) -> nn.Module:
    try:
        return network.get_submodule(layer)
    except AttributeError:
        names = ", ".join(name for name, _ in network.named_children())
        raise ValueError(f"The network has no layer {layer!r}. Its parts are: {names}.") from None


def feature_layers(network: nn.Module, size: tuple[int, int] = (64, 64)) -> dict[str, tuple[int, int, int]]:
    """The layers of a convolutional network that give feature maps, one per resolution, from early to late.

    Args:
        network: from normalised images to class scores.
        size: (H, W) of the images; a network that is shown smaller ones has smaller maps.

    Returns:
        Dotted module name -> (C, h, w) of its output, for the last module at each resolution: of timm's ResNet-18
        ``act1``, ``layer1``, … ``layer4``. Maps of a single pixel are left out, because they show no place; a
        transformer of tokens has none.
    """
    found: dict[tuple[int, int], tuple[str, tuple[int, int, int]]] = {}
    asking = threading.get_ident()

    def note(name: str):
        def hook(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
            if threading.get_ident() != asking or not isinstance(output, Tensor):
                return
            if output.ndim == 3:  # tokens: what attends to all places has left the maps before it behind
                found.clear()
            if output.ndim != 4:
                return
            (height, width), (h, w) = size, output.shape[2:]
            # A map of places is as wide to high as the picture; tokens, and channels that come last, are not.
            if h * w > 1 and h <= height and w <= width and abs(h * width - w * height) < max(height, width):
                found.pop(tuple(output.shape[2:]), None)  # the last one counts, and comes last
                found[tuple(output.shape[2:])] = name, tuple(output.shape[1:])

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    try:
        with torch.no_grad(), evaluating(network):
            first = next(network.parameters(), torch.empty(0))
            network(torch.zeros(1, 3, *size, device=first.device, dtype=float_type(network)))
    finally:
        for handle in handles:
            handle.remove()
    return dict(found.values())


def last_layer(network: nn.Module, size: tuple[int, int] = (64, 64), earlier: int = 0) -> str:
    """The dotted name of the network's last feature map, or of one that many resolutions ``earlier``.

    ResNet-18 at 64 px ends in 2 x 2 pixels, too few to point at anything; ``earlier=1`` takes the 4 x 4 before it.

    Raises:
        ValueError: the network has no such feature map.
    """
    layers = feature_layers(network, size)
    if not 0 <= earlier < len(layers):
        have = ", ".join(f"{name} {h}x{w}" for name, (_, h, w) in layers.items()) or "none"
        raise ValueError(
            f"The network has no feature map {earlier} resolutions before the last at {size[0]}x{size[1]} pixels. It "
            f"has: {have}. Name a layer that gives (N, C, h, w)."
        )
    return list(layers)[-1 - earlier]


def heat_layer(network: nn.Module, size: tuple[int, int], smallest: int = 7) -> str:
    """The deepest layer whose map still has ``smallest`` pixels along each side, else the finest of all: where heat
    maps of small pictures are worth a look."""
    layers = feature_layers(network, size)
    fine = [name for name, (_, height, width) in layers.items() if min(height, width) >= smallest]
    return fine[-1] if fine else last_layer(network, size, earlier=max(len(layers) - 1, 0))

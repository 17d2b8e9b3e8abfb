"""Class activation maps: where a network finds its evidence for a class."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mixviz.core import feature_grids
from mixviz.core.feature_grids import Grid
from mixviz.core.inference import check_logits, evaluating, float_type, plain


class Explanation(NamedTuple):
    """Result of :func:`explain`: ``maps`` (N, h, w), or (N, K, h, w) for K classes, and ``logits`` (N, C)."""

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
        layer: dotted name of a module that holds the places of a picture, e.g. ``"layer4"``: feature maps
            (N, C, h, w), channels last (N, h, w, C) or tokens (N, T, C), see :func:`feature_layers`; None:
            :func:`last_layer`. Earlier layers are finer and know less about classes.

    Returns:
        (N, h, w), or (N, K, h, w) where ``classes`` is (N, K): not negative, at the layer's own size, not scaled.
        :func:`mixviz.cam.localization.heat` brings them to the image's size and to [0, 1].

    Raises:
        ValueError: no such layer, or one that holds no places, or that the score does not depend on; TorchScript.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization", ICCV 2017, arXiv:1610.02391.
    """
    return explain(network, inputs, classes, layer).maps


def explain(network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None) -> Explanation:
    """:func:`grad_cam` together with the logits of the same forward pass."""
    with _asked(network, inputs, layer) as (logits, output, grid, layer):
        wanted, features = _wanted(logits, classes), grid.fold(output)
        maps = [_map(grid.fold(_slope(logits, output, column, layer)), features) for column in wanted.unbind(1)]
    several = classes is not None and classes.ndim == 2
    return Explanation(torch.stack(maps, 1) if several else maps[0], logits.detach())


class Evidence(NamedTuple):
    """What :func:`evidence` gives, for N images and K classes of each: ``features`` (N, C, h, w), ``slopes``
    (N, K, C, h, w) or None, ``logits`` (N, number of classes), ``classes`` (N, K), and the ``grid`` by which the
    features were folded from the layer's output."""

    features: Tensor
    slopes: Tensor | None
    logits: Tensor
    classes: Tensor
    grid: Grid


def evidence(
    network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None, *, slopes: bool = True
) -> Evidence:
    """Return the material of heat maps: a layer's feature maps and the gradient of each class score with respect to
    them.

    Asked as :func:`grad_cam` asks, which see for the arguments and errors.

    Args:
        slopes: False leaves the gradients out, which some maps do without.
    """
    with _asked(network, inputs, layer) as (logits, output, grid, layer):
        wanted = _wanted(logits, classes)
        found = [grid.fold(_slope(logits, output, one, layer)) for one in wanted.unbind(1)] if slopes else None
    features = grid.fold(output.detach())
    return Evidence(features, torch.stack(found, 1) if slopes else None, logits.detach(), wanted, grid)


@contextmanager
def _asked(network: nn.Module, inputs: Tensor, layer: str | None) -> Iterator[tuple[Tensor, Tensor, Grid, str]]:
    """One forward pass: the logits, the layer's output, from which they can be differentiated, how it holds places,
    and the layer's name."""
    network = plain(network)
    layer = last_layer(network, tuple(inputs.shape[-2:])) if layer is None else layer
    with torch.inference_mode(False), torch.no_grad():  # nothing made in inference mode can be differentiated
        inputs = inputs.clone() if inputs.is_inference() else inputs.detach()
        inputs = inputs.to(float_type(network))
        with evaluating(network), _output(_module(network, layer), layer) as kept:
            logits = check_logits(network(inputs), len(inputs))  # differentiable from the layer on
        if not kept:
            raise ValueError(
                f"The network did not use its layer {layer!r} for these inputs, or runs it compiled: name another, or "
                "give the network before torch.compile."
            )
        shape = tuple(kept[0].shape)
        grid = (
            feature_grids.of_layer(network, layer, shape, tuple(inputs.shape[1:]))
            if len(kept[0]) == len(inputs)
            else None
        )
        if grid is None:
            raise _no_places(layer, str(shape))
        yield logits, kept[0], grid, layer


def _no_places(layer: str, what: str) -> ValueError:
    return ValueError(
        f"Layer {layer!r} should give feature maps (N, C, h, w), channels last (N, h, w, C) or tokens (N, T, C), row "
        f"by row; it gives {what}, and these do not follow the places of a picture. Name another layer, or none for "
        "the last one that does."
    )


def _wanted(logits: Tensor, classes: Tensor | None) -> Tensor:
    """The classes to explain (N, K): the given ones, or the predicted one of each image."""
    classes = logits.detach().argmax(1) if classes is None else classes.to(logits.device, torch.int64, copy=True)
    return classes.view(len(logits), -1)


def _slope(logits: Tensor, output: Tensor, classes: Tensor, layer: str) -> Tensor:
    """Gradient of the score of one class per image (N,) with respect to the layer's output (N, ...)."""
    if not logits.requires_grad:
        raise ValueError(f"The class scores do not depend on layer {layer!r}: name one on the way to the head.")
    with torch.enable_grad():
        score = logits.gather(1, classes[:, None]).sum()
        return torch.autograd.grad(score, output, retain_graph=True)[0]


def _map(slope: Tensor, features: Tensor) -> Tensor:
    """The map (N, h, w) of one class per image."""
    return torch.einsum("nc,nchw->nhw", slope.mean((2, 3)), features.detach()).relu_()


@contextmanager
def _output(module: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Within this context, the module's output is the start of the graph; it is put into the list.

    Gradients are switched on by the hook and not before, so that nothing is kept of the layers below. Another
    thread's forward pass through the same module goes by untouched.
    """
    kept: list[Tensor] = []
    asking = threading.get_ident()

    def start(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        if threading.get_ident() != asking:
            return None
        if not isinstance(output, Tensor):
            raise _no_places(layer, f"a {type(output).__name__}")
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
    """The layers of a network that hold the places of a picture, one per resolution, from early to late.

    Feature maps (N, C, h, w) of convolutions, channels last (N, h, w, C) as in Swin, and tokens (N, T, C) with or
    without class and register tokens are all read as maps. A shape alone can mislead: where a layer is not certainly
    convolutional, the network is shown noise of which one quadrant after another changes, and the output has to change
    in the same quadrants.

    Args:
        network: from normalised images to class scores.
        size: (H, W) of the images; a network that is shown smaller ones has smaller maps.

    Returns:
        Dotted module name -> (C, h, w) of its output, folded to maps, for the last module at each resolution: of timm's
        ResNet-18 ``act1``, ``layer1``, … ``layer4``. Where the score is read from a class token, it is the last module
        whose other tokens the score still depends on: of a vision transformer the first norm of the last block. Maps
        of a single place are left out, because they show none.
    """
    network = plain(network)
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, output: Tensor) -> None:
        shapes.pop(name, None)  # the last call counts, and comes last
        shapes[name] = tuple(output.shape)

    with torch.no_grad(), evaluating(network), feature_grids.listening(network, note):
        network(feature_grids.images_for(network, torch.zeros(1, 3, *size)))
    prefixes = feature_grids.prefix_counts(network)
    may_be = {name: feature_grids.by_shape(shape, size, prefixes) for name, shape in shapes.items() if shape[0] == 1}
    tokens = any(len(shape) == 3 for shape in shapes.values())
    if tokens:  # queries, keys and values are branches side by side, and one of them is not all that the score uses
        may_be = {name: one for name, one in may_be.items() if not isinstance(network.get_submodule(name), nn.Linear)}
    places = _places(network, size, shapes, {name: one for name, one in may_be.items() if one})
    slopes = _slopes(network, size) if any(grid.layout == "tokens" for grid in places.values()) else {}
    channels: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int], tuple[str, tuple[int, int, int]]] = {}
    for name, grid in reversed(places.items()):
        # Of as many channels as the last: a block has more within itself than it passes on.
        own = shapes[name][1 if grid.layout == "maps" else -1]
        same = own == channels.setdefault(grid.size, own)
        if same and (not slopes or (name in slopes and grid.fold(slopes[name]).any())):
            found.setdefault(grid.size, (name, (own, *grid.size)))
    return dict(reversed(found.values()))


def _places(
    network: nn.Module, size: tuple[int, int], shapes: Mapping[str, Sequence[int]], may_be: Mapping[str, list[Grid]]
) -> dict[str, Grid]:
    """The grid of each layer that holds the places of pictures of this size, from early to late."""
    sure = {name for name in may_be if feature_grids.certain(network.get_submodule(name), shapes[name], size)}
    unsure = {name: one for name, one in may_be.items() if name not in sure}
    clear = all(grid.layout == "maps" for one in may_be.values() for grid in one)  # as in all convolutional networks
    changes = None if clear else feature_grids.changes(network, (3, *size), unsure)
    found, smallest = {}, size
    for name, one in may_be.items():
        grid = one[0] if clear or name in sure else changes.best(name)
        # Attention from all places to all places has more rows than the map that it attends to.
        if grid is not None and (name in sure or grid.size <= smallest):
            found[name], smallest = grid, min(smallest, grid.size)
    return found


def _slopes(network: nn.Module, size: tuple[int, int]) -> dict[str, Tensor]:
    """Gradients of the class scores of random noise with respect to each module's output; empty where they are 0, as
    for a head that starts from 0."""
    outputs: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.enable_grad(), evaluating(network):
        noise = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
        with feature_grids.listening(network, outputs.__setitem__):
            logits = network(feature_grids.images_for(network, noise).requires_grad_())
        weights = torch.arange(1, logits.numel() + 1, device=logits.device).view_as(logits)
        outputs = {name: output for name, output in outputs.items() if output.requires_grad}
        slopes = torch.autograd.grad((logits * weights).sum(), list(outputs.values()), allow_unused=True)
    found = {name: slope for name, slope in zip(outputs, slopes, strict=True) if slope is not None and slope.any()}
    return {name: slope for name, slope in found.items() if outputs[name] is not logits}


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
            f"has: {have}. Name a layer that holds places: (N, C, h, w), (N, h, w, C) or (N, tokens, C)."
        )
    return list(layers)[-1 - earlier]


def heat_layer(network: nn.Module, size: tuple[int, int], smallest: int = 7) -> str:
    """The deepest layer whose map still has ``smallest`` pixels along each side, else the finest of all: where heat
    maps of small pictures are worth a look."""
    layers = feature_layers(network, size)
    fine = [name for name, (_, height, width) in layers.items() if min(height, width) >= smallest]
    return fine[-1] if fine else last_layer(network, size, earlier=max(len(layers) - 1, 0))

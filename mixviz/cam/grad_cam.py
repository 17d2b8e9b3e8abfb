"""Class activation maps: the regions of a picture that speak for a class."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mixviz.core import feature_grids
from mixviz.core.feature_grids import Grid
from mixviz.core.feature_mixing import stages
from mixviz.core.head import Pooling
from mixviz.core.inference import check_logits, evaluating, float_type, plain

ACTIVATIONS = ("torch.nn.modules.activation", "timm.layers.activations")  # where their classes are defined
COARSEST = 4  # pixels along a side of a heat map; fewer locate nothing


class Explanation(NamedTuple):
    """Result of :func:`explain`: ``maps`` (N, h, w), or (N, K, h, w) for K classes, and ``logits`` (N, C)."""

    maps: Tensor
    logits: Tensor


def grad_cam(network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None) -> Tensor:
    """Grad-CAM: the feature maps of one layer, weighted by the mean gradient of the class score over each.

    $$M = \\mathrm{ReLU}\\Big(\\sum_k \\alpha_k A_k\\Big) \\qquad
      \\alpha_k = \\frac{1}{hw} \\sum_{y, x} \\frac{\\partial s}{\\partial A_k(y, x)}$$

    $A$ is the layer's output and $s$ the score (logit) of the class. In a network that ends in global average pooling
    and one linear layer, Grad-CAM of the last feature map is CAM (Zhou et al., CVPR 2016), up to a constant factor
    and the ReLU.

    The network runs in evaluation mode and is left unchanged: parameters, their ``.grad`` and ``requires_grad``,
    statistics, training flags and hooks. Only the part after the layer is differentiated, so that K classes cost little
    more than one. This works under ``torch.no_grad`` and ``torch.inference_mode``, and several threads may share one
    network in evaluation mode.

    Args:
        network: from ``inputs`` to class scores (N, C).
        inputs: (N, 3, H, W), normalised as in training.
        classes: (N,) one class per image, or (N, K) several; None: the predicted class.
        layer: dotted name of a module whose output has a spatial grid, e.g. ``"layer4"``: feature maps
            (N, C, h, w), channels last (N, h, w, C) or tokens (N, T, C), see :func:`feature_layers`; None:
            :func:`last_layer`. Earlier layers have finer maps and carry less class information.

    Returns:
        (N, h, w), or (N, K, h, w) where ``classes`` is (N, K): not negative, at the layer's own size, not scaled.
        :func:`mixviz.cam.localization.heat` resizes them to the image and scales them to [0, 1].

    Raises:
        ValueError: no such layer, one without a spatial grid, or one that the score does not depend on; TorchScript.

    Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization", ICCV 2017, arXiv:1610.02391.
    """
    return explain(network, inputs, classes, layer).maps


def explain(network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None) -> Explanation:
    """:func:`grad_cam` together with the logits of the same forward pass."""
    with _forward(network, inputs, layer) as (logits, output, grid, layer):
        indices, features = _class_indices(logits, classes), grid.fold(output)
        gradients = (grid.fold(_gradient(logits, output, column, layer)) for column in indices.unbind(1))
        maps = [_weighted_map(gradient, features) for gradient in gradients]
    several = classes is not None and classes.ndim == 2
    return Explanation(torch.stack(maps, 1) if several else maps[0], logits.detach())


class Evidence(NamedTuple):
    """Result of :func:`evidence`, for N images and K classes of each: ``features`` (N, C, h, w), their gradients
    ``slopes`` (N, K, C, h, w) or None, ``logits`` (N, number of classes), ``classes`` (N, K), and the ``grid`` by which
    the features were folded from the layer's output."""

    features: Tensor
    slopes: Tensor | None
    logits: Tensor
    classes: Tensor
    grid: Grid


def evidence(
    network: nn.Module, inputs: Tensor, classes: Tensor | None = None, layer: str | None = None, *, slopes: bool = True
) -> Evidence:
    """Return a layer's feature maps and the gradient of each class score with respect to them.

    See :func:`grad_cam` for the other arguments, and for errors.

    Args:
        slopes: False leaves the gradients out, for maps that need none.
    """
    with _forward(network, inputs, layer) as (logits, output, grid, layer):
        indices, gradients = _class_indices(logits, classes), None
        if slopes:
            gradients = torch.stack(
                [grid.fold(_gradient(logits, output, column, layer)) for column in indices.unbind(1)], 1
            )
    return Evidence(grid.fold(output.detach()), gradients, logits.detach(), indices, grid)


@contextmanager
def _forward(network: nn.Module, inputs: Tensor, layer: str | None) -> Iterator[tuple[Tensor, Tensor, Grid, str]]:
    """Run one forward pass: the logits, the layer's output as the start of their graph, its grid, and its name."""
    network = plain(network)
    layer = last_layer(network, image_size(inputs)) if layer is None else layer
    with torch.inference_mode(False), torch.no_grad():  # tensors made in inference mode cannot be differentiated
        inputs = inputs.clone() if inputs.is_inference() else inputs.detach()
        inputs = inputs.to(float_type(network))
        with evaluating(network), _graph_from(_module(network, layer), layer) as outputs:
            logits = check_logits(network(inputs), len(inputs))  # differentiable from the layer on
        if not outputs:
            raise ValueError(
                f"The network did not use its layer {layer!r} for these inputs, or runs it compiled: name another, or "
                "give the network before torch.compile."
            )
        output = outputs[0]
        shape, grid = tuple(output.shape), None
        if len(output) == len(inputs):
            grid = feature_grids.of_layer(network, layer, shape, tuple(inputs.shape[1:]))
        if grid is None:
            raise _no_grid(layer, str(shape))
        yield logits, output, grid, layer


def image_size(images: Tensor) -> tuple[int, int]:
    """(H, W) of images (..., H, W)."""
    height, width = images.shape[-2:]
    return height, width


def _no_grid(layer: str, output: str) -> ValueError:
    return ValueError(
        f"Layer {layer!r} should give feature maps (N, C, h, w), channels last (N, h, w, C) or tokens (N, T, C), row "
        f"by row; it gives {output}, and these do not follow the places of a picture. Name another layer, or none for "
        "the last one that does."
    )


def _class_indices(logits: Tensor, classes: Tensor | None) -> Tensor:
    """Classes to explain (N, K): the given ones, or the predicted one of each image."""
    classes = logits.detach().argmax(1) if classes is None else classes.to(logits.device, torch.int64, copy=True)
    return classes.view(len(logits), -1)


def _gradient(logits: Tensor, output: Tensor, classes: Tensor, layer: str) -> Tensor:
    """Gradient of the score of one class per image (N,) with respect to the layer's output (N, ...)."""
    if not logits.requires_grad:
        raise ValueError(f"The class scores do not depend on layer {layer!r}: name one on the way to the head.")
    with torch.enable_grad():
        score = logits.gather(1, classes[:, None]).sum()
        return torch.autograd.grad(score, output, retain_graph=True)[0]


def _weighted_map(gradient: Tensor, features: Tensor) -> Tensor:
    """Grad-CAM map (N, h, w) of one class per image."""
    return torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), features.detach()).relu_()


@contextmanager
def _graph_from(module: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Start the graph at the module's output within this context; the hook puts the output into the list.

    Gradients are switched on by the hook and not before, so that no activations of earlier layers are stored. Forward
    passes of other threads through the same module are not changed.
    """
    outputs: list[Tensor] = []
    thread = threading.get_ident()

    def start(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        if threading.get_ident() != thread:
            return None
        if not isinstance(output, Tensor):
            raise _no_grid(layer, f"a {type(output).__name__}")
        torch.set_grad_enabled(True)  # until the surrounding no_grad ends
        outputs[:] = [output.detach().clone().requires_grad_()]
        return outputs[0].clone()  # a leaf must not be changed in place, as ReLU(inplace=True) would

    handle = module.register_forward_hook(start)
    try:
        yield outputs
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
    """List the layers of a network that have a spatial grid, one per resolution, from early to late.

    Feature maps (N, C, h, w) of convolutions, channels last (N, h, w, C) as in Swin, and tokens (N, T, C) with or
    without class and register tokens are all read as maps. A shape alone can mislead: where a layer is not certainly
    convolutional, the network gets noise in which one quadrant after another changes, and the output has to change in
    the same quadrants.

    Args:
        network: from normalised images to class scores.
        size: (H, W) of the images; smaller images have smaller maps.

    Returns:
        Dotted module name -> (C, h, w) of its output, folded to maps, for the last module at each resolution: of timm's
        ResNet-18 ``act1``, ``layer1``, … ``layer4``. In a network that ends in an activation it is the last activated
        module: where a block ends in a linear bottleneck, as in EfficientNet, the features of a class are not yet
        apart. Where the score is read from a class token, it is the last module whose other tokens the score still
        depends on: in a vision transformer the first norm of the last block. Maps of a single pixel are left out,
        because they locate nothing, and those within a head, such as the scores of an attention, are no features.
    """
    network = plain(network)
    of_heads = {part for module in network.modules() if isinstance(module, Pooling) for part in module.modules()}
    shapes: dict[str, tuple[int, ...]] = {}
    activated: dict[str, bool] = {}  # whether the last leaf that ran within each module is an activation
    leaf_activates = False

    def note(name: str, output: Tensor) -> None:
        nonlocal leaf_activates
        module = network.get_submodule(name)
        if module in of_heads:
            return
        if next(module.children(), None) is None:
            leaf_activates = type(module).__module__.startswith(ACTIVATIONS)
        activated[name] = leaf_activates
        shapes.pop(name, None)  # of a module that runs twice, the last call counts
        shapes[name] = tuple(output.shape)

    with torch.no_grad(), evaluating(network), feature_grids.listening(network, note):
        network(feature_grids.images_for(network, torch.zeros(1, 3, *size)))
    prefixes = feature_grids.prefix_counts(network)
    candidates = {
        name: feature_grids.by_shape(shape, size, prefixes) for name, shape in shapes.items() if shape[0] == 1
    }
    tokens = any(len(shape) == 3 for shape in shapes.values())
    if tokens:  # queries, keys and values are parallel branches, and the score depends on more than one of them
        candidates = {
            name: grids for name, grids in candidates.items() if not isinstance(network.get_submodule(name), nn.Linear)
        }
    grids = _layer_grids(network, size, shapes, {name: options for name, options in candidates.items() if options})
    gradients = _noise_gradients(network, size) if any(grid.layout == "tokens" for grid in grids.values()) else {}
    last_channels: dict[tuple[int, int], int] = {}
    layers: dict[tuple[int, int], tuple[str, tuple[int, int, int]]] = {}
    reliable = [name for name in grids if activated[name]]
    if not any(activated[name] for name in list(grids)[-1:]):  # a network without activations at its end
        reliable = list(grids)
    for name in reversed(reliable):
        grid = grids[name]
        # Only layers with as many channels as the last: a block has more channels inside than in its output.
        channels = shapes[name][1 if grid.layout == "maps" else -1]
        same = channels == last_channels.setdefault(grid.size, channels)
        if same and (not gradients or (name in gradients and grid.fold(gradients[name]).any())):
            layers.setdefault(grid.size, (name, (channels, *grid.size)))
    return dict(reversed(layers.values()))


def _layer_grids(
    network: nn.Module, size: tuple[int, int], shapes: Mapping[str, Sequence[int]],
    candidates: Mapping[str, list[Grid]],
) -> dict[str, Grid]:  # fmt: skip
    """The grid of each layer that has one for pictures of this size, from early to late."""
    certain = {name for name in candidates if feature_grids.certain(network.get_submodule(name), shapes[name], size)}
    changes = None
    if any(grid.layout != "maps" for grids in candidates.values() for grid in grids):  # not a convolutional network
        uncertain = {name: grids for name, grids in candidates.items() if name not in certain}
        changes = feature_grids.changes(network, (3, *size), uncertain)
    layer_grids, smallest = {}, size
    for name, grids in candidates.items():
        grid = grids[0] if changes is None or name in certain else changes.best(name)
        # An attention matrix has more rows than the map that it attends to.
        if grid is not None and (name in certain or grid.size <= smallest):
            layer_grids[name], smallest = grid, min(smallest, grid.size)
    return layer_grids


def _noise_gradients(network: nn.Module, size: tuple[int, int]) -> dict[str, Tensor]:
    """Gradients of the class scores of random noise with respect to each module's output, where they are not 0. Empty
    for a head whose weights are 0."""
    outputs: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.enable_grad(), evaluating(network):
        noise = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
        with feature_grids.listening(network, outputs.__setitem__):
            logits = network(feature_grids.images_for(network, noise).requires_grad_())
        weights = torch.arange(1, logits.numel() + 1, device=logits.device).view_as(logits)
        outputs = {name: output for name, output in outputs.items() if output.requires_grad}
        gradients = torch.autograd.grad((logits * weights).sum(), list(outputs.values()), allow_unused=True)
    return {
        name: gradient
        for (name, output), gradient in zip(outputs.items(), gradients, strict=True)
        if gradient is not None and gradient.any() and output is not logits
    }


def last_layer(network: nn.Module, size: tuple[int, int] = (64, 64), earlier: int = 0) -> str:
    """Return the dotted name of the network's last feature map, or of the one ``earlier`` resolutions before it.

    ResNet-18 at 64 px ends in 2 x 2 pixels, too few to locate an object; ``earlier=1`` takes the 4 x 4 before it.

    Raises:
        ValueError: the network has no such feature map.
    """
    layers = feature_layers(network, size)
    if not 0 <= earlier < len(layers):
        available = ", ".join(f"{name} {h}x{w}" for name, (_, h, w) in layers.items()) or "none"
        raise ValueError(
            f"The network has no feature map {earlier} resolutions before the last at {size[0]}x{size[1]} pixels. It "
            f"has: {available}. Name a layer that holds places: (N, C, h, w), (N, h, w, C) or (N, tokens, C)."
        )
    return list(layers)[-1 - earlier]


def heat_layer(network: nn.Module, size: tuple[int, int], smallest: int = 7) -> str:
    """Return the layer for heat maps: the deepest stage whose map has at least ``smallest`` pixels along each side.

    Where one stage alone ends in an activation, because the others end in a linear bottleneck (EfficientNet) or in a
    sum before its activation, 4 pixels do: finer maps are those inside a block, such as ``blocks.5.0.bn1``, and
    Grad-CAM's mean gradient tells little there. If no stage has a map of that size, it is the deepest layer of any
    kind that has, else the finest.
    """
    layers = feature_layers(network, size)
    last, of_stages = last_layer(network, size), set(stages(network))
    outputs = [name for name in layers if name == last or network.get_submodule(name) in of_stages]
    least = smallest if len(outputs) > 1 else min(smallest, COARSEST)
    fine = {name for name, (_, height, width) in layers.items() if min(height, width) >= least}
    for names in (outputs, list(layers)):
        if found := [name for name in names if name in fine]:
            return found[-1]
    return next(iter(layers))

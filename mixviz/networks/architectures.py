"""Networks by timm's names, with a stem for small pictures, and with finer maps."""

from __future__ import annotations

import copy
import difflib
import math
from typing import Any

import torch
from torch import nn
from torch.nn.modules.utils import _pair

from mixviz.core import feature_mixing
from mixviz.core.head import Embedding, Head
from mixviz.core.inference import evaluating, float_type
from mixviz.core.registry import construct
from mixviz.heads import HEADS
from mixviz.networks.trunk import leading

STEMS = ("auto", "small", "strided", "standard")
SPATIAL = nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d


def build(
    name: str, num_classes: int, *, stem: str = "standard", width: float = 1.0, keep_stages: int = 0, head: str = "",
    dimensions: int = 0, whiten: int = 0, scores: bool = True,
) -> nn.Module:  # fmt: skip
    """Build a network (N, 3, H, W) -> (N, num_classes), with fresh weights from torch's random state.

    Args:
        name: any of timm's networks, e.g. ``resnet18``.
        stem: ``standard``: as timm has it. ``small``: a 3x3 convolution without stride or max-pooling, as the papers
            use for 32 and 64 px. ``strided``: the same with stride 2, four times as fast. ResNets alone.
        width: channels as a share of the network's own, e.g. 0.5. ResNets alone.
        keep_stages: so many of the lowest stages (:func:`mixviz.core.feature_mixing.stages`), without what follows;
            0: all.
        head: an entry of ``mixviz.HEADS`` that pools the last maps, e.g. ``gem`` or ``gem:p=4``; empty: timm's own.
        dimensions: D that a linear layer behind the pooling makes; 0: no such layer.
        whiten: dimensions to keep of the pooled vectors by whitening; 0: no whitening.
        scores: end in class scores; False: in the embedding (N, D).

    Raises:
        ValueError: no such network (with the nearest names), or a stem, width, stage or head that it cannot have.
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
    if keep_stages:
        _shorten(network, name, keep_stages)
    if keep_stages or head or dimensions or whiten or not scores:
        head_of = construct(HEADS, head or "average")
        _replace_head(network, name, head_of, dimensions, whiten, num_classes if scores else 0)
    return network


def _shorten(network: nn.Module, name: str, count: int) -> None:
    """Replace in place what comes between a network's stage ``count`` and its pooling by identities."""
    there = len(feature_mixing.stages(network))
    if count > there:
        raise ValueError(f"--keep-stages {count}: {name} has {there} stages.")
    kept = leading(network, count)
    gone: tuple[str, ...] = ()
    for key in [name for name, _ in network.named_modules() if name]:
        if key == "global_pool":
            break
        inside = any(f"{key}.".startswith(f"{one}.") for one in (*kept, *gone))
        if not inside and not any(one.startswith(f"{key}.") for one in kept):
            network.set_submodule(key, nn.Identity())
            gone = (*gone, key)
    with torch.no_grad(), evaluating(network):
        maps = getattr(network, "forward_features")(torch.zeros(1, 3, 64, 64))  # noqa: B009  timm's
    of_timm: Any = network
    of_timm.num_features = of_timm.head_hidden_size = maps.shape[1]


def _replace_head(network: nn.Module, name: str, head: Head, length: int, whiten: int, classes: int) -> None:
    """Replace pooling and classifier in place; without classes the network ends in the pooled vector."""
    from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d

    of_timm: Any = network
    classifier = of_timm.get_classifier()
    place = next((key for key, child in network.named_children() if child is classifier), None)
    channels = getattr(network, "num_features", 0)
    pools = isinstance(getattr(network, "global_pool", None), SelectAdaptivePool2d)
    if place is None or not pools or getattr(network, "head_hidden_size", channels) != channels:
        raise ValueError(
            f"The head of {name} cannot be replaced: that works where a network pools its last maps and ends in one "
            "linear layer, such as timm's ResNets and EfficientNets. Leave out --keep-stages,"
            " --head, --dimensions and --whiten, and train with --objective cross_entropy."
        )
    pooling = head.build(channels)
    if length or whiten:
        pooling = Embedding(pooling, length, whiten)
    of_timm.global_pool = pooling
    setattr(network, place, nn.Linear(pooling.dimensions, classes) if classes else nn.Identity())


def stem_for(name: str, stem: str, side: int) -> str:
    """Resolve ``auto``: the small stem for ResNets up to 64 px, where a standard one would leave 2x2 pixels."""
    if stem != "auto" or side > 64:
        return "standard" if stem == "auto" else stem
    with torch.random.fork_rng(devices=[]):
        return "small" if _can_be_small(build(name, 1)) else "standard"


def _can_be_small(network: nn.Module) -> bool:
    from timm.models.resnet import ResNet

    return isinstance(network, ResNet) and hasattr(network, "maxpool") and isinstance(network.bn1, nn.BatchNorm2d)


def dilated(network: nn.Module, n: int) -> nn.Module:
    """Remove the last ``n`` strides of a network, so that its last maps are 2ⁿ times as fine along each side.

    The convolutions behind a removed stride are dilated, so that each meets the neighbours it was trained with: of maps
    twice as fine, every second row and column is the original map (up to the averages that squeeze-and-excitation
    takes). The scores change a little, because their average runs over more places. Weakly supervised localisation is
    measured with such networks.

    Args:
        network: with its strides in convolutions of odd sides, as timm's ResNets and EfficientNets; it is not changed.
        n: 0 (the network itself), 1 or 2.

    Returns:
        A network with the same names of modules, and the same tensors as weights, in evaluation mode.

    Raises:
        ValueError: another n, or a network whose strides cannot be removed.

    Source: Yu, Koltun, Funkhouser, "Dilated Residual Networks", CVPR 2017, arXiv:1705.09914; Choe, Oh, Lee, Chun,
    Akata, Shim, "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020, arXiv:2001.07437.
    """
    if n not in (0, 1, 2):
        raise ValueError(f"Of a network's strides the last 0, 1 or 2 can be removed; got {n}.")
    if n == 0:
        return network
    tensors = [*network.parameters(), *network.buffers()]
    result = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors}).eval()
    modules, levels = dict(result.named_modules()), _levels(result)
    kept = max((level + _halvings(modules[name]) for name, level in levels.items()), default=0) - n
    for name, level in levels.items():
        module = modules[name]
        if level + _halvings(module) <= kept or (_sides(module) == (1, 1) and not _halvings(module)):
            continue
        if not isinstance(module, nn.Conv2d) or kept > level or not all(side % 2 for side in _sides(module)):
            raise _not_dilated(f"{name} is a {type(module).__name__} with a stride or a window that cannot be spread")
        factor, (dy, dx), padding = 2 ** (level - kept), module.dilation, module.padding
        module.stride, module.dilation = (1, 1), (factor * dy, factor * dx)
        if not isinstance(padding, str):
            module.padding = (factor * int(padding[0]), factor * int(padding[1]))
    if any(level != min(levels[name], kept) for name, level in _levels(result).items()):
        raise _not_dilated("its maps do not become finer by that")
    return result


def _not_dilated(why: str) -> ValueError:
    return ValueError(
        f"This network's last strides cannot be removed: {why}. That works with timm's ResNets and EfficientNets; take "
        "0 (--dilate 0) for this one, and an earlier layer if its maps should be finer."
    )


def _levels(network: nn.Module) -> dict[str, int]:
    """How often the input of each convolution and pooling was halved, by name, in the order in which they run."""
    side, levels = 256, {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, SPATIAL):
            hooks.append(module.register_forward_pre_hook(
                lambda _, inputs, name=name: levels.__setitem__(name, round(math.log2(side / inputs[0].shape[-1])))
            ))  # fmt: skip
    try:
        first = next(network.parameters())
        with torch.no_grad(), evaluating(network):
            network(torch.zeros(1, 3, side, side, device=first.device, dtype=float_type(network)))
    except Exception as error:  # other people's networks fail in their own ways
        raise _not_dilated(f"it takes no pictures of {side} px ({error})") from None
    finally:
        for hook in hooks:
            hook.remove()
    # Squeeze and excitation runs on a single place.
    return {name: level for name, level in levels.items() if 2**level < side}


def _halvings(module: nn.Module) -> int:
    return round(math.log2(max(_pair(module.stride))))


def _sides(module: nn.Module) -> tuple[int, ...]:
    return tuple(_pair(module.kernel_size))

"""Divide a network behind its first stages, which others share, as those fine-tuned from one start with frozen stages.

The zoo's networks differ in their last stage and head alone: an eighth of a forward pass's multiplications.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass

import torch
from torch import nn

from mixviz.core.feature_mixing import stages
from mixviz.core.inference import evaluating

SIDE = 64  # pixels of the picture with which a division is tried


@dataclass(frozen=True, eq=False)
class Split:
    """A network in two parts.

    Attributes:
        trunk: from normalised images to features.
        tail: from features to class scores; its modules have the names that they have in the network.
        names: modules of the trunk, which the tail lacks.
        key: digest of the trunk's structure and weights.
    """

    trunk: nn.Module
    tail: nn.Module
    names: tuple[str, ...]
    key: str

    def runs(self, layer: str) -> bool:
        """Whether the tail has a layer, given by its dotted name."""
        return not any(f"{layer}.".startswith(f"{name}.") for name in self.names)


def split(network: nn.Module, count: int) -> Split | None:
    """Divide a network behind its first ``count`` stages, see :func:`mixviz.core.feature_mixing.stages`.

    Both parts share the network's weights. None where it has fewer stages, where the parts do not follow one another
    (the scores of a random picture would change), or where the tail overwrites the features, which others need too.
    """
    if not 0 < count <= len(stages(network)):
        return None
    names = leading(network, count)
    tensors = [*network.parameters(), *network.buffers()]
    tail = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors}).eval()
    trunk = nn.Sequential(*(tail.get_submodule(name) for name in names))
    for name in names:
        tail.set_submodule(name, nn.Identity())
    picture = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(network):
        try:
            features = trunk(picture)
            before = features.clone()
            if not torch.equal(tail(features), network(picture)) or not torch.equal(features, before):
                return None
        except (RuntimeError, TypeError, ValueError):
            return None
    digest = hashlib.sha256(str(trunk).encode())
    for name, tensor in trunk.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return Split(trunk, tail, names, digest.hexdigest())


def leading(network: nn.Module, count: int) -> tuple[str, ...]:
    """Return the names of the outermost modules, in order, that end with the network's stage ``count``."""
    last, names = stages(network)[count - 1], []
    for name, module in network.named_modules():
        if any(name.startswith(f"{one}.") for one in names):
            continue
        if module is last or all(part is not last for part in module.modules()):
            names.append(name)
        if module is last:
            break
    return tuple(names)

"""Mix inside a network: the stage that a recipe names mixes its output."""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mixviz.core import apply, feature_grids
from mixviz.core.head import Pooling
from mixviz.core.inference import plain
from mixviz.core.recipe import Recipe

TRUNK = 3 / 4  # a block with more than this share of all layers is the trunk, not a stage


def stages(network: nn.Module) -> list[nn.Module]:
    """The network's stages in order: the blocks between its input and its head.

    The last direct child is the head and never a stage, nor is a :class:`mixviz.core.head.Pooling`. A block that holds
    nearly all layers is replaced by its own blocks: VGG's ``features``, a transformer's encoder beside its patch
    embedding, the trunk between a stem and a norm.
    """
    children = [child for child in plain(network).children() if not isinstance(child, Pooling)]
    return _blocks(children[:-1] or children)


def _blocks(modules: list[nn.Module]) -> list[nn.Module]:
    # A block has submodules and parameters: pooling may have submodules, but nothing to learn.
    blocks = [m for m in modules if next(m.children(), None) is not None and next(m.parameters(), None) is not None]
    if not blocks:
        return modules
    layers = [sum(any(True for _ in layer.parameters(recurse=False)) for layer in block.modules()) for block in blocks]
    trunk = max(range(len(blocks)), key=layers.__getitem__)
    return _blocks(list(blocks[trunk].children())) if layers[trunk] > TRUNK * sum(layers) else blocks


class _Mixing:
    """Mixes a stage's output by a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.used = recipe, False

    def __call__(self, module: nn.Module, output: Any) -> Tensor:
        recipe, self.used = self.recipe, True
        if not isinstance(output, Tensor):
            raise ValueError(
                f"Stage {recipe.layer} ({_name(module)}) returns a {type(output).__name__}, which cannot be mixed: "
                "name modules that return one tensor, mix_inside(network, recipe, at=[...])."
            )
        if len(output) != len(recipe):
            raise ValueError(f"The recipe mixes {len(recipe)} images; this forward pass has {len(output)}.")
        if output.ndim != 4 or not feature_grids.channels_last(module, output.shape, recipe.size):
            return apply.sources(recipe, output)
        return apply.sources(recipe, output.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@functools.cache
def _mixing(kind: type[nn.Module]) -> type[nn.Module]:
    """A subclass that mixes the module's output. Created once for each class, because compiled code checks a module's
    class by identity."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Tensor:
        return self._mixing(self, kind.__call__(self, *args, **kwargs))

    return type(kind.__name__, (kind,), {"__call__": __call__})


def _name(module: nn.Module) -> str:
    return type(module).__name__


@contextmanager
def mix_inside(network: nn.Module, recipe: Recipe, at: Sequence[nn.Module] | None = None) -> Generator[None]:
    """Within this context the network mixes the output of stage ``recipe.layer``; layer 0 mixes nothing.

        with mixviz.mix_inside(network, recipe):
            loss = criterion(network(recipe.apply(images)), recipe.targets(labels, num_classes))

    The network may be compiled by ``torch.compile``, which then compiles it once for every stage that mixes. It may be
    wrapped by DistributedDataParallel or Accelerate. With activation checkpointing, run the backward pass within the
    context too, because it runs the stage again.

    Args:
        at: the stages, the first being layer 1; by default :func:`stages` of the network.

    Raises:
        ValueError: the network has no such stage; or on exit, if no forward pass went through it.
    """
    if recipe.layer == 0:
        yield
        return
    candidates = stages(network) if at is None else list(at)
    if recipe.layer > len(candidates):
        raise ValueError(
            f"The recipe mixes after stage {recipe.layer}, and this network has {len(candidates)}: "
            "lower the method's `stages`, or name the modules: mix_inside(network, recipe, at=[...])."
        )
    stage = candidates[recipe.layer - 1]
    if isinstance(stage, torch.jit.ScriptModule) or "_mixing" in stage.__dict__:
        reason = "mixes already" if "_mixing" in stage.__dict__ else "is TorchScript: give the network before torch.jit"
        raise ValueError(f"Stage {recipe.layer} ({_name(stage)}) {reason}.")
    kind, mixing = type(stage), _Mixing(recipe)
    # A subclass instead of a hook, because torch.compile guards on a module's class but not on its hooks.
    # object.__setattr__, because a compiled module forwards attributes to the module that it wraps.
    stage.__dict__["_mixing"] = mixing
    object.__setattr__(stage, "__class__", _mixing(kind))
    try:
        yield
    finally:
        object.__setattr__(stage, "__class__", kind)
        del stage.__dict__["_mixing"]
    if not mixing.used:
        raise ValueError(
            f"Nothing was mixed: within mix_inside no forward pass went through stage {recipe.layer} ({_name(stage)}). "
            "Call the network within it. A copy of the network, an exported one, or one that runs the parts of its "
            "stages by themselves, as with gradient checkpointing, mixes where you name modules that it calls: "
            "mix_inside(network, recipe, at=[...])."
        )

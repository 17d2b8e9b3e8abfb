"""Mixing inside a network: one hook on the stage that a recipe names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from mixviz import blend
from mixviz.recipe import Recipe

TRUNK = 3 / 4  # of all layers, from which a block is the trunk and no stage


def stages(network: nn.Module) -> list[nn.Module]:
    """The network's stages in order: the blocks between its input and its head.

    The last direct child is the head and never a stage. A block that holds nearly all layers is looked into instead:
    VGG's ``features``, a transformer's encoder beside its patch embedding, the trunk between a stem and a norm.
    """
    while hasattr(network, "_orig_mod") or isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        network = network._orig_mod if hasattr(network, "_orig_mod") else network.module
    children = list(network.children())
    return _blocks(children[:-1] or children)


def _blocks(modules: list[nn.Module]) -> list[nn.Module]:
    # A block has parts and weights: pooling may be made of parts, and has nothing to learn.
    blocks = [m for m in modules if next(m.children(), None) is not None and next(m.parameters(), None) is not None]
    if not blocks:
        return modules
    layers = [sum(any(True for _ in part.parameters(recurse=False)) for part in block.modules()) for block in blocks]
    trunk = max(range(len(blocks)), key=layers.__getitem__)
    return _blocks(list(blocks[trunk].children())) if layers[trunk] > TRUNK * sum(layers) else blocks


@contextmanager
def mix_inside(network: nn.Module, recipe: Recipe, at: Sequence[nn.Module] | None = None) -> Iterator[None]:
    """Within this context the network mixes the output of stage ``recipe.layer``; with layer 0, nothing happens.

        with mixviz.mix_inside(network, recipe):
            loss = criterion(network(recipe.apply(images)), recipe.targets(labels, num_classes))

    Args:
        at: the stages, the first being layer 1; by default :func:`stages` of the network.

    Raises:
        ValueError: the network has no such stage.
    """
    if recipe.layer == 0:
        yield
        return
    where = stages(network) if at is None else list(at)
    if recipe.layer > len(where):
        raise ValueError(
            f"The recipe mixes after stage {recipe.layer}, and this network has {len(where)}: "
            "lower the method's `stages`, or name the modules: mix_inside(network, recipe, at=[...])."
        )

    def mix(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor):
            raise ValueError(
                f"Stage {recipe.layer} ({type(module).__name__}) returns a {type(output).__name__}, which cannot be "
                "mixed: name modules that return one tensor, mix_inside(network, recipe, at=[...])."
            )
        if len(output) != len(recipe):
            raise ValueError(f"The recipe mixes {len(recipe)} images; this forward pass has {len(output)}.")
        return blend.sources(recipe, output)

    handle = where[recipe.layer - 1].register_forward_hook(mix)
    try:
        yield
    finally:
        handle.remove()

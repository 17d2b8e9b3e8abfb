"""Metric learning: losses of embeddings, validation by retrieval, and what heads need of the training pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mixviz.core.head import Embedding, Pooling, Whitening
from mixviz.core.objective import LAYERS, Objective, Pairs, SelfTaught, cosine
from mixviz.core.recipe import Recipe
from mixviz.embeddings import measures

PLACES = 2**28  # bytes of feature maps that a head is initialised from


class Loss(NamedTuple):
    """A batch's loss, a scalar, and ``right``: images whose nearest candidate is of their class, a scalar."""

    loss: Tensor
    right: Tensor


def mixes(recipe: Recipe) -> bool:
    """Whether a recipe gives an image a part of another image's label."""
    itself = torch.arange(len(recipe), device=recipe.partner.device)
    return bool(((recipe.partner != itself) & (recipe.share > 0)).any())


def check(objective: Objective, method: str, recipe: Recipe, mined: bool = False) -> None:
    """Check that an objective takes a method's recipe.

    Args:
        method: its title, for the message.
        mined: the relations are mined (``--relations manifold``).

    Raises:
        ValueError: the recipe mixes labels, and the objective cannot take that.
    """
    if not mixes(recipe) or (objective.mixes and not mined):
        return
    if mined or not objective.labels:
        why = "--relations manifold" if mined else objective.card.title
        raise ValueError(
            f"{why} trains without labels, and {method} mixes them: take a method that changes single pictures, such "
            "as randaugment or baseline."
        )
    raise ValueError(
        f"{objective.card.title} compares pictures of one class, and {method} mixes labels: take an objective with "
        "graded relations (contrastive, smooth_ap, quantized_ap), or a method that changes single pictures."
    )


@contextmanager
def embeddings(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the input of the network's classifier, timm's, in every forward pass within the context.

    A hook, because a network that is wrapped for several processes has to be called as a whole.
    """
    collected: list[Tensor] = []
    classifier: nn.Module = getattr(network, "get_classifier")()  # noqa: B009  timm's
    handle = classifier.register_forward_pre_hook(lambda _, inputs: collected.append(inputs[0]))
    try:
        yield collected
    finally:
        handle.remove()


def loss(
    objective: Objective, network: nn.Module, run: Callable[[], list[Tensor]], labels: Tensor, recipe: Recipe,
    close: Tensor | None = None, mined: Pairs | None = None,
) -> Loss:  # fmt: skip
    """Compute an objective's loss of a batch.

    Args:
        network: timm's, whose classifier holds the proxies, if the objective has some.
        run: runs it on the mixed images, and before that on the unmixed ones if labels are mixed; returns the
            embeddings (N, D) of each pass.
        labels: (N,) int64.
        close: see :meth:`mixviz.core.objective.Pairs.of`.
        mined: relations that hold in place of those by class.
    """
    passes = [embedding.float() for embedding in run()]
    anchors, candidates = passes[0], passes[-1]
    pairs = mined or (Pairs.of(labels, close) if len(passes) == 1 else Pairs.of_mixtures(labels, recipe, close))
    classifier = getattr(network, "get_classifier")()  # noqa: B009  timm's
    proxies = classifier.weight if objective.proxies else None
    value = objective.loss(anchors, candidates, pairs, proxies)
    return Loss(value, _right(anchors, candidates, pairs))


@torch.no_grad()
def _right(anchors: Tensor, candidates: Tensor, pairs: Pairs) -> Tensor:
    """Sum over the anchors of how far the nearest candidate that counts is of their class."""
    counted = (pairs.positive + pairs.negative) > 0
    nearest = cosine(anchors, candidates).masked_fill(~counted, -2).argmax(1)
    return pairs.positive.gather(1, nearest[:, None]).sum()


def add_layers(objective: SelfTaught, network: nn.Module) -> None:
    """Add the objective's layers to a network whose head was replaced, for the training alone."""
    network.add_module(LAYERS, objective.layers(_inner(network).dimensions))


def kept(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the tensors of the objective's layers, which end with the training."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{LAYERS}.")}


def both_embeddings(network: nn.Module, run: Callable[[], object]) -> tuple[Tensor, Tensor]:
    """Run a network; return its embeddings (N, D) and the wide ones (N, D') of the objective's layers."""
    pooled: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        pooled.append(output)

    handle = _inner(network).register_forward_hook(keep)
    try:
        with embeddings(network) as collected:
            run()
        return collected[0].float(), network.get_submodule(LAYERS)(pooled[0]).float()
    finally:
        handle.remove()


def taught_loss(objective: SelfTaught, student: tuple[Tensor, Tensor], taught: Tensor, pictures: Tensor) -> Loss:
    """Compute the loss of a batch whose images the teacher relates.

    Args:
        student: its two embeddings, of :func:`both_embeddings`.
        taught: the teacher's wide embeddings (N, D'), without gradient.
        pictures: (N,) which picture each image is a view of.

    Returns:
        The loss, with ``right``: the sum of the similarities that the teacher sees to the student's nearest ones.
    """
    pairs = objective.relations(taught, pictures)
    return Loss(objective.taught_loss(*student, pairs), _right(student[0], student[0], pairs))


def scores(embedding: Tensor, labels: Tensor, close: Tensor | None = None) -> dict[str, float]:
    """Validate an embedding by retrieval: each picture is a query among all others, see
    :func:`mixviz.embeddings.measures.ranking`.

    Returns:
        ``top1`` and ``top5``: percent of the pictures with one of their class among the nearest, or five nearest;
        ``val_loss``: one minus the mean average precision.
    """
    found = measures.ranking(embedding, labels, (1, 5), close)
    return {
        "val_loss": 1 - found.mean_average_precision, "top1": 100 * found.recall[1], "top5": 100 * found.recall[5],
    }  # fmt: skip


def pooling(network: nn.Module) -> nn.Module:
    """Return the pooling of a network whose head was replaced."""
    return getattr(network, "global_pool")  # noqa: B009  timm's


def _inner(network: nn.Module) -> Pooling:
    """Return the pooling itself, without the layers behind it."""
    outer = pooling(network)
    inner = outer.pooling if isinstance(outer, Embedding) else outer
    assert isinstance(inner, Pooling)
    return inner


@torch.no_grad()
def initialise(network: nn.Module, batches: Iterator[Tensor], seed: int) -> None:
    """Initialise the head from feature maps of training pictures.

    Args:
        network: timm's, in evaluation mode.
        batches: normalised images; only as many are taken as :data:`PLACES` allows.
    """
    head = next((part for part in pooling(network).modules() if isinstance(part, Pooling)), None)
    if head is None or type(head).initialise is Pooling.initialise:
        return
    maps, taken = [], 0
    for images in batches:
        maps.append(getattr(network, "forward_features")(images).float())  # noqa: B009  timm's
        taken += maps[-1].nbytes
        if taken > PLACES:
            break
    head.initialise(torch.cat(maps), torch.Generator().manual_seed(seed))


def whitening(network: nn.Module) -> Whitening | None:
    """Return the network's whitening, if it has one."""
    return next((part for part in network.modules() if isinstance(part, Whitening)), None)

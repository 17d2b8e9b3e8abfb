"""What a network makes of pictures before it names them: embeddings, and how well classes stand apart in them.

scikit-learn is imported where it is used, so that ``import mixviz`` does without. All measures are computed on the CPU
in float64, whatever is handed in.
"""

from __future__ import annotations

import threading
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.networks.asking import check_logits, evaluating, float_type

QUERIES = 512  # pictures that are held against all others at a time
LEAST = 1e-6  # of shrinkage
EXACT = 500  # up to so many pictures t-SNE sums over all pairs; beyond, the Barnes-Hut tree is faster
PERPLEXITY = 30  # van der Maaten and Hinton: 5 to 50


def embed(network: nn.Module, inputs: Tensor, *, batch_size: int = 256) -> Tensor:
    """What stands before the classification head, one vector per picture.

    Of timm's networks it is their own ``forward_head(forward_features(x), pre_logits=True)``; of others, what goes
    into the last ``nn.Linear`` of the forward pass. The network is asked in evaluation mode and is afterwards as
    before, hooks included; several threads may ask one evaluating network.

    Args:
        network: from ``inputs`` to class scores (N, C).
        inputs: (N, 3, H, W), normalised as in training, on the network's device.
        batch_size: pictures at a time.

    Returns:
        (N, D) float32, on the same device.

    Raises:
        ValueError: the network does not end in a linear layer, or gives a NaN or an infinity.
    """
    with torch.no_grad(), evaluating(network):
        parts = inputs.to(float_type(network)).split(batch_size)
        found = torch.cat([_before_head(network, part) for part in parts]).float()
    if not found.isfinite().all():
        raise ValueError("The network's embeddings are not finite: its training has diverged.")
    return found


def _before_head(network: nn.Module, inputs: Tensor) -> Tensor:
    if hasattr(network, "forward_features") and hasattr(network, "forward_head"):
        found = network.forward_head(network.forward_features(inputs), pre_logits=True)
    else:
        found = _into_last_linear(network, inputs)
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(inputs):
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"Before the head there should be a vector (D,) per picture; there is {what}.")
    return found


def _into_last_linear(network: nn.Module, inputs: Tensor) -> Tensor:
    last: list[Tensor] = []
    asking = threading.get_ident()

    def note(_module: nn.Module, given: tuple, output: Tensor) -> None:
        if threading.get_ident() == asking:
            last[:] = given[0], output

    handles = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, nn.Linear)]
    try:
        logits = check_logits(network(inputs), len(inputs))
    finally:
        for handle in handles:
            handle.remove()
    if not last or last[1].shape != logits.shape:  # the linear layers that were used stand somewhere inside
        raise ValueError(
            "The network does not end in a linear layer, before which its embedding would stand. Give one that ends "
            "in nn.Linear, or that has timm's forward_features and forward_head."
        )
    return last[0]


def directions(embedding: Tensor) -> Tensor:
    """The vectors (N, D) at length 1: between these, Euclidean distance orders as cosine similarity does."""
    return functional.normalize(_vectors(embedding), dim=1)


# Clusters


def clusters(embedding: Tensor, count: int, seed: int = 0) -> Tensor:
    """Groups (N,) that k-means finds without labels: the best of ten starts, by scikit-learn.

    Args:
        embedding: (N, D).
        count: of clusters, customarily that of the classes.
        seed: of the starts.
    """
    vectors = _vectors(embedding)
    if not 1 <= count <= len(vectors):
        raise ValueError(f"{len(vectors)} pictures make 1 to {len(vectors)} clusters; {count} are asked for.")
    means = _sklearn("cluster").KMeans(count, n_init=10, random_state=seed)
    return torch.from_numpy(means.fit_predict(vectors.numpy())).long()


def purity(assigned: Tensor, labels: Tensor) -> float:
    """The share, 0 to 1, of pictures that belong to the class that is most frequent in their cluster.

    $$\\frac{1}{N} \\sum_k \\max_c n_{kc}$$

    It grows with the number of clusters, and is 1 where every picture is its own.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.
    """
    assigned, labels = _same_length(assigned, labels)
    pairs, count = torch.stack([assigned, labels]).unique(dim=1, return_counts=True)
    most = torch.zeros(int(assigned.amax()) + 1, dtype=count.dtype).scatter_reduce(0, pairs[0], count, "amax")
    return most.sum().item() / len(labels)


def nmi(assigned: Tensor, labels: Tensor) -> float:
    """Normalised mutual information, 0 to 1: how much a picture's cluster tells of its class; by scikit-learn.

    $$\\frac{I(K; C)}{\\frac{1}{2} (H(K) + H(C))}$$

    It is not corrected for chance: of few pictures in many clusters, random ones have more than 0.

    Args:
        assigned: (N,) clusters.
        labels: (N,) true classes.

    Source: Strehl, Ghosh, "Cluster Ensembles", JMLR 3, 2002, with the arithmetic mean in place of the geometric one.
    """
    assigned, labels = _same_length(assigned, labels)
    return float(_sklearn("metrics").normalized_mutual_info_score(labels.numpy(), assigned.numpy()))


# Distance to the classes


class Gaussians(NamedTuple):
    """A Gaussian per class, all of one shape: ``centres`` (C, D), their ``covariance`` (D, D), both float64, and the
    ``shrinkage`` 0 to 1 that is in it."""

    centres: Tensor
    covariance: Tensor
    shrinkage: float


def gaussians(embedding: Tensor, labels: Tensor) -> Gaussians:
    """Class centres and the covariance that all classes share.

    $$\\Sigma = (1 - s) \\, S + s \\, \\frac{\\mathrm{tr} S}{D} I \\qquad
      S = \\frac{1}{N} \\sum_n (f_n - \\mu_{y_n}) (f_n - \\mu_{y_n})^\\top$$

    The paper takes S, of the training pictures. With few pictures for many dimensions it is nearly or wholly singular,
    and its inverse is noise; the shrinkage s of Ledoit and Wolf, by scikit-learn, mends that, and vanishes as N grows
    (here down to 1e-6, so that a dimension in which nothing ever moves still has an inverse).

    Args:
        embedding: (N, D).
        labels: (N,) classes; those without a picture have no centre.

    Raises:
        ValueError: no class has two pictures that differ.

    Source: Lee, Lee, Lee, Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    Attacks", NeurIPS 2018, arXiv:1807.03888; Ledoit, Wolf, "A Well-Conditioned Estimator for Large-Dimensional
    Covariance Matrices", Journal of Multivariate Analysis 88, 2004.
    """
    vectors = _vectors(embedding)
    vectors, labels = _same_length(vectors, labels)
    known, place, count = labels.unique(return_inverse=True, return_counts=True)
    centres = torch.zeros(len(known), vectors.shape[1], dtype=vectors.dtype).index_add_(0, place, vectors)
    centres /= count[:, None]
    spread = vectors - centres[place]
    if spread.abs().amax() <= 1e-6 * vectors.abs().amax():  # what is left where float32 rounds
        raise ValueError("A covariance needs classes with two pictures that differ; here each class is a single point.")
    shrinkage = float(_sklearn("covariance").ledoit_wolf_shrinkage(spread.numpy(), assume_centered=True))
    shrinkage = max(shrinkage, LEAST)
    covariance = (1 - shrinkage) * spread.T @ spread / len(spread)
    covariance.diagonal().add_(shrinkage * spread.square().mean())  # which is tr S / D
    return Gaussians(centres, covariance, shrinkage)


def mahalanobis(embedding: Tensor, known: Gaussians) -> Tensor:
    """The squared distance (N,) float64 to the nearest class, in that class's own spread.

    $$\\min_c \\, (f - \\mu_c)^\\top \\Sigma^{-1} (f - \\mu_c)$$

    Pictures that are like none of the classes lie far from all: its negative is a score for
    :func:`mixviz.robustness.detection`. Of the paper, this is the confidence score of the last layer alone, without
    the noise on the input and without the other layers.

    Args:
        embedding: (N, D).
        known: of the same network, by :func:`gaussians`.
    """
    vectors = _vectors(embedding)
    if vectors.shape[1] != known.centres.shape[1]:
        raise ValueError(f"The classes have {known.centres.shape[1]} dimensions, the pictures {vectors.shape[1]}.")
    factor = torch.linalg.cholesky(known.covariance)
    own, centres = (torch.linalg.solve_triangular(factor, v.T, upper=False).T for v in (vectors, known.centres))
    return torch.cdist(own, centres).amin(1) ** 2


# Retrieval


class Retrieval(NamedTuple):
    """``mean_average_precision`` and ``precision_at_1``, both 0 to 1."""

    mean_average_precision: float
    precision_at_1: float


def retrieval(embedding: Tensor, labels: Tensor) -> Retrieval:
    """Each picture asks for its like: are the nearest of all the others of its class?

    $$\\mathrm{AP} = \\frac{1}{R} \\sum_{r:\\ \\mathrm{hit\\ at}\\ r} \\frac{\\mathrm{hits\\ up\\ to}\\ r}{r}$$

    The others are ranked by cosine similarity, of equal ones the first one first; R is how many are of the class.
    Pictures that are alone in their class cannot ask.

    Args:
        embedding: (N, D).
        labels: (N,) classes.

    Raises:
        ValueError: no class has two pictures.
    """
    unit = directions(embedding)
    unit, labels = _same_length(unit, labels)
    rank, precisions, firsts = torch.arange(1, len(unit)), [], []
    for asks in torch.arange(len(unit)).split(QUERIES):
        alike = unit[asks] @ unit.T
        alike[torch.arange(len(asks)), asks] = -torch.inf  # itself comes last, and is left out
        order = alike.argsort(dim=1, descending=True, stable=True)[:, :-1]
        hit = labels[order] == labels[asks, None]
        hit = hit[hit.any(1)]
        precisions.append((hit.cumsum(1) / rank.double() * hit).sum(1) / hit.sum(1))
        firsts.append(hit[:, :1].double().sum(1))
    precision, first = torch.cat(precisions), torch.cat(firsts)
    if not len(precision):
        raise ValueError("No class has two pictures: there is nothing to find.")
    return Retrieval(precision.mean().item(), first.mean().item())


# Two dimensions, to look at


def pca(embedding: Tensor) -> Tensor:
    """The two directions (N, 2) along which the pictures differ most, by scikit-learn; float64, centred at 0.

    An axis has no sign of its own: here the picture that lies farthest out along it, of equal ones the first, lies on
    the positive side. One dimension, or two pictures, have zeros for a second axis.
    """
    vectors = _vectors(embedding)
    vectors = vectors - vectors.mean(0)
    found = torch.zeros(len(vectors), 2, dtype=vectors.dtype)
    if not vectors.any():
        return found
    axes = min(2, *vectors.shape)
    solved = _sklearn("decomposition").PCA(axes, svd_solver="full").fit_transform(vectors.numpy())
    found[:, :axes] = torch.from_numpy(solved)
    far = found.abs() >= (1 - 1e-6) * found.abs().amax(0)  # a rounding should not tell which of two is farther
    return found * torch.where(found.gather(0, far.int().argmax(0)[None]) < 0, -1, 1)


def tsne(embedding: Tensor, seed: int = 0) -> Tensor:
    """A map (N, 2) on which near neighbours stay near, by scikit-learn; float64.

    Distances between groups, their sizes and the axes mean nothing. It starts from :func:`pca`, so that maps of one
    embedding are alike; the same machine gives the same map again, another one's roundings may turn out another.

    Raises:
        ValueError: fewer than three pictures.

    Source: van der Maaten, Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
    """
    vectors = _vectors(embedding)
    n = len(vectors)
    if n < 3:
        raise ValueError(f"t-SNE needs three pictures or more; got {n}.")
    start = pca(vectors)
    start = (1e-4 * start / start[:, 0].std().clamp(min=1e-12)).float()  # scikit-learn's own scale of a start
    solver = _sklearn("manifold").TSNE(
        perplexity=min(PERPLEXITY, (n - 1) / 3),
        init=start.numpy(),
        method="exact" if n <= EXACT else "barnes_hut",
        random_state=seed,
    )
    return torch.from_numpy(solver.fit_transform(vectors.numpy())).double()


def _vectors(embedding: Tensor) -> Tensor:
    if not isinstance(embedding, Tensor) or embedding.ndim != 2 or not embedding.is_floating_point():
        what = f"{embedding.dtype} {tuple(embedding.shape)}" if isinstance(embedding, Tensor) else type(embedding)
        raise TypeError(f"An embedding is a float tensor (N, D), one vector per picture; got {what}.")
    if not embedding.numel() or not embedding.isfinite().all():
        raise ValueError(f"An embedding should have finite numbers; this one {tuple(embedding.shape)} has not.")
    return embedding.detach().cpu().double()


def _same_length(first: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if labels.shape != (len(first),) or labels.is_floating_point():
        raise ValueError(f"{len(first)} pictures have {tuple(labels.shape)} {labels.dtype} labels: give class indices.")
    return first.cpu(), labels.cpu().long()


def _sklearn(part: str) -> ModuleType:
    try:
        return import_module(f"sklearn.{part}")
    except ImportError as error:
        raise ImportError(f"Embeddings are measured with scikit-learn: pip install scikit-learn ({error}).") from None

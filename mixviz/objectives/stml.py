"""STML: self-taught metric learning without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.objective import Pairs, SelfTaught
from mixviz.core.parameters import Card, parameter


@dataclass(frozen=True)
class STML(SelfTaught):
    """Relaxed contrastive loss by the similarity that a teacher sees in context, without labels.

    $$\\frac{\\ell(f) + \\ell(g)}{2} + \\lambda \\, \\mathrm{KL}(\\psi(-d^g) \\,\\Vert\\, \\psi(-d^f)), \\qquad
      \\ell = \\frac{1}{n(n-1)} \\sum_{i \\ne j} w_{ij} \\, d_{ij}^2 + (1 - w_{ij}) \\, [\\delta - d_{ij}]_+^2$$

    f is the embedding that stays, g the wide one that the teacher shares; d are distances, divided by each image's
    mean distance; ψ is the softmax over the images of a row, and g learns nothing from the divergence. w is the mean of
    the teacher's pairwise similarity e^{−‖g_i − g_j‖² / σ} and of its contextual one, see :func:`contextual`. Batches
    are made of pictures and their nearest neighbours.

    **An experiment**: it made the reference's embedding worse in both trainings that were tried; the guide *Embeddings
    and retrieval* has the numbers.

    The authors keep the student; here the moving average is kept, as with any ``--ema``.

    Source: Kim, Kim, Cho, Kwak, "Self-Taught Metric Learning without Labels", CVPR 2022, arXiv:2205.01903; σ, δ, k and
    the division by n(n − 1) as in the authors' code.
    """

    card: ClassVar[Card] = Card(
        "stml", "STML", paper="Self-Taught Metric Learning without Labels", authors="Kim, Kim, Cho, Kwak",
        venue="CVPR", year=2022, arxiv="2205.01903",
    )  # fmt: skip

    sigma: float = parameter(3.0, "σ of the pairwise similarity", low=0.01, high=100)
    delta: float = parameter(1.0, "δ, relative distance up to which unlike images are pushed apart", low=0, high=10)
    neighbours: int = parameter(10, "k of the contextual similarity, the image itself and its views included", low=2,
                                high=1000)  # fmt: skip
    distil: float = parameter(1.0, "λ, weight of the divergence of f from g", low=0, high=100)
    wide: int = parameter(1024, "length of g", low=1, high=65_536)

    def layers(self, pooled: int) -> nn.Module:
        return nn.Linear(pooled, self.wide)

    @torch.no_grad()
    def relations(self, taught: Tensor, pictures: Tensor) -> Pairs:
        unit = functional.normalize(taught, dim=1)
        pairwise = torch.exp(-_distances(unit).square() / self.sigma)
        similarity = (pairwise + contextual(pairwise, pictures, self.neighbours)) / 2
        others = 1 - torch.eye(len(unit)).to(unit)
        return Pairs(similarity * others, (1 - similarity) * others, pictures)

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        """Relaxed contrastive loss ℓ of the anchors, which are the candidates too."""
        distance = _relative(anchors)
        positive, negative = pairs.positive.to(distance), pairs.negative.to(distance)
        terms = positive * distance.square() + negative * (self.delta - distance).clamp(min=0).square()
        return terms.sum() / (positive + negative).sum()

    def taught_loss(self, embeddings: Tensor, wide: Tensor, pairs: Pairs) -> Tensor:
        contrast = (self.loss(embeddings, embeddings, pairs) + self.loss(wide, wide, pairs)) / 2
        own, aim = (-_relative(vectors) for vectors in (embeddings, wide.detach()))
        divergence = functional.kl_div(own.log_softmax(1), aim.softmax(1), reduction="batchmean")
        return contrast + self.distil * divergence


def contextual(pairwise: Tensor, pictures: Tensor, count: int) -> Tensor:
    """Similarity (N, N) in [0, 1] of images by the neighbours that they share.

    $$\\tilde{w}_{ij} = \\frac{|R(i) \\cap R(j)|}{|R(i)|} \\, [\\, j \\in R(i) \\,], \\qquad
      \\hat{w}_{ij} = \\frac{1}{|N'(i)|} \\sum_{h \\in N'(i)} \\tilde{w}_{hj}$$

    R(i) are those of the ``count`` nearest images of i that have i among theirs, N'(i) the nearest half. The result is
    the mean of ŵ and its transpose.

    Args:
        pairwise: (N, N) similarity.
        pictures: (N,) views of one picture count as nearest.
        count: k, the image itself included.
    """
    count = min(count, len(pairwise))
    nearest = pairwise.masked_fill(pictures[:, None] == pictures, 1).topk(count).indices
    among = torch.zeros_like(pairwise).scatter_(1, nearest, 1)
    mutual = among * among.T
    shared = mutual * (mutual @ mutual.T) / mutual.sum(1, keepdim=True)
    half = nearest[:, : max(1, round(count / 2))]
    expanded = shared[half].mean(1)
    return (expanded + expanded.T) / 2


def _distances(vectors: Tensor) -> Tensor:
    return torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")


def _relative(vectors: Tensor) -> Tensor:
    """Distances (N, N), each divided by the mean of its row."""
    distance = _distances(vectors)
    return distance / distance.mean(1, keepdim=True).clamp(min=1e-6)

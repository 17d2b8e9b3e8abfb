"""NetVLAD: residuals of local features to learned clusters, summed by soft assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixviz.core.head import Head, Pooling
from mixviz.core.parameters import Card, parameter

LOCAL = 50_000  # local features that the clusters are found in
RATIO = 100  # of the largest assignment to the second, at the start


@dataclass(frozen=True)
class NetVLAD(Head):
    """Residuals of the local features to K clusters, summed by soft assignment, each cluster normalised.

    $$V_k = \\sum_i \\bar{a}_k(x_i) \\, (x_i - c_k), \\qquad
      \\bar{a}_k(x) = \\frac{e^{w_k^\\top x + b_k}}{\\sum_{k'} e^{w_{k'}^\\top x + b_{k'}}}$$

    x are the columns of the feature maps, normalised to length 1. Each V_k is normalised, then the whole vector of K·D
    numbers. At the start c are the centres of k-means in training images, w = 2αc and b = −α‖c‖², where α is such that
    the largest assignment is on average (of the logarithm) 100 times the second. After that w, b and c are learned
    apart. The authors' code drops b and normalises c for w. The module's ``assignment(maps)`` is the
    soft assignment of each place.

    Source: Arandjelović, Gronat, Torii, Pajdla, Sivic, "NetVLAD: CNN Architecture for Weakly Supervised Place
    Recognition", CVPR 2016, arXiv:1511.07247.
    """

    card: ClassVar[Card] = Card(
        "netvlad", "NetVLAD", paper="NetVLAD: CNN Architecture for Weakly Supervised Place Recognition",
        authors="Arandjelović, Gronat, Torii, Pajdla, Sivic", venue="CVPR", year=2016, arxiv="1511.07247",
    )  # fmt: skip
    of_training: ClassVar[bool] = True

    clusters: int = parameter(16, "K, number of clusters; the paper has 64", low=2, high=1024)
    reduce: int = parameter(
        0, "D, channels that the maps are projected to before, by principal axes at the start; 0: no projection",
        low=0, high=65_536,
    )  # fmt: skip

    def build(self, channels: int) -> Pooling:
        return _NetVLAD(channels, self.clusters, self.reduce)


class _NetVLAD(Pooling):
    def __init__(self, channels: int, clusters: int, reduce: int) -> None:
        super().__init__()
        if reduce > channels:
            raise ValueError(f"netvlad:reduce={reduce} is more than the {channels} channels that the maps have.")
        depth = reduce or channels
        self.dimensions = clusters * depth
        self.reduction = nn.Conv2d(channels, reduce, 1, bias=False) if reduce else nn.Identity()
        self.weight, self.centres = (nn.Parameter(torch.randn(clusters, depth) / depth**0.5) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(clusters))

    @torch.no_grad()
    def initialise(self, maps: Tensor, rng: torch.Generator) -> None:
        columns = maps.permute(0, 2, 3, 1).flatten(0, 2)
        columns = columns[torch.randperm(len(columns), generator=rng)[:LOCAL].to(columns.device)].cpu()
        if isinstance(self.reduction, nn.Conv2d):
            axes = torch.linalg.eigh(columns.double().T.cov()).eigenvectors.flip(1)
            axes = axes[:, : self.reduction.out_channels].T.float()
            self.reduction.weight.copy_(axes[:, :, None, None])
            columns = columns @ axes.T
        columns = functional.normalize(columns, dim=1)
        centres = _centres(columns, len(self.centres), rng)
        nearest = torch.cdist(columns, centres).square().topk(2, largest=False).values
        gap = (nearest[:, 1] - nearest[:, 0]).mean().item()
        if gap < 1e-6:
            raise _too_few(len(self.centres))
        alpha = math.log(RATIO) / gap
        self.centres.copy_(centres)
        self.weight.copy_(2 * alpha * centres)
        self.bias.copy_(-alpha * centres.square().sum(1))

    def assignment(self, maps: Tensor) -> Tensor:
        """Soft assignment of each place of feature maps (N, C, H, W) to the clusters: (N, K, H, W), sums of 1."""
        columns = self._columns(maps)
        with torch.autocast(maps.device.type, enabled=False):
            return self._assigned(columns).unflatten(2, maps.shape[2:])

    def _columns(self, maps: Tensor) -> Tensor:
        """Local features (N, D, places) of length 1."""
        return functional.normalize(self.reduction(maps).float().flatten(2), dim=1)

    def _assigned(self, columns: Tensor) -> Tensor:
        return (self.weight.float() @ columns + self.bias.float()[:, None]).softmax(1)

    def forward(self, maps: Tensor) -> Tensor:
        columns = self._columns(maps)
        with torch.autocast(maps.device.type, enabled=False):  # residuals are small differences
            assigned = self._assigned(columns)
            residuals = assigned @ columns.mT - assigned.sum(2, keepdim=True) * self.centres.float()
            vectors = functional.normalize(residuals, dim=2).flatten(1)
            return functional.normalize(vectors, dim=1).to(self.weight.dtype)


def _centres(columns: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Find the centres (count, D) of k-means in columns (N, D), by scikit-learn."""
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise ImportError("NetVLAD's clusters are found by scikit-learn: pip install scikit-learn.") from None
    if len(columns.unique(dim=0)) < count:
        raise _too_few(count)
    seed = int(torch.randint(2**31 - 1, (), generator=rng))
    # scikit-learn's stubs know no number of starts.
    means = KMeans(count, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
    return torch.from_numpy(means.fit(columns.numpy()).cluster_centers_)


def _too_few(clusters: int) -> ValueError:
    return ValueError(
        f"NetVLAD needs {clusters} local features that differ: take more training pictures, or fewer clusters "
        "(--head netvlad:clusters=4)."
    )

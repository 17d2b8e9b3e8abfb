from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import blend, draw_indices
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, parameter
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class CMixup(Method):
    """Mixup for regression: partners have close labels, because the mean of far labels may be wrong.

    $$P(j \\mid i) \\propto \\exp\\left(-\\frac{\\lVert y_i - y_j \\rVert^2}{2\\sigma^2}\\right) \\qquad
    \\tilde x = \\lambda x_i + (1-\\lambda) x_j \\qquad \\tilde y = \\lambda y_i + (1-\\lambda) y_j$$

    Labels are real numbers, (N,) or (N, D) float, and σ (``bandwidth``) has their unit: standardise the labels, or
    choose σ for them. With a very large σ it is Mixup, with a very small one the closest label is taken. Class indices
    count as one-hot vectors, $\\sqrt 2$ apart: with σ = 1 a partner of the same class is 2.72 times as likely as one of
    another. Whole numbers of a regression, e.g. ages, have to be float. Look at Mixup on the page: of two pictures,
    each has one partner only. It helps in regression: the authors report errors that are 6.56 % lower than those of the
    best method before (abstract; mean over data sets of the training's distribution, for most with the default α, and
    with a σ chosen for each).

    The authors draw partners from the whole training set, the picture itself included, and one λ for a batch; their
    code can also draw them from the batch. Here they come from the batch, each picture has its own λ, and is not its
    own partner: in a small batch it often would be (``itself=true`` allows it).
    """

    alpha: float = beta_alpha(2.0)
    bandwidth: float = parameter(
        1.0, "σ: how far apart the labels of partners may be, in the labels' unit", low=0.001, high=1000
    )
    itself: bool = parameter(False, "an image may be its own partner, as in the paper")

    needs_labels: ClassVar[bool] = True

    card: ClassVar[Card] = Card(
        "cmixup", "C-Mixup", "C-Mixup: Improving Generalization in Regression", "Yao, Wang, Zhang, Zou, Finn",
        "NeurIPS", 2022, "2210.05775", "blend", "λ",
        after=("mixup",), aliases=("mixup for regression", "label-distance mixup", "C-믹스업", "회귀 믹스업"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        if draw.partner_held or batch.labels is None:
            return blend(batch, draw, draw.lam)
        odds = self.odds(batch.labels)
        return blend(batch, draw._replace(partner=draw_indices(batch, odds, draw.rng)), draw.lam)

    def odds(self, labels: Tensor) -> Tensor:
        """(N, N) float64, the probability of each image j as the partner of image i.

        Args:
            labels: (N,) class indices, or (N,) or (N, C) numbers.
        """
        distance = _squared_distance(labels)
        if not self.itself and len(labels) > 1:
            distance = distance.fill_diagonal_(torch.inf)
        return (-distance / (2 * self.bandwidth**2)).softmax(1)


def _squared_distance(labels: Tensor) -> Tensor:
    """(N, N) float64, the squared distance of labels; 2 between different classes, as of one-hot vectors."""
    if labels.ndim == 1 and not labels.is_floating_point():
        return 2 * (labels[:, None] != labels).double()
    values = labels.double().view(len(labels), -1)
    return torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist").square()

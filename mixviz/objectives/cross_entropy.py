"""Cross-entropy of class scores and mixed labels: the objective of a classifier."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mixviz.core.objective import Objective, Pairs
from mixviz.core.parameters import Card


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Cross-entropy of the class scores and the (mixed) labels.

    $$\\ell = -\\sum_c \\tilde{y}_c \\log \\mathrm{softmax}(z)_c$$
    """

    card: ClassVar[Card] = Card("cross_entropy", "Cross-entropy")
    embeds: ClassVar[bool] = False
    proxies: ClassVar[bool] = True
    mixes: ClassVar[bool] = True

    def loss(self, anchors: Tensor, candidates: Tensor, pairs: Pairs, proxies: Tensor | None = None) -> Tensor:
        raise TypeError("Cross-entropy is a loss of class scores, not of embeddings.")

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import lam_tensor, pair
from mixviz.core.geometry import box_around, box_mask, patch_sides, random_centre
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, beta_alpha, box_rounding, parameter
from mixviz.core.parts import ByStyle, Style, Trace, Weights
from mixviz.core.recipe import Recipe


@dataclass(frozen=True)
class StyleMix(Method):
    """Content and style are mixed separately: A's shapes may appear in the colours and contrast of B.

    $$\\mathrm{AB} = \\sigma_B \\frac{x_A - \\mu_A}{\\sigma_A} + \\mu_B \\qquad
    \\tilde x = t\\, x_A + (1 - r_c - r_s + t)\\, x_B + (r_c - t)\\, \\mathrm{AB} + (r_s - t)\\, \\mathrm{BA}$$

    $$\\tilde y = a\\, y_A + (1-a)\\, y_B \\qquad a = r\\, r_c + (1-r)\\, r_s$$

    AB has the content of A in the style of B: every channel keeps its pattern and takes on B's mean μ and standard
    deviation σ (adaptive instance normalisation, AdaIN). λ is $r_c$, the share of A's content; $r_s$, the share of A's
    style, is drawn beside it from the same $\\mathrm{Beta}(\\alpha, \\alpha)$, and t is drawn uniformly from the values
    that leave no weight below 0. Move λ: the shapes change and the colours stay. At λ = 1 only A's shapes are left, and
    the label still gives B the share of its style.

    With ``content="cut"`` (StyleCutMix) the content is cut as in CutMix: B's shapes lie in a box, A's around it. The
    style is mixed over the whole picture. A restyled picture is first blended with its original, with weight
    $\\gamma \\sim \\mathrm{Beta}(\\beta, \\beta)$, because very different styles give cluttered pictures. The released
    code puts A in the box and B around it, which only exchanges the names. It rounds the sides of the box down to an
    even number (``rounding="even"``). The paper can also take γ from the distance of the two classes in style, which
    has to be measured on the data set; this is left out here.

    The paper exchanges the statistics of a trained VGG's feature maps, and a trained decoder turns them into a picture,
    which moves textures as well. Here the statistics are those of the pixels, without such networks, so that style
    means colour and contrast only. With ``stages`` above 0 the layer is drawn once per batch, as in Manifold Mixup, and
    :func:`mixviz.mix_inside` exchanges the statistics of feature maps of the network in training.

    It helps where shape should count: trained on pictures that AdaIN (with its networks) gave the style of paintings, a
    ResNet-50 decides by shape in 81 % of the cases where shape and texture disagree, against 22 % (Geirhos et al., ICLR
    2019: another method, whose styles come from paintings, so no default here). It hurts where colour defines the
    class. The paper reports errors like those of the best mixing methods and more robustness to adversarial attacks;
    the form with pixels was not measured here. r = 0.7, α = 0.5 (1 for the cut) and β = 0.8 are what the authors'
    README trains with on CIFAR, on a fifth of the batches (the cut on half).
    """

    alpha: float = beta_alpha(0.5)
    content: str = parameter("blend", "shapes blended, or cut as in CutMix", choices=("blend", "cut"))
    by_content: float = parameter(
        0.7, "r: share of the label that follows the content; the rest follows the style", low=0, high=1
    )
    beta: float = parameter(0.8, "content cut: Beta(β, β) of γ, the share of its own style", low=0.05, high=8)
    stages: int = parameter(0, "deepest stage after which features may be mixed; 0: the pixels alone", low=0, high=8)
    rounding: str = box_rounding()

    card: ClassVar[Card] = Card(
        "stylemix", "StyleMix", "StyleMix: Separating Content and Style for Enhanced Data Augmentation",
        "Hong, Choi, Kim", "CVPR", 2021, "", "blend", "content and style",
        after=("mixup", "cutmix"), aliases=("style transfer", "스타일믹스"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.beta(self.alpha, self.alpha, n)

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n = len(batch)
        style, u = draw.rng.beta(self.alpha, self.alpha, n), draw.rng.random(n)
        layer = int(draw.rng.integers(self.stages + 1))
        if self.content == "blend":
            weight = batch.tensor(_weights(draw.lam, style, u))[:, :, None, None, None]
        else:
            weight = self._cut(batch, draw, style, u)
        sources = pair(batch, draw.partner)
        return Recipe(
            size=batch.size,
            partner=torch.cat([sources, sources]),
            share=_shares(weight.mean((2, 3, 4)), self.by_content),
            mixing=Style(torch.cat([sources, sources.flip(0)]), Weights(weight)),
            label=ByStyle(1 - self.by_content),
            trace=Trace(lam_tensor(batch, draw)),
            layer=layer,
        )

    def _cut(self, batch: Batch, draw: Draw, style: np.ndarray, u: np.ndarray) -> Tensor:
        """Weights (4, N, 1, H, W): all B's content inside CutMix's box and all A's outside."""
        n = len(batch)
        keep = draw.rng.beta(self.beta, self.beta, n)
        sides = patch_sides(draw.lam, batch.size, self.rounding)
        box = box_around(*random_centre(draw.rng, n, batch.size), *sides, batch.size)
        inside, outside = (
            batch.tensor(_weights(np.full(n, own), style, u, keep))[:, :, None, None, None] for own in (0.0, 1.0)
        )
        return torch.where(box_mask(batch.tensor(box), batch.size)[:, None], inside, outside)


def _weights(content: np.ndarray, style: np.ndarray, u: np.ndarray, keep: np.ndarray | float = 0.0) -> np.ndarray:
    """(4, N) float32: weights of A, B, A in B's style and B in A's. A share ``keep`` of the restyled goes back to its
    own style."""
    low, high = np.maximum(0, content + style - 1), np.minimum(content, style)
    t = low + u * (high - low)
    plain, foreign = np.stack([t, 1 - content - style + t]), np.stack([content - t, style - t])
    weights = np.concatenate([plain + keep * foreign, (1 - keep) * foreign])
    return weights.clip(0, 1).astype(np.float32)  # rounding may leave tiny negative weights


def _shares(weight: Tensor, by_content: float) -> Tensor:
    """The label (4, N): a part of each source's weight for its content, and the rest for the image of its style."""
    a, b, a_as_b, b_as_a = weight
    by_style = 1 - by_content
    return torch.stack([a + by_style * b_as_a, b + by_style * a_as_b, by_content * a_as_b, by_content * b_as_a])

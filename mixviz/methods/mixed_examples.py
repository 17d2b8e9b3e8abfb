from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.builders import masked, paste, two_shares
from mixviz.core.geometry import box_around, random_centre, stack_box, uniform_corner
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import Card, parameter
from mixviz.core.parts import LabelRule
from mixviz.core.recipe import Recipe

NOISE = 0.025  # standard deviation of noisy_mixup's λ from pixel to pixel
SQUARE = 0.5  # side of random_square: 16 of CIFAR's 32 pixels
MIDDLE = 0.25  # random_2x2's lines keep this far from the border, as a share of the sides
WAYS = (
    "vh_mixup", "vh_bc_plus", "vertical_concat", "horizontal_concat", "mixed_concat", "random_2x2", "random_square",
    "random_column_interval", "random_row_interval", "random_rows", "random_columns", "random_pixels",
    "random_elements", "noisy_mixup",
)  # fmt: skip
BOXED = ("random_square", "random_column_interval", "random_row_interval")


@dataclass(frozen=True)
class MixedExamples(Method):
    """Fourteen ways to combine two pictures, from stacking their halves to choosing every single value at random.

    $$\\tilde x = M \\odot x_A + (1-M) \\odot x_B \\qquad \\tilde y = \\bar M\\, y_A + (1-\\bar M)\\, y_B \\qquad
    M_{\\text{vh}} = \\lambda_3\\, [y < \\lambda_1 H] + (1-\\lambda_3)\\, [x < \\lambda_2 W]$$

    All λ are uniform. ``vertical_concat`` puts A above B, ``horizontal_concat`` beside it; ``mixed_concat`` crosses two
    such lines and gives opposite corners to one picture, ``random_2x2`` gives each corner to A with probability λ.
    ``vh_mixup`` (the formula on the right; the best of them in the paper) blends a vertical with a horizontal concat:
    pure A at the top left, pure B at the bottom right. ``vh_bc_plus`` does so in proportion to how strongly the two
    concats vary. ``random_square`` and the two intervals paste a piece of B from elsewhere; ``random_rows``,
    ``random_columns``, ``random_pixels`` and ``random_elements`` (a pixel's red, green and blue apart) throw a coin of
    probability λ for each; ``noisy_mixup`` is Mixup with noise on the λ of every pixel (σ 0.025).

    Look at ``random_pixels``: its content cannot be recognised. The paper concludes that mixtures help even if they are
    no linear combination of two pictures. CIFAR-10 error of ResNet-18: 3.48 % with ``vh_mixup``, the default, against
    5.17 % plain (README of a PyTorch reimplementation, five runs). It hurts where the arrangement of parts defines the
    class: halves of two digits may form a third. The label follows the pixels, even where the authors' code uses λ
    itself (``noisy_mixup``). Only ``vh_bc_plus`` computes its label from the λs, as in between-class learning; its
    division by $\\sqrt{p^2+(1-p)^2}$, meant for pictures of mean zero, would leave the range of pixels and is left out.
    Holding λ fixes the coins and lines; for the square and the intervals it fixes the share that A keeps.
    """

    way: str = parameter("vh_mixup", "which of the fourteen", choices=WAYS)

    card: ClassVar[Card] = Card(
        "mixed_examples", "Mixed Examples", "Improved Mixed-Example Data Augmentation", "Summers, Dinneen", "WACV",
        2019, "1805.11272", "cut", "weight of A's pixels",
        after=("mixup",), aliases=("VH-Mixup", "믹스드 이그잼플"),
    )  # fmt: skip

    def draw(self, rng: np.random.Generator, n: int) -> None:
        return None

    def build(self, batch: Batch, draw: Draw) -> Recipe:
        n = len(batch)
        lam = draw.rng.random((3, n))
        if self.way in BOXED:
            target, source = _boxes(draw, lam, batch.size, self.way)
            return paste(batch, draw._replace(lam=draw.held), target, source)
        shown_lam = draw.held if self.way in WAYS[:2] + WAYS[4:5] else lam[0] if draw.held is None else draw.held
        if draw.held is not None:
            lam = _crossing(draw.held) if self.way == "mixed_concat" else np.broadcast_to(draw.held, lam.shape)
        draw = draw._replace(lam=shown_lam)
        if self.way.startswith("vh"):
            return _stacked(batch, draw, lam, balanced=self.way == "vh_bc_plus")
        own = _mask(draw.rng, lam, batch.size, self.way)
        return masked(batch, draw, batch.tensor(own.astype(np.float32)))


def _lines(lam: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row lies above λ₁ of the height, (N, 1, H, 1), and each column left of λ₂ of the width."""
    above, left = (np.rint(share * side)[:, None] > np.arange(side) for share, side in zip(lam[:2], size, strict=True))
    return above[:, None, :, None], left[:, None, None, :]


def _crossing(lam: np.ndarray) -> np.ndarray:
    """Two lines whose opposite corners hold exactly λ of the image: ab + (1-a)(1-b) = λ with b = a or b = 1-a."""
    line = (1 + np.sqrt(np.abs(2 * lam - 1))) / 2
    return np.stack([line, np.where(lam >= 0.5, line, 1 - line)])


def _mask(rng: np.random.Generator, lam: np.ndarray, size: tuple[int, int], way: str) -> np.ndarray:
    """A's weight (N, 1 or 3, 1 or H, 1 or W), for ways with a mask."""
    n, (height, width), own = lam.shape[1], size, lam[0][:, None, None, None]
    if way.endswith("concat"):
        above, left = _lines(lam if way == "mixed_concat" else lam[[0, 0]], size)
        return {"vertical_concat": above, "horizontal_concat": left, "mixed_concat": above == left}[way]
    if way == "random_2x2":
        above, left = _lines(rng.uniform(MIDDLE, 1 - MIDDLE, (2, n)), size)
        corner = (rng.random((n, 4)) < lam[0][:, None])[:, :, None, None, None]
        return np.where(above, np.where(left, corner[:, 0], corner[:, 1]), np.where(left, corner[:, 2], corner[:, 3]))
    if way == "noisy_mixup":
        return (own + NOISE * rng.standard_normal((n, 1, *size), np.float32)).clip(0, 1)
    shape = {"rows": (1, height, 1), "columns": (1, 1, width), "pixels": (1, *size), "elements": (3, *size)}
    return rng.random((n, *shape[way.removeprefix("random_")]), np.float32) < own


def _boxes(draw: Draw, lam: np.ndarray, size: tuple[int, int], way: str) -> tuple[np.ndarray, np.ndarray]:
    """Target and source box of a patch of B; only the square, whose centre may be anywhere, is clipped."""
    n, (height, width) = lam.shape[1], (np.full(lam.shape[1], side) for side in size)
    if way == "random_square":
        ratio = np.full(n, SQUARE) if draw.held is None else np.sqrt(1 - draw.held)
        rows, columns = (np.rint(side * ratio).astype(np.int64) for side in size)
        target = box_around(*random_centre(draw.rng, n, size), rows, columns, size)
        height, width = target[:, 2] - target[:, 0], target[:, 3] - target[:, 1]
    else:
        side = size[way == "random_column_interval"]
        start = (lam[0] * side).astype(np.int64)
        length = (lam[1] * (side - start)).astype(np.int64)
        if draw.held is not None:
            length = np.rint((1 - draw.held) * side).astype(np.int64)
            start = (lam[0] * (side - length + 1)).astype(np.int64)
        zero = np.zeros_like(start)
        if way == "random_row_interval":
            target, height = stack_box(start, zero, start + length, width), length
        else:
            target, width = stack_box(zero, start, height, start + length), length
    top, left = uniform_corner(draw.rng, height, width, size)
    return target, stack_box(top, left, top + height, left + width)


def _stacked(batch: Batch, draw: Draw, lam: np.ndarray, *, balanced: bool) -> Recipe:
    """Blend a vertical and a horizontal concat by λ₃; if ``balanced``, by λ₃ corrected for their deviations."""
    above, left = (batch.tensor(line.astype(np.float32)) for line in _lines(lam, batch.size))
    mix = batch.tensor(lam[2].astype(np.float32))
    if not balanced:
        return masked(batch, draw, left.lerp(above, mix[:, None, None, None]))
    partner = batch.tensor(draw.partner)
    first = _deviation(batch, partner, above.flatten(1), across=3)
    second = _deviation(batch, partner, left.flatten(1), across=2)
    # p / (1-p) = second · λ / (first · (1-λ)), written so that no λ and no flat image divides by 0.
    numerator, rest = mix * second, (1 - mix) * first
    weight = (numerator / (numerator + rest).clamp(min=1e-12)).where(numerator + rest > 0, mix)
    own = left.lerp(above, weight[:, None, None, None])
    share = mix * above.mean((1, 2, 3)) + (1 - mix) * left.mean((1, 2, 3))
    return masked(batch, draw, own, two_shares(batch, share), label=LabelRule.PLANNED)


def _deviation(batch: Batch, partner: Tensor, line: Tensor, across: int) -> Tensor:
    """Standard deviation (N,) of the mixtures that show A where ``line`` (N, H or W) is 1, and the partner elsewhere.

    ``across`` is the axis along which the line does not change.
    """
    pixels, moments = batch.images.float(), []
    for power in (pixels, pixels**2):
        profile = power.mean((1, across))
        moments.append((profile[partner] + line * (profile - profile[partner])).mean(1))
    return (moments[1] - moments[0] ** 2).clamp(min=0).sqrt()

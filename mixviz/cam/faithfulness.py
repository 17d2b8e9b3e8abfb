"""Faithfulness of heat maps: remove or keep the pixels that a map calls important, and run the network again.

Here, a ``network`` is any callable from pictures in [0, 1], *before* normalisation, to logits (N, C):
:class:`mixviz.core.inference.NormalizedModel` wraps a network that takes normalised images. Maps are ``heat``
(N, H, W) in [0, 1], from :func:`mixviz.cam.localization.heat`. All measures judge the map against the network, not
against the object: a map may be faithful to a network that looks at the wrong thing.

Where pixels are taken in the order of their heat, ties are taken row by row, also in a constant map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.cam.boxes import HEAT
from mixviz.core import checks
from mixviz.core.inference import check_logits, evaluating

Network = Callable[[Tensor], Tensor]
PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90)


class Curve(NamedTuple):
    """``share`` (S + 1,) of the changed pixels, from 0 to 1; ``probability`` (N, S + 1) of the class."""

    share: Tensor
    probability: Tensor

    @property
    def area(self) -> Tensor:
        """Area under the curve (N,), in [0, 1], by the trapezoidal rule."""
        return torch.trapezoid(self.probability, self.share)


def deletion(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, *, fill: Sequence[float] = (0.485, 0.456, 0.406),
    steps: int = 32, batch_size: int = 256,
) -> Curve:  # fmt: skip
    """Measure the class's probability while pixels are blanked, the hottest first: a good map has a *small* area.

    Args:
        network: from images in [0, 1] to logits.
        images: (N, 3, H, W) float in [0, 1], or uint8.
        heat: (N, H, W).
        classes: (N,) the class of each map.
        fill: the blank's colour; the data's mean is 0 to the network, as in the paper's code.
        steps: S; each blanks an equal share of the pixels.
        batch_size: images at a time.

    Raises:
        TypeError, ValueError: shapes that do not fit, values outside [0, 1], classes that the network lacks.

    Source: Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
    arXiv:1806.07421.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    return _curve(network, images, _blank(images, fill), heat, classes, steps, batch_size)


def insertion(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, *, sigma: float = 5.0, steps: int = 32,
    batch_size: int = 256,
) -> Curve:  # fmt: skip
    """Measure the class's probability while a blurred picture becomes sharp, the hottest pixels first: a good map has
    a *large* area.

    The start is blurred, not blank: sharp pixels on a blank canvas have edges that no picture has.

    Args:
        sigma: standard deviation of the Gaussian blur, in pixels; the paper's code has 5 at 224 px.

    See :func:`deletion` for the other arguments and the source.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    return _curve(network, _blurred(images, sigma), images, heat, classes, steps, batch_size)


def _curve(
    network: Network, start: Tensor, end: Tensor, heat: Tensor, classes: Tensor, steps: int, batch_size: int
) -> Curve:
    """Probability while the pixels of ``start`` are replaced by those of ``end``, the hottest first."""
    checks.number("steps", steps, 1, whole=True)
    rank, pixels = _heat_ranks(heat), heat[0].numel()
    # Steps are whole pixels, so that their shares may differ a little.
    counts = [pixels * step // steps for step in range(steps + 1)]
    per_pass = max(batch_size // len(start), 1)  # with few pictures, several steps share a forward pass
    probability = []
    for first in range(0, len(counts), per_pass):
        part = counts[first : first + per_pass]
        inputs = torch.cat([torch.where((rank < count)[:, None], end, start) for count in part])
        chances = _probability(network, inputs, classes.repeat(len(part)), batch_size)
        probability.append(chances.view(len(part), len(start)))
    share = torch.tensor([count / pixels for count in counts], device=heat.device)
    return Curve(share, torch.cat(probability).T.contiguous())


class Confidence(NamedTuple):
    """Probability of the class, ``before`` (N,) for the whole picture and ``after`` (N,) for the map's pixels alone."""

    before: Tensor
    after: Tensor

    @property
    def average_drop(self) -> float:
        """Mean percentage of the probability that is lost; a gain counts as 0. Small is good."""
        lost = (self.before - self.after).clamp(min=0) / self.before.clamp(min=torch.finfo(self.before.dtype).tiny)
        return 100 * lost.mean().item()

    @property
    def increase(self) -> float:
        """Percentage of pictures for which the network is surer when it sees only the map's pixels. Large is good."""
        return 100 * (self.after > self.before).double().mean().item()


def confidence(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, *, fill: Sequence[float] = (0, 0, 0),
    batch_size: int = 256,
) -> Confidence:  # fmt: skip
    """Show the network only the pixels that the map calls important, and measure its probability again.

    $$E = h \\odot x + (1 - h) \\odot c \\qquad
      \\text{average drop} = \\frac{100}{N} \\sum_n \\frac{\\max(0, p_n(x) - p_n(E))}{p_n(x)}$$

    A map that is hot everywhere loses no probability: the two numbers do not show that it carries no information.

    Args:
        fill: the colour c behind the map: black, as in the paper. The grad-cam package dims the normalised picture,
            so that its fill is the data's mean.

    See :func:`deletion` for the other arguments.

    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", WACV 2018, arXiv:1710.11063.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    shown = torch.lerp(_blank(images, fill), images, heat[:, None].to(images))
    before, after = (_probability(network, inputs, classes, batch_size) for inputs in (images, shown))
    return Confidence(before, after)


def road(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, rng: np.random.Generator, *,
    percentiles: Sequence[int] = PERCENTILES, noise: float = 0.01, batch_size: int = 256,
) -> Tensor:  # fmt: skip
    """Compute combined ROAD: the probability without the coldest pixels minus that without the hottest.

    $$\\frac{1}{2 |P|} \\sum_{p \\in P} \\big(s(\\text{coldest removed}) - s(\\text{hottest removed})\\big)$$

    Removed pixels are imputed from their neighbours by solving a linear system, plus a little noise, so that the shape
    of the hole does not reveal its content. At percentile p the share 1 - p is removed.

    Args:
        rng: draws the noise.
        percentiles: P.
        noise: its standard deviation, for pixels in [0, 1], where one grey level is 1/255. The package adds it to
            normalised pixels, where 0.01 is about 0.0023 of a picture's range.

    See :func:`deletion` for the other arguments. A picture of 64 px takes about half a
    second, one of 224 px many times that.

    Returns:
        (N,) in [-0.5, 0.5]: large is good, 0 is chance level.

    Raises:
        ImportError: the grad-cam package, whose linear system this is, is not installed.

    Source: Rong, Leemann, Borisov, Kasneci, Kasneci, "A Consistent and Efficient Evaluation Strategy for Attribution
    Methods", ICML 2022, arXiv:2202.00449.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    checks.number("noise", noise, 0)
    if not len(percentiles):
        raise ValueError("percentiles should name one share at least; got none.")
    for percentile in percentiles:
        checks.number("percentiles", percentile, 0, 100)
    total = torch.zeros(len(images), device=images.device)
    for sign, order in ((1, -heat), (-1, heat)):  # the coldest are removed first, then the hottest
        rank, pixels = _heat_ranks(order), heat[0].numel()
        for percentile in percentiles:
            # The package keeps the pixels below the percentile: in a map without ties, this number of them.
            keep = rank >= pixels - int(np.ceil(percentile / 100 * (pixels - 1)))
            imputed = torch.stack([_impute(*pair, rng, noise) for pair in zip(images, keep, strict=True)])
            total += sign * _probability(network, imputed, classes, batch_size)
    return total / (2 * len(percentiles))


def _impute(image: Tensor, keep: Tensor, rng: np.random.Generator, noise: float) -> Tensor:
    """Fill the pixels of an image (3, H, W) outside the mask ``keep`` (H, W) from their neighbours."""
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import spsolve

    from mixviz.cam.formulas import package

    metric = package().metrics.road
    mask, pixels = keep.cpu().numpy().astype(np.float32), image.float().cpu().numpy()
    if mask.all():
        return image
    # The package's imputer draws from torch's global random state; only its linear system is used.
    matrix, right = metric.NoisyLinearImputer.setup_sparse_system(mask, pixels, metric.neighbors_weights)
    values = spsolve(csc_matrix(matrix), right)
    values = values + noise * rng.standard_normal(values.shape)
    imputed = pixels.copy()
    imputed[:, mask == 0] = values.T
    return torch.from_numpy(imputed).to(image)


def _probability(network: Network, images: Tensor, classes: Tensor, batch_size: int) -> Tensor:
    """Probability (N,) float32 of each image's class."""
    probabilities = []
    with torch.inference_mode(), evaluating(network):
        for part in images.split(batch_size):
            probabilities.append(check_logits(network(part), len(part)).float().softmax(1))
    chances = torch.cat(probabilities).clone()
    checks.labels("classes", classes, *chances.shape)
    return chances.gather(1, classes.to(chances.device)[:, None])[:, 0]


def _heat_ranks(heat: Tensor) -> Tensor:
    """Rank (N, H, W) of every pixel in the order from hot to cold, from 0."""
    order = heat.flatten(1).argsort(dim=1, descending=True, stable=True)
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=heat.device).expand_as(order)
    )
    return ranks.view(heat.shape)


def _blank(images: Tensor, fill: Sequence[float]) -> Tensor:
    checks.colour("fill", fill)
    return torch.tensor(tuple(fill)).to(images).view(1, 3, 1, 1).expand_as(images)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with a kernel of 3 standard deviations on each side, or less in a small picture, mirrored at the
    edges."""
    from torch.nn import functional

    checks.number("sigma", sigma, 0.01)
    radius = min(max(round(3 * sigma), 1), min(images.shape[2:]) - 1)
    kernel = torch.exp(-((torch.arange(-radius, radius + 1, device=images.device) / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).to(images)
    padded = functional.pad(images, (radius,) * 4, mode="reflect")
    rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1).expand(3, -1, -1, -1), groups=3)
    return functional.conv2d(rows, kernel.view(1, 1, 1, -1).expand(3, -1, -1, -1), groups=3)


def _check(images: Tensor, heat: Tensor, classes: Tensor, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the images as float in [0, 1], the heat on their device, and the classes on the CPU, where they are
    checked without a device synchronisation."""
    byte = isinstance(images, Tensor) and images.dtype == torch.uint8
    checks.tensor("images", images, "integer" if byte else "float", ("N", 3, "H", "W"), 0, 255 if byte else 1)
    n, _, *size = images.shape
    checks.tensor("heat", heat, "real", (n, *size), 0, 1, hint=HEAT)
    checks.labels("classes", classes, n)
    checks.number("batch_size", batch_size, 1, whole=True)
    heat = heat.to(images.device, heat.dtype if heat.is_floating_point() else torch.float32)
    return (images.float() / 255 if byte else images), heat, classes.cpu()

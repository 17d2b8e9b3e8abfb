"""Faithfulness of heat maps: remove or keep the pixels that a map calls important, and measure the network again.

A ``network`` is here anything from pictures in [0, 1], *before* normalisation, to logits (N, C):
:class:`mixviz.core.inference.NormalizedModel` makes one of a network that takes normalised images. Maps are ``heat``
(N, H, W) in [0, 1], of :func:`mixviz.cam.localization.heat`. All of it measures the map for the network, not for the
eye: a map may be faithful to a network that looks at the wrong thing.

Where pixels are taken in the order of their heat, equals are taken row by row, also in a map that points nowhere.
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
    """``share`` (S + 1,) of the pixels that were changed, from 0 to 1; ``probability`` (N, S + 1) of the class."""

    share: Tensor
    probability: Tensor

    @property
    def area(self) -> Tensor:
        """(N,) the area under the curve, in [0, 1], by the trapezoidal rule."""
        return torch.trapezoid(self.probability, self.share)


def deletion(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, *, fill: Sequence[float] = (0.485, 0.456, 0.406),
    steps: int = 32, batch_size: int = 256,
) -> Curve:  # fmt: skip
    """The class's probability while pixels are blanked, the hottest first: a good map has a *small* area.

    Args:
        network: from images in [0, 1] to logits.
        images: (N, 3, H, W) float in [0, 1], or uint8.
        heat: (N, H, W).
        classes: (N,) the class of each map.
        fill: the blank's colour; the data's mean is 0 to the network, as in the paper's code.
        steps: S; after each, an equal share of the pixels more is blank.
        batch_size: images at a time.

    Raises:
        TypeError, ValueError: shapes that do not fit, values outside [0, 1], classes that the network does not have.

    Source: Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
    arXiv:1806.07421.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    return _curve(network, images, _blank(images, fill), heat, classes, steps, batch_size)


def insertion(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, *, sigma: float = 5.0, steps: int = 32,
    batch_size: int = 256,
) -> Curve:  # fmt: skip
    """The class's probability while a blurred picture becomes sharp, the hottest pixels first: a good map has a
    *large* area.

    A blank canvas would show the network edges that no picture has, which is why the start is blurred.

    Args:
        sigma: standard deviation of the Gaussian blur, in pixels; the paper's code has 5 at 224 px.

    For the others, and for the source, see :func:`deletion`.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    return _curve(network, _blurred(images, sigma), images, heat, classes, steps, batch_size)


def _curve(
    network: Network, start: Tensor, end: Tensor, heat: Tensor, classes: Tensor, steps: int, batch_size: int
) -> Curve:
    """While the pixels of ``start`` become those of ``end``."""
    checks.number("steps", steps, 1, whole=True)
    place, pixels = _places(heat), heat[0].numel()
    # The steps are whole pixels, so that the shares may differ a little.
    counts = [pixels * step // steps for step in range(steps + 1)]
    together = max(batch_size // len(start), 1)  # steps of few pictures share a pass through the network
    found = []
    for first in range(0, len(counts), together):
        part = counts[first : first + together]
        seen = torch.cat([torch.where((place < count)[:, None], end, start) for count in part])
        chances = _probability(network, seen, classes.repeat(len(part)), batch_size)
        found.append(chances.view(len(part), len(start)))
    share = torch.tensor([count / pixels for count in counts], device=heat.device)
    return Curve(share, torch.cat(found).T.contiguous())


class Confidence(NamedTuple):
    """The share of the class's probability that is left when only the map's pixels are shown.

    ``before`` and ``after`` (N,): of the whole picture and of what the map leaves.
    """

    before: Tensor
    after: Tensor

    @property
    def average_drop(self) -> float:
        """Percent of the probability that is lost, a gain counted as 0; the mean of the pictures. Small is good."""
        lost = (self.before - self.after).clamp(min=0) / self.before.clamp(min=torch.finfo(self.before.dtype).tiny)
        return 100 * lost.mean().item()

    @property
    def increase(self) -> float:
        """Percent of the pictures of which the network is surer when it sees only the map's places. Large is good."""
        return 100 * (self.after > self.before).double().mean().item()


def confidence(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, *, fill: Sequence[float] = (0, 0, 0),
    batch_size: int = 256,
) -> Confidence:  # fmt: skip
    """Show the network only what the map calls important, and see how sure it still is.

    $$E = h \\odot x + (1 - h) \\odot c \\qquad
      \\text{average drop} = \\frac{100}{N} \\sum_n \\frac{\\max(0, p_n(x) - p_n(E))}{p_n(x)}$$

    A map that is hot everywhere loses nothing: the two numbers do not see that it says nothing.

    Args:
        fill: the colour c behind the map: black, as in the paper. The grad-cam package dims the normalised picture,
            which is the data's mean as the fill.

    For the others see :func:`deletion`.

    Source: Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", WACV 2018, arXiv:1710.11063.
    """
    images, heat, classes = _check(images, heat, classes, batch_size)
    shown = torch.lerp(_blank(images, fill), images, heat[:, None].to(images))
    before, after = (_probability(network, seen, classes, batch_size) for seen in (images, shown))
    return Confidence(before, after)


def road(
    network: Network, images: Tensor, heat: Tensor, classes: Tensor, rng: np.random.Generator, *,
    percentiles: Sequence[int] = PERCENTILES, noise: float = 0.01, batch_size: int = 256,
) -> Tensor:  # fmt: skip
    """ROAD, combined: how much more the class's probability falls without the hottest pixels than without the coldest.

    $$\\frac{1}{2 |P|} \\sum_{p \\in P} \\big(s(\\text{coldest removed}) - s(\\text{hottest removed})\\big)$$

    Removed pixels are filled in from their neighbours by solving a linear system, with a little noise, so that the
    hole's shape does not betray what was there. At percentile p the share 1 - p is removed.

    Args:
        rng: draws the noise.
        percentiles: P.
        noise: its standard deviation, in the picture's own units, where a byte is 1/255. The package adds it to
            normalised pixels, where 0.01 is about 0.0023 of a picture's range.

    For the others see :func:`deletion`. A picture of 64 px takes about half a second, one of 224 px many times that.

    Returns:
        (N,) in [-0.5, 0.5]: large is good, 0 is what chance reaches.

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
        place, pixels = _places(order), heat[0].numel()
        for percentile in percentiles:
            # The package keeps what is below the percentile: so many pixels, of a map without equals.
            kept = place >= pixels - int(np.ceil(percentile / 100 * (pixels - 1)))
            filled = torch.stack([_filled(*pair, rng, noise) for pair in zip(images, kept, strict=True)])
            total += sign * _probability(network, filled, classes, batch_size)
    return total / (2 * len(percentiles))


def _filled(image: Tensor, kept: Tensor, rng: np.random.Generator, noise: float) -> Tensor:
    """The image (3, H, W) with the pixels that are not kept (H, W) filled in from their neighbours."""
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import spsolve

    from mixviz.cam.formulas import package

    metric = package().metrics.road
    mask, pixels = kept.cpu().numpy().astype(np.float32), image.float().cpu().numpy()
    if mask.all():
        return image
    # The package's imputer draws from torch's global random state; its system is all that is needed.
    matrix, right = metric.NoisyLinearImputer.setup_sparse_system(mask, pixels, metric.neighbors_weights)
    values = spsolve(csc_matrix(matrix), right)
    values = values + noise * rng.standard_normal(values.shape)
    filled = pixels.copy()
    filled[:, mask == 0] = values.T
    return torch.from_numpy(filled).to(image)


def _probability(network: Network, images: Tensor, classes: Tensor, batch_size: int) -> Tensor:
    """(N,) float32: the probability of each image's class."""
    found = []
    with torch.inference_mode(), evaluating(network):
        for part in images.split(batch_size):
            found.append(check_logits(network(part), len(part)).float().softmax(1))
    chances = torch.cat(found).clone()
    checks.labels("classes", classes, *chances.shape)
    return chances.gather(1, classes.to(chances.device)[:, None])[:, 0]


def _places(heat: Tensor) -> Tensor:
    """The place (N, H, W) of every pixel in the order from hot to cold, from 0."""
    order = heat.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=heat.device).expand_as(order)
    )
    return places.view(heat.shape)


def _blank(images: Tensor, fill: Sequence[float]) -> Tensor:
    checks.colour("fill", fill)
    return torch.tensor(tuple(fill)).to(images).view(1, 3, 1, 1).expand_as(images)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur over 3 standard deviations, the picture mirrored at its edges as far as it reaches."""
    from torch.nn import functional

    checks.number("sigma", sigma, 0.01)
    reach = min(max(round(3 * sigma), 1), min(images.shape[2:]) - 1)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1, device=images.device) / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).to(images)
    padded = functional.pad(images, (reach,) * 4, mode="reflect")
    rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1).expand(3, -1, -1, -1), groups=3)
    return functional.conv2d(rows, kernel.view(1, 1, 1, -1).expand(3, -1, -1, -1), groups=3)


def _check(images: Tensor, heat: Tensor, classes: Tensor, batch_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The images as float in [0, 1], the heat on their device, and the classes on the CPU, where they are held against
    the network's without waiting for it."""
    byte = isinstance(images, Tensor) and images.dtype == torch.uint8
    checks.tensor("images", images, "integer" if byte else "float", ("N", 3, "H", "W"), 0, 255 if byte else 1)
    n, _, *size = images.shape
    checks.tensor("heat", heat, "real", (n, *size), 0, 1, hint=HEAT)
    checks.labels("classes", classes, n)
    checks.number("batch_size", batch_size, 1, whole=True)
    heat = heat.to(images.device, heat.dtype if heat.is_floating_point() else torch.float32)
    return (images.float() / 255 if byte else images), heat, classes.cpu()

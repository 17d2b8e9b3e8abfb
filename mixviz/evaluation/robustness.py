"""Robustness: attacked, occluded and foreign pictures, and mixtures of two.

A ``network`` maps pictures in [0, 1], *before* normalisation, to logits (N, C);
:class:`mixviz.core.inference.NormalizedModel` makes one of a network that takes normalised images. The measurements are
those of Yun et al., CutMix, ICCV 2019, arXiv:1905.04899.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mixviz.core import checks, geometry
from mixviz.core.batch import Batch
from mixviz.core.builders import alone
from mixviz.core.inference import check_logits, evaluating
from mixviz.core.parts import LabelRule, Patches, Weights
from mixviz.core.recipe import Recipe

Network = Callable[[Tensor], Tensor]
BYTES = "Divide bytes by 255, and give them before normalisation."

# Attacks


def loss_gradient(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """Gradient (N, 3, H, W) of the cross-entropy with respect to the pixels.

    Parameters, their ``.grad`` and the network's mode do not change. Works inside inference mode, too.

    Raises:
        TypeError, ValueError: no images in [0, 1], or labels that are none of the network's classes.
    """
    _check_images(images)
    return _gradient(network, images, labels, check=True)


def _gradient(network: Network, images: Tensor, labels: Tensor, *, check: bool = False) -> Tensor:
    with torch.inference_mode(False), torch.enable_grad(), evaluating(network):
        images = images.detach().clone().requires_grad_()
        logits = check_logits(network(images), len(images)).float()
        if check:  # checking reads labels back from the device: once, and not at each step of an attack
            checks.labels("labels", labels, *logits.shape)
        labels = labels.clone()
        return torch.autograd.grad(functional.cross_entropy(logits, labels, reduction="sum"), images)[0]


def fgsm(network: Network, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Attack by the fast gradient sign method: one step up the loss, of the same size in every pixel.

    $$x' = \\Pi_{[0, 1]}\\big(x + \\tfrac{\\varepsilon}{255} \\, \\mathrm{sign} \\, \\nabla_x L(f(x), y)\\big)$$

    Args:
        network: from images in [0, 1] to logits.
        images: (N, 3, H, W) float in [0, 1].
        labels: (N,) true classes.
        eps: ε, 0 to 255, in steps of 1/255.

    Raises:
        TypeError, ValueError: no images in [0, 1], no ε, or labels that are none of the network's classes.

    Source: Goodfellow, Shlens, Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, arXiv:1412.6572.
    """
    return along(images, loss_gradient(network, images, labels), eps)


def along(images: Tensor, gradient: Tensor, eps: float) -> Tensor:
    """Take the step of :func:`fgsm` along a known gradient: one :func:`loss_gradient` serves any number of ε.

    Raises:
        TypeError, ValueError: a gradient of another shape, or ε outside [0, 255].
    """
    checks.tensor("images", images, "float", ("N", 3, "H", "W"), values=False, hint=BYTES)
    checks.tensor("gradient", gradient, "float", tuple(images.shape), values=False)
    _check_eps(eps)
    return (images + eps / 255 * gradient.sign()).clamp(0, 1)


def pgd(
    network: Network, images: Tensor, labels: Tensor, eps: float, rng: np.random.Generator, *, steps: int = 10
) -> Tensor:
    """Attack by projected gradient descent: FGSM in small steps from a random start, kept within ε of the image.

    $$x_{t+1} = \\Pi_{[x - \\varepsilon, x + \\varepsilon] \\cap [0, 1]}
      \\big(x_t + a \\, \\mathrm{sign} \\, \\nabla_x L(f(x_t), y)\\big) \\qquad a = 2.5 \\, \\varepsilon / T$$

    The start is uniform within ε of the image. The steps can reach the far side of the ball and turn there.

    Args:
        network, images, labels, eps: see :func:`fgsm`.
        rng: draws the start.
        steps: T, each a forward and a backward pass.

    Raises:
        TypeError, ValueError: see :func:`fgsm`.

    Source: Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks",
    ICLR 2018, arXiv:1706.06083.
    """
    _check_images(images)
    _check_eps(eps)
    checks.number("steps", steps, 1, whole=True)
    radius = eps / 255
    low, high = (images - radius).clamp(0, 1), (images + radius).clamp(0, 1)
    start = torch.from_numpy(rng.random(images.shape, dtype=np.float32)).to(images)
    attacked = torch.lerp(low, high, start)
    for step in range(steps):
        gradient = _gradient(network, attacked, labels, check=step == 0)
        attacked = attacked + 2.5 * radius / steps * gradient.sign()
        attacked = torch.minimum(torch.maximum(attacked, low), high)
    return attacked


def withstands(
    network: Network, images: Tensor, labels: Tensor, eps: float, start: np.ndarray, *, steps: int = 10
) -> Tensor:
    """Tell for each image whether the network is right at the start and at every step of :func:`pgd`.

    An image that was wrong once is attacked no further: most are after a step or two, so that this costs a fraction of
    the whole attack. It is a stronger attack than its last step alone.

    Args:
        network, images, labels, eps, steps: see :func:`pgd`.
        start: (N, 3, H, W) float32, 0 to 1, from the least to the most that a pixel may be.

    Returns:
        (N,) bool.

    Raises:
        TypeError, ValueError: see :func:`pgd`.
    """
    _check_images(images)
    _check_eps(eps)
    checks.number("steps", steps, 1, whole=True)
    radius = eps / 255
    low, high = (images - radius).clamp(0, 1), (images + radius).clamp(0, 1)
    attacked = torch.lerp(low, high, torch.from_numpy(start).to(images))
    left = torch.arange(len(images), device=images.device)
    for step in range(steps + 1):
        last = step == steps
        with torch.inference_mode(False), torch.set_grad_enabled(not last), evaluating(network):
            points = attacked[left].clone().requires_grad_(not last)
            logits = check_logits(network(points), len(left)).float()
            if not step:
                checks.labels("labels", labels, *logits.shape)
            truth = labels[left].clone()
            right = logits.argmax(1) == truth
            left = left[right]
            if last or not len(left):
                break
            loss = functional.cross_entropy(logits[right], truth[right], reduction="sum")
            gradient = torch.autograd.grad(loss, points)[0][right]
        moved = attacked[left] + 2.5 * radius / steps * gradient.sign()
        attacked[left] = torch.minimum(torch.maximum(moved, low[left]), high[left])
    return torch.zeros(len(images), dtype=torch.bool, device=images.device).index_fill_(0, left, True)


def _check_images(images: Tensor) -> None:
    checks.tensor("images", images, "float", ("N", 3, "H", "W"), 0, 1, hint=BYTES)


def _check_eps(eps: float) -> None:
    checks.number("eps", eps, 0, 255)


# Occlusion

OCCLUSIONS = ("hole", "border_hole", "boundary")


def occlude(
    images: Tensor, share: float, kind: str, rng: np.random.Generator, fill: Sequence[float] = (0, 0, 0)
) -> Tensor:
    """Blank a part of each picture.

    Args:
        images: (N, 3, H, W), uint8 or float in [0, 1]; not changed.
        share: of the picture's area, 0 to 1, up to the rounding of the box to whole pixels.
        kind: ``hole`` blanks a box in the middle, ``border_hole`` one at a random place along the border,
            ``boundary`` all but a box in the middle.
        rng: draws the places along the border.
        fill: the blank colour, in [0, 1]. The data set's mean is 0 after normalisation.

    Raises:
        TypeError, ValueError: no such images, kind, share or colour.
    """
    if kind not in OCCLUSIONS:
        raise ValueError(f"kind should be {', '.join(OCCLUSIONS)}; got {kind!r}.")
    checks.number("share", share, 0, 1)
    checks.colour("fill", fill)
    batch = Batch(images)
    n, size = len(batch), batch.size
    boundary = kind == "boundary"
    height, width = geometry.patch_sides(np.full(n, share if boundary else 1 - share), size)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    if kind == "border_hole":
        top, left = _along_border(rng, size, (height, width))
    box = batch.tensor(geometry.stack_box(top, left, top + height, left + width))
    colour = batch.tensor(np.asarray(fill, np.float32)).view(1, -1, 1, 1)
    if boundary:
        mixing = Weights(geometry.box_mask(box, size)[None, :, None].float(), colour)
    else:
        mixing = Patches(box[None], fill=colour)
    recipe = Recipe(
        size=size,
        partner=alone(batch),
        share=torch.ones(1, n, device=batch.device),
        mixing=mixing,
        label=LabelRule.OWN,
    )
    return recipe.apply(images)


def _along_border(
    rng: np.random.Generator, size: tuple[int, int], sides: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Corners of boxes that touch a random side of the picture at a random place."""
    u = rng.random((len(sides[0]), 3))  # image after image: places do not depend on the batch size
    top, left = (u[:, :2].T * (np.array(size)[:, None] - sides + 1)).astype(np.int64)
    at = (u[:, 2] * 4).astype(np.int64)
    top = np.where(at == 0, 0, np.where(at == 1, size[0] - sides[0], top))
    return top, np.where(at == 2, 0, np.where(at == 3, size[1] - sides[1], left))


# Out of distribution


class Detection(NamedTuple):
    """``auroc`` and ``tnr_at_95_tpr``, 0 to 1. Chance level is 0.5 and 0.05."""

    auroc: float
    tnr_at_95_tpr: float


def detection(known: Tensor, foreign: Tensor) -> Detection:
    """Measure how well a score tells known pictures from foreign ones.

    AUROC is the chance that a known picture scores higher than a foreign one (ties count half); by torchmetrics. The
    true negative rate at 95 % is the share of foreign pictures below the highest threshold that at least 95 % of the
    known ones reach.

    Args:
        known: (N,) scores of known pictures, e.g. the largest softmax probability.
        foreign: (M,) scores of others.

    Raises:
        TypeError, ValueError: no scores on a side, or a NaN among them.

    Source: Hendrycks, Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
    Networks", ICLR 2017, arXiv:1610.02136.
    """
    from torchmetrics.functional.classification import binary_auroc

    checks.tensor("known", known, "real", ("N",))
    checks.tensor("foreign", foreign, "real", ("M",))
    scores = torch.cat([known, foreign]).double()
    # Ranks: torchmetrics takes values outside [0, 1] for logits and rounds them; only the order counts.
    ranks = scores.unique(return_inverse=True)[1]
    is_known = torch.cat([torch.ones_like(known, dtype=torch.int64), torch.zeros_like(foreign, dtype=torch.int64)])
    auroc = binary_auroc(ranks.double() / ranks.max().clamp(min=1), is_known).item()
    reached = known.sort(descending=True).values[-(-95 * len(known) // 100) - 1]  # 95 % of them, rounded up
    return Detection(auroc, (foreign < reached).double().mean().item())


# Between two classes


def pairs(labels: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Draw pairs (P, 2) of image indices with different classes. Each image is in one pair at most.

    An odd number leaves one image over; more are left over only if one class has more than half of them.

    Args:
        labels: (N,) class indices.
        rng: draws the pairs.

    Raises:
        TypeError, ValueError: labels that are no class indices.
    """
    checks.labels("labels", labels, "N")
    classes, order = labels.cpu().numpy(), rng.permutation(len(labels))
    first, second = order[: len(order) // 2].copy(), order[len(order) // 2 :][: len(order) // 2].copy()
    for _ in range(100):
        alike = np.flatnonzero(classes[first] == classes[second])
        if not len(alike):
            break
        # Pairs of one class exchange their partners with as many other pairs.
        mixed = np.union1d(alike, rng.choice(len(first), min(len(first), len(alike) + 1), replace=False))
        everyone = rng.permutation(np.concatenate([first[mixed], second[mixed]]))
        first[mixed], second[mixed] = everyone[: len(mixed)], everyone[len(mixed) :]
    different = classes[first] != classes[second]
    return np.stack([first[different], second[different]], 1)


def interpolate(images: Tensor, lam: float, method: str, rng: np.random.Generator) -> Tensor:
    """Mix a batch's first half with its second, and its second with its first; see :func:`interpolation`."""
    return interpolation(images, lam, method, rng).apply(images)


def interpolation(images: Tensor, lam: float, method: str, rng: np.random.Generator) -> Recipe:
    """Return the recipe of :func:`interpolate`; its ``share`` is the label that training with the method would use.

    Args:
        images: (2P, 3, H, W), uint8 or float in [0, 1].
        lam: λ, the share of each image itself, 0 to 1, held for the method's plan.
        method: ``mixup``, or ``cutmix`` with its patch moved to the middle, where no border clips it: at λ = 0 nothing
            is left of the image.
        rng: for the method's plan.

    Raises:
        TypeError, ValueError: another method, an odd number of images, or λ outside [0, 1].
    """
    from mixviz.explain.edits import move_patch
    from mixviz.methods import METHODS

    if method not in ("mixup", "cutmix"):
        raise ValueError(f"method should be mixup or cutmix; got {method!r}.")
    checks.number("lam", lam, 0, 1)
    half, batch = len(images) // 2, Batch(images)
    if len(images) % 2:
        raise ValueError(f"images should be an even number, whose halves are mixed; got {len(images)}.")
    recipe = METHODS[method]().plan(batch, rng, lam=lam, partner=np.roll(np.arange(2 * half), half))
    if isinstance(recipe.mixing, Patches):
        height, width = (int(side[0]) for side in geometry.patch_sides(np.array([lam]), batch.size))
        top, left = (batch.size[0] - height) // 2, (batch.size[1] - width) // 2
        if height and width:
            recipe = move_patch(recipe, (top, left, top + height, left + width))
    return recipe

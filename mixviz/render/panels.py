"""The pictures of a mixture, by name."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mixviz.core import apply
from mixviz.core.parts import Style
from mixviz.explain.example import MixedExample
from mixviz.render import overlays


def tiles(story: MixedExample) -> dict[str, np.ndarray]:
    """Every picture of a mixture, uint8 (H, W, 3), by name: ``a``, ``b``, their saliency, each in the other's style
    where the pixels are mixed so, the mask and the mixture."""
    a, b, mixed = (picture(image) for image in (*story.images, story.mixed))
    maps = story.maps if story.recipe.saliency is None else story.recipe.saliency
    own = story.recipe.partner[:, 0] == 0  # A may be more than one of the sources
    mask = np.rint(story.row.weights()[own, 0, 0].sum(0).numpy() * 255).astype(np.uint8)
    return {
        "a": a,
        "b": b,
        "heat_a": overlays.overlay(a, maps[0].numpy()),
        "heat_b": overlays.overlay(b, maps[1].numpy()),
        **({} if story.recipe.layer or not isinstance(story.recipe.mixing, Style) else _styled(story)),
        "mask": np.repeat(mask[..., None], 3, 2),
        "mixed": mixed,
    }


def _styled(story: MixedExample) -> dict[str, np.ndarray]:
    """A in B's style, and B in A's: what the mixture of the one and of the other shows of them."""
    shown = apply.restyled(story.images, torch.tensor([0, 1]), torch.tensor([1, 0]))
    return {f"{letter}_styled": picture(image) for letter, image in zip("ab", shown, strict=True)}


def picture(image: Tensor) -> np.ndarray:
    """An image (3, H, W) as paint and files have it: (H, W, 3)."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())

"""Pictures that explain a mixture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mixviz.core import apply
from mixviz.core.parts import Style
from mixviz.explain.example import MixedExample
from mixviz.render import overlays


def tiles(example: MixedExample) -> dict[str, np.ndarray]:
    """Pictures of a mixture by name, uint8 (H, W, 3): ``a``, ``b``, their saliency, the mask and the mixture.

    If the method mixes styles of pixels, also each picture in the other's style.
    """
    a, b, mixed = (picture(image) for image in (*example.sources, example.mixed))
    maps = example.source_maps
    own = example.recipe.partner[:, 0] == 0  # A can be several of the sources
    mask = np.rint(example.row.weights()[own, 0, 0].sum(0).numpy() * 255).astype(np.uint8)
    return {
        "a": a,
        "b": b,
        "heat_a": overlays.overlay(a, maps[0].numpy()),
        "heat_b": overlays.overlay(b, maps[1].numpy()),
        **({} if example.recipe.layer or not isinstance(example.recipe.mixing, Style) else _styled(example)),
        "mask": np.repeat(mask[..., None], 3, 2),
        "mixed": mixed,
    }


def _styled(example: MixedExample) -> dict[str, np.ndarray]:
    """A in B's style and B in A's style, as they enter the mixtures."""
    styled = apply.restyled(example.sources, torch.tensor([0, 1]), torch.tensor([1, 0]))
    return {f"{letter}_styled": picture(image) for letter, image in zip("ab", styled, strict=True)}


def picture(image: Tensor) -> np.ndarray:
    """Convert an image (3, H, W) to (H, W, 3), the layout for drawing and files."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())

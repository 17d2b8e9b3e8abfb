"""Edit a recipe: move its box, or paint its mask. The label follows by the recipe's own rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from mixviz.core import geometry
from mixviz.core.parts import Aligned, Operations, Patches, Style, Weights
from mixviz.core.recipe import Recipe


def can_move(recipe: Recipe) -> bool:
    """Whether the recipe has a single patch, in pixels, that can be dragged."""
    return not recipe.layer and isinstance(recipe.mixing, Patches) and len(recipe.mixing.target_boxes) == 1


def can_paint(recipe: Recipe) -> bool:
    """Whether one mask describes the mixture: one or two sources, mixed in pixels and otherwise unchanged."""
    paired = len(recipe.partner) == 2 or (len(recipe.partner) == 1 and recipe.fill is not None)
    return not recipe.layer and paired and not recipe.resample and not isinstance(recipe.mixing, Operations | Style)


def move_patch(recipe: Recipe, box: Sequence[int]) -> Recipe:
    """Move the patch, in every row of the batch; λ is dropped where the label follows the pixels.

    Args:
        box: (top, left, bottom, right) in pixels, half-open. A patch cut from another place keeps the centre of its
            source box as far as the border allows; a resized patch is resized to the new box.

    Raises:
        ValueError: there is no patch, or more than one, or the box is not inside the image.
    """
    if not can_move(recipe) or not isinstance(recipe.mixing, Patches):
        raise ValueError("This recipe has no single patch that could be moved.")
    height, width = recipe.size
    top, left, bottom, right = box
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(f"A box is (top, left, bottom, right) within {height}x{width} pixels; got {tuple(box)}.")
    target = torch.tensor((top, left, bottom, right), device=recipe.partner.device).expand(1, len(recipe), 4)
    source = recipe.mixing.source_boxes
    if source is not None and not recipe.mixing.resample:
        source = _around_centre(source[0], bottom - top, right - left, recipe.size)[None]
    patch = dataclasses.replace(recipe.mixing, target_boxes=target, source_boxes=source)
    return dataclasses.replace(recipe, mixing=patch).relabelled()


def paint_mask(recipe: Recipe, mask: Tensor) -> Recipe:
    """Replace the mask in every row of the batch: 1 keeps the image, 0 shows its partner (or the fill).

    Args:
        mask: (H, W) float in [0, 1], of the recipe's size.

    Raises:
        ValueError: the recipe mixes more than two sources, resizes, or mixes inside a network; or the mask has
            another size or range.
    """
    if not can_paint(recipe):
        raise ValueError("This recipe cannot be painted: it has no single mask over whole pictures.")
    if tuple(mask.shape) != recipe.size or not (mask.amin() >= 0 and mask.amax() <= 1):
        raise ValueError(f"A mask is {recipe.size[0]}x{recipe.size[1]} numbers from 0 to 1; got {tuple(mask.shape)}.")
    own = mask.to(recipe.share)[None, None, None].expand(1, len(recipe), 1, *recipe.size)
    weight = own if len(recipe.partner) == 1 else torch.cat([own, 1 - own])
    painted = Weights(weight, recipe.fill)
    if isinstance(recipe.mixing, Aligned):
        painted = Aligned(painted, recipe.mixing.epsilon)
    return dataclasses.replace(recipe, mixing=painted).relabelled()


def refilled(recipe: Recipe, fill: Tensor) -> Recipe:
    """Replace every fill of the recipe, and remove its noise, so that the rest comes from its sources."""
    mixing, base = recipe.mixing, recipe.base
    if isinstance(base, Weights) and base.fill is not None:
        base = dataclasses.replace(base, fill=fill)
    if isinstance(mixing, Patches):
        own = None if mixing.fill is None else fill
        return dataclasses.replace(recipe, mixing=dataclasses.replace(mixing, base=base, fill=own, noise=None))
    if isinstance(mixing, Operations):
        own = None if mixing.fill is None else fill
        return dataclasses.replace(recipe, mixing=dataclasses.replace(mixing, base=base, fill=own))
    if isinstance(mixing, Style | Aligned):
        return dataclasses.replace(recipe, mixing=dataclasses.replace(mixing, base=base))
    return dataclasses.replace(recipe, mixing=base)


def mask_from_cells(cells: Sequence[str], size: int) -> Tensor:
    """Decode a painted mask (size, size) from a recipe file's rows of digits, 1 where the image is kept."""
    values = torch.tensor([[float(digit) for digit in row] for row in cells])
    return values[torch.arange(size) * len(cells) // size][:, torch.arange(size) * len(cells[0]) // size]


def _around_centre(box: Tensor, height: int, width: int, size: tuple[int, int]) -> Tensor:
    """Boxes (N, 4) of the given sides around the old boxes' centres, moved inside the image."""
    top = ((box[:, 0] + box[:, 2] - height) // 2).clamp(0, size[0] - height)
    left = ((box[:, 1] + box[:, 3] - width) // 2).clamp(0, size[1] - width)
    return geometry.stack_box(top, left, top + height, left + width)

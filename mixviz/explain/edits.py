"""A recipe changed by hand: another box, or a painted mask. The label follows by the recipe's own rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from mixviz.core import geometry
from mixviz.core.recipe import Recipe


def can_move(recipe: Recipe) -> bool:
    """One patch, in the pixels: there is one box to take hold of."""
    return not recipe.layer and recipe.target_boxes is not None and len(recipe.target_boxes) == 1


def can_paint(recipe: Recipe) -> bool:
    """One or two sources, in the pixels and as they are: one mask says all."""
    paired = len(recipe.partner) == 2 or (len(recipe.partner) == 1 and recipe.fill is not None)
    plain = not recipe.resample and recipe.chains is None and recipe.style is None
    return not recipe.layer and paired and plain


def move_patch(recipe: Recipe, box: tuple[int, int, int, int]) -> Recipe:
    """The patch at another place, in every row of the batch; λ has no say any more where the label follows the pixels.

    Args:
        box: (top, left, bottom, right) in pixels, half-open. What is cut from elsewhere keeps its centre as well as
            the border allows; what is resized is resized to the new box.

    Raises:
        ValueError: there is no patch, or several, or the box is not inside the image.
    """
    if not can_move(recipe):
        raise ValueError("This recipe has no single patch that could be moved.")
    height, width = recipe.size
    top, left, bottom, right = box
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(f"A box is (top, left, bottom, right) within {height}x{width} pixels; got {tuple(box)}.")
    target = torch.tensor(box, device=recipe.partner.device).expand(1, len(recipe), 4)
    source = recipe.source_boxes
    if source is not None and not recipe.resample:
        source = _around_centre(source[0], bottom - top, right - left, recipe.size)[None]
    return _relabelled(dataclasses.replace(recipe, target_boxes=target, source_boxes=source))


def paint_mask(recipe: Recipe, mask: Tensor) -> Recipe:
    """The mask as painted, in every row of the batch: 1 keeps the image, 0 shows its partner (or the fill).

    Args:
        mask: (H, W) float in [0, 1], of the recipe's size.

    Raises:
        ValueError: the recipe mixes more than two sources, resizes, or mixes inside a network; or the mask is none.
    """
    if not can_paint(recipe):
        raise ValueError("This recipe cannot be painted: it has no single mask over whole pictures.")
    if tuple(mask.shape) != recipe.size or not (mask.amin() >= 0 and mask.amax() <= 1):
        raise ValueError(f"A mask is {recipe.size[0]}x{recipe.size[1]} numbers from 0 to 1; got {tuple(mask.shape)}.")
    own = mask.to(recipe.share)[None, None, None].expand(1, len(recipe), 1, *recipe.size)
    weight = own if len(recipe.partner) == 1 else torch.cat([own, 1 - own])
    return _relabelled(
        dataclasses.replace(
            recipe, weight=weight, target_boxes=None, source_boxes=None, inside=None, noise=None, moves=None
        )
    )


def mask_from_cells(cells: Sequence[str], size: int) -> Tensor:
    """A painted mask (size, size) from rows of digits, 1 where the image is kept: what a recipe file holds."""
    values = torch.tensor([[float(digit) for digit in row] for row in cells])
    return values[torch.arange(size) * len(cells) // size][:, torch.arange(size) * len(cells[0]) // size]


def _around_centre(box: Tensor, height: int, width: int, size: tuple[int, int]) -> Tensor:
    """Boxes (N, 4) of the given sides around the old ones' centres, moved inside the image."""
    top = ((box[:, 0] + box[:, 2] - height) // 2).clamp(0, size[0] - height)
    left = ((box[:, 1] + box[:, 3] - width) // 2).clamp(0, size[1] - width)
    return geometry.stack_box(top, left, top + height, left + width)


def _relabelled(recipe: Recipe) -> Recipe:
    if recipe.label_by == "area":
        return dataclasses.replace(recipe, share=recipe.area.to(recipe.share), drawn=None)
    if recipe.label_by == "saliency":
        return dataclasses.replace(recipe, share=recipe.truth(recipe.saliency).fair, drawn=None)
    if recipe.label_by == "visible":
        return dataclasses.replace(recipe, share=recipe.truth(recipe.saliency).visible, drawn=None)
    if recipe.label_by in ("attention", "attention_area"):  # where it lay before: nobody is asked again
        return dataclasses.replace(recipe, share=recipe.by_attention(), drawn=None)
    return recipe

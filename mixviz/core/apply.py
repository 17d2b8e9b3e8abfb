"""The only code that blends pixels, by three paths with equal results.

On the CPU, boxes are copied as slices (a ``where`` over the batch costs several copies of it), and soft pairs are one
``lerp`` in pieces that stay in the cache. On a GPU, one kernel mixes the common kinds in one pass. On other devices,
for other kinds, under autograd and under ``torch.compile``, masks and gathers of static shape never wait for the
device.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mixviz.core import apply_compiled, apply_triton, geometry
from mixviz.core.parts import Aligned, Mixing, Operations, Patches, Style, Unmixed, Weights
from mixviz.core.tensors import as_list
from mixviz.ops import operations

PIECE = 2**18  # values gathered at a time: a megabyte of float32, still in the cache when lerp reads it
SINKHORN = 20  # iterations of a matching; its row sums end exact, its column sums close to it
FLAT = 1e-5  # added to every variance, so that a nearly constant channel is not stretched
LARGE = 2**15  # values per image from which one lerp per image, without gathering, is faster

WholeImages = Unmixed | Weights | Aligned | Operations | Style  # every kind but patches


class Plan(Protocol):
    """The part of a recipe that ``apply`` reads; ``recipe`` imports this module, not the other way round."""

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def partner(self) -> Tensor: ...
    @property
    def mixing(self) -> Mixing: ...
    @property
    def layer(self) -> int: ...
    @property
    def first(self) -> Plan | None:
        """Operations on each image by itself before all else."""
        ...

    def weights(self) -> Tensor:
        """Each source's weight at every pixel, (K, N, 1, H, W)."""
        ...


def apply(plan: Plan, images: Tensor, out: Tensor | None = None) -> Tensor:
    """Blend by the fastest path that fits; see :meth:`mixviz.Recipe.apply`."""
    if out is not None and (out.shape != images.shape or out.dtype != images.dtype):
        raise ValueError(f"out should be like images, {tuple(images.shape)} {images.dtype}; got {tuple(out.shape)}.")
    if into_memory(images):
        return by_slices(plan, images, torch.empty_like(images) if out is None else out)
    if apply_triton.usable(images) and has_kernel(plan):
        canvas = torch.empty_like(images) if out is None else out
        if by_kernel(plan, images, canvas):
            return canvas
    mixed = by_masks(plan, images)
    return mixed if out is None else out.copy_(mixed)


def into_memory(images: Tensor) -> bool:
    """Whether mixtures are written into given memory: on the CPU, without a gradient, outside ``torch.compile``."""
    return images.is_cpu and not images.requires_grad and not torch.compiler.is_compiling()


def sources(plan: Plan, hidden: Tensor) -> Tensor:
    """Mix hidden activations by the recipe's weights; differentiable.

    Scalar weights mix activations (N, ...) of any shape. A patch or a mask needs feature maps (N, C, h, w), and is
    downsampled to their size: a place half covered by the patch is an equal mix of both, so that the label stays right.
    Alignment and styles need feature maps, too.

    Raises:
        ValueError: the mixture needs feature maps, and ``hidden`` has another shape.
    """
    mixing, base = plan.mixing, plan.mixing.base
    if isinstance(mixing, Aligned) and hidden.ndim == 4:
        partner = aligned(hidden, take(hidden, plan.partner[1]), mixing.epsilon)
        return torch.lerp(hidden, partner, mixing.base.weight[1].to(hidden.dtype))
    if isinstance(mixing, Weights | Operations) and isinstance(base, Weights) and base.weight[0, 0].numel() == 1:
        return _weighted(mixing, plan, hidden, base.weight.view(*plan.partner.shape, *[1] * (hidden.ndim - 1)))
    if hidden.ndim != 4:
        raise ValueError(
            f"Patches, alignment and styles need feature maps (N, C, h, w); this stage gives {tuple(hidden.shape)}. "
            "Name stages that give maps, mix_inside(network, recipe, at=[...]), or mix the pictures alone: stages=0."
        )
    if isinstance(base, Unmixed) and not isinstance(mixing, Patches):
        raise ValueError("Single pictures are not mixed inside a network: give layer=0.")
    pooled = F.adaptive_avg_pool2d(plan.weights().flatten(0, 1), (hidden.shape[2], hidden.shape[3]))
    return _weighted(mixing, plan, hidden, torch.unflatten(pooled, 0, plan.partner.shape))


def aligned(own: Tensor, other: Tensor, epsilon: float) -> Tensor:
    """Move each place of the feature maps ``other`` (N, C, h, w) to the most similar places of ``own``.

    Sinkhorn iterations on the squared distances of unit vectors, in the log domain; the matching has no gradient.
    """
    with torch.no_grad(), torch.autocast(own.device.type, enabled=False):
        a, b = (F.normalize(_float(maps.detach()).flatten(2), dim=1) for maps in (own, other))
        score = (2 * a.mT @ b - 2) / epsilon  # (N, r, r), the negative squared distance 2 a·b - 2, over ε
        rows, columns = score.new_zeros(2, *score.shape[:2])
        for _ in range(SINKHORN):
            rows = -torch.logsumexp(score + columns[:, None, :], 2)
            columns = -torch.logsumexp(score + rows[:, :, None], 1)
        rows = -torch.logsumexp(score + columns[:, None, :], 2)  # makes row sums exactly 1: a mean for each place
        match = (score + rows[:, :, None] + columns[:, None, :]).exp().to(other.dtype)
        match = match.mT
    return (other.flatten(2) @ match).view_as(other)


def take(images: Tensor, index: Tensor) -> Tensor:
    """``images[index]`` by ``index_select``, which is three times as fast, in the layout of the images."""
    if _is_channels_last(images):
        return images.permute(0, 2, 3, 1).index_select(0, index).permute(0, 3, 1, 2)
    return images.index_select(0, index)


def by_masks(plan: Plan, images: Tensor) -> Tensor:
    """Blend by masks of static shape: differentiable, compilable, without synchronisation."""
    if isinstance(plan.mixing, Patches):
        result = _patched(plan.mixing, plan, images)
    else:
        result = _sum(plan.mixing, plan, images)
    if result is images:
        return images.clone()
    return result.contiguous(memory_format=torch.channels_last) if _is_channels_last(images) else result


def has_kernel(plan: Plan) -> bool:
    """Whether the plan is of a kind that :func:`by_kernel` mixes: one plain patch, or a pair of whole images."""
    match plan.mixing:
        case Patches(base=Unmixed()) as patches:
            return patches.copied and patches.target_boxes.shape[0] == 1
        case (Weights() as pair) | Aligned(base=Weights() as pair):
            return _is_pair(pair)
        case _:
            return False


def by_kernel(plan: Plan, images: Tensor, out: Tensor) -> bool:
    """Blend on a GPU in one pass, without synchronisation; whether it could, as with ``out`` in the layout of the
    images, and apart from them where a partner is read."""
    mixing = plan.mixing
    if not isinstance(mixing, Patches):
        assert isinstance(mixing.base, Weights)
        return apply_triton.blend(images, out, plan.partner[1], mixing.base.weight[1])
    target = mixing.target_boxes[0]
    if len(plan.partner) == 1:
        return apply_triton.fill(images, out, _as_pixels(mixing.fill, images), target)
    source = None if mixing.source_boxes is None else mixing.source_boxes[0]
    return apply_triton.paste(images, out, plan.partner[1], source, target)


def _patched(patches: Patches, plan: Plan, images: Tensor) -> Tensor:
    result = _sum(patches.base, plan, images)
    for p, target in enumerate(patches.target_boxes):
        content = _moved(patches, plan, images, p)
        if patches.patch_alpha is not None:
            weight = patches.patch_alpha[p].view(-1, 1, 1, 1)
            content = _cast(torch.lerp(_float(images), _float(content), weight.to(_float(images).dtype)), images)
        if patches.noise is not None:
            content = _cast(_noisy(content, patches.noise), images)
        result = torch.where(geometry.box_mask(target, plan.size)[:, None], content, result)
    return result


def by_slices(plan: Plan, images: Tensor, out: Tensor) -> Tensor:
    """Blend on the CPU: copy slices, and lerp in cache-sized pieces."""
    mixing, in_place = plan.mixing, out.data_ptr() == images.data_ptr()
    if not isinstance(mixing, Patches):
        if in_place and not isinstance(mixing.base, Unmixed):
            if isinstance(mixing, Weights) and _is_pair(mixing) and _blended(mixing, plan, images, out):
                return out
            images = images.clone()
        _sum_in_pieces(mixing, plan, images, out)
        return out
    overwrite_safe = isinstance(mixing.base, Unmixed) and (  # one copied patch is read before it is written
        not mixing.target_boxes.shape[0] or (mixing.target_boxes.shape[0] == 1 and mixing.copied)
    )
    if in_place and not overwrite_safe:
        images = images.clone()
    _sum_in_pieces(mixing.base, plan, images, out)
    (_copy_patches if mixing.copied else _blend_patches)(mixing, plan, images, out)
    return out


def _copy_patches(patches: Patches, plan: Plan, images: Tensor, out: Tensor) -> None:
    """Copy patches of pixels. A patch is read for all images before it is written, so ``out`` may be ``images``."""
    targets = patches.target_boxes.unbind()
    sources = targets if patches.source_boxes is None else patches.source_boxes.unbind()
    _, *partners = plan.partner.unbind()
    if not partners:
        colours = _in_units(patches.fill, images)
        for target in targets:
            if not apply_compiled.fill(out, colours, target):
                _fill_slices(colours.expand_as(images), out, target)
    for target, source, partner in zip(targets, sources, partners, strict=False):  # a fill has no partner
        if not apply_compiled.paste(images, out, partner, source, target):
            _copy_slices(images, out, partner, source, target)


def _fill_slices(fill: Tensor, out: Tensor, target: Tensor) -> None:
    canvas, pixels = _numpy(out), _numpy(fill)
    for i, (top, left, bottom, right) in enumerate(as_list(target)):
        canvas[i, :, top:bottom, left:right] = pixels[i, :, top:bottom, left:right]


def _copy_slices(images: Tensor, out: Tensor, partner: Tensor, source: Tensor, target: Tensor) -> None:
    pixels, canvas = _numpy(images), _numpy(out)
    boxes: list[tuple[int, list[int]]] = list(zip(as_list(partner), as_list(source), strict=True))
    crops = (pixels[j, :, top:bottom, left:right] for j, (top, left, bottom, right) in boxes)
    if out.data_ptr() == images.data_ptr():
        crops = [crop.copy() for crop in crops]
    for image, crop, (top, left, bottom, right) in zip(canvas, crops, as_list(target), strict=True):
        image[:, top:bottom, left:right] = crop


def _blend_patches(patches: Patches, plan: Plan, images: Tensor, out: Tensor) -> None:
    """Paste patches that are mixed, noisy or resized, one image after another."""
    fill = _as_pixels(patches.fill, images) if len(plan.partner) == 1 else None
    noise = None if patches.noise is None else patches.noise.expand_as(images)
    for p, target in enumerate(patches.target_boxes):
        targets: list[list[int]] = as_list(target)
        boxes = targets if patches.source_boxes is None else as_list(patches.source_boxes[p])
        partner: list[int] = as_list(plan.partner[min(p + 1, len(plan.partner) - 1)])
        for i, (top, left, bottom, right) in enumerate(targets):
            if bottom <= top or right <= left:
                continue
            inside = (slice(None), slice(top, bottom), slice(left, right))
            source = (slice(None), slice(boxes[i][0], boxes[i][2]), slice(boxes[i][1], boxes[i][3]))
            if fill is not None:
                content = fill[i][inside]
            elif patches.resample:
                content = _cast(resized_crop(images[partner[i]][source], (bottom - top, right - left)), images)
            else:
                content = images[partner[i]][source]
            if patches.patch_alpha is not None:
                own = _float(images[i][inside])
                content = _cast(torch.lerp(own, _float(content), patches.patch_alpha[p, i].to(own.dtype)), images)
            if noise is not None:
                content = _cast(_noisy(content, noise[i][inside]), images)
            out[i][inside] = content


def _sum(mixing: WholeImages, plan: Plan, images: Tensor) -> Tensor:
    """Weighted sum of every image's sources; ``images`` itself where nothing is mixed."""
    if isinstance(mixing, Unmixed):
        return images
    if isinstance(mixing.base, Weights):
        return _weighted(mixing, plan, images, mixing.base.weight)
    return _cast(_source(mixing, plan, _float(images), 0, images), images)


def _weighted(mixing: Mixing, plan: Plan, images: Tensor, weight: Tensor) -> Tensor:
    """Σ_k weight[k] ⊙ source[k]; the fill takes the missing weight."""
    if isinstance(mixing, Style):
        return _restyled_sum(mixing, plan, images, weight)
    values, fill = _float(images), None
    if isinstance(mixing.base, Weights):
        fill = mixing.base.fill
    elif isinstance(mixing, Patches):
        fill = mixing.fill
    weight = weight.to(values.dtype)
    own = _source(mixing, plan, values, 0, images)
    if len(weight) == 1:
        return _cast(torch.lerp(_float(_as_pixels(fill, images)), own, weight[0]), images)
    if len(weight) == 2 and fill is None:
        return _cast(torch.lerp(own, _source(mixing, plan, values, 1, images), weight[1]), images)
    total = weight[0] * own + sum(weight[k] * _source(mixing, plan, values, k, images) for k in range(1, len(weight)))
    if fill is not None:
        total = total + (1 - weight.sum(0)) * _float(_as_pixels(fill, images))
    return _cast(total, images)


def _source(mixing: Mixing, plan: Plan, values: Tensor, k: int, images: Tensor) -> Tensor:
    """Source k of every image with its cells rearranged and its operations applied, in the images' units."""
    base = mixing.base
    source = take(values, plan.partner[k]) if k else values  # source 0 is the image itself
    if isinstance(base, Weights) and base.cell_permutation is not None:
        source = geometry.move_cells(source, base.cell_permutation[k])
    if not isinstance(mixing, Operations):
        return source
    white = _white(images)
    if white == 1:
        return operations.run(mixing.sequences[k], source, mixing.fill)
    return operations.run(mixing.sequences[k], source / white, mixing.fill) * white


def restyled(images: Tensor, source: Tensor, style: Tensor) -> Tensor:
    """``images[source]``, each in the style of ``images[style]``; indices (M,)."""
    gain, offset = _restyling(images, source, style)
    return _cast((_float(take(images, source)) * gain + offset).clamp(0, _white(images)), images)


def _restyling(images: Tensor, source: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset (..., C, 1, 1) that give each source (...) the channel means and deviations of its style.

    They are exactly 1 and 0 where a source keeps its own style.
    """
    values = _float(images).contiguous()  # one layout, so that rounding does not depend on the images'
    mean = values.mean((2, 3), keepdim=True)
    # torch.var takes seventy times as long; the rounding error of this formula is far below FLAT
    square = _norm(values).square() / values[0, 0].numel()
    deviation = ((square - mean.square()).clamp(min=0) + FLAT * _white(images) ** 2).sqrt()
    gain = deviation[style] / deviation[source]
    return gain, mean[style] - gain * mean[source]


def _norm(values: Tensor) -> Tensor:
    """Euclidean norm (N, C, 1, 1) of feature maps (N, C, h, w); torch leaves its function untyped."""
    return torch.linalg.vector_norm(values, dim=(2, 3), keepdim=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _restyled_sum(mixing: Style, plan: Plan, images: Tensor, weight: Tensor) -> Tensor:
    """Σ_k weight[k] ⊙ (gain[k] · source[k] + offset[k]), each source clamped to the range of pixels; the fill takes the
    missing weight."""
    base, weight = mixing.base, weight.to(_float(images).dtype)
    total = torch.zeros((), dtype=weight.dtype, device=weight.device)
    for k, (gain, offset) in enumerate(zip(*_restyling(images, plan.partner, mixing.style), strict=True)):
        source = _float(take(images, plan.partner[k]))
        if base.cell_permutation is not None:
            source = geometry.move_cells(source, base.cell_permutation[k])
        source = source * gain + offset
        if not plan.layer:
            source = source.clamp(0, _white(images))
        total = total + weight[k] * source
    if base.fill is not None:
        total = total + (1 - weight.sum(0)) * _float(_as_pixels(base.fill, images))
    return _cast(total, images)


def _restyle_in_pieces(mixing: Style, plan: Plan, images: Tensor, out: Tensor) -> None:
    """:func:`_restyled_sum` of pixels, a few images at a time and in place; skips sources in their own style."""
    gain, offset = _restyling(images, plan.partner, mixing.style)
    own_style = [torch.equal(partner, style) for partner, style in zip(plan.partner, mixing.style, strict=True)]
    weight, step = mixing.base.weight.to(gain.dtype), max(1, PIECE // images[0].numel())
    for start in range(0, len(images), step):
        rows, total = slice(start, start + step), None
        for k, partner in enumerate(plan.partner):
            source = _float(take(images, partner[rows]))  # take copies, so in-place operations are safe
            if not own_style[k]:
                source.mul_(gain[k, rows]).add_(offset[k, rows]).clamp_(0, _white(images))
            source.mul_(weight[k, rows])
            total = source if total is None else total.add_(source)
        assert total is not None
        out[rows] = _cast(total, images)


def _sum_in_pieces(mixing: WholeImages, plan: Plan, images: Tensor, out: Tensor) -> None:
    """:func:`_sum` into ``out`` by the same arithmetic, a few images at a time where that is faster."""
    match mixing:
        case Unmixed():
            if out.data_ptr() != images.data_ptr():
                out.copy_(images)
        case Style(base=Weights(fill=None, cell_permutation=None)):
            _restyle_in_pieces(mixing, plan, images, out)
        case Operations(base=Unmixed()) if images.dtype == torch.float32 and images.is_contiguous():
            mixed = operations.run(mixing.sequences[0], images, mixing.fill, out if out.is_contiguous() else None)
            if mixed is not out:
                out.copy_(mixed)
        case (Weights() as pair) | Aligned(base=Weights() as pair) if _is_pair(pair):
            if not _blended(pair, plan, images, out):
                _lerp_in_pieces(pair.weight[1], plan.partner[1], images, out)
        case _:
            out.copy_(_sum(mixing, plan, images))


def _is_pair(weights: Weights) -> bool:
    """Whether two whole images are blended, and nothing else."""
    return weights.fill is None and weights.cell_permutation is None and len(weights.weight) == 2


def _blended(pair: Weights, plan: Plan, images: Tensor, out: Tensor) -> bool:
    """Blend by compiled loops, if they can."""
    return apply_compiled.blend(images, out, plan.partner[1], pair.weight[1])


def _lerp_in_pieces(weight: Tensor, partner: Tensor, images: Tensor, out: Tensor) -> None:
    """Blend every image with its ``partner`` (N,), which has the weight (N, ...)."""
    weight = weight.to(torch.float64 if images.dtype == torch.float64 else torch.float32)
    direct, large = images.dtype in (torch.float32, torch.float64), images[0].numel() >= LARGE
    step = 1 if large else max(1, PIECE // images[0].numel())
    indices: list[int] = as_list(partner) if large else []
    for start in range(0, len(images), step):
        piece = slice(start, start + step)
        other = images[indices[start]][None] if large else take(images, partner[piece])
        if direct:
            torch.lerp(images[piece], other, weight[piece], out=out[piece])
        else:
            out[piece] = _cast(torch.lerp(_float(images[piece]), _float(other), weight[piece]), images)


def _moved(patches: Patches, plan: Plan, images: Tensor, p: int) -> Tensor:
    """The content of patch p at every pixel of the target, (N, C, H, W)."""
    if len(plan.partner) == 1:
        return _as_pixels(patches.fill, images)
    partner = plan.partner[p + 1]
    if patches.source_boxes is None:
        return take(images, partner)
    return pasted(take(images, partner), patches.source_boxes[p], patches.target_boxes[p], patches.resample)


def pasted(images: Tensor, source: Tensor, target: Tensor, resample: bool, by_slice: bool = False) -> Tensor:
    """Move the box ``source`` (N, 4) of each image (N, C, H, W) to ``target``, resized if the boxes differ in size.

    Outside the target, pixels have no meaning.

    Args:
        by_slice: resize crop after crop, as :func:`by_slices` does.
    """
    height, width = images.shape[2:]
    if resample and by_slice:
        result = torch.zeros_like(images)
        boxes = zip(as_list(source), as_list(target), strict=True)
        for i, ((*low, bottom, right), (*corner, end, far)) in enumerate(boxes):
            if end > corner[0] and far > corner[1]:
                crop = images[i, :, low[0] : bottom, low[1] : right]
                pasted_crop = resized_crop(crop, (end - corner[0], far - corner[1]))
                result[i, :, corner[0] : end, corner[1] : far] = _cast(pasted_crop, images)
        return result
    if resample:
        values = _float(images)
        down = _resize_matrix(source[:, 0::2], target[:, 0::2], height).to(values.dtype)
        across = _resize_matrix(source[:, 1::2], target[:, 1::2], width).to(values.dtype)
        with torch.autocast(images.device.type, enabled=False):
            return _cast(down[:, None] @ values @ across[:, None].transpose(-1, -2), images)
    shift = source - target
    rows = (torch.arange(height, device=images.device) + shift[:, :1]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) + shift[:, 1:2]).clamp(0, width - 1)
    rows = rows[:, None, :, None].expand(-1, images.shape[1], -1, width)
    columns = columns[:, None, None, :].expand(-1, images.shape[1], height, -1)
    return images.gather(2, rows).gather(3, columns)


def resized_crop(crop: Tensor, size: tuple[int, int]) -> Tensor:
    """Antialiased bilinear resize of one crop (C, h, w), in float."""
    if size[1] == 1:  # transposed, because torch repeats the first row in an output that is one pixel wide
        crop, size = crop.transpose(1, 2), (size[1], size[0])
        return F.interpolate(_float(crop)[None], size, mode="bilinear", antialias=True)[0].transpose(1, 2)
    return F.interpolate(_float(crop)[None], size, mode="bilinear", antialias=True)[0]


def _resize_matrix(source: Tensor, target: Tensor, length: int) -> Tensor:
    """(N, length, length): row i holds the antialiased bilinear weights of target pixel i over source pixels.

    The kernel is a triangle scaled to the larger of one source pixel and one target pixel, cut off at the source box,
    as in ``F.interpolate(..., antialias=True)``. A matrix lets every image have its own size.
    """
    i = torch.arange(length, device=source.device, dtype=torch.float32)
    scale = (source[:, 1] - source[:, 0]) / (target[:, 1] - target[:, 0]).clamp(min=1)
    centre = (i - target[:, :1] + 0.5) * scale[:, None] + source[:, :1]
    distance = (i + 0.5 - centre[:, :, None]).abs() / scale.clamp(min=1)[:, None, None]
    inside = (i >= source[:, :1]) & (i < source[:, 1:])
    weight = (1 - distance).clamp(min=0) * inside[:, None, :]
    return weight / weight.sum(2, keepdim=True).clamp(min=1e-12)


def _as_pixels(fill: Tensor | None, images: Tensor) -> Tensor:
    """The fill as pixels of the images' dtype and shape."""
    return _in_units(fill, images).expand_as(images)


def _in_units(fill: Tensor | None, images: Tensor) -> Tensor:
    """The fill in the images' dtype and units."""
    assert fill is not None, "a recipe of a single source has a fill"
    return _cast(fill * 255 if images.dtype == torch.uint8 else fill, images)


def _noisy(content: Tensor, noise: Tensor) -> Tensor:
    """Content plus noise, clamped to the range of pixels."""
    white = _white(content)
    return (_float(content) + noise * white).clamp(0, white)


def _white(images: Tensor) -> int:
    """The largest value of a pixel."""
    return 255 if images.dtype == torch.uint8 else 1


def _float(x: Tensor) -> Tensor:
    """Convert to at least float32, so that half precision and bytes are rounded once, at the end."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _cast(x: Tensor, like: Tensor) -> Tensor:
    """Convert back to the images' dtype; bytes are rounded to the nearest."""
    return x.round().to(like.dtype) if like.dtype == torch.uint8 else x.to(like.dtype)


def _numpy(x: Tensor) -> np.ndarray:
    """A numpy view of a CPU tensor; bfloat16, which numpy lacks, is viewed as int16."""
    return x.detach().view(torch.int16).numpy() if x.dtype == torch.bfloat16 else x.detach().numpy()


def _is_channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()

"""Compiled loops that blend on the CPU: the pixels of torch's roads, to the bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from cases import over

from mixviz import METHODS, Batch
from mixviz.core import apply, apply_compiled, jit


def make_batch(n=5, dtype=torch.float32) -> Batch:
    """Make random images of 20 by 24 pixels with maps."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (n, 3, 20, 24), np.uint8))
    images = images if dtype == torch.uint8 else (images / 255).to(dtype)
    maps = torch.from_numpy(rng.random((n, 20, 24), np.float32))
    return Batch(images, torch.arange(n) % 3, saliency=maps, errors=torch.ones(3, 3), any_range=True)


def plan(name, batch):
    """Plan a recipe; one that mixes inside a network is applied to pixels, which is the same arithmetic."""
    return dataclasses.replace(METHODS[name]().plan(batch, np.random.default_rng(0)), layer=0)


@pytest.fixture
def compiled(monkeypatch):
    """A switch between compiled loops for all that they can do, and none."""
    return lambda on: monkeypatch.setattr(jit, "MUCH", 1 if on else 10**12)


def both(compiled, recipe, images) -> list[torch.Tensor]:
    """The mixtures by torch, by compiled loops, and by compiled loops in place."""
    compiled(False)
    by_torch = apply.by_slices(recipe, images, torch.empty_like(images))
    compiled(True)
    canvas = images.clone(memory_format=torch.preserve_format)
    return [
        by_torch,
        apply.by_slices(recipe, images, torch.empty_like(images)),
        apply.by_slices(recipe, canvas, canvas),
    ]


@pytest.mark.parametrize("name", METHODS)
@over("layout", ["float32", "float64", "float16", "bfloat16", "uint8", "channels_last"])
def test_loops_give_the_pixels_of_torch(name, layout, compiled):
    batch = make_batch(9, dtype=torch.float32 if layout == "channels_last" else getattr(torch, layout))
    form = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    images = batch.images.contiguous(memory_format=form)
    recipe = plan(name, batch)
    by_torch, *by_loops = both(compiled, recipe, images)
    for mixed in by_loops:
        assert torch.equal(mixed, by_torch)


@pytest.mark.parametrize("name", ["cutmix", "mixup", "cutout", "resizemix", "saliencymix"])
def test_an_image_may_be_the_partner_of_several(name, compiled):
    batch = make_batch(6)
    recipe = plan(name, batch)
    if len(recipe.partner) > 1:
        recipe = dataclasses.replace(recipe, partner=torch.stack([recipe.partner[0], torch.tensor([2, 2, 0, 2, 1, 1])]))
    by_torch, *by_loops = both(compiled, recipe, batch.images)
    for mixed in by_loops:
        assert torch.equal(mixed, by_torch)


def test_loops_do_the_work_of_the_common_methods(compiled):
    compiled(True)
    images, n = torch.rand(4, 3, 10, 12), torch.arange(4)
    boxes, partner = torch.tensor([[1, 2, 5, 7]]).repeat(4, 1), torch.tensor([1, 2, 3, 0])
    for one in (images, images.to(torch.float16), images.contiguous(memory_format=torch.channels_last)):
        assert apply_compiled.paste(one, torch.empty_like(one), partner, boxes, boxes)
        assert apply_compiled.paste(one.clone(), one, partner, boxes, boxes)
    assert apply_compiled.fill(images, torch.zeros(1, 3, 1, 1), boxes)
    assert apply_compiled.blend(images, torch.empty_like(images), partner, torch.rand(4, 1, 1, 1))
    assert apply_compiled.blend(images, images, partner, torch.rand(4, 1, 1, 1))
    assert apply_compiled.blend(images, torch.empty_like(images), partner, torch.rand(4, 1, 10, 12))
    assert not apply_compiled.blend(images, images, n // 2, torch.rand(4, 1, 1, 1)), "an image may be read twice"


def test_infinite_and_undefined_values_stay_where_they_are(compiled):
    images = torch.rand(4, 3, 8, 8)
    images[0, 0, 0, 0], images[1, 0, 1, 1], images[2, 1, 2, 2] = torch.inf, torch.nan, -torch.inf
    recipe = plan("cutmix", Batch(images, torch.arange(4), any_range=True))
    by_torch, *by_loops = both(compiled, recipe, images)
    for mixed in by_loops:
        assert torch.equal(mixed.view(torch.int32), by_torch.view(torch.int32))


@over("wrong", ["partner", "negative partner", "source", "target", "size", "count"])
def test_loops_leave_what_lies_outside_the_images_to_torch(wrong, compiled):
    compiled(True)
    images, partner = torch.rand(4, 3, 8, 8), torch.tensor([1, 2, 3, 0])
    source, target = torch.tensor([[0, 0, 4, 4]]).repeat(4, 1), torch.tensor([[4, 4, 8, 8]]).repeat(4, 1)
    if "partner" in wrong:
        partner[2] = 4 if wrong == "partner" else -1
    elif wrong == "count":
        partner, source, target = partner[:3], source[:3], target[:3]
    else:
        box = {"source": source, "target": target, "size": source}[wrong]
        box[2] = torch.tensor([1, 0, 4, 4] if wrong == "size" else [5, 5, 9, 9])
    out, canvas, weight = torch.zeros_like(images), images.clone(), torch.rand(len(partner), 1, 1, 1)
    assert not apply_compiled.paste(images, out, partner, source, target)
    assert not apply_compiled.paste(canvas, canvas, partner, source, target)
    if wrong in ("target", "count"):
        assert not apply_compiled.fill(out, torch.ones(1, 3, 1, 1), target)
    if wrong in ("partner", "negative partner", "count"):
        assert not apply_compiled.blend(images, out, partner, weight)
        assert not apply_compiled.blend(canvas, canvas, partner, weight)
        assert not apply_compiled.blend(images, out, partner, weight.expand(-1, 1, 8, 8))
    assert torch.equal(canvas, images)
    assert not out.any()


def test_shares_keep_their_gradient(compiled):
    compiled(True)
    batch = make_batch()
    recipe = plan("mixup", batch)
    recipe.apply(batch.images)
    assert jit.loaded("apply")
    share = recipe.share.clone().requires_grad_()
    mixed = dataclasses.replace(recipe, share=share).targets(batch.labels, 3)
    assert torch.equal(mixed, recipe.targets(batch.labels, 3))
    mixed[:, 0].sum().backward()
    assert share.grad.tolist() == (batch.labels[recipe.partner] == 0).float().tolist()


def test_the_page_does_not_wait_for_loops(monkeypatch):
    monkeypatch.setattr(jit, "loops", lambda name: pytest.fail("they are loaded for two pictures"))
    batch = Batch(torch.rand(2, 3, 300, 300), torch.arange(2))
    for name in ("cutmix", "mixup", "cutout"):
        plan(name, batch).apply(batch.images)

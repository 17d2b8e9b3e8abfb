"""Memory of results that is used again, and never while anything refers to it."""

from __future__ import annotations

import copy

import pytest
import torch

from mixviz import MixTransform
from mixviz.core import buffers, jit
from mixviz.core.buffers import Buffers


def images(n=4):
    return torch.rand(n, 3, 8, 8)


def test_memory_that_nothing_refers_to_is_used_again():
    pool, like = Buffers(), images()
    first = pool.empty_like(like)
    place = first.data_ptr()
    del first
    assert pool.empty_like(like).data_ptr() == place


@pytest.mark.parametrize(
    "hold",
    [
        lambda x: x,
        lambda x: x[1:, :, 3],
        lambda x: x.detach(),
        lambda x: x.numpy(),
        lambda x: x.untyped_storage(),
        lambda x: (x * torch.ones(8, requires_grad=True)).sum(),  # the graph needs x for the gradient
        lambda x: torch.utils.dlpack.to_dlpack(x),
        lambda x: memoryview(x.numpy()),
    ],
)
def test_memory_is_not_used_again_while_anything_refers_to_it(hold):
    pool, like = Buffers(), images()
    first = pool.empty_like(like)
    place, held = first.data_ptr(), hold(first)
    del first
    assert pool.empty_like(like).data_ptr() != place
    del held
    assert place in {pool.empty_like(like).data_ptr(), pool.empty_like(like).data_ptr()}


@pytest.mark.parametrize(
    "other", [images(5), images().double(), images().contiguous(memory_format=torch.channels_last)]
)
def test_other_images_have_their_own_memory(other):
    pool = Buffers()
    place = pool.empty_like(images()).data_ptr()
    taken = pool.empty_like(other)
    assert (taken.shape, taken.dtype, taken.stride()) == (other.shape, other.dtype, other.stride())
    assert taken.data_ptr() != place


def test_memory_shared_with_another_process_is_not_used_again():
    pool, like = Buffers(), images()
    first = pool.empty_like(like).share_memory_()
    place = first.data_ptr()
    del first
    assert pool.empty_like(like).data_ptr() != place


def test_memory_of_inference_mode_stays_there():
    """Autograd refuses such tensors."""
    mix, batch, labels = MixTransform("mixup", 4), images(), torch.arange(4)
    with torch.inference_mode():
        mix(batch, labels)
    mixed, _ = mix(batch, labels)
    (mixed * torch.ones(8, requires_grad=True)).sum().backward()


def test_copies_start_without_memory():
    pool, like = Buffers(), images()
    place = pool.empty_like(like).data_ptr()
    assert copy.deepcopy(pool).empty_like(like).data_ptr() != place


def test_without_torchs_count_nothing_is_used_again(monkeypatch):
    monkeypatch.setattr(buffers, "_references", lambda tensor: None)
    pool, like = Buffers(), images()
    first = pool.empty_like(like)
    assert pool.empty_like(like).data_ptr() != first.data_ptr()


@pytest.mark.parametrize("normalize", [None, ((0.1, 0.4, 0.7), (0.2, 0.25, 0.3))])
@pytest.mark.parametrize("layout", ["float32", "float64", "uint8", "channels_last", "float16"])
@pytest.mark.parametrize("loops", [False, True])
def test_a_transform_gives_the_same_with_and_without(normalize, layout, loops, monkeypatch):
    """A result that is kept stays as it is; so do the images."""
    monkeypatch.setattr(jit, "MUCH", 1 if loops else 10**12)
    batch, labels = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8), torch.arange(4)
    if layout == "channels_last":
        batch = (batch / 255).to(memory_format=torch.channels_last)
    elif layout != "uint8":
        batch = (batch / 255).to(getattr(torch, layout))
    given = batch.clone()
    seed = 100 * len(layout) + 10 * loops + (normalize is None)  # a seed that comes back too often is warned about
    with_, without = (MixTransform("cutmix", 4, normalize=normalize, reuse=on, seed=seed) for on in (True, False))
    kept = [(with_(batch, labels)[0], without(batch, labels)[0]) for _ in range(6)]
    for one, other in kept:
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    assert torch.equal(batch, given)


def test_a_loop_holds_one_result_at_a_time():
    mix, batch, labels = MixTransform("mixup", 4), images(), torch.arange(4)
    places = set()
    for _ in range(10):
        mixed, _ = mix(batch, labels)
        places.add(mixed.data_ptr())
    assert len(places) == 2

"""Operations on a batch in which every image has its own sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mixviz.core import jit
from mixviz.ops import geometric, noise
from mixviz.ops.operations import AppliedOp, run

CPU = torch.device("cpu")


def test_every_image_shows_its_own_fill_where_it_is_empty():
    """Of three images the last two move by half their width, and the empty halves are filled with 0.25 and 0.75."""
    images, fill = torch.ones(3, 3, 4, 8), torch.tensor([0.0, 0.25, 0.75]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    moved = run([(), (AppliedOp("translate_x", (4.0,)),), (AppliedOp("translate_x", (4.0,)),)], images, fill)
    assert torch.equal(moved[0], images[0])
    for image, ground in zip(moved[1:], (0.25, 0.75), strict=True):
        torch.testing.assert_close(image[:, :, :4], torch.full((3, 4, 4), ground))
        torch.testing.assert_close(image[:, :, 4:], torch.ones(3, 4, 4))


@pytest.mark.parametrize("shape", [(500,), (2, 7, 5)])
def test_compiled_noise_equals_that_of_torch_bit_for_bit(shape, monkeypatch):
    pytest.importorskip("numba")
    seeds = np.array([0, 1, 12345, 2**31, 2**32 - 1])
    plain = noise.uniform(seeds, shape, CPU)
    monkeypatch.setattr(jit, "MUCH", 0)
    assert noise.uniform(seeds, shape, CPU).equal(plain)


def test_a_displacement_field_that_is_kept_is_that_of_its_own_values(monkeypatch):
    """Of a batch with one smoothness and of single images; another size, seed or value has another field."""
    pytest.importorskip("numba")
    given = [((9, 14), 2.0, 3.0, 5), ((9, 14), 2.0, 3.0, 6), ((9, 14), 2.5, 3.0, 5), ((14, 9), 2.0, 3.0, 5)]
    alone = [geometric.elastic_field((1, 1, *size), np.array([v]), np.array([seed]), CPU) for size, *v, seed in given]
    monkeypatch.setattr(jit, "MUCH", 0)
    for (size, *v, seed), field in zip(given, alone, strict=True):
        for _ in range(2):
            two = geometric.elastic_field((2, 1, *size), np.array([v, v]), np.array([seed, 9]), CPU)
            torch.testing.assert_close(two[:1], field, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("sides", "shape"), [((1, 2, 4, 8, 3), (3, 21, 30)), ((9, 2, 2, 2, 2), (1, 20, 20))])
def test_compiled_shuffling_equals_that_of_torch_bit_for_bit(sides, shape, monkeypatch):
    pytest.importorskip("numba")
    images, sequences = torch.rand(5, *shape), [(AppliedOp("shuffle", (side,), 7 * side),) for side in sides]
    plain = run(sequences, images)
    monkeypatch.setattr(jit, "MUCH", 0)
    assert run(sequences, images).equal(plain)


@pytest.mark.parametrize("size", [(21, 30), (3, 40)])
def test_compiled_motion_blur_equals_that_of_torch(size, monkeypatch):
    pytest.importorskip("numba")
    lines = [(0.0, 0.0), (3.0, 45.0), (9.5, 90.0), (6.0, 171.0)]
    images, sequences = torch.rand(4, 3, *size), [(AppliedOp("motion_blur", line),) for line in lines]
    plain = run(sequences, images)
    monkeypatch.setattr(jit, "MUCH", 0)
    torch.testing.assert_close(run(sequences, images), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("op", [AppliedOp("shuffle", (2,)), AppliedOp("motion_blur", (3.0, 45.0))])
def test_compiled_operations_leave_gradients_to_torch(op, monkeypatch):
    monkeypatch.setattr(jit, "MUCH", 0)
    images = torch.rand(4, 3, 20, 20, requires_grad=True)
    run([(op,)] * 4, images).sum().backward()
    assert images.grad is not None
    torch.testing.assert_close(images.grad.sum(), torch.tensor(4 * 3 * 400.0))

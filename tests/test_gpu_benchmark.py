"""The benchmark of mixing on a GPU, which starts on whatever machine has one."""

from __future__ import annotations

import sys

import pytest
import torch

from benchmarks import gpu

CPU = torch.device("cpu")


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^benchmarks\.gpu needs a CUDA device, and torch sees none here\.$"):
        gpu.main()


@pytest.mark.parametrize("dtype", gpu.DTYPES)
def test_its_tables_have_a_row_per_candidate(dtype, monkeypatch):
    """On the CPU, without the compiler and the kernel."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setattr(gpu, "training", lambda network, device: lambda images, targets: images.sum() + targets.sum())
    tables = gpu.mixing_tables("cutmix", dtype, {8: 4, 16: 4}, CPU, rounds=1)
    for row in ("copy_", "masks, eager", "masks, torch.compile", "torchvision v2 (per batch)", "| by | 8 px | 16 px |"):
        assert row in tables
    table = gpu.step_table("resnet18", 16, 4, CPU, steps=1)
    assert "| saliencymix: mixviz, masks, eager |" in table


def test_a_step_trains():
    torch.manual_seed(0)
    images, labels = gpu.make_batch(2, 32, torch.float32, CPU)
    train, mixer = gpu.training("resnet18", CPU), gpu.ours(gpu.apply.by_masks, "mixup", images, labels)
    losses = [gpu.step(train, mixer).item() for _ in range(5)]
    assert losses[-1] < losses[0]

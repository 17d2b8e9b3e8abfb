"""The kernel that mixes on a GPU in one pass: the pixels of masks.

Triton's interpreter runs it on CPU tensors in a process of its own, which repeats this file; on a machine with a GPU
the same tests run on it. Copies and fills are equal to the bit. Blends are within one rounding of the images' type: the
interpreter rounds a product before it adds, and cuts bfloat16 off, which the compiled kernel does not.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from cases import ROOT, fields, over
from torch._subclasses.fake_tensor import FakeTensorMode

from mixviz import METHODS, Batch
from mixviz.core import apply, apply_triton

pytest.importorskip("triton")

COPIES = ("cutmix", "saliencymix", "randsaliencymix", "cutout", "random_erasing")
BLENDS = ("mixup", "smoothmix", "fmix", "alignmix")
LEFT = ("resizemix", "ricap", "stylemix", "puzzlemix", "mosaic", "baseline")
TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8)
FORMS = (torch.contiguous_format, torch.channels_last)

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED or not torch.cuda.is_available() else "cuda"
runs = pytest.mark.skipif(not INTERPRETED and DEVICE == "cpu", reason="run again by the interpreter, or on a GPU")
once = pytest.mark.skipif(INTERPRETED, reason="not run again by the interpreter")
on_gpu = pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device")


def make_batch(n=5, dtype=torch.float32, form=torch.contiguous_format, device="cpu") -> Batch:
    """Make random images of 20 by 24 pixels with maps."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (n, 3, 20, 24), np.uint8))
    images = (images if dtype == torch.uint8 else (images / 255).to(dtype)).contiguous(memory_format=form)
    maps = torch.from_numpy(rng.random((n, 20, 24), np.float32)).to(device)
    labels, errors = torch.arange(n, device=device) % 3, torch.ones(3, 3, device=device)
    return Batch(images.to(device), labels, saliency=maps, errors=errors)


def plan(name, batch, seed=0):
    """Plan a recipe; one that mixes inside a network is applied to pixels, which is the same arithmetic."""
    return dataclasses.replace(METHODS[name]().plan(batch, np.random.default_rng(seed)), layer=0)


def on(part, device):
    """Move a recipe, or a part of it, to a device."""
    moved = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(value, torch.Tensor):
            moved[field.name] = value.to(device)
        elif dataclasses.is_dataclass(value):
            moved[field.name] = on(value, device)
    return dataclasses.replace(part, **moved)


def close(mixed, expected) -> None:
    """Assert that pixels in [0, 1] or bytes differ by one rounding at most."""
    step = 1 if expected.dtype == torch.uint8 else torch.finfo(expected.dtype).eps / 2
    assert mixed.dtype == expected.dtype
    torch.testing.assert_close(mixed.double(), expected.double(), rtol=0, atol=step)


@once
def test_without_a_gpu_the_interpreter_runs_the_kernel():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-m",
        "not gpu",
        __file__,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@runs
@pytest.mark.parametrize("name", COPIES + BLENDS)
@over("dtype", TYPES)
@over("form", FORMS)
def test_the_kernel_gives_the_pixels_of_masks(name, dtype, form):
    batch = make_batch(dtype=dtype, form=form)
    recipe = plan(name, batch)
    expected, images = apply.by_masks(recipe, batch.images), batch.images.to(DEVICE)
    out = torch.full_like(images, 7)
    assert apply.has_kernel(recipe)
    assert apply.by_kernel(on(recipe, DEVICE), images, out)
    assert out.stride() == images.stride()
    assert torch.equal(images.cpu(), batch.images)
    if name in COPIES:
        assert torch.equal(out.cpu(), expected)
    else:
        close(out.cpu(), expected)


@runs
@pytest.mark.parametrize("name", ["cutmix", "mixup", "smoothmix"])
def test_an_image_may_be_the_partner_of_several(name):
    batch = make_batch()
    recipe = plan(name, batch)
    recipe = dataclasses.replace(recipe, partner=torch.stack([recipe.partner[0], torch.tensor([2, 2, 0, 2, 1])]))
    out = torch.empty_like(batch.images, device=DEVICE)
    assert apply.by_kernel(on(recipe, DEVICE), batch.images.to(DEVICE), out)
    close(out.cpu(), apply.by_masks(recipe, batch.images))


@runs
@over("content", [(1, 3, 1, 1), (1, 1, 20, 24), (5, 3, 20, 24), (5, 1, 1, 24)])
@over("form", FORMS)
def test_fills_and_weights_have_any_shape_that_fits(content, form):
    images, values = (
        make_batch(form=form).images,
        torch.from_numpy(np.random.default_rng(1).random(content, np.float32)),
    )
    partner, target = torch.tensor([1, 2, 3, 4, 0]), torch.tensor([[3, 0, 11, 24]]).expand(5, 4)
    inside = torch.zeros(20, 24, dtype=torch.bool)
    inside[3:11] = True
    given, out = images.to(DEVICE), torch.empty_like(images, device=DEVICE)
    filled = values.expand_as(images).to(DEVICE)
    assert apply_triton.fill(given, out, filled, target.to(DEVICE))
    assert torch.equal(out.cpu(), torch.where(inside, values, images))
    assert apply_triton.fill(given, given, filled, target.to(DEVICE)), "in place"
    assert torch.equal(given, out)
    weight = values.expand(5, -1, -1, -1).to(DEVICE)
    assert apply_triton.blend(images.to(DEVICE), out, partner.to(DEVICE), weight)
    close(out.cpu(), torch.lerp(images, images[partner], values))


@runs
@over("form", FORMS)
def test_places_outside_the_images_are_the_nearest_inside(form):
    images, partner = make_batch(form=form).images, torch.tensor([1, 2, 3, 4, 0])
    source = torch.tensor([[0, 0, 9, 9], [-4, -5, 5, 4], [15, 20, 24, 29], [3, 7, 12, 16], [0, 0, 20, 24]])
    target = torch.tensor([[0, 0, 9, 9], [2, 2, 11, 11], [2, 2, 11, 11], [8, 8, 17, 17], [5, 5, 25, 29]])
    out = torch.empty_like(images, device=DEVICE)
    assert apply_triton.paste(images.to(DEVICE), out, partner.to(DEVICE), source.to(DEVICE), target.to(DEVICE))
    moved = apply.pasted(images[partner], source, target, resample=False)
    inside = apply.geometry.box_mask(target, (20, 24))[:, None]
    assert torch.equal(out.cpu(), torch.where(inside, moved, images))


@runs
def test_infinite_and_undefined_values_stay_where_they_are():
    images = torch.rand(4, 3, 8, 8)
    images[0, 0, 0, 0], images[1, 0, 1, 1], images[2, 1, 2, 2] = torch.inf, torch.nan, -torch.inf
    recipe = plan("cutmix", Batch(images, torch.arange(4), any_range=True))
    out = torch.empty_like(images, device=DEVICE)
    assert apply.by_kernel(on(recipe, DEVICE), images.to(DEVICE), out)
    assert torch.equal(out.cpu().view(torch.int32), apply.by_masks(recipe, images).view(torch.int32))


@once
@pytest.mark.parametrize("name", LEFT)
def test_other_kinds_are_left_to_masks(name):
    assert not apply.has_kernel(plan(name, make_batch(8)))


@once
@over("wrong", ["in place", "overlap", "float64", "layout", "slice", "gradient", "count"])
def test_what_the_kernel_cannot_do_is_left_to_masks(wrong):
    images, partner, box = torch.rand(4, 3, 8, 8), torch.tensor([1, 2, 3, 0]), torch.tensor([[1, 2, 5, 7]]).repeat(4, 1)
    weight = torch.rand(4, 1, 1, 1, requires_grad=wrong == "gradient")
    if wrong == "float64":
        images = images.double()
    out = torch.zeros_like(images)
    if wrong in ("in place", "overlap"):
        memory = torch.rand(5, 3, 8, 8)
        images, out = memory[:4], memory[1:] if wrong == "overlap" else memory[:4]
    elif wrong == "layout":
        out = out.contiguous(memory_format=torch.channels_last)
    elif wrong == "slice":
        images, out = images[..., 1:], out[..., 1:]
    elif wrong == "count":
        partner, box, weight = partner[:3], box[:3], weight[:1].expand(4, 1, 1, 1)
    before = out.clone()
    assert not apply_triton.blend(images, out, partner, weight)
    if wrong != "gradient":
        assert not apply_triton.paste(images, out, partner, None, box)
        assert wrong == "in place" or not apply_triton.fill(images, out, torch.zeros_like(images), box)
    assert torch.equal(out, before)


@once
def test_masks_mix_where_the_kernel_does_not_start(monkeypatch):
    def launch(*given):
        raise RuntimeError("Failed to find C compiler.")

    batch = make_batch()
    recipe = plan("cutmix", batch)
    monkeypatch.setattr(apply_triton, "_failed", [])
    monkeypatch.setattr(apply_triton, "import_module", lambda name: SimpleNamespace(launch=launch))
    monkeypatch.setattr(apply_triton, "usable", lambda images: True)
    monkeypatch.setattr(apply, "into_memory", lambda images: False)
    with pytest.warns(UserWarning, match="masks mix instead.*C compiler"):
        mixed = recipe.apply(batch.images)
    assert torch.equal(mixed, apply.by_masks(recipe, batch.images))
    assert apply_triton._failed


@once
@pytest.mark.parametrize("name", COPIES + BLENDS)
@over("dtype", TYPES)
def test_the_road_to_the_kernel_does_not_wait(name, dtype, monkeypatch):
    """Fake CUDA tensors have no values, so any read, as in a synchronisation, raises."""
    launched = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # there is no memory to pin
    monkeypatch.setattr(apply_triton, "usable", lambda images: True)
    launch = SimpleNamespace(launch=lambda *given: launched.append(given))
    monkeypatch.setattr(apply_triton, "import_module", lambda name: launch)
    with FakeTensorMode():
        images = torch.empty(5, 3, 9, 12, device="cuda", dtype=dtype)
        maps, errors = torch.empty(5, 9, 12, device="cuda"), torch.ones(3, 3, device="cuda")
        batch = Batch(images, torch.zeros(5, dtype=torch.int64, device="cuda"), saliency=maps, errors=errors)
        recipe = plan(name, batch)
        out = torch.empty_like(images)
        assert recipe.apply(images, out) is out
        assert recipe.apply(images).device.type == "cuda"
    assert len(launched) == 2
    assert launched[0][:2] == (images, out)


@once
@pytest.mark.parametrize("kind", ["blend", "paste", "fill"])
def test_the_kernel_compiles_without_a_gpu(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from mixviz.core._apply_triton import mix

    left_out = {"blend": ("target", "source"), "paste": ("content",), "fill": ("partner", "source")}[kind]
    constants = dict.fromkeys(left_out) | {"C": 3, "H": 20, "W": 24, "SIZE": 1024, "CHANNELS_LAST": False}
    constants |= {"IN_PLACE": False, "CONTENT_C": 0, "CONTENT_Y": 0, "CONTENT_X": 0}
    types = dict.fromkeys(("partner", "target", "source"), "*i64") | {"content_n": "i32", "count": "i32"}
    types |= {"images": "*bf16", "out": "*bf16", "content": "*fp32" if kind == "blend" else "*bf16"}
    signature = {name: "constexpr" if name in constants else types[name] for name in mix.arg_names}
    places = {(mix.arg_names.index(name),): value for name, value in constants.items()}
    ptx = compile(ASTSource(mix, signature, places), target=GPUTarget("cuda", 80, 32)).asm["ptx"]
    if kind == "blend":
        assert "fma.rn.f32" in ptx, "products are not rounded before they are added"
        assert "cvt.rn.bf16" in ptx, "bfloat16 is rounded to the nearest"
    else:
        assert "cvt.rn" not in ptx, "copies are not rounded"


# ---------------------------------------------------------------- on a GPU


@pytest.fixture
def launches(monkeypatch):
    """A list that grows with every start of the kernel."""
    from mixviz.core import _apply_triton

    counted, launch = [], _apply_triton.launch
    monkeypatch.setattr(_apply_triton, "launch", lambda *given: (counted.append(given), launch(*given))[1])
    return counted


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("name", COPIES + BLENDS)
@over("dtype", TYPES)
@over("form", FORMS)
def test_a_gpu_mixes_by_the_kernel(name, dtype, form, launches):
    batch = make_batch(dtype=dtype, form=form, device="cuda")
    recipe = plan(name, batch)
    mixed, out = recipe.apply(batch.images), torch.empty_like(batch.images)
    assert torch.equal(recipe.apply(batch.images, out), mixed)
    close(mixed, apply.by_masks(recipe, batch.images))
    assert len(launches) == 2
    assert torch.equal(recipe.apply(batch.images, batch.images), mixed), "in place"


@pytest.mark.gpu
@on_gpu
def test_masks_mix_under_autograd_and_for_two_pictures(launches):
    batch = make_batch(device="cuda")
    plan("cutmix", batch).apply(batch.images.clone().requires_grad_()).sum().backward()
    pair = make_batch(2, device="cuda")
    plan("cutmix", pair).apply(pair.images)
    assert not launches


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("name", ["cutmix", "saliencymix", "cutout", "random_erasing", "mixup", "smoothmix"])
def test_a_step_does_not_wait_for_the_gpu(name):
    batch = make_batch(device="cuda")
    plan(name, batch).apply(batch.images)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        recipe = plan(name, batch, seed=1)
        recipe.apply(batch.images)
        recipe.targets(batch.labels, 3)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("name", ["cutmix", "saliencymix", "cutout", "mixup", "smoothmix"])
def test_a_cuda_graph_mixes_by_the_plan_that_its_tensors_hold(name):
    batch = make_batch(device="cuda")
    recipe, other, out = plan(name, batch), plan(name, batch, seed=1), torch.empty_like(batch.images)
    recipe = on(recipe, "cpu")  # tensors of its own, which the next plan is written to
    recipe = on(recipe, "cuda")
    recipe.apply(batch.images, out)  # compiles
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        recipe.apply(batch.images, out)
    expected, given = other.apply(batch.images), fields(other)
    for key, tensor in fields(recipe).items():
        tensor.copy_(given[key])
    graph.replay()
    assert torch.equal(out, expected)

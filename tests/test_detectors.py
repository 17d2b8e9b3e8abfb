"""Saliency detectors: pixel by pixel against OpenCV, and the properties of all."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional

import mixviz
from mixviz.detectors import _fine_grained_numba, _fine_grained_torch, fine_grained
from mixviz.detectors.centre import Centre
from mixviz.detectors.fine_grained import FineGrained
from mixviz.detectors.gradient import Gradient
from mixviz.detectors.opencv import OpenCVFineGrained, OpenCVSpectralResidual
from mixviz.detectors.spectral_residual import SpectralResidual
from mixviz.detectors.uniform import Uniform

SIZES = [(1, 1), (1, 7), (5, 3), (32, 32), (33, 47), (64, 64), (180, 180), (224, 224), (300, 257)]
ORDERS = ("rgb", "bgr")
PHOTOS = sorted((Path(__file__).parents[1] / "assets" / "photos").glob("*.jpg"))


def pictures(size: tuple[int, int]) -> Tensor:
    """Make noise, bright noise, blobs, ramps, a flat picture, an impulse and checkerboards, (11, 3, H, W) uint8."""
    height, width = size
    rng = torch.Generator().manual_seed(height * 1000 + width)
    noise = torch.randint(0, 256, (2, 3, height, width), generator=rng)
    bright = torch.randint(200, 256, (1, 3, height, width), generator=rng)
    coarse = torch.rand((2, 3, 5, 4), generator=rng)
    blobs = functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1).mul(255).round()
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    drawn = [
        (rows * 255 // height).expand(size),
        (rows * 3 + columns * 2) % 256,
        torch.full(size, 77),
        torch.zeros(size).index_put((torch.tensor(height // 3), torch.tensor(width // 2)), torch.tensor(255.0)),
        (rows // 4 + columns // 4) % 2 * 255,
        (rows + columns) % 2 * 200 + 20,
    ]
    coloured = torch.stack([torch.stack([d, 255 - d, d // 2]) for d in drawn])
    return torch.cat([noise, bright, blobs, coloured]).to(torch.uint8)


def photographs(side: int) -> Tensor:
    """Return the example photographs (N, 3, side, side) uint8."""
    images = [np.asarray(Image.open(path).convert("RGB").resize((side, side))) for path in PHOTOS]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def by_opencv(name: str, pixels: Tensor, order: str = "rgb") -> Tensor:
    """Run OpenCV's detector on (H, W, 3) bytes, image by image."""
    detector = getattr(cv2.saliency, f"StaticSaliency{name}_create")()
    arrays = pixels.permute(0, 2, 3, 1).numpy()[..., :: -1 if order == "rgb" else 1]
    return torch.from_numpy(np.stack([detector.computeSaliency(np.ascontiguousarray(a))[1] for a in arrays]))


def peaks(maps: Tensor) -> list[int]:
    return maps.flatten(1).argmax(1).tolist()


def network() -> nn.Module:
    torch.manual_seed(0)
    head = (nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), *head)


# Fine-grained: torch, numba and OpenCV


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", SIZES)
def test_fine_grained_is_opencvs(size, order):
    pixels = pictures(size)
    expected, ours = by_opencv("FineGrained", pixels, order), _fine_grained_torch.maps(pixels, order)
    if max(size) <= 180:
        assert torch.equal(ours, expected)
    else:
        assert peaks(ours) == peaks(expected)
        assert (ours != expected).float().mean() <= 0.005
    assert torch.equal(_fine_grained_torch.maps(pixels, order, exact=True), expected)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [*SIZES, (400, 600)])
def test_compiled_fine_grained_is_opencvs(size, order):
    pytest.importorskip("numba")
    pixels = pictures(size)
    assert torch.equal(_fine_grained_numba.maps(pixels, order), by_opencv("FineGrained", pixels, order))


@pytest.mark.parametrize("side", [64, 224])
def test_photographs(side):
    if not PHOTOS:
        pytest.skip("no photographs in assets/photos")
    pixels = photographs(side)
    expected = by_opencv("FineGrained", pixels)
    assert torch.equal(_fine_grained_torch.maps(pixels, "rgb", exact=True), expected)
    assert torch.equal(_fine_grained_torch.maps(pixels, "rgb"), expected)
    residual = SpectralResidual()(mixviz.Batch(pixels))
    assert peaks(residual) == peaks(by_opencv("SpectralResidual", pixels))


def test_both_roads_agree_and_the_large_batch_takes_numba(monkeypatch):
    pytest.importorskip("numba")
    pixels = torch.randint(0, 256, (32, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    ours = FineGrained()(mixviz.Batch(pixels))
    assert torch.equal(ours, _fine_grained_torch.maps(pixels, "rgb"))
    taken = []
    monkeypatch.setattr(_fine_grained_numba, "maps", lambda *a: taken.append(a) or ours)
    FineGrained()(mixviz.Batch(pixels))
    FineGrained()(mixviz.Batch(pixels[:7].repeat(1, 1, 8, 8)))  # a page with a few large pictures does not wait
    FineGrained()(mixviz.Batch(pixels[:31]))
    assert len(taken) == 1


def test_without_numba_torch_does_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    caches = fine_grained._fast, _fine_grained_numba.compiled
    for cached in caches:
        cached.cache_clear()
    pixels = torch.randint(0, 256, (32, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    assert torch.equal(FineGrained()(mixviz.Batch(pixels)), _fine_grained_torch.maps(pixels, "rgb"))
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batches_of_any_length_in_chunks(monkeypatch, threads):
    pixels = pictures((33, 47))
    expected, before = by_opencv("FineGrained", pixels), torch.get_num_threads()
    monkeypatch.setattr(_fine_grained_torch, "_pixels_at_once", lambda _: 4 * 33 * 47)
    try:
        torch.set_num_threads(threads)
        for n in (1, 3, 4, 5, 11):
            assert torch.equal(_fine_grained_torch.maps(pixels[:n], "rgb"), expected[:n])
            if sys.modules.get("numba"):
                assert torch.equal(_fine_grained_numba.maps(pixels[:n], "rgb"), expected[:n])
    finally:
        torch.set_num_threads(before)


def test_many_threads_at_once():
    batches = [pictures(size) for size in ((32, 32), (33, 47), (64, 64), (33, 47))]
    expected = [by_opencv("FineGrained", pixels) for pixels in batches]
    wrong = []

    def work(pixels, maps):
        for _ in range(5):
            if not torch.equal(_fine_grained_torch.maps(pixels, "rgb"), maps):
                wrong.append(tuple(pixels.shape))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(batches, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_exact_and_fast_can_follow_each_other():
    pixels = pictures((64, 64))
    fast = [_fine_grained_torch.maps(pixels, "rgb", exact=exact) for exact in (False, True, False)]
    with torch.inference_mode():
        fast.append(_fine_grained_torch.maps(pixels, "rgb").clone())
    assert all(torch.equal(maps, fast[0]) for maps in fast)


def test_byte_scale_is_right_for_every_pair():
    value, top = torch.meshgrid(torch.arange(1531), torch.arange(1, 1531), indexing="ij")
    scaled = (value.float() * (255.0001 / top.float())).int()
    assert torch.equal(scaled[value <= top], (value * 255 // top).int()[value <= top])


def test_torch_compile_traces_it_whole():
    pixels = pictures((33, 47))[:4]
    traced = torch.compile(lambda p: _fine_grained_torch.maps(p, "rgb"), backend="aot_eager", fullgraph=True)
    assert torch.equal(traced(pixels), by_opencv("FineGrained", pixels))


# Spectral residual


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", SIZES)
def test_spectral_residual_is_opencvs(size, order):
    pixels = pictures(size)
    ours = SpectralResidual(channel_order=order)(mixviz.Batch(pixels))
    expected = by_opencv("SpectralResidual", pixels, order)
    assert ours.isfinite().all()
    natural = slice(0, 5)  # not for drawn shapes: coefficients that cancel have a random phase
    torch.testing.assert_close(ours[natural], expected[natural], rtol=0, atol=5e-6)
    assert peaks(ours[natural]) == peaks(expected[natural])
    torch.testing.assert_close(ours, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("side", [32, 64, 180])
def test_spectral_residual_bytes(side):
    pixels = torch.randint(0, 256, (64, 3, side, side), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    if PHOTOS:
        pixels = torch.cat([pixels, photographs(side)])
    ours, expected = SpectralResidual()(mixviz.Batch(pixels)), by_opencv("SpectralResidual", pixels)
    assert ((ours * 255).byte() == (expected * 255).byte()).double().mean() >= 0.9999
    assert ((ours * 255).round() == (expected * 255).round()).double().mean() >= 0.9999
    assert peaks(ours) == peaks(expected)


@pytest.mark.parametrize("level", [0, 1, 255])
def test_a_flat_image_peaks_in_the_corner_as_in_opencv(level):
    pixels = torch.full((1, 3, 64, 64), level, dtype=torch.uint8)
    ours = SpectralResidual()(mixviz.Batch(pixels))
    torch.testing.assert_close(ours, by_opencv("SpectralResidual", pixels), rtol=0, atol=1e-6)
    assert peaks(ours) == [0]


# OpenCV's own


def test_opencv_detectors_hand_over_bytes_in_order():
    pixels = pictures((33, 47))
    for order in ORDERS:
        fine, residual = OpenCVFineGrained(order), OpenCVSpectralResidual(order)
        assert torch.equal(fine(mixviz.Batch(pixels)), by_opencv("FineGrained", pixels, order))
        torch.testing.assert_close(residual(mixviz.Batch(pixels)), by_opencv("SpectralResidual", pixels, order))
    assert not torch.equal(
        OpenCVFineGrained("rgb")(mixviz.Batch(pixels)), OpenCVFineGrained("bgr")(mixviz.Batch(pixels))
    )


def test_float_bytes_are_the_released_codes_misreading():
    batch = mixviz.Batch(pictures((64, 64))[3:5])
    misread = OpenCVFineGrained("bgr", float_bytes=True)(batch)
    array = batch.normalised(batch.images).permute(0, 2, 3, 1).contiguous().numpy()
    detector = cv2.saliency.StaticSaliencyFineGrained_create()
    assert torch.equal(misread, torch.from_numpy(np.stack([detector.computeSaliency(a)[1] for a in array])))
    real = OpenCVFineGrained("bgr")(batch)
    assert abs(torch.corrcoef(torch.stack([misread.flatten(), real.flatten()]))[0, 1]) < 0.2


@pytest.mark.parametrize("missing", ["module", "package"])
def test_missing_opencv_says_what_to_install(monkeypatch, missing):
    if missing == "package":
        monkeypatch.setitem(sys.modules, "cv2", None)
    else:
        monkeypatch.delattr(cv2, "saliency")
    with pytest.raises(ImportError, match=r"opencv-contrib-python-headless.*force-reinstall --no-deps"):
        OpenCVFineGrained()(mixviz.Batch(pictures((5, 3))))


# Gradient


def plain(images: Tensor, labels: Tensor | None, net) -> mixviz.Batch:
    return mixviz.Batch(images, labels, net, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.mark.parametrize("kind", ["hard", "soft", "none"])
def test_gradient_of_a_linear_network(kind):
    torch.manual_seed(0)
    images, weight = torch.rand(4, 3, 5, 7), torch.randn(6, 3 * 5 * 7)
    scores = images.flatten(1) @ weight.T
    labels = {"hard": torch.tensor([0, 5, 2, 2]), "soft": torch.rand(4, 6).softmax(1), "none": None}[kind]
    target = functional.one_hot(scores.argmax(1), 6) if labels is None else labels
    target = functional.one_hot(labels, 6) if kind == "hard" else target
    gradient = ((scores.softmax(1) - target) @ weight).view(4, 3, 5, 7).abs().sum(1)
    ours = Gradient()(plain(images, labels, lambda x: x.flatten(1) @ weight.T))
    torch.testing.assert_close(ours, gradient / gradient.amax((1, 2), keepdim=True), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_gradient_leaves_the_network_alone(fails):
    net = network().train()
    net[1].eval()  # a frozen layer stays frozen
    net[0].weight.requires_grad_(False)
    if fails:
        net.append(nn.Linear(99, 1))
    net[0].bias.grad = torch.ones(8)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    batch = mixviz.Batch(pictures((32, 32)), None, net)
    if fails:
        with pytest.raises(RuntimeError):
            Gradient()(batch)
    else:
        Gradient()(batch)
    assert [module.training for module in net[:5]] == [True, False, True, True, True]
    assert net.training
    assert [p.requires_grad for p in net.parameters()] == [False] + [True] * (len(list(net.parameters())) - 1)
    assert torch.equal(net[0].bias.grad, torch.ones(8))
    assert all(p.grad is None for p in net.parameters() if p is not net[0].bias)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_gradient_does_not_toggle_an_evaluating_network():
    class Watched(nn.Linear):
        def __setattr__(self, name, value):
            assert name != "training" or not hasattr(self, "weight")
            super().__setattr__(name, value)

    net = nn.Sequential(nn.Flatten(), Watched(3 * 4 * 4, 2))
    object.__setattr__(net[1], "training", False)
    net.training = net[0].training = False
    Gradient()(mixviz.Batch(torch.rand(2, 3, 4, 4), None, net))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradient_inside_no_grad(context):
    images, labels, net = torch.rand(2, 3, 9, 8), torch.tensor([0, 4]), network().eval()
    expected = Gradient()(mixviz.Batch(images, labels, net))
    with context():
        ours = Gradient()(mixviz.Batch(images.clone(), labels.clone(), net))
    assert torch.equal(ours, expected)
    assert not images.requires_grad


@pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
def test_gradient_of_nothing_is_nothing(factor):
    batch = mixviz.Batch(torch.rand(2, 3, 4, 4), torch.tensor([0, 1]), lambda x: x.flatten(1) * factor)
    assert torch.equal(Gradient()(batch), torch.zeros(2, 4, 4))


def test_gradient_says_what_it_needs():
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match="network"):
        Gradient()(mixviz.Batch(images))
    with pytest.raises(ValueError, match=r"\(N, C\)"):
        Gradient()(mixviz.Batch(images, None, lambda x: x))


# Class attention


def transformer(**more) -> nn.Module:
    import timm

    torch.manual_seed(0)
    sizes = {"embed_dim": 24, "depth": 2, "num_heads": 3, "patch_size": 4, "img_size": (16, 24), "num_classes": 5}
    return timm.models.vision_transformer.VisionTransformer(**sizes | more)


@pytest.mark.parametrize("more", [{}, {"qk_norm": True}, {"reg_tokens": 2}], ids=str)
def test_class_attention_is_the_last_blocks(more):
    """Compare with timm's own attention matrix, which it computes when its fused kernel is off."""
    vit, images = transformer(**more).eval(), torch.rand(3, 3, 16, 24)
    last = vit.blocks[-1].attn
    last.fused_attn, seen = False, []
    handle = last.attn_drop.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    maps = mixviz.saliency(images, "attention", network=vit)
    handle.remove()
    looks = seen[0].mean(1)[:, 0, vit.num_prefix_tokens :].detach()
    for n, look in enumerate(looks):
        for y in range(16):
            for x in range(24):
                assert maps[n, y, x] == pytest.approx((look[y // 4 * 6 + x // 4] / look.max()).item(), abs=1e-5)


def test_class_attention_leaves_no_trace():
    vit, images = transformer(proj_drop_rate=0.5).train(), torch.rand(2, 3, 16, 24)
    state = torch.get_rng_state()
    one, two = (mixviz.saliency(images, "attention", network=vit) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training and not module._forward_pre_hooks for module in vit.modules())
    mixed, recipe = mixviz.mix(images, method="transmix", detector="attention", network=vit)
    assert torch.equal(recipe.trace.attention, mixviz.saliency(mixed, "attention", network=vit))


def test_class_attention_says_what_it_needs():
    for net in (network(), transformer(class_token=False, global_pool="avg"), lambda x: x.mean((2, 3))):
        with pytest.raises(ValueError, match="vision transformer"):
            mixviz.saliency(torch.rand(2, 3, 16, 24), "attention", network=net)


# All of them


def detectors() -> list[mixviz.Saliency]:
    return [cls() for cls in mixviz.SALIENCY.values() if not cls.needs_tokens]


@pytest.mark.parametrize("detector", detectors(), ids=lambda d: d.card.name)
@pytest.mark.parametrize("shape", [(1, 3, 24, 37), (3, 3, 17, 16), (1, 3, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_maps_are_float32_in_the_unit_interval(detector, shape, dtype):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    images = (images * 255).to(dtype) if dtype == torch.uint8 else images.to(dtype)
    before = images.clone()
    maps = detector(mixviz.Batch(images, None, network().eval()))
    assert maps.shape == (shape[0], *shape[2:])
    assert maps.dtype == torch.float32
    assert maps.device == images.device
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "name", ["fine_grained", "spectral_residual", "opencv_fine_grained", "opencv_spectral_residual"]
)
def test_what_is_defined_on_pixels(name):
    detector, pixels = mixviz.SALIENCY[name](), pictures((33, 47))
    expected = detector(mixviz.Batch(pixels))
    assert torch.equal(detector(mixviz.Batch(pixels.float() / 255)), expected)
    assert torch.equal(detector(mixviz.Batch(pixels.contiguous(memory_format=torch.channels_last))), expected)
    wide = torch.zeros(11, 3, 40, 94, dtype=torch.uint8)
    wide[:, :, 3:36, ::2] = pixels
    assert torch.equal(detector(mixviz.Batch(wide[:, :, 3:36, ::2])), expected)
    for wrong in (pixels.float(), pixels.float() / 255 - 0.5, torch.full((1, 3, 4, 4), float("nan"))):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            detector(mixviz.Batch(wrong))


def test_numba_takes_any_layout():
    pytest.importorskip("numba")
    pixels = pictures((33, 47)).contiguous(memory_format=torch.channels_last)
    assert torch.equal(_fine_grained_numba.maps(pixels, "rgb"), by_opencv("FineGrained", pixels))


@pytest.mark.parametrize("detector", [FineGrained(), FineGrained(exact=True), SpectralResidual(), Centre(), Uniform()])
@pytest.mark.parametrize("shape", [(2, 3, 1, 1), (2, 3, 24, 37), (16, 3, 128, 128)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_nothing_waits_for_the_gpu(detector, shape, dtype):
    with FakeTensorMode():
        maps = detector(mixviz.Batch(torch.empty(shape, dtype=dtype, device="cuda")))
    assert maps.device.type == "cuda"
    assert maps.shape == (shape[0], *shape[2:])
    assert maps.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("size", SIZES)
def test_the_gpu_agrees_with_opencv(size):
    pixels = pictures(size)
    for order in ORDERS:
        maps = _fine_grained_torch.maps(pixels.cuda(), order, exact=True).cpu()
        assert torch.equal(maps, by_opencv("FineGrained", pixels, order))
        assert torch.equal(
            _fine_grained_torch.maps(pixels.cuda(), order).cpu(), _fine_grained_torch.maps(pixels, order)
        )
        residual = SpectralResidual(order)(mixviz.Batch(pixels[:5].cuda())).cpu()
        expected = by_opencv("SpectralResidual", pixels[:5], order)
        torch.testing.assert_close(residual, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", ["fine_grained", "spectral_residual", "centre", "uniform"])
def test_autocast_changes_nothing(name):
    detector, pixels = mixviz.SALIENCY[name](), pictures((33, 47))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = detector(mixviz.Batch(pixels))
    assert torch.equal(inside, detector(mixviz.Batch(pixels)))


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 7), (224, 180)])
def test_centre_is_a_symmetric_bell(size):
    maps = Centre()(mixviz.Batch(torch.rand(2, 3, *size)))
    torch.testing.assert_close(maps, maps.flip(1, 2))
    assert maps.amax() == 1
    assert maps[0, size[0] // 2, size[1] // 2] == 1
    narrow = Centre(spread_y=0.05)(mixviz.Batch(torch.rand(2, 3, *size)))
    assert (narrow <= maps).all()


def test_uniform_is_flat():
    assert torch.equal(Uniform()(mixviz.Batch(torch.rand(2, 3, 4, 6))), torch.ones(2, 4, 6))

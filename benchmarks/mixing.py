"""Speed of mixing a training batch, labels included, compared with torchvision v2, timm and kornia."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

import mixviz
from benchmarks.timing import best_times, pivot, rate

SIZES = {32: 128, 64: 128, 224: 64}
CLASSES = 100


def ours(name: str, images: torch.Tensor, labels: torch.Tensor, **given) -> Callable[[], object]:
    """Make a step: plan, apply into a reused buffer, soft labels; λ and box per image."""
    method, rng, out = mixviz.METHODS[name](), np.random.default_rng(0), torch.empty_like(images)

    def step() -> torch.Tensor:
        recipe = method.plan(mixviz.Batch(images, labels, **given), rng)
        recipe.apply(images, out)
        return recipe.targets(labels, CLASSES)

    return step


def transform(kind: str, images: torch.Tensor, labels: torch.Tensor, **options) -> Callable[[], object]:
    """Make a step of the README's ``MixTransform``, into a new tensor or in place."""
    mix = mixviz.MixTransform(kind, CLASSES, **options)
    return lambda: mix(images, labels)


def peers(kind: str, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Make the same steps with other libraries; timm mixes in place, so it gets its own batch."""
    steps: dict[str, Callable[[], object]] = {}
    from torchvision.transforms import v2

    theirs = (v2.CutMix if kind == "cutmix" else v2.MixUp)(num_classes=CLASSES)
    steps["torchvision v2 (per batch)"] = lambda: theirs(images, labels)
    try:
        from timm.data.mixup import Mixup

        own = images.clone()
        alphas = {"mixup_alpha": 0.0, "cutmix_alpha": 1.0} if kind == "cutmix" else {"mixup_alpha": 1.0}
        for mode in ("batch", "elem"):
            timm_mix = Mixup(**alphas, mode=mode, num_classes=CLASSES, label_smoothing=0.0)
            patched = _timm_on_cpu(timm_mix, own, labels)
            steps[f"timm (per {'batch' if mode == 'batch' else 'image'}, in place)"] = patched
    except ImportError:
        print("timm is not installed: its rows are left out (pip install -e '.[bench]')")
    try:
        import kornia.augmentation as K

        kornia_mix = (K.RandomCutMixV2 if kind == "cutmix" else K.RandomMixUpV2)(p=1.0, data_keys=["input", "class"])
        steps["kornia V2 (per image)"] = lambda: kornia_mix(images, labels)
    except ImportError:
        print("kornia is not installed: its row is left out (pip install -e '.[bench]')")
    return steps


def _timm_on_cpu(timm_mix, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """Make timm's step on the CPU; its call expects CUDA labels in some releases, so the device is named here."""
    from timm.data.mixup import mixup_target

    def step() -> torch.Tensor:
        lam = timm_mix._mix_elem(images) if timm_mix.mode == "elem" else timm_mix._mix_batch(images)
        return mixup_target(labels, CLASSES, lam, 0.0)

    return step


def measure(threads: int, rounds: int) -> list[dict]:
    """Measure images/s of mixviz, the peers, and a copy of the batch: an entry per size and kind."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")
    results = []
    for size, n in SIZES.items():
        images, labels = torch.rand(n, 3, size, size), torch.randint(0, CLASSES, (n,))
        buffer = torch.empty_like(images)
        for kind in ("cutmix", "mixup"):
            candidates = {
                "copy_": partial(buffer.copy_, images),
                "mixviz (per image, reused buffer)": ours(kind, images, labels),
                "mixviz MixTransform (per image, in place)": transform(kind, images.clone(), labels, inplace=True),
                "mixviz MixTransform (per image)": transform(kind, images, labels),
            }
            times = best_times(candidates | peers(kind, images, labels), rounds)
            results.append(
                {"size": size, "kind": kind, "threads": threads, "rate": {k: n / t for k, t in times.items()}}
            )
    return results


def report(results: list[dict]) -> str:
    """Format as Markdown: images/s, and in brackets the time as a multiple of copying the batch."""

    def cell(entry: dict, name: str) -> str:
        return f"{rate(entry['rate'][name])} ({entry['rate']['copy_'] / entry['rate'][name]:.1f})"

    titles = {"cutmix": "CutMix", "mixup": "Mixup"}
    return "\n".join(
        pivot(f"{title} with labels: images/s (time over `copy_`)", "library",
              sorted((e for e in results if e["kind"] == kind), key=lambda e: e["size"]), cell)
        for kind, title in titles.items()
    )  # fmt: skip

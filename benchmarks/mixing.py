"""Speed of mixing a training batch, labels included, compared with torchvision v2, timm and kornia."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

import mixviz
from benchmarks.timing import best_times, pivot, rate

SIZES = {32: 128, 64: 128, 224: 64}
CLASSES = 100
TITLES = {
    "cutmix": "CutMix", "mixup": "Mixup", "saliencymix": "SaliencyMix, maps given,", "cutout": "Cutout",
    "random_erasing": "Random Erasing",
}  # fmt: skip
ERASING = {  # one area and colour for all, as near as the methods allow: a Cutout may stick out of its picture
    "cutout": ({"fill": "black"}, {"scale": (0.19, 0.19), "ratio": (1, 1)}),
    "random_erasing": (
        {"fill": "black", "probability": 1.0, "low": 0.02, "high": 1 / 3},
        {"scale": (0.02, 1 / 3), "ratio": (0.3, 3.3)},
    ),
}
COPY = "copy_"


def ours(name: str, images: torch.Tensor, labels: torch.Tensor, **given) -> Callable[[], object]:
    """Make a step: plan, apply into a reused buffer, soft labels; λ and box per image."""
    method, rng, out = mixviz.METHODS[name](**options_of(name)), np.random.default_rng(0), torch.empty_like(images)

    def step() -> torch.Tensor:
        recipe = method.plan(mixviz.Batch(images, labels, **given), rng)
        recipe.apply(images, out)
        return recipe.targets(labels, CLASSES)

    return step


def options_of(kind: str) -> dict[str, Any]:
    """The options of a method that make it comparable."""
    return ERASING[kind][0] if kind in ERASING else {}


def transform(
    kind: str, images: torch.Tensor, labels: torch.Tensor, given: dict[str, torch.Tensor], **options
) -> Callable[[], object]:
    """Make a step of the README's ``MixTransform``, λ and box per image."""
    mix = mixviz.MixTransform(kind, CLASSES, **options_of(kind), **options)
    return lambda: mix(images, labels, **given)


def peers(kind: str, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Make the same steps with other libraries; what mixes in place gets its own batch.

    None takes saliency maps: SaliencyMix stands beside timm's CutMix, which looks for no peak.
    """
    from torchvision.transforms import v2

    own, steps = images.clone(), {}
    if kind in ERASING:
        erase = v2.RandomErasing(1.0, **ERASING[kind][1], inplace=True)
        steps["torchvision v2 (per batch, in place)"] = lambda: (erase(own), whole_labels(labels))
    elif kind != "saliencymix":
        theirs = (v2.CutMix if kind == "cutmix" else v2.MixUp)(num_classes=CLASSES)
        steps["torchvision v2 (per batch)"] = lambda: theirs(images, labels)
    return steps | _of_timm(kind, own, labels) | _of_kornia(kind, images, labels)


def whole_labels(labels: torch.Tensor) -> torch.Tensor:
    """The targets of pictures whose labels stay whole, which the other libraries leave to the user."""
    return torch.nn.functional.one_hot(labels, CLASSES).float()


def _of_timm(kind: str, own: torch.Tensor, labels: torch.Tensor) -> dict[str, Callable[[], object]]:
    try:
        from timm.data.mixup import Mixup
        from timm.data.random_erasing import RandomErasing
    except ImportError:
        print("timm is not installed: its rows are left out (pip install -e '.[bench]')")
        return {}
    if kind in ERASING:
        (low, high), (narrow, _) = ERASING[kind][1].values()
        erase = RandomErasing(1.0, low, high, narrow, device="cpu")
        return {"timm (per image, in place)": lambda: (erase(own), whole_labels(labels))}
    alphas = {"mixup_alpha": 1.0} if kind == "mixup" else {"mixup_alpha": 0.0, "cutmix_alpha": 1.0}
    steps, name = {}, "timm's CutMix" if kind == "saliencymix" else "timm"
    for mode, each in (("batch", "batch"), ("elem", "image")):
        mix = Mixup(**alphas, mode=mode, num_classes=CLASSES, label_smoothing=0.0)
        steps[f"{name} (per {each}, in place)"] = _timm_on_cpu(mix, own, labels)
    return steps


def _of_kornia(kind: str, images: torch.Tensor, labels: torch.Tensor) -> dict[str, Callable[[], object]]:
    try:
        import kornia.augmentation as K
    except ImportError:
        print("kornia is not installed: its rows are left out (pip install -e '.[bench]')")
        return {}
    if kind in ERASING:
        erase = K.RandomErasing(p=1.0, **ERASING[kind][1])
        return {"kornia (per image)": lambda: (erase(images), whole_labels(labels))}
    if kind == "saliencymix":
        return {}
    mix = (K.RandomCutMixV2 if kind == "cutmix" else K.RandomMixUpV2)(p=1.0, data_keys=["input", "class"])
    return {"kornia V2 (per image)": lambda: mix(images, labels)}


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
        images, labels, maps = torch.rand(n, 3, size, size), torch.randint(0, CLASSES, (n,)), torch.rand(n, size, size)
        buffer = torch.empty_like(images)
        for kind in TITLES:
            given = {"saliency": maps} if kind == "saliencymix" else {}
            in_place = transform(kind, images.clone(), labels, given, inplace=True)
            candidates = {
                COPY: partial(buffer.copy_, images),
                "mixviz (out=)": ours(kind, images, labels, **given),
                "mixviz MixTransform": transform(kind, images, labels, given),
                "mixviz MixTransform (in place)": in_place,
            }
            times = best_times(candidates | peers(kind, images, labels), rounds)
            results.append(
                {"size": size, "kind": kind, "threads": threads, "rate": {k: n / t for k, t in times.items()}}
            )
    return results


def report(results: list[dict]) -> str:
    """Format as Markdown: images/s, and in brackets the time as a multiple of copying the batch; for mixviz also how
    many times as fast as the fastest peer it is."""

    def cell(entry: dict, name: str) -> str:
        if name not in entry["rate"]:
            return ""
        rates, figure = entry["rate"], entry["rate"][name]
        others = [rates[one] for one in rates if one != COPY and not one.startswith("mixviz")]
        lead = f"; {figure / max(others):.2g}x" if name.startswith("mixviz") and others else ""
        return f"{rate(figure)} ({rates[COPY] / figure:.1f}{lead})"

    return "\n".join(
        pivot(f"{title} with labels: images/s (time over `copy_`; speed over the fastest peer's)", "library",
              sorted((e for e in results if e["kind"] == kind), key=lambda e: e["size"]), cell)
        for kind, title in TITLES.items()
    )  # fmt: skip

"""Speed of fine-grained saliency, and of a whole SaliencyMix step, compared with a loop over OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

import mixviz
from benchmarks.mixing import CLASSES, SIZES, ours
from benchmarks.timing import best_times, pivot, rate
from mixviz.data import pictures


def batch_of(size: int, n: int) -> torch.Tensor:
    """Crop the bundled photographs at random (n, 3, size, size) uint8: saliency's speed may depend on the picture."""
    rng, crops = np.random.default_rng(0), []
    whole = [pictures.load_image(Path(pictures.photograph_path(name))) for name in pictures.photographs()]
    for _ in range(n):
        picture = whole[rng.integers(len(whole))]
        side = min(*picture.shape[:2], size * 2)
        top, left = (rng.integers(0, length - side + 1) for length in picture.shape[:2])
        crops.append(
            cv2.resize(picture[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
        )
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()


def opencv_maps(pixels: list[np.ndarray]) -> list[np.ndarray]:
    """Run OpenCV's detector image by image."""
    detector = cv2.saliency.StaticSaliencyFineGrained_create()
    return [detector.computeSaliency(image)[1] for image in pixels]


def opencv_step(images: torch.Tensor, labels: torch.Tensor) -> Callable[[], object]:
    """Make a SaliencyMix step as a loop: a map per image by OpenCV, then a slice per image."""
    rng, n, (height, width) = np.random.default_rng(0), len(images), images.shape[2:]

    def step() -> torch.Tensor:
        maps = opencv_maps([np.ascontiguousarray(x) for x in images.permute(0, 2, 3, 1).numpy()])
        mixed, targets = images.clone(), torch.zeros(n, CLASSES)
        partner = rng.permutation(n)
        for i in range(n):
            j, lam = int(partner[i]), rng.beta(1.0, 1.0)
            row, column = np.unravel_index(maps[j].argmax(), maps[j].shape)
            half_h, half_w = int(height * np.sqrt(1 - lam)) // 2, int(width * np.sqrt(1 - lam)) // 2
            top, bottom = max(0, row - half_h), min(height, row + half_h)
            left, right = max(0, column - half_w), min(width, column + half_w)
            mixed[i, :, top:bottom, left:right] = images[j, :, top:bottom, left:right]
            share = 1 - (bottom - top) * (right - left) / (height * width)
            targets[i, labels[i]] += share
            targets[i, labels[j]] += 1 - share
        return targets

    return step


def measure(threads: int, rounds: int) -> list[dict]:
    """Measure images/s of saliency alone and of the whole step, at every size."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    results = []
    for size, n in SIZES.items():
        images, labels = batch_of(size, n), torch.randint(0, CLASSES, (n,))
        pixels = [np.ascontiguousarray(x) for x in images.permute(0, 2, 3, 1).numpy()]
        maps = {"OpenCV loop": lambda pixels=pixels: opencv_maps(pixels)} | roads(images)
        step = {"OpenCV loop": opencv_step(images, labels), "mixviz": ours("saliencymix", images, labels)}
        for what, candidates in (("Fine-grained saliency", maps), ("Whole SaliencyMix step", step)):
            times = best_times(candidates, rounds)
            results.append(
                {"what": what, "size": size, "threads": threads, "rate": {k: n / t for k, t in times.items()}}
            )
    return results


def roads(images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return our detector as it runs here, and with torch alone, as on a machine without numba."""
    from mixviz.detectors import _fine_grained_torch

    return {
        "mixviz": lambda: mixviz.saliency(images),
        "mixviz, torch alone": lambda: _fine_grained_torch.maps(images, "rgb"),
    }


def report(results: list[dict]) -> str:
    """Format as Markdown: images/s, and in brackets the speedup over the OpenCV loop."""

    def cell(entry: dict, name: str) -> str:
        return f"{rate(entry['rate'][name])} ({entry['rate'][name] / entry['rate']['OpenCV loop']:.1f}x)"

    return "\n".join(
        pivot(f"{what}: images/s (against the OpenCV loop)", "by",
              sorted((e for e in results if e["what"] == what), key=lambda e: e["size"]), cell)
        for what in dict.fromkeys(e["what"] for e in results)
    )  # fmt: skip

"""Speed of a whole input pipeline: JPEGs of 512 px from a folder, crop, flip, CutMix and normalisation at 224 px.

python -m benchmarks.pipeline [--root FOLDER] [--workers 2] [--rounds 3]

Every library reads the same files in its own customary way, with as many worker processes, and ends with the same
batches: float images, normalised, and soft labels. albumentations has no CutMix of batches and takes torchvision's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import mixviz
from benchmarks.timing import table
from mixviz.data import pictures

SIDE, BATCH, CLASSES, COUNT = 224, 64, 4, 512
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP = v2.RandomResizedCrop(SIDE)
Epoch = Callable[[], Iterable[Any]]


def folder(home: Path) -> Path:
    """Write JPEGs of 512 by 384 pixels, cut from the bundled photographs at random, into folders of classes."""
    rng = np.random.default_rng(0)
    whole = [Image.open(pictures.photograph_path(name)).convert("RGB") for name in pictures.photographs()]
    for i in range(COUNT):
        (home / str(i % CLASSES)).mkdir(exist_ok=True)
        photograph = whole[i % len(whole)]
        left, top = (int(rng.integers(0, side // 4)) for side in photograph.size)
        part = photograph.crop((left, top, *photograph.size)).resize((512, 384))
        part.save(home / str(i % CLASSES) / f"{i}.jpg", quality=90)
    return home


def of_mixviz(root: Path, workers: int) -> Epoch:
    """mixviz: OpenCV reads and crops, workers hand over bytes, which are mixed and normalised as a batch."""
    files = ImageFolder(root, crop, loader=read)
    loader = DataLoader(files, BATCH, shuffle=True, drop_last=True, num_workers=workers)
    mix = mixviz.MixTransform("cutmix", CLASSES, normalize=(MEAN, STD))
    return lambda: (mix(images, labels) for images, labels in loader)


def crop(picture: np.ndarray) -> torch.Tensor:
    """Crop, resize and flip an array at random, as bytes."""
    size = torch.empty(1, *picture.shape[:2], device="meta")
    top, left, height, width = itemgetter("top", "left", "height", "width")(CROP.make_params([size]))
    part = picture[top : top + height, left : left + width]
    way = cv2.INTER_AREA if min(height, width) > SIDE else cv2.INTER_LINEAR
    part = cv2.resize(part, (SIDE, SIDE), interpolation=way)
    part = part[:, ::-1] if torch.rand(()) < 0.5 else part
    return torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1)))


def read(path: str) -> np.ndarray:
    """Read a picture as an array (H, W, 3)."""
    return cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)


def of_torchvision(root: Path, workers: int) -> Epoch:
    """torchvision v2, as its documentation has it: CutMix in the collate function."""
    transform = v2.Compose([
        v2.RandomResizedCrop(SIDE, antialias=True), v2.RandomHorizontalFlip(), v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD),
    ])  # fmt: skip
    cutmix = v2.CutMix(num_classes=CLASSES)
    return lambda: DataLoader(
        ImageFolder(root, transform), BATCH, shuffle=True, drop_last=True, num_workers=workers,
        collate_fn=lambda samples: cutmix(*default_collate(samples)),
    )  # fmt: skip


def of_timm(root: Path, workers: int) -> Epoch:
    """timm's loader and its CutMix per batch, in place."""
    from timm.data import Mixup, create_loader
    from timm.data.mixup import mixup_target

    loader = create_loader(
        ImageFolder(root), (3, SIDE, SIDE), BATCH, is_training=True, use_prefetcher=False, hflip=0.5, color_jitter=None,
        interpolation="bilinear", mean=MEAN, std=STD, num_workers=workers, persistent_workers=False,
    )  # fmt: skip
    mix = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, mode="batch", num_classes=CLASSES, label_smoothing=0.0)

    def epoch() -> Iterable[Any]:
        for images, labels in loader:
            lam = mix._mix_batch(images)  # its call wants labels on a GPU
            yield images, mixup_target(labels, CLASSES, lam, 0.0)

    return epoch


def of_kornia(root: Path, workers: int) -> Epoch:
    """kornia: crop, flip, CutMix and normalisation by its augmentations of batches, after a resize to 256 px."""
    import kornia.augmentation as K

    resize = v2.Compose([v2.Resize((256, 256), antialias=True), v2.PILToTensor(), v2.ToDtype(torch.float32, True)])
    loader = DataLoader(ImageFolder(root, resize), BATCH, shuffle=True, drop_last=True, num_workers=workers)
    crop = torch.nn.Sequential(K.RandomResizedCrop((SIDE, SIDE)), K.RandomHorizontalFlip())
    cutmix = K.RandomCutMixV2(p=1.0, data_keys=["input", "class"])
    normalise = K.Normalize(torch.tensor(MEAN), torch.tensor(STD))

    def epoch() -> Iterable[Any]:
        for images, labels in loader:
            mixed, targets = cutmix(crop(images), labels)
            yield normalise(mixed), targets

    return epoch


def of_albumentations(root: Path, workers: int) -> Epoch:
    """albumentations on arrays that OpenCV reads, and torchvision's CutMix."""
    import albumentations as A
    from albumentations.pytorch import ToTensorV2

    transform = A.Compose([A.RandomResizedCrop((SIDE, SIDE)), A.HorizontalFlip(), A.Normalize(MEAN, STD), ToTensorV2()])
    cutmix = v2.CutMix(num_classes=CLASSES)

    files = ImageFolder(root, lambda picture: transform(image=picture)["image"], loader=read)
    return lambda: DataLoader(
        files, BATCH, shuffle=True, drop_last=True, num_workers=workers,
        collate_fn=lambda samples: cutmix(*default_collate(samples)),
    )  # fmt: skip


LIBRARIES = {
    "mixviz": of_mixviz, "torchvision v2": of_torchvision, "timm": of_timm, "kornia": of_kornia,
    "albumentations, torchvision's CutMix": of_albumentations,
}  # fmt: skip


def measure(root: Path, workers: int, rounds: int) -> dict[str, float]:
    """Measure images/s of an epoch by each library that is installed; they take turns, the best epoch counts."""
    epochs: dict[str, Epoch] = {}
    for name, make in LIBRARIES.items():
        try:
            epochs[name] = make(root, workers)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    best = dict.fromkeys(epochs, 0.0)
    for _ in range(rounds):
        for name, epoch in epochs.items():
            start, count = time.perf_counter(), 0
            for images, _ in epoch():
                count += len(images)
            best[name] = max(best[name], count / (time.perf_counter() - start))
    return best


def stages(root: Path) -> dict[str, float]:
    """Measure where mixviz's time goes: milliseconds for an image in one process, each stage by itself."""
    paths = [str(path) for path in sorted(root.glob("*/*.jpg"))[:BATCH]]
    whole = [read(path) for path in paths]
    images, labels = torch.stack([crop(picture) for picture in whole]), torch.arange(BATCH) % CLASSES
    mix = mixviz.MixTransform("cutmix", CLASSES)
    normalised = mixviz.MixTransform("cutmix", CLASSES, normalize=(MEAN, STD))
    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: [read(path) for path in paths],
        "crop, resize, flip": lambda: [crop(picture) for picture in whole],
        "mix": lambda: mix(images, labels),
        "mix and normalise": lambda: normalised(images, labels),
    }
    times = {}
    for name, step in steps.items():
        step()
        times[name] = min(_seconds(step) for _ in range(5)) / BATCH * 1000
    times["normalise"] = times.pop("mix and normalise") - times["mix"]
    return times


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def report(rates: dict[str, float], times: dict[str, float], workers: int) -> str:
    """Format as Markdown: images/s by library, and milliseconds by stage."""
    fastest = max(rate for name, rate in rates.items() if name != "mixviz")
    rows = [[name, f"{rate:.0f}", f"{rate / fastest:.2f}"] for name, rate in rates.items()]
    title = f"From JPEGs of 512 px to mixed batches of {SIDE} px, {workers} workers"
    parts = ", ".join(f"{name} {value:.2f} ms" for name, value in times.items())
    return table(title, ["library", "images/s", "of the fastest peer"], rows) + f"\nAn image in one process: {parts}.\n"


def of_bundled(root: Path | None = None, workers: int = 2, rounds: int = 3) -> dict[str, Any]:
    """Measure everything, on a folder or on JPEGs made of the bundled photographs."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        root = root or folder(Path(home))
        return {"rates": measure(root, workers, rounds), "times": stages(root), "workers": workers}


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder with a folder of JPEGs for each class; else one is made")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    print(report(**of_bundled(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()

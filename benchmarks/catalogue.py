"""Throughput of every method in images per second, beside the nearest peer if another library has one.

``python -m benchmarks.catalogue`` writes ``benchmarks/catalogue.json``, from which ``docs/catalogue.md`` takes its
speeds. Measured are plan, apply into a reused buffer, and soft labels, for a batch of 128 float images of 64 px on one
thread; saliency, attention and five boxes per image are given to those that use them. Peers that draw one set of
parameters per batch are called image by image, because mixviz draws parameters for each image.

``python -m benchmarks.catalogue NAMES`` measures some methods, perhaps on another or a busy machine. Each takes turns
with CutMix, by the processor's time, and its multiple of CutMix's time is stored. Its images per second follow from
CutMix's rate in the table, and are marked as estimated.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import mixviz
from benchmarks.mixing import CLASSES, ours, peers
from benchmarks.timing import best_times, rate, table

FILE = Path(__file__).parent / "catalogue.json"
SIDE, BATCH, BOXES = 64, 128, 5
REFERENCE = "cutmix"


def each(transform: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Apply a transform of single images to a batch."""
    return lambda images: torch.stack([transform(image) for image in images])


def torchvision_peers() -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Return torchvision's transforms of a batch (N, 3, H, W) by the name of our method."""
    from torchvision.transforms import v2

    policies = {"imagenet": v2.AutoAugmentPolicy.IMAGENET}
    return {
        "random_erasing": each(v2.RandomErasing(p=0.5, value="random")),
        "brightness": each(v2.ColorJitter(brightness=0.4)),
        "contrast": each(v2.ColorJitter(contrast=0.4)),
        "saturation": each(v2.ColorJitter(saturation=0.4)),
        "hue": each(v2.ColorJitter(hue=0.1)),
        "gaussian_blur": each(v2.GaussianBlur(7, (0.1, 2.0))),
        "affine": each(v2.RandomAffine(15, (0.1, 0.1), (1 / 1.2, 1.2), 10, v2.InterpolationMode.BILINEAR)),
        "elastic": each(v2.ElasticTransform()),
        "horizontal_flip": each(v2.RandomHorizontalFlip()),
        "vertical_flip": each(v2.RandomVerticalFlip()),
        "random_crop": each(v2.RandomResizedCrop(SIDE, antialias=True)),
        "perspective": each(v2.RandomPerspective(p=1.0)),
        "rotation": each(v2.RandomRotation(30, v2.InterpolationMode.BILINEAR)),
        "autoaugment": each(v2.AutoAugment(policies["imagenet"])),
        "augmix": each(v2.AugMix()),
        "randaugment": each(v2.RandAugment()),
        "trivialaugment": each(v2.TrivialAugmentWide()),
    }


def peer_steps(images: torch.Tensor, labels: torch.Tensor) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Return the peer of each method that has one: method -> (the peer's name, its step)."""
    steps = {
        name: ("torchvision v2", lambda run=run: run(images))
        for name, run in torchvision_peers().items()
        if name in mixviz.METHODS
    }
    for name in ("mixup", "cutmix"):
        candidates = [(title, run) for title, run in peers(name, images, labels).items() if "per image" in title]
        if candidates:
            steps[name] = candidates[0][0].split(" (")[0], candidates[0][1]
    try:
        import kornia.augmentation as kornia

        steps |= {
            name: ("kornia", lambda run=run: run(images))
            for name, run in {
                "mosaic": kornia.RandomMosaic((SIDE, SIDE), data_keys=["input"], p=1.0),
                "motion_blur": kornia.RandomMotionBlur(7, 180.0, 0.0, p=1.0),
                "jpeg": kornia.RandomJPEG((50.0, 100.0), p=1.0),
            }.items()
        }
    except ImportError:
        print("kornia is not installed: its rows are left out (pip install -e '.[bench]')")
    return steps


def given_to(name: str, maps: torch.Tensor) -> dict[str, Any]:
    """Return what a method takes beside images and labels."""
    if not mixviz.METHODS[name].looks_at_objects:
        return {"saliency": maps}
    corner = torch.randint(0, SIDE - 24, (BATCH * BOXES, 2))
    boxes = torch.cat([corner, corner + torch.randint(10, 24, corner.shape)], 1).float()
    image = torch.arange(BATCH).repeat_interleave(BOXES)
    return {"objects": mixviz.Objects(size=(SIDE, SIDE), count=BATCH, image=image, boxes=boxes)}


def measure(rounds: int, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measure images per second on one thread: method -> {rate, peer, peer_rate}."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    images, labels = torch.rand(BATCH, 3, SIDE, SIDE), torch.randint(0, CLASSES, (BATCH,))
    maps, results = torch.rand(BATCH, SIDE, SIDE), {}
    peer = peer_steps(images, labels)
    for name in names:
        steps = {"ours": ours(name, images, labels, **given_to(name, maps))}
        steps |= {"theirs": peer[name][1]} if name in peer else {}
        times = best_times(steps, rounds)
        results[name] = {"rate": round(BATCH / times["ours"])}
        if name in peer:
            results[name] |= {"peer": peer[name][0], "peer_rate": round(BATCH / times["theirs"])}
    return results


def multiples(rounds: int, names: Sequence[str]) -> dict[str, float]:
    """Measure each method's time as a multiple of CutMix's, in turns with it, by the processor's time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    images, labels = torch.rand(BATCH, 3, SIDE, SIDE), torch.randint(0, CLASSES, (BATCH,))
    maps, reference = torch.rand(BATCH, SIDE, SIDE), ours(REFERENCE, images, labels)
    found: dict[str, float] = {}
    for name in names:
        steps = {"own": ours(name, images, labels, **given_to(name, maps)), "reference": reference}
        times = best_times(steps, rounds, clock=time.process_time)
        found[name] = times["own"] / times["reference"]
    return found


def versions() -> dict[str, str]:
    """Return the day and the packages of a measurement."""
    packages = {name: metadata.version(name) for name in ("torch", "torchvision")}
    return {"date": datetime.date.today().isoformat(), "python": platform.python_version(), **packages}


def report(results: dict[str, dict[str, Any]]) -> str:
    """Format the rates as Markdown: images/s, the nearest peer's, and their ratio."""
    rows = [
        [name, "≈ " * ("estimated" in result) + rate(result["rate"]), f"{result['times_cutmix']:.2g}",
         result.get("peer", ""), rate(result["peer_rate"]) if "peer" in result else "",
         f"{result['rate'] / result['peer_rate']:.2g}" if "peer" in result else ""]
        for name, result in results.items()
    ]  # fmt: skip
    title = f"Every method ({SIDE} px, batch {BATCH}, one thread, saliency given), beside the nearest peer per image"
    return table(title, ["method", "images/s", "time over CutMix's", "peer", "images/s", "times"], rows)


def write(rounds: int, only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Measure all methods, or ``only`` some beside the stored rates of the others, and write the JSON file."""
    if only:
        stored = json.loads(FILE.read_text(encoding="utf-8"))
        reference = stored["methods"][REFERENCE]["rate"]
        for name, multiple in multiples(rounds, only).items():
            entry = {"rate": round(reference / multiple), "times_cutmix": round(multiple, 3), "estimated": versions()}
            stored["methods"][name] = entry
    else:
        stored = {"about": versions(), "methods": measure(rounds, list(mixviz.METHODS))}
    reference = stored["methods"][REFERENCE]["rate"]
    for entry in stored["methods"].values():
        if "estimated" not in entry:
            entry["times_cutmix"] = round(reference / entry["rate"], 3)
    stored["methods"] = {name: stored["methods"][name] for name in mixviz.METHODS if name in stored["methods"]}
    FILE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return stored["methods"]


def main() -> None:
    """Measure, write the JSON file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds; the best of each counts")
    parser.add_argument("only", nargs="*", help="methods to measure beside the stored rates of the others")
    given = parser.parse_args()
    print(report(write(given.rounds, given.only)))


if __name__ == "__main__":
    main()

"""Following objects beside kornia and torchvision v2: 64 pictures of 128 px with 5 boxes each, one thread.

``python -m benchmarks.objects [--rounds 9]``. Every line times the boxes alone where a library can move them alone, and
pictures with boxes where it cannot; masks beside pixels of as many channels as a picture has masks. The goal for boxes
is 10 ms. It is the processor's time, and the best of the rounds, because other processes disturb these less.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import time
from collections.abc import Callable

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from benchmarks.timing import table
from mixviz import METHODS, Batch, Objects
from mixviz.core.objects import box_pixels

PICTURES, BOXES, SIDE = 64, 5, 128
NAMES = (
    "cutmix", "mixup", "mosaic", "resizemix", "cutout", "horizontal_flip", "rotation", "perspective", "elastic", "fmix",
    "smoothmix",
)  # fmt: skip


def objects(masks: bool = False) -> Objects:
    """Boxes of 10 to 24 pixels at random places."""
    rng = np.random.default_rng(0)
    corner = rng.integers(0, SIDE - 24, (PICTURES * BOXES, 2))
    boxes = torch.from_numpy(np.concatenate([corner, corner + rng.integers(10, 24, corner.shape)], 1)).float()
    image = torch.arange(PICTURES).repeat_interleave(BOXES)
    plain = Objects(size=(SIDE, SIDE), count=PICTURES, image=image, boxes=boxes, classes=image % 7)
    if not masks:
        return plain
    return Objects(size=plain.size, count=PICTURES, image=image, masks=box_pixels(plain), classes=image % 7)


def ours(name: str, images: torch.Tensor, given: Objects) -> Callable[[], object]:
    """Objects of a recipe that has been followed or applied before: elastic deformation keeps its last field."""
    recipe = METHODS[name]().plan(Batch(images, torch.arange(PICTURES)), np.random.default_rng(1))
    return lambda: recipe.follow(given)


def anew(name: str, images: torch.Tensor, given: Objects) -> Callable[[], object]:
    """Boxes of a recipe whose pixels have not been made before."""
    batch = Batch(images, torch.arange(PICTURES))
    recipes = itertools.cycle([METHODS[name]().plan(batch, np.random.default_rng(seed)) for seed in (1, 2)])
    return lambda: next(recipes).follow(given)


def channels(name: str, images: torch.Tensor) -> Callable[[], object]:
    """Pixels of as many channels as a picture has masks, into a reused buffer."""
    recipe = METHODS[name]().plan(Batch(images, torch.arange(PICTURES)), np.random.default_rng(1))
    if getattr(recipe.mixing, "fill", None) is not None:
        recipe = dataclasses.replace(recipe, mixing=dataclasses.replace(recipe.mixing, fill=torch.zeros(1, 1, 1, 1)))
    several = torch.rand(PICTURES, BOXES, SIDE, SIDE)
    out = torch.empty_like(several)
    return lambda: recipe.apply(several, out)


def whole(name: str, images: torch.Tensor, given: Objects) -> Callable[[], object]:
    """Planning, pixels and boxes."""

    def step() -> None:
        recipe = METHODS[name]().plan(Batch(images, torch.arange(PICTURES)), np.random.default_rng(1))
        recipe.apply(images)
        recipe.follow(given)

    return step


def torchvisions(transform: v2.Transform, images: torch.Tensor, given: Objects) -> Callable[[], object]:
    """Pictures and boxes, one picture after the other, as torchvision's data sets give them."""
    pairs = [
        (
            tv_tensors.Image(images[i]),
            tv_tensors.BoundingBoxes(
                given.boxes[given.image == i][:, [1, 0, 3, 2]],
                format=tv_tensors.BoundingBoxFormat.XYXY,
                canvas_size=(SIDE, SIDE),
            ),
        )
        for i in range(PICTURES)
    ]  # pyright: ignore[reportCallIssue]
    return lambda: [transform(*pair) for pair in pairs]


def kornias(name: str, images: torch.Tensor, given: Objects) -> Callable[[], object] | None:
    """Pictures and boxes of a batch; None without kornia."""
    try:
        import kornia.augmentation as K
    except ImportError:
        return None
    boxes = given.boxes[:, [1, 0, 3, 2]].view(PICTURES, BOXES, 4)
    made = {
        "mosaic": lambda: K.RandomMosaic(output_size=(SIDE, SIDE), p=1.0, data_keys=["input", "bbox_xyxy"]),
        "horizontal_flip": lambda: K.AugmentationSequential(
            K.RandomHorizontalFlip(p=0.5), data_keys=["input", "bbox_xyxy"]
        ),
        "rotation": lambda: K.AugmentationSequential(K.RandomRotation(30.0, p=1.0), data_keys=["input", "bbox_xyxy"]),
    }
    if name not in made:
        return None
    augmentation = made[name]()
    return lambda: augmentation(images, boxes)


def timed(step: Callable[[], object] | None, rounds: int) -> str:
    """Milliseconds of the processor, the best of some rounds; or a dash."""
    if step is None:
        return "–"
    step()
    seconds: list[float] = []
    for _ in range(rounds):
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return f"{1e3 * min(seconds):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    images, boxes, masks = torch.rand(PICTURES, 3, SIDE, SIDE), objects(), objects(masks=True)
    peers = {"horizontal_flip": v2.RandomHorizontalFlip(), "rotation": v2.RandomRotation(30)}
    rows = []
    for name in NAMES:
        peer = peers.get(name)
        steps = (
            ours(name, images, boxes),
            ours(name, images, masks),
            channels(name, images),
            whole(name, images, boxes),
            None if peer is None else torchvisions(peer, images, boxes),
            kornias(name, images, boxes),
        )
        rows.append([name, *(timed(step, rounds) for step in steps)])
    heads = [
        "",
        "boxes",
        "masks",
        f"pixels, {BOXES} channels",
        "plan, pixels, boxes",
        "torchvision, pixels and boxes",
        "kornia, pixels and boxes",
    ]
    print(table(f"{PICTURES} pictures of {SIDE} px, {BOXES} objects each: ms", heads, rows))
    print(f"elastic, boxes before the pixels: {timed(anew('elastic', images, boxes), rounds)} ms")


if __name__ == "__main__":
    main()

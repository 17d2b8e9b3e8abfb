"""Batches for training and validation, from pictures in device memory or from a stream of files.

Order, crops and flips of a step are drawn for the batches of all processes at once, from (seed, epoch, step). Every
process takes its part, so that two processes see the same images as one with the double batch size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from mixviz.data import pictures
from mixviz.data.dataset import Dataset, decode, open_picture, read
from mixviz.data.pictures import View, square

# Seeds of independent random streams; each process has its own of the last two.
ORDER, CROP, STREAM, MIX, DROP = 0, 1, 2, 3, 2**31

Item = tuple[int, int, int, int]  # index of a picture, step, position in the step's images, times it came before


@dataclass(frozen=True)
class Feed:
    """Batches of one split for this process.

    Args:
        split: its pictures.
        side: side in pixels of the images in a batch.
        augment: ``crop``, ``resized`` or ``none``.
        resident: (N, 3, s, s) uint8 on the device; None: read from the files, batch by batch.
        rank, world: index of this process, and number of processes.
        workers: processes that read files.
        view: how unaugmented pictures are cut; None: the customary view of ``side``.
    """

    split: Dataset
    side: int
    augment: str
    device: torch.device
    resident: Tensor | None
    rank: int = 0
    world: int = 1
    workers: int = 0
    view: View | None = None

    def __len__(self) -> int:
        return len(self.split)

    def steps(self, batch_size: int) -> int:
        """Number of full batches in an epoch."""
        return len(self) // (batch_size * self.world)

    def training(
        self,
        batch_size: int,
        seed: int,
        epoch: int,
        first: int = 0,
        parts: int = 1,
        per_class: int = 0,
        order: np.ndarray | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches (images (n, 3, side, side) uint8, labels (n,)) of an epoch, from step ``first`` on.

        Args:
            parts: batches per step, whose gradients are accumulated.
            per_class: pictures of each class in a batch, see :func:`by_class`; 0: pictures in random order.
            order: indices of the pictures of the epoch; None: drawn.
        """
        if order is None:
            rng = order_rng(seed, epoch)
            order = by_class(self.split.labels, batch_size, per_class, rng) if per_class else rng.permutation(len(self))
        step_images = batch_size * parts * self.world
        starts = [(part * self.world + self.rank) * batch_size for part in range(parts)]
        rows = [
            (
                step,
                slice(start, start + batch_size),
                order[step * step_images : (step + 1) * step_images][start : start + batch_size],
            )
            for step in range(first, self.steps(batch_size * parts))
            for start in starts
        ]
        if self.resident is None:
            items = [
                [
                    (int(index), step, position, int((indices[: position - own.start] == index).sum()))
                    for position, index in enumerate(indices, own.start)
                ]
                for step, own, indices in rows
            ]
            yield from self._stream(items, self.augment, seed, epoch, step_images)
            return
        labels = self.split.labels.to(self.device)
        for step, own, indices in rows:
            index = torch.from_numpy(indices).to(self.device, non_blocking=True)
            yield self._cropped(self.resident, index, [seed, epoch, step], step_images, own), labels[index]

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of this process's part of the split, in order and unaugmented."""
        part = np.arange(self.rank, len(self), self.world)
        rows = [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
        if self.resident is None:
            yield from self._stream([[(int(index), 0, 0, 0) for index in indices] for indices in rows], "none", 0, 0, 1)
            return
        for indices in rows:
            images = self._centre_crop(self.resident, torch.from_numpy(indices).to(self.device))
            yield images, self.split.labels[indices].to(self.device)

    def _centre_crop(self, resident: Tensor, index: Tensor) -> Tensor:
        margin = (resident.shape[-1] - self.side) // 2
        return resident[index][:, :, margin : margin + self.side, margin : margin + self.side]

    def _cropped(self, resident: Tensor, index: Tensor, seeds: list[int], step_images: int, own: slice) -> Tensor:
        """Crop and flip the images at ``index``, each at random; padding is black."""
        n = len(index)
        if self.augment == "none":
            return self._centre_crop(resident, index)
        stored = resident.shape[-1]
        pad, highest = _crop_range(self.side, stored)
        top, left, flip = (drawn[own] for drawn in _draw_crops(seeds, step_images, highest))
        steps = np.arange(self.side)
        rows = top[:, None] + steps - pad
        columns = left[:, None] + np.where(flip[:, None], steps[::-1], steps) - pad
        inside = ((rows >= 0) & (rows < stored))[:, :, None] & ((columns >= 0) & (columns < stored))[:, None]
        rows, columns, inside = (
            torch.from_numpy(a).to(self.device, non_blocking=True)
            for a in (rows.clip(0, stored - 1), columns.clip(0, stored - 1), inside)
        )
        images = resident[index]
        images = images.gather(2, rows[:, None, :, None].expand(n, 3, self.side, stored))
        images = images.gather(3, columns[:, None, None, :].expand(n, 3, self.side, self.side))
        return images if pad == 0 else images.mul_(inside[:, None])

    def _stream(
        self, items: list[list[Item]], augment: str, seed: int, epoch: int, step_images: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        loader = data.DataLoader(
            _Files(self.split, self.view or View(self.side), augment, seed, epoch, step_images),
            batch_sampler=items,
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
        )
        for images, labels in loader:
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


class _Files(data.Dataset):
    """Pictures read from their files, with the same pixels, crops and flips as resident ones."""

    def __init__(self, split: Dataset, view: View, augment: str, seed: int, epoch: int, step_images: int) -> None:
        from torchvision.transforms import InterpolationMode, v2

        self.resized = v2.Compose([
            v2.RandomResizedCrop(view.side, interpolation=InterpolationMode.BICUBIC, antialias=True),
            v2.RandomHorizontalFlip(), v2.PILToTensor(),
        ])  # fmt: skip
        self.split, self.view, self.side, self.augment = split, view, view.side, augment
        self.seed, self.epoch, self.step_images = seed, epoch, step_images

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, item: Item) -> tuple[Tensor, int]:
        index, step, position, before = item
        stored = self.side if self.augment == "resized" else self.view.stored
        # "resized" may enlarge a small part, so that it needs the picture at full size.
        decoded_side = None if self.augment == "resized" else stored
        picture, label = open_picture(self.split, index, decoded_side), int(self.split.labels[index])
        if self.augment == "resized":
            seeds = [self.seed, self.epoch, index, STREAM, *([before] if before else [])]  # each view has its own crop
            state = np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(state >> 1))
                return self.resized(picture), label
        pixels = square(picture, stored, self.view.interpolation)
        pad, highest = _crop_range(self.side, len(pixels))
        top = left = (len(pixels) - self.side) // 2
        if self.augment == "crop":
            drawn = _draw_crops([self.seed, self.epoch, step], self.step_images, highest)
            top, left, flip = (values[position] for values in drawn)
            pixels = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)))
            pixels, left = (pixels[:, ::-1], len(pixels) - self.side - left) if flip else (pixels, left)
        crop = pixels[top : top + self.side, left : left + self.side]
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))), label


def _draw_crops(seeds: list[int], count: int, highest: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw top, left (0 to ``highest``) and flip of the ``count`` crops of a step, for all processes at once.

    Args:
        seeds: [seed, epoch, step].
    """
    rng = np.random.default_rng([*seeds, CROP])
    top, left = (rng.integers(0, highest + 1, count) for _ in range(2))
    return top, left, rng.random(count) < 0.5


def order_rng(seed: int, epoch: int) -> np.random.Generator:
    """The generator of an epoch's order."""
    return np.random.default_rng([seed, epoch, ORDER])


def by_class(labels: Tensor, batch_size: int, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the order of an epoch whose batches hold P classes with K pictures each.

    The classes of a batch differ, and are drawn with a probability by their number of pictures. A class gives its
    pictures in random order, all of them before one comes again. Classes of a single picture are left out, unless all
    are such: then a picture comes K times in a batch, each time with another crop.

    Args:
        labels: (N,) int64.
        batch_size: P·K.
        per_class: K.

    Returns:
        Indices of N pictures, and of up to ``batch_size`` - 1 fewer.

    Raises:
        ValueError: fewer than P classes have two pictures.
    """
    in_order = np.argsort(labels.numpy(), kind="stable")
    members = np.split(in_order, np.flatnonzero(np.diff(labels.numpy()[in_order])) + 1)
    single = all(len(group) == 1 for group in members)
    members = members if single else [group for group in members if len(group) > 1]
    count = batch_size // per_class
    if len(members) < count:
        raise ValueError(
            f"Batches of {batch_size} with {per_class} pictures of a class need {count} classes"
            f"{'' if single else ' with two pictures or more'}; there are {len(members)}: raise --per-class, or lower "
            "--batch-size."
        )
    sizes = np.array([len(group) for group in members], float)
    waiting: list[list[int]] = [[] for _ in members]
    order: list[int] = []
    for _ in range(len(labels) // batch_size):
        for group in rng.choice(len(members), count, replace=False, p=sizes / sizes.sum()):
            taken: list[int] = []
            while len(taken) < per_class:
                if not waiting[group]:
                    waiting[group] = rng.permutation(members[group]).tolist()
                # A picture comes twice in a batch only if the class has fewer than K.
                fresh = [i for i in waiting[group] if i not in taken] if len(members[group]) >= per_class else []
                index = fresh[0] if fresh else waiting[group][0]
                waiting[group].remove(index)
                taken.append(index)
            order += taken
    return np.array(order, dtype=np.int64)


def stored_side(side: int, augment: str) -> int:
    """Side in pixels at which pictures are stored, see :func:`mixviz.data.pictures.stored_side`."""
    return side if augment == "resized" else pictures.stored_side(side)


def _crop_range(side: int, stored: int) -> tuple[int, int]:
    """Padding around the stored picture, and the highest top or left of a crop in the padded one."""
    pad = side // 8 if stored == side else 0
    return pad, stored + 2 * pad - side


def fits(count: int, side: int, device: torch.device) -> bool:
    """Whether ``count`` images take at most a quarter of the device's free memory."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        import psutil

        free = psutil.virtual_memory().available
    return count * 3 * side * side <= free / 4


def feed(
    split: Dataset,
    side: int,
    augment: str,
    device: torch.device,
    *,
    corrupt: str = "refuse",
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    tell: Callable[[str], None] = print,
    view: View | None = None,
) -> Feed:
    """Make the feed of a split: resident on the device if it fits and is only cropped and flipped, else streamed.

    Raises:
        ValueError: a damaged picture, with ``corrupt="refuse"``.
    """
    stored = view.stored if view else stored_side(side, augment)
    if augment == "resized" or not fits(len(split), stored, device):
        split = _readable(split, stored, tell) if corrupt == "skip" else split
        return Feed(split, side, augment, device, None, rank, world, workers, view)
    pixels, split = decode(split, stored, corrupt, tell, view.interpolation if view else "bicubic")
    return Feed(split, side, augment, device, pixels.to(device), rank, world, view=view)


def _readable(split: Dataset, side: int, tell: Callable[[str], None]) -> Dataset:
    """Leave out the pictures that cannot be read, by reading each once before the training."""

    def problem(picture: Path | np.ndarray) -> str:
        try:
            read(picture, side)
        except ValueError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = list(pool.map(problem, split.pictures))
    for text in filter(None, problems):
        tell(f"Left out: {text}")
    keep = [index for index, text in enumerate(problems) if not text]
    if not keep:
        raise ValueError("No picture of the data set can be read.")
    return split.take(keep)

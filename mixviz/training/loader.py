"""Batches for training and validation: from pictures that live on the device, or from a stream of files.

Order, crops and flips of a step are drawn for the batches of all processes at once, from (seed, epoch, step): every
process takes its part, and two of them see what one with the double batch would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from mixviz.data import pictures
from mixviz.data.dataset import Dataset, decode, read
from mixviz.data.pictures import square

# Streams of random numbers that must not be one another's; of the last two, each process has its own.
ORDER, CROP, STREAM, MIX, DROP = 0, 1, 2, 3, 2**31

Item = tuple[int, int, int]  # of a picture: its index, and its step and place in that step's batches


@dataclass(frozen=True)
class Feed:
    """One split as this process sees it.

    Args:
        split: its pictures.
        side: of the images that come out.
        augment: ``crop``, ``resized`` or ``none``.
        resident: (N, 3, s, s) uint8 on the device; None: read from the files, batch by batch.
        rank, world: this process, and how many there are.
    """

    split: Dataset
    side: int
    augment: str
    device: torch.device
    resident: Tensor | None
    rank: int = 0
    world: int = 1
    workers: int = 0

    def __len__(self) -> int:
        return len(self.split)

    def steps(self, batch_size: int) -> int:
        """Whole batches in an epoch."""
        return len(self) // (batch_size * self.world)

    def training(
        self, batch_size: int, seed: int, epoch: int, first: int = 0, parts: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (images (n, 3, side, side) uint8, labels (n,)) of an epoch, from step ``first`` on: so many ``parts``
        for each whole step."""
        order = np.random.default_rng([seed, epoch, ORDER]).permutation(len(self))
        whole = batch_size * parts * self.world
        starts = [(part * self.world + self.rank) * batch_size for part in range(parts)]
        rows = [
            (
                step,
                slice(start, start + batch_size),
                order[step * whole : (step + 1) * whole][start : start + batch_size],
            )
            for step in range(first, self.steps(batch_size * parts))
            for start in starts
        ]
        if self.resident is None:
            items = [
                [(int(index), step, place) for place, index in enumerate(pick, mine.start)] for step, mine, pick in rows
            ]
            yield from self._stream(items, self.augment, seed, epoch, whole)
            return
        labels = self.split.labels.to(self.device)
        for step, mine, pick in rows:
            index = torch.from_numpy(pick).to(self.device, non_blocking=True)
            yield self._cropped(index, [seed, epoch, step], whole, mine), labels[index]

    def validation(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of the split, in order and unaugmented."""
        part = np.arange(self.rank, len(self), self.world)
        rows = [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
        if self.resident is None:
            yield from self._stream([[(int(index), 0, 0) for index in pick] for pick in rows], "none", 0, 0, 1)
            return
        for pick in rows:
            yield self._middle(torch.from_numpy(pick).to(self.device)), self.split.labels[pick].to(self.device)

    def _middle(self, index: Tensor) -> Tensor:
        margin = (self.resident.shape[-1] - self.side) // 2
        return self.resident[index][:, :, margin : margin + self.side, margin : margin + self.side]

    def _cropped(self, index: Tensor, moment: list[int], whole: int, mine: slice) -> Tensor:
        """Images at ``index``, each cropped and flipped in its own way; padding is black."""
        n = len(index)
        if self.augment == "none":
            return self._middle(index)
        stored, (pad, room) = self.resident.shape[-1], _room(self.side, self.resident.shape[-1])
        top, left, flip = (drawn[mine] for drawn in _places(moment, whole, room))
        steps = np.arange(self.side)
        rows = top[:, None] + steps - pad
        columns = left[:, None] + np.where(flip[:, None], steps[::-1], steps) - pad
        inside = ((rows >= 0) & (rows < stored))[:, :, None] & ((columns >= 0) & (columns < stored))[:, None]
        rows, columns, inside = (
            torch.from_numpy(a).to(self.device, non_blocking=True)
            for a in (rows.clip(0, stored - 1), columns.clip(0, stored - 1), inside)
        )
        images = self.resident[index]
        images = images.gather(2, rows[:, None, :, None].expand(n, 3, self.side, stored))
        images = images.gather(3, columns[:, None, None, :].expand(n, 3, self.side, self.side))
        return images if pad == 0 else images.mul_(inside[:, None])

    def _stream(
        self, items: list[list[Item]], augment: str, seed: int, epoch: int, whole: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        loader = data.DataLoader(
            _Files(self.split, self.side, augment, seed, epoch, whole),
            batch_sampler=items,
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
        )
        for images, labels in loader:
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


class _Files(data.Dataset):
    """Pictures read from their files: the very pixels, crops and flips that resident ones would have."""

    def __init__(self, split: Dataset, side: int, augment: str, seed: int, epoch: int, whole: int) -> None:
        from torchvision.transforms import InterpolationMode, v2

        self.resized = v2.Compose([
            v2.RandomResizedCrop(side, interpolation=InterpolationMode.BICUBIC, antialias=True),
            v2.RandomHorizontalFlip(), v2.PILToTensor(),
        ])  # fmt: skip
        self.split, self.side, self.augment = split, side, augment
        self.seed, self.epoch, self.whole = seed, epoch, whole

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, item: Item) -> tuple[Tensor, int]:
        index, step, place = item
        stored = stored_side(self.side, self.augment)
        whole = None if self.augment == "resized" else stored  # a crop of any part may be enlarged
        picture, label = read(self.split.pictures[index], whole), int(self.split.labels[index])
        if self.augment == "resized":
            state = np.random.SeedSequence([self.seed, self.epoch, index, STREAM]).generate_state(1, np.uint64)[0]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(state >> 1))
                return self.resized(picture), label
        pixels = square(picture, stored)
        pad, room = _room(self.side, len(pixels))
        top = left = (len(pixels) - self.side) // 2
        if self.augment == "crop":
            drawn = _places([self.seed, self.epoch, step], self.whole, room)
            top, left, flip = (of_all[place] for of_all in drawn)
            pixels = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)))
            pixels, left = (pixels[:, ::-1], len(pixels) - self.side - left) if flip else (pixels, left)
        cut = pixels[top : top + self.side, left : left + self.side]
        return torch.from_numpy(np.ascontiguousarray(cut.transpose(2, 0, 1))), label


def _places(moment: list[int], whole: int, room: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Top, left and flip (whole,) of the crops of a step, which is [seed, epoch, step]: for all processes at once."""
    rng = np.random.default_rng([*moment, CROP])
    top, left = (rng.integers(0, room + 1, whole) for _ in range(2))
    return top, left, rng.random(whole) < 0.5


def stored_side(side: int, augment: str) -> int:
    """The side at which pictures are kept, see :func:`mixviz.data.pictures.stored_side`."""
    return side if augment == "resized" else pictures.stored_side(side)


def _room(side: int, stored: int) -> tuple[int, int]:
    """Padding around the stored picture, and how many places a crop can take along a side, less one."""
    pad = side // 8 if stored == side else 0
    return pad, stored + 2 * pad - side


def fits(count: int, side: int, device: torch.device) -> bool:
    """Whether that many images take at most a quarter of the device's free memory."""
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
) -> Feed:
    """A split, resident on the device where it fits and nothing but crops and flips is done to it, else streamed.

    Raises:
        ValueError: a damaged picture, where these are refused.
    """
    stored = stored_side(side, augment)
    if augment == "resized" or not fits(len(split), stored, device):
        split = _readable(split, stored, tell) if corrupt == "skip" else split
        return Feed(split, side, augment, device, None, rank, world, workers)
    pixels, split = decode(split, stored, corrupt, tell)
    return Feed(split, side, augment, device, pixels.to(device), rank, world)


def _readable(split: Dataset, side: int, tell: Callable[[str], None]) -> Dataset:
    """The split without the pictures that cannot be read: a look at each, once, before any time is spent."""

    def problem(picture: object) -> str:
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

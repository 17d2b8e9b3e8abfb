"""The training loop, on Accelerate: one process or many, on the CPU or on GPUs, and resumable at any step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

import mixviz
from mixviz import cam
from mixviz.batch import IMAGENET_MEAN, IMAGENET_STD, Batch
from mixviz.networks import architectures, cards
from mixviz.recipe import Recipe
from mixviz.split import Split
from mixviz.training import checkpoint, setup
from mixviz.training.feeding import DROP, MIX, feed
from mixviz.training.progress import Progress, clock, progress_bar, rate, tensorboard
from mixviz.training.run import Run

LOOK = 50  # steps between two looks at the loss on a GPU: each look waits for the device


def train(run: Run, out: str | Path, **options: Any) -> dict[str, Any]:
    """Train a network as the run says, and write it to a folder; takes what :class:`Training` takes.

    Returns:
        The results as the card holds them: ``last``, ``best`` and ``median_of_last_10``.
    """
    return Training(run, out, **options).go()


class Training:
    """One training in its folder.

    The folder then holds ``last.safetensors`` and ``best.safetensors`` (weights), ``log.jsonl`` (a line per epoch),
    ``checkpoint.safetensors`` (everything needed to go on) and ``card.json`` with ``card.md``.

    Args:
        out: the folder; made where it is missing.
        resume: go on where the folder's checkpoint stands; start where there is none.
        download: fetch the data set first, where torchvision can.
        workers: processes that read pictures, where these do not fit into memory.
        minutes: time between two checkpoints inside an epoch; the end of each epoch has one anyway.
        tell: gets every message.
        bar: show a progress bar.

    Raises:
        ValueError: before any time is spent, whatever of the run cannot be done, with what to do; later, by
            :meth:`go`, a loss that is no number.
    """

    def __init__(
        self,
        run: Run,
        out: str | Path,
        *,
        resume: bool = False,
        download: bool = False,
        workers: int = 0,
        minutes: float = 5.0,
        tell: Callable[[str], None] = print,
        bar: bool = True,
    ) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs

        self.run, self.out, self.minutes = run, Path(out), minutes
        self.method = run.augmentation()
        self.accelerator = Accelerator(  # precision is the run's own, see _autocast; for buffers, _agree
            mixed_precision="no", kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)]
        )
        cards.commit()  # asked now: by the end of the training, the checkout may hold other code
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        self.device, self.main = self.accelerator.device, self.accelerator.is_main_process
        if run.precision == "fp16" and self.device.type == "cpu":
            raise ValueError("--precision fp16 needs a GPU; on a CPU take bf16 or fp32.")
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=run.precision == "fp16")
        self.tell = tell if self.main else (lambda line: None)
        self.bar = bar and self.main
        self.path = self.out / "checkpoint.safetensors"
        if self.path.exists() and not resume:
            raise ValueError(f"{out} holds a training already: go on with --resume, or give another --out.")
        with self.accelerator.main_process_first() if download else nullcontext():
            splits = setup.splits(run, download)
        side = run.image_size or splits[0].side or 224
        self.classes, self.keys, self.terms = splits[0].classes, splits[0].keys, splits[0].terms
        torch.manual_seed(run.seed)
        self.stem = architectures.stem_for(run.network, run.stem, side)
        network = architectures.build(run.network, len(self.classes), stem=self.stem, width=run.width)
        self.plain = network.to(self.device, memory_format=torch.channels_last)
        setup.rehearse(run.network, self.plain, self.method, len(self.classes), side)
        self.optimizer = setup.optimizer(run, self.plain)
        self._open(splits, side, workers)
        self.at = Progress()
        if resume and self.path.exists():
            self._restore()
        self.network = self.accelerator.prepare_model(self.plain)
        if self.main:
            self.out.mkdir(parents=True, exist_ok=True)
        self.accelerator.wait_for_everyone()

    def _open(self, splits: list[Split], side: int, workers: int) -> None:
        """The two splits, ready to be asked for batches."""
        run = self.run
        augment = run.augment if run.augment != "auto" else "crop" if side <= 96 else "resized"
        self.train, self.val = (
            feed(split, side, kind, self.device, corrupt=run.corrupt, rank=self.rank, world=self.world,
                 workers=workers, tell=self.tell)
            for split, kind in zip(splits, (augment, "none"), strict=True)
        )  # fmt: skip
        self.steps = self.train.steps(run.batch_size)
        if self.steps == 0:
            whole = run.batch_size * self.world
            raise ValueError(
                f"{len(self.train)} training pictures make no batch of {whole} "
                f"({run.batch_size} on each of {self.world}): lower --batch-size."
            )

    def _restore(self) -> None:
        tensors, values = checkpoint.load_tensors(self.path)
        if not {"run", "world", "at", "scaler"} <= values.keys():
            raise ValueError(f"{self.path} is no checkpoint of a training, but weights alone. Give another --out.")
        same = {**self.run.to_json(), "root": ""}
        if values["run"] != same:
            other = [k for k in same if values["run"].get(k) != same[k]]
            raise ValueError(f"{self.out} holds another run; it differs in {', '.join(other)}. Give another --out.")
        if values["world"] != self.world:
            raise ValueError(f"{self.out} was trained by {values['world']} processes, not {self.world}.")
        checkpoint.unpack(tensors, self.plain, self.optimizer)
        self.at = Progress(**values["at"])
        if self.rank:
            self.at.sums = [0.0, 0.0, 0.0]  # the saved ones are the first process's
        self.scaler.load_state_dict(values["scaler"])
        self.tell(f"Going on at epoch {self.at.epoch + 1}, step {self.at.step} of {self.steps}.")

    def go(self) -> dict[str, Any]:
        writes = self.main and not self._has_ended()
        if writes:
            self._describe()
        board = tensorboard(self.out, len(self.at.history)) if writes else None
        for epoch in range(self.at.epoch, self.run.epochs):
            line = self._epoch(epoch)
            self.at.history.append(line)
            if board is not None:
                for name in line:
                    board.add_scalar(name, line[name], epoch + 1)
            self.at = Progress(epoch + 1, 0, self.at.seconds, self.at.history)
            if self.main:
                if cards.best(self.at.history) is line:
                    checkpoint.save_tensors(self.out / "best.safetensors", self.plain.state_dict())
                checkpoint.write(
                    self.out / "log.jsonl", "".join(json.dumps(x) + "\n" for x in self.at.history).encode()
                )
                self._save()  # last, so that what it says is done has been done
                self._tell_epoch(line)
        if board is not None:
            board.close()
        result = cards.summary(self.at.history)
        if writes:
            checkpoint.save_tensors(self.out / "last.safetensors", self.plain.state_dict())
            self._describe(result)
        self.accelerator.wait_for_everyone()
        return result

    def _has_ended(self) -> bool:
        """Whether all is trained and written: the card may hold measurements by now."""
        there = all((self.out / name).is_file() for name in ("last.safetensors", "card.json"))
        return self.at.epoch == self.run.epochs and there and cards.read(self.out)["result"] is not None

    def _epoch(self, epoch: int) -> dict[str, Any]:
        """Train and validate; the epoch's line in the log."""
        self.network.train()
        sums = torch.tensor(self.at.sums, device=self.device)
        first, begun, saved = self.at.step, time.monotonic(), time.monotonic()
        before = self.at.seconds
        batches = self.train.training(self.run.batch_size, self.run.seed, epoch, first)
        with progress_bar(self.bar, epoch, self.run, self.steps, first) as bar:
            for step, (images, labels) in enumerate(batches, first):
                sums += self.step(epoch, step, images, labels)
                look = self.device.type == "cpu" or (step + 1) % LOOK == 0 or step + 1 == self.steps
                if look:
                    loss = (sums[0] / sums[2]).item()
                    self._check("loss", loss, epoch, step)
                    bar.set_postfix_str(f"loss {loss:.3f}, {rate(bar, self.run.batch_size * self.world)}")
                bar.update()
                late = time.monotonic() - saved > self.minutes * 60
                if look and late and step + 1 < self.steps:
                    self._check("weights", self._weights(), epoch, step)
                    self.at = Progress(
                        epoch, step + 1, before + time.monotonic() - begun, self.at.history, sums.tolist()
                    )
                    if self.main:
                        self._save()
                    saved = time.monotonic()
        self._check("weights", self._weights(), epoch, self.steps - 1)
        took = time.monotonic() - begun
        sums = self.accelerator.reduce(sums, "sum").tolist()
        line = {
            "epoch": epoch + 1,
            "lr": self.run.lr_at(epoch + (self.steps - 1) / self.steps),
            "train_loss": sums[0] / sums[2],
            "train_share_accuracy": 100 * sums[1] / sums[2],
            **self._validate(),
            "images_per_second": (self.steps - first) * self.run.batch_size * self.world / max(took, 1e-9),
        }
        self.at.seconds = before + time.monotonic() - begun
        return line

    def step(self, epoch: int, step: int, images: Tensor, labels: Tensor) -> Tensor:
        """One step; sums of loss, label share predicted right, and images (3,)."""
        run = self.run
        for group in self.optimizer.param_groups:
            group["lr"] = run.lr_at(epoch + step / self.steps)
        # What the network itself draws (dropout), so that a resumed run draws it again and each process its own.
        torch.manual_seed(np.random.SeedSequence([run.seed, epoch, step, DROP + self.rank]).generate_state(1)[0].item())
        self._agree()
        mixed, targets, recipe = self.mix(epoch, step, images, labels)
        with mixviz.mix_inside(self.plain, recipe), self._autocast():
            logits = self.network(mixed)
        logits = logits.float()
        loss = functional.cross_entropy(logits, targets)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        with torch.no_grad():
            right = (recipe.share * (labels[recipe.partner] == logits.argmax(1))).sum()
            return torch.stack([loss.detach() * len(labels), right, right.new_tensor(len(labels))])

    def mix(self, epoch: int, step: int, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Recipe]:
        """The mixed and normalised batch, its soft targets, and the recipe."""
        rng = np.random.default_rng([self.run.seed, epoch, step, MIX + self.rank])
        images = images.float().div_(255)
        # The network is asked as it is trained, but for fp16: gradients that no loss scale holds up vanish there.
        with nullcontext() if self.run.precision == "fp16" else self._autocast():
            batch = Batch(images, labels, self.plain, mean=IMAGENET_MEAN, std=IMAGENET_STD)
            mixed_at_all = rng.random() < self.run.mix_prob
            method = self.method if mixed_at_all else mixviz.METHODS["baseline"]()
            recipe = method.plan(batch, rng)
        mixed = batch.normalised(recipe.apply(images, out=images))
        targets = recipe.targets(labels, len(self.classes))
        return mixed.contiguous(memory_format=torch.channels_last), targets, recipe

    def _autocast(self) -> torch.autocast:
        kind = torch.float16 if self.run.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, kind, enabled=self.run.precision != "fp32")

    @torch.no_grad()
    def _agree(self) -> None:
        """Every process takes the first one's running statistics: they decide what saliency and validation see."""
        buffers = [buffer for buffer in self.plain.buffers() if buffer.is_floating_point()]
        if self.world == 1 or not buffers:
            return
        from accelerate.utils import broadcast

        together = broadcast(torch.cat([buffer.flatten() for buffer in buffers]))
        for buffer, values in zip(buffers, together.split([buffer.numel() for buffer in buffers]), strict=True):
            buffer.copy_(values.view_as(buffer))

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Loss, top-1 and top-5 in % on the clean validation pictures."""
        self.network.eval()
        self._agree()
        sums = torch.zeros(4, device=self.device)
        for images, labels in self.val.validation(2 * self.run.batch_size):
            clean = Batch(images, mean=IMAGENET_MEAN, std=IMAGENET_STD).inputs()
            with self._autocast():
                logits = self.plain(clean.contiguous(memory_format=torch.channels_last))
            sums += score(logits.float(), labels)
        loss, top1, top5, count = self.accelerator.reduce(sums, "sum").tolist()
        return {"val_loss": loss / count, "top1": 100 * top1 / count, "top5": 100 * top5 / count}

    def _weights(self) -> float:
        """0, or nan where a weight is no number: a step's loss tells nothing of the weights that come of the step."""
        sound = all(bool(value.isfinite().all()) for value in self.plain.state_dict().values())
        return 0.0 if sound else math.nan

    def _check(self, what: str, value: float, epoch: int, step: int) -> None:
        if not math.isfinite(value):
            done = "the last checkpoint is from before" if self.path.exists() else "there is no checkpoint yet"
            raise ValueError(
                f"The {what} became {value} at epoch {epoch + 1}, step {step + 1} ({done}): lower --lr "
                f"({self.run.lr:g}), add --warmup 5, or take --precision fp32 or bf16 instead of fp16."
            )

    def _save(self) -> None:
        values = {
            "run": {**self.run.to_json(), "root": ""},  # the data may lie elsewhere when it goes on
            "world": self.world,
            "at": vars(self.at),
            "scaler": self.scaler.state_dict(),
        }
        checkpoint.save_tensors(self.path, checkpoint.pack(self.plain, self.optimizer), values)

    def _describe(self, result: dict[str, Any] | None = None) -> None:
        """The run's card: at first what is going to be trained, in the end what came of it."""
        side, stage = self.train.side, ""
        with suppress(ValueError):  # a network may have no layer for heat maps
            stage = cam.heat_layer(self.plain, (side, side))
        cards.write(self.out, cards.of_run(
            self.run, self.classes, self.keys, self.terms, side=side, stem=self.stem, layer=stage,
            pictures={"train": len(self.train), "val": len(self.val)}, device=self.device, processes=self.world,
            seconds=self.at.seconds, network=self.plain, result=result,
        ))  # fmt: skip

    def _tell_epoch(self, line: dict[str, Any]) -> None:
        left = self.at.seconds / line["epoch"] * (self.run.epochs - line["epoch"])
        self.tell(
            f"epoch {line['epoch']}/{self.run.epochs}: loss {line['train_loss']:.3f}, top-1 {line['top1']:.2f} %, "
            f"top-5 {line['top5']:.2f} %, {line['images_per_second']:.0f} images/s, {clock(left)} left"
        )


def score(logits: Tensor, labels: Tensor) -> Tensor:
    """Sums over a batch (4,): cross-entropy, right at first guess, right within five, images."""
    best = logits.topk(min(5, logits.shape[1]), 1).indices == labels[:, None]
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    return torch.stack([loss, best[:, 0].sum(), best.sum(), loss.new_tensor(len(labels))])

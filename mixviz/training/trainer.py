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

from mixviz.cam import grad_cam
from mixviz.core.batch import Batch
from mixviz.core.feature_mixing import mix_inside
from mixviz.core.recipe import Recipe
from mixviz.data.dataset import Dataset
from mixviz.methods import METHODS
from mixviz.networks import architectures, card_text, files, model_card, pretrained
from mixviz.networks.card_text import clock
from mixviz.networks.run import Run
from mixviz.training import checkpoint, setup
from mixviz.training.loader import DROP, MIX, feed
from mixviz.training.progress import Progress, progress_bar, rate, tensorboard

LOOK = 50  # steps between two looks at the loss on a GPU: each look waits for the device


def train(run: Run, out: str | Path, **options: Any) -> dict[str, Any]:
    """Train a network as the run says, and write it to a folder; takes what :class:`Training` takes.

    Returns:
        The results as the card holds them: ``last``, ``best`` and ``median_of_last_10``.
    """
    return Training(run, out, **options).go()


class Training:
    """One training in its folder.

    The folder then holds ``last.safetensors`` and ``best.safetensors`` (weights; with ``ema`` their moving average,
    which is what is validated, too), ``log.jsonl`` (a line per epoch), ``checkpoint.safetensors`` (everything needed to
    go on) and ``card.json`` with ``card.md``. ``train_loss`` in the log is what is minimised, with label smoothing and
    class weights; ``val_loss`` is the plain cross-entropy.

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
        from timm.utils import ModelEmaV3

        self.run, self.out, self.minutes = run, Path(out), minutes
        self.method = run.augmentation()
        self.accelerator = Accelerator(  # precision is the run's own, see _autocast; for buffers, _agree
            mixed_precision="no", kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)]
        )
        model_card.commit()  # asked now: by the end of the training, the checkout may hold other code
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
            splits = setup.splits(run, download, self.tell)
        side = run.image_size or splits[0].side or 224
        self.classes, self.keys, self.terms = splits[0].classes, splits[0].keys, splits[0].terms
        torch.manual_seed(run.seed)
        stem = "standard" if run.pretrained and run.stem == "auto" else run.stem  # what timm's weights are of
        self.stem = architectures.stem_for(run.network, stem, side)
        network = architectures.build(run.network, len(self.classes), stem=self.stem, width=run.width)
        self.start = pretrained.load(network, run.network, run.pretrained) if run.pretrained else None
        self.mean, self.std = setup.normalisation(run, network)
        self.plain = network.to(self.device, memory_format=torch.channels_last)
        self.frozen = setup.freeze(run, self.plain)
        setup.rehearse(run.network, self.plain, self.method, len(self.classes), side, self.mean, self.std)
        self.optimizer = setup.optimizer(run, self.plain)
        self.ema = ModelEmaV3(self.plain, run.ema) if run.ema else None
        self.average = None if self.ema is None else self.ema.module
        self.kept = self.plain if self.average is None else self.average  # what is validated and stored
        self._open(splits, side, workers)
        weights = setup.class_weights(run, self.train.split)
        self.class_weights = None if weights is None else weights.to(self.device)
        self.at = Progress()
        if resume and self.path.exists():
            self._restore()
        else:
            self._tell_start()
        self.network = self.accelerator.prepare_model(self.plain)
        if self.main:
            self.out.mkdir(parents=True, exist_ok=True)
        self.accelerator.wait_for_everyone()

    def _open(self, splits: list[Dataset], side: int, workers: int) -> None:
        """The two splits, ready to be asked for batches."""
        run = self.run
        augment = run.augment if run.augment != "auto" else "crop" if side <= 96 else "resized"
        self.train, self.val = (
            feed(split, side, kind, self.device, corrupt=run.corrupt, rank=self.rank, world=self.world,
                 workers=workers, tell=self.tell)
            for split, kind in zip(splits, (augment, "none"), strict=True)
        )  # fmt: skip
        self.whole = run.batch_size * run.accumulate * self.world  # pictures of a step
        self.steps = self.train.steps(run.batch_size * run.accumulate)
        if self.steps == 0:
            times, lower = f"{run.batch_size} on each of {self.world}", "--batch-size"
            if run.accumulate > 1:
                times, lower = f"{times}, {run.accumulate} times", "--batch-size or --accumulate"
            raise ValueError(
                f"{len(self.train)} training pictures make no batch of {self.whole} ({times}): lower {lower}."
            )

    def _restore(self) -> None:
        tensors, values = files.load_tensors(self.path)
        if not {"run", "world", "at", "scaler"} <= values.keys():
            raise ValueError(f"{self.path} is no checkpoint of a training, but weights alone. Give another --out.")
        same, before = self._same(), Run.completed(values["run"])
        if before != same:
            other = [k for k in same if before.get(k) != same[k]]
            raise ValueError(f"{self.out} holds another run; it differs in {', '.join(other)}. Give another --out.")
        if values["world"] != self.world:
            raise ValueError(f"{self.out} was trained by {values['world']} processes, not {self.world}.")
        checkpoint.unpack(tensors, self.plain, self.optimizer, self.average)
        self.at = Progress(**values["at"])
        if self.rank:
            self.at.sums = [0.0, 0.0, 0.0]  # the saved ones are the first process's
        self.scaler.load_state_dict(values["scaler"])
        self.tell(f"Going on at epoch {self.at.epoch + 1}, step {self.at.step} of {self.steps}.")

    def _same(self) -> dict[str, Any]:
        """Settings that must agree when a run is resumed. The data may lie elsewhere, and pretrained weights count by
        content, not by file name."""
        return {**self.run.portable(), "pretrained": self.start["sha256"] if self.start else ""}

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
                if model_card.best(self.at.history) is line:
                    files.save_tensors(self.out / "best.safetensors", self.kept.state_dict())
                files.write(self.out / "log.jsonl", "".join(json.dumps(x) + "\n" for x in self.at.history).encode())
                self._save()  # last, so that what it says is done has been done
                self._tell_epoch(line)
        if board is not None:
            board.close()
        result = model_card.summary(self.at.history)
        if writes:
            files.save_tensors(self.out / "last.safetensors", self.kept.state_dict())
            self._describe(result)
        self.accelerator.wait_for_everyone()
        return result

    def _has_ended(self) -> bool:
        """Whether all is trained and written: the card may hold measurements by now."""
        there = all((self.out / name).is_file() for name in ("last.safetensors", "card.json"))
        return self.at.epoch == self.run.epochs and there and model_card.read(self.out).result is not None

    def _epoch(self, epoch: int) -> dict[str, Any]:
        """Train and validate; the epoch's line in the log."""
        self.network.train()
        for module in self.frozen:
            module.training = False
        sums = torch.tensor(self.at.sums, device=self.device)
        first, begun, saved = self.at.step, time.monotonic(), time.monotonic()
        before = self.at.seconds
        parts = self.run.accumulate
        batches = self.train.training(self.run.batch_size, self.run.seed, epoch, first, parts)
        with progress_bar(self.bar, epoch, self.run, self.steps, first) as bar:
            for index, (images, labels) in enumerate(batches, first * parts):
                step, part = divmod(index, parts)
                sums += self.step(epoch, step, images, labels, part)
                if part + 1 < parts:
                    continue
                look = self.device.type == "cpu" or (step + 1) % LOOK == 0 or step + 1 == self.steps
                if look:
                    loss = (sums[0] / sums[2]).item()
                    self._check("loss", loss, epoch, step)
                    bar.set_postfix_str(f"loss {loss:.3f}, {rate(bar, self.whole)}")
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
            "images_per_second": (self.steps - first) * self.whole / max(took, 1e-9),
        }
        self.at.seconds = before + time.monotonic() - begun
        return line

    def step(self, epoch: int, step: int, images: Tensor, labels: Tensor, part: int = 0) -> Tensor:
        """One step, or a part of it where gradients are accumulated: the last one moves the weights.

        Returns:
            Sums of loss, label share predicted right, and images (3,).
        """
        run, last = self.run, part + 1 == self.run.accumulate
        for group in self.optimizer.param_groups:
            group["lr"] = run.lr_at(epoch + step / self.steps)
        # What the network itself draws (dropout), so that a resumed run draws it again and each process its own.
        drawn = np.random.SeedSequence([run.seed, epoch, step, DROP + self._place(part)])
        torch.manual_seed(drawn.generate_state(1)[0].item())
        self._agree(self.plain)
        mixed, targets, recipe = self.mix(epoch, step, images, labels, part)
        if part == 0:
            self.optimizer.zero_grad()
        with nullcontext() if last else self.accelerator.no_sync(self.network):
            with mix_inside(self.plain, recipe), self._autocast():
                logits = self.network(mixed)
            logits = logits.float()
            loss = functional.cross_entropy(
                logits, targets, weight=self.class_weights, label_smoothing=run.label_smoothing
            )
            self.scaler.scale(loss / run.accumulate).backward()
        if last:
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.ema is not None:
                self.ema.update(self.plain)
        with torch.no_grad():
            right = (recipe.share * (labels[recipe.partner] == logits.argmax(1))).sum()
            return torch.stack([loss.detach() * len(labels), right, right.new_tensor(len(labels))])

    def _place(self, part: int) -> int:
        """Index of a batch within its step, over all parts and processes: two parts draw as two processes would."""
        return part * self.world + self.rank

    def mix(
        self, epoch: int, step: int, images: Tensor, labels: Tensor, part: int = 0
    ) -> tuple[Tensor, Tensor, Recipe]:
        """The mixed and normalised batch, its soft targets, and the recipe."""
        rng = np.random.default_rng([self.run.seed, epoch, step, MIX + self._place(part)])
        images = images.float().div_(255)
        # The network is asked as it is trained, but for fp16: gradients that no loss scale holds up vanish there.
        with nullcontext() if self.run.precision == "fp16" else self._autocast():
            batch = Batch(images, labels, self.plain, mean=self.mean, std=self.std)
            mixed_at_all = rng.random() < self.run.mix_prob
            method = self.method if mixed_at_all else METHODS["baseline"]()
            recipe = method.plan(batch, rng)
        mixed = batch.normalised(recipe.apply(images, out=images))
        targets = recipe.targets(labels, len(self.classes))
        return mixed.contiguous(memory_format=torch.channels_last), targets, recipe

    def _autocast(self) -> torch.autocast:
        kind = torch.float16 if self.run.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, kind, enabled=self.run.precision != "fp32")

    @torch.no_grad()
    def _agree(self, network: torch.nn.Module) -> None:
        """Every process takes the first one's running statistics: they decide what saliency and validation see."""
        buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
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
        self._agree(self.kept)
        sums = torch.zeros(4, device=self.device)
        for images, labels in self.val.validation(2 * self.run.batch_size):
            clean = Batch(images, mean=self.mean, std=self.std).inputs()
            with self._autocast():
                logits = self.kept(clean.contiguous(memory_format=torch.channels_last))
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
                f"({self.run.lr:g}), add --warmup 5, or take --precision fp32: fp16 overflows, and on some CPUs bf16 "
                "fails where a map has a single pixel."
            )

    def _save(self) -> None:
        values = {
            "run": self._same(),
            "world": self.world,
            "at": vars(self.at),
            "scaler": self.scaler.state_dict(),
        }
        files.save_tensors(self.path, checkpoint.pack(self.plain, self.optimizer, self.average), values)

    def _describe(self, result: dict[str, Any] | None = None) -> None:
        """The run's card: at first what is going to be trained, in the end what came of it."""
        side, stage = self.train.side, ""
        with suppress(ValueError):  # a network may have no layer for heat maps
            stage = grad_cam.heat_layer(self.plain, (side, side))
        card_text.write(self.out, model_card.of_run(
            self.run, self.classes, self.keys, self.terms, side=side, stem=self.stem, layer=stage,
            pictures={"train": len(self.train), "val": len(self.val)}, device=self.device, processes=self.world,
            seconds=self.at.seconds, network=self.plain, mean=self.mean, std=self.std, pretrained=self.start,
            result=result,
        ))  # fmt: skip

    def _tell_start(self) -> None:
        """Report consequences of flags that the user may not expect."""
        if self.start:
            mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
            self.tell(f"Starts from {self.start['file']}; pictures are normalised by mean {mean} and std {std}.")
        steps = self.run.epochs * self.steps
        if (left := self.run.ema**steps) > 0.01:
            self.tell(
                f"--ema {self.run.ema:g}: after the {steps} steps of this run its average still holds "
                f"{100 * left:.2g} % of the weights that it starts from; {0.01 ** (1 / steps):.4g} would leave 1 %."
            )

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

"""Training loop on Accelerate: one process or many, on CPU or GPUs, resumable at any step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mixviz.cam import grad_cam
from mixviz.core import memory
from mixviz.core.batch import Batch
from mixviz.core.feature_mixing import mix_inside
from mixviz.core.objective import SelfTaught
from mixviz.core.recipe import Recipe
from mixviz.data.dataset import Dataset
from mixviz.embeddings.extraction import embed
from mixviz.methods import METHODS
from mixviz.networks import architectures, card_text, files, model_card, pretrained, trunk
from mixviz.networks.card_text import clock
from mixviz.networks.model_card import Accuracy, LogLine, Result
from mixviz.networks.run import Run
from mixviz.training import checkpoint, metric_learning, setup, unlabelled
from mixviz.training.loader import DROP, MIX, Feed, feed, order_rng
from mixviz.training.progress import Progress, progress_bar, rate, tensorboard

REMEMBERED = 2**28  # bytes of the validation pictures' features behind frozen stages
LOOK = 50  # steps between two readings of the loss on a GPU: each one waits for the device


class Options(TypedDict, total=False):
    """Options of :class:`Training` that do not change the weights."""

    resume: bool
    download: bool
    workers: int
    minutes: float
    tell: Callable[[str], None]
    bar: bool
    splits: list[Dataset] | None
    after_epoch: Callable[[LogLine], bool]


def train(run: Run, out: str | Path, **options: Unpack[Options]) -> Result:
    """Train a network and write it to a folder; the options are those of :class:`Training`.

    Returns:
        The results as stored in the card: ``last``, ``best`` and ``median_of_last_10``.
    """
    return Training(run, out, **options).go()


class _ValidationScores(Accuracy):
    val_loss: float


class Training:
    """A training in its folder.

    It writes ``last.safetensors`` and ``best.safetensors`` (the validated weights; with ``ema``, their moving average),
    ``log.jsonl`` (a line per epoch), ``checkpoint.safetensors`` (the state for resuming) and ``card.json`` with
    ``card.md``. In the log, ``train_loss`` is the minimised loss, with label smoothing and class weights; ``val_loss``
    is the plain cross-entropy. Of a loss of embeddings, ``val_loss`` is one minus the mean average precision, and
    ``top1`` and ``top5`` are recalls, see :func:`mixviz.training.metric_learning.scores`.

    Args:
        out: the folder, created if missing.
        resume: continue from the folder's checkpoint, or start if there is none.
        download: download the data set first, if torchvision can.
        workers: processes that read pictures, if these do not fit into memory.
        minutes: time between two checkpoints inside an epoch; each epoch ends with a checkpoint anyway.
        tell: gets every message.
        bar: show a progress bar.
        splits: what to train on and to validate on; None: what the run says.
        after_epoch: gets each epoch's line of the log, and returns whether to go on. A training that it ends has its
            checkpoint, and no weights of the last epoch.

    Raises:
        ValueError: the run is not possible; the message says what to do. Raised before the training starts. Later,
            :meth:`go` raises it if the loss is not finite.
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
        splits: list[Dataset] | None = None,
        after_epoch: Callable[[LogLine], bool] = lambda line: True,
    ) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from timm.utils.model_ema import ModelEmaV3

        self.run, self.out, self.minutes = run, Path(out), minutes
        self.method, self.objective = run.augmentation(), run.learned_objective()
        run.check_objective()
        self.accelerator = Accelerator(  # _autocast sets the precision, and _synchronise_buffers the buffers
            mixed_precision="no", kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)]
        )
        memory.keep()
        model_card.commit()  # cached now, because the checkout may change during the training
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        self.device: torch.device = self.accelerator.device
        self.main = self.accelerator.is_main_process
        if run.precision == "fp16" and self.device.type == "cpu":
            raise ValueError("--precision fp16 needs a GPU; on a CPU take bf16 or fp32.")
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=run.precision == "fp16")
        self.tell = tell if self.main else (lambda line: None)
        self.bar, self.after_epoch = bar and self.main, after_epoch
        self.path = self.out / "checkpoint.safetensors"
        if self.path.exists() and not resume:
            raise ValueError(f"{out} holds a training already: go on with --resume, or give another --out.")
        if splits is None:
            with self.accelerator.main_process_first() if download else nullcontext():
                splits = setup.splits(run, download, self.tell)
        side = run.image_size or splits[0].side or 224
        self.classes, self.keys, self.terms = splits[0].classes, splits[0].keys, splits[0].terms
        torch.manual_seed(run.seed)
        stem = "standard" if run.pretrained and run.stem == "auto" else run.stem  # the stem of timm's weights
        self.stem = architectures.stem_for(run.network, stem, side)
        network = architectures.build(
            run.network, len(self.classes), stem=self.stem, width=run.width, keep_stages=run.keep_stages,
            head=run.head, dimensions=run.dimensions, whiten=run.whiten, scores=self.objective.proxies,
        )  # fmt: skip
        self.start = pretrained.load(network, run.network, run.pretrained) if run.pretrained else None
        if isinstance(self.objective, SelfTaught):
            metric_learning.add_layers(self.objective, network)
        self.mean, self.std = setup.normalisation(run, network)
        # torch's type stubs lack memory_format.
        self.plain = network.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.frozen = setup.freeze(run, self.plain)
        recipe = setup.rehearse(run.network, self.plain, self.method, len(self.classes), side, self.mean, self.std)
        self.mined = run.relations == "manifold"
        metric_learning.check(self.objective, self.method.card.title, recipe, self.mined)
        if self.objective.embeds and self.objective.proxies:
            setup.without_bias(self.plain)
        self.optimizer = setup.optimizer(run, self.plain)
        self.ema = ModelEmaV3(self.plain, run.ema) if run.ema else None
        self.average = None if self.ema is None else self.ema.module
        self.stored = self.plain if self.average is None else self.average  # is validated and written
        self._open_splits(splits, side, workers)
        if self.objective.embeds and (self.val.split.labels.bincount() < 2).all():
            raise ValueError("Embeddings are validated by retrieval, and no class has two validation pictures.")
        self.relations: dict[str, Tensor] = {}  # between the training pictures, of trainings without labels
        if self.mined or not self.objective.labels:
            self.train = unlabelled.each_its_own(self.train)
        weights = setup.class_weights(run, self.train.split)
        self.class_weights = None if weights is None else weights.to(self.device)
        self.progress = Progress()
        if resume and self.path.exists():
            self._restore()
        else:
            self._tell_start()
            self._initialise_head()
        # Frozen stages see the same validation pictures in each epoch. On a GPU they are not worth the memory.
        shared = run.freeze and self.ema is None and self.world == 1 and self.device.type == "cpu"
        self.parts = trunk.split(self.plain, run.freeze) if shared else None
        self.features: dict[int, Tensor] = {}
        self.network = self.accelerator.prepare_model(self.plain)  # copies the first process's weights to all
        if self.ema is not None and self.world > 1 and self.progress == Progress():
            self.ema.set(self.plain)  # each process has initialised the head from its own pictures
        if self.main:
            self.out.mkdir(parents=True, exist_ok=True)
        self.accelerator.wait_for_everyone()

    def _open_splits(self, splits: list[Dataset], side: int, workers: int) -> None:
        """Open the feeds of both splits, and count the steps of an epoch."""
        run = self.run
        augment = run.augment if run.augment != "auto" else "crop" if side <= 96 else "resized"
        sides = side, run.test_size or side
        self.train, self.val = (
            feed(split, size, kind, self.device, corrupt=run.corrupt, rank=self.rank, world=self.world,
                 workers=workers, tell=self.tell)
            for split, size, kind in zip(splits, sides, (augment, "none"), strict=True)
        )  # fmt: skip
        self.step_images = run.batch_size * run.accumulate * self.world
        self.steps = self.train.steps(run.batch_size * run.accumulate)
        if self.steps == 0:
            product, flags = f"{run.batch_size} on each of {self.world}", "--batch-size"
            if run.accumulate > 1:
                product, flags = f"{product}, {run.accumulate} times", "--batch-size or --accumulate"
            raise ValueError(
                f"{len(self.train)} training pictures make no batch of {self.step_images} ({product}): lower {flags}."
            )

    def _restore(self) -> None:
        tensors, values = files.load_tensors(self.path)
        if not {"run", "world", "at", "scaler"} <= values.keys():
            raise ValueError(f"{self.path} is no checkpoint of a training, but weights alone. Give another --out.")
        settings, saved = self._settings(), Run.completed(values["run"])
        if saved != settings:
            differing = [key for key in settings if saved.get(key) != settings[key]]
            raise ValueError(f"{self.out} holds another run; it differs in {', '.join(differing)}. Give another --out.")
        if values["world"] != self.world:
            raise ValueError(f"{self.out} was trained by {values['world']} processes, not {self.world}.")
        of_relations = [name for name in tensors if name.startswith("relations.")]
        self.relations = {name.removeprefix("relations."): tensors.pop(name) for name in of_relations}
        checkpoint.unpack(tensors, self.plain, self.optimizer, self.average)
        self.progress = Progress(**values["at"])
        if self.rank:
            self.progress.sums = [0.0, 0.0, 0.0]  # the saved ones are the first process's
        self.scaler.load_state_dict(values["scaler"])
        self.tell(f"Going on at epoch {self.progress.epoch + 1}, step {self.progress.step} of {self.steps}.")

    def _settings(self) -> dict[str, Any]:
        """Settings that must agree when a run is resumed. The data may be in another folder; pretrained weights and
        files of the method are compared by content, not by name."""
        options = {**self.run.options, **self.method.contents()}
        return {**self.run.portable(), "pretrained": self.start["sha256"] if self.start else "", "options": options}

    def go(self) -> Result:
        """Train to the end, write all files, and return the results as stored in the card."""
        writes = self.main and not self._is_complete()
        if writes:
            self._write_card()
        board = tensorboard(self.out, len(self.progress.history)) if writes else None
        for epoch in range(self.progress.epoch, self.run.epochs):
            line = self._epoch(epoch)
            self.progress.history.append(line)
            if board is not None:
                for name in line:
                    board.add_scalar(name, line[name], epoch + 1)
            self.progress = Progress(epoch + 1, 0, self.progress.seconds, self.progress.history)
            if self.main:
                if model_card.best(self.progress.history) is line:
                    files.save_tensors(self.out / "best.safetensors", self._weights())
                files.write(
                    self.out / "log.jsonl", "".join(json.dumps(x) + "\n" for x in self.progress.history).encode()
                )
                self._save()  # last, so that a checkpoint never claims an epoch that is not written
                self._tell_epoch(line)
            if not self.after_epoch(line):
                writes = False
                break
        if board is not None:
            board.close()
        result = model_card.summary(self.progress.history)
        if writes:
            files.save_tensors(self.out / "last.safetensors", self._weights())
            self._write_card(result)
        self.accelerator.wait_for_everyone()
        return result

    def _weights(self) -> dict[str, Tensor]:
        """The weights that are validated and kept."""
        return metric_learning.kept(self.stored.state_dict())

    def _is_complete(self) -> bool:
        """Whether everything is trained and written; the card, which may hold metrics by now, must not be replaced."""
        written = all((self.out / name).is_file() for name in ("last.safetensors", "card.json"))
        return self.progress.epoch == self.run.epochs and written and model_card.read(self.out).result is not None

    def _epoch(self, epoch: int) -> LogLine:
        """Train and validate; return the epoch's line of the log."""
        order = self._order(epoch)
        self.network.train()
        for module in self.frozen:
            module.training = False
        sums = torch.tensor(self.progress.sums, device=self.device)
        first, start, saved = self.progress.step, time.monotonic(), time.monotonic()
        seconds_before = self.progress.seconds
        parts = self.run.accumulate
        batches = self.train.training(
            self.run.batch_size, self.run.seed, epoch, first, parts, self.run.per_class, order
        )
        with progress_bar(self.bar, epoch, self.run, self.steps, first) as bar:
            for index, (images, labels) in enumerate(batches, first * parts):
                step, part = divmod(index, parts)
                sums += self.step(epoch, step, images, labels, part)
                if part + 1 < parts:
                    continue
                read_loss = self.device.type == "cpu" or (step + 1) % LOOK == 0 or step + 1 == self.steps
                if read_loss:
                    loss = (sums[0] / sums[2]).item()
                    self._check("loss", loss, epoch, step)
                    bar.set_postfix_str(f"loss {loss:.3f}, {rate(bar, self.step_images)}")
                bar.update()
                due = time.monotonic() - saved > self.minutes * 60
                if read_loss and due and step + 1 < self.steps:
                    self._check_weights(epoch, step)
                    self.progress = Progress(
                        epoch, step + 1, seconds_before + time.monotonic() - start, self.progress.history, sums.tolist()
                    )
                    if self.main:
                        self._save()
                    saved = time.monotonic()
        self._check_weights(epoch, self.steps - 1)
        if epoch + 1 == self.run.epochs:
            self._whiten()
        took = time.monotonic() - start
        loss, right, images_seen = self._sum_over_processes(sums)
        line: LogLine = {
            "epoch": epoch + 1,
            "lr": self.run.lr_at(epoch + (self.steps - 1) / self.steps),
            "train_loss": loss / images_seen,
            "train_share_accuracy": 100 * right / images_seen,
            **self._validate(),
            "images_per_second": (self.steps - first) * self.step_images / max(took, 1e-9),
        }
        self.progress.seconds = seconds_before + time.monotonic() - start
        return line

    def _order(self, epoch: int) -> np.ndarray | None:
        """Order of the pictures of an epoch without labels, which are related before; None: the feed draws it."""
        if not self.mined and self.objective.labels:
            return None
        starts = self.progress.step == 0 and not self.mined  # the nearest ones change, what was mined stays
        if starts or not self.relations:
            relate = unlabelled.mined if self.mined else unlabelled.neighbours
            vectors, pictures = self._embedded(self.train)
            self.relations = relate(vectors[pictures.argsort()], self.run.per_class)
        views = self.objective.views if isinstance(self.objective, SelfTaught) else 1
        groups, rng = self.relations["groups"].numpy(), order_rng(self.run.seed, epoch)
        return unlabelled.by_groups(groups, len(self.train), self.run.batch_size, views, rng)

    def step(self, epoch: int, step: int, images: Tensor, labels: Tensor, part: int = 0) -> Tensor:
        """Run one step, or a part of it if gradients are accumulated: the last part updates the weights.

        Returns:
            Sums (3,) of the loss, of the label share of the predicted class, and of images.
        """
        run, last = self.run, part + 1 == self.run.accumulate
        for group in self.optimizer.param_groups:
            group["lr"] = run.lr_at(epoch + step / self.steps) * group.get("rate", 1.0)
        # For dropout in the network: a resumed run draws the same again, and each process its own.
        seeds = np.random.SeedSequence([run.seed, epoch, step, DROP + self._batch_index(part)])
        torch.manual_seed(seeds.generate_state(1)[0].item())
        self._synchronise_buffers(self.plain)
        if isinstance(self.objective, SelfTaught):
            self._synchronise_buffers(self.stored)  # the teacher averaged each process's own
        mixed, targets, recipe = self.mix(epoch, step, images, labels, part)
        if part == 0:
            self.optimizer.zero_grad()
        with nullcontext() if last else self.accelerator.no_sync(self.network):
            if isinstance(self.objective, SelfTaught):
                loss, right = self._taught_loss(self.objective, mixed, labels)
            elif self.objective.embeds:
                loss, right = self._embedding_loss(images, mixed, labels, recipe)
            else:
                loss, right = self._score_loss(mixed, targets, labels, recipe)
            self.scaler.scale(loss / run.accumulate).backward()
        if last:
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.ema is not None:
                self.ema.update(self.plain)
        return torch.stack([loss.detach() * len(labels), right, right.new_tensor(len(labels))])

    def _score_loss(self, mixed: Tensor, targets: Tensor, labels: Tensor, recipe: Recipe) -> metric_learning.Loss:
        """Compute the cross-entropy, and the label share of the predicted classes."""
        with mix_inside(self.plain, recipe), self._autocast():
            logits = self.network(mixed)
        logits = logits.float()
        loss = functional.cross_entropy(
            logits, targets, weight=self.class_weights, label_smoothing=self.run.label_smoothing
        )
        right = (recipe.share * (labels[recipe.partner] == logits.detach().argmax(1))).sum()
        return metric_learning.Loss(loss, right)

    def _embedding_loss(self, images: Tensor, mixed: Tensor, labels: Tensor, recipe: Recipe) -> metric_learning.Loss:
        """Compute the loss of the embeddings: of the mixed images alone, or of the unmixed ones to them."""

        def run() -> list[Tensor]:
            with metric_learning.embeddings(self.plain) as collected, self._autocast():
                metric_learning.check(self.objective, self.method.card.title, recipe, self.mined)
                if metric_learning.mixes(recipe):
                    clean = Batch(images, mean=self.mean, std=self.std).inputs()
                    self.network(clean.contiguous(memory_format=torch.channels_last))
                with mix_inside(self.plain, recipe):
                    self.network(mixed)
            return collected

        mined = unlabelled.mined_pairs(self.relations, labels) if self.mined else None
        return metric_learning.loss(self.objective, self.plain, run, labels, recipe, self.train.split.close, mined)

    def _taught_loss(self, objective: SelfTaught, views: Tensor, pictures: Tensor) -> metric_learning.Loss:
        """Compute the loss of the student's embeddings by the similarities that the teacher, its average, sees."""
        teacher = self.stored
        with self._autocast():
            with torch.no_grad():
                taught = metric_learning.both_embeddings(teacher, lambda: teacher(views))[1]
            student = metric_learning.both_embeddings(self.plain, lambda: self.network(views))
        return metric_learning.taught_loss(objective, student, taught, pictures)

    def _batch_index(self, part: int) -> int:
        """Index of a batch within its step, over all parts and processes: two parts draw like two processes."""
        return part * self.world + self.rank

    def mix(
        self, epoch: int, step: int, images: Tensor, labels: Tensor, part: int = 0
    ) -> tuple[Tensor, Tensor, Recipe]:
        """Return the mixed and normalised batch, its soft targets (labels, if embeddings are trained), and the
        recipe."""
        rng = np.random.default_rng([self.run.seed, epoch, step, MIX + self._batch_index(part)])
        images = images.float().div_(255)
        # Saliency has the precision of the training, except for fp16, where gradients without loss scaling vanish.
        with nullcontext() if self.run.precision == "fp16" else self._autocast():
            batch = Batch(images, labels, self.plain, mean=self.mean, std=self.std)
            mixes = rng.random() < self.run.mix_prob
            method = self.method.at(epoch / self.run.epochs) if mixes else METHODS["baseline"]()
            recipe = method.plan(batch, rng)
        mixed = batch.normalised(recipe.apply(images, out=images))
        targets = labels if self.objective.embeds else recipe.targets(labels, len(self.classes))
        return mixed.contiguous(memory_format=torch.channels_last), targets, recipe

    def _autocast(self) -> torch.autocast:
        dtype = torch.float16 if self.run.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype, enabled=self.run.precision != "fp32")

    @torch.no_grad()
    def _synchronise_buffers(self, network: torch.nn.Module) -> None:
        """Copy the first process's running statistics to all, so that saliency and validation agree."""
        buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        if self.world == 1 or not buffers:
            return
        from accelerate.utils import broadcast

        joined: Any = broadcast(torch.cat([buffer.flatten() for buffer in buffers]))  # declared for mappings too
        for buffer, values in zip(buffers, joined.split([buffer.numel() for buffer in buffers]), strict=True):
            buffer.copy_(values.view_as(buffer))

    @torch.no_grad()
    def _validate(self) -> _ValidationScores:
        """Measure loss, and top-1 and top-5 accuracy in %, on the unmixed validation pictures."""
        self.network.eval()
        self._synchronise_buffers(self.stored)
        if self.objective.embeds:
            return _ValidationScores(**metric_learning.scores(*self._embedded(self.val), self.val.split.close))
        sums = torch.zeros(4, device=self.device)
        for logits, labels in self._validation_scores():
            sums += score(logits, labels)
        loss, top1, top5, count = self._sum_over_processes(sums)
        return {"val_loss": loss / count, "top1": 100 * top1 / count, "top5": 100 * top5 / count}

    def _validation_scores(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield class scores (n, C) float32 and labels (n,) of this process's validation pictures."""
        for index, (images, labels) in enumerate(self.val.validation(2 * self.run.batch_size)):
            clean = Batch(images, mean=self.mean, std=self.std).inputs()
            with self._autocast():
                network, inputs = self._behind_frozen(index, clean.contiguous(memory_format=torch.channels_last))
                logits = network(inputs)
            yield logits.float(), labels

    @torch.no_grad()
    def hits(self) -> Tensor:
        """Whether the network, as it is now, finds the class of each validation picture: (N,) bool, on the CPU.

        Raises:
            ValueError: embeddings are trained, which have no classes, or several processes share the pictures.
        """
        if self.objective.embeds or self.world > 1:
            reason = f"it trains {self.objective.card.title}" if self.objective.embeds else "it has several processes"
            raise ValueError(f"Hits of each picture are those of class scores in one process, and {reason}.")
        self.network.eval()
        return torch.cat([(logits.argmax(1) == labels).cpu() for logits, labels in self._validation_scores()])

    def _behind_frozen(self, batch: int, images: Tensor) -> tuple[torch.nn.Module, Tensor]:
        """Return the network and its input for a batch of the validation: behind frozen stages, whose output of the
        first epoch is taken."""
        if self.parts is None:
            return self.stored, images
        features = self.features[batch] if batch in self.features else self.parts.trunk(images)
        if sum(one.nbytes for one in self.features.values()) < REMEMBERED:
            self.features[batch] = features
        return self.parts.tail, features

    @torch.no_grad()
    def _embedded(self, feed: Feed) -> tuple[Tensor, Tensor]:
        """Embed all unmixed pictures of a feed: (N, D) float32 and their labels (N,), on the CPU, on every process."""
        vectors, labels = [], []
        for index, (images, part) in enumerate(feed.validation(2 * self.run.batch_size)):
            clean = Batch(images, mean=self.mean, std=self.std).inputs().contiguous(memory_format=torch.channels_last)
            network, inputs = self._behind_frozen(index, clean) if feed is self.val else (self.stored, clean)
            with self._autocast():
                vectors.append(embed(network, inputs).cpu())
            labels.append(part.cpu())
        own = torch.cat(vectors), torch.cat(labels)
        if self.world == 1:
            return own
        from accelerate.utils import gather_object

        parts: Any = gather_object([own])
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])

    def _initialise_head(self) -> None:
        """Initialise the head from the training pictures, if it wants that."""
        if self.run.head:
            self.plain.eval()
            batches = (
                Batch(images, mean=self.mean, std=self.std).inputs()
                for images, _ in self.train.validation(2 * self.run.batch_size)
            )
            metric_learning.initialise(self.plain, batches, self.run.seed)
            if self.ema is not None:
                self.ema.set(self.plain)

    def _whiten(self) -> None:
        """Fit the whitening to the training pictures, if the network has one."""
        whitening = metric_learning.whitening(self.stored)
        if whitening is not None:
            self.stored.eval()
            whitening.fit(self._embedded(self.train)[0])

    def _sum_over_processes(self, sums: Tensor) -> list[float]:
        total: Any = self.accelerator.reduce(sums, "sum")  # declared for mappings too
        return total.tolist()

    def _check_weights(self, epoch: int, step: int) -> None:
        """Check the weights after a step, whose loss was computed with the weights before it."""
        finite = all(bool(value.isfinite().all()) for value in self.plain.state_dict().values())
        self._check("weights", 0.0 if finite else math.nan, epoch, step)

    def _check(self, name: str, value: float, epoch: int, step: int) -> None:
        if not math.isfinite(value):
            saved = "the last checkpoint is from before" if self.path.exists() else "there is no checkpoint yet"
            raise ValueError(
                f"The {name} became {value} at epoch {epoch + 1}, step {step + 1} ({saved}): lower --lr "
                f"({self.run.lr:g}), add --warmup 5, or take --precision fp32: fp16 overflows, and on some CPUs bf16 "
                "fails where a map has a single pixel."
            )

    def _save(self) -> None:
        values = {
            "run": self._settings(),
            "world": self.world,
            "at": vars(self.progress),
            "scaler": self.scaler.state_dict(),
        }
        tensors = checkpoint.pack(self.plain, self.optimizer, self.average)
        tensors |= {f"relations.{name}": tensor for name, tensor in self.relations.items()}
        files.save_tensors(self.path, tensors, values)

    def _write_card(self, result: Result | None = None) -> None:
        """Write the run's card: before the training without results, at its end with them."""
        side, layer = self.val.side, ""
        with suppress(ValueError):  # a network may have no layer for heat maps
            layer = grad_cam.heat_layer(self.plain, (side, side))
        card_text.write(self.out, model_card.of_run(
            self.run, self.classes, self.keys, self.terms, side=side, stem=self.stem, layer=layer,
            pictures={"train": len(self.train), "val": len(self.val)}, device=self.device, processes=self.world,
            seconds=self.progress.seconds, network=self.plain, mean=self.mean, std=self.std, pretrained=self.start,
            result=result,
        ))  # fmt: skip

    def _tell_start(self) -> None:
        """Report consequences of flags that the user may not expect."""
        if self.start:
            mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
            self.tell(f"Starts from {self.start['file']}; pictures are normalised by mean {mean} and std {std}.")
        steps = self.run.epochs * self.steps
        if (initial_share := self.run.ema**steps) > 0.01:
            self.tell(
                f"--ema {self.run.ema:g}: after the {steps} steps of this run its average still holds "
                f"{100 * initial_share:.2g} % of the weights that it starts from; {0.01 ** (1 / steps):.4g} would "
                "leave 1 %."
            )

    def _tell_epoch(self, line: LogLine) -> None:
        seconds_left = self.progress.seconds / line["epoch"] * (self.run.epochs - line["epoch"])
        if self.objective.embeds:
            precision = 100 - 100 * line["val_loss"]
            found = f"recall@1 {line['top1']:.2f} %, recall@5 {line['top5']:.2f} %, mAP {precision:.2f} %"
        else:
            found = f"top-1 {line['top1']:.2f} %, top-5 {line['top5']:.2f} %"
        self.tell(
            f"epoch {line['epoch']}/{self.run.epochs}: loss {line['train_loss']:.3f}, {found}, "
            f"{line['images_per_second']:.0f} images/s, {clock(seconds_left)} left"
        )


def score(logits: Tensor, labels: Tensor) -> Tensor:
    """Sums (4,) over a batch: cross-entropy, top-1 hits, top-5 hits, images."""
    hits = logits.topk(min(5, logits.shape[1]), 1).indices == labels[:, None]
    loss = functional.cross_entropy(logits, labels, reduction="sum")
    return torch.stack([loss, hits[:, 0].sum(), hits.sum(), loss.new_tensor(len(labels))])

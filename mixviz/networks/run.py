"""Run: all settings of a training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixviz.core.method import Method
from mixviz.core.objective import Objective, SelfTaught
from mixviz.core.parameters import check_field, parameter
from mixviz.core.registry import construct
from mixviz.core.transforms import make
from mixviz.data import sources
from mixviz.heads import HEADS
from mixviz.networks.architectures import STEMS
from mixviz.objectives import OBJECTIVES

PRECISIONS = {"no": "fp32", "float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}  # names that other trainers use


@dataclass(frozen=True)
class Run:
    """The recipe of one training run. On the CPU, the same run gives the same weights, bit for bit.

    ``options`` are the method's own parameters, by name. The command line's flags are made from these fields.
    """

    data: str = parameter("folder", "the data set", choices=tuple(sources.SETS))
    root: str = parameter("data", "the folder that holds it, in its official layout")
    classes: str = parameter("", "only these classes, by name or key, with commas between them; empty: all")
    limit: int = parameter(0, "pictures of each class to train with; 0: all", low=0, high=10**9)
    holdout: str = parameter(
        "",
        "validate on this part of each class and train on the rest, all pictures of the data set taken together; "
        "2/5: on the second of five; classes:2/5: on the second fifth of the classes, which training then lacks (for "
        "objectives that embed); empty: the data set's own parts",
    )
    corrupt: str = parameter(
        "refuse", "a damaged picture ends the run, or is named and left out", choices=("refuse", "skip")
    )
    network: str = parameter("resnet18", "any network of timm")
    pretrained: str = parameter(
        "", "start from the weights in this safetensors file, timm's or a run's; a head of another width is made anew"
    )
    freeze: int = parameter(
        0, "so many of the lowest stages, and what comes before them, stay as pretrained, batch norm's statistics too; "
        "all stages: everything up to the pooling", low=0, high=1000,
    )  # fmt: skip
    stem: str = parameter(
        "auto",
        "first layers; small: 3x3 without max-pooling; strided: 3x3 with stride 2; auto: small for ResNets up to 64 px "
        "that are not pretrained",
        choices=STEMS,
    )
    width: float = parameter(1.0, "ResNets: channels as a share of the network's own", low=0.01, high=8)
    keep_stages: int = parameter(
        0, "so many of the lowest stages, without what follows: their maps are finer and know places and things rather "
        "than classes; 0: all", low=0, high=1000,
    )  # fmt: skip
    image_size: int = parameter(
        0, "side of the pictures in pixels; 0: their own where they are squares, else 224", low=0, high=1024
    )
    head: str = parameter(
        "", "how the last feature maps are pooled, with parameters after a colon, e.g. gem:p=4; empty: the network's "
        "own way, the average", example="gem", check=lambda text: text and construct(HEADS, text),
    )  # fmt: skip
    dimensions: int = parameter(
        0, "length of the embedding, which a linear layer makes of the pooled vector; 0: the pooled vector itself",
        low=0, high=65_536,
    )  # fmt: skip
    whiten: int = parameter(
        0, "dimensions to keep of the pooled vectors by whitening, which is fitted to the training pictures at the "
        "end; 0: no whitening", low=0, high=65_536,
    )  # fmt: skip
    objective: str = parameter(
        "cross_entropy", "what is trained for: cross_entropy of class scores, or a loss of embeddings, with parameters "
        "after a colon, e.g. smooth_ap:temperature=0.02", example="smooth_ap",
        check=lambda text: construct(OBJECTIVES, text),
    )  # fmt: skip
    per_class: int = parameter(
        0, "pictures of each class in a batch, whose classes are drawn at random; without labels, pictures of a group "
        "that are near each other; 0: all pictures in random order", low=0, high=65_536,
    )  # fmt: skip
    relations: str = parameter(
        "labels", "which pictures a loss of embeddings takes together: those of one class, or, without labels, those "
        "that are near along the manifold of the embeddings at the start", choices=("labels", "manifold"),
    )  # fmt: skip
    test_size: int = parameter(
        0, "side at validation, and of what the trained network takes; 0: as in training", low=0, high=1024
    )
    mean: str = parameter(
        "", "mean of the channels of pictures in [0, 1], one number or three with commas between; empty: with "
        "--pretrained what timm gives for the network, else ImageNet's"
    )  # fmt: skip
    std: str = parameter("", "their standard deviation; goes with --mean")
    augment: str = parameter(
        "auto", "before mixing, beside a flip; crop: after padding, or from a picture 8/7 as large; resized: a crop of "
        "random size; auto: crop up to 96 px", choices=("auto", "crop", "resized", "none"),
    )  # fmt: skip
    method: str = parameter(
        "cutmix", "the augmentation: a name from `mixviz methods`; its own parameters are options too"
    )
    mix_prob: float = parameter(1.0, "the share of batches that are mixed at all", low=0, high=1)
    epochs: int = parameter(200, "passes over the training pictures", low=1, high=100_000)
    batch_size: int = parameter(128, "pictures per step and process", low=1, high=65_536)
    accumulate: int = parameter(
        1, "batches whose gradients are averaged before each step; each is mixed on its own", low=1, high=65_536
    )
    label_smoothing: float = parameter(
        0.0, "the share of each label, mixed or not, that is spread evenly over all classes", low=0, high=1
    )
    class_weights: str = parameter(
        "", "weights of the classes in the loss: balanced (by how many pictures each has), or a number for each class "
        "with commas between; of a mixed label each class counts with its own"
    )  # fmt: skip
    optimizer: str = parameter("sgd", "SGD with Nesterov momentum 0.9, or AdamW", choices=("sgd", "adamw"))
    lr: float = parameter(0.1, "learning rate at its highest", low=0, high=1000)
    weight_decay: float = parameter(5e-4, "weight decay", low=0, high=10)
    schedule: str = parameter("cosine", "how the learning rate falls", choices=("cosine", "multistep"))
    milestones: str = parameter(
        "", "multistep: the epochs after which it falls, e.g. 75,150,225; empty: at 1/2 and 3/4"
    )
    gamma: float = parameter(0.1, "multistep: what it is multiplied by", low=0, high=1)
    warmup: float = parameter(0.0, "epochs in which it rises from 0", low=0, high=1000)
    ema: float = parameter(
        0.0, "decay of an exponential moving average of the weights, e.g. 0.999, which then is what is validated and "
        "kept; 0: none", low=0, high=0.999999,
    )  # fmt: skip
    precision: str = parameter(
        "fp32", "numbers in the forward pass, for which --amp is another name; also: no, bfloat16, float16",
        choices=("fp32", "bf16", "fp16"),
    )  # fmt: skip
    seed: int = parameter(0, "seed of weights, order, crops and mixtures", low=0, high=2**31 - 1)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", PRECISIONS.get(self.precision, self.precision))
        for field in dataclasses.fields(self):
            if field.metadata:
                check_field("run", field, getattr(self, field.name))
        self.augmentation()
        self.steps_down()
        self.normalisation()
        self.weights_of_classes()
        sources.part_of(self.holdout)
        if self.warmup >= self.epochs:
            raise ValueError(f"--warmup {self.warmup:g} leaves nothing of {self.epochs} epochs.")

    def augmentation(self) -> Method:
        """Make the method with its parameters.

        Raises:
            ValueError, TypeError: no such method or parameter, with the ones there are.
        """
        return make(self.method, **self.options)

    def learned_objective(self) -> Objective:
        """Make the objective with its parameters."""
        return construct(OBJECTIVES, self.objective)

    def check_objective(self) -> None:
        """Check that objective, head, batches and method go together.

        Raises:
            ValueError: they do not; says what to change.
        """
        objective = self.learned_objective()
        title = objective.card.title
        if self.per_class and (self.per_class < 2 or self.batch_size % self.per_class):
            raise ValueError(
                f"--per-class {self.per_class} should be 2 or more, and divide --batch-size {self.batch_size}."
            )
        if not objective.embeds:
            if self.whiten or self.relations != "labels":
                flag = "--whiten" if self.whiten else "--relations"
                raise ValueError(f"{flag} is for embeddings, and {title} trains class scores: leave it out.")
            return
        if not objective.labels or self.relations == "manifold":
            self._check_unlabelled(objective)
        if not self.per_class:
            raise ValueError(f"{title} compares pictures of one class: give --per-class, e.g. --per-class 4.")
        if self.label_smoothing or self.class_weights:
            raise ValueError(f"--label-smoothing and --class-weights are of class scores; {title} has none.")

    def _check_unlabelled(self, objective: Objective) -> None:
        """Check what a training without labels needs."""
        title = objective.card.title
        least = 2 if isinstance(objective, SelfTaught) else 3
        if self.per_class < least:
            raise ValueError(
                f"Without labels, batches are made of groups of pictures near each other: give --per-class {least} or "
                "more, e.g. --per-class 6."
            )
        if not isinstance(objective, SelfTaught):
            if objective.proxies:
                raise ValueError(f"{title} learns a vector of each class, and --relations manifold knows no classes.")
            return
        if self.relations == "manifold":
            raise ValueError(f"{title} relates the pictures by its teacher: leave out --relations manifold.")
        if not self.ema:
            raise ValueError(f"{title} learns from the moving average of the weights: give --ema, e.g. --ema 0.999.")
        if self.augment == "none":
            raise ValueError(f"{title} compares views of a picture: take --augment crop or resized.")
        if self.batch_size % (objective.views * self.per_class):
            raise ValueError(
                f"{title} has {objective.views} views of each picture: --batch-size {self.batch_size} should be "
                f"divisible by {objective.views} times --per-class {self.per_class}."
            )

    def steps_down(self) -> list[float]:
        """Epochs after which ``multistep`` lowers the learning rate."""
        if not self.milestones:
            return [self.epochs / 2, self.epochs * 3 / 4]
        return _numbers("milestones", "epochs", self.milestones)

    def normalisation(self) -> tuple[list[float], list[float]] | None:
        """Mean and standard deviation of the three channels, of pixels in [0, 1]; None: the network's own."""
        if bool(self.mean) != bool(self.std):
            raise ValueError("--mean and --std belong together: give both, or neither.")
        if not self.mean:
            return None
        per_channel = []
        for name, low, text in (("mean", -10, self.mean), ("std", 1e-3, self.std)):
            values = _numbers(name, "one number or three", text)
            values = values * 3 if len(values) == 1 else values
            if len(values) != 3 or not all(low <= value <= 10 for value in values):
                raise ValueError(
                    f"--{name} should be one number or three with commas between, from {low:g} to 10, for pixels in "
                    f"[0, 1] (divide by 255 what is for pixels up to 255); got {text!r}."
                )
            per_channel.append(values)
        return per_channel[0], per_channel[1]

    def weights_of_classes(self) -> list[float] | None:
        """The numbers in ``class_weights``; None where it is empty or ``balanced``."""
        if self.class_weights in ("", "balanced"):
            return None
        values = _numbers("class-weights", "balanced, or a number for each class", self.class_weights)
        if not all(0 <= value < math.inf for value in values) or not any(values):
            raise ValueError(f"--class-weights should be 0 or more, and not all 0; got {self.class_weights!r}.")
        return values

    def lr_at(self, epoch: float) -> float:
        """The learning rate at a fractional epoch: 2.5 is the middle of the third."""
        if epoch < self.warmup:
            return self.lr * epoch / self.warmup
        if self.schedule == "multistep":
            return self.lr * self.gamma ** sum(epoch >= step for step in self.steps_down())
        return self.lr * (1 + math.cos(math.pi * (epoch - self.warmup) / (self.epochs - self.warmup))) / 2

    def wanted_classes(self) -> list[str]:
        """Class names or keys in ``classes``."""
        return [name.strip() for name in self.classes.split(",") if name.strip()]

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain values by name."""
        return dataclasses.asdict(self)

    def portable(self) -> dict[str, Any]:
        """Return the settings for cards and checkpoints, without folders of this machine."""
        return {**self.to_json(), "root": "", "pretrained": Path(self.pretrained).name}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Run:
        """Read a run that :meth:`to_json` wrote; fields that it lacks take their defaults."""
        return cls(**values)

    @classmethod
    def completed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run's JSON with today's fields: defaults stand in for fields that are younger than the run."""
        return {name: about["default"] for name, about in cls.described().items()} | dict(values)

    @classmethod
    def described(cls) -> dict[str, dict[str, Any]]:
        """Name -> {default, text, low, high, choices} of every field but ``options``."""
        return {f.name: {"default": f.default, **f.metadata} for f in dataclasses.fields(cls) if f.metadata}


def _numbers(name: str, expected: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--{name} should be {expected} with commas between; got {text!r}.") from None

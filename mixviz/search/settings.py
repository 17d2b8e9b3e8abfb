"""Settings of a judge that differ from those of a training, and the command lines that repeat both."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Any

from mixviz.networks.run import Run

# A quarter of ResNet-18's channels at 64 px: two cores train on 50 to 150 pictures a second.
DEFAULTS: Mapping[str, Any] = {
    "image_size": 64, "width": 0.25, "stem": "strided", "epochs": 15, "batch_size": 32, "lr": 0.05, "warmup": 1.0,
}  # fmt: skip
# Fields without a flag: contestants set the method, the judge the seeds, and it compares class scores.
FIXED = ("method", "seed", "objective", "per_class", "relations", "whiten", "dimensions")


def judge_line(given: Collection[str], run: Run, seeds: int, out: str) -> str:
    """Return the command line that repeats a judge."""
    flags = _flags(run, {**_defaults(), **DEFAULTS}, FIXED)
    return shlex.join(["mixviz", "judge", *given, *flags, "--seeds", str(seeds), "--out", out])


def train_line(run: Run, out: str) -> str:
    """Return the command line that trains a run."""
    options = [part for name, value in run.options.items() for part in (_flag(name), str(value))]
    return shlex.join(["mixviz", "train", *_flags(run, _defaults()), *options, "--out", out])


def _defaults() -> dict[str, Any]:
    return {name: about["default"] for name, about in Run.described().items()}


def _flags(run: Run, defaults: Mapping[str, Any], without: Collection[str] = ()) -> list[str]:
    """Flags of a run's fields: data set and folder always, others where they differ from the defaults."""
    values = {name: getattr(run, name) for name in defaults if name not in without}
    said = [name for name, value in values.items() if value != defaults[name] or name in ("data", "root")]
    return [part for name in said for part in (_flag(name), str(values[name]))]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")

"""Model cards: what a trained network is, how it was trained, and what was measured of it."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import platform
import statistics
import subprocess
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, TypeVar, cast, get_type_hints

import torch
from torch import nn

from mixviz import resources
from mixviz.core.objective import LAYERS
from mixviz.data.pictures import RESAMPLING, View
from mixviz.methods import METHODS
from mixviz.networks import architectures, card_checks
from mixviz.networks.run import Run
from mixviz.render import fonts
from mixviz.version import __version__

FILE = "card.json"
LARGEST = 2**20  # bytes of a card
SIDES, OTHERS_SIDES = (1, 4096), (16, 512)  # pixels along a side: of one's own networks, and of a visitor's
WIDTHS = (0.01, 8)
LEAST_CROP = 0.25  # share of the shorter side: pictures are resized to at most four times the network's side
# Short labels of strategies whose parameters say little to people.
LABELS = {
    "SaliencyMix (box batch)": "SaliencyMix (one box per batch)",
    "SaliencyMix (box batch, detector opencv_fine_grained:float_bytes=true,channel_order=bgr)": (
        "SaliencyMix (released saliency)"
    ),
    "SaliencyMix (box batch, detector opencv_fine_grained:float_bytes=true,channel_order=bgr, rounding even)": (
        "SaliencyMix (as released)"
    ),
    "RandSaliencyMix (label area)": "RandSaliencyMix (area label)",
}

Values: TypeAlias = Mapping[str, Any]  # JSON whose keys are data: a method's parameters, a run's flags, measurements


class Accuracy(TypedDict):
    """Percent."""

    top1: float
    top5: float


class Validation(Accuracy):
    """Validation after an epoch, counted from 1."""

    epoch: int
    val_loss: float


class LogLine(Validation):
    """An epoch in the log of a training; ``train_share_accuracy`` in percent."""

    lr: float
    train_loss: float
    train_share_accuracy: float
    images_per_second: float


class Result(TypedDict):
    """Summary of a training, see :func:`summary`."""

    last: Validation
    best: Validation
    median_of_last_10: Accuracy
    train_loss: float
    train_share_accuracy: float


class Provenance(TypedDict):
    """Where and when a network was trained, with which code, in how many seconds."""

    date: str
    commit: str
    hardware: str
    mixviz: str
    torch: str
    seconds: float


class Elsewhere(TypedDict):
    """How a network was trained elsewhere, as its makers document it; ``top1`` in percent, as measured there."""

    augmentation: str
    documented: str
    top1: float


class Pretrained(TypedDict):
    """Weights that a training started from; license and source may be empty."""

    file: str
    sha256: str
    license: str
    source: str


@dataclass(frozen=True)
class NetworkSpec:
    """A network's architecture and input: square pictures of ``image_size`` pixels in [0, 1], normalised by ``mean``
    and ``std``. Heat maps are made at ``layer``, unless that is empty. ``crop`` and ``interpolation``: see
    :class:`mixviz.data.pictures.View`. ``loss`` is ``bce`` where it was trained with binary cross-entropy, a class at
    a time, which makes its confidences another scale than softmax's. ``keep_stages``, ``head``, ``dimensions``,
    ``whiten`` and ``scores``: see :func:`mixviz.networks.architectures.build`."""

    name: str
    stem: str
    width: float
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layer: str = ""
    crop: float | None = None
    interpolation: str = "bicubic"
    loss: str = ""
    keep_stages: int = 0
    head: str = ""
    dimensions: int = 0
    whiten: int = 0
    scores: bool = True

    @property
    def view(self) -> View:
        """How the network wants its pictures."""
        return View(self.image_size, self.crop, self.interpolation)


@dataclass(frozen=True)
class DataSpec:
    """The classes of a network, and the data set it was trained on, empty where that is unknown.

    ``keys`` are the data set's identifiers of the classes, ``pictures`` how many there were per split.
    """

    classes: tuple[str, ...]
    name: str = ""
    terms: str = ""
    keys: tuple[str, ...] = ()
    pictures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredWeights:
    """The file of weights that a card describes, with licence and source; empty where the card does not say.

    With a ``start``, the name of a network in the folder beside, the file holds differences from that network's weights
    (:mod:`mixviz.networks.differences`).
    """

    file: str = ""
    sha256: str = ""
    of: str = ""
    start: str = ""
    license: str = ""
    source: str = ""


@dataclass(frozen=True)
class Measurement:
    """Metrics of one training: its ``seed``, and ``holdout``, the part of the data that it was measured on, such as
    ``2/5``; empty: the data set's own validation pictures."""

    seed: int | None
    holdout: str
    metrics: Values


@dataclass(frozen=True)
class ModelCard:
    """A network's card. :meth:`from_json` checks what a file holds; the constructor checks nothing.

    A card that ``mixviz train`` wrote has all parts (:attr:`is_whole`). A card written for a network from elsewhere
    may have ``network`` and ``data.classes`` alone.

    Attributes:
        title: for people, on one line; may be empty.
        network, data, weights: see their classes.
        method, parameters: of the training, where the catalogue has the method; else empty.
        citation: of the method.
        parameter_count: of the network.
        run: the flags of the training, see :class:`mixviz.networks.run.Run`; a card may be older than some of them.
        elsewhere: see its class.
        metrics: what was measured, read by :class:`mixviz.evaluation.metrics.Metric`.
        seeds: what was measured of further trainings, which differ by seed and held-out part alone; their weights are
            elsewhere.
        given: the JSON that the card was read from, which is what :func:`mixviz.networks.card_text.write` writes.
    """

    title: str
    network: NetworkSpec
    data: DataSpec
    weights: StoredWeights = StoredWeights()
    method: str = ""
    parameters: Values = field(default_factory=dict)
    citation: str = ""
    parameter_count: int = 0
    pretrained: Pretrained | None = None
    run: Values | None = None
    made: Provenance | None = None
    result: Result | None = None
    elsewhere: Elsewhere | None = None
    metrics: Values | None = None
    seeds: tuple[Measurement, ...] = ()
    given: Values = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, values: object, sides: tuple[int, int] = SIDES) -> ModelCard:
        """Check a card's JSON.

        Network, classes and the name of the weights' file must be right. Parts about the training and measurements
        are for people: they are left out where they are not what ``mixviz train`` and ``mixviz evaluate`` write.

        Args:
            values: the JSON.
            sides: the fewest and the most pixels of the network's input along a side.

        Raises:
            ValueError: what is wrong, in one line.
        """
        if not isinstance(values, dict):
            raise ValueError("The card should be a JSON object with network and data, as `mixviz train` writes it.")
        network, data = card_checks.part(values, "network"), card_checks.part(values, "data")
        classes = card_checks.class_names(data.get("classes"))
        known = _names_a_method(values)
        return cls(
            title=_text(values, "title"),
            network=_network(network, sides),
            data=DataSpec(
                tuple(classes), _text(data, "name"), _text(data, "terms"), card_checks.names(data, "keys"),
                _object(data, "pictures") or {},
            ),
            weights=_weights(values.get("weights") or {}),
            method=values["method"] if known else "",
            parameters=values["parameters"] if known else {},
            citation=_text(values, "citation"),
            parameter_count=_count(network),
            pretrained=_record(values, "pretrained", Pretrained),
            run=_object(values, "run"),
            made=_record(values, "made", Provenance),
            result=_record(values, "result", Result),
            elsewhere=_record(values, "elsewhere", Elsewhere),
            metrics=_object(values, "metrics"),
            seeds=_seeds(values.get("seeds")),
            given=values,
        )  # fmt: skip

    def __getitem__(self, key: str) -> Any:
        """Return a part of the JSON, with a warning: cards were dictionaries before. Works for this version."""
        warnings.warn(f"A card is no dictionary any more: use card.{key} for card[{key!r}].", DeprecationWarning, 2)
        return self.given[key]

    def changed(self, **parts: Any) -> ModelCard:
        """Return the card with other parts of its JSON, checked."""
        return ModelCard.from_json({**self.given, **parts})

    def reduced(self, title: str) -> ModelCard:
        """Return the card with a title, network and classes, which is all that is taken from a visitor's card."""
        return ModelCard(title, self.network, DataSpec(self.data.classes))

    @property
    def is_whole(self) -> bool:
        """Whether ``mixviz train`` wrote the card."""
        return bool(self.method and self.data.name and self.run is not None and self.made)

    @property
    def strategy(self) -> str:
        """The strategy label (:func:`strategy`); the title of a network from elsewhere."""
        return strategy(self.method, self.parameters) if self.method else self.title

    @property
    def seed(self) -> int | None:
        """The seed of the training, where it is known."""
        return None if self.run is None else self.run.get("seed")

    @property
    def holdout(self) -> str:
        """The part of the data that was held out of the training, such as ``2/5``; empty: the data set's own split."""
        return (self.run or {}).get("holdout", "")

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All that was measured: this training first, then further seeds."""
        own = (Measurement(self.seed, self.holdout, self.metrics),) if self.metrics else ()
        return own + self.seeds


Part = TypeVar("Part")


def _text(values: Values, name: str) -> str:
    value = values.get(name)
    return fonts.clean(value) if isinstance(value, str) else ""


def _count(network: Values) -> int:
    return value if isinstance(value := network.get("parameters"), int) else 0


def _object(values: Values, name: str) -> Values | None:
    value = values.get(name)
    return value if isinstance(value, dict) else None


def _record(values: Values, name: str, shape: type[Part]) -> Part | None:
    value = values.get(name)
    complete = isinstance(value, dict) and get_type_hints(shape).keys() <= value.keys()
    return cast(Part, value) if complete else None


def _seeds(values: object) -> tuple[Measurement, ...]:
    """Read further seeds; none at all where one is not what ``mixviz zoo collect`` writes."""
    if not isinstance(values, list):
        return ()
    shape = {"seed": int, "holdout": str, "metrics": dict}
    right = all(
        isinstance(one, dict)
        and one.keys() == shape.keys()
        and all(isinstance(one[key], kind) and not isinstance(one[key], bool) for key, kind in shape.items())
        for one in values
    )
    return tuple(Measurement(**one) for one in values) if right else ()


def _names_a_method(values: Values) -> bool:
    """Whether a card names a method of the catalogue, with parameters of that method."""
    method, parameters = values.get("method"), values.get("parameters")
    if not (isinstance(method, str) and method in METHODS and isinstance(parameters, dict)):
        return False
    own = METHODS[method].parameters()
    return all(name in own and isinstance(value, (bool, int, float, str)) for name, value in parameters.items())


def _network(values: Values, sides: tuple[int, int]) -> NetworkSpec:
    return NetworkSpec(
        name=card_checks.word(values, "name", r"[\w.]{1,80}"),
        stem=card_checks.word(values, "stem", "|".join(stem for stem in architectures.STEMS if stem != "auto")),
        width=card_checks.number(values, "width", *WIDTHS),
        image_size=card_checks.whole_number(values, "image_size", *sides),
        mean=card_checks.three_numbers(values, "mean", -10),
        std=card_checks.three_numbers(values, "std", 1e-3),
        layer=card_checks.word(values, "layer", r"[\w.]{1,200}") if values.get("layer") else "",
        crop=None if values.get("crop") is None else card_checks.number(values, "crop", LEAST_CROP, 1),
        interpolation=card_checks.word({"interpolation": "bicubic", **values}, "interpolation", "|".join(RESAMPLING)),
        loss=card_checks.word(values, "loss", "bce|cross_entropy") if values.get("loss") else "",
        keep_stages=card_checks.whole_number(values, "keep_stages", 0, 1000) if values.get("keep_stages") else 0,
        head=card_checks.word(values, "head", r"[\w:=.,-]{1,200}") if values.get("head") else "",
        dimensions=card_checks.whole_number(values, "dimensions", 0, 65_536) if values.get("dimensions") else 0,
        whiten=card_checks.whole_number(values, "whiten", 0, 65_536) if values.get("whiten") else 0,
        scores=values.get("scores", True) is not False,
    )


def _weights(values: object) -> StoredWeights:
    if not isinstance(values, dict):
        raise ValueError(f"The card's weights should have a file and its sha256; it is {card_checks.shorten(values)}.")
    file = card_checks.word(values, "file", r"\w[\w.-]{0,200}\.safetensors") if "file" in values else ""
    start = card_checks.word(values, "start", r"\w{1,80}") if "start" in values else ""
    license, source = _text(values, "license"), _text(values, "source")
    return StoredWeights(file, str(values.get("sha256") or ""), _text(values, "of"), start, license, source)


def summary(history: Sequence[LogLine]) -> Result:
    """Summarize a training by its last epoch, its best one, and the median of the last ten.

    Papers report one or another of the three. They stay apart, since the best epoch is chosen on the very pictures it
    is measured on.
    """
    tail = history[-10:]
    return {
        "last": _validation(history[-1]),
        "best": _validation(best(history)),
        "median_of_last_10": {
            "top1": statistics.median(line["top1"] for line in tail),
            "top5": statistics.median(line["top5"] for line in tail),
        },
        "train_loss": history[-1]["train_loss"],
        "train_share_accuracy": history[-1]["train_share_accuracy"],
    }


def _validation(line: LogLine) -> Validation:
    return {"epoch": line["epoch"], "top1": line["top1"], "top5": line["top5"], "val_loss": line["val_loss"]}


def best(history: Sequence[LogLine]) -> LogLine:
    """The line of the epoch with the highest top-1 accuracy. On ties, the first."""
    return max(history, key=lambda line: line["top1"])


def of_run(
    run: Run, classes: Sequence[str], keys: Sequence[str], terms: str, *, side: int, stem: str, layer: str,
    pictures: dict[str, int], device: torch.device, processes: int, seconds: float, network: nn.Module,
    mean: Sequence[float], std: Sequence[float], pretrained: Pretrained | None, result: Result | None,
) -> ModelCard:  # fmt: skip
    """The card of a run, without metrics: these are added by the evaluation."""
    card = METHODS[run.method].card
    return ModelCard.from_json({
        "title": card.title,
        "method": run.method,
        "parameters": run.options,
        "citation": card.citation,
        "data": {"name": run.data, "terms": terms, "pictures": pictures, "classes": list(classes), "keys": list(keys)},
        "network": {
            "name": run.network, "stem": stem, "width": run.width, "image_size": side, "layer": layer,
            "mean": list(mean), "std": list(std), **_head(run),
            "parameters": sum(p.numel() for name, p in network.named_parameters() if not name.startswith(LAYERS)),
        },
        "pretrained": pretrained,
        "run": run.portable(),
        "made": {
            "date": datetime.date.today().isoformat(), "commit": commit(), "hardware": _hardware(device, processes),
            "mixviz": __version__, "torch": torch.__version__, "seconds": round(seconds, 1),
        },
        "result": result,
        "metrics": None,
    })  # fmt: skip


def _head(run: Run) -> dict[str, Any]:
    """What a card says of stages and head, where they are not the network's own."""
    scores = run.learned_objective().proxies
    values = {"head": run.head, "dimensions": run.dimensions, "whiten": run.whiten, "scores": scores}
    own_head = not (run.head or run.dimensions or run.whiten) and scores
    return ({"keep_stages": run.keep_stages} if run.keep_stages else {}) | ({} if own_head else values)


def read(folder: str | Path) -> ModelCard:
    """Read the card of a run, of a network in the zoo, or of one's own.

    Raises:
        ValueError: there is none, or something is wrong with it, in one line with the folder.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise ValueError(f"{folder} is no run of `mixviz train`: it holds no {FILE}.")
    try:
        return read_file(path)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def read_file(path: str | Path, sides: tuple[int, int] = SIDES) -> ModelCard:
    """Read a card from a file.

    Args:
        path: of the JSON.
        sides: see :meth:`ModelCard.from_json`.

    Raises:
        ValueError: what is wrong, in one line.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST // 2**20} MB")
        values = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise ValueError(f"The card cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The card is no JSON as `mixviz train` writes it ({str(error)[:120]}).") from None
    return ModelCard.from_json(values, sides)


def strategy(method: str, parameters: Values) -> str:
    """Return the strategy label: the method's title plus its non-default parameters."""
    own, title = METHODS[method].parameters(), METHODS[method].card.title
    given = sorted(parameters.items(), key=lambda item: list(own).index(item[0]))
    changed = [f"{key} {value}" for key, value in given if value != own[key]["default"]]
    label = title + (f" ({', '.join(changed)})" if changed else "")
    return LABELS.get(label, label)


def rows(cards: Sequence[ModelCard]) -> list[tuple[str, Values]]:
    """(row, metrics) of each card for :func:`mixviz.evaluation.tables.table`.

    Runs that differ by seed and held-out part alone share a row. Other settings in which runs of one strategy differ
    stand in the row's name. A card's further seeds are not rows of their own (:attr:`ModelCard.measurements`).

    Raises:
        ValueError: the same run twice, which would count as two seeds.
    """
    settings = [(card.strategy, _settings(card)) for card in cards]
    named, seen = [], set()
    for card, (label, own) in zip(cards, settings, strict=True):
        alike = [others for other, others in settings if other == label]
        apart = [f"{key} {value}" for key, value in own.items() if any(o.get(key) != value for o in alike)]
        name = " / ".join([label, *apart])
        for seed, holdout in [(card.seed, card.holdout), *((one.seed, one.holdout) for one in card.seeds)]:
            if (name, seed, holdout) in seen:
                raise ValueError(f"{name} with seed {seed} is there twice: give each run once, and networks titles.")
            seen.add((name, seed, holdout))
        named.append((name, card.metrics or {}))
    return named


def measured_rows(cards: Sequence[ModelCard]) -> list[tuple[str, Values]]:
    """(row, metrics) of every measurement of the cards, further seeds included; see :func:`rows`."""
    named = zip(cards, rows(cards), strict=True)
    return [(name, one.metrics) for card, (name, _) in named for one in card.measurements]


def training(card: ModelCard) -> dict[str, Any]:
    """Return the settings in which runs of one strategy may differ, besides their seed and which part is held out."""
    run = {
        key: value
        for key, value in (Run.completed(card.run) if card.run else {}).items()
        if key not in ("seed", "root", "method", "options")
    }
    kind = "classes of " if card.holdout.startswith("classes:") else "of "
    return {**run, "holdout": kind + parts} if (parts := card.holdout.partition("/")[2]) else run


def same_training(one: ModelCard, other: ModelCard) -> bool:
    """Whether two networks were trained alike, apart from method, seed and held-out part: on the same classes, from the
    same start, with the same settings."""
    first, second = (
        (training(card), card.data.name, card.data.keys, card.pretrained and card.pretrained["sha256"])
        for card in (one, other)
    )
    return first == second


def _settings(card: ModelCard) -> dict[str, Any]:
    """Settings in which runs of one strategy may differ, and the data of their measurement."""
    measured = ("weights", "size") if card.holdout else ("weights", "size", "images")  # parts differ by a few images
    return {**training(card), **{key: (card.metrics or {}).get(key) for key in measured}}


def digest(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def commit() -> str:
    """The checkout's commit, marked where the package's code was changed since; empty outside a checkout."""
    here = resources.PACKAGE
    if not (here.parent / ".git").exists():
        return ""
    try:
        named, changed = (
            subprocess.run(["git", *command], cwd=here, capture_output=True, text=True, timeout=10, check=False).stdout
            for command in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--", "."])
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return named.strip() + ("-dirty" if named and changed else "")


def _hardware(device: torch.device, processes: int) -> str:
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{threads} thread{'s' if threads > 1 else ''} of a CPU ({platform.machine()})"
    return name if processes == 1 else f"{processes} x {name}"

"""Cards: what a trained network is, where it comes from and how well it does, as JSON and for people."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import platform
import re
import shlex
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mixviz import resources
from mixviz.methods import METHODS
from mixviz.networks.files import write as write_file
from mixviz.networks.run import Run
from mixviz.version import __version__

LIST = re.compile(r"\[\n[^\[\]{}]*\]")  # in JSON of one number a line, a list of numbers or words
# Of a strategy whose parameters say little to people.
CALLED = {
    "SaliencyMix (box batch)": "SaliencyMix (one box per batch)",
    "SaliencyMix (box batch, detector opencv_fine_grained:float_bytes=true,channel_order=bgr)": (
        "SaliencyMix (released saliency)"
    ),
    "SaliencyMix (box batch, detector opencv_fine_grained:float_bytes=true,channel_order=bgr, rounding even)": (
        "SaliencyMix (as released)"
    ),
    "RandSaliencyMix (label area)": "RandSaliencyMix (area label)",
}
FURTHER = ("accumulate", "label_smoothing", "class_weights", "ema")  # of a run, where they are not the defaults
SHORT = 15  # numbers of a list that the card for people still shows


def summary(history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Summarize a training: the last epoch, the best one, and the median of the last ten. Papers report one or another
    of the three, and the best one was chosen on the very pictures it is measured on, so they stay apart."""
    tail = history[-10:]
    return {
        "last": {key: history[-1][key] for key in ("epoch", "top1", "top5", "val_loss")},
        "best": {key: best(history)[key] for key in ("epoch", "top1", "top5", "val_loss")},
        "median_of_last_10": {key: statistics.median(line[key] for line in tail) for key in ("top1", "top5")},
        "train_loss": history[-1]["train_loss"],
        "train_share_accuracy": history[-1]["train_share_accuracy"],
    }


def best(history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The line of the epoch with the highest top-1 accuracy: of equal ones the first."""
    return max(history, key=lambda line: line["top1"])


def of_run(
    run: Run, classes: Sequence[str], keys: Sequence[str], terms: str, *, side: int, stem: str, layer: str,
    pictures: dict[str, int], device: torch.device, processes: int, seconds: float, network: nn.Module,
    mean: Sequence[float], std: Sequence[float], pretrained: dict[str, str] | None, result: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """The card of a run; everything but the metrics, which the evaluation adds.

    ``pretrained`` is what :func:`mixviz.networks.pretrained.load` tells of the weights that the run starts from.
    """
    card = METHODS[run.method].card
    return {
        "title": card.title,
        "method": run.method,
        "parameters": run.options,
        "citation": card.citation,
        "data": {"name": run.data, "terms": terms, "pictures": pictures, "classes": list(classes), "keys": list(keys)},
        "network": {
            "name": run.network, "stem": stem, "width": run.width, "image_size": side, "layer": layer,
            "mean": list(mean), "std": list(std),
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        "pretrained": pretrained,
        "run": run.portable(),
        "made": {
            "date": datetime.date.today().isoformat(), "commit": commit(), "hardware": _hardware(device, processes),
            "mixviz": __version__, "torch": torch.__version__, "seconds": round(seconds, 1),
        },
        "result": result,
        "metrics": None,
    }  # fmt: skip


def write(folder: Path, card: dict[str, Any]) -> None:
    """``card.json``, and ``card.md`` made from it."""
    text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
    write_file(folder / "card.json", LIST.sub(_on_a_line, text).encode())
    write_file(folder / "card.md", markdown(card).encode())


def _on_a_line(found: re.Match) -> str:
    return re.sub(r"\n\s*", "", re.sub(r"(?<=,)\n\s*", " ", found[0]))


def read(folder: str | Path) -> dict[str, Any]:
    """The card of a run or of a network in the zoo.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    path = Path(folder) / "card.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(f"{folder} is no run of `mixviz train`: it holds no card.json.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}).") from None


def names_a_method(card: Mapping[str, Any]) -> bool:
    """Whether a card says by which method of the catalogue its network was trained, with parameters of that method."""
    method, parameters = card.get("method"), card.get("parameters")
    if not (isinstance(method, str) and method in METHODS and isinstance(parameters, dict)):
        return False
    own = METHODS[method].parameters()
    return all(name in own and isinstance(value, (bool, int, float, str)) for name, value in parameters.items())


def is_whole(card: Mapping[str, Any]) -> bool:
    """Whether a card is one of :func:`of_run`, and not one that somebody wrote for a network from elsewhere."""
    return names_a_method(card) and all(isinstance(card.get(part), dict) for part in ("data", "network", "run", "made"))


def strategy(card: dict[str, Any]) -> str:
    """Return the strategy label: the method plus its non-default parameters; the title of a network from elsewhere."""
    if not names_a_method(card):
        return str(card.get("title") or "")
    own = METHODS[card["method"]].parameters()
    given = sorted(card["parameters"].items(), key=lambda item: list(own).index(item[0]))
    said = [f"{key} {value}" for key, value in given if value != own[key]["default"]]
    plain = card["title"] + (f" ({', '.join(said)})" if said else "")
    return CALLED.get(plain, plain)


def rows(several: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """(row, metrics) of each card for :func:`mixviz.evaluation.tables.table`.

    Runs that differ by their seed alone share a row; what else tells runs of one strategy apart stands in the row's
    name.

    Raises:
        ValueError: the same run twice, which would count as two seeds.
    """
    found = [{**_told(card), "": strategy(card)} for card in several]
    named, seen = [], set()
    for card, told in zip(several, found, strict=True):
        alike = [other for other in found if other[""] == told[""]]
        apart = [f"{key} {value}" for key, value in told.items() if any(o.get(key) != value for o in alike)]
        name = " / ".join([told[""], *apart])
        run = name, (card.get("run") or {}).get("seed")
        if run in seen:
            raise ValueError(f"{name} with seed {run[1]} is there twice: give each run once, and networks titles.")
        seen.add(run)
        named.append((name, card.get("metrics")))
    return named


def _told(card: dict[str, Any]) -> dict[str, Any]:
    """Settings in which runs of one strategy may differ, besides their seed, and the data of their measurement."""
    run = {
        key: value
        for key, value in (Run.completed(card["run"]) if card.get("run") else {}).items()
        if key not in ("seed", "root", "method", "options")
    }
    metrics = card.get("metrics") or {}
    return {**run, **{key: metrics.get(key) for key in ("weights", "images", "size")}}


def command(card: dict[str, Any]) -> str:
    """The line that trains such a network again: what differs from the defaults, and the method's own parameters."""
    known, run = Run.described(), card["run"]
    said = {key: run[key] for key, about in known.items() if key in run and run[key] != about["default"]}
    flags = {"method": run["method"], **said, **run["options"]}
    if not flags.get("root"):  # a card tells no folders
        flags.pop("root", None)
    words = [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in flags.items()]
    return " ".join(["python -m mixviz train", *words])


def markdown(card: dict[str, Any]) -> str:
    """The card for people; of a network from elsewhere its title, classes and what was measured."""
    if not is_whole(card):
        lines = [f"# {strategy(card) or 'A network'}", "", f"- **Classes**: {', '.join(card['data']['classes'])}"]
        return "\n".join([*lines, *_measured(card)]) + "\n"
    data, network, run, made, result = (card[key] for key in ("data", "network", "run", "made", "result"))
    parameters = ", ".join(f"{key} {value}" for key, value in card["parameters"].items()) or "its defaults"
    whole, known = Run.completed(run), Run.described()
    further = "".join(
        f", {name.replace('_', ' ')} {whole[name]}" for name in FURTHER if whole[name] != known[name]["default"]
    )
    further += " (the weights are this average)" if whole["ema"] else ""
    lines = [
        f"# {card['title']}: {network['name']} on {len(data['classes'])} classes of {data['name']}",
        "",
        f"- **Method**: `{card['method']}`, {parameters}. {card['citation']}",
        f"- **Data**: {data['pictures']['train']} pictures to train, {data['pictures']['val']} to validate. "
        f"Terms: {data['terms']}.",
        f"- **Classes**: {', '.join(data['classes'])}",
        f"- **Network**: {network['name']}, stem {network['stem']}, width {network['width']:g}, "
        f"{network['parameters'] / 1e6:.2f} M parameters, {network['image_size']} px"
        + (f"; heat maps at `{network['layer']}`" if network["layer"] else ""),
        *_said_of_start(card.get("pretrained"), whole["freeze"]),
        f"- **Run**: {run['epochs']} epochs, batch {run['batch_size']}, {run['optimizer']}, lr {run['lr']:g}, weight "
        f"decay {run['weight_decay']:g}, {run['schedule']}, mixed with probability {run['mix_prob']:g}, "
        f"{run['precision']}, seed {run['seed']}{further}",
        f"- **Made**: {made['date']}, {made['hardware']}, {clock(made['seconds'])}, torch {made['torch']}, "
        f"commit {made['commit']}",
    ]
    if result:
        rows = [("last epoch", result["last"]), (f"best epoch ({result['best']['epoch']})", result["best"]),
                ("median of the last 10", result["median_of_last_10"])]  # fmt: skip
        lines += ["", "| top-1 and top-5 accuracy, % | top-1 | top-5 |", "| --- | --- | --- |"]
        lines += [f"| {name} | {line['top1']:.2f} | {line['top5']:.2f} |" for name, line in rows]
    return "\n".join([*lines, *_measured(card)]) + "\n"


def _measured(card: dict[str, Any]) -> list[str]:
    if not card.get("metrics"):
        return []
    return ["", "## Measured on the weights as they are stored", "", *_nested(card["metrics"])]


def _said_of_start(start: dict[str, str] | None, frozen: int) -> list[str]:
    if not start:
        return []
    terms = f"licence {start['license'] or 'unknown'}, source {start['source'] or 'unknown'}"
    kept = f"; the lowest {frozen} stages, and what comes before them, stayed as they were" if frozen else ""
    return [f"- **Starts from**: {start['file']}, sha256 {start['sha256']}, {terms}{kept}"]


def _nested(values: dict[str, Any], depth: int = 0) -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            if inner := _nested(value, depth + 1):
                lines += ["  " * depth + f"- {key}", *inner]
        elif not isinstance(value, list) or len(value) <= SHORT:
            lines.append("  " * depth + f"- {key}: {_said(value)}")
    return lines


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower()


def digest(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def commit() -> str:
    """The checkout's commit, marked where the code was changed since; empty outside a checkout."""
    here = resources.PACKAGE
    if not (here.parent / ".git").exists():
        return ""
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here, capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def _hardware(device: torch.device, processes: int) -> str:
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{threads} thread{'s' if threads > 1 else ''} of a CPU ({platform.machine()})"
    return name if processes == 1 else f"{processes} x {name}"


def clock(seconds: float) -> str:
    """Seconds in words: ``1 h 02 min`` or ``3 min 04 s``."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"

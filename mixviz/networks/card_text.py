"""Model cards as files for people: ``card.json``, ``card.md``, and the command that trains a network again."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mixviz.networks import class_names, files
from mixviz.networks.model_card import FILE, ModelCard, Pretrained, Result, Values
from mixviz.networks.run import Run
from mixviz.objectives import OBJECTIVES

LIST = re.compile(r"\[\n[^\[\]{}]*\]")  # a list of numbers or words in indented JSON
# Flags that are named where they are not defaults.
FURTHER = (
    "objective",
    "per_class",
    "keep_stages",
    "head",
    "dimensions",
    "whiten",
    "holdout",
    "test_size",
    "accumulate",
    "label_smoothing",
    "class_weights",
    "ema",
)
SHORT, NAMED = 15, 200  # longest lists of numbers and of classes that the text shows


def write(folder: Path, card: ModelCard) -> None:
    """Write ``card.json``, and ``card.md`` made from it."""
    text = json.dumps(card.given, indent=1, ensure_ascii=False) + "\n"
    files.write(folder / FILE, LIST.sub(_on_a_line, text).encode())
    files.write(folder / "card.md", markdown(card).encode())


def _on_a_line(numbers: re.Match) -> str:
    return re.sub(r"\n\s*", "", re.sub(r"(?<=,)\n\s*", " ", numbers[0]))


def command(card: ModelCard) -> str:
    """The command line that trains such a network again: flags that differ from the defaults.

    Raises:
        ValueError: the card knows no training.
    """
    if card.run is None:
        raise ValueError("The card does not say how its network was trained.")
    run = card.run
    changed = {key: run[key] for key, flag in Run.described().items() if key in run and run[key] != flag["default"]}
    flags = {"method": run["method"], **changed, **run["options"]}
    if not flags.get("root"):  # a card does not tell folders of the machine
        flags.pop("root", None)
    words = [f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in flags.items()]
    return " ".join(["python -m mixviz train", *words])


def markdown(card: ModelCard) -> str:
    """The text of ``card.md``: of a network from elsewhere what is known, and what was measured."""
    data, network, made = card.data, card.network, card.made
    if card.run is None or made is None or not card.is_whole:
        return "\n".join([f"# {card.strategy or 'A network'}", "", *_from_elsewhere(card), *_metrics(card)]) + "\n"
    parameters = ", ".join(f"{key} {value}" for key, value in card.parameters.items()) or "its defaults"
    run, flags = Run.completed(card.run), Run.described()
    further = "".join(
        f", {name.replace('_', ' ')} {run[name]}" for name in FURTHER if run[name] != flags[name]["default"]
    )
    further += " (the weights are this average)" if run["ema"] else ""
    lines = [
        f"# {card.title}: {network.name} on {len(data.classes)} classes of {data.name}",
        "",
        f"- **Method**: `{card.method}`, {parameters}. {card.citation}",
        f"- **Data**: {data.pictures['train']} pictures to train, {data.pictures['val']} to validate. "
        f"Terms: {data.terms}.",
        _classes(card),
        f"- **Network**: {network.name}, stem {network.stem}, width {network.width:g}, "
        f"{card.parameter_count / 1e6:.2f} M parameters, {network.image_size} px"
        + (f"; heat maps at `{network.layer}`" if network.layer else ""),
        *_start(card.pretrained, run["freeze"], data.classes),
        f"- **Run**: {run['epochs']} epochs, batch {run['batch_size']}, {run['optimizer']}, lr {run['lr']:g}, weight "
        f"decay {run['weight_decay']:g}, {run['schedule']}, mixed with probability {run['mix_prob']:g}, "
        f"{run['precision']}, seed {run['seed']}{further}",
        f"- **Made**: {made['date']}, {made['hardware']}, {clock(made['seconds'])}, torch {made['torch']}, "
        f"commit {made['commit']}",
    ]
    if card.result is not None:
        lines += ["", *_result(card.result, _embeds(run["objective"]))]
    return "\n".join([*lines, *_metrics(card)]) + "\n"


def _embeds(objective: str) -> bool:
    """Whether an objective, as a run names it, is a loss of embeddings."""
    known = OBJECTIVES.get(objective.partition(":")[0])
    return known is not None and known.embeds


def _result(result: Result, embeds: bool) -> list[str]:
    """The table of the validation: accuracy of class scores, or retrieval by embeddings."""
    best, median = result["best"], result["median_of_last_10"]
    rows = [("last epoch", result["last"]), (f"best epoch ({best['epoch']})", best), ("median of the last 10", median)]
    if not embeds:
        lines = ["| top-1 and top-5 accuracy, % | top-1 | top-5 |", "| --- | --- | --- |"]
        return lines + [f"| {name} | {line['top1']:.2f} | {line['top5']:.2f} |" for name, line in rows]
    precision = [f"{100 - 100 * line['val_loss']:.2f}" for line in (result["last"], best)]
    return [
        "Each validation picture is a query among the others. Recall@1 and recall@5: one of its class is the nearest, "
        "or among the five nearest.",
        "",
        "| retrieval, % | recall@1 | recall@5 | mAP |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {line['top1']:.2f} | {line['top5']:.2f} | {last} |"
            for (name, line), last in zip(rows, [*precision, ""], strict=True)
        ),
    ]


def _from_elsewhere(card: ModelCard) -> list[str]:
    network, view, weights = card.network, card.network.view, card.weights
    parameters = f"{card.parameter_count / 1e6:.2f} M parameters, " if card.parameter_count else ""
    lines = [
        _classes(card),
        f"- **Network**: {network.name}, {parameters}"
        f"{view.side} px from the middle of {view.stored}, {view.interpolation}; mean {_number(list(network.mean))}; "
        f"std {_number(list(network.std))}" + (f"; heat maps at `{network.layer}`" if network.layer else ""),
    ]
    if card.method:
        lines.insert(0, f"- **Method**: `{card.method}`, as whoever made the card says. {card.citation}")
    if weights.license or weights.source:
        lines.append(
            f"- **Weights**: licence {weights.license or 'unknown'}, source {weights.source or 'unknown'}, sha256 "
            f"{weights.sha256}"
        )
    if told := card.elsewhere:
        source = f"as {told['documented']} says" if told["documented"] else "by its name; no document says so"
        lines.append(f"- **Trained elsewhere** with {told['augmentation']}, {source}; top-1 {told['top1']:g} % there")
    if network.loss == "bce":
        lines.append("- **Confidence**: trained with binary cross-entropy, so not to be compared with softmax's")
    return lines


def _classes(card: ModelCard) -> str:
    classes, of = card.data.classes, f" of {card.data.name}" if card.data.name else ""
    if len(classes) > NAMED:
        return f"- **Classes**: {len(classes):,}{of}, from {classes[0]} to {classes[-1]}; `card.json` names them all"
    return f"- **Classes**: {', '.join(classes)}"


def _metrics(card: ModelCard) -> list[str]:
    if not card.metrics:
        return []
    lines = ["", "## Measured on the weights as they are stored", "", *_nested(card.metrics)]
    for one in card.seeds:
        part = f", measured on part {one.holdout}" if one.holdout else ""
        lines += ["", f"## Measured with seed {one.seed}{part}", "", *_nested(one.metrics)]
    return lines


def _start(start: Pretrained | None, frozen: int, classes: Sequence[str]) -> list[str]:
    if not start:
        return []
    terms = f"licence {start['license'] or 'unknown'}, source {start['source'] or 'unknown'}"
    kept = f"; the lowest {frozen} stages, and what comes before them, stayed as they were" if frozen else ""
    known = sum(class_names.in_imagenet(name) for name in classes)
    return [
        f"- **Starts from**: {start['file']}, sha256 {start['sha256']}, {terms}{kept}",
        "- **Read with care**: networks of one start share that ancestor, and the method acted in this training alone. "
        f"ImageNet has {known} of these {len(classes)} classes",
    ]


def _nested(values: Values, depth: int = 0) -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            if inner := _nested(value, depth + 1):
                lines += ["  " * depth + f"- {key}", *inner]
        elif not isinstance(value, list) or len(value) <= SHORT:
            lines.append("  " * depth + f"- {key}: {_number(value)}")
    return lines


def _number(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_number, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower()


def clock(seconds: float) -> str:
    """Format seconds: ``1 h 02 min`` or ``3 min 04 s``."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"

"""Tables of the zoo for the project's texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mixviz.evaluation import published, questions, tables
from mixviz.evaluation.metrics import METRICS
from mixviz.evaluation.questions import Answer, Question
from mixviz.networks import model_card, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.networks.run import Run

MINUS = "−"  # a number's sign; a hyphen would break the line


def table(where: str | Path | None = None, *, short: bool = False) -> str:
    """Return the metrics of every measured network as Markdown: a table per training of the zoo's strategies, then one
    of all others; ``short``: the most telling columns."""
    wanted = [metric for metric in METRICS.values() if metric.short or not short]
    cards = _cards(where)
    groups = [(_title(group), list(group.values())) for group in questions.groups(cards)]
    grouped = [id(card) for _, members in groups for card in members]
    if others := [card for card in cards if card.metrics and id(card) not in grouped]:
        groups.append(("**Networks of other trainings**, not to be compared with one another", others))
    blocks = [f"{title}:\n\n" + tables.table(model_card.measured_rows(members), wanted) for title, members in groups]
    return "\n".join(blocks) or "No network is measured yet.\n"


def all_tables(where: str | Path | None = None) -> dict[str, str]:
    """Return the text between ``<!-- name -->`` and ``<!-- /name -->`` in the project's documents, by name."""
    groups = questions.groups(_cards(where))
    return {
        "zoo": table(where),
        "zoo in short": table(where, short=True),
        "published": published.errors([method for method, _ in zoo.STRATEGIES.values()]),
        "trainings": trainings(groups),
        "answers": answers_in_short(groups),
        **{f"question {key}": answered(question, groups) for key, question in questions.QUESTIONS.items()},
    }


def trainings(groups: Sequence[dict[str, ModelCard]]) -> str:
    """Return what was trained as Markdown: a row per training."""
    if not groups:
        return "No network is measured yet.\n"
    lines = [
        "| training | start | pictures to train | strategies | seeds | test pictures |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for group in groups:
        card = next(iter(group.values()))
        start = f"{_start(card.pretrained)}, {_frozen(card)}" if card.pretrained else "random"
        seeds = sorted({len(one.measurements) for one in group.values()})
        most = max(group.values(), key=lambda one: len(one.measurements))
        tested = sum({one.holdout: one.metrics["images"] for one in most.measurements}.values())
        cells = [
            _title(group), start, f"{card.data.pictures.get('train', 0):,}", str(len(group)),
            " to ".join(map(str, sorted({seeds[0], seeds[-1]}))), f"{tested:,}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def answered(question: Question, groups: Iterable[dict[str, ModelCard]]) -> str:
    """Return the answers to a question as Markdown, a table per training; what was not measured is named."""
    blocks = []
    for group in groups:
        answers = questions.answers(question, group)
        known, missing = [one for one in answers if one.means], _missing(answers)
        lines = [f"{_title(group)}:", ""]
        if known:
            lines += [
                "| measure | strategy | its number | compared with | its number | difference | told apart? | visible |",
                "| --- | --- | ---: | --- | ---: | --- | --- | ---: |",
                *map(_row, known),
                "",
            ]
        if missing:
            lines += [f"Not measured: {missing}.", ""]
        blocks.append("\n".join(lines))
    return "\n".join(blocks).rstrip("\n") + "\n" if blocks else "No network is measured yet.\n"


def answers_in_short(groups: Iterable[dict[str, ModelCard]]) -> str:
    """Return the answers to all questions as Markdown: a list per training, a line per question and metric."""
    blocks = []
    for group in groups:
        lines = [
            f"- {question.title} {of_metric}"
            for question in questions.QUESTIONS.values()
            for of_metric in _in_short(
                questions.answers(question, group), len({base for _, base in question.pairs}) > 1
            )
        ]
        blocks.append("\n".join([f"{_title(group)}:", "", *lines, ""]))
    return "\n".join(blocks) or "No network is measured yet.\n"


def _in_short(answers: Sequence[Answer], several: bool) -> list[str]:
    """Say for each metric which comparisons are better, worse, and not told apart; ``several``: bases, which are then
    named."""
    by_metric: dict[str, list[Answer]] = {}
    for one in answers:
        by_metric.setdefault(one.metric.title, []).append(one)
    return [f"*{title}*: {_verdicts(of_metric, several)}." for title, of_metric in by_metric.items()]


def _verdicts(answers: Sequence[Answer], several: bool) -> str:
    known = [(one, one.difference) for one in answers if one.difference is not None]
    if not known:
        return "not measured"
    if all(one.told_apart is None for one, _ in known):
        few = max(difference.count for _, difference in known)
        return "one seed, which tells nothing apart" if few == 1 else f"{few} seeds, which tell nothing apart"
    names = {
        id(one): f"{_name(one.ours)} against {_name(one.base)}" if several else _name(one.ours) for one, _ in known
    }
    parts = []
    for word, better in (("better", True), ("worse", False)):
        told = [f"{names[id(one)]} ({_signed(difference.mean)})" for one, difference in known if one.better is better]
        parts += [f"{word} for {', '.join(told)}"] if told else []
    apart = [names[id(one)] for one, _ in known if not one.told_apart]
    return "; ".join(parts + ([f"not told apart: {', '.join(apart)}"] if apart else []))


def _cards(where: str | Path | None) -> list[ModelCard]:
    return [zoo.card(name, where) for name in zoo.names(where)]


def _title(group: dict[str, ModelCard]) -> str:
    """Describe a training in a line: network, data, sides in pixels and epochs."""
    card = next(iter(group.values()))
    run, side = Run.completed(card.run or {}), card.network.image_size
    trained = run["image_size"] or side
    sides = f"{side} px" if trained == side else f"trained at {trained} px, measured at {side} px"
    millions = f"{card.parameter_count / 1e6:.1f} M parameters"
    classes = len(card.data.classes)
    return (
        f"**{card.network.name} ({millions}), {classes} classes of {card.data.name}**, {sides}, {run['epochs']} epochs"
    )


def _start(pretrained: Mapping[str, object]) -> str:
    """Name the weights that a training started from."""
    own = pretrained["sha256"] == zoo.card(zoo.REFERENCE).weights.sha256
    return "ImageNet weights" if own else f"weights of {pretrained['file']}"


def _frozen(card: ModelCard) -> str:
    frozen = Run.completed(card.run or {})["freeze"]
    return f"the lowest {frozen} stages frozen" if frozen else "all trained on"


def _row(answer: Answer) -> str:
    (ours, base), difference = answer.means or (0.0, 0.0), answer.difference
    assert difference is not None
    interval = "" if difference.low is None else f" ({_signed(difference.low)} to {_signed(difference.high or 0.0)})"
    cells = [
        answer.metric.heading, _name(answer.ours), f"{ours:.1f}", _name(answer.base), f"{base:.1f}",
        _signed(difference.mean) + interval, _verdict(answer),
        "" if answer.visible is None else f"{answer.visible:.1f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _verdict(answer: Answer) -> str:
    of = " and ".join(f"{one.count:,} {one.over}" if one.count > 1 else "one seed" for one in answer.kinds)
    if answer.told_apart is None:
        return f"{of}: no interval"
    return f"{'better' if answer.better else 'worse'}, {of}" if answer.told_apart else f"not told apart with {of}"


def _missing(answers: Sequence[Answer]) -> str:
    """Name metrics that no comparison has, and comparisons that lack a metric."""
    by_metric: dict[str, list[Answer]] = {}
    for one in answers:
        by_metric.setdefault(one.metric.title, []).append(one)
    several = len({one.base for one in answers}) > 1
    parts = []
    for title, of_metric in by_metric.items():
        lacking = [one for one in of_metric if one.means is None]
        names = [f"{_name(one.ours)} against {_name(one.base)}" if several else _name(one.ours) for one in lacking]
        parts += [title if len(lacking) == len(of_metric) else f"{title} of {', '.join(names)}"] if lacking else []
    return "; ".join(parts)


def _name(strategy: str) -> str:
    return zoo.strategies()[strategy]


def _signed(number: float) -> str:
    text = f"{abs(number):.1f}"
    return text if text == "0.0" else f"{'+' if number > 0 else MINUS}{text}"

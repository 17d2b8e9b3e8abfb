"""A judge's verdict in the page's language: English as its file says it, other languages from its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixviz.i18n import say


def in_words(verdict: Mapping[str, Any], language: str) -> tuple[str, list[str]]:
    """Return the sentence of a verdict and its remarks."""
    if language == "en":
        return verdict["sentence"], list(verdict["remarks"])
    return _sentence(verdict, language), _remarks(verdict, language)


def _sentence(verdict: Mapping[str, Any], language: str) -> str:
    none, *_ = verdict["standings"]
    winners = sorted((one for one in verdict["against_none"] if one["wins"]), key=lambda one: -one["seeds"]["mean"])
    if winners:
        return " ".join(
            say("search.beat", language, name=one["ours"], points=f"{one['seeds']['mean']:.1f}",
                intervals=intervals(one, language))
            for one in winners
        )  # fmt: skip
    few = any(one["seeds"]["low"] is None for one in verdict["against_none"])
    return say("search.no_interval" if few else "search.none_beaten", language, n=len(none["accuracies"]))


def _remarks(verdict: Mapping[str, Any], language: str) -> list[str]:
    others = [one for one in verdict["against_none"] if not one["wins"]]
    lines = [_remark(one, language) for one in others]
    visible = [one["visible"] for one in others if one["visible"] and not one["loses"]]
    return lines + ([say("search.visible", language, points=f"{max(visible):.1f}")] if visible else [])


def _remark(one: Mapping[str, Any], language: str) -> str:
    mean, apart = one["seeds"]["mean"], [_apart(one[kind]) for kind in ("seeds", "pictures")]
    key = (
        "alike" if one["alike"]
        else "untold" if one["seeds"]["low"] is None
        else "worse" if one["loses"]
        else "disagree" if all(apart)
        else "chance"
    )  # fmt: skip
    shown = f"{-mean:.1f}" if key == "worse" else f"{mean:+.1f}"
    values = {"name": one["ours"], "points": shown, "intervals": intervals(one, language)}
    return say(f"search.remark.{key}", language, **values)


def _apart(difference: Mapping[str, Any]) -> bool:
    return difference["low"] is not None and (difference["low"] > 0 or difference["high"] < 0)


def intervals(one: Mapping[str, Any], language: str) -> str:
    """Describe the intervals of a comparison over seeds and over pictures."""
    parts = [
        say(f"search.over_{kind}", language, low=f"{one[kind]['low']:+.1f}", high=f"{one[kind]['high']:+.1f}",
            n=one[kind]["count"])
        for kind in ("seeds", "pictures")
        if one[kind]["low"] is not None
    ]  # fmt: skip
    return ", ".join(parts)
